"""A text to train language models on: Tiny Shakespeare, or prose that Python itself brings."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from typing import Literal

from udl.data import _files
from udl.data._provenance import Provenance, record
from udl.data._stand_in import file_or_none

NAME = "Tiny Shakespeare"
FILE = _files.Remote(
    name="tinyshakespeare-input.txt",
    mirrors=(
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/"
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    size=1_115_394,
)
LICENSE = "public domain"
# Prose needs no more: 65 symbols, as many as Tiny Shakespeare has.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\n .,:;'\"()-_*")
STRAIGHT = str.maketrans("‘’“”", "''\"\"")  # curly quotes to straight ones


@dataclass(frozen=True)
class Text:
    """A text and its provenance.

    Parameters
    ----------
    text : str
        The characters.
    provenance : Provenance
        Where the text comes from.

    Examples
    --------
    >>> from udl import data
    >>> text = data.tiny_shakespeare("surrogate")
    >>> train, validation = text.split(0.1)
    >>> train + validation == text.text, round(9 * len(validation) / len(train), 2)
    (True, 1.0)
    """

    text: str = field(repr=False)
    provenance: Provenance

    @property
    def is_surrogate(self) -> bool:
        """Tell whether another text stands in."""
        return self.provenance.source == "surrogate"

    def split(self, validation: float = 0.1) -> tuple[str, str]:
        """Cut the text in two: the head is for training, the tail for validation.

        Parameters
        ----------
        validation : float, default 0.1
            Share of the tail, between 0 and 1, rounded up to characters; neither part may be
            empty.

        Returns
        -------
        train, validation : str
            Head and tail. Together they are the text.

        Raises
        ------
        ValueError
            If a part would be empty.

        Examples
        --------
        >>> from udl import data
        >>> data.Text("to be or not", data.Provenance("toy", "embedded")).split(0.25)
        ('to be or ', 'not')
        """
        if not 0 < validation < 1:
            raise ValueError(f"expected validation between 0 and 1, got {validation!r}")
        # Less a bit, as 0.1 and its like are rounded: 0.8 of ten characters are eight.
        cut = len(self.text) - math.ceil(len(self.text) * validation - 1e-9)
        if not 0 < cut < len(self.text):
            raise ValueError(
                f"expected a text that can be cut, got {len(self.text)} characters with "
                f"validation={validation!r}"
            )
        return self.text[:cut], self.text[cut:]


def tiny_shakespeare(source: Literal["auto", "file", "surrogate"] = "auto") -> Text:
    """Load Tiny Shakespeare: 1,115,394 characters from his plays, 65 different ones.

    Parameters
    ----------
    source : {"auto", "file", "surrogate"}
        ``"file"``: the real text, from the folder that the environment variable UDL_DATA_DIR
        names, or from an earlier download, or downloaded now (1.1 MB; not where UDL_OFFLINE is
        set).
        ``"surrogate"``: prose from the help pages that Python brings, about 145,000 characters,
        at most 65 different ones.
        ``"auto"``: the file if it can be had, otherwise the surrogate.

    Returns
    -------
    Text
        The text and its provenance.

    Raises
    ------
    ValueError
        If `source` is another word.
    ChecksumError
        If a file is found whose SHA-256 is not the expected one. It is never used.
    FileNotFoundError
        With ``"file"``, if the file cannot be had.
    NotADirectoryError
        If UDL_DATA_DIR does not name a folder.

    Warns
    -----
    SurrogateWarning
        With ``"auto"``, if the surrogate is used though UDL_OFFLINE is not set.

    References
    ----------
    Karpathy, char-rnn, 2015, data/tinyshakespeare.

    Examples
    --------
    >>> from udl import data
    >>> text = data.tiny_shakespeare("surrogate")
    >>> text.is_surrogate, len(set(text.text)) <= 65
    (True, True)
    """
    file = file_or_none(source, FILE, f"another text stands in for {NAME}")
    return _help_pages() if file is None else _real(file)


def _real(file: _files.Content) -> Text:
    provenance = Provenance(
        name=NAME,
        source="file",
        sha256=file.sha256,
        license=LICENSE,
        url=FILE.url(file.sha256),
        citation="W. Shakespeare; excerpts by A. Karpathy for char-rnn, 2015",
        note="Excerpts from his plays, each speech after the name of its speaker.",
    )
    return Text(file.data.decode("ascii"), record(provenance))


def _help_pages() -> Text:
    text = prose()
    version = ".".join(map(str, sys.version_info[:3]))
    provenance = Provenance(
        name=NAME,
        source="surrogate",
        license="Python Software Foundation License 2",
        citation=f"Python Software Foundation, the help pages of Python {version}",
        note=(
            f"Not Shakespeare, but the prose in the help pages of Python {version}: "
            f"{len(text):,} characters. Another version of Python has slightly other pages."
        ),
    )
    return Text(text, record(provenance))


def prose() -> str:
    """Collect the prose from Python's help pages: each plain paragraph once, without indents.

    Returns
    -------
    str
        Paragraphs with an empty line between two, all characters from `PLAIN`.

    Notes
    -----
    A paragraph that stands on several pages would be in training and in validation. Code, grammar
    and tables have digits or signs that are not in `PLAIN`.
    """
    from pydoc_data.topics import topics  # as a module of its own: 0.7 MB that few readers need

    found: dict[str, None] = {}
    for page in sorted(topics):
        for paragraph in re.split(r"\n[ \t]*\n", topics[page].translate(STRAIGHT)):
            plain = re.sub(r"\n[ \t]+", "\n", paragraph.strip())
            if re.match("[A-Z]", plain) and plain.endswith((".", ":")) and PLAIN.issuperset(plain):
                found[plain] = None
    return "\n\n".join(found) + "\n"
