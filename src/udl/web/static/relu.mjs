// The ReLU explorer: a shallow network in its four steps, or two networks one behind the other.
// Props are made by udl.web._relu_explorer, which has validated them; texts in them are HTML that it has
// escaped.
//
// A network is { theta: [[bias, slope], ...], phi: [bias, weight, ...] }. Regions are counted in
// integers, never with rounded numbers. Each parameter counts as the decimal number that is shown,
// so joints that look equal are equal, and slopes that look as if they cancel do.

import {
  button, card, clipboard, details, grid, handle, html, make, number, panel, QUIET, readState, row,
  select, show, slider, status, style, svg, table, writeState,
} from "./kit.mjs";

const LARGEST = 1000;

// --- Values ------------------------------------------------------------------------------------

export function forward(x, { theta, phi }) {
  const f = theta.map(([bias, slope]) => bias + slope * x);
  const h = f.map((value) => Math.max(0, value));
  const weighted = h.map((value, d) => phi[d + 1] * value);
  return { f, h, weighted, y: phi[0] + weighted.reduce((sum, value) => sum + value, 0) };
}

export function predict(x, networks) {
  return networks.reduce((value, network) => forward(value, network).y, x);
}

// --- Exact regions -----------------------------------------------------------------------------
// A function of pieces: `joints` are fractions [p, q] with q > 0, from left to right; piece r is
// (slope x + intercept) / scale with integers pieces[r] = [slope, intercept]; patterns[r] tells which
// units are active there.

const IDENTITY = { joints: [], pieces: [[1n, 0n]], patterns: [""], scale: 1n };

// Numbers as integers over a common power of ten: [0.25, 3] is { all: [25n, 300n], unit: 100n }.
function decimals(numbers) {
  const parts = numbers.map((value) => {
    const [mantissa, exponent = "0"] = String(value).split("e");
    const [whole, part = ""] = mantissa.split(".");
    return [BigInt(whole + part), part.length - Number(exponent)];
  });
  const places = Math.max(0, ...parts.map(([, shift]) => shift));
  return {
    all: parts.map(([digits, shift]) => digits * 10n ** BigInt(places - shift)),
    unit: 10n ** BigInt(places),
  };
}

const compare = ([a, b], [c, d]) => {
  const difference = a * d - c * b;
  return difference < 0n ? -1 : Number(difference > 0n);
};

// Some point of piece r.
function inner(joints, r) {
  const [left, right] = [joints[r - 1], joints[r]];
  if (left && right) return [left[0] * right[1] + right[0] * left[1], 2n * left[1] * right[1]];
  if (left) return [left[0] + left[1], left[1]];
  return right ? [right[0] - right[1], right[1]] : [0n, 1n];
}

// Put a network behind a function of pieces.
function behind(first, { theta, phi }) {
  const into = decimals(theta.flat());
  const out = decimals(phi);
  const lines = first.pieces.map(([slope, intercept]) => theta.map((_, d) => [
    into.all[2 * d + 1] * slope,
    into.all[2 * d + 1] * intercept + into.all[2 * d] * first.scale,
  ]));
  const crossings = lines.flatMap((units, r) => units
    .filter(([slope]) => slope !== 0n)
    .map(([slope, intercept]) => (slope > 0n ? [-intercept, slope] : [intercept, -slope]))
    .filter((at) => (r === 0 || compare(first.joints[r - 1], at) < 0)
      && (r === first.joints.length || compare(at, first.joints[r]) < 0)));
  const joints = [...first.joints, ...crossings].sort(compare)
    .filter((at, i, all) => i === 0 || compare(all[i - 1], at) !== 0);
  const scale = first.scale * into.unit;
  const pieces = [];
  const patterns = [];
  for (let r = 0, parent = 0; r <= joints.length; r += 1) {
    const old = first.joints[parent];
    if (r > 0 && old && compare(joints[r - 1], old) === 0) parent += 1;
    const [p, q] = inner(joints, r);
    let [slope, intercept, pattern] = [0n, out.all[0] * scale, first.patterns[parent]];
    lines[parent].forEach(([s, i], d) => {
      const active = s * p + i * q > 0n;
      pattern += active ? "1" : "0";
      if (!active) return;
      slope += out.all[d + 1] * s;
      intercept += out.all[d + 1] * i;
    });
    pieces.push([slope, intercept]);
    patterns.push(pattern);
  }
  return { joints, pieces, patterns, scale: scale * out.unit };
}

// Make neighbors with the same function one piece, with the pattern of its leftmost part.
function merged({ joints, pieces, patterns, scale }) {
  const first = pieces.map(([slope], r) => r === 0 || slope !== pieces[r - 1][0]);
  return {
    joints: joints.filter((_, r) => first[r + 1]),
    pieces: pieces.filter((_, r) => first[r]),
    patterns: patterns.filter((_, r) => first[r]),
    scale,
  };
}

// A fraction as the nearest number, also where its integers are beyond the range of numbers.
function ratio(p, q) {
  const size = (value) => value.toString(16).length;
  const cut = BigInt(4 * Math.max(0, Math.max(size(p), size(q)) - 240));
  return Number(p >> cut) / Number(q >> cut) + 0;
}

const rounded = ({ joints, pieces, patterns, scale }) => ({
  joints: joints.map(([p, q]) => ratio(p, q)),
  slope: pieces.map(([slope]) => ratio(slope, scale)),
  intercept: pieces.map(([, intercept]) => ratio(intercept, scale)),
  pattern: patterns,
});

// Activation regions and linear regions of networks one behind the other, as udl.regions.pieces.
export function regions(networks) {
  const exact = networks.reduce(behind, IDENTITY);
  const linear = merged(exact);
  return {
    active: rounded(exact), linear: rounded(linear), count: linear.pieces.length, exact: linear,
  };
}

// All inputs in a range with the output y; `whole` if there is a level piece among them.
export function preimages({ joints, slope, intercept }, y, [low, high]) {
  const found = [];
  let whole = false;
  slope.forEach((s, r) => {
    const left = Math.max(low, joints[r - 1] ?? -Infinity);
    const right = Math.min(high, joints[r] ?? Infinity);
    if (left >= right) return;
    const near = 1e-9 * Math.max(1, Math.abs(y), Math.abs(intercept[r]));
    if (s === 0) {
      whole ||= Math.abs(intercept[r] - y) <= near;
      return;
    }
    const x = (y - intercept[r]) / s;
    const slack = 1e-9 * (high - low);
    if (x < left - slack || x > right + slack) return;
    if (!found.some((other) => Math.abs(other - x) <= 2 * slack)) found.push(x);
  });
  return { found: found.sort((a, b) => a - b), whole };
}

// --- Goals -------------------------------------------------------------------------------------

const highest = ([bias, slope], [low, high]) => Math.max(bias + slope * low, bias + slope * high);

// Whether a goal is reached, and if it nearly is, what is missing.
export function judge(goal, networks, [low, high]) {
  const { count, exact } = regions(networks);
  if (goal === "hat") {
    const { pieces } = exact;
    const signs = pieces.map(([slope]) => (slope > 0n ? "+" : slope < 0n ? "-" : "0")).join("");
    if (signs !== "0+-0") {
      const near = /^.?\+-.?$/.test(signs);
      return { done: false, missing: near ? "A hat is level on both sides, as far as you go." : "" };
    }
    const done = pieces[0][1] === pieces[3][1];
    return { done, missing: done ? "" : "The two level pieces must have the same height." };
  }
  if (count !== goal) return { done: false, missing: "" };
  if (networks.length > 1) return { done: true, missing: "" };
  const [{ theta, phi }] = networks;
  const zero = phi.slice(1).findIndex((weight) => weight === 0);
  if (zero >= 0) return { done: false, missing: `${name("φ", 0, zero + 1)} is zero: that does not count.` };
  const off = theta.findIndex((line) => highest(line, [low, high]) <= 0);
  if (off >= 0) return { done: false, missing: `Unit ${off + 1} is active nowhere in view.` };
  return { done: true, missing: "" };
}

// --- State -------------------------------------------------------------------------------------

// Numbers of a link, or null.
export function parseNumbers(text, length) {
  const parts = String(text).split(",");
  if (parts.length !== length) return null;
  const numbers = parts.map((part) =>
    (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$/i.test(part.trim()) ? Number(part) + 0 : NaN));
  return numbers.every((value) => Math.abs(value) <= LARGEST) ? numbers : null;
}

const KEYS = [["theta", "phi"], ["theta2", "phi2"]];

// Networks of a link in place of the given ones, and the keys that were not understood.
export function restore(values, networks, [low, high]) {
  const known = new Map([["x", 1], ...networks.flatMap(({ theta, phi }, k) =>
    [[KEYS[k][0], 2 * theta.length], [KEYS[k][1], phi.length]])]);
  const read = {};
  const ignored = [];
  for (const [key, text] of Object.entries(values)) {
    const numbers = known.has(key) ? parseNumbers(text, known.get(key)) : null;
    if (!known.has(key)) {
      ignored.push(`${key.slice(0, 20)} (unknown)`);
    } else if (key === "x" ? !numbers || numbers[0] < low || numbers[0] > high : !numbers) {
      ignored.push(key === "x" ? `x (expected a number from ${show(low)} to ${show(high)})`
        : `${key} (expected ${known.get(key)} numbers from −${LARGEST} to ${LARGEST})`);
    } else {
      read[key] = numbers;
    }
  }
  const restored = networks.map(({ theta, phi }, k) => {
    const numbers = read[KEYS[k][0]] ?? theta.flat();
    return {
      theta: theta.map((_, d) => numbers.slice(2 * d, 2 * d + 2)),
      phi: [...(read[KEYS[k][1]] ?? phi)],
    };
  });
  return { networks: restored, x: read.x ? read.x[0] : null, ignored };
}

const copy = (networks) =>
  networks.map(({ theta, phi }) => ({ theta: theta.map((line) => [...line]), phi: [...phi] }));

// Few digits, so that what is dragged stays a short decimal number.
const tidy = (value) =>
  Number(Math.min(LARGEST, Math.max(-LARGEST, Number.isFinite(value) ? value : 0)).toFixed(9)) + 0;

// Steps of a drag: about a hundred over a range.
export function stepOf(range) {
  const rough = range / 100;
  const power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  return tidy(power * [1, 2.5, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)));
}

const snap = (value, step) => tidy(Math.round(value / step) * step);

// --- Names -------------------------------------------------------------------------------------

const low = (digits) => [...String(digits)].map((digit) => "₀₁₂₃₄₅₆"[digit]).join("");
const name = (letter, k, digits) => `${letter}${k ? "′" : ""}${low(digits)}`;
const several = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// --- The page ----------------------------------------------------------------------------------

const UNITS = ["orange", "green", "purple", "gold", "ink", "muted"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "14 4", "5 2"];
const PASSES = ["blue", "orange", "green", "purple", "gold", "ink", "bad"];
const WIDE = 320;
const LEFT = 44;
const RIGHT = 10;
const TOP = 10;
const DOTS = { "stroke-dasharray": "1 4" };

const CSS = `
.udl-relu { container-type: inline-size; }
.udl-relu svg text { font-size: 12.5px; }
.udl-relu .udl-number-in { fill: var(--paper); font-size: 11px; font-weight: 700; pointer-events: none; }
.udl-relu .udl-handle.udl-open .udl-dot { fill: var(--paper); stroke: var(--tone); stroke-width: 3; }
.udl-relu .udl-open .udl-number-in { fill: var(--ink); }
.udl-relu svg .udl-halo { paint-order: stroke; stroke: var(--paper); stroke-width: 6px;
  stroke-linejoin: round; }
.udl-relu .udl-count { margin: .5rem 0 0; font-size: 1.05em; }
.udl-relu .udl-note { margin: .15rem 0; }
.udl-relu .udl-legend svg { display: inline-block; vertical-align: middle; }
.udl-relu .udl-number input { width: 5.2rem; }
.udl-relu .udl-number label { gap: .25rem; }
.udl-relu .udl-hint { margin: .3rem 0; padding-left: .7rem; border-left: 3px solid var(--edge); }
@container (min-width: 36rem) {
  .udl-relu .udl-deep > :nth-child(3) { order: 2; }
  .udl-relu .udl-deep > :nth-child(4) { order: 1; }
}
`;

export function render({ el, props }) {
  style("udl-relu", CSS);
  const deep = props.networks.length > 1;
  const { xRange, label } = props;
  const xStep = stepOf(xRange[1] - xRange[0]);
  const state = readState(label);
  const restored = restore(state.values, props.networks, xRange);
  let networks = restored.networks;
  let x = restored.x ?? snap(xRange[0] + 0.2 * (xRange[1] - xRange[0]), xStep);
  let found = null;     // what the regions were found to be
  let pivots = [];      // where lines turn: their joints; kept while a slope is zero
  let views = null;     // ranges of the panels

  const plots = deep ? deepPlots(label) : shallowPlots(label, networks[0].theta.length);
  const all = Object.values(plots);

  // --- Ranges: fixed while something is dragged, so that the picture does not move under the hand.
  const fit = (given) => {
    views = deep ? deepViews(given) : shallowViews(given);
    for (const [key, plot] of Object.entries(plots)) plot.view(...views[key]);
  };
  const shallowViews = (given) => {
    const [network] = networks;
    const runs = inside(regions(networks).active.joints, xRange).map((at) => forward(at, network));
    const lines = padded([0, ...runs.flatMap((run) => run.f)]);
    return {
      lines: [xRange, lines],
      clipped: [xRange, lines],
      weighted: [xRange, padded([0, ...runs.flatMap((run) => run.weighted)])],
      sum: [xRange, given ?? padded(runs.map((run) => run.y))],
    };
  };
  const deepViews = (given) => {
    const heights = (some, range) =>
      padded(inside(regions(some).active.joints, range).map((at) => predict(at, some)));
    const yRange = given ?? heights([networks[0]], xRange);
    return {
      first: [xRange, yRange],
      fold: [yRange, [0, 1]],
      second: [yRange, heights([networks[1]], yRange)],
      both: [xRange, heights(networks, xRange)],
    };
  };

  // --- Changes
  const turn = () => {
    pivots = networks.map(({ theta }, k) => theta.map(([bias, slope], d) => {
      const [a, b] = k ? views.second[0] : xRange;
      return slope ? tidy(-bias / slope) : pivots[k]?.[d] ?? tidy((a + b) / 2);
    }));
  };
  const setTheta = (k, d, j, value) => { networks[k].theta[d][j] = tidy(value); };
  const changed = (text) => {
    turn();
    update();
    tell(text);
    save();
  };
  const save = () => writeState(label, Object.fromEntries([
    ...networks.flatMap(({ theta, phi }, k) =>
      [[KEYS[k][0], theta.flat().join()], [KEYS[k][1], phi.join()]]),
    ["x", x],
  ]));

  const moveJoint = (k, d, to) => {
    const [bias, slope] = networks[k].theta[d];
    if (slope === 0) pivots[k][d] = tidy(to);
    else setTheta(k, d, 0, -slope * tidy(to));
    changed(slope === 0
      ? `Unit ${d + 1} has slope zero and no joint. ${name("θ", k, `${d + 1}0`)} is ${show(bias)}.`
      : `Unit ${d + 1}: joint at ${show(tidy(to))}.`);
  };
  // A line turns about its pivot.
  const setSlope = (k, d, to) => {
    const [bias, slope] = networks[k].theta[d];
    const height = slope === 0 ? bias : 0;
    setTheta(k, d, 1, to);
    setTheta(k, d, 0, height - tidy(to) * pivots[k][d]);
    changed(`Unit ${d + 1}: slope ${name("θ", k, `${d + 1}1`)} is ${show(tidy(to))}.`);
  };
  const setPhi = (k, d, to) => {
    networks[k].phi[d] = tidy(to);
    changed(`${name("φ", k, d)} is ${show(tidy(to))}.`);
  };

  // --- Handles
  const handles = [];
  const grip = (plot, { k, d, open = false, color, label: text, ...rest }) => {
    const point = handle({ label: text, color: `var(--${color})`, ...rest });
    if (open) point.classList.add("udl-open");
    point.style.setProperty("--tone", `var(--${color})`);
    point.append(svg("text", { class: "udl-number-in", "text-anchor": "middle", y: 4, "aria-hidden": "true" },
      String(d)));
    plot.front.append(point);
    handles.push(point);
  };
  const unit = (k, d) => (deep ? `Network ${k + 1}, unit ${d + 1}` : `Unit ${d + 1}`);
  const xSteps = (k) => {
    const [a, b] = k ? views.second[0] : xRange;
    return stepOf(b - a);
  };
  const jointText = (k, d) => (networks[k].theta[d][1] === 0
    ? `slope zero, no joint, bias ${show(networks[k].theta[d][0])}` : `joint at ${show(pivots[k][d])}`);
  const base = (plot, k, d) => Math.min(plot.x[1], Math.max(plot.x[0], pivots[k][d]));
  // Beside the joint, a little further for each unit, so that handles of equal joints stay apart.
  const beside = (plot, d) => {
    const at = base(plot, 0, d);
    const off = (plot.x[1] - plot.x[0]) * (0.12 + 0.045 * d);
    return at + off <= plot.x[1] ? at + off : at - off;
  };
  // On the active side, and where several units share a curve, far from the other handles on it.
  const lever = (plot, k, d) => {
    const wide = plot.x[1] - plot.x[0];
    const taken = deep ? [plot.x[0] + 0.03 * wide, ...pivots[k].map((_, e) => base(plot, k, e))] : [];
    const room = (at) => Math.min(wide, ...taken.map((other) => Math.abs(other - at)));
    for (let e = deep ? 0 : d; e <= d; e += 1) {
      const side = Math.sign(networks[k].theta[e][1]) || 1;
      const spots = (deep ? [0.08, 0.12, 0.16, 0.2, 0.24] : [0.12 + 0.045 * d]).map((off) =>
        Math.min(plot.x[1], Math.max(plot.x[0], base(plot, k, e) + side * off * wide)));
      taken.push(spots.reduce((best, at) => (room(at) > room(best) + 1e-9 ? at : best)));
    }
    return taken.at(-1);
  };
  const jointGrip = (plot, k, d, color, height) => grip(plot, {
    k, d: d + 1, color, label: `${unit(k, d)}: joint${plot === plots.sum ? " in the sum" : ""}`,
    at: () => plot.point(base(plot, k, d), height(base(plot, k, d))),
    value: () => jointText(k, d),
    move: (dx, dy, big) => {
      const flat = networks[k].theta[d][1] === 0;
      if (dy && flat) return moveBias(k, d, networks[k].theta[d][0] + dy * plot.yStep * (big ? 5 : 1));
      if (dx) moveJoint(k, d, snap(pivots[k][d] + dx * xSteps(k) * (big ? 5 : 1), xSteps(k)));
    },
    drag: (px, py) => {
      if (networks[k].theta[d][1] === 0) setTheta(k, d, 0, snap(plot.toY(py), plot.yStep));
      moveJoint(k, d, snap(plot.toX(px), xSteps(k)));
    },
  });
  const moveBias = (k, d, to) => {
    setTheta(k, d, 0, snap(to, plots[k ? "second" : deep ? "first" : "lines"].yStep));
    moveJoint(k, d, pivots[k][d]);
  };
  const slopeGrip = (plot, d, color) => {
    const step = () => stepOf((plot.y[1] - plot.y[0]) / (plot.x[1] - plot.x[0]) * 4);
    grip(plot, {
      k: 0, d: d + 1, open: true, color, label: `Unit ${d + 1}: slope`,
      at: () => {
        const at = beside(plot, d);
        return plot.point(at, forward(at, networks[0]).f[d]);
      },
      value: () => `${name("θ", 0, `${d + 1}1`)} is ${show(networks[0].theta[d][1])}`,
      move: (dx, dy, big) => {
        const [, slope] = networks[0].theta[d];
        setSlope(0, d, snap(slope + (dx || dy) * step() * (big ? 5 : 1), step()));
      },
      drag: (px, py) => {
        const [bias, slope] = networks[0].theta[d];
        const at = beside(plot, d);
        setSlope(0, d, snap((plot.toY(py) - (slope === 0 ? bias : 0)) / (at - pivots[0][d]), step()));
      },
    });
  };
  // On the unit's active side: what is dragged is its weight.
  const weightGrip = (plot, k, d, color, height) => {
    const lift = (at) => forward(at, networks[k]).h[d];
    const step = () => stepOf((plot.y[1] - plot.y[0]) * 4);
    grip(plot, {
      k, d: d + 1, open: true, color, label: `${unit(k, d)}: weight`,
      at: () => {
        const at = lever(plot, k, d);
        return plot.point(at, height(at, d));
      },
      value: () => `${name("φ", k, d + 1)} is ${show(networks[k].phi[d + 1])}`,
      move: (dx, dy, big) =>
        setPhi(k, d + 1, snap(networks[k].phi[d + 1] + (dx || dy) * step() * (big ? 5 : 1), step())),
      drag: (px, py) => {
        const at = lever(plot, k, d);
        if (lift(at) <= 0) return;
        setPhi(k, d + 1, snap(networks[k].phi[d + 1] + (plot.toY(py) - height(at, d)) / lift(at), step()));
      },
    });
  };
  const heightGrip = (plot, k, color) => {
    const at = () => plot.x[0] + 0.03 * (plot.x[1] - plot.x[0]);
    const height = () => predict(at(), [networks[k]]);
    const to = (value) => setPhi(k, 0, snap(value, plot.yStep));
    grip(plot, {
      k, d: "0", color, label: deep ? `Network ${k + 1}: height` : "Height of the sum",
      at: () => plot.point(at(), height()),
      value: () => `${name("φ", k, 0)} is ${show(networks[k].phi[0])}`,
      move: (dx, dy, big) => to(networks[k].phi[0] + (dx || dy) * plot.yStep * (big ? 5 : 1)),
      drag: (px, py) => to(networks[k].phi[0] + plot.toY(py) - height()),
    });
  };
  const makeHandles = () => {
    if (!deep) {
      networks[0].theta.forEach((_, d) => {
        slopeGrip(plots.lines, d, UNITS[d]);
        jointGrip(plots.lines, 0, d, UNITS[d], () =>
          (networks[0].theta[d][1] === 0 ? networks[0].theta[d][0] : 0));
        weightGrip(plots.weighted, 0, d, UNITS[d], (at) => forward(at, networks[0]).weighted[d]);
      });
    }
    (deep ? [plots.first, plots.second] : [plots.sum]).forEach((plot, k) => {
      const curve = (at) => predict(at, [networks[k]]);
      heightGrip(plot, k, deep ? "ink" : "blue");
      networks[k].theta.forEach((_, d) => {
        if (deep) weightGrip(plot, k, d, "ink", curve);
        jointGrip(plot, k, d, deep ? "ink" : UNITS[d], curve);
      });
    });
  };

  // --- Drawing
  const drawShallow = () => {
    const [network] = networks;
    const steps = { lines: "f", clipped: "h", weighted: "weighted" };
    const { active, linear } = found.together;
    for (const [key, plot] of Object.entries(plots)) {
      plot.clear();
      active.joints.forEach((at) => plot.vertical(at));
      if (key === "sum") continue;
      network.theta.forEach((_, d) =>
        plot.line(active.joints, (at) => forward(at, network)[steps[key]][d], UNITS[d], DASHES[d]));
    }
    plots.sum.bands(linear.joints);
    plots.sum.line(active.joints, (at) => predict(at, networks), "blue", "", 3);
    plots.sum.strip(active, network.theta.length);
  };
  const drawDeep = () => {
    const [one, two] = [found.parts[0].linear, found.parts[1].linear];
    const { first, fold, second, both } = plots;
    for (const plot of all) plot.clear();
    both.bands(found.together.linear.joints);
    const passes = spans(one, xRange);
    passes.forEach(({ from, to, color, dash, slope, intercept }) => {
      const inside = found.together.active.joints.filter((at) => at > from && at < to);
      first.line([], (at) => slope * at + intercept, color, dash, 3, [from, to]);
      both.line(inside, (at) => predict(at, networks), color, dash, 3, [from, to]);
    });
    two.joints.forEach((at) => {
      first.horizontal(at);
      fold.vertical(at);
      second.vertical(at);
    });
    fold.zigzag(passes);
    second.line(two.joints, (at) => predict(at, [networks[1]]), "ink", "", 2.5);
  };

  const countLine = make("p", { class: "udl-count" });
  const note = make("p", { class: "udl-note" });
  const readout = make("p", { class: "udl-note" });
  const live = status();

  const update = () => {
    const parts = networks.map((network) => regions([network]));
    const together = deep ? regions(networks) : parts[0];
    found = { parts, together };
    (deep ? drawDeep : drawShallow)();
    for (const point of handles) point.update();
    fields.forEach((field) => { field.input.value = field.get(); });
    sides.forEach((side) => side());
    describe();
    mark();
  };

  const describe = () => {
    const { together, parts } = found;
    const strong = (text) => make("b", {}, text);
    if (deep) {
      const most = networks.reduce((product, { theta }) => product * (theta.length + 1), 1);
      countLine.replaceChildren(
        `Linear regions: network 1 has ${parts[0].count}, network 2 has ${parts[1].count}. Together `,
        strong(String(together.count)), ` of at most ${most}.`);
    } else {
      countLine.replaceChildren(strong(several(together.count, "linear region")),
        `, with the activation patterns ${together.active.pattern.join(", ")}.`);
    }
    const seen = together.linear.joints.filter((at) => at > xRange[0] && at < xRange[1]).length + 1;
    const remarks = [];
    if (seen < together.count) remarks.push(`${several(seen, "region")} in view.`);
    networks.forEach((network, k) => remarks.push(...offUnits(network, k)));
    if (!deep && together.count < together.active.pattern.length) {
      remarks.push("Neighboring patterns with the same slope are one region.");
    }
    note.textContent = remarks.join(" ");
    const last = deep ? plots.both : plots.sum;
    last.el.setAttribute("aria-label", `${last.title}: ${several(together.count, "linear region")}`);
  };
  // A unit that is off for all that it is given adds nothing, and cannot be seen to do so.
  const offUnits = ({ theta }, k) => {
    const [a, b] = k ? views.second[0] : xRange;
    return theta.flatMap((line, d) => (highest(line, [a, b]) > 0 ? []
      : [`${unit(k, d)} is off for every ${k ? "y" : "x"} in view: it adds nothing here.`]));
  };

  const mark = () => {
    const y = predict(x, [networks[0]]);
    for (const plot of all) plot.unmark();
    if (deep) {
      const end = predict(x, networks);
      const { found: same, whole } = preimages(found.parts[0].linear, y, xRange);
      plots.first.mark(x, null);
      plots.first.mark(null, y);
      plots.fold.mark(y, null);
      plots.second.mark(y, null);
      plots.both.mark(x, null);
      for (const at of same) {
        plots.first.dot(at, y, Math.abs(at - x) > 1e-6);
        plots.both.dot(at, end, Math.abs(at - x) > 1e-6);
      }
      plots.first.dot(x, y);
      plots.both.dot(x, end);
      plots.second.dot(y, end);
      plots.fold.foldDots(spans(found.parts[0].linear, xRange), x, y);
      const others = same.length > 1
        ? ` ${same.length} inputs in view have this y: ${same.map((at) => show(at)).join(", ")}.` : "";
      readout.textContent = `x = ${show(x)} gives y = ${show(y)}, and y gives y′ = ${show(end)}.${others}`
        + `${whole ? " A whole level piece of network 1 has this y." : ""}`;
    } else {
      const run = forward(x, networks[0]);
      for (const plot of all) plot.mark(x, null);
      run.f.forEach((value, d) => {
        plots.lines.dot(x, value, false, UNITS[d]);
        plots.clipped.dot(x, run.h[d], false, UNITS[d]);
        plots.weighted.dot(x, run.weighted[d], false, UNITS[d]);
      });
      plots.sum.dot(x, run.y, false, "blue");
      const on = run.f.flatMap((value, d) => (value > 0 ? [d + 1] : []));
      readout.textContent = `At x = ${show(x)}: y = ${show(run.y)}; `
        + (on.length ? `active unit${on.length > 1 ? "s" : ""}: ${on.join(", ")}.` : "no unit is active.");
    }
    position.value = x;
    position.el.querySelector("output").textContent = show(x);
    position.el.querySelector("input").setAttribute("aria-valuetext", readout.textContent);
    if (tables.open) fillTables();
  };

  // --- Words for what happened: the goal at once, the rest when the hand rests.
  let timer = 0;
  let done = false;
  const tell = (text) => {
    clearTimeout(timer);
    const verdict = props.goal === null ? {} : judge(props.goal, networks, xRange);
    if (verdict.done) {
      done = true;
      return live.say(praise(props.goal, deep), "good");
    }
    if (done) live.say("");
    done = false;
    const counted = `${several(found.together.count, "linear region")}.`;
    timer = setTimeout(() => live.say([text, counted, verdict.missing].filter(Boolean).join(" ")), 400);
  };

  // --- Controls
  const restart = (start, text) => {
    networks = copy(start);
    pivots = [];
    fit(props.yRange);
    changed(text);
  };
  const position = slider({
    label: "Marker: input x", min: xRange[0], max: xRange[1], step: xStep, value: x, show,
    onInput: (value) => { x = tidy(value); mark(); save(); },
  });
  const choices = [["", "the start"], ...props.presets.map(([text], i) => [String(i), text])];
  const preset = select({
    label: "Start from", options: choices, value: "",
    onChange: (key) => {
      const [text, chosen] = key === "" ? ["The start", props.networks] : props.presets[Number(key)];
      restart(chosen, `${text}.`);
    },
  });
  const code = () => networks.map(({ theta, phi }, k) =>
    `theta${k ? "2" : ""} = np.array([${theta.map((r) => `[${r.join(", ")}]`).join(", ")}], dtype=float)\n`
    + `phi${k ? "2" : ""} = np.array([${phi.join(", ")}], dtype=float)\n`).join("");
  const hintBox = make("div", { "aria-live": "polite", role: "group", "aria-label": "Hints",
    tabindex: -1, ...QUIET });
  const hintButton = button(hintName(0, props.hints.length), () => {
    const i = hintBox.childElementCount;
    hintBox.append(make("p", { class: "udl-hint" }, html(props.hints[i])));
    hintButton.textContent = hintName(i + 1, props.hints.length);
    hintButton.hidden = i + 1 >= props.hints.length;
    if (hintButton.hidden) hintBox.focus(); // it would be lost with the button
  });

  const buttons = row(
    ...(props.presets.length ? [preset.el] : []),
    button("Reset", () => { preset.value = ""; restart(props.networks, "Back at the start."); }),
    button("Fit the axes", () => { fit(null); update(); live.say("The axes fit the functions again."); }),
    button("Copy as Python", async () =>
      live.say(await clipboard(code()) ? "Copied the parameters." : "The browser did not allow to copy.")),
    ...(props.hints.length ? [hintButton] : []));

  const fields = [];
  const field = (k, part, index, letter, digits) => {
    const get = () => (part === "phi" ? networks[k].phi[index] : networks[k].theta[index[0]][index[1]]);
    const input = number({
      label: name(letter, k, digits), value: get(), min: -LARGEST, max: LARGEST,
      onChange: (typed) => {
        const value = Math.abs(typed) < 1e-9 ? 0 : typed; // nothing smaller can be drawn
        if (part === "phi") networks[k].phi[index] = value;
        else networks[k].theta[index[0]][index[1]] = value;
        fit(null);
        changed(`${name(letter, k, digits)} is ${show(value)}.`);
      },
    });
    fields.push({ input, get });
    return input.el;
  };
  const total = networks.reduce((sum, { theta, phi }) => sum + 2 * theta.length + phi.length, 0);
  const parameters = details(`All ${total} parameters`,
    ...networks.flatMap((network, k) => [
      row(...(deep ? [make("span", {}, `Network ${k + 1}`)] : []), field(k, "phi", 0, "φ", 0)),
      ...network.theta.map((_, d) => row(
        field(k, "theta", [d, 0], "θ", `${d + 1}0`), field(k, "theta", [d, 1], "θ", `${d + 1}1`),
        field(k, "phi", d + 1, "φ", d + 1))),
    ]));

  // Which side a unit is active on decides which pieces can be level.
  const sides = [];
  const sideRows = !deep ? [] : networks.map((network, k) => row(
    make("span", {}, `Network ${k + 1}, active side:`),
    ...network.theta.map((_, d) => {
      const side = button("", () => {
        const [bias, slope] = networks[k].theta[d];
        networks[k].theta[d] = [0 - bias, 0 - slope];
        const way = slope ? `looks to the ${slope < 0 ? "right" : "left"}` : "has slope zero, and no side";
        fit(null);
        changed(`Unit ${d + 1} of network ${k + 1} ${way}.`);
      });
      sides.push(() => {
        const [, slope] = networks[k].theta[d];
        const [arrow, words] = slope > 0 ? ["→", "right"] : slope < 0 ? ["←", "left"] : ["·", "no side"];
        side.textContent = `unit ${d + 1} ${arrow}`;
        side.setAttribute("aria-label", `Network ${k + 1}, unit ${d + 1}: active side ${words}; flip`);
      });
      return side;
    })));

  const tableBox = make("div", { class: "udl-scroll" });
  const tables = details("Tables: regions, and values at the marker", tableBox);
  const fillTables = () => {
    const { linear } = found.together;
    const end = (at, sign) => (at === undefined ? `${sign}∞` : show(at));
    const D = networks[0].theta.length;
    const digits = (pattern) => (deep ? `${pattern.slice(0, D)} ${pattern.slice(D)}` : pattern);
    const made = [table("Linear regions", ["region", "from x", "to x", "slope", "pattern at its left"],
      linear.slope.map((slope, r) => [r + 1, end(linear.joints[r - 1], "−"), end(linear.joints[r], ""),
        show(slope), digits(linear.pattern[r])]))];
    let at = x;
    networks.forEach((network, k) => {
      const run = forward(at, network);
      const values = run.f.map((f, d) => [d + 1, show(f), show(run.h[d]), show(run.weighted[d])]);
      const where = deep ? `Network ${k + 1} at ${k ? "y" : "x"}` : "At x";
      made.push(table(`${where} = ${show(at)}: ${k ? "y′" : "y"} = ${show(run.y)}`,
        ["unit", "line", "clipped", "weighted"], values));
      at = run.y;
    });
    tableBox.replaceChildren(...made);
  };
  tables.addEventListener("toggle", () => { if (tables.open) fillTables(); });

  const legend = deep ? [] : [row(...networks[0].theta.map((_, d) => make("span", { class: "udl-legend" },
    svg("svg", { width: 34, height: 12, "aria-hidden": "true" }, svg("line", {
      x1: 0, x2: 34, y1: 6, y2: 6, stroke: `var(--${UNITS[d]})`, "stroke-width": 2.5,
      "stroke-dasharray": DASHES[d] })), ` unit ${d + 1}`)))];
  const boxes = Object.values(plots).map((plot) => panel(plot.title, plot.el));
  const area = grid(...boxes);
  if (deep) area.classList.add("udl-deep");
  const frame = card({
    el, label, title: props.title, task: props.task,
    children: [...legend, area, countLine, live.el, note, position.el, readout, ...sideRows, buttons, hintBox,
      parameters, tables],
  });
  frame.classList.add("udl-relu");

  // The marker follows a mouse; fingers and keys have the slider.
  const follows = deep ? [plots.first, plots.both] : all;
  for (const plot of follows) {
    plot.el.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "mouse" || event.buttons || event.target.closest(".udl-handle")) return;
      const box = plot.el.getBoundingClientRect();
      const at = plot.toX((event.clientX - box.left) * (WIDE / box.width));
      if (at < xRange[0] || at > xRange[1]) return;
      x = snap(at, xStep);
      mark();
    });
  }

  fit(state.given ? null : props.yRange);
  turn();
  makeHandles();
  update();
  if (restored.ignored.length) live.say(`Ignored in the link: ${restored.ignored.join("; ")}.`, "bad");
  else if (props.goal !== null && state.given) tell("");
}

const hintName = (shown, total) => (total > 1 ? `Hint ${Math.min(shown + 1, total)} of ${total}` : "Hint");

const praise = (goal, deep) => {
  if (goal === "hat") return "Done: a hat. Level, up, down, and level again at the same height.";
  return `Done: ${several(goal, "linear region")}${deep ? "" : ", and every unit takes part"}.`;
};

// The ends of a range, and the joints between them.
const inside = (joints, [a, b]) => [a, ...joints.filter((at) => at > a && at < b), b];

// A range that holds all values, with some air.
function padded(values) {
  const [a, b] = [Math.min(...values), Math.max(...values)];
  const air = b - a > 1e-9 ? 0.1 * (b - a) : 1;
  return [a - air, b + air];
}

// The pieces of network 1 in view, each with its color; level ones fold everything onto one y.
function spans({ joints, slope, intercept }, [a, b]) {
  let pass = 0;
  return slope.flatMap((s, r) => {
    const from = Math.max(a, joints[r - 1] ?? -Infinity);
    const to = Math.min(b, joints[r] ?? Infinity);
    if (from >= to) return [];
    const look = s === 0 ? ["muted", "3 3"] : [PASSES[pass], DASHES[pass++ % 6]];
    return [{ from, to, slope: s, intercept: intercept[r], color: look[0], dash: look[1] }];
  });
}

function shallowPlots(label, D) {
  const all = { x: "input x" };
  return {
    lines: chart(`${label}-lines`, { ...all, title: "1. Lines: drag joints (filled) and slopes (open)" }),
    clipped: chart(`${label}-clipped`, { ...all, title: "2. Clipped at zero" }),
    weighted: chart(`${label}-weighted`, { ...all, title: "3. Weighted: drag the weights" }),
    sum: chart(`${label}-sum`, { ...all, below: 13 * D + 22, title: "4. Added: drag joints and the height" }),
  };
}

function deepPlots(label) {
  return {
    first: chart(`${label}-first`, { x: "x", y: "y", title: "Network 1: joints filled, weights open" }),
    fold: chart(`${label}-fold`, { x: "y", ticksY: false, title: "Fold: the stretches of x, laid onto y" }),
    second: chart(`${label}-second`, { x: "y", y: "y′", title: "Network 2 reads y" }),
    both: chart(`${label}-both`, { x: "x", y: "y′", title: "Composition: network 2 behind network 1" }),
  };
}

// A chart in an SVG: axes, curves that are cut off at its frame, handles in front.
function chart(id, { title, x: xName, y: yName = "", high = 205, below = 0, ticksY = true }) {
  const bottom = high - 36;
  const right = WIDE - RIGHT;
  const cut = { "clip-path": `url(#${id}-clip)` };
  const [under, ground, rows, front] = [svg("g"), svg("g"), svg("g"), svg("g")];
  const [curves, marks, words] = [svg("g", cut), svg("g", cut), svg("g", cut)];
  const el = svg("svg", {
    viewBox: `0 0 ${WIDE} ${high + below}`, width: "100%", role: "group", "aria-label": title,
  },
  svg("clipPath", { id: `${id}-clip` },
    svg("rect", { x: LEFT, y: TOP - 4, width: right - LEFT, height: bottom - TOP + 8 })),
  under, ground, curves, rows, marks, words, front);
  const text = (x, y, content, attributes = {}) =>
    svg("text", { x, y, "aria-hidden": "true", ...attributes }, content);
  const segment = (x1, y1, x2, y2, color, attributes = {}) =>
    svg("line", { x1, y1, x2, y2, stroke: `var(--${color})`, ...attributes });
  const bounded = (value, a, b) => Math.min(b, Math.max(a, value));
  const self = {
    el, title, front,
    x: [0, 1], y: [0, 1], yStep: 0.01,
    sx: (at) => LEFT + (right - LEFT) * ((at - self.x[0]) / (self.x[1] - self.x[0])),
    sy: (at) => bottom - (bottom - TOP) * ((at - self.y[0]) / (self.y[1] - self.y[0])),
    toX: (px) => bounded(self.x[0] + (self.x[1] - self.x[0]) * ((px - LEFT) / (right - LEFT)), ...self.x),
    toY: (py) => bounded(self.y[0] + (self.y[1] - self.y[0]) * ((bottom - py) / (bottom - TOP)), ...self.y),
    // Where a handle is drawn: in view, also if what it stands for is not.
    point: (x, y) => [bounded(self.sx(x), LEFT, right), bounded(self.sy(y), TOP, bottom)],
    view(x, y) {
      [self.x, self.y, self.yStep] = [x, y, stepOf(y[1] - y[0])];
      const lines = ticks(x).map((at) => [
        segment(self.sx(at), bottom, self.sx(at), bottom + 4, "muted"),
        text(self.sx(at), bottom + 17, show(at), { "text-anchor": "middle" })]);
      const levels = !ticksY ? [] : ticks(y).map((at) => [
        segment(LEFT, self.sy(at), right, self.sy(at), at === 0 ? "muted" : "grid"),
        text(LEFT - 6, self.sy(at) + 4, show(at), { "text-anchor": "end" })]);
      ground.replaceChildren(...levels.flat(), ...lines.flat(),
        svg("path", { d: `M${LEFT} ${TOP}V${bottom}H${right}`, fill: "none", stroke: "var(--muted)" }),
        text((LEFT + right) / 2, bottom + 32, xName, { "text-anchor": "middle" }),
        ...(yName ? [text(4, TOP + 8, yName)] : []));
    },
    clear: () => [curves, words].forEach((group) => group.replaceChildren()),
    line(joints, fun, color, dash = "", width = 2, [a, b] = self.x) {
      const points = [a, ...joints.filter((at) => at > a && at < b), b]
        .map((at) => `${self.sx(at).toFixed(2)},${bounded(self.sy(fun(at)), -1e5, 1e5).toFixed(2)}`);
      curves.append(svg("polyline", { points: points.join(" "), fill: "none", stroke: `var(--${color})`,
        "stroke-width": width, "stroke-dasharray": dash, "stroke-linejoin": "round" }));
    },
    vertical: (at) => curves.append(segment(self.sx(at), TOP, self.sx(at), bottom, "muted", DOTS)),
    horizontal: (at) => curves.append(segment(LEFT, self.sy(at), right, self.sy(at), "muted", DOTS)),
    // Every second region has a ground of its own.
    bands(joints) {
      const ends = inside(joints, self.x).map(self.sx);
      under.replaceChildren(...ends.slice(1).flatMap((end, i) => (i % 2 ? [] : [svg("rect", {
        x: ends[i], y: TOP, width: end - ends[i], height: bottom - TOP, fill: "var(--panel)" })])));
      joints.forEach(self.vertical);
    },
    // A row a unit, drawn where it is active, and the patterns under them.
    strip({ joints, pattern }, D) {
      const clip = (at) => bounded(self.sx(at), LEFT, right);
      const parts = pattern.map((digits, r) => ({ digits,
        from: r === 0 ? LEFT : clip(joints[r - 1]), to: r === joints.length ? right : clip(joints[r]) }))
        .filter(({ from, to }) => to - from > 1e-6);
      const drawn = [];
      for (let d = 0; d < D; d += 1) {
        const y = high + 8 + 13 * d;
        drawn.push(text(LEFT - 6, y + 4, String(d + 1), { "text-anchor": "end" }),
          segment(LEFT, y, right, y, "grid"));
        for (const { digits, from, to } of parts) {
          if (digits[d] === "1") drawn.push(segment(from, y, to, y, UNITS[d], { "stroke-width": 8 }));
        }
      }
      for (const { digits, from, to } of parts) {
        if (to - from > 8 * D + 4) {
          drawn.push(text((from + to) / 2, high + 13 * D + 16, digits, { "text-anchor": "middle" }));
        }
      }
      rows.replaceChildren(...drawn);
    },
    // The folded strip: a row for each piece, one under the other, linked at the creases.
    zigzag(passes) {
      const at = (k) => foldRow(k, passes.length, bottom);
      passes.forEach(({ from, to, slope, intercept, color, dash }, k) => {
        const ends = [from, to].map((x) => bounded(self.sx(slope * x + intercept), LEFT - 50, right + 50));
        if (k) curves.append(segment(ends[0], at(k - 1), ends[0], at(k), "muted"));
        curves.append(slope === 0 ? spot(ends[0], at(k), true, color)
          : segment(ends[0], at(k), ends[1], at(k), color, { "stroke-width": 5, "stroke-dasharray": dash }));
        const middle = (bounded(ends[0], LEFT, right) + bounded(ends[1], LEFT, right)) / 2;
        words.append(text(bounded(middle, LEFT + 55, right - 55), at(k) - 6,
          `x from ${show(from)} to ${show(to)}`, { "text-anchor": "middle", class: "udl-halo" }));
      });
    },
    foldDots(passes, x, y) {
      passes.forEach(({ from, to, slope, intercept }, k) => {
        const [a, b] = [slope * from + intercept, slope * to + intercept];
        const slack = 1e-9 * Math.max(1, Math.abs(y));
        if (y < Math.min(a, b) - slack || y > Math.max(a, b) + slack) return;
        marks.append(spot(self.sx(y), foldRow(k, passes.length, bottom), x < from || x > to, "ink"));
      });
    },
    unmark: () => marks.replaceChildren(),
    mark(x, y) {
      marks.append(x === null ? segment(LEFT, self.sy(y), right, self.sy(y), "ink")
        : segment(self.sx(x), TOP, self.sx(x), bottom, "ink"));
    },
    dot: (x, y, open = false, color = "ink") =>
      marks.append(spot(self.sx(x), bounded(self.sy(y), -1e5, 1e5), open, color)),
  };
  return self;
}

const foldRow = (k, n, bottom) => TOP + 16 + (k + 0.4) * ((bottom - TOP - 20) / n);

const spot = (cx, cy, open, color) => svg("circle", { cx, cy, r: 4,
  fill: `var(--${open ? "paper" : color})`, stroke: `var(--${color})`, "stroke-width": 2 });

// About five round numbers in a range.
export function ticks([a, b]) {
  const rough = (b - a) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
  const found = [];
  for (let i = Math.ceil(a / step - 1e-9); i <= b / step + 1e-9; i += 1) {
    found.push(Number((i * step).toPrecision(12)) + 0);
  }
  return found;
}
