"""What a model does, measured without changing it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Real, Shaped
from torch import Tensor, nn

from udl._check import count
from udl.train._batches import as_source, check_source

Loss = Callable[..., Tensor]
Metrics = Mapping[str, Callable[..., float | Tensor]]


def accuracy(output: Real[Tensor, "I ..."], target: Real[Tensor, "I ..."]) -> float:
    """Return the share of examples whose predicted class is the target.

    Parameters
    ----------
    output : tensor of shape (I, C) or (I,)
        Scores (logits) of C classes, the highest of which is the prediction; or one logit for each
        example, where a positive one predicts class 1.
    target : tensor of shape (I,)
        Classes.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are no examples.

    Notes
    -----
    Classes are on axis 1, as for ``cross_entropy``, whatever further axes there are.

    Examples
    --------
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), torch.tensor([0, 1, 1]))
    0.667
    """
    several = output.ndim == target.ndim + 1 and output.shape[1] > 1
    classes = output.argmax(1) if several else output > 0
    if classes.shape != target.shape or target.numel() == 0:
        raise ValueError(
            "expected scores of shape (I, C) and classes of shape (I,), "
            f"got output.shape={tuple(output.shape)}, target.shape={tuple(target.shape)}"
        )
    return float((classes == target).double().mean())


def evaluate(
    model: nn.Module, loss: Loss, batches: Any, metrics: Metrics | None = None
) -> dict[str, float]:
    """Return the mean loss and metrics over all examples.

    Parameters
    ----------
    model : nn.Module
        Is put in evaluation mode, and left as found.
    loss : function of output and target
        Returns the mean over a batch.
    batches : Source, DataLoader, or pair of tensors (x, y)
        The examples.
    metrics : mapping, optional
        Functions of output and target by name, each a mean over a batch.

    Returns
    -------
    dict
        ``"loss"``, and each metric by its name.

    Raises
    ------
    ValueError
        If there are no examples.

    Examples
    --------
    >>> x, y = torch.ones(4, 1), torch.tensor([[1.0], [1.0], [1.0], [5.0]])
    >>> evaluate(nn.Identity(), nn.functional.mse_loss, (x, y))
    {'loss': 4.0}
    """
    batches = as_source(batches)
    check_source(batches, "batches")
    means = Means()
    place = device_of(model)
    with evaluating(model), torch.no_grad():
        for batch in batches:
            x, y = move(batch, place)
            output = model(x)
            row = {"loss": float(loss(output, y))}
            row |= {name: float(metric(output, y)) for name, metric in (metrics or {}).items()}
            means.add(row, examples(y))
    return means.result("batches")


def outputs(
    model: nn.Module, x: Shaped[Tensor, "I ..."], size: int = 1000
) -> Shaped[Tensor, "I ..."]:
    """Return the model's outputs, without gradients, in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Is left as found.
    x : tensor of shape (I, ...)
        Inputs.
    size : int
        How many go through the model at once.

    Returns
    -------
    tensor of shape (I, ...)
        On the device of `x`.

    Examples
    --------
    >>> model = nn.Sequential(nn.Dropout(), nn.Flatten())
    >>> outputs(model, torch.ones(2, 2, 1)).tolist(), model.training
    ([[1.0, 1.0], [1.0, 1.0]], True)
    """
    count(size=size)
    place = device_of(model)
    with evaluating(model), torch.no_grad():
        return torch.cat([model(part.to(place)).to(x.device) for part in torch.split(x, size)])


class Means:
    """Means over examples, of numbers that are means over batches."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weight = 0

    def add(self, row: Mapping[str, float], weight: int) -> None:
        for name, value in row.items():
            self._sums[name] = self._sums.get(name, 0.0) + weight * value
        self._weight += weight

    def result(self, source: str) -> dict[str, float]:
        if self._weight == 0:
            raise ValueError(f"expected at least one batch, got none from {source}")
        return {name: total / self._weight for name, total in self._sums.items()}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode; afterwards give each of its modules the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's first parameter or buffer is."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def move(batch: Any, device: torch.device) -> Any:
    """Move tensors in tuples, lists and dicts to a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple | list):
        return [move(part, device) for part in batch]
    if isinstance(batch, dict):
        return {name: move(part, device) for name, part in batch.items()}
    return batch


def examples(y: Any) -> int:
    """Return how many examples a batch of targets has."""
    while isinstance(y, list | dict):
        y = next(iter(y.values() if isinstance(y, dict) else y))
    return len(y)
