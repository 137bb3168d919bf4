"""All that decides how a training goes on: taken out, put back."""

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from udl.train._batches import get_state, set_state
from udl.train._files import CheckpointError, decode, encode, identity, reason, write
from udl.train._history import History
from udl.train._measure import Metrics, device_of

_FORMAT = "udl.train 1"


class Checkpoint(NamedTuple):
    """A training after one of its epochs, or in the next: what each part needs to go on.

    ``model``, ``optimizer``, ``scheduler``, ``scaler``, ``batches`` and ``validation`` are what
    ``state_dict()`` returned; ``random`` has the states of torch's generators; ``fingerprint``
    tells what the parts look like. After Ctrl-C, ``partial`` has what the epoch in progress had
    measured; ``batches`` and ``random`` are those at its beginning.

    Examples
    --------
    >>> Checkpoint._fields[:4]
    ('epoch', 'history', 'model', 'optimizer')
    """

    epoch: int
    history: History
    model: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any] | None
    scaler: dict[str, Any]
    batches: dict[str, Any]
    validation: dict[str, Any] | None
    random: dict[str, Tensor]
    fingerprint: dict[str, dict[str, str]]
    partial: dict[str, Any] | None = None


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : path
        Of the file.

    Returns
    -------
    Checkpoint
        On the CPU, wherever the model was.

    Raises
    ------
    CheckpointError
        If there is none, or it is damaged or of another kind.

    Notes
    -----
    No code that a file may hold is run (``weights_only=True``), so a stranger's file is safe.

    Examples
    --------
    >>> load("nothing/last.pt")
    Traceback (most recent call last):
        ...
    udl.train._files.CheckpointError: expected a checkpoint, got no file nothing/last.pt
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"expected a checkpoint, got no file {path}")
    try:
        state = decode(path.read_bytes())
    except Exception as error:
        raise CheckpointError(f"{path} is damaged, or no checkpoint: {reason(error)}") from error
    if not isinstance(state, dict) or state.pop("format", None) != _FORMAT:
        raise CheckpointError(f"expected a checkpoint of format {_FORMAT!r}, got another: {path}")
    try:
        history = History(**state.pop("history"))
        return Checkpoint(epoch=len(history), history=history, **state)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no checkpoint of this version: {error}") from error


def restore(
    model: nn.Module, folder: str | os.PathLike[str], which: Literal["best", "last"] = "best"
) -> Checkpoint:
    """Give a model the weights of a checkpoint.

    Parameters
    ----------
    model : nn.Module
        Of the same shapes as the one that was trained.
    folder : path
        What :func:`fit` was given as `checkpoint`.
    which : str
        ``"best"`` epoch or ``"last"`` one.

    Returns
    -------
    Checkpoint
        With the history up to that epoch.

    Raises
    ------
    CheckpointError
        If there is none, it is damaged, or it is of another model; then the model is unchanged.

    Examples
    --------
    >>> restore(nn.Linear(1, 1), "nothing")
    Traceback (most recent call last):
        ...
    udl.train._files.CheckpointError: expected a checkpoint, got no file nothing/best.pt
    """
    if which not in ("best", "last"):
        raise ValueError(f"expected 'best' or 'last', got which={which!r}")
    path = Path(folder) / f"{which}.pt"
    checkpoint = load(path)
    _compare(path, "model", checkpoint.fingerprint["model"], _shapes(model))
    model.load_state_dict(checkpoint.model)
    return checkpoint


@dataclass
class Parts:
    """What changes while a model is trained."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    scaler: torch.amp.GradScaler
    batches: Any
    validation: Any
    metrics: Metrics
    _readable: bool = False
    _seen: tuple[int, int] | None = None
    _start: dict[str, Any] = field(default_factory=dict)
    partial: dict[str, Any] | None = None

    def begin_epoch(self) -> None:
        """Remember what decides the epoch's batches, in case that it is interrupted."""
        batches = copy.deepcopy(get_state(self.batches))
        self._start = {"batches": batches, "random": random_states(device_of(self.model))}

    def watch(self, folder: Path) -> None:
        """Remember which ``last.pt`` is there, to notice if another process writes one."""
        self._seen = identity(folder / "last.pt")

    def save(self, folder: Path, history: History) -> None:
        """Write ``last.pt``, and then ``best.pt`` if this epoch is over, and the best.

        Whoever is killed in between has both in ``last.pt``: :meth:`resume` completes the pair.
        """
        scheduler, validation = self.scheduler, self.validation
        state = {
            "format": _FORMAT,
            "fingerprint": self._fingerprint(),
            "history": history.to_dict(),
            "model": self.model.state_dict(),
            "optimizer": _plain(self.optimizer.state_dict()),
            "scheduler": None if scheduler is None else _plain(scheduler.state_dict()),
            "scaler": self.scaler.state_dict(),
            "batches": get_state(self.batches),
            "validation": None if validation is None else get_state(validation),
            "random": random_states(device_of(self.model)),
            "partial": self.partial,
        }
        if self.partial is not None:
            state |= self._start
        try:
            content = encode(state)
            if not self._readable:  # found out now, not on the day when it is needed
                decode(content)
                self._readable = True
        except Exception as error:
            raise CheckpointError(
                "expected states of tensors, numbers, strings, lists and dicts (of the model, "
                f"optimizer, scheduler or batches), got something else: {reason(error)}"
            ) from error
        if identity(folder / "last.pt") not in (None, self._seen):
            raise CheckpointError(
                f"expected {folder} for one training alone, got a last.pt of another process"
            )
        write(folder / "last.pt", content)
        self.watch(folder)
        if self.partial is None and history.best == len(history) - 1:
            write(folder / "best.pt", content)

    def resume(self, folder: Path) -> History:
        """Go back to the last checkpoint, if there is one.

        A checkpoint that can't be used raises CheckpointError and leaves the model as it is.
        """
        path = folder / "last.pt"
        if not path.exists():
            return History()
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            if not (folder / "best.pt").is_file():
                raise
            raise CheckpointError(f"{error}; best.pt can take its place") from error
        mine = self._fingerprint()
        for part, theirs in checkpoint.fingerprint.items():
            _compare(path, part, theirs, mine[part])
        try:
            set_state(self.batches, checkpoint.batches, "batches")
            if self.validation is not None and checkpoint.validation is not None:
                set_state(self.validation, checkpoint.validation, "validation")
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"{path} is of other batches: {error}") from error
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        if self.scheduler is not None and checkpoint.scheduler is not None:
            self.scheduler.load_state_dict(checkpoint.scheduler)
        self.scaler.load_state_dict(checkpoint.scaler)
        set_random_states(checkpoint.random, device_of(self.model))
        self.partial = checkpoint.partial
        if checkpoint.partial is not None:
            return checkpoint.history
        best, content = folder / "best.pt", path.read_bytes()
        completed = best.is_file() and best.read_bytes() == content
        if checkpoint.history.best == checkpoint.epoch - 1 and not completed:
            write(best, content)
        return checkpoint.history

    def _fingerprint(self) -> dict[str, dict[str, str]]:
        """Return what must be the same for a state to fit."""
        groups = {f"group {i}": g["params"] for i, g in enumerate(self.optimizer.param_groups)}
        names = {id(p): name for name, p in self.model.named_parameters()}
        return {
            "model": _shapes(self.model),
            "optimizer": {
                "class": type(self.optimizer).__name__,
                **{name: f"{len(params)} tensors" for name, params in groups.items()},
                **{
                    f"{name}, tensor {i}": names.get(id(p), str(tuple(p.shape)))
                    for name, params in groups.items()
                    for i, p in enumerate(params)
                },
            },
            "scheduler": {"class": type(self.scheduler).__name__},
            "precision": {"scaler": str(self.scaler.is_enabled())},
            "validation": {"given": str(self.validation is not None)},
            "history": {"metrics": ", ".join(sorted(self.metrics)) or "none"},
        }


def best_weights(folder: Path, history: History) -> dict[str, Any]:
    """Return the model's state after the best epoch of a history that was resumed."""
    path = folder / "best.pt"
    best = load(path)
    if best.epoch != history.best + 1:
        raise CheckpointError(f"expected epoch {history.best + 1} in {path}, got {best.epoch}")
    if best.history["validation_loss"][-1] != history["validation_loss"][history.best]:
        raise CheckpointError(f"{path} and last.pt are of two trainings: their losses differ")
    return best.model


def _plain(value: Any) -> Any:
    """Make Python's numbers of NumPy's, which ``weights_only=True`` would refuse to read."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {name: _plain(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(part) for part in value)
    return value


def _shapes(model: nn.Module) -> dict[str, str]:
    return {
        name: f"{tuple(value.shape)} {value.dtype}"
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor)
    }


def _compare(path: Path, part: str, theirs: dict[str, str], mine: dict[str, str]) -> None:
    """Refuse a checkpoint whose part is not like ours; name the first difference."""
    for name in [*mine, *theirs]:
        a, b = mine.get(name, "nothing"), theirs.get(name, "nothing")
        if a != b:
            raise CheckpointError(
                f"{path} was made with another {part}: expected {name} = {a}, got {b}"
            )


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's own generators, from which dropout draws."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Go back to states of torch's own generators."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
