"""The GPT explorer: the page computes what the package does, and its weights are a file.

What it does in a browser is in browser/test_interactives.py.
"""

import base64
import dataclasses
import gzip
import hashlib
import html
import importlib.util
import itertools
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import minify
import numpy as np
import pytest
import torch

from udl.gpt import (
    GPT,
    BytePairs,
    Characters,
    Config,
    attention_maps,
    config,
    export,
    generate,
    shape,
)
from udl.web import STATIC, gpt_explorer
from udl.web.host import File

ALPHABET = "\n abcdefgh<"
CHOICES = {
    **config.CHOICES,
    "qk_norm": (False, True),
    "tied": (True, False),
    "bias": (True, False),
}
GRID = [dict(zip(CHOICES, some, strict=True)) for some in itertools.product(*CHOICES.values())]


def test_the_grid_has_every_choice():
    sizes = {"vocabulary", "context", "layers", "heads", "width", "dropout", "initialization"}
    assert {field.name for field in dataclasses.fields(Config)} == CHOICES.keys() | sizes


def model_of(seed=0, size=0.3, **choices):
    """Return a model whose weights, norms and biases included, differ from where they start."""
    torch.manual_seed(seed)
    sizes = {"vocabulary": len(ALPHABET), "context": 12, "layers": 2, "heads": 2, "width": 12}
    model = GPT(Config(**{**sizes, **choices})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return model


def explorer_of(model=None, **options):
    return gpt_explorer(model or model_of(), Characters(ALPHABET), **options)


READER = """
import { forgotten, ranked, read, reader, shape } from "./gpt-model.mjs";
const open = (code) => {
  const bytes = Buffer.from(code, "base64");
  return reader(read(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
};
"""


def sent(model):
    return base64.b64encode(export.weights(model, Characters(ALPHABET))).decode()


def test_every_choice_gives_the_logits_and_attention_of_torch(run_node):
    models = [model_of(seed, **choices) for seed, choices in enumerate(GRID)]
    models += [
        model_of(100, heads=1, layers=1),
        model_of(101, heads=6, position="rotary"),
        model_of(102, width=20, heads=2, layers=3),  # 10 numbers in a head: no multiple of 4
        model_of(103, size=0.05, context=96, position="rotary"),
    ]
    texts = [torch.randint(len(ALPHABET), (1, model.config.context)) for model in models]
    found = run_node(
        READER
        + """
        give(data.map(({ code, tokens }) => {
          const model = open(code);
          tokens.forEach(model.append);
          const { layers, heads } = model.config;
          const each = (n, make) => Array.from({ length: n }, (_, i) => make(i));
          return {
            logits: tokens.map((_, t) => [...model.logits(t)]),
            maps: each(layers, (l) => each(heads, (h) => tokens.map((_, t) =>
              [...model.weights(l, h, t), ...each(tokens.length - 1 - t, () => 0)]))),
          };
        }));
        """,
        [
            {"code": sent(model), "tokens": tokens[0].tolist()}
            for model, tokens in zip(models, texts, strict=True)
        ],
    )
    spread = []
    for model, tokens, page in zip(models, texts, found, strict=True):
        rounded = export.read(export.weights(model, Characters(ALPHABET))).model
        with torch.no_grad():
            logits = rounded(tokens)[0].numpy()
        np.testing.assert_allclose(page["logits"], logits, rtol=0, atol=1e-5)
        maps = attention_maps(rounded, tokens)[:, 0].numpy()
        np.testing.assert_allclose(page["maps"], maps, rtol=0, atol=1e-5)
        spread.append(logits.std())
    assert min(spread) > 0.1, "models that say nothing agree too easily"


@pytest.mark.parametrize("choices", [GRID[0], GRID[-1], {"context": 7, "position": "rotary"}])
def test_a_text_is_the_one_of_the_package_far_past_the_context(run_node, choices):
    model = model_of(5, **choices)
    rounded = export.read(export.weights(model, Characters(ALPHABET))).model
    expected = generate(rounded, [1, 4, 2], 80, temperature=0.9, top_k=5, seed=3)
    found = run_node(
        READER
        + """
        import { draw } from "./gpt-model.mjs";
        const model = open(data.code);
        const text = [1, 4, 2];
        for (const u of data.draws) {
          model.follow(text);
          text.push(draw(shape(model.logits(), 0.9, 5), u));
        }
        give(text.slice(3));
        """,
        # The same draws: a token differs only where u meets a sum within rounding.
        {"code": sent(model), "draws": np.random.default_rng(3).random(80).tolist()},
    )
    assert found == expected
    assert len(set(found)) > 3


def test_probabilities_are_those_of_the_package(run_node):
    rng = np.random.default_rng(0)
    logits = [
        *(3 * rng.normal(size=(20, 11))),
        *rng.integers(-2, 3, (20, 11)),
        [5e3, -5e3, *[0] * 9],
    ]
    asked = [
        {"logits": [float(v) for v in row], "temperature": temperature, "k": k}
        for row in logits
        for temperature in (0.0, 0.05, 0.8, 1.0, 2.0)
        for k in (1, 3, 11)
    ]
    found = run_node(
        READER
        + "give(data.map(({ logits, temperature, k }) => [...shape(logits, temperature, k)]));",
        asked,
    )
    for case, page in zip(asked, found, strict=True):
        row = torch.tensor(case["logits"], dtype=torch.float64)
        expected = shape(row, temperature=case["temperature"], top_k=case["k"])
        np.testing.assert_allclose(page, expected.numpy(), atol=1e-12)


def test_props_say_what_the_page_needs_before_the_weights_are_there():
    model = model_of()
    explorer = explorer_of(
        model, prompt="ab\n", label="ask", task="Find $x$ & <b>", title="Ask <it>"
    )
    props = json.loads(json.dumps(explorer.props))
    assert (explorer.module, explorer.label, props["label"]) == ("gpt", "ask", "ask")
    assert props["config"] == model.config.to_dict()
    assert props["alphabet"] == Characters(ALPHABET).alphabet
    assert (props["prompt"], props["parameters"]) == (
        "ab\n",
        sum(p.numel() for p in model.parameters()),
    )
    assert "&amp; &lt;b&gt;" in props["task"]
    content = export.weights(model, Characters(ALPHABET))
    digest = hashlib.sha256(content).hexdigest()
    name = f"gpt-{digest[:16]}.bin"
    assert props["file"] == {"name": name, "bytes": len(content), "sha256": digest}
    assert explorer.file == File(name, content)
    assert len(json.dumps(props)) < 1500
    assert "previous" not in props["task"]
    assert "character before" in explorer_of().props["task"]


def test_without_javascript_a_text_of_the_model_is_there():
    model, tokenizer = model_of(), Characters(ALPHABET)
    fallback = explorer_of(model, prompt="<b").fallback
    rounded = export.read(export.weights(model, tokenizer)).model
    tokens = tokenizer.encode("<b")
    new = tokenizer.decode(generate(rounded, tokens, 120, temperature=0.8, seed=0))
    assert f"<pre><b>&lt;b</b>{html.escape(new)}</pre>" in fallback
    assert "JavaScript" in fallback
    assert len(set(new)) > 5


def extension() -> ModuleType:
    path = Path(__file__).parents[1] / "book" / "_ext" / "page.py"
    spec = importlib.util.spec_from_file_location("book_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_build_moves_the_weights_out_of_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("UDL_BOOK", "1")
    explorer = explorer_of(label="ask")
    output = explorer._repr_html_()
    assert base64.b64encode(explorer.file.content).decode() in output
    page = extension()
    context = {"body": f"<p>before</p>{output}<p>after</p>"}
    page.take_out(SimpleNamespace(outdir=tmp_path), "p", "", context, None)
    files = list(tmp_path.rglob("*.bin"))
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        f"_static/udl/{explorer.file.name}"
    ]
    assert files[0].read_bytes() == explorer.file.content
    assert "data-file" not in context["body"]
    assert len(context["body"]) < len(output) - len(explorer.file.content)
    assert context["body"].count("<script") == 1
    assert context["body"].endswith("</script></div><p>after</p>")
    untouched = {"body": '<script type="text/plain">YWJj</script><pre>data-file="a.bin"</pre>'}
    page.take_out(SimpleNamespace(outdir=tmp_path), "p", "", dict(untouched), None)
    assert page.move_files(untouched["body"], tmp_path) == untouched["body"]


def test_files_that_no_page_asks_for_are_swept_out(tmp_path):
    (tmp_path / "_static" / "udl").mkdir(parents=True)
    (tmp_path / "book").mkdir()
    for name in ("gpt-1111.bin", "gpt-2222.bin", "gpt.mjs"):
        (tmp_path / "_static" / "udl" / name).write_text("x")
    (tmp_path / "book" / "page.html").write_text('{"name":"gpt-2222.bin"}')
    extension().sweep(tmp_path / "_static", tmp_path)
    left = sorted(path.name for path in (tmp_path / "_static" / "udl").iterdir())
    assert left == ["gpt-2222.bin", "gpt.mjs"]


def test_in_a_notebook_the_weights_are_in_the_frame(monkeypatch):
    monkeypatch.delenv("UDL_BOOK", raising=False)
    explorer = explorer_of(label="ask")
    document = html.unescape(re.search('srcdoc="([^"]*)"', explorer._repr_html_())[1])
    name, code = re.search(
        r'<script type="text/plain" data-file="(\S+)">(.*?)</script>', document
    ).groups()
    assert (name, base64.b64decode(code)) == (explorer.file.name, explorer.file.content)
    assert not re.search(r"https?://|//cdn|@import", document)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "1 to 12 characters"),
        ({"prompt": "a" * 13}, "1 to 12 characters, the context, got 13"),
        ({"prompt": "aZ"}, "Z"),
        ({"title": " "}, "title"),
        ({"label": "1x"}, "letters, digits"),
        ({"model": model_of(vocabulary=5)}, "vocabulary=5"),
        ({"model": model_of(width=128, context=300)}, "at most 450000 bytes"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(ValueError, match=message):
        explorer_of(**options)


def test_refuses_tokens_that_nobody_can_type():
    tokenizer = BytePairs.train("to be or not to be", 258)
    with pytest.raises(TypeError, match="BytePairs"):
        gpt_explorer(model_of(vocabulary=tokenizer.size), tokenizer)


def test_the_modules_are_small():
    total = 0
    for name in ("gpt", "gpt-model"):
        source = (STATIC / f"{name}.mjs").read_text(encoding="utf-8")
        served = minify.string("application/javascript", source)
        total += len(gzip.compress(served.encode(), 9))
    assert total <= 15_000
