"""Exercises that need code: hand in a function or a value, and read what is right and what is not.

There is one module a chapter, named as the chapter. Each has one function, ``check``:

>>> from udl.exercises.deep_networks import check
>>> check("budget", lambda limit: (1, 10))
budget: not yet.
- For limit = 33 it returns (1, 10), expected (2, 4).

``check.names`` lists the exercises of the chapter. An answer may raise, loop for ever, print, or
change its input: the check says so, and goes on. It runs in this process; one that ends it
(``os._exit``) or patches its modules is not held back.

A chapter is a set of `Checks`: for each name a `Function`, a `Value` or a `Rule`. A check returns
a `Result`.
"""

from __future__ import annotations

from udl.exercises._checks import Checks, Function, Result, Rule, Value

__all__ = ["Checks", "Function", "Result", "Rule", "Value"]
