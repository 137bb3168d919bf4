"""The page of notation against the formulas of all chapters, read from their sources."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
CELL = re.compile(r"^```\{code-cell\}.*?^```", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(
    r"^```\{math\}(.*?)^```|\$\$(.*?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.)+?)\$",
    re.MULTILINE | re.DOTALL,
)
WORDS = re.compile(r"\\(?:text|operatorname|mathrm|label|begin|end|tag|color)\*?\{[^}]*\}")
BOLD = r"\\(?:boldsymbol|mathbf|mathcal|mathbb)\s*(?:\{\\?[A-Za-z]+\}|\\[A-Za-z]+|[A-Za-z])"
GREEK = {
    *("alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi".split()),
    *("rho sigma tau phi varphi chi psi omega ell nabla odot otimes Gamma Delta Theta".split()),
    *("Lambda Xi Pi Sigma Phi Psi Omega".split()),
}
SYMBOL = re.compile(rf"({BOLD})|\\([A-Za-z]+)|([A-Z])")


def chapters() -> dict[str, str]:
    """Return the sources of the numbered pages."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [
        chapter["file"]
        for part in toc["parts"]
        if part.get("numbered", True)
        for chapter in part["chapters"]
    ]
    return {file: (ROOT / f"{file}.md").read_text(encoding="utf-8") for file in files}


def symbols(text: str) -> dict[str, str]:
    """Return bold, Greek and capital letters of a text's formulas, each with a formula."""
    found: dict[str, str] = {}
    for parts in FORMULA.findall(CELL.sub("", text)):
        formula = "".join(parts)
        for bold, name, capital in SYMBOL.findall(WORDS.sub("", formula)):
            if bold:
                kind, letter = re.fullmatch(r"\\([a-z]+)\s*\{?(\\?[A-Za-z]+)\}?", bold).groups()
                kind = "bold" if kind in ("boldsymbol", "mathbf") else kind
                found.setdefault(f"\\{kind}{{{letter}}}", formula)
            elif capital:
                found.setdefault(capital, formula)
            elif name in GREEK:
                found.setdefault(f"\\{name}", formula)
    return found


def test_every_bold_greek_or_capital_letter_of_a_formula_is_on_the_page_of_notation():
    page = symbols((ROOT / "book" / "notation.md").read_text(encoding="utf-8"))
    missing = {
        f"{name}: {symbol}": formula
        for name, text in chapters().items()
        for symbol, formula in symbols(text).items()
        if symbol not in page
    }
    assert not missing


def test_each_symbol_leads_to_a_section_and_is_listed_once():
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    tables = text.split("## Symbols")[1].split("## One letter")[0]
    rows = [line for line in tables.splitlines() if line.startswith("| $")]
    assert len(rows) > 60
    assert all(re.search(r"\| \{ref\}`[\w-]+` \|$", row) for row in rows)
    entries = [(row.split("|")[1].strip(), row.split("|")[3].strip()) for row in rows]
    assert len(set(entries)) == len(entries)
    letters = re.findall(r"^\| (\$.*?) \|", text.split("several meanings")[1], re.MULTILINE)
    assert len(letters) == len(set(letters))
