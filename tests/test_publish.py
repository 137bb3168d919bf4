"""What is made from the built book: the PDF, the offline archive, and the links to both."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from html import unescape
from pathlib import Path

import pytest
import yaml
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "hands-on-deep-learning.pdf"


def load(path: str):
    """Load a script or an extension by its path."""
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unavailable(reason):
    """Skip with a reason, or fail where nothing may be skipped."""
    if os.environ.get("UDL_NO_SKIP") == "1":
        pytest.fail(f"UDL_NO_SKIP=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def pdf():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "publish"))
        yield load("publish/pdf.py")


@pytest.fixture(scope="module")
def offline():
    return load("publish/offline.py")


# ------------------------------------------------------------------------------- the archive

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; connect-src 'self'">
<title>{title}</title><link rel="stylesheet" href="{up}_static/book.min.css">{head}</head>
<body><article class="bd-article">{body}</article></body></html>"""
SLIDES = '<script type="module">import("../_static/slides.mjs").then(m => m.show())</script>'


@pytest.fixture
def site(tmp_path):
    """Give a small site: a chapter with weights, a page with nothing on it, and the search."""
    made = {
        "index.html": PAGE.format(
            title="Start", up="", head="", body="<!--downloads-->no<!--/downloads-->"
        ),
        "search.html": PAGE.format(title="Search", up="", head="", body=""),
        "book/chapter.html": PAGE.format(
            title="Chapter", up="../", body=f"<p>weights-0a.bin</p>{SLIDES}",
            head='<script defer src="../_static/udl/loader.js"></script>',
        ),
        "_static/book.min.css": "p { margin: 0 }",
        "_static/slides.mjs": 'new URL("slides.css", import.meta.url)',
        "_static/udl/loader.js": "0",
        "_static/udl/one.mjs": 'import{two}from"./two.mjs";',
        "_static/vendor/theme.js": "0",
        ".buildinfo": "0",
    }  # fmt: skip
    site = tmp_path / "html"
    for name, text in made.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    (site / "_static" / "udl" / "weights-0a.bin").write_bytes(b"\x00\xff")
    return site


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_archive_needs_no_server(offline, site, tmp_path):
    out = tmp_path / "out" / "book.zip"
    assert offline.main([str(out), "--site", str(site), "--pdf", str(tmp_path / "none")]) == 0
    found = unpacked(out)
    assert sorted(name.removeprefix("hands-on-deep-learning/") for name in found) == [
        "README.txt", "_static/book.min.css", "_static/modules.js", "_static/udl/loader.js",
        "book/chapter.html", "index.html", "search.html",
    ]  # fmt: skip
    chapter = found["hands-on-deep-learning/book/chapter.html"]
    head, _, body = chapter.partition("<body>")
    assert head.index("../_static/modules.js") < head.index("udl/loader.js")
    assert '<script type="text/plain" data-file="weights-0a.bin">AP8=</script>' in body
    start = found["hands-on-deep-learning/index.html"]
    assert "modules.js" not in start
    assert "downloads" not in start
    for page in (chapter, start):
        (policy,) = re.findall(r'Security-Policy" content="([^"]*)"', page)
        assert policy.startswith("default-src 'none'; ")
        assert "connect-src" not in policy
    assert "SHOW_SEARCH_SUMMARY = false" in found["hands-on-deep-learning/search.html"]
    modules = found["hands-on-deep-learning/_static/modules.js"]
    sources = json.loads(re.match(r"const MODULES = (.*);\n", modules)[1])
    assert sources.keys() == {"slides.mjs", "udl/one.mjs"}
    assert "CC BY 4.0" in found["hands-on-deep-learning/README.txt"]


def test_the_same_site_gives_the_same_archive(offline, site, tmp_path):
    paths = [tmp_path / "one.zip", tmp_path / "two.zip"]
    offline.pack(site, paths[0])
    for path in site.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    offline.pack(site, paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_archive_holds_the_pdf_if_there_is_one(offline, site, tmp_path):
    book = tmp_path / "book.pdf"
    book.write_bytes(b"%PDF")
    offline.pack(site, tmp_path / "book.zip", book)
    found = unpacked(tmp_path / "book.zip")
    assert found["hands-on-deep-learning/book.pdf"] == "%PDF"
    assert 'href="book.pdf"' in found["hands-on-deep-learning/index.html"]
    assert "PDF" in found["hands-on-deep-learning/README.txt"]


def test_no_book_no_archive(offline, site, tmp_path, capsys):
    out = tmp_path / "book.zip"
    assert offline.main([str(out), "--site", str(tmp_path / "none")]) == 1
    assert "run `make book` first" in capsys.readouterr().err
    for path in site.rglob("*.mjs"):
        path.unlink()
    assert offline.main([str(out), "--site", str(site)]) == 1
    assert list(tmp_path.iterdir()) == [site]  # nothing half-written either


def test_an_archive_that_cannot_be_written_is_one_line(offline, site, tmp_path, capsys):
    (tmp_path / "book.zip").mkdir()
    assert offline.main([str(tmp_path / "book.zip"), "--site", str(site)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("offline: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.zip", "html"]


def test_links_to_what_can_be_downloaded(site, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    downloads = load("book/_ext/downloads.py")
    (site / "book" / "deep.html").write_text("a<!--downloads-->b<!--/downloads-->c")
    downloads.fill(site)
    assert "make offline" in (site / "index.html").read_text()
    (site / "hands-on-deep-learning.pdf").write_bytes(b"0" * 20_300_000)
    downloads.fill(site)
    start, deep = ((site / name).read_text() for name in ("index.html", "book/deep.html"))
    assert 'href="hands-on-deep-learning.pdf" download>the book as a PDF</a>, PDF, 20 MB' in start
    assert 'href="../hands-on-deep-learning.pdf"' in deep
    assert "offline" not in start
    assert (deep[0], deep[-1]) == ("a", "c")
    (site / "hands-on-deep-learning-offline.zip").write_bytes(b"0" * 4_200_000)
    downloads.fill(site)
    assert "ZIP, 4.2 MB" in (site / "index.html").read_text()
    assert "make offline" not in (site / "index.html").read_text()


# ----------------------------------------------------------------------------------- the PDF


def outline(reader):
    """Return the titles of a PDF's outline, each with its depth and its page."""

    def walk(entries, depth):
        for entry in entries:
            if isinstance(entry, list):
                yield from walk(entry, depth + 1)
            else:
                page = reader.get_destination_page_number(entry) + 1
                yield depth, " ".join(entry.title.split()), page

    return list(walk(reader.outline, 0))


def links(reader):
    """Return the names that links of a PDF lead to, and the addresses."""
    inside, outside = [], []
    for page in reader.pages:
        for annotation in page.get("/Annots", ()):
            link = annotation.get_object()
            if "/Dest" in link:
                inside.append(str(link["/Dest"]))
            elif "/A" in link:
                outside.append(str(link["/A"]["/URI"]))
    return inside, outside


def destinations(reader):
    """Return the page of each name that a link can lead to."""
    return {
        name: reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def tags(reader):
    """Return how many elements of each kind the structure has, and the alternative texts."""
    kinds, texts = {}, []
    for number in reader.xref[0]:
        element = IndirectObject(number, 0, reader).get_object()
        if isinstance(element, DictionaryObject) and element.get("/Type") == "/StructElem":
            kind = str(element["/S"])
            kinds[kind] = kinds.get(kind, 0) + 1
            if "/Alt" in element:
                texts.append((kind, str(element["/Alt"])))
    return kinds, texts


FIRST = """<section id="first"><h1><span class="section-number">1. </span>First
<a class="headerlink" href="#first">#</a></h1>
<p>See <a href="second.html#there">there</a>, <a href="https://example.org/">elsewhere</a>,
<a href="left.html">what is left out</a>, and <span class="math"><mjx-container jax="CHTML">
<mjx-math aria-hidden="true">½</mjx-math><mjx-assistive-mml>
<math><mfrac><mi>ϕ</mi><mn>2</mn></mfrac></math>
</mjx-assistive-mml></mjx-container></span>.</p>
<section id="there"><h2>A section</h2><p>Greek: α, β, Σ.</p>
<!--downloads--><p>Left</p><!--/downloads-->
<figure id="fig-one"><svg class="udl-figure" style="width:300px" role="img" aria-label="A square."
viewBox="0 0 10 10"><defs><path id="p" d="M0 0h5v5z"/></defs><use href="#p"/></svg>
<figcaption><p>The caption.</p></figcaption></figure>
<div class="udl-widget" id="q" data-module="questions"><div class="udl-fallback"><p>How many?</p>
<details><summary>Show the answer</summary><p>The answer is 17.</p></details></div>
<script type="application/json">{}</script></div>
<div class="udl-widget" id="w" data-module="relu"><div class="udl-fallback"><p>Drag.</p></div>
</div><details class="admonition hide above-input"><summary>Show code</summary>
<pre>hidden = 1</pre></details>
<div class="solution dropdown admonition"><p class="admonition-title">Solution</p><p>Solved.</p>
</div>
<button>Press</button></section></section>"""
SECOND = """<section id="second"><h1>Second</h1><section id="there"><h2>A section</h2>
<p><a href="first.html#fig-one">back</a></p></section></section>"""


def small(tmp_path):
    """Make a site of two pages, and say in which order they come."""
    for name, body in {"first": FIRST, "second": SECOND, "left": "<h1>Left</h1>"}.items():
        path = tmp_path / "html" / "book" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGE.format(title=name, up="../", head="", body=body), encoding="utf-8")
    (tmp_path / "html" / "_static").mkdir()
    (tmp_path / "html" / "_static" / "book.min.css").write_text("p { margin: 0 }")
    part = {"caption": "A part", "chapters": [{"file": "book/second"}]}
    toc = {"root": "book/first", "parts": [part]}
    (tmp_path / "toc.yml").write_text(yaml.safe_dump(toc))
    return ["--site", str(tmp_path / "html"), "--toc", str(tmp_path / "toc.yml")]


@pytest.fixture
def chromium(pdf):
    """Skip, with the reason, where nothing can print."""
    try:
        return pdf.chromium()
    except FileNotFoundError as error:
        unavailable(str(error))


@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_a_small_book_on_paper(tmp_path):
    out = tmp_path / "book.pdf"
    command = [sys.executable, str(ROOT / "publish" / "pdf.py"), str(out), *small(tmp_path)]
    env = os.environ | {"SOURCE_DATE_EPOCH": "1000000000"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert not done.returncode, done.stderr
    assert "4 pages" in done.stdout

    reader = PdfReader(out)
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]
    assert len(pages) == 4
    assert "Version" in pages[0]
    assert "9 September 2001" in pages[0]
    assert "α, β, Σ" in pages[2]
    for text in ("hidden = 1", "Solved.", "Drag.", "Question 1", "How many?", "The caption."):
        assert text in pages[2]
    for text in ("Press", "Show", "#", "Left"):
        assert text not in pages[2]
    answers = pages[2].index("Answers to the questions")
    assert pages[2].index("The answer is 17.") > answers > pages[2].index("Solved.")

    assert [entry[:2] for entry in outline(reader)] == [
        (0, "Hands-on Deep Learning"), (0, "Contents"), (1, "1. First"), (2, "A section"),
        (2, "Answers to the questions"), (0, "A part"), (1, "Second"), (2, "A section"),
    ]  # fmt: skip
    places = destinations(reader)
    assert (places["/first"], places["/second--there"]) == (3, 4)
    inside, outside = links(reader)
    assert set(inside) <= places.keys()
    assert outside == ["https://example.org/"]
    assert "1. First 3" in pages[1]
    assert "Second 4" in pages[1]

    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"] == "en"
    kinds, texts = tags(reader)
    assert kinds["/H2"] == 2
    assert ("/Figure", "A square.") in texts
    assert ("/Formula", "ϕ/2") in texts
    assert reader.metadata.title == "Hands-on Deep Learning"
    assert reader.metadata.author == "The Hands-on Deep Learning authors"
    assert reader.metadata.creation_date.year == 2001


def test_without_a_page_there_is_no_pdf(pdf, tmp_path, capsys):
    arguments = small(tmp_path)
    (tmp_path / "html" / "book" / "second.html").unlink()
    out = tmp_path / "book.pdf"
    assert pdf.main([str(out), *arguments]) == 1
    assert "book/second.html: run `make book` first" in capsys.readouterr().err
    assert not out.exists()


def test_where_nothing_can_be_written_nothing_is_printed(pdf, tmp_path, capsys, monkeypatch):
    def printed(*_):
        raise AssertionError

    monkeypatch.setattr(pdf, "make", printed)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    arguments = small(tmp_path / "site")
    for out in ("folder", "file/book.pdf"):
        assert pdf.main([str(tmp_path / out), *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("pdf: ")
        assert str(tmp_path / out.partition("/")[0]) in line
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "site"]


@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_a_link_that_leads_nowhere_is_an_error(pdf, tmp_path):
    arguments = small(tmp_path)
    path = tmp_path / "html" / "book" / "first.html"
    path.write_text(path.read_text().replace("second.html#there", "second.html#nowhere"))
    out = tmp_path / "book.pdf"
    command = [sys.executable, str(ROOT / "publish" / "pdf.py"), str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "no element has the id of #second--nowhere" in done.stderr
    assert not out.exists()


# ------------------------------------------------------------------------- the book, as printed


@pytest.fixture(scope="module")
def reader():
    """Give the PDF of the whole book."""
    if not PDF.exists():
        unavailable("there is no PDF: run `make pdf` first")
    return PdfReader(PDF)


@pytest.fixture(scope="module")
def texts(reader):
    """Give the text of each of its pages."""
    return [page.extract_text() for page in reader.pages]


@pytest.fixture(scope="module")
def articles(pdf):
    """Give the articles that it was made of, as HTML without what only scripts read."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = {}
    for page in pdf.pages(HTML, toc, pdf.LEFT_OUT):
        html = page["html"].partition('<article class="bd-article">')[2].partition("</article>")[0]
        found[page["name"]] = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)
    return found


def said(html):
    """Return the text of a piece of HTML on one line."""
    html = re.sub(r'<a class="headerlink".*?</a>', "", html)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


@pytest.mark.release
@pytest.mark.book
def test_the_book_has_as_many_pages_as_its_text_takes(texts, articles):
    words = sum(len(said(html).split()) for html in articles.values())
    figures = sum(html.count("udl-figure") for html in articles.values())
    # A page holds 250 to 600 words; a figure takes a third of one.
    assert words / 600 + figures / 4 < len(texts) < words / 200 + figures
    few = [number for number, text in enumerate(texts, 1) if len(text.split()) < 12]
    drawn = {number for number in few if "Fig." in texts[number - 1]}
    assert not set(few) - drawn - {1}, "pages with next to nothing on them"


@pytest.mark.release
@pytest.mark.book
def test_the_book_is_tagged(reader, articles):
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    kinds, alternatives = tags(reader)
    drawn = [text for kind, text in alternatives if kind == "/Figure"]
    wanted = [
        unescape(text)
        for html in articles.values()
        for text in re.findall(r'class="udl-figure"[^>]*aria-label="([^"]*)"', html)
    ]
    assert len(wanted) > 100
    assert sorted({" ".join(text.split()) for text in drawn if text}) == sorted(
        {" ".join(text.split()) for text in wanted}
    )
    assert kinds["/Formula"] > 2000
    assert kinds["/Table"] > 50
    assert kinds["/H2"] == len(articles)


@pytest.mark.release
@pytest.mark.book
def test_the_outline_names_chapters_and_sections_in_order(reader, articles):
    found = [title for _, title, _ in outline(reader)]
    place = 0
    for name, html in articles.items():
        for title in re.findall(r"<h[12]>(.*?)</h[12]>", html, re.DOTALL):
            if "mjx" in title:
                continue
            title = said(title)
            assert title in found[place:], f"{name}: {title}"
            place = found.index(title, place) + 1


@pytest.mark.release
@pytest.mark.book
def test_the_contents_name_the_pages_that_they_lead_to(reader, texts, articles):
    places = destinations(reader)
    count = next(k for k, text in enumerate(texts[1:]) if not text.startswith("Contents"))
    named, led = [], []
    for page, text in zip(reader.pages[1 : 1 + count], texts[1 : 1 + count], strict=True):
        below = text.split("\n", 2)[2]  # the head and the number of the page itself
        named += map(int, re.findall(r"(?<!\S)\d+$", below, re.MULTILINE))
        notes = [note.get_object() for note in page["/Annots"]]
        # A title on two lines is linked twice, and one at the head of the next column begins here.
        seen = [
            note for note in notes if "/Dest" in note and note["/Rect"][3] - note["/Rect"][1] > 2
        ]
        names = dict.fromkeys(str(note["/Dest"]) for note in seen)
        led += [places[name] for name in names]
    assert len(led) > 3 * len(articles)
    assert named == led
    headings = [page for depth, _, page in outline(reader) if depth in (1, 2)]
    assert named == headings


@pytest.mark.release
@pytest.mark.book
def test_links_of_the_book_lead_somewhere(reader):
    inside, outside = links(reader)
    places = reader.named_destinations.keys()
    assert len(inside) > 1500
    assert not sorted(set(inside) - places)
    assert len(outside) > 50
    assert not [address for address in outside if not re.match(r"https?://[\w.-]+", address)]


@pytest.mark.release
@pytest.mark.book
def test_every_letter_of_the_book_is_there(reader, texts):
    whole = "\n".join(texts)
    assert "�" not in whole
    # Letters that Unicode has not: only the five parts of a long brace.
    assert set(re.findall(r"[\ue000-\uf8ff]", whole)) <= set(map(chr, range(0xE150, 0xE155)))
    for word in ("backpropagation", "ϕ", "α", "∑", "∂", "Dollár", "def ", "≤"):
        assert word in whole, word
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            if font["/Subtype"] == "/Type3":  # drawn in the file
                assert "/CharProcs" in font
                continue
            described = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & described.keys()
            assert "/ToUnicode" in font


@pytest.mark.release
@pytest.mark.book
def test_figures_solutions_and_answers_are_in_the_book(texts, articles):
    whole = " ".join("\n".join(texts).split())
    captions = [
        said(text)
        for html in articles.values()
        for text in re.findall(r'<span class="caption-number">(Fig\..*?)</span>', html)
    ]
    assert len(captions) > 100
    assert not [caption for caption in captions if caption.strip() not in whole]
    solutions = sum(html.count('class="solution dropdown') for html in articles.values())
    assert whole.count("Solution to Exercise") >= solutions > 100
    for label, html in articles.items():
        asked = html.count('data-module="questions"')
        assert not asked or f"Question {asked} " in whole, label
    assert "Show the answer" not in whole
