"""Many networks in training side by side, in NumPy, each to the bit as the reference has it.

Runs are the last axis of all arrays. Sums keep the reference's order: products are stacked along
the first axis, behind a layer with what the sum starts from, and ``np.add.reduce`` along the first
axis adds layer after layer. It does so only where other axes have more than one entry, as else it
adds in pairs: a run alone is trained twice.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from udl.playground import _arithmetic as scalar
from udl.playground._config import Config, _within
from udl.playground._data import Points, make_data
from udl.playground._engine import BOUND, Shape
from udl.playground._random import INCREMENT, Stream

CHUNK = 32  # examples that are measured at once: what they need stays in the processor's cache

Array = Float[np.ndarray, "..."]

ROOT = np.array(scalar.ROOT)
POWER = np.array(scalar.POWER)


class Runs(NamedTuple):
    """What many runs left behind: T measurements of R runs with P parameters each."""

    epochs: Int[np.ndarray, " T"]
    train: Float[np.ndarray, "T R"]
    test: Float[np.ndarray, "T R"]
    train_accuracy: Float[np.ndarray, "T R"]
    test_accuracy: Float[np.ndarray, "T R"]
    phi: Float[np.ndarray, "R P"]
    diverged: Bool[np.ndarray, " R"]


def train_many(config: Config, seeds: Sequence[int], epochs: int, every: int = 1) -> Runs:
    """Train networks that differ in their seed alone: weights, order of examples, dropout.

    Parameters
    ----------
    config : Config
        The settings; its seed is not used.
    seeds : sequence of int
        The seeds, one for each of R runs.
    epochs : int
        How long to train.
    every : int
        Epochs from one measurement to the next. The last epoch is always measured.

    Returns
    -------
    Runs
        Epochs of the T measurements, from 0; losses and accuracies of shape (T, R), the accuracies
        NaN for regression; the parameters ``phi`` of shape (R, P); and which runs diverged. Those
        keep the parameters of the step at which an :class:`Engine` would have stopped.

    Raises
    ------
    ValueError
        If a number is out of range, or there is no seed.
    TypeError
        If a number is of the wrong type.

    Notes
    -----
    Equal to :class:`Engine` to the last bit, losses included.

    Examples
    --------
    >>> config = Config(dataset="gauss", examples=40, hidden=[2], alpha=0.1)
    >>> runs = train_many(config, seeds=range(5), epochs=20, every=10)
    >>> runs.epochs, runs.test.shape
    (array([ 0, 10, 20]), (3, 5))
    >>> bool((runs.test[-1] < 0.2).all())
    True
    """
    if len(seeds) == 0:
        raise ValueError("expected at least one seed, got seeds of 0")
    for r, seed in enumerate(seeds):
        _within(f"seeds[{r}]", seed, (0, 4294967295), whole=True)
    _within("epochs", epochs, (0, 1_000_000), whole=True)
    _within("every", every, (1, 1_000_000), whole=True)
    some = [int(seed) for seed in seeds]
    training = _Training(config, some * 2 if len(some) == 1 else some)
    measured, times = [], []
    # What runs that diverged go on to compute is thrown away.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for epoch in range(epochs + 1):
            if epoch % every == 0 or epoch == epochs:
                times.append(epoch)
                measured.append(training.losses())
            if epoch < epochs:
                training.run_epoch()
    R = len(some)
    train, train_accuracy, test, test_accuracy = np.array(measured).transpose(1, 0, 2)[:, :, :R]
    return Runs(
        np.array(times),
        train.copy(),
        test.copy(),
        train_accuracy.copy(),
        test_accuracy.copy(),
        training.phi.T[:R].copy(),
        training.diverged[:R].copy(),
    )


class _Training:
    """R networks: parameters of shape (P, R), batches of shape (units, examples, R)."""

    def __init__(self, config: Config, seeds: list[int]) -> None:
        self.config, self.shape, self.R = config, Shape(config), len(seeds)
        one = [self.shape.initial(Config(**{**config.as_dict(), "seed": seed})) for seed in seeds]
        self.phi = np.array(one).T.copy()
        self.G, self.m, self.v = (np.zeros_like(self.phi) for _ in range(3))
        self.penalized = np.array(self.shape.penalized)[:, None]
        data = make_data(config)
        self.parts = [self._prepared(part) for part in data]
        self.examples = len(data.train.y)
        self.inputs, self.targets = self.parts[0][0][:, :, 0], self.parts[0][1][:, :, 0]
        self.orders = [list(range(self.examples)) for _ in seeds]
        self.shuffling = np.array([Stream(seed, "order").state for seed in seeds], np.uint32)
        self.dropping = np.array([Stream(seed, "dropout").state for seed in seeds], np.uint32)
        self.beta_power = self.gamma_power = 1.0
        self.diverged = np.zeros(self.R, bool)
        self.stopped = self.phi.copy()
        self.work: dict[tuple[int, ...], Array] = {}

    def _prepared(self, part: Points) -> tuple[Array, Array, Array]:
        """Return features, targets and labels, with a last axis for the runs."""
        inputs = np.array(self.shape.inputs(self.config, part.x))[:, :, None]
        return (
            inputs,
            np.array(self.shape.targets(self.config, part.y))[:, :, None],
            part.y[:, None],
        )

    def run_epoch(self) -> None:
        """Learn from all batches of an epoch."""
        if self.diverged.all():
            return
        draws = _draws(self.shuffling, self.examples - 1)
        places = range(self.examples - 1, 0, -1)
        jumps = np.floor(draws * np.arange(self.examples, 1, -1)[:, None]).astype(int)
        for order, to in zip(self.orders, jumps.T.tolist(), strict=True):
            for i, j in zip(places, to, strict=True):
                order[i], order[j] = order[j], order[i]
        picks = np.array(self.orders).T
        size = self.config.batch
        for first in range(0, self.examples, size):
            picked = picks[first : first + size]
            self._learn(self.inputs[:, picked], self.targets[:, picked])

    def _stack(self, *shape: int) -> Array:
        """Return spare memory of a shape."""
        if shape not in self.work:
            self.work[shape] = np.empty(shape)
        return self.work[shape]

    def _weights(self, phi: Array, k: int) -> tuple[Array, Array]:
        D_in, D_out = self.shape.widths[k : k + 2]
        start, bias, stop = self.shape.starts[k], self.shape.biases[k], self.shape.starts[k + 1]
        return phi[start:bias].reshape(D_out, D_in, -1), phi[bias:stop]

    def _affine(self, k: int, h: Array) -> Array:
        """Return preactivations of shape (D_out, examples, R)."""
        Omega, beta = self._weights(self.phi, k)
        D_out, D_in, R = Omega.shape
        terms = self._stack(D_in + 1, D_out, h.shape[1], R)
        terms[0] = beta[:, None]
        np.multiply(Omega.transpose(1, 0, 2)[:, :, None], h[:, None], out=terms[1:])
        z: Array = np.add.reduce(terms, axis=0)
        return z

    def _learn(self, inputs: Array, targets: Array) -> None:
        """Take the step of a batch."""
        shape, config = self.shape, self.config
        count = inputs.shape[1]
        H, slopes = [inputs], []
        for k in range(shape.K):
            h = ACTIVATION[shape.kinds[k]](self._affine(k, H[k]))
            slope = SLOPE[shape.kinds[k]](h)
            if config.dropout > 0 and k < shape.K - 1:
                draws = _draws(self.dropping, shape.widths[k + 1] * count)
                kept = 1 / (1 - config.dropout)
                factors = np.where(draws < config.dropout, 0.0, kept).reshape(h.shape)
                slope, h = factors * slope, h * factors
            H.append(h)
            slopes.append(slope)
        deltas = self._output_deltas(H[-1], targets)
        for k in reversed(range(shape.K)):
            Omega, _ = self._weights(self.phi, k)
            gradient, biases = self._weights(self.G, k)
            D_out, D_in, R = Omega.shape
            terms = self._stack(count + 1, D_out, D_in + 1, R)
            terms[0] = 0
            d = deltas.transpose(1, 0, 2)
            np.multiply(d[:, :, None], H[k].transpose(1, 0, 2)[:, None], out=terms[1:, :, :-1])
            terms[1:, :, -1] = d
            sums = np.add.reduce(terms, axis=0)
            gradient[:], biases[:] = sums[:, :-1], sums[:, -1]
            if k == 0:
                break
            terms = self._stack(D_out + 1, D_in, count, R)
            terms[0] = 0
            np.multiply(Omega[:, :, None], deltas[:, None], out=terms[1:])
            deltas = np.add.reduce(terms, axis=0) * slopes[k - 1]
        self._update(count)

    def _output_deltas(self, Z: Array, targets: Array) -> Array:
        if not self.shape.cross_entropy:
            gap: Array = Z - targets
            return gap if self.config.regression else gap * (1 - Z * Z)
        if self.shape.outputs == 1:
            return np.asarray(sigmoid(Z) - targets)
        p, q, r = shares = exp(Z - Z.max(axis=0))
        total = p + q + r
        return np.asarray(shares / total - targets)

    def _update(self, count: int) -> None:
        """Step along the gradients of a batch, of which G holds the sums."""
        config, phi, m, v = self.config, self.phi, self.m, self.v
        g = self.G / count
        if config.l2 > 0:
            g = np.where(self.penalized, g + config.l2 * phi, g)
        if config.optimizer == "sgd":
            phi -= config.alpha * g
        else:
            m[:] = config.beta * m + (1 - config.beta) * g
            if config.optimizer == "momentum":
                phi -= config.alpha * m
            else:
                self.beta_power *= config.beta
                self.gamma_power *= config.gamma
                v[:] = config.gamma * v + (1 - config.gamma) * (g * g)
                step = config.alpha * (m / (1 - self.beta_power))
                phi -= step / (np.sqrt(v / (1 - self.gamma_power)) + config.epsilon)
        if config.l1 > 0:
            shrink = config.alpha * config.l1
            small = np.where(
                phi > shrink, phi - shrink, np.where(phi < -shrink, phi + shrink, 0.0)
            )
            phi[:] = np.where(self.penalized, small, phi)
        if self.diverged.any() or not np.abs(phi).max() <= BOUND:
            bad = ~(np.abs(phi) <= BOUND).all(axis=0)
            new = bad & ~self.diverged
            self.stopped[:, new] = phi[:, new]
            self.diverged |= bad
            phi[:, self.diverged] = self.stopped[:, self.diverged]

    def losses(self) -> list[Array]:
        """Return loss and accuracy on the training set, then on the test set."""
        return [number for part in self.parts for number in self._measure(*part)]

    def _measure(self, inputs: Array, targets: Array, y: Array) -> tuple[Array, Array]:
        shape = self.shape
        chunks = []
        for first in range(0, len(y), CHUNK):
            h = inputs[:, first : first + CHUNK]
            for k in range(shape.K):
                h = ACTIVATION[shape.kinds[k]](self._affine(k, h))
            chunks.append(h)
        h = np.concatenate(chunks, axis=1)
        best = h.argmax(axis=0) if len(h) == 3 else h[0] > 0
        if not shape.cross_entropy:
            gaps = h - targets
            halves = gaps * gaps / 2
            losses = sum(halves[1:], halves[0])
        elif len(h) == 3:
            most = h.max(axis=0)
            p, q, r = exp(h - most)
            own = np.take_along_axis(h, np.broadcast_to(y, best.shape)[None].astype(int), axis=0)
            losses = log(p + q + r) - (own[0] - most)
        else:
            z = np.where(y == 1, -h[0], h[0])
            losses = np.where(z > 0, z, 0.0) + log1p(exp(-np.abs(z)))
        # A loss of 0 more does no harm, as losses are not negative.
        mean = np.add.reduce(losses, axis=0) / len(y)
        right = (best == y).sum(axis=0) / len(y)
        return mean, np.full(self.R, math.nan) if self.config.regression else right


def _draws(states: np.ndarray, count: int) -> Float[np.ndarray, "count R"]:
    """Return the next numbers of R streams, and move the states on."""
    steps = np.arange(1, count + 1, dtype=np.uint32)[:, None] * np.uint32(INCREMENT)
    a = states + steps
    states[:] = a[-1] if count else states
    t = (a ^ (a >> np.uint32(15))) * (np.uint32(1) | a)
    t = (t + (t ^ (t >> np.uint32(7))) * (np.uint32(61) | t)) ^ t
    return np.asarray((t ^ (t >> np.uint32(14))) / 4294967296)


def _reduced(y: Array) -> tuple[Array, Array]:
    """Return exp(y) / 2^k - 1 and 2^k, as the scalar text has them; NaN stays NaN."""
    n = y * scalar.STEPS
    n += 0.5
    np.floor(n, out=n)
    r = y - n * scalar.STEP
    r -= n * scalar.STEP_REST
    whole = n.astype(np.int64)
    s = r * r
    p = scalar.C7 * r
    p += scalar.C6
    p *= s
    p += scalar.C4 + scalar.C5 * r
    p *= s
    p += scalar.C2 + scalar.C3 * r
    p *= s
    p += r
    root = ROOT.take(whole & 15)
    p *= 1 + root
    p += root
    whole >>= 4
    whole += scalar.LOWEST
    return p, POWER.take(whole, mode="clip")


def exp(x: Array) -> Array:
    """Return e to the power x, elementwise."""
    p, power = _reduced(np.minimum(np.maximum(x, -708), 709))
    p += 1
    p *= power
    p[x > 709] = np.inf
    p[x < -708] = 0
    return p


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent, elementwise."""
    a = np.minimum(np.abs(x), 20)  # where the quotient below is 1
    p, power = _reduced(a + a)
    p *= power
    p += power - 1
    return np.asarray(p / (p + 2) * np.where(x < 0, -1.0, 1.0))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), elementwise."""
    return np.asarray(1 / (1 + exp(-x)))


def _twice_atanh(s: Array) -> Array:
    q = s * s
    total = np.zeros_like(s)
    for k in range(25, 1, -2):
        total = q * (1 / k + total)
    return np.asarray(2 * (s + s * total))


def log(x: Array) -> Array:
    """Return the natural logarithm of positive numbers."""
    mantissa, k = np.frexp(x)  # from 1/2 to 1, exact
    low = mantissa < scalar.SQRT2 / 2
    mantissa = np.where(low, 2 * mantissa, mantissa)
    k = k - low
    series = _twice_atanh((mantissa - 1) / (mantissa + 1))
    return np.asarray(k * scalar.LN2 + (series + k * scalar.LN2_REST))


def log1p(x: Array) -> Array:
    """Return log(1 + x) for 0 <= x <= 1."""
    return np.where(x > 0.5, log(1 + x), _twice_atanh(x / (2 + x)))


ACTIVATION: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: 0.5 * (z + np.abs(z)),
    "tanh": tanh,
    "sigmoid": sigmoid,
    "linear": lambda z: z,
}
SLOPE: dict[str, Callable[[Array], Array]] = {
    "relu": lambda h: (h > 0).astype(float),
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "linear": np.ones_like,
}
