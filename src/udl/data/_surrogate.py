"""A made-up table with the moments of the WHO life expectancy table.

Least squares sees a table only through its first and second moments. A table of made-up rows
that has the same moments therefore gives the same fits, and may be shipped where the rows of the
real one may not. who_moments.json holds the moments, of the numeric columns after their gaps
were filled (targets with the median, other columns with the mean), in standard units and in two
parts: between the means of the countries, and within countries. tests/test_data.py recomputes it.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_YEARS = np.arange(2015, 1999, -1)
_FULL, _SINGLE, _DEVELOPED = 183, 10, 32  # countries: with all years, with 2013 only, developed
_ROUNDS = 20  # after these, 3 % of the values leave the real range, by 0.1 deviations at most
_MARGIN = 0.1  # clip this many deviations inside the range, since restoring moments moves values


def _skeleton(rng: np.random.Generator) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Lay out country, year and status of each row, with the counts of the real table."""
    order = rng.permutation(_FULL + _SINGLE)
    single = np.zeros(order.size, dtype=bool)
    developed = np.zeros(order.size, dtype=bool)
    single[order[:_SINGLE]] = True
    developed[order[_SINGLE : _SINGLE + _DEVELOPED]] = True
    years = [np.array([2013]) if alone else _YEARS for alone in single]
    country = np.repeat(np.arange(order.size), [len(y) for y in years])
    return country, np.concatenate(years), developed[country]


def _symmetric(triangle: list[list[float]]) -> Floats:
    """Rebuild a symmetric matrix from the rows of its lower triangle."""
    S = np.zeros((len(triangle), len(triangle)))
    for j, row in enumerate(triangle):
        S[j, : j + 1] = S[: j + 1, j] = row
    return S


def _means(X: Floats, country: Ints) -> Floats:
    """Give each row the mean of its country."""
    sums = np.zeros((int(country[-1]) + 1, X.shape[1]))
    np.add.at(sums, country, X)
    sums /= np.bincount(country)[:, None]
    return sums[country]


def _root(S: Floats) -> Floats:
    """Return the symmetric square root of a covariance matrix."""
    values, vectors = np.linalg.eigh(S)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _skewed(rng: np.random.Generator, low: Floats, high: Floats, rows: int) -> Floats:
    """Draw ascending columns of mean 0, deviation 1, that start at the nearer of two bounds."""
    near = np.minimum(-low, high)
    X = np.sort(rng.gamma(near**2, 1.0 / near, size=(rows, near.size)) - near, axis=0)
    return np.where(high < -low, -X[::-1], X)


def _impose(V: Floats, given: Floats, S: Floats) -> Floats:
    """Change V as little as possible so that [given, V] has the second moments S exactly.

    V is split into a part explained by the given columns, which S settles, and a rest. Of all
    matrices that take the rest to the covariance it must have, the symmetric one moves it least.
    """
    rows, k = given.shape
    explained = np.linalg.solve(S[:k, :k], S[:k, k:])
    rest = V - given @ np.linalg.lstsq(given, V, rcond=None)[0]
    now = _root(rest.T @ rest / rows)
    goal = S[k:, k:] - S[k:, :k] @ explained
    inverse = np.linalg.inv(now)
    return given @ explained + rest @ (inverse @ _root(now @ goal @ now) @ inverse)


def surrogate(seed: int = 0) -> pd.DataFrame:
    """Make the table: rows are made up, first and second moments are those of the real one.

    Parameters
    ----------
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        2938 rows, 22 columns, no gaps; every numeric column but Year is float64.

    Notes
    -----
    A normal number for each country, plus a random walk over its years, gives the order of the
    rows in each column: neighboring years are alike, as in the real table, so a random split
    leaks where a split by country does not. Gamma numbers, as skewed as the real range asks for,
    give the values. Then, in turn, clip each column to that range and restore the moments. The
    moments come last, so they are exact, and a few values remain a little outside of the range.
    """
    import pandas as pd

    text = resources.files("udl").joinpath("who_moments.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    names = list(stored["mean"])
    mean, scale, low, high = (
        np.array(list(stored[key].values())) for key in ("mean", "scale", "minimum", "maximum")
    )
    between, within = (_symmetric(stored[key]) for key in ("between", "within"))

    rng = np.random.default_rng(seed)
    country, year, developed = _skeleton(rng)
    fixed = (np.column_stack([developed, year]) - mean[:2]) / scale[:2]
    mean, scale = mean[2:], scale[2:]
    low, high = (low[2:] - mean) / scale, (high[2:] - mean) / scale
    fixed_between = _means(fixed, country)
    fixed_within = (fixed - fixed_between)[:, 1:]  # a country's status does not change

    def restore(Z: Floats) -> Floats:
        of_country = _means(Z, country)
        return _impose(of_country - Z.mean(axis=0), fixed_between, between) + _impose(
            Z - of_country, fixed_within, within[1:, 1:]
        )

    rows, columns = country.size, len(names) - 2
    walk = rng.standard_normal((rows, columns)).cumsum(axis=0)
    of_country = rng.standard_normal((country[-1] + 1, columns))[country]
    Z = restore(of_country + walk - _means(walk, country))
    Z = np.take_along_axis(_skewed(rng, low, high, rows), Z.argsort(axis=0).argsort(axis=0), 0)
    low, high = low - np.maximum(-_MARGIN, low / 3), high - np.minimum(_MARGIN, high / 3)
    for _ in range(_ROUNDS):
        Z = restore(np.clip(Z, low, high))

    frame = pd.DataFrame(Z * scale + mean, columns=names[2:])
    frame.insert(0, "Country", [f"Country {c + 1:03d}" for c in country])
    frame.insert(1, "Year", year.astype(np.int64))
    frame.insert(2, "Status", np.where(developed, "Developed", "Developing").tolist())
    return frame
