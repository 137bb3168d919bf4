// A chapter as slides. The page stays the page: no block of it is moved or copied elsewhere, so
// interactives go on as they were. Each section becomes slides, as many as its blocks need; what is
// not on the slide is hidden, and all marks go when the slides end.

const LONG = 240; // characters: of a longer paragraph the first sentence stands on the slide
const SENTENCE = /[.?!]["”’)]*(?=\s+(?:["“(]?[A-Z]|$))/;
const OWN_KEYS = "input, textarea, select, [contenteditable], [tabindex='0']:not(.bd-article), .udl-widget";
const PAGED = "input[type=range], select, textarea";
const PRESSED = "button, summary, a";
const HASH = /^#slides(:|$)/;
const MARKS = ["sl-off", "sl-crumb", "sl-note", "sl-key", "sl-first"];

const root = document.documentElement;
const article = document.querySelector(".bd-article");
let bar;
let slides = [];
let at = 0;
let undo = [];

const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
const title = (section) => {
  const copy = headOf(section).cloneNode(true);
  copy.querySelector(".headerlink")?.remove();
  return copy.textContent.trim();
};

function insert(element, before) {
  before.before(element);
  undo.push(() => element.remove());
}

// The first sentence of a paragraph, with its formulas and links; null if there is only one.
function firstSentence(paragraph) {
  for (const node of paragraph.childNodes) {
    const match = node.nodeType === Node.TEXT_NODE && SENTENCE.exec(node.data);
    if (!match) continue;
    const end = match.index + match[0].length;
    if (node === paragraph.lastChild && !node.data.slice(end).trim()) return null;
    const range = document.createRange();
    range.setStart(paragraph, 0);
    range.setEnd(node, end);
    const key = make("p", "sl-key");
    key.append(range.cloneContents());
    for (const one of key.querySelectorAll("[id]")) one.removeAttribute("id");
    return key;
  }
  return null;
}

function prepare() {
  for (const paragraph of article.querySelectorAll("section > p, section > :is(ul, ol) > li > p")) {
    if (paragraph.closest(".admonition") || paragraph.textContent.length <= LONG) continue;
    const key = firstSentence(paragraph);
    if (!key) continue;
    insert(key, paragraph);
    paragraph.classList.add("sl-note");
  }
  const start = article.querySelector("section");
  for (const block of start.querySelectorAll(":scope > :is(.covers, .cell)")) block.classList.add("sl-note");
  for (const code of article.querySelectorAll(".cell > .cell_input")) {
    const fold = make("details", "sl-code");
    fold.append(make("summary", "", "Code"));
    code.before(fold);
    fold.append(code);
    undo.push(() => fold.replaceWith(code));
  }
}

const blocksOf = (section) => [...section.children].filter((el) => !/^(H\d|SPAN|SECTION|SCRIPT)$/.test(el.tagName));
const sections = () => [...article.querySelectorAll("section[id]")].filter((el) => !el.closest(".admonition"));

const PICTURE = ".udl-figure, figure img";
const QUESTION = ".udl-widget[data-module='questions']";
const INTERACTIVE = ".udl-widget:not([data-module='questions'])";
const headOf = (section) => section.querySelector("h1, h2, h3, h4, h5, h6");

// How much room a block needs, and how much of it a picture can give away.
function measure(el, screen, k) {
  let { height } = el.getBoundingClientRect();
  const has = (what) => el.matches(what) || el.querySelector(what);
  const picture = height && el.querySelector(PICTURE);
  // Its labels can be read where it is about as wide as the screen is high.
  const shape = picture && (picture.viewBox?.baseVal ?? picture);
  const keep = shape && screen * Math.min(0.76, Math.max(0.45, shape.height / shape.width || 0));
  const give = picture ? Math.max(0, picture.getBoundingClientRect().height - keep) : 0;
  // Filled in, a question is taller than what stands in for it.
  if (height && has(QUESTION) && !el.querySelector(".udl-fallback[hidden]")) height += 0.13 * screen;
  const own = has(INTERACTIVE) ? screen : 0;
  return {
    el, k, picture, give, height: height && Math.max(height + 0.03 * screen - give, own),
    small: el.tagName === "P", interactive: own > 0, apart: el.matches(".exercise, .slide-check") || own > 0,
    // What comes after a question may give the answer away.
    asks: Boolean(has(QUESTION)), belongs: el.matches(".solution"),
  };
}

// Fill slides with the blocks of each section, in order, as far as there is room.
function paginate() {
  for (const el of article.querySelectorAll(".sl-again")) el.remove();
  for (const name of ["sl-off", "sl-crumb", "sl-first"]) {
    for (const el of article.querySelectorAll(`.${name}`)) el.classList.remove(name);
  }
  for (const el of article.querySelectorAll(PICTURE)) el.style.removeProperty("--room");
  root.classList.remove("sl-interactive");
  const { paddingTop, paddingBottom } = getComputedStyle(article);
  const screen = 0.98 * (article.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom));
  const all = sections().map((section) => {
    const head = headOf(section);
    const above = head.getBoundingClientRect().height + parseFloat(getComputedStyle(head).marginBottom);
    const crumb = section.parentElement.closest("section") === article.querySelector("section") ? 0 : 0.05;
    const blocks = blocksOf(section).map((el, k) => measure(el, screen, k));
    return { section, blocks, room: screen * (1 - crumb) - above };
  });
  slides = [];
  for (const { section, blocks, room } of all) {
    const own = [];
    let now = [];
    let left = room;
    const end = (next) => {
      own.push({ section, blocks: now, left });
      now = next;
      left = next.reduce((rest, { height }) => rest - height, room);
    };
    for (const block of blocks) {
      const shown = now.filter(({ height }) => height);
      const asked = shown.some(({ asks }) => asks) && !block.belongs && !block.asks;
      const apart = block.apart && shown.some(({ small }) => !small);
      const after = shown.some(({ interactive }) => interactive);
      if (block.height && shown.length && (block.height > left || apart || asked || after)) {
        // The words that announce a formula, a figure or an interactive go with it.
        let from = now.length;
        const words = block.small ? -1 : now.findLastIndex(({ height }) => height);
        const tight = (block.picture || block.interactive) && now[words]?.height + block.height > room;
        if (!tight && words > now.findIndex(({ height }) => height) && now[words].small) from = words;
        end(now.splice(from));
      }
      now.push(block);
      left -= block.height;
    }
    end([]);
    own.forEach((slide, k) => {
      slide.first = slide.blocks[0]?.k ?? 0;
      const pictures = slide.blocks.filter(({ picture }) => picture);
      for (const { picture, give } of pictures) {
        const height = picture.getBoundingClientRect().height - give;
        picture.style.setProperty("--room", `${Math.floor(height + Math.max(0, slide.left) / pictures.length)}px`);
      }
      if (k) slide.blocks[0].el.before(make("p", "sl-again sl-first", title(section)));
      else headOf(section).classList.add("sl-first");
    });
    slides.push(...own);
  }
}

function find(id, first) {
  const own = slides.filter((slide) => slide.section.id === id);
  return Math.max(0, slides.indexOf(own.findLast((slide) => slide.first <= Number(first)) ?? own[0]));
}

function text(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return ""; // no UTF-8
  }
}
const place = () => find(...text(location.hash).split(":").slice(1));

function go(number) {
  at = Math.min(Math.max(number, 0), slides.length - 1);
  const { section, blocks, first } = slides[at];
  const on = new Set(blocks.map(({ el }) => el));
  for (let up = section; up !== article; up = up.parentElement) {
    on.add(up);
    const head = headOf(up);
    on.add(head);
    head.classList.toggle("sl-crumb", up !== section);
  }
  for (const one of sections()) {
    for (const el of [one, ...one.children]) el.classList.toggle("sl-off", !on.has(el));
  }
  root.classList.toggle("sl-interactive", blocks.some(({ interactive }) => interactive));
  const name = title(section);
  bar.querySelector("output").textContent = `${at + 1} / ${slides.length}`;
  bar.querySelector(".sl-title").textContent = name;
  article.setAttribute("aria-label", `Slide ${at + 1} of ${slides.length}: ${name}`);
  bar.style.setProperty("--part", (at + 1) / slides.length);
  const [back, next] = bar.querySelectorAll("button");
  back.setAttribute("aria-disabled", at === 0);
  next.setAttribute("aria-disabled", at === slides.length - 1);
  history.replaceState(null, "", `#slides:${section.id}:${first}`);
  article.scrollTop = 0;
  if (!bar.contains(document.activeElement)) article.focus({ preventScroll: true });
}

// Move within a slide that is taller than the screen; false at its end.
function scroll(step) {
  const before = article.scrollTop;
  article.scrollBy({ top: step * article.clientHeight * 0.8, behavior: "instant" });
  return Math.abs(article.scrollTop - before) > 1;
}

const forth = (share = 1) => scroll(share) || go(at + 1);
const back = (share = 1) => scroll(-share) || go(at - 1);
const KEYS = {
  ArrowRight: () => go(at + 1),
  ArrowLeft: () => go(at - 1),
  ArrowDown: () => forth(0.2),
  ArrowUp: () => back(0.2),
  PageDown: () => forth(),
  PageUp: () => back(),
  " ": (event) => (event.shiftKey ? back() : forth()),
  Home: () => go(0),
  End: () => go(slides.length - 1),
  Escape: () => close(),
  n: () => notes(),
};

function onKey(event) {
  const { key, target } = event;
  const inside = target.closest?.(OWN_KEYS);
  if (!KEYS[key] || event.ctrlKey || event.altKey || event.metaKey) return;
  // The theme takes Escape for its search field, also when that is closed.
  if (event.defaultPrevented && (inside || key !== "Escape")) return;
  if (document.querySelector("dialog[open]")) return;
  const leaves = inside && key === "Escape";
  if (inside && !leaves && (!key.startsWith("Page") || target.matches(PAGED))) return;
  if (target.closest?.(PRESSED) && key === " ") return;
  event.preventDefault();
  if (leaves) article.focus({ preventScroll: true });
  else KEYS[key](event);
}

function notes() {
  bar.querySelector("[aria-pressed]").setAttribute("aria-pressed", root.classList.toggle("sl-notes"));
}

let finger;
const onDown = (event) => {
  const inside = event.target.closest("pre, table, .udl-widget, input, .math");
  finger = event.pointerType === "mouse" || inside ? null : event;
};
const onUp = (event) => {
  if (finger?.pointerId !== event.pointerId) return;
  const across = event.clientX - finger.clientX;
  if (Math.abs(across) > 50 && Math.abs(across) > 2 * Math.abs(event.clientY - finger.clientY)) go(at - Math.sign(across));
};

let timer;
const onResize = () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (!bar) return;
    const { section, first } = slides[at];
    fit();
    go(find(section.id, first));
  }, 150);
};
// A printed page has the size of the screen, so that it holds what the slide holds.
function fit() {
  document.getElementById("sl-paper").textContent = `@page { size: ${innerWidth}px ${innerHeight}px; margin: 0 }`;
  paginate();
}
let theme;
const onPrint = ({ type }) => {
  if (type === "beforeprint") theme = root.dataset.theme;
  root.dataset.theme = type === "beforeprint" ? "light" : theme;
};
// A link within the chapter leads to the slide that holds its target.
function onClick(event) {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.ctrlKey) return;
  const target = document.getElementById(text(link.hash));
  const held = slides.findIndex(({ blocks }) => blocks.some(({ el }) => el.contains(target)));
  const own = slides.findIndex(({ section }) => section === target?.closest("section"));
  const number = held < 0 ? own : held;
  if (number < 0) return;
  event.preventDefault();
  history.pushState(null, "", location.hash);
  go(number);
  target.scrollIntoView({ block: "nearest" });
}
// Gone back, or to what is on no slide.
function onHash() {
  if (HASH.test(location.hash)) return;
  close(true);
  const target = document.getElementById(text(location.hash));
  target?.scrollIntoView();
  target?.focus();
}

const LISTENERS = [
  [document, "keydown", onKey],
  [article, "click", onClick],
  [article, "pointerdown", onDown],
  [article, "pointerup", onUp],
  [window, "resize", onResize],
  [window, "beforeprint", onPrint],
  [window, "afterprint", onPrint],
  [window, "hashchange", onHash],
];

function button(label, text, action, key) {
  const made = make("button", "", text);
  made.type = "button";
  made.title = `${label} (${key})`;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  return made;
}

async function open() {
  // Who opens the slides in the middle of a chapter goes on there.
  const seen = scrollY > innerHeight && sections().findLast((el) => el.getBoundingClientRect().top < innerHeight / 2);
  bar = make("nav", "sl-bar");
  bar.setAttribute("aria-label", "Slides");
  const style = Object.assign(make("link", ""), { rel: "stylesheet", href: new URL("slides.css", import.meta.url).href });
  const paper = Object.assign(make("style", ""), { id: "sl-paper" });
  await new Promise((done) => {
    style.onload = style.onerror = done;
    document.head.append(style, paper);
  });
  const note = button("Notes", "Notes", notes, "n");
  note.setAttribute("aria-pressed", false);
  const count = make("output", "");
  bar.append(
    button("Previous slide", "‹", KEYS.ArrowLeft, "←"),
    count,
    button("Next slide", "›", KEYS.ArrowRight, "→"),
    make("span", "sl-title"),
    note,
    button("End the slides", "✕", KEYS.Escape, "Esc"),
  );
  document.body.append(bar);
  article.tabIndex = 0;
  undo = [style, paper, bar].map((el) => () => el.remove());
  prepare();
  await document.fonts.ready;
  fit();
  for (const [where, event, listener] of LISTENERS) where.addEventListener(event, listener);
  return seen;
}

function close(left) {
  for (const [where, event, listener] of LISTENERS) where.removeEventListener(event, listener);
  for (const step of undo.reverse()) step();
  for (const el of article.querySelectorAll(".sl-again")) el.remove();
  for (const name of MARKS) for (const el of article.querySelectorAll(`.${name}`)) el.classList.remove(name);
  for (const el of article.querySelectorAll(PICTURE)) el.style.removeProperty("--room");
  root.classList.remove("sl-notes", "sl-interactive");
  for (const name of ["tabindex", "aria-label"]) article.removeAttribute(name);
  bar = undefined;
  if (left === true) return;
  const { section } = slides[at];
  history.replaceState(null, "", `#${section.id}`);
  section.scrollIntoView({ behavior: "instant" });
  document.querySelector(".btn-slides")?.focus({ preventScroll: true });
}

let opening;
export async function show() {
  if (bar) return opening || go(place());
  opening = true;
  const seen = await open();
  opening = false;
  if (!HASH.test(location.hash)) return close(true); // the reader has gone back meanwhile
  go(seen && location.hash === "#slides" ? find(seen.id, 0) : place());
}
