"""The loop: epochs, and what follows each of them."""

import copy
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm

from udl._check import count, positive
from udl.train._batches import as_source, check_source, length
from udl.train._checkpoint import Parts, best_weights
from udl.train._epoch import Interrupted, NonFiniteLoss, advice, train
from udl.train._files import prepare
from udl.train._history import History
from udl.train._interrupt import deferred
from udl.train._measure import Loss, Metrics, check_metrics, device_of, evaluate
from udl.train._precision import autocast, choose, scaler


def fit(
    model: nn.Module,
    loss: Loss,
    batches: Any,
    *,
    epochs: int,
    optimizer: Optimizer,
    validation: Any = None,
    scheduler: LRScheduler | None = None,
    metrics: Metrics | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    clip: float | int | None = None,
    accumulate: int = 1,
    precision: Literal["float32", "bfloat16", "float16", "auto"] = "float32",
    device: torch.device | str | None = None,
    progress: bool | None = None,
    schedule: Literal["epoch", "batch"] = "epoch",
    after_epoch: Callable[[History], object] | None = None,
) -> History:
    """Train a model, and measure what happens.

    Parameters
    ----------
    model : nn.Module
        Its parameters change in place. It ends in evaluation mode, ready for use.
    loss : function of output and target
        Returns the mean over a batch, a tensor of one number.
    batches : Source, DataLoader, or list of batches
        Yields pairs (x, y); once through is one epoch.
    epochs : int
        How many, those before a resume included.
    optimizer : torch.optim.Optimizer
        Holds parameters of the model.
    validation : Source, DataLoader, or pair of tensors (x, y), optional
        Examples on which the model is measured after each epoch.
    scheduler : torch scheduler, optional
        Changes the learning rate; one step after each epoch, or each step of the optimizer (see
        `schedule`).
    metrics : mapping, optional
        Functions of output and target by name, each a mean over a batch.
    patience : int, optional
        End after so many epochs without a better validation loss. The model then has the weights
        of its best epoch, also if the training ends before that.
    checkpoint : path, optional
        Folder for ``last.pt`` and ``best.pt``, written after each epoch over those that are there.
        One training writes there at a time.
    resume : bool
        Go on from ``last.pt``; if there is none, begin.
    clip : float, optional
        Longest gradient: a longer one is scaled down to this norm.
    accumulate : int
        Batches in a step: its gradient is that of their examples together, for the memory of one.
        What is left at the end of an epoch makes a smaller step.
    precision : str
        ``"float32"``: as the model is. ``"bfloat16"``, or on a CUDA device ``"float16"``: mixed.
        ``"auto"``: mixed on a CUDA device.
    device : torch.device or str, optional
        Where to move the model, and the state of its optimizer, first. Batches follow the model.
    progress : bool, optional
        Show a bar; None shows it on a terminal only.
    schedule : str
        What a step of `scheduler` follows: ``"epoch"``, or ``"batch"`` for each step of the
        optimizer.
    after_epoch : function of the History, optional
        Called after each epoch, before its checkpoint is written.

    Returns
    -------
    History
        One row an epoch.

    Raises
    ------
    NonFiniteLoss
        If the loss, or its gradient, is NaN or infinite.
    CheckpointError
        If a checkpoint can't be written, is damaged, or is of another model, optimizer or data.
    ValueError, TypeError
        If there are no batches, they do not fit the model and loss, or an argument is wrong.
    KeyboardInterrupt
        After Ctrl-C.

    Notes
    -----
    On a CPU, a training that was killed at any moment and resumed gives the same weights and
    history, to the last bit, as one that was not, dropout included; with the same number of
    threads, on the same machine. What a batch source, a loss or a hook draws from NumPy's or
    Python's global generators is not restored.

    With a `checkpoint`, the first Ctrl-C waits for the end of the step, or of the measurement.
    Then the training is written to ``last.pt``, and KeyboardInterrupt raised: nothing is lost. The
    second one does not wait.

    A learning rate, like all that the optimizer and scheduler hold, is that of the checkpoint.

    References
    ----------
    UDL chapter 6.

    Examples
    --------
    >>> from udl.train import Batches
    >>> _ = torch.manual_seed(0)
    >>> x = torch.linspace(0, 1, 40).reshape(-1, 1)
    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    >>> batches = Batches(x, 2 * x + 1, size=10)
    >>> history = fit(model, nn.functional.mse_loss, batches, epochs=50, optimizer=optimizer)
    >>> model(torch.tensor([[2.0]])).item()
    5.00
    """
    validation = as_source(validation)
    _check(batches, epochs, validation, patience, clip, schedule)
    count(accumulate=accumulate)
    _check_parts(model, optimizer, scheduler, schedule)
    metrics = metrics or {}
    check_metrics(metrics)
    if device is not None:
        model.to(device)
        if optimizer.state:  # this brings it to where the parameters are
            optimizer.load_state_dict(optimizer.state_dict())
    place = device_of(model)
    dtype = choose(precision, place)
    parts = Parts(model, optimizer, scheduler, scaler(place, dtype), batches, validation, metrics)
    folder = None if checkpoint is None else Path(checkpoint)
    history, best = History(), None
    if resume:
        if folder is None:
            raise ValueError("expected a folder to resume from, got checkpoint=None")
        history = parts.resume(folder)
        if patience is not None and len(history):
            best = best_weights(folder, history)
    history.stopped = _reason(history, epochs, patience)
    if folder is not None and not history.stopped:
        prepare(folder)
        parts.watch(folder)

    before = 0.0 if parts.partial is None else parts.partial["seconds"]
    with (
        _bar(length(batches), len(history), epochs, progress) as bar,
        deferred(folder is not None) as interrupted,
    ):
        while not history.stopped:
            began, before = time.perf_counter() - before, 0.0
            epoch = len(history) + 1
            row: dict[str, float | int] = {"epoch": epoch}
            if folder is not None:
                parts.begin_epoch()
            try:
                row |= train(
                    parts,
                    loss,
                    metrics,
                    epoch=epoch,
                    accumulate=accumulate,
                    clip=clip,
                    dtype=dtype,
                    every_batch=scheduler if schedule == "batch" else None,
                    bar=bar,
                    interrupted=interrupted,
                )
            except Interrupted as pause:
                parts.partial = pause.state | {"seconds": time.perf_counter() - began}
                parts.save(cast(Path, folder), history)
                raise KeyboardInterrupt from None
            if validation is not None:
                cuda = [place] if place.type == "cuda" else []
                # A DataLoader draws from torch's generator, also for examples in their order.
                with autocast(place, dtype), torch.random.fork_rng(cuda):
                    measured = evaluate(model, loss, validation, metrics)
                if not math.isfinite(measured["loss"]):
                    what = "validation loss"
                    raise NonFiniteLoss(epoch, None, measured["loss"], what, advice())
                row |= {f"validation_{name}": value for name, value in measured.items()}
            history.append(row | {"seconds": time.perf_counter() - began})
            history.stopped = _reason(history, epochs, patience)
            if scheduler is not None and schedule == "epoch":
                _step(scheduler, row)
            if after_epoch is not None:
                after_epoch(history)
            if patience is not None and history.best == epoch - 1:
                best = copy.deepcopy(model.state_dict())
            if folder is not None:
                parts.save(folder, history)
            if interrupted():
                break

    if interrupted():  # also if it was the last epoch: whoever called us shall know
        raise KeyboardInterrupt
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return history


def _bar(batches: int | None, done: int, epochs: int, progress: bool | None) -> "tqdm[Any]":
    return tqdm(
        total=None if batches is None else epochs * batches,
        initial=done * (batches or 0),
        disable=None if progress is None else not progress,
        unit="batch",
    )


def _step(scheduler: LRScheduler, row: dict[str, float | int]) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(row.get("validation_loss", row["train_loss"]))
    else:
        scheduler.step()


def _reason(history: History, epochs: int, patience: int | None) -> str:
    """Return why the training is over, or nothing."""
    if patience is not None and len(history) and len(history) - 1 - history.best >= patience:
        return "patience"
    return "epochs" if len(history) >= epochs else ""


def _check(
    batches: Any,
    epochs: int,
    validation: Any,
    patience: int | None,
    clip: float | int | None,
    schedule: str,
) -> None:
    count(epochs=epochs)
    check_source(batches, "batches")
    if validation is not None:
        check_source(validation, "validation")
    if patience is not None:
        count(patience=patience)
        if validation is None:
            raise ValueError("expected validation examples with patience, got validation=None")
    if clip is not None:
        positive(clip=clip)
    if schedule not in ("epoch", "batch"):
        raise ValueError(f"expected 'epoch' or 'batch', got schedule={schedule!r}")


def _check_parts(
    model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler | None, schedule: str
) -> None:
    for kind, value in {nn.Module: model, Optimizer: optimizer}.items():
        if not isinstance(value, kind):
            raise TypeError(f"expected a torch {kind.__name__}, got {type(value).__name__}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("expected an optimizer that takes one gradient a step, got LBFGS")
    own = {id(p) for p in model.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ValueError("expected an optimizer of the model's parameters, got one of others")
    if scheduler is not None and getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ValueError("expected a scheduler of this optimizer, got one of another")
    if schedule == "batch" and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("expected schedule='epoch' with ReduceLROnPlateau, got 'batch'")
