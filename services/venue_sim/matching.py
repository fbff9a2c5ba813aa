"""A price-time FIFO matching core: limit and immediate-or-cancel orders of one market. Integers only."""

from collections.abc import Iterator
from typing import NamedTuple

from sortedcontainers import SortedDict

BUY, SELL = 0, 1


class Match(NamedTuple):
    """One trade: the resting order gives the price."""

    maker_id: int
    taker_id: int
    taker_side: int
    price_ticks: int
    lots: int


class _Order:
    __slots__ = ("lots", "price_ticks", "side")

    def __init__(self, side: int, price_ticks: int, lots: int) -> None:
        self.side = side
        self.price_ticks = price_ticks
        self.lots = lots


class _Level:
    """Orders of one price, oldest first: dict keeps the order of arrival."""

    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, _Order] = {}
        self.lots = 0


class UpdateIds:
    """The counter of book changes; USD-M shares one over its markets, so ids of one market have gaps."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last

    def take(self) -> int:
        """Return the next id."""
        self.last += 1
        return self.last


class MatchingBook:
    """The orders of one market.

    Every change of a level takes an update id. `changed` collects the levels changed since `drain`,
    `first_id` and `last_id` are the ids of the first and the newest of these changes.
    """

    def __init__(self, ids: UpdateIds) -> None:
        self._ids = ids
        self._sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self._orders: dict[int, _Order] = {}
        self.changed: set[tuple[int, int]] = set()
        self.first_id = ids.last + 1
        self.last_id = ids.last

    def submit(
        self, order_id: int, side: int, price_ticks: int, lots: int, *, is_ioc: bool = False
    ) -> list[Match]:
        """Match an order against the other side, best price and oldest order first; rest what is left.

        The remainder of an `is_ioc` order is dropped. Ids must be new among resting orders.
        """
        assert lots > 0, f"order {order_id} of {lots} lots: must be above 0"
        assert price_ticks > 0, f"order {order_id} at {price_ticks} ticks: must be above 0"
        assert order_id not in self._orders, f"order {order_id} is already resting"
        matches: list[Match] = []
        other = self._sides[1 - side]
        while lots and other:
            best_ticks, level = other.peekitem(-1 if side == SELL else 0)
            if (best_ticks > price_ticks) if side == BUY else (best_ticks < price_ticks):
                break
            maker_id, maker = next(iter(level.orders.items()))
            traded = min(lots, maker.lots)
            matches.append(Match(maker_id, order_id, side, best_ticks, traded))
            lots -= traded
            maker.lots -= traded
            self._shrink(1 - side, best_ticks, level, traded)
            if maker.lots == 0:
                self._remove(maker_id, maker, level)
        if lots and not is_ioc:
            self._rest(order_id, side, price_ticks, lots)
        return matches

    def cancel(self, order_id: int) -> int:
        """Remove a resting order; returns its remaining lots, 0 when there is no such order."""
        order = self._orders.get(order_id)
        if order is None:
            return 0
        level = self._sides[order.side][order.price_ticks]
        self._shrink(order.side, order.price_ticks, level, order.lots)
        self._remove(order_id, order, level)
        return order.lots

    def reduce(self, order_id: int, lots: int) -> None:
        """Lower what is left of a resting order to `lots`; it keeps its place."""
        order = self._orders[order_id]
        assert 0 < lots <= order.lots, f"order {order_id} of {order.lots} lots cannot become {lots}"
        if lots < order.lots:
            level = self._sides[order.side][order.price_ticks]
            self._shrink(order.side, order.price_ticks, level, order.lots - lots)
            order.lots = lots

    def _rest(self, order_id: int, side: int, price_ticks: int, lots: int) -> None:
        book = self._sides[side]
        level = book.get(price_ticks)
        if level is None:
            level = book[price_ticks] = _Level()
        order = _Order(side, price_ticks, lots)
        level.orders[order_id] = order
        level.lots += lots
        self._orders[order_id] = order
        self._mark(side, price_ticks)

    def _shrink(self, side: int, price_ticks: int, level: _Level, lots: int) -> None:
        level.lots -= lots
        self._mark(side, price_ticks)

    def _remove(self, order_id: int, order: _Order, level: _Level) -> None:
        del level.orders[order_id]
        del self._orders[order_id]
        if not level.orders:
            del self._sides[order.side][order.price_ticks]

    def _mark(self, side: int, price_ticks: int) -> None:
        self.last_id = self._ids.take()
        if not self.changed:
            self.first_id = self.last_id
        self.changed.add((side, price_ticks))

    def drain(self) -> list[list[tuple[int, int]]]:
        """Return the changed levels as (price_ticks, lots now) per side, ascending, and forget them."""
        levels: list[list[tuple[int, int]]] = [[], []]
        for side, price_ticks in sorted(self.changed):
            levels[side].append((price_ticks, self.lots_at(side, price_ticks)))
        self.changed.clear()
        return levels

    def best(self, side: int) -> int:
        """Return the best price of a side in ticks, 0 when it is empty."""
        book = self._sides[side]
        return int(book.peekitem(-1 if side == BUY else 0)[0]) if book else 0

    def lots_at(self, side: int, price_ticks: int) -> int:
        """Return the resting lots at a price."""
        level = self._sides[side].get(price_ticks)
        return level.lots if level is not None else 0

    def levels(self, side: int, count: int) -> list[tuple[int, int]]:
        """Return up to `count` levels as (price_ticks, lots), best first."""
        items = self._sides[side].items()
        chosen = reversed(items[-count:]) if side == BUY else items[:count]
        return [(price_ticks, level.lots) for price_ticks, level in chosen]

    def walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield the levels of a side as (price_ticks, lots), best first; meanwhile it must not change."""
        book = self._sides[side]
        for price_ticks in reversed(book) if side == BUY else iter(book):
            yield price_ticks, book[price_ticks].lots

    def lots_before(self, order_id: int) -> int:
        """Return the lots that a taker meets before a resting order."""
        order = self._orders[order_id]
        before = 0
        for price_ticks, lots in self.walk(order.side):
            if price_ticks == order.price_ticks:
                break
            before += lots
        for other_id, other in self._sides[order.side][order.price_ticks].orders.items():
            if other_id == order_id:
                break
            before += other.lots
        return before

    def lots_until(self, side: int, price_ticks: int) -> int:
        """Return the lots of a side from its best price to `price_ticks`, included."""
        book = self._sides[side]
        prices = book.irange(price_ticks, None) if side == BUY else book.irange(None, price_ticks)
        return sum(book[price].lots for price in prices)

    def has(self, order_id: int) -> bool:
        """Return whether an order rests."""
        return order_id in self._orders

    def lots_of(self, order_id: int) -> int:
        """Return what is left of a resting order in lots, 0 when there is no such order."""
        order = self._orders.get(order_id)
        return order.lots if order is not None else 0

    def queue(self, side: int, price_ticks: int) -> list[tuple[int, int]]:
        """Return the orders at a price as (order_id, lots), first in line first."""
        level = self._sides[side].get(price_ticks)
        return (
            [(order_id, order.lots) for order_id, order in level.orders.items()] if level is not None else []
        )

    def resting_better(self, side: int, price_ticks: int) -> list[int]:
        """Return the ids of the orders of a side at prices strictly better than `price_ticks`."""
        book = self._sides[side]
        better = (
            book.irange(price_ticks, None, inclusive=(False, True))
            if side == BUY
            else book.irange(None, price_ticks, inclusive=(True, False))
        )
        return [order_id for price in better for order_id in book[price].orders]

    def dump(self) -> list[tuple[int, int, int, int]]:
        """Return all orders as (order_id, side, price_ticks, lots): by side, price, then age."""
        return list(self._dumped())

    def _dumped(self) -> Iterator[tuple[int, int, int, int]]:
        for side in (BUY, SELL):
            for price_ticks, level in self._sides[side].items():
                for order_id, order in level.orders.items():
                    yield order_id, side, price_ticks, order.lots

    def load(self, orders: list[tuple[int, int, int, int]]) -> None:
        """Rest the orders of `dump` in an empty book; takes no update id and marks no change."""
        last = self._ids.last
        for order_id, side, price_ticks, lots in orders:
            self._rest(order_id, side, price_ticks, lots)
        self._ids.last = self.last_id = last
        self.changed.clear()
