"""`quotemesh import`: market data of any known format to column files, which backtests map."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from services.backtest.coverage import KINDS, Coverage, allowances, table
from services.backtest.import_output import Imported
from services.backtest.import_rules import given_rules
from services.backtest.importing import FORMATS, Import, Wishes, imports_of
from services.cli.exits import CommandError, ExitCode

SHOWN_EACH_S = 0.5


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    help="Folder for the column files.",
)
@click.option(
    "--symbol", "symbols", multiple=True, help="Only this market, e.g. binance:BTCUSDT; repeatable."
)
@click.option(
    "--rules",
    "rules",
    multiple=True,
    help="File of an exchangeInfo answer, or tick=0.1,lot=0.001,maker_ppm=200; else the data tell.",
)
@click.option("--allow", default="", help=f"Take data as they are: a list of {', '.join(KINDS)}.")
@click.option(
    "--format", "format_name", default="", help="Format of the files, when their content does not tell."
)
@click.option(
    "--shift-local-ns",
    "shift",
    default="0",
    metavar="NS|auto",
    help="Add this to the times of receipt of raw recordings; auto adds what a clock was behind.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_data(
    files: tuple[Path, ...],
    out: Path,
    symbols: tuple[str, ...],
    rules: tuple[str, ...],
    allow: str,
    format_name: str,
    shift: str,
    as_json: bool,
) -> None:
    """Import."""
    allowed = allowances(allow)
    shown = _Shown()
    wishes = Wishes(out, given_rules(rules), symbols, shown.take, _shift_ns(shift))
    made: list[Imported] = []
    found: list[Coverage] = []
    for each in imports_of(files, wishes, format_name):
        made += _import(each, allowed, found, shown, as_json)
    if as_json:
        click.echo(json.dumps({"files": [_fields(each) for each in made]}))
        return
    for one in made:
        click.echo(
            f"{one.path}  {one.header.count} rows, tick {one.header.rules.tick_size}, "
            f"lot {one.header.rules.lot_size}"
        )


def _shift_ns(text: str) -> int | None:
    """Return the shift in ns, None for `auto`."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise CommandError(
            f"--shift-local-ns {text!r}: must be a whole number of ns, or auto", ExitCode.USAGE
        ) from None


def _import(
    each: Import, allowed: frozenset[str], found: list[Coverage], shown: "_Shown", as_json: bool
) -> list[Imported]:
    """Run one import; its coverage is printed also when it is refused then."""
    try:
        covered = each.read()
        found += covered
        shown.clear()
        if not as_json:
            click.echo(table(covered))
        return each.finish(allowed)
    finally:
        each.abort()


def _fields(one: Imported) -> dict[str, Any]:
    header, found = one.header, one.coverage
    return {
        "path": str(one.path),
        "symbol": header.symbol,
        "rows": header.count,
        "diffs": found.diffs,
        "trades": found.trades,
        "lines": found.lines,
        "first_local_ns": header.first_local_ns,
        "last_local_ns": header.last_local_ns,
        "latency_min_ns": header.latency_min_ns,
        "tick_size": header.rules.tick_size,
        "lot_size": header.rules.lot_size,
        "sha256": header.sha256,
        "covered_ppm": found.covered_ppm,
        "gaps": [[gap.from_ns, gap.to_ns, gap.why] for gap in header.gaps],
        "findings": {
            kind: {"count": each.count, "first": each.first} for kind, each in found.findings.items()
        },
        "notes": found.notes,
    }


class _Shown:
    """How much was read so far, on a terminal only."""

    def __init__(self) -> None:
        self._bytes = 0
        self._started_s = self._shown_s = time.monotonic()
        self._is_shown = sys.stderr.isatty()

    def take(self, more_bytes: int) -> None:
        self._bytes += more_bytes
        now_s = time.monotonic()
        if self._is_shown and now_s - self._shown_s >= SHOWN_EACH_S:
            self._shown_s = now_s
            rate = self._bytes / 1e6 / (now_s - self._started_s)
            click.echo(f"\r{self._bytes / 1e6:,.0f} MB read, {rate:,.0f} MB/s", nl=False, err=True)

    def clear(self) -> None:
        if self._is_shown:
            click.echo("\r\033[K", nl=False, err=True)


import_data.help = f"""Import FILES into column files, one per market, which backtests map as they are.

Known are: {", ".join(each.name for each in FORMATS)}. Files of one market that follow each other are joined.
What the data cover, their gaps and doubles are printed; data that are not sound are refused unless allowed.
"""
