// What the interactives share: elements, controls with names, handles that keys can move, canvases
// that follow the theme, a loop that sleeps off screen, state in the URL.

const STYLE = `
.udl-card { --ink: var(--udl-ink, #1b1f24); --muted: var(--udl-muted, #5b6470);
  --grid: var(--udl-grid, #d5d9df); --paper: var(--udl-paper, #ffffff);
  --panel: var(--udl-panel, #f4f6f8); --blue: var(--udl-blue, #0072b2);
  --orange: var(--udl-orange, #c85200); --green: var(--udl-green, #008a64);
  --purple: var(--udl-purple, #a0468a); --gold: var(--udl-gold, #a87400);
  --good: var(--udl-good, #00694c); --bad: var(--udl-bad, #a33f00);
  --edge: var(--udl-edge, #6b7280); --focus: var(--udl-focus, #0059b8); }
html[data-theme=dark] .udl-card { --ink: var(--udl-ink, #e6e9ee); --muted: var(--udl-muted, #a9b2be);
  --grid: var(--udl-grid, #3d4650); --paper: var(--udl-paper, #14181e);
  --panel: var(--udl-panel, #20262d); --blue: var(--udl-blue, #5ab6ea);
  --orange: var(--udl-orange, #f5955a); --green: var(--udl-green, #3fcaa3);
  --purple: var(--udl-purple, #de90c8); --gold: var(--udl-gold, #e3b84e);
  --good: var(--udl-good, #5fd7b4); --bad: var(--udl-bad, #ffa97a);
  --edge: var(--udl-edge, #9aa3b0); --focus: var(--udl-focus, #8cc2ff); }
.udl-card { margin: 1.25rem 0; padding: .9rem 1rem; border: 1px solid var(--edge);
  border-radius: .5rem; background: var(--paper); color: var(--ink); font-size: .9375rem;
  line-height: 1.45; min-width: 0; overflow-wrap: anywhere; }
.udl-card * { box-sizing: border-box; }
.udl-card [hidden] { display: none !important; }
.udl-card .udl-kept { white-space: nowrap; }
.udl-card .udl-title { margin: 0 0 .25rem; font-size: 1.05em; font-weight: 600; }
.udl-card .udl-task { margin: 0 0 .6rem; }
.udl-card .udl-row { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem .6rem;
  margin: .4rem 0; }
.udl-card .udl-grid { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.udl-card .udl-grid > * { min-width: 0; }
.udl-card .udl-panel-title { margin: 0 0 .25rem; font-size: .875em; font-weight: 600;
  color: var(--muted); }
.udl-card :is(button, select, input[type=text], textarea) { font: inherit; color: inherit;
  background: var(--paper); border: 1px solid var(--edge); border-radius: .3rem;
  min-height: 2.1rem; padding: .2rem .6rem; max-width: 100%; }
.udl-card button { cursor: pointer; }
.udl-card button:hover { background: var(--panel); }
.udl-card button[aria-pressed=true] { background: var(--ink); color: var(--paper);
  border-color: var(--ink); }
.udl-card button:disabled { opacity: .55; cursor: default; }
.udl-card label { display: inline-flex; align-items: center; gap: .4rem; }
.udl-card .udl-slider { display: grid; grid-template-columns: 1fr auto; gap: 0 .5rem;
  flex: 1 1 11rem; min-width: 0; }
.udl-card .udl-slider input { grid-column: 1 / -1; width: 100%; min-height: 1.5rem; margin: 0;
  accent-color: var(--focus); }
.udl-card .udl-slider output { color: var(--muted); font-variant-numeric: tabular-nums; }
.udl-card .udl-number input { width: 6rem; }
.udl-card .udl-number [role=alert] { margin-left: .4rem; color: var(--bad); font-size: .875em; }
.udl-card input[type=checkbox] { width: 1.15rem; height: 1.15rem; accent-color: var(--focus); }
.udl-card label:has(> input[type=checkbox]) { min-height: 1.5rem; }
.udl-card :focus { outline: none; }
.udl-card :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.udl-card .udl-status { min-height: 1.45em; margin: .5rem 0 0; }
.udl-card .udl-status.udl-good { color: var(--good); font-weight: 600; }
.udl-card .udl-status.udl-bad { color: var(--bad); font-weight: 600; }
.udl-card svg { display: block; max-width: 100%; height: auto; font-family: inherit; }
.udl-card svg text { fill: var(--ink); stroke: none; }
.udl-card canvas { display: block; max-width: 100%; }
.udl-card .udl-handle { cursor: grab; touch-action: none; }
.udl-card .udl-handle .udl-reach { fill: transparent; stroke: none; }
.udl-card .udl-handle .udl-dot { stroke: var(--paper); stroke-width: 2; }
.udl-card .udl-handle:focus-visible { outline: none; }
.udl-card .udl-handle:focus-visible .udl-dot { stroke: var(--focus); stroke-width: 4; }
.udl-card table { width: auto; max-width: 100%; margin: .4rem 0; border-collapse: collapse;
  font-size: .875em; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.udl-card caption { text-align: left; color: var(--muted); caption-side: top; }
.udl-card :is(th, td) { padding: .15rem .5rem; border-bottom: 1px solid var(--grid);
  text-align: right; }
.udl-card :is(th, td):first-child { text-align: left; }
.udl-card .udl-scroll { overflow-x: auto; }
.udl-card summary { cursor: pointer; min-height: 1.5rem; }
.udl-card pre { overflow-x: auto; background: var(--panel); padding: .5rem; font-size: .8125rem; }
@media (max-width: 30rem) { .udl-card { padding: .75rem .6rem; } }
@media print { .udl-card { display: none; }
  .udl-widget:has(.udl-card) > .udl-fallback { display: block !important; } }
@media (forced-colors: active) {
  .udl-card svg, .udl-card canvas { forced-color-adjust: none; background: var(--paper); }
  .udl-card button[aria-pressed=true] { forced-color-adjust: none; background: Highlight;
    color: HighlightText; }
}
`;

// JupyterLab takes keys for its commands unless the focused element itself says no.
export const QUIET = { "data-lm-suppress-shortcuts": "true" };

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

export function style(id, css) {
  if (!document.getElementById(id)) document.head.append(make("style", { id }, css));
}

// Text that Python has escaped and marked up.
export function html(text) {
  return document.createRange().createContextualFragment(text);
}

let count = 0;
const fresh = (prefix) => `udl-${prefix}-${(count += 1)}`;

export function card({ el, label, title, task = "", children = [] }) {
  style("udl-kit", STYLE);
  const section = make("section", { class: "udl-card", "aria-label": title, "data-label": label },
    make("p", { class: "udl-title" }, title),
    ...(task ? [make("p", { class: "udl-task" }, html(task))] : []),
    ...children);
  el.replaceChildren(section);
  return section;
}

export const row = (...children) => make("div", { class: "udl-row" }, ...children);
export const grid = (...children) => make("div", { class: "udl-grid" }, ...children);
export const panel = (title, ...children) =>
  make("div", { class: "udl-panel" }, make("p", { class: "udl-panel-title" }, title), ...children);

export function button(text, onClick, attributes = {}) {
  const element = make("button", { type: "button", ...QUIET, ...attributes }, text);
  element.addEventListener("click", onClick);
  return element;
}

export function toggle(text, pressed, onChange) {
  const element = button(text, () => {
    const now = element.getAttribute("aria-pressed") !== "true";
    element.setAttribute("aria-pressed", now);
    onChange(now);
  }, { "aria-pressed": String(pressed) });
  return element;
}

export function slider({ label, min, max, step, value, show: text = String, onInput }) {
  const id = fresh("slider");
  const input = make("input", { type: "range", id, min, max, step, value, ...QUIET });
  const output = make("output", { for: id });
  const say = () => {
    output.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    say();
    onInput(Number(input.value));
  });
  say();
  return {
    el: make("div", { class: "udl-slider" }, make("label", { for: id }, label), output, input),
    get value() { return Number(input.value); },
    set value(next) { input.value = next; say(); },
    set disabled(off) { input.disabled = off; },
  };
}

export function select({ label, options, value, onChange }) {
  const input = make("select", { ...QUIET },
    ...options.map(([key, text]) => make("option", { value: key }, text)));
  input.value = value;
  input.addEventListener("change", () => onChange(input.value));
  return {
    el: make("label", { class: "udl-select" }, make("span", {}, label), input),
    get value() { return input.value; },
    set value(next) { input.value = next; },
    set disabled(off) { input.disabled = off; },
  };
}

export function checkbox({ label, checked, onChange }) {
  const input = make("input", { type: "checkbox", checked, ...QUIET });
  input.addEventListener("change", () => onChange(input.checked));
  return {
    el: make("label", {}, input, make("span", {}, label)),
    get checked() { return input.checked; },
    set checked(next) { input.checked = next; },
  };
}

export function number({ label, value, min = -Infinity, max = Infinity, step = null, onChange }) {
  const complaint = make("span", { role: "alert", id: fresh("alert") });
  const input = make("input", { type: "text", inputmode: "decimal", autocomplete: "off",
    spellcheck: "false", "aria-describedby": complaint.id, ...QUIET });
  const ask = step === 1 ? "Write a whole number." : "Write a number, such as 0.25.";
  const wrong = (text) => {
    complaint.textContent = text;
    input.setAttribute("aria-invalid", text !== "");
  };
  const read = () => {
    if (input.value === seen) return; // Enter, and then the field is left
    seen = input.value;
    if (/^\D?[1-9]\d{0,2}(,\d{3})+$/.test(seen.trim())) return wrong("Write the number without a comma.");
    const text = seen.trim().replace(/[−–]/g, "-").replace(",", ".");
    const next = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
    if (!Number.isFinite(next)) return wrong(ask);
    if (next < min || next > max) return wrong(`Write a number from ${show(min)} to ${show(max)}.`);
    if (step && Math.abs(next / step - Math.round(next / step)) > 1e-9) {
      return wrong(step === 1 ? ask : `Write a multiple of ${step}.`);
    }
    wrong("");
    last = next;
    onChange(next);
  };
  let last = value;
  let seen = String(value);
  input.value = value;
  input.addEventListener("change", read);
  input.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter") read();
    if (!by || !step) return;
    event.preventDefault();
    read();
    input.value = Number(Math.min(max, Math.max(min, last + by * step)).toPrecision(12));
    read();
  });
  return {
    el: make("div", { class: "udl-number" },
      make("label", {}, make("span", {}, label), input), complaint),
    get value() { return last; },
    set value(next) { last = next; seen = String(next); input.value = next; wrong(""); },
    set disabled(off) { input.disabled = off; },
  };
}

export function status() {
  const element = make("p", { class: "udl-status", role: "status" });
  return {
    el: element,
    say(text, tone = "") {
      element.className = `udl-status${tone && ` udl-${tone}`}`;
      if (element.textContent !== text) element.textContent = text;
    },
  };
}

// A point in an SVG that the pointer drags and the arrow keys move.
export function handle({ label, at, value, move, drag, color = "var(--orange)" }) {
  const group = svg("g", { class: "udl-handle", tabindex: "0", role: "slider", "aria-label": label,
    "aria-valuenow": "0", ...QUIET },
  svg("circle", { class: "udl-reach", r: 16 }),
  svg("circle", { class: "udl-dot", r: 7, fill: color }));
  const spot = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(group.ownerSVGElement.getScreenCTM().inverse());
    return [x, y];
  };
  let held = [0, 0]; // from where it was taken to its middle, so that it does not jump
  group.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    group.focus({ preventScroll: true });
    group.setPointerCapture(event.pointerId);
    const taken = spot(event);
    held = at().map((middle, j) => middle - taken[j]);
  });
  group.addEventListener("pointermove", (event) => {
    if (!group.hasPointerCapture(event.pointerId)) return;
    const [x, y] = spot(event);
    drag(x + held[0], y + held[1]);
  });
  // Inside an SVG, Chromium takes no notice of touch-action, and would scroll the page.
  group.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  group.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...by, event.shiftKey);
  });
  group.update = () => {
    const [x, y] = at();
    group.setAttribute("transform", `translate(${x} ${y})`);
    group.setAttribute("aria-valuetext", value());
  };
  group.update();
  return group;
}

const NAMES = ["ink", "muted", "grid", "paper", "panel", "blue", "orange", "green", "purple", "gold",
  "good", "bad"];

// The palette as it is now. `el` must stand in a card.
export function colors(el) {
  const css = getComputedStyle(el.closest(".udl-card"));
  const probe = Object.fromEntries(NAMES.map((name) => [name, css.getPropertyValue(`--${name}`).trim()]));
  const found = Object.fromEntries(NAMES.map((name) => [name, rgb(probe[name])]));
  return { ...found, css: (name) => probe[name] };
}

const rgb = (color) => {
  const digits = /^#(?:([\da-f]{6})|([\da-f]{3}))$/i.exec(color);
  if (!digits) return color.match(/[\d.]+/g).slice(0, 3).map(Number);
  const six = digits[1] ?? [...digits[2]].map((digit) => digit + digit).join("");
  return [0, 2, 4].map((from) => parseInt(six.slice(from, from + 2), 16));
};

export function onTheme(el, callback) {
  const watch = new MutationObserver(callback);
  watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const forced = matchMedia("(forced-colors: active)");
  forced.addEventListener("change", callback);
  return () => {
    watch.disconnect();
    forced.removeEventListener("change", callback);
  };
}

export function canvas(width, height, description) {
  const element = make("canvas", { role: "img", "aria-label": description });
  const context = element.getContext("2d");
  const size = (wide, high) => {
    const scale = Math.min(globalThis.devicePixelRatio || 1, 2);
    element.width = Math.round(wide * scale);
    element.height = Math.round(high * scale);
    element.style.width = `${wide}px`;
    element.style.height = `${high}px`;
    context.setTransform(scale, 0, 0, scale, 0, 0);
  };
  size(width, height);
  return {
    el: element, context, size,
    describe: (text) => element.setAttribute("aria-label", text),
  };
}

// Calls `frame` on each screen refresh, and sleeps while `el` is off screen or the tab is hidden.
export function loop(el, frame) {
  let wanted = false;
  let visible = false;
  let request = 0;
  const tick = (time) => {
    request = 0;
    if (!wanted || !el.isConnected) return;
    frame(time);
    wake();
  };
  const wake = () => {
    if (wanted && visible && !document.hidden && !request) request = requestAnimationFrame(tick);
  };
  const sleep = () => {
    if (request) cancelAnimationFrame(request);
    request = 0;
  };
  const look = () => (visible && !document.hidden ? wake() : sleep());
  new IntersectionObserver((entries) => {
    visible = entries.at(-1).isIntersecting;
    look();
  }).observe(el);
  document.addEventListener("visibilitychange", look);
  return {
    start() { wanted = true; wake(); },
    stop() { wanted = false; sleep(); },
    get running() { return wanted; },
  };
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function table(caption, head, rows) {
  return make("table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map(([first, ...rest]) => make("tr", {},
      make("th", { scope: "row" }, String(first)),
      ...rest.map((cell) => make("td", {}, String(cell)))))));
}

export function details(summary, ...children) {
  return make("details", {}, make("summary", { ...QUIET }, summary), ...children);
}

// A number for people: no "-0", a real minus sign, an exponent where digits would be lost.
export function show(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "undefined" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text;
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    text = value.toExponential(Math.max(0, digits - 1)).replace("e+", "e");
  } else {
    text = String(Number(value.toPrecision(digits)));
    if (size >= 10 ** digits) text = String(Math.round(value));
  }
  return text === "0" || text === "-0" ? "0" : text.replaceAll("-", "−");
}

// State stands behind the "#" as label:key=value&key=value, so that a link restores it.
export function readState(label) {
  const hash = frameless() ? location.hash.slice(1) : "";
  const given = hash.startsWith(`${label}:`);
  const values = Object.create(null);
  if (given) {
    for (const [key, value] of new URLSearchParams(hash.slice(label.length + 1))) values[key] = value;
  }
  return { values, given };
}

const stateText = (label, state) => {
  const pairs = Object.entries(state).filter(([, value]) => value !== undefined && value !== null);
  return `#${label}:${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]))}`;
};

// Browsers limit how often an address may change, so only the last state of a while is written.
// If the reader has gone elsewhere meanwhile, the address stays theirs.
let pending = null;
// In the slides view the address names the slide.
export function writeState(label, state) {
  if (!frameless() || /^#slides(:|$)/.test(location.hash)) return;
  if (pending === null) {
    const before = location.hash;
    setTimeout(() => {
      const text = pending;
      pending = null;
      if (location.hash === before) history.replaceState(history.state, "", text);
    }, 400);
  }
  pending = stateText(label, state);
}

export function linkTo(label, state) {
  return frameless() ? location.href.split("#")[0] + stateText(label, state) : "";
}

// In a notebook the frame has no address of its own.
const frameless = () => location.protocol.startsWith("http") || location.protocol === "file:";

export async function clipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
