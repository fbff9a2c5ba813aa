"""Binance candles, funding, open interest and liquidations: names, targets and payloads, without I/O.

Funding, open interest and liquidations exist on USD-M only: their names and targets are empty on spot.
`premiumIndex` names the estimate for the running interval `lastFundingRate`.
"""

from typing import Annotated
from urllib.parse import parse_qsl, quote

import msgspec
from msgspec import Meta

from shared.units import NS_PER_MS, Side
from shared.venues.base import CandlePrint, LiquidationPrint, MarkPrint, OpenInterestPrint

CANDLE_INTERVAL, CANDLE_S = "1m", 60
CANDLE_MS = CANDLE_S * 1000
# Channels under which answers of REST are recorded, beside the venue's own streams.
CANDLES_ANSWER, MARK_ANSWER, INTEREST_ANSWER = "klines_1m", "premiumIndex", "openInterest"
RECORDED_AS = {"klines": CANDLES_ANSWER, "premiumIndex": MARK_ANSWER, "openInterest": INTEREST_ANSWER}

Count = Annotated[int, Meta(ge=0, le=2**53)]
TimeMs = Annotated[int, Meta(ge=0, le=2**42)]
_Row = tuple[TimeMs, str, str, str, str, str, TimeMs, str, Count, str, str, str]


class _KlineBody(msgspec.Struct, gc=False):
    t: TimeMs
    T: TimeMs
    s: str
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's name
    v: str
    n: Count
    x: bool


class _Kline(msgspec.Struct, gc=False):
    E: TimeMs
    k: _KlineBody


class _Mark(msgspec.Struct, gc=False):
    """`markPriceUpdate`; `r` is empty for contracts that expire."""

    E: TimeMs
    s: str
    p: str
    i: str
    r: str
    T: TimeMs


class _Premium(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    mark_price: str
    index_price: str
    last_funding_rate: str
    next_funding_time: TimeMs
    time: TimeMs


class _OpenInterest(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    open_interest: str
    time: TimeMs


class _ForceOrderBody(msgspec.Struct, gc=False):
    """`z` is what was filled of `q`; `p` the order's price, `ap` the average of its fills."""

    s: str
    S: str
    p: str
    q: str
    z: str
    T: TimeMs


class _ForceOrder(msgspec.Struct, gc=False):
    o: _ForceOrderBody


_kline = msgspec.json.Decoder(_Kline)
_rows = msgspec.json.Decoder(list[_Row])
_mark = msgspec.json.Decoder(_Mark)
_premium = msgspec.json.Decoder(_Premium)
_open_interest = msgspec.json.Decoder(_OpenInterest)
_force_order = msgspec.json.Decoder(_ForceOrder)


class BinanceFacts:
    """The part of a Binance adapter that is not the book and not the trades."""

    _prefix: str
    _is_derivative: bool

    def candle_stream(self, venue_symbol: str) -> str:
        """Return the stream of one-minute candles."""
        return f"{venue_symbol.lower()}@kline_{CANDLE_INTERVAL}"

    def mark_stream(self, venue_symbol: str) -> str:
        """Return the stream of mark, index and funding rate each second; empty on spot."""
        return f"{venue_symbol.lower()}@markPrice@1s" if self._is_derivative else ""

    def liquidation_stream(self, venue_symbol: str) -> str:
        """Return the stream of liquidations, at most the largest of each second; empty on spot."""
        return f"{venue_symbol.lower()}@forceOrder" if self._is_derivative else ""

    def candles_target(self, venue_symbol: str, count: int, from_ns: int = 0) -> str:
        """Return the REST target of up to `count` candles: the newest, or those from `from_ns` on."""
        start = f"&startTime={from_ns // NS_PER_MS}" if from_ns else ""
        name = quote(venue_symbol)
        return f"{self._prefix}/klines?symbol={name}&interval={CANDLE_INTERVAL}{start}&limit={count}"

    def mark_target(self, venue_symbol: str) -> str:
        """Return the REST target of mark, index and funding rate; empty on spot."""
        return f"{self._prefix}/premiumIndex?symbol={quote(venue_symbol)}" if self._is_derivative else ""

    def open_interest_target(self, venue_symbol: str) -> str:
        """Return the REST target of the open interest; empty on spot."""
        return f"{self._prefix}/openInterest?symbol={quote(venue_symbol)}" if self._is_derivative else ""

    def recorded_as(self, target: str) -> str | None:
        """Return the stream under which the answer to a target is recorded, empty for a book."""
        path, _, query = target.partition("?")
        symbol = dict(parse_qsl(query)).get("symbol", "").lower()
        call = path.removeprefix(f"{self._prefix}/")
        if call == "depth":
            return ""
        return f"{symbol}@{RECORDED_AS[call]}" if call in RECORDED_AS and symbol else None

    def parse_candle(self, data: bytes) -> CandlePrint:
        """Return the candle in a `kline`."""
        frame = _kline.decode(data)
        k = frame.k
        if k.i != CANDLE_INTERVAL or k.t % CANDLE_MS:
            raise ValueError(f"a candle of {k.s[:40]} at {k.t} ms of {k.i[:10]!r}, not of one minute")
        if k.t + CANDLE_MS - 1 != k.T or (k.x and frame.E < k.T):
            raise ValueError(f"a candle of {k.s[:40]} from {k.t} to {k.T} ms is closed at {frame.E} ms")
        texts = (k.o, k.h, k.l, k.c, k.v)
        return CandlePrint(k.s, CANDLE_S, k.t * NS_PER_MS, *texts, k.n, k.x, frame.E * NS_PER_MS)

    def parse_candles(self, body: bytes, venue_symbol: str) -> list[CandlePrint]:
        """Return the candles of a REST answer, oldest first; a candle is closed when a later one follows it.

        So the last one counts as open: only its successor proves, without a clock, that it is final.
        """
        rows = _rows.decode(body)
        candles = []
        for i, row in enumerate(rows):
            if row[0] % CANDLE_MS or row[6] != row[0] + CANDLE_MS - 1 or (i and row[0] <= rows[i - 1][0]):
                raise ValueError(f"candle {i} of {venue_symbol} from {row[0]} to {row[6]} ms is out of place")
            is_closed = i + 1 < len(rows)
            ts_ms = row[6] + 1 if is_closed else 0
            times = (CANDLE_S, row[0] * NS_PER_MS)
            candles.append(CandlePrint(venue_symbol, *times, *row[1:6], row[8], is_closed, ts_ms * NS_PER_MS))
        return candles

    def parse_mark(self, data: bytes) -> MarkPrint:
        """Return mark, index and funding rate in a `markPriceUpdate`."""
        frame = _mark.decode(data)
        return MarkPrint(frame.s, frame.p, frame.i, frame.r, frame.T * NS_PER_MS, frame.E * NS_PER_MS)

    def parse_mark_answer(self, body: bytes) -> MarkPrint:
        """Return mark, index and funding rate in a `premiumIndex` answer."""
        answer = _premium.decode(body)
        prices = (answer.mark_price, answer.index_price, answer.last_funding_rate)
        return MarkPrint(
            answer.symbol, *prices, answer.next_funding_time * NS_PER_MS, answer.time * NS_PER_MS
        )

    def parse_open_interest(self, body: bytes) -> OpenInterestPrint:
        """Return the open interest in a REST answer."""
        answer = _open_interest.decode(body)
        return OpenInterestPrint(answer.symbol, answer.open_interest, answer.time * NS_PER_MS)

    def parse_liquidation(self, data: bytes) -> LiquidationPrint:
        """Return the liquidation in a `forceOrder`: what was filled, at the price of the order."""
        order = _force_order.decode(data).o
        if order.S not in {"BUY", "SELL"}:
            raise ValueError(f"a liquidation of {order.s[:40]} has the side {order.S[:10]!r}")
        side = Side.BUY if order.S == "BUY" else Side.SELL
        qty = order.z if order.z.strip("0.") else order.q
        return LiquidationPrint(order.s, side, order.p, qty, order.T * NS_PER_MS)
