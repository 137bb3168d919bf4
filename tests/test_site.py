"""What turns a built book into a site, compares two of them, and looks at links and licenses."""

import doctest
import importlib.util
import json
import stat
import threading
import zipfile
from contextlib import contextmanager
from email.message import Message
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PUBLISH = ROOT / "publish"


@pytest.fixture
def load(monkeypatch):
    """Import a script of the folder `publish`."""
    monkeypatch.syspath_prepend(str(PUBLISH))

    def by_name(name: str):
        if name != "site":
            return importlib.import_module(name)
        # Python has a module of that name already.
        spec = importlib.util.spec_from_file_location("assembling", PUBLISH / "site.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return by_name


@pytest.mark.parametrize(
    "name", ["address", "audit", "changed", "licenses", "moved", "release", "site"]
)
def test_the_examples_in_the_scripts_hold(load, name):
    failed, tried = doctest.testmod(load(name))
    assert tried > 0
    assert failed == 0


def page(article: str, *, head: str = "", rest: str = "") -> str:
    return (
        f"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<title>A page</title>{head}</head>\n<body>"
        f'{rest}<main><article class="bd-article">{article}</article></main></body></html>\n'
    )


# --- the site --------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    """Write a built book of two pages, with its PDF and its archive beside it."""
    html = tmp_path / "_build" / "html"
    (html / "book").mkdir(parents=True)
    (html / ".doctrees").mkdir()
    (html / ".doctrees" / "page.doctree").touch()
    (html / "index.html").write_text(page("<h1>The book</h1>"))
    (html / "book" / "gpt.html").write_text(page("<h1>GPT</h1>"))
    (html.parent / "hands-on-deep-learning.pdf").write_bytes(b"%PDF-")
    (html.parent / "hands-on-deep-learning-offline.zip").write_bytes(b"PK")
    return html


def archive(folder: Path, tag: str, top: str = "hands-on-deep-learning/") -> Path:
    path = folder / tag / "hands-on-deep-learning-offline.zip"
    path.parent.mkdir(parents=True)
    robots = '<link rel="canonical" href="https://example.org/">'
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(f"{top}index.html", page("<h1>The old book</h1>", head=robots))
        zipped.writestr(f"{top}book/gpt.html", page("<h1>GPT, formerly</h1>"))
        zipped.writestr(f"{top}book/gone.html", page("<h1>No longer there</h1>"))
        zipped.writestr(f"{top}_static/book.css", "a { color: red }")
    return path


@pytest.fixture
def assemble(load):
    module = load("site")

    def fill(site: Path) -> None:
        (site / "filled").touch()
        assert list(site.glob("versions/*")) == [site / "versions" / "index.html"]

    module.fill_downloads = fill
    return module.assemble


def contents(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_newest_is_at_the_root_and_releases_have_their_folders(assemble, book, tmp_path):
    releases = tmp_path / "releases"
    archive(releases, "v0.2.0")
    archive(releases, "v0.10.0", top="")
    (releases / "v0.1.0").mkdir()  # a release from before there were archives
    dates = [{"tagName": "v0.2.0", "publishedAt": "2026-01-31T12:00:00Z"}]
    (releases / "releases.json").write_text(json.dumps(dates))
    out = tmp_path / "site"
    assemble(out, book, releases, base="/the-book/")
    earlier = {"index.html", "book/gpt.html", "book/gone.html", "_static/book.css"}
    assert contents(out) == {
        "index.html",
        "book/gpt.html",
        "hands-on-deep-learning.pdf",
        "hands-on-deep-learning-offline.zip",
        "versions/index.html",
        "404.html",
        ".nojekyll",
        "filled",
        *(f"versions/v0.2.0/{name}" for name in earlier),
        *(f"versions/v0.10.0/{name}" for name in earlier),
    }
    listed = (out / "versions" / "index.html").read_text()
    assert listed.index('href="v0.10.0/index.html"') < listed.index('href="v0.2.0/index.html"')
    assert "2026-01-31" in listed
    assert "v0.1.0" not in listed
    assert 'href="/the-book/index.html"' in (out / "404.html").read_text()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_an_earlier_version_says_so_and_leads_to_the_newest(assemble, book, tmp_path):
    archive(tmp_path / "releases", "v0.2.0")
    out = tmp_path / "site"
    assemble(out, book, tmp_path / "releases")
    old = out / "versions" / "v0.2.0"
    for name, newest in {
        "index.html": "index.html",
        "book/gpt.html": "book/gpt.html",
        "book/gone.html": "index.html",
    }.items():
        text = (old / name).read_text()
        assert text.count('<meta name="robots" content="noindex">') == 1
        assert "canonical" not in text
        assert "This is version 0.2.0." in text
        links = [tag.split('"')[1] for tag in text.split("<a href=")[1:]]
        targets = [((old / name).parent / link).resolve() for link in links]
        assert targets == [out / newest, out / "versions" / "index.html"]
    assert "noindex" not in (out / "index.html").read_text()


def test_the_site_takes_the_place_of_the_one_before(assemble, book, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    (out / "stale.html").touch()
    assemble(out, book)
    assert not (out / "stale.html").exists()
    assert "There is no earlier one yet." in (out / "versions" / "index.html").read_text()


@pytest.mark.parametrize("where", ["unpack", "fill_downloads", "not_found_page"])
def test_a_site_that_fails_leaves_the_one_before(load, book, tmp_path, where):
    module = load("site")
    module.fill_downloads = lambda site: None
    archive(tmp_path / "releases", "v0.2.0")

    def fail(*_):
        raise OSError("no space left on device")

    setattr(module, where, fail)
    out = tmp_path / "site"
    out.mkdir()
    (out / "index.html").write_text("before")
    with pytest.raises(OSError, match="no space"):
        module.assemble(out, book, tmp_path / "releases")
    assert (out / "index.html").read_text() == "before"
    assert not list(tmp_path.glob(".site-*"))


def test_a_site_that_cannot_take_its_place_leaves_the_one_before(
    assemble, book, tmp_path, monkeypatch
):
    rename = Path.rename

    def failing(self, target):
        if self.name == "site":  # the new one, on its way to its place
            raise OSError("busy")
        return rename(self, target)

    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("before")
    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="busy"):
        assemble(out, book)
    assert (out / "index.html").read_text() == "before"


@pytest.mark.parametrize(
    "name", ["../out.html", "/out.html", "site/../../out.html", "..\\out.html", "C:/out.html"]
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(load, tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("index.html", "fine")
        zipped.writestr(name, "not fine")
    inside = tmp_path / "a" / "b"
    with pytest.raises(ValueError, match="leads out of the archive's folder"):
        load("site").unpack(path, inside)
    assert contents(tmp_path) == {"evil.zip"}


def test_an_archive_with_a_link_is_refused(load, tmp_path):
    path = tmp_path / "evil.zip"
    link = zipfile.ZipInfo("pages")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("index.html", "fine")
        zipped.writestr(link, "/etc")
    with pytest.raises(ValueError, match="'pages' is no plain file"):
        load("site").unpack(path, tmp_path / "a")
    assert contents(tmp_path) == {"evil.zip"}


@pytest.mark.parametrize(
    ("files", "limit", "says"),
    [
        ({"index.html": "x" * 100}, 99, "100 bytes unpacked, expected at most 99"),
        ({"readme.txt": "no site"}, 1000, "expected a site with an index.html"),
        ({"a/index.html": "", "b/index.html": ""}, 1000, "expected a site with an index.html"),
    ],
)
def test_an_archive_that_is_no_site_is_refused(load, tmp_path, files, limit, says):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    with pytest.raises(ValueError, match=says):
        load("site").unpack(path, tmp_path / "out", limit)
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_is_said_without_a_traceback(load, book, tmp_path, capsys):
    bad = tmp_path / "releases" / "v0.2.0" / "x-offline.zip"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"half an arch")
    arguments = [str(tmp_path / "site"), "--html", str(book), "--releases", str(bad.parents[1])]
    assert load("site").main(arguments) == 1
    assert "x-offline.zip: expected a zip archive" in capsys.readouterr().err
    assert load("site").main([str(tmp_path / "site"), "--html", str(tmp_path)]) == 1
    assert "expected a built book" in capsys.readouterr().err


class Outline(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_the_pages_of_its_own_are_small_and_have_no_script(load):
    site = load("site")
    for text in (site.versions_page(["v1.0.0"], {}), site.not_found_page("/")):
        tags = Outline(text).tags
        assert not {"script", "img", "link"} & set(tags)
        assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
        assert '<html lang="en">' in text
        assert "default-src 'none'" in text
        assert len(text) < 4000


# --- pages that differ -----------------------------------------------------------------------

TRUST = '<details class="trust"><p>Ran in {} s</p></details>'


@pytest.fixture
def changes(load, tmp_path):
    """Compare two sites, given as pages by name."""
    changed = load("changed")

    def compare(old: dict[str, str], new: dict[str, str]):
        for name, site in {"old": old, "new": new}.items():
            for path, text in site.items():
                (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name / path).write_text(text, encoding="utf-8")
        return [tuple(c) for c in changed.changes(tmp_path / "old", tmp_path / "new")]

    return compare


def test_pages_that_came_and_went_are_named_with_their_words(changes):
    same = page("<p>The same.</p>")
    assert changes(
        {"index.html": same, "book/old.html": page("<p>one two</p>")},
        {"index.html": same, "book/new.html": page("<p>one</p><p>two three</p>")},
    ) == [
        ("book/new.html", "added", 3, 0, True),
        ("book/old.html", "removed", 0, 2, True),
    ]


def test_the_words_that_changed_are_counted(changes):
    old = page("<p>Each row is an example.</p><p>A figure follows.</p>")
    new = page("<p>Each row is one example, no more.</p><p>A figure follows.</p>")
    assert changes({"a.html": old}, {"a.html": new}) == [("a.html", "changed", 4, 2, False)]


def test_a_figure_that_changed_is_seen(changes):
    old, new = (page(f'<p>Text.</p><svg><path d="M0 {i}"/></svg>') for i in (1, 2))
    assert changes({"a.html": old}, {"a.html": new}) == [("a.html", "changed", 0, 0, True)]


@pytest.mark.parametrize(
    "what",
    [
        TRUST,
        "<p>Built on <!--report:date-->2026-01-{}<!--/report-->.</p>",
        "<table><!--report:seconds--><tr><td>{}</td></tr><!--/report--></table>",
        '<img src="a.svg?v={}">',
    ],
)
def test_what_a_build_states_of_itself_is_no_change(changes, what):
    old, new = (page(f"<p>Text.</p>{what.format(i)}<p>More.</p>") for i in ("10", "11"))
    assert changes({"a.html": old}, {"a.html": new}) == []


def test_what_surrounds_an_article_is_no_change(changes):
    old, new = (
        page("<p>Text.</p>", head=f"<meta content={i}>", rest=f"<nav>{i}</nav>") for i in "ab"
    )
    assert changes({"a.html": old}, {"a.html": new}) == []


def test_text_after_what_is_left_out_is_compared(changes):
    old, new = (page(TRUST.format(1) + f"<p>{word}</p>") for word in ("one", "two"))
    assert changes({"a.html": old}, {"a.html": new}) == [("a.html", "changed", 1, 1, False)]


def test_nothing_of_a_stranger_is_printed(changes, load, tmp_path, capsys):
    name = "book/[x](javascript:a)|`<b>.html"
    assert changes({"index.html": page("a")}, {"index.html": page("b | `<b>"), name: page("c")})
    arguments = ["--markdown", str(tmp_path / "old"), str(tmp_path / "new")]
    assert load("changed").main(arguments) == 0
    out = capsys.readouterr().out
    assert "`index.html`" in out
    assert "javascript" not in out
    assert "<b>" not in out


def test_a_folder_without_pages_is_no_site(load, tmp_path, capsys):
    with pytest.raises(SystemExit):
        load("changed").main([str(tmp_path), str(tmp_path)])
    assert "found no page in" in capsys.readouterr().err


# --- links -----------------------------------------------------------------------------------


@contextmanager
def server(answers):
    """Answer requests as told: each path with the statuses of one request after another."""
    seen: list[tuple[str, str]] = []
    left = {path: list(statuses) for path, statuses in answers.items()}

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            seen.append((self.command, self.path))
            statuses = left.get(self.path, [404])
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}", seen
        finally:
            httpd.shutdown()


def test_links_are_asked_for_once_each_with_patience(load, tmp_path, capsys):
    statuses = {
        "/fine": [200],
        "/no-head": [405, 200],
        "/later": [503, 503, 200],
        "/shy": [403],
        "/busy": [500],
        "/a%20b%C3%A9": [200],
        "/ignored": [404],
    }
    with server(statuses) as (host, seen):
        html = tmp_path / "html"
        (html / "book").mkdir(parents=True)
        (html / "_static").mkdir()
        (html / "_static" / "no-page.html").write_text(f'<a href="{host}/in-static">x</a>')
        links = "".join(
            f'<a href="{host}/{name}">x</a>'
            for name in ("fine", "fine#part", "no-head", "later", "shy", "busy", "ignored", "gone")
        )
        links += f'<a href="{host}/a bé">x</a><a href="other.html">x</a><a href="mailto:a@b">x</a>'
        (html / "index.html").write_text(page(links), encoding="utf-8")
        (html / "book" / "gpt.html").write_text(page(f'<img src="{host}/gone">'))
        rules = tmp_path / "links.yml"
        rules.write_text(f"- address: {host}/ignored\n  reason: a test\n")
        arguments = ["--html", str(html), "--ignore", str(rules), "--pause", "0"]
        assert load("links").main(arguments) == 1
        out = capsys.readouterr().out
    broken, shy = out.split("There, but not for programs")
    assert "7 addresses asked for, 1 ignored: 2 broken, 1 not for programs." in broken
    assert f"| <{host}/gone> | 404 Not Found | `book/gpt.html`, `index.html` |" in broken
    assert f"| <{host}/busy> | 500" in broken
    assert f"| <{host}/shy> | 403" in shy
    assert seen.count(("HEAD", "/fine")) == 1
    assert ("GET", "/fine") not in seen
    assert [method for method, path in seen if path == "/gone"] == ["HEAD", "GET"]
    assert len([path for _, path in seen if path == "/busy"]) == 6
    assert not {"/ignored", "/in-static"} & {path for _, path in seen}


def test_a_host_that_does_not_answer_is_named(load):
    with server({}) as (host, _):
        pass  # nobody listens there any more
    answer = load("links").check(f"{host}/x", tries=2, timeout=2, pause=0)
    assert answer.state == "broken"
    assert "refused" in answer.what


def test_links_that_lead_somewhere_pass(load, tmp_path, capsys):
    with server({"/fine": [200]}) as (host, _):
        (tmp_path / "index.html").write_text(page(f'<a href="{host}/fine">x</a>'))
        assert load("links").main(["--html", str(tmp_path), "--pause", "0"]) == 0
    assert "1 addresses asked for, 0 ignored: 0 broken" in capsys.readouterr().out


def test_one_host_gets_one_request_at_a_time(load, monkeypatch):
    links = load("links")
    at_once: dict[str, int] = {}
    most: dict[str, int] = {}
    lock = threading.Lock()

    def check(address, **_):
        host = address.split("/")[2]
        with lock:
            at_once[host] = at_once.get(host, 0) + 1
            most[host] = max(most.get(host, 0), at_once[host])
        threading.Event().wait(0.005)
        with lock:
            at_once[host] -= 1
        return links.Answer(address, "fine", "")

    monkeypatch.setattr(links, "check", check)
    names = [f"https://{host}.example/{i}" for host in "abc" for i in range(4)]
    assert len(links.check_all(names, pause=0)) == 12
    assert set(most.values()) == {1}


@pytest.mark.parametrize(("script", "file"), [("links", "links.yml"), ("audit", "advisories.yml")])
def test_what_is_set_aside_has_a_reason(load, tmp_path, script, file):
    module = load(script)
    module.ignored(PUBLISH / file)
    key = "address" if script == "links" else "id"
    (tmp_path / "x.yml").write_text(f"- {key}: something\n")
    with pytest.raises(ValueError, match=r"expected .* and `reason` in each entry"):
        module.ignored(tmp_path / "x.yml")


# --- licenses, vulnerabilities, versions -----------------------------------------------------


def package(name: str, **fields: str):
    metadata = Message()
    for field, value in fields.items():
        for one in [value] if isinstance(value, str) else value:
            metadata[field.replace("_", "-")] = one
    return SimpleNamespace(name=name, version="1.0", metadata=metadata)


RULES = {
    "allowed": ["MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"],
    "names": {"MIT License": "MIT"},
    "exceptions": {"helper-*": {"license": "GPL-3.0-only", "reason": "a program"}},
}


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        (package("a", License_Expression="MIT"), ""),
        (package("a", License_Expression="MIT AND (GPL-3.0-only OR BSD-3-Clause)"), ""),
        (package("a", License_Expression="Apache-2.0 WITH LLVM-exception"), ""),
        (package("a", License="MIT License\n\nPermission is hereby granted"), ""),
        (package("a", Classifier="License :: OSI Approved :: MIT License"), ""),
        (package("Helper-X", License_Expression="GPL-3.0-only"), ""),
        (package("a", License_Expression="GPL-3.0-only"), "a 1.0: GPL-3.0-only"),
        (package("a", License_Expression="MIT AND GPL-3.0-only"), "a 1.0: GPL-3.0-only"),
        (package("a", License="MPL-2.0 AND MIT"), "a 1.0: MPL-2.0"),
        (package("a"), "a 1.0: no license stated"),
        (package("a", License="UNKNOWN"), "a 1.0: no license stated"),
        (package("a", License_Expression="(MIT"), "a 1.0: not understood: (MIT"),
        (package("helper-x", License_Expression="AGPL-3.0-only"), "the exception is for 'GPL-3"),
    ],
)
def test_a_license_is_allowed_or_named(load, made, wrong):
    found = load("licenses").problems([made], RULES)
    assert [wrong in line for line in found] == [True] * bool(wrong)


def test_everything_that_is_installed_may_be_used(load, capsys):
    assert load("licenses").main([]) == 0, capsys.readouterr().err


def test_an_unknown_license_fails_and_is_named(load, tmp_path, capsys):
    rules = yaml.safe_load((PUBLISH / "licenses.yml").read_text())
    del rules["exceptions"]["codespell"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    assert load("licenses").main(["--rules", str(tmp_path / "rules.yml")]) == 1
    assert "codespell" in capsys.readouterr().err
    rules["exceptions"]["codespell"] = {"license": "GPL-2.0-only", "reason": ""}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    with pytest.raises(ValueError, match="`reason` for codespell"):
        load("licenses").main(["--rules", str(tmp_path / "rules.yml")])


FINE = {"name": "a", "version": "1", "vulns": []}
HOLE = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNSEEN = {"name": "c", "skip_reason": "could not be audited"}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([FINE], 0, "1 packages, no known vulnerability"),
        ([FINE, HOLE], 1, "b 2: PYSEC-1 (fixed in 3)"),
        ([UNSEEN, HOLE], 1, "b 2: PYSEC-1"),
        ([FINE, UNSEEN], 2, "could not look at 1 of 2 packages: c"),
        ([], 2, "could not look"),
    ],
)
def test_an_audit_that_could_not_look_is_none(load, packages, status, says):
    found = load("audit").report(json.dumps({"dependencies": packages}))
    assert found[0] == status
    assert says in found[1]


def test_an_audit_without_a_network_says_so(load, monkeypatch, capsys):
    audit = load("audit")
    error = "Traceback\nConnectionError: no route"
    done = SimpleNamespace(stdout="", stderr=error)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    assert audit.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("audit: could not look: ")
    assert said.err.endswith("ConnectionError: no route\n")


def test_versions_that_moved_are_listed(load):
    moved = load("moved")
    pinned = moved.pins(
        "# all\nA_b==1.0\nsame==2.0 ; python_version > '3'\ntorch==2.13.0\ngone==1\n"
    )
    present = [("a-b", "1.1"), ("Same", "2.0"), ("torch", "2.13.0+cpu"), ("new", "3")]
    assert moved.moved(pinned, present) == [
        ("a-b", "1.0", "1.1"),
        ("gone", "1", "-"),
        ("new", "-", "3"),
    ]
