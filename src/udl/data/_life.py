"""WHO life expectancy: the real table where it can be had, otherwise a labeled surrogate."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from udl.data import _files
from udl.data._provenance import Provenance, record
from udl.data._stand_in import file_or_none
from udl.data._surrogate import surrogate

if TYPE_CHECKING:
    import pandas as pd

NAME = "WHO life expectancy"
_RAW = "https://raw.githubusercontent.com/"
FILE = _files.Remote(
    name="life-expectancy-data.csv",
    mirrors=(
        (
            f"{_RAW}DaftAcademy-Python-LevelUP-DataScience/DA-Python-LevelUP-Data-Science-2022/"
            "cc7162fe92ab5e52ecd1bc584f4365706a8d1d54/data/Life%20Expectancy%20Data.csv",
            "b7cce97540dfb44ec7b6139d117dd4c810a1b271405a61b3016b9a49cb94e021",
        ),
        (  # same values; some column names have a blank before or after them
            f"{_RAW}SumayyaAhmed/Life-Expectancy-Data/"
            "b36f41c74090214a8da6bb3e5395f5a09341f0b7/Life%20Expectancy%20Data.csv",
            "a10c359ef2e2154e71d33cfcafc696455764e4b1c554295c720e7285c67b8deb",
        ),
    ),
    size=333_433,
)
LICENSE = "license not stated by its compiler: downloaded, not redistributed"


@dataclass(frozen=True, eq=False)  # comparing tables gives a table, not a bool
class LifeExpectancy:
    """The life expectancy table and its provenance.

    Parameters
    ----------
    frame : pandas.DataFrame
        2938 rows (a country in a year), 22 columns: Country, Year, Status, Life expectancy (years)
        and 18 predictors.
    provenance : Provenance
        Where the table comes from.

    Examples
    --------
    >>> from udl import data
    >>> data.life_expectancy("surrogate").frame["Country"].nunique()
    193
    """

    frame: pd.DataFrame
    provenance: Provenance

    @property
    def is_surrogate(self) -> bool:
        """Tell whether the rows are made up."""
        return self.provenance.source == "surrogate"


def life_expectancy(source: Literal["auto", "file", "surrogate"] = "auto") -> LifeExpectancy:
    """Load the WHO life expectancy table: 193 countries, 2000 to 2015.

    Parameters
    ----------
    source : {"auto", "file", "surrogate"}
        ``"file"``: the real table, from the folder that the environment variable UDL_DATA_DIR
        names, or from an earlier download, or downloaded now (not where UDL_OFFLINE is set).
        ``"surrogate"``: made-up rows with the same means and covariances.
        ``"auto"``: the file if it can be had, otherwise the surrogate.

    Returns
    -------
    LifeExpectancy
        The table, with gaps (NaN) if it is the real one, and its provenance.

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

    Notes
    -----
    GDP, Population, BMI, infant deaths and percentage expenditure contain dropped digits or wrong
    units. The table is good for exercises, not for conclusions.

    References
    ----------
    Rajarshi, Life Expectancy (WHO), compiled from data of the WHO and the United Nations.

    Examples
    --------
    >>> from udl import data
    >>> who = data.life_expectancy("surrogate")
    >>> who.frame.shape, who.is_surrogate
    ((2938, 22), True)
    """
    file = file_or_none(source, FILE, f"the surrogate of {NAME} stands in, its rows are made up")
    return _made_up() if file is None else _real(file)


def _real(file: _files.Content) -> LifeExpectancy:
    import pandas as pd

    frame = pd.read_csv(io.BytesIO(file.data))
    frame.columns = frame.columns.str.strip()
    provenance = Provenance(
        name=NAME,
        source="file",
        sha256=file.sha256,
        license=LICENSE,
        url=FILE.url(file.sha256),
        citation="K. Rajarshi, Life Expectancy (WHO), from WHO and United Nations data",
        note="Several columns have dropped digits or wrong units: for exercises only.",
    )
    return LifeExpectancy(frame, record(provenance))


def _made_up() -> LifeExpectancy:
    provenance = Provenance(
        name=NAME,
        source="surrogate",
        license="CC0-1.0",
        citation="Hands-on Deep Learning; moments of the table compiled by K. Rajarshi",
        note=(
            "Made-up rows and countries. Means, variances and covariances are those of the real "
            "table after filling its gaps, so least-squares fits agree. It has no gaps, its "
            "counts are not whole numbers, medians and extremes differ, some values are negative."
        ),
    )
    return LifeExpectancy(surrogate(), record(provenance))
