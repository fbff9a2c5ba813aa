"""A recorded market: orders of accounts queue behind what was recorded and fill by what happened then.

The recorded frames stay as they are. Strict first in, first out: an order waits behind the quantity its level
had when it came; recorded trades at the price shorten the queue before it, and cancels are taken to come from
behind it unless the level falls below its place. It fills by recorded trades at or through its price and when
the recorded book crosses it. What orders take from a recorded level is missing from it until the level is
recorded anew. Trades of accounts have ids of their own, from `FIRST_TRADE_ID` on.
"""
# ruff: noqa: ARG002 - streams are as recorded, so acts need no time

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from services.venue_sim.capture_scan import Depth, scaled
from services.venue_sim.exchange.sides import OnExecution
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.venue import Market
from shared.errors import UNDECODABLE

FIRST_TRADE_ID = 1_000_000_000_000
STREET_ID = 1
# The queue before an order that came while the book was not known; what is recorded next shortens it.
UNKNOWN_LOTS = 2**53


class _Trade(msgspec.Struct, gc=False):
    p: str
    q: str
    m: bool
    X: str = "MARKET"


_trade_decoder = msgspec.json.Decoder(_Trade)


class Levels(Protocol):
    """The recorded book as `capture.RecordedBook` keeps it."""

    @property
    def is_valid(self) -> bool:
        """Whether it follows the recorded diffs."""

    def levels(self, side: int) -> dict[int, tuple[str, str]]:
        """Return (price, quantity) texts by price in 1e-18."""


class Facts(Protocol):
    """The recorded mark price as `capture_facts.RecordedFacts` keeps it."""

    def mark_and_index_e18(self) -> tuple[int, int]:
        """Return (mark, index), 0 before the first."""

    def funding(self) -> tuple[int, int]:
        """Return (rate in 1e-8, end of the interval in ms), 0 before the first."""


class _Own(msgspec.Struct, array_like=True):
    """A resting order: `ahead` is the recorded quantity before it, in lots."""

    order_id: int
    side: int
    ticks: int
    lots: int
    ahead: int


class RecordedSide:
    """See `sides.MarketSide`."""

    def __init__(self, market: Market, book: Levels, facts: Facts, now_ms: Callable[[], int]) -> None:
        self.market = market
        self._book, self._facts = book, facts
        self._now_ms = now_ms
        self._tick_e18, self._lot_e18 = scaled(market.tick_size), scaled(market.lot_size)
        self._own: dict[int, _Own] = {}
        self._queues: dict[tuple[int, int], list[_Own]] = {}
        self._taken: dict[tuple[int, int], int] = {}
        self._trade_id = FIRST_TRADE_ID - 1
        self._last_ticks = 0
        self._range: tuple[int, int] | None = None
        self._on_execution: OnExecution | None = None
        self._is_halted = False

    # ---- what was recorded

    def pass_change(self, diff: Depth | None) -> None:
        """Take a recorded diff that the book has just applied, None when the book was replaced as a whole."""
        if not (self._own or self._taken):
            return
        if diff is None:
            changed = {*self._taken, *self._queues}
        else:
            changed = {
                (side, scaled(price) // self._tick_e18)
                for side, levels in ((BUY, diff.b), (SELL, diff.a))
                for price, _ in levels
            }
        for side, ticks in changed:
            self._renew(side, ticks)
        if not self._is_halted and (diff is None or self._may_cross(changed)):
            self._fill_crossed(self._now_ms())

    def _renew(self, side: int, ticks: int) -> None:
        self._taken.pop((side, ticks), None)
        queue = self._queues.get((side, ticks))
        if queue:
            level_lots = self._level_lots(side, ticks)
            for own in queue:
                own.ahead = min(own.ahead, level_lots)

    def pass_trade(self, data: bytes) -> None:
        """Take a recorded trade; what is no ordinary trade (insurance fund, ADL) is left out."""
        try:
            trade = _trade_decoder.decode(data)
            ticks, lots = scaled(trade.p) // self._tick_e18, scaled(trade.q) // self._lot_e18
        except UNDECODABLE:
            return
        if trade.X != "MARKET":
            return
        self._last_ticks = ticks
        low, high = self._range or (ticks, ticks)
        self._range = (min(low, ticks), max(high, ticks))
        if self._own and not self._is_halted:
            self._fill_by_trade(BUY if trade.m else SELL, ticks, lots, self._now_ms())

    def _fill_by_trade(self, maker_side: int, ticks: int, lots: int, now_ms: int) -> None:
        """Let a taker of that time meet our orders at better prices first, then the queue at its price."""
        for key_ticks in self._own_prices(maker_side):
            if (key_ticks < ticks) if maker_side == BUY else (key_ticks > ticks):
                return
            queue = self._queues[maker_side, key_ticks]
            for own in list(queue) if key_ticks != ticks else ():
                lots -= self._fill(own, min(lots, own.lots), key_ticks, now_ms)
                if lots == 0:
                    return
            if key_ticks == ticks:
                self._pass_queue(queue, lots, ticks, now_ms)

    def _pass_queue(self, queue: list[_Own], lots: int, ticks: int, now_ms: int) -> None:
        passed = 0
        fills: list[tuple[_Own, int]] = []
        for own in queue:
            step = min(lots, own.ahead - passed)
            passed += step
            lots -= step
            filled = min(lots, own.lots)
            lots -= filled
            if filled:
                fills.append((own, filled))
            if lots == 0:
                break
        for own in queue:
            own.ahead = max(0, own.ahead - passed)
        for own, filled in fills:
            self._fill(own, filled, ticks, now_ms)

    def _may_cross(self, changed: set[tuple[int, int]]) -> bool:
        """Return whether one of the levels that changed meets a resting order."""
        bids, asks = self._own_prices(BUY)[:1], self._own_prices(SELL)[:1]
        return any(
            (side == SELL and bids != [] and ticks <= bids[0])
            or (side == BUY and asks != [] and ticks >= asks[0])
            for side, ticks in changed
        )

    def _fill_crossed(self, now_ms: int) -> None:
        """Fill orders that the recorded book has come to, as far as it goes."""
        for side in (BUY, SELL):
            prices = self._own_prices(side)
            levels = [list(level) for level in self._recorded(1 - side)] if prices else []
            for ticks in prices:
                for own in list(self._queues.get((side, ticks), ())):
                    for level in levels:
                        if (level[0] > ticks) if side == BUY else (level[0] < ticks):
                            break
                        filled = self._fill(own, min(own.lots, level[1]), ticks, now_ms)
                        self._note_taken(1 - side, level[0], filled)
                        level[1] -= filled

    def _fill(self, own: _Own, lots: int, ticks: int, now_ms: int) -> int:
        """Fill a resting order by somebody of that time; returns the lots, 0 when it is gone."""
        lots = min(lots, own.lots) if own.order_id in self._own else 0
        if lots == 0:
            return 0
        execution = self._print(own.order_id, STREET_ID, 1 - own.side, ticks, lots)
        self._shorten(own, lots)
        if self._on_execution is not None:
            self._on_execution(execution, now_ms)
        return lots

    def _shorten(self, own: _Own, lots: int) -> None:
        own.lots -= lots
        if own.lots == 0:
            del self._own[own.order_id]
            queue = self._queues[own.side, own.ticks]
            queue.remove(own)
            if not queue:
                del self._queues[own.side, own.ticks]

    # ---- the exchange

    def listen(self, on_execution: OnExecution) -> None:
        """Let fills be told."""
        self._on_execution = on_execution

    def _own_prices(self, side: int) -> list[int]:
        """Return the prices of resting orders of a side, best first."""
        return sorted({ticks for at, ticks in self._queues if at == side}, reverse=side == BUY)

    def _recorded(self, side: int) -> list[tuple[int, int]]:
        """Return what is left of the recorded levels, best first, in whole lots."""
        if not self._book.is_valid:
            return []
        levels = self._book.levels(side)
        found = []
        for price_e18 in sorted(levels, reverse=side == BUY):
            ticks = price_e18 // self._tick_e18
            lots = scaled(levels[price_e18][1]) // self._lot_e18 - self._taken.get((side, ticks), 0)
            if lots > 0:
                found.append((ticks, lots))
        return found

    def _level_lots(self, side: int, ticks: int) -> int:
        level = self._book.levels(side).get(ticks * self._tick_e18)
        lots = scaled(level[1]) // self._lot_e18 if level is not None else 0
        return max(0, lots - self._taken.get((side, ticks), 0))

    def best(self, side: int) -> int:
        """Return the best price, recorded or of an account; 0 without any."""
        own = self._own_prices(side)[:1]
        levels = self._book.levels(side) if self._book.is_valid else {}
        pick = max if side == BUY else min
        if not any(at == side for at, _ in self._taken):
            recorded = [pick(levels) // self._tick_e18] if levels else []
        else:
            recorded = [ticks for ticks, _ in self._recorded(side)[:1]]
        return pick(own + recorded, default=0)

    def walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield the levels, recorded and of accounts together."""
        lots = dict(self._recorded(side))
        for at, ticks in self._queues:
            if at == side:
                lots[ticks] = lots.get(ticks, 0) + sum(own.lots for own in self._queues[at, ticks])
        for ticks in sorted(lots, reverse=side == BUY):
            yield ticks, lots[ticks]

    def take(self, order_id: int, side: int, limit_ticks: int, lots: int, now_ms: int) -> list[Execution]:
        """Take from what was recorded and from resting orders, by price and place."""
        executions: list[Execution] = []
        for ticks, _ in list(self.walk(1 - side)):
            if lots == 0 or ((ticks > limit_ticks) if side == BUY else (ticks < limit_ticks)):
                break
            for maker_id, filled in self._at_level(1 - side, ticks, lots):
                executions.append(self._print(maker_id, order_id, side, ticks, filled))
                lots -= filled
        return executions

    def _at_level(self, side: int, ticks: int, lots: int) -> list[tuple[int, int]]:
        """Take up to `lots` of one level; returns (maker, lots) in the order of the queue."""
        recorded = self._level_lots(side, ticks) if self._book.is_valid else 0
        queue = list(self._queues.get((side, ticks), ()))
        found: list[tuple[int, int]] = []
        passed = 0
        for own in queue:
            step = min(lots, max(0, min(own.ahead, recorded) - passed))
            passed += step
            lots -= step
            filled = min(lots, own.lots)
            lots -= filled
            found += [(STREET_ID, step), (own.order_id, filled)]
            self._shorten(own, filled)
        rest = min(lots, recorded - passed)
        found.append((STREET_ID, rest))
        for own in queue:
            own.ahead = max(0, own.ahead - passed)
        self._note_taken(side, ticks, passed + rest)
        return [(maker_id, filled) for maker_id, filled in found if filled]

    def _note_taken(self, side: int, ticks: int, lots: int) -> None:
        if lots:
            self._taken[side, ticks] = self._taken.get((side, ticks), 0) + lots

    def rest(self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int) -> None:
        """Queue behind what the level holds now."""
        ahead = self._level_lots(side, price_ticks) if self._book.is_valid else UNKNOWN_LOTS
        own = _Own(order_id, side, price_ticks, lots, ahead)
        self._own[order_id] = own
        self._queues.setdefault((side, price_ticks), []).append(own)

    def withdraw(self, order_id: int, now_ms: int) -> int:
        """Leave the queue."""
        own = self._own.get(order_id)
        if own is None:
            return 0
        lots = own.lots
        self._shorten(own, lots)
        return lots

    def shrink(self, order_id: int, lots: int, now_ms: int) -> None:
        """Keep the place with fewer lots."""
        self._own[order_id].lots = lots

    def print_trade(self, taker_side: int, price_ticks: int, lots: int, now_ms: int) -> int:
        """Give a trade its id; recorded streams do not tell it."""
        return self._print(0, STREET_ID, taker_side, price_ticks, lots).trade_id

    def _print(self, maker_id: int, taker_id: int, taker_side: int, ticks: int, lots: int) -> Execution:
        self._trade_id += 1
        return Execution(self._trade_id, maker_id, taker_id, taker_side, ticks, lots)

    def lots_before(self, order_id: int) -> int:
        """Return what a taker meets before an order."""
        own = self._own[order_id]
        before = 0
        for ticks, lots in self.walk(own.side):
            if ticks == own.ticks:
                break
            before += lots
        for other in self._queues[own.side, own.ticks]:
            if other is own:
                break
            before += other.lots
        return before + min(own.ahead, self._level_lots(own.side, own.ticks))

    def visible_lots(self, order_id: int) -> int:
        """Return what rests of an order."""
        own = self._own.get(order_id)
        return own.lots if own is not None else 0

    def last_ticks(self) -> int:
        """Return the price of the last recorded trade, the middle of the book before any."""
        return self._last_ticks or (self.best(BUY) + self.best(SELL)) // 2

    def trade_range(self) -> tuple[int, int]:
        """Return what was traded since this was asked last."""
        traded, self._range = self._range, None
        return traded or (self._last_ticks, self._last_ticks)

    def mark_e18(self) -> int:
        """Return the recorded mark price, the last price without one."""
        return self._facts.mark_and_index_e18()[0] or self.last_ticks() * self._tick_e18

    def index_e18(self) -> int:
        """Return the recorded index price."""
        return self._facts.mark_and_index_e18()[1] or self.mark_e18()

    def funding(self) -> tuple[int, int]:
        """Return the recorded funding rate and time."""
        return self._facts.funding()

    def halt(self, is_halted: bool) -> None:
        """Fill nothing by what was recorded, or go on."""
        self._is_halted = is_halted

    def dump(self) -> list[Any]:
        """Return the queues and what was taken."""
        taken = [[side, ticks, lots] for (side, ticks), lots in self._taken.items()]
        return [self._trade_id, self._last_ticks, list(self._own.values()), taken]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`; the recorded book is where it was then."""
        self._trade_id, self._last_ticks, own, taken = dumped
        for order in msgspec.convert(own, list[_Own]):
            self._own[order.order_id] = order
            self._queues.setdefault((order.side, order.ticks), []).append(order)
        self._taken = {(side, ticks): lots for side, ticks, lots in taken}
