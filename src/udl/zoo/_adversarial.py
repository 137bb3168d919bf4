"""How a model's output changes with its input, and the attack that this makes possible."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from udl._evaluating import evaluating

Loss = Callable[[Tensor, Tensor], Tensor]


def fast_gradient_sign(
    model: nn.Module,
    x: Float[Tensor, "I *D"],
    y: Tensor,
    epsilon: float | int,
    *,
    loss: Loss = cross_entropy,
    low: float | int = 0.0,
    high: float | int = 1.0,
) -> Float[Tensor, "I *D"]:
    r"""Change each input a little, in the direction in which the loss grows fastest.

    .. math:: x' = \operatorname{clip}\bigl(x + \varepsilon \operatorname{sign}
        \nabla_x L[f(x), y],\ \text{low},\ \text{high}\bigr)

    No entry moves by more than epsilon. Of all such changes this one raises the loss most if the
    loss is linear in x, which between two near inputs it nearly is (Goodfellow, Shlens and
    Szegedy 2015, "Explaining and harnessing adversarial examples").

    Parameters
    ----------
    model : Module
        Maps inputs to outputs. It works in evaluation mode, and is left as it was found: the
        modes of all its parts, its parameters, their gradients.
    x : tensor of shape (I, ...)
        Inputs.
    y : tensor
        Targets, as `loss` takes them: classes of shape (I,) for the cross-entropy.
    epsilon : float
        Largest change of an entry, in the unit of x.
    loss : function
        Takes outputs and targets. Its gradient matters, its scale does not.
    low, high : float
        Range of valid inputs, such as black and white. Infinities leave it open.

    Returns
    -------
    tensor of shape (I, ...)
        The changed inputs, with no history of gradients.

    Raises
    ------
    ValueError
        If epsilon is negative or not finite, x lies outside of the range or is not finite, or
        the loss does not depend on x, or its gradient has a NaN.

    Notes
    -----
    An entry with a gradient of exactly zero does not move. A model that is very sure of itself
    has such gradients from rounding alone, which makes it look more robust than it is.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    >>> x, y = torch.tensor([[0.5, 0.45]]), torch.tensor([0])
    >>> changed = fast_gradient_sign(model, x, y, 0.05)
    >>> changed
    tensor([[0.4500, 0.5000]])
    >>> model(x).argmax().item(), model(changed).argmax().item()
    (0, 1)
    """
    if not 0 <= epsilon < float("inf"):
        raise ValueError(f"expected a change of at least 0, and finite, got epsilon={epsilon}")
    if not low < high:
        raise ValueError(f"expected low < high, got low={low}, high={high}")
    _floating(x)
    # Rounded as x is, so that what this returns can come back in.
    black, white = torch.tensor([low, high], dtype=torch.float64).to(x)
    if ((x < black) | (x > white)).any():
        raise ValueError(
            f"expected x from low={low} to high={high}, got x from {x.min().item()} "
            f"to {x.max().item()}: pass the range of valid inputs"
        )
    gradient = _gradient(model, x, lambda output: loss(output, y.clone()))
    if gradient.isnan().any():
        raise ValueError("expected a gradient of numbers, got NaN: is the loss finite?")
    with torch.no_grad():
        return torch.clamp(x.detach() + epsilon * gradient.sign(), black, white)


def input_gradient(
    model: nn.Module, x: Float[Tensor, "I *D"], k: int | Integer[Tensor, " I"]
) -> Float[Tensor, "I *D"]:
    r"""Compute how output k changes with each entry of its input, :math:`\partial f_k/\partial x`.

    Drawn as a picture it shows where an image matters for a class (a saliency map).

    Parameters
    ----------
    model : Module
        Maps inputs to outputs of shape (I, K), each example by itself. It works in evaluation
        mode, and is left as it was found.
    x : tensor of shape (I, ...)
        Inputs.
    k : int or tensor of shape (I,)
        Which output: the same for all examples, or one for each.

    Returns
    -------
    tensor of shape (I, ...)
        One slope an entry, in units of the output over those of x.

    Raises
    ------
    ValueError
        If the outputs or k have another shape, k is out of range, or the outputs do not depend
        on x.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> input_gradient(model, torch.zeros(1, 2), 1)
    tensor([[3., 4.]])
    """
    _floating(x)

    def chosen(output: Tensor) -> Tensor:
        if output.ndim != 2 or len(output) != len(x):
            raise ValueError(f"expected outputs of shape ({len(x)}, K), got {tuple(output.shape)}")
        which = torch.as_tensor(k, device=output.device).long()
        if which.shape not in ((), (len(x),)):
            raise ValueError(
                f"expected one k, or one for each of {len(x)} examples, "
                f"got k.shape={tuple(which.shape)}"
            )
        which = which.expand(len(x))
        if len(x) and not (0 <= which.min().item() and which.max().item() < output.shape[1]):
            raise ValueError(f"expected k from 0 to {output.shape[1] - 1}, got k={k}")
        return output.gather(1, which[:, None])

    return _gradient(model, x, chosen)


def _floating(x: Tensor) -> None:
    """Refuse inputs that have no gradient."""
    if not x.is_floating_point():
        raise TypeError(f"expected inputs of a floating-point type, got x.dtype={x.dtype}")
    if not torch.isfinite(x).all():
        raise ValueError("expected finite numbers in x, got NaN or infinity")


def _gradient(model: nn.Module, x: Tensor, value: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the gradient of the sum of a value of the model's output, by its input."""
    # Tensors made in inference mode have no gradients; a clone made outside of it has.
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        point = x.detach().clone().requires_grad_()
        total = value(model(point)).sum()
        (gradient,) = (
            torch.autograd.grad(total, point, allow_unused=True)
            if total.requires_grad
            else (None,)
        )
    if gradient is None:
        raise ValueError("expected a model whose output depends on x by differentiable steps")
    return gradient
