"""What all benchmarks share: fair timing, a table to read, and one line of JSON to collect.

``compare`` takes turns between the callables, so that a warm processor or a slow minute hits all
of them alike, and throws away samples during which other processes were busy. ``report`` prints
the JSON object as the last line.
"""

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil

BUSY = 0.15  # cores that others may keep busy while a sample is taken
SHORTEST = 0.2  # seconds; processor time is counted in hundredths, so shorter samples tell nothing


class Timing(NamedTuple):
    """Seconds of one call: the median of the samples kept, of those taken."""

    seconds: float
    kept: int
    taken: int


class Clock:
    """Measures, over a ``with`` block, seconds and the cores that other processes kept busy."""

    def __enter__(self) -> "Clock":
        self._busy, self._own, self._start = _busy_seconds(), _own_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        used = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        self.others = max(0.0, used) / self.seconds


def compare(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 9, budget_s: float = 60.0
) -> dict[str, Timing]:
    """Time the callables in turns until each has `rounds` quiet samples, or time is up.

    Parameters
    ----------
    calls
        What to compare, by name. Each is called once first, unmeasured.
    rounds
        Quiet samples wanted of each.
    budget_s
        Seconds after which no new round starts.

    Returns
    -------
    dict
        A timing for each name. Where fewer than three samples were quiet, the three with the
        least disturbance are used, ``kept`` says how many were quiet, and a line says so.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = math.ceil(SHORTEST / (time.perf_counter() - start))
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    names, end = list(calls), time.perf_counter() + budget_s

    def quiet(name: str) -> list[float]:
        return [seconds for others, seconds in samples[name] if others <= BUSY]

    while time.perf_counter() < end and min(len(quiet(name)) for name in names) < rounds:
        for name in names:
            with Clock() as clock:
                for _ in range(repeats[name]):
                    calls[name]()
            samples[name].append((clock.others, clock.seconds / repeats[name]))
        names = names[1:] + names[:1]  # whoever goes first changes

    timings = {}
    for name in calls:
        kept = quiet(name)
        used = kept if len(kept) >= 3 else [s for _, s in sorted(samples[name])[:3]]
        if len(kept) < 3:
            print(f"{name}: others were busy, only {len(kept)} quiet samples; not to be trusted")
        timings[name] = Timing(median(used), len(kept), len(samples[name]))
    return timings


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows of text under a header, the first column left-aligned, the others right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    for number, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells))
        if number == 0:
            print("  ".join("-" * width for width in widths))


def report(name: str, metrics: Mapping[str, Any]) -> None:
    """Print the last line of a benchmark: its metrics and the machine as one JSON object."""
    result = {"name": name, "metrics": _rounded(metrics), "machine": machine()}
    sys.stdout.flush()
    print(json.dumps(result, allow_nan=False), flush=True)


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _processor(),
        "cores": ours,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    }


def _processor() -> str:
    """Return the processor's name, which each system keeps elsewhere."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return platform.processor() or platform.machine()


def _busy_seconds() -> float:
    """Return the processor time that all processes have used, over all cores."""
    times = psutil.cpu_times()._asdict()
    # A guest's time is counted in user and nice already.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(seconds for kind, seconds in times.items() if kind not in idle))


def _own_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _rounded(value: Any) -> Any:
    """Keep four digits of each float, however deep."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float | np.floating) else value
