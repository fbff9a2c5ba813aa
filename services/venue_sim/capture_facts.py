"""Candles, mark price and open interest of a recorded market: as recorded, candles else from its trades."""

from collections.abc import Iterable

import msgspec

from services.venue_sim.candles import MINUTE_MS, CandleSeries
from services.venue_sim.capture_scan import scaled
from services.venue_sim.streams import (
    AGG_TRADE,
    CANDLES,
    KLINES,
    MARK_EACH_S,
    MARK_PRICE,
    OPEN_INTEREST,
    TRADE,
)
from services.venue_sim.venue import Market, StreamFrame
from services.venue_sim.wire_facts import FactsWire
from shared.errors import UNDECODABLE

ROWS_KEPT = 1500
# Trades that come after depth of a later time still belong to their own minute.
LATE_MS = 1_000
E10 = 10**10

Row = list[object]
"""A candle as REST writes it: open time, open, high, low, close, volume, close time, ..."""


class _KlineBody(msgspec.Struct, gc=False):
    t: int
    T: int
    o: str
    h: str
    l: str  # noqa: E741 - the venue's name
    c: str
    v: str
    q: str
    n: int
    V: str
    Q: str


class _Kline(msgspec.Struct, gc=False):
    k: _KlineBody


class _Trade(msgspec.Struct, gc=False):
    T: int
    p: str
    q: str
    m: bool
    t: int = -1
    a: int = -1
    X: str = "MARKET"


class _Mark(msgspec.Struct, gc=False):
    E: int
    s: str
    p: str
    i: str
    r: str
    T: int
    P: str = ""


_kline_decoder = msgspec.json.Decoder(_Kline)
_trade_decoder = msgspec.json.Decoder(_Trade)
_mark_decoder = msgspec.json.Decoder(_Mark)
_rows_decoder = msgspec.json.Decoder(list[Row])


class RecordedFacts:
    """The facts of one market of a capture; `channels` are the streams that were recorded of it.

    What cannot be read is passed on as it is and leaves no trace here.
    """

    def __init__(self, market: Market, channels: Iterable[str], history: bytes = b"") -> None:
        self.market = market
        self._channels = frozenset(channels)
        self._source = f"{market.name.lower()}@"
        # The channel that tells its trades.
        self.trades = TRADE if TRADE in self._channels else AGG_TRADE
        self.is_derived = CANDLES not in self._channels and self.trades in self._channels
        self._wire = FactsWire(market)
        self._tick, self._lot = scaled(market.tick_size), scaled(market.lot_size)
        self._series = CandleSeries()
        self._rows: dict[int, Row] = {}
        self._mark: _Mark | None = None
        self._open_interest = b""
        if history:
            self._keep_rows(_rows_decoder.decode(history)[:-1])

    def source(self, channel: str) -> str | None:
        """Return the recorded or derived channel that feeds one that a client asks for, None without any."""
        if channel == CANDLES and self.is_derived:
            return CANDLES
        marks = (MARK_EACH_S, MARK_PRICE) if channel in {MARK_EACH_S, MARK_PRICE} else ()
        return next((name for name in marks if name in self._channels), None)

    def take(self, channel: str, data: bytes) -> list[StreamFrame]:
        """Take a played frame; returns the candles that come before it."""
        try:
            if channel == self.trades and self.is_derived:
                return self._take_trade(data)
            if channel == CANDLES:
                k = _kline_decoder.decode(data).k
                self._keep_rows([[k.t, k.o, k.h, k.l, k.c, k.v, k.T, k.q, k.n, k.V, k.Q, "0"]])
            elif channel in {MARK_PRICE, MARK_EACH_S}:
                self._mark = _mark_decoder.decode(data)
            elif channel == KLINES:
                self._keep_rows(_rows_decoder.decode(data))
            elif channel == OPEN_INTEREST:
                self._open_interest = data
        except UNDECODABLE:
            pass
        return []

    def _take_trade(self, data: bytes) -> list[StreamFrame]:
        trade = _trade_decoder.decode(data)
        ticks, lots = scaled(trade.p) // self._tick, scaled(trade.q) // self._lot
        frames = self.pass_time(trade.T + LATE_MS, ticks)
        opened = self._series.open
        if trade.X == "MARKET" and opened is not None and 0 <= trade.T - opened.open_ms < MINUTE_MS:
            trade_id = trade.a if self.trades == AGG_TRADE else trade.t
            self._series.take(ticks, lots, trade_id, is_buy=not trade.m)
            candle = self._series.due(trade.T)
            if candle is not None:
                frames.append(self._frame(self._wire.kline(trade.T, candle, is_closed=False)))
        return frames

    def pass_time(self, event_ms: int, price_ticks: int = 0) -> list[StreamFrame]:
        """Return the candles that are over at a venue time, trades being up to a second late."""
        now_ms = event_ms - LATE_MS
        if not self.is_derived or (self._series.open is None and not price_ticks):
            return []
        ended = self._series.roll(now_ms, price_ticks)
        return [self._frame(self._wire.kline(now_ms, candle, is_closed=True)) for candle in ended]

    def _frame(self, data: bytes) -> StreamFrame:
        return StreamFrame(self.market.venue, self._source + CANDLES, data)

    def _keep_rows(self, rows: list[Row]) -> None:
        for row in rows:
            open_ms = row[0]
            if len(row) != len(_KlineBody.__struct_fields__) + 1 or not isinstance(open_ms, int):
                raise ValueError(f"a candle of {self.market.name} is no row of twelve")
            self._rows.pop(open_ms, None)
            self._rows[open_ms] = row
        for open_ms in sorted(self._rows)[:-ROWS_KEPT]:
            del self._rows[open_ms]

    def candles(self, start_ms: int, end_ms: int, limit: int) -> bytes:
        """Return the body of the klines call at the frames played so far."""
        derived: list[Row] = []
        if self.is_derived:
            derived = _rows_decoder.decode(self._wire.klines(self._series.between(start_ms, end_ms, limit)))
        rows = self._rows | {row[0]: row for row in derived if isinstance(row[0], int)}
        found = [rows[open_ms] for open_ms in sorted(rows) if start_ms <= open_ms <= end_ms]
        return msgspec.json.encode(found[:limit] if start_ms else found[-limit:])

    def mark_and_index_e18(self) -> tuple[int, int]:
        """Return (mark, index) price in 1e-18, 0 before the first recorded one."""
        mark = self._mark
        return (scaled(mark.p), scaled(mark.i)) if mark is not None else (0, 0)

    def funding(self) -> tuple[int, int]:
        """Return (rate in 1e-8, end of the interval in ms), 0 before the first recorded one."""
        mark = self._mark
        if mark is None:
            return 0, 0
        size = scaled(mark.r.removeprefix("-")) // E10
        return -size if mark.r.startswith("-") else size, mark.T

    def premium_index(self) -> bytes | None:
        """Return the body of the premiumIndex call, None before the first recorded mark price."""
        mark = self._mark
        if mark is None:
            return None
        answer = {"symbol": mark.s, "markPrice": mark.p, "indexPrice": mark.i, "estimatedSettlePrice": mark.P}
        funding = {"lastFundingRate": mark.r, "interestRate": "0.00010000", "nextFundingTime": mark.T}
        return msgspec.json.encode(answer | funding | {"time": mark.E})

    def open_interest(self) -> bytes | None:
        """Return the last recorded answer, None before the first."""
        return self._open_interest or None
