r"""Training in plain Python: the reference that fixes the order of every sum.

A sum of floating-point numbers depends on its order, so each has one here, which NumPy and the
page keep to:

* a preactivation starts with the bias; weight times input is added unit by unit;
* the gradient of an activation starts with 0; weight times delta is added output by output;
* the gradient of a weight or bias starts with 0; examples are added in the order of the batch;
  then the sum is divided by their number;
* a loss starts with 0; examples are added in the order of the set.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from udl.playground._arithmetic import exp, log, log1p, sigmoid, tanh
from udl.playground._config import Config, _among, _within
from udl.playground._data import FEATURE, Data, Losses, Points, make_data
from udl.playground._random import Stream

BOUND = 1e6  # a weight beyond it has diverged
RATES = (3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
SPACING, MOST = 8, 256  # every eighth epoch is remembered, and fewer once that is too many

Rows = list[list[float]]  # one row per unit, one number per example

ACTIVATION: dict[str, Callable[[float], float]] = {
    "relu": lambda z: 0.5 * (z + abs(z)),
    "tanh": tanh,
    "sigmoid": sigmoid,
    "linear": lambda z: z,
}
SLOPE: dict[str, Callable[[float], float]] = {  # from the activation's value
    "relu": lambda h: 1.0 if h > 0 else 0.0,
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "linear": lambda h: 1.0,
}


class Trouble(NamedTuple):
    """Why training stopped: "nan" or "diverged", and a sentence that says what to try."""

    kind: str
    text: str


class Shape:
    """What follows from the settings alone: sizes, places in phi, targets."""

    def __init__(self, config: Config) -> None:
        self.outputs = 3 if config.classes == 3 else 1
        self.cross_entropy = config.loss == "cross-entropy"
        self.widths = (len(config.features), *config.hidden, self.outputs)
        self.K = len(self.widths) - 1
        last = "linear" if self.cross_entropy or config.regression else "tanh"
        self.kinds = (*config.activations, last)
        starts = [0]
        for D_in, D_out in zip(self.widths, self.widths[1:], strict=False):
            starts.append(starts[-1] + (D_in + 1) * D_out)
        self.starts = tuple(starts)
        self.biases = tuple(
            start + D_in * D_out
            for start, D_in, D_out in zip(starts, self.widths, self.widths[1:], strict=False)
        )
        self.penalized = [False] * starts[-1]
        for start, stop in zip(starts, self.biases, strict=False):
            self.penalized[start:stop] = [True] * (stop - start)

    def inputs(self, config: Config, x: Float[np.ndarray, "I 2"]) -> Rows:
        """Return the features of points, one row per feature."""
        pairs = x.tolist()
        return [[FEATURE[name](x1, x2) for x1, x2 in pairs] for name in config.features]

    def targets(self, config: Config, y: Float[np.ndarray, " I"]) -> Rows:
        """Return what each output shall be: 0 or 1, -1 or 1, or a value."""
        if config.regression:
            return [y.tolist()]
        miss = 0.0 if self.cross_entropy else -1.0
        hits = [1] if self.outputs == 1 else [0, 1, 2]
        return [[1.0 if label == k else miss for label in y.tolist()] for k in hits]

    def initial(self, config: Config) -> list[float]:
        """Return the initial parameters."""
        chance = Stream(config.seed, "weights")
        phi = []
        for k in range(self.K):
            D_in, D_out = self.widths[k : k + 2]
            bound = math.sqrt((6 if self.kinds[k] == "relu" else 3) / D_in)
            phi += [chance.between(-bound, bound) for _ in range(D_in * D_out)]
            phi += [0.0] * D_out
        return phi


class Engine:
    """A network in training: the reference for the one in the page, which has the same names.

    Parameters
    ----------
    config : Config
        The settings.

    Attributes
    ----------
    phi : list of float
        Parameters: of each layer k the weights Omega_k, row by row, then the biases beta_k. To be
        read; :meth:`set_weight` changes them.
    data : Data
        The examples.
    widths, starts : tuple of int
        Units of each layer, inputs and outputs included; where in phi each layer starts.
    epoch, batch, steps : int
        Epochs completed, batches since then, and batches in all.
    trouble : Trouble or None
        Why there are no further steps.

    Notes
    -----
    Plain Python, and so slow: :func:`train_many` takes the same steps with many networks at once.
    Each epoch shuffles the examples anew. Its last batch may be short; nothing of it is left for
    the next.

    Momentum and Adam are those of :mod:`udl.optim`. L2 adds ``l2 * w`` to the gradient of a
    weight. L1 moves each weight by ``alpha * l1`` towards 0 after the step, and no further than 0,
    from where the next step can take it away again. Dropout multiplies the activations of hidden
    units by 0 or by ``1 / (1 - dropout)``, in training only.

    Training stops once a weight is beyond a million, or NaN.

    References
    ----------
    UDL sections 6.2, 7.4, 9.1 and 9.3.3.

    Examples
    --------
    >>> engine = Engine(Config(dataset="gauss", examples=40, hidden=[], alpha=0.1))
    >>> for _ in range(20):
    ...     _ = engine.run_epoch()
    >>> engine.losses().test_accuracy
    1.0
    >>> weights = list(engine.phi)
    >>> engine.step(), engine.back("batch"), engine.phi == weights
    (True, True, True)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.data: Data = make_data(config)
        self._shape = shape = Shape(config)
        self.widths, self.starts = shape.widths, shape.starts
        self._inputs = shape.inputs(config, self.data.train.x)
        self._targets = shape.targets(config, self.data.train.y)
        self._examples = len(self.data.train.y)
        self.batches_per_epoch = math.ceil(self._examples / config.batch)
        self.reset()

    def reset(self) -> None:
        """Return to the initial weights, and forget all steps."""
        config = self.config
        self.phi = self._shape.initial(config)
        self._gradient = [0.0] * len(self.phi)
        self._m = [0.0] * len(self.phi)
        self._v = [0.0] * len(self.phi)
        self._order = list(range(self._examples))
        self._shuffling = Stream(config.seed, "order")
        self._dropping = Stream(config.seed, "dropout")
        self.epoch = self.batch = self.steps = 0
        self._beta_power = self._gamma_power = 1.0
        self.trouble: Trouble | None = None
        self._edits: list[tuple[int, int, float]] = []  # by hand: steps, index, value
        self._memory: list[dict[str, Any]] = []
        self._spacing = SPACING
        self._remember()

    def step(self) -> bool:
        """Learn from one batch.

        Returns
        -------
        bool
            False if there is trouble; then nothing happens until `back`, `reset` or `load`.
        """
        if self.trouble:
            return False
        if self.batch == 0:
            if self.epoch % self._spacing == 0:
                self._remember()
            self._shuffling.shuffle(self._order)
        first = self.batch * self.config.batch
        self._learn(self._order[first : first + self.config.batch])
        self.batch += 1
        self.steps += 1
        if self.batch == self.batches_per_epoch:
            self.batch = 0
            self.epoch += 1
        return not self.trouble

    def run_epoch(self) -> bool:
        """Learn from all batches that the epoch has left.

        Returns
        -------
        bool
            False if there is trouble.
        """
        epoch = self.epoch
        while self.epoch == epoch:
            if not self.step():
                return False
        return True

    def _forward(self, inputs: Rows, *, training: bool = False) -> tuple[list[Rows], list[Rows]]:
        """Return the activations of all layers, inputs included, and the slopes of each."""
        shape, phi = self._shape, self.phi
        H, slopes = [inputs], []
        for k in range(shape.K):
            D_in, D_out = shape.widths[k : k + 2]
            rows = []
            for o in range(D_out):
                row = [phi[shape.biases[k] + o]] * len(inputs[0])
                for i, x in enumerate(H[k]):
                    w = phi[shape.starts[k] + o * D_in + i]
                    row = [z + w * h for z, h in zip(row, x, strict=True)]
                rows.append([ACTIVATION[shape.kinds[k]](z) for z in row])
            steep = [[SLOPE[shape.kinds[k]](h) for h in row] for row in rows]
            if training and self.config.dropout > 0 and k < shape.K - 1:
                for o, row in enumerate(rows):
                    factors = [self._factor() for _ in row]
                    steep[o] = [f * a for f, a in zip(factors, steep[o], strict=True)]
                    rows[o] = [h * f for h, f in zip(row, factors, strict=True)]
            H.append(rows)
            slopes.append(steep)
        return H, slopes

    def _factor(self) -> float:
        """Return what dropout multiplies an activation by."""
        dropout = self.config.dropout
        return 0.0 if self._dropping.next() < dropout else 1 / (1 - dropout)

    def _learn(self, picked: Sequence[int]) -> None:
        """Take the step of a batch."""
        shape, phi, G = self._shape, self.phi, self._gradient
        H, slopes = self._forward([[x[e] for e in picked] for x in self._inputs], training=True)
        deltas = self._output_deltas(H[-1], [[t[e] for e in picked] for t in self._targets])
        for k in reversed(range(shape.K)):
            D_in, D_out = shape.widths[k : k + 2]
            start, bias = shape.starts[k], shape.biases[k]
            for o, delta in enumerate(deltas):
                for i, h in enumerate(H[k]):
                    total = 0.0
                    for d, x in zip(delta, h, strict=True):
                        total += d * x
                    G[start + o * D_in + i] = total
                total = 0.0
                for d in delta:
                    total += d
                G[bias + o] = total
            if k == 0:
                break
            before = []
            for i in range(D_in):
                row = [0.0] * len(picked)
                for o in range(D_out):
                    w = phi[start + o * D_in + i]
                    row = [s + w * d for s, d in zip(row, deltas[o], strict=True)]
                before.append([s * a for s, a in zip(row, slopes[k - 1][i], strict=True)])
            deltas = before
        self._update(len(picked))

    def _output_deltas(self, Z: Rows, targets: Rows) -> Rows:
        """Return what the loss of each example changes by, as the last preactivations change."""
        if not self._shape.cross_entropy:
            tanh_slope = SLOPE["linear" if self.config.regression else "tanh"]
            return [
                [(z - t) * tanh_slope(z) for z, t in zip(row, target, strict=True)]
                for row, target in zip(Z, targets, strict=True)
            ]
        if self._shape.outputs == 1:
            return [[sigmoid(z) - t for z, t in zip(Z[0], targets[0], strict=True)]]
        deltas = [row[:] for row in Z]
        for e, logits in enumerate(zip(*Z, strict=True)):
            p, q, r = (exp(z - max(logits)) for z in logits)
            total = p + q + r
            for k, share in enumerate((p, q, r)):
                deltas[k][e] = share / total - targets[k][e]
        return deltas

    def _update(self, count: int) -> None:
        """Step along the gradient of a batch, of which G holds the sum."""
        config, phi, G, m, v = self.config, self.phi, self._gradient, self._m, self._v
        alpha, beta, gamma, l1, l2 = (
            float(number)
            for number in (config.alpha, config.beta, config.gamma, config.l1, config.l2)
        )
        shrink = alpha * l1
        if config.optimizer == "adam":
            self._beta_power *= beta
            self._gamma_power *= gamma
        m_scale, v_scale = 1 - self._beta_power, 1 - self._gamma_power
        for p, penalized in enumerate(self._shape.penalized):
            g, w = G[p] / count, phi[p]
            if l2 > 0 and penalized:
                g += l2 * w
            G[p] = g
            if config.optimizer == "sgd":
                w -= alpha * g
            else:
                m[p] = beta * m[p] + (1 - beta) * g
                if config.optimizer == "momentum":
                    w -= alpha * m[p]
                else:
                    v[p] = gamma * v[p] + (1 - gamma) * (g * g)
                    w -= alpha * (m[p] / m_scale) / (math.sqrt(v[p] / v_scale) + config.epsilon)
            if l1 > 0 and penalized:
                w = w - shrink if w > shrink else w + shrink if w < -shrink else 0.0
            phi[p] = w
        if not all(-BOUND <= w <= BOUND for w in phi):
            self.trouble = self._explain()

    def _explain(self) -> Trouble:
        place = f"in batch {self.batch + 1} of epoch {self.epoch + 1}"
        nan = not all(map(math.isfinite, self.phi))
        text = (
            f"A weight is no longer a number {place}: the arithmetic overflowed."
            if nan
            else f"A weight passed a million {place}: each step overshoots by more than the one "
            "before."
        )
        lower = next((rate for rate in RATES if rate < self.config.alpha / 2), None)
        advice = (
            f"Step back, or try a learning rate of {lower}."
            if lower
            else "Step back, or try other initial weights."
        )
        return Trouble("nan" if nan else "diverged", f"{text} {advice}")

    def losses(self) -> Losses:
        """Measure loss, without penalties, and accuracy on both sets.

        Returns
        -------
        Losses
        """
        (train, train_accuracy), (test, test_accuracy) = map(self._measure, self.data)
        return Losses(train, test, train_accuracy, test_accuracy)

    def _measure(self, part: Points) -> tuple[float, float]:
        shape = self._shape
        H, _ = self._forward(shape.inputs(self.config, part.x))
        targets = shape.targets(self.config, part.y)
        total, right = 0.0, 0
        for e, label in enumerate(part.y.tolist()):
            f = [row[e] for row in H[-1]]
            best = f.index(max(f)) if len(f) == 3 else int(f[0] > 0)
            right += best == label
            loss = 0.0
            if not shape.cross_entropy:
                for k, z in enumerate(f):
                    gap = z - targets[k][e]
                    loss += gap * gap / 2
            elif len(f) == 3:
                p, q, r = (exp(z - f[best]) for z in f)
                loss = log(p + q + r) - (f[int(label)] - f[best])
            else:
                z = -f[0] if label == 1 else f[0]  # how far on the wrong side
                loss = (z if z > 0 else 0.0) + log1p(exp(-abs(z)))
            total += loss
        accuracy = math.nan if self.config.regression else right / len(part.y)
        return total / len(part.y), accuracy

    @property
    def gradient_norm(self) -> float:
        """The length of the last batch's gradient, that of the L2 penalty included."""
        total = 0.0
        for g in self._gradient:
            total += g * g
        return math.sqrt(total)

    def dead(self) -> list[list[bool]]:
        """Say which hidden units do nothing for any training example.

        Returns
        -------
        list of lists
            For each hidden layer and unit: a ReLU that is never active, or a tanh or sigmoid that
            is always within 1% of an end of its range.
        """
        tests: dict[str, Callable[[float], bool]] = {
            "relu": lambda h: not h > 0,
            "tanh": lambda h: abs(h) > 0.99,
            "sigmoid": lambda h: h < 0.01 or h > 0.99,
            "linear": lambda h: False,
        }
        H, _ = self._forward(self._inputs)
        return [
            [all(map(tests[kind], row)) for row in rows]
            for kind, rows in zip(self._shape.kinds, H[1:-1], strict=False)
        ]

    def surface(self, size: int) -> Float[np.ndarray, "size size"]:
        """Compute what the network says over [-6, 6] x [-6, 6].

        Parameters
        ----------
        size
            Points in each direction, at the middles of equal squares.

        Returns
        -------
        array of shape (size, size)
            Rows from the top. The probability of class 1; with squared error, the output; with
            three classes, the class plus how sure the network is of it, less than 1.
        """
        shape = self._shape
        Z = self._grid(size)[-1]
        if len(Z) == 1:
            values = [sigmoid(z) for z in Z[0]] if shape.cross_entropy else Z[0]
        else:
            values = [self._ranked(f) for f in zip(*Z, strict=True)]
        return np.array(values).reshape(size, size)

    def _ranked(self, f: tuple[float, ...]) -> float:
        most = max(f)
        sure = (most + 1) / 2
        if self._shape.cross_entropy:
            p, q, r = (exp(z - most) for z in f)
            sure = 1 / (p + q + r)
        return f.index(most) + min(max(sure, 0), 0.999999)

    def units(self, size: int) -> Float[np.ndarray, "units size size"]:
        """Compute the activations of all units over [-6, 6] x [-6, 6].

        Parameters
        ----------
        size
            Points in each direction.

        Returns
        -------
        array of shape (units, size, size)
            Hidden units layer by layer, then outputs, before a sigmoid or softmax.
        """
        rows = [row for layer in self._grid(size)[1:] for row in layer]
        return np.array(rows).reshape(-1, size, size)

    def _grid(self, size: int) -> list[Rows]:
        _within("size", size, (1, 400), whole=True)
        x = [
            (-6 + 12 * (column + 0.5) / size, 6 - 12 * (row + 0.5) / size)
            for row in range(size)
            for column in range(size)
        ]
        return self._forward(self._shape.inputs(self.config, np.array(x)))[0]

    def set_weight(self, index: int, value: float | int) -> None:
        """Set a weight by hand.

        Parameters
        ----------
        index
            Its place in phi.
        value
            What it becomes, at most a million in size.
        """
        _within("index", index, (0, len(self.phi) - 1), whole=True)
        _within("value", value, (-BOUND, BOUND))
        self._edits = [edit for edit in self._edits if edit[:2] != (self.steps, index)]
        self._edits.append((self.steps, index, float(value)))
        self.phi[index] = float(value)

    def back(self, unit: str = "batch") -> bool:
        """Take back the last batch, or go to the last beginning of an epoch, exactly.

        Parameters
        ----------
        unit
            "batch" or "epoch".

        Returns
        -------
        bool
            False if there is nothing to take back.

        Notes
        -----
        Training again from the nearest epoch remembered, with the same weights set by hand, leads
        to the same bits.
        """
        _among("unit", unit, ("batch", "epoch"))
        by = 1 if unit == "batch" else self.batch or self.batches_per_epoch
        target = max(self.steps - by, self._memory[0]["steps"])
        if target == self.steps:
            return False
        kept = [edit for edit in self._edits if edit[0] <= target]
        while len(self._memory) > 1 and self._memory[-1]["steps"] >= target:
            self._memory.pop()  # earlier than the target, for the gradient's sake
        self._gradient = [0.0] * len(self.phi)
        self._restore(self._memory[-1])
        self._edits = kept
        self._repeat_edits()
        while self.steps < target:
            self.step()
            self._repeat_edits()
        return True

    def _repeat_edits(self) -> None:
        for steps, index, value in self._edits:
            if steps == self.steps:
                self.phi[index] = value

    def _state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "steps": self.steps,
            "betaPower": self._beta_power,
            "gammaPower": self._gamma_power,
            "phi": self.phi[:],
            "m": self._m[:],
            "v": self._v[:],
            "order": self._order[:],
            "streams": [self._shuffling.state, self._dropping.state],
        }

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.epoch, self.batch, self.steps = saved["epoch"], saved["batch"], saved["steps"]
        self._beta_power, self._gamma_power = saved["betaPower"], saved["gammaPower"]
        self.phi, self._m, self._v = (list(map(float, saved[key])) for key in ("phi", "m", "v"))
        self._order = list(saved["order"])
        mask = 0xFFFFFFFF  # JavaScript's have a sign
        self._shuffling.state, self._dropping.state = (state & mask for state in saved["streams"])
        self.trouble = None

    def _remember(self) -> None:
        memory = self._memory
        if memory and memory[-1]["steps"] == self.steps:
            memory.pop()
        memory.append(self._state())
        if len(memory) > MOST:
            self._spacing *= 2
            memory[1:] = [saved for saved in memory[1:] if saved["epoch"] % self._spacing == 0]

    def save(self) -> dict[str, Any]:
        """Return the whole state, as JSON can hold it.

        Returns
        -------
        dict
            For :meth:`load`, here or in the page.
        """
        return self._state()

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over a state, or weights alone.

        Parameters
        ----------
        saved
            What `save` returned, here or in the page; or ``{"phi": weights}``, which takes the
            place of the initial weights.

        Raises
        ------
        ValueError
            If sizes do not fit the settings.
        """
        sizes = {"phi": len(self.phi)}
        if "order" in saved:
            sizes |= {"m": len(self.phi), "v": len(self.phi), "order": self._examples}
        for key, size in sizes.items():
            if key not in saved or len(saved[key]) != size:
                got = len(saved[key]) if key in saved else "none"
                raise ValueError(f"expected {size} numbers in {key}, got {got}")
        for i, w in enumerate(saved["phi"]):
            _within(f"phi[{i}]", w, (-BOUND, BOUND))
        if "order" in saved and sorted(saved["order"]) != list(range(self._examples)):
            raise ValueError(f"expected each of {self._examples} examples once in order")
        self.reset()
        self._restore(saved if "order" in saved else {**self._state(), "phi": saved["phi"]})
        self._memory.clear()
        self._remember()
