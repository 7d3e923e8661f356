"""The report's style sheet. Light and dark come from the reader's system."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --rule: #e1e4e9; --text: #1b1f26; --soft: #626b78;
  --good: #14713b; --good-back: #e2f4e8; --bad: #b02a26; --bad-back: #fbe7e6;
  --train: #2f6fd0; --validation: #d4711a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --panel: #1d2128; --rule: #323843; --text: #e6e9ee; --soft: #98a1af;
    --good: #6fd196; --good-back: #16301f; --bad: #f28b86; --bad-back: #3a1d1c;
    --train: #74a9f7; --validation: #f2a65a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 62rem;
  background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.01em; }
h2 { margin: 2.75rem 0 0.75rem; font-size: 1.1rem; }
h3 { margin: 1.75rem 0 0.5rem; font-size: 0.95rem; }
p { margin: 0.4rem 0; } p.warning { color: var(--bad); }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.soft, .interval, tr.aside th, tr.aside td { color: var(--soft); }
.interval, .change { display: block; font-size: 0.8rem; white-space: nowrap; }
.verdict {
  margin: 1.25rem 0; padding: 0.9rem 1.1rem; border-radius: 0.6rem; background: var(--panel);
}
.verdict strong { font-size: 1.05rem; }
.verdict ul { margin: 0.35rem 0 0; padding-left: 1.2rem; }
.verdict.good { background: var(--good-back); } .verdict.good strong { color: var(--good); }
.verdict.bad { background: var(--bad-back); } .verdict.bad strong { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 0.75rem; }
.tile { padding: 0.8rem 1rem; border: 1px solid var(--rule); border-radius: 0.6rem; }
.tile .value { display: block; font-size: 1.55rem; font-weight: 600; line-height: 1.3; }
.better { color: var(--good); } .worse { color: var(--bad); } .same { color: var(--soft); }
.wide { overflow-x: auto; } .wide + .wide { margin-top: 1.25rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.75rem 0.4rem 0; text-align: left; vertical-align: top; }
th { font-weight: 500; } thead th { color: var(--soft); font-size: 0.85rem; white-space: nowrap; }
.pairs th { width: 13rem; } .pairs td { overflow-wrap: anywhere; }
tbody tr { border-top: 1px solid var(--rule); }
tbody th { max-width: 16rem; overflow-wrap: anywhere; }
tr.group th { padding-top: 1rem; color: var(--soft); font-size: 0.85rem; }
.number { text-align: right; } .number:last-child { padding-right: 0; }
.bar {
  display: block; height: 0.55rem; margin-top: 0.45rem; border-radius: 0.3rem;
  background: var(--train);
}
.barcell { width: 55%; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; }
svg .rule { stroke: var(--rule); }
svg .line path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .train path { stroke: var(--train); } svg .train circle, svg text.train { fill: var(--train); }
svg .validation path { stroke: var(--validation); }
svg .validation circle, svg text.validation { fill: var(--validation); }
svg text.label { font-weight: 600; }
details { margin-top: 0.5rem; } summary { cursor: pointer; color: var(--soft); }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.85rem; }
@media print { body { max-width: none; padding: 0; } details > * { display: block; } }
"""
