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
from shared.settings import unpack


def run_from(path: Path | None, data: DataDir, until_seq: int | None = None, day: date | None = None) -> Run:
    """Return the run in a file, else that of the log of `path`, else that of `data`."""
    if path is not None and path.is_file():
        if until_seq is not None or day is not None:
            raise CommandError(
                f"{path} is one run: --until and --day are for data directories", ExitCode.USAGE
            )
        return Run.load(path)
    place = directory(path, data)
    with stored_events(place, until_seq) as events:
        return run_of(events, simulated_of(place), day)


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
