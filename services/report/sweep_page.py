"""A sweep as one page and as a picture: the ranking, the surface over two settings, and the walk-forward.

The surface shows what neighbours came to: a good point among bad ones is luck, a plateau is a hint.
"""

import html
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.backtest.research import research_package
from services.report.charts import BLUE, GREY, RED, Chart
from services.report.page import Content, page
from services.report.run_rows import Group

ROWS_SHOWN = 30


class Surface(NamedTuple):
    """Net profit over two settings: `values[row][column]`, None where nothing was run.

    With more than two settings each cell is the best of those that share it.
    """

    columns_name: str
    rows_name: str
    columns: list[str]
    rows: list[str]
    values: list[list[float | None]]


def surface_of(found: Mapping[str, Any]) -> Surface | None:
    """Return the surface over the first two settings that vary, None when only one does."""
    names = [name for name in found["rows"][0]["point"] if len(_values(found, name)) > 1]
    if len(names) < 2:
        return None
    columns_name, rows_name = names[:2]
    columns, rows = _values(found, columns_name), _values(found, rows_name)
    best: dict[tuple[str, str], float] = {}
    for row in found["rows"]:
        cell = (row["point"][rows_name], row["point"][columns_name])
        best[cell] = max(row["net_pnl"], best.get(cell, row["net_pnl"]))
    values = [[best.get((row, column)) for column in columns] for row in rows]
    return Surface(columns_name, rows_name, columns, rows, values)


def _values(found: Mapping[str, Any], name: str) -> list[str]:
    values = {row["point"][name] for row in found["rows"]}
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)


def sweep_html(found: Mapping[str, Any]) -> str:
    """Return the page of a sweep; raises `ConfigError` without the research extra."""
    rows = found["rows"]
    walk = found["walk_forward"]
    best = rows[0]
    notes = [found["verdict"], found["warning"]]
    if walk is not None:
        notes.insert(1, f"out of sample: {walk['out_pnl']:+.2f} ({walk['verdict']})")
    notes += [f"failed: {_point(one['point'])}: {one['why']}" for one in found["failed"]]
    return page(
        Content(
            title=f"sweep of {len(rows)} combinations, {len(found['parts'])} parts of the period",
            subtitle=f"build {found['build']}, data {found['data']}, {found['runs']} runs, a sample each "
            f"{found['sample_s']:g} s, {found['trials']} combinations tried on these data so far",
            verdict=f"best in sample {best['net_pnl']:+.2f}: {best['text']}",
            is_loss=best["net_pnl"] < 0 or not found["is_significant"],
            notes=notes,
            warning_count=len(notes) - len(found["failed"]),
            groups=[_best(found), _walk(walk), _setup(found), _ranking(rows)],
            charts=_charts(found),
        )
    )


def _point(point: Mapping[str, str]) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in point.items())


def _best(found: Mapping[str, Any]) -> Group:
    best = found["rows"][0]
    return Group(
        "Best in sample",
        [
            *((name.rpartition(".")[2], value) for name, value in best["point"].items()),
            ("net P&L", f"{best['net_pnl']:+.2f} +- {best['pnl_error']:.2f}"),
            ("Sharpe, a year of 365 days", f"{best['sharpe_annual']:.2f}"),
            ("of the luckiest without skill", f"{found['luckiest_sharpe_annual']:.2f}"),
            ("deflated probability", f"{found['deflated_probability']:.3f}"),
            ("drawdown", f"{best['drawdown']:.2f}"),
            ("orders, fills", f"{best['orders']}, {best['fills']}"),
        ],
    )


def _walk(walk: Mapping[str, Any] | None) -> Group:
    if walk is None:
        return Group("Walk-forward", [("none", "nothing was tried on data the choice had not seen")])
    rows = [
        (
            f"part {fold['number']}: {fold['text']}",
            f"{fold['in_sample_pnl']:+.2f} before, {fold['out_pnl']:+.2f} after "
            f"(median of all {fold['median_out_pnl']:+.2f})",
        )
        for fold in walk["folds"]
    ]
    return Group("Walk-forward", [*rows, ("out of sample", f"{walk['out_pnl']:+.2f}")])


def _setup(found: Mapping[str, Any]) -> Group:
    return Group(
        "How it was run",
        [
            ("path", ", ".join(found["paths"])),
            ("runs, done now", f"{found['runs']}, {found['runs_now']}"),
            ("events", f"{found['events']:,}"),
            ("time in runs", f"{found['seconds']:.1f} s"),
            ("period", f"{found['period_s']:.0f} s"),
        ],
    )


def _ranking(rows: Sequence[Mapping[str, Any]]) -> Group:
    shown = [
        (
            row["text"],
            f"{row['net_pnl']:+.2f} +- {row['pnl_error']:.2f}, Sharpe {row['sharpe_annual']:.2f}, "
            f"fees {row['fees']:.2f}, {row['fills']} fills",
        )
        for row in rows[:ROWS_SHOWN]
    ]
    left = len(rows) - len(shown)
    return Group("Ranking by Sharpe ratio", [*shown, *([(f"and {left} more", "")] if left else [])])


def _charts(found: Mapping[str, Any]) -> list[Chart]:
    charts = [_ranked(found["rows"])]
    surface = surface_of(found)
    if surface is not None:
        charts.append(_surface(surface))
    return charts


def _ranked(rows: Sequence[Mapping[str, Any]]) -> Chart:
    shown = rows[: 2 * ROWS_SHOWN]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [html.escape(row["text"], quote=False) for row in shown],
        "y": [row["net_pnl"] for row in shown],
        "error_y": {"type": "data", "array": [row["pnl_error"] for row in shown], "color": GREY},
        "marker": {"color": [BLUE if row["net_pnl"] >= 0 else RED for row in shown]},
    }
    layout = {"yaxis": {"title": {"text": "net P&amp;L"}}, "xaxis": {"showticklabels": len(shown) <= 20}}
    note = "Bars are 95 % intervals for samples that do not hang together: real ones are wider."
    return Chart("ranking", "Net P&L by combination, best Sharpe ratio first", 380, [trace], layout, note)


def _surface(surface: Surface) -> Chart:
    trace = {
        "type": "heatmap",
        "x": surface.columns,
        "y": surface.rows,
        "z": surface.values,
        "colorscale": "RdBu",
        "zmid": 0,
        "colorbar": {"title": {"text": "net P&amp;L"}},
    }
    layout = {
        "xaxis": {"type": "category", "title": {"text": html.escape(surface.columns_name, quote=False)}},
        "yaxis": {"type": "category", "title": {"text": html.escape(surface.rows_name, quote=False)}},
    }
    note = "A plateau is a hint, a single good cell is luck. Cells share the best of all other settings."
    return Chart("surface", "Net P&L over two settings", 420, [trace], layout, note)


def sweep_png(found: Mapping[str, Any]) -> bytes:
    """Return ranking and surface as PNG; raises `ConfigError` without the research extra."""
    figure_module = research_package("matplotlib.figure", "a sweep as picture")
    surface = surface_of(found)
    figure = figure_module.Figure(figsize=(11, 8 if surface else 4.5), dpi=100, layout="constrained")
    places = figure.subplots(2 if surface else 1, 1, squeeze=False)[:, 0]
    rows = found["rows"][: 2 * ROWS_SHOWN]
    places[0].errorbar(
        range(len(rows)),
        [row["net_pnl"] for row in rows],
        yerr=[row["pnl_error"] for row in rows],
        fmt="o",
        color=BLUE,
        ecolor=GREY,
    )
    places[0].axhline(0, color=GREY, linewidth=0.8)
    places[0].set_ylabel("net P&L, 95 %")
    places[0].set_title(found["verdict"], fontsize=9, parse_math=False)
    if surface is not None:
        _draw_surface(surface, places[1], figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _draw_surface(surface: Surface, axes: Any, figure: Any) -> None:
    values = [[float("nan") if cell is None else cell for cell in row] for row in surface.values]
    known = [abs(cell) for row in surface.values for cell in row if cell is not None]
    most = max(known, default=0.0) or 1.0
    image = axes.imshow(values, aspect="auto", origin="lower", cmap="RdBu", vmin=-most, vmax=most)
    axes.set_xticks(range(len(surface.columns)), surface.columns)
    axes.set_yticks(range(len(surface.rows)), surface.rows)
    axes.set_xlabel(surface.columns_name, parse_math=False)
    axes.set_ylabel(surface.rows_name, parse_math=False)
    figure.colorbar(image, ax=axes, label="net P&L")
