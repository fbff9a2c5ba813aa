"""How far the log is known to be on disk, in a small file beside it: the log may never end before that."""

import os
import struct
import zlib
from pathlib import Path

from shared.errors import JournalError

MARK_NAME = "durable"
_MARK = struct.Struct("<QI")


class DurableMark:
    """The file `journal/durable`: the newest seq whose sync has returned.

    It is written in place and not synced: `kill -9` leaves it as it is, a power cut may leave an older one,
    so it never says more than is true.
    """

    def __init__(self, journal_dir: Path) -> None:
        self._path = journal_dir / MARK_NAME
        is_new = not self._path.exists()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            # Its place on the disk is taken now, while there is one.
            self.write(0)
            os.fsync(self._fd)

    def write(self, seq: int) -> None:
        """Say that all up to `seq` is on disk."""
        packed = seq.to_bytes(8, "little")
        os.pwrite(self._fd, _MARK.pack(seq, zlib.crc32(packed)), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def marked_seq(journal_dir: Path) -> int:
    """Return the seq up to which the log must be there, 0 when nothing is known.

    Raises `JournalError` when the file is damaged.
    """
    path = journal_dir / MARK_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0
    if not content:
        return 0
    try:
        seq, crc = _MARK.unpack(content)
    except struct.error:
        seq, crc = 0, -1
    if crc != zlib.crc32(int(seq).to_bytes(8, "little")):
        raise JournalError(
            f"{path} is damaged: nobody can tell whether the end of the log is missing; compare the log "
            "with a backup (quotemesh restore into another directory), then delete this file"
        )
    return int(seq)
