"""Checks for the exercises of the chapter "Specialized architectures".

>>> check("field", lambda layers: 1 + sum(k - 1 for k, _ in layers))
field: not yet.
- For layers = [(3, 2), (3, 1)] it returns 5, expected 7.
- You ignore the strides: behind a stride of 2 one step is two pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from udl.exercises._checks import Checks, Function

__all__ = ["check"]

Array = NDArray[Any]
Layers = list[tuple[int, int]]


def _maps(image: Array, kernels: Array) -> Array:
    """Return the map of each pair of channels, (C_out, C_in, height, width)."""
    k = kernels.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(image, k, axis=(1, 2))
    maps: Array = np.einsum("cijmn,ocmn->ocij", windows, kernels)
    return maps


def _convolve(image: Array, kernels: Array) -> Array:
    return np.asarray(_maps(image, kernels).sum(axis=1))


def _apart(image: Array, kernels: Array) -> Array:
    maps = _maps(image, kernels)
    return maps.reshape(-1, *maps.shape[2:])


def _first_only(image: Array, kernels: Array) -> Array:
    return _convolve(image, np.repeat(kernels[:, :1], len(image), axis=1))


def _pictures(rng: np.random.Generator) -> list[tuple[Array, ...]]:
    shapes = [((2, 3, 3), (1, 2, 2, 2)), ((3, 6, 5), (2, 3, 3, 3)), ((4, 3, 3), (5, 4, 1, 1))]
    return [(rng.normal(size=image), rng.normal(size=kernels)) for image, kernels in shapes]


def _field(layers: Layers) -> int:
    """Go back from one unit: how many units of each layer below reach it."""
    seen = 1
    for k, s in reversed(layers):
        seen = (seen - 1) * s + k
    return seen


def _without_strides(layers: Layers) -> int:
    return _field([(k, 1) for k, _ in layers])


def _one_early(layers: Layers) -> int:
    seen, step = 1, 1
    for k, s in layers:
        step *= s
        seen += (k - 1) * step
    return seen


def _apart_fields(layers: Layers) -> int:
    return int(np.prod([k for k, _ in layers]))


check = Checks(
    "architectures",
    {
        "channels": Function(
            "a function of an image (C_in, N, M) and kernels (C_out, C_in, k, k) that returns the "
            "maps (C_out, N - k + 1, M - k + 1)",
            reference=_convolve,
            cases=_pictures,
            mistakes={
                "These are the maps of each pair of channels. An output map is the sum over the "
                "input channels.": _apart,
                "That is the mean over the input channels. Take their sum.": (
                    lambda image, kernels: _convolve(image, kernels) / len(image)
                ),
                "You use the kernel of the first input channel for all. Each has its own.": (
                    _first_only
                ),
                "Your kernel is turned by 180 degrees: multiply it as it is.": (
                    lambda image, kernels: _convolve(image, kernels[:, :, ::-1, ::-1])
                ),
            },
        ),
        "field": Function(
            "a function of a list of (kernel, stride), from the input on, that returns a number "
            "of pixels",
            reference=_field,
            cases=[
                ([(3, 2), (3, 1)],),
                ([(3, 1), (3, 1)],),
                ([(5, 2), (3, 2), (3, 1)],),
                ([(7, 3)],),
                ([(2, 2), (2, 2), (2, 2)],),
            ],
            mistakes={
                "You ignore the strides: behind a stride of 2 one step is two pixels.": (
                    _without_strides
                ),
                "A layer's stride counts for the layers after it, not for its own kernel.": (
                    _one_early
                ),
                "Neighboring windows overlap: the sizes of the kernels do not multiply.": (
                    _apart_fields
                ),
            },
            rtol=0.0,
        ),
    },
)
