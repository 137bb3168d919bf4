// The parts of the GPT explorer that need no page. Agreement with udl.gpt is in test_web_gpt.py.
import assert from "node:assert/strict";
import test from "node:test";

import { encode, restore } from "../../src/udl/web/static/gpt.mjs";
import { draw, erf, forgotten, half, random, ranked, read, reader, shape }
  from "../../src/udl/web/static/gpt-model.mjs";

const CONFIG = { vocabulary: 3, context: 5, layers: 1, heads: 2, width: 4, norm: "rms",
  position: "rotary", qk_norm: true, activation: "relu2", tied: true, bias: false };
const SHAPES = { "embed.weight": [3, 4], "blocks.0.norm1.weight": [4],
  "blocks.0.attention.qkv.weight": [12, 4], "blocks.0.attention.out.weight": [4, 4],
  "blocks.0.norm2.weight": [4], "blocks.0.mlp.up.weight": [16, 4], "blocks.0.mlp.down.weight": [4, 16],
  "norm.weight": [4] };

// The file of a model whose weights are k/16 for small integers k.
function file(config = CONFIG, arrays = SHAPES) {
  let header = JSON.stringify({ config, arrays });
  header += " ".repeat(-header.length & 3);
  const count = Object.values(arrays).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0);
  const bytes = new Uint8Array(44 + header.length + 2 * count);
  bytes.set(new TextEncoder().encode("udl-gpt\u0001"));
  const view = new DataView(bytes.buffer);
  view.setUint32(40, header.length, true);
  bytes.set(new TextEncoder().encode(header), 44);
  for (let i = 0; i < count; i += 1) {
    const sixteenths = ((i * 7) % 23) - 11;
    const size = Math.abs(sixteenths);
    const power = Math.floor(Math.log2(size || 1));
    const bits = size ? ((power - 4 + 15) << 10) | ((size / 2 ** power - 1) * 1024) : 0;
    view.setUint16(44 + header.length + 2 * i, bits | (sixteenths < 0 ? 0x8000 : 0), true);
  }
  return bytes;
}

test("numbers of half precision", () => {
  const known = [[0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x0001, 2 ** -24],
    [0x3555, 0.333251953125], [0x7c00, Infinity], [0xfc00, -Infinity], [0x7e00, NaN]];
  for (const [bits, value] of known) assert.equal(half(bits), value);
  assert.ok(Object.is(half(0x8000), -0));
});

test("the error function", () => {
  const known = [[0, 0], [0.5, 0.5204998778130465], [-1, -0.8427007929497149], [2, 0.9953222650189527],
    [4.5, 0.9999999998033839], [5, 0.9999999999984626], [40, 1]];
  for (const [x, value] of known) assert.ok(Math.abs(erf(x) - value) < 1e-11, `erf(${x})`);
});

test("a file is read as it was written", () => {
  const { config, arrays } = read(file().buffer);
  assert.deepEqual(config, CONFIG);
  assert.deepEqual(Object.keys(arrays), Object.keys(SHAPES));
  const expected = [0, 1, 2].map((i) => (((i * 7) % 23) - 11) / 16);
  assert.deepEqual([...arrays["embed.weight"].slice(0, 3)], expected);
});

test("what is no model is refused", () => {
  const good = file();
  const other = good.slice();
  other[0] = 0;
  assert.throws(() => read(other.buffer), /holds no model/);
  assert.throws(() => read(new ArrayBuffer(3)), /holds no model/);
  const later = good.slice();
  later[7] = 2;
  assert.throws(() => read(later.buffer), /version 2/);
  assert.throws(() => read(Uint8Array.from([...good, 0, 0]).buffer), /bytes and not/);
  assert.throws(() => read(good.slice(0, -2).buffer));
  const unheard = read(file({ ...CONFIG, activation: "swish" }).buffer);
  assert.throws(() => reader(unheard), /too old/);
});

test("attention sums to one and sees nothing later", () => {
  const model = reader(read(file().buffer));
  [0, 2, 1, 1].forEach(model.append);
  for (let h = 0; h < 2; h += 1) {
    for (let t = 0; t < 4; t += 1) {
      const weights = [...model.weights(0, h, t)];
      assert.equal(weights.length, t + 1);
      assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-6);
    }
  }
  const before = [...model.logits(1)];
  model.follow([0, 2, 2, 0]);
  assert.deepEqual([...model.logits(1)], before);
});

test("following a text gives what reading it anew gives", () => {
  const [one, other] = [reader(read(file().buffer)), reader(read(file().buffer))];
  const text = [];
  for (let i = 0; i < 17; i += 1) {
    text.push((i * i) % 3);
    one.follow(text);
    other.tokens.length = 0;
    other.follow(text);
    assert.deepEqual(one.tokens, other.tokens);
    assert.deepEqual(one.logits(), other.logits());
    assert.deepEqual(one.tokens, text.slice(forgotten(text.length, 5)));
  }
  one.follow(text.slice(0, 2));
  assert.deepEqual(one.tokens, [0, 1]);
  one.follow([0, 1, 1, 1, 1]);
  assert.throws(() => one.append(0), /at most 5/);
});

test("a full context keeps its last half, and fills again", () => {
  const seen = (n, context) => n - forgotten(n, context);
  assert.deepEqual([1, 63, 64, 65, 66, 96, 97, 98].map((n) => seen(n, 64)), [1, 63, 64, 32, 33, 63, 64, 32]);
  assert.deepEqual([4, 5, 6, 7, 8, 9].map((n) => seen(n, 5)), [4, 5, 3, 4, 5, 3]);
  for (let context = 1; context < 9; context += 1) {
    for (let n = 1; n < 60; n += 1) assert.ok(seen(n, context) >= 1 && seen(n, context) <= context);
  }
});

test("temperature and top-k", () => {
  const logits = [1, 3, 2, 3];
  assert.deepEqual(ranked(logits), [1, 3, 2, 0]);
  assert.deepEqual([...shape(logits, 0)], [0, 1, 0, 0]);
  assert.deepEqual([...shape(logits, 1, 1)], [0, 1, 0, 0]);
  assert.deepEqual([...shape(logits, 5, 2)], [0, 0.5, 0, 0.5]);
  const cold = shape(logits, 0.5);
  assert.ok(Math.abs(cold[1] / cold[2] - Math.exp(2)) < 1e-12);
  assert.equal([...shape([-1e5, 1e5], 0.05)].join(), "0,1");
});

test("draws are those of a seed, and come as often as they are probable", () => {
  const shares = [0.5, 0, 0.3, 0.2];
  const counts = [0, 0, 0, 0];
  for (let place = 0; place < 20000; place += 1) counts[draw(shares, random(7, place))] += 1;
  assert.equal(counts[1], 0);
  counts.forEach((count, i) => assert.ok(Math.abs(count / 20000 - shares[i]) < 0.015));
  assert.equal(random(7, 3), random(7, 3));
  assert.notEqual(random(7, 3), random(8, 3));
  const starts = Array.from({ length: 2000 }, (_, seed) => random(seed, 10));
  assert.ok(Math.abs(starts.reduce((a, b) => a + b) / 2000 - 0.5) < 0.03);
  assert.equal(draw([0.3, 0.7, 0], 1), 1);
  assert.equal(draw([0, 1, 0], 0), 1);
});

test("characters and tokens", () => {
  assert.deepEqual(encode("ba💥éa💥", "\nab"), { tokens: [2, 1, 1], unknown: ["💥", "é"] });
});

const PROPS = { alphabet: "\n .1abN", prompt: "ab",
  config: { vocabulary: 7, layers: 2, heads: 3 } };

test("a link is read", () => {
  const { state, ignored } = restore({ text: "2.ab\n1.a", temperature: "0.85", k: "7", seed: "42",
    head: "2.3", at: "6" }, PROPS);
  assert.deepEqual(ignored, []);
  assert.deepEqual(state, { text: { given: 2, tokens: [4, 5, 0, 3, 2, 4] }, temperature: 0.85, k: 7,
    seed: 42, head: 5, at: 6 });
});

test("what does not fit in a link is named", () => {
  const wrong = {
    text: ["", "ab", "0.ab", "3.ab", "1.", "2.aé", "NaN", "x.ab", "501." + "a".repeat(501), "1." + "a".repeat(2001)],
    temperature: ["-1", "2.05", "9", "1e0", "0.123", "NaN", ""],
    k: ["0", "8", "1.5", "-1", ""],
    seed: ["-1", "100000", "1e3", "9".repeat(3000)],
    head: ["0.1", "3.1", "1.4", "1", "1.1.1", ".", "a.b"],
    at: ["0", "3", "2001", "x"],
    constructor: ["1"], __proto__x: ["1"],
  };
  for (const [key, values] of Object.entries(wrong)) {
    for (const value of values) {
      const { state, ignored } = restore({ [key]: value }, PROPS);
      assert.deepEqual([state, ignored], [{}, [key]], `${key}=${value.slice(0, 20)}`);
    }
  }
});
