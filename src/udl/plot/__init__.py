"""The book's visual language: arrays in, artists on an ``Axes`` out.

Nothing here computes. A chapter fits, evaluates and differentiates with the other modules and
hands plain arrays to these functions, so that the same thing looks the same on every page.
"""

from udl.plot._data import axis_labels, data, line, residuals, squares
from udl.plot._graph import graph
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
    "axis_labels",
    "bands",
    "cells",
    "data",
    "field",
    "graph",
    "heatmap",
    "line",
    "loss_contours",
    "network",
    "path",
    "residuals",
    "squares",
    "style",
]
