"""What lies on disk: states of cores, snapshot files, and rows of the log."""

import tempfile
from pathlib import Path
from typing import Any

import apsw

from services.fused.store import BatchedStore
from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import MSGPACK, Mutator
from services.hostile.samples import Samples
from services.replay.cores import log_cores
from shared.errors import JournalError
from shared.hosting import CoreHost
from shared.runtime.journal import JournalReader, segments
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.snapshots import FORMAT, Snapshot, SnapshotStore, settings_hash, state_hash

ROWS = 48
COLUMNS = ("header", "topic", "body", "crc")


class SnapshotTarget:
    """Damaged states: a core takes one whole and can say it again, or refuses it with `ValueError`.

    A damaged file is never offered to a core at all: its hash tells.
    """

    name = "snapshots"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._states = list(samples.snapshots.items())
        self._folder = tempfile.TemporaryDirectory(prefix="quotemesh-hostile-")
        self.case = ("", b"")
        self._files = {}
        for service, state in self._states:
            store = SnapshotStore(Path(self._folder.name), service)
            found = Snapshot(
                FORMAT, service, 7, 9, "hostile", settings_hash(b"\x80"), state, state_hash(state)
            )
            self._files[service] = (store, path := store.name(store.write(found)), path.read_bytes())

    def attempt(self) -> Verdict:
        """Restore one damaged state, or read one damaged file."""
        service, state = self.mutator.picked(self._states)
        if self.mutator.chance(0.3):
            return self._read_file(service)
        self.case = (service, self._damaged(state))
        host = CoreHost(next(core for core in log_cores() if core.service == service))
        try:
            host.restore(self.case[1])
        except ValueError:
            return Verdict.REFUSED
        host.snapshot()
        host.core.digest()
        return Verdict.ACCEPTED

    def _damaged(self, state: bytes) -> bytes:
        """Return a state with damage in its frame or, mostly, in the packed core inside."""
        mutator = self.mutator
        decode, encode = MSGPACK
        if mutator.chance(0.2):
            return mutator.damaged(state, MSGPACK)
        parts = decode(state)
        parts[-1] = mutator.damaged(parts[-1], MSGPACK)
        return encode(parts)

    def _read_file(self, service: str) -> Verdict:
        store, path, whole = self._files[service]
        damaged = self.mutator.damaged(whole, MSGPACK)
        self.case = (service, damaged)
        path.write_bytes(damaged)
        found = list(store.newest_first())
        path.write_bytes(whole)
        assert all(one.state_hash == state_hash(one.state) for one in found)
        return Verdict.ACCEPTED if found else Verdict.REFUSED

    def shown(self) -> str:
        """Return service and bytes of the last state."""
        service, state = self.case
        return f"{service} {len(state)} bytes {state[:600].hex()}"

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Delete the files."""
        self._folder.cleanup()


class RowsTarget:
    """One row of a stored log is changed: the reader names its seq, or it was no change."""

    name = "journal rows"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._folder = tempfile.TemporaryDirectory(prefix="quotemesh-hostile-")
        self._journal = Path(self._folder.name) / "journal"
        self._journal.mkdir()
        writer = JournalWriter(self._journal)
        writer.open_epoch(7)
        with BatchedStore(writer) as store:
            for stored in samples.log[:ROWS]:
                store.put(stored)
        self._whole = list(JournalReader(self._journal).rows())
        self._db = apsw.Connection(str(segments(self._journal)[0]))
        self._db.execute("pragma synchronous=off")
        self._others = samples.log
        self.case: tuple[Any, ...] = ()

    def attempt(self) -> Verdict:
        """Change one row, read the log, and put the row back."""
        mutator = self.mutator
        row = mutator.picked(self._whole)
        kind = mutator.draw.random()
        if kind < 0.05:
            column, value = "deleted", None
            self._db.execute("delete from events where seq = ?", (row.seq,))
        elif kind < 0.1:
            column, value = "seq", mutator.picked((0, -5, ROWS + 1000, 2**62))
            self._db.execute("update events set seq = ? where seq = ?", (value, row.seq))
        else:
            column = mutator.picked(COLUMNS)
            value = self._changed(column, getattr(row, column))
            self._db.execute(f"update events set {column} = ? where seq = ?", (value, row.seq))  # noqa: S608
        self.case = (row.seq, column, value)
        try:
            return self._read(
                row.seq, is_changed=column in ("deleted", "seq") or value != getattr(row, column)
            )
        finally:
            self._db.execute("delete from events where seq not between 1 and ?", (ROWS,))
            self._db.execute("insert or replace into events values(?, ?, ?, ?, ?)", row)

    def _changed(self, column: str, value: Any) -> Any:
        mutator = self.mutator
        if mutator.chance(0.1):
            return mutator.picked(("text", 7, -1, 1.5, b"", b"\x90"))
        if column == "crc":
            return mutator.picked((value ^ 1 << mutator.draw.randrange(32), 0, -1, 2**62))
        if mutator.chance(0.1):
            return getattr(mutator.picked(self._whole), column)
        return mutator.damaged_bytes(value)

    def _read(self, seq: int, *, is_changed: bool) -> Verdict:
        try:
            events = list(JournalReader(self._journal).events())
        except JournalError as error:
            assert is_changed, f"a whole log is refused: {error}"
            moved_to = self.case[2] if self.case[1] == "seq" else seq
            is_named = f"seq {seq} " in str(error) or f"seq {moved_to} " in str(error)
            assert is_named, f"the damage is at seq {seq}, but: {error}"
            return Verdict.REFUSED
        is_end = self.case[1] in ("deleted", "seq") and seq == ROWS
        assert not is_changed or (is_end and len(events) == ROWS - 1), f"damage at seq {seq} was not seen"
        return Verdict.ACCEPTED

    def shown(self) -> str:
        """Return seq, column and value of the last change."""
        return repr(self.case)[:1000]

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Delete the log."""
        self._db.close()
        self._folder.cleanup()
