"""Column files to the market messages that `market_data` would have said: each market's rows, merged by time.

A depth event is one `BookUpdate` (after CLEAR a `BookSnapshot`), a trade one `Trade`, each stamped with the
local time of its row, as the live shell stamps a frame when it comes in. One-minute candles are made from the
trades by the code of the simulated venue (`services.venue_sim.candles`).

The id of a trade is the number of its row, counted from 1 over the files of its market.

Not said, because columns do not hold it: open interest, liquidations and hence the regime; funding rates
before they are paid; venue ids. A FUNDING row is a `FundingRate` whose time of payment is the next
nanosecond.
"""

import heapq
from array import array
from collections.abc import Iterator, Sequence

from services.venue_sim.candles import MINUTE_MS, CandleSeries, MinuteCandle
from shared.columns import CLEAR, FUNDING, INVALID, KIND_MASK, LAST, LEVEL, TRADE, Columns, ColumnsError
from shared.kernels.book import Book
from shared.messages import Message
from shared.messages.market import (
    BookInvalid,
    BookSnapshot,
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentRules,
    Trade,
)
from shared.units import INT64_MAX, NS_PER_MS, Side

CANDLE_LATE_MS = 1_000
"""Trades that come after others of a later time still belong to their own minute."""
LONE_TRADE = TRADE | LAST
_LAST_LEVEL = bytes([LEVEL | LAST])
SIDES = (Side.BUY, Side.SELL)

Timed = tuple[int, Message]
"""A message and the local time at which it came in."""


def merged(feeds: Sequence["MarketFeed"], from_ns: int = 0, until_ns: int = INT64_MAX) -> Iterator[Timed]:
    """Yield the messages of several markets by local time; of equal times the first feed's come first."""
    streams = [feed.messages(from_ns, until_ns) for feed in feeds]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_time_of)


def _time_of(timed: Timed) -> int:
    return timed[0]


class MarketFeed:
    """One market out of column files that follow each other in time.

    `event_count` is the number of venue messages told so far, `row` that of the rows behind them.
    """

    def __init__(self, files: Sequence[Columns], rules: InstrumentRules, has_candles: bool = True) -> None:
        self.symbol = rules.symbol
        self.rules = rules
        self.event_count = 0
        self.row = 0
        self._files = files
        self._update_n = 0
        self._before = Book()
        self._candles = _Candles(rules.symbol) if has_candles else None

    def messages(self, from_ns: int = 0, until_ns: int = INT64_MAX) -> Iterator[Timed]:
        """Yield what the rows with a local time in [from_ns, until_ns] say.

        Depth before `from_ns` builds the book, which is said whole before the first row after it. Raises
        `ColumnsError` where rows are out of order, and `ValueError` where a level cannot be one.
        """
        last_ns = 0
        for columns in self._files:
            first = 0
            if from_ns > columns.header.first_local_ns:
                first = self._skip(columns, from_ns)
            if first < columns.count:
                yield from self._said_before(columns.ts_local_ns[first])
            for timed in self._rows(columns, first, last_ns):
                if timed[0] > until_ns:
                    return
                yield timed
            last_ns = columns.header.last_local_ns

    def _rows(self, columns: Columns, first: int, last_ns: int) -> Iterator[Timed]:
        local, exch, kinds = columns.ts_local_ns, columns.ts_exch_ns, columns.kind
        prices, lots, sides = columns.price_ticks, columns.lots, columns.side
        symbol, candles, base, begin = self.symbol, self._candles, self.row, first
        for row in range(first, columns.count):
            kind = kinds[row]
            if not kind & LAST:
                continue
            now_ns = local[row]
            if now_ns < last_ns:
                raise _unordered(symbol, base + row, now_ns, last_ns)
            last_ns = now_ns
            self.row = base + row + 1
            self.event_count += 1
            if kind != LONE_TRADE or begin != row:
                for message in self._event(columns, begin, row + 1, now_ns):
                    yield now_ns, message
                begin = row + 1
                continue
            begin = row + 1
            price_ticks, qty_lots, side = prices[row], lots[row], SIDES[sides[row]]
            yield now_ns, Trade(symbol, self.row, price_ticks, qty_lots, side, exch[row], now_ns)
            if candles is not None:
                for candle in candles.take(exch[row], price_ticks, qty_lots, side, now_ns):
                    yield now_ns, candle
        self.row = base + columns.count

    def _event(self, columns: Columns, begin: int, end: int, now_ns: int) -> Iterator[Message]:
        """Yield what one venue message of several rows says; its levels are one book message."""
        kinds = columns.kind
        exch_ns = columns.ts_exch_ns[begin]
        has_levels = is_whole = False
        for row in range(begin, end):
            kind = kinds[row] & KIND_MASK
            if kind == LEVEL:
                has_levels = True
            elif kind == CLEAR:
                has_levels = is_whole = True
            elif kind == TRADE:
                price_ticks, qty_lots = columns.price_ticks[row], columns.lots[row]
                side = SIDES[columns.side[row]]
                trade_id = self.row - end + row + 1
                at_ns = columns.ts_exch_ns[row]
                yield Trade(self.symbol, trade_id, price_ticks, qty_lots, side, at_ns, now_ns)
                if self._candles is not None:
                    yield from self._candles.take(at_ns, price_ticks, qty_lots, side, now_ns)
            elif kind == INVALID:
                yield BookInvalid(self.symbol, "gap", "the data say that something is missing here")
            elif kind == FUNDING:
                yield self._funding(columns.lots[row], columns.price_ticks[row], exch_ns, now_ns)
        if has_levels:
            yield self._book(columns, begin, end, exch_ns, now_ns, is_whole=is_whole)

    def _book(
        self, columns: Columns, begin: int, end: int, exch_ns: int, now_ns: int, *, is_whole: bool
    ) -> BookSnapshot | BookUpdate:
        levels, bid_count = _levels(columns, begin, end)
        self._update_n += 1
        n = self._update_n
        if is_whole:
            return BookSnapshot(self.symbol, n, n, bid_count, levels, "start", exch_ns, now_ns)
        return BookUpdate(self.symbol, n, n, n, bid_count, levels, exch_ns, now_ns)

    def _funding(self, rate_e8: int, mark_ticks: int, exch_ns: int, now_ns: int) -> FundingRate:
        mark_centiticks = 100 * mark_ticks
        return FundingRate(
            self.symbol, rate_e8, now_ns + 1, mark_centiticks, mark_centiticks, exch_ns or now_ns, now_ns
        )

    def _skip(self, columns: Columns, from_ns: int) -> int:
        """Take the rows before `from_ns` into the book alone; return the first row of what is told."""
        begin, book, kinds, local = 0, self._before, columns.kind, columns.ts_local_ns
        for row in range(columns.count):
            if not kinds[row] & LAST:
                continue
            if local[row] >= from_ns:
                break
            for message in self._event(columns, begin, row + 1, local[row]):
                if isinstance(message, BookSnapshot):
                    book.snapshot(message.levels, message.bid_count, message.update_n)
                elif isinstance(message, BookUpdate):
                    book.update(message.levels, message.bid_count, message.update_n)
                elif isinstance(message, BookInvalid):
                    book.invalidate()
            begin = row + 1
        return begin

    def _said_before(self, now_ns: int) -> Iterator[Timed]:
        """Say the book that skipped rows have built, once."""
        book = self._before
        if book.is_valid:
            levels, bid_count = book.dump()
            n = self._update_n
            yield now_ns, BookSnapshot(self.symbol, n, n, bid_count, levels, "start", now_ns, now_ns)
            book.invalidate()


def _levels(columns: Columns, begin: int, end: int) -> tuple[bytes, int]:
    """Return the level rows of one message as a block, bids first, and how many are bids."""
    sides, count = bytes(columns.side[begin:end]), end - begin
    bid_count = sides.count(0)
    is_sorted = sides == b"\0" * bid_count + b"\1" * (count - bid_count)
    if is_sorted and bytes(columns.kind[begin:end]) == b"\0" * (count - 1) + _LAST_LEVEL:
        # As importers write them: nothing but levels, bids first.
        block = array("q", bytes(16 * count))
        block[::2] = array("q", columns.price_ticks[begin:end].tolist())
        block[1::2] = array("q", columns.lots[begin:end].tolist())
        return block.tobytes(), bid_count
    return _sorted_levels(columns, begin, end)


def _sorted_levels(columns: Columns, begin: int, end: int) -> tuple[bytes, int]:
    """Do the same for rows in any order, or with others among them."""
    bids, asks = array("q"), array("q")
    kinds, sides = columns.kind[begin:end], columns.side[begin:end]
    rows = zip(kinds, sides, columns.price_ticks[begin:end], columns.lots[begin:end], strict=True)
    for kind, side, price_ticks, lots in rows:
        if not kind & KIND_MASK:
            levels = asks if side else bids
            levels.append(price_ticks)
            levels.append(lots)
    bid_count = len(bids) // 2
    return (bids + asks).tobytes(), bid_count


def _unordered(symbol: str, row: int, now_ns: int, last_ns: int) -> ColumnsError:
    return ColumnsError(
        f"{symbol}: row {row} is of {now_ns} ns, before the {last_ns} ns of the row ahead of it; files of "
        "one market must follow each other in time: name each once, and import unordered data again"
    )


class _Candles:
    """One-minute candles of a market, made of its trades in the venue's time."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._series = CandleSeries()

    def take(self, exch_ns: int, ticks: int, lots: int, side: Side, now_ns: int) -> list[Candle]:
        """Take a trade; return the candles that are over, and the open one when it is due (once a second)."""
        at_ms = (exch_ns or now_ns) // NS_PER_MS
        series = self._series
        said = [
            self._candle(one, at_ms, now_ns, is_closed=True)
            for one in series.roll(at_ms - CANDLE_LATE_MS, ticks)
        ]
        opened = series.open
        if opened is not None and 0 <= at_ms - opened.open_ms < MINUTE_MS:
            series.take(ticks, lots, 0, is_buy=side is Side.BUY)
            due = series.due(at_ms)
            if due is not None:
                said.append(self._candle(due, at_ms, now_ns, is_closed=False))
        return said

    def _candle(self, one: MinuteCandle, at_ms: int, now_ns: int, *, is_closed: bool) -> Candle:
        return Candle(
            symbol=self._symbol,
            interval_s=60,
            open_ns=one.open_ms * NS_PER_MS,
            open_ticks=one.open_ticks,
            high_ticks=one.high_ticks,
            low_ticks=one.low_ticks,
            close_ticks=one.close_ticks,
            volume_lots=one.lots,
            trade_count=one.trade_count,
            is_closed=is_closed,
            ts_venue_ns=at_ms * NS_PER_MS,
            ts_recv_ns=now_ns,
        )
