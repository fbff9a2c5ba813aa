"""`quotemesh compare A B`: two versions of a strategy on one log, or two runs of the same time."""

import json
from pathlib import Path
from typing import Any

import click

from services.backtest.equity import Selection
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.cli.run_source import is_place, run_from
from services.report import compare_runs
from services.report.compare import MINUTES_MIN
from services.report.compare import compare as compare_versions
from services.report.compare_runs import WINDOW_MS
from shared.errors import JournalError
from shared.runtime.paths import DataDir
from shared.units import NS_PER_S

ROWS = ("version", "shadow_of", "flags", "net_pnl", "max_drawdown", "fees", "orders", "fills", "fill_ratio")


@click.command()
@data_option
@click.argument("one")
@click.argument("other")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--until", "until_seq", type=click.IntRange(1), metavar="SEQ", help="Stop after this seq.")
@click.option(
    "--min-minutes",
    type=click.IntRange(2),
    default=MINUTES_MIN,
    show_default=True,
    help="Name no winner on fewer minutes.",
)
@click.option(
    "--window",
    "window_ms",
    type=click.IntRange(0),
    default=WINDOW_MS,
    show_default=True,
    metavar="MS",
    help="Of runs: fills so far apart may be the same.",
)
@click.option(
    "--shift", "shift_s", type=float, default=0.0, metavar="S", help="Of runs: move the times of OTHER."
)
@click.option("--symbol", default="", help="Of runs: only this market.")
@click.option("--strategy", default="", help="Of runs: only this strategy.")
def compare(
    data: DataDir,
    one: str,
    other: str,
    as_json: bool,
    until_seq: int | None,
    min_minutes: int,
    **of_runs: Any,
) -> None:
    """Compare two strategies of one log, or two runs of the same time: is the difference real?

    ONE and OTHER are names of strategies in the log of --data, or each a .run file of a backtest or a data
    directory (a paper run against a backtest of its time).

    Strategies are marked to the book's mid at the same times, each minute; funding is left out. A winner is
    named only when the 95 % interval of the difference per minute does not contain 0.
    """
    places = [is_place(Path(word)) for word in (one, other)]
    if all(places):
        found = _runs(Path(one), Path(other), data, **of_runs)
        click.echo(json.dumps(found) if as_json else compare_runs.text(found))
        return
    if any(places):
        missing = other if places[0] else one
        raise CommandError(f"{missing} is neither a .run file nor a data directory", ExitCode.NOT_FOUND)
    if one == other:
        raise CommandError("name two different strategies", ExitCode.USAGE)
    try:
        with stored_events(data, until_seq) as events:
            found = compare_versions(events, one, other, min_minutes)
    except JournalError as error:
        raise CommandError(str(error), ExitCode.NOT_FOUND) from error
    click.echo(json.dumps(found) if as_json else _table(found))


def _runs(
    one: Path, other: Path, data: DataDir, window_ms: int, shift_s: float, symbol: str, strategy: str
) -> dict[str, Any]:
    """Return the comparison of two runs."""
    return compare_runs.compare(
        run_from(one, data),
        run_from(other, data),
        Selection(strategy, symbol),
        window_ms,
        round(shift_s * NS_PER_S),
    )


def _table(found: dict[str, Any]) -> str:
    names = list(found["versions"])
    rows = [["", *names]]
    rows += [[row, *(_text(found["versions"][name][row]) for name in names)] for row in ROWS]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names) + 1)]
    lines = [
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    if found["interval"] is not None:
        low, high = found["interval"]
        lines.append(
            f"{names[0]} - {names[1]}: {found['difference_per_minute']:+.6f} per minute, "
            f"95 % within {low:+.6f} .. {high:+.6f} ({found['minutes']} minutes; {found['method']})"
        )
    lines.append(found["verdict"])
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "-"
    return "-" if value in (None, "") else str(value)
