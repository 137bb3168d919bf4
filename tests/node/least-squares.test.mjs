// The parts of the least-squares explorer that need no page. What must agree with udl is compared
// in tests/test_web_least_squares.py.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  batches, createRun, ellipse, gradient, initial, levels, loss, MOST, parseState, rule, ticks,
} from "../../src/udl/web/static/least-squares.mjs";

const POINTS = { x: [0, 1, 2], y: [1, 3, 2], mean: false };
const PROPS = {
  ...POINTS, optimizers: ["gd", "sgd", "momentum", "adam"], slips: true, start: [0, 0],
  edges: { gd: 0.15 }, rates: [0.001, 2], label: "three",
};
const SETTINGS = { alpha: 0.1, beta: 0.9, gamma: 0.999, epsilon: 1e-8 };
const near = (a, b, tolerance = 1e-12) =>
  assert.ok(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)), `${a} ${b}`);

test("loss and gradient by hand", () => {
  assert.equal(loss(POINTS, [1, 1]), 2);
  assert.equal(loss({ ...POINTS, mean: true }, [1, 1]), 2 / 3);
  assert.deepEqual(gradient(POINTS, [0, 0]), [-12, -14]);
  assert.deepEqual(gradient(POINTS, [0, 0], [1]), [-6, -6]);
  assert.deepEqual(gradient({ ...POINTS, mean: true }, [0, 0], [1, 2]), [-5, -7]);
});

test("an epoch uses every row once, and the next one another order", () => {
  const next = batches(7, 3, 5);
  const epochs = [0, 1].map(() => [next(), next(), next()]);
  for (const epoch of epochs) {
    assert.deepEqual(epoch.map((rows) => rows.length), [3, 3, 1]);
    assert.deepEqual(epoch.flat().sort(), [0, 1, 2, 3, 4, 5, 6]);
  }
  assert.notDeepEqual(epochs[0], epochs[1]);
  const again = batches(7, 3, 5);
  assert.deepEqual([again(), again(), again()], epochs[0]);
});

test("the printed rules do nothing in their first step", () => {
  for (const name of ["momentum", "adam"]) {
    assert.deepEqual(rule(name, { ...SETTINGS, printed: true })([3, 4], [5, -6]), [3, 4]);
    assert.notDeepEqual(rule(name, SETTINGS)([3, 4], [5, -6]), [3, 4]);
  }
});

test("Adam as printed then takes a step a hundred times too long", () => {
  const step = rule("adam", { ...SETTINGS, alpha: 1, printed: true });
  const [phi] = step(step([0, 0], [3, 3]), [3, 3]);
  near(phi, -100, 1e-6);
});

test("a run that diverges ends, and says so", () => {
  const run = createRun(POINTS, { ...SETTINGS, optimizer: "gd", alpha: 10 }, [0, 0], 1e6);
  while (run.advance());
  assert.ok(run.diverged);
  assert.ok(run.steps < 20 && run.loss > 1e6);
  assert.equal(run.advance(), false);
});

test("a run keeps to numbers, also without a limit", () => {
  const run = createRun(POINTS, { ...SETTINGS, optimizer: "gd", alpha: 1e200 }, [0, 0]);
  while (run.advance());
  assert.ok(run.diverged);
  assert.ok(run.path.flat().every(Number.isFinite));
});

test("a run has an end", () => {
  const run = createRun(POINTS, { ...SETTINGS, optimizer: "adam" }, [0, 0]);
  while (run.advance());
  assert.equal(run.steps, MOST);
  assert.ok(!run.diverged);
});

test("every point of an ellipse has the loss of its contour", () => {
  const sums = [3, 3, 5];                                    // I, sum of x, sum of x squared
  const hessian = [[2 * sums[0], 2 * sums[1]], [2 * sums[1], 2 * sums[2]]];
  for (const phi of ellipse([1.5, 0.5], hessian, 7, 12)) near(loss(POINTS, phi), 1.5 + 7);
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-1.2, 2.8, 4), [-1, 0, 1, 2]);
  assert.deepEqual(ticks(12, 190), [50, 100, 150]);
});

test("levels are round, above the smallest loss, and few", () => {
  assert.deepEqual(levels(0.2, 12), [10, 5, 2, 1, 0.5]);
  assert.deepEqual(levels(25.4, 900), [500, 200, 100, 50]);
  assert.equal(levels(0, 1).length, 8);
  assert.deepEqual(levels(5, 5), []);
});

test("an address restores a state", () => {
  const values = { o: "adam", a: "0.5", b: "2", f: "both", p: "1.5,-2", t: "40" };
  assert.deepEqual(parseState(values, PROPS), { ignored: [], state: {
    optimizer: "adam", alpha: 0.5, batch: 2, formula: "both", start: [1.5, -2], steps: 40 } });
});

test("what does not fit in an address is left out and named", () => {
  const wrong = { o: "newton", a: "1e9", b: "2.5", f: "__proto__", p: "1", t: "-1",
    constructor: "x", q: "1".repeat(500) };
  const { state, ignored } = parseState(wrong, PROPS);
  assert.deepEqual(state, initial(PROPS));
  assert.equal(ignored.length, 8);
  assert.ok(ignored.every((text) => text.length <= 40));
  for (const p of ["NaN,0", "1,2,3", ",", "Infinity,1", "1e999,0", "0x10,1"]) {
    assert.deepEqual(parseState({ p }, PROPS).ignored, [`p=${p}`]);
  }
});

test("a first rate suits the first optimizer", () => {
  assert.equal(initial(PROPS).alpha, 0.037);
  assert.equal(initial({ ...PROPS, optimizers: ["adam"] }).alpha, 0.01);
});

test("what is not offered cannot be asked for by address", () => {
  const { state, ignored } = parseState({ f: "both", t: "5" }, { ...PROPS, slips: false, optimizers: [] });
  assert.equal(state.formula, "right");
  assert.equal(state.steps, 0);
  assert.deepEqual(ignored, ["f=both"]);
});
