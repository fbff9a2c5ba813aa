"""One-minute candles of a market, made from its trades; and believable ones for minutes nobody played."""

from collections import deque
from typing import Any, NamedTuple

from services.venue_sim.draw import Draw

MINUTE_MS = 60_000
KEPT = 180
SENT_MS = 1_000
PPB = 1_000_000_000
# Measured on the generated flow: trades of one minute, and its volume in multiples of an order at the touch.
TRADES_MIN, TRADES_MAX = 500, 700
VOLUME_MIN, VOLUME_MAX = 350, 550
CLOSE_PPB, WICK_MIN_PPB, WICK_MAX_PPB = 800_000, 500_000, 2_000_000


class MinuteCandle(NamedTuple):
    """One candle in ticks and lots; `value` is the sum of ticks x lots, `taker_*` the part takers bought.

    Ids are those of its first and last trade, -1 without any.
    """

    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    value: int
    trade_count: int
    taker_lots: int
    taker_value: int
    first_id: int
    last_id: int


def flat(open_ms: int, ticks: int) -> MinuteCandle:
    """Return the candle of a minute without trades, as venues write it."""
    return MinuteCandle(open_ms, ticks, ticks, ticks, ticks, 0, 0, 0, 0, 0, -1, -1)


def with_trade(candle: MinuteCandle, ticks: int, lots: int, trade_id: int, *, is_buy: bool) -> MinuteCandle:
    """Return `candle` with one more trade; the first one sets open, high and low."""
    is_first = candle.trade_count == 0
    return MinuteCandle(
        candle.open_ms,
        ticks if is_first else candle.open_ticks,
        ticks if is_first else max(candle.high_ticks, ticks),
        ticks if is_first else min(candle.low_ticks, ticks),
        ticks,
        candle.lots + lots,
        candle.value + ticks * lots,
        candle.trade_count + 1,
        candle.taker_lots + lots * is_buy,
        candle.taker_value + ticks * lots * is_buy,
        trade_id if is_first else candle.first_id,
        trade_id,
    )


class CandleSeries:
    """The candles of one market: `KEPT` closed ones and the open one, which exists from the first minute on.

    `roll(now_ms)` before the trades of a time, then `take` each; `due(now_ms)` after them tells what the
    stream says.
    """

    def __init__(self) -> None:
        self.closed: deque[MinuteCandle] = deque(maxlen=KEPT)
        self.open: MinuteCandle | None = None
        self._sent_ms = 0
        self._sent: MinuteCandle | None = None

    def roll(self, now_ms: int, price_ticks: int) -> list[MinuteCandle]:
        """Begin the minute of `now_ms` and return the candles that it closes, oldest first.

        A minute begins at the last price; `price_ticks` is it when there was no candle before.
        """
        open_ms = now_ms - now_ms % MINUTE_MS
        ended: list[MinuteCandle] = []
        while self.open is not None and self.open.open_ms < open_ms:
            ended.append(self.open)
            self.closed.append(self.open)
            self.open = flat(self.open.open_ms + MINUTE_MS, self.open.close_ticks)
        if self.open is None:
            self.open = flat(open_ms, price_ticks)
        return ended

    def take(self, ticks: int, lots: int, trade_id: int, *, is_buy: bool) -> None:
        """Add a trade to the open candle."""
        assert self.open is not None, "the minute begins before its trades"
        self.open = with_trade(self.open, ticks, lots, trade_id, is_buy=is_buy)

    def due(self, now_ms: int) -> MinuteCandle | None:
        """Return the open candle when it changed and the last one was sent a second ago or more."""
        if (
            self.open == self._sent
            or now_ms - self._sent_ms < SENT_MS
            or not self.open
            or not self.open.trade_count
        ):
            return None
        self._sent, self._sent_ms = self.open, now_ms
        return self.open

    def between(self, start_ms: int, end_ms: int, limit: int) -> list[MinuteCandle]:
        """Return candles that open in a span as REST does: the newest without a start, else the first."""
        every = [*self.closed, self.open] if self.open is not None else list(self.closed)
        found = [c for c in every if start_ms <= c.open_ms <= end_ms]
        return found[:limit] if start_ms else found[-limit:]

    def fill_before(self, now_ms: int, price_ticks: int, touch_lots: int, draws: tuple[int, int]) -> None:
        """Put imagined candles into the minutes before `now_ms` that nobody played: the market was open then.

        They are a function of `draws` (seed, stream), of the minute and of the price, so a restart repeats
        them. The minute of a stop keeps its trades.
        """
        open_ms = now_ms - now_ms % MINUTE_MS
        if self.open is not None and self.open.open_ms == open_ms:
            return
        if self.open is not None and self.open.open_ms > open_ms:
            # The clock of this life is behind the last one's: what lies ahead of it never happened.
            self.closed.clear()
            self.open = None
        if self.open is not None and self.open.trade_count:
            self.closed.append(self.open)
        last_ms = self.closed[-1].open_ms if self.closed else 0
        first_ms = max(last_ms + MINUTE_MS, open_ms - KEPT * MINUTE_MS)
        seed, stream = draws
        for minute_ms in range(first_ms, open_ms, MINUTE_MS):
            before = self.closed[-1].close_ticks if self.closed else price_ticks
            is_last = minute_ms + MINUTE_MS == open_ms
            draw = Draw(seed, stream, minute_ms // MINUTE_MS * 8)
            close = price_ticks if is_last else near(price_ticks, draw.bell(CLOSE_PPB))
            self.closed.append(imagined(minute_ms, before, close, touch_lots, draw))
        self.open = flat(open_ms, price_ticks)

    def dump(self) -> list[Any]:
        """Return the state."""
        return [list(self.closed), self.open, self._sent_ms, self._sent]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        closed, last, self._sent_ms, sent = dumped
        self.closed = deque((MinuteCandle(*values) for values in closed), maxlen=KEPT)
        self.open = MinuteCandle(*last) if last is not None else None
        self._sent = MinuteCandle(*sent) if sent is not None else None


def near(ticks: int, offset_ppb: int) -> int:
    """Return a price at a distance, at least one tick."""
    return max(1, ticks + ticks * offset_ppb // PPB)


def imagined(open_ms: int, open_ticks: int, close_ticks: int, touch_lots: int, draw: Draw) -> MinuteCandle:
    """Return a candle as the generated flow makes them, without trades behind it."""
    high = near(max(open_ticks, close_ticks), draw.between(WICK_MIN_PPB, WICK_MAX_PPB))
    low = near(min(open_ticks, close_ticks), -draw.between(WICK_MIN_PPB, WICK_MAX_PPB))
    lots = touch_lots * draw.between(VOLUME_MIN, VOLUME_MAX)
    count = draw.between(TRADES_MIN, TRADES_MAX)
    taker_lots = lots * draw.between(400_000, 600_000) // 1_000_000
    price = (open_ticks + high + low + close_ticks) // 4
    values = (lots, lots * price, count, taker_lots, taker_lots * price)
    return MinuteCandle(open_ms, open_ticks, high, low, close_ticks, *values, -1, -1)
