// Backpropagation, one node at a time, on the graph of an expression that the reader may change.
// The rules are those of udl.autograd, so the numbers are, too.
import {
  QUIET, button, card, checkbox, details, make, number, panel, readState, row, show, status, style,
  svg, table, writeState,
} from "./kit.mjs";

export const LIMITS = { length: 200, name: 12, nodes: 40, nesting: 20, row: 16, size: 1e9 };

const sigmoid = (a) => (a >= 0 ? 1 : Math.exp(a)) / (1 + Math.exp(-Math.abs(a)));

// The result; slopes by the arguments, and their formulas; how it is written. As in udl, relu and abs
// have slope 0 at their corner, and a power whose exponent is 0 is flat.
const OPERATIONS = {
  "+": [(a, b) => a + b, () => [1, 1], () => ["1", "1"], (a, b) => `${a} + ${b}`],
  "-": [(a, b) => a - b, () => [1, -1], () => ["1", "−1"], (a, b) => `${a} − ${b}`],
  "*": [(a, b) => a * b, (a, b) => [b, a], (a, b) => [b, a], (a, b) => `${a} · ${b}`],
  "/": [(a, b) => a / b, (a, b, y) => [1 / b, -y / b], (a, b) => [`1/${b}`, `−${a}/${b}²`],
    (a, b) => `${a} / ${b}`],
  "**": [(a, b) => a ** b,
    (a, b, y) => [b === 0 ? 0 : b * a ** (b - 1), a === 0 && b >= 0 ? 0 : y * Math.log(a)],
    (a, b, y) => [/^\d+$/.test(b) ? b + power(a, `${b - 1}`) : `${b} · ${a}^(${b} − 1)`,
      `${y} · log ${a}`], power],
  neg: [(a) => -a, () => [-1], () => ["−1"], (a) => `−${a}`],
  relu: [(a) => Math.max(a, 0), (a) => [a > 0 ? 1 : 0]],
  abs: [Math.abs, (a) => [Math.sign(a)], (a) => [`sign of ${a}`], (a) => `|${a}|`],
  exp: [Math.exp, (a, y) => [y], (a, y) => [y]],
  log: [Math.log, (a) => [1 / a], (a) => [`1/${a}`]],
  sqrt: [Math.sqrt, (a, y) => [0.5 / y], (a, y) => [`1/(2${y})`]],
  sin: [Math.sin, (a) => [Math.cos(a)], (a) => [`cos ${a}`]],
  cos: [Math.cos, (a) => [-Math.sin(a)], (a) => [`−sin ${a}`]],
  tanh: [Math.tanh, (a, y) => [1 - y * y], (a, y) => [`1 − ${y}²`]],
  sigmoid: [sigmoid, (a, y) => [y * (1 - y)], (a, y) => [`${y}(1 − ${y})`]],
  softplus: [(a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))), (a) => [sigmoid(a)],
    (a) => [`sigmoid(${a})`]],
};
const [compute, slopesOf, formulas] = [0, 1, 2].map((k) => (op, ...args) => OPERATIONS[op][k](...args));
const write = (op, ...args) => (OPERATIONS[op][3] ?? ((a) => `${op}(${a.replace(/[()]/g, "")})`))(...args);
const FUNCTIONS = [...Object.keys(OPERATIONS).slice(6), "square"];

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
function power(a, b) {
  if (b === "1") return a;
  return /^\d+$/.test(b) ? a + [...b].map((digit) => RAISED[digit]).join("") : `${a}^${b}`;
}

// A number inside a formula. What rounding alone has left of 0 is not shown as 2.7e-31.
const tiny = (value) => value !== 0 && Math.abs(value) < 1e-12;
const text = (value) => (tiny(value) ? "0" : show(value, 4));
const inside = (value) => (value < 0 && !tiny(value) ? `(${text(value)})` : text(value));

const GREEK = { __proto__: null, alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", eta: "η",
  theta: "θ", lambda: "λ", mu: "μ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ", psi: "ψ", omega: "ω" };

// theta0 becomes θ₀, yhat becomes ŷ.
export function pretty(name) {
  const [, stem, hat, digits = ""] = /^(.+?)(_?hat)?(?:_?(\d+))?$/.exec(name);
  const low = [...digits].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
  return `${GREEK[stem] ?? stem}${hat ? "\u0302" : ""}`.normalize() + low;
}

// --- From text to a graph ---

// What is wrong with an expression, and where: `at` counts characters from 0.
export class Misread extends Error {
  constructor(message, at) {
    super(`Character ${at + 1}: ${message}`);
    this.at = at;
  }
}

function tokens(source) {
  const pattern =
    /\s*(?:((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|([a-zα-ω_][a-zα-ω_\d]*)|(\*\*|[-+*/^()=;])|(\S))/iuy;
  const clean = source.replace(/[−–]/g, "-").replace(/[·×⋅]/g, "*").trimEnd();
  const found = [];
  while (pattern.lastIndex < clean.length) {
    const [, digits, name, sign, other] = pattern.exec(clean);
    const word = digits ?? name ?? sign ?? other;
    const at = pattern.lastIndex - word.length;
    if (other) throw new Misread(`expected a number, a name or one of +-*/^()=; but got “${other}”`, at);
    if (digits && !Number.isFinite(Number(digits))) throw new Misread("expected a number below 1.8e308", at);
    if (name && name.length > LIMITS.name) {
      throw new Misread(`expected a name of at most ${LIMITS.name} characters, got ${name}`, at);
    }
    found.push({ kind: digits ? "number" : name ? "name" : sign, word, at });
  }
  found.push({ kind: "end", word: "", at: clean.length });
  return found;
}

// Nodes are in the order of computation, each { name, op, args, uses }: `op` is "" for a leaf, an
// argument is the index of a node or { number }, `uses` lists who takes it: [node, argument].
// `given` holds the numbers of leaves, for "x = 2; ...".
export function parse(source) {
  if (source.length > LIMITS.length) {
    throw new Misread(`expected at most ${LIMITS.length} characters, got ${source.length}`, LIMITS.length);
  }
  const list = tokens(source);
  const nodes = [];
  const known = new Map();
  const given = new Map();
  let next = 0;
  let nesting = 0;
  const here = () => list[next];
  const take = (...kinds) => (kinds.includes(here().kind) ? list[next++] : null);
  const wrong = (expected, { word, at } = here()) => {
    throw new Misread(`expected ${expected}, got ${word ? `“${word}”` : "the end"}`, at);
  };
  const add = (node, at) => {
    if (nodes.length === LIMITS.nodes) {
      throw new Misread(`expected a graph of at most ${LIMITS.nodes} nodes`, at);
    }
    return nodes.push({ uses: [], ...node }) - 1;
  };
  const apply = (op, args, at) => {
    if (args.every((arg) => typeof arg === "object")) {
      const numbers = args.map((arg) => arg.number);
      const value = compute(op, ...numbers);
      if (!Number.isFinite(value)) throw new Misread(whyNot(op, numbers, value), at);
      return { number: value };
    }
    const depth = 1 + Math.max(...args.map((arg) => nodes[arg]?.depth ?? 0));
    if (depth > LIMITS.row) {
      throw new Misread(`expected at most ${LIMITS.row} operations in a row`, at);
    }
    return add({ name: "", op, args, depth, at }, at);
  };

  const deeper = (rule) => {
    if ((nesting += 1) > LIMITS.nesting) {
      throw new Misread(`expected at most ${LIMITS.nesting} parentheses inside one another`, here().at);
    }
    const result = rule();
    nesting -= 1;
    return result;
  };
  const chain = (rule, ...signs) => () => {
    let left = rule();
    for (let sign = take(...signs); sign; sign = take(...signs)) {
      left = apply(sign.kind, [left, rule()], sign.at);
    }
    return left;
  };
  const closed = () => {
    const value = deeper(sum);
    if (!take(")")) wrong("an operator or “)”");
    return value;
  };
  const atom = () => {
    const token = take("number", "name", "(");
    if (!token) wrong("a number, a name or “(”");
    if (token.kind === "number") return { number: Number(token.word) };
    if (token.kind === "(") return closed();
    if (FUNCTIONS.includes(token.word)) {
      if (!take("(")) wrong(`“(” after ${token.word}`);
      const value = closed();
      return token.word === "square" ? apply("**", [value, { number: 2 }], token.at)
        : apply(token.word, [value], token.at);
    }
    if (here().kind === "(") {
      wrong(`one of ${FUNCTIONS.join(", ")}, or an operator before “(”`, token);
    }
    if (!known.has(token.word)) known.set(token.word, add({ name: token.word, op: "", args: [] }, token.at));
    return known.get(token.word);
  };
  // As in Python and in mathematics: -x^2 is -(x^2), and 2^3^2 is 2^(3^2).
  const raised = () => {
    const base = atom();
    const sign = take("**", "^");
    return sign ? apply("**", [base, deeper(signed)], sign.at) : base;
  };
  const signed = () => {
    const sign = take("-", "+");
    if (!sign) return raised();
    const value = deeper(signed);
    return sign.kind === "-" ? apply("neg", [value], sign.at) : value;
  };
  const sum = chain(chain(signed, "*", "/"), "+", "-");

  let root = null;
  let start = here();
  while (here().kind !== "end") {
    if (take(";")) continue;
    start = here();
    const name = start.kind === "name" && list[next + 1].kind === "=" ? start.word : "";
    if (name) {
      next += 2;
      if (FUNCTIONS.includes(name)) wrong("another name: this is a function", start);
    }
    root = sum();
    if (known.has(name) || given.has(name)) wrong("a name that is not yet in use", start);
    if (here().kind !== ";" && here().kind !== "end") wrong("an operator, “;” or the end");
    if (!name) {
      if (here().kind === ";" && list.slice(next).some(({ kind }) => kind !== ";" && kind !== "end")) {
        wrong("“name = ...” before a further part", start);
      }
    } else if (typeof root === "object") {
      given.set(name, { number: root.number, at: start.at });
    } else if (nodes[root].name) {
      wrong(`an operation, not a second name for ${nodes[root].name}`, start);
    } else {
      nodes[root].name = name;
      known.set(name, root);
    }
  }
  if (root === null) wrong("an expression, such as (w * x - y)^2");
  if (typeof root === "object" || !nodes[root].op) {
    wrong("an operation on at least one name in the last part", start);
  }
  nodes.forEach(({ args }, to) => args.forEach((from, slot) => nodes[from]?.uses.push([to, slot])));
  const idle = nodes.find(({ uses }, i) => i !== root && !uses.length)
    ?? [...given].filter(([name]) => !known.has(name)).map(([name, { at }]) => ({ name, at }))[0];
  if (idle) throw new Misread(`${idle.name || "this part"} is never used`, idle.at);
  const free = (...names) => names.find((name) => !known.has(name) && !FUNCTIONS.includes(name));
  if (!nodes[root].name) {
    nodes[root].name = free("J", "L", "root", "result", "out");
    known.set(nodes[root].name, root);
  }
  let count = 0;
  for (const node of nodes) {
    while (!node.name) node.name = free(`v${(count += 1)}`) ?? "";
  }
  return { nodes, root, given };
}

// --- Forward and backward ---

const TOO_LARGE = "larger than a computer's numbers, which end at 1.8e308";

function whyNot(op, [a, b], value) {
  const formula = write(op, inside(a), b === undefined ? "" : inside(b));
  if (op === "log") return `${formula} is not a number: a logarithm needs a number above 0`;
  if (op === "sqrt") return `${formula} is not a real number: a square root needs 0 or more`;
  if (op === "/" && b === 0 || op === "**" && a === 0) return `${formula} divides by zero`;
  if (Number.isNaN(value)) return `${formula} is not a real number: a broken power needs a base above 0`;
  return `${formula} is ${TOO_LARGE}`;
}

// Who hands a gradient back to node i, in the order in which udl adds.
const parts = ({ nodes }, i) => nodes[i].uses.toSorted(([p, j], [q, k]) => q - p || j - k);

// All values, slopes and gradients; `trouble` is { node, back, text } where a number would not be
// finite, and everything behind it is NaN.
export function evaluate({ nodes, root }, values) {
  const value = nodes.map(() => NaN);
  const slopes = nodes.map(() => []);
  const grad = nodes.map(() => NaN);
  const args = (i) => nodes[i].args.map((arg) => (typeof arg === "object" ? arg.number : value[arg]));
  const done = (trouble) => ({ value, slopes, grad, trouble });
  for (const [i, { name, op }] of nodes.entries()) {
    if (!op) {
      value[i] = values[name];
      continue;
    }
    const y = compute(op, ...args(i));
    if (!Number.isFinite(y)) return done({ node: i, back: false, text: `${whyNot(op, args(i), y)}.` });
    value[i] = y;
    slopes[i] = slopesOf(op, ...args(i), y);
  }
  for (let i = root; i >= 0; i -= 1) {
    let total = i === root ? 1 : null;
    for (const [to, slot] of parts({ nodes }, i)) {
      const part = grad[to] * slopes[to][slot];
      total = total === null ? part : total + part;
      if (Number.isFinite(total)) continue;
      return done({ node: i, back: true, text: Number.isFinite(slopes[to][slot])
        ? `The gradient is ${TOO_LARGE}.`
        : `${describe({ nodes }, to)} has no finite slope at ${pretty(nodes[i].name)} = ${text(value[i])}.` });
    }
    grad[i] = total;
  }
  return done(null);
}

const written = (arg, nodes) => (typeof arg === "object" ? inside(arg.number) : pretty(nodes[arg].name));

export function describe({ nodes }, i) {
  const { op, args } = nodes[i];
  return op ? write(op, ...args.map((arg) => written(arg, nodes))) : "leaf";
}

// The local derivative on the arrow into argument `slot` of node i: "2f = 4", or "1" alone.
export function slopeText({ nodes }, run, i, slot) {
  const { op, args, name } = nodes[i];
  const number = text(run.slopes[i][slot]);
  if (op === "relu") {
    const a = run.value[args[0]];
    return `${number} (${written(args[0], nodes)} ${a > 0 ? ">" : a < 0 ? "<" : "="} 0)`;
  }
  const symbols = formulas(op, ...args.map((arg) => written(arg, nodes)), pretty(name))[slot];
  return symbols === number ? number : `${symbols} = ${number}`;
}

// --- Where to draw what ---

// Columns from left to right or, upright, rows from top to bottom. `sizes` are [width, height] of the
// nodes, `labels(to, slot)` widths of the texts on arrows, `room` is the width that there is.
export function layout({ nodes, root }, sizes, labels, room, upright) {
  const along = upright ? 1 : 0;
  const wide = Math.max(...sizes.map(([width]) => width)) + 14;
  const most = upright ? Math.max(1, Math.floor((room + 14) / wide)) : Infinity;
  // A node comes one layer before the first that uses it, or earlier where that layer is full.
  const layer = [];
  const filled = [];
  for (let i = root; i >= 0; i -= 1) {
    let at = Math.max(-1, ...nodes[i].uses.map(([to]) => layer[to])) + 1;
    while ((filled[at] ?? 0) >= most) at += 1;
    filled[at] = (filled[at] ?? 0) + 1;
    layer[i] = at;
  }
  for (let at = 0; at < filled.length; at += 1) filled[at] ??= 0;
  const last = filled.length - 1;
  const columns = filled.map(() => []);
  const cells = nodes.map((_, i) => ({ column: last - layer[i], half: sizes[i][1 - along] / 2, near: [] }));
  cells.forEach((cell) => columns[cell.column].push(cell));
  // An arrow that crosses a layer gets a free place in it, which arrows from one node share.
  const ways = nodes.map((node, to) => node.args.map((from) => {
    if (typeof from === "object") return null;
    const way = [cells[from]];
    for (let at = cells[from].column + 1; at < cells[to].column; at += 1) {
      const [before] = way.slice(-1);
      let pass = before.near.find((cell) => cell.pass === from && cell.column === at);
      if (!pass) {
        pass = { column: at, half: 5, near: [], pass: from };
        columns[at].push(pass);
        link(before, pass);
      }
      way.push(pass);
    }
    link(way.at(-1), cells[to]);
    return [...way, cells[to]];
  }));

  // Neighbors draw a cell to their mean: first those of one side, which finds the order, then all.
  const gap = upright ? 14 : 12;
  const limit = upright ? room / 2 : Infinity;
  const mean = (cell, step) => {
    const near = cell.near.filter(({ column }) => !step || Math.sign(column - cell.column) === step);
    return near.length ? near.reduce((sum, { at }) => sum + at, 0) / near.length : cell.at;
  };
  // One pass pushes what overlaps to one side; the mean of both passes favors none.
  const push = (column, wish, sign) => {
    const at = new Map();
    let edge = -limit;
    for (const cell of sign < 0 ? column.toReversed() : column) {
      const place = Math.max(sign * wish.get(cell), edge + cell.half);
      edge = place + cell.half + gap;
      at.set(cell, sign * place);
    }
    return at;
  };
  for (const column of columns) column.forEach((cell, k) => { cell.at = 50 * (k - column.length / 2); });
  for (let round = 0; round < 36; round += 1) {
    for (const column of round % 2 ? columns : columns.toReversed()) {
      const wish = new Map(column.map((cell) => [cell, mean(cell, round < 9 ? (round % 2 ? -1 : 1) : 0)]));
      column.sort((p, q) => wish.get(p) - wish.get(q));
      const [right, left] = [push(column, wish, 1), push(column, wish, -1)];
      for (const cell of column) wish.set(cell, (right.get(cell) + left.get(cell)) / 2);
      push(column, push(column, wish, 1), -1).forEach((at, cell) => { cell.at = at; });
    }
  }
  const low = Math.min(...columns.flat().map((cell) => cell.at - cell.half));
  const high = Math.max(...columns.flat().map((cell) => cell.at + cell.half));

  // Columns as thick as their nodes, and far enough apart for the texts on the arrows between them.
  const thick = columns.map((_, at) => Math.max(...nodes.map((_, i) =>
    (cells[i].column === at ? sizes[i][along] / 2 : 0))));
  const apart = columns.map((_, at) => Math.max(...nodes.flatMap(({ args }, to) =>
    (cells[to].column === at ? args.map((_, slot) => labels(to, slot) + 7) : [0])), 24));
  const total = thick.reduce((sum, half, at) => sum + 2 * half + (at && apart[at]), 0);
  const more = Math.max(0, Math.min(26, (room - total) / Math.max(1, last)));
  let span = 0;
  const center = thick.map((half, at) => {
    if (at) span += upright ? 44 : apart[at] + more;
    span += 2 * half;
    return span - half;
  });
  const point = (main, cross) => (upright ? [cross - low, main] : [main, cross - low]);

  // The ends of arrows share a side of their node, in the order of where they come from or go to.
  const shares = (ends, half) => {
    const each = Math.min(upright ? 26 : 20, 2 * half / (ends.length + 0.5));
    return new Map(ends.map((end, k) => [end, (k - (ends.length - 1) / 2) * each]));
  };
  const flat = ways.flatMap((group, to) =>
    group.flatMap((way, slot) => (way ? [{ way, to, slot, from: way[0] }] : [])));
  const entries = new Map(cells.flatMap((cell) => [...shares(flat.filter(({ to }) => cells[to] === cell)
    .sort((p, q) => p.way.at(-2).at - q.way.at(-2).at), cell.half)]));
  const exits = new Map(cells.flatMap((cell) => [...shares(flat.filter(({ from }) => from === cell)
    .sort((p, q) => p.way[1].at - q.way[1].at || entries.get(p) - entries.get(q)), cell.half)]));
  const arrows = flat.map((end) => {
    const { way, to, slot, from } = end;
    const points = way.flatMap((cell, j) => {
      const side = (sign, shift) => point(center[cell.column] + sign * thickness(cell), cell.at + shift);
      return j === 0 ? [side(1, exits.get(end))] : cell === cells[to] ? [side(-1, entries.get(end))]
        : [side(-1, 0), side(1, 0)];
    });
    const [[x0, y0], [x1, y1]] = points.slice(-2);
    return { from: cells.indexOf(from), to, slot, points, at: [(x0 + x1) / 2, (y0 + y1) / 2],
      side: Math.sign(entries.get(end)) };
  });
  function thickness(cell) {
    const i = cells.indexOf(cell);
    return i < 0 ? thick[cell.column] : sizes[i][along] / 2;
  }
  return {
    width: upright ? high - low : span,
    height: upright ? span : high - low,
    centers: cells.slice(0, nodes.length).map((cell) => point(center[cell.column], cell.at)),
    arrows,
  };
}

// The baseline of a text over (under, where `side` is 1) an arrow's last bend: clear of it from the
// text's left end to its right one. The bend goes up or down all the way, so the ends decide.
export function baseline(points, middle, half, side) {
  const [[x0, y0], [x1, y1]] = points.slice(-2);
  const heights = [middle - half, middle + half].map((x) => {
    const part = Math.min(Math.max((x - x0) / (x1 - x0), 0), 1);
    let [low, high] = [0, 1];
    for (let round = 0; round < 20; round += 1) {
      const t = (low + high) / 2;
      if (1.5 * t * (1 - t) + t ** 3 < part) low = t;
      else high = t;
    }
    return y0 + (y1 - y0) * low ** 2 * (3 - 2 * low);
  });
  return side > 0 ? Math.max(...heights) + 13 : Math.min(...heights) - 5;
}

function link(p, q) {
  p.near.push(q);
  q.near.push(p);
}

// --- What a step says ---

// The steps: forward through the operations, then back through all nodes, or to what is not finite.
export function plan({ nodes, root }, run) {
  const forward = nodes.map((_, i) => i).filter((i) => nodes[i].op);
  const back = nodes.map((_, i) => root - i).filter((i) => i >= 0);
  const at = run.trouble && (run.trouble.back ? forward.length + back.indexOf(run.trouble.node)
    : forward.indexOf(run.trouble.node));
  return { forward, back, end: run.trouble ? at : forward.length + back.length };
}

export function sayForward(graph, run, i) {
  const { op, args, name } = graph.nodes[i];
  const numbers = args.map((arg) => inside(typeof arg === "object" ? arg.number : run.value[arg]));
  const [symbols, put] = [describe(graph, i), write(op, ...numbers)];
  return `${pretty(name)} = ${symbols}${put === symbols ? "" : ` = ${put}`} = ${text(run.value[i])}`;
}

export function sayBack(graph, run, i) {
  const { nodes, root } = graph;
  const [top, me] = [pretty(nodes[root].name), pretty(nodes[i].name)];
  if (i === root) return `d${top}/d${top} = 1: the way back begins at the root`;
  const uses = parts(graph, i);
  const symbols = uses.map(([to]) => pretty(nodes[to].name)).map((by) => `d${top}/d${by} × d${by}/d${me}`);
  const numbers = uses.map(([to, slot]) => `${inside(run.grad[to])} × ${inside(run.slopes[to][slot])}`);
  let sentence = `d${top}/d${me} = ${symbols.join(" + ")} = ${numbers.join(" + ")} = ${text(run.grad[i])}`;
  if (uses.length > 1) {
    sentence += `. ${me} is used ${uses.length === 2 ? "twice" : `${uses.length} times`}: `
      + "what comes back along its arrows is added";
  }
  const way = [];
  let at = i;
  while (nodes[at].uses.length === 1) {
    const [[to, slot]] = nodes[at].uses;
    way.unshift(inside(run.slopes[to][slot]));
    at = to;
  }
  if (at === root && way.length > 2) {
    sentence += `. All the way from ${top}: ${way.join(" × ")} = ${text(run.grad[i])}`;
  }
  return sentence;
}

// Why nothing comes through a ReLU, for each that stops a gradient.
export function sayDead(graph, run) {
  const { nodes } = graph;
  return nodes.flatMap(({ op, args, name }, i) => {
    const a = run.value[args[0]];
    if (op !== "relu" || !(a <= 0) || !run.grad[i]) return [];
    const behind = new Set(args);
    nodes.slice(0, i).toReversed().forEach((node, k) => {
      if (behind.has(i - 1 - k)) node.args.forEach((arg) => behind.add(arg));
    });
    const lost = nodes.filter((_, k) => behind.has(k) && run.grad[k] === 0).map((node) => pretty(node.name));
    if (!lost.length) return [];
    const [input, me] = [pretty(nodes[args[0]].name), pretty(name)];
    const why = a ? `off: ${input} = ${show(a)} is negative, so its slope is 0` : `at its corner: ${input} is `
      + "exactly 0. From the right the slope is 1, from the left 0; here, as in PyTorch, 0 is taken";
    return [`The ReLU is ${why}. The gradient ${text(run.grad[i])} gets as far as ${me}, and there it is `
      + `multiplied by 0. Behind it, at ${lost.join(", ")}, the gradient is 0: a step changes nothing there.`];
  }).join(" ");
}

// --- In the page ---

const STYLE = `
.udl-graph { overflow-x: auto; border-radius: .3rem; padding: .25rem; }
.udl-card .udl-graph svg { max-width: none; margin: 0 auto; }
.udl-graph .box { fill: var(--panel); stroke: var(--edge); }
.udl-graph .inner .box { fill: var(--paper); stroke: var(--green); stroke-width: 1.5; }
.udl-graph .later .box { stroke-dasharray: 3 3; }
.udl-graph .now .box { stroke: var(--ink); stroke-width: 3; }
.udl-graph .leaf { cursor: ew-resize; touch-action: pan-y; }
.udl-graph text { font-size: 12px; text-anchor: middle; font-variant-numeric: tabular-nums; }
.udl-card .udl-graph text.value { fill: var(--blue); }
.udl-card .udl-graph text.grad { fill: var(--orange); }
.udl-card .udl-graph text.slope { font-size: 11.5px; fill: var(--purple); stroke: var(--paper);
  stroke-width: 4px; paint-order: stroke; }
.udl-graph g { --tone: var(--muted); --thick: 1.25; }
.udl-graph .forth { --tone: var(--blue); --thick: 3; }
.udl-graph .back { --tone: var(--orange); --thick: 3; }
.udl-graph .arrow { fill: none; stroke: var(--tone); stroke-width: var(--thick); }
.udl-graph .tip { fill: var(--tone); }
.udl-card .udl-key { margin: .2rem 0 0; font-size: .875em; color: var(--muted); }
.udl-card .udl-said .udl-status { min-height: 0; margin-top: .3rem; }
.udl-card .udl-said { min-height: 3.2em; }
.udl-card .udl-leaves { display: flex; flex-wrap: wrap; gap: .4rem 1.1rem; }
.udl-card .udl-leaf { display: flex; align-items: center; gap: .5rem; }
.udl-card .udl-leaf .udl-number { max-width: 9rem; }
.udl-card .udl-leaf .udl-number input { width: 4.2rem; }
.udl-card .udl-own :is(label, [role=alert]) { flex: 1 1 100%; margin: 0; }
.udl-card .udl-own [role=alert] { color: var(--bad); }
.udl-card .udl-own input { flex: 1 1 14rem; }
.udl-card [aria-disabled=true] { opacity: .6; cursor: default; }
`;

export function render({ el, props }) {
  style("udl-stepper", STYLE);
  // `position` ends before `wish` where a number is not finite. `tried` holds the numbers before a
  // step of gradient descent, while it is judged.
  const at = { expression: "", graph: null, values: {}, learns: new Set(), alpha: props.alpha,
    wish: 0, position: 0, steps: 0, run: null, plan: null, widths: [], tried: null, solved: false };

  const [said, note, verdict] = [status(), status(), status()];
  const picture = make("div", { class: "udl-graph", tabindex: "0", role: "group",
    "aria-label": "Graph. Right arrow: next step, left arrow: back one step, End: run all, Home: start.",
    ...QUIET });
  const forward = button("Forward", () => go("forward"));
  const backward = button("Backward", () => go("backward"));
  const leaves = make("div", { class: "udl-leaves" });
  const rate = number({ label: "Learning rate α", value: at.alpha, min: 0, max: 1e6,
    onChange: (alpha) => { at.alpha = alpha; changed(""); } });
  const field = make("input", { type: "text", id: `${props.label}-expression`, autocomplete: "off",
    spellcheck: "false", autocapitalize: "off",
    "aria-describedby": `${props.label}-help ${props.label}-wrong`, ...QUIET });
  const wrong = make("p", { role: "alert", id: `${props.label}-wrong` });
  const form = make("form", { class: "udl-row udl-own" },
    make("label", { for: field.id }, "Expression"), field,
    make("button", { type: "submit", ...QUIET }, "Draw its graph"), wrong);
  const own = details("Another expression", form,
    make("p", { class: "udl-key", id: `${props.label}-help` }, props.help));
  own.open = props.own;
  const numbers = make("div", { class: "udl-scroll", tabindex: "0", role: "group",
    "aria-label": "Table of all nodes", ...QUIET });

  card({ el, label: props.label, title: props.title, task: props.task, children: [
    row(forward, backward, button("Back one step", () => go("undo")), button("Run all", () => go("end")),
      button("Reset", reset)),
    picture,
    make("p", { class: "udl-key" }, "In a node: its formula, ", make("b", {}, "=") , " its value, ",
      make("b", {}, "grad"), " its gradient. On an arrow: the local derivative. Drag a leaf sideways, "
      + "or type below."),
    make("div", { class: "udl-said" }, said.el, note.el, verdict.el),
    panel("Numbers of the leaves", leaves),
    row(rate.el, button("Take a step", descend)),
    own,
    details("All numbers as a table", numbers),
  ] });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!read(field.value)) return;
    at.wish = at.plan.forward.length;
    changed("");
  });
  picture.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { ArrowRight: "next", ArrowLeft: "undo", Home: "start", End: "end" }[event.key];
    if (!move) return;
    event.preventDefault();
    go(move);
  });

  // The picture is drawn anew while a leaf is dragged, so the pointer belongs to the frame around it.
  let dragged = null;
  picture.addEventListener("pointerdown", (event) => {
    const leaf = event.target.closest("[data-leaf]")?.dataset.leaf;
    if (!leaf) return;
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    dragged = { leaf, from: event.clientX, value: at.values[leaf], moved: false };
  });
  picture.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const by = Math.round((event.clientX - dragged.from) / 6);
    dragged.moved ||= by !== 0;
    if (dragged.moved) nudge(dragged.leaf, dragged.value, by);
  });
  picture.addEventListener("pointerup", () => {
    if (dragged && !dragged.moved) fields.get(dragged.leaf).el.querySelector("input").focus();
    dragged = null;
  });
  picture.addEventListener("pointercancel", () => { dragged = null; });

  let fields = new Map();
  function nudge(name, from, by) {
    const next = Number((from + by / 10).toPrecision(12));
    if (next === at.values[name] || Math.abs(next) > LIMITS.size) return;
    at.values[name] = next;
    fields.get(name).value = next;
    changed("");
  }

  function control(name) {
    const box = number({ label: pretty(name), value: at.values[name], min: -LIMITS.size, max: LIMITS.size,
      onChange: (value) => {
        if (value === at.values[name]) return;
        at.values[name] = value;
        changed("");
      } });
    box.el.querySelector("input").addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      nudge(name, at.values[name], by * (event.shiftKey ? 10 : 1));
    });
    fields.set(name, box);
    const tick = checkbox({ label: "learns", checked: at.learns.has(name), onChange: (on) => {
      at.learns[on ? "add" : "delete"](name);
      changed("");
    } }).el;
    tick.firstChild.setAttribute("aria-label", `${pretty(name)} learns`);
    return make("div", { class: "udl-leaf" }, box.el, tick);
  }

  function mark(complaint) {
    wrong.textContent = complaint;
    field.setAttribute("aria-invalid", complaint !== "");
  }

  // Take over an expression, or say what is wrong with it.
  function read(source) {
    let graph;
    try {
      graph = parse(source);
    } catch (error) {
      if (!(error instanceof Misread)) throw error;
      mark(`${error.message}.`);
      if (field === document.activeElement) field.setSelectionRange(error.at, source.length);
      return false;
    }
    mark("");
    field.value = source;
    at.expression = source;
    at.graph = graph;
    at.widths = [];
    at.steps = 0;
    const names = graph.nodes.filter(({ op }) => !op).map(({ name }) => name);
    at.values = Object.fromEntries(names.map((name) =>
      [name, graph.given.get(name)?.number ?? at.values[name] ?? props.values[name] ?? 1]));
    at.learns = new Set(names.filter((name) => at.learns.has(name)));
    rebuild();
    compute();
    return true;
  }

  function rebuild() {
    fields = new Map();
    leaves.replaceChildren(...Object.keys(at.values).map(control));
  }

  function compute() {
    at.run = evaluate(at.graph, at.values);
    at.plan = plan(at.graph, at.run);
    at.position = Math.min(at.wish, at.plan.end);
  }

  const gradientOf = (name) => at.run.grad[at.graph.nodes.findIndex((node) => node.name === name)];
  const all = () => at.plan.forward.length + at.plan.back.length;

  function go(where) {
    const { position, plan: { forward: first, end } } = at;
    const refusal = where === "forward" && position >= first.length ? "The forward pass is complete."
      : where === "backward" && position < first.length ? "The backward pass needs all values first."
        : where === "undo" && !position ? "This is the start: only the leaves have values."
          : "backward next".includes(where) && position >= end ? "Both passes are complete." : "";
    if (refusal && !at.run.trouble) return note.say(refusal);
    const to = { undo: Math.max(0, position - 1), start: 0, end: all() };
    at.wish = to[where] ?? Math.min(position + 1, end);
    changed("");
  }

  function reset() {
    at.learns = new Set(props.trainable);
    at.alpha = rate.value = props.alpha;
    at.solved = false;
    verdict.say("");
    read(props.expression);
    at.values = { ...props.values };
    rebuild();
    compute();
    at.wish = { leaves: 0, forward: at.plan.forward.length, backward: all() }[props.start];
    changed("");
  }

  // One step of gradient descent for the leaves that learn.
  function descend() {
    at.wish = all();
    const names = Object.keys(at.values).filter((name) => at.learns.has(name));
    if (at.run.trouble) return changed("No step: there is no gradient yet.");
    if (!names.length) return changed("No leaf learns. Tick at least one above.");
    const { nodes, root } = at.graph;
    const before = at.run.value[root];
    const start = { ...at.values };
    const lines = names.map((name) => {
      const gradient = gradientOf(name);
      const next = start[name] - at.alpha * gradient;
      at.values[name] = next;
      return `${pretty(name)}: ${text(start[name])} − ${text(at.alpha)} × ${inside(gradient)} = ${
        text(next)}`;
    });
    if (names.some((name) => !(Math.abs(at.values[name]) <= LIMITS.size))) {
      at.values = start;
      return changed("No step: a number would leave the range to 10⁹. Try a smaller learning rate.");
    }
    at.steps += 1;
    for (const name of names) fields.get(name).value = Number(at.values[name].toPrecision(15));
    compute();
    at.tried = start;
    const top = pretty(nodes[root].name);
    const after = at.run.value[root];
    changed(`Step ${at.steps}. ${lines.join("; ")}. ${Number.isNaN(after) ? ""
      : `${top} went from ${text(before)} to ${text(after)}.`} ${
      after > before ? "It rose: the learning rate is too large here." : ""}`);
    at.tried = null;
  }

  function changed(remark) {
    compute();
    const { graph, run, position } = at;
    const { forward: first, back, end } = at.plan;
    const complete = !run.trouble && position === end;
    const trouble = run.trouble && position === end ? run.trouble : null;
    draw();
    if (trouble) {
      const node = pretty(graph.nodes[trouble.node].name);
      said.say(`${trouble.back ? "The way back" : "The forward pass"} stops at ${node}. ${
        trouble.text} Change a number.`, "bad");
    } else if (!position) {
      said.say("The leaves have their values. Forward computes the other nodes, one at a time.");
    } else if (position <= first.length) {
      said.say(`Forward ${position} of ${first.length}: ${sayForward(graph, run, first[position - 1])}.`);
    } else {
      const k = position - first.length;
      said.say(`Backward ${k} of ${back.length}: ${sayBack(graph, run, back[k - 1])}.`);
    }
    const dead = complete ? sayDead(graph, run) : "";
    const small = [...run.value, ...complete ? run.grad : []].some(tiny)
      && "Numbers below 1e-12 are shown as 0.";
    note.say([remark, dead, small].filter(Boolean).join(" "));
    forward.setAttribute("aria-disabled", position >= Math.min(first.length, end));
    backward.setAttribute("aria-disabled", position < first.length || position >= end);
    if (complete) judge();
    save();
  }

  function nodeTable(known, backed) {
    const { graph, run } = at;
    const { nodes, root } = graph;
    const number = (set, i, all) => (set.has(i) ? text(all[i]) : "not yet");
    return table(`All nodes, in the order of the forward pass. ${agreement()}`,
      ["node", "operation", "local derivatives", "value", `gradient d${pretty(nodes[root].name)}/d·`],
      nodes.map(({ name, args }, i) => [pretty(name), describe(graph, i),
        args.flatMap((arg, slot) => (typeof arg === "object" || !known.has(i) ? []
          : [`d${pretty(name)}/d${pretty(nodes[arg].name)} = ${slopeText(graph, run, i, slot)}`])).join("; "),
        number(known, i, run.value), number(backed, i, run.grad)]));
  }

  // The page was built with what udl.autograd found for the first numbers.
  function agreement() {
    const { graph, run, values } = at;
    if (at.expression !== props.expression
      || Object.keys(values).some((name) => values[name] !== props.values[name])) return "";
    const near = (p, q) => Math.abs(p - q) <= 1e-12 * Math.max(1, Math.abs(q));
    const agrees = props.nodes.every(([name, value, gradient], i) => graph.nodes[i].name === name
      && near(run.value[i], value) && near(run.grad[i], gradient));
    return `The numbers ${agrees ? "agree with" : "differ from"} those of udl.autograd.`;
  }

  function judge() {
    const { goal } = props;
    if (!goal) return;
    if (at.solved) { // what was true when it was done may not be true any more
      verdict.say("✓ Task done.", "good");
      return;
    }
    const { graph, run } = at;
    const mine = at.expression !== props.expression;
    const moved = Object.keys(props.values).filter((name) => at.values[name] !== props.values[name]);
    let done = "";
    let hint = "";
    const changedOne = (text) => {
      if (moved.length === 1) done = `${text}, with ${pretty(moved[0])} = ${show(at.values[moved[0]], 4)}.`;
      else hint = "Right, but with more than one number changed. Press Reset, and find one that is enough.";
    };
    if (goal.kind === "two-ways" && mine) {
      const i = graph.nodes.findIndex(({ op, uses }) => !op && uses.length > 1
        && uses.every(([to, slot]) => run.grad[to] * run.slopes[to][slot]));
      if (i >= 0) {
        done = `at ${pretty(graph.nodes[i].name)}, ${parts(graph, i).map(([to, slot]) =>
          inside(run.grad[to] * run.slopes[to][slot])).join(" + ")} = ${text(run.grad[i])}.`;
      }
    } else if (goal.kind === "one-step" && !mine && at.tried && Math.abs(run.value[graph.root]) <= 1e-6) {
      if (Object.keys(at.tried).every((name) => at.tried[name] === (goal.at[name] ?? props.values[name]))) {
        done = `one step with α = ${text(at.alpha)} was enough.`;
      } else hint = "The loss is 0. For the task, press Reset, and start from its numbers.";
    } else if (goal.kind === "revive" && !mine && props.trainable.every(gradientOf)) {
      changedOne("the unit is alive again");
    } else if (goal.kind === "gradient" && !mine && !at.steps
      && Math.abs(gradientOf(goal.name) - goal.value) <= 1e-6 * Math.max(1, Math.abs(goal.value))) {
      changedOne(`the gradient of ${pretty(goal.name)} is ${text(goal.value)}`);
    }
    at.solved = done !== "";
    verdict.say(done ? `✓ Task done: ${done}` : hint, done ? "good" : "");
  }

  function draw() {
    const { graph, run, position } = at;
    const { nodes } = graph;
    const { forward: first, back, end } = at.plan;
    const steps = position - first.length;
    const known = new Set([...nodes.keys()].filter((i) => !nodes[i].op).concat(first.slice(0, position)));
    const backed = new Set(steps > 0 ? back.slice(0, steps) : []);
    const stuck = run.trouble && position === end ? run.trouble.node : -1;
    const now = stuck >= 0 ? stuck : steps > 0 ? back[steps - 1] : position ? first[position - 1] : -1;
    const measure = ruler(el);
    const title = ({ name, op }, i) => pretty(name) + (op && ` = ${describe(graph, i)}`);
    const full = nodes.map((node, i) => [title(node, i),
      `= ${i === stuck && !known.has(i) ? "?" : text(run.value[i])}`,
      `grad ${i === stuck ? "?" : text(run.grad[i])}`]);
    const lines = full.map((group, i) => [group[0], known.has(i) || i === stuck ? group[1] : "",
      backed.has(i) || i === stuck && known.has(i) ? group[2] : ""]);
    // With room for what later steps show; and nodes only grow, so that nothing trembles in a drag.
    const sizes = full.map((group, i) => {
      at.widths[i] = Math.max(at.widths[i] ?? 58, ...group.map((line) => measure(line) + 16));
      return [at.widths[i], 52];
    });
    const labels = (to, slot) => (run.slopes[to].length ? slopeText(graph, run, to, slot) : "");
    const width = (to, slot) => (typeof nodes[to].args[slot] === "object" ? 0 : measure(labels(to, slot)));
    const room = Math.max(240, picture.clientWidth - 16);
    let place = layout(graph, sizes, width, room, false);
    const upright = place.width > room;
    if (upright) place = layout(graph, sizes, width, room, true);

    const [shapes, taken] = [[], []];
    let [left, right] = [0, place.width];
    for (const { from, to, slot, points, at: [x, y], side } of place.arrows) {
      const used = to === now && steps <= 0 && position ? "forth" : from === now && steps > 0 ? "back" : "";
      shapes.push(svg("g", { class: used }, ...arrow(points, upright)));
      // Where texts would overlap, one goes without its formula; the table has it.
      const formula = known.has(to) && labels(to, slot);
      for (const label of formula ? [formula, formula.split(" = ").pop()] : []) {
        const half = measure(label) / 2;
        const beside = upright ? x + (side || 1) * (half + 7) : x;
        const middle = Math.min(Math.max(beside, right - room + half), left + room - half);
        const high = upright ? y + 4 : baseline(points, middle, half, side);
        const box = [middle - half, middle + half, high];
        if (taken.some(([p, q, h]) => Math.abs(h - high) < 13 && p < box[1] && box[0] < q)) continue;
        taken.push(box);
        left = Math.min(left, box[0]);
        right = Math.max(right, box[1]);
        shapes.push(svg("text", { class: "slope", x: middle, y: high }, label));
        break;
      }
    }
    nodes.forEach(({ name, op }, i) => {
      const [x, y] = place.centers[i];
      const [w, h] = sizes[i];
      shapes.push(svg("g", { "data-leaf": op ? null : name,
        class: `${op ? "inner" : "leaf"} ${known.has(i) ? "" : "later"} ${i === now ? "now" : ""}` },
      svg("rect", { class: "box", x: x - w / 2, y: y - h / 2, width: w, height: h, rx: op ? 14 : 2 }),
      ...lines[i].map((line, k) =>
        svg("text", { x, y: y - 12 + 16 * k, class: ["name", "value", "grad"][k] }, line))));
    });
    const [wide, high] = [right - left + 6, place.height + (upright ? 6 : 24)];
    picture.replaceChildren(svg("svg", { width: wide, height: high, role: "img",
      viewBox: `${left - 3} ${(place.height - high) / 2} ${wide} ${high}`,
      "aria-label": `Graph with ${nodes.length} nodes. ${
        lines.map((group) => group.filter(Boolean).join(", ")).join(". ")}.` },
    ...shapes));
    numbers.replaceChildren(nodeTable(known, backed));
  }

  function save() {
    if (!el.isConnected || starting) return;
    const names = Object.keys(at.values);
    writeState(props.label, { e: at.expression, v: names.map((name) => at.values[name]).join(","),
      t: names.map((name) => (at.learns.has(name) ? 1 : 0)).join(""), a: at.alpha, n: at.position });
  }

  // What a link carries: each part is taken over or named as ignored.
  function restore() {
    const { values, given } = readState(props.label);
    if (!given) return;
    const ignored = [];
    const take = (key, what, use) => {
      if (values[key] !== undefined && !use(values[key])) ignored.push(what);
    };
    take("e", "the expression", (source) => source === at.expression || read(source));
    mark("");
    const names = Object.keys(at.values);
    take("v", "the numbers", (list) => {
      const found = list.split(",").map((word) => (word.trim() ? Number(word) : NaN));
      if (found.length !== names.length || found.some((v) => !(Math.abs(v) <= LIMITS.size))) return false;
      names.forEach((name, i) => { at.values[name] = found[i]; });
      return true;
    });
    take("t", "which leaves learn", (bits) => {
      if (!/^[01]*$/.test(bits) || bits.length !== names.length) return false;
      at.learns = new Set(names.filter((_, i) => bits[i] === "1"));
      return true;
    });
    take("a", "the learning rate", (word) => {
      const alpha = word.trim() ? Number(word) : NaN;
      if (!(alpha >= 0 && alpha <= 1e6)) return false;
      at.alpha = rate.value = alpha;
      return true;
    });
    rebuild();
    compute();
    take("n", "the position", (word) => {
      if (!/^\d{1,3}$/.test(word) || Number(word) > at.plan.end) return false;
      at.wish = Number(word);
      return true;
    });
    if (Object.keys(values).some((key) => !"evtan".includes(key))) ignored.push("unknown names");
    changed(ignored.length ? `Ignored in the address: ${ignored.join(", ")}.` : "");
  }

  let starting = true;
  reset();
  restore();
  starting = false;
  let seen = picture.clientWidth;
  new ResizeObserver(() => {
    if (picture.clientWidth === seen) return;
    seen = picture.clientWidth;
    draw();
  }).observe(picture);
}

function ruler(el) {
  const context = make("canvas").getContext("2d");
  context.font = `12px ${getComputedStyle(el).fontFamily}`;
  return (line) => context.measureText(line).width;
}

function arrow(points, upright) {
  const [x1, y1] = points.at(-1);
  const end = upright ? [x1, y1 - 6] : [x1 - 6, y1];
  const way = [...points.slice(0, -1), end];
  let path = `M${way[0]}`;
  for (let k = 1; k < way.length; k += 1) {
    const [[xa, ya], [xb, yb]] = [way[k - 1], way[k]];
    path += upright ? `C${[xa, (ya + yb) / 2, xb, (ya + yb) / 2, xb, yb]}`
      : `C${[(xa + xb) / 2, ya, (xa + xb) / 2, yb, xb, yb]}`;
  }
  const tip = upright ? `M${x1} ${y1}l-4.5-8h9z` : `M${x1} ${y1}l-8-4.5v9z`;
  return [svg("path", { class: "arrow", d: path }), svg("path", { class: "tip", d: tip })];
}
