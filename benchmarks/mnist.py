"""Accuracy on handwritten digits, with its spread over five seeds: linear, MLP, small CNN.

Each model is trained by ``udl.train.fit`` with Adam at a rate of 0.002, batches of 50, and a fixed
number of epochs: nothing is chosen by looking at test digits. A seed sets the initial weights and
the order of the digits. The small set is 4,000 digits for training and 1,000 for testing; all of
MNIST (60,000 and 10,000) is used as well where its files are at hand: ``python -m udl.data``
downloads them.

For comparison: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to
document recognition, Proceedings of the IEEE 86(11), 1998: test error on MNIST, without distorted
digits, 12.0 % for a linear classifier, 4.7 % for a hidden layer of 300 units, 0.95 % for LeNet-5.
They used other losses. Only the full set compares: the small one has a fifteenth of the digits.

Run ``python benchmarks/mnist.py``. It takes about a minute on a quiet machine, and a quarter of an
hour with all of MNIST.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from _harness import report, table
from udl import data, train

SEEDS = range(5)
EPOCHS = {"small": 10, "full": 8}
PUBLISHED = {"linear": 0.880, "mlp": 0.953, "cnn": 0.9905}  # LeCun et al. 1998, 1 - error
MODELS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 10)),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 10),
    ),
}


def test_accuracy(
    make: Callable[[], nn.Module], digits: data.Digits, epochs: int, seed: int
) -> float:
    """Train one model, and return the share of test digits that it names correctly."""
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 255
    y = torch.tensor(digits.labels)
    torch.manual_seed(seed)
    model = make()
    train.fit(
        model,
        nn.functional.cross_entropy,
        train.Batches(x[digits.train], y[digits.train], size=50, seed=seed),
        epochs=epochs,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.002),
        progress=False,
    )
    return train.accuracy(train.outputs(model, x[digits.test]), y[digits.test])


def measure(digits: data.Digits, size: str) -> dict[str, Any]:
    """Train all models from all seeds, print a table, and return the metrics."""
    metrics: dict[str, Any] = {}
    rows = []
    for name, make in MODELS.items():
        start = time.perf_counter()
        found = np.array([test_accuracy(make, digits, EPOCHS[size], seed) for seed in SEEDS])
        seconds = (time.perf_counter() - start) / len(SEEDS)
        metrics[f"{size}_{name}"] = found.mean()
        metrics[f"{size}_{name}_sd"] = found.std(ddof=1)
        metrics[f"{size}_{name}_lowest"], metrics[f"{size}_{name}_highest"] = (
            found.min(),
            found.max(),
        )
        shares = [found.mean(), found.std(ddof=1), found.min(), found.max(), PUBLISHED[name]]
        rows.append([name, *(f"{100 * share:.2f} %" for share in shares), f"{seconds:.1f}"])
    train_size, test_size = len(digits.train), len(digits.test)
    header = [
        f"{train_size:,} + {test_size:,} digits",
        "mean",
        "sd",
        "lowest",
        "highest",
        "1998 (60,000)",
        "s a run",
    ]
    table(header, rows)
    return metrics


def main() -> None:
    """Train, print and report."""
    metrics = measure(data.digits("small"), "small")
    everything = data.digits("auto")
    if everything.is_full:
        metrics |= measure(everything, "full")
    else:
        print("all of MNIST is not at hand: python -m udl.data downloads it")
    published = {f"published_{name}": share for name, share in PUBLISHED.items()}
    report("mnist", {**metrics, **published, "seeds": len(SEEDS), "torch": torch.__version__})


if __name__ == "__main__":
    main()
