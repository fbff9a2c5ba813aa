"""`quotemesh report` and `quotemesh export`: what the log says happened, for people and programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.report import export as lines
from services.report.export import Line, Wanted
from services.report.fold import PARTS, Report
from services.report.fold import report as fold_report
from shared.messages import Event
from shared.runtime.paths import DataDir

EXPORTS: dict[str, Callable[[Iterable[Event], Wanted], Iterator[Line]]] = {
    "orders": lines.order_lines,
    "fills": lines.fill_lines,
    "books": lines.book_lines,
    "events": lines.event_lines,
}
ROWS = (
    "orders",
    "orders_sent",
    "fills",
    "volume",
    "fees",
    "funding",
    "realized_pnl",
    "unrealized_pnl",
    "net_pnl",
    "max_drawdown",
    "round_trips",
    "win_rate",
    "average_holding_s",
    *PARTS,
)


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--until", "until_seq", type=click.IntRange(1), metavar="SEQ", help="Stop after this seq.")
def report(data: DataDir, as_json: bool, until_seq: int | None) -> None:
    """Sum up orders, fills, fees and profit, in total and of each strategy."""
    with stored_events(data, until_seq) as events:
        found = fold_report(events)
    click.echo(json.dumps(found) if as_json else _table(found))


@click.command()
@click.argument("what", type=click.Choice(list(EXPORTS)))
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of CSV.")
@click.option("--symbol", callback=lambda _, __, word: _market(word), help="Only this market.")
@click.option("--strategy", default="", help="Only this strategy.")
@click.option(
    "--after", "after_seq", type=click.IntRange(0), default=0, metavar="SEQ", help="Only later ones."
)
@click.option("--until", "until_seq", type=click.IntRange(1), metavar="SEQ", help="Stop after this seq.")
def export(
    what: str,
    data: DataDir,
    as_json: bool,
    symbol: str,
    strategy: str,
    after_seq: int,
    until_seq: int | None,
) -> None:
    """Write orders, fills, books or events of the log, one a line."""
    if what == "books" and strategy:
        raise CommandError("books belong to markets, not to strategies: use --symbol", ExitCode.USAGE)
    wanted = Wanted(symbol=symbol, strategy=strategy, after_seq=after_seq)
    with stored_events(data, until_seq) as events:
        found = EXPORTS[what](events, wanted)
        if as_json:
            for line in found:
                sys.stdout.write(json.dumps(line) + "\n")
        else:
            _write_csv(found)
    sys.stdout.flush()


def _market(word: str | None) -> str:
    if not word:
        return ""
    symbol = normal_symbol(word)
    if symbol is None:
        raise click.BadParameter(f"{word!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT")
    return symbol


def _write_csv(found: Iterator[Line]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for at, line in enumerate(found):
        if at == 0:
            writer.writerow(line)
        writer.writerow([json.dumps(value) if isinstance(value, dict) else value for value in line.values()])


def _table(found: Report) -> str:
    names = ["totals", *found["strategies"]]
    columns: list[dict[str, Any]] = [found["totals"], *found["strategies"].values()]
    rows = [["", *names]]
    rows += [[row, *("-" if column[row] is None else str(column[row]) for column in columns)] for row in ROWS]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names) + 1)]
    text = "\n".join(
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )
    asset = found["totals"]["quote_asset"]
    note = "realized_pnl is before fees; spread_capture to inventory, less fees, plus funding, are net_pnl"
    return f"{text}\nmoney in {asset}; {note}" if asset else text
