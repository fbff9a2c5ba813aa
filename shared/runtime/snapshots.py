"""Snapshots of a core: found and checked at start, named only when the log behind them is durable."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shared.errors import UNDECODABLE
from shared.runtime.crash import crash_point

FORMAT = 1
KEEP = 10


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """State of one core host after `seq` of `epoch`, and who made it."""

    format: int
    service: str
    epoch: int
    seq: int
    build: str
    settings_hash: bytes
    state: bytes
    state_hash: bytes


def settings_hash(settings: bytes) -> bytes:
    """Return a short hash that tells two settings apart."""
    return hashlib.sha256(settings).digest()[:16]


def state_hash(state: bytes) -> bytes:
    """Return the hash under which a state is stored."""
    return hashlib.sha256(state).digest()


class SnapshotStore:
    """The folder `snapshots/<service>/`; files are named `<epoch>-<seq>.snap`."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder / service
        self._service = service
        self._folder.mkdir(parents=True, exist_ok=True)

    def newest_first(self) -> Iterator[Snapshot]:
        """Yield the undamaged snapshots of this service, the newest first."""
        for path in sorted(self._folder.glob("*.snap"), reverse=True):
            try:
                found = msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
            except (*UNDECODABLE, OSError):
                continue
            is_ours = found.format == FORMAT and found.service == self._service
            if is_ours and found.state_hash == state_hash(found.state):
                yield found

    def write(self, snapshot: Snapshot) -> Path:
        """Write a synced draft: it is no snapshot until `name` is called."""
        draft = self._folder / f"{_stem(snapshot)}.{os.getpid()}.tmp"
        with draft.open("wb") as file:
            file.write(msgspec.msgpack.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        crash_point("service.snapshot_written")
        return draft

    def name(self, draft: Path) -> Path:
        """Give a draft its final name and forget the oldest; the caller has made sure of rule 6."""
        final = draft.with_name(draft.name.split(".", 1)[0] + ".snap")
        draft.rename(final)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        for path in sorted(self._folder.glob("*.snap"))[:-KEEP]:
            path.unlink(missing_ok=True)
        return final

    def sweep(self) -> None:
        """Delete the drafts of earlier lives."""
        for path in self._folder.glob("*.tmp"):
            path.unlink(missing_ok=True)


def _stem(snapshot: Snapshot) -> str:
    return f"{snapshot.epoch:012d}-{snapshot.seq:020d}"
