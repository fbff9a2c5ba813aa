"""Named crash points: a process kills itself there when the environment asks for it (tests only).

`QUOTEMESH_CRASH_AT=bus.after_commit:3` kills at the third passage of that point. A flag file would race
with restarts, so the point disarms itself when `QUOTEMESH_CRASH_ONCE` names a file that exists already.
"""

import os
import signal
from pathlib import Path

POINTS = frozenset(
    {
        "bus.before_commit",
        "bus.after_commit",
        "bus.after_publish",
        "service.before_append",
        "service.after_append",
        "service.snapshot_written",
    }
)


class _Armed:
    """What the environment asked for, read once."""

    def __init__(self) -> None:
        name, _, count = os.environ.get("QUOTEMESH_CRASH_AT", "").partition(":")
        once = os.environ.get("QUOTEMESH_CRASH_ONCE", "")
        assert not name or name in POINTS, (
            f"QUOTEMESH_CRASH_AT={name}: no such point, use one of {sorted(POINTS)}"
        )
        self.once = Path(once) if once else None
        self.name = "" if self.once is not None and self.once.exists() else name
        self.left = int(count or 1)


_armed = _Armed()
is_armed = bool(_armed.name)


def crash_point(name: str) -> None:
    """Kill this process when it passes `name` for the asked time; cheap to pass otherwise."""
    if _armed.name != name:
        return
    _armed.left -= 1
    if _armed.left <= 0:
        if _armed.once is not None:
            _armed.once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
