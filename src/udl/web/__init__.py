"""Interactives for the pages of the book and for notebooks.

A cell's object emits its own HTML. In the built book that is a light placeholder, filled when it
is scrolled to; in a notebook it is a frame that holds everything it needs. See `udl.web.host`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from udl.web.host import STATIC as _STATIC
from udl.web.host import Widget
from udl.web.questions import choice, numeric

if TYPE_CHECKING:
    from udl.web._backprop_stepper import backprop_stepper
    from udl.web._gpt_explorer import gpt_explorer
    from udl.web._least_squares_explorer import least_squares_explorer
    from udl.web._loss_landscape import loss_landscape
    from udl.web._playground import playground
    from udl.web._relu_explorer import relu_explorer

__all__ = [
    "STATIC",
    "Widget",
    "backprop_stepper",
    "choice",
    "gpt_explorer",
    "least_squares_explorer",
    "loss_landscape",
    "numeric",
    "playground",
    "relu_explorer",
]

# Assigned here: a reference finds the text of a constant only where that is assigned.
STATIC = _STATIC
"""Folder of the ES modules and of the loader; the book copies it to ``_static/udl``."""


def __getattr__(name: str) -> Any:
    """Load an interactive when it is asked for, so that a page depends on those it shows."""
    if name in __all__:
        return getattr(import_module(f"udl.web._{name}"), name)
    raise AttributeError(f"module 'udl.web' has no attribute {name!r}; it has {__all__}")
