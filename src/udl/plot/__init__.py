"""The book's visual language: arrays in, artists on an ``Axes`` out.

Nothing here computes. A chapter fits, evaluates and differentiates with the other modules and
hands plain arrays to these functions, so that the same thing looks the same on every page.
"""

from udl.plot._attention import attention
from udl.plot._data import axis_labels, data, line, residuals, squares
from udl.plot._decision import decision
from udl.plot._graph import graph
from udl.plot._history import history
from udl.plot._images import confusion, images
from udl.plot._landscape import field, heatmap, loss_contours, path
from udl.plot._network import network
from udl.plot._regions import bands, cells
from udl.plot._style import (
    BLUE,
    DIVERGING,
    GOLD,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    SEQUENTIAL,
    style,
)
from udl.plot._tree import tree

__all__ = [
    "BLUE",
    "DIVERGING",
    "GOLD",
    "GREEN",
    "GRID",
    "INK",
    "MUTED",
    "ORANGE",
    "PAPER",
    "PURPLE",
    "SEQUENTIAL",
    "attention",
    "axis_labels",
    "bands",
    "cells",
    "confusion",
    "data",
    "decision",
    "field",
    "graph",
    "heatmap",
    "history",
    "images",
    "line",
    "loss_contours",
    "network",
    "path",
    "residuals",
    "squares",
    "style",
    "tree",
]
