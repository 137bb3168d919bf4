"""What every interactive promises, whoever wrote it: keys, names, themes, rest, memory, links.

Each one stands on a small page of its own, made here, and once more where the book places it.
"""

import base64
import hashlib
import importlib.util
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from udl import gpt, landscape, playground, web
from udl.gpt import export

pytestmark = pytest.mark.browser

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Interactives</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script>document.documentElement.dataset.theme = localStorage.theme;</script>
<script>{probe}</script><script defer src="_static/udl/loader.js"></script>
<style>html[data-theme=dark] {{ background: #14181e; color: #e6e9ee; }}
a {{ color: inherit; }} .away {{ height: 4000px; }}
main {{ max-width: 46rem; margin: auto; font: 16px/1.5 sans-serif; }}
</style></head><body><main><h1>Interactives</h1><p><a href="#after" id="before">before</a></p>
{body}<p><a href="#before" id="after">after</a></p><div class="away"></div></main></body></html>"""

# What the tests ask a page. It also counts frames and timers from the start.
PROBE = """
window.probe = (() => {
  const counts = { frames: 0, timers: 0 };
  const sleep = ((later) => (time) => new Promise((done) => later(done, time)))(
    window.setTimeout.bind(window));
  const counted = (original, kind) => (callback, ...rest) => original.call(window, (...given) => {
    counts[kind] += 1;
    callback(...given);
  }, ...rest);
  window.requestAnimationFrame = counted(window.requestAnimationFrame, "frames");
  window.setTimeout = counted(window.setTimeout, "timers");
  window.setInterval = counted(window.setInterval, "timers");

  const seen = (el) => el.checkVisibility({ visibilityProperty: true }) && !el.disabled
    && !el.closest("[inert]") && el.getClientRects().length > 0;
  const name = (el) => (el.getAttribute("aria-label")
    || [...(el.labels ?? [])].map((label) => label.textContent).join(" ")
    || el.textContent || el.id).replace(/\\s+/g, " ").trim().slice(0, 60);
  const card = (id) => document.getElementById(id).querySelector(".udl-card");
  const SELECTOR = "button, input, select, textarea, summary, a[href], [tabindex='0']";
  // Tab stops at one radio button of a group.
  const stop = (el, all) => {
    if (el.type !== "radio") return true;
    const group = all.filter((other) => other.type === "radio" && other.name === el.name);
    return el === (group.find((other) => other.checked) ?? group[0]);
  };
  const controls = (id) => [...card(id).querySelectorAll(SELECTOR)].filter(seen)
    .filter((el, k, all) => el.tabIndex >= 0 && stop(el, all));
  const ROLES = { button: "pressed", group: "read", region: "read" };
  const kind = (el) => {
    if (el.localName === "input" && el.type === "range") return "slider";
    if (["radio", "checkbox"].includes(el.type)) return el.type;
    if (el.matches("input, textarea")) {
      return el.readOnly ? "read" : el.localName === "input" ? "text" : "area";
    }
    if (["select", "summary", "a", "button"].includes(el.localName)) return el.localName;
    return ROLES[el.getAttribute("role")] ?? "handle";
  };
  let kept = [];
  let names = [];
  const called = (el) => [kind(el), name(el)];
  const list = (id) => {
    kept = controls(id);
    names = kept.map(called);
    return names;
  };
  const look = (el) => [el, ...el.querySelectorAll("*"), el.closest("label")].filter(Boolean)
    .slice(0, 40).map((part) => {
      const s = getComputedStyle(part);
      return [s.outlineStyle === "none" ? "" : s.outline, s.boxShadow, s.borderColor, s.stroke,
        s.backgroundColor, s.strokeWidth, s.fill].join();
    }).join();
  const picture = (canvas) => {
    try { return canvas.width && canvas.height ? canvas.toDataURL() : ""; } catch { return ""; }
  };
  // All that can be seen or heard of an interactive, without the value of the control in use.
  const state = (id, using = null) => [card(id).outerHTML, location.hash,
    ...[...card(id).querySelectorAll("input, select, textarea")].filter((el) => el !== using)
      .map((el) => el.value),
    ...[...card(id).querySelectorAll("input")].map((el) => el.checked),
    ...[...card(id).querySelectorAll("details")].map((el) => el.open),
    ...[...card(id).querySelectorAll("canvas")].map(picture)].join("\\n");
  let before = "";
  return {
    counts, list, name, state, card, sleep,
    active: () => kept.indexOf(document.activeElement),
    where: () => document.activeElement.id || name(document.activeElement),
    look: (k) => look(kept[k]),
    onScreen: (k) => {
      const box = kept[k].getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    },
    focus: (id, k) => {
      // A control that was drawn anew is found by its name.
      if (!kept[k].isConnected) {
        kept[k] = controls(id).find((el) => String(called(el)) === String(names[k])) ?? kept[k];
      }
      if (!kept[k].isConnected || !seen(kept[k])) return false;
      kept[k].focus();
      before = state(id, kept[k]);
      return document.activeElement === kept[k];
    },
    // Whether something else than the control itself is other than it was.
    changed: async (id, k, wait) => {
      for (const end = performance.now() + wait; performance.now() < end;) {
        await sleep(15);
        if (state(id, kept[k]) !== before) return true;
      }
      return false;
    },
    lost: () => document.activeElement === document.body,
    open: (id) => card(id).querySelectorAll("details").forEach((el) => { el.open = true; }),
    said: (id) => [...card(id).querySelectorAll("[role=status], [role=alert]")]
      .map((el) => el.textContent).join(" ").trim(),
    // Texts that only a slip in a program can write.
    slips: (id) => {
      const walk = document.createTreeWalker(card(id), NodeFilter.SHOW_TEXT);
      const found = [];
      while (walk.nextNode()) {
        const text = walk.currentNode.data.trim();
        if (/^(false|true|null|undefined)$|\\[object |\\bundefined\\b/.test(text)
          && seen(walk.currentNode.parentElement)) found.push(text);
      }
      return found;
    },
    // Screen refreshes as fast as the machine can, by a clock of their own.
    hurry: () => {
      const channel = new MessageChannel();
      let queue = new Map();
      let time = performance.now();
      let last = 0;
      channel.port1.onmessage = () => {
        const due = queue;
        queue = new Map();
        time += 1000 / 60;
        counts.frames += due.size;
        due.forEach((callback) => callback(time));
      };
      window.requestAnimationFrame = (callback) => {
        if (!queue.size) channel.port2.postMessage(0);
        queue.set((last += 1), callback);
        return last;
      };
      window.cancelAnimationFrame = (id) => queue.delete(id);
    },
  };
})();
"""

X = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
Y = np.array([1.0, 1.6, 2.9, 3.6, 5.2, 5.9])
POINTS = [(-3, -2, 0), (-2, 3, 0), (3, 2, 1), (2, -3, 1), (1, 1, 1), (-1, 0, 0)]
HAT = (np.array([[0.0, 1.0], [-0.4, 1.0], [-0.7, 1.0]]), np.array([0.1, 1.0, -2.0, 1.5]))
FOLDS = (np.array([[0.0, 2.0], [-1.0, 2.0]]), np.array([0.0, 1.0, -2.0]))


def a_landscape(label):
    def loss(phi):
        return float(phi @ phi + 0.3 * np.sin(5 * phi).sum())

    plane = landscape.grid(loss, np.zeros(3), *np.eye(3)[:2], extent=4.0, size=21)
    steps = np.array([[3.0, 2.0, 0.0], [1.5, 1.0, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.0]])
    paths = {
        "one": landscape.follow(loss, steps, [0, 1, 2, 3]),
        "two": landscape.follow(loss, -steps, [0, 1, 2, 3]),
    }
    return web.loss_landscape(plane, paths, label=label)


ALPHABET = "\n !,.:?ABCDEFGHIabcdefghijklmnopqrstuvwxyz"
PROMPT = "A bee:\nAbcd"


def a_model(seed=0, **choices):
    """Return a model whose attention differs between heads, and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = gpt.Characters(ALPHABET)
    sizes = {"vocabulary": tokenizer.size, "context": 16, "layers": 2, "heads": 2, "width": 16}
    model = gpt.GPT(gpt.Config(**{**sizes, **choices})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model, tokenizer


def a_gpt(label):
    return web.gpt_explorer(*a_model(), prompt=PROMPT, label=label)


# Each interactive, and the forms of it that hold other controls.
MAKE = {
    "playground": lambda label: web.playground(label=label),
    "playground-points": lambda label: web.playground(
        label=label, dataset="points", points=POINTS, hidden=[], batch=2
    ),
    "least-squares": lambda label: web.least_squares_explorer(
        X, Y, label=label, optimizers=("gd", "sgd", "momentum", "adam"), slips=True
    ),
    "relu": lambda label: web.relu_explorer(*HAT, label=label),
    "relu-deep": lambda label: web.relu_explorer(*FOLDS, second=FOLDS, label=label),
    "stepper": lambda label: web.backprop_stepper(
        "(relu(a + b * x) - y)^2",
        {"a": 0.5, "b": 1.0, "x": 2.0, "y": 1.0},
        trainable=("a", "b"),
        own=True,
        label=label,
    ),
    "landscape": a_landscape,
    "gpt": a_gpt,
}
# The least work for each frame, where there are very many.
SMALL = {
    **MAKE,
    "playground": lambda label: web.playground(label=label, hidden=[1], examples=20, batch=10),
}
ONE_EACH = ["playground", "least-squares", "relu", "stepper", "landscape", "gpt"]
# The button that starts what can run by itself.
PLAY = re.compile(r"^\W*play\b", re.I)


def extension(name):
    """Load a module of book/_ext."""
    path = Path(__file__).parents[2] / "book" / "_ext" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"book_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(tmp_path_factory, serve):
    """Serve a page for each interactive, one with two alike, one with all; give the address."""
    page, policy = extension("page"), extension("policy")  # as the book makes its pages
    folder = tmp_path_factory.mktemp("interactives")
    shutil.copytree(web.STATIC, folder / "_static" / "udl")
    widgets = {"all": [MAKE[name](f"w-{name}") for name in ONE_EACH]}
    for name in MAKE:
        widgets[name] = [MAKE[name]("one")]
        widgets[f"{name}-twice"] = [MAKE[name]("one"), MAKE[name]("two")]
        widgets[f"{name}-small"] = [SMALL[name]("one")]
    for name, some in widgets.items():
        body = "\n".join(widget.placeholder() for widget in some)
        body = page.move_files(body, folder / "_static" / "udl")
        text = policy.guarded(PAGE.format(probe=PROBE, body=body))
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return serve(folder)


@pytest.fixture
def show(pages, open_page):
    """Give a function that opens the page of an interactive, and waits until it is there."""

    def start(name, label="one", *, hash="", javascript=True, **options):
        page = open_page(f"{pages}/{name}.html{hash}", javascript=javascript, **options)
        if javascript:
            settle(page, label)
        return page

    return start


def settle(page, label):
    """Scroll to an interactive as a link does, and wait for it, and for what it loads."""
    page.locator(f"#{label}").evaluate("box => box.scrollIntoView({ block: 'center' })")
    page.wait_for_selector(f"#{label} .udl-card", state="attached")
    load = page.locator(f"#{label} .udl-card button", has_text=re.compile("^Load the model"))
    if load.count():
        load.click()
        load.wait_for(state="detached")
    page.wait_for_timeout(60)


def probe(page, call, *values):
    return page.evaluate(f"values => probe.{call}(...values)", list(values))


KEYS = {
    "button": [["Enter"]],
    "pressed": [["Enter"]],
    "summary": [["Enter"]],
    "checkbox": [["Space"]],
    "radio": [["ArrowDown"], ["ArrowUp"]],
    "slider": [["ArrowRight"], ["ArrowLeft"]],
    "select": [["ArrowDown"], ["ArrowUp"]],
    "handle": [["ArrowRight"], ["ArrowUp"], ["ArrowLeft"], ["ArrowDown"]],
    "text": [["ArrowUp"], *(["ControlOrMeta+A", *text, "Enter"] for text in ("2", "1", "0.5"))],
}


def operate(page, label, k, kind):
    """Use the k-th control by its keys. Give what is wrong, or ``""``."""
    if not probe(page, "focus", label, k):
        return "gone"
    scroll = page.evaluate("scrollY")
    for keys in KEYS[kind]:
        for key in keys:
            page.keyboard.press(key)
        if probe(page, "changed", label, k, 700 if kind in {"button", "select"} else 150):
            break
    else:
        return "does nothing"
    if page.evaluate("probe.lost()"):
        return "loses the focus"
    if kind == "handle" and page.evaluate("scrollY") != scroll:
        return "its arrow keys scroll the page"
    if slips := probe(page, "slips", label):
        return f"shows {slips}"
    return ""


def walk(page, label, start="before", end="after"):
    """Go through an interactive by Tab alone. Give what is wrong on the way."""
    problems = []
    probe(page, "open", label)
    controls = probe(page, "list", label)
    page.evaluate("id => document.getElementById(id).focus()", start)
    visited, looks = [], {}
    for _ in range(len(controls) + 12):
        page.keyboard.press("Tab")
        k = page.evaluate("probe.active()")
        if visited and visited[-1] >= 0:
            last = visited[-1]
            if probe(page, "look", last) == looks[last]:
                problems.append(f"focus cannot be seen: {controls[last]}")
        visited.append(k)
        if k >= 0:
            looks[k] = probe(page, "look", k)
            if not probe(page, "onScreen", k):
                problems.append(f"focus is off screen: {controls[k]}")
        elif page.evaluate("probe.where()") == end:
            break
        else:
            problems.append(f"Tab stops at what is no control: {page.evaluate('probe.where()')}")
    else:
        problems.append(f"Tab does not come out; it is at {page.evaluate('probe.where()')}")
    missed = [control for k, control in enumerate(controls) if k not in visited]
    problems += [f"Tab does not reach {control}" for control in missed]
    problems += [f"has no name: {kind}" for kind, name in controls if not name]
    reached = [k for k in visited if k >= 0]
    problems += [f"Tab goes back to {controls[b]}" for a, b in pairwise(reached) if b < a]
    if not problems:
        for _ in visited:
            page.keyboard.press("Shift+Tab")
        if page.evaluate("probe.where()") != start:
            problems.append("Shift+Tab does not lead back")
    return problems


@pytest.mark.parametrize("name", MAKE)
def test_tab_reaches_each_control_and_shows_it(show, name):
    page = show(name)
    assert walk(page, "one") == []
    unnamed = [
        node["role"]["value"]
        for node in page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        if any(
            p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", [])
        )
        and not node["ignored"]
        and node["role"]["value"] != "RootWebArea"
        and not node["name"]["value"].strip()
    ]
    assert unnamed == []
    loud = page.evaluate(
        """() => [...probe.card("one").querySelectorAll(
            "button, input, select, textarea, summary, [tabindex]")]
          .filter((el) => el.dataset.lmSuppressShortcuts !== "true").map((el) => el.outerHTML)"""
    )
    assert loud == [], "a notebook would take their keys"


@pytest.mark.parametrize("name", MAKE)
def test_each_control_works_by_keyboard_alone(show, name):
    problems = {}
    # What can do nothing at first, such as a step back, can do something in the other order.
    for turn in (1, -1):
        page = show(name)
        probe(page, "open", "one")
        controls = probe(page, "list", "one")
        assert len(controls) >= 2
        for k, (kind, text) in list(enumerate(controls))[::turn]:
            if kind in {"read", "area", "a"} or problems.get((k, text)) == "":
                continue
            found = operate(page, "one", k, kind)
            if found == "gone":  # another one has taken it away
                page = show(name)
                probe(page, "open", "one")
                assert probe(page, "list", "one") == controls
                found = operate(page, "one", k, kind)
            problems[k, text] = found
            if PLAY.match(text):
                page.keyboard.press("Enter")
    assert {key: text for key, text in problems.items() if text} == {}


MODES = [
    (390, "light", "none"),
    (390, "dark", "none"),
    (1280, "dark", "none"),
    (1280, "light", "none"),
    (1280, "light", "active"),
]
# Texts in pictures, by how large they are shown, and targets of a finger.
TOO_SMALL = """() => {
  const some = (selector) => [...probe.card("one").querySelectorAll(selector)]
    .filter((el) => el.checkVisibility());
  const size = (el, { a, b }) => parseFloat(getComputedStyle(el).fontSize) * Math.hypot(a, b);
  const least = (el) => Math.min(...["width", "height"].map((k) => el.getBoundingClientRect()[k]));
  return [
    ...some("svg text").filter((el) => el.textContent.trim() && size(el, el.getScreenCTM()) < 10.9)
      .map((el) => `text of ${size(el, el.getScreenCTM())} px: ${el.textContent}`),
    ...some("button, input, select").filter((el) => !el.closest("label") && least(el) < 23.5)
      .map((el) => `target of ${least(el)} px: ${probe.name(el)}`),
  ];
}"""


@pytest.mark.parametrize("name", MAKE)
def test_accessible_in_each_mode(show, violations, name):
    page = show(name, width=390)
    problems = violations(page)
    probe(page, "open", "one")
    for button in ("Play", "Step", "Forward", "Backward"):
        found = page.locator("#one").get_by_role("button", name=re.compile(rf"^\W*{button}\b"))
        if found.count() and found.first.is_enabled():
            found.first.click()
    for width, theme, forced in MODES:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(forced_colors=forced)
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(100)
        problems += violations(page)
        if page.evaluate("document.scrollingElement.scrollWidth") > width:
            problems.append("scrolls sideways")
        problems += page.evaluate(TOO_SMALL)
        assert problems == [], (width, theme, forced)


def pause(page, milliseconds):
    """Wait by the page's own clock: what it had set for an earlier time has come before."""
    page.evaluate("time => probe.sleep(time)", milliseconds)


def busy(page):
    """Count frames and timers over a while."""
    first = page.evaluate("({ ...probe.counts })")
    pause(page, 350)
    last = page.evaluate("({ ...probe.counts })")
    return sum(last[kind] - first[kind] for kind in first)


def runs(page):
    """Whether something happens; a busy machine may take its time."""
    return any(busy(page) for _ in range(20))


def rests(page):
    """Whether nothing happens any more, once what was under way is done."""
    return any(not busy(page) for _ in range(20))


def play_button(page, label="one"):
    buttons = page.locator(f"#{label} .udl-card button:visible")
    for k in range(buttons.count()):
        if PLAY.match(buttons.nth(k).inner_text()) and buttons.nth(k).is_enabled():
            return buttons.nth(k)
    return None


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
@pytest.mark.parametrize("name", ONE_EACH)
def test_rests_until_played_and_off_screen(show, name, motion):
    page = show(name)
    page.emulate_media(reduced_motion=motion)
    page.reload()
    settle(page, "one")
    pause(page, 150)
    assert rests(page)
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("location.hash") == "", "the address changed before anything was done"
    play = play_button(page)
    if play is None:
        return
    play.click()
    assert runs(page), "does not run"
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    pause(page, 700)  # the last state is still being written
    assert rests(page)
    before = probe(page, "state", "one")
    assert not busy(page)
    assert probe(page, "state", "one") == before
    play.evaluate("button => button.scrollIntoView({ block: 'center' })")
    assert runs(page), "does not run on"
    assert probe(page, "state", "one") != before


def memory(page, session):
    """Give the bytes in use after a collection, and the counts of nodes and listeners."""
    bytes_ = []
    for _ in range(4):  # now and then a collection leaves something to the next one
        session.send("HeapProfiler.collectGarbage")
        usage = session.send("Runtime.getHeapUsage")
        parts = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
        bytes_.append(sum(usage.get(part, 0) for part in parts))
        page.wait_for_timeout(50)
    found = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return min(bytes_), found["Nodes"], found["JSEventListeners"]


# An hour of arrow keys for those that do not run by themselves.
PRESS = """async (times) => {
  const controls = [...probe.card("one").querySelectorAll("[tabindex='0'], input[type=range]")];
  const buttons = [...probe.card("one").querySelectorAll("button")]
    .filter((el) => el.checkVisibility() && /forward|step|next|reset|all/i.test(probe.name(el)));
  for (let k = 0; k < times; k += 1) {
    const el = controls[k % controls.length];
    const key = (k / controls.length) & 1 ? "ArrowLeft" : "ArrowRight";
    if (!el.isConnected) continue;
    if (el.type === "range") {
      el.valueAsNumber += (key === "ArrowLeft" ? -1 : 1) * Number(el.step);
      el.dispatchEvent(new Event("input", { bubbles: true }));
    } else {
      el.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
    if (buttons.length && k % 5 === 0) buttons[(k / 5) % buttons.length].click();
    if (k % 25 === 0) await new Promise((done) => requestAnimationFrame(done));
  }
}"""


# An hour at 60 frames a second may leave 22 MB. What leaks goes on; what a browser keeps for
# itself, such as compiled code, comes in steps with rests between: one rest, and nothing leaks.
FRAMES, LEFT_BY_A_FRAME = 3000, 100


@pytest.mark.parametrize("name", ONE_EACH)
def test_thousands_of_frames_leave_no_memory_behind(show, name):
    page = show(f"{name}-small")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.emulate_media(reduced_motion="no-preference")
    page.reload()
    settle(page, "one")
    page.evaluate("probe.hurry()")
    play = play_button(page)

    def go_on(frames):
        if play is None:
            page.evaluate(PRESS, frames)
            return
        target = page.evaluate("probe.counts.frames") + frames
        while (count := page.evaluate("probe.counts.frames")) < target:
            page.wait_for_timeout(50)
            # What has come to its end starts over.
            if page.evaluate("probe.counts.frames") == count:
                reset = page.locator("#one").get_by_role("button", name=re.compile("^reset", re.I))
                reset.first.click()
                play_button(page).click()

    if play is not None:
        play.click()
    go_on(1000)
    found = [memory(page, session)]
    allowed, rested = (LEFT_BY_A_FRAME * FRAMES, 100, 20), [False] * 3
    for _ in range(3):
        go_on(FRAMES)
        found.append(memory(page, session))
        growth = [after - before for before, after in zip(*found[-2:], strict=True)]
        rested = [
            rest or more <= most for rest, more, most in zip(rested, growth, allowed, strict=True)
        ]
        if all(rested):
            return
    pytest.fail(f"bytes, nodes, listeners grow on and on: {found}", pytrace=False)


def written_state(page, label="one"):
    """Use some controls, and give the state that then stands in the address."""
    controls = probe(page, "list", label)
    for kinds in ({"select"}, {"handle", "slider", "text"}):
        usable = [k for k, (kind, _) in enumerate(controls) if kind in kinds]
        for k in usable[:6]:
            if probe(page, "focus", label, k):
                page.keyboard.press("ArrowDown" if controls[k][0] == "select" else "ArrowUp")
    pause(page, 700)
    return page.evaluate("location.hash")


# As if the page had been opened by another link.
AGAIN = """async (hash) => {
  history.replaceState(null, "", hash);
  const box = document.getElementById("one");
  const { render } = await import(`/_static/udl/${box.dataset.module}.mjs`);
  const el = document.createElement("div");
  box.lastElementChild.replaceWith(el);
  render({ el, props: JSON.parse(box.querySelector("script").textContent) });
  await new Promise((done) => setTimeout(done, 20));
}"""


def restored(page):
    """Give what the controls hold, without what is a way to look and no part of the state."""
    found = page.evaluate(
        """[...probe.card("one").querySelectorAll("input, select, [role=slider]")]
          .filter((el) => el.checkVisibility()).map((el) =>
            [probe.name(el), el.getAttribute("aria-valuetext") ?? el.value, el.checked])"""
    )
    views = re.compile("Speed|Weights of|from |bias")
    return [control for control in found if not views.match(control[0])]


@pytest.mark.parametrize("name", MAKE)
def test_link_restores_the_state_and_what_is_malformed_is_said(show, name):
    page = show(name)
    hash = written_state(page)
    assert hash.startswith("#one:"), "no state in the address"

    other = show(name, hash=hash)
    assert restored(other) == restored(page)

    keys = [pair.split("=")[0] for pair in hash.removeprefix("#one:").split("&")]
    garbage = ["NaN", "1e999", "-1e308", "%E0%A4%A", "<img src=x>", "9" * 3000, ",,,", "💥"]
    states = [
        *("&".join(f"{key}={value}" for key in keys) for value in garbage),
        *(f"{key}={garbage[k % len(garbage)]}" for k, key in enumerate(keys)),
        "constructor=1&__proto__=2&toString=3",
        "nonsense",
        "%",
    ]
    silent = []
    for text in states:
        page.evaluate(AGAIN, f"#one:{text}")
        if "ignored" not in probe(page, "said", "one").lower():
            silent.append(text[:60])
        assert probe(page, "slips", "one") == [], text[:60]
        assert page.locator("#one .udl-card img").count() == 0
    assert silent == [], "ignored without a word"


ABSURD = [
    "",
    "abc",
    "1e999",
    "-1e300",
    "1e300",
    "0",
    "-0",
    "1e-320",
    "١",
    "9" * 400,
    "<b>1</b>",
    "=1+1",
]


@pytest.mark.parametrize("name", MAKE)
def test_absurd_values_are_handled_and_said(show, name):
    page = show(name)
    probe(page, "open", "one")
    controls = probe(page, "list", "one")
    fields = [k for k, (kind, _) in enumerate(controls) if kind == "text"]
    # A form of ten fields alike is tried at its ends.
    for k in fields[:4] + fields[4:][-3:]:
        for text in ABSURD:
            if not probe(page, "focus", "one", k):
                break
            page.keyboard.press("ControlOrMeta+A")
            page.keyboard.insert_text(text)
            page.keyboard.press("Enter")
            if text in {"", "abc", "1e999", "<b>1</b>"}:
                page.wait_for_timeout(30)
                invalid = page.evaluate("document.activeElement.getAttribute('aria-invalid')")
                assert invalid == "true" or probe(page, "said", "one"), (controls[k], text)
            assert probe(page, "slips", "one") == [], (controls[k], text)
    for k in [k for k, (kind, _) in enumerate(controls) if kind == "area"]:
        for text in ("\x00\x01 💥,,,\n1,2\n<script>", "1e999,NaN,7\n" * 50, "x" * 20_000):
            if not probe(page, "focus", "one", k):
                break
            page.evaluate("t => { document.activeElement.value = t; }", text)
            scope = page.locator("#one textarea:visible").first.locator(
                "xpath=ancestor::details[1]"
            )
            before = probe(page, "said", "one")
            scope.locator("button:visible").first.click()
            page.wait_for_timeout(50)
            assert probe(page, "said", "one"), text[:20]
            assert before or probe(page, "said", "one") != before
    # From one end of each slider to the other, then let it run.
    for end in ("End", "Home"):
        for k in [k for k, (kind, _) in enumerate(controls) if kind == "slider"]:
            if probe(page, "focus", "one", k):
                page.keyboard.press(end)
        play = play_button(page)
        if play:
            play.click()
            page.wait_for_timeout(400)
            if page.locator("#one button:has-text('Pause'):visible").count():
                page.locator("#one button:has-text('Pause'):visible").first.click()
        assert probe(page, "slips", "one") == []
    text = page.locator("#one .udl-card").inner_text()
    assert "NaN" not in text or probe(page, "said", "one")


@pytest.mark.parametrize("name", ONE_EACH)
def test_two_alike_on_a_page_do_not_interfere(show, name):
    page = show(f"{name}-twice", "two")
    settle(page, "one")
    other = "id => probe.state(id).replace(location.hash, '')"
    before = page.evaluate(other, "two")
    for k, (kind, text) in enumerate(probe(page, "list", "one")):
        if kind in {"slider", "handle", "radio", "select", "checkbox", "button"}:
            operate(page, "one", k, kind)
            if PLAY.match(text):
                page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate(other, "two") == before
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((el) => el.id)")
    assert len(ids) == len(set(ids))


def test_all_on_one_page_in_print_and_without_javascript(show, violations):
    page = show("all", f"w-{ONE_EACH[0]}")
    for name in ONE_EACH:
        settle(page, f"w-{name}")
        assert page.locator(f"#w-{name} .udl-fallback").is_hidden()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((el) => el.id)")
    assert len(ids) == len(set(ids))
    assert violations(page) == []
    page.emulate_media(media="print")
    assert page.locator(".udl-card:visible").count() == 0

    page = show("all", javascript=False)
    assert page.locator(".udl-card").count() == 0
    for name in ONE_EACH:
        fallback = page.locator(f"#w-{name} .udl-fallback")
        assert fallback.is_visible()
        assert "JavaScript" in fallback.inner_text()


CHAOTIC = {
    "relu 8-8-8": {"hidden": [8, 8, 8], "activations": "relu", "alpha": 0.1},
    "tanh 8-8": {"hidden": [8, 8], "activations": "tanh", "alpha": 0.3},
}


@pytest.mark.parametrize("name", CHAOTIC)
def test_engine_in_the_browser_is_the_one_in_python(show, name):
    config = playground.Config(dataset="spiral", noise=0.2, **CHAOTIC[name])
    phi = playground.train_many(config, seeds=[config.seed], epochs=300, every=300).phi[0]
    found = show("playground").evaluate(
        """async (config) => {
          const { createEngine } = await import("/_static/udl/engine.mjs");
          const engine = createEngine(config);
          for (let epoch = 0; epoch < 300; epoch += 1) engine.runEpoch();
          return [engine.epoch, [...new BigInt64Array(engine.phi.slice().buffer)].map(String)];
        }""",
        config.as_dict(),
    )
    # As integers, so that each bit counts, a zero's sign included.
    assert found == [300, [str(bits) for bits in np.asarray(phi, float).view(np.int64)]]


@pytest.mark.book
def test_interactives_of_the_book(book, page_path, open_here, violations):
    labels = [
        attributes["id"]
        for _, attributes in book[page_path].tags
        if attributes.get("data-module", "questions") != "questions"
    ]
    if not labels:
        return
    page = open_here()
    page.evaluate(PROBE)
    problems = []
    for label in labels:
        settle(page, label)
        # Two stops that stand around it, whatever the chapter has there.
        page.evaluate(
            """(label) => ["before", "after"].forEach((side) => {
              const stop = document.createElement("button");
              stop.id = stop.textContent = `${label}-${side}`;
              document.getElementById(label)[side](stop);
            })""",
            label,
        )
        found = walk(page, label, f"{label}-before", f"{label}-after")
        problems += [f"{label}: {problem}" for problem in found]
    page.emulate_media(forced_colors="active")
    problems += violations(page, alike=True, rules=["color-contrast", "link-in-text-block"])
    page.emulate_media(forced_colors="none", media="print")
    problems += ["is in print"] * page.locator(".udl-card:visible").count()
    assert problems == []


def test_program_of_a_run_is_loaded_when_it_is_asked_for(show):
    page = show("playground")
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.get_by_text("This run as a program").click()
    program = page.locator("#one .udl-card pre")
    program.get_by_text("from udl.playground import Config, Engine").wait_for()
    assert asked == ["playground-export.mjs"]


# --- The GPT: its weights come when they are asked for.


def button(page, name):
    return page.locator("#one").get_by_role("button", name=name, exact=True)


def ask(page):
    page.locator("#one").get_by_role("button", name=re.compile("^Load the model")).click()


def wait_for(page, text):
    page.locator("#one [role=status]").get_by_text(text).wait_for()


@pytest.fixture
def unasked(pages, open_page):
    """Give a function that opens the page of the GPT, whose weights nobody has asked for."""

    def start(name="gpt", hash="", **options):
        page = open_page(f"{pages}/{name}.html{hash}", **options)
        page.wait_for_selector("#one .udl-card")
        return page

    return start


def test_weights_are_fetched_once_and_only_when_they_are_asked_for(unasked, violations):
    page = unasked(width=390)
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    pause(page, 300)
    assert rests(page)
    assert [kind for kind, _ in probe(page, "list", "one")] == ["button"]
    size = len(a_gpt("one").file.content)
    assert page.locator("#one button").inner_text() == f"Load the model ({-(-size // 1000)} KB)"
    assert violations(page) == []
    page.emulate_media(media="print")
    assert page.locator("#one .udl-fallback").is_visible()
    page.emulate_media(media="screen")
    assert asked == []
    twice = "button => { button.focus(); button.click(); button.click(); }"
    page.locator("#one button").evaluate(twice)
    wait_for(page, "The model is here")
    assert asked == [a_gpt("one").file.name]
    assert page.evaluate("document.activeElement.textContent") == "Sample 100"
    assert page.evaluate("location.hash") == ""


def damaged(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda route, content: route.abort(), "no connection"),
        (lambda route, content: route.fulfill(status=404), "the server answered 404"),
        (lambda route, content: route.fulfill(body=content[:-7]), "bytes, and"),
        (lambda route, content: route.fulfill(body=damaged(content)), "it is damaged"),
        (lambda route, content: route.fulfill(body="<!doctype html>"), "15 bytes, and"),
    ],
)
def test_weights_that_do_not_come_are_explained_and_can_be_asked_for_again(
    browser, pages, answer, message
):
    content = a_gpt("one").file.content
    context = browser.new_context()
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.route("**/*.bin", lambda route: answer(route, content))
    page.goto(f"{pages}/gpt.html")
    ask(page)
    wait_for(page, f"The model could not be loaded: {'' if message[0] != '1' else 'it has '}")
    assert message in page.locator("#one [role=status]").inner_text()
    page.unroute("**/*.bin")
    ask(page)
    wait_for(page, "The model is here")
    assert errors == []
    context.close()


def test_logits_in_the_browser_are_those_of_torch(show):
    sizes = gpt.preset("page", vocabulary=len(ALPHABET)).to_dict()
    page = show("gpt")
    for choices in (sizes, {"position": "rotary", "norm": "rms", "qk_norm": True, "heads": 1}):
        model, tokenizer = a_model(1, **choices)
        content = export.weights(model, tokenizer)
        rounded = export.read(content).model
        tokens = torch.arange(rounded.config.context)[None] ** 2 % tokenizer.size
        with torch.no_grad():
            expected = rounded(tokens)[0].numpy()
        found = page.evaluate(
            """async ([code, tokens]) => {
              const { read, reader } = await import("/_static/udl/gpt-model.mjs");
              const bytes = Uint8Array.from(atob(code), (character) => character.charCodeAt(0));
              const model = reader(read(bytes.buffer));
              tokens.forEach(model.append);
              return tokens.map((_, t) => [...model.logits(t)]);
            }""",
            [base64.b64encode(content).decode(), tokens[0].tolist()],
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def written(page):
    return page.locator("#one .udl-text").inner_text()


def test_a_seed_gives_a_text_and_undo_takes_it_back(show):
    texts = []
    for seed in ("5", "5", "6"):
        page = show("gpt")
        assert written(page) == PROMPT
        page.get_by_label("Seed").fill(seed)
        page.keyboard.press("Enter")
        button(page, "Sample 100").click()
        wait_for(page, f"100 characters sampled with seed {seed}.")
        texts.append(written(page))
        assert texts[-1].startswith(PROMPT)
        assert "forgets all but the last half" in page.locator("#one .udl-card").inner_text()
        button(page, "Sample one").click()
        button(page, "Undo").click()
        assert written(page) == texts[-1]
        button(page, "Undo").click()
        wait_for(page, "100 characters taken back.")
        assert written(page) == PROMPT
        button(page, "Undo").click()
        wait_for(page, "nothing to undo")
    assert texts[0] == texts[1] != texts[2]


def test_sampling_streams_and_stops(show):
    page = show("gpt")
    page.emulate_media(reduced_motion="no-preference")
    button(page, "Sample 100").click()
    page.wait_for_function(
        "n => document.querySelector('#one .udl-text').textContent.length > n", arg=len(PROMPT) + 4
    )
    button(page, "Stop").click()
    wait_for(page, "characters sampled")
    text = written(page)
    assert len(PROMPT) + 4 < len(text) < len(PROMPT) + 100
    page.wait_for_timeout(100)
    assert written(page) == text
    pause(page, 700)  # the state is being written
    assert rests(page)


def test_a_prompt_is_read_as_it_is_typed(show):
    page = show("gpt")
    prompt = page.get_by_role("textbox", name=re.compile("^Prompt"))
    prompt.fill("A b\u00e9e💥\\nb")
    alert = page.locator("#one .udl-prompt [role=alert]")
    assert "never seen it: “é”, “💥”." in alert.inner_text()
    assert prompt.get_attribute("aria-invalid") == "true"
    assert written(page) == "A be\nb"
    prompt.fill("💥")
    assert "Write at least one character" in alert.inner_text()
    assert written(page) == "A be\nb"
    prompt.fill("<b")
    assert page.locator("#one .udl-text b").count() == 0
    assert written(page) == "b"
    prompt.fill("Abc")
    assert alert.inner_text() == ""
    bars = page.locator("#one ul button")
    assert bars.count() == 12
    shares = [float(bars.nth(k).inner_text().split()[-1].strip("<%")) for k in range(12)]
    assert shares == sorted(shares, reverse=True)
    rest = page.locator("#one ul div").inner_text().split()
    assert int(rest[0]) == len(ALPHABET) - 12
    assert sum(shares) + float(rest[-1].strip("<%")) == pytest.approx(100, abs=1)
    bars.nth(2).hover()
    assert "at temperature 1; logit" in page.locator("#one").inner_text()
    first = bars.nth(2).inner_text().split()[0]
    bars.nth(2).click()
    assert written(page) == f"Abc{first}".replace("↵", "\n").replace("␣", " ")
    page.get_by_label("Top k").fill("1")
    assert [bars.nth(k).inner_text().split()[-1] for k in (0, 1)] == ["100.0%", "0.0%"]


def test_the_head_that_looks_back_most_is_noticed(show):
    model, tokenizer = a_model()
    rounded = export.read(export.weights(model, tokenizer)).model
    maps = gpt.attention_maps(rounded, torch.tensor([tokenizer.encode(PROMPT)]))[:, 0]
    back = maps.diagonal(-1, dim1=-2, dim2=-1).mean(-1).flatten()  # (L H,)
    page = show("gpt")
    heads = page.locator("#one input[type=radio]")
    assert heads.count() == len(back)
    status = page.locator("#one [role=status]")
    assert heads.nth(int(back.argmin())).is_checked()
    for k in [*back.argsort().tolist()]:
        heads.nth(k).check()
        share = f"Over all rows, {100 * back[k]:.0f}% goes to the character before."
        assert share in page.locator("#one").inner_text()
        assert ("Found:" in status.inner_text()) == (k == int(back.argmax()))
    # The row of the last character, in numbers.
    row = maps.flatten(0, 1)[int(back.argmax()), -1]
    label = page.locator("#one .udl-seen").get_attribute("aria-label")
    assert f"{100 * row.max():.0f}% to" in label


def test_in_a_frame_the_weights_are_at_hand(browser, tmp_path):
    (tmp_path / "frame.html").write_text(
        f"<!DOCTYPE html><title>t</title>{a_gpt('one').frame()}", encoding="utf-8"
    )
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "frame.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name=re.compile("^Load the model")).click()
    frame.get_by_text("The model is here").wait_for()
    frame.get_by_role("button", name="Sample one").click()
    frame.get_by_text(re.compile("had .*%")).first.wait_for()
    assert [url for url in asked[1:] if not url.startswith(("about:", "data:"))] == []
    context.close()


@pytest.mark.book
def test_weights_of_the_book_are_files(book):
    for document in book.values():
        text = document.path.read_text(encoding="utf-8")
        assert "data-file=" not in text
        for name, size, digest in re.findall(
            r'"file":\{"name":"([\w.-]+)","bytes":(\d+),"sha256":"(\w+)"', text
        ):
            root = next(up for up in document.path.parents if (up / "_static").is_dir())
            content = (root / "_static" / "udl" / name).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (int(size), digest)
            assert len(content) <= 450_000
