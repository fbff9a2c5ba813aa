"""The report of a run as one picture (BT-10): what a page shows, for places that show no pages."""

import io
from datetime import UTC, datetime
from typing import Any

from services.backtest.equity import EVERYTHING, Selection
from services.backtest.figures import Folded, fold
from services.backtest.record import Run
from services.backtest.research import research_package
from services.report import series
from services.report.charts import AMBER, BLUE, GREEN, GREY, RED
from services.report.run_rows import SHORT_HASH, duration, estimate, headline, moment, money, ratio, warnings
from services.report.series import Line
from shared.units import NS_PER_S, Side

SIZE_INCHES = (14, 13)
DPI = 100


def picture(run: Run, selection: Selection = EVERYTHING, folded: Folded | None = None) -> bytes:
    """Return the picture as PNG; raises `ConfigError` without the research extra.

    Who has folded the run already gives that.
    """
    figure_module = research_package("matplotlib.figure", "a report as picture")
    folded = folded or fold(run, selection)
    figure = figure_module.Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(5, 2, height_ratios=(1.5, 1.2, 0.8, 0.8, 1.5))
    axes = [figure.add_subplot(grid[0, :])]
    axes += [figure.add_subplot(grid[row, :], sharex=axes[0]) for row in range(1, 4)]
    _course(run, folded, axes, selection)
    last = grid[4, :].subgridspec(1, 3)
    _histogram(folded, figure.add_subplot(last[0]))
    _hours(folded, figure.add_subplot(last[1]), figure)
    _mark_outs(folded, figure.add_subplot(last[2]))
    figure.suptitle(_title(run, folded), fontsize=11, parse_math=False)
    figure.supxlabel(_origin(run), fontsize=8, color="#475569", parse_math=False)
    out = io.BytesIO()
    # Without the versions of programs in it, the same run gives the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _title(run: Run, folded: Folded) -> str:
    figures = folded.figures
    lines = [
        headline(run, figures),
        f"{moment(figures.from_ns)} to {moment(figures.until_ns)}, {duration(figures.span_s)}",
        f"net P&L {money(figures.net_pnl)} {figures.asset}, max drawdown {money(figures.max_drawdown)}, fees "
        f"{money(figures.fees)}, Sharpe {estimate(figures.sharpe, ratio)} a year of 365 days "
        f"({figures.intervals} intervals of {duration(figures.interval_s)})",
    ]
    return "\n".join([*lines, *warnings(run, figures)])


def _origin(run: Run) -> str:
    meta = run.meta
    parts = [
        f"commit {meta.commit or '-'}",
        f"settings {meta.settings_hash[:SHORT_HASH] or '-'}",
        f"data {meta.data_hash[:SHORT_HASH] or '-'}",
        f"state {meta.digest[:SHORT_HASH] or '-'}",
        meta.machine or "-",
    ]
    return ", ".join(parts)


def _times(line: Line) -> list[datetime]:
    return [datetime.fromtimestamp(ts / NS_PER_S, tz=UTC) for ts in line.ts_ns]


def _course(run: Run, folded: Folded, axes: list[Any], selection: Selection) -> None:
    """Draw price with fills, equity, drawdown and position over one axis of time."""
    strategy = next((at for at, each in enumerate(run.strategies) if each.name == selection.strategy), None)
    fills = list(run.fills.market)
    traded = [at for at in sorted(set(fills)) if folded.scale.of_market[at]]
    on_price, on_equity, on_fall, on_position = axes
    if traded:
        _price(run, max(traded, key=fills.count), strategy, on_price)
    equity = series.thinned(folded.curve.ts_ns, folded.curve.equity)
    fall = series.thinned(folded.curve.ts_ns, series.drawdown(folded.curve))
    on_equity.step(_times(equity), equity.values, where="post", color=BLUE, linewidth=1)
    on_equity.axhline(0, color=GREY, linewidth=0.8)
    on_fall.fill_between(_times(fall), fall.values, step="post", color=RED, alpha=0.6)
    for at in traded:
        held = series.inventory(run, at, strategy)
        size = float(run.markets[at].lot_size)
        on_position.step(
            _times(held), [value * size for value in held.values], where="post", color=AMBER, linewidth=1
        )
    on_position.axhline(0, color=GREY, linewidth=0.8)
    asset = folded.scale.asset or "quote"
    for axis, name in zip(axes, ("price", f"equity, {asset}", f"drawdown, {asset}", "position"), strict=True):
        axis.set_ylabel(name, parse_math=False)
        axis.grid(alpha=0.3)
        axis.tick_params(labelbottom=axis is on_position)


def _price(run: Run, market: int, strategy: int | None, axis: Any) -> None:
    tick = float(run.markets[market].tick_size)
    mid = series.price(run, market)
    axis.step(_times(mid), [value * tick for value in mid.values], where="post", color=GREY, linewidth=0.8)
    for side, marker, color, name in ((Side.BUY, "^", GREEN, "bought"), (Side.SELL, "v", RED, "sold")):
        points = series.fill_points(run, market, int(side), strategy)
        times = [datetime.fromtimestamp(ts / NS_PER_S, tz=UTC) for ts in points.ts_ns]
        prices = [price * tick for price in points.price_ticks]
        axis.scatter(times, prices, marker=marker, s=14, color=color, label=f"{name} ({points.total:,})")
    axis.legend(loc="upper left", fontsize=8)
    axis.set_title(run.markets[market].symbol, fontsize=9, loc="right", parse_math=False)


def _histogram(folded: Folded, axis: Any) -> None:
    is_of_trips = len(folded.trip_profits) >= 2
    values = folded.trip_profits if is_of_trips else folded.interval_profits
    bins = series.histogram(values)
    at = [bins.low + (number + 0.5) * bins.width for number in range(len(bins.counts))]
    colors = [GREEN if middle > 0 else RED for middle in at]
    axis.bar(at, bins.counts, width=bins.width, color=colors)
    if values:
        axis.axvline(bins.mean, color=BLUE, linewidth=1.5, label=f"mean {bins.mean:+.4g}")
        axis.legend(fontsize=8)
    what = "round trips" if is_of_trips else f"intervals of {duration(folded.figures.interval_s)}"
    axis.set_title(f"P&L of {len(values):,} {what}", fontsize=9)


def _hours(folded: Folded, axis: Any, figure: Any) -> None:
    cells = series.by_hour(folded.curve)
    known = [abs(value) for row in cells for value in row if value is not None]
    most = max(known, default=0.0) or 1.0
    shown = [[float("nan") if value is None else value for value in row] for row in cells]
    drawn = axis.imshow(shown, aspect="auto", cmap="RdYlGn", vmin=-most, vmax=most)
    axis.set_yticks(range(7), labels=series.WEEKDAYS)
    axis.set_xticks(range(0, 24, 3))
    axis.set_title("P&L by hour (UTC) and weekday", fontsize=9)
    figure.colorbar(drawn, ax=axis)


def _mark_outs(folded: Folded, axis: Any) -> None:
    known = [each for each in folded.figures.mark_outs if each.mean_bps is not None]
    names = ["fill" if each.after == "0" else each.after for each in known]
    means = [each.mean_bps for each in known]
    axis.errorbar(
        names, means, yerr=[each.error_bps or 0.0 for each in known], color=BLUE, ecolor=GREY, capsize=3
    )
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_title("mark-outs, bps with 95 % intervals", fontsize=9)
    axis.grid(alpha=0.3)
