"""When a core is snapshotted, and when the draft may get its name (DESIGN 2, rule 6)."""

import asyncio
import time
from pathlib import Path

from shared.hosting import CoreHost
from shared.runtime.port import Port
from shared.runtime.snapshots import FORMAT, Snapshot, SnapshotStore, settings_hash, state_hash

EVENTS = 10_000
SECONDS = 60.0
LAST_WAIT_S = 4.0


class Snapshotting:
    """One draft at a time; it is named when its seq and all outputs of events up to it are durable."""

    def __init__(self, port: Port, build: str) -> None:
        self.store = SnapshotStore(port.data.snapshots, port.service)
        self.store.sweep()
        self._port, self._build = port, build
        self._taken_seq, self._taken_s = 0, time.monotonic()
        self._draft: asyncio.Future[Path] | None = None
        self._owed: set[tuple[str, int]] = set()
        self._barrier_seq = 0
        self.named_seq = 0

    def consider(self, host: CoreHost | None) -> None:
        """Take a snapshot when one is due; bring an open draft on."""
        if host is None:
            return
        self.advance(host)
        is_due = host.applied_seq - self._taken_seq >= EVENTS or time.monotonic() - self._taken_s >= SECONDS
        if is_due and self._draft is None and host.applied_seq > self._taken_seq:
            self.take(host)

    def take(self, host: CoreHost) -> None:
        """Write a draft of the state now, in a thread; `host` goes on meanwhile."""
        state = host.snapshot()
        seq = host.applied_seq
        snapshot = Snapshot(
            FORMAT,
            host.service,
            host.epoch,
            seq,
            self._build,
            settings_hash(self._port.settings),
            state,
            state_hash(state),
        )
        self._taken_seq, self._taken_s = seq, time.monotonic()
        self._owed, self._barrier_seq = set(host.outbox), seq
        self._draft = asyncio.get_running_loop().run_in_executor(None, self.store.write, snapshot)

    def advance(self, host: CoreHost | None) -> None:
        """Name the draft once nothing that it rests on can be lost any more."""
        if self._draft is None or not self._draft.done() or host is None:
            return
        if self._owed:
            self._owed &= host.outbox.keys()
            # The last of them has just been met at or before this seq.
            self._barrier_seq = host.applied_seq
            if self._owed:
                return
        if self._port.durable_seq >= self._barrier_seq:
            self.store.name(self._draft.result())
            self._draft, self.named_seq = None, self._taken_seq

    async def last(self, host: CoreHost) -> None:
        """Take a snapshot of the state now and wait until it has its name, not longer than `LAST_WAIT_S`."""
        end_s = time.monotonic() + LAST_WAIT_S
        while self._draft is not None and time.monotonic() < end_s:
            self.advance(host)
            await asyncio.sleep(0.01)
        if self._draft is None:
            self.take(host)
        while self._draft is not None and time.monotonic() < end_s:
            self.advance(host)
            await asyncio.sleep(0.01)
