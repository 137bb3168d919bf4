"""Backpropagation one node at a time, on the graph of an expression."""

from __future__ import annotations

import ast
import html
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat

import numpy as np

from udl.autograd import Value, trace
from udl.web.host import Widget, finite, inline, labeled, plain

Term = Value | float
Goal = str | Mapping[str, Mapping[str, SupportsFloat]]

LENGTH, NAME, NODES, ROW, NESTING = 200, 12, 40, 16, 20
"""Limits, as in the page: characters, those of a name, nodes, operations in a row, parentheses."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_METHODS = ("relu", "exp", "log", "sqrt", "tanh", "sigmoid", "softplus", "sin", "cos", "abs")
FUNCTIONS = (*_METHODS, "square")
_WORD = re.compile(r"[A-Za-zα-ωΑ-Ω_][A-Za-zα-ωΑ-Ω_0-9]*")
_TOKEN = re.compile(
    rf"[ \t]*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|{_WORD.pattern}|\*\*|[-+*/^()=;])"
)
_HELP = (
    "Names are letters and digits, such as theta0 or w. Operators: + - * / ^ and parentheses. "
    f"Functions: {', '.join(FUNCTIONS)}. Parts may be named before their use, with “;” between "
    f"them: g = a + b * x; J = (g - y)^2. At most {LENGTH} characters, {NODES} nodes, {ROW} "
    f"operations in a row, and {NESTING} parentheses inside one another."
)


def backprop_stepper(
    expression: str,
    values: Mapping[str, SupportsFloat],
    *,
    label: str = "",
    trainable: Sequence[str] = (),
    alpha: float = 0.1,
    task: str = "",
    title: str = "Backpropagation, one node at a time",
    goal: Goal = "",
    start: str = "forward",
    own: bool = False,
) -> Widget:
    """Step through the graph of an expression, forward and backward.

    Parameters
    ----------
    expression : str
        One operation or several, as in ``"(relu(a + b * x) - y)^2"``. Parts that are named come
        before their use: ``"g = a + b * x; J = (g - y)^2"``. Operators are ``+ - * / ^ **``, and
        functions those of `FUNCTIONS`.
    values : mapping of str to float
        A number for each name that no part of the expression defines.
    label : str
        Stable id on the page; by default a hash of the content.
    trainable : sequence of str
        The names that "Take a step" updates; the reader may choose others.
    alpha : float
        The learning rate at first.
    task : str
        What to try, with ``$math$`` and ```code```.
    title : str
        Heading of the card.
    goal : str or mapping
        What the page recognizes as the task done. ``"revive"``: all gradients of `trainable` are
        0 at first, and none is after one number was changed. ``"two-ways"``: in an expression of
        the reader's own, contributions are added in a leaf. ``{"gradient": {"b": 12.0}}``: the
        gradient of ``b`` is 12, after one number was changed. ``{"one-step": {"x": 1.0}}``:
        with 1 for ``x`` and the other numbers as given, one step brings the root to 0.
    start : str
        What has been run at first: ``"leaves"`` nothing, ``"forward"`` the values,
        ``"backward"`` the gradients, too.
    own : bool
        Whether the field for the reader's own expression is open at first.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If the expression cannot be read, a value is missing, is not used or is not finite, a
        result or a gradient is not finite, or another argument is not as described.

    Notes
    -----
    Values, gradients and those after a step are computed by `udl.autograd`. The page computes
    them again, and says if it does not agree.

    Examples
    --------
    >>> values = {"theta0": 5, "theta1": -1, "x": 2, "y": 1}
    >>> backprop_stepper("(relu(theta0 + theta1 * x) - y)^2", values, label="neuron")
    <stepper: Backpropagation, one node at a time>
    """
    if start not in ("leaves", "forward", "backward"):
        raise ValueError(f"expected start 'leaves', 'forward' or 'backward', got start={start!r}")
    rate = finite("alpha", alpha)
    if rate <= 0:
        raise ValueError(f"expected alpha > 0, got alpha={alpha!r}")
    leaves, root = graph(expression, values)
    for name in trainable:
        if name not in leaves:
            raise ValueError(f"expected trainable among {list(leaves)}, got {name!r}")
    nodes = trace(root).nodes
    gradients = {node.name: float(node.grad or 0.0) for node in nodes}
    props: dict[str, Any] = {
        "title": plain(title),
        "task": inline(task),
        "expression": expression,
        "values": {name: float(leaf.data) for name, leaf in leaves.items()},
        "trainable": list(trainable),
        "alpha": rate,
        "goal": _goal(goal, leaves, trainable, gradients),
        "start": start,
        "own": own,
        "help": _HELP,
        "nodes": [[node.name, float(node.data), gradients[node.name]] for node in nodes],
    }
    shown = ", ".join(f"d{root.name}/d{name} = {gradients[name]:.4g}" for name in leaves)
    fallback = (
        f"<p>{html.escape(plain(title))}: with JavaScript, the graph of "
        f"<code>{html.escape(expression)}</code> is walked here, forward and backward. At the "
        f"start {root.name} = {float(root.data):.4g}, and {shown.replace('-', '−')}.</p>"
    )
    return labeled("stepper", props, label, fallback=fallback, title=plain(title), height=640)


def graph(expression: str, values: Mapping[str, SupportsFloat]) -> tuple[dict[str, Value], Value]:
    """Build the graph of an expression, and run it forward and backward.

    Parameters
    ----------
    expression, values
        As for `backprop_stepper`.

    Returns
    -------
    leaves : dict of str to Value
        In the order of their first use.
    root : Value
        All values have names and gradients.

    Raises
    ------
    ValueError
        As for `backprop_stepper`.

    Examples
    --------
    >>> leaves, root = graph("x * x + x", {"x": 3})
    >>> root.data, leaves["x"].grad
    (12.0, 7.0)
    """
    reader = _Reader(expression, values)
    root = reader.root
    with np.errstate(all="ignore"):
        root.backward()
    nodes = trace(root).nodes
    for kind in ("data", "grad"):
        for node in nodes:
            number = getattr(node, kind)
            if not math.isfinite(number):
                raise ValueError(
                    f"expected values with finite results, got {kind} {number} at {node.name!r} "
                    f"for values={reader.numbers!r}"
                )
    return reader.leaves, root


class _Reader:
    """From the text to named values, in the order in which the page makes its nodes."""

    def __init__(self, expression: str, values: Mapping[str, SupportsFloat]) -> None:
        self.expression = expression
        self.numbers = {name: finite(f"values[{name!r}]", v) for name, v in values.items()}
        self.leaves: dict[str, Value] = {}
        self.named: dict[str, Value] = {}
        self.order: list[Value] = []
        parts = self._parse()
        result: Term = 0.0
        for part in parts:
            if isinstance(part, ast.Assign):
                result = self._assign(part)
            elif isinstance(part, ast.Expr) and part is parts[-1]:
                result = self._term(part.value)
            else:
                raise self._wrong("'name = ...' before the last part", part)
        if not isinstance(result, Value) or not result.op:
            raise self._wrong("an operation on at least one name in the last part", parts[-1])
        self.root = result
        self._name()

    def _wrong(self, expected: str, found: ast.AST | str) -> ValueError:
        part = found if isinstance(found, str) else ast.unparse(found)
        return ValueError(f"expected {expected}, got {part!r} in expression={self.expression!r}")

    def _parse(self) -> list[ast.stmt]:
        text = self.expression
        if len(text) > LENGTH:
            raise ValueError(
                f"expected an expression of at most {LENGTH} characters, got {len(text)}"
            )
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if not match:
                raise self._wrong("numbers, names and + - * / ^ ( ) = ;", text[at:].strip()[0])
            at = match.end()
        try:
            parts = ast.parse(text.replace("^", "**").strip(" ;")).body
        except SyntaxError as error:
            raise self._wrong("an expression", str(error.msg)) from None
        if not parts:
            raise self._wrong("an expression", text)
        return parts

    def _assign(self, part: ast.Assign) -> Term:
        target = part.targets[0]
        if len(part.targets) > 1 or not isinstance(target, ast.Name):
            raise self._wrong("a name before '='", part)
        name = target.id
        result = self._term(part.value)
        if name in (*self.leaves, *self.named, *FUNCTIONS):
            raise self._wrong("a name that is not yet in use", name)
        if not isinstance(result, Value):
            self.numbers.setdefault(name, result)
        elif result.name:
            raise self._wrong("an operation", part)
        else:
            result.name = name
            self.named[name] = result
        return result

    def _term(self, node: ast.expr) -> Term:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            return finite("a number in expression", node.value)
        if isinstance(node, ast.Name):
            return self._leaf(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            left, right = self._term(node.left), self._term(node.right)
            return self._apply(_BINARY[type(node.op)], left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self._term(node.operand)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._apply(operator.neg, self._term(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            function = node.func.id
            if function == "square":
                return self._apply(operator.pow, self._term(node.args[0]), 2.0)
            if function in _METHODS:
                return self._apply(operator.methodcaller(function), self._term(node.args[0]))
            raise self._wrong(f"one of {', '.join(FUNCTIONS)}", function)
        raise self._wrong("numbers, names, operators and functions", node)

    def _leaf(self, name: str) -> Value:
        if name in self.named:
            return self.named[name]
        if name not in self.leaves:
            if name in FUNCTIONS or len(name) > NAME:
                raise self._wrong(f"a name of at most {NAME} characters that is no function", name)
            if name not in self.numbers:
                raise ValueError(f"expected a value for {name!r}, got values={self.numbers!r}")
            self.leaves[name] = Value(self.numbers[name], name)
        return self.leaves[name]

    def _apply(self, operation: Callable[..., Any], *terms: Term) -> Term:
        constant = not any(isinstance(term, Value) for term in terms)
        with np.errstate(all="ignore"):
            # Plain Python would raise ZeroDivisionError, or make a complex number.
            result: Value = operation(*(Value(t) if constant else t for t in terms))
        if constant:
            return finite("a number in expression", float(result.data))
        self.order.append(result)
        return result

    def _name(self) -> None:
        """Name what has no name yet, and see that everything is used."""
        nodes = trace(self.root).nodes
        if len(nodes) > NODES:
            raise ValueError(f"expected at most {NODES} nodes, got {len(nodes)}")
        depth: list[int] = []
        for node in nodes:
            depth.append(1 + max(depth[k] for k in node.parents) if node.parents else 0)
        if max(depth) > ROW:
            raise ValueError(f"expected at most {ROW} operations in a row, got {max(depth)}")
        idle = {*self.numbers, *self.named} - {node.name for node in nodes}
        if idle:
            raise self._wrong("a use for each name", sorted(idle)[0])
        taken = {*self.leaves, *self.named, *FUNCTIONS}
        if not self.root.name:
            self.root.name = next(n for n in ("J", "L", "root", "result", "out") if n not in taken)
            taken.add(self.root.name)
        count = 0
        for value in self.order:
            while not value.name:
                count += 1
                if f"v{count}" not in taken:
                    value.name = f"v{count}"


def _goal(
    goal: Goal,
    leaves: Mapping[str, Value],
    trainable: Sequence[str],
    gradients: Mapping[str, float],
) -> dict[str, Any] | None:
    if not goal:
        return None
    kind = goal if isinstance(goal, str) else next(iter(goal))
    if goal in ("revive", "two-ways"):
        if kind == "revive" and (not trainable or any(gradients[name] for name in trainable)):
            raise ValueError(
                f"expected trainable leaves with gradients 0 for goal='revive', got {gradients!r}"
            )
        return {"kind": kind}
    if isinstance(goal, str) or len(goal) != 1 or kind not in ("gradient", "one-step"):
        raise ValueError(
            "expected goal 'revive', 'two-ways', {'gradient': ...} or {'one-step': ...}, "
            f"got goal={goal!r}"
        )
    wanted = {name: finite(f"goal of {name!r}", value) for name, value in goal[kind].items()}
    if not wanted or not set(wanted) <= set(leaves):
        raise ValueError(f"expected a goal for some of {list(leaves)}, got goal={goal!r}")
    if kind == "one-step":
        if not trainable:
            raise ValueError(f"expected trainable leaves for goal={goal!r}, got none")
        return {"kind": kind, "at": wanted}
    [(name, value), *more] = wanted.items()
    if more or math.isclose(value, gradients[name], rel_tol=1e-6, abs_tol=1e-6):
        raise ValueError(
            f"expected one gradient that is not there at first, got goal={goal!r} "
            f"with gradients {gradients!r}"
        )
    return {"kind": kind, "name": name, "value": value}
