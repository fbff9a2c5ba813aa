"""Which seq a service was applying when it died: two deaths on one seq are no accident."""

import mmap
import struct
import zlib

from shared.runtime.paths import DataDir

_FILE = struct.Struct("<QQQQ")
DEATHS_MAX = 2


class ApplyingNote:
    """A small mapped file `run/<service>.applying`: the seq being applied, 0 between two events.

    `fatal_seq` is the seq at which the last two lives of this build died, None when they did not.
    """

    def __init__(self, data: DataDir, service: str, build: str) -> None:
        path = data.run / f"{service}.applying"
        with path.open("a+b") as file:
            file.truncate(_FILE.size)
            self._map = mmap.mmap(file.fileno(), _FILE.size)
        applying, died_seq, deaths, build_hash = _FILE.unpack_from(self._map)
        own_hash = zlib.crc32(build.encode())
        if build_hash != own_hash:
            applying = died_seq = deaths = 0
        if applying:
            deaths = deaths + 1 if applying == died_seq else 1
            died_seq = applying
        self.fatal_seq: int | None = died_seq if deaths >= DEATHS_MAX else None
        # A person who starts the service again after the latch gets another try.
        kept = (0, 0) if self.fatal_seq is not None else (died_seq, deaths)
        _FILE.pack_into(self._map, 0, 0, *kept, own_hash)

    def begin(self, seq: int) -> None:
        """Note that `seq` is being applied."""
        self._map[:8] = seq.to_bytes(8, "little")

    def end(self) -> None:
        """Note that it is applied."""
        self._map[:8] = b"\0\0\0\0\0\0\0\0"
