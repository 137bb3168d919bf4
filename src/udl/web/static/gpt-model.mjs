// A GPT one token at a time, as udl.gpt.model computes it, from the bytes of udl.gpt.export.

const MAGIC = "udl-gpt";
const VERSION = 1;
const EPSILON = 1e-5;

// A number of half precision.
export function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const size = exponent === 31 ? (fraction ? NaN : Infinity)
    : exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14;
  return bits >> 15 ? -size : size;
}

// The config, and each array by its name.
export function read(buffer) {
  const view = new DataView(buffer);
  const text = (from, length) => new TextDecoder().decode(new Uint8Array(buffer, from, length));
  if (buffer.byteLength < 44 || text(0, MAGIC.length) !== MAGIC) throw new Error("it holds no model");
  if (view.getUint8(7) !== VERSION) throw new Error(`it is of version ${view.getUint8(7)}`);
  const length = view.getUint32(40, true);
  const { config, arrays: shapes } = JSON.parse(text(44, length));
  let at = 44 + length;
  const arrays = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => {
    const array = new Float32Array(shape.reduce((product, size) => product * size));
    for (let i = 0; i < array.length; i += 1, at += 2) array[i] = half(view.getUint16(at, true));
    return [name, array];
  }));
  if (at !== buffer.byteLength) throw new Error(`it has ${buffer.byteLength} bytes and not ${at}`);
  return { config, arrays };
}

// out = W x + b; the rows of W stand one behind the other.
function linear(out, W, b, x) {
  const n = x.length;
  for (let i = 0, k = 0; i < out.length; i += 1) {
    let [p, q, r, s] = [b ? b[i] : 0, 0, 0, 0];
    let j = 0;
    for (; j < n - 3; j += 4, k += 4) {
      p += W[k] * x[j];
      q += W[k + 1] * x[j + 1];
      r += W[k + 2] * x[j + 2];
      s += W[k + 3] * x[j + 3];
    }
    for (; j < n; j += 1, k += 1) p += W[k] * x[j];
    out[i] = p + q + r + s;
  }
}

// Length 1 on average for the numbers from..to of x; layer norm subtracts their mean before.
function normalize(out, x, kind, from = 0, to = x.length) {
  const n = to - from;
  let mean = 0;
  if (kind === "layer") for (let i = from; i < to; i += 1) mean += x[i] / n;
  let square = 0;
  for (let i = from; i < to; i += 1) square += (x[i] - mean) ** 2 / n;
  const scale = 1 / Math.sqrt(square + EPSILON);
  for (let i = from; i < to; i += 1) out[i] = (x[i] - mean) * scale;
}

// Its series has no cancellation; from 5 on, the rest is below what half precision sees.
export function erf(x) {
  if (Math.abs(x) > 5) return Math.sign(x);
  let sum = x;
  for (let n = 1, term = x; Math.abs(term) > 1e-12; n += 1) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const ACTIVATIONS = {
  gelu: (a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3))),
  gelu_erf: (a) => 0.5 * a * (1 + erf(a / Math.SQRT2)),
  relu2: (a) => (a > 0 ? a * a : 0),
};

// A model that reads: it keeps keys, values, attention and logits of the tokens in its context.
export function reader({ config, arrays }) {
  const { vocabulary: V, context: T, layers: L, heads: H, width: C, norm, tied } = config;
  const D = C / H;
  const act = ACTIVATIONS[config.activation];
  if (!act || !["layer", "rms"].includes(norm)) throw new Error("this page is too old for it");
  const blocks = Array.from({ length: L }, (_, l) => {
    const get = (name) => arrays[`blocks.${l}.${name}`];
    const pair = (name) => [get(`${name}.weight`), get(`${name}.bias`)];
    return { norm1: pair("norm1"), qkv: pair("attention.qkv"), out: pair("attention.out"),
      norm2: pair("norm2"), up: pair("mlp.up"), down: pair("mlp.down"),
      keys: new Float32Array(T * C), values: new Float32Array(T * C) };
  });
  const last = [arrays["norm.weight"], arrays["norm.bias"]];
  const embed = arrays["embed.weight"];
  const head = tied ? embed : arrays["head.weight"];
  const [x, y, qkv, inner] = [C, C, 3 * C, 4 * C].map((size) => new Float64Array(size));
  const maps = new Float32Array(L * H * T * T);
  const logits = new Float32Array(T * V);
  // Rounded where PyTorch rounds: angles of a thousandth matter, they are multiplied by positions.
  const turns = config.position === "rotary"
    ? Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** -Math.fround((2 * i) / D)) : null;

  const normed = (from, [gain, bias]) => {
    normalize(y, from, norm);
    for (let i = 0; i < C; i += 1) y[i] = y[i] * gain[i] + (bias ? bias[i] : 0);
  };
  const rotate = (from, t) => {
    for (let i = 0; i < D / 2; i += 1) {
      const angle = Math.fround(t * turns[i]);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [a, b] = [qkv[from + i], qkv[from + i + D / 2]];
      qkv[from + i] = a * cos - b * sin;
      qkv[from + i + D / 2] = a * sin + b * cos;
    }
  };
  const attend = (l, h, t) => {
    const { keys, values } = blocks[l];
    const row = ((l * H + h) * T + t) * T;
    const from = h * D;
    let most = -Infinity;
    for (let s = 0; s <= t; s += 1) {
      let score = 0;
      for (let d = 0; d < D; d += 1) score += qkv[from + d] * keys[s * C + from + d];
      maps[row + s] = score / Math.sqrt(D);
      most = Math.max(most, maps[row + s]);
    }
    let sum = 0;
    for (let s = 0; s <= t; s += 1) sum += maps[row + s] = Math.exp(maps[row + s] - most);
    y.fill(0, from, from + D);
    for (let s = 0; s <= t; s += 1) {
      const weight = maps[row + s] /= sum;
      for (let d = 0; d < D; d += 1) y[from + d] += weight * values[s * C + from + d];
    }
  };
  const add = () => {
    for (let i = 0; i < C; i += 1) x[i] += y[i];
  };

  const self = {
    config,
    tokens: [],
    append(token) {
      const t = self.tokens.length;
      if (t === T) throw new Error(`expected at most ${T} tokens`);
      const place = arrays["positions.weight"];
      for (let i = 0; i < C; i += 1) x[i] = embed[token * C + i] + (place ? place[t * C + i] : 0);
      blocks.forEach((block, l) => {
        normed(x, block.norm1);
        linear(qkv, ...block.qkv, y);
        for (let from = 0; from < 2 * C; from += D) {
          if (config.qk_norm) normalize(qkv, qkv, "rms", from, from + D);
          if (turns) rotate(from, t);
        }
        block.keys.set(qkv.subarray(C, 2 * C), t * C);
        block.values.set(qkv.subarray(2 * C), t * C);
        for (let h = 0; h < H; h += 1) attend(l, h, t);
        linear(qkv.subarray(0, C), ...block.out, y);
        y.set(qkv.subarray(0, C));
        add();
        normed(x, block.norm2);
        linear(inner, ...block.up, y);
        for (let i = 0; i < 4 * C; i += 1) inner[i] = act(inner[i]);
        linear(y, ...block.down, inner);
        add();
      });
      normed(x, last);
      linear(self.logits(t), head, null, y);
      self.tokens.push(token);
    },
    // What it expects behind token t.
    logits: (t = self.tokens.length - 1) => logits.subarray(t * V, (t + 1) * V),
    // Where token t gathers from.
    weights: (l, h, t) => maps.subarray(((l * H + h) * T + t) * T).subarray(0, t + 1),
    // Go on to a text, of which it sees the end; what it has read of that already, it keeps.
    follow(text) {
      const seen = text.slice(forgotten(text.length, T));
      let same = 0;
      while (same < self.tokens.length && self.tokens[same] === seen[same]) same += 1;
      self.tokens.length = same;
      seen.slice(same).forEach(self.append);
    },
  };
  return self;
}

// Tokens at the front of a text of n that the model sees no more: when it is full and one comes, it
// keeps the last half, as udl.gpt.generate.
export function forgotten(n, context) {
  const step = context + 1 - Math.ceil(context / 2);
  return n <= context ? 0 : Math.ceil((n - context) / step) * step;
}

// Probabilities of what comes next, as udl.gpt.shape.
export function shape(logits, temperature = 1, k = logits.length) {
  const order = ranked(logits);
  const powers = new Float64Array(logits.length);
  for (const i of order.slice(0, temperature === 0 ? 1 : k)) {
    powers[i] = temperature === 0 ? 1 : Math.exp((logits[i] - logits[order[0]]) / temperature);
  }
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

// The most probable first; of equals, the first.
export const ranked = (logits) => [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);

// A number from 0 to 1 for each place of a text: mulberry32, from a place of its own.
export function random(seed, place) {
  let state = (Math.imul(seed + 1, 0x9e3779b1) + Math.imul(place + 1, 0x6d2b79f5)) | 0;
  state = Math.imul(state ^ (state >>> 15), state | 1);
  state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
  return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
}

// The token at which the sum of the probabilities passes u.
export function draw(probabilities, u) {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < probabilities.length; i += 1) {
    if (!probabilities[i]) continue;
    last = i;
    sum += probabilities[i];
    if (u < sum) return i;
  }
  return last;
}
