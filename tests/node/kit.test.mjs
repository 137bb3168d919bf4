// The parts of the kit that need no page: numbers for people, state in the address, the loop.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { clipboard, linkTo, loop, readState, show, still, writeState }
  from "../../src/udl/web/static/kit.mjs";

test("numbers for people", () => {
  const expected = [
    [0, "0"], [-0, "0"], [1, "1"], [-1.5, "−1.5"], [0.1 + 0.2, "0.3"], [2 / 3, "0.667"],
    [12345.678, "12346"], [-999.96, "−1000"], [1e-3, "0.001"], [-4.2e-9, "−4.20e−9"],
    [1.5e7, "1.50e7"], [5e-324, "4.94e−324"], [Infinity, "∞"], [-Infinity, "−∞"], [NaN, "undefined"],
  ];
  for (const [value, text] of expected) assert.equal(show(value), text, `of ${value}`);
  assert.equal(show(Math.PI, 6), "3.14159");
  assert.equal(show(-1e-10, 1), "−1e−10");
});

test("no number is shown with a hyphen, as minus zero, or far from its value", () => {
  for (let k = -320; k < 308; k += 1) {
    for (const mantissa of [1, -1.2345, 9.99999, -5]) {
      const value = mantissa * 10 ** k;
      const text = show(value);
      assert.doesNotMatch(text, /-|^−0$/);
      const back = Number(text.replaceAll("−", "-"));
      assert.ok(Math.abs(back - value) <= 0.0051 * Math.abs(value), `${value} as ${text}`);
    }
  }
});

const page = (hash, protocol = "https:") => {
  globalThis.location = { hash, protocol, href: `${protocol}//book/page.html${hash}` };
  globalThis.history = { state: 7, replaceState: mock.fn() };
};

test("a state comes back from the address as it went there", () => {
  const state = { points: "1,2;3,4", name: "a&b=c#d é 💥", empty: "", zero: 0, minus: -1e-9, not: false };
  page("");
  const link = linkTo("one", { ...state, left: undefined, out: null });
  assert.ok(link.startsWith("https://book/page.html#one:"));
  page(link.slice(link.indexOf("#")));
  const { values, given } = readState("one");
  assert.equal(given, true);
  assert.deepEqual({ ...values }, Object.fromEntries(
    Object.entries(state).map(([key, value]) => [key, String(value)])));
  assert.equal(linkTo("one", state), link);
});

test("an address of something else is no state, and nothing in one reaches a prototype", () => {
  for (const hash of ["", "#", "#sec-one", "#one", "#two:a=1", "#oneself:a=1", "#:"]) {
    page(hash);
    assert.deepEqual(readState("one"), { values: Object.create(null), given: false }, hash);
  }
  page("#one:__proto__=1&constructor=2&toString=3");
  const { values } = readState("one");
  assert.deepEqual(Object.keys(values), ["__proto__", "constructor", "toString"]);
  assert.equal({}.toString.call([]), "[object Array]");
  for (const hash of ["#one:", "#one:%E0%A4%A", "#one:&&==&", "#one:\u0000=%", `#one:a=${"9".repeat(1e5)}`]) {
    page(hash);
    assert.equal(readState("one").given, true, hash.slice(0, 20));
  }
});

test("a frame of a notebook has no address to write to", () => {
  page("#one:a=1", "about:");
  assert.equal(readState("one").given, false);
  assert.equal(linkTo("one", { a: 1 }), "");
});

test("of many states, the last one is written, and not often", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  page("");
  for (let k = 0; k < 1000; k += 1) writeState("one", { k });
  assert.equal(history.replaceState.mock.callCount(), 0);
  mock.timers.tick(1000);
  assert.deepEqual(history.replaceState.mock.calls.map((call) => call.arguments), [[7, "", "#one:k=999"]]);
  writeState("one", { k: 1000 });
  mock.timers.tick(1000);
  assert.equal(history.replaceState.mock.callCount(), 2);
  mock.timers.reset();
});

test("what the browser refuses to copy is said", async () => {
  for (const [clip, expected] of [[{ writeText: async () => {} }, true], [undefined, false]]) {
    Object.defineProperty(globalThis, "navigator", { value: { clipboard: clip }, configurable: true });
    assert.equal(await clipboard("text"), expected);
  }
});

test("who prefers less motion", () => {
  globalThis.matchMedia = (query) => ({ matches: query === "(prefers-reduced-motion: reduce)" });
  assert.equal(still(), true);
});

let frames;
let watch;
beforeEach(() => {
  frames = new Map();
  let last = 0;
  globalThis.requestAnimationFrame = (callback) => {
    frames.set((last += 1), callback);
    return last;
  };
  globalThis.cancelAnimationFrame = (id) => frames.delete(id);
  globalThis.IntersectionObserver = class {
    constructor(callback) { watch = (isIntersecting) => callback([{ isIntersecting }]); }
    observe() {}
  };
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
});
afterEach(() => mock.restoreAll());
const refresh = () => {
  const due = [...frames.values()];
  frames.clear();
  due.forEach((callback) => callback(0));
};

test("the loop runs on screen alone, once a refresh", () => {
  const draw = mock.fn();
  const running = loop({ isConnected: true }, draw);
  running.start();
  running.start();
  refresh();
  assert.equal(draw.mock.callCount(), 0, "it is not known yet to be on screen");
  watch(true);
  watch(true);
  for (let k = 1; k <= 3; k += 1) {
    refresh();
    assert.equal(draw.mock.callCount(), k);
  }
  watch(false);
  assert.equal(frames.size, 0);
  assert.equal(running.running, true);
  watch(true);
  assert.equal(frames.size, 1);
  document.hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(frames.size, 0);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(frames.size, 1);
  running.stop();
  assert.equal(frames.size, 0);
  assert.equal(running.running, false);
});

test("a frame may stop the loop, or stop and start it", () => {
  let act = () => {};
  const running = loop({ isConnected: true }, () => act());
  watch(true);
  running.start();
  act = () => { running.stop(); running.start(); };
  refresh();
  assert.equal(frames.size, 1);
  act = () => running.stop();
  refresh();
  assert.equal(frames.size, 0);
});
