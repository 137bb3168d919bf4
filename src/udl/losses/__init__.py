r"""Loss functions: how improbable a model finds the data, and the gradients of that.

A loss is a negative log-likelihood, :math:`L = -\sum_i \log Pr(y_i | \theta_i)` (UDL section 5.1).
The parameters :math:`\theta_i` of the distribution are given as they are, or as **logits**: the
raw outputs f of a network, before a function squeezes them into the range of a parameter.

===================  ======================  ==================================  =================
loss                 targets y               parameters                          logits
===================  ======================  ==================================  =================
:func:`gaussian`     real numbers            mu, sigma2 > 0                      mu, log sigma2
:func:`laplace`      real numbers            mu, b > 0                           mu, log b
:func:`bernoulli`    0 or 1                  lam from 0 to 1                     sigmoid gives lam
:func:`categorical`  classes 0, ..., K - 1   lam of shape (I, K), sums of one    softmax gives lam
:func:`poisson`      counts 0, 1, 2, ...     rate of at least 0                  log rate
===================  ======================  ==================================  =================

Each ``loss`` has its ``loss_logits``, and the gradient of each is named ``d_loss``. Targets have
the shape (I,), or (I, D_o) for independent outputs. Classes, and the logits of :func:`gaussian`
and :func:`laplace`, which are pairs of shape (I, 2), go with targets of shape (I,) alone.

**Reduction.** ``"sum"`` adds up the examples. ``"mean"`` divides by their number I: by the number
of rows, where PyTorch divides by that of all entries. ``"none"`` returns one loss an example, of
shape (I,). A gradient is that of the reduced loss. With ``"none"`` it holds one gradient per
example, as with ``"sum"``, added up where one number serves all.

**Refused** with ValueError: shapes that differ (nothing is broadcast, but one number as the spread
of all targets), empty arrays, NaN and infinity, targets and parameters out of their range,
spreads below 1e-308, an unknown reduction. TypeError is raised where something does not hold real
numbers.

**Range.** The loss of each entry, and each entry of a gradient, is infinite only where the true
number exceeds float64, or where the parameters exclude what was observed. Where all entries are
finite, a sum or mean within range does not overflow on the way. Distances between target and
prediction below 1e-322 may count as 0.
"""

from udl.losses._continuous import (
    d_gaussian,
    d_gaussian_logits,
    d_gaussian_variance,
    d_laplace,
    d_laplace_logits,
    d_laplace_scale,
    gaussian,
    gaussian_logits,
    laplace,
    laplace_logits,
)
from udl.losses._discrete import (
    bernoulli,
    bernoulli_logits,
    categorical,
    categorical_logits,
    d_bernoulli,
    d_bernoulli_logits,
    d_categorical,
    d_categorical_logits,
    d_poisson,
    d_poisson_logits,
    poisson,
    poisson_logits,
)
from udl.losses._softmax import cross_entropy, entropy, kl_divergence, log_softmax, softmax

__all__ = [
    "bernoulli",
    "bernoulli_logits",
    "categorical",
    "categorical_logits",
    "cross_entropy",
    "d_bernoulli",
    "d_bernoulli_logits",
    "d_categorical",
    "d_categorical_logits",
    "d_gaussian",
    "d_gaussian_logits",
    "d_gaussian_variance",
    "d_laplace",
    "d_laplace_logits",
    "d_laplace_scale",
    "d_poisson",
    "d_poisson_logits",
    "entropy",
    "gaussian",
    "gaussian_logits",
    "kl_divergence",
    "laplace",
    "laplace_logits",
    "log_softmax",
    "poisson",
    "poisson_logits",
    "softmax",
]
