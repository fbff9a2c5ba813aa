"""`quotemesh report` and `quotemesh export`: what the log says happened, for people and programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click

from services.backtest.equity import Selection
from services.backtest.figures import Folded, fold
from services.backtest.record import Run
from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.cli.run_source import directory, is_log, run_from
from services.report import export as lines
from services.report import run_html, run_png, run_text
from services.report.export import Line, Wanted
from services.report.fold import PARTS, Report
from services.report.fold import report as fold_report
from services.report.readme import refuse_unreal, write_block
from shared.messages import Event
from shared.runtime.paths import DataDir

OUT = click.Path(dir_okay=False, path_type=Path)
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
@click.argument("path", required=False, type=click.Path(path_type=Path))
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--until", "until_seq", type=click.IntRange(1), metavar="SEQ", help="Stop after this seq.")
@click.option("--full", is_flag=True, help="All figures, also risk and mark-outs (of a .run always).")
@click.option("--day", callback=lambda _, __, word: _day(word), metavar="YYYY-MM-DD", help="One day, in UTC.")
@click.option("--strategy", default="", help="Only this strategy.")
@click.option("--symbol", callback=lambda _, __, word: _market(word), help="Only this market.")
@click.option("--html", "html_file", type=OUT, metavar="FILE", help="Write it as one page.")
@click.option("--png", "png_file", type=OUT, metavar="FILE", help="Write it as a picture.")
@click.option("--equity-csv", type=OUT, metavar="FILE", help="Write the equity after each fill.")
@click.option(
    "--readme", type=OUT, metavar="FILE", help="Write the block of results (real paper or live trades only)."
)
def report(
    path: Path | None,
    data: DataDir,
    as_json: bool,
    until_seq: int | None,
    full: bool,
    day: date | None,
    **chosen: Any,
) -> None:
    """Sum up orders, fills, fees and profit, in total and of each strategy.

    PATH is a data directory, or a .run file that a backtest wrote [default: --data].
    """
    selection = Selection(chosen["strategy"], chosen["symbol"])
    is_run = path is not None and (path.is_file() or is_log(path))
    files = {name: chosen[name] for name in ("html_file", "png_file", "equity_csv", "readme")}
    if not (full or day or is_run or any(files.values()) or any(selection)):
        with stored_events(directory(path, data), until_seq) as events:
            found = fold_report(events)
        click.echo(json.dumps(found) if as_json else _table(found))
        return
    run = run_from(path, data, until_seq, day)
    folded = fold(run, selection)
    _write_files(run, selection, folded, **files)
    if as_json:
        click.echo(json.dumps(run_text.as_json(run, selection, folded)))
    else:
        click.echo(run_text.text(run, selection, folded))


def _write_files(
    run: Run,
    selection: Selection,
    folded: Folded,
    html_file: Path | None,
    png_file: Path | None,
    equity_csv: Path | None,
    readme: Path | None,
) -> None:
    """Make every file before the first is written: a page that cannot be made leaves no half of a report."""
    made: list[tuple[Path, bytes]] = []
    if html_file:
        made.append((html_file, run_html.page(run, selection, folded).encode()))
    if png_file:
        made.append((png_file, run_png.picture(run, selection, folded)))
    if readme:
        refuse_unreal(run)
    try:
        for file, content in made:
            file.write_bytes(content)
        if equity_csv:
            with equity_csv.open("w", encoding="utf-8", newline="") as out:
                run_text.write_equity(run, out, selection)
    except OSError as error:
        raise CommandError(
            f"{error.filename or 'the report'} could not be written ({error.strerror}): make room, or name "
            "another place"
        ) from error
    if readme:
        write_block(readme, run, selection)


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


def _day(word: str | None) -> date | None:
    if not word:
        return None
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        raise click.BadParameter(f"{word!r} is no day; write it as 2026-03-01") from error


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
