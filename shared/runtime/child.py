"""A child process with a socket pair: frames of bytes both ways, and each end sees when the other is gone.

A frame is its length (4 bytes, little endian) and its bytes. The child gets the number of its socket as its
only argument. It ends when the socket does, so it never outlives its parent; and nothing secret is in its
environment: it gets only what a program needs to start.
"""

import asyncio
import os
import socket
import struct
import sys
from pathlib import Path

FRAME_BYTES_MAX = 64 * 2**20
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
SCHEME = "child:"
"""What an address begins with that names a module in the place of a host."""

_LENGTH = struct.Struct("<I")
_END_WAIT_S = 2.0
_ROOT = Path(__file__).resolve().parents[2]


class Child:
    """One running child."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, module: str) -> "Child":
        """Start `python -m module`; raises `OSError` when no process can be made."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    module,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    cwd=_ROOT,
                    env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
                )
        except BaseException:
            ours.close()
            raise
        return cls(process, *await asyncio.open_connection(sock=ours))

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def send(self, frame: bytes) -> None:
        """Send one frame; to a child that is gone it is lost, and `recv` says so."""
        write_frame(self._writer, frame)

    async def recv(self) -> bytes:
        """Return the next frame; raises `ConnectionError` when the child has ended."""
        try:
            return await read_frame(self._reader)
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            self._writer.close()
            code = await self._gone()
            what = str(error) if isinstance(error, ValueError) else "its socket closed"
            raise ConnectionError(f"the child process ended with code {code}: {what}") from error

    async def close(self) -> None:
        """End the child: its socket closes, and one that does not go is killed."""
        self._writer.close()
        await self._gone()

    async def _gone(self) -> int:
        try:
            return await asyncio.wait_for(self._process.wait(), _END_WAIT_S)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame; raises `ValueError` on a length that none of ours has."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes, limit {FRAME_BYTES_MAX}")
    return await reader.readexactly(length)


def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Send one frame."""
    writer.write(_LENGTH.pack(len(frame)) + frame)
