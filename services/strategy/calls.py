"""Which callback is running, so that one that never returns has a name (seq, instance, number).

The core only counts. The shell's watchdog looks at the count from outside and raises `BlockedError` inside a
callback that takes too long; the instance fails, and its `InstanceFailed` carries the number of the call. Who
runs the log again is told of it beforehand (`known`) and stops at the same call without making it: what time
decided once is a fact of the log from then on.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shared.messages import Event
from shared.messages.control import InstanceFailed


class BlockedError(BaseException):
    """A callback took too long. No `Exception`, so that a strategy does not catch it by accident."""


class Interruption(NamedTuple):
    """One call that was interrupted: its number within the event, and the error that was told."""

    call_n: int
    error: str


class Calls:
    """Counts the callbacks of the event that is being applied; `instance` is empty between two."""

    def __init__(self) -> None:
        self.seq = 0
        self.n = 0
        self.instance = ""
        self.known: dict[tuple[int, str], Interruption] = {}

    def begin(self, seq: int) -> None:
        """Count anew for the event at `seq`."""
        self.seq, self.n = seq, 0

    def enter(self, instance: str) -> str:
        """Note that a callback of `instance` begins; return why it must not, when it is known to block."""
        self.n += 1
        self.instance = instance
        if self.known:
            known = self.known.get((self.seq, instance))
            if known is not None and known.call_n == self.n:
                return known.error
        return ""

    def leave(self) -> None:
        """Note that it has ended."""
        self.instance = ""


def interruptions(events: Iterable[Event]) -> dict[tuple[int, str], Interruption]:
    """Return the interrupted calls that a log tells of, by the seq of their event and the instance."""
    return {
        (event.header.cause_seq, event.message.strategy): Interruption(
            event.message.call_n, event.message.error
        )
        for event in events
        if isinstance(event.message, InstanceFailed) and event.message.call_n
    }
