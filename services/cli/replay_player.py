"""The replay player at a terminal: events at a pace, and keys that pause, step, seek and change it."""

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from services.cli.exits import CommandError, ExitCode
from services.replay.player import MAX, Player
from services.report.export import message_fields, message_type
from shared.errors import JournalError
from shared.messages import Event
from shared.units import NS_PER_S

HELP = "space: pause or go on   n: one event   + -: speed   m: max   g SEQ or TIME: go to   q: end"
POLL_S = 0.05
PROGRESS_S = 0.5
TEXT_MAX = 160
DIGITS_OF_SEQ = 15


def play(player: Player, topics: tuple[str, ...], show: Callable[[str], None], until_seq: int) -> int:
    """Play to `until_seq`, or until a person ends it; return how many events were shown.

    Keys are read when stdin is a terminal; without one nothing can end a pause, so batches are refused.
    """
    is_terminal = sys.stdin.isatty()
    if player.batch and not is_terminal:
        raise CommandError("--batch waits for a key after each batch: use it at a terminal", ExitCode.USAGE)
    has_progress = sys.stderr.isatty() and not sys.stdout.isatty()
    shown, told_s = 0, 0.0
    with keys_of_terminal() if is_terminal else no_keys() as keys:
        if is_terminal:
            click.echo(HELP, err=True)
        while not player.is_over and player.seq < until_seq:
            now_s = time.monotonic()
            wait_s = player.wait_s(now_s)
            if keys(POLL_S if wait_s is None else min(wait_s, POLL_S), player):
                break
            if wait_s is None or wait_s > POLL_S:
                continue
            event = player.take()
            if not topics or event.message.topic.decode().startswith(topics):
                shown += 1
                show(line_of(event))
            if has_progress and now_s - told_s > PROGRESS_S:
                told_s = now_s
                sys.stderr.write(f"\r{place_of(player)}\033[K")
            if player.is_paused:
                click.echo(f"paused: {place_of(player)}", err=True)
    if has_progress:
        sys.stderr.write("\r\033[K")
    return shown


def line_of(event: Event) -> str:
    """Return one event as a line: seq, time, source, kind and its fields, shortened."""
    header, message = event
    at = datetime.fromtimestamp(header.ts_ns / NS_PER_S, UTC).strftime("%H:%M:%S.%f")[:-3]
    fields = " ".join(f"{name}={value}" for name, value in message_fields(message).items())
    return f"{header.seq:>9} {at} {header.source:<16} {message_type(message):<16} {fields[:TEXT_MAX]}"


def place_of(player: Player) -> str:
    """Return where the player is."""
    share = (player.seq - player.first_seq + 1) / (player.head_seq - player.first_seq + 1)
    pace = "max" if player.speed == MAX else f"{player.speed:g}x"
    return f"seq {player.seq} of {player.head_seq} ({share:.1%}), speed {pace}"


def go_to(player: Player, text: str) -> None:
    """Seek to a seq, a UTC time or nanoseconds; raises `JournalError` for what is none or not there."""
    word = text.strip()
    if word.isdecimal():
        number = int(word)
        if len(word) > DIGITS_OF_SEQ:
            player.seek_time(number)
        else:
            player.seek_seq(number)
        return
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        raise JournalError(
            f"{text!r} is no place in a log: write a seq, a time like 2024-08-08T23:55:00 (UTC), or "
            "nanoseconds"
        ) from None
    player.seek_time(round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * NS_PER_S))


def press(key: str, player: Player, ask: Callable[[], str]) -> bool:
    """Take one key; return whether the player is to end. `ask` gives the line after `g`."""
    if key == "q":
        return True
    if key == " ":
        if player.is_paused:
            player.resume()
        else:
            player.pause()
    elif key == "n" and player.is_paused:
        player.resume()
        click.echo(line_of(player.take()))
        player.pause()
    elif key in "+-":
        pace = 1.0 if player.speed == MAX else player.speed
        player.change_speed(pace * 2 if key == "+" else pace / 2)
    elif key == "m":
        player.change_speed(MAX)
    elif key == "g":
        try:
            go_to(player, ask())
        except JournalError as error:
            click.echo(str(error), err=True)
    if key in " +-mg":
        click.echo(f"{'paused' if player.is_paused else 'plays'}: {place_of(player)}", err=True)
    return False


Keys = Callable[[float, Player], bool]


@contextmanager
def no_keys() -> Iterator[Keys]:
    """Give a reader that only waits."""

    def wait(limit_s: float, _: Player) -> bool:
        if limit_s > 0:
            time.sleep(limit_s)
        return False

    yield wait


@contextmanager
def keys_of_terminal() -> Iterator[Keys]:
    """Give a reader of single keys; the terminal is as before afterwards."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def ask() -> str:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        try:
            return str(click.prompt("go to (seq or UTC time)", err=True))
        finally:
            tty.setcbreak(descriptor)

    def read(limit_s: float, player: Player) -> bool:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, limit_s))
        return press(sys.stdin.read(1), player, ask) if ready else False

    tty.setcbreak(descriptor)
    try:
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
