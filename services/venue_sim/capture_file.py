"""Reading captures: gzip files of `receive_ns frame` lines, one venue per file."""

import gzip
import zlib
from collections.abc import Iterator
from heapq import merge
from typing import NamedTuple

import msgspec

from services.venue_sim.streams import BOOK_TICKER, DEPTH, OTHER_KINDS, TRADE, kind_of
from services.venue_sim.venue import SPOT, USDM
from shared.errors import UNDECODABLE, ConfigError
from shared.units import NS_PER_MS

TIME_DIGITS_MAX = 19
LINE_BYTES_MAX = 16 * 2**20
"""A book of 5000 levels has 0.3 MB; a small gzip file can hold a line of gigabytes."""
KNOWN_KINDS = OTHER_KINDS | {DEPTH, TRADE, BOOK_TICKER}


class CaptureLine(NamedTuple):
    """One line of a capture; `stream` is empty for a REST snapshot. Sorts by receive time, then by file."""

    recv_ns: int
    file_n: int
    line_n: int
    stream: str
    data: bytes


class _Wrapped(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update_id: int = msgspec.field(default=-1, name="lastUpdateId")
    id: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


class VenueProbe(msgspec.Struct, gc=False):
    """The fields that tell spot from USD-M."""

    e: str = ""
    E: int = 0
    u: int = -1
    pu: int = -1
    X: str = ""
    M: bool | None = None
    last_update_id: int = msgspec.field(default=-1, name="lastUpdateId")

    def venue(self) -> str:
        """Return the venue that writes payloads of this shape, empty when both do."""
        if self.last_update_id >= 0:
            return USDM if self.E else SPOT
        if self.e == "depthUpdate":
            return USDM if self.pu >= 0 else SPOT
        if self.e in {"trade", "aggTrade"}:
            return SPOT if self.M is not None else USDM
        if self.e in {"markPriceUpdate", "forceOrder", BOOK_TICKER}:
            return USDM
        return SPOT if not self.e and self.u >= 0 else ""


_wrapped_decoder = msgspec.json.Decoder(_Wrapped)
_probe_decoder = msgspec.json.Decoder(VenueProbe)


def bad_line(path: str, line_n: int, what: str) -> ConfigError:
    """Return the error for a line that cannot be played, saying where it is."""
    return ConfigError(
        f"capture {path}, line {line_n}: {what}; remove or repair the line and gzip the file again"
    )


def read_capture(path: str, allow_truncated: bool, file_n: int = 0) -> Iterator[CaptureLine]:
    """Yield the lines of one capture; raises ConfigError with file, line and what to do.

    A file whose end is cut off is an error at that point, unless `allow_truncated`: then its last whole line
    is the end. Receive times that fall are raised to the one before, so time never goes back.
    """
    line_n = 0
    last_ns = 0
    try:
        with gzip.open(path, "rb") as lines:
            while line := lines.readline(LINE_BYTES_MAX + 1):
                line_n += 1
                if len(line) > LINE_BYTES_MAX:
                    raise bad_line(path, line_n, f"has over {LINE_BYTES_MAX} bytes")
                if not line.endswith(b"\n") and allow_truncated and not _is_whole(line):
                    return
                parsed = _parse(path, file_n, line_n, line, last_ns)
                if parsed is not None:
                    last_ns = parsed.recv_ns
                    yield parsed
    except FileNotFoundError:
        raise ConfigError(f"capture {path} does not exist; check the path given to --replay") from None
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigError(f"capture {path} cannot be read ({error.strerror}); give a readable file") from None
    except gzip.BadGzipFile as error:
        if line_n:
            raise _damaged(path, line_n, error) from None
        raise ConfigError(f"capture {path} is not gzip; compress it with `gzip` or check the path") from None
    except (EOFError, zlib.error) as error:
        if isinstance(error, EOFError) and allow_truncated:
            return
        raise _damaged(path, line_n, error) from None


def _damaged(path: str, line_n: int, error: Exception) -> ConfigError:
    return ConfigError(
        f"capture {path} is damaged or cut off after line {line_n} ({error}); fetch it again, or set "
        "simulator.allow_truncated to play it up to there when only its end is missing"
    )


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line.partition(b" ")[2])
    except UNDECODABLE:
        return False
    return True


def _parse(path: str, file_n: int, line_n: int, line: bytes, last_ns: int) -> CaptureLine | None:
    text, _, frame = line.partition(b" ")
    if not text.strip() and not frame.strip():
        return None
    if not text.isdigit() or len(text) > TIME_DIGITS_MAX or not 0 < int(text) < 2**63:
        raise bad_line(path, line_n, f"starts with {text[:30]!r}, not with a receive time in ns since 1970")
    recv_ns = max(int(text), last_ns)
    frame = frame.strip()
    try:
        wrapped = _wrapped_decoder.decode(frame)
    except UNDECODABLE as error:
        raise bad_line(path, line_n, f"holds no JSON frame ({error})") from None
    if wrapped.stream:
        if kind_of(wrapped.stream) not in KNOWN_KINDS:
            raise bad_line(
                path,
                line_n,
                f"is of the unknown stream {wrapped.stream!r} (known: {', '.join(sorted(KNOWN_KINDS))})",
            )
        return CaptureLine(recv_ns, file_n, line_n, wrapped.stream, bytes(wrapped.data))
    if wrapped.last_update_id >= 0:
        return CaptureLine(recv_ns, file_n, line_n, "", frame)
    if wrapped.id and wrapped.result:
        # The venue's answer to a subscription, kept by some recorders.
        return None
    raise bad_line(path, line_n, 'is neither a combined-stream frame {"stream","data"} nor a depth snapshot')


def venue_of_capture(path: str, allow_truncated: bool) -> str:
    """Return which venue a capture was recorded from, told by the first payload whose shape says so."""
    for line in read_capture(path, allow_truncated):
        try:
            venue = _probe_decoder.decode(line.data).venue()
        except UNDECODABLE:
            venue = ""
        if venue:
            return venue
    raise ConfigError(f"capture {path} holds no depth, trade or bookTicker frame; record it again")


def capture_origin_ns(files: tuple[str, ...], allow_truncated: bool = False) -> int:
    """Return the venue time at the first line: the mesh time at which a replay starts.

    It is the first event time `E` found, less what passed between the first line and that one.
    """
    first_ns = 0
    for line in merge_captures(files, allow_truncated):
        first_ns = first_ns or line.recv_ns
        if not line.stream:
            continue
        try:
            event_ms = _probe_decoder.decode(line.data).E
        except UNDECODABLE:
            continue
        if event_ms > 0:
            return event_ms * NS_PER_MS - (line.recv_ns - first_ns)
    raise ConfigError(
        f"no frame of {', '.join(files)} carries an event time E; record a depth or trade stream"
    )


def merge_captures(files: tuple[str, ...], allow_truncated: bool) -> Iterator[CaptureLine]:
    """Yield the lines of several captures in the order of their receive times."""
    return merge(*(read_capture(path, allow_truncated, n) for n, path in enumerate(files)))
