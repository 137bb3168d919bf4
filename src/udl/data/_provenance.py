"""Where a data set comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """Where a data set comes from and what may be done with it.

    Parameters
    ----------
    name : str
        Name of the set.
    source : str
        ``"file"`` (the real file, checked), ``"surrogate"``, ``"generated"`` or ``"embedded"``.
    sha256 : str or None
        SHA-256 of the file, None where there is no file.
    license : str
        License, or what is known about it.
    url : str
        Address of the data, empty where there is none.
    citation : str
        Who made it.
    note : str
        What a reader has to know before drawing conclusions.

    Examples
    --------
    >>> from udl import data
    >>> data.twelve_points().provenance.source
    'embedded'
    """

    name: str
    source: str
    sha256: str | None = None
    license: str = ""
    url: str = ""
    citation: str = ""
    note: str = ""


_loaded: dict[tuple[str, str], Provenance] = {}


def record(provenance: Provenance) -> Provenance:
    """Note that a set was loaded in this process, and return its provenance.

    Parameters
    ----------
    provenance : Provenance
        Provenance of the set.

    Returns
    -------
    Provenance
        The same object.
    """
    _loaded[provenance.name, provenance.source] = provenance
    return provenance


def loaded() -> list[Provenance]:
    """List the sets loaded in this process, each once, in the order of their first use.

    Returns
    -------
    list of Provenance
        One entry for each set and source. Of a set that was generated with several seeds, the
        latest counts.

    Examples
    --------
    >>> from udl import data
    >>> points = data.twelve_points()
    >>> points.provenance in data.loaded()
    True
    """
    return list(_loaded.values())
