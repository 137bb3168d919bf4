import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LIMITS, Misread, baseline, describe, evaluate, layout, parse, plan, pretty, sayBack, sayDead,
  sayForward, slopeText,
} from "../../src/udl/web/static/stepper.mjs";

const NEURON = "h = theta1 * x; g = h + theta0; yhat = relu(g); f = yhat - y; J = f^2";
const neuron = (theta0, theta1, x = 2, y = 1) => {
  const graph = parse(NEURON);
  const run = evaluate(graph, { theta0, theta1, x, y });
  const find = (name) => graph.nodes.findIndex((node) => node.name === name);
  return { graph, run, find, grad: (name) => run.grad[find(name)], value: (name) => run.value[find(name)] };
};
const number = (source, values = {}) => {
  const graph = parse(`${source} + 0 * unit`);
  return evaluate(graph, { unit: 1, ...values }).value.at(-1);
};

test("ELTE's neuron: values, gradients, and the words for them", () => {
  const { graph, run, find, grad, value } = neuron(5, -1);
  assert.deepEqual(["h", "g", "yhat", "f", "J"].map(value), [-2, 3, 3, 2, 4]);
  assert.deepEqual(["J", "f", "yhat", "y", "g", "theta0", "h", "x", "theta1"].map(grad),
    [1, 4, 4, -4, 4, 4, 4, -4, 8]);
  assert.equal(sayForward(graph, run, find("yhat")), "ŷ = relu(g) = relu(3) = 3");
  assert.equal(sayForward(graph, run, find("h")), "h = θ₁ · x = (−1) · 2 = −2");
  assert.equal(sayBack(graph, run, find("f")), "dJ/df = dJ/dJ × dJ/df = 1 × 4 = 4");
  assert.equal(sayBack(graph, run, find("g")),
    "dJ/dg = dJ/dŷ × dŷ/dg = 4 × 1 = 4. All the way from J: 4 × 1 × 1 = 4");
  assert.match(sayBack(graph, run, find("J")), /^dJ\/dJ = 1/);
  assert.equal(slopeText(graph, run, find("J"), 0), "2f = 4");
  assert.equal(slopeText(graph, run, find("yhat"), 0), "1 (g > 0)");
  assert.equal(slopeText(graph, run, find("f"), 1), "−1");
  assert.equal(describe(graph, find("J")), "f²");
  assert.equal(sayDead(graph, run), "");
});

test("a dead ReLU is explained, also at its corner", () => {
  const off = neuron(5, -3);
  assert.deepEqual(["theta0", "theta1", "yhat"].map((name) => off.grad(name) + 0), [0, 0, -2]);
  assert.match(sayDead(off.graph, off.run), /g = −1 is negative.*gradient −2 gets as far as ŷ.*θ₁, x, h, θ₀, g/);
  const corner = neuron(2, -1);
  assert.match(sayDead(corner.graph, corner.run), /g is exactly 0.*as in PyTorch, 0 is taken/);
  const learned = neuron(-5, -1, 2, 0); // the guess is right: nothing comes back that could be lost
  assert.equal(sayDead(learned.graph, learned.run), "");
});

test("contributions of a node that is used twice are added, and said", () => {
  const graph = parse("p = x * x; s = p + x");
  const run = evaluate(graph, { x: 3 });
  assert.deepEqual(run.grad, [7, 1, 1]);
  assert.match(sayBack(graph, run, 0), /= 1 × 1 \+ 1 × 3 \+ 1 × 3 = 7\. x is used 3 times/);
});

test("precedence is that of Python", () => {
  for (const [source, expected] of [["-2^2", -4], ["2^3^2", 512], ["2**-1", 0.5], ["-2**-2", -0.25],
    ["8/4/2", 1], ["8-4-2", 2], ["2*-3", -6], ["1 - -1", 2], ["2+3*4", 14], ["(2+3)*4", 20],
    ["-(1+2)^2", -9], ["6/2*3", 9], ["+2", 2], [".5e1 + 2.", 7], ["2 × 3 − 1", 5]]) {
    assert.equal(number(source), expected, source);
  }
});

test("names", () => {
  assert.deepEqual(["theta0", "theta_1", "yhat", "y_hat", "w12", "loss", "mu", "v_", "_", "hat", "_1"].map(pretty),
    ["θ₀", "θ₁", "ŷ", "ŷ", "w₁₂", "loss", "μ", "v_", "_", "hat", "_₁"]);
  assert.deepEqual(parse("J * x").nodes.map(({ name }) => name), ["J", "x", "L"]);
  assert.deepEqual(parse("exp(v1 * x) - 2").nodes.map(({ name }) => name), ["v1", "x", "v2", "v3", "J"]);
  assert.deepEqual([...parse("x = 3; x * x").given].map(([name, given]) => [name, given.number]), [["x", 3]]);
});

test("what cannot be read is named, with its place and what was expected", () => {
  for (const [source, at, expected] of [
    ["", 0, /expected an expression/], ["   ;; ", 4, /expected an expression/], ["2x", 1, /expected an operator/],
    ["(a", 2, /or “\)”, got the end/], ["a + ", 3, /a number, a name or “\(”, got the end/],
    ["a + * b", 4, /got “\*”/], ["a)", 1, /got “\)”/], ["relu x", 5, /“\(” after relu/],
    ["foo(x)", 0, /expected one of relu.*or an operator before “\(”, got “foo”/], ["x $ 2", 2, /=; but got “\$”/],
    ["a = 3", 0, /an operation on at least one name/], ["x", 0, /an operation/], ["1 + 2", 0, /an operation/],
    ["a = b; a * 2", 0, /second name for b/], ["1/0 + x", 1, /divides by zero/],
    ["log(0-1)*x", 0, /a number above 0/], ["sqrt(-1)*x", 0, /0 or more/], ["(-8)^(1/3)*x", 4, /broken power/],
    ["exp(1000)*x", 0, /larger than/], ["x; y + 1", 0, /name = \.\.\./],
    ["a = x+1; y*2", 5, /a is never used/], ["a = 1; y*2", 0, /a is never used/],
    ["a = x+1; a = a*2", 9, /not yet in use/], ["x*2; ", 4, null], ["relu = x + 1", 0, /a function/],
    ["x*1e999", 2, /below 1\.8e308/], ["abcdefghijklm + 1", 0, /at most 12/], ["a b", 2, /got “b”/],
    ["a == b", 3, /got “=”/], ["x + 1 = y", 6, /got “=”/], ["a, b", 1, /got “,”/],
    ["__proto__ * constructor", 0, null], ["x".repeat(201), 200, /at most 200 characters/],
    [`${"(".repeat(30)}x${")".repeat(30)}`, 21, /at most 20/], [`${"-".repeat(40)}x`, 21, /at most 20/],
    [Array(50).fill("x").join("*"), 0, /16 operations in a row/],
  ]) {
    if (!expected) {
      assert.ok(parse(source).nodes.length);
      continue;
    }
    assert.throws(() => parse(source), (error) => {
      assert.ok(error instanceof Misread, error.stack);
      assert.match(error.message, expected, source);
      if (at) assert.ok(Math.abs(error.at - at) <= 1, `${source}: ${error.at}`);
      return error.message.startsWith(`Character ${error.at + 1}: `);
    });
  }
  const wide = (count) => Array(count).fill(0).reduce((list) => (list.length > 1
    ? list.flatMap((part, i) => (i % 2 ? [] : [list[i + 1] ? `(${part}*${list[i + 1]})` : part])) : list),
  Array.from({ length: count }, (_, i) => `a${i}`))[0];
  assert.equal(parse(wide(16)).nodes.length, 31);
  assert.throws(() => parse(wide(24)), /40 nodes/);
});

test("garbage never breaks the reader", () => {
  const pieces = ["x", "y1", "2", ".5", "1e3", "+", "-", "*", "/", "^", "**", "(", ")", "=", ";", "relu",
    "log(", "sqrt(", ",", "“", "√", "\u0000", " ", "=>", "[]", "💥", "constructor", "toString("];
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let k = 0; k < 3000; k += 1) {
    const source = Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join("");
    try {
      const graph = parse(source);
      const values = Object.fromEntries(graph.nodes.filter(({ op }) => !op).map(({ name }) => [name, 0.5]));
      const run = evaluate(graph, values);
      const { end } = plan(graph, run);
      assert.ok(run.trouble ? run.trouble.text.length > 10 && end >= 0 : run.grad.every(Number.isFinite), source);
    } catch (error) {
      assert.ok(error instanceof Misread, `${source}: ${error.stack}`);
    }
  }
});

test("numbers that are not finite are said, and the passes stop there", () => {
  for (const [source, x, back, words, end] of [
    ["log(x)", -1, false, /log\(\(−1\)\) is not a number|above 0/, 0], ["log(x) + 1", 0, false, /above 0/, 0],
    ["1 + sqrt(x)", -4, false, /0 or more/, 0], ["2 / x", 0, false, /divides by zero/, 0],
    ["x ^ -1", 0, false, /divides by zero/, 0], ["x ^ 0.5", -1, false, /broken power/, 0],
    ["exp(x * x)", 100, false, /larger than/, 1], ["sqrt(x * x)", 0, true, /no finite slope at v₁ = 0/, 3],
    ["x ^ 0.5", 0, true, /no finite slope at x = 0/, 2], ["x ^ x", -2, true, /no finite slope/, 2],
  ]) {
    const graph = parse(source);
    const run = evaluate(graph, { x });
    assert.equal(run.trouble.back, back, source);
    assert.match(run.trouble.text, words);
    assert.equal(plan(graph, run).end, end, source);
  }
});

test("corners: slopes as in udl", () => {
  const slope = (source, x) => evaluate(parse(source), { x }).grad[0];
  assert.equal(slope("abs(x)", 0), 0);
  assert.equal(slope("relu(x)", 0), 0);
  assert.equal(slope("x ^ 0", 0), 0);
  assert.equal(slope("x ^ 1", 0), 1);
  assert.equal(slope("0 ^ x", 2) + 0, 0);
});

test("a drawing has no overlap, keeps to the width, and points forward", () => {
  const long = "(relu(theta0 + theta1*x) - y)^2 + exp(-a*b)*sqrt(c^2 + d^2) + log(softplus(a*x))*x*x + 0.1*w^2";
  for (const source of [NEURON, "x*x + x", "p = x*x; p*p", long]) {
    const graph = parse(source);
    const sizes = graph.nodes.map(({ op }) => [op ? 84 : 58, 52]);
    for (const [room, upright] of [[646, false], [646, true], [326, true], [240, true]]) {
      const place = layout(graph, sizes, () => 40, room, upright);
      const boxes = place.centers.map(([x, y], i) => [x - sizes[i][0] / 2, y - 26, x + sizes[i][0] / 2, y + 26]);
      boxes.forEach(([left, top, right, bottom], i) => {
        assert.ok(left >= -1e-6 && top >= -1e-6 && right <= place.width + 1e-6 && bottom <= place.height + 1e-6);
        for (const other of boxes.slice(i + 1)) {
          assert.ok(right <= other[0] || other[2] <= left || bottom <= other[1] || other[3] <= top,
            `${source} ${room} ${i}`);
        }
      });
      assert.equal(place.arrows.length,
        graph.nodes.flatMap(({ args }) => args.filter((arg) => typeof arg === "number")).length);
      for (const { points, from, to } of place.arrows) {
        const along = upright ? 1 : 0;
        points.slice(1).forEach((point, k) => assert.ok(point[along] > points[k][along] - 1e-6));
        assert.ok(graph.nodes[to].args.includes(from));
      }
    }
  }
  const place = layout(parse(NEURON), Array(9).fill([78, 52]), () => 30, 326, true);
  assert.ok(place.width <= 326, place.width);
});

test("limits are those that the page states", () => {
  assert.deepEqual(LIMITS, { length: 200, name: 12, nodes: 40, nesting: 20, row: 16, size: 1e9 });
});

test("a text on a bent arrow is clear of it from end to end", () => {
  // A cubic whose control points lie halfway across, at the heights of the two ends.
  const bend = (t, [x0, y0], [x1, y1]) => [
    x0 * (1 - t) ** 3 + 1.5 * (x0 + x1) * t * (1 - t) + x1 * t ** 3,
    y0 * ((1 - t) ** 3 + 3 * t * (1 - t) ** 2) + y1 * (3 * t * t * (1 - t) + t ** 3)];
  const far = [-40, -30];
  for (const end of [[80, 60], [80, 0], [80, -60]]) {
    for (const side of [-1, 0, 1]) {
      for (const half of [5, 30]) {
        const y = baseline([far, [0, 0], end], 45, half, side);
        const under = Array.from({ length: 1001 }, (_, k) => bend(k / 1000, [0, 0], end))
          .filter(([x]) => Math.abs(x - 45) <= half).map(([, height]) => height);
        const air = side > 0 ? y - 9 - Math.max(...under) : Math.min(...under) - y;
        assert.ok(air > 3 && air < 6, `${air} of ${end}, ${side}, ${half}`);
      }
    }
  }
});
