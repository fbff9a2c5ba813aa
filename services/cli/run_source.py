"""Where a run is read from: a `.run` file of a backtest, or the log of a data directory."""

from datetime import date
from pathlib import Path

from services.backtest.record import SUFFIX, Run
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.report.journal_run import GENERATED, RECORDED, run_of
from services.venue_sim.settings import VenueSimSettings
from shared.errors import ConfigError
from shared.runtime.paths import DataDir
from shared.runtime.retention import history
from shared.settings import unpack

SEGMENTS = "segment-*.sqlite"
BACKTEST = "backtest"


def run_from(path: Path | None, data: DataDir, until_seq: int | None = None, day: date | None = None) -> Run:
    """Return the run in a file, else that of the log of `path`, else that of `data`."""
    if path is not None and path.is_file():
        if until_seq is not None or day is not None:
            raise CommandError(f"{path} is one run: --until and --day are for logs", ExitCode.USAGE)
        return Run.load(path)
    if path is not None and is_log(path):
        run = run_of(history(path, until_seq), GENERATED, day)
        # A log without a data directory around it is what `backtest --journal` writes, whatever its settings.
        run.meta.source = BACKTEST
        return run
    place = directory(path, data)
    with stored_events(place, until_seq) as events:
        return run_of(events, simulated_of(place), day)


def is_place(path: Path) -> bool:
    """Return whether a word of the command line is a run rather than a name."""
    return path.is_file() or path.suffix == SUFFIX or is_log(path) or (path / "journal").is_dir()


def is_log(path: Path) -> bool:
    """Return whether a directory is a bare log, as `backtest --journal` writes it."""
    return path.is_dir() and any(path.glob(SEGMENTS))


def directory(path: Path | None, data: DataDir) -> DataDir:
    """Return the data directory at `path`, else `data`; raises `CommandError` when there is neither."""
    if path is None:
        return data
    if not path.is_dir():
        raise CommandError(
            f"{path} is neither a {SUFFIX} file nor a data directory: write one with `backtest --out`",
            ExitCode.NOT_FOUND,
        )
    return DataDir(path.resolve())


def simulated_of(place: DataDir) -> str:
    """Return what the simulated venue of a data directory plays; generated when it does not say."""
    try:
        settings = unpack(place.settings("venue_sim").read_bytes(), VenueSimSettings)
    except (OSError, ConfigError):
        return GENERATED
    return RECORDED if settings.mode == "capture" else GENERATED
