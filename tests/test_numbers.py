"""The numbers of two builds: read, written, compared, shown, and held to their tolerances."""

import copy
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
BUILT = ROOT / "_build" / "html" / "numbers.json"


def load(folder, name):
    """Load a module that belongs to no package, as its siblings do."""
    sys.path.insert(0, str(folder))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(folder))


t = load(BOOK / "_ext", "tolerances")
compare = load(ROOT / "publish", "compare")
perturb = load(ROOT / "publish", "perturb")


# Reading what was glued


@pytest.mark.parametrize(
    "value",
    [
        0,
        -7,
        1.5,
        -2.5e-300,
        10**40,
        "tree",
        "",
        "it's",
        "0.47",
        [1, 2.5, -3],
        [[1.0, 2.0], [3.0, 4.0]],
    ],
)
def test_a_plain_value_comes_back_as_it_was(value):
    assert t.parse(repr(value)) == value
    assert type(t.parse(repr(value))) is type(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.1), 0.1),
        (np.int64(-3), -3),
        (np.float64("nan"), "nan"),
        (np.float64("-inf"), "-inf"),
        (np.array([1.5, np.nan, -np.inf]), [1.5, "nan", "-inf"]),
        (np.arange(6, dtype=np.int16).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.str_("tree"), "tree"),
        (torch.tensor(1.5), 1.5),
        (torch.tensor([1, 2], dtype=torch.int32), [1, 2]),
        ((1, 2.0), [1, 2.0]),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (1e999, "inf"),
        (10**400, None),  # more than floating point holds
        (True, "True"),
        (None, "None"),
        (np.arange(5000), None),  # written with dots in the middle
        (np.True_, None),
        (1 + 2j, None),
        ({"a": 1}, None),
    ],
)
def test_what_numpy_and_torch_write_is_read(value, read):
    assert t.parse(repr(value)) == (repr(value) if read is None else read)


@pytest.mark.parametrize("text", ["<Figure size 5x5>", "no python (", "", "f(1)", "np.load('x')"])
def test_what_is_no_number_stays_a_text_and_nothing_is_called(text):
    assert t.parse(text) == text


@given(st.text())
def test_any_text_is_read(text):
    assert t.parse(repr(text)) == text
    t.parse(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_kept_to_its_last_digit(value):
    assert t.parse(repr(np.float64(value))) == value
    assert json.loads(t.written({"value": t.parse(repr(value))}))["value"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("205,504", 205504), ("-0.62", -0.62), ("4", 4), (".5", 0.5), ("1e-3", 1e-3), ("+2.", 2.0)],
)
def test_texts_that_are_numbers(text, value):
    assert t.number(text) == value


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1, 3", "1,3", "tree", "nan", "1_000", "e5", "3 %"]
)
def test_texts_that_are_no_numbers(text):
    assert t.number(text) is None


# Two values


RULE = t.Rule(rel=1e-3, abs=1e-6, words=False, why="")
NUMBERS = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, width=32))
VALUES = st.recursive(
    st.one_of(
        NUMBERS.filter(math.isfinite), st.text(max_size=5), st.just("nan"), st.just("1,000")
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_neither_build_comes_first(a, b):
    one, other = (t.difference("c", "k", *both, RULE) for both in ((a, b), (b, a)))
    assert one[4:] == other[4:]
    assert (one.size == 0) == (one.verdict == t.SAME)


@given(VALUES)
def test_what_is_equal_is_the_same(value):
    assert t.difference("c", "k", value, copy.deepcopy(value), RULE).verdict == t.SAME


@given(st.floats(1e-3, 1e9), st.floats(-1, 1))
def test_a_number_may_move_as_far_as_the_rule_says(value, part):
    inside = value * (1 + 0.99e-3 * part)
    assert t.difference("c", "k", value, inside, RULE).verdict in (t.SAME, t.WITHIN)
    outside = value * (1 + math.copysign(1.1e-3 + abs(part), part))
    assert t.difference("c", "k", value, outside, RULE).verdict == t.OUTSIDE


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (0.0, 9e-7, t.WITHIN),  # the distance counts where there is no share
        (0, 2e-6, t.OUTSIDE),
        (1, 1.0, t.SAME),
        (0.0, -0.0, t.SAME),
        ("nan", "nan", t.SAME),
        ("nan", 1.0, t.WORDS),
        ("inf", "-inf", t.WORDS),
        ("tree", "network", t.WORDS),
        ("0.47", "0.48", t.OUTSIDE),
        ("10,000", "10,001", t.WITHIN),
        ("5", 5, t.SAME),
        ("5", "tree", t.WORDS),
        ([1, 2], [1, 2.001], t.WITHIN),
        ([1, 2], [1, 2.1], t.OUTSIDE),
        ([1, 2], [1], t.WORDS),
        ([1, "a"], [1, "b"], t.WORDS),
        ([1, "a"], [1.1, "a"], t.OUTSIDE),
        ([], [], t.SAME),
        (1, [1], t.WORDS),
    ],
)
def test_verdicts(a, b, verdict):
    assert t.difference("c", "k", a, b, RULE).verdict == verdict


def test_other_words_where_the_rule_accepts_them():
    rule = RULE._replace(words=True)
    assert t.difference("c", "k", "tree", "network", rule).verdict == t.WITHIN
    assert t.difference("c", "k", 1.0, 2.0, rule).verdict == t.OUTSIDE


# Rules


TOLERANCES = """
default: {rel: 1.0e-6, why: float64}
tolerances:
  - {keys: ["net:*"], rel: 0.1, abs: 0.01, why: trained}
  - {keys: ["net:best*"], words: true, why: a name}
timing: {keys: ["*:ms"], why: a clock}
device: {keys: ["gpt:*"], why: a larger model}
"""


@pytest.fixture
def rules(tmp_path):
    """Return the rules of a small book."""
    path = tmp_path / "tolerances.yml"
    path.write_text(TOLERANCES)
    return t.rules(path)


def test_a_later_rule_wins(rules):
    assert rules.rule("line:slope").rel == 1e-6
    assert rules.rule("net:loss") == t.Rule(0.1, 0.01, False, "trained")
    assert rules.rule("net:best_one").words
    assert rules.is_timing("line:ms")
    assert not rules.is_timing("line:mss")
    assert rules.is_of_device("gpt:loss")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("why: a clock", "why: ''", "expected why"),
        ("why: trained", "reason: trained", "expected of abs, keys"),
        ("rel: 0.1, abs: 0.01", "rel: .inf", "expected finite rel and abs"),
        ("abs: 0.01", "abs: -1", "expected finite rel and abs"),
        ("abs: 0.01", "abs: .nan", "expected finite rel and abs"),
        ('keys: ["net:*"]', "keys: net", "expected keys such as"),
        ("timing:", "clocks:", "expected exactly the parts default, device"),
        ("default: {", "default: [", "tolerances.yml"),
    ],
)
def test_a_mistake_in_the_rules_is_named(tmp_path, old, new, message):
    path = tmp_path / "tolerances.yml"
    assert old in TOLERANCES
    path.write_text(TOLERANCES.replace(old, new))
    with pytest.raises(t.Mistake, match=message):
        t.rules(path)


# Two builds


A = {
    "device": "CPU",
    "machine": "a processor",
    "python": "3.11",
    "versions": {"numpy": "2.4", "torch": "2.13"},
    "chapters": {
        "line": {"data": {"who": "ab12"}, "numbers": {"slope": 1.5, "ms": 3.0, "n": 7}},
        "net": {"data": {}, "numbers": {"loss": 0.5, "best": "tree", "path": [1.0, 2.0]}},
        "gpt": {"data": {"text": "cd34"}, "numbers": {"loss": 1.7}},
    },
}


def changed(**changes):
    """Return the build with other numbers: ``chapter__key=value``."""
    build = copy.deepcopy(A)
    for name, value in changes.items():
        chapter, _, key = name.partition("__")
        build["chapters"][chapter]["numbers"][key] = value
    return build


def verdicts(found):
    return {one.name: one.verdict for one in found.numbers if one.verdict != t.SAME}


def test_a_build_is_as_itself(rules):
    found = t.compare(A, copy.deepcopy(A), rules)
    assert verdicts(found) == {"line:ms": t.TIMING}
    assert len(found.numbers) == 7
    assert found.good


def test_what_differs_is_found(rules):
    b = changed(line__slope=1.6, line__ms=99.0, net__loss=0.52, net__best="network", gpt__more=1)
    del b["chapters"]["line"]["numbers"]["n"]
    found = t.compare(A, b, rules)
    assert verdicts(found) == {
        "line:slope": t.OUTSIDE,
        "line:ms": t.TIMING,
        "line:n": t.GONE,
        "net:loss": t.WITHIN,
        "net:best": t.WITHIN,
        "gpt:more": t.NEW,
    }
    assert not found.good
    one = next(one for one in found.numbers if one.name == "net:loss")
    assert one.size == pytest.approx(0.02 / 0.52)
    assert one.share == pytest.approx(0.02 / 0.052)


def test_chapters_with_other_data_are_named_and_not_compared(rules):
    b = changed(line__slope=9.0)
    b["chapters"]["line"]["data"] = {"who": "surrogate"}
    found = t.compare(A, b, rules)
    assert found.data == ["line"]
    assert found.good
    assert verdicts(t.compare(A, b, rules, any_data=True))["line:slope"] == t.OUTSIDE


def test_chapters_that_only_one_build_has(rules):
    b = changed()
    b["chapters"]["tree"] = b["chapters"].pop("net")
    found = t.compare(A, b, rules)
    assert (found.gone, found.new, found.good) == (["net"], ["tree"], False)


def test_what_another_kind_of_device_computes_is_compared_on_the_same_kind_only(rules):
    b = changed(gpt__loss=1.2)
    assert verdicts(t.compare(A, b, rules))["gpt:loss"] == t.OUTSIDE
    b["device"] = "GPU: a fast one"
    found = t.compare(A, b, rules)
    assert verdicts(found)["gpt:loss"] == t.DEVICE
    assert found.good
    again = copy.deepcopy(b) | {"device": "GPU: another"}
    again["chapters"]["gpt"]["numbers"]["loss"] = 9.9
    assert verdicts(t.compare(b, again, rules))["gpt:loss"] == t.OUTSIDE


def test_data_are_named_by_their_hash_and_surrogates_are_named():
    entries = [
        {"name": "who", "source": "file", "sha256": "ab"},
        {"name": "digits", "source": "surrogate", "sha256": "cd"},
        {"name": "sine", "source": "generated", "sha256": None},
        {"name": "sine", "source": "generated", "sha256": None},
    ]
    assert t.sources(entries) == {"digits": "surrogate", "sine": "generated", "who": "ab"}


# The command


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Let the command work in a folder of its own; returns what writes a build there."""
    (tmp_path / "tolerances.yml").write_text(TOLERANCES)
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    monkeypatch.setattr(compare, "REFERENCE", tmp_path / "numbers.json")
    monkeypatch.setattr(compare, "TOLERANCES", tmp_path / "tolerances.yml")
    monkeypatch.setattr(compare, "RECORDED", tmp_path / "recorded.json")

    def write(name, build):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(t.written(build))
        return str(path)

    write("numbers.json", A)
    return write


def test_the_command_prints_what_differs(place, capsys):
    b = place("b/numbers.json", changed(net__loss=0.52, line__slope=1.6))
    assert compare.main([b]) == 1
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[1] == ["line", "slope", "1.5", "1.6", "6.3%", "1e-06", "OUTSIDE"]
    assert cells[2] == ["net", "loss", "0.5", "0.52", "3.8%", "10% or 0.01", "within"]
    assert compare.main([place("c.json", changed(net__loss=0.52))]) == 0
    assert "6 numbers compared: 5 identical, 1 within their tolerance, 0 not." in (
        capsys.readouterr().out
    )


def test_other_data_are_compared_if_that_is_asked_for(place, capsys):
    build = changed(line__slope=1.6)
    build["chapters"]["line"]["data"] = {"who": "surrogate"}
    b = place("b.json", build)
    assert compare.main([b]) == 0
    assert "Not compared: line, which had other data" in capsys.readouterr().out
    assert compare.main([b, "--any-data"]) == 1
    assert "OUTSIDE" in capsys.readouterr().out


def test_folders_of_a_built_book_and_of_its_tree_will_do(place, tmp_path, capsys):
    place("tree/_build/html/numbers.json", A)
    assert compare.main([str(tmp_path / "tree"), str(tmp_path / "tree/_build/html")]) == 0
    assert "No number differs" in capsys.readouterr().out
    place("_build/html/numbers.json", changed(net__path=[1.0, 3.0]))
    assert compare.main(["", ""]) == 1  # as make compare calls it: the build here
    assert "[1, 3]" in capsys.readouterr().out


def test_markdown(place, capsys):
    b = place("b.json", changed(net__best="a | b", line__slope=2))
    assert compare.main(["--markdown", b]) == 1
    out = capsys.readouterr().out
    assert "| line | slope | 1.5 | 2 | 25% | 1e-06 | **OUTSIDE** |" in out
    assert r"| net | best | tree | a \| b |  | any words | within |" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there are no numbers of a build"),
        ("{", "Expecting"),
        ("[]", "expected chapters"),
        ('{"chapters": {"a": {"numbers": {}}}}', "expected chapters, each with data and numbers"),
    ],
)
def test_a_bad_file_is_named(place, tmp_path, capsys, text, message):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    assert compare.main([str(path)]) == 2
    error = capsys.readouterr().err
    assert "bad.json" in error
    assert message in error


@pytest.mark.parametrize("device", [None, 5, ["CPU"]])
def test_a_device_without_a_name_is_refused(place, capsys, device):
    assert compare.main([place("b.json", A | {"device": device})]) == 2
    assert f"expected the name of a device, got {device!r}" in capsys.readouterr().err


def test_nobody_has_to_read_to_the_end(place):
    b = changed(**{f"line__new{k}": 1.0 for k in range(5000)})
    command = [sys.executable, str(ROOT / "publish" / "compare.py"), place("a.json", A)]
    with subprocess.Popen(
        [*command, place("b.json", b)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("chapter")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1  # as for a reader: they differ


def test_three_builds_are_refused(place):
    with pytest.raises(SystemExit) as stopped:
        compare.main(["a", "b", "c"])
    assert stopped.value.code == 2


def test_a_build_becomes_the_reference_without_its_timings(place, tmp_path, capsys):
    new = changed(line__slope=1.7, line__ms=5.0)
    assert compare.main(["--accept", place("b.json", new)]) == 0
    assert "1.7" in capsys.readouterr().out
    kept = json.loads((tmp_path / "numbers.json").read_text())
    assert kept["chapters"]["line"]["numbers"] == {"slope": 1.7, "n": 7}
    assert compare.main([str(tmp_path / "b.json")]) == 0
    (tmp_path / "numbers.json").unlink()
    assert compare.main(["--accept", str(tmp_path / "b.json")]) == 0


def test_no_gpu_and_no_surrogate_becomes_the_reference(place, tmp_path, capsys):
    before = (tmp_path / "numbers.json").read_text()
    assert compare.main(["--accept", place("b.json", A | {"device": "GPU: fast"})]) == 2
    assert "computed on a CPU" in capsys.readouterr().err
    surrogate = changed()
    surrogate["chapters"]["line"]["data"] = {"who": "surrogate"}
    assert compare.main(["--accept", place("b.json", surrogate)]) == 2
    assert "line: the reference needs the real data" in capsys.readouterr().err
    assert (tmp_path / "numbers.json").read_text() == before


def test_a_run_of_a_page_gives_its_numbers_its_data_and_what_failed(tmp_path, monkeypatch, capsys):
    cells = """---
kernelspec: {display_name: Python 3, name: python3}
---
```{code-cell} ipython3
import os
from myst_nb import glue
from udl import data
data.twelve_points()
glue("core", os.environ["OPENBLAS_CORETYPE"], display=False)
glue("slope", 1.5, display=False)
```
```{code-cell} ipython3
:tags: [raises-exception]
assert 1 > 2, "one is less"
```
"""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "line.md").write_text(cells)
    monkeypatch.setattr(perturb, "ROOT", tmp_path)
    monkeypatch.setattr(perturb, "REFERENCE", tmp_path / "numbers.json")
    reference = A | {"chapters": {"line": A["chapters"]["line"]}}
    (tmp_path / "numbers.json").write_text(t.written(reference))
    with pytest.raises(SystemExit, match="2"):
        perturb.main([str(tmp_path / "out"), "--pages", "lien"])
    assert "the reference has no chapter lien" in capsys.readouterr().err
    assert perturb.main([str(tmp_path / "out"), "--only", "avx2", "--pages", "line"]) == 1
    assert "avx2: line: cell 2: AssertionError" in capsys.readouterr().err
    (path,) = (tmp_path / "out").iterdir()
    assert t.build(path)["chapters"]["line"] == {
        "data": {"twelve points": "embedded"},
        "numbers": {"core": "Haswell", "slope": 1.5},
    }


def test_another_machine_is_recorded(place, tmp_path, rules):
    b = changed(net__loss=0.52, line__ms=9.0) | {"machine": "old", "env": {"A": "1"}}
    assert compare.main(["--record", "old", "--what", "an old one", place("b.json", b)]) == 0
    run = t.runs(tmp_path / "recorded.json")["old"]
    assert run["chapters"] == {"line": {}, "net": {"loss": [0.5, 0.52]}, "gpt": {}}
    assert (run["what"], run["machine"], run["env"]) == ("an old one", "old", {"A": "1"})
    [one] = t.recorded(run, "net", rules)
    assert one.verdict == t.WITHIN


# A small book


def notebook(source="# A page", **values):
    """Return a page that has glued values, as if it had run."""
    outputs = [
        {
            "output_type": "display_data",
            "data": data,
            "metadata": {
                "scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}
            },
        }
        for name, data in values.items()
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": source},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "outputs": outputs,
            "source": "pass",
        },
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4})


def plain(**values):
    prefix = "application/papermill.record/"
    return notebook(**{k: {f"{prefix}text/plain": repr(v)} for k, v in values.items()})


CONF = """
import sys
sys.path.insert(0, {extensions!r})
extensions = ["myst_nb", "glued"]
nb_execution_mode = "off"
exclude_patterns = ["_build"]
udl_numbers = "."

def updated(app, env):
    report = {{"device": "CPU", "processor": "slow", "python": "3.11", "data": []}}
    report["versions"] = {{"numpy": "2.4"}}
    data = [{{"name": "who", "source": "file", "sha256": "ab12"}}]
    env.udl_reports = {{"line": report | {{"data": data}}, "net": report}}

def setup(app):
    app.connect("env-updated", updated, priority=100)
"""


def build(book):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ".", "_build/html"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=book, capture_output=True, text=True, env=environment)


def cells(book, table):
    """Return the texts of a table's cells."""
    html = (book / "_build/html/differences.html").read_text(encoding="utf-8")
    found = re.findall(r"<table.*?</table>", html, re.DOTALL)[table]
    rows = [re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.DOTALL) for row in found.split("<tr")[1:]]
    return [[" ".join(re.sub("<[^>]*>", "", cell).split()) for cell in row] for row in rows]


def test_a_book_writes_its_numbers_and_shows_what_differs(tmp_path):
    parts = ["machines", "chapters", "numbers", "recorded", "tolerances"]
    page = "\n\n".join(f"```{{build-differences}} {part}\n```" for part in parts)
    figure = {
        "application/papermill.record/text/plain": "<Figure>",
        "application/papermill.record/image/png": "iVBORw0KGgo=",
    }
    said = {
        "application/papermill.record/text/plain": "<Markdown object>",
        "application/papermill.record/text/markdown": "A *word*.",
    }
    numbers = {"slope": 1.5 + 2**-30, "n": 7, "ms": 4.0}
    record = "application/papermill.record/text/plain"
    line = notebook(
        "# A page\n\nThe line rises by {glue:text}`slope:.2f`, so by {glue:text}`slope:.3f`.",
        **{k: {record: repr(v)} for k, v in numbers.items()},
        picture=figure,
        sentence=said,
    )
    files = {
        "conf.py": CONF.format(extensions=str(BOOK / "_ext")),
        "index.md": "# Book\n\n```{toctree}\nnet\nline\ndifferences\n```\n",
        "line.ipynb": line,
        "net.ipynb": plain(loss=0.5, best="tree", path=[1.0, 2.0]),
        "differences.md": f"# Where two builds differ\n\n{page}\n",
        "tolerances.yml": TOLERANCES,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "_build" / "html" / "numbers.json"
    written = t.build(path)
    assert written["chapters"] == {
        "net": {"data": {}, "numbers": {"loss": 0.5, "best": "tree", "path": [1.0, 2.0]}},
        "line": {"data": {"who": "ab12"}, "numbers": numbers | {"sentence": "A *word*."}},
    }
    assert list(written["chapters"]) == ["net", "line"]  # in the order of the book
    assert (written["device"], written["versions"]) == ("CPU", {"numpy": "2.4"})
    assert written["machine"] == "slow"
    assert not list(tmp_path.rglob("*.partial"))
    html = (tmp_path / "_build/html/differences.html").read_text(encoding="utf-8")
    assert "There is no reference" in html
    assert "No other build was recorded" in html

    # With a reference, only the page of differences changes; and a number that is as before.
    reference = copy.deepcopy(written)
    reference["chapters"]["line"]["numbers"]["slope"] = 1.5
    reference["chapters"]["net"]["numbers"]["loss"] = 0.6
    (tmp_path / "numbers.json").write_text(t.written(reference))
    run = {"what": "an old one", "env": {"X": "1"}, **{k: written[k] for k in written}}
    run["chapters"] = {"net": {"loss": [0.5, 0.52]}, "line": {}}
    runs = {"old": run, "new": run | {"chapters": {"net": {"best": ["tree", "network"]}}}}
    (tmp_path / "recorded.json").write_text(json.dumps(runs))
    before = {p: p.stat().st_mtime_ns for p in (path, tmp_path / "_build/html/net.html")}
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert cells(tmp_path, 0) == [
        ["Page", "differ", "of its tolerance"],
        ["A page", "1 of 3", "167%"],
        ["A page", "1 of 3", "0.062%"],
        ["Together", "2 of 6", "167%"],
    ]
    assert cells(tmp_path, 1) == [
        ["Number", "reference, this build", "of its tolerance"],
        ["A page loss", "0.6 0.5", "167% outside"],
        ["A page slope", "1.5 1.5", "0.062%"],
    ]
    assert cells(tmp_path, 2) == [
        ["Page", "old", "new"],
        ["A page", "3.8%", "other words"],
        ["A page", "same", "not run"],
    ]
    html = (tmp_path / "_build/html/differences.html").read_text(encoding="utf-8")
    assert "Left out: 1 measured times" in html
    assert "identical in" not in html  # nowhere is a whole page identical
    # A link leads to where the number stands first; to the page where it stands in no sentence.
    assert re.findall(r'href="([^"]*)"[^>]*>A page</a> <code', html) == [
        "net.html",
        "line.html#number-slope",
    ]
    sentence = (tmp_path / "_build/html/line.html").read_text(encoding="utf-8")
    assert re.findall(r'id="number-[^>]*>([^<]*)<', sentence) == ["1.50"]
    assert "Rounded to 4 digits" in html
    # What all builds have in common is said once, what is a build's own beside it.
    words = " ".join(re.sub("<[^>]*>", "", html).split())
    assert "Both, and each build below, had Python 3.11, numpy 2.4." in words
    assert words.count("numpy 2.4") == 1
    assert "Other words, in A page: “tree” or “network”." in words
    assert "No build on a GPU has been recorded" in html
    for said in (
        "May differ by 10% or by 0.01. trained",
        "May be other words. a name",
        "Never compared. a clock",
        "Compared on the same kind of device only. a larger model",
    ):
        assert said in html

    # A page where nothing differs is a name below the tables, and no row in them.
    reference["chapters"]["line"]["numbers"]["slope"] = numbers["slope"]
    reference["versions"] = {"numpy": "2.3"}
    reference["chapters"]["net"]["numbers"]["path"] = [1.0, 2.0 + 1e-9]  # next to nothing
    runs["new"]["chapters"]["line"] = {}
    (tmp_path / "numbers.json").write_text(t.written(reference))
    (tmp_path / "recorded.json").write_text(json.dumps(runs))
    assert build(tmp_path).returncode == 0
    assert cells(tmp_path, 0)[1:] == [
        ["A page", "2 of 3", "167%"],
        ["Together", "2 of 6", "167%"],
    ]
    assert [row[0] for row in cells(tmp_path, 1)[1:]] == ["A page loss"]
    assert cells(tmp_path, 2)[1:] == [["A page", "3.8%", "other words"]]
    html = (tmp_path / "_build/html/differences.html").read_text(encoding="utf-8")
    words = " ".join(re.sub("<[^>]*>", "", html).split())
    assert "And 1 more, each by less than 0.01% of its tolerance." in words
    assert "1 page is identical in every number: A page." in words
    assert "1 page is identical in all of these builds: A page." in words
    assert (
        "The reference: CPU (slow), numpy 2.3. Both, and each build below, had Python 3.11."
        in (words)
    )
    assert words.count("numpy 2.4") == 3  # this build, and two recorded ones

    # A number changes: file and page follow.
    (tmp_path / "net.ipynb").write_text(plain(loss=0.6, best="tree"), encoding="utf-8")
    assert build(tmp_path).returncode == 0
    assert t.build(path)["chapters"]["net"]["numbers"] == {"loss": 0.6, "best": "tree"}
    assert ["A page path", "[1, 2] –", "only in reference"] in cells(tmp_path, 1)

    (tmp_path / "numbers.json").write_text("{")
    done = build(tmp_path)
    assert done.returncode != 0
    assert "numbers.json: Expecting" in done.stderr


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1.0, 1.1, "9.1%"),
        (1.0, 1.0 + 1e-9, "1e-09"),
        (1e6, 1e6 + 1e-9, "<1e-12"),  # the last digits of a large number
        (3e-13, 4e-13, "<1e-12"),  # two zeros, though a quarter of each other apart
        (3e-11, 4e-11, "25%"),
    ],
)
def test_a_difference_of_what_should_be_zero_does_not_count(a, b, expected):
    glued = load(BOOK / "_ext", "glued")
    one = t.difference("c", "k", a, b, t.Rule(1e-7, 1e-12, False, "float64"))
    assert glued.largest([one]) == expected
    assert glued.largest([one, t.difference("c", "k", 2.0, 4.0, RULE)]) == "50%"


@pytest.mark.book
def test_each_number_in_a_sentence_can_be_linked_to():
    for page, source in TEXTS.items():
        keys = set(re.findall(r"(?<!`){glue:text}`([\w-]+)[:`]", source))
        path = ROOT / "_build/html/book" / f"{page}.html"
        ids = re.findall(r'id="number-([^"]*)"', path.read_text(encoding="utf-8"))
        assert len(ids) == len(set(ids))
        assert {key for key in keys if not RULES.is_timing(f"{page}:{key}")} == set(ids), page


# The book's own files


REFERENCE = t.build(BOOK / "numbers.json")
RULES = t.rules(BOOK / "tolerances.yml")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("*.md"))}


def test_the_reference_is_of_a_cpu_and_of_real_data_and_has_no_timings():
    assert REFERENCE["device"] == "CPU"
    for name, chapter in REFERENCE["chapters"].items():
        assert name in TEXTS
        assert "surrogate" not in chapter["data"].values(), name
        assert not [key for key in chapter["numbers"] if RULES.is_timing(f"{name}:{key}")]
    assert sum(len(chapter["numbers"]) for chapter in REFERENCE["chapters"].values()) > 800


def test_recorded_builds_are_within_the_tolerances():
    runs = t.runs(BOOK / "recorded.json")
    assert len(runs) >= 3
    for name, run in runs.items():
        for chapter in run["chapters"]:
            for one in t.recorded(run, chapter, RULES):
                assert one.verdict not in t.BAD, (name, one)


def test_no_tolerance_is_wider_than_what_was_recorded_asks_for():
    used = Counter()
    for run in t.runs(BOOK / "recorded.json").values():
        for chapter in run["chapters"]:
            for one in t.recorded(run, chapter, RULES):
                share = one.share if one.size < math.inf else 1.0
                used[one.rule] = max(used[one.rule], share)
    # Three times what was seen, rounded up: of such a tolerance more than a tenth was used.
    assert [rule for _, rule in RULES.rules if used[rule] < 0.1] == []


@pytest.mark.book
def test_no_rule_is_dead():
    names = [
        f"{chapter}:{key}"
        for chapter, content in t.build(BUILT)["chapters"].items()
        for key in content["numbers"]
    ]
    governing = {RULES.governing(name) for name in names}
    assert [rule for k, rule in enumerate(RULES.rules) if k not in governing] == []
    for pattern in (*RULES.timing, *RULES.device):
        assert any(fnmatchcase(name, pattern) for name in names), pattern


@pytest.mark.book
def test_each_number_of_this_build_is_within_its_tolerance_of_the_reference():
    found = t.compare(REFERENCE, t.build(BUILT), RULES)
    assert [(one.name, one.a, one.b, one.verdict) for one in found.of(*t.BAD)] == []
    assert (found.gone, found.new) == ([], [])
    real = [
        name for name in found.data if "surrogate" not in str(t.build(BUILT)["chapters"][name])
    ]
    assert real == []  # other data, but no surrogate


@pytest.mark.book
def test_the_page_shows_the_rules_and_the_recorded_builds():
    html = (ROOT / "_build/html/book/differences.html").read_text(encoding="utf-8")
    for name in t.runs(BOOK / "recorded.json"):
        assert f"<dt>{name}" in html
    for rule in yaml.safe_load((BOOK / "tolerances.yml").read_text(encoding="utf-8"))[
        "tolerances"
    ]:
        assert " ".join(rule["why"].split())[:30] in html
