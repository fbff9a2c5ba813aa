"""`quotemesh compare A B`: two versions of a strategy, live or in shadow, side by side."""

import json
from typing import Any

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.report.compare import MINUTES_MIN
from services.report.compare import compare as compare_versions
from shared.errors import JournalError
from shared.runtime.paths import DataDir

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
def compare(
    data: DataDir, one: str, other: str, as_json: bool, until_seq: int | None, min_minutes: int
) -> None:
    """Compare strategies ONE and OTHER: profit, drawdown, fill ratio, and whether the difference is real.

    Both are marked to the book's mid at the same times, each minute; funding is left out. A winner is named
    only when the 95 % interval of the difference per minute does not contain 0.
    """
    if one == other:
        raise CommandError("name two different strategies", ExitCode.USAGE)
    try:
        with stored_events(data, until_seq) as events:
            found = compare_versions(events, one, other, min_minutes)
    except JournalError as error:
        raise CommandError(str(error), ExitCode.NOT_FOUND) from error
    click.echo(json.dumps(found) if as_json else _table(found))


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
