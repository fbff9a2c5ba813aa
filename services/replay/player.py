"""Play a stored log at a pace of one's choice: any speed, pause, batches, seek to a seq or a time (JR-9).

The player has no clock of its own: it says how long to wait until the next event is due, and is told what
time it is. Times of events are mesh times, times of the caller real seconds.
"""

from collections.abc import Iterator
from typing import Protocol

from shared.errors import JournalError
from shared.messages import Event, Header
from shared.units import NS_PER_S

MAX = 0.0
"""A speed that waits for nothing."""
SPEED_MIN, SPEED_MAX = 0.01, 1000.0


class Log(Protocol):
    """What of `JournalReader` a player reads."""

    # ruff: noqa: D102  described there
    def first_seq(self) -> int: ...
    def head_seq(self) -> int: ...
    def header_at(self, seq: int) -> Header | None: ...
    def events(self, after_seq: int = 0, until_seq: int | None = None) -> Iterator[Event]: ...


class Player:
    """A place in a log, and a pace.

    `speed` is a multiple of the recorded pace, `MAX` for none at all; `batch` events are played between two
    pauses (0: no such pause). `seq` is the last event taken.
    """

    def __init__(self, log: Log, speed: float = MAX, batch: int = 0) -> None:
        self.first_seq = log.first_seq()
        self.head_seq = log.head_seq()
        if self.head_seq < self.first_seq:
            raise JournalError("the log is empty: nothing to play")
        self.seq = self.first_seq - 1
        self.is_paused = False
        self.batch = batch
        self._log = log
        self._speed = speed
        self._events = log.events(self.seq, self.head_seq)
        self._next = next(self._events, None)
        self._anchor: tuple[int, float] | None = None
        self._left = batch

    @property
    def is_over(self) -> bool:
        """Return whether the end of the log was reached."""
        return self._next is None

    @property
    def speed(self) -> float:
        """Return the pace."""
        return self._speed

    def change_speed(self, speed: float) -> None:
        """Go on at another pace from here; beyond `SPEED_MIN` and `SPEED_MAX` it is taken to them."""
        self._speed = MAX if speed == MAX else min(SPEED_MAX, max(SPEED_MIN, speed))
        self._anchor = None

    def pause(self) -> None:
        """Stand still until `resume`."""
        self.is_paused, self._anchor = True, None

    def resume(self) -> None:
        """Go on, by the next batch when there are batches."""
        self.is_paused, self._anchor, self._left = False, None, self.batch

    def wait_s(self, now_s: float) -> float | None:
        """Return how long until the next event is due, None while paused or at the end."""
        if self._next is None or self.is_paused:
            return None
        if self._speed == MAX:
            return 0.0
        ts_ns = self._next.header.ts_ns
        if self._anchor is None:
            self._anchor = (ts_ns, now_s)
        begun_ns, begun_s = self._anchor
        return max(0.0, begun_s + (ts_ns - begun_ns) / NS_PER_S / self._speed - now_s)

    def take(self) -> Event:
        """Take the next event, also one that is not due yet; the last of a batch pauses."""
        event = self._next
        assert event is not None, "the log is at its end"
        self.seq = event.header.seq
        self._next = next(self._events, None)
        if self.batch:
            self._left -= 1
            if self._left <= 0:
                self.pause()
        return event

    def seek_seq(self, seq: int) -> None:
        """Let `seq` be the next event; raises `JournalError` when the log does not hold it."""
        if not self.first_seq <= seq <= self.head_seq:
            raise JournalError(
                f"seq {seq} is not in the log, which holds {self.first_seq} to {self.head_seq}"
            )
        self.seq = seq - 1
        self._events = self._log.events(self.seq, self.head_seq)
        self._next = next(self._events, None)
        self._anchor, self._left = None, self.batch

    def seek_time(self, ts_ns: int) -> None:
        """Let the first event at or after a mesh time be the next; raises `JournalError` after the last."""
        low, high = self.first_seq, self.head_seq
        if self._time_at(high) < ts_ns:
            raise JournalError(
                f"{ts_ns} ns is after the last event of the log ({self._time_at(high)} ns at seq {high})"
            )
        while low < high:
            middle = (low + high) // 2
            if self._time_at(middle) < ts_ns:
                low = middle + 1
            else:
                high = middle
        self.seek_seq(low)

    def _time_at(self, seq: int) -> int:
        header = self._log.header_at(seq)
        if header is None:
            raise JournalError(f"seq {seq} is missing in the log; restore a backup")
        return header.ts_ns
