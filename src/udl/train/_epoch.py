"""One epoch: batch, loss, gradient, step."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from udl.train._checkpoint import Parts
from udl.train._measure import Loss, Means, Metrics, device_of, examples, forward, pair
from udl.train._precision import autocast


class NonFiniteLoss(ArithmeticError):
    """A loss, or its gradient, is NaN or infinite: training can't go on.

    In a batch, the step was not taken: the parameters are those before it (the buffers of batch
    normalization have seen the batch). The last checkpoint is that of the epoch before.

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


def train(
    parts: Parts,
    loss: Loss,
    metrics: Metrics,
    *,
    epoch: int,
    clip: float | int | None,
    dtype: torch.dtype | None,
    every_batch: LRScheduler | None,
    bar: "tqdm[Any]",
) -> dict[str, float]:
    """Take the steps of one epoch, and return what was measured on the way."""
    model, optimizer, scaler = parts.model, parts.optimizer, parts.scaler
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    place = device_of(model)
    means, norms, rate = Means(), [], 0.0
    model.train()
    for number, batch in enumerate(parts.batches, start=1):
        x, y = pair(batch, place)
        weight = examples(y)
        with autocast(place, dtype):
            output, value = forward(model, loss, x, y, first=number == 1)
        if number == 1 and not value.requires_grad:
            raise ValueError("expected a loss that depends on the parameters, got one without")
        row = {"train_loss": value.item()}
        if not math.isfinite(row["train_loss"]):
            raise NonFiniteLoss(epoch, number, row["train_loss"], advice=advice(x))

        optimizer.zero_grad()
        scaler.scale(value).backward()
        scaler.unscale_(optimizer)
        total = get_total_norm([p.grad for p in parameters if p.grad is not None])
        norm = total.item()
        if math.isfinite(norm):
            norms.append(norm)
        elif not scaler.is_enabled():  # with one, this is how it finds its scale
            raise NonFiniteLoss(epoch, number, norm, "norm of the gradient", advice(x))
        if clip is not None:
            clip_grads_with_norm_(parameters, clip, total)
        rate = float(optimizer.param_groups[0]["lr"])
        scaler.step(optimizer)
        scaler.update()
        if every_batch is not None:
            every_batch.step()

        with torch.no_grad():
            row |= {f"train_{n}": float(metric(output, y)) for n, metric in metrics.items()}
        means.add(row, weight)
        bar.update()
    measured = means.result("batches")
    bar.set_postfix(epoch=epoch, loss=f"{measured['train_loss']:.4g}", refresh=False)
    mean_norm = sum(norms) / len(norms) if norms else math.nan
    return {**measured, "gradient_norm": mean_norm, "rate": rate}


def advice(x: Any = None) -> str:
    """Return what to try when numbers are no longer finite."""
    if isinstance(x, Tensor) and not torch.isfinite(x).all():
        return "The inputs of this batch are not finite: mend the data"
    return (
        "Try a lower learning rate, a limit on the gradient (clip=1.0), inputs of scale 1; "
        "and look for a logarithm or a division of zero in the loss"
    )
