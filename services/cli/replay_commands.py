"""`quotemesh replay` and `record`: the log played or proved again, and raw frames."""

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
from services.cli.replay_player import go_to, play
from services.market_data.verify import Line
from services.market_data.verify import verify as verify_feed
from services.replay.invariants import check_log
from services.replay.player import MAX, SPEED_MAX, SPEED_MIN, Player
from services.replay.verify_log import verify_log
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir


def _pace(context: click.Context, parameter: click.Parameter, value: str) -> float:  # noqa: ARG001
    if value == "max":
        return MAX
    word = "1" if value == "real" else value.removesuffix("x")
    try:
        pace = float(word)
    except ValueError:
        pace = 0.0
    if not SPEED_MIN <= pace <= SPEED_MAX:
        text = f"{value!r} is neither max, real nor a number from {SPEED_MIN:g} to {SPEED_MAX:g}"
        raise click.BadParameter(text)
    return pace


@click.command()
@data_option
@click.option("--verify", "is_verifying", is_flag=True, help="Run every core again and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--speed", callback=_pace, default="max", help="max, real, or a multiple like 10.")
@click.option("--from", "begin", metavar="SEQ|TIME", help="Play from this seq or UTC time on.")
@click.option("--until", "until_seq", type=click.IntRange(1), metavar="SEQ", help="Play up to this seq.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Pause after each N events.")
@click.option("--topic", "topics", multiple=True, metavar="PREFIX", help="Show only these, like .fill.")
def replay(
    data: DataDir,
    is_verifying: bool,
    as_json: bool,
    speed: float,
    begin: str | None,
    until_seq: int | None,
    batch: int | None,
    topics: tuple[str, ...],
) -> None:
    """Play the stored log, one line per event; with --verify prove that every core says the same again.

    At a terminal keys work while it plays: space pauses, n takes one event, + and - double and halve the
    speed, m lets it run, g goes to a seq or a time, q ends.

    --verify checks all outputs and digests under two hash seeds with sockets blocked, the invariants of the
    log, and market data against the raw recordings where there are any (exit code 8 if anything differs).
    """
    if is_verifying:
        _verify(data, as_json)
        return
    player = Player(JournalReader(existing(data).journal), speed, batch or 0)
    if begin:
        go_to(player, begin)
    play(player, topics, click.echo, until_seq or player.head_seq)


def _verify(data: DataDir, as_json: bool) -> None:
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
