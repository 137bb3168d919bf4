// A network to watch while it learns. The engine computes; this file holds the controls, and
// redraws what changed. A change of settings starts again from the same initial weights, so that
// two runs can be compared and every run can be exported.
import {
  button, canvas, card, checkbox, clipboard, colors, details, html, linkTo, loop, make, number, onTheme,
  panel, QUIET, readState, row, select, show, slider, status, still, style, svg, table, writeState,
} from "./kit.mjs";
import { check, createEngine, makeData, OPTIONS } from "./engine.mjs";
import {
  createCurves, deadWords, decodeState, encodeState, FEATURES, goalLacks, gradientHealth, LIMIT,
  packWeights, parsePoints, same, saturated, settle, unpackWeights,
} from "./playground-model.mjs";
import { STYLE } from "./playground-style.mjs";
import {
  drawCurves, drawNetwork, drawPoints, featureValues, mark, nearestLink, palette, picture, place,
  reach, SURFACE, THUMB, toPixel,
} from "./playground-view.mjs";

const SETS = { circle: "circle", xor: "xor", gauss: "gauss", spiral: "spiral", three: "3 classes",
  plane: "plane", multigauss: "bumps", points: "my own" };
const ACTIVATIONS = [["relu", "ReLU"], ["tanh", "tanh"], ["sigmoid", "sigmoid"], ["linear", "linear"]];
const SLIM = { relu: "ReLU", tanh: "tanh", sigmoid: "sigm", linear: "lin" };
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const PENALTIES = [0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
const BATCHES = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const BETAS = [0, 0.5, 0.8, 0.9, 0.95, 0.99];
const SPEEDS = [["slow", "slow (batches)"], ["normal", "normal"], ["fast", "fast"]];
const FIRST_POINTS = [[-3, -2, 0], [-2, -3, 0], [-4, -3, 0], [-3, 2, 1], [-2, 3, 1], [-4, 3, 1],
  [3, 2, 0], [2, 3, 0], [4, 3, 0], [3, -2, 1], [2, -3, 1], [4, -3, 1]];
const CLASSES = ["orange circle", "blue square", "green triangle"];
const DATA_KEYS = ["dataset", "points", "noise", "examples", "train", "data_seed"];

export function render({ el, props }) {
  const { label, title, task = "", goals = [], hide = [] } = props;
  const has = (...names) => !names.some((name) => hide.includes(name));
  const base = check(settle(props.config ?? {})).config;
  let config = base;
  let engine;
  let playing = false;
  let speed = "normal";
  let chosen = null; // [layer, unit] whose weights are shown
  let peeked = null; // the one under the pointer or focus
  let link = -1; // the link under the pointer or whose field has the focus
  let now = [0, 0, 0, 0, 0]; // epoch, losses, accuracies
  let gone = [];
  let cost = 4; // of a redraw, in milliseconds
  let skip = false;
  let lastDraw = 0;
  let lastSlow = 0;
  const met = goals.map(() => false);
  const hit = goals.map(() => false); // the same, in this run
  let counts = true; // whether goals count on this data and loss
  const curves = createCurves();
  const past = []; // point sets to undo
  let own = []; // points of the reader
  let draft = null; // the same while they are too few to learn from
  let pen = 0;
  let cursor = [0, 0];
  let pal;

  const kept = (...children) => children.filter(Boolean); // what is not hidden
  const valued = () => OPTIONS.regression.includes(config.dataset); // numbers, not classes
  const word = status();
  const say = word.say;

  // ------------------------------------------------------------------ running
  const epochText = make("span", { class: "pg-count" });
  const play = button("▶ Play", () => (playing ? pause() : start()), { class: "pg-play" });
  const tool = (text, name, onClick, glyph) => button(text, onClick, { "aria-label": name, ...glyph });
  const step = (what) => {
    pause(true);
    if (what === "batch") engine.step();
    else engine.runEpoch();
    const told = after();
    measure();
    draw();
    if (!told) say(report());
  };
  const back = (what) => {
    pause(true);
    if (!engine.back(what)) return say("This is where the run begins.");
    calm();
    curves.cut(engine.epoch);
    measure();
    draw();
    say(`Back. ${report()}`);
  };
  const runbar = row(...kept(
    has("steps", "back") && make("span", { class: "pg-join" },
      tool("epoch", "Back one epoch", () => back("epoch"), { "data-from": "«" }),
      tool("batch", "Back one batch", () => back("batch"), { "data-from": "‹" })),
    play,
    has("steps") && make("span", { class: "pg-join" },
      tool("batch", "Step one batch", () => step("batch"), { "data-to": "›" }),
      tool("epoch", "Step one epoch", () => step("epoch"), { "data-to": "»" })),
    button("Reset", () => reset()),
    has("seed") && button("New seed", () =>
      change({ seed: config.seed + 1 }, `Weight seed is ${config.seed + 1} now`)),
    has("speed") && select({ label: "Speed", options: SPEEDS, value: speed,
      onChange: (value) => { speed = value; } }).el,
    epochText));
  runbar.classList.add("pg-run");

  const reset = () => {
    pause(true);
    engine.reset();
    restart();
    say("Reset: the same initial weights again.");
  };
  const start = () => {
    if (engine.trouble) return say("The run has stopped. Step back or reset first.", "bad");
    playing = true;
    play.textContent = "❚❚ Pause";
    running.start();
    say("Running.");
  };
  const pause = (quietly) => {
    if (!playing) return;
    playing = false;
    play.textContent = "▶ Play";
    running.stop();
    draw();
    if (quietly !== true) say(`Paused. ${report()}`);
  };
  const percent = (share) => `${show(100 * share)}%`;
  const summary = () => `Epoch ${engine.epoch}${engine.batch ? `, batch ${engine.batch}` : ""}: `
    + `training loss ${show(now[1])}, test loss ${show(now[2])}`
    + `${now[4] === null ? "" : `, test accuracy ${percent(now[4])}`}.`;
  const report = () => { // and why a goal stays open, if not for its loss
    const why = counts && goals.flatMap((goal, i) => (met[i] ? []
      : [goalLacks(goal, engine.epoch, now[2], config) ?? "it counts at the end of an epoch"])).find(Boolean);
    return why ? `${summary()} A goal stays open: ${why}.` : summary();
  };

  const measure = () => {
    const found = engine.losses();
    now = [engine.epoch + engine.batch / engine.batchesPerEpoch, found.train, found.test,
      found.trainAccuracy, found.testAccuracy];
  };

  // What a batch may have brought about: trouble, the end of an epoch, a goal. True if it is told.
  const after = () => {
    if (engine.trouble) {
      pause(true);
      troubleText.textContent = engine.trouble.text;
      trouble.hidden = false;
      say("The run has stopped.", "bad");
      return true;
    }
    if (engine.batch) return false;
    measure();
    curves.add(engine.epoch, now.slice(1));
    return judge();
  };

  // Whether there is news of a goal. Typed weights need no epoch: they reach what asks for none.
  const judge = (typed) => {
    const good = [];
    const open = [];
    goals.forEach((goal, i) => {
      if (!counts || hit[i] || (typed && (goal.epochs || goal.after))) return;
      const lacks = goalLacks(goal, engine.epoch, now[2], config);
      if (lacks === "" && goal.after === engine.epoch) open.push(`${goal.after} epochs, the goal is open`);
      if (lacks !== null) return;
      const name = goals.length > 1 ? `Goal ${i + 1}` : "Goal";
      good.push(`${name} reached ${met[i] ? "again " : ""}at epoch ${engine.epoch}`);
      hit[i] = met[i] = true;
      goalItems[i].className = "pg-met";
      goalMarks[i].textContent = "✓";
      goalMarks[i].setAttribute("aria-label", "reached");
    });
    const news = [...good, ...open];
    if (news.length) say(`${news.join(". ")}: test loss ${show(now[2])}.`, good.length ? "good" : "");
    return news.length > 0;
  };

  const frame = (time) => {
    const began = performance.now();
    if (speed === "slow") {
      if (time - lastSlow >= 200) {
        lastSlow = time;
        engine.step();
        after();
        measure();
      }
    } else {
      const budget = Math.max(3, 13 - cost);
      do {
        engine.step();
        after();
      } while (playing && !(speed === "normal" && !engine.batch) && performance.now() - began < budget);
    }
    if (still() && time - lastDraw < 350) return;
    lastDraw = time;
    draw();
  };

  const trouble = make("div", { class: "pg-trouble", role: "alert", hidden: true });
  const troubleText = make("p");
  trouble.append(troubleText,
    row(button("Step back one epoch", () => back("epoch")), button("Reset", reset)));
  const calm = () => { // the box goes, and must not take the focus with it
    if (trouble.contains(document.activeElement)) play.focus();
    trouble.hidden = true;
  };

  // ------------------------------------------------------------------ goals
  const goalMarks = goals.map(() => make("span", { role: "img", "aria-label": "open" }, "○"));
  const goalItems = goals.map(({ text }, i) => make("li", {}, goalMarks[i], make("span", {}, html(text))));
  const goalNote = make("p", { hidden: true }, "Goals count on the data and with the loss as given.");

  // ------------------------------------------------------------------ settings
  const syncs = []; // each sets one control to what `config` holds
  const choice = (key, text, values, names = {}) => {
    if (!has(key)) return null;
    const control = select({ label: text, options: [], value: "", onChange: (value) =>
      change({ [key]: typeof base[key] === "number" ? Number(value) : value },
        `${text} is ${names[value] ?? show(Number(value))} now`) });
    const input = control.el.querySelector("select");
    syncs.push(() => {
      let list = typeof values === "function" ? values() : values;
      if (!list.includes(config[key])) list = [...list, config[key]].sort((a, b) => a - b);
      input.replaceChildren(...list.map((value) => make("option", { value }, names[value] ?? show(value))));
      input.value = config[key];
      input.disabled = list.length < 2;
    });
    return control.el;
  };
  const slide = (key, text, min, max, step, shown) => {
    if (!has(key)) return null;
    const control = slider({ label: text, min, max, step, value: config[key], show: shown,
      onInput: (value) => change({ [key]: value }, `${text} is ${shown(value)} now`) });
    syncs.push(() => {
      control.value = config[key];
      control.el.hidden = config.dataset === "points" && key !== "train" && key !== "dropout";
    });
    return control.el;
  };
  const whole = (key, text) => {
    if (!has(key)) return null;
    const control = number({ label: text, value: config[key], min: 0, max: 4294967295, step: 1,
      onChange: (value) => value !== config[key] && change({ [key]: value }, `${text} is ${value} now`) });
    syncs.push(() => { control.value = config[key]; });
    return control.el;
  };
  const setCanvases = {};
  const setInputs = {};
  const sets = make("fieldset", { class: "pg-sets" }, make("legend", { class: "pg-hush" }, "Data set"),
    ...Object.entries(SETS).map(([key, text]) => {
      const input = make("input", { type: "radio", name: `${label}-set`, value: key, ...QUIET });
      input.addEventListener("change", () => choose(key));
      setInputs[key] = input;
      setCanvases[key] = mute(44);
      return make("label", {}, setCanvases[key].el, text, input);
    }));
  syncs.push(() => { setInputs[config.dataset].checked = true; });
  let lastLoss = base.loss;
  const choose = (key) => {
    if (!valued()) lastLoss = config.loss;
    if (key === "points") plane.tests = tests.checked = true; // a point that one adds is seen
    change({
      dataset: key,
      loss: OPTIONS.regression.includes(key) ? "squared" : lastLoss,
      ...(key === "points" ? { points: own.length < 4 ? FIRST_POINTS : own } : {}),
    }, key === "points" ? "Your own points: click in the plane, or paste a list" : `Data set: ${SETS[key]}`);
  };
  const dataFields = make("div", { class: "pg-fields" }, ...kept(
    slide("noise", "Noise", 0, 0.5, 0.05, (v) => percent(v)),
    slide("train", "Training share", 0.1, 0.9, 0.1, (v) => percent(v)),
    slide("examples", "Examples", 20, 1000, 20, String),
    whole("data_seed", "Data seed")));
  const dataPanel = has("data") && panel("Data", ...kept(has("dataset") && sets, dataFields));

  const betaBox = choice("beta", "Momentum β", BETAS);
  const training = has("training") && panel("Training", make("div", { class: "pg-fields" }, ...kept(
    choice("alpha", "Learning rate α", RATES),
    choice("optimizer", "Optimizer", OPTIONS.optimizer, { sgd: "SGD", momentum: "momentum", adam: "Adam" }),
    betaBox,
    choice("loss", "Loss", () => (valued() ? ["squared"] : OPTIONS.loss),
      { "cross-entropy": "cross-entropy", squared: "squared error" }),
    choice("batch", "Batch size", () => BATCHES.filter((b) => b <= trainingSize())),
    choice("l2", "L2 penalty", PENALTIES),
    choice("l1", "L1 penalty", PENALTIES),
    slide("dropout", "Dropout", 0, 0.8, 0.1, (v) => percent(v)),
    whole("seed", "Weight seed"))));
  if (betaBox) syncs.push(() => { betaBox.hidden = config.optimizer === "sgd"; });
  const trainingSize = () => engine.data.train.y.length;

  // ------------------------------------------------------------------ own points
  const box = make("textarea", { class: "pg-box", spellcheck: "false", rows: 4, ...QUIET,
    "aria-label": "Points: x1, x2, class", placeholder: "x1, x2, class\n-3, 2.5, 1\n2, 2, 0" });
  const complaints = make("ul", { class: "pg-complaints" });
  const paste = (append) => {
    const old = append ? mine() : [];
    const { points, complaints: wrong } = parsePoints(box.value, 500 - old.length);
    complaints.replaceChildren(...wrong.slice(0, 8).map((text) => make("li", {}, text)),
      ...(wrong.length > 8 ? [make("li", {}, `${wrong.length - 8} more lines were skipped.`)] : []));
    const skipped = wrong.length ? ` ${wrong.length} skipped; the text is as you left it.` : "";
    if (!points.length) return say(`No point could be read.${skipped}`, "bad");
    setPoints([...old, ...points], `${points.length} points read.${skipped}`);
  };
  const setPoints = (points, text) => {
    past.push(mine());
    if (past.length > 100) past.shift();
    usePoints(points, text);
  };
  const usePoints = (points, text) => {
    own = points;
    if (points.length >= 4) {
      if (change({ dataset: "points", points })) say(text);
      return;
    }
    pause(true);
    draft = points;
    drawPlane();
    say(`${text} The network starts again with at least four.`);
  };
  const pens = CLASSES.map((name, k) => {
    const input = make("input",
      { type: "radio", name: `${label}-pen`, value: k, checked: k === 0, ...QUIET });
    input.addEventListener("change", () => { pen = k; drawPlane(); });
    return make("label", {}, input, chip(k), ` class ${k}`);
  });
  const pointsPanel = panel("My own points",
    make("p", { style: "margin:0" }, "Click in the plane to add a point of the chosen class. With the ",
      "keyboard: arrow keys move the cross, Enter adds, Delete removes the nearest."),
    row(...pens,
      button("Undo", () => {
        if (!past.length) return say("Nothing to undo.");
        const points = past.pop();
        usePoints(points, `Undone. Points: ${points.length}.`);
      }),
      button("Remove all", () => setPoints([], "All points removed."))),
    details("Paste a list", box, row(button("Use these points", () => paste(false)),
      button("Add them to mine", () => paste(true)),
      button("Write mine here", () => {
        box.value = ["x1,x2,class", ...mine().map((point) => point.join(","))].join("\n");
      })), make("div", { role: "status" }, complaints)));
  syncs.push(() => { pointsPanel.hidden = config.dataset !== "points"; });

  // ------------------------------------------------------------------ the network
  const net = canvas(100, 100, "");
  const heads = make("div");
  const features = make("div", { role: "group", "aria-label": "Features" });
  const units = make("div",
    { role: "group", "aria-label": "Neurons: arrow keys move, Enter shows the weights" });
  const tip = make("div", { class: "pg-tip", hidden: true, "aria-hidden": "true" });
  const stage = make("div", { class: "pg-stage" }, net.el, heads, features, units, tip);
  const featureNames = () => (has("features") ? Object.keys(FEATURES) : config.features);
  const featurePictures = {};
  let placed;
  let width = 0;
  let links = []; // [from, to] positions, and for each its index in phi and its units
  let wires = [];
  let weightsNow = new Float64Array(0);
  let pictures = [];
  let buffers;
  let unitButtons = [];
  let headHeight = 0;

  // Where phi holds the weight of a unit from unit i of the layer before, and its bias.
  const weightAt = (k, j, i) => engine.starts[k - 1] + j * engine.widths[k - 1] + i;
  const biasAt = (k, j) => engine.starts[k] - engine.widths[k] + j;

  const unitName = (k, j) => (k === 0 ? FEATURES[config.features[j]][1]
    : k === engine.widths.length - 1 ? (engine.widths[k] > 1 ? `output ${j}` : "the output")
      : `neuron ${j + 1} of layer ${k}`);

  const arrange = () => {
    const focused = document.activeElement?.dataset?.key;
    const inside = stage.contains(document.activeElement);
    const names = featureNames();
    const editable = has("network", "layers");
    placed = place(width, names.length, config.hidden, engine.widths.at(-1),
      section.classList.contains("pg-narrow") ? 3 : editable ? 8 : 5);
    const { size, pitch, height, left } = placed;
    const slim = pitch < 56;
    stage.classList.toggle("pg-slim", slim);
    headHeight = 20 + (editable ? (slim ? 54 : 27) : 0) + (has("network", "activations") ? 30 : 0);
    stage.style.height = `${headHeight + height}px`;
    net.size(width, height);
    net.el.style.top = `${headHeight}px`;

    const at = (x, wide, ...children) =>
      make("div", { class: "pg-head", style: `left:${x}px;width:${wide}px` }, ...kept(...children));
    heads.replaceChildren(...kept(
      at(placed.left - 6, 70, make("b", {}, "Features")),
      ...config.hidden.map((count, k) => at(placed.layers[k + 1][0]?.[0], Math.min(pitch - 4, 88),
        make("b", {}, slim ? `${count}` : `${count} neuron${count > 1 ? "s" : ""}`),
        editable && make("span", { class: "pg-join" },
          resize(k, -1, "−", `One neuron less in layer ${k + 1}`),
          resize(k, 1, "+", `One neuron more in layer ${k + 1}`)),
        has("network", "activations") && activation(k, slim))),
      at(Math.min(placed.last, width - 24), 60, make("b", {}, slim ? "Out" : "Output"))));

    features.replaceChildren(...names.flatMap((name, j) => {
      const [x, y] = placed.layers[0][j];
      const on = config.features.includes(name);
      const text = make("span", { class: "pg-feature", "aria-hidden": "true",
        style: `top:${y + headHeight}px;width:${left - 6}px` }, FEATURES[name][1]);
      if (!has("features")) return [text];
      const made = unitButton(x, y, `f${name}`, `Feature ${FEATURES[name][1]}`, on);
      made.addEventListener("click", () => {
        const next = OPTIONS.features.filter((other) =>
          config.features.includes(other) !== (other === name));
        if (!next.length) return say("A network needs at least one feature.", "bad");
        change({ features: next }, `Feature ${FEATURES[name][1]} is ${on ? "off" : "on"}`);
      });
      return [text, made];
    }));
    unitButtons = [];
    units.replaceChildren(...placed.layers.slice(1).flatMap((column, i) => column.map(([x, y], j) => {
      const k = i + 1;
      const name = unitName(k, j);
      const made = unitButton(x, y, `u${k}-${j}`, name[0].toUpperCase() + name.slice(1), isChosen(k, j));
      made.tabIndex = k === 1 && j === 0 ? 0 : -1;
      made.addEventListener("click", () => pick(isChosen(k, j) ? null : [k, j]));
      const peek = (on) => () => { peeked = on ? [k, j] : null; if (!playing) draw(); };
      made.addEventListener("pointerenter", peek(true));
      made.addEventListener("pointerleave", peek(false));
      made.addEventListener("focus", () => { roam(made); peek(true)(); });
      made.addEventListener("blur", peek(false));
      made.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!by) return;
        event.preventDefault();
        const k2 = Math.max(1, Math.min(placed.layers.length - 1, k + by[0]));
        const j2 = Math.max(0, Math.min(placed.layers[k2].length - 1, j + by[1]));
        unitButtons[k2 - 1][j2].focus({ preventScroll: true });
      });
      (unitButtons[i] ??= [])[j] = made;
      return made;
    })));
    if (inside && focused) {
      const again = stage.querySelector(`[data-key="${CSS.escape(focused)}"]`);
      (again ?? stage.querySelector("button"))?.focus({ preventScroll: true });
    }

    links = [];
    wires = [];
    const shownAt = config.features.map((name) => names.indexOf(name));
    for (let k = 1; k < engine.widths.length; k += 1) {
      for (let j = 0; j < engine.widths[k]; j += 1) {
        for (let i = 0; i < engine.widths[k - 1]; i += 1) {
          links.push([placed.layers[k - 1][k === 1 ? shownAt[i] : i], placed.layers[k][j]]);
          wires.push({ at: weightAt(k, j, i), k, i, j });
        }
      }
    }
    weightsNow = new Float64Array(links.length);
    for (const name of names) {
      if (featurePictures[name]) continue;
      featurePictures[name] = { ...picture(THUMB), numbers: featureValues(name, THUMB) };
    }
    pictures = [names.map((name) => featurePictures[name]),
      ...engine.widths.slice(1).map((count, k) =>
        list(count, (j) => pictures[k + 1]?.[j] ?? picture(THUMB)))];
    paintFeatures();
  };
  const paintFeatures = () => {
    for (const made of Object.values(featurePictures)) {
      made.values(made.numbers, pal, reach(made.numbers), plane.steps);
    }
  };
  const isChosen = (k, j) => chosen !== null && chosen[0] === k && chosen[1] === j;
  const unitButton = (x, y, key, name, pressed) => {
    const { size } = placed;
    return make("button", { type: "button", class: "pg-unit", "data-key": key, "aria-label": name,
      "aria-pressed": String(pressed), ...QUIET,
      style: `left:${x - size / 2}px;top:${y - size / 2 + headHeight}px;width:${size}px;height:${size}px` });
  };
  const roam = (made) => {
    for (const other of unitButtons.flat()) other.tabIndex = other === made ? 0 : -1;
  };
  const resize = (k, by, sign, name) => button(sign, () => {
    const count = config.hidden[k] + by;
    if (count > 8) return say("Eight neurons are the most a layer can have here.");
    if (count < 1) return changeLayers(-1, k);
    change({ hidden: config.hidden.map((old, i) => (i === k ? count : old)) },
      `Layer ${k + 1} has ${count} neuron${count > 1 ? "s" : ""} now`);
  }, { "aria-label": name, "data-key": `r${k}${sign}` });
  const activation = (k, slim) => {
    const input = make("select",
      { "aria-label": `Activation of layer ${k + 1}`, "data-key": `a${k}`, ...QUIET },
      ...ACTIVATIONS.map(([value, text]) => make("option", { value }, slim ? SLIM[value] : text)));
    input.value = config.activations[k];
    input.addEventListener("change", () =>
      change({ activations: config.activations.map((old, i) => (i === k ? input.value : old)) },
        `Activation of layer ${k + 1} is ${input.selectedOptions[0].text} now`));
    return input;
  };
  const changeLayers = (by, at = config.hidden.length - 1) => {
    const count = config.hidden.length + by;
    if (count < 0) return say("No hidden layer is left.");
    if (count > 6) return say("Six hidden layers are the most here.");
    const { hidden, activations } = config;
    change(by > 0
      ? { hidden: [...hidden, hidden.at(-1) ?? 4],
        activations: [...activations, activations.at(-1) ?? "tanh"] }
      : { hidden: hidden.toSpliced(at, 1), activations: activations.toSpliced(at, 1) },
    `${count || "No"} hidden layer${count === 1 ? "" : "s"} now`);
  };
  const layerCount = make("span");
  const layerRow = has("network", "layers") && row(
    make("span", { class: "pg-join" },
      button("−", () => changeLayers(-1), { "aria-label": "One hidden layer less" }),
      button("+", () => changeLayers(1), { "aria-label": "One hidden layer more" })), layerCount);
  syncs.push(() => {
    const count = config.hidden.length;
    layerCount.textContent = `${count || "no"} hidden layer${count === 1 ? "" : "s"}`;
  });

  const linkName = (i) => {
    const { k, i: from, j } = wires[i];
    return `${unitName(k - 1, from)} → ${unitName(k, j)}`;
  };
  const light = (i) => {
    link = i;
    if (!playing) draw();
  };
  const pointAt = (event) => {
    const frameBox = net.el.getBoundingClientRect();
    return [event.clientX - frameBox.left, event.clientY - frameBox.top];
  };
  net.el.addEventListener("pointermove", (event) => {
    const [x, y] = pointAt(event);
    const found = nearestLink(links, placed.size, x, y, event.pointerType === "touch" ? 14 : 7);
    net.el.classList.toggle("pg-grab", found >= 0 && has("weights"));
    tip.hidden = found < 0;
    if (found >= 0) {
      tip.textContent = `${linkName(found)}: ${show(engine.phi[wires[found].at])}`;
      tip.style.top = `${headHeight + y}px`;
      const half = tip.offsetWidth / 2;
      tip.style.left = `${Math.max(half, Math.min(width - half, x))}px`;
    }
    if (found !== link) light(found);
  });
  net.el.addEventListener("pointerleave", () => {
    tip.hidden = true;
    light(-1);
  });
  net.el.addEventListener("click", (event) => {
    const found = nearestLink(links, placed.size, ...pointAt(event), 14);
    if (found < 0 || !has("weights")) return;
    const { k, j, i } = wires[found];
    pick([k, j]);
    editor.querySelectorAll("input")[i]?.focus();
  });

  // ------------------------------------------------------------------ weights to type
  const picker = make("select", { ...QUIET, "aria-label": "Weights of" });
  const fields = make("div", { class: "pg-weights" });
  const editor = make("div", { class: "pg-editor" }, row(make("span", {}, "Weights of"), picker), fields);
  let fieldList = []; // [index in phi, control, input]
  picker.addEventListener("change", () =>
    pick(picker.value ? picker.value.split("-").map(Number) : null));
  const pick = (next) => {
    chosen = next;
    for (const [i, column] of unitButtons.entries()) {
      column.forEach((made, j) => made.setAttribute("aria-pressed", isChosen(i + 1, j)));
    }
    fillEditor();
    draw();
  };
  const fillEditor = () => {
    if (!has("weights")) return;
    picker.replaceChildren(make("option", { value: "" }, "choose a neuron"),
      ...engine.widths.slice(1).flatMap((count, i) => list(count, (j) =>
        make("option", { value: `${i + 1}-${j}` }, unitName(i + 1, j)))));
    picker.value = chosen ? chosen.join("-") : "";
    fieldList = [];
    if (!chosen) return fields.replaceChildren();
    const [k, j] = chosen;
    const entries = list(engine.widths[k - 1], (i) => [weightAt(k, j, i), `from ${unitName(k - 1, i)}`]);
    entries.push([biasAt(k, j), "bias"]);
    fields.replaceChildren(...entries.map(([at, text]) => {
      const control = number({ label: text, value: rounded(engine.phi[at]), min: -1000, max: 1000,
        onChange: (value) => {
          if (value === rounded(engine.phi[at])) return;
          engine.setWeight(at, value);
          measure();
          draw();
          if (!judge(true)) say(`Weight set to ${show(value)}. ${report()}`);
        } });
      const input = control.el.querySelector("input");
      input.addEventListener("focus", () => light(wires.findIndex((wire) => wire.at === at)));
      input.addEventListener("blur", () => light(-1));
      fieldList.push([at, control, input]);
      return control.el;
    }));
  };
  const rounded = (value) => Number(value.toPrecision(5));

  // ------------------------------------------------------------------ the plane
  const surface = picture(SURFACE);
  const zoom = picture(THUMB);
  const overlay = mute(200);
  const plane = { steps: false, tests: false };
  const caption = make("p", { class: "pg-caption" });
  const map = make("div", { class: "pg-map", ...QUIET }, surface.el, zoom.el, overlay.el);
  const readout = make("span");
  const legend = make("div", { class: "pg-legend" });
  const look = () => {
    plane.steps = discrete.checked;
    plane.tests = tests.checked;
    map.classList.toggle("pg-steps", plane.steps);
    fillLegend();
    paintFeatures();
    drawPlane();
    draw();
    store();
  };
  const discrete = checkbox({ label: "Discretize", checked: false, onChange: look });
  const tests = checkbox({ label: "Show test points", checked: false, onChange: look });
  const side = make("div", { class: "pg-side" }, caption,
    make("div", { class: "pg-plane" },
      make("div", { class: "pg-ticks" }, ...["6", "x₂", "−6"].map((text) => make("span", {}, text))), map,
      make("div", { class: "pg-ticks" }, ...["−6", "x₁", "6"].map((text) => make("span", {}, text)))),
    legend, row(...kept(has("discrete") && discrete.el, has("tests") && tests.el)), readout);
  const three = () => engine.widths.at(-1) === 3;
  const tintOf = (set) => (OPTIONS.regression.includes(set)
    ? (y) => [0, hex(pal.ramp[(Math.max(-1, Math.min(1, y)) * 127.5 + 127.5) | 0])]
    : (y) => [y, pal.css(pal.threes[y])]);
  const hex = (pixel) => `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
  const drawPlane = () => {
    const room = map.clientWidth;
    if (!room) return;
    overlay.size(room, room);
    const outline = pal.css("paper");
    const { context } = overlay;
    context.clearRect(0, 0, room, room);
    const shown = draft ? { train: asSet(draft), test: asSet([]) } : engine.data;
    const tint = tintOf(config.dataset);
    const many = shown.train.y.length > 150;
    drawPoints(context, room, shown.train, tint, { r: many ? 2.6 : 3.6,
      outline: valued() ? pal.css("muted") : outline, width: many ? 0.7 : 1 });
    if (plane.tests) {
      drawPoints(context, room, shown.test, tint,
        { r: many ? 2.4 : 3.6, outline: pal.css("ink"), width: 1.3 });
    }
    if (config.dataset === "points" && document.activeElement === map) {
      const x = toPixel(cursor[0], room);
      const y = room - toPixel(cursor[1], room);
      context.strokeStyle = pal.css("ink");
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(x - 9, y); context.lineTo(x + 9, y);
      context.moveTo(x, y - 9); context.lineTo(x, y + 9);
      context.stroke();
      mark(context, pen, x, y, 4);
      context.fillStyle = pal.css(pal.threes[pen]);
      context.fill();
    }
  };
  const inside = (v) => Math.max(-LIMIT, Math.min(LIMIT, v));
  const asSet = (points) => ({ x: points.flatMap(([a, b]) => [a, b]), y: points.map((point) => point[2]) });
  const mine = () => draft ?? config.points;
  const addPoint = (x, y) => {
    const near = (v) => Number(inside(v).toFixed(2));
    if (mine().length >= 500) return say("500 points are the most.", "bad");
    setPoints([...mine(), [near(x), near(y), pen]],
      `Point added at (${show(near(x))}, ${show(near(y))}), class ${pen}. Points: ${mine().length + 1}.`);
  };
  const dropPoint = (x, y) => {
    if (!mine().length) return say("There is no point to remove.");
    const away = mine().map(([a, b]) => (a - x) ** 2 + (b - y) ** 2);
    const at = away.indexOf(Math.min(...away));
    const [a, b] = mine()[at];
    setPoints(mine().filter((_, i) => i !== at), `Removed the point at (${show(a)}, ${show(b)}).`);
  };
  const planeAt = (event) => {
    const frameBox = map.getBoundingClientRect();
    return [((event.clientX - frameBox.left) / frameBox.width) * 2 * LIMIT - LIMIT,
      LIMIT - ((event.clientY - frameBox.top) / frameBox.height) * 2 * LIMIT];
  };
  map.addEventListener("click", (event) => {
    if (config.dataset !== "points") return;
    cursor = planeAt(event);
    addPoint(...cursor);
  });
  map.addEventListener("keydown", (event) => {
    if (config.dataset !== "points") return;
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (by) {
      const size = event.shiftKey ? 1 : 0.25;
      cursor = cursor.map((v, i) => inside(Math.round((v + by[i] * size) * 4) / 4));
      say(`(${show(cursor[0])}, ${show(cursor[1])}): ${valueAt(...cursor)}`);
      drawPlane();
    } else if (event.key === "Enter" || event.key === " ") addPoint(...cursor);
    else if (event.key === "Delete" || event.key === "Backspace") dropPoint(...cursor);
    else return;
    event.preventDefault();
  });
  map.addEventListener("focus", () => drawPlane());
  map.addEventListener("blur", () => drawPlane());

  const valueAt = (x, y) => {
    const cell = (v) => Math.max(0, Math.min(SURFACE - 1, Math.floor(toPixel(v, SURFACE))));
    const value = surfaceNow[cell(-y) * SURFACE + cell(x)];
    if (three()) return `class ${Math.floor(value)}, score ${percent(value % 1)}`;
    if (config.loss === "cross-entropy") return `${percent((value + 1) / 2)} for class 1`;
    return `output ${show(value)}`;
  };
  map.addEventListener("pointermove", (event) => {
    const [x, y] = planeAt(event);
    readout.textContent = `(${show(x, 2)}, ${show(y, 2)}): ${valueAt(x, y)}`;
  });
  map.addEventListener("pointerleave", () => { readout.textContent = ""; });
  const fillLegend = () => {
    const end = (k, text) => make("span", {}, chip(k), text);
    legend.replaceChildren(...(valued()
      ? [make("span", {}, "−1"), make("span", { class: "pg-bar" }), make("span", {}, "+1")]
      : three() ? [0, 1, 2].map((k) => end(k, `class ${k}`))
        : [end(0, "class 0"), make("span", { class: "pg-bar" }), end(1, "class 1")]),
    ...(plane.tests ? [make("span", {}, "strong outline: test")] : []));
  };

  // ------------------------------------------------------------------ numbers, lights, curves
  const numbers = {};
  const entry = (key, text, light) => {
    numbers[key] = make("dd");
    return make("div", light ? { class: "pg-light" } : {}, make("dt", {}, text), numbers[key]);
  };
  const lights = has("lights");
  const numberList = make("dl", { class: "pg-numbers" }, ...kept(
    entry("train", "Training loss"), entry("test", "Test loss"),
    entry("trainAccuracy", "Training accuracy"), entry("testAccuracy", "Test accuracy"),
    entry("zeros", "Weights"),
    lights && entry("norm", "Gradient norm", true),
    lights && entry("dead", "Dead or saturated units", true)));
  const glossary = lights && make("p", { class: "pg-words" }, "Dead: a ReLU unit that is 0 for all training "
    + "examples. Saturated: at most 0.01 from a limit for all of them. Such units hardly learn, and are "
    + "crossed out. Healthy: a gradient norm from 0.001 to 50.");
  const lamp = (key, tone, text) => {
    numbers[key].parentElement.className = `pg-light pg-${tone}`;
    put(numbers[key], text);
  };
  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const sample = (color, dash) => svg("svg", { width: 22, height: 8, "aria-hidden": "true" },
    svg("path", { d: "M0 4h22", stroke: `var(--${color})`, "stroke-width": 2, "stroke-dasharray": dash }));
  const key = () => [make("span", { class: "pg-key" }, sample("purple", "5 3"), "training"),
    make("span", { class: "pg-key" }, sample("ink", null), "test")];
  const charts = [["Loss", [1, 2], 0], ["Accuracy", [3, 4], 1.04]].map(([text, series, top]) => {
    const chart = canvas(300, 130, "");
    const holder = panel(text, chart.el);
    holder.firstChild.append(...key());
    return { chart, holder, series, top, percent: top > 0, text };
  });
  const curvesBox = make("div", { class: "pg-curves" }, ...charts.map(({ holder }) => holder));
  const levels = goals.map((goal) => goal.test_loss);
  const drawCharts = () => {
    for (const { chart, series, top, percent: share, holder } of charts) {
      if (holder.hidden) continue;
      drawCurves(chart.context, chart.el.clientWidth, 130, curves,
        { fields: series, now, top, css: pal.css, levels: share ? [] : levels, percent: share });
    }
  };

  const refresh = () => { // what is dear, and read rather than watched: twice a second
    const zeros = weightsNow.filter((w) => w === 0).length;
    numbers.zeros.parentElement.hidden = !zeros && !config.l1;
    put(numbers.zeros, `${zeros} of ${wires.length} are 0`);
    if (lights) {
      gone = engine.dead();
      const stuck = config.loss === "squared" && !valued() && !three() && now[1] > 0.02
        && saturated(surfaceNow, SURFACE, engine.data.train.x);
      if (stuck) gone.push([true]);
      const norm = engine.gradientNorm;
      const health = gradientHealth(norm, now[1]);
      if (engine.steps) lamp("norm", health.tone, `${show(norm)}: ${health.word}`);
      else lamp("norm", "none", "no step yet");
      const words = deadWords(gone, config.hidden.length);
      lamp("dead", words === "none" ? "good" : "bad", words);
    }
    for (const [at, control, input] of fieldList) {
      if (document.activeElement !== input) control.value = rounded(engine.phi[at]);
    }
    if (!playing) {
      const text = summary();
      map.setAttribute("aria-label",
        `Plane of x1 and x2, from −6 to 6, colored by the output of the network. ${text}`);
      for (const { chart, text: what } of charts) {
        chart.describe(`${what} of the training and the test set over ${engine.epoch} epochs. ${text}`);
      }
      net.describe(`The network: layers of ${engine.widths.join(", ")}. A table below has the weights.`);
    }
    fillTable();
    if (!playing) fillCode();
  };
  const tableBox = make("div", { class: "udl-scroll", tabindex: 0, role: "region", ...QUIET,
    "aria-label": `${title}: losses and weights` });
  const tableDetails = has("table") && details("Losses and weights as tables", tableBox);
  const fillTable = () => {
    if (!tableDetails || !tableDetails.open) return;
    const cell = (value) => (value === null ? "none" : show(value, 4));
    const most = Math.max(...engine.widths.slice(0, -1));
    tableBox.replaceChildren(
      table(`After epoch ${engine.epoch}`, ["set", "loss", "accuracy"],
        [["training", cell(now[1]), cell(now[3])], ["test", cell(now[2]), cell(now[4])]]),
      table("Weights of each neuron", ["neuron", "bias", ...list(most, (i) => `from ${i + 1}`)],
        engine.widths.slice(1).flatMap((count, l) => list(count, (j) => {
          const from = engine.widths[l];
          return [unitName(l + 1, j), show(engine.phi[biasAt(l + 1, j)]),
            ...list(most, (i) => (i < from ? show(engine.phi[weightAt(l + 1, j, i)]) : ""))];
        }))));
  };
  if (tableDetails) tableDetails.addEventListener("toggle", () => fillTable());

  // ------------------------------------------------------------------ link and program
  const withWeights = checkbox({ label: "with weights", checked: false, onChange() {} });
  const address = make("input", { type: "text", readonly: true, hidden: true, ...QUIET,
    "aria-label": "Link to this state" });
  const view = () => ({ discrete: plane.steps ? 1 : null, tests: plane.tests ? 1 : null });
  const linkRow = has("link") && row(button("Copy link", async () => {
    const weights = withWeights.checked ? packWeights(engine.phi) : null;
    const text = linkTo(label, { ...encodeState(config, base), ...view(), weights });
    if (!text) return say("A frame in a notebook has no address. The program below holds the same.", "bad");
    const copied = await clipboard(text);
    address.hidden = copied;
    address.value = text;
    if (!copied) address.select();
    if (copied) say(`Link copied, ${text.length} characters.`, "good");
    else say("The browser refused the clipboard: copy the link from the field.", "bad");
  }), withWeights.el, address);
  const code = make("pre", { tabindex: 0, role: "region", "aria-label": `${title}: program`, ...QUIET });
  // Few readers open the program, so its writer is loaded when the first one does.
  const fillCode = async () => {
    if (!exported?.open) return;
    const { exportCode } = await import("./playground-export.mjs");
    put(code, exportCode(engine, flavors.value));
  };
  const flavors = select({ label: "Program for", options: [["udl", "udl"], ["torch", "PyTorch"]],
    value: "udl", onChange: fillCode });
  const copyCode = button("Copy program", async () => {
    pause(true);
    await fillCode();
    if (await clipboard(code.textContent)) say("Program copied.", "good");
    else say("The browser refused the clipboard: select the text below.", "bad");
  });
  const exported = has("export") && details("This run as a program", row(flavors.el, copyCode), code);
  if (exported) exported.addEventListener("toggle", () => fillCode());
  const store = () => writeState(label, { ...encodeState(config, base), ...view() });

  // ------------------------------------------------------------------ drawing
  const surfaceNow = new Float64Array(SURFACE * SURFACE);
  const draw = () => {
    if (!width) return;
    const began = performance.now();
    engine.surface(SURFACE, surfaceNow);
    if (three()) surface.classes(surfaceNow, pal, plane.steps);
    else {
      if (config.loss === "cross-entropy") surfaceNow.forEach((p, i) => { surfaceNow[i] = 2 * p - 1; });
      surface.values(surfaceNow, pal, 1, plane.steps);
    }
    // Pictures of many neurons are dear: while it runs they change on every second frame.
    skip = playing && cost > 7 && !skip;
    let at = 0;
    if (!skip) engine.units(THUMB, buffers);
    for (let k = skip ? pictures.length : 1; k < pictures.length; k += 1) {
      for (const made of pictures[k]) {
        made.values(buffers[at], pal, reach(buffers[at]), plane.steps);
        at += 1;
      }
    }
    const looked = peeked && peeked[0] < engine.widths.length - 1 ? peeked : null;
    zoom.el.style.display = looked ? "" : "none";
    overlay.el.style.opacity = looked ? 0.35 : 1;
    if (looked) {
      let unit = looked[1];
      for (let k = 1; k < looked[0]; k += 1) unit += engine.widths[k];
      zoom.values(buffers[unit], pal, reach(buffers[unit]), plane.steps);
    }
    put(caption, looked ? `What ${unitName(...looked)} computes` : "Output of the network");
    for (let i = 0; i < wires.length; i += 1) weightsNow[i] = engine.phi[wires[i].at];
    const focus = link >= 0 ? (i) => i === link
      : peeked ? (i) => wires[i].k === peeked[0] && wires[i].j === peeked[1] : null;
    if (began - lastRefresh > 500 || !playing) {
      lastRefresh = began;
      refresh();
    }
    drawNetwork(net.context, width, { placed, links, weights: weightsNow, pictures, colors: pal, focus,
      biases: (k, j) => engine.phi[biasAt(k, j)],
      marks: (k, j) => (k === 0 ? (config.features.includes(names[j]) ? "on" : "off")
        : chosen && chosen[0] === k && chosen[1] === j ? "chosen" : gone[k - 1]?.[j] ? "dead" : "on") });
    if (has("curves")) drawCharts();
    put(numbers.train, show(now[1]));
    put(numbers.test, show(now[2]));
    if (now[3] !== null) {
      put(numbers.trainAccuracy, percent(now[3]));
      put(numbers.testAccuracy, percent(now[4]));
    }
    put(epochText, `Epoch ${engine.epoch}, batch ${engine.batch} of ${engine.batchesPerEpoch}`);
    cost += 0.1 * (performance.now() - began - cost);
  };
  let lastRefresh = 0;
  let names = [];

  const paintSets = () => {
    for (const [set, { context }] of Object.entries(setCanvases)) {
      context.clearRect(0, 0, 44, 44);
      const raw = { dataset: set, examples: 120, points: own.length < 4 ? FIRST_POINTS : own };
      const { train } = makeData(check(raw).config);
      const soft = OPTIONS.regression.includes(set);
      drawPoints(context, 44, train, tintOf(set), { r: soft ? 2.4 : set === "points" ? 2.2 : 1.5,
        outline: pal.css("muted"), width: soft ? 0.4 : 0 });
    }
  };

  // ------------------------------------------------------------------ changes
  const restart = () => {
    calm();
    hit.fill(false);
    curves.clear();
    measure();
    curves.add(0, now.slice(1));
    draw();
  };
  const adopt = (next) => {
    engine = next;
    config = engine.config;
    counts = [...DATA_KEYS, "loss"].every((key) => same(config[key], base[key]));
    goalNote.hidden = counts || !goals.length;
    draft = null;
    if (config.dataset === "points") own = config.points;
    buffers = engine.widths.slice(1).flatMap((count) => list(count, () => new Float64Array(THUMB * THUMB)));
    if (chosen && !(chosen[1] < engine.widths[chosen[0]])) chosen = null;
    peeked = null;
    link = -1;
    names = featureNames();
    for (const part of [charts[1].holder, numbers.trainAccuracy.parentElement,
      numbers.testAccuracy.parentElement]) part.hidden = valued();
    for (const sync of syncs) sync();
    const drawing = config.dataset === "points";
    map.classList.toggle("pg-draw", drawing);
    map.setAttribute("role", drawing ? "application" : "img");
    if (drawing) map.tabIndex = 0;
    else map.removeAttribute("tabindex");
    fillLegend();
    if (width) {
      arrange();
      drawPlane();
    }
    fillEditor();
  };
  const change = (patch, what) => {
    const next = settle({ ...config, ...patch }, patch);
    let made;
    try {
      made = createEngine(next);
    } catch (error) {
      say(error.message, "bad");
      for (const sync of syncs) sync();
      return false;
    }
    const on = playing;
    pause(true);
    engine.reset();
    const origin = same([...engine.phi], [...made.phi]) ? "the same" : "new";
    adopt(made);
    restart();
    store();
    if (on) start();
    if (what) say(`${what}. The run starts again from ${origin} weights.`);
    return true;
  };

  const section = card({ el, label, title, task, children: kept(
    goals.length && make("ul", { class: "pg-goals" }, ...goalItems),
    goalNote,
    dataPanel, has("data") && pointsPanel, runbar, word.el, trouble,
    layerRow,
    make("div", { class: "pg-figure" }, stage, side),
    has("weights") && editor,
    numberList, glossary, has("curves") && curvesBox, training, linkRow, exported, tableDetails) });
  style("udl-playground-style", STYLE); // after the kit's, which it refines
  const running = loop(section, frame);
  const theme = () => {
    pal = palette(colors(section));
    if (!width) return;
    paintSets();
    paintFeatures();
    drawPlane();
    draw();
  };
  const fit = () => {
    const wide = section.clientWidth;
    section.classList.toggle("pg-narrow", wide < 560);
    if (stage.clientWidth === width || !stage.clientWidth) return;
    const first = !width;
    width = stage.clientWidth;
    arrange();
    for (const { chart, holder } of charts) if (holder.clientWidth) chart.size(holder.clientWidth, 130);
    if (first) paintSets();
    drawPlane();
    draw();
  };
  pal = palette(colors(section));

  // What the address says comes first; what it says wrongly is named.
  const open = () => {
    const { values, given } = readState(label);
    const found = decodeState(given ? values : {}, base, check);
    discrete.checked = plane.steps = values.discrete === "1";
    tests.checked = plane.tests = given ? values.tests === "1" : base.dataset === "points";
    map.classList.toggle("pg-steps", plane.steps);
    adopt(createEngine(found.config));
    if (given && values.weights !== undefined) {
      const { phi, why } = unpackWeights(values.weights, engine.phi.length);
      try {
        if (why) throw new Error(why);
        engine.load({ phi });
      } catch (error) {
        found.ignored.push(error.message);
      }
    }
    restart();
    if (found.ignored.length) say(`Ignored in the link: ${found.ignored.join("; ")}.`, "bad");
    else say(given ? "The state of the link." : "Press Play.");
  };
  open();
  fit();
  new ResizeObserver(fit).observe(section);
  onTheme(section, theme);
  if (props.autoplay && !still()) start();
}

// A canvas that says nothing, since what it shows is said elsewhere.
function mute(side) {
  const made = canvas(side, side, "");
  made.el.removeAttribute("role");
  made.el.setAttribute("aria-hidden", "true");
  return made;
}

const list = (count, item) => Array.from({ length: count }, (_, i) => item(i));

function chip(k) {
  return svg("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" }, [
    svg("circle", { r: 4.5, fill: "var(--orange)" }),
    svg("rect", { x: -4, y: -4, width: 8, height: 8, fill: "var(--blue)" }),
    svg("path", { d: "M0-5.5 5 4H-5z", fill: "var(--green)" })][k]);
}
