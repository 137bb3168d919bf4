"""How an interactive gets onto a page: one object, two hosts.

Every interactive is an ES module in ``web/static/`` that exports ``render({ el, props })``: it
fills the empty element ``el`` from the plain JSON ``props``. A `Widget` names the module, holds
the props, and carries a fallback that says the same without JavaScript.

* In the built book (the environment variable ``UDL_BOOK`` is set while cells run) a widget is a
  placeholder: the fallback and the props. ``loader.js`` imports the module when the placeholder
  comes near the viewport.
* Anywhere else (JupyterLab, VS Code, Colab) there is no loader, so a widget is an ``iframe``
  whose document holds the module and what it imports, and that asks no server for anything.

What is too heavy for props, such as the weights of a model, is a `File`. A cell's output carries
its bytes. A frame keeps them; the build of the book moves them into a file beside the modules,
which the page asks for when its reader does.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from udl.web.mathml import mathml

STATIC = Path(__file__).parent / "static"
"""Folder of the ES modules and of the loader; the book copies it to ``_static/udl``."""

_MARKUP = re.compile(r"\$([^$]+)\$|`([^`]+)`")
_PUNCTUATION = re.compile(r"[^\w\s$`]+")
_IMPORT = re.compile(r'(?:(?<= from )|(?<=import\())"\./([\w-]+)\.mjs"')


def inline(text: str) -> str:
    r"""Turn a line of text into HTML, with ``$math$`` and ```code``` marked up.

    Parameters
    ----------
    text : str
        Plain text. Everything that HTML could misread is escaped.

    Returns
    -------
    str
        HTML for one line, math as MathML.

    Raises
    ------
    ValueError
        If a formula holds what `udl.web.mathml.mathml` cannot translate.

    Examples
    --------
    >>> inline("is $a<b$ here")
    'is <math><mi>a</mi><mo>&lt;</mo><mi>b</mi></math> here'

    A line may break on either side of a formula, so punctuation after one is tied to it:

    >>> inline("is it $a$?")
    'is it <span class="udl-kept"><math><mi>a</mi></math>?</span>'
    """
    parts: list[str] = []
    end = 0
    for match in _MARKUP.finditer(text):
        tex, code = match.groups()
        parts.append(html.escape(text[end : match.start()]))
        end = match.end()
        if code:
            parts.append(f"<code>{html.escape(code)}</code>")
        elif after := _PUNCTUATION.match(text, end):
            parts.append(f'<span class="udl-kept">{mathml(tex)}{html.escape(after[0])}</span>')
            end = after.end()
        else:
            parts.append(mathml(tex))
    return "".join([*parts, html.escape(text[end:])])


def plain(text: str) -> str:
    r"""Give what is left of a line of text where no markup can be.

    Parameters
    ----------
    text : str
        Text as for `inline`.

    Returns
    -------
    str
        The same without markup.

    Examples
    --------
    >>> plain(r"is $\alpha_0$ a `float`?")
    'is α0 a float?'
    """
    return html.unescape(re.sub(r"<[^>]*>", "", inline(text)))


def finite(name: str, value: SupportsFloat) -> float:
    """Return a number that props can hold.

    Parameters
    ----------
    name : str
        What an error calls it.
    value : number
        A number, in any form that ``float`` takes but text.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError, ValueError
        If it is no number; if it is NaN, infinite or too large.

    Examples
    --------
    >>> finite("answer", 3)
    3.0
    """
    if isinstance(value, str | bytes | bool):
        raise TypeError(f"expected a number for {name}, got {value!r}")
    try:
        number = float(value)
    except TypeError:
        raise TypeError(f"expected a number for {name}, got {value!r}") from None
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"expected a finite {name}, got {number!r}")
    return number


def script_json(props: dict[str, Any]) -> str:
    r"""Serialize props for a ``<script type="application/json">``.

    Parameters
    ----------
    props : dict
        What ``json.dumps`` takes, without NaN and infinity.

    Returns
    -------
    str
        JSON that no HTML parser can take for a tag, whatever the strings in it hold.

    Raises
    ------
    ValueError
        If a number is not finite: JSON cannot express it.

    Examples
    --------
    >>> print(script_json({"question": "</script>"}))
    {"question":"\u003c/script\u003e"}
    """
    text = json.dumps(props, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _import_map(module: str) -> dict[str, dict[str, str]]:
    """Return an import map that holds a module and all that it imports, as ``data:`` addresses.

    A ``data:`` address has no folder that ``./kit.mjs`` could lie in, so the names become bare.
    """
    imports: dict[str, str] = {}
    wanted = [module]
    while wanted:
        name = wanted.pop()
        if f"udl/{name}" not in imports:
            source = (STATIC / f"{name}.mjs").read_text(encoding="utf-8")
            wanted += _IMPORT.findall(source)
            code = base64.b64encode(_IMPORT.sub(r'"udl/\1"', source).encode()).decode()
            imports[f"udl/{name}"] = f"data:text/javascript;base64,{code}"
    return {"imports": imports}


@dataclass(frozen=True, repr=False)
class File:
    """Bytes that an interactive loads when its reader asks for them.

    Parameters
    ----------
    name : str
        Name of the file: letters, digits, ``-``, ``_``, and one dot.
    content : bytes
        What is in it.
    """

    name: str
    content: bytes

    @classmethod
    def named(cls, stem: str, content: bytes) -> File:
        """Return a file whose name changes with its content, so that no old copy is taken for it.

        >>> File.named("gpt", b"abc").name
        'gpt-ba7816bf8f01cfea.bin'
        """
        return cls(f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}.bin", content)

    def props(self) -> dict[str, Any]:
        """Return what the page needs to find the file, and to know that it is whole."""
        digest = hashlib.sha256(self.content).hexdigest()
        return {"name": self.name, "bytes": len(self.content), "sha256": digest}

    def script(self) -> str:
        """Give the HTML that carries the bytes. The page looks here before it asks for a file."""
        code = base64.b64encode(self.content).decode()
        return f'<script type="text/plain" data-file="{html.escape(self.name)}">{code}</script>'


@dataclass(frozen=True, repr=False)
class Widget:
    """An interactive: an ES module, its props, and what stands in for it.

    Parameters
    ----------
    module : str
        Name of a module in ``web/static/``, without ``.mjs``.
    props : dict
        Plain JSON data for the module's ``render``.
    fallback : str
        HTML that serves a reader without JavaScript.
    title : str
        Plain-text name, for the frame and for ``repr``.
    label : str
        Stable id of the widget on its page.
    height : int
        First guess of the frame's height in pixels; the frame then fits itself to its content.
    file : File, optional
        What the module loads later.
    """

    module: str
    props: dict[str, Any]
    fallback: str
    title: str
    label: str
    height: int = 240
    file: File | None = None

    def __repr__(self) -> str:
        """Name the widget without giving its answer away."""
        return f"<{self.module}: {self.title}>"

    def _repr_html_(self) -> str:
        return self.placeholder() if os.environ.get("UDL_BOOK") else self.frame()

    def placeholder(self) -> str:
        """Give the HTML for the built book.

        Returns
        -------
        str
            A ``div.udl-widget`` with the fallback and the props. ``loader.js`` fills it.
        """
        return (
            f'<div class="udl-widget" id="{html.escape(self.label)}" '
            f'data-module="{html.escape(self.module)}">'
            f'<div class="udl-fallback">{self.fallback}</div>'
            f'<script type="application/json">{script_json(self.props)}</script>'
            f"{self.file.script() if self.file else ''}</div>"
        )

    def frame(self) -> str:
        """Give the HTML for a notebook.

        Returns
        -------
        str
            An ``iframe`` with all modules inside. It asks no server for anything.
        """
        document = _FRAME.format(
            title=html.escape(self.title),
            props=script_json(self.props),
            modules=script_json(_import_map(self.module)),
            module=self.module,
            file=self.file.script() if self.file else "",
        )
        return (
            f'<iframe class="udl-frame" title="{html.escape(self.title)}" '
            f'style="width:100%;height:{self.height}px;border:0" '
            f'srcdoc="{html.escape(document)}"></iframe>'
        )


def labeled(
    module: str, props: dict[str, Any], label: str, *, fallback: str, title: str, height: int
) -> Widget:
    """Make a widget whose props hold its label.

    Parameters
    ----------
    module, props, fallback, title, height
        As for `Widget`.
    label : str
        An id, or nothing for a hash of the props.

    Returns
    -------
    Widget
        The widget.

    Raises
    ------
    ValueError
        If the label is no id that a link could end with.

    Examples
    --------
    >>> labeled("questions", {}, "", fallback="?", title="?", height=100).label
    'questions-44136fa3'
    """
    if not label:
        digest = hashlib.sha256(script_json(props).encode()).hexdigest()
        label = f"{module}-{digest[:8]}"
    if not re.fullmatch(r"[A-Za-z][\w-]*", label):
        raise ValueError(
            f"expected a label of letters, digits, - and _ after a first letter, got {label!r}"
        )
    return Widget(module, {**props, "label": label}, fallback, title, label, height)


# The notebook's theme is not the system's, so the frame looks at what it lies on. A host that
# forbids that look (a sandboxed frame) leaves the system's preference, and a height to scroll in.
_FRAME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
html {{ color-scheme: light; background: #fff; color: #1b1f24; }}
html[data-theme=dark] {{ color-scheme: dark; background: #14181e; color: #e6e9ee; }}
body {{ margin: 0; padding: 2px; font: 16px/1.5 system-ui, sans-serif; }}
</style></head>
<body><main></main>
<script type="application/json" id="props">{props}</script>{file}
<script type="importmap">{modules}</script>
<script>
(() => {{
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  try {{
    for (let el = frameElement; el; el = el.parentElement) {{
      const [r, g, b, a = 1] = getComputedStyle(el).backgroundColor.match(/[\\d.]+/g).map(Number);
      if (a > 0) {{ dark = r + g + b < 384; break; }}
    }}
    const frame = frameElement;
    const body = document.body;
    new ResizeObserver(() => {{
      if (frame) frame.style.height = `${{Math.ceil(body.getBoundingClientRect().height)}}px`;
    }}).observe(body);
  }} catch {{ /* another origin: keep the guesses */ }}
  if (dark) document.documentElement.dataset.theme = "dark";
}})();
</script>
<script type="module">
import {{ render }} from "udl/{module}";
render({{
  el: document.querySelector("main"),
  props: JSON.parse(document.getElementById("props").textContent),
}});
</script></body></html>
"""
