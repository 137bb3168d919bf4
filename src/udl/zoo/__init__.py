"""A network among other models: side by side on one data set, and attacked through its input.

Fitting and scoring is scikit-learn's. This module adds what a fair comparison needs: the same
folds for all, the spread beside the mean, the time, and a search that gives each model the same
number of tries.
"""

from udl.zoo._adversarial import fast_gradient_sign, input_gradient
from udl.zoo._compare import Comparison, Difference, classifiers, compare
from udl.zoo._network import Network
from udl.zoo._regions import Regions, regions
from udl.zoo._search import Search, search, spaces

__all__ = [
    "Comparison",
    "Difference",
    "Network",
    "Regions",
    "Search",
    "classifiers",
    "compare",
    "fast_gradient_sign",
    "input_gradient",
    "regions",
    "search",
    "spaces",
]
