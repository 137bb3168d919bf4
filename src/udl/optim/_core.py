"""What all optimizers share: the walk over a tree of arrays, the state, and the step."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Real

from udl._check import finite, same_shape

# An array, or lists, tuples, named tuples and dicts of trees.
Tree = Any

# A number, or a schedule: a function of the number of steps taken so far.
Rate = float | int | Callable[[int], float | int]

# Numbers that are updated together, while they and their averages stay in a processor's cache.
BLOCK = 2**15


class State(NamedTuple):
    """What an optimizer remembers between two steps.

    ``t`` counts the steps taken. ``m`` is the running average of gradients and ``v`` that of their
    squares, each of the structure of phi, or ``()`` where an optimizer has no use for it.
    """

    t: int
    m: Tree = ()
    v: Tree = ()


class Optimizer(NamedTuple):
    """A learning rate, the averages that are kept, and the rule that updates them and phi.

    The functions of :mod:`udl.optim` make optimizers. One of your own needs ``averages``, some of
    ``("m", "v")``, and ``update(alpha, t, work, g, phi, *averages)``: it gets vectors of one
    length, changes phi and the averages in place, only reads g, and may use ``work`` for notes.
    """

    alpha: Rate
    averages: tuple[str, ...]
    update: Callable[..., None]

    def init(self, phi: Tree) -> State:
        """Return the state before the first step: t = 0, and averages of zeros.

        Parameters
        ----------
        phi : array, or nested lists, tuples, named tuples and dicts of arrays
            Parameters, float64 or float32.

        Returns
        -------
        State

        Raises
        ------
        TypeError
            If a leaf of phi is no array of float64 or float32.
        """
        _parameters(phi)
        zeros = {name: walk(phi, lambda _, leaf: np.zeros_like(leaf)) for name in self.averages}
        return State(0, **zeros)

    def step(
        self, phi: Tree, gradient: Tree, state: State, *, in_place: bool = False
    ) -> tuple[Tree, State]:
        """Take one step.

        Parameters
        ----------
        phi : array, or nested lists, tuples, named tuples and dicts of arrays
            Parameters, float64 or float32.
        gradient : arrays of the same shapes in the same structure
            Gradient of the loss at phi; rounded to the type of phi.
        state : State
            From :meth:`init`, or from the step before.
        in_place : bool
            Overwrite the arrays in phi and in the state, and return them. No two of them may share
            memory, nor may a leaf of the gradient with another leaf of phi. By default all stay
            as they are.

        Returns
        -------
        tuple
            The next parameters, in the structure of phi, and the next state.

        Raises
        ------
        ValueError
            If structures or shapes differ, the gradient holds NaN or infinity, a schedule returns
            a rate that is negative or not finite, or `in_place` meets a read-only array.
        TypeError
            If a leaf of phi is no array of float64 or float32, or a leaf of the gradient does not
            hold real numbers.

        Notes
        -----
        After an error nothing has changed. What leaves the range of floating-point numbers becomes
        infinite without a warning.
        """
        slopes, *changing = self._leaves(phi, gradient, state)
        alpha = rate(self.alpha, state.t)
        if in_place:
            _writeable(("phi", *self.averages), changing)
        else:
            changing = [{name: leaf.copy() for name, leaf in old.items()} for old in changing]
        with np.errstate(all="ignore"):
            for name, slope in slopes.items():
                for block in _blocks(slope, *(tree[name] for tree in changing)):
                    self.update(alpha, state.t, *block)
        if not in_place:
            phi, *averages = (replaced(phi, new) for new in changing)
            state = state._replace(**dict(zip(self.averages, averages, strict=True)))
        return phi, state._replace(t=state.t + 1)

    def _leaves(self, phi: Tree, gradient: Tree, state: State) -> list[dict[str, Any]]:
        """Return the leaves of gradient, phi and averages, after a check that they fit."""
        parameters = _parameters(phi)
        slopes = _fitting("gradient", gradient, parameters)
        for name, leaf in slopes.items():
            with np.errstate(over="ignore", invalid="ignore"):
                slope = leaf.astype(parameters[name].dtype, copy=False)
            slopes[name] = slope
            # The sum of squares is finite only where all are; if it is not, look closer.
            if not np.isfinite(np.vdot(slope, slope)):
                try:
                    finite(**{f"gradient{name}": slope})
                except ValueError as error:
                    raise ValueError(f"{error}, in step t={state.t}") from None
        found = [slopes, parameters]
        for name in self.averages:
            found.append(_fitting(f"state.{name}", getattr(state, name), parameters))
            for place, leaf in leaves(getattr(state, name)).items():
                if getattr(leaf, "dtype", None) != parameters[place].dtype:
                    raise TypeError(
                        f"expected an array of {parameters[place].dtype} in state.{name}{place}, "
                        f"got {getattr(leaf, 'dtype', type(leaf).__name__)}"
                    )
        for name in {"m", "v"}.difference(self.averages):
            _fitting(f"state.{name}", getattr(state, name), {})
        return found


def walk(tree: Tree, visit: Callable[[str, Any], Any], at: str = "") -> Tree:
    """Rebuild a tree with ``visit(name, leaf)`` in place of each leaf.

    The name is what one writes behind the tree to get at the leaf, as in ``.beta[0]``.
    """
    if isinstance(tree, dict):
        return {key: walk(branch, visit, f"{at}[{key!r}]") for key, branch in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        named = zip(tree._fields, tree, strict=True)
        return type(tree)(*(walk(branch, visit, f"{at}.{name}") for name, branch in named))
    if isinstance(tree, list | tuple):
        return type(tree)(walk(branch, visit, f"{at}[{k}]") for k, branch in enumerate(tree))
    return visit(at, tree)


def leaves(tree: Tree) -> dict[str, Any]:
    """Return the leaves of a tree by their names."""
    found: dict[str, Any] = {}
    walk(tree, found.setdefault)
    return found


def replaced(tree: Tree, new: dict[str, Any]) -> Tree:
    """Return a tree with new leaves in the places of their names."""
    return walk(tree, lambda name, _: new[name])


def rate(alpha: Rate, t: int) -> float:
    """Return the learning rate of the step after t others."""
    now = float(alpha(t) if callable(alpha) else alpha)
    if not 0 <= now < np.inf:
        raise ValueError(f"expected a rate of at least 0, and finite, got alpha({t})={now}")
    return now


def _blocks(
    *arrays: Real[np.ndarray, "*shape"],
) -> Iterator[tuple[Float[np.ndarray, " B"], ...]]:
    """Yield spare memory, a block of the first array to read, and one of each other to change.

    The arrays may be of any layout and type: NumPy's iterator copies what is not as it should be.
    """
    dtype = arrays[1].dtype
    work = np.empty(min(BLOCK, arrays[1].size), dtype)
    op_flags: Any = [["readonly"], *(["readwrite"] for _ in arrays[1:])]
    iterator = np.nditer(
        arrays,
        flags=["external_loop", "buffered", "copy_if_overlap", "zerosize_ok"],
        op_flags=op_flags,
        op_dtypes=[dtype] * len(arrays),
        casting="same_kind",
        buffersize=BLOCK,
    )
    with iterator:
        for block in iterator:
            yield work[: len(block[0])], *block


def _parameters(phi: Tree) -> dict[str, Float[np.ndarray, "..."]]:
    """Return the leaves of phi, after a check that steps can change them."""
    found = leaves(phi)
    for name, leaf in found.items():
        kind = leaf.dtype if isinstance(leaf, np.ndarray) else f"a {type(leaf).__name__}"
        if kind not in (np.float64, np.float32):
            raise TypeError(f"expected an array of float64 or float32 in phi{name}, got {kind}")
    return found


def _fitting(title: str, tree: Tree, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the leaves of a tree, after a check that names and shapes are those of phi."""
    found = {name: np.asarray(leaf) for name, leaf in leaves(tree).items()}
    for name in [*parameters, *found]:
        if name not in parameters or name not in found:
            here, there = (title, "phi") if name in found else ("phi", title)
            raise ValueError(
                f"expected the structure of phi in {title}, got {here}{name} but no {there}{name}"
            )
    for name, leaf in found.items():
        if leaf.dtype.kind not in "fiub":
            raise TypeError(f"expected real numbers in {title}{name}, got dtype {leaf.dtype}")
        if leaf.shape != parameters[name].shape:
            same_shape(**{f"phi{name}": parameters[name], f"{title}{name}": leaf})
    return found


def _writeable(titles: Sequence[str], trees: Sequence[dict[str, Any]]) -> None:
    """Refuse arrays that can not be overwritten."""
    for title, tree in zip(titles, trees, strict=True):
        for name, leaf in tree.items():
            if not leaf.flags.writeable:
                raise ValueError(f"expected arrays to overwrite, got {title}{name} read-only")
