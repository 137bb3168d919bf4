"""The playground's engine: small networks in training, the same to the last bit as in the page.

:class:`Config` holds the settings of a run, :func:`make_data` draws its examples, and
:class:`Engine` trains its network, step by step. It is written in plain Python, to be read, and is
the reference for the others: for the engine in the page, and for :func:`train_many`, which trains
many networks side by side in NumPy. All three reach the same weights, bit by bit, after any number
of epochs. So what the book says of a run is what a reader sees in the page.

That takes three things. Chance comes from one small generator with one stream for each purpose.
exp, tanh, log, sin and cos are made of operations that are rounded alike everywhere. And each sum
has one order, which is stated where :class:`Engine` is defined.

>>> engine = Engine(Config(dataset="xor", hidden=[4], alpha=0.1, examples=100))
>>> for _ in range(50):
...     _ = engine.run_epoch()
>>> runs = train_many(engine.config, seeds=[0, 1, 2], epochs=50, every=50)
>>> runs.phi[0].tolist() == engine.phi
True

:func:`oracle` says what the rule behind a data set scores, noise included: a goal to measure a
network by.
"""

from udl.playground._config import Config
from udl.playground._data import Data, Losses, Points, make_data, oracle
from udl.playground._engine import Engine, Trouble
from udl.playground._many import Runs, train_many

__all__ = [
    "Config",
    "Data",
    "Engine",
    "Losses",
    "Points",
    "Runs",
    "Trouble",
    "make_data",
    "oracle",
    "train_many",
]
