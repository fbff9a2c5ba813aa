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
from services.cli.exits import CommandError, ExitCode
from services.strategy.shell_own import allow_own_strategies
from shared.runtime.paths import DataDir

INTERRUPTED_CODE = 130
SHOW_EVERY_S = 0.5
OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@request_options
@click.option("--out", type=OUT, metavar="FILE.run", help="Save the run, for report and compare.")
@click.option("--html", type=OUT, metavar="FILE", help="Write the report as one page.")
@click.option("--png", type=OUT, metavar="FILE", help="Write the report as a picture.")
@click.option("--equity-csv", type=OUT, metavar="FILE", help="Write the equity after each fill.")
@click.option("--journal", metavar="DIR", help="Keep the log in this data directory, for replay, explain.")
@click.option(
    "--from-journal", type=click.Path(path_type=Path), metavar="DIR", help="Run a log again; see above."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def backtest(request: Request | None, from_journal: Path | None, as_json: bool, **files: Path | None) -> None:
    """Run the strategies of CONFIG over market data in virtual time: the code that trades, no venue, no key.

    FILE is a .columns file, or what `quotemesh import` takes (captures, recordings, journals, Tardis CSV,
    hftbacktest .npz, candles): that is imported once into the cache of the data directory.

    With --from-journal DIR (a data directory, or its journal) there is no CONFIG: a recorded log is run again
    at its own places, and everything decided is compared with what was recorded (exit code 8 if it differs).

    Exit codes: 0 the whole data were run, 1 a strategy raised, 130 stopped with Ctrl-C (in both cases the
    report tells what happened until then), 4 the configuration or an option cannot be used.
    """
    if from_journal is not None:
        _run_again(from_journal, as_json, files)
        return
    assert request is not None, "without --from-journal there is a request"
    prepared = prepare(request)
    if not as_json:
        for line in prepared.lines:
            click.echo(line)
    with asked_to_stop() as stop:
        run = execute(prepared.job, _line if sys.stderr.isatty() else None, stop)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    _tell(run, as_json, files)
    if run.meta.stopped:
        click.echo(f"quotemesh: {run.meta.stopped}", err=True)
        code = INTERRUPTED_CODE if run.meta.stopped == INTERRUPTED else ExitCode.FAILURE
        raise SystemExit(int(code))


def _run_again(directory: Path, as_json: bool, files: dict[str, Path | None]) -> None:
    """Run a recorded log again and say whether it came out the same."""
    rerun = importlib.import_module("services.backtest.rerun")
    run_of = importlib.import_module("services.report.journal_run").run_of
    journal = directory / "journal" if (directory / "journal").is_dir() else directory
    allow_own_strategies(DataDir(journal.parent))
    again, events = rerun.rerun_log(journal)
    run = run_of(events)
    run.meta.notes.append(again.summary())
    _tell(run, as_json, files)
    if not again.is_equal:
        raise CommandError("\n".join([again.summary(), *again.differences]), ExitCode.MISMATCH)


def _tell(run: Run, as_json: bool, files: dict[str, Path | None]) -> None:
    try:
        _write(run, **files)
    except OSError as error:
        raise CommandError(
            f"{error.filename or 'the report'} could not be written ({error.strerror}): make room, or name "
            "another place"
        ) from error
    run_text = importlib.import_module("services.report.run_text")
    click.echo(json.dumps(run_text.as_json(run)) if as_json else run_text.text(run))


def _write(run: Run, out: Path | None, html: Path | None, png: Path | None, equity_csv: Path | None) -> None:
    """Write what was asked for. What writes is loaded here: a run begins without it, some needs an extra."""
    if out:
        run.save(out)
    if equity_csv:
        with equity_csv.open("w", encoding="utf-8", newline="") as lines:
            importlib.import_module("services.report.run_text").write_equity(run, lines)
    if html:
        html.write_text(importlib.import_module("services.report.run_html").page(run), encoding="utf-8")
    if png:
        png.write_bytes(importlib.import_module("services.report.run_png").picture(run))


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
