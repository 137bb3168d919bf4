"""The playground: a small network on the page, with its data, its weights and its training."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

from udl.playground import Config
from udl.web.host import Widget, inline, labeled

_GROUPS = {
    "data": "dataset noise examples train data_seed",
    "features": "",
    "network": "layers activations",
    "training": "alpha optimizer loss batch l1 l2 dropout",
    "steps": "back",
    "": "seed speed discrete tests weights curves lights link export table",
}
HIDEABLE = tuple(
    name for group, names in _GROUPS.items() for name in (group, *names.split()) if name
)
"""What `playground` can hide: a group with all that is in it, or a single control."""


def playground(
    *,
    label: str = "",
    task: str = "",
    title: str = "Playground",
    hide: Sequence[str] = (),
    goals: Sequence[Mapping[str, Any]] = (),
    autoplay: bool = False,
    **config: Any,
) -> Widget:
    """Place a small network that trains on the page, and all that can be set about it.

    Parameters
    ----------
    label : str
        Stable id of the playground on its page; by default a hash of the content. Links to a state
        of it begin with the id.
    task : str
        What to try, with ``$math$`` and ```code```.
    title : str
        Plain-text name.
    hide : sequence of str
        Controls that an exercise has no use for. Groups: "data" ("dataset", "noise", "examples",
        "train", "data_seed"), "network" ("layers", "activations"), "training" ("alpha",
        "optimizer", "loss", "batch", "l1", "l2", "dropout"), "steps" ("back"); and "features",
        "seed", "speed", "discrete", "tests", "weights", "curves", "lights", "link", "export",
        "table".
    goals : sequence of mappings
        What the page watches for, in the order shown: "text", "test_loss" to reach, and as wanted
        "epochs" that it may take, epochs "after" which it must still hold, and the "config" that
        it asks for. A goal counts on the data and with the loss of `config` alone.
    autoplay : bool
        Whether training starts at once, unless the reader prefers reduced motion.
    **config
        Settings of `udl.playground.Config`, such as ``dataset="xor"`` or ``hidden=[3]``.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range, a name in `hide` is none of the above, a goal
        lacks a number or asks for what is not possible, or `label` is no id.
    TypeError
        If a setting, a goal or a name is of another type.

    See Also
    --------
    udl.playground.Engine : The same network in Python, bit by bit.

    Examples
    --------
    >>> goal = {"text": "Separate the classes.", "test_loss": 0.2}
    >>> widget = playground(label="xor", dataset="xor", hidden=[3], goals=[goal], hide=["data"])
    >>> widget
    <playground: Playground>
    >>> widget.props["config"]["activations"]
    ['tanh']
    """
    settings = [field.name for field in fields(Config)]
    for key in config:
        _known(f"setting {key!r}", key, settings)
    if isinstance(hide, str):
        raise TypeError(f"expected a list of names, got hide={hide!r}")
    for name in hide:
        _known(f"hide={name!r}", name, HIDEABLE)
    checked = Config(**config)
    props = {
        "title": title,
        "task": inline(task),
        "config": checked.as_dict(),
        "hide": list(hide),
        "goals": [_goal(f"goals[{i}]", goal, checked) for i, goal in enumerate(goals)],
        "autoplay": bool(autoplay),
    }
    widths = ", ".join(map(str, checked.hidden))
    network = f"hidden layers of {widths} neurons" if widths else "no hidden layer"
    return labeled(
        "playground",
        props,
        label,
        fallback=(
            f"<p>{html.escape(title)}: a network with {network} learns the data set "
            f"{html.escape(checked.dataset)} before your eyes, one batch after the other. "
            "It needs JavaScript.</p>"
        ),
        title=title,
        height=1250,
    )


def _known(what: str, name: object, names: Sequence[str]) -> None:
    """Refuse a name that is not among those, with the nearest ones."""
    if not isinstance(name, str):
        raise TypeError(f"expected a name, got {what}")
    if name not in names:
        near = get_close_matches(name, names) or names
        raise ValueError(f"expected one of {', '.join(near)}, got {what}")


def _goal(name: str, goal: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return a goal in plain JSON, or refuse it."""
    if not isinstance(goal, Mapping):
        raise TypeError(f"expected a mapping with text and test_loss, got {name}={goal!r}")
    for key in goal:
        _known(f"{name} with {key!r}", key, ("text", "test_loss", "epochs", "after", "config"))
    if missing := {"text", "test_loss"} - set(goal):
        raise ValueError(f"expected text and test_loss, got {name} without {missing.pop()}")
    text, loss, wanted = goal["text"], goal["test_loss"], dict(goal.get("config", {}))
    if not isinstance(text, str):
        raise TypeError(f"expected a sentence, got {name}['text']={text!r}")
    times = {key: goal[key] for key in ("epochs", "after") if goal.get(key) is not None}
    for key, value in {"test_loss": loss, **times}.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"expected a number, got {name}[{key!r}]={value!r}")
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"expected a number above 0, got {name}[{key!r}]={value}")
    for key, value in times.items():
        if value != int(value):
            raise ValueError(f"expected a whole number, got {name}[{key!r}]={value}")
    for key in wanted:
        _known(f"{name}['config'] with {key!r}", key, [field.name for field in fields(Config)])
    complete = replace(config, **{"activations": "relu", **wanted}).as_dict()
    return {
        "text": inline(text),
        "test_loss": float(loss),
        **{key: int(value) for key, value in times.items()},
        "config": {key: complete[key] for key in wanted},
    }
