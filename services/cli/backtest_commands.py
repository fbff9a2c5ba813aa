"""`quotemesh backtest`: run a configuration over market data in virtual time, and say what came of it."""

import importlib
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from services.backtest.record import Run
from services.backtest.run import INTERRUPTED, Progress, execute
from services.cli.backtest_request import Request, prepare, request_options
from services.cli.exits import ExitCode
from services.report import run_text

INTERRUPTED_CODE = 130
SHOW_EVERY_S = 0.5


@click.command()
@request_options
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE.run", help="Save the run.")
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Write the report as one page.")
@click.option("--png", type=click.Path(dir_okay=False), metavar="FILE", help="Write the report as a picture.")
@click.option("--journal", metavar="DIR", help="Keep the log of the run there, for report, replay, explain.")
@click.option("--equity", type=click.Path(dir_okay=False), metavar="FILE.csv", help="Write a line per fill.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def backtest(
    request: Request,
    out: str | None,
    html: str | None,
    png: str | None,
    equity: str | None,
    as_json: bool,
) -> None:
    """Run the strategies of CONFIG over market data in virtual time: the code that trades, no venue, no key.

    FILE is a .columns file, or what `quotemesh import` takes (captures, recordings, journals, Tardis CSV,
    hftbacktest .npz, candles): that is imported once into the cache of the data directory.

    Exit codes: 0 the whole data were run, 1 a strategy raised, 130 stopped with Ctrl-C (in both cases the
    report tells what happened until then), 4 the configuration or the data cannot be used.
    """
    prepared = prepare(request)
    if not as_json:
        for line in prepared.lines:
            click.echo(line)
    with asked_to_stop() as stop:
        run = execute(prepared.job, _line if sys.stderr.isatty() else None, stop)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    _write(run, out, html, png, equity)
    click.echo(json.dumps(run_text.as_json(run)) if as_json else run_text.text(run))
    if run.meta.stopped:
        click.echo(f"quotemesh: {run.meta.stopped}", err=True)
        code = INTERRUPTED_CODE if run.meta.stopped == INTERRUPTED else ExitCode.FAILURE
        raise SystemExit(int(code))


def _write(run: Run, out: str | None, html: str | None, png: str | None, equity: str | None) -> None:
    """Write what was asked for; pages and pictures are loaded only then: they need the research extra."""
    if out:
        run.save(Path(out))
    if equity:
        with Path(equity).open("w", encoding="utf-8", newline="") as lines:
            run_text.write_equity(run, lines)
    if html:
        page = importlib.import_module("services.report.run_html").page(run)
        Path(html).write_text(page, encoding="utf-8")
    if png:
        Path(png).write_bytes(importlib.import_module("services.report.run_png").picture(run))


class _Stop:
    """Whether a person asked to stop: the first Ctrl-C is noted, the second one ends the process."""

    def __init__(self) -> None:
        self.is_asked = False

    def __call__(self) -> bool:
        return self.is_asked

    def note(self, number: int, frame: FrameType | None) -> Any:
        """Take a signal."""
        if self.is_asked:
            signal.default_int_handler(number, frame)
        self.is_asked = True


@contextmanager
def asked_to_stop() -> Iterator[_Stop]:
    """Give a question that is answered with true after a first SIGINT or SIGTERM."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)


_shown_s = [0.0]


def _line(progress: Progress) -> None:
    """Write how far the run is on the terminal, twice a second."""
    if progress.seconds - _shown_s[0] < SHOW_EVERY_S:
        return
    _shown_s[0] = progress.seconds
    sys.stderr.write(f"\r{progress_text(progress)}\033[K")


def progress_text(progress: Progress) -> str:
    """Return share done, events per second and the time that is left."""
    share = progress.rows_done / max(1, progress.rows_total)
    rate = progress.events / max(1e-9, progress.seconds)
    left_s = progress.seconds * (1 - share) / share if share else 0.0
    return f"{share:6.1%}  {progress.events:,} events  {rate:,.0f}/s  {left_s:,.0f} s left"
