"""The report of a run as text, as JSON and as equity table (BT-2, BT-3)."""

import csv
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from services.backtest.equity import EVERYTHING, FILL, Selection, scale_of, steps
from services.backtest.figures import Folded, fold
from services.backtest.record import Run
from services.report.run_rows import groups, headline, label_of, notes, symbols_of
from shared.units import NS_PER_S, decimal_text

EQUITY_COLUMNS = (
    "sequence",
    "time",
    "ts_ns",
    "strategy",
    "symbol",
    "realized_pnl",
    "equity",
    "position",
    "fees",
    "funding",
)


def text(run: Run, selection: Selection = EVERYTHING, folded: Folded | None = None) -> str:
    """Return the whole report for a terminal; who has folded the run already gives that."""
    figures = (folded or fold(run, selection)).figures
    found = groups(run, figures)
    width = max(len(label) for group in found for label, _ in group.rows)
    lines = [headline(run, figures)]
    for group in found:
        lines += ["", group.title]
        lines += [f"  {label.ljust(width)}  {value}" for label, value in group.rows]
    return "\n".join([*lines, "", *notes(run, figures)])


def as_json(run: Run, selection: Selection = EVERYTHING, folded: Folded | None = None) -> dict[str, Any]:
    """Return the report as plain values for JSON: money as decimal texts, estimates as {value, error}."""
    figures = (folded or fold(run, selection)).figures
    built: dict[str, Any] = msgspec.to_builtins(figures)
    for name in ("average_trade", "sharpe"):
        pair = built[name]
        built[name] = None if pair is None else {"value": pair[0], "error": pair[1]}
    won = figures.win_rate
    built["win_rate"] = None if won is None else won._asdict()
    return {
        "label": label_of(run),
        "symbols": symbols_of(run),
        "figures": built,
        "meta": msgspec.to_builtins(run.meta),
        "strategies": msgspec.to_builtins(run.strategies),
        "data": msgspec.to_builtins(run.data),
        "notes": notes(run, figures),
    }


def write_equity(run: Run, out: TextIO, selection: Selection = EVERYTHING) -> int:
    """Write one line per fill and return how many; money is exact, position that of the fill's market."""
    scale = scale_of(run, selection)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(EQUITY_COLUMNS)
    fills, count = run.fills, 0
    for step in steps(run, scale, selection):
        if step.kind != FILL:
            continue
        rules = run.markets[step.market]
        writer.writerow(
            (
                fills.seq[step.row],
                _moment(step.ts_ns),
                step.ts_ns,
                run.strategies[fills.strategy[step.row]].name,
                rules.symbol,
                format(scale.money(step.realized), "f"),
                format(scale.money_of_half(step.equity_half), "f"),
                decimal_text(step.position_lots, rules.lot_size),
                format(scale.money(step.fees), "f"),
                format(scale.money(step.funding), "f"),
            )
        )
        count += 1
    return count


def _moment(ts_ns: int) -> str:
    whole = datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts_ns % NS_PER_S:09d}Z"
