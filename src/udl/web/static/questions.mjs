// Questions that the page checks. `render({ el, props })` fills an empty element.
// Props are made by udl.web.questions, which has validated them; texts in them are HTML that it
// has escaped.

const STYLE = `
.udl-question { --good: var(--udl-good, #0a6b3f); --bad: var(--udl-bad, #a8261c);
  --text: var(--pst-color-text-base, #1b1f24); --surface: var(--pst-color-background, #fff);
  --edge: var(--udl-edge, #6b7280); --focus: var(--udl-focus, #0059b8);
  margin: 1rem 0; color: var(--text); }
html[data-theme=dark] .udl-question { --good: var(--udl-good, #7fd6a6); --bad: var(--udl-bad, #ffa198);
  --text: var(--pst-color-text-base, #e6e9ee); --surface: var(--pst-color-background, #14181e);
  --edge: var(--udl-edge, #9aa3b0); --focus: var(--udl-focus, #8cc2ff); }
.udl-question fieldset { margin: 0; padding: .75rem 1rem; min-width: 0;
  border: 1px solid var(--edge); border-radius: .5rem; background: var(--surface); }
.udl-question legend { float: left; width: 100%; margin: 0 0 .5rem; padding: 0;
  font-size: 1em; font-weight: 600; line-height: 1.5; }
.udl-question legend + * { clear: both; }
.udl-question .udl-row { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; }
.udl-question .udl-option { display: flex; gap: .6rem; align-items: baseline; padding: .3rem 0; }
.udl-question input { accent-color: var(--focus); }
.udl-question input[type=text] { width: 10rem; max-width: 100%; }
.udl-question input[type=text], .udl-question button { box-sizing: border-box; min-height: 2.4rem;
  padding: .3rem .8rem; font: inherit; color: inherit; background: var(--surface);
  border: 1px solid var(--edge); border-radius: .3rem; }
.udl-question button { cursor: pointer; }
.udl-question .udl-buttons { margin-top: .5rem; }
.udl-question :is(input, button):focus-visible { outline: 3px solid var(--focus);
  outline-offset: 2px; }
.udl-question [role=status] { min-height: 1.5em; margin: .5rem 0 0; overflow-wrap: anywhere; }
.udl-question [role=status] b { color: var(--tone, inherit); }
.udl-question .udl-good { --tone: var(--good); }
.udl-question .udl-bad { --tone: var(--bad); }
`;

export function render({ el, props }) {
  if (!document.getElementById("udl-question-style")) {
    document.head.append(make("style", { id: "udl-question-style" }, STYLE));
  }
  const status = make("p", { role: "status" });
  const ask = { numeric: askNumber, choice: askChoice }[props.kind](props);
  const check = make("button", { type: "submit", ...QUIET }, "Check");
  const reveal = make("button", { type: "button", hidden: "", ...QUIET }, "Show the answer");
  const form = make("form", { class: "udl-question", novalidate: "" },
    make("fieldset", {},
      make("legend", {}, html(props.question)),
      ...ask.body,
      make("div", { class: "udl-row udl-buttons" }, check, reveal),
      status));

  let wrong = 0;
  const tell = (tone, verdict, text) => {
    status.className = tone;
    status.replaceChildren(...(verdict ? [make("b", {}, verdict), " "] : []), html(text));
    ask.mark(tone === "udl-bad");
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { right, feedback, unread } = ask.judge();
    if (unread) return tell("", "", unread);
    if (right) {
      el.dispatchEvent(new CustomEvent("udl-right", { bubbles: true })); // for progress.mjs
      return tell("udl-good", "✓ Correct.", feedback);
    }
    wrong += 1;
    reveal.hidden = wrong < 2;
    tell("udl-bad", "✗ Not yet.", feedback);
  });
  reveal.addEventListener("click", () => tell("", "", props.solution));

  el.replaceChildren(form);
}

function askNumber(props) {
  const id = `${props.label}-reply`;
  const input = make("input", { type: "text", id, autocomplete: "off", spellcheck: "false",
    autocapitalize: "off", ...QUIET });
  const [unit, unitHtml] = props.unit;
  const near = (value, target) =>
    Math.abs(value - target) <= props.atol + props.rtol * Math.abs(target);
  return {
    body: [make("div", { class: "udl-row" },
      make("label", { for: id }, html(unit ? `Your answer (${unitHtml})` : "Your answer")),
      input)],
    mark: (bad) => input.setAttribute("aria-invalid", bad),
    judge() {
      const values = readings(input.value, unit);
      if (!values.length) return { unread: "Write a number, such as 0.25 or 2.5e-1." };
      if (values.some((v) => near(v, props.answer))) {
        return { right: true, feedback: props.explanation };
      }
      const found = values
        .flatMap((v) => props.mistakes
          .filter(([target]) => near(v, target))
          .map(([target, text]) => ({ distance: Math.abs(v - target), text })))
        .sort((a, b) => a.distance - b.distance)[0];
      return { right: false, feedback: found ? found.text : props.hint };
    },
  };
}

function askChoice(props) {
  const radios = props.options.map((_, i) => make("input",
    { type: "radio", name: `${props.label}-reply`, id: `${props.label}-${i}`, ...QUIET }));
  return {
    body: props.options.map(([option], i) => make("div", { class: "udl-option" },
      radios[i], make("label", { for: radios[i].id }, html(option)))),
    mark() {},
    judge() {
      const i = radios.findIndex((radio) => radio.checked);
      if (i < 0) return { unread: "Choose one of the answers." };
      return { right: i === props.correct, feedback: props.options[i][1] };
    },
  };
}

// All numbers that a reply can mean: "1,234" is 1.234 to one reader and 1234 to another, and
// nobody should fail for a separator.
export function readings(reply, unit = "") {
  let text = reply.trim().replace(/[−–]/g, "-");
  if (unit && text.endsWith(unit)) text = text.slice(0, -unit.length);
  text = text.replace(/[\s_'’]/g, "").replace(/[x×*·]10\^?/i, "e");
  const [over, under, ...more] = text.split("/");
  if (under !== undefined && !more.length) {
    return readings(over).flatMap((p) => readings(under).map((q) => p / q)).filter(Number.isFinite);
  }
  const [, mantissa, exponent] = /^([^e]*)(e[+-]?\d+)?$/i.exec(text) ?? [, "", ""];
  const candidates = [mantissa.replace(",", ".")];
  if (/^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$/.test(mantissa)) candidates.push(mantissa.replaceAll(",", ""));
  if (/^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$/.test(mantissa)) {
    candidates.push(mantissa.replaceAll(".", "").replace(",", "."));
  }
  return candidates
    .filter((digits) => /^[+-]?(\d+\.?\d*|\.\d+)$/.test(digits))
    .map((digits) => Number(digits + (exponent ?? "")))
    .filter(Number.isFinite);
}

// JupyterLab takes keys for its commands unless the focused element itself says no.
const QUIET = { "data-lm-suppress-shortcuts": "true" };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function html(text) {
  return document.createRange().createContextualFragment(text);
}
