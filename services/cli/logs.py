"""`quotemesh logs`: what the processes wrote, of one or of all, and what they write from now on."""

import os
import time
from pathlib import Path
from typing import BinaryIO

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.mesh import services_of
from services.cli.place import data_option, existing
from shared.runtime.paths import DataDir

FOLLOW_S = 0.2
TAIL_BYTES_MAX = 1 << 20


@click.command()
@data_option
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until interrupted.")
@click.option(
    "-n", "--lines", default=40, show_default=True, type=click.IntRange(0), help="Newest lines shown."
)
@click.argument("service", required=False)
def logs(data: DataDir, follow: bool, lines: int, service: str | None) -> None:
    """Show the newest log lines of SERVICE, or of every process."""
    existing(data)
    names = (*services_of(data), "supervisord")
    if service is not None and service not in names:
        raise CommandError(f"no service {service!r}: one of {', '.join(names)}", ExitCode.NOT_FOUND)
    chosen = (service,) if service else names
    tails = [Tail(data.logs / f"{name}.log", f"{name:<12} " if service is None else "") for name in chosen]
    if service is not None and not tails[0].path.exists():
        raise CommandError(f"{service} has written no log yet ({tails[0].path})", ExitCode.NOT_FOUND)
    for tail in tails:
        for line in tail.newest(lines):
            click.echo(line)
    try:
        while follow:
            time.sleep(FOLLOW_S)
            for tail in tails:
                for line in tail.more():
                    click.echo(line)
    finally:
        for tail in tails:
            tail.close()


class Tail:
    """The end of one log file, followed over its rotation. `prefix` begins each line."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.path = path
        self._prefix = prefix
        self._file: BinaryIO | None = None
        self._rest = b""

    def newest(self, count: int) -> list[str]:
        """Return the last `count` lines; `more` goes on behind them."""
        if not self._is_open():
            return []
        assert self._file is not None
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - TAIL_BYTES_MAX))
        lines = self._whole_lines(self._file.read())
        return lines[-count:] if count else []

    def more(self) -> list[str]:
        """Return the lines written since the last call."""
        if not self._is_open():
            return []
        assert self._file is not None
        lines = self._whole_lines(self._file.read())
        if self._is_rotated():
            self.close()
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_open(self) -> bool:
        if self._file is None and self.path.exists():
            self._file = self.path.open("rb")
        return self._file is not None

    def _is_rotated(self) -> bool:
        assert self._file is not None
        try:
            now, ours = self.path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return True
        return now.st_ino != ours.st_ino or now.st_size < self._file.tell()

    def _whole_lines(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._prefix + line.decode(errors="replace") for line in lines]
