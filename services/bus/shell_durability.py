"""Makes commits survive a power cut: one thread that syncs and checkpoints the log."""

import os
import threading
from pathlib import Path

import apsw

CHECKPOINT_BYTES = 4_000_000
WAL_BYTES_MAX = 32_000_000


class Durability:
    """Syncs what is committed: at once when asked to, else within `sync_ms`.

    `durable_seq` rises after each sync and a byte is written to `wake_fd`; on a failure `failure` holds the
    error instead, for ever: the log cannot be trusted to keep anything from then on (rule 12).
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
        self._is_ending = False
        self._wanted_segment = segment
        self._segment: Path | None = None
        self._wal_fd = -1
        self._db: apsw.Connection | None = None
        self._checkpointed_bytes = 0
        self._thread = threading.Thread(target=self._run, name="durability")

    def start(self) -> None:
        """Begin to sync."""
        self._thread.start()

    def committed(self, segment: Path, head_seq: int, *, is_urgent: bool) -> None:
        """Say that all up to `head_seq` is committed, the last of it in `segment`."""
        with self._condition:
            self._head_seq = head_seq
            self._wanted_segment = segment
            self._is_urgent = self._is_urgent or is_urgent
            self._condition.notify()

    def stop(self) -> None:
        """Sync what is left and end the thread."""
        with self._condition:
            self._is_ending = self._is_urgent = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._wait():
                self._sync()
        except (OSError, apsw.Error) as error:
            self.failure = error
            self._wake()
        finally:
            self._close()

    def _wait(self) -> bool:
        """Wait until something is to be synced; return False when nothing is left and we end."""
        with self._condition:
            self._condition.wait_for(lambda: self._is_ending or self._head_seq > self.durable_seq)
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
        os.fdatasync(self._wal_fd)
        self.sync_count += 1
        self.durable_seq = head_seq
        self._wake()
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
        self._close()
        self._wal_fd = os.open(segment.with_name(segment.name + "-wal"), os.O_RDONLY)
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
