"""Load modules in a process of its own, which may fail, hang or crash, and tell what happened.

``python -P _probe.py NAME...`` writes one line of JSON before and after each module. It imports
nothing of the package, so that it runs also where that is broken.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

SIGN = "udl-probe "  # begins each line, as modules may print on their own


def tell(**facts: Any) -> None:
    """Write a line."""
    os.write(1, f"\n{SIGN}{json.dumps(facts, default=str)}\n".encode())


def attempt(what: str, facts: Any) -> Any:
    """Return the facts, or the error that a look at them raised."""
    try:
        return facts()
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}", "what": what}


def torch_facts() -> dict[str, Any]:
    """Tell what PyTorch computes on."""
    import torch

    facts: dict[str, Any] = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "cuda_build": torch.version.cuda,
        "hip_build": getattr(torch.version, "hip", None),
        "mps": attempt("mps", lambda: bool(torch.backends.mps.is_available())),
        "sum": attempt("sum", lambda: float(torch.ones(3, dtype=torch.float64).sum())),
    }
    there = attempt("cuda", torch.cuda.is_available)
    facts["cuda"] = there
    if there is True:
        facts["gpus"] = attempt("gpus", lambda: [gpu(n) for n in range(torch.cuda.device_count())])
    return facts


def gpu(number: int) -> dict[str, Any]:
    """Tell what a GPU is, and whether it computes."""
    import torch

    about = torch.cuda.get_device_properties(number)

    def computed() -> float:
        return float(torch.ones(3, device=f"cuda:{number}").sum())

    return {
        "name": about.name,
        "memory": about.total_memory,
        "capability": f"{about.major}.{about.minor}",
        "sum": attempt("sum", computed),
    }


def kernels() -> list[dict[str, str]]:
    """Tell which kernels Jupyter knows."""
    specs = importlib.import_module("jupyter_client.kernelspec").KernelSpecManager()
    found = specs.get_all_specs()
    return [
        {"name": name, "python": (about["spec"].get("argv") or [""])[0]}
        for name, about in found.items()
    ]


FACTS = {
    "torch": torch_facts,
    "matplotlib": lambda: {"cache": sys.modules["matplotlib"].get_cachedir()},
    "jupyter_client": lambda: {"kernels": kernels()},
}


def main(names: list[str]) -> None:
    """Load each module, and go on with the next whatever happens."""
    for name in names:
        tell(trying=name)
        result = attempt(name, lambda name=name: importlib.import_module(name) and None)
        if result is None:
            facts = attempt(name, FACTS.get(name, dict))
            tell(name=name, ok=True, **({"facts": facts}))
        else:
            tell(name=name, ok=False, error=result["error"])


if __name__ == "__main__":
    main(sys.argv[1:])
