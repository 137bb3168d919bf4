// A GPT to ask: what it expects next, what it writes, where its heads look. Its weights are loaded
// when the reader asks for them. What the model computes is in gpt-model.mjs.

import {
  QUIET, button, canvas, card, colors, grid, loop, make, number, onTheme, panel, readState, row,
  show, slider, status, still, style, writeState,
} from "./kit.mjs";
import { draw, forgotten, random, ranked, read, reader, shape } from "./gpt-model.mjs";

const BARS = 12;
const LONGEST = 2000; // characters
const LONGEST_PROMPT = 500;
const LARGEST_SEED = 99999;
const HOTTEST = 2;

// --- Words -------------------------------------------------------------------------------------

const SIGNS = { "\n": "↵", " ": "␣", "\t": "⇥" };
const sign = (character) => SIGNS[character]
  ?? (/[\p{C}\p{Z}]/u.test(character) ? `U+${character.codePointAt(0).toString(16).toUpperCase()}` : character);
const quoted = (character) => `“${sign(character)}”`;
const several = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const percent = (share, digits = 1) => (share > 0 && share < 10 ** -digits / 200
  ? `<${(10 ** -digits).toFixed(digits)}%` : `${(100 * share).toFixed(digits)}%`);
const kilobytes = (bytes) => `${Math.ceil(bytes / 1000)} KB`;

// --- State -------------------------------------------------------------------------------------

// A text's known characters as tokens, and which ones are unknown.
export function encode(text, alphabet) {
  const numbers = new Map([...alphabet].map((character, token) => [character, token]));
  const all = [...text];
  return {
    tokens: all.filter((character) => numbers.has(character)).map((c) => numbers.get(c)),
    unknown: [...new Set(all.filter((character) => !numbers.has(character)))],
  };
}

const whole = (low, high) => (text) =>
  (/^\d{1,5}$/.test(text) && text >= low && text <= high ? Number(text) : null);

// What a link holds, as far as it is understood, and what is not.
export function restore(values, { alphabet, config, prompt }) {
  const { vocabulary, layers, heads } = config;
  const parts = {
    text(value) {
      const [, given, text] = /^(\d{1,3})\.([^]*)$/.exec(value) ?? [];
      const { tokens, unknown } = encode(text ?? "", alphabet);
      return given > 0 && given <= Math.min(tokens.length, LONGEST_PROMPT) && !unknown.length
        && tokens.length <= LONGEST ? { given: Number(given), tokens } : null;
    },
    temperature: (value) =>
      (/^\d(\.\d{1,2})?$/.test(value) && value <= HOTTEST ? Number(value) : null),
    k: whole(1, vocabulary),
    seed: whole(0, LARGEST_SEED),
    head(value) {
      const [first, second, more] = value.split(".");
      const [l, h] = [whole(1, layers)(first), whole(1, heads)(second)];
      return l && h && more === undefined ? (l - 1) * heads + h - 1 : null;
    },
    at: whole(1, LONGEST),
  };
  const state = {};
  const ignored = [];
  for (const [key, text] of Object.entries(values)) {
    const value = Object.hasOwn(parts, key) ? parts[key](text) : null;
    if (value === null) ignored.push(key.slice(0, 20));
    else state[key] = value;
  }
  if (state.at > (state.text?.tokens ?? [...prompt]).length) {
    delete state.at;
    ignored.push("at");
  }
  return { state, ignored };
}

// --- The bytes ---------------------------------------------------------------------------------

// They are in the page, as in a notebook, or a file beside this module.
async function bytesOf({ name, bytes, sha256 }) {
  const inside = document.querySelector(`script[data-file="${name}"]`);
  const buffer = inside
    ? Uint8Array.from(atob(inside.textContent), (character) => character.charCodeAt(0)).buffer
    : await fetched(new URL(name, import.meta.url));
  if (buffer.byteLength !== bytes) {
    throw new Error(`it has ${buffer.byteLength} bytes, and ${bytes} were expected`);
  }
  // Browsers compute this for pages of a safe origin only.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
    const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sha256) throw new Error("its SHA-256 is not the expected one: it is damaged");
  }
  return buffer;
}

async function fetched(address) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Error(address.protocol === "file:"
      ? "this page was opened as a file, and then a browser reads no other file. "
        + "Read the book’s offline archive, which needs no server, or serve this folder, for example with "
        + "“python3 -m http.server”"
      : "there is no connection to the server");
  }
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.arrayBuffer();
}

// --- The page ----------------------------------------------------------------------------------

const CSS = `
.udl-gpt .udl-prompt { display: grid; gap: .2rem; }
.udl-gpt .udl-prompt input { width: 100%; font-family: ui-monospace, monospace; }
.udl-gpt [role=alert] { color: var(--bad); font-size: .875em; }
.udl-gpt .udl-text { margin: .5rem 0; padding: .4rem .6rem; max-height: 14rem; min-height: 3rem;
  overflow-y: auto; white-space: pre-wrap; border: 1px solid var(--grid); border-radius: .3rem;
  font: .875rem/1.5 ui-monospace, monospace; }
.udl-gpt .udl-text mark { background: none; color: inherit; font-weight: 700;
  text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: 3px; }
.udl-gpt .udl-text s { color: var(--muted); text-decoration: none; font-style: italic; }
.udl-gpt .udl-text s:first-child { text-decoration: underline; }
.udl-gpt .udl-note { margin: .15rem 0 .4rem; font-size: .875em; color: var(--muted); }
.udl-gpt ul { list-style: none; margin: 0; padding: 0; }
.udl-gpt li { margin: 0; }
.udl-gpt.udl-card .udl-bar { display: grid; grid-template-columns: 4.4rem 1fr 3.4rem; gap: .5rem;
  width: 100%; align-items: center; min-height: 1.6rem; padding: 0 .3rem; border: 0;
  text-align: left; font-variant-numeric: tabular-nums; }
.udl-gpt .udl-bar b { font: 600 .9375rem/1.5 ui-monospace, monospace; text-align: right; }
.udl-gpt .udl-bar i { height: .9rem; width: calc(100% * var(--share)); min-width: 1px;
  background: var(--blue); }
.udl-gpt div.udl-bar b { font: inherit; }
.udl-gpt div.udl-bar i { background: var(--muted); }
.udl-gpt .udl-bar span { text-align: right; }
.udl-gpt .udl-heads { display: grid; gap: .3rem; width: max-content; max-width: 100%;
  margin: 0 0 .6rem; }
.udl-gpt .udl-heads label { position: relative; display: grid; gap: 0; justify-items: center;
  padding: 2px; border: 2px solid transparent; border-radius: .3rem; font-size: .75rem; }
.udl-gpt .udl-heads input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0;
  opacity: 0; cursor: pointer; }
.udl-gpt .udl-heads label:has(:checked) { border-color: var(--ink); font-weight: 700; }
.udl-gpt .udl-heads label:has(:focus-visible) { outline: 3px solid var(--focus); outline-offset: 1px; }
.udl-gpt .udl-seen { line-height: 1.9; margin: .4rem 0; }
.udl-gpt .udl-seen span { display: inline-block; min-width: .66em; padding: .1em 0; text-align: center;
  border-bottom: 1px solid var(--grid); font: .875rem/1.5 ui-monospace, monospace; cursor: pointer;
  background: linear-gradient(to top, color-mix(in srgb, var(--blue) 38%, var(--paper))
    calc(100% * var(--share, 0)), transparent 0); }
.udl-gpt .udl-seen .udl-from { outline: 2px solid var(--orange); outline-offset: -1px; }
.udl-gpt .udl-map { cursor: pointer; image-rendering: pixelated; border: 1px solid var(--grid); }
@media (forced-colors: active) { .udl-gpt :is(.udl-bar, .udl-seen, .udl-heads) { forced-color-adjust: none;
  background: var(--paper); color: var(--ink); } }
`;
const THUMB = 44;
const MAP = 264;

export function render({ el, props }) {
  style("udl-gpt", CSS);
  const { label, config } = props;
  const { values, given } = readState(label);
  const { state, ignored } = restore(values, props);
  const remark = ignored.length
    ? `Ignored in the link, because it does not fit: ${ignored.join(", ")}.` : "";
  const live = status();
  live.say([remark, given && Object.keys(state).length ? "The link's text comes with the model." : ""]
    .join(" ").trim());
  let busy = false;
  const load = button(`Load the model (${kilobytes(props.file.bytes)})`, async () => {
    if (busy) return;
    busy = true;
    live.say("Loading …");
    try {
      const model = reader(read(await bytesOf(props.file)));
      const start = explore(section, props, model, state, live);
      const focused = document.activeElement === load;
      offer.remove();
      if (focused) start.focus({ preventScroll: true });
      live.say(remark || "The model is here. Write a prompt, or let it write.");
    } catch (error) {
      live.say(`The model could not be loaded: ${error.message}.`, "bad");
    }
    busy = false;
  });
  const offer = make("div", {},
    make("p", { class: "udl-note" }, `A GPT of ${props.parameters.toLocaleString("en")} parameters: `
      + `${several(config.layers, "block")} of ${several(config.heads, "head")}, and a memory of `
      + `${several(config.context, "character")}. It runs in this page; what you write stays here.`),
    row(load));
  const section = card({ el, label, title: props.title, task: props.task, children: [offer, live.el] });
  section.classList.add("udl-gpt");
}

// All that comes with the model. Returns the control to go on with.
function explore(section, props, model, restored, live) {
  const { label, config } = props;
  const { vocabulary: V, context: T, layers: L, heads: H } = config;
  const alphabet = [...props.alphabet];
  const initial = () => {
    const { tokens } = encode(props.prompt, alphabet);
    return { text: { given: tokens.length, tokens }, temperature: 1, k: V, seed: 1, at: 0 };
  };
  const chosen = { ...initial(), ...restored };
  let { tokens, given } = chosen.text;
  let { temperature, k, seed, head, at } = chosen; // `at` counts from 1; 0 is the last character
  let undo = [];    // how long the text was before
  let probable = null;
  let order = [];
  let running = 0;  // characters still to come
  let found = false;

  const save = () => writeState(label, {
    text: `${given}.${tokens.map((token) => alphabet[token]).join("")}`,
    temperature: temperature === 1 ? null : temperature, k: k === V ? null : k, seed,
    head: `${Math.floor(head / H) + 1}.${(head % H) + 1}`, at: at || null,
  });

  // --- The text
  const asked = make("input", { type: "text", autocomplete: "off", autocapitalize: "off",
    autocorrect: "off", spellcheck: "false", maxlength: LONGEST_PROMPT, ...QUIET,
    "aria-describedby": `${label}-prompt` });
  const complaint = make("span", { role: "alert", id: `${label}-prompt` });
  const lines = alphabet.includes("\n");
  const written = () => {
    if (asked.value.includes("\\n") && lines && !alphabet.includes("\\")) {
      asked.value = asked.value.replaceAll("\\n", "↵");
    }
    const text = lines ? asked.value.replaceAll("↵", "\n") : asked.value;
    const { tokens: known, unknown } = encode(text, alphabet);
    const empty = !known.length;
    const names = unknown.slice(0, 5).map(quoted).join(", ");
    complaint.textContent = [
      names && `Left out, because the model has never seen it: ${names}`
        + `${unknown.length > 5 ? " and more" : ""}.`,
      empty && "Write at least one character that the model knows.",
    ].filter(Boolean).join(" ");
    asked.setAttribute("aria-invalid", complaint.textContent !== "");
    if (empty || String(known) === String(tokens.slice(0, given)) && tokens.length === given) return;
    stop();
    tokens = known;
    given = tokens.length;
    undo = [];
    changed(`A prompt of ${several(given, "character")}.`);
  };
  asked.addEventListener("input", written);
  const setPrompt = () => {
    asked.value = tokens.slice(0, given).map((token) => alphabet[token]).join("").replaceAll("\n", "↵");
    complaint.textContent = "";
    asked.removeAttribute("aria-invalid");
  };
  const [lost, lostPrompt, prompt, tail] = ["s", "s", "mark", "span"].map((tag) => make(tag));
  const text = make("div", { class: "udl-text", role: "group", tabindex: "0", ...QUIET,
    "aria-label": "The text: the prompt in bold, then what was sampled" }, lostPrompt, prompt, lost, tail);
  const memory = make("p", { class: "udl-note" });
  const spelled = (from, to) => tokens.slice(from, Math.max(from, to)).map((t) => alphabet[t]).join("");

  // --- Sampling
  const push = (token) => {
    tokens = [...tokens, token];
  };
  const one = () => {
    const token = draw(probable, random(seed, tokens.length));
    const share = probable[token];
    push(token);
    return `${quoted(alphabet[token])} had ${percent(share)}.`;
  };
  const room = () => {
    if (tokens.length < LONGEST) return true;
    live.say(`The text ends here, at ${LONGEST} characters. Undo, or reset.`, "bad");
    return false;
  };
  const append = (token) => {
    stop();
    if (!room()) return;
    undo.push(tokens.length);
    const share = probable[token];
    push(token);
    changed(`${quoted(alphabet[token])} appended; it had ${percent(share)}.`);
  };
  const hundred = button("Sample 100", () => {
    if (running) return stop();
    if (!room()) return;
    undo.push(tokens.length);
    running = Math.min(100, LONGEST - tokens.length);
    hundred.textContent = "Stop";
    if (!still()) return frames.start();
    while (running) next();
    finish();
  });
  const next = () => {
    one();
    running -= 1;
    predict();
  };
  const frames = loop(section, () => {
    next();
    if (running) update();
    else finish();
  });
  const finish = () => {
    frames.stop();
    running = 0;
    hundred.textContent = "Sample 100";
    changed(`${several(tokens.length - undo.at(-1), "character")} sampled with seed ${seed}.`);
  };
  const stop = () => {
    if (running) finish();
  };
  const buttons = row(
    button("Sample one", () => {
      stop();
      if (!room()) return;
      undo.push(tokens.length);
      changed(one());
    }),
    hundred,
    button("Undo", () => {
      stop();
      if (!undo.length) return live.say("There is nothing to undo.");
      const before = tokens.length;
      tokens = tokens.slice(0, undo.pop());
      changed(`${several(before - tokens.length, "character")} taken back.`);
    }),
    button("Reset", () => {
      stop();
      ({ text: { tokens, given }, temperature, k, seed, at } = initial());
      undo = [];
      heat.value = temperature;
      cut.value = k;
      seeds.value = seed;
      setPrompt();
      changed("Back at the start.");
    }),
  );
  const heat = slider({ label: "Temperature", min: 0, max: HOTTEST, step: 0.05, value: temperature,
    show: (value) => (value === 0 ? "0, the most probable" : show(value)),
    onInput(value) { temperature = value; shaped(); } });
  const cut = slider({ label: "Top k", min: 1, max: V, step: 1, value: k,
    show: (value) => (value === V ? `all ${V}` : String(value)),
    onInput(value) { k = value; shaped(); } });
  const seeds = number({ label: "Seed", value: seed, min: 0, max: LARGEST_SEED, step: 1,
    onChange(value) { seed = value; live.say(`Seed ${seed}: the same steps give the same text.`); save(); } });
  const shaped = () => {
    predict();
    drawBars();
    save();
  };

  // --- What comes next
  const facts = make("p", { class: "udl-note" });
  const bars = Array.from({ length: Math.min(BARS, V) }, (_, rank) => {
    const [name, bar, share] = [make("b"), make("i"), make("span")];
    const element = button("", () => append(order[rank]), { class: "udl-bar" });
    element.append(name, bar, share);
    const tell = () => {
      const token = order[rank];
      const plain = shape(model.logits())[token];
      facts.textContent = `${quoted(alphabet[token])}: probability ${percent(probable[token], 3)}, `
        + `${percent(plain, 3)} at temperature 1; logit ${show(model.logits()[token], 4)}.`;
    };
    element.addEventListener("pointerenter", tell);
    element.addEventListener("focus", tell);
    return { element, name, bar, share };
  });
  const rest = ["b", "i", "span"].map((tag) => make(tag));
  const list = make("ul", {}, ...bars.map(({ element }) => make("li", {}, element)),
    ...(V > BARS ? [make("li", {}, make("div", { class: "udl-bar" }, ...rest))] : []));
  const drawBars = () => {
    const left = Math.max(0, 1 - bars.reduce((sum, _, rank) => sum + probable[order[rank]], 0));
    const most = Math.max(left, ...probable);
    bars.forEach(({ element, name, bar, share }, rank) => {
      const p = probable[order[rank]];
      name.textContent = sign(alphabet[order[rank]]);
      bar.style.setProperty("--share", p / most);
      share.textContent = percent(p);
      element.setAttribute("aria-label", `${sign(alphabet[order[rank]])} ${percent(p)}: append`);
    });
    rest[0].textContent = several(V - bars.length, "other");
    rest[1].style.setProperty("--share", left / most);
    rest[2].textContent = percent(left);
    facts.textContent = "Choose a bar to append its character.";
  };

  // --- Attention
  const from = () => forgotten(tokens.length, T);
  const place = () => Math.min(Math.max((at || tokens.length) - 1 - from(), 0), model.tokens.length - 1);
  const weights = () => model.weights(Math.floor(head / H), head % H, place());
  const called = (index) => `block ${Math.floor(index / H) + 1}, head ${(index % H) + 1}`;
  // The weight on the character before, averaged over the characters that have one.
  const back = (index) => {
    let sum = 0;
    for (let t = 1; t < model.tokens.length; t += 1) {
      sum += model.weights(Math.floor(index / H), index % H, t)[t - 1];
    }
    return sum / Math.max(1, model.tokens.length - 1);
  };
  const heads = Array.from({ length: L * H }, (_, index) => {
    const picture = canvas(THUMB, THUMB, "");
    picture.el.setAttribute("aria-hidden", "true");
    const input = make("input", { type: "radio", name: `${label}-head`, value: index, ...QUIET,
      "aria-label": `Block ${Math.floor(index / H) + 1}, head ${(index % H) + 1}` });
    input.addEventListener("change", () => {
      head = index;
      drawAttention();
      judge();
      save();
    });
    return { picture, input, element: make("label", {}, input, picture.el,
      make("span", { "aria-hidden": "true" }, `${Math.floor(index / H) + 1}.${(index % H) + 1}`)) };
  });
  const choice = make("div", { class: "udl-heads", role: "radiogroup", "aria-label": "Attention heads",
    style: `grid-template-columns: repeat(${H}, auto)` }, ...heads.map(({ element }) => element));
  const pick = (index) => {
    at = index + 1 === model.tokens.length ? 0 : index + 1 + from();
    drawAttention();
    save();
  };
  const position = slider({ label: "Looking from character", min: 1, max: 1, step: 1, value: 1,
    show: (value) => `${value}, ${quoted(alphabet[tokens[value - 1]] ?? "")}`,
    onInput: (value) => pick(value - 1 - from()) });
  const range = position.el.querySelector("input");
  const line = make("div", { class: "udl-seen", role: "img" });
  const cells = [];
  line.addEventListener("click", ({ target }) => {
    if (cells.includes(target)) pick(cells.indexOf(target));
  });
  const said = make("p", { class: "udl-note" });
  const map = canvas(MAP, MAP, "");
  map.el.classList.add("udl-map");
  map.el.addEventListener("click", ({ offsetY }) =>
    pick(Math.min(model.tokens.length - 1, Math.floor((offsetY / map.el.clientHeight) * model.tokens.length))));
  const raster = document.createElement("canvas");

  const paint = (index, { context }, size, palette) => {
    const n = model.tokens.length;
    raster.width = raster.height = n;
    const pixels = new ImageData(n, n);
    for (let t = 0, i = 0; t < n; t += 1) {
      const shares = model.weights(Math.floor(index / H), index % H, t);
      for (let s = 0; s < n; s += 1, i += 4) {
        const ink = s <= t ? Math.sqrt(shares[s]) : 0;
        const ground = s <= t ? palette.paper : palette.grid;
        for (let c = 0; c < 3; c += 1) pixels.data[i + c] = ground[c] + ink * (palette.blue[c] - ground[c]);
        pixels.data[i + 3] = 255;
      }
    }
    raster.getContext("2d").putImageData(pixels, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(raster, 0, 0, size, size);
  };
  const drawAttention = () => {
    const n = model.tokens.length;
    const palette = colors(section);
    const shares = weights();
    const here = place();
    range.min = from() + 1;
    range.max = tokens.length;
    position.value = from() + here + 1;
    heads[head].input.checked = true;
    while (cells.length < n) cells.push(line.appendChild(make("span")));
    while (cells.length > n) cells.pop().remove();
    cells.forEach((cell, s) => {
      const character = sign(alphabet[model.tokens[s]]);
      if (cell.textContent !== character) cell.textContent = character;
      cell.style.setProperty("--share", shares[s] ?? 0);
      cell.className = s === here ? "udl-from" : "";
    });
    const most = ranked(shares).slice(0, 3).map((s) =>
      `${percent(shares[s], 0)} to ${quoted(alphabet[model.tokens[s]])} (${s === here ? "itself" : `${here - s} back`})`);
    const sentence = `From ${quoted(alphabet[model.tokens[here]])}, ${called(head)} gives ${most.join(", ")}.`;
    line.setAttribute("aria-label", sentence);
    said.textContent = n > 1 ? `${sentence} Over all rows, ${percent(back(head), 0)} goes to the character before.` : sentence;
    heads.forEach(({ picture }, index) => paint(index, picture, THUMB, palette));
    paint(head, map, MAP, palette);
    map.context.strokeStyle = palette.css("orange");
    map.context.lineWidth = 2;
    map.context.strokeRect(1, (here * MAP) / n, MAP - 2, MAP / n);
    map.describe(`Attention of ${called(head)}: ${several(n, "row")}, from each character to those up to it. ${sentence}`);
  };
  const judge = () => {
    if (found || model.tokens.length < 5) return;
    const shares = heads.map((_, index) => back(index));
    if (head !== ranked(shares)[0]) return;
    found = true;
    live.say(`Found: ${called(head)} gives ${percent(shares[head], 0)} to the character before, more than any other head here.`, "good");
  };

  // --- All of it
  const predict = () => {
    model.follow(tokens);
    order = ranked(model.logits());
    probable = shape(model.logits(), temperature, k);
  };
  const update = () => {
    const gone = from();
    lostPrompt.textContent = spelled(0, Math.min(gone, given));
    prompt.textContent = spelled(Math.min(gone, given), given);
    lost.textContent = spelled(given, gone);
    tail.textContent = spelled(Math.max(gone, given), tokens.length);
    text.scrollTop = text.scrollHeight;
    memory.textContent = gone
      ? `The model sees ${T} characters at most. When they are full it forgets all but the last half, `
        + `and reads that again: it sees the last ${tokens.length - gone}, and not the first ${gone} (slanted).`
      : `The model sees all ${several(tokens.length, "character")}; ${T} is the most. Past that, it `
        + "forgets the first half.";
    drawBars();
    drawAttention();
  };
  const changed = (message) => {
    predict();
    update();
    if (message) live.say(message);
    save();
  };

  section.append(make("div", {},
    make("div", { class: "udl-prompt" },
      make("label", {}, `Prompt${lines ? ", with ↵ or \\n for a line break" : ""}`), asked, complaint),
    text, memory, buttons, live.el, row(heat.el, cut.el, seeds.el),
    grid(panel("Next character", list, facts),
      panel("Attention, a picture for each block and head", choice, position.el, line, said, map.el))));
  const named = section.querySelector(".udl-prompt label");
  asked.id = `${label}-asked`;
  named.htmlFor = asked.id;
  setPrompt();
  predict();
  if (head === undefined) {
    // Not with the answer to the task.
    head = ranked(heads.map((_, index) => back(index))).at(-1);
  }
  at = at > tokens.length ? 0 : at;
  update();
  onTheme(section, drawAttention);
  return hundred;
}
