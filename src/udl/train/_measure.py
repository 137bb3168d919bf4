"""What a model does, measured without changing it."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Real, Shaped
from torch import Tensor, nn

from udl._check import count
from udl._evaluating import evaluating
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
        If there are no examples, or they do not fit the model and loss.

    Examples
    --------
    >>> x, y = torch.ones(4, 1), torch.tensor([[1.0], [1.0], [1.0], [5.0]])
    >>> evaluate(nn.Identity(), nn.functional.mse_loss, (x, y))
    {'loss': 4.0}
    """
    batches = as_source(batches)
    check_source(batches, "batches")
    check_metrics(metrics)
    means = Means()
    place = device_of(model)
    with evaluating(model), torch.no_grad():
        for number, batch in enumerate(batches, start=1):
            x, y = pair(batch, place)
            weight = examples(y)
            output, value = forward(model, loss, x, y, first=number == 1)
            row = {"loss": float(value)}
            row |= {name: float(metric(output, y)) for name, metric in (metrics or {}).items()}
            means.add(row, weight)
    return means.result("batches")


def outputs(
    model: nn.Module, x: Shaped[Tensor, "I ..."], size: int | np.integer = 1000
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
        return torch.cat(
            [model(part.to(place)).to(x.device) for part in torch.split(x, int(size))]
        )


def check_metrics(metrics: Metrics | None) -> None:
    """Refuse a metric that would take the place of the loss."""
    if "loss" in (metrics or {}):
        raise ValueError("expected metrics of other names than 'loss', got one of that name")


def pair(batch: Any, place: torch.device) -> tuple[Any, Any]:
    """Return a batch's inputs and targets, on a device."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(f"expected batches that are pairs (x, y), got {_describe(batch)}")
    x, y = batch
    return move(x, place), move(y, place)


def forward(model: nn.Module, loss: Loss, x: Any, y: Any, first: bool) -> tuple[Any, Any]:
    """Return output and loss of a batch; for the first one, say what does not fit."""
    if not first:
        output = model(x)
        return output, loss(output, y)
    try:
        with warnings.catch_warnings():
            # torch would broadcast (I, 1) against (I,), and learn something else.
            warnings.filterwarnings("error", message="Using a target size")
            output = model(x)
            value = loss(output, y)
    except (RuntimeError, ValueError, TypeError, IndexError, UserWarning) as error:
        if type(error) not in (RuntimeError, ValueError, TypeError, IndexError, UserWarning):
            raise  # no memory, a missing forward, a kind of the caller's own
        if "DefaultCPUAllocator" in str(error):  # on a CPU, it is of no kind of its own
            raise
        message = str(error).strip().partition("\n")[0]
        types = {str(p.dtype) for p in model.parameters()}
        raise ValueError(
            f"model and loss do not take this batch: x {_describe(x)}, y {_describe(y)}, "
            f"parameters {', '.join(sorted(types))}: {message}"
        ) from error
    if not isinstance(value, Tensor) or value.ndim != 0:
        got = _describe(value)
        raise ValueError(f"expected a loss that is a tensor of one number, got {got}")
    return output, value


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype}"
    return type(value).__name__


class Means:
    """Means over examples, of numbers that are means over batches."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._weight: int = state["weight"] if state else 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "weight": self._weight}

    def add(self, row: Mapping[str, float], weight: int) -> None:
        for name, value in row.items():
            self._sums[name] = self._sums.get(name, 0.0) + weight * value
        self._weight += weight

    def result(self, source: str) -> dict[str, float]:
        if self._weight == 0:
            raise ValueError(f"expected at least one batch, got none from {source}")
        return {name: total / self._weight for name, total in self._sums.items()}


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's first parameter or buffer is."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def move(batch: Any, device: torch.device) -> Any:
    """Move tensors, and those in tuples, lists and dicts, to a device."""
    if hasattr(batch, "to"):  # also a PackedSequence, and batches of other libraries
        return batch.to(device)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(move(part, device) for part in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(move(part, device) for part in batch)
    if isinstance(batch, dict):
        return {name: move(part, device) for name, part in batch.items()}
    return batch


def examples(y: Any) -> int:
    """Return how many examples a batch of targets has."""
    first = y
    while isinstance(first, tuple | list | dict) and len(first):
        first = next(iter(first.values() if isinstance(first, dict) else first))
    single = getattr(first, "ndim", None) == 0 or not hasattr(first, "__len__")
    number = 0 if single else len(first)
    if number == 0:
        raise ValueError(f"expected targets with a row for each example, got y {_describe(first)}")
    return number
