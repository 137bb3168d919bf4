"""100 small networks in training at once, against one after the other.

The network is 2-8-8-1 on 500 points, squared error, batches of 10 as the chapters have them; its
seeds give other weights and another order of the examples. ``udl.playground.train_many`` trains
100 of them in one call, or one in each of 100 calls. That is the same code, to the last bit.

Peers, on one thread and in the same precision, with shuffled indices prepared for them: an
ordinary loop of PyTorch, one network after the other, and ``torch.func.vmap`` over 100 networks,
as it is and compiled (left out where there is no C++ compiler). All of them first have to arrive
at the same weights. A loop over networks is timed for 5 of them, and counted 20 times.

With all 500 points in one batch a single network is vectorized already, so there is less to gain;
that figure is reported too.

Goal: at least 15 times as fast as one after the other.

Run ``python benchmarks/batched.py`` on a quiet machine. It takes about two minutes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from _harness import compare, report, table
from udl.playground import Config, Engine, train_many
from udl.playground._data import make_data
from udl.playground._engine import Shape
from udl.playground._random import Stream

RUNS, ALONE, EPOCHS = 100, 5, 5
GOAL = 15.0


def settings(activation: str = "tanh", batch: int = 10) -> Config:
    """Return what is trained."""
    return Config(
        hidden=[8, 8],
        activations=activation,
        loss="squared",
        examples=1000,
        alpha=0.03,
        batch=batch,
    )


class Peer:
    """The same task for PyTorch: the points, and for each run its weights and its batches."""

    def __init__(self, config: Config) -> None:
        shape, train = Shape(config), make_data(config).train
        self.alpha, self.widths, self.starts = config.alpha, shape.widths, shape.starts
        self.x = torch.tensor(np.array(shape.inputs(config, train.x)).T)
        self.y = torch.tensor(np.array(shape.targets(config, train.y)).T)
        self.phi = torch.empty(RUNS, shape.starts[-1], dtype=torch.float64)
        self.picks = torch.empty(RUNS, EPOCHS, len(train.y), dtype=torch.int64)
        for seed in range(RUNS):
            seeded = Config(**{**config.as_dict(), "seed": seed})
            self.phi[seed] = torch.tensor(shape.initial(seeded), dtype=torch.float64)
            order, chance = list(range(len(train.y))), Stream(seed, "order")
            for epoch in range(EPOCHS):
                chance.shuffle(order)
                self.picks[seed, epoch] = torch.tensor(order)
        self.picks = self.picks.reshape(RUNS, -1, config.batch)

    def parts(self, phi: torch.Tensor) -> list[torch.Tensor]:
        """Return weights and biases of all layers, from parameters (..., P)."""
        found = []
        for k, start in enumerate(self.starts[:-1]):
            D_in, D_out = self.widths[k : k + 2]
            bias = start + D_in * D_out
            weights = phi[..., start:bias]
            found.append(weights.reshape(*phi.shape[:-1], D_out, D_in).clone())
            found.append(phi[..., bias : bias + D_out].clone())
        return found

    def loss(self, parts: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the loss of one network on one batch."""
        h = x
        for weights, biases in zip(parts[::2], parts[1::2], strict=True):
            h = torch.tanh(torch.nn.functional.linear(h, weights, biases))
        return ((h - y) ** 2 / 2).mean()

    def loop(self, runs: int) -> torch.Tensor:
        """Train one network after the other, in the ordinary way."""
        done = []
        for phi, picks in zip(self.phi[:runs], self.picks, strict=False):
            parts = [part.requires_grad_() for part in self.parts(phi)]
            optimizer = torch.optim.SGD(parts, lr=self.alpha)
            for picked in picks:
                optimizer.zero_grad()
                self.loss(parts, self.x[picked], self.y[picked]).backward()
                optimizer.step()
            done.append(torch.cat([part.detach().flatten() for part in parts]))
        return torch.stack(done)

    def vmap(self, *, compiled: bool) -> Callable[[], torch.Tensor]:
        """Return what trains all networks at once."""
        gradient = torch.func.vmap(torch.func.grad(self.loss))

        def step(
            parts: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor
        ) -> list[torch.Tensor]:
            slopes = gradient(parts, x, y)
            return [part - self.alpha * slope for part, slope in zip(parts, slopes, strict=True)]

        if compiled:
            step = torch.compile(step)

        def train() -> torch.Tensor:
            parts = self.parts(self.phi)
            with torch.no_grad():
                for picked in self.picks.unbind(1):
                    parts = step(parts, self.x[picked], self.y[picked])
            return torch.cat([part.flatten(1) for part in parts], dim=1)

        return train


def one_by_one(config: Config, epochs: int = EPOCHS) -> None:
    """Train some of the networks, each in a call of its own."""
    for seed in range(ALONE):
        train_many(config, [seed], epochs, epochs)


def main() -> None:
    """Check, time and report."""
    torch.set_num_threads(1)
    tanh, relu, full = settings(), settings("relu"), settings(batch=500)
    peer = Peer(tanh)
    ours = train_many(tanh, range(RUNS), EPOCHS, EPOCHS).phi
    engine = Engine(Config(**{**tanh.as_dict(), "seed": 1}))
    for _ in range(EPOCHS):
        engine.run_epoch()
    if not np.array_equal(ours[1], engine.phi):
        sys.exit("run 1 of many is not the run of the engine")
    if not np.array_equal(ours[3], train_many(tanh, [3], EPOCHS, EPOCHS).phi[0]):
        sys.exit("run 3 of many is not run 3 alone")

    calls: dict[str, Callable[[], object]] = {
        "at once": lambda: train_many(tanh, range(RUNS), EPOCHS, EPOCHS),
        "one by one": lambda: one_by_one(tanh),
        "at once, ReLU": lambda: train_many(relu, range(RUNS), EPOCHS, EPOCHS),
        "one by one, ReLU": lambda: one_by_one(relu),
        "at once, full batch": lambda: train_many(full, range(RUNS), EPOCHS, EPOCHS),
        "one by one, full batch": lambda: one_by_one(full),
        "PyTorch, one by one": lambda: peer.loop(ALONE),
        "torch.func.vmap": peer.vmap(compiled=False),
    }
    if shutil.which(os.environ.get("CXX", "g++")):
        calls["torch.func.vmap, compiled"] = peer.vmap(compiled=True)
    for name, call in calls.items():
        if "torch" in name.lower():
            theirs = call()
            assert isinstance(theirs, torch.Tensor)
            gap = np.abs(theirs.numpy() - ours[: len(theirs)]).max()
            if not gap < 1e-9:
                sys.exit(f"{name}: weights differ by {gap:.1e}")

    timings = compare(calls, rounds=7, budget_s=120.0)
    alone = {name for name in calls if "one by one" in name}
    seconds = {
        name: timing.seconds * (RUNS // ALONE if name in alone else 1)
        for name, timing in timings.items()
    }
    steps = {name: RUNS * EPOCHS * (1 if "full" in name else 500 // tanh.batch) for name in calls}
    rows = [
        [name, f"{1000 * s:,.0f}", f"{1e6 * s / steps[name]:.2f}"] for name, s in seconds.items()
    ]
    table([f"{RUNS} networks, {EPOCHS} epochs", "ms", "us a step of one"], rows)
    metrics: dict[str, Any] = {
        "speedup_100": seconds["one by one"] / seconds["at once"],
        "speedup_100_relu": seconds["one by one, ReLU"] / seconds["at once, ReLU"],
        "speedup_100_full_batch": seconds["one by one, full batch"]
        / seconds["at once, full batch"],
        "over_torch_loop": seconds["PyTorch, one by one"] / seconds["at once"],
        "over_vmap": seconds["torch.func.vmap"] / seconds["at once"],
        "us_a_step": 1e6 * seconds["at once"] / steps["at once"],
        "goal": GOAL,
        "torch": torch.__version__,
        "samples_kept": min(timing.kept for timing in timings.values()),
        "samples_taken": max(timing.taken for timing in timings.values()),
    }
    if "torch.func.vmap, compiled" in seconds:
        metrics["over_vmap_compiled"] = seconds["torch.func.vmap, compiled"] / seconds["at once"]
    print(f"100 at once: {metrics['speedup_100']:.1f} times one by one (goal {GOAL:g})")
    report("batched", metrics)


if __name__ == "__main__":
    main()
