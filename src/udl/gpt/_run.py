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
PARALLEL = "udl.gpt.parallel 1"


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
    path = folder / "run.json"
    if begun(folder, resume=resume):
        theirs = read(path)
        mine = json.loads(json.dumps(facts)) | {"measured": theirs["measured"]}
        _compare(path, _flat(theirs), _flat(mine))
        return theirs
    prepare(folder)
    write(path, json.dumps(facts, indent=1).encode())
    return facts


def begun(folder: Path, *, resume: bool) -> bool:
    """Return whether there is a training to go on with; refuse a folder that is not for us.

    Nothing that is there is ever lost: without `resume`, only a folder without a training will do.
    """
    path, last = folder / "run.json", folder / "last.pt"
    found = [*folder.glob("run.json"), *folder.glob("*.pt"), *folder.glob("step-*")]
    if not found:
        return False
    if not resume:
        raise CheckpointError(
            f"expected a folder without a training, got {found[0]}: go on with it "
            "(resume=True), or take another folder"
        )
    if not path.is_file():
        raise CheckpointError(f"expected the run of these checkpoints, got no file {path}")
    read(path)
    if not last.exists() and len(found) > 1:
        raise CheckpointError(
            f"expected {last} to go on from, got {found[1]} without it: take another folder, or "
            "copy best.pt to last.pt"
        )
    return last.exists()


def read(path: Path) -> dict[str, Any]:
    """Return what is in ``run.json``."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if isinstance(facts, dict) and facts.get("format") == PARALLEL:
        raise CheckpointError(
            f"expected a run of udl.gpt.fit, got one of udl.gpt.parallel, which reads it: {path}"
        )
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise CheckpointError(f"expected a run of format {_FORMAT!r}, got another: {path}")
    parts = ("config", "measured", "recipe", "tokenizer")
    if missing := [part for part in parts if part not in facts]:
        raise CheckpointError(f"{path} is damaged: no {', '.join(missing)}")
    for part in parts:
        if not isinstance(facts[part], dict) and not (part == "tokenizer" and facts[part] is None):
            raise CheckpointError(f"{path} is damaged: {part} is {str(facts[part])[:60]!r}")
    for name in ("device", "precision"):
        if not isinstance(facts["measured"].get(name), str):
            raise CheckpointError(f"{path} is damaged: no {name} in measured")
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
