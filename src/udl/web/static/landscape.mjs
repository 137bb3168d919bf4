// A loss landscape: the loss over a plane as a surface to turn, or as contours, and the paths of
// optimizers on it. All losses are computed by udl; the page shows them at the nodes of the grid.

import { button, canvas, card, clipboard, colors, details, handle, linkTo, loop, make, onTheme,
  QUIET, readState, row, select, show, slider, status, style, svg, table, toggle,
  writeState } from "./kit.mjs";

const CSS = `
.udl-landscape-view { position: relative; margin: .5rem 0; border-radius: .3rem; }
.udl-landscape-view canvas { touch-action: pan-y; cursor: grab; }
.udl-landscape-view.udl-flat canvas { cursor: crosshair; }
.udl-card .udl-landscape-view svg { position: absolute; inset: 0; background: none;
  pointer-events: none; }
.udl-landscape-view .udl-handle { pointer-events: auto; }
.udl-landscape-keys button { min-width: 2.1rem; }
.udl-card .udl-landscape-keys[hidden] { display: none; }
.udl-card .udl-landscape-legend svg { display: inline-block; vertical-align: middle;
  margin-right: .4rem; background: none; }
.udl-card .udl-landscape-legend button[aria-pressed] { background: var(--paper); color: var(--ink);
  border: 2px solid var(--edge); }
.udl-card .udl-landscape-legend button[aria-pressed=false] { border-style: dashed;
  text-decoration: line-through; }
.udl-card .udl-landscape-data { overflow-wrap: normal; }
.udl-landscape-said { margin: .3rem 0; min-height: 1.45em; font-variant-numeric: tabular-nums; }
`;

const INKS = ["orange", "green", "purple", "blue", "gold"];
const DASHES = [[], [7, 3], [2, 3], [11, 3, 2, 3], [4, 2, 1, 2]];
// Stops of cividis, which the figures of the book use, too.
const RAMP = [[0, 32, 76], [41, 62, 107], [87, 93, 109], [125, 124, 120], [166, 157, 117],
  [211, 192, 99], [255, 233, 69]];
const START = { yaw: -25, pitch: 48, zoom: 1.05 };
const LIMITS = { yaw: [-180, 180], pitch: [10, 85], zoom: [0.6, 4] };
const WALK_MAX = 4000;

// ---------------------------------------------------------------- mathematics, without a page

// The losses at the nodes, row by row; null where one is not finite.
export function decode({ size: [wide], log, low, step, code, holes }) {
  const sums = Float64Array.from(code);
  for (let n = 0; n < sums.length; n += 1) {
    if (n % wide) sums[n] += sums[n - 1];
  }
  for (let n = wide; n < sums.length; n += 1) sums[n] += sums[n - wide];
  const loss = Array.from(sums, (count) => (log ? 10 ** (low + step * count) : low + step * count));
  for (const n of holes) loss[n] = null;
  return loss;
}

// Heights from 0 to 1 at the nodes, NaN where the loss is not finite.
export function heights(loss, log) {
  const scale = log ? Math.log10 : (value) => value;
  const values = loss.map((value) => (value === null ? NaN : scale(value)));
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low;
  return {
    values: values.map((value) => (value - low) / span),
    of: (value) => (value === null ? NaN : (scale(value) - low) / span),
    loss: (height) => (log ? 10 ** (low + height * span) : low + height * span),
  };
}

export const canLog = (loss) => loss.every((value) => value === null || value > 0);
export const wantsLog = (loss) => {
  const finite = loss.filter((value) => value !== null);
  return canLog(loss) && Math.max(...finite) > 5 * Math.min(...finite);
};

// The value between nodes, x and y in cells; NaN outside.
export function between(values, [wide, high], x, y) {
  if (!(x >= 0 && y >= 0 && x <= wide - 1 && y <= high - 1)) return NaN;
  const i = Math.min(wide - 2, Math.floor(x));
  const j = Math.min(high - 2, Math.floor(y));
  const [a, b, at] = [x - i, y - j, j * wide + i];
  return (1 - b) * ((1 - a) * values[at] + a * values[at + 1])
    + b * ((1 - a) * values[at + wide] + a * values[at + wide + 1]);
}

// Heights of contour lines: losses that grow by one factor, or one step, from line to line.
export function levels(low, high, log) {
  if (log) {
    const factors = [1.1, 1.25, 1.5, 2, 3, 5, 10, 100, 1000, 1e6, 1e12];
    const factor = factors.find((one) => Math.log(high / low) / Math.log(one) <= 13) ?? 1e30;
    const from = Math.ceil(Math.log(low) / Math.log(factor) + 1e-9);
    const count = Math.max(0, Math.floor(Math.log(high) / Math.log(factor) - 1e-9) - from + 1);
    return { step: factor, at: Array.from({ length: count }, (_, k) => factor ** (from + k)) };
  }
  const step = nice((high - low) / 12);
  const from = Math.floor(low / step) + 1;
  const count = Math.max(0, Math.ceil(high / step) - from);
  return { step, at: Array.from({ length: count }, (_, k) => (from + k) * step) };
}

const nice = (size) => {
  const ten = 10 ** Math.floor(Math.log10(size));
  return [1, 2, 5, 10].find((one) => one * ten >= size * (1 - 1e-9)) * ten;
};

// Where a level crosses a cell, as segments [x0, y0, x1, y1] in parts of the cell. The corners are
// at (0, 0), (1, 0), (1, 1), (0, 1).
export function crossings(corners, level) {
  const found = [];
  for (let k = 0; k < 4; k += 1) {
    const [a, b] = [corners[k], corners[(k + 1) % 4]];
    if ((a < level) === (b < level)) continue;
    const part = (level - a) / (b - a);
    found.push([[part, 0], [1, part], [1 - part, 1], [0, 1 - part]][k]);
  }
  if (found.length === 2) return [[...found[0], ...found[1]]];
  if (found.length !== 4) return [];
  // A saddle: the middle tells which corners belong together.
  const middle = (corners[0] + corners[1] + corners[2] + corners[3]) / 4;
  const pairs = (middle < level) === (corners[0] < level) ? [[0, 1], [2, 3]] : [[0, 3], [1, 2]];
  return pairs.map(([a, b]) => [...found[a], ...found[b]]);
}

// A parallel projection. x, y from -1 to 1, z from 0 to 1; the answer is in pixels.
export function camera({ yaw, pitch, zoom }, wide, high) {
  const [a, b] = [yaw * Math.PI / 180, pitch * Math.PI / 180];
  const [cos, sin, tilt, up] = [Math.cos(a), Math.sin(a), Math.sin(b), Math.cos(b)];
  // Zoomed out, the whole box fits from any side.
  const size = zoom * Math.min(wide / 3.1, high / (2.83 * tilt + up + 0.2));
  return {
    x: (x, y) => wide / 2 + size * (x * cos - y * sin),
    y: (x, y, z) => high / 2 - size * (tilt * (x * sin + y * cos) + up * (z - 0.5)),
    // The direction to the reader: over the plane, and how much it climbs on the way.
    toward: [-sin * up, -cos * up, tilt],
    size, cos, sin,
  };
}

// Whether nothing of the surface stands between a point of it and the reader. x, y in cells.
export function inSight(values, size, x, y, z, toward) {
  const step = 0.5 / Math.max(Math.abs(toward[0]), Math.abs(toward[1]), 1e-9);
  const [wide, high] = size;
  for (let k = 1; ; k += 1) {
    const length = k * step;
    const [u, v, h] = [x + length * toward[0], y + length * toward[1], z + length * toward[2]];
    if (h > 1 || !(u >= 0 && v >= 0 && u <= wide - 1 && v <= high - 1)) return true;
    if (between(values, size, u, v) > h + 0.015) return false;
  }
}

// The nodes from one to another, each a neighbor of the one before it, the first left out.
export function walkNodes([i, j], [p, q]) {
  const found = [];
  const [wide, high] = [Math.abs(p - i), Math.abs(q - j)];
  for (let a = 0, b = 0; a < wide || b < high;) {
    if (b >= high || (a < wide && (a + 0.5) * high <= (b + 0.5) * wide)) a += 1;
    else b += 1;
    found.push([i + a * Math.sign(p - i), j + b * Math.sign(q - j)]);
  }
  return found;
}

// State from an address. What it cannot mean is left out, and named.
export function parse(values, props) {
  const ignored = [];
  const state = {};
  const whole = (text, low, high) =>
    (/^-?\d{1,9}$/.test(text) && Number(text) >= low && Number(text) <= high ? Number(text) : null);
  const take = (key, read) => {
    if (values[key] === undefined) return;
    const value = read(String(values[key]));
    if (value === null) ignored.push(`${key}=${String(values[key]).slice(0, 20)}`);
    else state[key] = value;
  };
  take("plane", (text) => whole(text, 0, props.planes.length - 1));
  take("view", (text) => (["surface", "contours"].includes(text) ? text : null));
  take("scale", (text) => (["log", "linear"].includes(text) ? text : null));
  take("path", (text) => whole(text, 0, props.paths.length - 1));
  const most = props.paths.at(state.path ?? -1).steps.length - 1;
  take("point", (text) => whole(text, 0, most));
  const [wide, high] = props.planes[state.plane ?? 0].size;
  take("at", (text) => {
    const [i, j, ...more] = text.split(",");
    const node = [whole(i, 0, wide - 1), whole(j ?? "", 0, high - 1)];
    return more.length || node.includes(null) ? null : node;
  });
  take("hidden", (text) => {
    const list = text.split(",").map((one) => whole(one, 0, props.paths.length - 1));
    return list.includes(null) ? null : [...new Set(list)];
  });
  take("eye", (text) => {
    const [yaw, pitch, zoom, ...more] = text.split(",").map((one) => whole(one, -1000, 1000));
    const eye = { yaw, pitch, zoom: zoom / 100 };
    const fits = Object.entries(LIMITS).every(([key, [low, top]]) =>
      Number.isFinite(eye[key]) && eye[key] >= low && eye[key] <= top);
    return !more.length && yaw !== null && pitch !== null && fits ? eye : null;
  });
  const known = ["plane", "view", "scale", "path", "point", "at", "hidden", "eye"];
  const unknown = Object.keys(values).filter((key) => !known.includes(key));
  ignored.push(...unknown.map((key) => key.slice(0, 20)));
  return { state, ignored };
}

// The color of a height.
export function ramp(height) {
  const at = clamp(height, [0, 1]) * (RAMP.length - 1);
  const k = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[k].map((from, c) => from + (at - k) * (RAMP[k + 1][c] - from));
}

const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));
const percent = (share) => (share > 0 && share < 0.005 ? "less than 1%" : `${Math.round(100 * share)}%`);

// ---------------------------------------------------------------- the page

export function render({ el, props }) {
  style("udl-landscape", CSS);
  const { paths, walk } = props;
  const planes = props.planes.map((plane) => ({ ...plane, loss: decode(plane) }));
  const { state: given, ignored } = parse(readState(props.label).values, props);
  const last = paths.length - 1;
  const initial = () => ({ plane: 0, view: "surface", scale: "", path: last,
    point: Math.floor(0.85 * paths[last].steps.length), at: null, hidden: [], eye: { ...START } });
  let state = { ...initial(), ...given };
  state.point = Math.min(state.point, paths[state.path].steps.length - 1);
  let trail = []; // nodes of the reader's walk, from its start
  let done = false;

  // -------- what follows from the plane and the scale
  let scene;
  const build = () => {
    const plane = planes[state.plane];
    const log = state.scale ? state.scale === "log" && canLog(plane.loss) : wantsLog(plane.loss);
    const height = heights(plane.loss, log);
    const [wide, high] = plane.size;
    const cell = [(plane.s[1] - plane.s[0]) / (wide - 1), (plane.t[1] - plane.t[0]) / (high - 1)];
    const toCell = (s, t) => [(s - plane.s[0]) / cell[0], (t - plane.t[0]) / cell[1]];
    const finite = plane.loss.filter((value) => value !== null);
    const range = [Math.min(...finite), Math.max(...finite)];
    const lines = levels(...range, log);
    const at = lines.at.map(height.of);
    // Contour segments by cell, so that each is drawn with its piece of the surface.
    const segments = Array.from({ length: (wide - 1) * (high - 1) }, (_, c) => {
      const [i, j] = [c % (wide - 1), Math.floor(c / (wide - 1))];
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]]
        .map(([a, b]) => height.values[b * wide + a]);
      const [low, top] = [Math.min(...corners), Math.max(...corners)];
      if (Number.isNaN(low)) return [];
      return at.filter((level) => level > low && level <= top).flatMap((level) =>
        crossings(corners, level).map(([a, b, c2, d]) => [i + a, j + b, i + c2, j + d, level]));
    });
    // Paths in cells, in pieces short enough to lie on the surface.
    const tracks = paths.map((path) => {
      const { s, t } = path.at[state.plane];
      const found = [];
      s.forEach((_, k) => {
        if (s[k] === null || t[k] === null) return;
        const [x, y] = toCell(s[k], t[k]);
        const last = found.at(-1);
        const pieces = last ? Math.min(60, Math.ceil(2 * Math.hypot(x - last[0], y - last[1]))) : 1;
        const [u, v] = last ?? [x, y];
        for (let p = 1; p <= Math.max(1, pieces); p += 1) {
          const part = p / Math.max(1, pieces);
          found.push([u + part * (x - u), v + part * (y - v)]);
        }
      });
      return found.map(([x, y]) => [x, y, between(height.values, plane.size, x, y)]);
    });
    scene = { plane, log, height, wide, high, toCell, cell, range, lines, segments, tracks };
    if (!state.at || state.at[0] >= wide || state.at[1] >= high) {
      const nearest = toCell(0, 0).map(Math.round);
      state.at = [clamp(nearest[0], [0, wide - 1]), clamp(nearest[1], [0, high - 1])];
      if (walk && state.plane === 0) state.at = [...walk.nodes[0]];
    }
    trail = [];
  };
  build();
  const lossAt = ([i, j]) => scene.plane.loss[j * scene.wide + i];
  const said = (value) => (value === null ? "not a finite number" : show(value, 4));

  // -------- picture
  const { el: picture, context, size: resize, describe } = canvas(320, 240, "");
  picture.setAttribute("tabindex", "0");
  for (const [name, value] of Object.entries(QUIET)) picture.setAttribute(name, value);
  const overlay = svg("svg", { "aria-label": "Cursor on the landscape", role: "group" });
  const view = make("div", { class: "udl-landscape-view" }, picture, overlay);
  let [wide, high] = [320, 240];
  let palette = null;
  let eye = null; // the camera of the last drawing

  // A point of the plane, in cells, and its height, in pixels.
  const place = (x, y, z) => {
    if (state.view === "contours") {
      const box = flatBox();
      return [box.x + box.wide * x / (scene.wide - 1), box.y + box.high * (1 - y / (scene.high - 1))];
    }
    const [a, b] = [2 * x / (scene.wide - 1) - 1, 2 * y / (scene.high - 1) - 1];
    return [eye.x(a, b), eye.y(a, b, z)];
  };
  const flatBox = () => ({ x: 52, y: 10, wide: wide - 64, high: high - 54 });

  // A pixel a node; the browser smooths between them.
  const heat = (values, S, T) => {
    const map = make("canvas", { width: S, height: T });
    const brush = map.getContext("2d");
    const image = brush.createImageData(S, T);
    values.forEach((value, n) => {
      const at = 4 * ((T - 1 - Math.floor(n / S)) * S + n % S);
      if (Number.isFinite(value)) image.data.set([...ramp(value), 255], at);
    });
    brush.putImageData(image, 0, 0);
    return map;
  };
  // The color of each cell, empty where a corner has no height. The light comes from the upper left
  // of the plane and turns with it, so colors stay.
  const fills = (values, S, T) => Array.from({ length: (S - 1) * (T - 1) }, (_, cell) => {
    const n = Math.floor(cell / (S - 1)) * S + cell % (S - 1);
    const [a, b, c, d] = [values[n], values[n + 1], values[n + S + 1], values[n + S]];
    const middle = (a + b + c + d) / 4;
    if (Number.isNaN(middle)) return "";
    const [dx, dy] = [(b + c - a - d) * (S - 1) / 4, (c + d - a - b) * (T - 1) / 4];
    const slope = (1 + 0.45 * dx - 0.3 * dy) / Math.hypot(1, dx, dy) / 1.13;
    const light = clamp(0.62 + 0.4 * slope, [0.5, 1.05]);
    return `rgb(${ramp(middle).map((part) => Math.round(light * part)).join(",")})`;
  });

  const draw = () => {
    palette ??= colors(view);
    eye = camera(state.eye, wide, high);
    context.clearRect(0, 0, wide, high);
    context.font = "12px system-ui, sans-serif";
    context.lineJoin = "round";
    if (state.view === "contours") drawFlat();
    else drawSurface();
    drawWalk();
    drawTracks();
    drawPoint();
    cursor.update();
  };

  const polygon = (points) => {
    context.beginPath();
    points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  };
  const contour = (c) => {
    const found = scene.segments[c];
    if (!found.length) return;
    context.beginPath();
    for (const [a, b, c2, d, level] of found) {
      context.moveTo(...place(a, b, level));
      context.lineTo(...place(c2, d, level));
    }
    context.stroke();
  };

  // Pieces from far to near: each covers what is behind it. Seen in parallel, the order of rows and
  // columns is all that counts.
  const drawSurface = () => {
    const { height: { values }, wide: S, high: T } = scene;
    drawFrame();
    const pixels = new Float64Array(2 * S * T);
    for (let n = 0; n < S * T; n += 1) {
      const [x, y] = place(n % S, Math.floor(n / S), values[n]);
      pixels[2 * n] = x;
      pixels[2 * n + 1] = y;
    }
    const order = (count, backwards) =>
      Array.from({ length: count }, (_, k) => (backwards ? count - 1 - k : k));
    // What is farther is drawn higher: depth grows along x with sin, along y with cos.
    const columns = order(S - 1, eye.sin > 0);
    const rows = order(T - 1, eye.cos > 0);
    scene.fills ??= fills(values, S, T);
    context.lineWidth = 0.8;
    for (const j of rows) {
      for (const i of columns) {
        const n = j * S + i;
        const fill = scene.fills[j * (S - 1) + i];
        if (!fill) continue;
        context.fillStyle = fill;
        context.strokeStyle = fill;
        context.beginPath();
        context.moveTo(pixels[2 * n], pixels[2 * n + 1]);
        context.lineTo(pixels[2 * n + 2], pixels[2 * n + 3]);
        context.lineTo(pixels[2 * (n + S) + 2], pixels[2 * (n + S) + 3]);
        context.lineTo(pixels[2 * (n + S)], pixels[2 * (n + S) + 1]);
        context.closePath();
        context.fill();
        context.stroke();
        if (scene.segments[j * (S - 1) + i].length) {
          context.strokeStyle = "rgba(255,255,255,.5)";
          contour(j * (S - 1) + i);
        }
      }
    }
  };

  const drawFrame = () => {
    const [S, T] = [scene.wide - 1, scene.high - 1];
    context.strokeStyle = palette.css("muted");
    context.fillStyle = palette.css("ink");
    context.lineWidth = 1;
    polygon([[0, 0], [S, 0], [S, T], [0, T], [0, 0]].map(([x, y]) => place(x, y, 0)));
    context.stroke();
    // The scale of losses stands at the corner that is farthest to the left.
    const corners = [[0, 0], [S, 0], [S, T], [0, T]];
    const post = corners.reduce((one, other) =>
      (place(...other, 0)[0] < place(...one, 0)[0] ? other : one));
    polygon([place(...post, 0), place(...post, 1)]);
    context.stroke();
    context.textAlign = "right";
    context.textBaseline = "middle";
    let above = Infinity;
    for (const loss of marks()) {
      const [x, y] = place(...post, scene.height.of(loss));
      if (above - y < 16) continue;
      above = y;
      polygon([[x - 4, y], [x, y]]);
      context.stroke();
      context.fillText(show(loss, 2), x - 6, y);
    }
    const [x, y] = place(...post, 1);
    context.textAlign = "left";
    context.fillText(scene.log ? "loss (log)" : "loss", Math.max(2, x - 24), y - 14);
    // Names of the directions along the two edges nearest to the reader.
    const near = [eye.sin > 0 ? 0 : S, eye.cos > 0 ? 0 : T];
    for (const [name, from, to] of [[props.axes[0], [0, near[1]], [S, near[1]]],
      [props.axes[1], [near[0], 0], [near[0], T]]]) {
      const [p, q] = [place(...from, 0), place(...to, 0)].sort((one, other) => one[0] - other[0]);
      if (q[0] - p[0] < 40) continue;
      const slope = Math.atan2(q[1] - p[1], q[0] - p[0]);
      context.save();
      context.translate((p[0] + q[0]) / 2, (p[1] + q[1]) / 2);
      context.rotate(slope);
      context.textAlign = "center";
      context.fillText(name, 0, 14);
      context.restore();
    }
  };

  const marks = () => {
    const [low, top] = scene.range;
    if (!scene.log) return levels(low, top, false).at.filter((_, k) => k % 2 === 0);
    const found = [];
    for (let ten = Math.floor(Math.log10(low)); ten <= Math.log10(top); ten += 1) {
      const digits = Math.log10(top / low) > 3 ? [1] : [1, 2, 5];
      for (const digit of digits) {
        const value = Number(`${digit}e${ten}`);
        if (value >= low && value <= top) found.push(value);
      }
    }
    return found;
  };

  const drawFlat = () => {
    const { height: { values }, wide: S, high: T, plane } = scene;
    const box = flatBox();
    scene.map ??= heat(values, S, T);
    context.drawImage(scene.map, 0.5, 0.5, S - 1, T - 1, box.x, box.y, box.wide, box.high);
    context.strokeStyle = "rgba(255,255,255,.6)";
    context.lineWidth = 1;
    scene.segments.forEach((_, c) => contour(c));
    context.strokeStyle = palette.css("muted");
    context.strokeRect(box.x, box.y, box.wide, box.high);
    context.fillStyle = palette.css("ink");
    context.textAlign = "center";
    context.textBaseline = "top";
    const ticks = ([low, top]) => levels(low, top, false).at.filter((value) =>
      Math.abs(value / nice((top - low) / 5) % 1) < 1e-9);
    for (const s of ticks(plane.s)) {
      context.fillText(show(s), place(scene.toCell(s, 0)[0], 0)[0], box.y + box.high + 5);
    }
    context.fillText(props.axes[0], box.x + box.wide / 2, high - 18);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const t of ticks(plane.t)) {
      context.fillText(show(t), box.x - 5, place(0, scene.toCell(0, t)[1])[1]);
    }
    context.save();
    context.translate(9, box.y + box.high / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(props.axes[1], 0, 0);
    context.restore();
  };

  const toward = () => {
    const [x, y, z] = eye.toward;
    return [x * (scene.wide - 1) / 2, y * (scene.high - 1) / 2, z];
  };
  const seen = (x, y, z) => state.view === "contours"
    || inSight(scene.height.values, scene.plane.size, x, y, z, toward());

  // Runs of points in sight are drawn in full, those behind a hill as a faint hint.
  const stroke = (points, color, dash, width, clear, faint) => {
    context.setLineDash(dash);
    context.strokeStyle = color;
    context.lineWidth = width;
    for (let from = 0; from < points.length - 1;) {
      const sight = points[from].sight;
      let to = from + 1;
      while (to < points.length - 1 && points[to].sight === sight) to += 1;
      polygon(points.slice(from, to + 1).map((point) => point.pixel));
      context.globalAlpha = sight ? clear : faint;
      context.stroke();
      from = to;
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  };
  const spots = (track) => track.filter((point) => Number.isFinite(point[2])).map(([x, y, z]) =>
    ({ pixel: place(x, y, z), sight: seen(x, y, z) }));

  // All halos come first, so that a dashed line shows what it runs on.
  const drawTracks = () => {
    const shown = scene.tracks.map((track, k) => [spots(track), palette.css(INKS[k]), DASHES[k]])
      .filter(([points], k) => points.length && !state.hidden.includes(k));
    for (const [points] of shown) stroke(points, palette.css("paper"), [], 4.7, 0.9, 0.15);
    for (const [points, color, dash] of shown) stroke(points, color, dash, 2.2, 1, 0.45);
    for (const [points, color] of shown) dot(points.at(-1).pixel, 4.5, color, points.at(-1).sight);
    for (const [[{ pixel, sight }]] of shown) {
      dot(pixel, 4.5, palette.css("paper"), sight, palette.css("ink"));
    }
  };
  const dot = ([x, y], radius, fill, sight = true, edge = palette.css("paper")) => {
    context.globalAlpha = sight ? 1 : 0.4;
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = fill;
    context.strokeStyle = edge;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
    context.globalAlpha = 1;
  };
  const drawWalk = () => {
    if (!walk || state.plane !== 0) return;
    const lift = (nodes) => nodes.map(([i, j]) => [i, j, scene.height.values[j * scene.wide + i]]);
    const points = spots(lift(trail));
    stroke(points, palette.css("paper"), [], 5, 0.9, 0.15);
    stroke(points, palette.css("ink"), [], 2.5, 1, 0.45);
    // The goal: a ring.
    const [[x, y, z]] = lift([walk.nodes[1]]);
    const [a, b] = place(x, y, z);
    for (const [color, width] of [["paper", 5], ["ink", 2]]) {
      context.beginPath();
      context.arc(a, b, 11, 0, 7);
      context.strokeStyle = palette.css(color);
      context.lineWidth = width;
      context.stroke();
    }
  };
  // The step that the slider names: on the surface, and where its own loss is.
  const drawPoint = () => {
    const { s, t } = paths[state.path].at[state.plane];
    if (s[state.point] === null) return;
    const [x, y] = scene.toCell(s[state.point], t[state.point]);
    const z = between(scene.height.values, scene.plane.size, x, y);
    if (Number.isNaN(z)) return;
    const ground = place(x, y, z);
    const own = scene.height.of(paths[state.path].losses[state.point]);
    if (state.view === "surface" && Number.isFinite(own)) {
      const air = place(x, y, clamp(own, [-0.2, 1.3]));
      for (const [color, width] of [["paper", 4], ["ink", 1.5]]) {
        polygon([ground, air]);
        context.strokeStyle = palette.css(color);
        context.lineWidth = width;
        context.stroke();
      }
      const [a, b] = air;
      context.fillStyle = palette.css("ink");
      context.strokeStyle = palette.css("paper");
      polygon([[a - 5, b], [a, b - 5], [a + 5, b], [a, b + 5], [a - 5, b]]);
      context.fill();
      context.stroke();
    }
    dot(ground, 6, palette.css(INKS[state.path]), true, palette.css("ink"));
  };

  const frames = loop(view, () => {
    frames.stop();
    draw();
  });
  const redraw = () => frames.start();

  // -------- cursor: always at a node, so its loss is one that was computed
  const cursorPixel = () => {
    eye ??= camera(state.eye, wide, high);
    const [i, j] = state.at;
    const z = scene.height.values[j * scene.wide + i];
    return place(i, j, Number.isFinite(z) ? z : 0);
  };
  const coordinates = ([i, j]) =>
    [scene.plane.s[0] + i * scene.cell[0], scene.plane.t[0] + j * scene.cell[1]];
  const cursorText = () => {
    const [s, t] = coordinates(state.at).map((value, k) =>
      show(Number(value.toFixed(clamp(Math.ceil(-Math.log10(scene.cell[k])), [0, 20])))));
    return `${s}, ${t}: loss ${said(lossAt(state.at))}`;
  };
  const goTo = (node) => {
    for (const next of walkNodes(state.at, node)) step(next);
    state.at = node;
    changed();
  };
  const nearest = (x, y) => {
    let [best, found] = [Infinity, state.at];
    for (let j = 0; j < scene.high; j += 1) {
      for (let i = 0; i < scene.wide; i += 1) {
        const z = scene.height.values[j * scene.wide + i];
        if (Number.isNaN(z)) continue;
        const [a, b] = place(i, j, z);
        const distance = Math.hypot(a - x, b - y);
        if (distance > 40 || distance > best + 8) continue;
        // Of nodes about as near, the one in front, which covers the others.
        const score = distance + (seen(i, j, z) ? 0 : 30);
        if (score < best) [best, found] = [score, [i, j]];
      }
    }
    return found;
  };
  // The neighbor that lies most in the direction of the arrow on the screen.
  const move = (dx, dy, big) => {
    const flat = (i, j) => place(i, j, 0);
    const [x, y] = flat(...state.at);
    const ways = [[1, 0], [-1, 0], [0, 1], [0, -1]].map((way) => {
      const [a, b] = flat(state.at[0] + way[0], state.at[1] + way[1]);
      return { way, along: ((a - x) * dx - (b - y) * dy) / Math.hypot(a - x, b - y) };
    });
    const { way } = ways.reduce((one, other) => (other.along > one.along + 1e-9 ? other : one));
    const by = big ? 4 : 1;
    goTo([clamp(state.at[0] + by * way[0], [0, scene.wide - 1]),
      clamp(state.at[1] + by * way[1], [0, scene.high - 1])]);
  };

  // -------- the walk
  const message = status();
  const step = (node) => {
    if (!walk || state.plane !== 0) return;
    const at = (goal) => node[0] === goal[0] && node[1] === goal[1];
    if (at(walk.nodes[0])) {
      trail = [node];
      done = false;
      return;
    }
    if (!trail.length || done) return;
    trail.push(node);
    if (trail.length > WALK_MAX) trail = [];
    const losses = trail.map(lossAt);
    const top = losses.includes(null) ? Infinity : Math.max(...losses);
    const near = Math.hypot(node[0] - walk.nodes[1][0], node[1] - walk.nodes[1][1]) < 1.5;
    if (!near) return;
    done = true;
    if (top <= walk.limit) {
      message.say(`✓ Done. Your way climbs to ${show(top)}; the lowest pass of this picture is at `
        + `${show(walk.pass)}.`, "good");
    } else {
      message.say(`You arrived, but the way climbs to ${show(top)}. One stays below `
        + `${show(walk.limit)}: try again from the start.`, "bad");
    }
  };
  const startWalk = () => {
    state.plane = 0;
    build();
    if (planeSelect) planeSelect.value = "0";
    state.at = [...walk.nodes[0]];
    trail = [state.at];
    done = false;
    message.say(`The cursor is at the end of ${walk.names[0]}. Walk to the ring, the end of `
      + `${walk.names[1]}, and stay below ${show(walk.limit)}.`);
    changed();
    cursor.focus({ preventScroll: true });
  };

  // -------- controls
  const cursor = handle({ label: "Cursor", at: cursorPixel, value: cursorText, color: "var(--ink)",
    move, drag: (x, y) => goTo(nearest(x, y)) });
  overlay.append(cursor);
  cursor.addEventListener("focus", redraw);

  const planeSelect = planes.length > 1 && select({ label: "Plane", value: String(state.plane),
    options: planes.map((plane, k) => [String(k), plane.name]),
    onChange: (value) => {
      Object.assign(state, { plane: Number(value), at: null, scale: "" });
      build();
      report();
      changed();
    } });
  const views = ["surface", "contours"].map((name) => button(
    name === "surface" ? "Surface" : "Contours", () => {
      state.view = name;
      changed();
    }));
  const logToggle = toggle("Log scale", true, (on) => {
    state.scale = on ? "log" : "linear";
    const node = state.at;
    const walked = trail;
    build();
    [state.at, trail] = [node, walked];
    changed();
  });
  const turn = (yaw, pitch, zoom = 1) => {
    state.eye.yaw = ((state.eye.yaw + yaw + 540) % 360) - 180;
    state.eye.pitch = clamp(state.eye.pitch + pitch, LIMITS.pitch);
    state.eye.zoom = clamp(state.eye.zoom * zoom, LIMITS.zoom);
    changed();
  };
  const keys = [["←", "Turn left", [-10, 0]], ["→", "Turn right", [10, 0]],
    ["↑", "Tilt up", [0, 5]], ["↓", "Tilt down", [0, -5]],
    ["+", "Zoom in", [0, 0, 1.2]], ["−", "Zoom out", [0, 0, 1 / 1.2]]].map(([sign, name, by]) =>
    button(sign, () => turn(...by), { "aria-label": name, title: name }));
  keys.push(button("First view", () => {
    state.eye = { ...START };
    changed();
  }));

  const keyRow = make("div",
    { class: "udl-row udl-landscape-keys", role: "group", "aria-label": "View" }, ...keys);

  const legend = paths.map((path, k) => {
    const element = toggle("", !state.hidden.includes(k), (on) => {
      state.hidden = on ? state.hidden.filter((one) => one !== k) : [...state.hidden, k];
      changed();
    });
    const color = `var(--${INKS[k]})`;
    element.append(svg("svg", { width: 34, height: 10, viewBox: "0 0 34 10", "aria-hidden": "true" },
      svg("line", { x1: 1, y1: 5, x2: 33, y2: 5, stroke: color, "stroke-width": 2.5,
        ...(DASHES[k].length ? { "stroke-dasharray": DASHES[k].join(" ") } : {}) })), path.name);
    return element;
  });

  const pathSelect = select({ label: "Follow", value: String(state.path),
    options: paths.map((path, k) => [String(k), path.name]),
    onChange: (value) => {
      state.path = Number(value);
      state.point = Math.min(state.point, paths[state.path].steps.length - 1);
      state.hidden = state.hidden.filter((one) => one !== state.path);
      makeSlider();
      changed();
    } });
  const sliderPlace = make("div", { style: "flex: 1 1 14rem; min-width: 0" });
  let stepSlider;
  const makeSlider = () => {
    const path = paths[state.path];
    stepSlider = slider({ label: "Along the path", min: 0, max: path.steps.length - 1, step: 1,
      value: state.point,
      show: (k) => `step ${path.steps[k]} of ${path.steps.at(-1)}, loss ${said(path.losses[k])}`,
      onInput: (k) => {
        state.point = k;
        changed();
      } });
    sliderPlace.replaceChildren(stepSlider.el);
  };

  const cursorSaid = make("p", { class: "udl-landscape-said" });
  const pointSaid = make("p", { class: "udl-landscape-said" });
  const planeSaid = make("p", { class: "udl-landscape-said" });

  const below = (k, path) => {
    const { s, t } = path.at[state.plane];
    if (s[k] === null) return null;
    const z = between(scene.height.values, scene.plane.size, ...scene.toCell(s[k], t[k]));
    return Number.isNaN(z) ? null : scene.height.loss(z);
  };
  const pointText = () => {
    const path = paths[state.path];
    const k = state.point;
    const under = below(k, path);
    return `${path.name} at step ${path.steps[k]}: loss ${said(path.losses[k])} (diamond); `
      + `the surface at its shadow: ${under === null ? "outside of the picture" : `about ${show(under)}`}. `
      + `${percent(path.at[state.plane].outside[k] ?? 0)} of its squared distance from the center `
      + "lies outside of the plane.";
  };
  const report = () => message.say(`Plane: ${scene.plane.name}. Losses from ${show(scene.range[0])} to `
    + `${show(scene.range[1])}. ${paths.map((path) =>
      `${path.name}: ${percent(path.at[state.plane].share)} outside`).join(", ")}.`);

  const tables = make("div", { class: "udl-scroll udl-landscape-data", tabindex: "0", role: "region",
    "aria-label": `${props.title}: data of the paths`, ...QUIET });
  const data = details("Data table", tables);
  const fillTables = () => {
    if (!data.open) return;
    const path = paths[state.path];
    const { s, t, outside } = path.at[state.plane];
    tables.replaceChildren(
      table("All paths, and how much of each is outside of this plane",
        ["Path", "First loss", "Last loss", "Steps", "Outside"],
        paths.map((one) => [one.name, said(one.losses[0]), said(one.losses.at(-1)),
          one.steps.at(-1), percent(one.at[state.plane].share)])),
      table(`Points of ${path.name}`, ["Step", props.axes[0], props.axes[1], "Loss",
        "Surface (about)", "Outside"], path.steps.map((at, k) => [at, s[k] === null ? "" : show(s[k]),
        t[k] === null ? "" : show(t[k]), said(path.losses[k]),
        below(k, path) === null ? "" : show(below(k, path)), percent(outside[k] ?? 0)])));
  };
  data.addEventListener("toggle", fillTables);

  const saved = () => ({ plane: state.plane, view: state.view, scale: state.scale || undefined,
    path: state.path, point: state.point, at: state.at.join(","),
    hidden: state.hidden.length ? state.hidden.join(",") : undefined,
    eye: [state.eye.yaw, state.eye.pitch, 100 * state.eye.zoom].map(Math.round).join(",") });

  // After each change: texts, buttons, address, and one drawing.
  const changed = (quiet = false) => {
    const flat = state.view === "contours";
    view.classList.toggle("udl-flat", flat);
    views.forEach((one, k) => one.setAttribute("aria-pressed", String(flat === (k === 1))));
    keyRow.hidden = flat;
    logToggle.setAttribute("aria-pressed", String(scene.log));
    logToggle.disabled = !canLog(scene.plane.loss);
    legend.forEach((one, k) => one.setAttribute("aria-pressed", String(!state.hidden.includes(k))));
    const losses = trail.map(lossAt).filter((value) => value !== null);
    cursorSaid.textContent = `Cursor at ${cursorText()}.${trail.length > 1
      ? ` Highest on your way: ${show(Math.max(...losses))}.` : ""}`;
    pointSaid.textContent = pointText();
    planeSaid.textContent = `Between neighboring lines the loss ${scene.log
      ? `grows by a factor of ${show(scene.lines.step)}` : `differs by ${show(scene.lines.step)}`}. `
      + "The open circle is the start, a full one an end; what a hill hides is faint.";
    const shown = paths.filter((_, k) => !state.hidden.includes(k)).map((path) => path.name);
    describe(`${flat ? "Contours" : "Surface"} of the loss${scene.plane.name && `, ${scene.plane.name}`}, `
      + `from ${show(scene.range[0])} to ${show(scene.range[1])}. `
      + `Paths: ${shown.join(", ") || "none"}. `
      + `${flat ? "" : "Arrow keys turn the surface, plus and minus zoom. "}`
      + "The table below has the numbers.");
    fillTables();
    if (!quiet) writeState(props.label, saved());
    redraw();
  };

  // -------- pointer and keys on the picture
  let grip = null;
  const inside = (event) => {
    const box = picture.getBoundingClientRect();
    return [(event.clientX - box.left) * wide / box.width,
      (event.clientY - box.top) * high / box.height];
  };
  picture.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX, y: event.clientY, moved: false };
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    if (!grip.moved && Math.hypot(dx, dy) < 4) return;
    Object.assign(grip, { x: event.clientX, y: event.clientY, moved: true });
    if (state.view === "surface") turn(dx * 0.5, dy * 0.4);
    else goTo(nearest(...inside(event)));
  });
  picture.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved) goTo(nearest(...inside(event)));
    grip = null;
  });
  picture.addEventListener("pointercancel", () => { grip = null; });
  picture.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = event.shiftKey ? 3 : 1;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (state.view === "contours") {
      if (!way) return;
      event.preventDefault();
      move(...way, event.shiftKey);
      return;
    }
    const zoom = { "+": 1.2, "=": 1.2, "-": 1 / 1.2, "−": 1 / 1.2 }[event.key];
    if (!way && !zoom) return;
    event.preventDefault();
    if (way) turn(5 * by * way[0], 3 * by * way[1]);
    else turn(0, 0, zoom);
  });

  // -------- assembly
  const reset = button("Reset", () => {
    state = initial();
    done = false;
    build();
    if (planeSelect) planeSelect.value = "0";
    pathSelect.value = String(last);
    makeSlider();
    changed();
    message.say("Everything is as at first.");
  });
  const link = button("Copy a link", async () => {
    const copied = await clipboard(linkTo(props.label, saved()));
    message.say(copied ? "The link to this view is in the clipboard."
      : "The clipboard is closed to this page. The address above holds this view, too.");
  });
  makeSlider();
  card({ el, label: props.label, title: props.title, task: props.task, children: [
    row(...(planeSelect ? [planeSelect.el] : []), ...views, logToggle),
    make("div", { class: "udl-row udl-landscape-legend", role: "group", "aria-label": "Paths shown" },
      ...legend),
    view,
    keyRow,
    cursorSaid,
    row(pathSelect.el, sliderPlace),
    pointSaid,
    row(...(walk ? [button("Start the walk", startWalk)] : []), reset, link),
    message.el,
    planeSaid,
    data,
  ] });
  new ResizeObserver(() => {
    const next = Math.round(Math.max(200, view.clientWidth));
    if (next === wide && eye) return;
    wide = next;
    high = Math.round(clamp(0.72 * wide, [260, 460]));
    resize(wide, high);
    overlay.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    overlay.setAttribute("width", wide);
    overlay.setAttribute("height", high);
    redraw();
  }).observe(view);
  onTheme(view, () => {
    palette = null;
    redraw();
  });
  changed(true);
  if (ignored.length) {
    message.say(`Ignored what the address says in ${ignored.slice(0, 4).join(", ")}`
      + `${ignored.length > 4 ? ` and ${ignored.length - 4} more` : ""}: it names nothing here.`, "bad");
  } else if (walk && !trail.length && state.plane === 0) {
    trail = [walk.nodes[0]].filter(([i, j]) => i === state.at[0] && j === state.at[1]);
  }
}
