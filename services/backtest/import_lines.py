"""Raw recordings as blocks of whole lines, and single lines of them as the venue's frames.

A recording is a file of lines `receive_ns frame`, compressed with gzip (any number of members) or not.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.venue_sim.streams import BOOK_TICKER, DEPTH, OTHER_KINDS, TRADE, kind_of
from shared.columns import ColumnsError
from shared.errors import UNDECODABLE

READ_BYTES = 256 * 1024
BLOCK_BYTES = 512 * 1024
"""About this many bytes of lines are parsed at a time: they stay in the processor's cache."""
LINE_BYTES_MAX = 16 * 2**20
GZIP_MAGIC = b"\x1f\x8b"
TIME_DIGITS_MAX = 19
KNOWN_KINDS = OTHER_KINDS | {DEPTH, TRADE, BOOK_TICKER}


class Line(NamedTuple):
    """One line: a frame of `stream`, or a REST book when that is empty."""

    recv_ns: int
    stream: str
    data: bytes

    @property
    def kind(self) -> str:
        """Return `depth` of `btcusdt@depth@100ms`."""
        return kind_of(self.stream)


class _Frame(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update_id: int = msgspec.field(default=-1, name="lastUpdateId")
    id: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


_frame_decoder = msgspec.json.Decoder(_Frame)


def bad_line(path: object, line_n: int, what: object) -> ColumnsError:
    """Return the error for a line that cannot be taken, saying where it is and what to do."""
    return ColumnsError(f"{path}, line {line_n}: {what}; remove or repair the line, or record the data again")


def parsed(line: bytes) -> Line | None:
    """Return what a line holds, None for an empty one or the venue's answer to a subscription.

    Raises:
        ValueError: it is none of a recording.
    """
    text, _, frame = line.partition(b" ")
    if not text.strip() and not frame.strip():
        return None
    if not text.isdigit() or len(text) > TIME_DIGITS_MAX or not 0 < int(text) < 2**63:
        raise ValueError(f"starts with {text[:30]!r}, not with a receive time in ns since 1970")
    try:
        decoded = _frame_decoder.decode(frame)
    except UNDECODABLE as error:
        raise ValueError(f"holds no JSON frame ({error})") from None
    if decoded.stream:
        if kind_of(decoded.stream) not in KNOWN_KINDS:
            raise ValueError(
                f"is of the unknown stream {decoded.stream[:60]!r} (known: {', '.join(sorted(KNOWN_KINDS))})"
            )
        return Line(int(text), decoded.stream, bytes(decoded.data))
    if decoded.last_update_id >= 0:
        return Line(int(text), "", frame)
    if decoded.id and decoded.result:
        return None
    raise ValueError('is neither a combined-stream frame {"stream","data"} nor a depth snapshot')


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a file, a bounded piece at a time.

    Raises:
        EOFError: the file is cut off; every byte before that has been yielded.
        ColumnsError: it cannot be read, is no recording, or is damaged.
    """
    try:
        with path.open("rb") as file:
            chunk = file.read(READ_BYTES)
            if chunk and not chunk.startswith(GZIP_MAGIC):
                if not chunk[:1].isdigit():
                    raise ColumnsError(
                        f"{path} is no raw recording: it begins with {chunk[:12]!r}, neither gzip nor a time "
                        "in ns; check the path, or name the format of the file"
                    )
                while chunk:
                    yield chunk
                    chunk = file.read(READ_BYTES)
                return
            unpacker = zlib.decompressobj(wbits=31)
            while chunk:
                while chunk:
                    yield unpacker.decompress(chunk, BLOCK_BYTES)
                    chunk = unpacker.unconsumed_tail
                    if unpacker.eof:
                        chunk = unpacker.unused_data.lstrip(b"\0")
                        unpacker = zlib.decompressobj(wbits=31) if chunk else unpacker
                chunk = file.read(READ_BYTES)
                if unpacker.eof and chunk:
                    unpacker = zlib.decompressobj(wbits=31)
            if not unpacker.eof and path.stat().st_size:
                yield unpacker.flush()
                if not unpacker.eof:
                    raise EOFError
    except OSError as error:
        raise ColumnsError(f"{path} cannot be read ({error.strerror}); give a readable file") from None
    except zlib.error as error:
        raise ColumnsError(
            f"{path} is damaged ({error}): fetch it again, or repair it with `gzip -dc` up to the damage"
        ) from None


class Block(NamedTuple):
    """Whole lines: `data[:end]` ends with a line break."""

    data: bytearray
    end: int


def blocks(path: Path) -> Iterator[Block]:
    """Yield a recording as blocks of whole lines; a last line without a line break gets one.

    Raises:
        EOFError: the file is cut off; all its whole lines have been yielded.
        ColumnsError: it cannot be read, is no recording, or is damaged.
    """
    rest = bytearray()
    try:
        for piece in pieces(path):
            rest += piece
            end = rest.rfind(b"\n") + 1 if len(rest) >= BLOCK_BYTES else 0
            if end:
                yield Block(rest, end)
                rest = rest[end:]
            elif len(rest) > LINE_BYTES_MAX:
                raise ColumnsError(
                    f"{path} has a line of over {LINE_BYTES_MAX} bytes; a recording has one frame a line"
                )
    except EOFError:
        # The cut may have left a part of a line.
        end = rest.rfind(b"\n") + 1
        if end:
            yield Block(rest, end)
        raise
    if rest:
        if not rest.endswith(b"\n"):
            rest += b"\n"
        yield Block(rest, len(rest))
