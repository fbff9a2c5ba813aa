"""The kill latch: a file that stops all trading, whatever else is broken (DESIGN 2, I-24)."""

import contextlib
import os
import time
from pathlib import Path

import msgspec

from shared.runtime.paths import DataDir

SPARE_NAME = "spare"
SPARE_BYTES = 4096


def prepare_latch(data: DataDir) -> None:
    """Keep a file that becomes the latch when the disk is full: its space is taken while there is some."""
    path = data.latch / SPARE_NAME
    if path.exists() and path.stat().st_size == SPARE_BYTES:
        return
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, b" " * SPARE_BYTES)
        os.fsync(fd)
    finally:
        os.close(fd)


def latch_kill(data: DataDir, by: str, reason: str) -> bool:
    """Write `latch/kill` and sync it; an earlier latch stays as it is. Return whether a latch stands."""
    path = data.latch / "kill"
    if path.exists():
        return True
    line = msgspec.json.encode({"by": by, "reason": reason[:2000], "wall_ns": time.time_ns()})
    with contextlib.suppress(OSError):
        try:
            _write(path, line, os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return True
        except OSError:
            # No space: in the file that has its space already. Blanks after the text change nothing.
            spare = data.latch / SPARE_NAME
            _write(spare, line.ljust(SPARE_BYTES), 0)
            spare.replace(path)
        folder = os.open(data.latch, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path.exists()


def _write(path: Path, content: bytes, flags: int) -> None:
    fd = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
