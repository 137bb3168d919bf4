// How the playground looks: where neurons stand, and what the canvases show. Nothing here keeps
// state of the run; buffers are made once and reused for each frame.
import { FEATURES, LIMIT, tickStep } from "./playground-model.mjs";
import { make } from "./kit.mjs";

export const THUMB = 30; // numbers along a side of a neuron's picture
export const SURFACE = 100;

// Columns of features, hidden layers and outputs in a stage of a given width.
export function place(width, features, hidden, outputs, least = 8) {
  const columns = hidden.length + 1;
  const narrow = width < 400;
  const left = narrow ? 44 : 46;
  const room = (width - left - 44) / columns;
  const rise = narrow ? 36 : 39;
  const size = Math.max(20, Math.min(rise - 6, Math.floor(room * 0.6)));
  const first = left + size / 2;
  const last = width - size / 2 - (narrow ? 2 : 12);
  const pitch = (last - first) / columns;
  const rows = Math.max(features, outputs, least, ...hidden);
  const height = rows * rise + 6;
  const column = (x, count) => Array.from({ length: count }, (_, j) =>
    [x, height / 2 + (j - (count - 1) / 2) * rise]);
  return {
    size, pitch, height, left, first, last,
    layers: [column(first, features), ...hidden.map((count, k) => column(first + (k + 1) * pitch, count)),
      column(last, outputs)],
  };
}

// A link is a curve that leaves and arrives level: y as a function of s = 0..1 along x.
const ease = (s) => s * s * (3 - 2 * s);

// Which link passes within reach of a point. `links` are [from, to] positions.
export function nearestLink(links, size, x, y, reach = 7) {
  let found = -1;
  let best = reach;
  links.forEach(([[x0, y0], [x1, y1]], i) => {
    const from = x0 + size / 2;
    const span = x1 - size / 2 - from;
    const s = (x - from) / span;
    if (s < 0 || s > 1) return;
    const slope = (6 * s * (1 - s) * (y1 - y0)) / span;
    const away = Math.abs(y - y0 - ease(s) * (y1 - y0)) / Math.sqrt(1 + slope * slope);
    if (away < best) {
      best = away;
      found = i;
    }
  });
  return found;
}

// Pixels for a value in [-1, 1] (256 steps from orange over paper to blue), and for three classes
// (64 steps of certainty each).
export function palette(colors, strength = 0.8) {
  const pixel = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  const mix = (color, t) => color.map((c, i) => Math.round(colors.paper[i] + t * (c - colors.paper[i])));
  const ramp = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    const v = (i - 127.5) / 127.5;
    ramp[i] = pixel(mix(v < 0 ? colors.orange : colors.blue, strength * Math.abs(v)));
  }
  const classes = new Uint32Array(3 * 64);
  const threes = ["orange", "blue", "green"];
  threes.forEach((name, k) => {
    for (let i = 0; i < 64; i += 1) {
      classes[64 * k + i] = pixel(mix(colors[name], strength * (0.1 + (0.9 * i) / 63)));
    }
  });
  return { ramp, classes, threes, css: colors.css };
}

// One picture of `side` x `side` numbers.
export function picture(side) {
  const element = make("canvas", { width: side, height: side, "aria-hidden": "true" });
  const context = element.getContext("2d");
  const image = context.createImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  return {
    el: element, pixels,
    // scale: what counts as full color; steps: colors only for the sign
    values(values, { ramp }, scale, steps) {
      for (let i = 0; i < pixels.length; i += 1) {
        let v = values[i] / scale;
        if (steps) v = v > 0 ? 0.8 : v < 0 ? -0.8 : 0;
        v = v > 1 ? 1 : v >= -1 ? v : v < -1 ? -1 : 0; // the last 0: not a number
        pixels[i] = ramp[(v * 127.5 + 127.5) | 0];
      }
      context.putImageData(image, 0, 0);
    },
    // a class plus how sure of it the network is
    classes(values, { classes }, steps) {
      for (let i = 0; i < pixels.length; i += 1) {
        const index = values[i] | 0;
        const t = steps ? 1 : Math.max(0, (values[i] - index - 1 / 3) * 1.5);
        pixels[i] = classes[64 * index + ((t * 63) | 0)];
      }
      context.putImageData(image, 0, 0);
    },
  };
}

// The largest size in a picture, and at least 1: colors then compare between neurons.
export function reach(values) {
  let most = 1;
  for (let i = 0; i < values.length; i += 1) {
    const size = Math.abs(values[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

// Links in color and width, and every neuron's picture with its bias in the corner.
export function drawNetwork(context, width,
  { placed, links, weights, pictures, biases, marks, colors, focus }) {
  const { size, height, layers } = placed;
  const half = size / 2;
  const { css } = colors;
  context.clearRect(0, 0, width, height);
  const faint = Math.min(1, (60 / links.length) ** 0.4); // many links must not hide each other
  for (let i = 0; i < links.length; i += 1) {
    const [[x0, y0], [x1, y1]] = links[i];
    const w = weights[i];
    const thick = Math.abs(w);
    const picked = focus && focus(i);
    context.globalAlpha = picked ? 1 : focus ? 0.12 : faint * Math.min(0.9, 0.35 + 0.4 * thick);
    context.strokeStyle = css(!(thick > 0) ? "muted" : w > 0 ? "blue" : "orange");
    context.lineWidth = thick > 0 ? Math.min(7, 0.6 + 1.7 * thick) : 1;
    if (!(thick > 0)) context.setLineDash(DASHES);
    const third = (x1 - x0 - size) / 3; // these two control points make x linear along the curve
    context.beginPath();
    context.moveTo(x0 + half, y0);
    context.bezierCurveTo(x0 + half + third, y0, x1 - half - third, y1, x1 - half, y1);
    context.stroke();
    if (!(thick > 0)) context.setLineDash(SOLID);
  }
  context.globalAlpha = 1;
  for (let k = 0; k < layers.length; k += 1) {
    for (let j = 0; j < layers[k].length; j += 1) {
      const [x, y] = layers[k][j];
      const mark = marks(k, j);
      context.fillStyle = css("paper");
      context.fillRect(x - half, y - half, size, size);
      context.globalAlpha = mark === "off" ? 0.3 : 1;
      context.drawImage(pictures[k][j].el, x - half, y - half, size, size);
      context.globalAlpha = 1;
      context.strokeStyle = css(mark === "dead" ? "bad" : mark === "off" ? "muted" : "ink");
      context.lineWidth = mark === "chosen" ? 3 : mark === "dead" ? 2 : 1;
      if (mark === "off") context.setLineDash(DASHES);
      context.strokeRect(x - half, y - half, size, size);
      if (mark === "off") context.setLineDash(SOLID);
      if (mark === "dead") {
        context.lineWidth = 1.2;
        context.beginPath();
        context.moveTo(x - half, y + half);
        context.lineTo(x + half, y - half);
        context.stroke();
      }
      if (k === 0) continue;
      const bias = biases(k, j);
      context.fillStyle = css("paper");
      context.beginPath();
      context.arc(x - half, y + half, 5, 0, TURN);
      context.fill();
      context.fillStyle = css(bias > 0 ? "blue" : bias < 0 ? "orange" : "muted");
      context.globalAlpha = Math.min(1, 0.5 + 0.5 * Math.abs(bias));
      context.beginPath();
      context.arc(x - half, y + half, 3.5, 0, TURN);
      context.fill();
      context.globalAlpha = 1;
    }
  }
}
const DASHES = [3, 3];
const SOLID = [];
const TURN = 2 * Math.PI;

// Classes differ in shape as well as in color: a circle, a square, a triangle.
export function mark(context, shape, x, y, r) {
  context.beginPath();
  if (shape === 0) context.arc(x, y, r, 0, TURN);
  else if (shape === 1) context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else {
    context.moveTo(x, y - 1.25 * r);
    context.lineTo(x + 1.15 * r, y + 0.8 * r);
    context.lineTo(x - 1.15 * r, y + 0.8 * r);
    context.closePath();
  }
}

export const toPixel = (value, side) => ((value + LIMIT) / (2 * LIMIT)) * side;

// Points of a set over the plane. `tint(label)` -> [shape, color].
export function drawPoints(context, side, { x, y }, tint, { r = 3, outline, width = 1 }) {
  context.strokeStyle = outline;
  context.lineWidth = width;
  for (let i = 0; i < y.length; i += 1) {
    const [shape, color] = tint(y[i]);
    mark(context, shape, toPixel(x[2 * i], side), side - toPixel(x[2 * i + 1], side), r);
    context.fillStyle = color;
    context.fill();
    if (width) context.stroke();
  }
}

// Two curves over epochs: training dashed, test solid; dotted levels are goals.
export function drawCurves(context, width, height, curves,
  { fields, now, top, css, levels = [], percent = false }) {
  const bottom = height - 18;
  const right = width - 6;
  const last = Math.max(now[0], 10);
  let high = top;
  if (!high) {
    // The first steps may come from far up; they leave the picture once there is more to see.
    for (let i = Math.floor(curves.length / 40); i < curves.length; i += 1) {
      for (const f of fields) high = Math.max(high, Math.min(curves.at(i, f), 4 * curves.at(0, f)) || 0);
    }
    high = high * 1.05 || 1;
  }
  context.font = "11px system-ui, sans-serif";
  const rise = tickStep(high, 4);
  const ticks = [];
  for (let v = 0; v <= high * 1.001; v += rise) {
    ticks.push([v, percent ? `${Math.round(100 * v)}%` : String(Number(v.toPrecision(3)))]);
  }
  const left = 8 + Math.max(26, ...ticks.map(([, text]) => context.measureText(text).width));
  const px = (epoch) => left + (epoch / last) * (right - left);
  const py = (value) => Math.max(2, bottom - (value / high) * (bottom - 6));
  context.clearRect(0, 0, width, height);
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [v, text] of ticks) {
    context.strokeStyle = css("grid");
    context.beginPath();
    context.moveTo(left, py(v));
    context.lineTo(right, py(v));
    context.stroke();
    context.fillStyle = css("muted");
    context.fillText(text, left - 4, py(v));
  }
  context.textBaseline = "top";
  const step = tickStep(last, width < 260 ? 3 : 5);
  for (let e = 0; e <= last; e += step) {
    context.textAlign = e + step > last && px(e) > right - 20 ? "right" : e ? "center" : "left";
    context.fillText(String(e), px(e), bottom + 4);
  }
  context.strokeStyle = css("green");
  context.setLineDash(DASHES);
  for (const level of levels) {
    if (level > high) continue;
    context.beginPath();
    context.moveTo(left, py(level));
    context.lineTo(right, py(level));
    context.stroke();
  }
  fields.forEach((f, which) => {
    const train = which === 0;
    context.strokeStyle = css(train ? "purple" : "ink");
    context.lineWidth = train ? 1.5 : 2;
    context.setLineDash(train ? LONG : SOLID);
    context.beginPath();
    for (let i = 0; i < curves.length; i += 1) context.lineTo(px(curves.at(i, 0)), py(curves.at(i, f)));
    if (Number.isFinite(now[f])) context.lineTo(px(now[0]), py(now[f]));
    context.stroke();
  });
  context.setLineDash(SOLID);
}
const LONG = [5, 3];

// What each feature looks like on the plane: it never changes.
export function featureValues(name, side) {
  const value = FEATURES[name][2];
  return Float64Array.from({ length: side * side }, (_, i) => {
    const x = -LIMIT + (2 * LIMIT * ((i % side) + 0.5)) / side;
    const y = LIMIT - (2 * LIMIT * (Math.floor(i / side) + 0.5)) / side;
    return value(x, y);
  });
}
