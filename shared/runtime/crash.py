"""Named crash points: a process kills itself there when the environment asks for it (tests only).

`QUOTEMESH_CRASH_AT=bus.after_commit:3` kills at the third passage of that point. A flag file would race
with restarts, so the point disarms itself when `QUOTEMESH_CRASH_ONCE` names a file that exists already.
"""

import os
import signal
from pathlib import Path

BROKER_POINTS = (
    "broker.approval_seen",
    "broker.gate_passed",
    "broker.order_written",
    "broker.sent_said",
    "broker.answer_unread",
    "broker.answer_read",
    "broker.answer_said",
    "broker.fill_read",
    "broker.fill_said",
    "broker.cancel_asked",
    "broker.cancel_written",
    "broker.reconciling",
    "broker.reconciled_said",
    "broker.kill_seen",
    "broker.half_canceled",
    "broker.latched",
)
"""Where the broker that trades at venues can be killed, from an approval to the last cancel."""
POINTS = frozenset(
    {
        *BROKER_POINTS,
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
