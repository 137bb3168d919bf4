"""One training step of a small network, by ``udl.autograd`` and by others: seconds of each.

The network is 2-16-16-1 with ReLU, on 100 points of two moons, in float64: the demo of micrograd,
with its max-margin loss and its L2 penalty. A step is forward pass, loss, backward pass, update
and the reset of gradients. Loss and gradients of all forms agree before anything is timed.

* micrograd as in its demo: each point alone, each number a node;
* micrograd's own neurons and layers, with ``Value`` of udl in place of its own, and all points as
  two columns;
* layers as matrices: with ``Value``, HIPS autograd and PyTorch.

micrograd's graphs are full of reference cycles, so Python's garbage collector has to find them.
It is on, as a user has it; all that is loaded before the first step is frozen, so that it need
not walk through other libraries' objects. micrograd is timed with the collector off, too.

PyTorch runs eagerly on one thread; with its default number of threads, it is timed again.

Goals, as speed-ups of udl: micrograd's neurons on ``Value`` 100, matrices 3000 against
micrograd; matrices faster than HIPS autograd and PyTorch.

Run ``python benchmarks/autograd.py`` on a quiet machine. It takes one to three minutes.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import micrograd.engine
import micrograd.nn
import numpy as np
import torch
from sklearn.datasets import make_moons

from _harness import BUSY, Clock, compare, report, table
from udl.autograd import Value, zero_grad

# This file has the name of HIPS autograd, which has to be found first.
sys.path.append(sys.path.pop(0))
hips, hips_numpy = import_module("autograd"), import_module("autograd.numpy")

WIDTHS = (2, 16, 16, 1)
POINTS, NOISE = 100, 0.1
RATE, PENALTY = 0.1, 1e-4
SEED = 0


class Form(NamedTuple):
    """One way to train: a step that returns the loss, and the gradients that it used."""

    step: Callable[[], float]
    gradients: Callable[[], list[np.ndarray]]


def points() -> tuple[np.ndarray, np.ndarray]:
    """Return two moons, and labels of -1 and 1."""
    X, y = make_moons(n_samples=POINTS, noise=NOISE, random_state=SEED)
    return X, 2 * y - 1


def parameters() -> list[np.ndarray]:
    """Return weights (D_in, D_out) and biases of each layer in turn, as micrograd draws them."""
    rng = np.random.default_rng(SEED)
    arrays = []
    for d_in, d_out in pairwise(WIDTHS):
        arrays += [rng.uniform(-1, 1, (d_in, d_out)), np.zeros(d_out)]
    return arrays


def neurons(kind: type) -> micrograd.nn.MLP:
    """Return micrograd's network with values of a kind, holding the parameters."""
    own, micrograd.nn.Value = micrograd.nn.Value, kind
    model = micrograd.nn.MLP(WIDTHS[0], list(WIDTHS[1:]))
    micrograd.nn.Value = own
    for layer, W, b in zip(model.layers, parameters()[::2], parameters()[1::2], strict=True):
        for j, neuron in enumerate(layer.neurons):
            neuron.b.data = float(b[j])
            for i, weight in enumerate(neuron.w):
                weight.data = float(W[i, j])
    return model


def of_neurons(model: micrograd.nn.MLP) -> Iterator[np.ndarray]:
    """Yield the gradients of micrograd's network as those of weights and biases."""
    for layer in model.layers:
        yield np.array([[weight.grad for weight in neuron.w] for neuron in layer.neurons]).T
        yield np.array([neuron.b.grad for neuron in layer.neurons])


def micrograd_demo() -> Form:
    """Return micrograd as its demo has it."""
    X, y = points()
    model = neurons(micrograd.engine.Value)

    def step() -> float:
        inputs = [list(map(micrograd.engine.Value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
        penalty = PENALTY * sum(p * p for p in model.parameters())
        loss = sum(losses) * (1.0 / len(losses)) + penalty
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= RATE * p.grad
        return loss.data

    return Form(step, lambda: list(of_neurons(model)))


def value_neurons() -> Form:
    """Return micrograd's network on our Value, with all points at once."""
    X, y = points()
    columns = list(X.T.copy())
    model = neurons(Value)

    def step() -> float:
        penalty = PENALTY * sum(p * p for p in model.parameters())
        loss = (1 + -y * model(columns)).relu().mean() + penalty
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= RATE * p.grad
        return loss.item()

    return Form(step, lambda: list(of_neurons(model)))


def value_matrices() -> Form:
    """Return layers of matrices on our Value."""
    X, y = points()
    y = y[:, None]
    phi = [Value(p) for p in parameters()]

    def step() -> float:
        W0, b0, W1, b1, W2, b2 = phi
        f = ((X @ W0 + b0).relu() @ W1 + b1).relu() @ W2 + b2
        loss = (1 + -y * f).relu().mean() + PENALTY * sum((p * p).sum() for p in phi)
        zero_grad(phi)
        loss.backward()
        for p in phi:
            p.data -= RATE * p.grad
        return loss.item()

    return Form(step, lambda: [p.grad for p in phi])


def hips_matrices() -> Form:
    """Return layers of matrices on HIPS autograd."""
    X, y = points()
    y = y[:, None]
    phi = parameters()
    used: list[np.ndarray] = []

    def loss_of(phi: Sequence[np.ndarray]) -> float:
        W0, b0, W1, b1, W2, b2 = phi
        maximum = hips_numpy.maximum
        f = maximum(maximum(X @ W0 + b0, 0) @ W1 + b1, 0) @ W2 + b2
        penalty = PENALTY * sum(hips_numpy.sum(p * p) for p in phi)
        return hips_numpy.mean(maximum(1 + -y * f, 0)) + penalty

    loss_and_gradient = hips.value_and_grad(loss_of)

    def step() -> float:
        loss, used[:] = loss_and_gradient(phi)
        for p, g in zip(phi, used, strict=True):
            p -= RATE * g
        return float(loss)

    return Form(step, lambda: used)


def torch_matrices() -> Form:
    """Return layers of matrices on PyTorch."""
    X, y = map(torch.tensor, points())
    y = y[:, None].double()
    phi = [torch.tensor(p, requires_grad=True) for p in parameters()]

    def step() -> float:
        W0, b0, W1, b1, W2, b2 = phi
        f = ((X @ W0 + b0).relu() @ W1 + b1).relu() @ W2 + b2
        loss = (1 + -y * f).relu().mean() + PENALTY * sum((p * p).sum() for p in phi)
        for p in phi:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in phi:
                p -= RATE * p.grad
        return loss.item()

    return Form(step, lambda: [p.grad.numpy() for p in phi])


def check(forms: dict[str, Form]) -> None:
    """Take three steps with each form, and compare losses and gradients of each step."""
    for _ in range(3):
        found = [(form.step(), form.gradients()) for form in forms.values()]
        for loss, gradients in found[1:]:
            np.testing.assert_allclose(loss, found[0][0], rtol=1e-10)
            for ours, theirs in zip(gradients, found[0][1], strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12)


def without_collection(step: Callable[[], float], *, rounds: int = 7, most: int = 40) -> float:
    """Return the seconds of a step with the garbage collector off, the median of quiet samples."""
    samples: list[tuple[bool, float]] = []
    while len(samples) < most and sum(quiet for quiet, _ in samples) < rounds:
        gc.collect()
        gc.disable()
        with Clock() as clock:
            for _ in range(3):
                step()
        gc.enable()
        samples.append((clock.others <= BUSY, clock.seconds / 3))
    quiet = [seconds for quiet, seconds in samples if quiet]
    if len(quiet) < 3:
        print(f"without collection: others were busy, only {len(quiet)} quiet samples")
    return median(quiet or [seconds for _, seconds in samples])


def main() -> None:
    """Check, time and report."""
    forms = {
        f"micrograd {version('micrograd')}": micrograd_demo(),
        "its neurons on udl": value_neurons(),
        "udl matrices": value_matrices(),
        f"HIPS autograd {version('autograd')}": hips_matrices(),
        f"torch {torch.__version__}, 1 thread": torch_matrices(),
    }
    demo, on_value, ours, other, eager = forms
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    check(forms)
    gc.collect()
    gc.freeze()
    timings = compare({name: form.step for name, form in forms.items()}, budget_s=120)
    collector_off = without_collection(forms[demo].step)
    torch.set_num_threads(threads)
    again = compare({ours: forms[ours].step, eager: forms[eager].step}, budget_s=30)

    seconds = {name: timing.seconds for name, timing in timings.items()}
    rows = [
        [
            name,
            f"{1e6 * t.seconds:,.0f}",
            f"{t.seconds / seconds[ours]:,.2f}",
            f"{t.kept} of {t.taken}",
        ]
        for name, t in timings.items()
    ]
    ratio = collector_off / seconds[ours]
    rows.append([f"{demo}, collector off", f"{1e6 * collector_off:,.0f}", f"{ratio:,.2f}", ""])
    default = again[eager].seconds / again[ours].seconds
    rows.append(
        [f"torch, {threads} threads", f"{1e6 * again[eager].seconds:,.0f}", f"{default:,.2f}", ""]
    )
    table(["training step", "microseconds", "times ours", "kept"], rows)
    report(
        "autograd",
        {
            "micrograd_mlp": seconds[demo] / seconds[on_value],
            "micrograd_matrix": seconds[demo] / seconds[ours],
            "hips": seconds[other] / seconds[ours],
            "torch": seconds[eager] / seconds[ours],
            "micrograd_mlp_collector_off": collector_off / seconds[on_value],
            "micrograd_matrix_collector_off": collector_off / seconds[ours],
            "torch_default_threads": default,
            "threads": threads,
            "step_micrograd_s": seconds[demo],
            "step_s": seconds[ours],
            "samples_kept": min(timing.kept for timing in timings.values()),
            "samples_taken": max(timing.taken for timing in timings.values()),
        },
    )


if __name__ == "__main__":
    main()
