"""How far two builds may be apart: the numbers of each, the rules, and what they say of the two.

A build writes ``numbers.json``: each number that its chapters glue. ``tolerances.yml`` says how
much each may differ from another build's, and why. Read by ``glued.py``, ``publish/compare.py``
and the tests, so that the page, the command and the tests say the same.
"""

from __future__ import annotations

import ast
import json
import math
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Value = Any  # a number, a list of numbers, or a text; NaN and infinities are texts, as JSON asks

NUMBER = re.compile(
    r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?(?<=[\d.])(?<!^\.)(e[+-]?\d+)?", re.ASCII
)

NUMPY = ("float", "int", "uint", "longdouble")

# What becomes of a pair. Only the last four end a comparison with "no".
SAME, WITHIN, TIMING, DEVICE = "same", "within", "a timing", "another device"
OUTSIDE, WORDS, GONE, NEW = "OUTSIDE", "other words", "only in A", "only in B"
BAD = (OUTSIDE, WORDS, GONE, NEW)


class Mistake(Exception):
    """A file that can't be read, or does not hold what it should."""


# ---------------------------------------------------------------------------------------- numbers


def number(text: str) -> int | float | None:
    """Return the number that a text is, thousands apart or not; None if it is none.

    >>> number("205,504"), number("-0.62"), number("tree"), number("1e400")
    (205504, -0.62, None, None)
    """
    if not NUMBER.fullmatch(text):
        return None
    plain = text.replace(",", "")
    found = int(plain) if plain.lstrip("+-").isdigit() else float(plain)
    return found if finite(found) else None


def finite(value: float) -> bool:
    """Say whether a number is one that floating point can hold: what is not is kept as a text."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def parse(text: str) -> Value:
    """Return what a cell glued, from how Python writes it.

    >>> parse("np.float64(1.5)"), parse("array([1, 2], dtype=int32)"), parse("'tree'")
    (1.5, [1, 2], 'tree')
    >>> parse("nan"), parse("[1.0, inf]"), parse("<Figure size 640x480>")
    ('nan', [1.0, 'inf'], '<Figure size 640x480>')
    """
    try:
        return _evaluated(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return text


def _evaluated(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=bool() as value):
            return str(value)
        case ast.Constant(value=int() | float() as value):
            return value if finite(value) else str(value)
        case ast.Constant(value=str() as value):
            return value
        case ast.Name(id="nan" | "inf" as name):
            return name
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _evaluated(operand)
            return f"-{value}" if value == "inf" else -value if value != "nan" else value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluated(item) for item in items]
        case ast.Call(func=ast.Name(id="array" | "tensor"), args=[inner]):
            return _evaluated(inner)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=kind), args=[inner]):
            value = _evaluated(inner)
            if kind == "str_":
                return value
            if kind.startswith(NUMPY):  # some are written with quotes
                return value if not isinstance(value, str) else (number(value) or value)
    raise ValueError(ast.dump(node))


def build(path: Path) -> dict[str, Any]:
    """Return a build's numbers, from the file or from the folder of the built book."""
    places = [path]
    if path.is_dir():
        places = [path / inner / "numbers.json" for inner in ("", "_build/html")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        wanted = " or ".join(map(str, places))
        raise Mistake(f"{path}: there are no numbers of a build: expected {wanted}")
    try:
        content = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Mistake(f"{found}: {error}") from error
    chapters = content.get("chapters") if isinstance(content, dict) else None
    if not isinstance(chapters, dict) or not all(
        isinstance(chapter, dict)
        and isinstance(chapter.get("data"), dict)
        and isinstance(chapter.get("numbers"), dict)
        for chapter in chapters.values()
    ):
        raise Mistake(f"{found}: expected chapters, each with data and numbers")
    return content


def written(content: dict[str, Any]) -> str:
    """Write a build's numbers: a number a line, so that two files are easily told apart."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------ rules


class Rule(NamedTuple):
    """How far apart two values may be: the larger of a share and a distance."""

    rel: float
    abs: float
    words: bool  # a text may be another one
    why: str

    def limit(self, a: float, b: float) -> float:
        """Return how far apart these two may be."""
        return max(self.abs, self.rel * max(abs(a), abs(b)))


class Rules(NamedTuple):
    """The rules of a book; a later one wins over those before it."""

    rules: list[tuple[str, Rule]]  # patterns CHAPTER:KEY
    timing: list[str]
    device: list[str]
    why: dict[str, str]  # of timing and device

    def governing(self, name: str) -> int:
        """Return the place of the rule for a number."""
        places = (k for k, (pattern, _) in enumerate(self.rules) if fnmatchcase(name, pattern))
        return max(places)

    def rule(self, name: str) -> Rule:
        """Return the rule for a number."""
        return self.rules[self.governing(name)][1]

    def is_timing(self, name: str) -> bool:
        """Say whether a number is a measured time, or made from one."""
        return any(fnmatchcase(name, pattern) for pattern in self.timing)

    def is_of_device(self, name: str) -> bool:
        """Say whether another kind of device computes something else here."""
        return any(fnmatchcase(name, pattern) for pattern in self.device)


DEFAULT = Rules([("*", Rule(0.0, 0.0, False, "There are no rules."))], [], [], {})
FIELDS = {"keys", "rel", "abs", "words", "why"}


def rules(path: Path) -> Rules:
    """Return the rules of a file; a mistake in it is named."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Mistake(f"{path}: {error}") from error
    parts = {"default", "tolerances", "timing", "device"}
    if not isinstance(content, dict) or content.keys() != parts:
        raise Mistake(f"{path}: expected exactly the parts {', '.join(sorted(parts))}")
    default = content["default"]
    if isinstance(default, dict):
        default = default | {"keys": ["*"]}
    found = []
    for entry in [default, *content["tolerances"]]:
        _check(path, entry, FIELDS)
        sizes = [entry.get(name, 0) for name in ("rel", "abs")]
        if not all(isinstance(s, (int, float)) and 0 <= s < math.inf for s in sizes):
            raise Mistake(f"{path}: {entry['keys']}: expected finite rel and abs, got {sizes}")
        rule = Rule(*map(float, sizes), bool(entry.get("words", False)), str(entry["why"]))
        found += [(pattern, rule) for pattern in entry["keys"]]
    for name in ("timing", "device"):
        _check(path, content[name], {"keys", "why"})
    why = {name: content[name]["why"] for name in ("timing", "device")}
    return Rules(found, content["timing"]["keys"], content["device"]["keys"], why)


def _check(path: Path, entry: Any, fields: set[str]) -> None:
    if not isinstance(entry, dict) or not entry.keys() <= fields:
        raise Mistake(f"{path}: expected of {', '.join(sorted(fields))}, got {entry!r}")
    keys = entry.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Mistake(f"{path}: expected keys such as gpt:*, got {keys!r}")
    if not str(entry.get("why") or "").strip():
        raise Mistake(f"{path}: {keys}: expected why")


# ----------------------------------------------------------------------------------- two of them


def sources(data: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return which data a page had: of each set the SHA-256, or where it is from."""
    found: dict[str, set[str]] = {}
    for entry in data:
        origin = entry["source"]
        said = origin if origin == "surrogate" else entry.get("sha256") or origin
        found.setdefault(entry["name"], set()).add(said)
    return {name: ", ".join(sorted(found[name])) for name in sorted(found)}


class Difference(NamedTuple):
    """A number in two builds."""

    chapter: str
    key: str
    a: Value
    b: Value
    verdict: str
    size: float = 0.0  # relative; of a list, the largest
    distance: float = 0.0
    share: float = 0.0  # how much of the tolerance that is
    rule: Rule | None = None

    @property
    def name(self) -> str:
        """The number's name in patterns."""
        return f"{self.chapter}:{self.key}"


class Comparison(NamedTuple):
    """Two builds, number by number."""

    numbers: list[Difference]
    data: list[str]  # chapters that had other data
    gone: list[str]  # chapters that only A has
    new: list[str]

    def of(self, *verdicts: str) -> list[Difference]:
        """Return the numbers of which this was said."""
        return [one for one in self.numbers if one.verdict in verdicts]

    @property
    def good(self) -> bool:
        """Whether everything that can be compared is within its tolerance."""
        return not self.of(*BAD) and not self.gone and not self.new


def pairs(a: Value, b: Value) -> Iterator[tuple[float, float]] | None:
    """Yield the numbers that stand at the same places; None if these can't be told apart so."""
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return None
        inner = [pairs(x, y) for x, y in zip(a, b, strict=True)]
        return None if None in inner else (pair for one in inner if one for pair in one)
    if isinstance(a, list) or isinstance(b, list):
        return None
    if a == b and isinstance(a, str) and number(a) is None:
        return iter(())
    both = [number(x) if isinstance(x, str) else x for x in (a, b)]
    return None if None in both else iter([(both[0], both[1])])


def difference(chapter: str, key: str, a: Value, b: Value, rule: Rule) -> Difference:
    """Hold one value against another.

    >>> rule = Rule(rel=1e-6, abs=0, words=False, why="float64")
    >>> difference("c", "k", 1.0, 1.0 + 1e-9, rule).verdict
    'within'
    >>> difference("c", "k", [1, 2], [1, 3], rule).verdict
    'OUTSIDE'
    """
    if a == b:
        return Difference(chapter, key, a, b, SAME, rule=rule)
    found = pairs(a, b)
    if found is None:
        verdict = WITHIN if rule.words else WORDS
        return Difference(chapter, key, a, b, verdict, math.inf, math.inf, rule=rule)
    size = distance = share = 0.0
    for x, y in found:
        if x != y:
            size = max(size, abs(x - y) / max(abs(x), abs(y)))
            distance = max(distance, abs(x - y))
            limit = rule.limit(x, y)
            share = max(share, abs(x - y) / limit if limit else math.inf)
    verdict = SAME if size == 0 else WITHIN if share <= 1 else OUTSIDE
    return Difference(chapter, key, a, b, verdict, size, distance, share, rule)


def kind(device: object) -> str:
    """Return the kind of a device, without its name; a file may hold anything."""
    if not isinstance(device, str):
        raise Mistake(f"expected the name of a device, got {device!r}")
    return device.partition(":")[0]


def compare(
    a: dict[str, Any], b: dict[str, Any], by: Rules, *, any_data: bool = False
) -> Comparison:
    """Hold the numbers of a build against those of another."""
    here, there = a["chapters"], b["chapters"]
    other_device = kind(a.get("device", "")) != kind(b.get("device", ""))
    found, data = [], []
    for chapter in [name for name in here if name in there]:
        if here[chapter]["data"] != there[chapter]["data"] and not any_data:
            data.append(chapter)
            continue
        mine, theirs = here[chapter]["numbers"], there[chapter]["numbers"]
        for key in dict.fromkeys([*mine, *theirs]):
            name = f"{chapter}:{key}"
            values = mine.get(key), theirs.get(key)
            if by.is_timing(name):
                one = Difference(chapter, key, *values, TIMING)
            elif other_device and by.is_of_device(name):
                one = Difference(chapter, key, *values, DEVICE)
            elif key not in mine or key not in theirs:
                one = Difference(chapter, key, *values, NEW if key in theirs else GONE)
            else:
                one = difference(chapter, key, *values, by.rule(name))
            found.append(one)
    return Comparison(found, data, unique(here, there), unique(there, here))


def unique(here: Iterable[str], there: Iterable[str]) -> list[str]:
    """Return what only the first has."""
    return [name for name in here if name not in there]


def shown(value: Value, room: int = 24, digits: int = 12) -> str:
    """Write a value in little room, its numbers with so many significant digits.

    >>> shown(0.1234567890123), shown("a sentence that goes on and on"), shown(None)
    ('0.123456789012', 'a sentence that goes on…', '')
    >>> shown(1.50000000093, digits=6), shown(120.0, digits=6), shown([0.25, 2 / 3], digits=6)
    ('1.5', '120', '[0.25, 0.666667]')
    """
    if value is None:
        return ""
    text = _digits(value, digits)
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _digits(value: Value, digits: int) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_digits(item, digits) for item in value)}]"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    """Write a share, in percent where it is not tiny.

    >>> percent(0.123), percent(2.2e-16), percent(0.996), percent(3.0), percent(0.0)
    ('12%', '2e-16', '100%', '300%', '0%')
    """
    if 0 < share < 1e-4:
        return f"{share:.0e}"
    return f"{100 * share:.2g}%" if share < 0.99 else f"{100 * share:.0f}%"


# ---------------------------------------------------------------------- what other machines gave


def record(path: Path, name: str, entry: dict[str, Any], compared: Comparison) -> None:
    """Keep the numbers in which a build differs from the reference, both values of each."""
    content = runs(path) if path.exists() else {}
    chapters: dict[str, dict[str, list[Value]]] = {}
    for one in compared.numbers:
        if one.verdict not in (TIMING, DEVICE):
            known = chapters.setdefault(one.chapter, {})
            if one.verdict in (WITHIN, OUTSIDE, WORDS):
                known[one.key] = [one.a, one.b]
    content[name] = entry | {"chapters": chapters}
    partial = path.with_suffix(".partial")
    partial.write_text(written(content), encoding="utf-8")
    partial.replace(path)


def runs(path: Path) -> dict[str, Any]:
    """Return the recorded builds."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Mistake(f"{path}: {error}") from error
    if not isinstance(content, dict) or not all("chapters" in run for run in content.values()):
        raise Mistake(f"{path}: expected recorded builds, each with chapters")
    return content


def recorded(run: dict[str, Any], chapter: str, by: Rules) -> list[Difference]:
    """Return the numbers of a chapter in which a recorded build differed."""
    found = run["chapters"].get(chapter, {}).items()
    return [difference(chapter, k, a, b, by.rule(f"{chapter}:{k}")) for k, (a, b) in found]


def stated(by: Rules) -> list[tuple[list[str], str, str]]:
    """Return the rules as a reader wants them: patterns, what is allowed, why."""
    groups: dict[Rule, list[str]] = {}
    for pattern, rule in by.rules:
        groups.setdefault(rule, []).append(pattern)
    found = []
    for rule, patterns in groups.items():
        parts = [percent(rule.rel)] if rule.rel else []
        parts += [f"{rule.abs:g}"] if rule.abs else []
        said = f"May differ by {' or by '.join(parts)}" if parts else "May not differ"
        if rule.words:
            said = "May be other words" if not parts else f"{said}, and may be other words"
        found.append((patterns, said, rule.why))
    for patterns, said, name in (
        (by.timing, "Never compared", "timing"),
        (by.device, "Compared on the same kind of device only", "device"),
    ):
        if patterns:
            found.append((patterns, said, by.why[name]))
    return found
