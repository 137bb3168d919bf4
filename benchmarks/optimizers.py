"""Adam on a million float64 parameters: milliseconds a step, on one thread.

``udl.optim.adam`` in place, against Adam as one first writes it with NumPy, and against
``torch.optim.Adam`` in its plain single-threaded loop. Torch's other two ways, also on one thread,
are there for information: a loop over lists of tensors, and a fused kernel in C++. All five take
the same steps with the same gradient, and must arrive at the same parameters.

Goals: 2.5 times as fast as the naive one, and no slower than torch's loop.

Run ``python benchmarks/optimizers.py`` on a quiet machine. It takes less than a minute.
"""

import os

# Before NumPy loads: the sum that checks the gradient would use all cores.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Callable

import numpy as np
import torch

from _harness import compare, report, table
from udl import optim

PARAMETERS = 1_000_000
STEPS = 20  # after which results are compared
ALPHA, BETA, GAMMA, EPSILON = 1e-3, 0.9, 0.999, 1e-8

# Takes a step, and returns the parameters.
Step = Callable[[], np.ndarray]


def blocked(phi: np.ndarray, gradient: np.ndarray) -> Step:
    """Return our step."""
    optimizer = optim.adam(ALPHA, BETA, GAMMA, EPSILON)
    phi = phi.copy()
    state = optimizer.init(phi)

    def step() -> np.ndarray:
        nonlocal phi, state
        phi, state = optimizer.step(phi, gradient, state, in_place=True)
        return phi

    return step


def naive(phi: np.ndarray, gradient: np.ndarray) -> Step:
    """Return the formulas, one after the other."""
    m, v, t = np.zeros_like(phi), np.zeros_like(phi), 0

    def step() -> np.ndarray:
        nonlocal phi, m, v, t
        t += 1
        m = BETA * m + (1 - BETA) * gradient
        v = GAMMA * v + (1 - GAMMA) * gradient**2
        m_hat = m / (1 - BETA**t)
        v_hat = v / (1 - GAMMA**t)
        phi = phi - ALPHA * m_hat / (np.sqrt(v_hat) + EPSILON)
        return phi

    return step


def in_torch(phi: np.ndarray, gradient: np.ndarray, **how: bool) -> Step:
    """Return a step of torch.optim.Adam."""
    parameters = torch.tensor(phi, requires_grad=True)
    parameters.grad = torch.tensor(gradient)
    optimizer = torch.optim.Adam([parameters], ALPHA, (BETA, GAMMA), EPSILON, **how)

    def step() -> np.ndarray:
        optimizer.step()
        return parameters.detach().numpy()

    return step


def main() -> None:
    """Compare results, then measure seconds, and report both."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    phi, gradient = rng.standard_normal((2, PARAMETERS))

    version = torch.__version__.partition("+")[0]
    steps = {
        "udl adam, in place": blocked(phi, gradient),
        "naive NumPy": naive(phi, gradient),
        f"torch {version} loop": in_torch(phi, gradient, foreach=False, fused=False),
        f"torch {version} foreach": in_torch(phi, gradient, foreach=True, fused=False),
        f"torch {version} fused": in_torch(phi, gradient, foreach=False, fused=True),
    }
    ours, first, loop, lists, fused = steps
    results = {}
    for name, step in steps.items():
        for _ in range(STEPS):
            results[name] = step().copy()
    # Relative to how far the parameters have moved.
    moved = np.abs(results[first] - phi).max()
    gaps = {
        name: float(np.abs(found - results[ours]).max() / moved) for name, found in results.items()
    }
    assert max(gaps.values()) < 1e-12

    timings = compare(steps)
    seconds = {name: timing.seconds for name, timing in timings.items()}
    table(
        ["Adam", "ms a step", "times ours", "difference", "kept"],
        [
            [
                name,
                f"{1e3 * timing.seconds:.2f}",
                f"{timing.seconds / seconds[ours]:.2f}",
                f"{gaps[name]:.1e}",
                f"{timing.kept} of {timing.taken}",
            ]
            for name, timing in timings.items()
        ],
    )
    report(
        "optimizers",
        {
            "adam_naive": seconds[first] / seconds[ours],
            "adam_torch_1thread": seconds[loop] / seconds[ours],
            "adam_torch_foreach": seconds[lists] / seconds[ours],
            "adam_torch_fused": seconds[fused] / seconds[ours],
            "seconds": seconds[ours],
            "largest_difference": max(gaps.values()),
            "samples_kept": min(timing.kept for timing in timings.values()),
            "samples_taken": max(timing.taken for timing in timings.values()),
        },
    )


if __name__ == "__main__":
    main()
