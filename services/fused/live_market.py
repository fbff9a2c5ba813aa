"""A small market for the campaign: a FIFO book, a few makers around a restless price, and takers.

It is what the simulated exchange trades on and what the mesh is told as market data: far lighter than the
generated market of the simulator, and made to hit quotes near the touch often.
"""

import array

from services.venue_sim.draw import Draw
from services.venue_sim.exchange.plain_side import PlainSide
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.venue import Market
from shared.messages.market import BookSnapshot, BookUpdate, InstrumentRules

OFFSETS = (0, 1, 3, 6)
TAKER_PPM = 450_000
MOVE_PPM = 350_000


class LightMarket(PlainSide):
    """One market and the others who trade in it."""

    def __init__(self, market: Market, rules: InstrumentRules, start_ticks: int, draw: Draw) -> None:
        super().__init__(market, last_ticks=start_ticks, first_trade_id=1000)
        self.rules = rules
        self._draw = draw
        self._mid_ticks = start_ticks
        self._next_id = 1
        self._resting: list[int] = []
        self._update_n = 0
        self.step(0)

    def step(self, now_ms: int) -> None:
        """Let the price move, takers come, and makers quote anew."""
        draw = self._draw
        if draw.chance(MOVE_PPM):
            self._mid_ticks += draw.between(-4, 4)
        if draw.chance(TAKER_PPM):
            side = BUY if draw.chance(500_000) else SELL
            reach = draw.between(0, 4)
            limit = self._mid_ticks + (reach + 1 if side == BUY else -reach)
            self._enter(side, limit, draw.between(1, 25), now_ms, is_ioc=True)
        for order_id in self._resting:
            self.cancel(order_id)
        self._resting.clear()
        for offset in OFFSETS:
            for side in (BUY, SELL):
                price = self._mid_ticks - offset if side == BUY else self._mid_ticks + 1 + offset
                self._resting.append(self._enter(side, price, draw.between(3, 30), now_ms, is_ioc=False))

    def _enter(self, side: int, price_ticks: int, lots: int, now_ms: int, *, is_ioc: bool) -> int:
        order_id = self._next_id
        self._next_id += 1
        self.submit(order_id, side, price_ticks, lots, now_ms, is_ioc=is_ioc)
        return order_id

    def told(self, now_ns: int) -> BookSnapshot | BookUpdate | None:
        """Return what market data says of the book now, None when nothing has changed."""
        is_first = self._update_n == 0
        if not is_first and not self.book.changed:
            return None
        self._update_n += 1
        bids, asks = self.book.drain()
        if is_first:
            bids, asks = self.book.levels(BUY, 50), self.book.levels(SELL, 50)
        block = array.array("q", [number for level in (*bids, *asks) for number in level]).tobytes()
        symbol, last = self.rules.symbol, self.book.last_id
        if is_first:
            return BookSnapshot(symbol, 1, last, len(bids), block, "start", now_ns, now_ns)
        return BookUpdate(symbol, self._update_n, last, last, len(bids), block, now_ns, now_ns)

    def start_over(self) -> None:
        """Let market data begin anew with a snapshot, as after a start of the mesh."""
        self._update_n = 0
