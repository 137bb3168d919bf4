"""The file beside the checkpoints: of which model, text and recipe they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from udl.gpt.config import Config
from udl.gpt.recipe import Recipe
from udl.gpt.tokenizer import Tokenizer
from udl.train import CheckpointError
from udl.train._files import prepare, write

_FORMAT = "udl.gpt 1"


def facts_of(
    config: Config,
    tokenizer: Tokenizer | None,
    recipe: Recipe,
    tokens: Tensor,
    validation: float | None,
) -> dict[str, Any]:
    """Return what two runs must share for one to go on where the other was."""
    content = tokens.cpu().numpy().astype("<i8").tobytes()
    return {
        "format": _FORMAT,
        "config": config.to_dict(),
        "tokenizer": None if tokenizer is None else tokenizer.to_dict(),
        "recipe": recipe.to_dict(),
        "validation": validation,
        "text": {"tokens": len(tokens), "sha256": hashlib.sha256(content).hexdigest()},
    }


def begin(folder: Path, facts: dict[str, Any], *, resume: bool) -> dict[str, Any]:
    """Write ``run.json``, or compare it with the one there is; return what is in it.

    What was measured on the machine is not compared: there, the first run has decided.
    """
    path, checkpoints = folder / "run.json", [folder / "last.pt", folder / "best.pt"]
    if resume and any(c.exists() for c in checkpoints):
        if not path.is_file():
            raise CheckpointError(f"expected the run of these checkpoints, got no file {path}")
        theirs = read(path)
        mine = json.loads(json.dumps(facts)) | {"measured": theirs["measured"]}
        _compare(path, _flat(theirs), _flat(mine))
        return theirs
    prepare(folder)
    for checkpoint in checkpoints:  # of another run: they would not fit to what is written now
        checkpoint.unlink(missing_ok=True)
    write(path, json.dumps(facts, indent=1).encode())
    return facts


def read(path: Path) -> dict[str, Any]:
    """Return what is in ``run.json``."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise CheckpointError(f"expected a run of format {_FORMAT!r}, got another: {path}")
    missing = {"config", "tokenizer", "recipe", "measured"} - facts.keys()
    if missing:
        raise CheckpointError(f"{path} is damaged: no {', '.join(sorted(missing))}")
    return facts


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _compare(path: Path, theirs: dict[str, Any], mine: dict[str, Any]) -> None:
    for name in [*mine, *theirs]:
        a, b = mine.get(name, "nothing"), theirs.get(name, "nothing")
        if a != b:
            part = name.partition(".")[0]
            short = [str(value)[:60] for value in (a, b)]
            raise CheckpointError(
                f"{path} is of another {part}: expected {name} = {short[0]}, got {short[1]}"
            )
