"""Interactives for the pages of the book and for notebooks.

A cell's object emits its own HTML. In the built book that is a light placeholder, filled when it
is scrolled to; in a notebook it is a frame that holds everything it needs. See `udl.web.host`.
"""

from udl.web._landscape import loss_landscape
from udl.web._least_squares import least_squares_explorer
from udl.web._playground import playground
from udl.web._relu import relu_explorer
from udl.web._stepper import backprop_stepper
from udl.web.host import STATIC, Widget
from udl.web.questions import choice, numeric

__all__ = [
    "STATIC",
    "Widget",
    "backprop_stepper",
    "choice",
    "least_squares_explorer",
    "loss_landscape",
    "numeric",
    "playground",
    "relu_explorer",
]
