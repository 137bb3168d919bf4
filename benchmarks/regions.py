"""Regions of random ReLU networks, exactly and by a grid: seconds, and what the grid misses.

``udl.regions.pieces`` on 1-64-64-64-1 and 1-256-256-256-1 against a grid of 100,000 points, and
``udl.regions.cells`` on 2-32-32-1 against a grid of 1000 x 1000 points. Both sides return each
activation region with its pattern, and in one dimension with its slope and intercept.

There are two grids. One computes all points at once, as one would write it first. The other goes
through them in blocks that stay in the processor's cache; ``speedup`` is measured against it.

Goals: 250 times as fast as the grid in one dimension, 25 times in two.

Run ``python benchmarks/regions.py`` on a quiet machine. It takes one to two minutes.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from _harness import compare, report, table
from udl.deep import Layers, random_network
from udl.regions import cells, pieces

LINE = [(1, 64, 64, 64, 1), (1, 256, 256, 256, 1)]
PLANE = (2, 32, 32, 1)
SEEDS = range(5)
INTERVAL = (-10.0, 10.0)
BOX = ((-2.0, 2.0), (-2.0, 2.0))
POINTS, SIDE = 100_000, 1000
KINDS = ("exact", "grid", "whole")
BLOCK = 1024  # rows; a quarter or four times as many takes as long or longer


def forward(network: Layers, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs and activation patterns of a block of inputs."""
    h, active = x, []
    for b, W in zip(network.beta[:-1], network.Omega[:-1], strict=True):
        h = h @ W.T
        h += b
        active.append(h > 0)
        np.maximum(h, 0, out=h)
    return h @ network.Omega[-1].T + network.beta[-1], np.concatenate(active, axis=1)


def grid_line(network: Layers, block: int = BLOCK) -> tuple[np.ndarray, ...]:
    """Return joints, slopes, intercepts and patterns of the regions that a grid finds."""
    x = np.linspace(*INTERVAL, POINTS)[:, None]
    changes, patterns, outputs = [], [], []
    for start in range(0, POINTS - 1, block):
        f, active = forward(network, x[start : start + block + 1])
        change = np.flatnonzero((active[1:] != active[:-1]).any(axis=1))
        if start == 0:
            patterns.append(active[:1])
        changes.append(start + change)
        patterns.append(active[change + 1])
        outputs.append(f[:-1])
    f, last = np.concatenate([*outputs, f[-1:]]), np.concatenate(changes)
    # Where a region has one point only, its slope is that toward the next region.
    first = np.append(0, last + 1)
    second = np.minimum(first + 1, POINTS - 1)
    slope = (f[second] - f[second - 1]) / (x[second] - x[second - 1])
    joints = (x[last, 0] + x[last + 1, 0]) / 2
    return joints, slope, f[first] - slope * x[first], np.concatenate(patterns)


def grid_plane(network: Layers, block: int = SIDE) -> np.ndarray:
    """Return the activation patterns that a grid finds, each once, as bits."""
    x = np.stack(np.meshgrid(*(np.linspace(*side, SIDE) for side in BOX)), axis=-1).reshape(-1, 2)
    found = []
    for start in range(0, len(x), block):
        bits = np.packbits(forward(network, x[start : start + block])[1], axis=1)
        bits = bits.view(np.uint64)[:, 0]
        # Most points have the pattern of the point before.
        found.append(bits[np.append(True, bits[1:] != bits[:-1])])
    return np.unique(np.concatenate(found))


def repeated(call: Callable[[Layers], object], networks: list[Layers]) -> Callable[[], object]:
    """Return a call for all networks."""
    return lambda: [call(network) for network in networks]


def main() -> None:
    """Count what the grids miss, then measure seconds, and report both."""
    line = {widths: [random_network(widths, seed) for seed in SEEDS] for widths in LINE}
    plane = [random_network(PLANE, seed) for seed in SEEDS]
    exact_line = partial(pieces, interval=INTERVAL, merge=False)
    calls: dict[str, Callable[[], object]] = {}
    regions: dict[str, int] = {}
    for widths, networks in line.items():
        name = "-".join(map(str, widths))
        for kind, call in (
            ("exact", lambda n: exact_line(*n)),
            ("grid", grid_line),
            ("whole", partial(grid_line, block=POINTS)),
        ):
            calls[f"{name} {kind}"] = repeated(call, networks)
            regions[f"{name} {kind}"] = sum(len(call(n)[3]) for n in networks)
    name = "-".join(map(str, PLANE))
    calls[f"{name} exact"] = repeated(lambda n: cells(*n, BOX), plane)
    calls[f"{name} grid"] = repeated(grid_plane, plane)
    calls[f"{name} whole"] = repeated(partial(grid_plane, block=SIDE**2), plane)
    regions[f"{name} exact"] = sum(len(cells(*n, BOX).polygons) for n in plane)
    regions[f"{name} grid"] = sum(len(grid_plane(n)) for n in plane)
    regions[f"{name} whole"] = regions[f"{name} grid"]

    timings = compare(calls)
    table(
        ["network", "seconds", "regions", "kept"],
        [
            [name, f"{t.seconds / len(SEEDS):.5f}", regions[name], f"{t.kept} of {t.taken}"]
            for name, t in timings.items()
        ],
    )
    networks_measured = {}
    for name in ("-".join(map(str, widths)) for widths in (*LINE, PLANE)):
        exact, grid, whole = (timings[f"{name} {kind}"].seconds for kind in KINDS)
        networks_measured[name] = {
            "exact_ms": 1e3 * exact / len(SEEDS),
            "speedup": grid / exact,
            "speedup_whole": whole / exact,
            "regions": regions[f"{name} exact"],
            "missed": 1 - regions[f"{name} grid"] / regions[f"{name} exact"],
        }
    *ones, two = networks_measured.values()
    report(
        "regions",
        {
            "speedup_1d": min(one["speedup"] for one in ones),
            "speedup_2d": two["speedup"],
            "missed_1d": max(one["missed"] for one in ones),
            "samples_kept": min(timing.kept for timing in timings.values()),
            "samples_taken": max(timing.taken for timing in timings.values()),
            "networks": networks_measured,
        },
    )


if __name__ == "__main__":
    main()
