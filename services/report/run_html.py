"""The report of a run as one page (BT-10)."""

import html
from typing import Any

from services.backtest.equity import EVERYTHING, Selection
from services.backtest.figures import Folded, fold
from services.backtest.record import Run
from services.report.charts import Chart, charts
from services.report.page import Content
from services.report.page import page as page_of
from services.report.run_rows import duration, groups, headline, moment, money, notes, warnings


def page(run: Run, selection: Selection = EVERYTHING, folded: Folded | None = None) -> str:
    """Return the whole page; raises `ConfigError` without the research extra.

    Who has folded the run already gives that.
    """
    folded = folded or fold(run, selection)
    figures = folded.figures
    drawn = [_escaped(chart) for chart in charts(run, folded, selection)]
    return page_of(
        Content(
            title=headline(run, figures),
            subtitle=f"{moment(figures.from_ns)} to {moment(figures.until_ns)}, {duration(figures.span_s)}",
            verdict=f"net P&L {money(figures.net_pnl)} {figures.asset}".rstrip(),
            is_loss=figures.net_pnl < 0,
            notes=notes(run, figures),
            warning_count=len(warnings(run, figures)),
            groups=groups(run, figures),
            charts=drawn,
        )
    )


def _escaped(chart: Chart) -> Chart:
    """Return a chart whose texts plotly cannot take for markup: it reads some tags in names and titles."""
    return chart._replace(traces=_plain(chart.traces), layout=_plain(chart.layout))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: each if key == "hovertemplate" else _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return (
            [_plain(each) for each in value] if value and isinstance(value[0], str | dict | list) else value
        )
    return html.escape(value, quote=False) if isinstance(value, str) else value
