"""The charts of a run as plotly figures in plain values: what the page draws."""

from typing import Any, NamedTuple

from services.backtest.equity import Selection
from services.backtest.figures import Figures, Folded
from services.backtest.record import Run
from services.report import series
from services.report.run_rows import count, duration
from services.report.series import Line
from shared.units import NS_PER_MS, Side

MARKETS_MAX = 6
"""Markets drawn; more are named as left out."""
BLUE, GREEN, RED, GREY, AMBER = "#3b82f6", "#16a34a", "#dc2626", "#94a3b8", "#d97706"


class Chart(NamedTuple):
    """One plotly figure: where it goes, how high it is, and what a reader should know."""

    name: str
    title: str
    height: int
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""


def charts(run: Run, folded: Folded, selection: Selection) -> list[Chart]:
    """Return every chart of a run; one without data says so in its note."""
    figures = folded.figures
    return [
        _course(run, folded, selection),
        _histogram(folded),
        _hours(folded),
        _mark_outs(figures),
        _parts(figures),
    ]


def _course(run: Run, folded: Folded, selection: Selection) -> Chart:
    """Return price with fills, equity, drawdown and inventory over one axis of time."""
    asset = folded.scale.asset or "quote"
    traded = [
        at for at in range(len(run.markets)) if folded.scale.of_market[at] and at in set(run.fills.market)
    ]
    equity = series.thinned(folded.curve.ts_ns, folded.curve.equity)
    fall = series.thinned(folded.curve.ts_ns, series.drawdown(folded.curve))
    traces = [
        _line("equity", equity, BLUE, "y2"),
        _line("drawdown", fall, RED, "y3") | {"fill": "tozeroy"},
    ]
    notes = [_thinned("equity", equity.total, len(equity.values))]
    strategy = next((at for at, each in enumerate(run.strategies) if each.name == selection.strategy), None)
    if traded:
        market = max(traded, key=lambda at: list(run.fills.market).count(at))
        shown, traces_of_price = _price(run, market, strategy)
        notes += shown
        traces = traces_of_price + traces
    for at in traded[:MARKETS_MAX]:
        rules = run.markets[at]
        held = series.inventory(run, at, strategy)
        lots = Line(held.ts_ns, [value * float(rules.lot_size) for value in held.values], held.total)
        traces.append(_line(f"position {rules.symbol}", lots, AMBER if at == traded[0] else GREY, "y4", "hv"))
        notes.append(_thinned("position", held.total, len(held.values)))
    if len(traded) > MARKETS_MAX:
        notes.append(f"Of {len(traded)} markets the positions of {MARKETS_MAX} are drawn.")
    rows = {"yaxis": (0.72, 1.0), "yaxis2": (0.46, 0.68), "yaxis3": (0.24, 0.42), "yaxis4": (0.0, 0.2)}
    titles = ("price", f"equity, {asset}", f"drawdown, {asset}", "position")
    layout: dict[str, Any] = {
        axis: {"domain": list(domain), "title": {"text": title}, "anchor": "x"}
        for (axis, domain), title in zip(rows.items(), titles, strict=True)
    }
    layout["xaxis"] = {"type": "date", "anchor": "y4"}
    layout["legend"] = {"orientation": "h", "y": 1.03, "yanchor": "bottom"}
    note = " ".join(dict.fromkeys(text for text in notes if text))
    return Chart("course", "Price and fills, equity, drawdown, position", 920, traces, layout, note)


def _price(run: Run, market: int, strategy: int | None) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the notes and traces of the mid of the most traded market, with the fills on it."""
    rules = run.markets[market]
    tick = float(rules.tick_size)
    mid = series.price(run, market)
    traces = [
        _line(f"mid {rules.symbol}", Line(mid.ts_ns, [v * tick for v in mid.values], mid.total), GREY, "y")
    ]
    notes = [_thinned("mid", mid.total, len(mid.values))]
    for side, name, color, symbol in (
        (Side.BUY, "bought", GREEN, "triangle-up"),
        (Side.SELL, "sold", RED, "triangle-down"),
    ):
        points = series.fill_points(run, market, int(side), strategy)
        if len(points.ts_ns) < points.total:
            notes.append(
                f"Of {count(points.total)} fills that {name}, {count(len(points.ts_ns))} are drawn: the "
                f"highest and lowest of each of {series.BUCKETS} parts of the time."
            )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [ts / NS_PER_MS for ts in points.ts_ns],
                "y": [price * tick for price in points.price_ticks],
                "text": [f"{lots * float(rules.lot_size):g}" for lots in points.lots],
                "hovertemplate": name + " %{text} at %{y}<extra></extra>",
                "marker": {"color": color, "symbol": symbol, "size": 7, "opacity": 0.8},
                "yaxis": "y",
            }
        )
    return notes, traces


def _line(name: str, line: Line, color: str, axis: str, shape: str = "hv") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [ts / NS_PER_MS for ts in line.ts_ns],
        "y": line.values,
        "line": {"color": color, "width": 1.3, "shape": shape},
        "yaxis": axis,
    }


def _thinned(name: str, total: int, kept: int) -> str:
    if kept >= total:
        return ""
    return (
        f"Of {count(total)} points of {name}, {count(kept)} are drawn: first, lowest, highest and last of "
        f"each of {series.BUCKETS} parts of the time."
    )


def _histogram(folded: Folded) -> Chart:
    """Return the distribution of round trips, of intervals where there are fewer than two trips."""
    figures, asset = folded.figures, folded.scale.asset or "quote"
    is_of_trips = len(folded.trip_profits) >= 2
    values = folded.trip_profits if is_of_trips else folded.interval_profits
    what = "round trip" if is_of_trips else f"interval of {duration(figures.interval_s)}"
    article = "a" if is_of_trips else "an"
    bins = series.histogram(values)
    at = [bins.low + (number + 0.5) * bins.width for number in range(len(bins.counts))]
    trace = {
        "type": "bar",
        "x": at,
        "y": bins.counts,
        "width": [bins.width] * len(at),
        "marker": {"color": [GREEN if middle > 0 else RED for middle in at]},
        "hovertemplate": "%{x:.6~g}: %{y}<extra></extra>",
    }
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": f"P&L of {article} {what}, {asset}"}},
        "yaxis": {"title": {"text": "count"}},
        "bargap": 0,
        "showlegend": False,
    }
    note = f"{count(len(values))} of them in {series.BINS} bins."
    if values:
        note += f" The line is their mean, {bins.mean:+.6g}."
        layout["shapes"] = [_upright(bins.mean, BLUE, "solid"), _upright(0.0, GREY, "dot")]
        average = figures.average_trade
        if is_of_trips and average is not None and average.error is not None:
            low, high = average.value - average.error, average.value + average.error
            layout["shapes"].append(_band(low, high))
            note += f" The band is its 95 % interval, {low:+.6g} to {high:+.6g}."
    return Chart("histogram", f"P&L of each {what}", 380, [trace], layout, note)


def _upright(x: float, color: str, dash: str) -> dict[str, Any]:
    line = {"color": color, "width": 2, "dash": dash}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def _band(low: float, high: float) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": low,
        "x1": high,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": BLUE,
        "opacity": 0.15,
        "line": {"width": 0},
    }


def _hours(folded: Folded) -> Chart:
    cells = series.by_hour(folded.curve)
    known = [abs(value) for row in cells for value in row if value is not None]
    most = max(known, default=0.0) or 1.0
    trace = {
        "type": "heatmap",
        "x": [f"{hour:02d}" for hour in range(24)],
        "y": list(series.WEEKDAYS),
        "z": cells,
        "zmin": -most,
        "zmax": most,
        "colorscale": [[0, RED], [0.5, "#f8fafc"], [1, GREEN]],
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{y} %{x}:00 UTC: %{z:.6~g}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "hour, UTC"}, "type": "category"},
        "yaxis": {"autorange": "reversed", "type": "category"},
    }
    note = f"Change of equity in {folded.scale.asset or 'quote'}; empty cells had no event."
    return Chart("hours", "P&L by hour and weekday", 330, [trace], layout, note)


def _mark_outs(figures: Figures) -> Chart:
    known = [each for each in figures.mark_outs if each.mean_bps is not None]
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": ["at the fill" if each.after == "0" else each.after for each in known],
        "y": [each.mean_bps for each in known],
        "error_y": {"type": "data", "array": [each.error_bps or 0.0 for each in known], "color": GREY},
        "marker": {"color": BLUE, "size": 8},
        "line": {"color": BLUE},
        "hovertemplate": "%{x}: %{y:.3f} bps<extra></extra>",
    }
    layout = {
        "xaxis": {"type": "category", "title": {"text": "time after the fill"}},
        "yaxis": {"title": {"text": "bps of the value"}, "zeroline": True},
        "showlegend": False,
    }
    fills = ", ".join(f"{each.after}: {count(each.fills)}" for each in figures.mark_outs)
    note = (
        "What a fill was worth by the mid a while later, before fees, weighted by value; bars are 95 % "
        f"intervals from batches of neighbours. Fills with a known mid: {fills}."
    )
    return Chart("markouts", "Mark-outs", 360, [trace], layout, note)


def _parts(figures: Figures) -> Chart:
    names = ["spread", "adverse 0.1 s", "to 1 s", "to 10 s", "to 60 s", "inventory", "fees", "funding"]
    values = [
        figures.spread_capture,
        figures.adverse_100ms,
        figures.adverse_1s,
        figures.adverse_10s,
        figures.adverse_60s,
        figures.inventory,
        -figures.fees,
        figures.funding,
    ]
    trace = {
        "type": "waterfall",
        "x": [*names, "net P&L"],
        "y": [*(float(value) for value in values), 0.0],
        "measure": ["relative"] * len(names) + ["total"],
        "increasing": {"marker": {"color": GREEN}},
        "decreasing": {"marker": {"color": RED}},
        "totals": {"marker": {"color": RED if figures.net_pnl < 0 else GREEN}},
        "hovertemplate": "%{x}: %{delta:.6~g}<extra></extra>",
    }
    layout = {
        "xaxis": {"type": "category"},
        "yaxis": {"title": {"text": figures.asset or "quote"}},
        "showlegend": False,
    }
    return Chart("parts", "Where the profit comes from", 360, [trace], layout)
