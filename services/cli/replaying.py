"""A data directory that plays a recorded capture: its markets, its time, and what is kept for the next up."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from services.cli import config as configuration
from services.cli.config_model import Config
from services.cli.exits import CommandError
from services.venue_sim.capture_scan import CaptureScan, scan_captures
from shared.runtime.clock import SPEED_ONE, MeshClock
from shared.runtime.paths import DataDir


class Record(msgspec.Struct, frozen=True):
    """What a data directory plays; kept in `config/playback.json`."""

    files: tuple[str, ...]
    speed: str
    exchange_info: str = ""


@dataclass(frozen=True, slots=True)
class Playback:
    """A configuration fitted to a capture, and how its time passes."""

    config: Config
    record: Record
    origin_ns: int
    venue_count: int

    def hold_clock(self, data: DataDir) -> None:
        """Make the mesh clock stand at the capture's first time; nobody misses a frame while we start."""
        speed_milli = int(self.record.speed) * SPEED_ONE
        MeshClock.create(data, self.origin_ns, speed_milli, held=True)
        _record_file(data).write_bytes(msgspec.json.encode(self.record))

    def start_clock(self, data: DataDir) -> None:
        """Let the capture play."""
        MeshClock(data).start()


def prepare_playback(config: Config, data: DataDir, record: Record) -> Playback:
    """Return the playback of `record` on a data directory without a log.

    Prints a line for each market or strategy that had to change. Raises `ConfigError` for a capture that
    cannot be played.
    """
    if any(data.journal.glob("*.sqlite")):
        raise CommandError(
            f"{data.root} holds a log already, and a capture has its own time: play it on a new directory, "
            f"e.g. --data {data.root}-replay"
        )
    scan = scan_captures(record.files, config.venue_sim.allow_truncated)
    fitted = fit(config, record, scan)
    return Playback(fitted, record, scan.origin_ns, len(set(scan.venues)))


def resumed(config: Config, data: DataDir) -> Config:
    """Return `config`, fitted to the capture when this data directory plays one: it goes on with it."""
    try:
        record = msgspec.json.decode(_record_file(data).read_bytes(), type=Record)
    except FileNotFoundError:
        return config
    click.echo(f"going on with the capture of this data directory: {', '.join(record.files)}")
    return fit(config, record, scan_captures(record.files, config.venue_sim.allow_truncated))


def fit(config: Config, record: Record, scan: CaptureScan) -> Config:
    """Return `config` for the markets of the capture that have a book; print what changed."""
    symbols = sorted(f"{venue}:{name}" for (venue, name), market in scan.markets.items() if market.has_depth)
    fitted, lines = configuration.for_replay(config, symbols, record.files)
    for line in lines:
        click.echo(line)
    if not record.exchange_info:
        return fitted
    return dataclasses.replace(
        fitted, venue_sim=dataclasses.replace(fitted.venue_sim, exchange_info=record.exchange_info)
    )


def _record_file(data: DataDir) -> Path:
    return data.config / "playback.json"
