"""Makes commits survive a power cut: one thread that syncs and checkpoints the log."""

import os
import threading
import time
from pathlib import Path

import apsw

from shared.runtime.durable_mark import DurableMark
from shared.runtime.journal import segments

CHECKPOINT_BYTES = 4_000_000
WAL_BYTES_MAX = 32_000_000
STOP_LIMIT_S = 10.0
LOOK_GAP_S = 1.0
"""Who did not look for so long was stopped itself, and cannot blame the disk."""


class Durability:
    """Syncs what is committed: at once when asked to, else within `sync_ms`.

    `durable_seq` rises after each sync and a byte is written to `wake_fd`; on a failure `failure` holds the
    error instead, for ever: the log cannot be trusted to keep anything from then on (rule 12).
    A disk that does not answer is no different: `look` makes it a failure after `stall_ms`.
    """

    def __init__(self, sync_ms: int, wake_fd: int, durable_seq: int, segment: Path) -> None:
        self.durable_seq = durable_seq
        self.failure: Exception | None = None
        self.sync_count = 0
        self._sync_s = sync_ms / 1000
        self._wake_fd = wake_fd
        self._condition = threading.Condition()
        self._head_seq = durable_seq
        self._is_urgent = False
        self._is_ending = self._is_idle = False
        self._wanted_segment = segment
        self._segment: Path | None = None
        self._wal_fd = -1
        self._db: apsw.Connection | None = None
        self._checkpointed_bytes = 0
        self._mark = DurableMark(segment.parent)
        self._turn = 0
        self._looked_s = 0.0
        self._seen: tuple[int, float] = (0, 0.0)
        # A thread that hangs in the disk must not keep the process.
        self._thread = threading.Thread(target=self._run, name="durability", daemon=True)

    def start(self) -> None:
        """Begin to sync."""
        self._thread.start()

    def committed(self, segment: Path, head_seq: int, *, is_urgent: bool) -> None:
        """Say that all up to `head_seq` is committed, the last of it in `segment`."""
        with self._condition:
            self._head_seq = head_seq
            self._wanted_segment = segment
            # A wake-up costs as much as half a commit: only for what the thread does not know.
            if self._is_idle or (is_urgent and not self._is_urgent):
                self._condition.notify()
            self._is_urgent = self._is_urgent or is_urgent

    def look(self, stall_ms: int) -> None:
        """Set `failure` when one sync or checkpoint has been going on for `stall_ms`; called often."""
        turn, now_s = self._turn, time.monotonic()
        # An odd turn is one under way.
        if turn % 2 == 0 or turn != self._seen[0] or now_s - self._looked_s > LOOK_GAP_S:
            self._seen = (turn, now_s)
        self._looked_s = now_s
        stalled_ms = int((now_s - self._seen[1]) * 1000)
        if stalled_ms > stall_ms and self.failure is None:
            self.failure = TimeoutError(f"the disk has not answered for {stalled_ms} ms, limit {stall_ms} ms")

    def stop(self) -> None:
        """Sync what is left and end the thread; on a disk that does not answer, give up."""
        with self._condition:
            self._is_ending = self._is_urgent = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(STOP_LIMIT_S if self.failure is None else 0.5)
        if self._thread.is_alive() and self.failure is None:
            self.failure = TimeoutError(f"the disk has not answered for {STOP_LIMIT_S:.0f} s at the end")

    def _run(self) -> None:
        try:
            while self._wait():
                self._turn += 1
                self._sync()
                self._turn += 1
        except (OSError, apsw.Error) as error:
            self.failure = error
            self._wake()
        finally:
            self._close()

    def _wait(self) -> bool:
        """Wait until something is to be synced; return False when nothing is left and we end."""
        with self._condition:
            self._is_idle = True
            self._condition.wait_for(lambda: self._is_ending or self._head_seq > self.durable_seq)
            self._is_idle = False
            if not self._is_urgent:
                self._condition.wait_for(lambda: self._is_urgent, timeout=self._sync_s)
            self._is_urgent = self._is_ending
            return self._head_seq > self.durable_seq or not self._is_ending

    def _sync(self) -> None:
        with self._condition:
            head_seq, segment = self._head_seq, self._wanted_segment
        if segment != self._segment:
            # The writer synced the former segment before it began this one.
            self._open(segment)
        if self._wal_fd >= 0:
            os.fdatasync(self._wal_fd)
        self._mark.write(head_seq)
        self.sync_count += 1
        self.durable_seq = head_seq
        self._wake()
        if self._wal_fd < 0:
            return
        size = os.fstat(self._wal_fd).st_size
        if size - self._checkpointed_bytes > CHECKPOINT_BYTES or size < self._checkpointed_bytes:
            self._checkpoint(size)

    def _checkpoint(self, size: int) -> None:
        """Move what is in the WAL to the database file; above its limit let the WAL begin anew."""
        assert self._db is not None
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._checkpointed_bytes = size
        if size > WAL_BYTES_MAX:
            try:
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self._checkpointed_bytes = 0
            except apsw.BusyError:
                # A reader is in the WAL; the next time will do.
                self._checkpointed_bytes = size

    def _open(self, segment: Path) -> None:
        """Open the WAL of `segment`; leave it closed when the writer has ended the segment meanwhile."""
        self._close()
        self._segment = None
        try:
            self._wal_fd = os.open(segment.with_name(segment.name + "-wal"), os.O_RDONLY)
        except FileNotFoundError:
            # The last connection takes the WAL away as it closes. The writer syncs and checkpoints a segment
            # before it begins a newer one; without a newer one somebody else took it, which is a failure.
            if segments(segment.parent)[-1] == segment:
                raise
            return
        self._db = apsw.Connection(str(segment))
        self._db.execute("pragma synchronous=normal")
        self._db.execute("pragma wal_autocheckpoint=0")
        self._segment, self._checkpointed_bytes = segment, 0

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        if self._wal_fd >= 0:
            os.close(self._wal_fd)
        self._db, self._wal_fd = None, -1

    def _wake(self) -> None:
        # The pipe is full only when the reader has enough bytes to wake up for.
        try:
            os.write(self._wake_fd, b"\0")
        except BlockingIOError:
            return
