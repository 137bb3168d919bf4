"""Probabilities of classes: softmax, and how far one distribution is from another."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from udl._check import finite, same_shape
from udl.losses._arguments import Floats, Numbers, probabilities, quiet

if TYPE_CHECKING:
    Rows = float | Any
else:
    Rows = float | Float[np.ndarray, "..."]


@quiet
def softmax(f: Numbers) -> Floats:
    r"""Turn logits into probabilities that sum to one (UDL section 5.5).

    .. math:: \mathrm{softmax}_k[f] = \frac{e^{f_k}}{\sum_{k'} e^{f_{k'}}}

    Parameters
    ----------
    f : array of shape (I, K), or of any with K on its last axis
        Logits. Adding one number to all logits of a row changes nothing.

    Returns
    -------
    array of the same shape
        Probabilities.

    Raises
    ------
    ValueError
        If f is empty, or holds NaN or infinity.

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0, -1000.0]]))
    array([[0.5, 0.5, 0. ]])
    """
    e = np.exp(_shifted(f))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


@quiet
def log_softmax(f: Numbers) -> Floats:
    r"""Compute the logarithm of :func:`softmax`, also where the probability rounds to 0 or 1.

    .. math:: \log \mathrm{softmax}_k[f] = f_k - \log \sum_{k'} e^{f_{k'}}

    Parameters
    ----------
    f : array of shape (I, K), or of any with K on its last axis
        Logits.

    Returns
    -------
    array of the same shape
        Log probabilities, none positive.

    Raises
    ------
    ValueError
        If f is empty, or holds NaN or infinity.

    Examples
    --------
    >>> log_softmax(np.array([[0.0, 1000.0]]))
    array([[-1000.,     0.]])
    """
    z = _shifted(f)
    # The largest of the exponentials is 1. log1p keeps the digits of the others beside it.
    others = np.exp(z)
    np.put_along_axis(others, z.argmax(axis=-1, keepdims=True), 0.0, axis=-1)
    return np.asarray(z - np.log1p(others.sum(axis=-1, keepdims=True)))


@quiet
def entropy(p: Numbers) -> Rows:
    r"""Compute the entropy :math:`-\sum_k p_k \log p_k`, in nats, with 0 log 0 = 0.

    Parameters
    ----------
    p : array of shape (K,) or (I, K)
        Probabilities; the last axis sums to one.

    Returns
    -------
    float, or array of shape (I,)
        From 0, for a certain outcome, to log K, where all are equally probable.

    Raises
    ------
    ValueError
        If p holds no probabilities, or its last axis does not sum to one within 1e-6.

    Examples
    --------
    >>> entropy(np.array([0.5, 0.5]))
    0.6931472
    """
    from scipy.special import entr  # SciPy takes a moment to load

    return _added(entr(probabilities(p=p)))


@quiet
def cross_entropy(q: Numbers, p: Numbers) -> Rows:
    r"""Compute the cross-entropy :math:`-\sum_k q_k \log p_k`, in nats (UDL section 5.7).

    It is the mean of the negative log-likelihood of p where the classes come from q.

    Parameters
    ----------
    q, p : arrays of shape (K,) or (I, K)
        Probabilities of the data and of the model.

    Returns
    -------
    float, or array of shape (I,)
        ``entropy(q) + kl_divergence(q, p)``; infinity where some p = 0 < q.

    Raises
    ------
    ValueError
        As :func:`entropy`, or if the shapes differ.

    Examples
    --------
    >>> cross_entropy(np.array([1.0, 0.0]), np.array([0.25, 0.75]))
    1.3862944
    """
    from scipy.special import xlogy

    same_shape(q=q, p=p)
    return _added(-xlogy(probabilities(q=q), probabilities(p=p)))


@quiet
def kl_divergence(q: Numbers, p: Numbers) -> Rows:
    r"""Compute the Kullback-Leibler divergence of p from q, in nats (UDL section 5.7).

    .. math:: D_{KL}[q \,\|\, p] = \sum_k q_k \log \frac{q_k}{p_k}

    Parameters
    ----------
    q, p : arrays of shape (K,) or (I, K)
        Probabilities of the data and of the model.

    Returns
    -------
    float, or array of shape (I,)
        Never negative; differences of p and q below about 1e-8 may round to 0. Infinity where
        some p = 0 < q.

    Raises
    ------
    ValueError
        As :func:`entropy`, or if the shapes differ.

    Examples
    --------
    >>> kl_divergence(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    0.1438410
    """
    from scipy.special import rel_entr

    same_shape(q=q, p=p)
    terms = rel_entr(probabilities(q=q), probabilities(p=p))
    return _added(terms, least=0.0)  # rounding could leave less


def _shifted(f: Numbers) -> Floats:
    """Return the logits minus the largest of each row: what exp can take."""
    finite(f=f)
    f = np.asarray(f, dtype=np.float64)
    if f.ndim == 0 or f.size == 0:
        raise ValueError(f"expected at least one logit on an axis, got f.shape={f.shape}")
    return np.asarray(f - f.max(axis=-1, keepdims=True))


def _added(terms: Floats, least: float = -np.inf) -> Rows:
    """Return the sums over the last axis: an array, or a float where there is but one."""
    total = np.maximum(terms.sum(axis=-1), least)
    return np.asarray(total) if np.ndim(total) else float(total)
