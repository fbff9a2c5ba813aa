# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Queue of our resting paper orders of one market: who is ahead, and what a trade leaves for us (BR-16).

The venue's book does not hold our orders, so our place is an estimate: at arrival all lots at our price are
ahead. A trade at our price eats them first. A level that shrinks by more than was traded was cancelled:
`pro_rata` takes our share of it from ahead of us, else all of it happened behind us (the strictest view). A
level smaller than the lots ahead shows that they are gone. A trade beyond our price has passed us, so all of
it was for us. Each side is kept in price-time priority; no traded lot fills two of our orders.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import Book
else:
    from shared.kernels.book import Book

FIELDS = cython.declare(cython.longlong, 6)
HANDLE = cython.declare(cython.longlong, 0)
PRICE = cython.declare(cython.longlong, 1)
LEAVES = cython.declare(cython.longlong, 2)
AHEAD = cython.declare(cython.longlong, 3)
LEVEL = cython.declare(cython.longlong, 4)
TRADED = cython.declare(cython.longlong, 5)
# products of lots below this fit 64 bits
SAFE_LOTS = cython.declare(cython.longlong, 3_000_000_000)


@cython.cclass
class RestingQueue:
    """Our resting orders by side, best price first, then oldest first; `handle` is the caller's number.

    Leaves change by `reduce` and `remove` only: the caller decides what becomes of a proposed fill.
    """

    _pro_rata: cython.bint
    _capacity: cython.longlong
    _rows: cython.longlong[::1]
    _used: cython.longlong[::1]

    def __init__(self, pro_rata: bool = True) -> None:
        self._pro_rata = pro_rata
        self._capacity = 16
        self._rows = array.array("q", bytes(8 * 2 * FIELDS * self._capacity))
        self._used = array.array("q", [0, 0])

    def __len__(self) -> int:
        return self._used[0] + self._used[1]

    def add(
        self,
        side: cython.longlong,
        handle: cython.longlong,
        price_ticks: cython.longlong,
        leaves_lots: cython.longlong,
        level_lots: cython.longlong,
    ) -> None:
        """Put an order behind `level_lots` others (the level as the book shows it now) and behind our own.

        Raises:
            ValueError: a value is out of range; nothing is changed.
        """
        at: cython.longlong = 0
        row: cython.longlong
        if side not in {0, 1}:
            raise ValueError(f"side {side}: must be 0 (buy) or 1 (sell)")
        if price_ticks <= 0 or leaves_lots <= 0 or level_lots < 0:
            raise ValueError(
                f"order of {leaves_lots} lots at {price_ticks} ticks behind {level_lots}: "
                "price and lots must be positive, the level not negative"
            )
        if self._used[side] == self._capacity:
            self._grow()
        while at < self._used[side] and not self._is_better(side, price_ticks, self._at(side, at) + PRICE):
            at += 1
        self._shift(side, at, 1)
        row = self._at(side, at)
        self._rows[row + HANDLE] = handle
        self._rows[row + PRICE] = price_ticks
        self._rows[row + LEAVES] = leaves_lots
        self._rows[row + AHEAD] = level_lots
        self._rows[row + LEVEL] = level_lots
        self._rows[row + TRADED] = 0

    def remove(self, handle: cython.longlong) -> bool:
        """Take an order away; False when it does not rest."""
        side: cython.longlong
        at: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                if self._rows[self._at(side, at) + HANDLE] == handle:
                    self._shift(side, at, -1)
                    return True
        return False

    def reduce(self, handle: cython.longlong, lots: cython.longlong) -> bool:
        """Take `lots` from an order, and the order away when none are left; False when it does not rest.

        Raises:
            ValueError: the order has fewer lots left.
        """
        side: cython.longlong
        at: cython.longlong
        row: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                row = self._at(side, at)
                if self._rows[row + HANDLE] == handle:
                    if lots > self._rows[row + LEAVES]:
                        raise ValueError(f"order {handle}: {lots} lots of {self._rows[row + LEAVES]} left")
                    self._rows[row + LEAVES] -= lots
                    if self._rows[row + LEAVES] == 0:
                        self._shift(side, at, -1)
                    return True
        return False

    def trade(self, side: cython.longlong, price_ticks: cython.longlong, qty_lots: cython.longlong) -> list:
        """Take in one public trade by its aggressor's side; return our fills as (handle, lots), best first.

        A trade beyond our price fills by its volume; one at our price what is left after those ahead.
        """
        fills: list = []
        mine: cython.longlong = 1 - side
        left: cython.longlong = qty_lots
        eaten: cython.longlong = 0
        at: cython.longlong
        row: cython.longlong
        own: cython.longlong
        gap: cython.longlong
        for at in range(self._used[mine]):
            row = self._at(mine, at)
            own = self._rows[row + PRICE]
            if own == price_ticks:
                self._rows[row + TRADED] += qty_lots
                gap = self._rows[row + AHEAD] - eaten
                gap = min(gap, left)
                if gap > 0:
                    eaten += gap
                    left -= gap
                self._rows[row + AHEAD] -= (
                    eaten if eaten < self._rows[row + AHEAD] else self._rows[row + AHEAD]
                )
            elif (own > price_ticks) == (mine == 0):
                self._rows[row + AHEAD] = 0
            else:
                break
            gap = self._rows[row + LEAVES] if self._rows[row + LEAVES] < left else left
            if gap > 0:
                left -= gap
                fills.append((self._rows[row + HANDLE], gap))
        return fills

    def sync(self, book: Book, is_known: cython.bint) -> None:
        """Follow the levels at our prices; after a break (`is_known` false) only their size is evidence."""
        side: cython.longlong
        at: cython.longlong
        row: cython.longlong
        level: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                row = self._at(side, at)
                level = book.lots_at(side, self._rows[row + PRICE])
                if level != self._rows[row + LEVEL] or not is_known:
                    self._follow(row, level, is_known)

    def crossed(self, book: Book) -> list:
        """Return the handles of orders that the other side's best price lies beyond; a touch is none."""
        found: list = []
        at: cython.longlong
        best: cython.longlong = book.ask_ticks
        row: cython.longlong
        for at in range(self._used[0]):
            row = self._at(0, at)
            if best == 0 or self._rows[row + PRICE] <= best:
                break
            found.append(self._rows[row + HANDLE])
        best = book.bid_ticks
        for at in range(self._used[1]):
            row = self._at(1, at)
            if best == 0 or self._rows[row + PRICE] >= best:
                break
            found.append(self._rows[row + HANDLE])
        return found

    def best_ticks(self, side: cython.longlong) -> int:
        """Return our own best resting price of a side, 0 when none rests."""
        return self._rows[self._at(side, 0) + PRICE] if self._used[side] else 0

    def ahead_lots(self, handle: cython.longlong) -> int:
        """Return the lots of others estimated ahead of an order; -1 when it does not rest."""
        side: cython.longlong
        at: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                if self._rows[self._at(side, at) + HANDLE] == handle:
                    return self._rows[self._at(side, at) + AHEAD]
        return -1

    def dump(self) -> tuple:
        """Return both sides as lists of rows (handle, price, leaves, ahead, level, traded since)."""
        sides: list = []
        side: cython.longlong
        for side in range(2):
            rows = []
            for at in range(self._used[side]):
                row = self._at(side, at)
                rows.append([self._rows[row + field] for field in range(FIELDS)])
            sides.append(rows)
        return sides[0], sides[1]

    def load(self, state: tuple) -> None:
        """Replace all orders by those of `dump`."""
        side: cython.longlong
        self._used = array.array("q", [0, 0])
        for side in range(2):
            for values in state[side]:
                if self._used[side] == self._capacity:
                    self._grow()
                row = self._at(side, self._used[side])
                for field in range(FIELDS):
                    self._rows[row + field] = values[field]
                self._used[side] += 1

    # ---- rows

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _at(self, side: cython.longlong, at: cython.longlong) -> cython.longlong:
        return (side * self._capacity + at) * FIELDS

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _is_better(
        self, side: cython.longlong, price_ticks: cython.longlong, index: cython.longlong
    ) -> cython.bint:
        if side == 0:
            return price_ticks > self._rows[index]
        return price_ticks < self._rows[index]

    @cython.cfunc
    @cython.exceptval(-1)
    def _follow(self, row: cython.longlong, level: cython.longlong, is_known: cython.bint) -> cython.int:
        """Move one order's place along with its level."""
        ahead: cython.longlong = self._rows[row + AHEAD]
        others: cython.longlong = self._rows[row + LEVEL] - self._rows[row + TRADED]
        gone: cython.longlong = others - level
        if is_known and self._pro_rata and gone > 0 and ahead > 0:
            if gone < SAFE_LOTS and ahead < SAFE_LOTS:
                ahead -= gone * ahead // others
            else:
                ahead -= cython.cast(object, gone) * ahead // others
        self._rows[row + AHEAD] = level if level < ahead else ahead
        self._rows[row + LEVEL] = level
        self._rows[row + TRADED] = 0
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _shift(self, side: cython.longlong, at: cython.longlong, by: cython.longlong) -> cython.int:
        """Make room for a row at `at` (by = 1), or close the one there (by = -1)."""
        index: cython.longlong
        first: cython.longlong = self._at(side, at)
        last: cython.longlong = self._at(side, self._used[side])
        if by > 0:
            for index in range(last - 1, first - 1, -1):
                self._rows[index + FIELDS] = self._rows[index]
        else:
            for index in range(first, last - FIELDS):
                self._rows[index] = self._rows[index + FIELDS]
        self._used[side] += by
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _grow(self) -> cython.int:
        """Double the room of both sides."""
        old: cython.longlong[::1] = self._rows
        size: cython.longlong = FIELDS * self._capacity
        index: cython.longlong
        self._rows = array.array("q", bytes(8 * 2 * 2 * size))
        for index in range(size):
            self._rows[index] = old[index]
            self._rows[2 * size + index] = old[size + index]
        self._capacity *= 2
        return 0
