"""Where batches come from: tensors in a random order, or anything that can be iterated again."""

import warnings
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from udl._check import count


@runtime_checkable
class Source(Protocol):
    """What :func:`fit` asks of its batches.

    Each ``for x, y in source`` is one epoch, of ``len(source)`` batches. The state is all that
    decides which batches the next epoch has: tensors, numbers, strings, lists and dicts.
    """

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of one epoch."""
        ...

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what decides the epochs to come."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state; raise ValueError if it belongs to other data."""
        ...


class Batches:
    """Examples in batches, in a new random order each epoch.

    The order comes from a generator of its own, so nothing else that draws random numbers can
    change it. The last batch of an epoch may be smaller.

    Parameters
    ----------
    x : tensor of shape (I, ...)
        Inputs, one example a row.
    y : tensor of shape (I, ...)
        Targets.
    size : int
        Examples in a batch.
    seed : int
        Of the generator.
    shuffle : bool
        False keeps the examples in their order.

    Raises
    ------
    ValueError
        If there are no examples, or not as many targets as inputs.
    TypeError
        If `x` or `y` is no tensor, or `size` no integer.

    Examples
    --------
    >>> x = torch.arange(5)
    >>> batches = Batches(x, 10 * x, size=2)
    >>> [len(xb) for xb, yb in batches], len(batches)
    ([2, 2, 1], 3)
    """

    def __init__(
        self,
        x: Shaped[Tensor, "I ..."],
        y: Shaped[Tensor, "I ..."],
        size: int | np.integer = 64,
        *,
        seed: int | np.integer = 0,
        shuffle: bool = True,
    ) -> None:
        for name, value in {"x": x, "y": y}.items():
            if not isinstance(value, Tensor):
                got = type(value).__name__
                raise TypeError(f"expected a tensor, got {name} of type {got}: torch.as_tensor")
            if value.ndim == 0:
                raise ValueError(f"expected one example a row, got {name}.shape=()")
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                "expected as many targets as inputs, at least one, "
                f"got x.shape={tuple(x.shape)}, y.shape={tuple(y.shape)}"
            )
        count(size=size)
        self.x, self.y, self.size, self.shuffle = x, y, int(size), shuffle
        self._generator = torch.Generator().manual_seed(int(seed))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch."""
        if not self.shuffle:
            yield from zip(*(torch.split(t, self.size) for t in (self.x, self.y)), strict=True)
            return
        order = torch.randperm(len(self.x), generator=self._generator)
        for rows in torch.split(order, self.size):
            yield self.x[rows.to(self.x.device)], self.y[rows.to(self.y.device)]

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.x) // self.size)

    def _facts(self) -> dict[str, Any]:
        return {"examples": len(self.x), "size": self.size, "shuffle": self.shuffle}

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state, and the sizes by which it is recognized."""
        return {**self._facts(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state, or raise ValueError if it is of other batches."""
        theirs = {name: value for name, value in state.items() if name != "generator"}
        if theirs != self._facts():
            raise ValueError(f"expected the state of batches with {self._facts()}, got {theirs}")
        self._generator.set_state(state["generator"])


def as_source(batches: Any) -> Any:
    """Make batches of a pair of tensors; leave a source as it is."""
    if isinstance(batches, tuple) and len(batches) == 2:
        return Batches(*batches, size=1000, shuffle=False)
    return batches


def check_source(source: Any, name: str) -> None:
    """Refuse what can't be iterated once an epoch."""
    if not hasattr(source, "__iter__") or isinstance(source, Tensor | tuple):
        raise TypeError(
            f"expected batches such as Batches(x, y), got {name} of type {type(source).__name__}"
        )
    if isinstance(source, Iterator):
        raise TypeError(f"expected {name} that can be iterated once an epoch, got an iterator")


def length(source: Any) -> int | None:
    """Return the number of batches in an epoch, or None if the source does not know."""
    try:
        return len(source)
    except TypeError:  # a DataLoader of a stream
        return None


def get_state(source: Any) -> dict[str, Any]:
    """Return what decides a source's epochs to come, as far as it can be had."""
    if hasattr(source, "state_dict"):
        return dict(source.state_dict())
    if isinstance(source, DataLoader) and source.generator is not None:
        return {"generator": source.generator.get_state()}
    return {}  # a DataLoader without a generator draws from torch's, which is saved as well


def _is_decided(loader: DataLoader[Any]) -> bool:
    """Whether a loader draws its order from its generator, or torch's, and in this process."""
    sampler = loader.sampler
    return (
        type(sampler) in (RandomSampler, SequentialSampler)
        and getattr(sampler, "generator", loader.generator) is loader.generator
        and type(loader.batch_sampler) in (BatchSampler, type(None))
        and loader.num_workers == 0
    )


def set_state(source: Any, state: dict[str, Any], name: str) -> None:
    """Go back to a state; warn if that does not decide which batches come next."""
    if hasattr(source, "load_state_dict"):
        source.load_state_dict(state)
        return
    if isinstance(source, DataLoader):
        if (source.generator is None) == ("generator" in state):
            raise ValueError(f"expected {name} with a generator as when it was saved")
        if source.generator is not None:
            source.generator.set_state(state["generator"])
        if _is_decided(source):
            return
    elif isinstance(source, list):
        return
    warnings.warn(
        f"resumed, but {name} ({type(source).__name__}) has no state that can be restored: its "
        "next batches may differ from those of an uninterrupted run; Batches has one",
        stacklevel=4,
    )
