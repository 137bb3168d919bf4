"""Argument checks that name the argument, the value and the expectation.

Each check takes its arrays by keyword, so that the message can use the name from the signature:
``same_shape(y=y, f=f)``. ``vector`` and ``matrix`` also convert: they return a float64 array.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def _real(name: str, value: ArrayLike) -> Float[np.ndarray, "..."]:
    """Return `value` as a float64 array, or raise TypeError if it is not made of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected real numbers in {name}, got {name}.dtype={array.dtype}")
    return array.astype(np.float64, copy=False)


def _only(arrays: dict[str, ArrayLike]) -> tuple[str, ArrayLike]:
    """Return the one named array of a call such as ``vector(y=y)``."""
    if len(arrays) != 1:
        raise TypeError(f"expected one named array, got {len(arrays)}: {', '.join(arrays)}")
    return next(iter(arrays.items()))


def same_shape(**arrays: ArrayLike) -> None:
    """Refuse arrays whose shapes differ, so that nothing is broadcast by accident.

    Parameters
    ----------
    **arrays
        Arrays by the names that the message shall use.

    Raises
    ------
    ValueError
        If two shapes differ.

    Examples
    --------
    >>> same_shape(y=np.zeros(3), f=np.zeros((3, 1)))
    Traceback (most recent call last):
        ...
    ValueError: expected equal shapes, got y.shape=(3,), f.shape=(3, 1)
    """
    shapes = {name: np.shape(value) for name, value in arrays.items()}
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
        raise ValueError(f"expected equal shapes, got {got}")


def finite(**arrays: ArrayLike) -> None:
    """Refuse NaN and infinity, and say how many there are and where the first one is.

    Parameters
    ----------
    **arrays
        Arrays of real numbers by the names that the message shall use.

    Raises
    ------
    ValueError
        If an entry is NaN or infinite.
    TypeError
        If an array does not hold real numbers.

    Examples
    --------
    >>> finite(y=np.array([1.0, np.nan]))
    Traceback (most recent call last):
        ...
    ValueError: expected finite numbers in y, got 1 that is not: y[1]=nan
    """
    for name, value in arrays.items():
        array = _real(name, value)
        bad = ~np.isfinite(array)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            index = f"[{', '.join(map(str, first))}]" if first else ""
            count = int(bad.sum())
            verb = "that is not: " if count == 1 else "that are not, first "
            raise ValueError(
                f"expected finite numbers in {name}, "
                f"got {count} {verb}{name}{index}={array[first]}"
            )


def vector(**arrays: ArrayLike) -> Float[np.ndarray, " I"]:
    """Return the one named array as a float64 vector.

    Parameters
    ----------
    **arrays
        One array by its name, as in ``vector(y=y)``.

    Returns
    -------
    array of shape (I,)
        The same numbers, without a copy where that is possible.

    Raises
    ------
    ValueError
        If the array does not have one axis, or is empty.
    TypeError
        If it does not hold real numbers.

    Examples
    --------
    >>> vector(y=[[1.0], [2.0]])
    Traceback (most recent call last):
        ...
    ValueError: expected a vector of shape (I,), got y.shape=(2, 1)
    """
    name, value = _only(arrays)
    array = _real(name, value)
    if array.ndim != 1:
        raise ValueError(f"expected a vector of shape (I,), got {name}.shape={array.shape}")
    if array.size == 0:
        raise ValueError(f"expected at least one number, got {name}.shape={array.shape}")
    return array


def matrix(**arrays: ArrayLike) -> Float[np.ndarray, "I D"]:
    """Return the one named array as a float64 matrix, examples in rows.

    Parameters
    ----------
    **arrays
        One array by its name, as in ``matrix(X=X)``.

    Returns
    -------
    array of shape (I, D)
        The same numbers, without a copy where that is possible.

    Raises
    ------
    ValueError
        If the array does not have two axes, or is empty.
    TypeError
        If it does not hold real numbers.

    Examples
    --------
    >>> matrix(X=[1.0, 2.0])
    Traceback (most recent call last):
        ...
    ValueError: expected a matrix of shape (I, D), got X.shape=(2,)
    """
    name, value = _only(arrays)
    array = _real(name, value)
    if array.ndim != 2:
        raise ValueError(f"expected a matrix of shape (I, D), got {name}.shape={array.shape}")
    if array.size == 0:
        raise ValueError(f"expected at least one row and column, got {name}.shape={array.shape}")
    return array


def positive(**numbers: float) -> None:
    """Refuse numbers that are not finite and greater than zero.

    Parameters
    ----------
    **numbers
        Numbers by the names that the message shall use.

    Raises
    ------
    ValueError
        If a number is zero, negative, infinite or NaN.

    Examples
    --------
    >>> positive(alpha=-0.1)
    Traceback (most recent call last):
        ...
    ValueError: expected a positive number, got alpha=-0.1
    """
    for name, number in numbers.items():
        if not (number > 0 and np.isfinite(number)):
            raise ValueError(f"expected a positive number, got {name}={number}")


def count(**numbers: int | np.integer) -> None:
    """Refuse numbers that do not count something: an integer of at least 1.

    Parameters
    ----------
    **numbers
        Numbers by the names that the message shall use.

    Raises
    ------
    ValueError
        If a number is less than 1.
    TypeError
        If a number is no integer.

    Examples
    --------
    >>> count(D=0)
    Traceback (most recent call last):
        ...
    ValueError: expected an integer of at least 1, got D=0
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise TypeError(f"expected an integer, got {name}={number!r}")
        if number < 1:
            raise ValueError(f"expected an integer of at least 1, got {name}={number}")
