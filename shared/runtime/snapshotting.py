"""When a core is snapshotted, and when the draft may get its name (DESIGN 2, rule 6)."""

import asyncio
import time
from pathlib import Path
from typing import Any

from shared.hosting import CoreHost
from shared.runtime.journal import JournalReader
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
        self._owed: dict[str, int] = {}
        self._barrier_seq = 0
        self.named_seq = 0

    def restore(self, host: CoreHost, reader: JournalReader, log: Any) -> tuple[str, bytes] | None:
        """Give `host` the newest state that is on the log; return the build and settings hash behind it."""
        for snapshot in self.store.newest_first():
            header = reader.header_at(snapshot.seq)
            if header is None or header.epoch != snapshot.epoch:
                log.warning("snapshot_ignored", seq=snapshot.seq, epoch=snapshot.epoch, why="not on the log")
                continue
            try:
                host.restore(snapshot.state)
            except (ValueError, TypeError, KeyError) as error:
                # Of another build: the log itself is read instead.
                log.warning("snapshot_ignored", seq=snapshot.seq, why=str(error))
                host.__init__(type(host.core)())  # type: ignore[misc]
                continue
            self._taken_seq = snapshot.seq
            log.info("snapshot_restored", seq=snapshot.seq)
            return snapshot.build, snapshot.settings_hash
        return None

    def consider(self, host: CoreHost | None) -> None:
        """Take a snapshot when one is due and no draft is open; called for each event."""
        if host is None:
            return
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
        # Of each source the last one: the log takes them in order.
        self._owed, self._barrier_seq = dict(sorted(host.outbox)), seq
        self._draft = asyncio.get_running_loop().run_in_executor(None, self.store.write, snapshot)

    def advance(self, host: CoreHost | None) -> None:
        """Name the draft once nothing that it rests on can be lost; called at each word of the bus."""
        if self._draft is None or not self._draft.done() or host is None:
            return
        if self._owed:
            if any(last in host.outbox for last in self._owed.items()):
                return
            # All were met at or before this seq.
            self._owed, self._barrier_seq = {}, host.applied_seq
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
