"""`quotemesh replay --verify` and `record`: proof and raw frames."""

import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option, existing
from services.market_data.verify import Line
from services.market_data.verify import verify as verify_feed
from services.replay.invariants import check_log
from services.replay.verify_log import verify_log
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir


@click.command()
@data_option
@click.option("--verify", "is_verifying", is_flag=True, help="Run every core again and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(data: DataDir, is_verifying: bool, as_json: bool) -> None:
    """Run the stored log again. With --verify: prove that every core says the same (exit code 8 if not).

    Checked are all outputs and digests under two hash seeds with sockets blocked, the invariants of the
    log, and market data against the raw recordings where there are any.
    """
    if not is_verifying:
        raise click.UsageError("say what to do with the log: --verify")
    first_seq = JournalReader(existing(data).journal).first_seq()
    if first_seq > 1:
        raise CommandError(
            f"the log of {data.root} begins at seq {first_seq}: older segments were pruned (bus.keep_hours, "
            "bus.keep_bytes), so cores cannot be run again from the start; verify a backup that holds them"
        )
    with stored_events(data) as events:
        check = check_log(events)
    found = verify_log(data.journal)
    feeds = {venue: feed_differences(data, venue) for venue in recorded_venues(data)}
    problems = [*found["problems"], *check.problems, *(line for lines in feeds.values() for line in lines)]
    report = {
        "equal": not problems,
        "problems": problems,
        "events": check.event_count,
        "orders": check.order_count,
        "fills": check.fill_count,
        "epochs": check.epochs,
        "cores": found["cores"],
        "digests": found["digests"],
        "recordings": {venue: len(lines) for venue, lines in feeds.items()},
    }
    click.echo(json.dumps(report) if as_json else _table(report))
    if problems:
        raise CommandError(f"{len(problems)} differences", ExitCode.MISMATCH)


def recorded_venues(data: DataDir) -> list[str]:
    """Return the venues of which raw recordings lie in the data directory."""
    return sorted({path.name.rsplit("-", 1)[0] for path in data.market.glob("*.raw.gz")})


def feed_differences(data: DataDir, venue: str) -> list[str]:
    """Return where the log and the recordings of a venue differ."""
    with stored_events(data) as events:
        return verify_feed(venue, _recorded_lines(sorted(data.market.glob(f"{venue}-*.raw.gz"))), events)


def _recorded_lines(paths: list[Path]) -> Iterator[Line]:
    for path in paths:
        # A killed recorder leaves an unfinished last member: what was flushed before it counts.
        with gzip.open(path, "rb") as file, contextlib.suppress(EOFError):
            for line in file:
                recv_ns, _, frame = line.rstrip(b"\n").partition(b" ")
                yield int(recv_ns), frame


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['events']} events in {report['epochs']} lives of the bus, "
        f"{report['orders']} orders, {report['fills']} fills"
    ]
    lines += [
        f"{core['service']:<12} {'equal' if not core['difference'] else 'DIFFERS':<8} "
        f"{core['outputs']:>8} outputs, {core['digests_compared']:>5} digests"
        for core in report["cores"]
    ]
    lines += [
        f"{venue:<12} {'equal' if count == 0 else 'DIFFERS':<8} to its raw recording"
        for venue, count in report["recordings"].items()
    ]
    lines += report["problems"]
    return "\n".join(lines)


@click.command()
@click.argument("switch", type=click.Choice(["on", "off", "status"]), default="status")
@data_option
def record(switch: str, data: DataDir) -> None:
    """Record every raw frame of the venues to <data>/market, in the form that up --replay plays."""
    flag = existing(data).run / "record"
    if switch == "on":
        flag.touch()
    elif switch == "off":
        flag.unlink(missing_ok=True)
    click.echo(f"recording is {'on: ' + str(data.market) if flag.exists() else 'off'}")
