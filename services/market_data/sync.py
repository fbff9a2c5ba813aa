"""Join a REST book and the stream of diffs into one unbroken sequence (MD-4, I-31).

A state machine over ids only: it never looks at levels.

    idle ── begin ──► waiting ── snapshot, no usable diff yet ──► bridging ── first usable diff ──► live
                      ▲  │ └──── snapshot and a diff that bridges it ─────────────────────────────► │
                      │  └ snapshot older than the diffs: ask again                                 │
                      └───────────────── a diff that does not follow (gap) ◄────────────────────────┘
"""

from collections import deque
from enum import Enum

from shared.venues.base import DepthDiff, SequenceRules


class Phase(Enum):
    """Where a book is on its way to being usable."""

    IDLE = "idle"
    WAITING = "waiting"
    BRIDGING = "bridging"
    LIVE = "live"


class Verdict(Enum):
    """What to do with one diff.

    APPLY: to the book. BRIDGED: the held snapshot is confirmed, apply it and then the diff. OLD: drop.
    BUFFERED: kept until a snapshot comes. GAP: distrust the book, ask for a snapshot; the diff is kept.
    TOO_OLD_SNAPSHOT: the held snapshot does not reach the diffs, ask again; the diff is kept.
    """

    APPLY = "apply"
    BRIDGED = "bridged"
    OLD = "old"
    BUFFERED = "buffered"
    GAP = "gap"
    TOO_OLD_SNAPSHOT = "too_old_snapshot"


class BookSync:
    """The sequence of one book. At most `buffered_max` diffs are kept; the oldest are dropped and counted."""

    def __init__(self, rules: SequenceRules, buffered_max: int) -> None:
        self.rules = rules
        self.phase = Phase.IDLE
        self.last_id = 0
        self.overflow_count = 0
        self._buffered_max = buffered_max
        self._buffer: deque[DepthDiff] = deque()

    def begin(self) -> None:
        """Wait for a snapshot, keeping the diffs that come meanwhile."""
        self.phase = Phase.WAITING
        self._buffer.clear()

    def stop(self) -> None:
        """Expect nothing: the connection is gone."""
        self.phase = Phase.IDLE
        self._buffer.clear()

    def take_diff(self, diff: DepthDiff) -> Verdict:
        """Judge the next diff as it comes from the stream."""
        if self.phase is Phase.LIVE:
            return self._take_live(diff)
        if self.phase is Phase.BRIDGING:
            if self.rules.is_old(diff, self.last_id):
                return Verdict.OLD
            if self.rules.bridges(diff, self.last_id):
                self.phase = Phase.LIVE
                self.last_id = diff.last_id
                return Verdict.BRIDGED
            self.begin()
            self._keep(diff)
            return Verdict.TOO_OLD_SNAPSHOT
        if self.phase is Phase.IDLE:
            return Verdict.OLD
        self._keep(diff)
        return Verdict.BUFFERED

    def _take_live(self, diff: DepthDiff) -> Verdict:
        if diff.last_id <= self.last_id:
            return Verdict.OLD
        if self.rules.follows(diff, self.last_id):
            self.last_id = diff.last_id
            return Verdict.APPLY
        self.begin()
        self._keep(diff)
        return Verdict.GAP

    def _keep(self, diff: DepthDiff) -> None:
        """Keep only an unbroken chain: what came before a hole can never be used."""
        if self._buffer:
            last_id = self._buffer[-1].last_id
            if diff.last_id <= last_id:
                return
            if not self.rules.follows(diff, last_id):
                self._buffer.clear()
        self._buffer.append(diff)
        if len(self._buffer) > self._buffered_max:
            self._buffer.popleft()
            self.overflow_count += 1

    def take_snapshot(self, snapshot_id: int) -> list[DepthDiff] | None:
        """Judge a snapshot while waiting: the kept diffs to apply after it, None when it is too old.

        Without a usable diff the list is empty and the phase BRIDGING: the caller holds the snapshot until
        a diff confirms it.
        """
        assert self.phase is Phase.WAITING, f"a snapshot was not asked for in phase {self.phase.value}"
        usable = [diff for diff in self._buffer if not self.rules.is_old(diff, snapshot_id)]
        if usable and not self.rules.bridges(usable[0], snapshot_id):
            return None
        self._buffer.clear()
        self.last_id = usable[-1].last_id if usable else snapshot_id
        self.phase = Phase.LIVE if usable else Phase.BRIDGING
        return usable
