// The playground's look, on top of the kit's.
export const STYLE = `
.pg-goals { list-style: none; margin: 0 0 .5rem; padding: 0; }
.pg-goals li { display: flex; gap: .5rem; }
.pg-goals li > span:first-child { flex: none; width: 1.1em; color: var(--muted); font-weight: 700; }
.pg-goals li.pg-met, .pg-met > span:first-child { color: var(--good) !important; }
.udl-card [hidden] { display: none !important; }
.udl-card .pg-sets { display: flex; flex-wrap: wrap; gap: .3rem; margin: 0; padding: 0; border: 0; }
.pg-sets label { flex-direction: column; gap: .1rem; width: 4.6rem; padding: .3rem .1rem .15rem;
  font-size: .8125rem; border: 2px solid transparent; border-radius: .35rem; cursor: pointer;
  position: relative; }
.pg-sets label:hover { background: var(--panel); }
.pg-sets label:has(:checked) { border-color: var(--ink); font-weight: 600; }
.pg-sets label:has(:focus-visible) { outline: 3px solid var(--focus); outline-offset: 1px; }
.pg-sets input { position: absolute; inset: 0; opacity: 0; margin: 0; width: 100%; height: 100%;
  cursor: pointer; }
.pg-sets canvas { border: 1px solid var(--grid); border-radius: .2rem; background: var(--paper); }
.pg-fields { display: grid; gap: .35rem 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); margin: .4rem 0; }
.pg-fields :is(.udl-select, .udl-number label) { display: flex; flex-direction: column;
  align-items: stretch; gap: .1rem; }
.udl-card .pg-fields .udl-number input { width: 100%; }
.pg-fields label { font-size: .875rem; }
.pg-run { padding: .5rem 0 0; border-top: 1px solid var(--grid); }
.udl-card .pg-run .pg-play { min-width: 6.2rem; font-weight: 600; background: var(--ink);
  color: var(--paper); border-color: var(--ink); }
.udl-card .pg-run .pg-play:hover { background: var(--focus); border-color: var(--focus); }
.pg-join { display: inline-flex; }
.pg-join button { border-radius: 0; margin-left: -1px; }
.pg-join button:first-child { border-radius: .3rem 0 0 .3rem; }
.pg-join button:last-child { border-radius: 0 .3rem .3rem 0; }
[data-from]::before { content: attr(data-from) " "; }
[data-to]::after { content: " " attr(data-to); }
.pg-count { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pg-figure { display: grid; margin-top: .5rem; grid-template-columns: minmax(0, 1fr) 15rem; gap: .75rem;
  align-items: start; }
.pg-narrow .pg-figure { grid-template-columns: minmax(0, 1fr); }
.pg-stage { position: relative; }
.pg-stage > canvas { position: absolute; left: 0; }
.pg-stage > canvas.pg-grab { cursor: pointer; }
.pg-head { position: absolute; top: 0; text-align: center; font-size: .8125rem; line-height: 1.3;
  transform: translateX(-50%); }
.pg-head b { display: block; font-weight: 600; white-space: nowrap; }
.pg-head .pg-join { flex-wrap: wrap; justify-content: center; max-width: 100%; }
.udl-card .pg-head button { min-height: 1.55rem; width: 1.6rem; padding: 0; line-height: 1; }
.pg-slim .pg-head button { border-radius: .2rem; margin: 0; }
.udl-card .pg-head select { display: block; min-height: 1.6rem; width: 100%; padding: 0 .1rem;
  font-size: .75rem; margin-top: .15rem; text-align: center; text-align-last: center; }
.pg-slim .pg-head select { appearance: none; }
.udl-card button.pg-unit { position: absolute; min-height: 0; padding: 0; border-radius: 2px; border: 0;
  background: transparent; forced-color-adjust: none; }
.pg-feature { position: absolute; left: 0; font-size: .8125rem; line-height: 1; text-align: right;
  pointer-events: none; white-space: nowrap; transform: translateY(-50%); }
.pg-tip { position: absolute; pointer-events: none; padding: .1rem .4rem; font-size: .8125rem;
  background: var(--ink); color: var(--paper); border-radius: .25rem; white-space: nowrap;
  transform: translate(-50%, -140%); z-index: 2; }
.pg-plane { display: grid; grid-template-columns: 1.35rem 1fr; font-size: .75rem; color: var(--muted);
  line-height: 1; }
.pg-ticks { display: flex; white-space: nowrap; justify-content: space-between; grid-column: 2;
  padding: .2rem 0 0; }
.pg-ticks:first-child { flex-direction: column; grid-column: 1; padding: 0; }
.pg-map { position: relative; aspect-ratio: 1; border: 1px solid var(--edge); overflow: hidden; }
.udl-card .pg-map canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.pg-map.pg-draw { cursor: crosshair; touch-action: manipulation; }
.pg-map.pg-steps canvas:first-child { image-rendering: pixelated; }
.pg-caption { margin: 0 0 .25rem; font-size: .8125rem; line-height: 1.3; font-weight: 600; }
.pg-legend { display: flex; flex-wrap: wrap; gap: .1rem .7rem; align-items: center; font-size: .8125rem;
  margin: .35rem 0; }
.pg-legend > span { display: inline-flex; align-items: center; gap: .3rem; }
.udl-card .pg-legend svg { display: inline-block; flex: none; }
.pg-bar { flex: 1 1 4rem; height: .6rem; border: 1px solid var(--edge); forced-color-adjust: none;
  background: linear-gradient(90deg, var(--orange), var(--paper), var(--blue)); }
.pg-side label { font-size: .875rem; }
.pg-numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr));
  gap: .3rem .8rem; margin: .5rem 0; padding: 0; }
.pg-numbers div { min-width: 0; }
.pg-numbers dt { font-size: .8125rem; color: var(--muted); font-weight: 400; }
.pg-numbers dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
.pg-words { margin: 0; font-size: .8125rem; color: var(--muted); }
.pg-numbers .pg-light { grid-column: span 2; }
.pg-light dd::before { content: "●"; color: var(--muted); margin-right: .35em; }
.pg-light.pg-good dd::before { content: "✓"; color: var(--good); }
.pg-light.pg-bad dd::before { content: "!"; color: var(--bad); font-weight: 800; }
.pg-curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr));
  gap: .5rem 1rem; margin: .5rem 0; }
.pg-key { display: inline-flex; align-items: center; gap: .3rem; font-weight: 400; margin-left: .7rem; }
.udl-card .pg-key svg { display: inline-block; }
.pg-weights { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr));
  gap: .4rem .6rem; margin: .4rem 0; }
.pg-weights .udl-number label { flex-direction: column; align-items: stretch; gap: 0; font-size: .8125rem; }
.udl-card .pg-weights .udl-number input { width: 100%; }
.pg-trouble { padding: .5rem .75rem; margin: .5rem 0; border: 2px solid var(--bad); border-radius: .3rem; }
.pg-trouble p { margin: 0 0 .4rem; }
.udl-card .pg-box { width: 100%; min-height: 5.5rem; font-family: ui-monospace, monospace;
  font-size: .8125rem; }
.pg-complaints { margin: .3rem 0; padding-left: 1.2rem; color: var(--bad); font-size: .875rem; }
.udl-card details { margin: .3rem 0; }
.pg-hush { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (forced-colors: active) { .pg-sets label { border-color: Canvas; }
  .pg-sets label:has(:checked) { border-color: Highlight; }
  .udl-card .pg-map canvas { background: none; } }
`;
