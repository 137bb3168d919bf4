"""Interactives for the pages of the book and for notebooks.

A cell's object emits its own HTML. In the built book that is a light placeholder, filled when it
is scrolled to; in a notebook it is a frame that holds everything it needs. See `udl.web.host`.
"""

from udl.web.host import STATIC, Widget
from udl.web.questions import choice, numeric

__all__ = ["STATIC", "Widget", "choice", "numeric"]
