// Which exercises the reader has done: kept in this browser, sent nowhere. A mark is set by hand
// or by a right reply. The page of all exercises counts, saves to a file, reads one, and clears.

const KEY = "udl-progress";
const VERSION = 1;
const NEWER = "This progress was saved by a newer version of this book. Reload the page, and try again.";
const WRONG = "This file holds no progress of this book. Choose one that was saved here.";

// The text of a file, or of the browser's storage, as {label: day}.
export function parse(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error(WRONG);
  }
  const done = data?.book === KEY && data.done;
  if (!done || typeof done !== "object") throw new Error(WRONG);
  if (data.version > VERSION) throw new Error(NEWER);
  const valid = ([label, day]) => /^ex-[\w-]+$/.test(label) &&
    typeof day === "string" && /^\d{4}-\d\d-\d\d$/.test(day);
  return Object.fromEntries(Object.entries(done).filter(valid));
}

export const write = (done) => JSON.stringify({ book: KEY, version: VERSION, done });

// Both, each with its earlier day.
export function merge(one, other) {
  const all = { ...one };
  for (const [label, day] of Object.entries(other)) {
    if (!(all[label] <= day)) all[label] = day;
  }
  return all;
}

// What is kept; without storage, what was marked since the page was opened.
let memory = {};
let keeps = true;

function load() {
  if (!keeps) return memory;
  try {
    const text = localStorage.getItem(KEY);
    try {
      memory = text ? parse(text) : {};
    } catch { // something else is kept there: put it aside
      localStorage.setItem(`${KEY}-old`, text);
    }
  } catch { // nothing can be kept
    keeps = false;
  }
  return memory;
}

function save(done) {
  memory = done;
  try {
    localStorage.setItem(KEY, write(done));
  } catch {
    keeps = false;
  }
  document.dispatchEvent(new Event(KEY));
}

function mark(label, done) {
  const { [label]: day, ...others } = load();
  save(done ? { ...others, [label]: day ?? new Date().toISOString().slice(0, 10) } : others);
}

export function start() {
  load();
  const shown = [];
  for (const box of document.querySelectorAll(".exercise[id]")) shown.push(beside(box));
  const panel = document.getElementById(KEY);
  if (panel) shown.push(overview(panel));
  const show = () => shown.forEach((update) => update());
  document.addEventListener(KEY, show);
  addEventListener("storage", () => { load(); show(); }); // another page has changed it
  addEventListener("pageshow", () => { load(); show(); }); // as has the way back to this one
  show();
}

// A check box in the title of an exercise. Its questions, once all are right, set it, unless the
// exercise asks for code, too.
function beside(box) {
  const title = box.querySelector(".admonition-title");
  if (!title) return () => {};
  const code = title.querySelector(".checked-by")?.textContent.includes("code");
  const input = make("input", { type: "checkbox",
    "aria-label": `Done: ${(title.querySelector(".caption-number") ?? title).textContent.trim()}` });
  input.addEventListener("change", () => mark(box.id, input.checked));
  const said = make("span");
  title.append(make("label", { className: "udl-done" }, input, said));

  const open = new Set();
  for (let next = box.nextElementSibling; next; next = next.nextElementSibling) {
    if (next.matches(".exercise, section")) break;
    if (next.matches(".solution")) continue;
    next.querySelectorAll('[data-module="questions"]').forEach((question) => {
      open.add(question);
      question.addEventListener("udl-right", () => {
        open.delete(question);
        if (!open.size && !code) mark(box.id, true);
      });
    });
  }
  return () => {
    input.checked = box.id in memory;
    said.textContent = keeps ? " Done" : " Done (not kept: this browser stores nothing)";
  };
}

function overview(panel) {
  const chapters = [];
  for (const row of document.querySelectorAll(".exercise-list tbody tr")) {
    const cell = row.lastElementChild;
    const label = row.querySelector("a")?.hash.slice(1);
    if (label) chapters.at(-1)?.rows.push({ label, cell });
    else chapters.push({ cell, rows: [] });
  }
  const count = make("strong");
  const said = make("p", { role: "status" });
  const file = make("input", { type: "file", accept: ".json,application/json", hidden: true });
  const button = (text, act) => {
    const made = make("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  };
  file.addEventListener("change", async () => {
    try {
      const found = parse(await file.files[0].text());
      save(merge(load(), found));
      said.textContent = `Read: ${Object.keys(found).length} exercises are marked in the file.`;
    } catch (error) {
      said.textContent = error.message;
    }
    file.value = "";
  });
  panel.replaceChildren(make("p", {}, count),
    button("Save to a file", () => {
      const href = URL.createObjectURL(new Blob([write(load())], { type: "application/json" }));
      make("a", { href, download: `${KEY}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 1000);
    }),
    button("Read a file", () => file.click()),
    button("Clear", () => {
      if (!confirm("Forget which exercises are done?")) return;
      save({});
      said.textContent = "Nothing is marked any more.";
    }),
    file, said);
  return () => {
    let [done, all] = [0, 0];
    for (const { cell, rows } of chapters) {
      for (const row of rows) row.cell.textContent = row.label in memory ? "✓" : "";
      const own = rows.filter((row) => row.label in memory).length;
      cell.textContent = `${own} of ${rows.length}`;
      done += own;
      all += rows.length;
    }
    count.textContent = `${done} of ${all} exercises done.`;
    if (!keeps) said.textContent = "This browser keeps nothing for this page: save to a file before you leave.";
  };
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
