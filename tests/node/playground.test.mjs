// The playground's pure functions: its state as text, pasted points, curves, geometry.
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, createEngine, OPTIONS } from "../../src/udl/web/static/engine.mjs";
import {
  createCurves, deadWords, decodeState, encodeState, FEATURES, goalLacks, gradientHealth,
  packWeights, parsePoints, saturated, settle, tickStep, unpackWeights,
} from "../../src/udl/web/static/playground-model.mjs";
import { nearestLink, place } from "../../src/udl/web/static/playground-view.mjs";

const base = check(settle({})).config;

// A small generator, so that a failure repeats.
function chance(seed) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
  return {
    next,
    whole: (low, high) => low + Math.floor(next() * (high - low + 1)),
    of: (list) => list[Math.floor(next() * list.length)],
    some: (list) => list.filter(() => next() < 0.5),
  };
}

function randomConfig(draw) {
  const dataset = draw.of(OPTIONS.dataset);
  const hidden = Array.from({ length: draw.whole(0, 6) }, () => draw.whole(1, 8));
  const features = draw.some(OPTIONS.features);
  const config = {
    dataset, hidden, features: features.length ? features : ["x1"],
    activations: hidden.map(() => draw.of(OPTIONS.activations)),
    loss: OPTIONS.regression.includes(dataset) ? "squared" : draw.of(OPTIONS.loss),
    optimizer: draw.of(OPTIONS.optimizer),
  };
  if (dataset === "points") {
    config.points = Array.from({ length: draw.whole(4, 30) },
      () => [draw.next() * 12 - 6, draw.whole(-6, 6), draw.whole(0, 2)]);
  }
  for (const [key, [low, high]] of Object.entries(OPTIONS.limits)) {
    if (draw.next() < 0.5) config[key] = low + draw.next() * (high - low);
  }
  for (const [key, [low, high]] of Object.entries(OPTIONS.counts)) {
    if (draw.next() < 0.5) config[key] = draw.whole(low, high);
  }
  const { config: whole, ignored } = check(config);
  assert.deepEqual(ignored, []);
  return whole;
}

const throughAddress = (state) => Object.fromEntries(new URLSearchParams(
  new URLSearchParams(Object.entries(state)).toString()));

test("every setting survives the way through the address", () => {
  const draw = chance(1);
  for (let i = 0; i < 400; i += 1) {
    const start = i % 2 ? base : randomConfig(draw);
    const config = randomConfig(draw);
    const found = decodeState(throughAddress(encodeState(config, start)), start, check);
    assert.deepEqual(found, { config, ignored: [] });
  }
  assert.deepEqual(encodeState(base, base), {});
});

test("an address of garbage leaves the start, and each part of it is named", () => {
  const values = { noise: "abc", hidden: "99*2", alpha: "", dataset: "<img>", bogus: "1",
    features: "foo*x1", tests: "yes", seed: "-1", activations: "swish", points: "1_2", train: "1e999",
    batch: "2.5", loss: "constructor" };
  const { config, ignored } = decodeState(values, base, check);
  assert.deepEqual(config, base);
  for (const key of ["noise", "hidden", "alpha", "dataset", "bogus", "features", "seed", "activations",
    "train", "batch", "loss", "tests"]) {
    assert.ok(ignored.some((text) => text.includes(key)), key);
  }
  const draw = chance(2);
  const letters = "0123456789*_-.einfxy<>%\u0000é";
  for (let i = 0; i < 2000; i += 1) {
    const state = Object.fromEntries(draw.some(Object.keys(base)).map((key) =>
      [key, Array.from({ length: draw.whole(0, 12) }, () => draw.of([...letters])).join("")]));
    createEngine(decodeState(state, base, check).config); // would throw on a bad one
  }
});

test("one bad key does not spoil the good ones", () => {
  const { config, ignored } = decodeState({ dataset: "plane", noise: "9", hidden: "2*3*4" }, base, check);
  assert.equal(ignored.length, 1);
  assert.deepEqual([config.dataset, config.loss, config.hidden, config.noise],
    ["plane", "squared", [2, 3, 4], 0]);
  assert.equal(config.activations.length, 3);
});

test("weights survive bit by bit", () => {
  const phi = Float64Array.from([0, -0, 1 / 3, -1e-300, 5e-324, 1e6, Math.PI]);
  const text = packWeights(phi);
  assert.match(text, /^[\w-]+$/);
  assert.deepEqual(unpackWeights(text, phi.length), { phi: [...phi] });
  const broken = [[text, 6], ["@@", 1], ["", 3], [packWeights([NaN]), 1], [packWeights([Infinity]), 1]];
  for (const [bad, count] of broken) {
    assert.match(unpackWeights(bad, count).why, /weight/);
  }
});

test("pasted points: what can be read is read, the rest is named by its line", () => {
  const { points, complaints } = parsePoints(
    "x1,x2,label\r\n1,2,0\n3;-4,5;1\n−1 2 2\n\n foo,1,0\n1,2\n7,0,0\n1,1,3\n1e400,0,0\n\"1\",\"2\",\"1\"\n");
  assert.deepEqual(points, [[1, 2, 0], [3, -4.5, 1], [-1, 2, 2], [1, 2, 1]]);
  assert.deepEqual(complaints.map((text) => text.split(":")[0]),
    [6, 7, 8, 9, 10].map((line) => `Line ${line}`));
  assert.deepEqual(parsePoints(""), { points: [], complaints: [] });
  assert.equal(parsePoints("1,1,0\n".repeat(9), 5).points.length, 5);
  assert.equal(parsePoints("1,1,0\n".repeat(9), 5).complaints.length, 4);
  const draw = chance(3);
  for (let i = 0; i < 3000; i += 1) {
    const letters = [..."0123456789,,;. -e\t\"x\u2028"];
    const line = Array.from({ length: draw.whole(1, 14) }, () => draw.of(letters)).join("");
    const found = parsePoints(line);
    assert.equal(found.points.length + found.complaints.length <= 1, true);
    for (const [x, y, label] of found.points) {
      assert.ok(Math.abs(x) <= 6 && Math.abs(y) <= 6 && [0, 1, 2].includes(label));
    }
  }
});

test("a day of epochs fits into the curves", () => {
  const curves = createCurves(512);
  for (let epoch = 0; epoch <= 3_000_000; epoch += 1) curves.add(epoch, [epoch, 1 / epoch, null, 0]);
  assert.ok(curves.length > 250 && curves.length <= 512);
  assert.equal(curves.at(0, 0), 0);
  for (let i = 1; i < curves.length; i += 1) {
    assert.equal(curves.at(i, 0) - curves.at(i - 1, 0), curves.stride);
    assert.equal(curves.at(i, 1), curves.at(i, 0));
  }
  assert.ok(curves.at(curves.length - 1, 0) > 3_000_000 - curves.stride);
  curves.cut(1_000_000);
  assert.ok(curves.at(curves.length - 1, 0) <= 1_000_000);
  const before = curves.length;
  curves.add(curves.at(before - 1, 0), [0, 0, 0, 0]); // an epoch that was there takes its place
  assert.equal(curves.length, before);
  curves.clear();
  assert.equal(curves.length, 0);
});

test("numbers in words", () => {
  assert.equal(gradientHealth(NaN, 1).tone, "bad");
  assert.match(gradientHealth(1e3, 1).word, /exploding/);
  assert.match(gradientHealth(1e-6, 0.6).word, /vanishing/);
  assert.equal(gradientHealth(1e-6, 0.001).tone, "good");
  assert.equal(gradientHealth(0.1, 0.5).word, "healthy");
  assert.equal(deadWords([[false, false], []]), "none");
  assert.equal(deadWords([[true, false, true], [false, true]]), "1, 3 of layer 1; 2 of layer 2");
  assert.equal(deadWords([[true, true, true], [true, true]]), "5 units");
  assert.equal(deadWords([[false], [true]], 1), "the output");
  assert.equal(deadWords([[true, true, true], [true, true], [true]], 2), "6 units, with the output");
  for (const span of [1e-9, 0.3, 1, 7, 1234, 9e8]) {
    const step = tickStep(span, 5);
    assert.ok(span / step <= 5 + 1e-6 && span / step > 1.5);
  }
});

test("a goal is reached, or says what it lacks besides a lower loss", () => {
  assert.match(goalLacks({ test_loss: 0.2, epochs: 10 }, 11, 0.1), /up to epoch 10/);
  assert.equal(goalLacks({ test_loss: 0.2, epochs: 10 }, 10, 0.2), null);
  assert.equal(goalLacks({ test_loss: 0.2 }, 9999, NaN), "");
  assert.equal(goalLacks({ test_loss: 0.2, after: 10 }, 9, 0.3), "");
  assert.match(goalLacks({ test_loss: 0.2, after: 10 }, 9, 0.1), /from epoch 10/);
  assert.equal(goalLacks({ test_loss: 0.2, after: 10 }, 10, 0.1), null);
  const one = { test_loss: 0.2, config: { hidden: [1] } };
  assert.equal(goalLacks(one, 1, 0.1, { hidden: [1], alpha: 1 }), null);
  assert.match(goalLacks(one, 1, 0.1, { hidden: [2], alpha: 1 }), /hidden = 1/);
});

test("an output is saturated if it is at a limit at each example", () => {
  const config = check(settle({ dataset: "xor", hidden: [2], loss: "squared" })).config;
  const engine = createEngine(config);
  const surface = new Float64Array(10000);
  const stuck = () => saturated(engine.surface(100, surface) ?? surface, 100, engine.data.train.x);
  assert.equal(stuck(), false);
  engine.setWeight(engine.phi.length - 1, 500);
  assert.equal(stuck(), true);
  surface.fill(0);
  surface[9] = 1; // the corner at the upper right of ten by ten cells
  assert.equal(saturated(surface, 10, [5.9, 5.9, 6, 6]), true);
  assert.equal(saturated(surface, 10, [5.9, 5.9, 5.9, -5.9]), false);
});

test("every network fits its stage, and each neuron has room", () => {
  for (const width of [290, 326, 440, 900]) {
    for (let layers = 0; layers <= 6; layers += 1) {
      const hidden = new Array(layers).fill(8);
      const { layers: columns, size, height } = place(width, 7, hidden, 3);
      assert.ok(size >= 20);
      columns.forEach((column, k) => column.forEach(([x, y], j) => {
        assert.ok(x - size / 2 >= 0 && x + size / 2 <= width && y - size / 2 >= 0 && y + size / 2 <= height);
        if (j) assert.ok(y - column[j - 1][1] >= size + 2);
        if (k) assert.ok(x - columns[k - 1][0][0] >= size + 6);
      }));
    }
  }
});

test("the pointer finds the link that it is on", () => {
  const { layers, size } = place(440, 7, [4], 1);
  const links = layers[0].flatMap((from) => layers[1].map((to) => [from, to]));
  links.forEach(([[x0, y0], [x1, y1]], i) => {
    const s = 0.03; // near the start, where links of one neuron part last
    const from = x0 + size / 2;
    const x = from + s * (x1 - size / 2 - from);
    const y = y0 + s * s * (3 - 2 * s) * (y1 - y0);
    const found = nearestLink(links, size, x, y);
    assert.deepEqual(links[found][0], links[i][0]);
    const near = nearestLink(links, size, x1 - size / 2 - (x - from), y1 - (y - y0));
    assert.deepEqual(links[near][1], links[i][1]);
  });
  assert.equal(nearestLink(links, size, 5, 5), -1);
  assert.equal(nearestLink([], size, 100, 100), -1);
});

test("features on the page are those of the engine", () => {
  assert.deepEqual(Object.keys(FEATURES), OPTIONS.features);
});
