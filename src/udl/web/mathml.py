"""The formulas that fit into a question, as MathML.

Chapters are typeset by MathJax when the book is built. A question also has to work in a
notebook's frame, where MathJax is not at hand and nothing may be fetched. Every browser
shows MathML by itself, so the little TeX that a line of text needs is translated here.
"""

from __future__ import annotations

import html
import re

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S")

_GREEK = """alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ kappa κ
lambda λ mu μ nu ν xi ξ pi π rho ρ sigma σ tau τ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ
Delta Δ Theta Θ Lambda Λ Sigma Σ Phi Φ Psi Ψ Omega Ω ell ℓ infty ∞ partial ∂ nabla ∇ top ⊤
ldots … dots … cdots ⋯""".split()
_SIGNS = r"""cdot ⋅ times × pm ± le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ ll ≪ gg ≫ to →
in ∈ sum ∑ prod ∏ mid ∣ lVert ‖ rVert ‖ lvert | rvert | odot ⊙ circ ∘""".split()
_IDENTIFIERS = dict(zip(_GREEK[::2], _GREEK[1::2], strict=True))
_OPERATORS = dict(zip(_SIGNS[::2], _SIGNS[1::2], strict=True))
_OPERATORS |= {"|": "‖", "{": "{", "}": "}"}
_FUNCTIONS = {"max", "min", "log", "ln", "exp", "sin", "cos", "tanh", "det"}
_SPACES = {",": "0.17em", ";": "0.28em", " ": "0.33em", "quad": "1em"}
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~"}
_ALPHABETS = {"mathbb": {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "E": "𝔼"}, "mathrm": {}}


def mathml(tex: str) -> str:
    r"""Translate a line of TeX to MathML.

    Parameters
    ----------
    tex : str
        Letters, digits, signs, sub- and superscripts, Greek, ``\frac``, ``\sqrt``, accents, and
        the names of common functions.

    Returns
    -------
    str
        A ``<math>`` element.

    Raises
    ------
    ValueError
        If a command is unknown or a brace is missing.

    Examples
    --------
    >>> mathml(r"2/\lambda_1")
    '<math><mn>2</mn><mo>/</mo><msub><mi>λ</mi><mn>1</mn></msub></math>'
    """
    tokens = _TOKEN.findall(re.sub(r"\\(?:left|right)(?![A-Za-z])", "", tex))[::-1]
    body = _row(tokens, tex)
    if tokens:
        raise ValueError(f"expected balanced braces, got {tex!r}")
    return f"<math>{body}</math>"


def _row(tokens: list[str], tex: str) -> str:
    """Consume tokens, the next one last, up to a closing brace or the end."""
    parts: list[str] = []
    while tokens and tokens[-1] != "}":
        scripts: dict[str, str] = {}
        base = "<mrow></mrow>" if tokens[-1] in {"_", "^", "'"} else _atom(tokens, tex)
        while tokens and tokens[-1] in {"_", "^", "'"}:
            mark = tokens.pop()
            scripts["^" if mark == "'" else mark] = (
                "<mo>′</mo>" if mark == "'" else _atom(tokens, tex)
            )
        tag = {"": "", "_": "msub", "^": "msup"}.get("".join(scripts), "msubsup")
        inner = base + scripts.get("_", "") + scripts.get("^", "")
        parts.append(f"<{tag}>{inner}</{tag}>" if tag else inner)
    return "".join(parts)


def _atom(tokens: list[str], tex: str) -> str:
    if not tokens or tokens[-1] == "}":
        raise ValueError(f"expected something after each command and sign, got {tex!r}")
    token = tokens.pop()
    if token == "{":
        body = _row(tokens, tex)
        if not tokens:
            raise ValueError(f"expected balanced braces, got {tex!r}")
        tokens.pop()
        return f"<mrow>{body}</mrow>"
    if token[0] == "\\":
        return _command(token[1:], tokens, tex)
    if token[0].isdigit():
        return f"<mn>{token}</mn>"
    if token.isalpha():
        return f"<mi>{token}</mi>"
    return f"<mo>{html.escape(token.replace('-', '−'))}</mo>"


def _command(name: str, tokens: list[str], tex: str) -> str:
    if name in _IDENTIFIERS:
        return f"<mi>{_IDENTIFIERS[name]}</mi>"
    if name in _OPERATORS:
        return f"<mo>{_OPERATORS[name]}</mo>"
    if name in _FUNCTIONS:
        return f'<mi>{name}</mi><mspace width="0.17em"></mspace>'
    if name in _SPACES:
        return f'<mspace width="{_SPACES[name]}"></mspace>'
    if name == "frac":
        return f"<mfrac>{_atom(tokens, tex)}{_atom(tokens, tex)}</mfrac>"
    if name == "sqrt":
        return f"<msqrt>{_atom(tokens, tex)}</msqrt>"
    if name in _ACCENTS:
        return f"<mover>{_atom(tokens, tex)}<mo>{_ACCENTS[name]}</mo></mover>"
    if name in _ALPHABETS:
        word = re.sub(r"<[^>]*>", "", _atom(tokens, tex))
        return f"<mtext>{_ALPHABETS[name].get(word, word)}</mtext>"
    raise ValueError(f"expected TeX that a question can show, got \\{name} in {tex!r}")
