// The playground's engine in JavaScript. That it agrees with udl.playground bit by bit is tested from
// Python (tests/test_playground.py); here, what Python does not see.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEFAULTS, OPTIONS, Stream, check, cos, createEngine, exp, log, log1p, makeData, sigmoid, sin, tanh,
} from "../../src/udl/web/static/engine.mjs";
import { exportCode } from "../../src/udl/web/static/playground-export.mjs";

// Any configuration, from random numbers.
function anyConfig(seed) {
  const chance = new Stream(seed, "data");
  const whole = (low, high) => low + Math.floor(chance.next() * (high - low + 1));
  const pick = (list) => list[whole(0, list.length - 1)];
  const dataset = pick(OPTIONS.dataset.filter((name) => name !== "points"));
  const hidden = Array.from({ length: whole(0, 6) }, () => whole(1, 8));
  return {
    dataset, hidden, seed, data_seed: seed, noise: chance.next() / 2, examples: whole(20, 80),
    train: 0.1 + 0.8 * chance.next(),
    features: OPTIONS.features.filter((_, i) => i < 1 || chance.next() < 0.5),
    activations: hidden.map(() => pick(OPTIONS.activations)),
    loss: OPTIONS.regression.includes(dataset) ? null : pick(OPTIONS.loss),
    optimizer: pick(OPTIONS.optimizer), alpha: 0.01, batch: whole(1, 30),
    dropout: pick([0, 0.3]), l1: pick([0, 0.001]), l2: pick([0, 0.01]),
  };
}

const record = (engine) => JSON.stringify([engine.save(), engine.gradientNorm]);

test("functions are close to those of Math", () => {
  const chance = new Stream(1, "data");
  for (let i = 0; i < 20000; i++) {
    const x = chance.between(-30, 30), u = chance.next();
    const near = (a, b, size) => assert.ok(
      Math.abs(a - b) <= 8e-16 * Math.max(Math.abs(b), size), `${a} ${b}`);
    near(exp(x), Math.exp(x), 0);
    near(tanh(x), Math.tanh(x), 0);
    near(tanh(x / 1e6), Math.tanh(x / 1e6), 0);
    near(sigmoid(x), 1 / (1 + Math.exp(-x)), 0);
    near(log1p(u), Math.log1p(u), 0);
    near(sin(x), Math.sin(x), 1);
    near(cos(x), Math.cos(x), 1);
    if (u > 0) near(log(u), Math.log(u), 0.5);
  }
});

// The layers' loops take units by fours and examples by twos: all remainders, against a plain loop.
test("any network computes what a plain loop computes, to the bit", () => {
  for (let seed = 0; seed < 150; seed++) {
    const config = anyConfig(seed);
    const engine = createEngine({ ...config, features: ["x1", "x2"] });
    for (let i = 0; i < 3; i++) engine.step();
    const { phi, widths, starts } = engine, kinds = engine.config.activations;
    const count = widths.slice(1).reduce((sum, D) => sum + D);
    const outs = Array.from({ length: count }, () => new Float64Array(9));
    engine.units(3, outs);
    const activation = { relu: (z) => Math.max(z, 0), tanh, sigmoid, linear: (z) => z };
    const lastKind = engine.config.loss === "squared" && engine.classes > 0 ? "tanh" : "linear";
    for (let p = 0; p < 9; p++) {
      let h = [-6 + 12 * (p % 3 + 0.5) / 3, 6 - 12 * (Math.floor(p / 3) + 0.5) / 3], unit = 0;
      for (let k = 0; k + 1 < widths.length; k++) {
        const next = [];
        for (let o = 0; o < widths[k + 1]; o++) {
          let z = phi[starts[k] + widths[k] * widths[k + 1] + o];
          for (let i = 0; i < widths[k]; i++) z += phi[starts[k] + o * widths[k] + i] * h[i];
          next.push(activation[kinds[k] ?? lastKind](z));
          assert.equal(outs[unit++][p], next.at(-1), `seed ${seed}`);
        }
        h = next;
      }
    }
  }
});

test("a gradient is what differences of the loss say, for any network", () => {
  for (let seed = 0; seed < 60; seed++) {
    const config = anyConfig(seed);
    const smooth = config.activations.map((name) => (name === "relu" ? "tanh" : name));
    const engine = createEngine({ ...config, activations: smooth, batch: 1000, l1: 0, l2: 0, dropout: 0,
      optimizer: "sgd", alpha: 1 });
    const at = [...engine.phi];
    assert.ok(engine.step());
    const gradient = at.map((w, p) => w - engine.phi[p]);
    engine.reset();
    for (let p = seed % 5; p < at.length; p += 5) {
      const loss = (w) => { engine.setWeight(p, w); return engine.losses().train; };
      const slope = (loss(at[p] + 1e-5) - loss(at[p] - 1e-5)) / 2e-5;
      loss(at[p]);
      const gap = Math.abs(slope - gradient[p]);
      assert.ok(gap <= 1e-6 * (1 + Math.abs(slope)), `seed ${seed}: ${slope} ${gradient[p]}`);
    }
  }
});

test("back is exact, whatever was done before", () => {
  for (let seed = 0; seed < 40; seed++) {
    const engine = createEngine(anyConfig(seed)), chance = new Stream(seed, "order");
    const was = new Map([[0, record(engine)]]);
    const keep = () => was.set(engine.steps, record(engine));
    for (let move = 0; move < 60; move++) {
      const u = chance.next();
      if (u < 0.15) {
        engine.setWeight(Math.floor(chance.next() * engine.phi.length), chance.between(-1, 1));
        keep();
      } else if (u < 0.5) {
        engine.step();
        keep();
      } else if (u < 0.65) {
        const goal = engine.epoch + 1;
        while (engine.epoch < goal && engine.step()) keep();
        keep();
      } else {
        const moved = engine.back(u < 0.85 ? "batch" : "epoch");
        assert.equal(record(engine), was.get(engine.steps), `seed ${seed}, move ${move}`);
        assert.ok(moved || engine.steps === 0);
      }
    }
  }
});

test("a run goes on from a saved state as if nothing had happened", () => {
  for (let seed = 0; seed < 40; seed++) {
    const engine = createEngine(anyConfig(seed)), other = createEngine(anyConfig(seed));
    for (let i = 0; i < 17; i++) engine.step();
    other.load(JSON.parse(JSON.stringify(engine.save())));
    for (let i = 0; i < 17; i++) { engine.step(); other.step(); }
    assert.equal(record(other), record(engine));
    while (other.back("epoch"));
    assert.equal(other.steps, 17);
    other.reset();
    assert.equal(record(other), record(createEngine(anyConfig(seed))));
  }
});

test("phi is the same array for good, and engines do not share anything", () => {
  const engine = createEngine(), other = createEngine(), { phi } = engine, untouched = record(other);
  engine.runEpoch();
  engine.back();
  engine.load({ phi: phi.map(() => 0.5) });
  engine.setWeight(3, 2);
  engine.reset();
  engine.runEpoch();
  assert.equal(engine.phi, phi);
  assert.equal(record(other), untouched);
  engine.config.hidden.push(3);
  assert.deepEqual(DEFAULTS.hidden, [4, 2]);
});

test("memory stays bounded over thousands of epochs, and back exact", () => {
  const engine = createEngine({ hidden: [8, 8], examples: 100 });
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  while (engine.epoch < 4000) engine.runEpoch();
  globalThis.gc?.();
  const before = used();
  while (engine.epoch < 12000) engine.runEpoch();
  globalThis.gc?.();
  assert.ok(used() - before < 16e6, `${used() - before} bytes`);
  const then = record(engine);
  engine.step();
  engine.back();
  assert.equal(record(engine), then);
});

test("trouble stops training, says why, and can be taken back", () => {
  const engine = createEngine({ dataset: "plane", hidden: [2], activations: "linear", alpha: 10 });
  while (engine.runEpoch());
  assert.equal(engine.trouble.kind, "diverged");
  assert.match(engine.trouble.text,
    /^A weight passed a million in batch \d+ of epoch \d+: .* learning rate of 3\.$/);
  const { steps } = engine;
  assert.equal(engine.step(), false);
  assert.equal(engine.runEpoch(), false);
  assert.equal(engine.steps, steps);
  assert.ok(engine.back("batch"));
  assert.equal(engine.trouble, null);
  assert.ok(engine.phi.every((w) => Math.abs(w) <= 1e6));
  engine.phi[0] = NaN;
  engine.step();
  assert.equal(engine.trouble.kind, "nan");
  engine.reset();
  assert.equal(engine.trouble, null);
  assert.ok(Number.isFinite(engine.losses().train));
});

test("check makes anything usable, and says what it ignored", () => {
  const garbage = [null, 3, "x", [], { alpha: "1" }, { alpha: NaN }, { batch: 0 }, { batch: 1e99 },
    { toString: 1 }, { hidden: [1, "2"] }, { hidden: { length: 2 } }, { features: "x1" }, { seed: -1 },
    { activations: ["relu"] }, { dataset: "points" }, { dataset: "plane", loss: "cross-entropy" },
    { dataset: "points", points: [[0, 0, 0], [1, 1, 1], [1, 0, 3], [0, 1, 0]] },
    { dataset: "points", points: [[0, 0, 0], [1, 1, 1], [NaN, 0, 1], [0, 1, 0]] },
    { __proto__: { a: 1 }, b: 2 }, JSON.parse('{"__proto__": 1, "constructor": 2}')];
  for (const raw of garbage) {
    const { config, ignored } = check(raw);
    assert.ok(ignored.length > 0, JSON.stringify(raw));
    assert.ok(ignored.every((text) => text.startsWith("expected ")), ignored[0]);
    assert.deepEqual(check(config), { config, ignored: [] });
    assert.throws(() => createEngine(raw), { message: ignored[0] });
    createEngine(config).step();
  }
  assert.deepEqual(check({}).ignored, []);
  assert.deepEqual(Object.keys(check({}).config), Object.keys(DEFAULTS));
});

test("what does not fit is refused, and changes nothing", () => {
  const engine = createEngine({ examples: 20, hidden: [1] });
  engine.step();
  const before = record(engine);
  const refused = [
    [() => engine.setWeight(5, 0), /whole number from 0 to 4, got index=5/],
    [() => engine.setWeight(0.5, 0), /got index=0.5/],
    [() => engine.setWeight(0, "1"), /got value="1"/],
    [() => engine.setWeight(0, NaN), /got value=NaN/],
    [() => engine.back("year"), /one of batch, epoch, got unit="year"/],
    [() => engine.load(null), /5 numbers in phi, got nothing/],
    [() => engine.load({ phi: [1, 2] }), /5 numbers in phi, got \[1,2\]/],
    [() => engine.load({ phi: [1, 2, 3, 4, 1e7] }), /got phi\[4\]=10000000/],
    [() => engine.load({ ...engine.save(), order: Array(10).fill(0) }), /each of 10 examples once/],
    [() => engine.load({ ...engine.save(), batch: 7 }), /got batch=7/],
    [() => engine.surface(0, []), /got size=0/],
    [() => exportCode(engine, "jax"), /one of udl, torch, got library="jax"/],
  ];
  for (const [call, message] of refused) assert.throws(call, { message });
  assert.equal(record(engine), before);
  engine.load(engine.save());
  assert.throws(() => exportCode(engine, "torch"), { message: /that was loaded after 1 steps/ });
  assert.match(exportCode(engine), /engine\.load\(\{/);
});

test("data depend on the data seed alone, and sets are apart", () => {
  const { config } = check({ dataset: "spiral", noise: 0.2, examples: 100, train: 0.3 });
  const { train, test: rest } = makeData(config);
  assert.deepEqual([train.y.length, rest.y.length, train.x.length], [30, 70, 60]);
  assert.deepEqual(makeData({ ...config, seed: 5, hidden: [], dropout: 0.5 }), { train, test: rest });
  assert.notDeepEqual(makeData({ ...config, data_seed: 1 }).train, train);
});

test("maps: inputs, units and the surface are of the same points", () => {
  const engine = createEngine({ features: ["x1", "x2", "x1*x2"], hidden: [] });
  const [x1, x2, product] = engine.inputMaps(12);
  assert.deepEqual([x1[0], x1[11], x1[12], x2[0], x2[11], x2[143]], [-5.5, 5.5, -5.5, 5.5, 5.5, -5.5]);
  const [logit] = engine.units(12, [new Float64Array(144)]);
  const surface = engine.surface(12, new Float64Array(144)), [a, b, c, bias] = engine.phi;
  for (let p = 0; p < 144; p++) {
    assert.equal(product[p], x1[p] * x2[p]);
    assert.equal(logit[p], bias + a * x1[p] + b * x2[p] + c * product[p]);
    assert.equal(surface[p], sigmoid(logit[p]));
  }
});
