"""The order flow of one generated market: makers who keep a book around the fair price, and takers."""

from typing import Any

from services.venue_sim.draw import Draw
from services.venue_sim.matching import BUY, SELL, Match, MatchingBook
from services.venue_sim.regime import PPB, Mood

GRID_PPB = 83_000
GRID_LEVELS = 110
GRID_LEVELS_MAX = 130
GRID_REFILL_LEVELS = 12
GRID_REFILL_PPM = 350_000
GRID_CHANGE_PPM = 300_000
NEAR_OFFSETS = (0, 2, 5)
NEAR_TICKS_MAX = 12
INFORMED_PPM = 60_000
# A distance between the fair price and a stale quote that nobody leaves lying.
INFORMED_ALWAYS_PPB = 200_000
TAKER_PPM = 110_000
TAKER_REACH_PPB = 100_000
SWEEP_MIN_PPB, SWEEP_SPREAD_PPB = 150_000, 650_000


class OrderFlow:
    """Submits and cancels orders on `book`; every trade comes from the matching core.

    Order ids count up from 1 (orders of accounts have negative ones); a grid order rests at multiples of
    `_gap_ticks`, a near order at the touch.
    """

    def __init__(self, book: MatchingBook, draw: Draw, touch_lots: int, tick_e8: int, start_e8: int) -> None:
        self.book = book
        self._draw = draw
        self._touch_lots = touch_lots
        self._tick_e8 = tick_e8
        self._gap_ticks = max(2, start_e8 * GRID_PPB // PPB // tick_e8)
        self._next_id = 1
        self._grid: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._near: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._crossed: list[Match] = []

    def open(self, price_e8: int) -> None:
        """Fill an empty book around a price."""
        touches = self._touches(price_e8)
        for side in (BUY, SELL):
            self._quote(side, touches[side], 0)
            self._keep_grid(side, touches[side], is_opening=True)

    def step(self, mood: Mood) -> list[Match]:
        """Play one step: takers first, then makers quote around the new fair price."""
        fair_ticks = max(2 * self._gap_ticks, mood.price_e8 // self._tick_e8)
        matches = self._informed(fair_ticks)
        if self._draw.chance(TAKER_PPM):
            side = self._taker_side(mood)
            lots = 1 + self._touch_lots * self._draw.below(1000) * self._draw.below(2500) // 1_000_000
            matches += self._take(side, fair_ticks, TAKER_REACH_PPB, lots)
        if self._draw.chance(mood.sweep_ppm):
            side = self._taker_side(mood)
            reach_ppb = SWEEP_MIN_PPB + self._draw.below(1000) * self._draw.below(SWEEP_SPREAD_PPB) // 1000
            matches += self._take(side, fair_ticks, reach_ppb, 0)
        touches = self._touches(mood.price_e8)
        for side in (BUY, SELL):
            self._withdraw(side, touches[side])
        for side in (BUY, SELL):
            self._quote(side, touches[side], mood.lean_ppm)
            self._keep_grid(side, touches[side], is_opening=False)
        matches += self._crossed
        self._crossed = []
        return matches

    def _taker_side(self, mood: Mood) -> int:
        return BUY if self._draw.chance(mood.buy_ppm) else SELL

    def _touches(self, price_e8: int) -> tuple[int, int]:
        """Return the bid and ask that makers want: 1 to 3 ticks apart around the fair price."""
        fair_ticks = max(2 * self._gap_ticks, price_e8 // self._tick_e8)
        spread_ticks = 1 + self._draw.below(3)
        bid_ticks = fair_ticks - self._draw.below(spread_ticks)
        return bid_ticks, bid_ticks + spread_ticks

    def _informed(self, fair_ticks: int) -> list[Match]:
        """Let those who see the new fair price take what is quoted on its wrong side."""
        for side, is_stale, stale_ticks in (
            (BUY, 0 < self.book.best(SELL) < fair_ticks, fair_ticks - self.book.best(SELL)),
            (SELL, self.book.best(BUY) > fair_ticks, self.book.best(BUY) - fair_ticks),
        ):
            is_large = stale_ticks * PPB > fair_ticks * INFORMED_ALWAYS_PPB
            if is_stale and (is_large or self._draw.chance(INFORMED_PPM)):
                lots = self.book.lots_until(1 - side, fair_ticks)
                return self._match(side, fair_ticks, lots) if lots else []
        return []

    def _take(self, side: int, fair_ticks: int, reach_ppb: int, lots: int) -> list[Match]:
        """Send an IOC order up to `reach_ppb` beyond the fair price; 0 lots take everything up to there."""
        reach_ticks = max(1, fair_ticks * reach_ppb // PPB)
        limit_ticks = fair_ticks + reach_ticks if side == BUY else fair_ticks - reach_ticks
        lots = lots or self.book.lots_until(1 - side, limit_ticks)
        return self._match(side, limit_ticks, lots) if lots else []

    def _match(self, side: int, price_ticks: int, lots: int) -> list[Match]:
        order_id = self._take_id()
        matches = self.book.submit(order_id, side, price_ticks, lots, is_ioc=True)
        self._forget_filled(1 - side)
        return matches

    def _forget_filled(self, side: int) -> None:
        for kept in (self._near[side], self._grid[side]):
            for key in [key for key, order_id in kept.items() if not self.book.has(order_id)]:
                del kept[key]

    def _withdraw(self, side: int, touch_ticks: int) -> None:
        """Cancel what is better than makers want, and near orders that the price has left behind.

        Orders with a negative id belong to accounts; only their owners cancel them.
        """
        stale = self.book.resting_better(side, touch_ticks)
        for order_id in stale:
            if order_id > 0:
                self.book.cancel(order_id)
        near = self._near[side]
        for price_ticks in [p for p in near if abs(p - touch_ticks) > NEAR_TICKS_MAX]:
            self.book.cancel(near[price_ticks])
        self._forget_filled(side)

    def _quote(self, side: int, touch_ticks: int, lean_ppm: int) -> None:
        """Keep a few orders at and just behind the touch, sized as makers lean."""
        near = self._near[side]
        share_ppm = 1_000_000 + (lean_ppm if side == BUY else -lean_ppm)
        for offset in NEAR_OFFSETS:
            price_ticks = touch_ticks - offset if side == BUY else touch_ticks + offset
            if price_ticks not in near:
                near[price_ticks] = self._rest(side, price_ticks, 1 + self._size(0) * share_ppm // 1_000_000)

    def _keep_grid(self, side: int, touch_ticks: int, *, is_opening: bool) -> None:
        """Keep one order at each multiple of the gap, away from the touch, over `GRID_LEVELS`."""
        grid = self._grid[side]
        sign = -1 if side == BUY else 1
        first = touch_ticks // self._gap_ticks - 1 if side == BUY else touch_ticks // self._gap_ticks + 2
        for distance in range(GRID_LEVELS):
            index = first + sign * distance
            if index in grid or index < 1:
                continue
            if distance >= GRID_REFILL_LEVELS or is_opening or self._draw.chance(GRID_REFILL_PPM):
                grid[index] = self._rest(side, index * self._gap_ticks, self._size(distance))
        for index in [i for i in grid if (i - first) * sign > GRID_LEVELS_MAX]:
            self.book.cancel(grid.pop(index))
        if self._draw.chance(GRID_CHANGE_PPM):
            distance = self._draw.below(GRID_LEVELS)
            index = first + sign * distance
            if index in grid:
                self.book.cancel(grid[index])
                grid[index] = self._rest(side, index * self._gap_ticks, self._size(distance))

    def _size(self, distance: int) -> int:
        """Return lots for an order: uneven, and larger with the distance in grid levels."""
        return 1 + self._touch_lots * (10 + distance) * (200 + self._draw.below(1600)) // 10_000

    def _rest(self, side: int, price_ticks: int, lots: int) -> int:
        order_id = self._take_id()
        matches = self.book.submit(order_id, side, price_ticks, lots)
        assert all(match.maker_id < 0 for match in matches), "makers withdraw before they quote"
        self._crossed += matches
        return order_id

    def _take_id(self) -> int:
        order_id = self._next_id
        self._next_id += 1
        return order_id

    def dump(self) -> list[Any]:
        """Return the state, the book's orders included."""
        kept = [sorted(orders.items()) for orders in (*self._grid, *self._near)]
        return [self._draw.counter, self._next_id, kept, self.book.dump()]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump` into an empty book."""
        self._draw.counter, self._next_id, kept, orders = dumped
        grid_bids, grid_asks, near_bids, near_asks = (dict(map(tuple, items)) for items in kept)
        self._grid = (grid_bids, grid_asks)
        self._near = (near_bids, near_asks)
        self.book.load(orders)
