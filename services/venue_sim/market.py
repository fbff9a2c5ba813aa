"""One generated market: its flow, its book, its candles and facts, and all their payloads."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from services.venue_sim.candles import CandleSeries
from services.venue_sim.derivative import SECOND_MS, Derivative
from services.venue_sim.draw import Draw
from services.venue_sim.flow import OrderFlow
from services.venue_sim.market_wire import SPOT_DECIMALS
from services.venue_sim.matching import BUY, SELL, Match, MatchingBook, UpdateIds
from services.venue_sim.regime import Mood
from services.venue_sim.settings import MarketSettings
from services.venue_sim.streams import (
    BOOK_TICKER,
    CANDLES,
    DEPTH,
    FORCE_ORDER,
    MARK_EACH_S,
    MARK_PRICE,
    TRADE,
)
from services.venue_sim.venue import SPOT, VENUES, Market, StreamFrame
from services.venue_sim.wire_facts import FactsWire
from shared.errors import ConfigError
from shared.instrument import venue_of, venue_symbol

E8 = 100_000_000
PPB = 1_000_000_000
BASIS_LIMIT_PPB, BASIS_STEP_PPB = 200_000, 2_000
# Draws of a market, apart from those of its flow: for candles before the start, and for its facts.
CANDLE_DRAWS, FACT_DRAWS = 1_000_000, 2_000_000
MARK_EVERY_MS = 3 * SECOND_MS


class Execution(NamedTuple):
    """One trade under the id that the public stream gives it; order ids below 0 are those of accounts."""

    trade_id: int
    maker_id: int
    taker_id: int
    taker_side: int
    price_ticks: int
    lots: int


class GeneratedMarket:
    """One market; `step` plays its flow, `step_facts` what a perpetual says besides.

    Orders of accounts join the same book (`enter`); `on_execution(execution, now_ms)` tells those of their
    trades that the flow made, `outbox` holds the frames of what they did between two steps.
    """

    def __init__(self, settings: MarketSettings, seed: int, stream: int, ids: UpdateIds) -> None:
        self.venue, self.name = venue_of(settings.symbol), venue_symbol(settings.symbol)
        tick, lot, start = steps_of(settings)
        is_spot = self.venue == SPOT
        price_decimals = SPOT_DECIMALS if is_spot else len(settings.tick_size.partition(".")[2])
        lot_decimals = SPOT_DECIMALS if is_spot else len(settings.lot_size.partition(".")[2])
        plain = format(tick.normalize(), "f"), format(lot.normalize(), "f")
        self.wire = FactsWire(Market(self.venue, self.name, *plain, price_decimals, lot_decimals))
        self.start_e8 = int(start * E8)
        self.trade_id = 0
        self.diff_id = 0
        self.basis_ppb = 0
        self._basis_draw = Draw(seed, stream * 4 + 2)
        self._top = (0, 0, 0, 0)
        self.book = MatchingBook(ids)
        flow_draw = Draw(seed, stream * 4 + 1)
        self.flow = OrderFlow(self.book, flow_draw, settings.touch_lots, int(tick * E8), self.start_e8)
        self._source = f"{self.name.lower()}@"
        self._tick_e8 = int(tick * E8)
        self._candle_draws = (seed, CANDLE_DRAWS + stream)
        self._touch_lots = settings.touch_lots
        self.candles = CandleSeries()
        self.on_execution: Callable[[Execution, int], None] | None = None
        self.outbox: list[StreamFrame] = []
        self.last_ticks = 0
        # In a halt nobody quotes or takes; mark price and candles go on.
        self.is_halted = False
        self._range: tuple[int, int] | None = None
        self.derivative = (
            None
            if is_spot
            else Derivative(seed, FACT_DRAWS + stream, settings.touch_lots, self._tick_e8, self.start_e8)
        )

    def open(self) -> None:
        """Fill the book; what happens before the first step is not on the streams."""
        self.flow.open(self.start_e8)
        self.book.drain()
        self.diff_id = self.book.last_id

    def follow(self, mood: Mood) -> Mood:
        """Return the mood at this market's basis to the one it follows."""
        change = self._basis_draw.bell(BASIS_STEP_PPB)
        self.basis_ppb = max(-BASIS_LIMIT_PPB, min(BASIS_LIMIT_PPB, self.basis_ppb + change))
        return mood._replace(price_e8=mood.price_e8 + mood.price_e8 * self.basis_ppb // PPB)

    def step(self, mood: Mood, now_ms: int, *, is_diff_step: bool) -> list[StreamFrame]:
        """Play one step and return its trades, the touch when it changed, and the diff when it is due.

        Candles that end come before the trades, the open one after the diff.
        """
        source = self._source
        ended = self.candles.roll(now_ms, mood.price_e8 // self._tick_e8)
        frames = [
            StreamFrame(self.venue, source + CANDLES, self.wire.kline(now_ms, candle, is_closed=True))
            for candle in ended
        ]
        for match in self.flow.step(mood) if not self.is_halted else ():
            execution = self._print(match, now_ms, frames)
            if match.maker_id < 0 and self.on_execution is not None:
                self.on_execution(execution, now_ms)
        self._print_touch(now_ms, frames)
        if is_diff_step and self.book.changed:
            ids = (self.book.first_id, self.book.last_id, self.diff_id)
            bids, asks = self.book.drain()
            diff = self.wire.depth_diff(now_ms, ids, bids, asks)
            frames.append(StreamFrame(self.venue, self._source + DEPTH, diff))
            self.diff_id = self.book.last_id
        candle = self.candles.due(now_ms)
        if candle is not None:
            data = self.wire.kline(now_ms, candle, is_closed=False)
            frames.append(StreamFrame(self.venue, source + CANDLES, data))
        return frames

    def enter(
        self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int, *, is_ioc: bool
    ) -> list[Execution]:
        """Submit the order of an account (id below 0); its trades and the new touch go to `outbox`."""
        if self.candles.open is None:
            self.candles.roll(now_ms, price_ticks)
        matches = self.book.submit(order_id, side, price_ticks, lots, is_ioc=is_ioc)
        executions = [self._print(match, now_ms, self.outbox) for match in matches]
        self._print_touch(now_ms, self.outbox)
        return executions

    def print_trade(self, taker_side: int, price_ticks: int, lots: int, now_ms: int) -> int:
        """Put a trade on the stream that changes no book; returns its id."""
        return self._print(Match(0, 0, taker_side, price_ticks, lots), now_ms, self.outbox).trade_id

    def trade_range(self) -> tuple[int, int] | None:
        """Return (lowest, highest) price traded since this was asked last, None without trades."""
        traded, self._range = self._range, None
        return traded

    def withdraw(self, order_id: int, now_ms: int) -> int:
        """Cancel the resting order of an account; returns what was left of it in lots."""
        lots = self.book.cancel(order_id)
        self._print_touch(now_ms, self.outbox)
        return lots

    def shrink(self, order_id: int, lots: int, now_ms: int) -> None:
        """Lower what is left of an account's order to `lots`; it keeps its place in the queue."""
        self.book.reduce(order_id, lots)
        self._print_touch(now_ms, self.outbox)

    def _print(self, match: Match, now_ms: int, frames: list[StreamFrame]) -> Execution:
        """Give a trade its id and put it on the stream."""
        self.trade_id += 1
        self.last_ticks = price = match.price_ticks
        low, high = self._range or (price, price)
        self._range = (min(low, price), max(high, price))
        is_buy = match.taker_side == BUY
        self.candles.take(match.price_ticks, match.lots, self.trade_id, is_buy=is_buy)
        data = self.wire.trade(
            now_ms, self.trade_id, match.price_ticks, match.lots, is_buyer_maker=match.taker_side == SELL
        )
        frames.append(StreamFrame(self.venue, self._source + TRADE, data))
        return Execution(self.trade_id, *match)

    def _print_touch(self, now_ms: int, frames: list[StreamFrame]) -> None:
        """Put the touch on the stream when it has changed."""
        top = self._touch()
        if top != self._top:
            self._top = top
            ticker = self.wire.book_ticker(now_ms, self.book.last_id, top[:2], top[2:])
            frames.append(StreamFrame(self.venue, self._source + BOOK_TICKER, ticker))

    def step_facts(self, mood: Mood, index_e8: int, now_ms: int, funding_ms: int) -> list[StreamFrame]:
        """Return what a perpetual says besides, once a second."""
        facts = self.derivative
        if facts is None or facts.second_ms == now_ms - now_ms % SECOND_MS:
            return []
        forced = facts.second(now_ms, mood.regime, mood.price_e8, index_e8)
        mark = self.wire.mark_price(now_ms, facts, funding_ms)
        frames = [StreamFrame(self.venue, self._source + MARK_EACH_S, mark)]
        if facts.second_ms % MARK_EVERY_MS == 0:
            frames.append(StreamFrame(self.venue, self._source + MARK_PRICE, mark))
        if forced is not None:
            data = self.wire.force_order(now_ms, forced)
            frames.append(StreamFrame(self.venue, self._source + FORCE_ORDER, data))
        return frames

    def fill_candles(self, now_ms: int) -> None:
        """Let the minutes before `now_ms` that nobody played have candles too."""
        top = self._touch()
        price_ticks = (top[0] + top[2]) // 2
        self.candles.fill_before(now_ms, price_ticks, self._touch_lots, self._candle_draws)

    def _touch(self) -> tuple[int, int, int, int]:
        bid_ticks, ask_ticks = self.book.best(BUY), self.book.best(SELL)
        return bid_ticks, self.book.lots_at(BUY, bid_ticks), ask_ticks, self.book.lots_at(SELL, ask_ticks)

    def dump(self) -> list[Any]:
        """Return the state."""
        book = self.book
        pending = [book.first_id, book.last_id, sorted(book.changed), self.diff_id]
        return [self.trade_id, self.basis_ppb, self._basis_draw.counter, pending, self.flow.dump()]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        self.trade_id, self.basis_ppb, self._basis_draw.counter, pending, flow = dumped
        self.flow.load(flow)
        self.book.first_id, self.book.last_id, changed, self.diff_id = pending
        self.book.changed = {(side, price_ticks) for side, price_ticks in changed}
        self._top = self._touch()

    def dump_facts(self) -> list[Any]:
        """Return the state of candles and derivative."""
        return [self.candles.dump(), self.derivative.dump() if self.derivative is not None else None]

    def load_facts(self, dumped: list[Any]) -> None:
        """Take the state of `dump_facts`."""
        candles, derivative = dumped
        self.candles.load(candles)
        if self.derivative is not None:
            self.derivative.load(derivative)

    def skip_to(self, update_id: int, trade_id: int) -> None:
        """Raise the ids, leaving a gap that clients must see; changes not yet sent go with it."""
        self.book.drain()
        self.book.last_id = self.diff_id = update_id
        self.trade_id = max(self.trade_id, trade_id)


def steps_of(settings: MarketSettings) -> tuple[Decimal, Decimal, Decimal]:
    """Return tick, lot and start price; raises ConfigError for a market that cannot be made."""
    if venue_of(settings.symbol) not in VENUES or not venue_symbol(settings.symbol).isalnum():
        raise ConfigError(
            f"simulator.markets: {settings.symbol!r} is no market of {' or '.join(VENUES)}; "
            "write for example binance_usdm:BTCUSDT"
        )
    try:
        tick, lot, start = map(Decimal, (settings.tick_size, settings.lot_size, settings.start_price))
    except InvalidOperation:
        raise ConfigError(
            f"simulator.markets: {settings.symbol} has a tick, lot or price that is no number"
        ) from None
    is_fine = all(v.is_finite() and v > 0 and v * E8 == int(v * E8) for v in (tick, lot, start))
    if not is_fine or start < 1000 * tick:
        raise ConfigError(
            f"simulator.markets: {settings.symbol} has tick {tick}, lot {lot}, start price {start}; all must "
            "be above 0 with at most 8 decimals, the price at least 1000 ticks"
        )
    return tick, lot, start
