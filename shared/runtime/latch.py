"""The kill latch: a file that stops all trading, whatever else is broken (DESIGN 2, I-24)."""

import contextlib
import os
import time

import msgspec

from shared.runtime.paths import DataDir


def latch_kill(data: DataDir, by: str, reason: str) -> bool:
    """Write `latch/kill` and sync it; an earlier latch stays as it is. Return whether a latch stands."""
    path = data.latch / "kill"
    if path.exists():
        return True
    line = msgspec.json.encode({"by": by, "reason": reason, "wall_ns": time.time_ns()})
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)
        folder = os.open(data.latch, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path.exists()
