"""The companion package of *Hands-on Deep Learning*.

One module a topic, named like its chapter: ``import udl`` and then ``udl.linear``, or
``from udl import data, linear``. Modules load on first use, so ``import udl`` alone stays quick.

>>> import udl
>>> udl.data.twelve_points().x.shape
(12,)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """Return the device that the book computes on: a CUDA GPU if there is one, else the CPU.

    Returns
    -------
    torch.device
        ``cuda`` or ``cpu``.

    Examples
    --------
    >>> import udl
    >>> udl.device().type in {"cpu", "cuda"}
    True
    """
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _module_names() -> list[str]:
    import pkgutil

    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def __getattr__(name: str) -> Any:
    """Load a module, or read the version, when it is first asked for."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("udl")
    if not name.startswith("_") and name in _module_names():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'udl' has no attribute {name!r}; modules: {_module_names()}")


def __dir__() -> list[str]:
    return sorted(["__version__", "device", *_module_names()])
