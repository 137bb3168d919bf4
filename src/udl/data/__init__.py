"""Data sets of the book, each with its provenance, and what is done to data before a fit.

- ``life_expectancy``: WHO life expectancy, 2938 x 22: the real file, or a labeled surrogate.
- ``digits``: handwritten digits of MNIST, 5,000 or all 70,000; ``mnist_1d``: ten kinds of lines.
- ``titanic``: passengers, 1309 x 14; ``breast_cancer``, ``wine``: measurements and classes.
- ``tiny_shakespeare``: a text, 1.1 million characters, or a labeled surrogate.
- ``moons``, ``clouds``: two classes in a plane.
- ``twelve_points``, ``age_height``, ``flat_prices``, ``cars``, ``noisy_sine``: toy sets.
- ``select``, ``fill``: from a table with gaps to an array without.
- ``Normalizer``, ``Standardizer``: fit on training rows, apply elsewhere, invert.
- ``random_split``, ``group_split``: row numbers for training and for testing.
- ``loaded``, ``available``: what this process has loaded, and what it could load.

``python -m udl.data`` downloads what is missing and prints what will be used.
"""

from udl.data._available import available
from udl.data._classes import Classes, clouds, moons
from udl.data._digits import Digits, digits
from udl.data._files import ChecksumError
from udl.data._life import LifeExpectancy, life_expectancy
from udl.data._mnist1d import mnist_1d
from udl.data._provenance import Provenance, loaded
from udl.data._scale import Normalizer, Standardizer
from udl.data._split import Split, group_split, random_split
from udl.data._stand_in import SurrogateWarning
from udl.data._table import fill, select
from udl.data._tables import Table, breast_cancer, wine
from udl.data._text import Text, tiny_shakespeare
from udl.data._titanic import Titanic, titanic
from udl.data._toy import Points, age_height, cars, flat_prices, noisy_sine, twelve_points

__all__ = [
    "ChecksumError",
    "Classes",
    "Digits",
    "LifeExpectancy",
    "Normalizer",
    "Points",
    "Provenance",
    "Split",
    "Standardizer",
    "SurrogateWarning",
    "Table",
    "Text",
    "Titanic",
    "age_height",
    "available",
    "breast_cancer",
    "cars",
    "clouds",
    "digits",
    "fill",
    "flat_prices",
    "group_split",
    "life_expectancy",
    "loaded",
    "mnist_1d",
    "moons",
    "noisy_sine",
    "random_split",
    "select",
    "tiny_shakespeare",
    "titanic",
    "twelve_points",
    "wine",
]
