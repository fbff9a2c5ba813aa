"""Public history of a venue over REST: candles and aggregated trades of a span, checked for gaps and doubles.

No I/O here: a pager says the next target and takes the answer. What it gives are lines of CSV that `import`
reads: candles as the venue writes them, trades in Tardis' form (the venue's time stands for both times, since
nobody received them).
"""

from typing import Any, NamedTuple, Protocol

import msgspec

from services.backtest.coverage import when
from services.backtest.formats_tardis import TRADE_COLUMNS, VENUES
from shared.errors import UNDECODABLE, VenueError
from shared.units import NS_PER_MS

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
PAGE_ROWS = 1000
PATHS = {"binance": "/api/v3/", "binance_usdm": "/fapi/v1/"}
EXCHANGES = {ours: theirs for theirs, ours in VENUES.items()}
CANDLE_HEAD = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
TRADE_HEAD = ",".join(TRADE_COLUMNS)
GAPS_NAMED = 5


class Span(NamedTuple):
    """What is wanted: a market and whole milliseconds from `from_ms` on, before `to_ms`."""

    venue: str
    name: str
    from_ms: int
    to_ms: int


class Pager(Protocol):
    """Walks a span page by page; `head` is the first line of the file.

    `target()` is the next REST target, None at the end. `take(body)` returns the lines of an answer.
    `resume(line)` takes a line that was kept before, in order. Both raise `VenueError` for what cannot be.
    `gaps()` lists what is missing so far, for people.
    """

    head: str
    count: int

    def target(self) -> str | None:
        """Return the next target."""

    def take(self, body: bytes) -> list[str]:
        """Return the lines of an answer."""

    def resume(self, line: str) -> None:
        """Take a line of an earlier download."""

    def gaps(self) -> list[str]:
        """Return what is missing."""


class CandlePager:
    """One-minute candles; one that the venue does not have is a gap."""

    head = CANDLE_HEAD

    def __init__(self, span: Span) -> None:
        self.count = 0
        self._span = span
        self._next_ms = -(-span.from_ms // MINUTE_MS) * MINUTE_MS
        self._end_ms = span.to_ms // MINUTE_MS * MINUTE_MS
        self._asked_ms = self._next_ms
        self._gaps: list[tuple[int, int]] = []
        self._is_over = False

    def target(self) -> str | None:
        """Return the target of the next thousand candles."""
        if self._asked_ms >= self._end_ms or self._is_over:
            return None
        return (
            f"{PATHS[self._span.venue]}klines?symbol={self._span.name}&interval=1m&limit={PAGE_ROWS}"
            f"&startTime={self._asked_ms}&endTime={self._end_ms - 1}"
        )

    def take(self, body: bytes) -> list[str]:
        """Return the candles of an answer; an empty one ends the span."""
        rows = _decoded(body, list[list[msgspec.Raw]], "klines")
        lines = []
        for row in rows:
            line = ",".join(bytes(field).decode().strip('"') for field in row)
            self.resume(line)
            lines.append(line)
        self._is_over = not rows
        return lines

    def resume(self, line: str) -> None:
        """Take one candle; raises `VenueError` unless it follows the one before within the span."""
        fields = line.split(",")
        if len(fields) != CANDLE_HEAD.count(",") + 1 or not fields[0].isdigit():
            raise VenueError(f"klines of {self._span.name}: {line[:100]!r} is no candle; try again later")
        open_ms = int(fields[0])
        if open_ms % MINUTE_MS or not self._next_ms <= open_ms < self._end_ms:
            raise VenueError(
                f"klines of {self._span.name}: the candle of {open_ms} ms is doubled or out of place, the "
                f"next one is due at {self._next_ms} ms; try again later"
            )
        if open_ms > self._next_ms:
            self._gaps.append((self._next_ms, open_ms))
        self._next_ms = self._asked_ms = open_ms + MINUTE_MS
        self.count += 1

    def gaps(self) -> list[str]:
        """Return the missing spans, the end of the span included once it was asked for."""
        found = list(self._gaps)
        if self._is_over and self._next_ms < self._end_ms:
            found.append((self._next_ms, self._end_ms))
        return [
            f"{(end_ms - at_ms) // MINUTE_MS} candles from {when(at_ms * NS_PER_MS)}"
            for at_ms, end_ms in found
        ]


class _AggTrade(msgspec.Struct):
    a: int
    p: str
    q: str
    T: int
    m: bool


class TradePager:
    """Aggregated trades; their ids count up without a hole.

    The first is found by time, hour by hour; from it on pages go by id, which nothing can slip through.
    """

    head = TRADE_HEAD

    def __init__(self, span: Span) -> None:
        self.count = 0
        self._span = span
        self._hour_ms = span.from_ms
        self._last_id = -1
        self._last_ms = 0
        self._is_over = False
        self._gaps: list[tuple[int, int, int]] = []

    def target(self) -> str | None:
        """Return the target of the next thousand trades."""
        path = f"{PATHS[self._span.venue]}aggTrades?symbol={self._span.name}&limit={PAGE_ROWS}"
        if self._is_over:
            return None
        if self._last_id >= 0:
            return f"{path}&fromId={self._last_id + 1}"
        if self._hour_ms >= self._span.to_ms:
            return None
        end_ms = min(self._hour_ms + HOUR_MS, self._span.to_ms) - 1
        return f"{path}&startTime={self._hour_ms}&endTime={end_ms}"

    def take(self, body: bytes) -> list[str]:
        """Return the trades of an answer that lie in the span."""
        trades = _decoded(body, list[_AggTrade], "aggTrades")
        if not trades and self._last_id < 0:
            self._hour_ms += HOUR_MS
        elif not trades:
            self._is_over = True
        lines = []
        for trade in trades:
            if self._span.to_ms <= trade.T:
                self._is_over = True
                break
            side = "sell" if trade.m else "buy"
            exchange = EXCHANGES.get(self._span.venue, self._span.venue)
            line = (
                f"{exchange},{self._span.name},{trade.T * 1000},{trade.T * 1000},{trade.a},{side},"
                f"{trade.p},{trade.q}"
            )
            self.resume(line)
            lines.append(line)
        return lines

    def resume(self, line: str) -> None:
        """Take one trade; raises `VenueError` for one that is doubled or older than the one before."""
        fields = line.split(",")
        if len(fields) != len(TRADE_COLUMNS) or not (fields[2].isdigit() and fields[4].isdigit()):
            raise VenueError(f"aggTrades of {self._span.name}: {line[:100]!r} is no trade; try again later")
        at_ms, trade_id = int(fields[2]) // 1000, int(fields[4])
        least_ms = max(self._last_ms, self._span.from_ms)
        if trade_id <= self._last_id or at_ms < least_ms:
            raise VenueError(
                f"aggTrades of {self._span.name}: trade {trade_id} of {at_ms} ms is doubled or out of place, "
                f"the one before is {self._last_id} of {self._last_ms} ms; try again later"
            )
        if self._last_id >= 0 and trade_id > self._last_id + 1:
            self._gaps.append((self._last_id + 1, trade_id - 1, self._last_ms))
        self._last_id, self._last_ms = trade_id, at_ms
        self.count += 1

    def gaps(self) -> list[str]:
        """Return the ids that are missing."""
        return [
            f"trades {first} to {last}, after {when(at_ms * NS_PER_MS)}" for first, last, at_ms in self._gaps
        ]


PAGERS: dict[str, type[CandlePager] | type[TradePager]] = {"candles": CandlePager, "trades": TradePager}


def takes(pager: Pager, line: str, is_first: bool) -> bool:
    """Let a pager take a line of an earlier download; False when it is none of this one."""
    if is_first:
        return line == pager.head
    try:
        pager.resume(line)
    except VenueError:
        return False
    return True


def _decoded(body: bytes, kind: Any, call: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise VenueError(
            f"{call}: the answer cannot be read ({error}): {body[:100]!r}; try again later"
        ) from None
