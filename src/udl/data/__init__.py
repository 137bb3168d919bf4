"""Data sets of the book, each with its provenance, and what is done to data before a fit.

- ``life_expectancy``: WHO life expectancy, 2938 x 22: the real file, or a labeled surrogate.
- ``twelve_points``, ``age_height``, ``flat_prices``, ``cars``, ``noisy_sine``: toy sets.
- ``select``, ``missing``, ``fill``: from a table with gaps to an array without.
- ``Normalizer``, ``Standardizer``: fit on training rows, apply elsewhere, invert.
- ``random_split``, ``group_split``: row numbers for training and for testing.
- ``loaded``, ``available``: what this process has loaded, and what it could load.

``python -m udl.data`` downloads what is missing and prints what will be used.
"""

from udl.data._files import ChecksumError
from udl.data._life import LifeExpectancy, SurrogateWarning, available, life_expectancy
from udl.data._provenance import Provenance, loaded
from udl.data._scale import Normalizer, Standardizer
from udl.data._split import Split, group_split, random_split
from udl.data._table import fill, missing, select
from udl.data._toy import Points, age_height, cars, flat_prices, noisy_sine, twelve_points

__all__ = [
    "ChecksumError",
    "LifeExpectancy",
    "Normalizer",
    "Points",
    "Provenance",
    "Split",
    "Standardizer",
    "SurrogateWarning",
    "age_height",
    "available",
    "cars",
    "fill",
    "flat_prices",
    "group_split",
    "life_expectancy",
    "loaded",
    "missing",
    "noisy_sine",
    "random_split",
    "select",
    "twelve_points",
]
