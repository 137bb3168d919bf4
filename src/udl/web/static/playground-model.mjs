// What the playground knows without a page: its state as text, pasted points, curves that never
// grow, and what a number means in words.

export const LIMIT = 6; // the plane shows [-6, 6] on both axes
export const MOST_POINTS = 500;

// Names of what `hide` may hold: groups of controls, and single ones.
export const HIDEABLE = ["data", "dataset", "noise", "examples", "train", "data_seed", "features",
  "network", "layers", "activations", "training", "alpha", "optimizer", "loss", "batch", "l1", "l2",
  "dropout", "steps", "back", "seed", "speed", "discrete", "tests", "weights", "curves", "lights",
  "link", "export", "table"];

// Names of features as they stand in a URL and on the page, and the feature itself.
export const FEATURES = {
  "x1": ["x1", "x₁", (x) => x],
  "x2": ["x2", "x₂", (x, y) => y],
  "x1^2": ["x1x1", "x₁²", (x) => x * x],
  "x2^2": ["x2x2", "x₂²", (x, y) => y * y],
  "x1*x2": ["x1x2", "x₁x₂", (x, y) => x * y],
  "sin(x1)": ["sinx1", "sin x₁", (x) => Math.sin(x)],
  "sin(x2)": ["sinx2", "sin x₂", (x, y) => Math.sin(y)],
};
const LONG = Object.fromEntries(Object.entries(FEATURES).map(([name, [short]]) => [short, name]));

const join = (list) => (list.length ? list.join("*") : "none");
const split = (text) => (text === "none" ? [] : text.split("*"));
const word = { to: String, from: (text) => text };
const numeral = { to: String, from: (text) => (text.trim() === "" ? NaN : Number(text)) };
const KEYS = {
  dataset: word,
  points: {
    to: (points) => join(points.map((point) => point.join("_"))),
    from: (text) => split(text).map((point) => point.split("_").map(numeral.from)),
  },
  noise: numeral, examples: numeral, train: numeral, data_seed: numeral,
  features: {
    to: (names) => join(names.map((name) => FEATURES[name][0])),
    from: (text) => split(text).map((name) => (Object.hasOwn(LONG, name) ? LONG[name] : name)),
  },
  hidden: { to: join, from: (text) => split(text).map(numeral.from) },
  activations: { to: join, from: split },
  loss: word, optimizer: word, alpha: numeral, beta: numeral, gamma: numeral, epsilon: numeral,
  l1: numeral, l2: numeral, dropout: numeral, batch: numeral, seed: numeral,
};

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// The keys of a URL: whatever differs from the state that the page starts in.
export function encodeState(config, base) {
  const state = {};
  for (const [key, { to }] of Object.entries(KEYS)) {
    if (key === "points" && config.dataset !== "points") continue;
    if (!same(config[key], base[key])) state[key] = to(config[key]);
  }
  return state;
}

// Back again. `check` is the engine's forgiving form; what it refuses falls back to `base`.
export function decodeState(values, base, check) {
  const ignored = [];
  const given = {};
  for (const [key, text] of Object.entries(values)) {
    if (Object.hasOwn(KEYS, key)) {
      const value = KEYS[key].from(text);
      if (Number.isNaN(value)) ignored.push(`${key}=${text} is no number`);
      else given[key] = value;
    } else if (!EXTRA.includes(key)) ignored.push(`${key} is no setting`);
    else if (key !== "weights" && text !== "1") ignored.push(`${key} is 1 or not there`);
  }
  const raw = settle({ ...base, ...given }, given);
  const first = check(raw);
  ignored.push(...first.ignored);
  for (const key of Object.keys(given)) {
    if (!same(first.config[key], raw[key])) raw[key] = base[key];
  }
  return { config: check(settle(raw, {})).config, ignored };
}
const EXTRA = ["weights", "discrete", "tests"];

// Settings that depend on each other: a plane has no classes, layers have one activation each.
export const REGRESSION = ["plane", "multigauss"];
export function settle(config, given = config) {
  const next = { ...config };
  if (REGRESSION.includes(next.dataset)) next.loss = "squared";
  if (typeof next.activations === "string") next.activations = [next.activations];
  if (Array.isArray(next.activations) && Array.isArray(next.hidden)
    && !(given.activations && given.activations.length > 1)) {
    const last = next.activations.at(-1) ?? "tanh";
    next.activations = next.hidden.map((_, k) => next.activations[k] ?? last);
  }
  return next;
}

// Weights as text: the bytes of their float64 values, in base64 with the URL's alphabet.
export function packWeights(phi) {
  const view = new DataView(new ArrayBuffer(8 * phi.length));
  phi.forEach((value, i) => view.setFloat64(8 * i, value, true));
  const bytes = String.fromCharCode(...new Uint8Array(view.buffer));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function unpackWeights(text, count) {
  let bytes;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return { why: "the weights are no text that this page wrote" };
  }
  if (bytes.length !== 8 * count) {
    return { why: `the weights are not the ${count} numbers that this network has` };
  }
  const view = new DataView(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)).buffer);
  const phi = Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true));
  if (!phi.every(Number.isFinite)) return { why: "a weight is not finite" };
  return { phi };
}

// Lines of x1, x2, label. A line that cannot be read is skipped and named.
export function parsePoints(text, room = MOST_POINTS) {
  const points = [];
  const complaints = [];
  text.split(/\r\n|\r|\n/).forEach((line, at) => {
    if (!line.trim()) return;
    const parts = line.includes(";") ? line.replaceAll(",", ".").split(";")
      : line.includes(",") ? line.split(",") : line.trim().split(/\s+/);
    const cells = parts.map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").replace(/^[−–]/, "-"));
    const wrong = (why) => complaints.push(`Line ${at + 1}: ${why}.`);
    const bad = cells.find((cell) => !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell));
    if (at === 0 && cells.length > 1 && cells.every((cell) => /^[a-z_]\w*$/i.test(cell))) return;
    if (cells.length !== 3) {
      return wrong(`expected three values (x1, x2, class), got ${cells.length}`);
    }
    if (bad !== undefined) return wrong(`“${bad.slice(0, 20)}” is not a number`);
    const [x, y, label] = cells.map(Number);
    if (!(Math.abs(x) <= LIMIT && Math.abs(y) <= LIMIT)) {
      return wrong(`(${cells[0].slice(0, 12)}, ${cells[1].slice(0, 12)}) lies outside −6 to 6`);
    }
    if (![0, 1, 2].includes(label)) return wrong(`the class must be 0, 1 or 2, not ${cells[2].slice(0, 12)}`);
    if (points.length >= room) return wrong(`more than ${MOST_POINTS} points`);
    points.push([x, y, label]);
  });
  return { points, complaints };
}

// Losses over epochs. When the store is full, every second entry goes and the stride doubles, so
// a day of epochs takes the same memory as a minute.
export function createCurves(capacity = 512, fields = 4) {
  const width = fields + 1;
  const store = new Float64Array(capacity * width);
  let stride = 1;
  let length = 0;
  return {
    get length() { return length; },
    get stride() { return stride; },
    at: (i, field) => store[i * width + field], // field 0 is the epoch
    add(epoch, values) {
      if (length && epoch <= store[(length - 1) * width]) this.cut(epoch - 1);
      if (epoch % stride) return;
      if (length === capacity) {
        stride *= 2;
        let kept = 0;
        for (let i = 0; i < length; i += 1) {
          if (store[i * width] % stride) continue;
          store.copyWithin(kept * width, i * width, (i + 1) * width);
          kept += 1;
        }
        length = kept;
        if (epoch % stride) return;
      }
      store[length * width] = epoch;
      for (let f = 0; f < fields; f += 1) store[length * width + f + 1] = values[f];
      length += 1;
    },
    cut(epoch) {
      while (length && store[(length - 1) * width] > epoch) length -= 1;
    },
    clear() {
      length = 0;
      stride = 1;
    },
  };
}

// The lights. A small gradient is good news where the loss is small.
export function gradientHealth(norm, loss) {
  if (!Number.isFinite(norm)) return { tone: "bad", word: "exploded" };
  if (norm > 50) return { tone: "bad", word: "exploding: a smaller learning rate helps" };
  if (norm >= 1e-3) return { tone: "good", word: "healthy" };
  if (loss < 0.02) return { tone: "good", word: "small: the network has converged" };
  return { tone: "bad", word: "vanishing: hardly any signal reaches the weights" };
}

// Layers from `depth` on are the output.
export function deadWords(dead, depth = dead.length) {
  const total = dead.flat().filter(Boolean).length;
  if (total === 0) return "none";
  if (total > 4) return `${total} units${dead.length > depth ? ", with the output" : ""}`;
  return dead.flatMap((layer, k) => {
    if (k === depth) return ["the output"];
    const names = layer.flatMap((gone, j) => (gone ? [j + 1] : []));
    return names.length ? [`${names.join(", ")} of layer ${k + 1}`] : [];
  }).join("; ");
}

// A tick's distance: 1, 2 or 5 times a power of ten, so that at most `most` ticks fit.
export function tickStep(span, most) {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * (1 - 1e-9));
}

// Whether an output in [-1, 1] is at a limit at all examples. `surface` holds it over the plane.
export function saturated(surface, size, x) {
  const cell = (v) => Math.min(size - 1, Math.max(0, Math.floor(((v + LIMIT) / (2 * LIMIT)) * size)));
  for (let i = 0; i < x.length; i += 2) {
    if (!(Math.abs(surface[cell(-x[i + 1]) * size + cell(x[i])]) > 0.99)) return false;
  }
  return true;
}

// What a goal lacks: null if it is reached, "" if the loss is too high, or what else it asks for.
export function goalLacks(goal, epoch, test, config) {
  const { test_loss, epochs = Infinity, after = 0, config: wanted = {} } = goal;
  if (!(test <= test_loss)) return "";
  const other = Object.keys(wanted).find((key) => !same(wanted[key], config[key]));
  if (other) return `it asks for ${other} = ${wanted[other]}`;
  if (epoch > epochs) return `it counts up to epoch ${epochs}`;
  return epoch < after ? `it counts from epoch ${after} on` : null;
}
