"""Write every raw frame to a compressed file that can be played again (MD-24).

A line is `receive_ns frame`. Each second's lines are one gzip member, written at once: `kill -9` loses at
most that second and leaves a readable file.
"""

import gzip
import os
from collections import deque
from pathlib import Path

import msgspec

from shared.errors import UNDECODABLE
from shared.units import NS_PER_S
from shared.venues.base import VenueAdapter

COMPRESSION = 5
HOUR_NS = 3600 * NS_PER_S


def answer_line(adapter: VenueAdapter, target: str, body: bytes) -> bytes | None:
    """Return how a REST answer is recorded: a book as it came, facts as if of a stream; None for the rest.

    A recording with a line that is no JSON could not be played, so such an answer is left out.
    """
    stream = adapter.recorded_as(target)
    if stream is None:
        return None
    try:
        msgspec.json.decode(body)
    except UNDECODABLE:
        return None
    return b'{"stream":"%s","data":%s}' % (stream.encode(), body) if stream else body


class Recorder:
    """Recording of one venue: `take` each line, `flush` each second (in a thread: it compresses).

    A new file begins with each hour and beyond `file_bytes_max`. `lost_count` counts lines that could not be
    written, `error` says why.
    """

    def __init__(self, folder: Path, venue: str, file_bytes_max: int) -> None:
        self.lost_count = 0
        self.line_count = 0
        self.error = ""
        self._folder = folder
        self._venue = venue
        self._file_bytes_max = file_bytes_max
        # One object for its whole life: a line taken while another thread flushes must not get lost.
        self._lines: deque[tuple[int, bytes]] = deque()
        self._fd = -1
        self._size = 0
        self._hour = 0

    def take(self, recv_ns: int, frame: bytes) -> None:
        """Keep one line for the next flush; line breaks, which JSON does not need, become spaces."""
        self._lines.append((recv_ns, frame.replace(b"\n", b" ").replace(b"\r", b" ")))

    def flush(self) -> None:
        """Write what was taken; a full disk loses lines, never the feed."""
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        start = 0
        for i in range(1, len(lines) + 1):
            if i == len(lines) or lines[i][0] // HOUR_NS != lines[start][0] // HOUR_NS:
                self._write(lines[start:i])
                start = i

    def _write(self, lines: list[tuple[int, bytes]]) -> None:
        member = gzip.compress(b"".join(b"%d %s\n" % line for line in lines), COMPRESSION)
        first_ns = lines[0][0]
        try:
            self._open_for(first_ns)
            if os.write(self._fd, member) != len(member):
                raise OSError(0, "only a part was written")
            self._size += len(member)
            self.line_count += len(lines)
        except OSError as error:
            self.lost_count += len(lines)
            self.error = f"recording of {self._venue} in {self._folder}: {error.strerror}; free some space"
            if self._fd >= 0:
                os.ftruncate(self._fd, self._size)

    def _open_for(self, first_ns: int) -> None:
        hour = first_ns // HOUR_NS
        if self._fd >= 0 and hour == self._hour and self._size < self._file_bytes_max:
            return
        self.close()
        path = self._folder / f"{self._venue}-{first_ns}.raw.gz"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._fd).st_size
        self._hour = hour

    def close(self) -> None:
        """Close the file; a later flush opens a new one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
