"""The passengers as numbers, and the exam's own split."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int

from udl import data

if TYPE_CHECKING:
    import pandas as pd

SEED = 19120415  # the day on which the ship sank: no usual seed gives the exam's own split


class Table(NamedTuple):
    """The passengers as numbers, ready for a tree.

    Parameters
    ----------
    X : pandas.DataFrame, 1309 rows
        class (1 to 3), male (0 or 1), age (years), siblings (with spouse), parents (with
        children), fare (pounds), port (0 Cherbourg, 1 Queenstown, 2 Southampton). Gaps are filled
        with the median of the training rows.
    y : ndarray of int, shape (1309,)
        1 for who survived, else 0.
    tickets : ndarray of str, shape (1309,)
        The ticket of each passenger.
    train, test : ndarray of int
        Row numbers. No ticket is on both sides.
    """

    X: pd.DataFrame
    y: Int[np.ndarray, " I"]
    tickets: np.ndarray
    train: Int[np.ndarray, " I_train"]
    test: Int[np.ndarray, " I_test"]


@functools.cache
def _table() -> Table:
    import pandas as pd

    frame = data.titanic().frame
    port = pd.Series(frame["embarked"].astype(object)).map({"C": 0.0, "Q": 1.0, "S": 2.0})
    X = pd.DataFrame(
        {
            "class": frame["pclass"].astype(float),
            "male": (frame["sex"].astype(object) == "male").astype(float),
            "age": frame["age"].astype(float),
            "siblings": frame["sibsp"].astype(float),
            "parents": frame["parch"].astype(float),
            "fare": frame["fare"].astype(float),
            "port": port.astype(float),
        }
    ).reset_index(drop=True)
    tickets = frame["ticket"].astype(str).to_numpy().astype(str)
    train, test = data.group_split(tickets, test=0.2, seed=SEED)
    X = X.fillna(X.iloc[train].median())
    return Table(X, frame["survived"].astype(int).to_numpy(), tickets, train, test)


def table() -> Table:
    """Return the passengers as numbers, with the exam's split.

    From the task on the baseline on, all answers are about these numbers and this split, so that
    a slip in an early task costs nothing later.

    Returns
    -------
    Table
        ``X``, ``y``, ``tickets``, ``train``, ``test``: fresh copies, so change what you like.

    Examples
    --------
    >>> X, y, tickets, train, test = table()
    >>> X.shape, len(train) + len(test)
    ((1309, 7), 1309)
    """
    X, *arrays = _table()
    y, tickets, train, test = (array.copy() for array in arrays)
    return Table(X.copy(), y, tickets, train, test)
