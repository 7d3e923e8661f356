"""The report's style sheet. Light and dark come from the reader's system; one accent."""

_COLOURS = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f5f6f8; --rule: #e3e6eb; --text: #1b1f26; --soft: #5c6573;
  --accent: #2a63c4; --other: #8b95a5; --shade: 42, 99, 196;
  --good: #14713b; --good-back: #eaf6ee; --bad: #b02a26; --bad-back: #fcecea;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #13161b; --panel: #1c2027; --rule: #2e343e; --text: #e6e9ee; --soft: #9aa4b2;
    --accent: #7fb0fa; --other: #737e8e; --shade: 127, 176, 250;
    --good: #6fd196; --good-back: #15291c; --bad: #f28b86; --bad-back: #331b1a;
  }
}
"""

_TEXT = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 62rem;
  background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; letter-spacing: -0.015em; }
h2 { margin: 0 0 0.9rem; font-size: 1.15rem; letter-spacing: -0.005em; }
h3 { margin: 1.6rem 0 0.35rem; font-size: 0.92rem; }
section { margin-top: 2.5rem; padding-top: 2rem; border-top: 1px solid var(--rule); }
p { margin: 0.45rem 0; max-width: 46rem; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 0.15em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code { font: 0.87em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.soft, tr.aside th, tr.aside td { color: var(--soft); }
header .soft, p.soft, figcaption { font-size: 0.87rem; }
.note { display: block; font-size: 0.8rem; }
.note.soft, .note.reason { color: var(--soft); }
.good { color: var(--good); } .bad, p.warning { color: var(--bad); }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; margin: 1.6rem 0 0; font-size: 0.87rem; }
nav a { text-decoration: none; padding: 0.15rem 0; } nav a:hover { text-decoration: underline; }
.verdict {
  margin: 1.4rem 0; padding: 0.9rem 1.1rem; color: var(--text); background: var(--panel);
  border-left: 3px solid var(--soft); border-radius: 0.25rem 0.5rem 0.5rem 0.25rem;
}
.verdict strong { font-size: 1.12rem; }
.verdict ul { margin: 0.35rem 0 0; padding-left: 1.15rem; overflow-wrap: anywhere; }
.verdict.good { background: var(--good-back); border-color: var(--good); }
.verdict.bad { background: var(--bad-back); border-color: var(--bad); }
.verdict.good strong { color: var(--good); } .verdict.bad strong { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.6rem; }
.tile { padding: 0.7rem 0.9rem; border: 1px solid var(--rule); border-radius: 0.5rem; }
.tile > .soft:first-child { font-size: 0.87rem; }
.tile .value { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.35; }
.tile .value, table { font-variant-numeric: tabular-nums; }
details { margin-top: 0.9rem; } summary { cursor: pointer; color: var(--accent); font-size: 0.92rem; }
footer { margin-top: 3.5rem; color: var(--soft); font-size: 0.87rem; }
"""

_TABLES = """
.wide {
  overflow-x: auto; /* a shade at the right edge while there is more to scroll to */
  background: linear-gradient(to left, var(--page) 50%, transparent) right / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--rule), transparent) right / 0.9rem 100% no-repeat scroll;
}
 .wide + .wide { margin-top: 1.25rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.93rem; }
th, td { padding: 0.38rem 0.75rem 0.38rem 0; text-align: left; vertical-align: top; }
th { font-weight: 500; }
thead th { color: var(--soft); font-size: 0.83rem; white-space: nowrap; vertical-align: bottom; }
.number { text-align: right; white-space: nowrap; } .number:last-child { padding-right: 0; }
.number .note { white-space: nowrap; }
.number .note.reason { max-width: 9rem; margin-left: auto; white-space: normal; }
tbody tr + tr, thead + tbody tr:first-child { border-top: 1px solid var(--rule); }
tbody th { min-width: 4.5rem; max-width: 16rem; overflow-wrap: break-word; }
.forest tbody th, .metrics tbody th, .pairs th { overflow-wrap: anywhere; }
td.good, td.bad { white-space: nowrap; }
tr.group th { padding-top: 1rem; color: var(--soft); font-size: 0.83rem; max-width: none; }
tr.total th, tr.total td { font-weight: 600; }
tr.failed th, tr.failed td { color: var(--bad); }
.pairs th { width: 13rem; color: var(--soft); } .pairs td { overflow-wrap: anywhere; }
.bar {
  display: block; height: 0.5rem; margin-top: 0.5rem; border-radius: 0.25rem;
  background: var(--accent);
}
td.drawing { width: 44%; min-width: 4rem; }
.forest td.drawing { position: relative; padding: 0; height: 2.1rem; }
.forest td, .forest th { vertical-align: middle; }
.forest tbody th { width: 19%; }
.forest tbody tr + tr { border-top: 0; }
.forest td.drawing svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.worst tbody th { max-width: 30rem; overflow-wrap: anywhere; } .worst td { vertical-align: top; }
.forest .number .note { display: inline-block; min-width: 10.5rem; margin-left: 0.5rem; color: var(--soft); }
.forest tr.scale td { height: 1.6rem; border: 0; } .forest thead + tbody tr:first-child { border: 0; }
.forest tr.group + tr { border-top: 0; } .forest tr.group th { border: 0; font-weight: 600; }
"""

_FIGURES = """
figure { margin: 0.75rem 0 1rem; }
figcaption { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; color: var(--soft); }
.key { color: var(--text); white-space: nowrap; }
.key i { display: inline-block; width: 1.4rem; margin-right: 0.4rem; vertical-align: middle; }
.key i.main { border-top: 2.5px solid var(--accent); }
.key i.other { border-top: 2px dashed var(--other); }
.chart > svg {
  display: block; width: calc(100% - 4.25rem); height: 15rem; margin: 0.9rem 0.9rem 1.5rem 3.35rem;
  overflow: visible;
}
.chart .across { margin: 0; text-align: center; font-size: 0.8rem; color: var(--soft); max-width: none; }
svg svg { width: 100%; height: 100%; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .rule { stroke: var(--rule); } svg .zero { stroke: var(--soft); }
svg .margin, svg .bound { stroke: var(--soft); stroke-dasharray: 3 3; }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
svg g.main path, svg g.main line { stroke: var(--accent); }
svg g.main circle { fill: var(--accent); } svg g.main line { stroke-width: 2; }
svg g.other path { stroke: var(--other); stroke-dasharray: 5 4; } svg g.other circle { fill: var(--other); }
svg g.aside line { stroke: var(--other); stroke-width: 1.5; }
svg g.aside circle { fill: var(--page); stroke: var(--other); stroke-width: 1.5; }
svg rect.column { fill: var(--accent); opacity: 0.75; }
.fates { margin-bottom: 0.9rem; font-size: 0.87rem; color: var(--soft); }
.stack { display: flex; gap: 1px; height: 0.6rem; margin: 0.2rem 0 0.6rem; }
.stack i { min-width: 2px; background: var(--accent); border-radius: 1px; }
.stack .zero-weight { opacity: 0.45; }
.stack .truncated { background: var(--other); } .stack .dropped { background: var(--bad); }
"""

_SAMPLES = """
.samples { margin-top: 0.75rem; }
.sample { padding: 0.75rem 0; border-top: 1px solid var(--rule); }
.sample > div { display: grid; grid-template-columns: 6rem 1fr; gap: 0.5rem; overflow-wrap: anywhere; }
.sample > div > .soft { font-size: 0.83rem; padding-top: 0.12rem; }
.t {
  padding: 0.06em 0.16em; border-radius: 0.15em; white-space: pre-wrap; line-height: 1.95;
  color: var(--text);
}
.t sub { font-size: 0.7em; margin-left: 0.15em; color: var(--soft); }
.t.s0 { box-shadow: inset 0 -1px rgba(var(--shade), 0.12); }
.t.s1 { background: rgba(var(--shade), 0.1); box-shadow: inset 0 -1px rgba(var(--shade), 0.5); }
.t.s2 { background: rgba(var(--shade), 0.2); box-shadow: inset 0 -2px rgba(var(--shade), 0.65); }
.t.s3 { background: rgba(var(--shade), 0.32); box-shadow: inset 0 -3px rgba(var(--shade), 0.8); }
.t.s4 { background: rgba(var(--shade), 0.46); box-shadow: inset 0 -4px rgb(var(--shade)); }
.t.s3 sub, .t.s4 sub { color: var(--text); }
.t.unweighted { color: var(--soft); text-decoration: line-through; }
"""

_CHAIN = """
.chain { list-style: none; margin: 0.5rem 0 0; padding: 0; font-size: 0.93rem; }
.chain > li { position: relative; padding: 0 0 1rem 1.6rem; overflow-wrap: anywhere; }
.chain > li::before {
  content: ""; position: absolute; left: 0.1rem; top: 0.42rem; width: 0.7rem; height: 0.7rem;
  border: 2px solid var(--accent); border-radius: 50%; background: var(--accent);
}
.chain > li.cached::before { background: var(--page); }
.chain > li::after {
  content: ""; position: absolute; left: calc(0.45rem - 1px); top: 1.25rem; bottom: -0.3rem;
  border-left: 2px solid var(--rule);
}
.chain > li:last-child::after { display: none; }
.chain ul { margin: 0.15rem 0 0; padding: 0; list-style: none; }
.chain .reads { color: var(--soft); font-size: 0.8rem; }
"""

_NARROW = """
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; }
  section { margin-top: 2rem; padding-top: 1.5rem; }
  .tiles { grid-template-columns: 1fr 1fr; } .tile { padding: 0.6rem 0.7rem; }
  .tile .value { font-size: 1.3rem; }
  .pairs th { width: 8.5rem; }
  .forest { font-size: 0.83rem; } .forest .number { white-space: normal; }
  .forest .number .note { display: block; margin: 0; min-width: 0; white-space: nowrap; }
  .forest thead th { white-space: normal; }
  .forest th, .forest td { padding-right: 0.4rem; }
  .forest thead th:last-child, .forest td:last-child { display: none; }
  .forest tbody tr:not(.scale) td.drawing { height: 2.6rem; }
  td.drawing { width: 38%; }
  .worst thead th { white-space: normal; }
  .sample > div { grid-template-columns: 1fr; gap: 0; }
  .chart > svg { height: 12rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  section, figure, .sample, tr { break-inside: avoid; } section { break-inside: auto; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  .wide { overflow: visible; background: none; } .metrics { font-size: 7pt; }
  .number { white-space: normal; }
  .bar, .stack i, .t, .verdict { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

STYLE = _COLOURS + _TEXT + _TABLES + _FIGURES + _SAMPLES + _CHAIN + _NARROW
