"""One epoch: batch, loss, gradient, step."""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from udl.train._checkpoint import Parts, random_states, set_random_states
from udl.train._measure import Loss, Means, Metrics, device_of, examples, forward, pair
from udl.train._precision import autocast


class NonFiniteLoss(ArithmeticError):
    """A loss, or its gradient, is NaN or infinite: training can't go on.

    In a batch, the step was not taken: the parameters are those before it (the buffers of batch
    normalization have seen the batch). On a GPU, which computes ahead, some more steps may have
    been taken before it is seen. The last checkpoint is that of the epoch before.

    Parameters
    ----------
    epoch : int
        1, 2, ...
    batch : int or None
        1, 2, ..., or None for the validation loss.
    value : float
        What it is.
    what : str
        What was measured.
    advice : str
        What to try.
    """

    def __init__(
        self, epoch: int, batch: int | None, value: float, what: str = "loss", advice: str = ""
    ) -> None:
        super().__init__(epoch, batch, value, what, advice)
        self.epoch, self.batch, self.value = epoch, batch, value
        self._what, self._advice = what, advice

    def __str__(self) -> str:
        where = f"epoch {self.epoch}" + ("" if self.batch is None else f", batch {self.batch}")
        return f"the {self._what} is {self.value} in {where}. {self._advice}".rstrip()


# Losses and norms that wait on a GPU until they are read: to read one means to wait for it, while
# the next step could already be on its way.
_WAITING = 64


class Interrupted(Exception):
    """Ctrl-C was pressed: the epoch stops after a step, and can go on from `state`."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__("interrupted")
        self.state = state


class _Numbers:
    """What an epoch measures; on a CPU seen, and refused if not finite, at once."""

    def __init__(
        self, epoch: int, place: torch.device, *, scaled: bool, state: dict[str, Any] | None
    ) -> None:
        self._epoch, self._scaled = epoch, scaled
        self._room = _WAITING if place.type == "cuda" else 1
        self._waiting: list[tuple[Tensor, int, int]] = []  # a number, its batch, and its weight
        state = state or {"losses": None, "metrics": None, "norms": []}
        self._losses, self.metrics = Means(state["losses"]), Means(state["metrics"])
        self._norms: list[float] = list(state["norms"])

    def loss(self, value: Tensor, batch: int, weight: int, x: Any) -> None:
        self._add(value, batch, weight, x)

    def norm(self, value: Tensor, batch: int, x: Any) -> None:
        self._add(value, batch, 0, x)

    def _add(self, value: Tensor, batch: int, weight: int, x: Any) -> None:
        self._waiting.append((value.detach(), batch, weight))
        if len(self._waiting) >= self._room:
            self._read(x)

    def _read(self, x: Any = None) -> None:
        waiting, self._waiting = self._waiting, []
        numbers = torch.stack([value.double() for value, _, _ in waiting]).tolist()
        for number, (_, batch, weight) in zip(numbers, waiting, strict=True):
            if weight:
                if not math.isfinite(number):
                    raise NonFiniteLoss(self._epoch, batch, number, advice=advice(x))
                self._losses.add({"train_loss": number}, weight)
            elif math.isfinite(number):
                self._norms.append(number)
            elif not self._scaled:  # with a scaler, this is how it finds its scale
                what = "norm of the gradient"
                raise NonFiniteLoss(self._epoch, batch, number, what, advice(x))

    def state_dict(self) -> dict[str, Any]:
        if self._waiting:
            self._read()
        losses, metrics = self._losses.state_dict(), self.metrics.state_dict()
        return {"losses": losses, "metrics": metrics, "norms": self._norms}

    def result(self) -> dict[str, float]:
        if self._waiting:
            self._read()
        means = self._losses.result("batches") | self.metrics.result("batches")
        norms = self._norms
        return {**means, "gradient_norm": sum(norms) / len(norms) if norms else math.nan}


def train(
    parts: Parts,
    loss: Loss,
    metrics: Metrics,
    *,
    epoch: int,
    accumulate: int,
    clip: float | int | None,
    dtype: torch.dtype | None,
    every_batch: LRScheduler | None,
    bar: "tqdm[Any]",
    interrupted: Callable[[], bool],
) -> dict[str, float]:
    """Take the steps of one epoch, and return what was measured on the way.

    If that was interrupted, raise Interrupted; if it had been before, go on from there.
    """
    model, optimizer, scaler = parts.model, parts.optimizer, parts.scaler
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    place = device_of(model)
    partial, parts.partial = parts.partial, None
    numbers = _Numbers(epoch, place, scaled=scaler.is_enabled(), state=partial)
    rate, done = 0.0, 0
    batches = iter(parts.batches)
    if partial is not None:
        rate, done = partial["rate"], partial["done"]
        for _ in islice(batches, done):
            pass
        set_random_states(partial["random"], place)
        bar.update(done)
    model.train()
    while several := list(islice(batches, accumulate)):
        pairs = [pair(batch, place) for batch in several]
        weights = [examples(y) for _, y in pairs]
        optimizer.zero_grad()
        for (x, y), weight in zip(pairs, weights, strict=True):
            done += 1
            with autocast(place, dtype):
                output, value = forward(model, loss, x, y, first=done == 1)
            if done == 1 and not value.requires_grad:
                raise ValueError("expected a loss that depends on the parameters, got one without")
            numbers.loss(value, done, weight, x)
            part = value if len(pairs) == 1 else value * (weight / sum(weights))
            scaler.scale(part).backward()
            with torch.no_grad():
                row = {f"train_{n}": float(metric(output, y)) for n, metric in metrics.items()}
            numbers.metrics.add(row, weight)
            del output, value, part  # the next batch needs the memory
        scaler.unscale_(optimizer)
        total = get_total_norm([p.grad for p in parameters if p.grad is not None])
        numbers.norm(total, done, x)
        if clip is not None:
            clip_grads_with_norm_(parameters, clip, total)
        rate = float(optimizer.param_groups[0]["lr"])
        scaler.step(optimizer)
        scaler.update()
        if every_batch is not None:
            every_batch.step()
        bar.update(len(pairs))
        if interrupted():
            random = random_states(place)
            state = {**numbers.state_dict(), "rate": rate, "done": done, "random": random}
            raise Interrupted(state)
    measured = numbers.result()
    bar.set_postfix(epoch=epoch, loss=f"{measured['train_loss']:.4g}", refresh=False)
    return {**measured, "rate": rate}


def advice(x: Any = None) -> str:
    """Return what to try when numbers are no longer finite."""
    if isinstance(x, Tensor) and not torch.isfinite(x).all():
        return "The inputs of this batch are not finite: mend the data"
    return (
        "Try a lower learning rate, a limit on the gradient (clip=1.0), inputs of scale 1; "
        "and look for a logarithm or a division of zero in the loss"
    )
