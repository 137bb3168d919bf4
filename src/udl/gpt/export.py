"""A model as one small file: half-precision weights behind a header that says what they are.

The page reads the same bytes as :func:`read`. They are, in this order, all little endian:

===========  =====================================================================
8 bytes      ``udl-gpt``, and the number of this format
32 bytes     SHA-256 of all that follows
4 bytes      length of the header
the header   JSON, filled up with spaces to a multiple of 4: config, tokenizer, and
             the name and shape of each array
the rest     the arrays, one behind the other, in float16
===========  =====================================================================
"""

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from udl.gpt.config import Config
from udl.gpt.model import GPT
from udl.gpt.tokenizer import Tokenizer
from udl.gpt.tokenizer import from_dict as tokenizer_from_dict
from udl.train._files import write

__all__ = ["Restored", "read", "save", "weights"]

MAGIC, VERSION = b"udl-gpt", 1
_START = len(MAGIC) + 1 + 32 + 4  # where the header begins


class Restored(NamedTuple):
    """What a file of weights holds.

    Parameters
    ----------
    model : GPT
        In evaluation mode, on the CPU, with the rounded weights in float32.
    tokenizer : Tokenizer
        Which the model was trained with.
    """

    model: GPT
    tokenizer: Tokenizer


def weights(model: GPT, tokenizer: Tokenizer) -> bytes:
    r"""Return the weights in float16, with all that is needed to use them.

    A shared matrix is there once. The bytes depend on nothing but the arguments.

    Parameters
    ----------
    model : GPT
        On any device, of any precision.
    tokenizer : Tokenizer
        Which the model was trained with.

    Returns
    -------
    bytes
        Two for each parameter, and a header of one or two thousand.

    Raises
    ------
    ValueError
        If the tokenizer has another vocabulary than the model, or a weight is not finite or
        beyond the largest number of float16, 65504.

    Examples
    --------
    >>> from udl.gpt.tokenizer import Characters
    >>> model = GPT(Config(vocabulary=3, context=8, layers=2, heads=2, width=16))
    >>> weights(model, Characters("cab"))[:8]
    b'udl-gpt\x01'
    """
    if tokenizer.size != model.config.vocabulary:
        raise ValueError(
            "expected a tokenizer with the vocabulary of the model, got "
            f"tokenizer.size={tokenizer.size}, vocabulary={model.config.vocabulary}"
        )
    shapes: dict[str, list[int]] = {}
    arrays = []
    for name, parameter in model.named_parameters():
        half = parameter.detach().to("cpu", torch.float16)
        if not half.isfinite().all():
            largest = parameter.detach().abs().max().item()
            raise ValueError(f"expected finite weights up to 65504, got {largest:g} in {name}")
        shapes[name] = list(half.shape)
        arrays.append(half.numpy().astype("<f2").tobytes())
    header = json.dumps(
        {"config": model.config.to_dict(), "tokenizer": tokenizer.to_dict(), "arrays": shapes},
        separators=(",", ":"),
    ).encode()
    header += b" " * (-len(header) % 4)
    rest = struct.pack("<I", len(header)) + header + b"".join(arrays)
    return MAGIC + bytes([VERSION]) + hashlib.sha256(rest).digest() + rest


def read(content: bytes) -> Restored:
    """Return the model and the tokenizer whose bytes :func:`weights` gave.

    Parameters
    ----------
    content : bytes
        All bytes of the file.

    Returns
    -------
    Restored
        Model and tokenizer. Writing them again gives the same bytes.

    Raises
    ------
    ValueError
        If these are no such bytes, they are of another version, damaged or incomplete, or do not
        fit together.

    Examples
    --------
    >>> from udl.gpt.tokenizer import Characters
    >>> model = GPT(Config(vocabulary=3, context=8, layers=2, heads=2, width=16))
    >>> content = weights(model, Characters("cab"))
    >>> restored = read(content)
    >>> restored.tokenizer.decode([2, 0, 1])
    'cab'
    >>> weights(*restored) == content
    True
    """
    if content[: len(MAGIC)] != MAGIC or len(content) < _START:
        raise ValueError(f"expected weights that begin with {MAGIC!r}, got {content[:12]!r}")
    if (version := content[len(MAGIC)]) != VERSION:
        raise ValueError(f"expected weights of version {VERSION}, got version {version}")
    digest, rest = content[len(MAGIC) + 1 : _START - 4], content[_START - 4 :]
    if (found := hashlib.sha256(rest).digest()) != digest:
        raise ValueError(
            "the weights are damaged or incomplete: expected SHA-256 "
            f"{digest.hex()[:12]}…, got {found.hex()[:12]}…"
        )
    end = 4 + struct.unpack_from("<I", rest)[0]
    header: dict[str, Any] = json.loads(rest[4:end])
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and not kept
        model = GPT(Config.from_dict(header["config"]))
    own = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
    if list(own.items()) != list(header["arrays"].items()):
        raise ValueError(
            f"expected the arrays of the model, {own}, got the arrays {header['arrays']}"
        )
    numbers = np.frombuffer(rest, "<f2", offset=end).astype(np.float32)
    if len(numbers) != sum(map(math.prod, own.values())):
        raise ValueError(
            f"expected {sum(map(math.prod, own.values()))} weights, got {len(numbers)}"
        )
    with torch.no_grad():
        for parameter in model.parameters():
            own_numbers, numbers = np.split(numbers, [parameter.numel()])
            parameter.copy_(torch.from_numpy(own_numbers).view_as(parameter))
    return Restored(model.eval(), tokenizer_from_dict(header["tokenizer"]))


def save(path: Path | str, model: GPT, tokenizer: Tokenizer) -> int:
    """Write the weights to a file; whoever reads it meets the old file or the new one.

    Parameters
    ----------
    path : Path or str
        File; folders that are missing are made.
    model, tokenizer
        As for :func:`weights`.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    udl.train.CheckpointError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from udl.gpt.tokenizer import Characters
    >>> model = GPT(Config(vocabulary=3, context=8, layers=2, heads=2, width=16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = save(Path(folder) / "abc.bin", model, Characters("cab"))
    ...     size == len((Path(folder) / "abc.bin").read_bytes())
    True
    """
    content = weights(model, tokenizer)
    write(Path(path), content)
    return len(content)
