// The playground's engine: data, network, training. udl.playground is the same in Python, to the
// last bit: no Math.exp or Math.tanh, whose last digits differ from one browser to the next, and
// sums in one order, which is that of udl/playground/_engine.py.

// ---- Arithmetic: + - * / sqrt floor and comparisons round the same everywhere.

// 2^(j/16) - 1: exp(x) = 2^k 2^(j/16) exp(r), and r is so small that seven terms are enough.
const ROOT = Float64Array.of(0, 0.04427378242741384, 0.09050773266525766, 0.13878863475669165,
  0.18920711500272105, 0.24185781207348406, 0.29683955465100964, 0.3542555469368927,
  0.41421356237309503, 0.4768261459394993, 0.5422108254079409, 0.6104903319492543,
  0.6817928305074291, 0.7562521603732995, 0.8340080864093424, 0.9152065613971473);
const STEPS = 23.083120654223414; // 16 / log(2)
const STEP = 0.04332169878489367; // log(2) / 16, rounded so that n * STEP is exact
const STEP_REST = 1.0291218489310676e-13;
const C2 = 1 / 2, C3 = 1 / 6, C4 = 1 / 24, C5 = 1 / 120, C6 = 1 / 720, C7 = 1 / 5040;
const LOWEST = 1022;
const POWER = new Float64Array(2046); // 2^(i - 1022)
for (let i = 0, value = 2 ** -LOWEST; i < POWER.length; i++, value *= 2) POWER[i] = value;

export function exp(x) {
  if (x > 709) return Infinity;
  if (x < -708) return 0;
  const n = Math.floor(x * STEPS + 0.5) | 0;
  const r = (x - n * STEP) - n * STEP_REST;
  const root = ROOT[n & 15];
  const s = r * r;
  const p = r + s * ((C2 + C3 * r) + s * ((C4 + C5 * r) + s * (C6 + C7 * r)));
  return POWER[(n >> 4) + LOWEST] * (1 + (root + (1 + root) * p));
}

// By exp(2x) - 1, so that digits do not cancel near 0. The sign is looked up: a processor that has
// to guess which way a branch goes is wrong half of the time.
const SIGN = Float64Array.of(1, -1);

export function tanh(x) {
  const a = Math.abs(x);
  if (a > 20) return x < 0 ? -1 : 1;
  const y = a + a;
  const n = Math.floor(y * STEPS + 0.5) | 0;
  const r = (y - n * STEP) - n * STEP_REST;
  const root = ROOT[n & 15];
  const s = r * r;
  const p = r + s * ((C2 + C3 * r) + s * ((C4 + C5 * r) + s * (C6 + C7 * r)));
  const power = POWER[(n >> 4) + LOWEST];
  const e = power * (root + (1 + root) * p) + (power - 1);
  return (e / (e + 2)) * SIGN[+(x < 0)];
}

export function sigmoid(x) {
  return 1 / (1 + exp(-x));
}

const LN2 = 0.6931471805582987, LN2_REST = 1.6465949582897082e-12;
const SQRT2 = 1.4142135623730951;

// 2 atanh(s), as its series: log((1 + s) / (1 - s)).
function twiceAtanh(s) {
  const q = s * s;
  let sum = 0;
  for (let k = 25; k > 1; k -= 2) sum = q * (1 / k + sum);
  return 2 * (s + s * sum);
}

// Of a positive number.
export function log(x) {
  let k = 0;
  while (x >= SQRT2) { x *= 0.5; k += 1; }
  while (x < SQRT2 / 2) { x *= 2; k -= 1; }
  return k * LN2 + (twiceAtanh((x - 1) / (x + 1)) + k * LN2_REST);
}

// log(1 + x) for 0 <= x <= 1.
export function log1p(x) {
  return x > 0.5 ? log(1 + x) : twiceAtanh(x / (2 + x));
}

// pi / 2 in three parts, of which the first two times a small whole number are exact.
const QUARTER = 1.5707963267341256, QUARTER_REST = 6.077100506303966e-11;
const QUARTER_LAST = 2.0222662487959506e-21;
const PER_QUARTER = 0.6366197723675814;
const TWO_PI = 6.283185307179586;

// sin(x + quarters pi / 2), for |x| up to a thousand or so.
function wave(x, quarters) {
  const n = Math.floor(x * PER_QUARTER + 0.5);
  const r = ((x - n * QUARTER) - n * QUARTER_REST) - n * QUARTER_LAST;
  const turn = (((n + quarters) % 4) + 4) % 4;
  const q = r * r;
  let value;
  if (turn % 2) {
    value = 0;
    for (let k = 16; k > 2; k -= 2) value = q * (1 - value) / (k * (k - 1));
    value = 1 - q * (0.5 - 0.5 * value);
  } else {
    value = 0;
    for (let k = 17; k > 1; k -= 2) value = q * (1 - value) / (k * (k - 1));
    value = r - r * value;
  }
  return turn > 1 ? -value : value;
}

export const sin = (x) => wave(x, 0);
export const cos = (x) => wave(x, 1);

// ---- Chance: mulberry32, by Tommy Ettinger. Each purpose has its own stream.

const STREAMS = { data: 1, weights: 2, order: 3, dropout: 4 };

export class Stream {
  constructor(seed, purpose) {
    this.state = seed | 0;
    // The number of the purpose picks a place of the cycle far from those of other purposes.
    for (let i = 0; i < 2; i++) {
      this.next();
      this.state = (this.bits() ^ Math.imul(STREAMS[purpose], 0x9e3779b9)) | 0;
    }
  }
  bits() {
    const a = this.state;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  // A multiple of 2^-32, at least 0 and less than 1.
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    return this.bits() / 4294967296;
  }
  between(low, high) {
    return low + (high - low) * this.next();
  }
  normal() {
    const radius = Math.sqrt(-2 * log(1 - this.next()));
    return radius * cos(TWO_PI * this.next());
  }
  shuffle(items) {
    for (let i = items.length - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1));
      const item = items[i];
      items[i] = items[j];
      items[j] = item;
    }
  }
}

// ---- What can be set.

export const OPTIONS = {
  dataset: ["circle", "xor", "gauss", "spiral", "plane", "multigauss", "three", "points"],
  regression: ["plane", "multigauss"],
  features: ["x1", "x2", "x1^2", "x2^2", "x1*x2", "sin(x1)", "sin(x2)"],
  activations: ["relu", "tanh", "sigmoid", "linear"],
  loss: ["cross-entropy", "squared"],
  optimizer: ["sgd", "momentum", "adam"],
  layers: [0, 6],
  width: [1, 8],
  coordinate: [-10, 10],
  points: [4, 1000],
  limits: { noise: [0, 0.5], train: [0.1, 0.9], alpha: [1e-6, 10], beta: [0, 0.999],
    gamma: [0, 0.99999], epsilon: [1e-12, 1], l1: [0, 1], l2: [0, 1], dropout: [0, 0.8] },
  counts: { examples: [20, 1000], batch: [1, 1000], data_seed: [0, 4294967295],
    seed: [0, 4294967295] },
};

export const DEFAULTS = { dataset: "circle", points: [], noise: 0, examples: 500, train: 0.5,
  data_seed: 0, features: ["x1", "x2"], hidden: [4, 2], activations: "tanh", loss: null,
  optimizer: "sgd", alpha: 0.03, beta: 0.9, gamma: 0.999, epsilon: 1e-8, l1: 0, l2: 0, dropout: 0,
  batch: 10, seed: 0 };

const among = (key, allowed) => (value) => {
  if (!allowed.includes(value)) {
    throw new Error(`expected one of ${allowed.join(", ")}, got ${key}=${write(value)}`);
  }
  return value;
};
const write = (value) => {
  const text = typeof value === "object" || typeof value === "string" ? JSON.stringify(value)
    : String(value ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

function within(key, value, [low, high], whole) {
  const ok = typeof value === "number" && value >= low && value <= high
    && (!whole || Number.isInteger(value));
  if (!ok) {
    const kind = whole ? "a whole number" : "a number";
    throw new Error(`expected ${kind} from ${low} to ${high}, got ${key}=${write(value)}`);
  }
  return value;
}

function list(key, value, [low, high], what) {
  if (!Array.isArray(value) || value.length < low || value.length > high) {
    throw new Error(`expected a list of ${low} to ${high} ${what}, got ${key}=${write(value)}`);
  }
  return value;
}

// Each reads one key, given what was read before it, and throws where it can not.
const READ = {
  dataset: among("dataset", OPTIONS.dataset),
  points(value, config) {
    if (config.dataset !== "points") return [];
    return list("points", value, OPTIONS.points, "points").map((point, i) => {
      if (!Array.isArray(point) || point.length !== 3) {
        throw new Error(`expected [x1, x2, label], got points[${i}]=${write(point)}`);
      }
      within(`points[${i}][0]`, point[0], OPTIONS.coordinate, false);
      within(`points[${i}][1]`, point[1], OPTIONS.coordinate, false);
      among(`points[${i}][2]`, [0, 1, 2])(point[2]);
      return [...point];
    });
  },
  features(value) {
    const names = list("features", value, [1, 7], "features");
    names.forEach((name, i) => among(`features[${i}]`, OPTIONS.features)(name));
    if (new Set(names).size < names.length) {
      throw new Error(`expected each feature once, got features=${write(names)}`);
    }
    return [...names];
  },
  hidden(value) {
    const widths = list("hidden", value, OPTIONS.layers, "widths");
    return widths.map((width, i) => within(`hidden[${i}]`, width, OPTIONS.width, true));
  },
  activations(value, config) {
    const K = config.hidden.length;
    const names = typeof value === "string" ? config.hidden.map(() => value) : value;
    if (typeof value === "string") among("activations", OPTIONS.activations)(value);
    list("activations", names, [K, K], "names, one for each hidden layer");
    return names.map((name, i) => among(`activations[${i}]`, OPTIONS.activations)(name));
  },
  loss(value, config) {
    const regression = OPTIONS.regression.includes(config.dataset);
    if (value === null) return regression ? "squared" : "cross-entropy";
    if (regression && value === "cross-entropy") {
      throw new Error(`expected "squared" where targets are numbers, as in the data set `
        + `${config.dataset}, got loss="cross-entropy"`);
    }
    return among("loss", OPTIONS.loss)(value);
  },
  optimizer: among("optimizer", OPTIONS.optimizer),
};
for (const [key, limits] of Object.entries(OPTIONS.limits)) {
  READ[key] = (value) => within(key, value, limits, false);
}
for (const [key, limits] of Object.entries(OPTIONS.counts)) {
  READ[key] = (value) => within(key, value, limits, true);
}

function read(raw, fail) {
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) {
    fail(new Error(`expected settings by their names, got ${write(raw)}`));
    raw = {};
  }
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(DEFAULTS, key)) {
      fail(new Error(`expected a setting among ${Object.keys(DEFAULTS).join(", ")}, got ${key}`));
    }
  }
  const config = {};
  for (const key of Object.keys(DEFAULTS)) {
    try {
      config[key] = READ[key](Object.hasOwn(raw, key) ? raw[key] : DEFAULTS[key], config);
    } catch (error) {
      fail(error);
      if (key === "points") config.dataset = DEFAULTS.dataset;
      config[key] = READ[key](DEFAULTS[key], config);
    }
  }
  return config;
}

// For settings from outside, such as a link: what can not be used is replaced by the default.
export function check(raw) {
  const ignored = [];
  return { config: read(raw, (error) => ignored.push(error.message)), ignored };
}

// ---- Data.

const CENTERS = [[0, 3], [-2.598076211353316, -1.5], [2.598076211353316, -1.5]];
const BUMPS = [[-4, 2.5, 1], [0, 2.5, -1], [4, 2.5, 1], [-4, -2.5, -1], [0, -2.5, 1], [4, -2.5, -1]];

function bump(x1, x2) {
  let value = 0;
  for (const [c1, c2, sign] of BUMPS) {
    const d1 = x1 - c1, d2 = x2 - c2;
    const height = 1 - Math.sqrt(d1 * d1 + d2 * d2) / 2;
    if (height > 0) value = sign * height; // bumps do not overlap
  }
  return value;
}

// One example: [x1, x2, y]. Noise moves a point of circle, xor, plane or multigauss only while its
// label is looked up; others stay moved.
const DRAW = {
  circle(chance, noise, i) {
    const radius = i % 2 ? chance.between(0, 2.5) : chance.between(3.5, 5);
    const angle = chance.between(0, TWO_PI);
    const x1 = radius * cos(angle), x2 = radius * sin(angle);
    const n1 = x1 + noise * chance.between(-5, 5), n2 = x2 + noise * chance.between(-5, 5);
    return [x1, x2, n1 * n1 + n2 * n2 < 6.25 ? 1 : 0];
  },
  xor(chance, noise) {
    const a1 = chance.between(-5, 5), a2 = chance.between(-5, 5);
    const x1 = a1 > 0 ? a1 + 0.3 : a1 - 0.3, x2 = a2 > 0 ? a2 + 0.3 : a2 - 0.3;
    const n1 = x1 + noise * chance.between(-5, 5), n2 = x2 + noise * chance.between(-5, 5);
    return [x1, x2, n1 * n2 >= 0 ? 1 : 0];
  },
  gauss(chance, noise, i) {
    const label = i % 2, center = label ? 2 : -2, spread = Math.sqrt(0.5 + 7 * noise);
    const x1 = center + spread * chance.normal();
    return [x1, center + spread * chance.normal(), label];
  },
  spiral(chance, noise, i, examples) {
    const label = i % 2, along = (i - label) / examples;
    const radius = 5 * along;
    const angle = 1.75 * TWO_PI * along + (label ? 0 : TWO_PI / 2);
    const x1 = radius * sin(angle) + noise * chance.between(-1, 1);
    return [x1, radius * cos(angle) + noise * chance.between(-1, 1), label];
  },
  plane(chance, noise) {
    const x1 = chance.between(-6, 6), x2 = chance.between(-6, 6);
    const n1 = x1 + noise * chance.between(-6, 6), n2 = x2 + noise * chance.between(-6, 6);
    return [x1, x2, (n1 + n2) / 10];
  },
  multigauss(chance, noise) {
    const x1 = chance.between(-6, 6), x2 = chance.between(-6, 6);
    const n1 = x1 + noise * chance.between(-6, 6), n2 = x2 + noise * chance.between(-6, 6);
    return [x1, x2, bump(n1, n2)];
  },
  three(chance, noise, i) {
    const label = i % 3, [c1, c2] = CENTERS[label], spread = Math.sqrt(0.5 + 7 * noise);
    const x1 = c1 + spread * chance.normal();
    return [x1, c2 + spread * chance.normal(), label];
  },
};

// { train: { x, y }, test: { x, y } }: x holds x1, x2 of each example in turn, y a class or a value.
export function makeData(config) {
  const chance = new Stream(config.data_seed, "data");
  let rows = config.points.map((point) => [...point]);
  if (config.dataset !== "points") {
    rows = Array.from({ length: config.examples },
      (_, i) => DRAW[config.dataset](chance, config.noise, i, config.examples));
  }
  chance.shuffle(rows);
  const count = Math.floor(rows.length * config.train + 0.5);
  const split = Math.min(Math.max(count, 1), rows.length - 1);
  const set = (part) => ({
    x: Float64Array.from(part.flatMap((row) => [row[0], row[1]])),
    y: Float64Array.from(part, (row) => row[2]),
  });
  return { train: set(rows.slice(0, split)), test: set(rows.slice(split)) };
}

const FEATURE = {
  "x1": (x1) => x1,
  "x2": (x1, x2) => x2,
  "x1^2": (x1) => x1 * x1,
  "x2^2": (x1, x2) => x2 * x2,
  "x1*x2": (x1, x2) => x1 * x2,
  "sin(x1)": (x1) => sin(x1),
  "sin(x2)": (x1, x2) => sin(x2),
};

// ---- Layers. All numbers of an engine are in one array M, of which the functions below get places:
// so the processor has one length to check. Activations have one row per unit, of `stride` examples,
// which is even. Four units times two examples are summed at once, since eight sums that do not wait
// for each other keep the processor busy; each of them keeps its own order.

const relu = (z) => 0.5 * (z + Math.abs(z)); // exact, and without a branch
const SLOPE = { // from the activation's value
  relu: (h) => +(h > 0),
  tanh: (h) => 1 - h * h,
  sigmoid: (h) => h * (1 - h),
  linear: () => 1,
};

// From activations X of the inputs to those of the outputs, Z.
function layer(M, phi, inputs, outputs, X, Z, stride, count, kind) {
  const biases = phi + inputs * outputs, rectify = kind === "relu";
  let o = 0;
  for (; o + 3 < outputs; o += 4) {
    const ba = M[biases + o], bb = M[biases + o + 1], bc = M[biases + o + 2], bd = M[biases + o + 3];
    for (let e = 0; e < count; e += 2) {
      let a = ba, b = bb, c = bc, d = bd, a1 = ba, b1 = bb, c1 = bc, d1 = bd;
      let p = X + e, qa = phi + o * inputs, qb = qa + inputs, qc = qb + inputs, qd = qc + inputs;
      for (let i = 0; i < inputs; i++, p += stride, qa++, qb++, qc++, qd++) {
        const x = M[p], x1 = M[p + 1];
        const r = M[qa], s = M[qb], t = M[qc], u = M[qd];
        a += r * x; b += s * x; c += t * x; d += u * x;
        a1 += r * x1; b1 += s * x1; c1 += t * x1; d1 += u * x1;
      }
      if (rectify) {
        a = relu(a); b = relu(b); c = relu(c); d = relu(d);
        a1 = relu(a1); b1 = relu(b1); c1 = relu(c1); d1 = relu(d1);
      }
      p = Z + o * stride + e;
      M[p] = a; M[p + 1] = a1; p += stride;
      M[p] = b; M[p + 1] = b1; p += stride;
      M[p] = c; M[p + 1] = c1; p += stride;
      M[p] = d; M[p + 1] = d1;
    }
  }
  for (; o < outputs; o++) { // up to three are left
    const bias = M[biases + o];
    for (let e = 0; e < count; e += 2) {
      let a = bias, a1 = bias;
      for (let i = 0, p = X + e, q = phi + o * inputs; i < inputs; i++, p += stride, q++) {
        a += M[q] * M[p]; a1 += M[q] * M[p + 1];
      }
      if (rectify) { a = relu(a); a1 = relu(a1); }
      const p = Z + o * stride + e;
      M[p] = a; M[p + 1] = a1;
    }
  }
  const end = Z + outputs * stride;
  if (kind === "tanh") for (let p = Z; p < end; p++) M[p] = tanh(M[p]);
  else if (kind === "sigmoid") for (let p = Z; p < end; p++) M[p] = sigmoid(M[p]);
}

// From deltas D of the outputs to those of the inputs, E, whose activations are H, of a kind.
function backward(M, phi, inputs, outputs, D, E, stride, count, H, kind) {
  const rectify = kind === "relu";
  let i = 0;
  for (; i + 3 < inputs; i += 4) {
    for (let e = 0; e < count; e += 2) {
      let a = 0, b = 0, c = 0, d = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
      let p = D + e, q = phi + i;
      for (let o = 0; o < outputs; o++, p += stride, q += inputs) {
        const x = M[p], x1 = M[p + 1];
        const r = M[q], s = M[q + 1], t = M[q + 2], u = M[q + 3];
        a += r * x; b += s * x; c += t * x; d += u * x;
        a1 += r * x1; b1 += s * x1; c1 += t * x1; d1 += u * x1;
      }
      q = H + i * stride + e;
      if (rectify) {
        a *= +(M[q] > 0); a1 *= +(M[q + 1] > 0); q += stride;
        b *= +(M[q] > 0); b1 *= +(M[q + 1] > 0); q += stride;
        c *= +(M[q] > 0); c1 *= +(M[q + 1] > 0); q += stride;
        d *= +(M[q] > 0); d1 *= +(M[q + 1] > 0);
      }
      p = E + i * stride + e;
      M[p] = a; M[p + 1] = a1; p += stride;
      M[p] = b; M[p + 1] = b1; p += stride;
      M[p] = c; M[p + 1] = c1; p += stride;
      M[p] = d; M[p + 1] = d1;
    }
  }
  for (; i < inputs; i++) {
    for (let e = 0; e < count; e += 2) {
      let a = 0, a1 = 0;
      for (let o = 0, p = D + e, q = phi + i; o < outputs; o++, p += stride, q += inputs) {
        a += M[q] * M[p]; a1 += M[q] * M[p + 1];
      }
      const q = H + i * stride + e, p = E + i * stride + e;
      if (rectify) { a *= +(M[q] > 0); a1 *= +(M[q + 1] > 0); }
      M[p] = a; M[p + 1] = a1;
    }
  }
  const end = E + inputs * stride;
  if (kind === "tanh") for (let p = E, q = H; p < end; p++, q++) M[p] *= 1 - M[q] * M[q];
  else if (kind === "sigmoid") for (let p = E, q = H; p < end; p++, q++) M[p] *= M[q] * (1 - M[q]);
}

// From deltas D and activations X to sums over the batch, example by example: G is laid out as phi.
// Two outputs times four inputs at once; where they run out, the last one is summed again.
function gradients(M, G, inputs, outputs, X, D, stride, count) {
  const biases = G + inputs * outputs, last = inputs - 1;
  for (let o = 0; o < outputs; o += 2) {
    const o1 = o + 1 < outputs ? o + 1 : o;
    for (let i = 0; i < inputs; i += 4) {
      const ib = Math.min(i + 1, last), ic = Math.min(i + 2, last), id = Math.min(i + 3, last);
      let a = 0, b = 0, c = 0, d = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0, sum = 0, sum1 = 0;
      let p = D + o * stride, p1 = D + o1 * stride;
      let qa = X + i * stride, qb = X + ib * stride, qc = X + ic * stride, qd = X + id * stride;
      for (const end = p + count; p < end; p++, p1++, qa++, qb++, qc++, qd++) {
        const g = M[p], g1 = M[p1];
        const r = M[qa], s = M[qb], t = M[qc], u = M[qd];
        a += g * r; b += g * s; c += g * t; d += g * u; sum += g;
        a1 += g1 * r; b1 += g1 * s; c1 += g1 * t; d1 += g1 * u; sum1 += g1;
      }
      p = G + o * inputs;
      M[p + i] = a; M[p + ib] = b; M[p + ic] = c; M[p + id] = d;
      p = G + o1 * inputs;
      M[p + i] = a1; M[p + ib] = b1; M[p + ic] = c1; M[p + id] = d1;
      M[biases + o] = sum;
      M[biases + o1] = sum1;
    }
  }
}

// ---- The engine.

const CHUNK = 128; // examples that are looked at together when nothing is learned
const BOUND = 1e6; // a weight beyond it has diverged
const SPACING = 8, MOST = 256; // every eighth epoch is remembered, and fewer once that is too many

export function createEngine(raw = {}) {
  const config = read(raw, (error) => { throw error; });
  const regression = OPTIONS.regression.includes(config.dataset);
  const data = makeData(config);
  const classes = regression ? 0
    : config.dataset === "three" || config.points.some((point) => point[2] === 2) ? 3 : 2;
  const outputs = classes === 3 ? 3 : 1;
  const crossEntropy = config.loss === "cross-entropy";
  const last = crossEntropy || regression ? "linear" : "tanh";
  const widths = [config.features.length, ...config.hidden, outputs];
  const kinds = [...config.activations, last];
  const K = kinds.length;
  const starts = [0];
  for (let k = 0; k < K; k++) starts.push(starts[k] + (widths[k] + 1) * widths[k + 1]);
  const P = starts[K];
  const examples = data.train.y.length;
  const batchesPerEpoch = Math.ceil(examples / config.batch);

  const stride = 2 * Math.ceil(Math.min(config.batch, examples) / 2);
  let used = 0;
  const places = (sizes) => sizes.map((size) => (used += size) - size);
  const [, GRADIENT, MEAN, SQUARE] = places([P, P, P, P]);
  const [H, D, SLOPES] = [0, 0, 0].map(() => places(widths.map((width) => width * stride)));
  const WIDE = places(widths.map((width) => width * CHUNK));
  const M = new Float64Array(used);
  const part = (start, size) => M.subarray(start, start + size);
  const phi = part(0, P), G = part(GRADIENT, P), m = part(MEAN, P), v = part(SQUARE, P);
  const penalized = new Uint8Array(P);
  for (let k = 0; k < K; k++) penalized.fill(1, starts[k], starts[k] + widths[k] * widths[k + 1]);
  const order = new Uint16Array(examples);
  const shuffling = new Stream(config.seed, "order"), dropping = new Stream(config.seed, "dropout");
  const keep = 1 / (1 - config.dropout);
  const now = { epoch: 0, batch: 0, steps: 0, betaPower: 1, gammaPower: 1 };
  let trouble = null;
  let memory = [], spacing = SPACING, edits = [];

  const sheet = (x1, x2) => { // features of many points, in chunks of rows as `layer` reads them
    const chunks = [];
    for (let start = 0; start < x1.length; start += CHUNK) {
      const X = new Float64Array(widths[0] * CHUNK);
      config.features.forEach((name, i) => {
        for (let e = 0; e < CHUNK && start + e < x1.length; e++) {
          X[i * CHUNK + e] = FEATURE[name](x1[start + e], x2[start + e]);
        }
      });
      chunks.push(X);
    }
    return chunks;
  };
  // What output k shall be: 0 or 1 for cross-entropy, -1 or 1 for squared error, or the value.
  const target = (label, k) => {
    if (regression) return label;
    const hit = outputs === 1 ? label === 1 : label === k;
    return hit ? 1 : crossEntropy ? 0 : -1;
  };
  const prepare = ({ x, y }) => ({
    y,
    sheet: sheet(x.filter((_, i) => i % 2 === 0), x.filter((_, i) => i % 2 === 1)),
    targets: Array.from({ length: outputs }, (_, k) => y.map((label) => target(label, k))),
  });
  const train = prepare(data.train), test = prepare(data.test);
  const inputs = new Float64Array(examples * widths[0]); // row by row, to pick batches from
  for (let p = 0; p < inputs.length; p++) {
    const e = Math.floor(p / widths[0]), i = p % widths[0];
    inputs[p] = train.sheet[Math.floor(e / CHUNK)][i * CHUNK + e % CHUNK];
  }

  function begin() {
    const chance = new Stream(config.seed, "weights");
    for (let k = 0; k < K; k++) {
      // UDL's advice: variance 2 / D for ReLU, and 1 / D for others; biases 0.
      const bound = Math.sqrt((kinds[k] === "relu" ? 6 : 3) / widths[k]);
      const biases = starts[k] + widths[k] * widths[k + 1];
      for (let p = starts[k]; p < biases; p++) phi[p] = chance.between(-bound, bound);
      phi.fill(0, biases, starts[k + 1]);
    }
    m.fill(0);
    v.fill(0);
    G.fill(0);
    for (let e = 0; e < examples; e++) order[e] = e;
    shuffling.state = new Stream(config.seed, "order").state;
    dropping.state = new Stream(config.seed, "dropout").state;
    Object.assign(now, { epoch: 0, batch: 0, steps: 0, betaPower: 1, gammaPower: 1 });
    trouble = null;
    memory = [];
    spacing = SPACING;
    edits = [];
    remember();
  }

  const state = () => ({ ...now, phi: phi.slice(), m: m.slice(), v: v.slice(), order: order.slice(),
    streams: [shuffling.state, dropping.state] });

  function restore(saved) {
    phi.set(saved.phi);
    m.set(saved.m);
    v.set(saved.v);
    order.set(saved.order);
    [shuffling.state, dropping.state] = saved.streams;
    for (const key of Object.keys(now)) now[key] = saved[key];
    trouble = null;
  }

  function remember() {
    if (memory.length && memory.at(-1).steps === now.steps) memory.pop();
    memory.push(state());
    if (memory.length > MOST) {
      spacing *= 2;
      memory = memory.filter((saved, i) => i === 0 || saved.epoch % spacing === 0);
    }
  }

  // Keeps the slopes, which the activations no longer tell afterwards.
  function dropOut(k, count) {
    const slope = SLOPE[kinds[k - 1]];
    for (let o = 0; o < widths[k]; o++) {
      for (let e = 0, p = H[k] + o * stride, q = SLOPES[k] + o * stride; e < count; e++, p++, q++) {
        const factor = dropping.next() < config.dropout ? 0 : keep;
        M[q] = factor * slope(M[p]);
        M[p] *= factor;
      }
    }
  }

  function learn(first, count) {
    const width = widths[0], X = H[0];
    for (let e = 0; e < count; e++) {
      const from = order[first + e] * width;
      for (let i = 0; i < width; i++) M[X + i * stride + e] = inputs[from + i];
    }
    for (let k = 0; k < K; k++) {
      layer(M, starts[k], widths[k], widths[k + 1], H[k], H[k + 1], stride, count, kinds[k]);
      if (config.dropout > 0 && k < K - 1) dropOut(k + 1, count);
    }
    outputDeltas(first, count);
    for (let k = K - 1; k >= 0; k--) {
      const G = GRADIENT + starts[k];
      gradients(M, G, widths[k], widths[k + 1], H[k], D[k + 1], stride, count);
      if (k === 0) break;
      const kind = config.dropout > 0 ? "linear" : kinds[k - 1];
      backward(M, starts[k], widths[k], widths[k + 1], D[k + 1], D[k], stride, count, H[k], kind);
      if (config.dropout > 0) {
        const end = D[k] + widths[k] * stride;
        for (let p = D[k], q = SLOPES[k]; p < end; p++, q++) M[p] *= M[q];
      }
    }
    update(count);
  }

  // What the loss of one example changes by, as the last preactivations change.
  function outputDeltas(first, count) {
    const { targets } = train;
    for (let e = 0, z = H[K], d = D[K]; e < count; e++, z++, d++) {
      const at = order[first + e];
      if (crossEntropy && outputs === 3) {
        const a = M[z], b = M[z + stride], c = M[z + 2 * stride];
        const most = Math.max(a, b, c);
        const p = exp(a - most), q = exp(b - most), r = exp(c - most), sum = p + q + r;
        M[d] = p / sum - targets[0][at];
        M[d + stride] = q / sum - targets[1][at];
        M[d + 2 * stride] = r / sum - targets[2][at];
      } else {
        for (let k = 0; k < outputs; k++) {
          const f = M[z + k * stride], gap = f - targets[k][at];
          if (crossEntropy) M[d] = sigmoid(f) - targets[k][at];
          else M[d + k * stride] = regression ? gap : gap * (1 - f * f);
        }
      }
    }
  }

  function update(count) {
    const { alpha, beta, gamma, epsilon, l1, l2, optimizer } = config;
    const shrink = alpha * l1;
    if (optimizer === "adam") {
      now.betaPower *= beta;
      now.gammaPower *= gamma;
    }
    const mScale = 1 - now.betaPower, vScale = 1 - now.gammaPower;
    let good = true;
    if (optimizer === "sgd" && l1 === 0 && l2 === 0) { // the most common case, quicker
      for (let p = 0; p < P; p++) {
        const g = G[p] / count, w = phi[p] - alpha * g;
        G[p] = g;
        phi[p] = w;
        if (!(w <= BOUND && w >= -BOUND)) good = false;
      }
      if (!good) trouble = explain();
      return;
    }
    for (let p = 0; p < P; p++) {
      let g = G[p] / count, w = phi[p];
      if (l2 > 0 && penalized[p]) g += l2 * w;
      G[p] = g;
      if (optimizer === "sgd") w -= alpha * g;
      else {
        m[p] = beta * m[p] + (1 - beta) * g;
        if (optimizer === "momentum") w -= alpha * m[p];
        else {
          v[p] = gamma * v[p] + (1 - gamma) * (g * g);
          w -= alpha * (m[p] / mScale) / (Math.sqrt(v[p] / vScale) + epsilon);
        }
      }
      if (l1 > 0 && penalized[p]) w = w > shrink ? w - shrink : w < -shrink ? w + shrink : 0;
      phi[p] = w;
      if (!(w <= BOUND && w >= -BOUND)) good = false;
    }
    if (!good) trouble = explain();
  }

  function explain() {
    const place = `in batch ${now.batch + 1} of epoch ${now.epoch + 1}`;
    const nan = phi.some((w) => !Number.isFinite(w));
    const text = nan
      ? `A weight is no longer a number ${place}: the arithmetic overflowed.`
      : `A weight passed a million ${place}: each step overshoots by more than the one before.`;
    const lower = [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001].find((a) => a < config.alpha / 2);
    const advice = lower ? `Step back, or try a learning rate of ${lower}.`
      : "Step back, or try other initial weights.";
    return { kind: nan ? "nan" : "diverged", text: `${text} ${advice}` };
  }

  // One batch. False if there is trouble.
  function step() {
    if (trouble) return false;
    if (now.batch === 0) {
      if (now.epoch % spacing === 0) remember();
      shuffling.shuffle(order);
    }
    const first = now.batch * config.batch;
    learn(first, Math.min(config.batch, examples - first));
    now.batch += 1;
    now.steps += 1;
    if (now.batch === batchesPerEpoch) {
      now.batch = 0;
      now.epoch += 1;
    }
    return !trouble;
  }

  function runEpoch() {
    const { epoch } = now;
    while (now.epoch === epoch) if (!step()) return false;
    return true;
  }

  // Exact: from the nearest epoch remembered, the steps are taken again. False at the beginning.
  function back(unit = "batch") {
    among("unit", ["batch", "epoch"])(unit);
    const by = unit === "batch" ? 1 : now.batch || batchesPerEpoch;
    const target = Math.max(now.steps - by, memory[0].steps);
    if (target === now.steps) return false;
    const kept = edits.filter((edit) => edit.steps <= target);
    let at = memory.length - 1;
    while (at > 0 && memory[at].steps >= target) at -= 1; // earlier, for the gradient's sake
    G.fill(0);
    restore(memory[at]);
    memory.length = at + 1;
    edits = kept;
    const replay = () => {
      for (const edit of kept) if (edit.steps === now.steps) phi[edit.index] = edit.value;
    };
    replay();
    while (now.steps < target) {
      step();
      replay();
    }
    return true;
  }

  function setWeight(index, value) {
    within("index", index, [0, P - 1], true);
    within("value", value, [-BOUND, BOUND], false);
    edits = edits.filter((edit) => edit.steps !== now.steps || edit.index !== index);
    edits.push({ steps: now.steps, index, value });
    phi[index] = value;
  }

  // Activations of a chunk of points, of which the last are Z.
  const Z = part(WIDE[K], outputs * CHUNK);
  function forward(X, count) {
    M.set(X, WIDE[0]);
    for (let k = 0; k < K; k++) {
      layer(M, starts[k], widths[k], widths[k + 1], WIDE[k], WIDE[k + 1], CHUNK, count, kinds[k]);
    }
  }

  function measure({ sheet: chunks, targets, y }) {
    const total = y.length;
    let sum = 0, right = 0;
    chunks.forEach((X, chunk) => {
      const count = Math.min(CHUNK, total - chunk * CHUNK);
      forward(X, count);
      for (let e = 0; e < count; e++) {
        const at = chunk * CHUNK + e;
        let best = 0;
        if (outputs === 3) {
          for (let k = 1; k < 3; k++) if (Z[k * CHUNK + e] > Z[best * CHUNK + e]) best = k;
        } else best = Z[e] > 0 ? 1 : 0;
        if (best === y[at]) right += 1;
        let loss = 0;
        if (!crossEntropy) {
          for (let k = 0; k < outputs; k++) {
            const gap = Z[k * CHUNK + e] - targets[k][at];
            loss += gap * gap / 2;
          }
        } else if (outputs === 3) {
          const most = Z[best * CHUNK + e];
          const around = exp(Z[e] - most) + exp(Z[CHUNK + e] - most) + exp(Z[2 * CHUNK + e] - most);
          loss = log(around) - (Z[y[at] * CHUNK + e] - most);
        } else {
          const z = y[at] === 1 ? -Z[e] : Z[e]; // how far on the wrong side
          loss = (z > 0 ? z : 0) + log1p(exp(-Math.abs(z)));
        }
        sum += loss;
      }
    });
    return [sum / total, classes ? right / total : null];
  }

  function losses() {
    const [a, trainAccuracy] = measure(train), [b, testAccuracy] = measure(test);
    return { train: a, test: b, trainAccuracy, testAccuracy };
  }

  function gradientNorm() {
    let sum = 0;
    for (let p = 0; p < P; p++) sum += G[p] * G[p];
    return Math.sqrt(sum);
  }

  // Units of each hidden layer that no training example moves: never active, or always saturated.
  function dead() {
    const idle = config.hidden.map((width) => new Array(width).fill(true));
    train.sheet.forEach((X, chunk) => {
      const count = Math.min(CHUNK, examples - chunk * CHUNK);
      forward(X, count);
      idle.forEach((flags, k) => flags.forEach((flag, o) => {
        for (let e = 0; flags[o] && e < count; e++) {
          const h = M[WIDE[k + 1] + o * CHUNK + e];
          if (kinds[k] === "relu") flags[o] = !(h > 0);
          else if (kinds[k] === "tanh") flags[o] = Math.abs(h) > 0.99;
          else if (kinds[k] === "sigmoid") flags[o] = h < 0.01 || h > 0.99;
          else flags[o] = false;
        }
      }));
    });
    return idle;
  }

  const grids = new Map();
  function grid(size) {
    within("size", size, [1, 400], true);
    if (!grids.has(size)) {
      const x1 = new Float64Array(size * size), x2 = new Float64Array(size * size);
      for (let p = 0; p < size * size; p++) {
        x1[p] = -6 + 12 * (p % size + 0.5) / size;
        x2[p] = 6 - 12 * (Math.floor(p / size) + 0.5) / size;
      }
      grids.set(size, sheet(x1, x2));
    }
    return grids.get(size);
  }

  // What the network says over [-6, 6]^2, row by row from the top.
  function surface(size, out) {
    grid(size).forEach((X, chunk) => {
      const start = chunk * CHUNK, count = Math.min(CHUNK, size * size - start);
      forward(X, count);
      for (let e = 0; e < count; e++) {
        if (outputs === 1) out[start + e] = crossEntropy ? sigmoid(Z[e]) : Z[e];
        else out[start + e] = ranked(Z[e], Z[CHUNK + e], Z[2 * CHUNK + e]);
      }
    });
    return out;
  }

  // The class plus how sure of it the network is, which stays below 1.
  function ranked(a, b, c) {
    const most = Math.max(a, b, c), best = a === most ? 0 : b === most ? 1 : 2;
    const sure = crossEntropy ? 1 / (exp(a - most) + exp(b - most) + exp(c - most)) : (most + 1) / 2;
    return best + Math.min(Math.max(sure, 0), 0.999999);
  }

  // The activations of all hidden units in turn, then the outputs (before a sigmoid or softmax).
  function units(size, outs) {
    grid(size).forEach((X, chunk) => {
      const start = chunk * CHUNK, count = Math.min(CHUNK, size * size - start);
      forward(X, count);
      let unit = 0;
      for (let k = 1; k <= K; k++) {
        for (let o = 0; o < widths[k]; o++, unit++) {
          const out = outs[unit], from = WIDE[k] + o * CHUNK;
          for (let e = 0; e < count; e++) out[start + e] = M[from + e];
        }
      }
    });
    return outs;
  }

  // The features, likewise.
  function inputMaps(size) {
    return config.features.map((_, i) => {
      const out = new Float64Array(size * size);
      grid(size).forEach((X, chunk) => {
        const start = chunk * CHUNK, count = Math.min(CHUNK, size * size - start);
        for (let e = 0; e < count; e++) out[start + e] = X[i * CHUNK + e];
      });
      return out;
    });
  }

  const plain = (saved) => {
    const lists = ["phi", "m", "v", "order"].map((key) => [key, Array.from(saved[key])]);
    return { ...saved, ...Object.fromEntries(lists) };
  };
  const save = () => plain(state());

  // A state that was saved, or { phi } alone, which then takes the place of the initial weights.
  function load(saved) {
    const numbers = (key, length) => {
      const values = saved?.[key];
      const ok = (Array.isArray(values) || ArrayBuffer.isView(values)) && values.length === length
        && Array.prototype.every.call(values, Number.isFinite);
      if (!ok) throw new Error(`expected ${length} numbers in ${key}, got ${write(values)}`);
    };
    numbers("phi", P);
    Array.prototype.forEach.call(saved.phi, (w, i) => within(`phi[${i}]`, w, [-BOUND, BOUND], false));
    const full = Object.hasOwn(saved, "order");
    if (full) {
      numbers("m", P);
      numbers("v", P);
      numbers("order", examples);
      numbers("streams", 2);
      for (const key of Object.keys(now)) within(key, saved[key], [0, Number.MAX_SAFE_INTEGER], false);
      if ([...saved.order].sort((a, b) => a - b).some((e, i) => e !== i)) {
        throw new Error(`expected each of ${examples} examples once in order`);
      }
      within("batch", saved.batch, [0, batchesPerEpoch - 1], true);
    }
    begin();
    restore(full ? saved : { ...state(), phi: saved.phi });
    memory = [];
    remember();
    loaded = true;
  }
  let loaded = false;

  const reset = () => { begin(); loaded = false; };
  reset();

  return {
    config, widths, phi, data, classes, batchesPerEpoch, starts,
    get epoch() { return now.epoch; },
    get batch() { return now.batch; },
    get steps() { return now.steps; },
    get gradientNorm() { return gradientNorm(); },
    get trouble() { return trouble; },
    // What repeats the run: where it started, whether that was loaded, and weights set by hand.
    get history() { return { start: plain(memory[0]), loaded, edits: edits.map((e) => ({ ...e })) }; },
    step, runEpoch, back, reset, setWeight, losses, dead, surface, units, inputMaps, save, load,
  };
}
