# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""One market of the backtest: its columns, the venue's book and ours, our queue, money and open orders.

The rules of an arrival, of crossed books and of lots already taken are those of the paper venue
(`shared/paper/arrival.py`, `shared/paper/market.py`), in integers and without objects. With `is_partial`
false an order fills whole as soon as anything reaches it, and a touch is enough: the model of hftbacktest's
exchange without partial fills. C signatures are in backtest_market.pxd.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_store import NEVER_NS, share_up
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
    from cython.cimports.shared.kernels.matching import RestingQueue, level_lots
else:
    from shared.kernels.backtest_store import NEVER_NS, share_up
    from shared.kernels.book import Book
    from shared.kernels.matching import RestingQueue, level_lots
    from shared.kernels.words import WINDOW_TICKS

if not cython.compiled:
    OWNERS = 64
    GTC, FOK = 0, 2
    # What becomes of an arrival; the engine's REJECTS names the codes from 1 on.
    RESTS, UNTRUSTED_BOOK, POST_ONLY, NO_LIQUIDITY, SELF_TRADE, INSUFFICIENT, NOT_FILLED = range(7)
    # Rows of a RestingQueue.
    FIELDS, PRICE, LEAVES = 6, 1, 2


@cython.final
@cython.cclass
class Market:
    """See the module; made by `Engine.add_market`, which says what the arguments mean."""

    def __init__(
        self,
        index: int,
        columns: list,
        terms: tuple,
        limits: object,
        queue_model: str,
        queue_power: float,
        is_partial: bool,
        is_one_book: bool,
    ) -> None:
        self.ts_exch, self.ts_local, self.kinds, self.sides, self.prices, self.lots = columns
        self.index, self.count = index, len(columns[0])
        self.venue_row = self.local_row = self.added_ns = 0
        self.tick_lot_atoms, self.maker_fee_ppm, self.taker_fee_ppm = terms[:3]
        self.is_derivative, self.wallet, self.atom_scale = terms[3:]
        self.limits = limits
        self.gate = None
        self.wants_books = self.wants_trades = False
        self.local = Book()
        self.venue = self.local if is_one_book else Book()
        self.queue = RestingQueue(False)
        self.queue.set_model(queue_model, queue_power)
        self.is_partial = is_partial
        if not cython.compiled:
            self.watched = [0, 0, 0, 0]
            self.open_lots = [0, 0]
        self.is_dirty = self.is_anew = self.is_trusted = self.was_trusted = False
        self.parts = array.array("q", bytes(8 * 64))
        self.taken = array.array("q", bytes(8 * 64))
        self.part_count = self.taken_count = 0
        self.venue_lots = self.venue_cash_atoms = self.position_lots = self.cash_atoms = 0
        self.fees_atoms = self.funding_atoms = self.volume_atoms = 0
        self.mid_half_ticks = self.mark_ticks = 0
        self.active = array.array("q", bytes(8 * 64))
        self.active_count = 0
        self.open_lots[0] = self.open_lots[1] = self.open_ticks_lots = self.open_buy_ticks_lots = 0
        self.owner_lots = array.array("q", bytes(8 * OWNERS))
        self.owner_open = array.array("q", bytes(8 * 2 * OWNERS))
        self.watch()

    # ---- the venue's book and our queue in it

    def price_of(self, book: Book, side: cython.longlong) -> cython.longlong:
        """Return the best price of a side of a book, 0 when it is empty."""
        return book._best_price(side)

    def is_venue_open(self) -> cython.bint:
        """Return whether orders can be matched: the venue's book is valid, has both sides, is not crossed."""
        book: Book = self.venue
        if not book._valid or book._best[0] < 0 or book._best[1] < 0:
            return False
        return book._best_price(0) < book._best_price(1)

    def watch(self) -> cython.int:
        """Note at which prices a change of the book concerns our orders."""
        queue: RestingQueue = self.queue
        touch: cython.longlong = 0 if self.is_partial else 1
        at: cython.longlong
        side: cython.longlong
        self.resting = queue._used[0] + queue._used[1]
        self.watched[0] = self.watched[2] = NEVER_NS
        self.watched[1] = self.watched[3] = -1
        self.match_ask = 0
        self.match_bid = NEVER_NS
        if queue._used[0]:
            self.watched[0] = queue.worst_ticks(0)
            self.watched[1] = queue.best_ticks(0)
            self.match_ask = self.watched[1] - 1 + touch
        if queue._used[1]:
            self.watched[2] = queue.best_ticks(1)
            self.watched[3] = queue.worst_ticks(1)
            self.match_bid = self.watched[2] + 1 - touch
        for at in range(self.taken_count):
            side = 2 * self.taken[4 * at]
            self.watched[side] = min(self.watched[side], self.taken[4 * at + 1])
            self.watched[side + 1] = max(self.watched[side + 1], self.taken[4 * at + 1])
        return 0

    def follow(self) -> cython.int:
        """Let our places follow the venue's book at the end of a message, once it is trusted."""
        is_known: cython.bint = not self.is_anew
        if self.is_anew:
            self.taken_count = 0
        self.is_anew = False
        if not self.is_venue_open():
            return 0
        if self.resting:
            self.queue.sync(self.venue, is_known)
        if self.taken_count:
            self.forget_changed()
            self.watch()
        self.is_dirty = False
        return 0

    # ---- an order arrives

    def meet(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        tif: cython.longlong,
        is_post_only: cython.bint,
    ) -> cython.Py_ssize_t:
        """Return what becomes of an order: 0, a reject code, or NOT_FILLED (FOK); `parts` is what it takes.

        Price 0 is a market order. Nothing is changed.
        """
        touch: cython.longlong = self.venue._best_price(1 - side)
        own: cython.longlong
        reach: cython.longlong = price_ticks
        done: cython.longlong = 0
        at: cython.longlong
        self.part_count = 0
        if not self.is_venue_open():
            return UNTRUSTED_BOOK
        is_crossing: cython.bint = price_ticks == 0 or (
            price_ticks <= touch if side else price_ticks >= touch
        )
        if is_post_only and is_crossing:
            return POST_ONLY
        if not self.is_partial:
            if is_crossing:
                self.add_part(touch, lots)
            elif tif == FOK:
                return NOT_FILLED
            return RESTS
        if is_crossing:
            self.walk(side, price_ticks, lots)
        for at in range(self.part_count):
            done += self.parts[2 * at + 1]
            if price_ticks == 0:
                reach = self.parts[2 * at]
        if price_ticks == 0 and self.part_count == 0:
            return NO_LIQUIDITY
        own = self.queue.best_ticks(1 - side)
        if own and (reach <= own if side else reach >= own):
            return SELF_TRADE
        if tif == FOK and done < lots:
            return NOT_FILLED
        return RESTS

    def walk(self, side: cython.longlong, limit_ticks: cython.longlong, lots: cython.longlong) -> cython.int:
        """Put into `parts` what an order of `side` would take up to `limit_ticks` (0: any), best first."""
        book: Book = self.venue
        other: cython.longlong = 1 - side
        slot: cython.longlong = book._best[other]
        left: cython.longlong = lots
        free: cython.longlong
        price: cython.longlong
        self.part_count = 0
        while slot >= 0 and left > 0:
            price = book._base[other] + slot
            price = -price if other else price
            if limit_ticks and (price > limit_ticks if other else price < limit_ticks):
                return 0
            free = self.free_lots(other, price, book._lots[other * WINDOW_TICKS + slot])
            free = min(free, left)
            if free > 0:
                self.add_part(price, free)
                left -= free
            slot = book._below(other, slot)
        if left > 0 and book._far_keys[other]:
            for key in reversed(book._far_keys[other]):
                price = -key if other else key
                if left == 0 or (limit_ticks and (price > limit_ticks if other else price < limit_ticks)):
                    return 0
                free = self.free_lots(other, price, book._far_lots[other][key])
                free = min(free, left)
                if free > 0:
                    self.add_part(price, free)
                    left -= free
        return 0

    def add_part(self, price_ticks: cython.longlong, lots: cython.longlong) -> cython.int:
        """Append (price, lots) to `parts`."""
        if 2 * self.part_count == len(self.parts):
            more = array.array("q", self.parts)
            more.frombytes(bytes(8 * len(more)))
            self.parts = more
        self.parts[2 * self.part_count] = price_ticks
        self.parts[2 * self.part_count + 1] = lots
        self.part_count += 1
        return 0

    # ---- lots that our takers took of levels that still show them

    def free_lots(
        self, side: cython.longlong, price_ticks: cython.longlong, level_lots: cython.longlong
    ) -> cython.longlong:
        """Return what is left of a level that shows `level_lots`."""
        at: cython.longlong
        for at in range(self.taken_count):
            if self.taken[4 * at] == side and self.taken[4 * at + 1] == price_ticks:
                if self.taken[4 * at + 2] == level_lots:
                    return level_lots - self.taken[4 * at + 3]
                return level_lots
        return level_lots

    def take(self, side: cython.longlong, price_ticks: cython.longlong, lots: cython.longlong) -> cython.int:
        """Consume lots of a level of `side` of the book."""
        level: cython.longlong = level_lots(self.venue, side, price_ticks)
        at: cython.longlong = 0
        while at < self.taken_count:
            if self.taken[4 * at] == side and self.taken[4 * at + 1] == price_ticks:
                break
            at += 1
        if at == self.taken_count:
            if 4 * at == len(self.taken):
                more = array.array("q", self.taken)
                more.frombytes(bytes(8 * len(more)))
                self.taken = more
            self.taken_count += 1
            self.taken[4 * at] = side
            self.taken[4 * at + 1] = price_ticks
            self.taken[4 * at + 2] = -1
        if self.taken[4 * at + 2] != level:
            self.taken[4 * at + 2] = level
            self.taken[4 * at + 3] = 0
        self.taken[4 * at + 3] += lots
        return 0

    def take_beyond(
        self, side: cython.longlong, price_ticks: cython.longlong, lots: cython.longlong
    ) -> cython.int:
        """Consume what lies strictly beyond a resting order's price, up to `lots`."""
        at: cython.longlong
        limit: cython.longlong = price_ticks + (1 if side else -1)
        if limit <= 0:
            self.part_count = 0
            return 0
        self.walk(side, limit, lots)
        for at in range(self.part_count):
            self.take(1 - side, self.parts[2 * at], self.parts[2 * at + 1])
        return 0

    def forget_changed(self) -> cython.int:
        """Forget what was taken of levels that the venue says another size of now."""
        at: cython.longlong
        field: cython.longlong
        kept: cython.longlong = 0
        for at in range(self.taken_count):
            if level_lots(self.venue, self.taken[4 * at], self.taken[4 * at + 1]) == self.taken[4 * at + 2]:
                for field in range(4):
                    self.taken[4 * kept + field] = self.taken[4 * at + field]
                kept += 1
        self.taken_count = kept
        return 0

    # ---- sums over our orders

    def reserved_atoms(self) -> cython.longlong:
        """Return what resting buys would cost with their fee, each rounded up."""
        queue: RestingQueue = self.queue
        fee_ppm: cython.longlong = self.maker_fee_ppm if self.maker_fee_ppm > 0 else 0
        total: cython.longlong = 0
        value: cython.longlong
        at: cython.longlong
        for at in range(queue._used[0]):
            value = queue._rows[at * FIELDS + PRICE] * queue._rows[at * FIELDS + LEAVES] * self.tick_lot_atoms
            total += value + share_up(value, fee_ppm)
        return total

    def open_buys_atoms(self) -> cython.longlong:
        """Return what the buys that we think open may cost with the higher fee, rounded down as risk does."""
        fee_ppm: cython.longlong = max(0, self.maker_fee_ppm, self.taker_fee_ppm)
        value: cython.longlong = self.open_buy_ticks_lots * self.tick_lot_atoms
        return value - share_up(-value, fee_ppm)

    def offered_lots(self) -> cython.longlong:
        """Return the lots of our resting sells."""
        queue: RestingQueue = self.queue
        total: cython.longlong = 0
        at: cython.longlong
        for at in range(queue._used[1]):
            total += queue._rows[(queue._capacity + at) * FIELDS + LEAVES]
        return total

    def count_open(
        self,
        side: cython.longlong,
        owner: cython.longlong,
        lots: cython.longlong,
        price_ticks: cython.longlong,
    ) -> cython.int:
        """Add lots to the sums of what is open, negative ones take them off."""
        self.open_lots[side] += lots
        self.open_ticks_lots += lots * price_ticks
        if side == 0:
            self.open_buy_ticks_lots += lots * price_ticks
        self.owner_open[side * OWNERS + owner] += lots
        return 0

    def activate(self, slot: cython.longlong) -> cython.int:
        """Append an order to those that we think open."""
        if self.active_count == len(self.active):
            more = array.array("q", self.active)
            more.frombytes(bytes(8 * len(more)))
            self.active = more
        self.active[self.active_count] = slot
        self.active_count += 1
        return 0

    def deactivate(self, slot: cython.longlong) -> cython.int:
        """Take an order out of those that we think open; the others keep their order."""
        at: cython.longlong
        kept: cython.longlong = 0
        for at in range(self.active_count):
            if self.active[at] != slot:
                self.active[kept] = self.active[at]
                kept += 1
        self.active_count = kept
        return 0
