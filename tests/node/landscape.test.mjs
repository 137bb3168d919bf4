// The mathematics of the loss landscape, against values known without it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { between, camera, canLog, crossings, decode, heights, inSight, levels, parse, ramp, walkNodes,
  wantsLog } from "../../src/udl/web/static/landscape.mjs";

const near = (a, b, by = 1e-12) => assert.ok(Math.abs(a - b) <= by * Math.max(1, Math.abs(b)), `${a} ${b}`);

test("decode undoes differences along both axes", () => {
  // Rows [0, 1, 3] and [2, 4, 10] of whole numbers.
  const code = [0, 1, 2, 2, 1, 4];
  const plain = { size: [3, 2], low: 5, step: 0.5, code, holes: [] };
  assert.deepEqual(decode({ ...plain, log: false }), [5, 5.5, 6.5, 6, 7, 10]);
  const log = decode({ ...plain, low: -1, step: 1, log: true, holes: [4] });
  assert.equal(log[4], null);
  near(log[2], 100);
  near(log[5], 1e9);
});

test("heights run from 0 to 1, and back to losses", () => {
  for (const log of [true, false]) {
    const height = heights([0.01, 1, null, 100], log);
    assert.equal(height.values[0], 0);
    assert.equal(height.values[3], 1);
    assert.ok(Number.isNaN(height.values[2]));
    for (const loss of [0.01, 0.3, 7, 100]) near(height.loss(height.of(loss)), loss, 1e-10);
  }
  near(heights([0.01, 1, 100], true).values[1], 0.5);
  assert.ok(wantsLog([1, 10]) && !wantsLog([1, 2]));
  assert.ok(!canLog([0, 1]) && !wantsLog([-1, 10]));
});

test("between reproduces a bilinear function, and has nothing outside", () => {
  const f = (x, y) => 2 - x + 3 * y + 0.5 * x * y;
  const values = Array.from({ length: 20 }, (_, n) => f(n % 5, Math.floor(n / 5)));
  // Bilinear in each cell: exact for f.
  for (const [x, y] of [[0, 0], [4, 3], [1.25, 2.5], [3.999, 0.001]]) near(between(values, [5, 4], x, y), f(x, y));
  for (const [x, y] of [[-0.01, 0], [4.01, 0], [0, 3.01], [NaN, 0]]) {
    assert.ok(Number.isNaN(between(values, [5, 4], x, y)));
  }
});

test("levels lie inside, evenly, and are not too many", () => {
  for (const [low, high] of [[0.03, 0.4], [1e-9, 1e9], [1, 1.5], [0.0001, 3000]]) {
    for (const log of [true, false]) {
      const { at, step } = levels(low, high, log);
      assert.ok(at.length <= 14 && at.length >= 1, `${low} ${high} ${log} ${at}`);
      for (const one of at) assert.ok(one > low && one < high);
      at.slice(1).forEach((one, k) => near(log ? one / at[k] : one - at[k], step, 1e-9));
    }
  }
});

test("crossings of a plane are straight, of a saddle two", () => {
  // Heights x + y: the level 1/2 goes from (1/2, 0) to (0, 1/2).
  const [[a, b, c, d]] = crossings([0, 1, 2, 1], 0.5);
  const ends = [[a, b], [c, d]].sort((one, other) => one[1] - other[1]);
  assert.deepEqual(ends, [[0.5, 0], [0, 0.5]]);
  assert.equal(crossings([0, 1, 2, 1], 3).length, 0);
  assert.equal(crossings([0, 1, 0, 1], 0.5).length, 2);
  for (const level of [0.2, 0.8]) {
    // The middle of this saddle is 1/2: the two lines cut off the corners of the other kind.
    for (const [x0, y0, x1, y1] of crossings([0, 1, 0, 1], level)) {
      const corner = [Math.round((x0 + x1) / 2), Math.round((y0 + y1) / 2)];
      assert.equal((corner[0] + corner[1]) % 2, level > 0.5 ? 1 : 0);
    }
  }
});

test("the camera turns, looks down, and zooms", () => {
  const from = (yaw, pitch) => camera({ yaw, pitch, zoom: 1 }, 400, 300);
  const top = from(0, 90);
  near(top.x(0, 0), 200);
  near(top.y(0, 0, 0.5), 150);
  near(top.x(1, 0.3) - 200, top.size);
  near(150 - top.y(0.7, 1, 0), top.size);
  near(from(90, 90).x(0, -1) - 200, top.size);
  const side = from(0, 0);
  near(side.y(0, -1, 0), side.y(0, 1, 0));
  near(side.y(0, 0, 0) - side.y(0, 0, 1), side.size);
  // What moves toward the reader stays where it is on the screen.
  const eye = from(-35, 40);
  const [dx, dy, dz] = eye.toward;
  near(eye.x(0.1, 0.2), eye.x(0.1 + dx, 0.2 + dy), 1e-9);
  near(eye.y(0.1, 0.2, 0.3), eye.y(0.1 + dx, 0.2 + dy, 0.3 + dz), 1e-9);
});

test("a wall hides what is behind it", () => {
  // Nine columns, high in the middle one.
  const values = Array.from({ length: 81 }, (_, n) => (n % 9 === 4 ? 1 : 0));
  const right = [1, 0, 0.05];
  assert.equal(inSight(values, [9, 9], 1, 4, 0, right), false);
  assert.equal(inSight(values, [9, 9], 6, 4, 0, right), true);
  assert.equal(inSight(values, [9, 9], 1, 4, 0, [0, 0, 1]), true);
  assert.equal(inSight(values, [9, 9], 1, 4, 0, [0.1, 0, 1]), true);
});

test("a walk visits neighbors only, and arrives", () => {
  for (const [from, to] of [[[0, 0], [5, 3]], [[4, 4], [0, 9]], [[2, 2], [2, 2]], [[3, 0], [3, 7]], [[9, 1], [0, 0]]]) {
    const nodes = walkNodes(from, to);
    assert.equal(nodes.length, Math.abs(to[0] - from[0]) + Math.abs(to[1] - from[1]));
    [from, ...nodes].reduce(([i, j], [p, q]) => {
      assert.equal(Math.abs(p - i) + Math.abs(q - j), 1);
      return [p, q];
    });
    assert.deepEqual(nodes.at(-1) ?? from, to);
  }
});

test("colors are cividis at its ends", () => {
  assert.deepEqual(ramp(0), [0, 32, 76]);
  assert.deepEqual(ramp(1), [255, 233, 69]);
  assert.deepEqual(ramp(7), ramp(1));
});

const props = { planes: [{ size: [5, 4] }, { size: [3, 3] }], paths: [{ steps: [0, 1, 2] }, { steps: [0] }] };

test("a good address is read", () => {
  const values = { plane: "1", view: "contours", scale: "linear", path: "0", point: "2", at: "2,1",
    hidden: "1,0,1", eye: "-30,45,120" };
  assert.deepEqual(parse(values, props), { ignored: [], state: { plane: 1, view: "contours",
    scale: "linear", path: 0, point: 2, at: [2, 1], hidden: [1, 0],
    eye: { yaw: -30, pitch: 45, zoom: 1.2 } } });
});

test("a bad address is ignored, piece by piece, and named", () => {
  const bad = { plane: ["2", "-1", "x", "1e0", ""], view: ["top", "<b>"], scale: ["ln"], path: ["2"],
    point: ["1", "NaN"], at: ["5,0", "1", "1,2,3", "a,b", "0,-1"], hidden: ["", "0,9"],
    eye: ["0,0,100", "500,45,100", "1,45", "1,45,100,2", "x,45,100"], other: ["1"] };
  for (const [key, texts] of Object.entries(bad)) {
    for (const text of texts) {
      const { state, ignored } = parse({ [key]: text }, props);
      assert.deepEqual(state, {}, `${key}=${text}`);
      assert.equal(ignored.length, 1);
      assert.ok(ignored[0].startsWith(key));
    }
  }
});
