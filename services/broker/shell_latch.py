"""The kill latch on disk, as the broker keeps it: synced before anybody is told that it holds (I-22).

The file is made by whoever kills: this process, the bus on a storage failure, or a person (`touch` is
enough). That it exists is the kill; what stands in it only explains.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.errors import UNDECODABLE

LATCH_NAME = "kill"
_TEXT_MAX = 4096


class LatchNote(NamedTuple):
    """Who latched kill and why, as far as the file tells."""

    by: str
    reason: str


class LatchFile:
    """The file `latch/kill` of a data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LATCH_NAME

    @property
    def is_set(self) -> bool:
        """Return whether the latch file exists."""
        return self.path.exists()

    def set(self, by: str, reason: str) -> None:
        """Make sure that the file exists and is synced, with its folder; an earlier one keeps its text.

        Raises:
            OSError: it could not be written or synced, so nobody may be told that kill is latched.
        """
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            text = msgspec.json.encode({"by": by, "reason": reason, "wall_ns": time.time_ns()})
        except FileExistsError:
            fd = os.open(self.path, os.O_WRONLY)
            text = b""
        try:
            os.write(fd, text)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._sync_folder()

    def note(self) -> LatchNote:
        """Return who latched kill and why; a file by hand may hold any text or none."""
        try:
            text = self.path.read_bytes()[:_TEXT_MAX]
            said = msgspec.json.decode(text, type=dict[str, str | int])
            return LatchNote(str(said["by"]), str(said["reason"]))
        except (*UNDECODABLE, OSError, KeyError):
            return LatchNote("file", f"the file {LATCH_NAME} stands in the latch folder")

    def clear(self) -> None:
        """Remove the file and sync its folder.

        Raises:
            OSError: it could not be removed.
        """
        self.path.unlink(missing_ok=True)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
