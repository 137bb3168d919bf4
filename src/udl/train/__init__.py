"""Training: one loop for any torch model and any loss.

The loop knows no model. It draws batches, takes steps, measures what happens, stops in time, and
keeps checkpoints from which it goes on as if nothing had happened:

>>> import torch
>>> from torch import nn
>>> _ = torch.manual_seed(0)
>>> x = torch.randn(200, 2)
>>> y = (x[:, 0] > x[:, 1]).long()
>>> model = nn.Linear(2, 2)
>>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
>>> history = fit(
...     model,
...     nn.functional.cross_entropy,
...     Batches(x, y, size=20),
...     epochs=5,
...     optimizer=optimizer,
...     metrics={"accuracy": accuracy},
... )
>>> len(history), bool(history["train_accuracy"][-1] > 0.9)
(5, True)
"""

from udl.train._batches import Batches, Source
from udl.train._checkpoint import Checkpoint, load, restore
from udl.train._epoch import NonFiniteLoss
from udl.train._files import CheckpointError
from udl.train._history import History
from udl.train._loop import fit
from udl.train._measure import accuracy, evaluate, outputs

__all__ = [
    "Batches",
    "Checkpoint",
    "CheckpointError",
    "History",
    "NonFiniteLoss",
    "Source",
    "accuracy",
    "evaluate",
    "fit",
    "load",
    "outputs",
    "restore",
]
