"""Run every benchmark and collect what each prints last in benchmarks/results.json.

python benchmarks/run_all.py [NAME ...]
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def main() -> int:
    """Run the benchmarks named, or all; keep earlier results of those that fail."""
    names = sys.argv[1:] or sorted(
        p.stem for p in HERE.glob("*.py") if p.stem != "run_all" and not p.stem.startswith("_")
    )
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py")]
        last = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                last = line if line.strip() else last
        if process.returncode:
            failed.append(name)
            continue
        found = json.loads(last)
        results[found.pop("name")] = found
        partial = RESULTS.with_suffix(".partial")
        partial.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(RESULTS)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
