# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Queue of our resting paper orders of one market: who is ahead, and what a trade leaves for us (BR-16).

The venue's book does not hold our orders, so our place is an estimate: at arrival all lots at our price are
ahead. A trade at our price eats them first. A level that shrinks by more than was traded was cancelled:
`pro_rata` takes our share of it from ahead of us, `behind` lets all of it happen behind us (the strictest
view), and the probability models of hftbacktest (`PROBABILITY_MODELS`) lie between; see `_front`. A
level smaller than the lots ahead shows that they are gone. A trade beyond our price has passed us, so all of
it was for us. Each side is kept in price-time priority; no traded lot fills two of our orders.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.libc.math import ceil, log
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
else:
    from math import ceil, log

    from shared.kernels.book import Book
    from shared.kernels.words import WINDOW_TICKS

FIELDS = cython.declare(cython.longlong, 6)
HANDLE = cython.declare(cython.longlong, 0)
PRICE = cython.declare(cython.longlong, 1)
LEAVES = cython.declare(cython.longlong, 2)
AHEAD = cython.declare(cython.longlong, 3)
LEVEL = cython.declare(cython.longlong, 4)
TRADED = cython.declare(cython.longlong, 5)
PPM = cython.declare(cython.longlong, 1_000_000)
# products of lots below this fit 64 bits
SAFE_LOTS = cython.declare(cython.longlong, 3_000_000_000)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)

MODELS = ("behind", "pro_rata", "power", "power2", "power3", "log", "log2")
"""Where cancels happen, as seen from our order; the place is the number of the model."""
PROBABILITY_MODELS = MODELS[2:]
BEHIND = cython.declare(cython.longlong, 0)
PRO_RATA = cython.declare(cython.longlong, 1)
POWER = cython.declare(cython.longlong, 2)
POWER2 = cython.declare(cython.longlong, 3)
POWER3 = cython.declare(cython.longlong, 4)
LOG = cython.declare(cython.longlong, 5)


@cython.final
@cython.cclass
class RestingQueue:
    """Our resting orders by side, best price first, then oldest first; `handle` is the caller's number.

    Leaves change by `reduce` and `remove` only: the caller decides what becomes of a proposed fill.
    """

    def __init__(self, pro_rata: bool = True) -> None:
        self._model = PRO_RATA if pro_rata else BEHIND
        self._power = 3.0
        self._share_ppm = PPM
        self._capacity = 16
        self._rows = array.array("q", bytes(8 * 2 * FIELDS * self._capacity))
        self._used = array.array("q", [0, 0])
        self._found = array.array("q", bytes(8 * 2 * 2 * self._capacity))

    def set_share(self, share_ppm: cython.longlong) -> cython.int:
        """Let only this part of our share of the cancels be ahead of us; raises `ValueError` if no part."""
        if not 0 <= share_ppm <= PPM:
            raise ValueError(f"share {share_ppm} ppm of the cancels ahead: must lie within 0 and 1000000")
        self._share_ppm = share_ppm
        return 0

    def set_model(self, model: str, power: float = 3.0) -> None:
        """Choose the model of cancels, `power` is n of the power models; raises `ValueError` for no such."""
        if model not in MODELS or not power > 0:
            raise ValueError(f"queue model {model!r} of power {power}: one of {', '.join(MODELS)}, power > 0")
        self._model = MODELS.index(model)
        self._power = power

    def __len__(self) -> int:
        return self._used[0] + self._used[1]

    def add(
        self,
        side: cython.longlong,
        handle: cython.longlong,
        price_ticks: cython.longlong,
        leaves_lots: cython.longlong,
        level_lots: cython.longlong,
    ) -> cython.int:
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
        return 0

    def remove(self, handle: cython.longlong) -> cython.bint:
        """Take an order away; False when it does not rest."""
        side: cython.longlong
        at: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                if self._rows[self._at(side, at) + HANDLE] == handle:
                    self._shift(side, at, -1)
                    return True
        return False

    def reduce(self, handle: cython.longlong, lots: cython.longlong) -> cython.bint:
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
        count: cython.longlong = self.propose(side, price_ticks, qty_lots, False)
        return [(self._found[2 * index], self._found[2 * index + 1]) for index in range(count)]

    def propose(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        is_whole: cython.bint,
    ) -> cython.longlong:
        """Do what `trade` does with the fills in the scratch rows; return how many there are.

        `is_whole`: an order that anything reaches is filled whole, and each order stands for itself.
        """
        count: cython.longlong = 0
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
            if is_whole:
                left = qty_lots
                eaten = 0
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
            gap = self._rows[row + LEAVES]
            if left < gap and (not is_whole or left <= 0):
                gap = left
            if gap > 0:
                left -= gap
                self._found[2 * count] = self._rows[row + HANDLE]
                self._found[2 * count + 1] = gap
                count += 1
        return count

    def sync(self, book: Book, is_known: cython.bint) -> cython.int:
        """Follow the levels at our prices; after a break (`is_known` false) only their size is evidence."""
        side: cython.longlong
        at: cython.longlong
        row: cython.longlong
        level: cython.longlong
        for side in range(2):
            for at in range(self._used[side]):
                row = self._at(side, at)
                level = level_lots(book, side, self._rows[row + PRICE])
                if level != self._rows[row + LEVEL] or not is_known:
                    self._follow(row, level, is_known)
        return 0

    def crossed(self, book: Book) -> list:
        """Return the handles of orders that the other side's best price lies beyond; a touch is none."""
        count: cython.longlong = self.find_crossed(book, False)
        return [self._found[2 * index] for index in range(count)]

    def find_crossed(self, book: Book, is_touch: cython.bint) -> cython.longlong:
        """Do what `crossed` does with the scratch rows; `is_touch`: a touch counts as well."""
        count: cython.longlong = 0
        at: cython.longlong
        best: cython.longlong = book._best_price(1)
        row: cython.longlong
        for at in range(self._used[0]):
            row = self._at(0, at)
            if best == 0 or self._rows[row + PRICE] < best + (0 if is_touch else 1):
                break
            self._found[2 * count] = self._rows[row + HANDLE]
            self._found[2 * count + 1] = self._rows[row + LEAVES]
            count += 1
        best = book._best_price(0)
        for at in range(self._used[1]):
            row = self._at(1, at)
            if best == 0 or self._rows[row + PRICE] > best - (0 if is_touch else 1):
                break
            self._found[2 * count] = self._rows[row + HANDLE]
            self._found[2 * count + 1] = self._rows[row + LEAVES]
            count += 1
        return count

    def best_ticks(self, side: cython.longlong) -> cython.longlong:
        """Return our own best resting price of a side, 0 when none rests."""
        return self._rows[self._at(side, 0) + PRICE] if self._used[side] else 0

    def worst_ticks(self, side: cython.longlong) -> cython.longlong:
        """Return our own resting price of a side that is farthest from the other side, 0 when none rests."""
        return self._rows[self._at(side, self._used[side] - 1) + PRICE] if self._used[side] else 0

    def ahead_lots(self, handle: cython.longlong) -> cython.longlong:
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

    def _at(self, side: cython.longlong, at: cython.longlong) -> cython.longlong:
        return (side * self._capacity + at) * FIELDS

    def _is_better(
        self, side: cython.longlong, price_ticks: cython.longlong, index: cython.longlong
    ) -> cython.bint:
        if side == 0:
            return price_ticks > self._rows[index]
        return price_ticks < self._rows[index]

    def _follow(self, row: cython.longlong, level: cython.longlong, is_known: cython.bint) -> cython.int:
        """Move one order's place along with its level."""
        ahead: cython.longlong = self._rows[row + AHEAD]
        others: cython.longlong = self._rows[row + LEVEL] - self._rows[row + TRADED]
        gone: cython.longlong = others - level
        lost: cython.longlong
        is_safe: cython.bint
        if is_known and self._model > PRO_RATA and gone >= 0:
            ahead = self._front(ahead, self._rows[row + LEVEL], gone)
        elif is_known and self._model == PRO_RATA and gone > 0 and ahead > 0:
            is_safe = gone < SAFE_LOTS and ahead < SAFE_LOTS
            lost = gone * ahead // others if is_safe else cython.cast(object, gone) * ahead // others
            if self._share_ppm != PPM:
                lost = cython.cast(object, lost) * self._share_ppm // PPM
            ahead -= lost
        self._rows[row + AHEAD] = level if level < ahead else ahead
        self._rows[row + LEVEL] = level
        self._rows[row + TRADED] = 0
        return 0

    def _front(
        self, front: cython.longlong, level: cython.longlong, gone: cython.longlong
    ) -> cython.longlong:
        """Return the lots ahead after `gone` were cancelled of a level, by a probability model, rounded up.

        With b lots behind and f ahead, p = g(b) / (g(b) + g(f)) of the cancels happen behind us (`power`:
        g(x) = x^n, `log`: g(x) = ln(1 + x)), p = g(b) / g(b + f) (`power2`, `log2`) or p = 1 - (f / (f +
        b))^n (`power3`); what is more than there is behind comes from ahead as well. The formulas are those
        of `ProbQueueModel` of hftbacktest (docs/backtesting.md, "Engine").
        """
        ahead: cython.double = front
        behind: cython.double = max(0, level - front)
        lost: cython.double = gone
        share: cython.double = 1.0
        weight: cython.double
        weight = self._weight(behind)
        if self._model in {POWER, LOG}:
            weight += self._weight(ahead)
            share = self._weight(behind) / weight if weight > 0 else 1.0
        elif self._model == POWER3:
            share = 1.0 - self._weight(ahead / (ahead + behind)) if ahead + behind > 0 else 1.0
        else:
            weight = self._weight(ahead + behind)
            share = self._weight(behind) / weight if weight > 0 else 1.0
        ahead -= (1.0 - share) * lost
        if behind < share * lost:
            ahead += behind - share * lost
        return cython.cast(cython.longlong, ceil(ahead)) if ahead > 0 else 0

    def _weight(self, lots: cython.double) -> cython.double:
        """Return g of the probability models."""
        if self._model >= LOG:
            return log(1.0 + lots)
        return lots**self._power

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
        self._found = array.array("q", bytes(8 * 2 * 2 * self._capacity))
        return 0


def level_lots(book: Book, side: cython.longlong, price_ticks: cython.longlong) -> cython.longlong:
    """Return the lots at a price of one side of the book, as `Book.lots_at` does."""
    key: cython.longlong = -price_ticks if side else price_ticks
    slot: cython.longlong = key - book._base[side]
    if price_ticks <= 0 or price_ticks > PRICE_TICKS_MAX:
        return 0
    if 0 <= slot < WINDOW_TICKS:
        return book._lots[side * WINDOW_TICKS + slot]
    if not book._far_keys[side]:
        return 0
    return book._far_lots[side].get(key, 0)
