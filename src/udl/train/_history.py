"""What was measured, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


class History:
    """What :func:`fit` measured: one row an epoch, columns by name.

    ``history["train_loss"]`` is an array with one number an epoch. The columns:

    ========================= ===============================================================
    ``epoch``                 1, 2, ...
    ``train_loss``            mean over the epoch's examples, while the parameters change
    ``train_<metric>``        likewise
    ``gradient_norm``         mean over the epoch's batches, before clipping
    ``rate``                  learning rate of the epoch's last step
    ``validation_loss``       mean over the validation examples after the epoch
    ``validation_<metric>``   likewise
    ``seconds``               of the epoch, validation included
    ========================= ===============================================================

    Two histories are equal if everything but the seconds is.

    Parameters
    ----------
    columns : mapping, optional
        Columns to begin with.
    stopped : str
        Why the training ended: ``"epochs"``, ``"patience"``, or ``""`` before the end.

    Examples
    --------
    >>> history = History({"epoch": [1, 2], "train_loss": [0.7, 0.4]})
    >>> history["train_loss"]
    array([0.7, 0.4])
    >>> len(history), history.best
    (2, 1)
    """

    def __init__(
        self, columns: Mapping[str, list[float] | list[int]] | None = None, stopped: str = ""
    ) -> None:
        self._columns: dict[str, list[Any]] = {n: list(c) for n, c in (columns or {}).items()}
        self.stopped = stopped

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._columns)

    @property
    def best(self) -> int:
        """Index of the epoch with the lowest validation loss, or else training loss."""
        if len(self) == 0:
            raise ValueError("expected at least one epoch, got none")
        validated = "validation_loss" in self._columns
        return int(np.argmin(self["validation_loss" if validated else "train_loss"]))

    def append(self, row: Mapping[str, float | int]) -> None:
        """Add an epoch; its row must have the columns of the rows before it."""
        if self._columns and row.keys() != self._columns.keys():
            raise ValueError(f"expected the columns {self.names}, got {list(row)}")
        for name, value in row.items():
            self._columns.setdefault(name, []).append(value)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, to be saved."""
        return {"columns": {n: list(c) for n, c in self._columns.items()}, "stopped": self.stopped}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas table, one row an epoch, with the epoch as its index."""
        import pandas as pd

        return pd.DataFrame(self._columns).set_index("epoch")

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses against epochs, and mark the best one; return the ``Axes``."""
        from udl import plot

        shown = {"training": "train_loss", "validation": "validation_loss"}
        curves = {label: self[name] for label, name in shown.items() if name in self._columns}
        best = self["epoch"][self.best] if "validation" in curves else None
        return plot.history(ax, self["epoch"], curves, best=best)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; columns: {', '.join(self.names)}")
        return np.array(self._columns[name])

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), []))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        mine, theirs = (set(h.names) - {"seconds"} for h in (self, other))
        return (
            mine == theirs
            and self.stopped == other.stopped
            and all(np.array_equal(self[n], other[n], equal_nan=True) for n in mine)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if len(self) == 0:
            return "History(no epochs)"
        last = {n: self[n][-1] for n in self.names if n.endswith(("_loss", "_accuracy"))}
        numbers = ", ".join(f"{name}={value:.4g}" for name, value in last.items())
        return f"History({len(self)} epochs, best {self.best + 1}, last: {numbers})"
