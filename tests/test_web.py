"""Questions as HTML. What they do in a browser is in browser/test_questions.py."""

import base64
import html
import json
import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udl.web import STATIC, Widget, choice, numeric
from udl.web.host import inline, script_json
from udl.web.mathml import mathml

NASTY = "</script><img src=x onerror=alert(1)> & \"quotes\" 'too' \u2028 é"
TEXT = st.text() | st.text("<>&\u2028!-/script")


class Page(HTMLParser):
    """Tags with their attributes, and the text of each script."""

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def first(self, tag):
        return next(attrs for name, attrs in self.tags if name == tag)


@pytest.fixture
def in_book(monkeypatch):
    monkeypatch.setenv("UDL_BOOK", "1")


@pytest.fixture
def in_notebook(monkeypatch):
    monkeypatch.delenv("UDL_BOOK", raising=False)


def example(**options) -> Widget:
    return numeric("What is $\\phi_0$?", 65.4, unit="years", **options)


@pytest.mark.usefixtures("in_book")
def test_placeholder_holds_module_props_and_a_fallback():
    page = Page(example(explanation="It is the intercept.", label="q-intercept")._repr_html_())
    box = page.first("div")
    assert (box["class"], box["id"], box["data-module"]) == (
        "udl-widget",
        "q-intercept",
        "questions",
    )
    assert (STATIC / f"{box['data-module']}.mjs").is_file()
    assert [tag for tag, _ in page.tags if tag in {"details", "summary"}] == ["details", "summary"]
    assert "65.4 years" in page.text
    assert "It is the intercept." in page.text
    assert page.first("script") == {"type": "application/json"}
    assert json.loads(page.scripts[0])["answer"] == 65.4


@pytest.mark.usefixtures("in_book")
def test_fallback_of_a_choice_lists_every_option():
    page = Page(choice("Which?", {"<a>": "why a", "b": "why b"}, correct="b")._repr_html_())
    assert [tag for tag, _ in page.tags].count("li") == 2
    assert "<a>" in page.text
    assert "why b" in page.text
    assert "why a" not in page.text


@pytest.mark.usefixtures("in_book")
def test_no_text_can_leave_its_place():
    widget = numeric(NASTY, 1, unit=NASTY, hint=NASTY, explanation=NASTY, mistakes={2: NASTY})
    page = Page(widget._repr_html_())
    assert "img" not in [tag for tag, _ in page.tags]
    assert widget._repr_html_().count("</script>") == 1
    props = json.loads(page.scripts[0])
    assert props["unit"][0] == NASTY
    texts = [props["question"], props["hint"], props["mistakes"][0][1], props["explanation"]]
    assert {html.unescape(text) for text in texts} == {NASTY}
    assert not [text for text in texts if "<" in text]


@pytest.mark.usefixtures("in_notebook")
def test_no_text_can_leave_the_frame():
    outer = Page(choice(NASTY, {NASTY: NASTY, "b": "c"}, correct="b")._repr_html_())
    assert [tag for tag, _ in outer.tags] == ["iframe"]
    inner = Page(outer.first("iframe")["srcdoc"])
    assert "img" not in [tag for tag, _ in inner.tags]
    assert html.unescape(json.loads(inner.scripts[0])["question"]) == NASTY


@pytest.mark.usefixtures("in_notebook")
def test_frame_is_self_contained():
    text = example()._repr_html_()
    assert not re.search(r"https?://|//cdn|@import", text)
    document = Page(text).first("iframe")["srcdoc"]
    page = Page(document)
    assert not [attrs for _, attrs in page.tags if {"src", "href"} & attrs.keys()]
    assert held(page) == {"udl/questions": (STATIC / "questions.mjs").read_text(encoding="utf-8")}
    assert page.scripts[-1].strip().startswith('import { render } from "udl/questions";')


def held(page: Page) -> dict[str, str]:
    """Return the sources in a frame's import map, by name."""
    found = json.loads(next(text for text in page.scripts if '"imports"' in text))["imports"]
    prefix = "data:text/javascript;base64,"
    assert all(address.startswith(prefix) for address in found.values())
    return {
        name: base64.b64decode(address.removeprefix(prefix)).decode()
        for name, address in found.items()
    }


def test_frame_holds_each_module_once_with_all_that_it_imports(tmp_path, monkeypatch):
    sources = {
        "top": 'import {\n  a,\n} from "./left.mjs";\nimport { b } from "./right.mjs";\n',
        "left": 'export { a } from "./base.mjs";\n',
        "right": 'import { a } from "./base.mjs"; export const b = a;\n',
        "base": "export const a = 1;\n",
        "other": "export const c = 1;\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.mjs").write_text(source, encoding="utf-8")
    monkeypatch.setattr("udl.web.host.STATIC", tmp_path)
    document = Page(Widget("top", {}, "f", "t", "l").frame()).first("iframe")["srcdoc"]
    found = held(Page(document))
    assert found.keys() == {"udl/top", "udl/left", "udl/right", "udl/base"}
    for name, source in found.items():
        assert source == re.sub(r"\./(\w+)\.mjs", r"udl/\1", sources[name.removeprefix("udl/")])


IMPORT = r'(?:^(?:import|export) [^;"]*?from |\bimport\()"([^"]*)"\)?;'


def test_modules_import_only_their_neighbors_and_the_loader_is_small():
    neighbors = {f"./{path.name}" for path in STATIC.glob("*.mjs")}
    for module in STATIC.glob("*.mjs"):
        source = module.read_text(encoding="utf-8")
        wanted = re.findall(IMPORT, source, re.M)
        assert set(wanted) <= neighbors
        assert len(wanted) == len(
            re.findall(r"^import \{|^export \{.*from|\bimport\(", source, re.M)
        )
    assert (STATIC / "loader.js").stat().st_size <= 1536


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
        max_leaves=8,
    )
)
def test_props_survive_the_way_to_the_page(value):
    text = script_json({"value": value})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"value": value}


@given(st.text().filter(lambda text: not {"$", "`"} & set(text)))
def test_inline_keeps_text_as_it_is(text):
    assert html.unescape(inline(text)) == html.unescape(html.escape(text))
    assert not Page(inline(text)).tags


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        ("x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        ("x^2_i", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"X^\top y", "<msup><mi>X</mi><mi>⊤</mi></msup><mi>y</mi>"),
        ("10^{-1.5}", "<msup><mn>10</mn><mrow><mo>−</mo><mn>1.5</mn></mrow></msup>"),
        (r"\frac{1}{n}", "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>n</mi></mrow></mfrac>"),
        ("^2", "<msup><mrow></mrow><mn>2</mn></msup>"),
        ("h'", "<msup><mi>h</mi><mo>′</mo></msup>"),
        (r"\hat{y}", "<mover><mrow><mi>y</mi></mrow><mo>^</mo></mover>"),
        (r"\left(a\right)", "<mo>(</mo><mi>a</mi><mo>)</mo>"),
        (r"\mathbb{R}", "<mtext>ℝ</mtext>"),
    ],
)
def test_mathml(tex, expected):
    assert mathml(tex) == f"<math>{expected}</math>"


@pytest.mark.parametrize("tex", [r"\unknown", "{a", "a}", "a_", r"\frac{1}", "\\", "_", "_}"])
def test_mathml_refuses(tex):
    with pytest.raises(ValueError, match="expected"):
        mathml(tex)


def test_html_is_the_same_in_another_process():
    code = "import udl.web; print(udl.web.numeric('a $b$', 0.1, mistakes={1: 'c'})._repr_html_())"
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "UDL_BOOK": "1", "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(results) == 1


def test_default_labels_differ_with_the_content():
    labels = {numeric("a", 1).label, numeric("a", 2).label, numeric("b", 1).label}
    assert len(labels) == 3
    assert all(re.fullmatch(r"questions-[0-9a-f]{8}", label) for label in labels)


def test_numpy_numbers_are_numbers():
    widget = numeric("a", np.float64(2.5), mistakes=[(np.int64(3), "b")])
    assert json.loads(script_json(widget.props))["mistakes"] == [[3.0, "b"]]


def test_repr_does_not_tell_the_answer():
    assert repr(numeric("How many `rows` has $X$?", 2938)) == "<questions: How many rows has X?>"


@pytest.mark.parametrize(
    ("answer", "rtol", "shown"),
    [
        (65.4182, 1e-2, "65.4"),
        (2938, 0.0, "2938"),
        (293812, 1e-2, "294000"),
        (7.0739, 1e-6, "7.0739"),
        (1 / 3, 1e-4, "0.33333"),
        (-4.2e-9, 1e-2, "−4.2e−09"),
        (0, 1e-2, "0"),
    ],
)
def test_answer_is_shown_to_its_tolerance(answer, rtol, shown):
    assert numeric("a", answer, rtol=rtol).props["solution"] == f"The answer is {shown}."


def test_an_answer_is_followed_by_its_unit():
    said = [numeric("a", -36.8, unit=unit).props["solution"] for unit in ("%", "years", "")]
    assert said == ["The answer is −36.8%.", "The answer is −36.8 years.", "The answer is −36.8."]


def test_punctuation_after_a_formula_is_tied_to_it():
    made = inline("Is ($a$), with `$` and $b$'s sign, $c$ or $d$?")
    tied = re.findall(r'<span class="udl-kept"><math>.*?</math>(.*?)</span>', made)
    assert [html.unescape(text) for text in tied] == ["),", "'", "?"]
    assert re.sub(r"</?span[^>]*>", "", made).count("<math>") == 4
    assert html.unescape(re.sub(r"<[^>]*>", "", made)) == "Is (a), with $ and b's sign, c or d?"


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(0, 0.1))
def test_shown_answer_would_be_accepted(answer, rtol):
    solution = numeric("a", answer, rtol=rtol).props["solution"]
    shown = float(solution.removeprefix("The answer is ").removesuffix(".").replace("−", "-"))
    assert abs(shown - answer) <= rtol * abs(answer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"answer": math.nan}, "finite answer"),
        ({"answer": math.inf}, "finite answer"),
        ({"answer": 1, "rtol": -0.1}, "rtol >= 0"),
        ({"answer": 1, "atol": math.nan}, "finite atol"),
        ({"answer": 1, "mistakes": {1.005: "a"}}, "outside the tolerance"),
        ({"answer": 1, "mistakes": [(2, "a"), (2, "b")]}, "tells apart"),
        ({"answer": 1, "mistakes": {2: "a", 2.01: "b"}}, "tells apart"),
        ({"answer": 1, "mistakes": {math.nan: "a"}}, "finite mistake"),
        ({"answer": 1, "mistakes": {2: " "}}, "feedback for mistake 2.0"),
        ({"answer": 1, "label": "no spaces"}, "label"),
        ({"answer": 1, "question": ""}, "question"),
    ],
)
def test_numeric_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        numeric(**{"question": "a", **arguments})


@pytest.mark.caller
@pytest.mark.parametrize("value", [None, [1], "3", b"3", True, 1j])
def test_what_is_no_number_is_named(value):
    with pytest.raises(TypeError, match="expected a number for answer, got"):
        numeric("a", value)
    with pytest.raises(ValueError, match="finite answer"):
        numeric("a", 10**400)


@pytest.mark.parametrize(
    ("options", "correct", "message"),
    [
        ({}, "a", "at least two"),
        ({"a": "b"}, "a", "at least two"),
        ({"a": "b", "c": "d"}, "b", r"one of \['a', 'c'\], got 'b'"),
        ({"a": "", "c": "d"}, "c", "feedback for option 'a'"),
        ({" ": "b", "c": "d"}, "c", "option"),
    ],
)
def test_choice_refuses(options, correct, message):
    with pytest.raises(ValueError, match=message):
        choice("a", options, correct=correct)


@pytest.mark.parametrize("answer", ["1", True, None])
def test_numeric_wants_a_number(answer):
    with pytest.raises(TypeError):
        numeric("a", answer)
