// The parts of the ReLU explorer that need no page. Agreement with udl is in test_web_relu.py.
import assert from "node:assert/strict";
import test from "node:test";

import { forward, judge, parseNumbers, predict, preimages, regions, restore, stepOf, ticks }
  from "../../src/udl/web/static/relu.mjs";

const CHAPTER = { theta: [[0.3, -1], [-1, 2], [-0.5, 0.65]], phi: [-0.3, 2, -1, 7] };
const HAT = { theta: [[-0.2, 1], [-0.5, 1], [-0.8, 1]], phi: [0.1, 1, -2, 1] };
const FOLD = { theta: [[0, 1], [-1, 1], [-2, 1]], phi: [0, 1, -2, 2] };
const DRAW = { theta: [[0, 4], [-2, 8], [-3, 4]], phi: [0, 1, -1, 2] };
const FOLD16 = { theta: [[0, 1], [-10, 1], [20, -1]], phi: [0, -3, 2, -2] };
const DRAW16 = { theta: [[47.5, 1], [45, 1], [-42.5, -1]], phi: [0, 1, -4, -1] };

test("a network in four steps", () => {
  const { f, h, weighted, y } = forward(0, CHAPTER);
  assert.deepEqual([f, h], [[0.3, -1, -0.5], [0.3, 0, 0]]);
  assert.deepEqual(weighted.map((value) => value + 0), [0.6, 0, 0]);
  assert.ok(Math.abs(y - 0.3) < 1e-15);
});

test("patterns, joints and slopes of the chapter's network", () => {
  const { active, linear, count } = regions([CHAPTER]);
  assert.equal(count, 4);
  assert.deepEqual(active.pattern, ["100", "000", "010", "011"]);
  assert.deepEqual(linear.slope, [-2, 0, -2, 2.55]);
  const joints = linear.joints.map((at) => at.toFixed(9));
  assert.deepEqual(joints, ["0.300000000", "0.500000000", "0.769230769"]);
});

test("decimal numbers count as they are shown", () => {
  // In binary, 0.1 * 3 is not 0.3, and the joints 0.3 / 1 and 0.9 / 3 differ.
  const joints = { theta: [[-0.3, 1], [-0.9, 3]], phi: [0, 1, 1] };
  assert.equal(regions([joints]).count, 2);
  const slopes = { theta: [[0, 0.1], [0, 0.3]], phi: [0, 3, -1] };
  assert.equal(regions([slopes]).count, 1);
  const tiny = { theta: [[0, 1e-7], [0, 1]], phi: [0, 1, -1e-7] };
  assert.equal(regions([tiny]).count, 1);
});

test("a composition has regions of both", () => {
  assert.equal(regions([FOLD16, DRAW16]).count, 16);
  assert.equal(regions([FOLD, DRAW]).count, 10);
  assert.equal(predict(0.25, [FOLD, FOLD]), 0.25);
});

test("no region is lost where numbers have many digits", () => {
  const digits = (seed) => Math.sin(seed) * 1.2345678901234567;
  const net = (seed) => ({
    theta: [...Array(6).keys()].map((d) => [digits(seed + d), digits(seed + 10 + d)]),
    phi: [...Array(7).keys()].map((d) => digits(seed + 20 + d)),
  });
  const { linear } = regions([net(1), net(2)]);
  for (const part of [linear.joints, linear.slope, linear.intercept]) assert.ok(part.every(Number.isFinite));
  linear.slope.forEach((slope, r) => {
    const [a, b] = [linear.joints[r - 1] ?? -100, linear.joints[r] ?? 100];
    const x = (a + b) / 2;
    assert.ok(Math.abs(slope * x + linear.intercept[r] - predict(x, [net(1), net(2)])) < 1e-9);
  });
});

test("all inputs with one output", () => {
  const { linear } = regions([FOLD]);
  assert.deepEqual(preimages(linear, 0.25, [-0.5, 3]), { found: [0.25, 1.75, 2.25], whole: false });
  assert.deepEqual(preimages(linear, 1, [-0.5, 3]), { found: [1, 3], whole: false });
  assert.deepEqual(preimages(linear, 0, [-0.5, 3]), { found: [0, 2], whole: true });
  assert.deepEqual(preimages(linear, -1, [-0.5, 3]), { found: [], whole: false });
});

test("the goals, and what is missing", () => {
  const range = [0, 1];
  assert.equal(judge("hat", [HAT], range).done, true);
  assert.deepEqual(judge("hat", [CHAPTER], range), { done: false, missing: "" });
  const slanted = { ...HAT, phi: [0.1, 1, -2, 1.5] };
  assert.match(judge("hat", [slanted], range).missing, /level/);
  const uneven = { theta: [[-0.2, 1], [-0.5, 1], [-0.7, 1]], phi: [0.1, 1, -2, 1] };
  assert.match(judge("hat", [uneven], range).missing, /same height/);
  const together = { theta: [[0.5, -1], [-1, 2], [-0.5, 1]], phi: [0, 2, -1, 7] };
  assert.deepEqual(judge(2, [together], range), { done: true, missing: "" });
  assert.match(judge(2, [{ ...together, phi: [0, 2, 0, 0] }], range).missing, /φ₂ is zero/);
  const off = { theta: [[0.5, -1], [-1, 2], [-7, 1]], phi: [0, 0.0001, -1, 7] };
  assert.deepEqual(judge(3, [off], range), { done: false, missing: "Unit 3 is active nowhere in view." });
  assert.equal(judge(16, [FOLD16, DRAW16], [-6, 31]).done, true);
  assert.equal(judge(16, [FOLD, FOLD], [-6, 31]).done, false);
  const level = { theta: FOLD.theta, phi: [0, 1, -2, 1] };
  assert.equal(judge(8, [level, DRAW], [-0.5, 3.25]).done, true);
});

test("links: what is malformed is ignored and named", () => {
  const good = restore({ theta: "1,2,3,4,5,6", phi: "0,1,-1,.5", x: "0.5" }, [CHAPTER], [0, 1]);
  assert.deepEqual(good.networks, [{ theta: [[1, 2], [3, 4], [5, 6]], phi: [0, 1, -1, 0.5] }]);
  assert.deepEqual([good.x, good.ignored], [0.5, []]);
  const bad = { theta: "1,2", phi: "0,1,-1,NaN", x: "7", other: "<b>", theta2: "1" };
  const { networks, x, ignored } = restore(bad, [CHAPTER], [0, 1]);
  assert.deepEqual([networks, x], [[CHAPTER], null]);
  assert.equal(ignored.length, 5);
  networks[0].theta[0][0] = 9;
  assert.equal(CHAPTER.theta[0][0], 0.3);
  for (const text of ["", "1,2,", "1e999", "1001", "0x10", "Infinity", "1;2", "1e-999"]) {
    assert.equal(parseNumbers(text, text.split(",").length), null, text);
  }
});

test("steps and ticks are round numbers", () => {
  assert.deepEqual([1, 3.75, 37, 1.5, 200].map(stepOf), [0.01, 0.05, 0.5, 0.025, 2.5]);
  assert.deepEqual(ticks([0, 1]), [0, 0.5, 1]);
  assert.deepEqual(ticks([-1.2, 1.2]), [-1, 0, 1]);
});
