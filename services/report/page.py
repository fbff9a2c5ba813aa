"""One self-contained page: text, tables and plotly charts, with plotly.js inside; it needs no network.

Every text is escaped. The policy of the page lets nothing be loaded, so a text that got through all the same
could send nothing anywhere.
"""

import html
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import msgspec

from services.backtest.research import research_package
from services.report.charts import Chart
from services.report.run_rows import Group

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --back: #f8fafc; --card: #ffffff;
  --line: #e2e8f0; --warn: #b45309; --gain: #15803d; --loss: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #94a3b8; --back: #0b1220;
  --card: #131c2e; --line: #27344d; --warn: #fbbf24; --gain: #4ade80; --loss: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.3rem; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 8px; }
.sub { color: var(--soft); margin: 0 0 14px; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px;
  margin: 0 0 14px; min-width: 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 370px), 1fr)); gap: 14px;
  margin-bottom: 14px; }
.grid .card { margin: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 14px; }
.pair .card { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td { padding: 3px 0; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child td { border-top: 0; }
td:first-child { color: var(--soft); padding-right: 10px; }
td:last-child { text-align: right; overflow-wrap: anywhere; }
.notes { margin: 0; padding-left: 18px; }
.verdict { font-size: 1.6rem; font-weight: 650; margin: 0 0 12px; font-variant-numeric: tabular-nums; }
.gain { color: var(--gain); }
.loss { color: var(--loss); }
.wide { margin-bottom: 14px; }
.warn { color: var(--warn); font-weight: 600; }
.note { color: var(--soft); font-size: .87rem; margin: 6px 0 0; }
.chart { width: 100%; min-width: 0; }
"""
SCRIPT = """
"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
function draw() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  const isNarrow = window.innerWidth < 700;
  for (const chart of charts) {
    const layout = structuredClone(chart.layout);
    for (const axis of ["xaxis", "yaxis", "yaxis2", "yaxis3", "yaxis4"]) {
      if (layout[axis]) Object.assign(layout[axis], {gridcolor: line, zerolinecolor: line, automargin: true});
    }
    if (isNarrow && layout.legend) layout.legend = {orientation: "h", y: -0.06, yanchor: "top"};
    Object.assign(layout, {paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      height: chart.height, font: {color: ink, size: isNarrow ? 11 : 12}, hovermode: "closest",
      margin: {l: isNarrow ? 44 : 64, r: 12, t: 24, b: 40}});
    Plotly.react(chart.name, chart.traces, layout, {displaylogo: false, responsive: true,
      modeBarButtonsToRemove: ["lasso2d", "select2d"], displayModeBar: isNarrow ? false : "hover"});
  }
}
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.documentElement.dataset.drawn = String(charts.length);
"""


def plotly_js() -> str:
    """Return plotly.js out of the installed package; raises `ConfigError` without the research extra."""
    research_package("plotly", "a report as HTML page")
    script = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    # Nothing in a script may end its element.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


class Content(NamedTuple):
    """What a page shows; the first `warning_count` of the notes stand out, the last group is a wide one."""

    title: str
    subtitle: str
    verdict: str
    is_loss: bool
    notes: Sequence[str]
    warning_count: int
    groups: Sequence[Group]
    charts: Sequence[Chart]


def page(content: Content) -> str:
    """Return the page: verdict, notes, three groups, the charts, then the other groups."""
    notes = "".join(
        f"<li{' class=warn' if at < content.warning_count else ''}>{html.escape(note)}</li>"
        for at, note in enumerate(content.notes)
    )
    first, rest, last = content.groups[:3], content.groups[3:-1], content.groups[-1]
    charts = [_chart(each) for each in content.charts]
    data = msgspec.json.encode([chart._asdict() for chart in content.charts]).decode()
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{html.escape(content.title)}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{html.escape(content.title)}</h1><p class="sub">{html.escape(content.subtitle)}</p>'
        f'<p class="verdict {"loss" if content.is_loss else "gain"}">{html.escape(content.verdict)}</p>'
        f'<div class="card"><ul class="notes">{notes}</ul></div>'
        f'<div class="grid">{"".join(_group(group) for group in first)}</div>'
        f'{"".join(charts[:1])}<div class="pair wide">{"".join(charts[1:])}</div>'
        f'<div class="grid">{"".join(_group(group) for group in rest)}</div>{_group(last)}</main>'
        f'<script type="application/json" id="charts">{data}</script>'
        f"<script>{plotly_js()}</script><script>{SCRIPT}</script></body></html>\n"
    )


def _group(group: Group) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(label)}</td><td>{html.escape(value)}</td></tr>" for label, value in group.rows
    )
    return f'<section class="card"><h2>{html.escape(group.title)}</h2><table>{rows}</table></section>'


def _chart(chart: Chart) -> str:
    note = f'<p class="note">{html.escape(chart.note)}</p>' if chart.note else ""
    return (
        f'<section class="card"><h2>{html.escape(chart.title)}</h2>'
        f'<div class="chart" id="{html.escape(chart.name)}"></div>{note}</section>'
    )
