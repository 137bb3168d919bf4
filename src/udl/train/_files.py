"""Files that are either the old one or the new one, whatever happens in between."""

import errno
import io
import os
import secrets
import zipfile
from pathlib import Path
from typing import Any

import torch


class CheckpointError(Exception):
    """A checkpoint can't be written, can't be read, or belongs to something else."""


def encode(state: dict[str, Any]) -> bytes:
    """Return the bytes of a file from which :func:`decode` gets `state` back."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def decode(content: bytes) -> Any:
    """Return what :func:`encode` was given; runs no code that the file may hold.

    Damage raises one of many kinds of exception.
    """
    # torch reads past wrong check sums.
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"wrong check sum of {damaged}")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def reason(error: Exception) -> str:
    """Return the line of torch's long messages that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    return next((line for line in lines if "WeightsUnpickler error" in line), lines[0])


def write(path: Path, content: bytes) -> None:
    """Put a file in its place, complete or not at all.

    The bytes go to a file beside it, and from memory to the disk, before the name changes hands.
    Whoever is killed on the way leaves the old file as it was, and a ``.partial`` file, which the
    next attempt removes. No two processes write to the same one.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{path.name}.*.partial"):
            left.unlink(missing_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        try:
            partial.unlink(missing_ok=True)
        except OSError:
            pass
        kept = "; the one before it is intact" if path.is_file() else ""
        raise CheckpointError(f"could not write {path}: {error.strerror}{kept}") from error


def prepare(folder: Path) -> None:
    """Make a folder, or find out before the first epoch that its files can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise CheckpointError(f"could not write to {folder}: {error.strerror}") from error


def identity(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is written anew, or None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
