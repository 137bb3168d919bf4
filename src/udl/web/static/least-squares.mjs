// A line through points beside its place on the loss surface. Either can be dragged; an optimizer
// can walk. Minimum, edges and limits come from udl in props; the walk follows udl.optim.

import {
  button, card, details, grid, handle, loop, make, number, panel, readState, row, select, show,
  slider, status, still, style, svg, table, toggle, writeState,
} from "./kit.mjs";

const NAMES = { gd: "gradient descent", sgd: "SGD", momentum: "momentum", adam: "Adam" };
const FORMULAS = { right: "right", printed: "as printed", both: "both" };
export const MOST = 3000;

// --- Arithmetic -----------------------------------------------------------------------------------

export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Gives one batch after the other. Each epoch uses every row once, in a new order.
export function batches(I, size, seed) {
  const random = mulberry32(seed);
  const order = Array.from({ length: I }, (_, i) => i);
  let at = I;
  return () => {
    if (at >= I) {
      for (let i = I - 1; i > 0; i -= 1) {
        const j = Math.floor(random() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
      at = 0;
    }
    at += size;
    return order.slice(at - size, at);
  };
}

export function loss({ x, y, mean }, [intercept, slope]) {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += (intercept + slope * x[i] - y[i]) ** 2;
  return mean ? sum / x.length : sum;
}

export function gradient({ x, y, mean }, [intercept, slope], rows = x.keys()) {
  let [first, second, count] = [0, 0, 0];
  for (const i of rows) {
    const residual = intercept + slope * x[i] - y[i];
    first += residual;
    second += x[i] * residual;
    count += 1;
  }
  const scale = mean ? 2 / count : 2;
  return [scale * first, scale * second];
}

// One rule takes phi and the gradient g there, and gives the next phi. `printed` is the version on
// ELTE's slides: it steps with the average of the step before, and its Adam corrects m with the
// decay rate of v.
export function rule(name, { alpha, beta, gamma, epsilon, printed = false }) {
  let [m, v, t, ready] = [[0, 0], [0, 0], 0, [0, 0]];
  const blend = (old, decay, fresh) => old.map((a, j) => decay * a + (1 - decay) * fresh[j]);
  if (name === "momentum") {
    return (phi, g) => {
      const before = m;
      m = blend(m, beta, g);
      const used = printed ? before : m;
      return phi.map((p, j) => p - alpha * used[j]);
    };
  }
  if (name === "adam") {
    return (phi, g) => {
      t += 1;
      m = blend(m, beta, g);
      v = blend(v, gamma, g.map((slope) => slope * slope));
      const before = ready;
      ready = m.map((a) => a / (1 - (printed ? gamma : beta) ** t));
      const used = printed ? before : ready;
      return phi.map((p, j) =>
        p - (alpha * used[j]) / (Math.sqrt(v[j] / (1 - gamma ** t)) + epsilon));
    };
  }
  return (phi, g) => phi.map((p, j) => p - alpha * g[j]);
}

// A run from a start. It ends where the loss passes `limit`, or is no number any more.
export function createRun(problem, settings, start, limit = Infinity) {
  const step = rule(settings.optimizer, settings);
  const draw = settings.optimizer === "sgd"
    ? batches(problem.x.length, settings.batch, settings.seed) : () => undefined;
  const run = {
    path: [start], losses: [loss(problem, start)], diverged: false,
    get phi() { return run.path.at(-1); },
    get loss() { return run.losses.at(-1); },
    get steps() { return run.path.length - 1; },
    advance() {
      if (run.diverged || run.steps >= MOST) return false;
      const next = step(run.phi, gradient(problem, run.phi, draw()));
      const value = loss(problem, next);
      // The negation is true of NaN, too.
      run.diverged = !(value <= limit) || !next.every(Number.isFinite);
      if (!next.every(Number.isFinite)) return false;
      run.path.push(next);
      run.losses.push(value);
      return true;
    },
  };
  return run;
}

// The contour where the loss is `rise` above its minimum: an ellipse, exactly, as points on it.
export function ellipse([c0, c1], [[a, b], [, d]], rise, count = 96) {
  const radius = Math.sqrt(2 * rise);
  const l0 = Math.sqrt(a);
  const l1 = Math.sqrt(d - (b * b) / a);
  return Array.from({ length: count }, (_, k) => {
    const angle = (2 * Math.PI * k) / count;
    const e1 = (radius * Math.sin(angle)) / l1;
    return [c0 + (radius * Math.cos(angle) - (b / l0) * e1) / l0, c1 + e1];
  });
}

// Round numbers between two limits, about `count` of them, evenly spaced.
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
    found.push(Number((k * step).toPrecision(12)));
  }
  return found;
}

// Losses to draw contours at: the largest few of 1, 2, 5, 10, ... above the smallest loss.
export function levels(least, top, count = 8) {
  const found = [];
  for (let power = Math.floor(Math.log10(top)); found.length < count && power > -300; power -= 1) {
    for (const one of [5, 2, 1]) {
      const level = Number(`${one}e${power}`);
      if (level > top) continue;
      if (level <= least * 1.05 || found.length === count) return found;
      found.push(level);
    }
  }
  return found;
}

// --- State in the address -------------------------------------------------------------------------

// For Adam a rate is a distance, so it begins with a part of the longest one offered.
export const initial = ({ optimizers, edges, rates, slips, x, start }) => ({
  optimizer: optimizers[0] ?? "gd",
  alpha: Number((optimizers[0] === "adam" ? rates[1] / 200 : edges.gd / 4).toPrecision(2)),
  formula: slips ? "both" : "right", batch: Math.min(4, x.length), start, steps: 0,
});

const READERS = {
  o: ["optimizer", (text, props) => (props.optimizers.includes(text) ? text : null)],
  a: ["alpha", (text, { rates: [low, high] }) => within(text, low * 0.999, high * 1.001)],
  b: ["batch", (text, { x }) => whole(within(text, 1, x.length))],
  f: ["formula", (text, { slips }) => (slips && Object.hasOwn(FORMULAS, text) ? text : null)],
  p: ["start", (text, props) => {
    const point = text.split(",").map((part) => within(part, -1e9, 1e9));
    return point.length === 2 && !point.includes(null) ? point : null;
  }],
  t: ["steps", (text) => whole(within(text, 0, MOST))],
};

const within = (text, low, high) => {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
};
const whole = (value) => (Number.isInteger(value) ? value : null);

// Anyone can write an address: what does not fit is left out, and named.
export function parseState(values, props) {
  const state = initial(props);
  const ignored = [];
  for (const [key, text] of Object.entries(values)) {
    const [name, read] = Object.hasOwn(READERS, key) ? READERS[key] : [];
    const value = name ? read(text, props) : null;
    if (value === null) ignored.push(`${key}=${text}`.slice(0, 40));
    else state[name] = value;
  }
  if (!props.optimizers.length) state.steps = 0;
  return { state, ignored };
}

// --- On the page ----------------------------------------------------------------------------------

const STYLE = `
.udl-card .ls-frame { fill: none; stroke: var(--edge); }
.udl-card .ls-tick { font-size: 12px; fill: var(--muted); }
.udl-card .ls-axis { font-size: 12.5px; }
.udl-card .ls-level { font-size: 11.5px; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.udl-card .ls-grid { stroke: var(--grid); }
.udl-card .ls-dots { fill: var(--ink); }
.udl-card .ls-squares { fill: var(--orange); fill-opacity: .16; stroke: var(--orange);
  stroke-opacity: .5; stroke-width: .75; }
.udl-card .ls-residuals { stroke: var(--orange); stroke-width: 1.5; fill: none; }
.udl-card .ls-path { fill: none; stroke: var(--orange); stroke-width: 2; stroke-linejoin: round; }
.udl-card .ls-path.ls-printed { stroke: var(--purple); stroke-dasharray: 6 4; }
.udl-card .ls-path.ls-ghost { stroke: var(--muted); stroke-width: 1.25; }
.udl-card .ls-marks { fill: none; stroke: var(--orange); stroke-width: 5; stroke-linecap: round; }
.udl-card .ls-marks.ls-printed { stroke: var(--purple); }
.udl-card .ls-bottom { stroke: var(--ink); stroke-width: 2; fill: none; }
.udl-card .ls-goals, .udl-card .ls-read { list-style: none; margin: .4rem 0; padding: 0; }
.udl-card .ls-goals li { display: flex; gap: .5rem; }
.udl-card .ls-goals .ls-done { color: var(--good); font-weight: 600; }
.udl-card .ls-read { font-variant-numeric: tabular-nums; }
.udl-card .ls-read svg { display: inline-block; vertical-align: middle; margin-right: .4rem; }
.udl-card .ls-rate { flex: 4 1 15rem; min-width: 0; }
.udl-card .ls-edges { position: relative; height: 1.6rem; font-size: .8125rem; color: var(--muted); }
.udl-card .ls-edges span { position: absolute; white-space: nowrap; top: .35rem; }
.udl-card .ls-edges i { position: absolute; top: -.2rem; height: .6rem;
  border-left: 2px solid currentcolor; }
.udl-card .ls-edges .ls-printed { color: var(--purple); }
.udl-card .ls-edges span.ls-printed { top: 1.4rem; }
.udl-card .ls-edges:has(.ls-printed) { height: 2.8rem; }
`;

const [WIDE, HIGH] = [340, 300];
const BOX = { left: 52, right: WIDE - 12, top: 10, bottom: HIGH - 46 };

// A drawing with axes. Layers are clipped to the box; handles go on top.
function axes({ id, label, x, y, names }) {
  const scale = ([low, high], from, to) => ({
    to: (value) => from + ((value - low) / (high - low)) * (to - from),
    from: (place) => low + ((place - from) / (to - from)) * (high - low),
  });
  const [across, up] = [scale(x, BOX.left, BOX.right), scale(y, BOX.bottom, BOX.top)];
  const layer = svg("g", { "clip-path": `url(#${id})` });
  const box = { x: BOX.left, y: BOX.top, width: BOX.right - BOX.left, height: BOX.bottom - BOX.top };
  const text = (className, content, attributes) => svg("text", { class: className, ...attributes }, content);
  const el = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH,
    style: "width: 100%", role: "group", "aria-label": label },
  svg("clipPath", { id }, svg("rect", box)), layer, svg("rect", { ...box, class: "ls-frame" }),
  svg("g", { "aria-hidden": "true" },
    ...ticks(...x).map((v) => text("ls-tick", show(v), { x: across.to(v), y: BOX.bottom + 16,
      "text-anchor": "middle" })),
    ...ticks(...y).map((v) => text("ls-tick", show(v), { x: BOX.left - 6, y: up.to(v) + 4,
      "text-anchor": "end" })),
    text("ls-axis", names[0], { x: (BOX.left + BOX.right) / 2, y: HIGH - 8, "text-anchor": "middle" }),
    text("ls-axis", names[1], { transform: `translate(13 ${(BOX.top + BOX.bottom) / 2}) rotate(-90)`,
      "text-anchor": "middle" })));
  // Numbers far outside upset renderers, and nothing of them would show.
  const bound = (place) => Math.max(-9999, Math.min(9999, place));
  return {
    el, layer,
    at: ([a, b]) => [bound(across.to(a)), bound(up.to(b))],
    from: (px, py) => [across.from(px), up.from(py)],
    inside: ([px, py]) => [Math.max(BOX.left, Math.min(BOX.right, px)),
      Math.max(BOX.top, Math.min(BOX.bottom, py))],
    grid: () => ticks(...x).map((v) => `M${across.to(v)} ${BOX.top}V${BOX.bottom}`)
      .concat(ticks(...y).map((v) => `M${BOX.left} ${up.to(v)}H${BOX.right}`)).join(""),
  };
}

const padded = (values, share) => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = share * (high - low || 1);
  return [low - pad, high + pad];
};
const trace = (points) =>
  points.map(([a, b], k) => `${k ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
// Zero-length strokes with round ends are dots.
const dots = (points) => points.map(([a, b]) => `M${a.toFixed(1)} ${b.toFixed(1)}h0`).join("");
const limits = ([low, high], value) => Math.max(low, Math.min(high, value));

export function render({ el, props }) {
  style("udl-least-squares", STYLE);
  const { label, names, minimum, least, edges, view, optimizers, slips } = props;
  const unit = (name) => (names[name] ? ` (${names[name]})` : "");
  const of = (value, name, digits = 3) => `${show(value, digits)}${names[name] ? ` ${names[name]}` : ""}`;
  const { values, given } = readState(label);
  const { state, ignored } = parseState(values, props);
  const corners = view[0].flatMap((a) => view[1].map((b) => loss(props, [a, b])));
  const top = Math.max(...corners);
  const done = new Set();
  let squares = true;
  let ghost = [];
  let main;
  let side;

  // Runs. The line on show is that of the main one; a printed one may walk beside it.
  const hasSlip = () => slips && ["momentum", "adam"].includes(state.optimizer);
  const shown = () => (hasSlip() ? state.formula : "right");
  const create = (printed) => createRun(props,
    { ...props, ...state, printed }, state.start, 1e4 * Math.max(top, loss(props, state.start)));
  const restart = () => {
    main = create(shown() === "printed");
    side = shown() === "both" ? create(true) : null;
  };
  restart();

  // Left: points, line, residuals.
  const middle = props.x.reduce((sum, value) => sum + value, 0) / props.x.length;
  const xs = padded(props.x, 0.08);
  const end = Math.max(...props.x);
  // The first line shows, too, if it is not far away.
  const room = padded(props.y, 1);
  const ys = padded([...props.y, ...[Math.min(...props.x), end]
    .map((x) => limits(room, props.start[0] + props.start[1] * x))], 0.12);
  const data = axes({ id: `${label}-clip-data`, label: "Points and line", x: xs, y: ys,
    names: [names.x, names.y] });
  const area = svg("path", { class: "ls-squares" });
  const misses = svg("path", { class: "ls-residuals" });
  const line = svg("path", { class: "ls-path" });
  const printedLine = svg("path", { class: "ls-path ls-printed" });
  data.layer.append(svg("path", { class: "ls-grid", d: data.grid() }), area, misses, printedLine, line,
    ...props.x.map((x, i) => {
      const [cx, cy] = data.at([x, props.y[i]]);
      return svg("circle", { class: "ls-dots", cx, cy, r: 3.5 });
    }));
  const value = (x, phi = main.phi) => phi[0] + phi[1] * x;
  // The line through two heights, in the middle and at the end. `still` keeps the height there.
  const heights = (inMiddle, atEnd) => {
    const slope = (atEnd - inMiddle) / (end - middle);
    take([inMiddle - slope * middle, slope]);
  };
  const nudge = (ys[1] - ys[0]) / 400;
  const lift = (to) => {
    const height = limits(ys, to);
    heights(height, height + main.phi[1] * (end - middle));
  };
  const tilt = (to) => heights(value(middle), limits(ys, to));
  const along = (dx, dy, big) => (dx || dy) * (big ? 20 : 1);
  const center = handle({
    label: `Height of the line in the middle of the points${unit("intercept")}`,
    at: () => data.inside(data.at([middle, value(middle)])),
    value: () => `${of(value(middle), "intercept")}, loss ${show(main.loss, 4)}`,
    move: (dx, dy, big) => lift(value(middle) + along(dx, dy, big) * nudge),
    drag: (px, py) => lift(data.from(px, py)[1]),
  });
  const tip = handle({
    label: `Slope of the line, at its right end${unit("slope")}`,
    at: () => data.inside(data.at([end, value(end)])),
    value: () => `slope ${of(main.phi[1], "slope")}, loss ${show(main.loss, 4)}`,
    move: (dx, dy, big) => tilt(value(end) + along(dx, dy, big) * nudge),
    drag: (px, py) => tilt(data.from(px, py)[1]),
  });
  data.el.append(center, tip);

  // Right: the surface from above.
  const surface = axes({ id: `${label}-clip-surface`, label: "Loss surface, with contours",
    x: view[0], y: view[1], names: [`intercept φ₀${unit("intercept")}`, `slope φ₁${unit("slope")}`] });
  const rings = levels(least, top);
  const shade = (k) =>
    `fill: color-mix(in srgb, var(--blue) ${28 - (28 * k) / (rings.length || 1)}%, var(--paper))`;
  surface.layer.append(svg("rect", { x: 0, y: 0, width: WIDE, height: HIGH, style: shade(0) }),
    ...rings.map((level, k) => svg("path", { d: `${trace(ellipse(minimum, props.hessian, level - least)
      .map(surface.at))}Z`, style: `${shade(k + 1)}; stroke: var(--muted); stroke-width: .75` })));
  // A contour is labeled where it is highest, if that shows and no other label is near.
  const labels = [];
  for (const level of rings) {
    const place = ellipse(minimum, props.hessian, level - least).map(surface.at)
      .reduce((best, one) => (one[1] < best[1] ? one : best));
    const [px, py] = surface.inside(place);
    const free = labels.every(([a, b]) => Math.hypot(a - px, b - py) > 26);
    if (px !== place[0] || py !== place[1] || py < BOX.top + 10 || !free) continue;
    labels.push(place);
    surface.layer.append(svg("text", { class: "ls-level", "aria-hidden": "true", x: px, y: py + 4,
      "text-anchor": "middle" }, show(level)));
  }
  const trails = Object.fromEntries(["ghost", "printed", "main"].map((name) =>
    [name, svg("path", { class: `ls-path ls-${name}` })]));
  const marks = Object.fromEntries(["printed", "main"].map((name) =>
    [name, svg("path", { class: `ls-marks ls-${name}` })]));
  const [bx, by] = surface.at(minimum);
  surface.layer.append(svg("path", { class: "ls-bottom", d: `M${bx - 6} ${by}h12M${bx} ${by - 6}v12` }),
    trails.ghost, trails.printed, marks.printed, trails.main, marks.main);
  const fine = view.map(([low, high]) => (high - low) / 400);
  const ball = handle({
    label: "Point on the loss surface",
    at: () => surface.inside(surface.at(main.phi)),
    value: () => `intercept ${of(main.phi[0], "intercept")}, slope ${of(main.phi[1], "slope")}, `
      + `loss ${show(main.loss, 4)}`,
    move: (dx, dy, big) => take([dx, dy].map((by, j) =>
      limits(view[j], main.phi[j] + by * fine[j] * (big ? 20 : 1)))),
    drag: (px, py) => take(surface.from(...surface.inside([px, py]))),
  });
  surface.el.append(ball);

  // Words.
  const told = status();
  const reading = make("ul", { class: "ls-read" });
  const rateWords = make("p", { class: "udl-task" });
  const history = make("div", { class: "udl-scroll" });
  const numbers = details(optimizers.length ? "Numbers of the last steps" : "Numbers", history);
  numbers.addEventListener("toggle", () => draw());
  const goal = {
    drag: `Drag until the loss is ${show(props.within, 4)} or less.`,
    edge: "With gradient descent and at least 95% of the edge, get to a loss of "
      + `${show(props.within, 4)} or less.`,
    race: `From the start at φ = (${props.start.map((v) => show(v)).join(", ")}), get to a loss of `
      + `${show(props.within, 4)} or less in at most ${props.race} steps.`,
    still: "Take a first step as printed. How far does it go?",
    leap: "Take steps of Adam as printed, until one is ten times too long.",
  };
  const items = props.goals.map((name) => {
    const box = make("span", { "aria-hidden": "true" }, "☐");
    const note = make("span", {}, goal[name]);
    return [name, box, make("li", {}, box, note), note];
  });
  const reach = (name, text) => {
    if (!props.goals.includes(name) || done.has(name)) return false;
    done.add(name);
    const [, box, item, note] = items.find(([one]) => one === name);
    box.textContent = "✓";
    item.className = "ls-done";
    note.textContent = `${goal[name]} Done.`;
    told.say(`✓ ${text}`, "good");
    return true;
  };

  const swatch = (className) => svg("svg",
    { width: 26, height: 8, viewBox: "0 0 26 8", "aria-hidden": "true" },
    svg("path", { class: `ls-path ${className}`, d: "M0 4H26" }));
  const item = (className, name, run) => make("li", {}, swatch(className),
    `${name}φ = (${of(run.phi[0], "intercept")}, ${of(run.phi[1], "slope")}), `
    + `loss ${of(run.loss, "square", 4)}${run.diverged ? ": diverged" : ""}`);

  function draw() {
    const from = [xs[0], value(xs[0])];
    const to = [xs[1], value(xs[1])];
    line.setAttribute("d", trace([from, to].map(data.at)));
    printedLine.setAttribute("d", side
      ? trace(xs.map((x) => data.at([x, value(x, side.phi)]))) : "");
    const ends = props.x.map((x, i) => [data.at([x, props.y[i]]), data.at([x, value(x)])]);
    misses.setAttribute("d", ends.map(trace).join(""));
    area.setAttribute("d", squares ? ends.map(([[px, py], [, qy]]) => {
      const size = Math.abs(qy - py);
      return `M${px} ${py}V${qy}h${px + size > BOX.right && px - size > BOX.left ? -size : size}V${py}Z`;
    }).join("") : "");
    trails.ghost.setAttribute("d", trace(ghost.map(surface.at)));
    for (const [name, run] of [["main", main], ["printed", side]]) {
      const path = run ? run.path.map(surface.at) : [];
      trails[name].setAttribute("d", trace(path));
      marks[name].setAttribute("d", dots(path.slice(0, 60)));
    }
    const alone = shown() === "printed";
    for (const one of [trails.main, marks.main, line]) one.classList.toggle("ls-printed", alone);
    [center, tip, ball].forEach((one) => one.update());
    const lead = (optimizers.length ? `Step ${main.steps}: ` : "")
      + (side ? "right formula, " : alone ? "as printed, " : "");
    reading.replaceChildren(
      item(alone ? "ls-printed" : "", lead, main),
      ...(side ? [item("ls-printed", "As printed, ", side)] : []),
      make("li", {}, `Smallest possible loss: ${of(least, "square", 4)}, at the cross. `
        + `The loss is the ${names.loss}.`));
    if (numbers.open) {
      const first = Math.max(0, main.steps - 9);
      const head = ["step", `φ₀${unit("intercept")}`, `φ₁${unit("slope")}`, "loss"];
      const rows = main.path.slice(first).map((phi, k) =>
        [first + k, ...[...phi, main.losses[first + k]].map((value) => show(value, 5))]);
      if (side) {
        head.push("loss as printed");
        rows.forEach((cells, k) =>
          cells.push(first + k <= side.steps ? show(side.losses[first + k], 5) : "–"));
      }
      history.replaceChildren(table("Parameters and loss", head, rows));
    }
  }
  const save = () => writeState(label, { ...(optimizers.length && {
    o: state.optimizer, a: Number(state.alpha.toPrecision(6)), b: state.batch,
    f: slips ? state.formula : null, t: main.steps }),
  p: state.start.map((v) => Number(v.toPrecision(9))).join(",") });

  // Dragging begins a new run where the point is.
  function take(phi) {
    pause();
    state.start = phi;
    ghost = [];
    restart();
    draw();
    save();
    if (main.loss <= props.within) {
      reach("drag", `Loss ${show(main.loss, 4)}: within 1% of the smallest, found by dragging.`);
    }
  }

  // Walking.
  const edge = () => edges[shown() === "printed" ? "printed" : state.optimizer];
  const percent = (share) => (share >= 10 ? `${show(share, 2)} times`
    : `${show(100 * share, Math.abs(share - 1) < 0.05 ? 4 : 2)}% of`);
  const rateText = () => {
    const { alpha, optimizer } = state;
    const begin = `α = ${show(alpha)}`;
    if (optimizer === "adam") {
      return `${begin}. Adam divides by the size of the gradient, so α is about how far a step moves `
        + "each parameter. It has no edge of this kind.";
    }
    const name = { gd: "edge", sgd: "edge for the full batch", momentum: "edge of momentum" }[optimizer];
    const right = `${percent(alpha / edges[optimizer])} the ${name}, ${show(edges[optimizer], 4)}`;
    const printed = `${percent(alpha / edges.printed)} the edge as printed, ${show(edges.printed, 4)}`;
    return `${begin}: ${{ right, printed, both: `${right}, and ${printed}` }[shown()]}.`;
  };
  const why = (run, printed) => {
    const { alpha, optimizer } = state;
    const name = `${printed ? "as printed, " : ""}${NAMES[optimizer]}`;
    const begin = `${name[0].toUpperCase()}${name.slice(1)} diverged in step ${run.steps}: `
      + `loss ${show(run.loss, 4)}.`;
    if (optimizer === "adam") return `${begin} Take a smaller rate than ${show(alpha)}.`;
    const bound = edges[printed ? "printed" : optimizer];
    if (alpha >= bound) {
      return `${begin} The rate ${show(alpha)} is above the edge ${show(bound, 4)}, so across the valley `
        + "the error grows. Take a smaller rate.";
    }
    return optimizer !== "sgd" ? begin : `${begin} The rate ${show(alpha)} is below the edge `
      + `${show(bound, 4)}, but that is the edge for the full batch, and the loss of a small batch can be `
      + "steeper. Take a smaller rate or a larger batch.";
  };
  const outside = (run) => run.phi.some((v, j) => v < view[j][0] || v > view[j][1]);

  // Takes up to `count` steps. Returns whether there is any use in going on.
  function walk(count) {
    const before = main.steps;
    const printedRun = shown() === "printed" ? main : side;
    const reached = [];
    const home = state.start.every((v, j) => v === props.start[j]);
    for (let k = 0; k < count; k += 1) {
      if (side) side.advance();
      const moved = main.advance();
      if (printedRun && printedRun.steps) {
        const [from, to] = printedRun.path.slice(-2);
        const far = Math.max(...to.map((v, j) => Math.abs(v - from[j])));
        if (printedRun.steps === 1 && far === 0) {
          reached.push(["still", "The first step as printed goes nowhere: it uses the average of the step "
            + "before, and that is zero."]);
        }
        if (state.optimizer === "adam" && far > 10 * state.alpha) {
          reached.push(["leap", `Step ${printedRun.steps} as printed moves a parameter by `
            + `${show(far / state.alpha)} times α.`]);
        }
      }
      if (main.steps && main.loss <= props.within) {
        const found = `Loss ${show(main.loss, 4)} after ${main.steps} steps`;
        const share = state.alpha / edges.gd;
        if (state.optimizer === "gd" && share < 1 && share >= 0.9499) {
          reached.push(["edge", `${found}, with ${percent(share)} the edge.`]);
        }
        if (main.steps <= props.race && home && shown() !== "printed") {
          reached.push(["race", `${found} of ${NAMES[state.optimizer]}.`]);
        }
      }
      if (!moved || main.diverged) break;
    }
    draw();
    save();
    const goals = reached.filter((one) => reach(...one));
    const settled = main.steps > 1 && main.path.at(-1).every((v, j) =>
      Math.abs(v - main.path.at(-2)[j]) <= 1e-9 * (view[j][1] - view[j][0]))
      && main.loss - least <= 1e-6 * (top - least);
    const over = main.diverged || main.steps >= MOST || settled;
    if (main.diverged) told.say(why(main, shown() === "printed"), "bad");
    else if (goals.length) return !over;
    else if (main.steps >= MOST) told.say(`${MOST} steps are the most. Loss ${show(main.loss, 4)}.`);
    else if (settled) told.say(`Settled after ${main.steps} steps, at loss ${show(main.loss, 4)}.`);
    else if (!play.running) {
      const which = main.steps - before === 1 ? `Step ${main.steps}` : `Steps ${before + 1} to ${main.steps}`;
      told.say(`${which}: loss ${show(main.losses[before], 4)} before, ${show(main.loss, 4)} now.`
        + `${side?.diverged && side.steps > before ? ` ${why(side, true)}` : ""}`
        + `${outside(main) ? " The point is outside of the picture." : ""}`);
    }
    return !over;
  }
  let due = 0;
  const play = loop(el, (time) => {
    if (time < due) return;
    due = time + (still() ? 450 : 70);
    // Late steps are short: take more of them at once.
    if (!walk(still() ? 5 : 1 + Math.floor(main.steps / 60))) stop();
  });
  const playButton = button("Play", () => {
    if (play.running) {
      pause();
      told.say(`Paused at step ${main.steps}: loss ${show(main.loss, 4)}.`);
    } else if (walk(1)) {
      told.say(`Walking with ${NAMES[state.optimizer]}, α = ${show(state.alpha)}.`);
      playButton.textContent = "Pause";
      play.start();
    }
  });
  function stop() {
    play.stop();
    playButton.textContent = "Play";
  }
  function pause() {
    if (play.running) stop();
  }
  const walkOn = (count) => () => {
    pause();
    walk(count);
  };

  // Controls.
  const [low, high] = props.rates;
  const ratio = Math.log(high / low);
  const place = (alpha) => Math.log(alpha / low) / ratio;
  const edgeMarks = make("div", { class: "ls-edges", "aria-hidden": "true" });
  const change = (next) => {
    pause();
    Object.assign(state, next);
    if (main.steps) ghost = main.path;
    restart();
    dress();
    draw();
    save();
  };
  const rate = slider({ label: "Learning rate α", min: 0, max: 600, step: 1,
    value: Math.round(600 * place(state.alpha)), show: () => show(state.alpha), onInput: (at) => {
      change({ alpha: Number((low * Math.exp((ratio * at) / 600)).toPrecision(3)) });
      exact.value = state.alpha;
      rate.value = rate.value;
    } });
  const exact = number({ label: "or type α", value: state.alpha, min: Number((low * 0.999).toPrecision(3)),
    max: Number((high * 1.001).toPrecision(3)), onChange: (alpha) => {
      change({ alpha });
      rate.value = Math.round(600 * place(alpha));
    } });
  const method = select({ label: "Optimizer", options: optimizers.map((name) => [name, NAMES[name]]),
    value: state.optimizer, onChange: (optimizer) => change({ optimizer }) });
  const formula = select({ label: "Formula", options: Object.entries(FORMULAS), value: state.formula,
    onChange: (next) => change({ formula: next }) });
  const batch = slider({ label: "Batch size", min: 1, max: props.x.length, step: 1, value: state.batch,
    onInput: (size) => change({ batch: size }) });

  // What goes with the choice of optimizer and rate.
  function dress() {
    formula.el.hidden = !hasSlip();
    batch.el.hidden = state.optimizer !== "sgd";
    rateWords.textContent = rateText();
    const here = state.optimizer === "adam" ? [] : [
      ...(shown() === "printed" ? [] : [["", "edge", edge()]]),
      ...(shown() === "right" ? [] : [["ls-printed", "edge as printed", edges.printed]])];
    edgeMarks.replaceChildren(...here.flatMap(([className, text, at]) => {
      const share = place(at);
      const left = `left: calc(8px + (100% - 16px) * ${share})`;
      return [make("i", { class: className, style: left }),
        make("span", { class: className, style: `${left}; transform: translateX(${-100 * share}%)` },
          `${text} ${show(at, 4)}`)];
    }));
  }
  const reset = () => {
    pause();
    Object.assign(state, initial(props));
    ghost = [];
    rate.value = Math.round(600 * place(state.alpha));
    exact.value = state.alpha;
    method.value = state.optimizer;
    formula.value = state.formula;
    batch.value = state.batch;
    restart();
    dress();
    draw();
    rate.value = rate.value;
    save();
    told.say("Everything is as at the beginning. Ticks stay.");
  };
  const back = () => {
    pause();
    change({});
    told.say("Back at the start of the run. The last path stays in gray.");
  };

  const walking = optimizers.length ? [
    row(...(optimizers.length > 1 ? [method.el] : []), ...(slips ? [formula.el] : [])),
    row(make("div", { class: "ls-rate" }, rate.el, edgeMarks), exact.el,
      ...(optimizers.includes("sgd") ? [batch.el] : [])), rateWords] : [];
  const buttons = optimizers.length ? [button("Step", walkOn(1)), button("10 steps", walkOn(10)), playButton,
    button("Back to start", back)] : [];
  card({ el, label, title: props.title, task: props.task, children: [
    ...(items.length ? [make("ul", { class: "ls-goals" }, ...items.map(([, , li]) => li))] : []),
    grid(panel("Points and line", data.el), panel("Loss surface", surface.el)),
    reading, ...walking,
    row(...buttons, toggle("Squares", squares, (on) => {
      squares = on;
      draw();
    }), button("Reset", reset)),
    told.el, numbers] });
  dress();
  // A link restores its run, without praise for what it did.
  for (let k = 0; k < state.steps && main.advance(); k += 1) side?.advance();
  draw();
  if (given && ignored.length) told.say(`Ignored in the address: ${ignored.join(", ")}.`, "bad");
}
