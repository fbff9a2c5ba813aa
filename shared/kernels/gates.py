# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Gates: compiled predicates that tell at each event whether a strategy could do or change anything now."""

# ruff: noqa: ARG002  a gate is asked with all there is; what it looks at is its own affair

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import Book
    from cython.cimports.shared.kernels.signals import TradeFlow, is_trade, microprice_of
else:
    from shared.kernels.book import Book
    from shared.kernels.signals import TradeFlow, is_trade, microprice_of

GUARD_OFF = cython.declare(cython.longlong, 0)
GUARD_ON = cython.declare(cython.longlong, 1)
GUARD_AUTO = cython.declare(cython.longlong, 2)


@cython.cclass
class Gate:
    """Asked instead of a callback; this one always lets through, a subclass knows better.

    False: the callback would have returned nothing, and all that it would have changed is changed: the event
    is dealt with, the callback must not be called. True: nothing is changed, the callback is to be called. So
    asking is right only where the callback would be called otherwise, and once for each event.
    """

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Tell whether `Strategy.on_book` is to be called for a change of a trusted book."""
        return True

    def on_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Tell whether `Strategy.on_trade` is to be called for a public trade; side is the aggressor's."""
        return True

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Tell whether `Strategy.on_timer` is to be called for 100 ms that passed."""
        return True


def trusted_half_ticks(book: Book) -> cython.longlong:
    """Return the mid of a book in half ticks, 0 when it is not to be trusted."""
    bid: cython.longlong = book._best_price(0)
    ask: cython.longlong = book._best_price(1)
    return bid + ask if book._valid and bid and bid < ask else 0


@cython.final
@cython.cclass
class QuietGate(Gate):
    """For strategies of one's own: after `rest` no book is let through while the touch stays in its range.

    Trades always come through, the clock from the time given to `rest` on. What a strategy told follows from
    its state; it is not saved, and a new gate lets everything through until the first `rest`.
    """

    def __init__(self) -> None:
        self.is_resting = False
        self._bid_from = self._bid_to = self._ask_from = self._ask_to = self._until_ns = 0

    def rest(
        self,
        bid_from: cython.longlong = 0,
        bid_to: cython.longlong = 0x7FFF_FFFF_FFFF_FFFF,
        ask_from: cython.longlong = 0,
        ask_to: cython.longlong = 0x7FFF_FFFF_FFFF_FFFF,
        until_ns: cython.longlong = 0x7FFF_FFFF_FFFF_FFFF,
    ) -> None:
        """Let no book through while best bid and ask lie in these ranges of ticks, limits included."""
        self._bid_from, self._bid_to = bid_from, bid_to
        self._ask_from, self._ask_to = ask_from, ask_to
        self._until_ns = until_ns
        self.is_resting = True

    def wake(self) -> None:
        """Let everything through again: something happened that the last `rest` did not know of."""
        self.is_resting = False

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Let through unless it rests."""
        if not self.is_resting or now_ns >= self._until_ns:
            return True
        is_bid_quiet: cython.bint = self._bid_from <= book._best_price(0) <= self._bid_to
        return not (is_bid_quiet and self._ask_from <= book._best_price(1) <= self._ask_to)

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Let through unless it rests until later."""
        return not self.is_resting or now_ns >= self._until_ns


# ---- market maker


@cython.cclass
class Toxicity:
    """VPIN over the last trades of a market against two limits (ST-10, ST-12, ST-15).

    `mode` is 0 off, 1 on, 2 automatic: off until `window` trades in a row came within `busy_ns`, then on for
    good. VPIN counts only over a full window: above `toxic_ppm` the flow is toxic, below `release_ppm` not
    any more.
    """

    def __init__(
        self,
        window: cython.longlong,
        toxic_ppm: cython.longlong,
        release_ppm: cython.longlong,
        mode: cython.longlong,
        busy_ns: cython.longlong,
    ) -> None:
        self.flow = TradeFlow(window)
        self.is_toxic = False
        self.is_busy = False
        self.seen = 0
        self.began_ns = 0
        self._window = window
        self._toxic_ppm = toxic_ppm
        self._release_ppm = release_ppm
        self._mode = mode
        self._busy_ns = busy_ns

    @property
    def is_on(self) -> bool:
        """Tell whether VPIN counts by setting; it does once its window is full."""
        return self._mode == GUARD_ON or (self._mode == GUARD_AUTO and self.is_busy)

    @property
    def vpin_ppm(self) -> int:
        """Return VPIN as far as it counts: 0 when it is off or its window is not full."""
        is_on: cython.bint = self._mode == GUARD_ON or (self._mode == GUARD_AUTO and self.is_busy)
        return self.flow._vpin() if is_on and self.flow.count >= self._window else 0

    def count_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Take a trade; return whether `is_toxic` changed with it.

        Raises:
            ValueError: a value is out of range; nothing is changed.
        """
        turns: cython.bint = False
        if is_trade(side, price_ticks, qty_lots):
            turns = self._turns_with(side, qty_lots, now_ns)
            self._take(side, price_ticks, qty_lots, now_ns)
            self.is_toxic = self.is_toxic != turns
        else:
            self.flow.add(side, price_ticks, qty_lots)
        return turns

    def _is_busy_with(self, now_ns: cython.longlong) -> cython.bint:
        """Tell whether trades are frequent, counting one more now."""
        if self.is_busy or self._mode != GUARD_AUTO or self.seen + 1 < self._window:
            return self.is_busy
        return now_ns - (self.began_ns if self.seen else now_ns) <= self._busy_ns

    def _turns_with(
        self, side: cython.longlong, qty_lots: cython.longlong, now_ns: cython.longlong
    ) -> cython.bint:
        """Tell whether one trade more changes `is_toxic`; nothing is changed."""
        if self._mode == GUARD_OFF or self.flow.count + 1 < self._window:
            return False
        if self._mode == GUARD_AUTO and not self._is_busy_with(now_ns):
            return False
        vpin_ppm: cython.longlong = self.flow._vpin_with(side, qty_lots)
        if self.is_toxic:
            return vpin_ppm < self._release_ppm
        return vpin_ppm > self._toxic_ppm

    def _take(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.int:
        """Count a trade, without judging it."""
        is_busy: cython.bint = self._is_busy_with(now_ns)
        if self._mode == GUARD_AUTO and not self.is_busy:
            if self.seen == 0:
                self.began_ns = now_ns
            self.seen = 0 if self.seen + 1 >= self._window else self.seen + 1
        self.is_busy = is_busy
        return self.flow._take(side, price_ticks, qty_lots)


@cython.final
@cython.cclass
class MakerGate(Gate):
    """When a market maker quotes anew (ST-13), with all the counters that this takes.

    `books` counts since the book was found, `books_since_quote` since the last quotes, whose fair value was
    `quoted_fair_centiticks`. `is_waiting` tells that a model is not known yet, `has_round` that
    round trips hold their prices (ST-48): the strategy looks at that itself while it holds a position.
    `fair_centiticks` is the fair value of the last book that was let through.
    """

    def __init__(
        self,
        toxicity: Toxicity,
        depth: cython.longlong,
        warmup_books: cython.longlong,
        cooldown_books: cython.longlong,
        threshold_e7: cython.longlong,
        threshold_centiticks: cython.longlong,
    ) -> None:
        self.toxicity = toxicity
        self.books = 0
        self.books_since_quote = 0
        self.quoted_fair_centiticks = 0
        self.fair_centiticks = 0
        self.must_quote = True
        self.has_drifted = False
        self.is_waiting = False
        self.has_round = False
        self._depth = depth
        self._warmup_books = warmup_books
        self._cooldown_books = cooldown_books
        self._threshold_e7 = threshold_e7
        self._threshold_centiticks = threshold_centiticks

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Let through when the fair value moved enough, or quotes are due for another reason."""
        is_pulled: cython.bint = self.toxicity.is_toxic or self.is_waiting
        is_cool: cython.bint = self.must_quote or self.books_since_quote + 1 >= self._cooldown_books
        if self.books >= self._warmup_books and is_cool and not is_pulled:
            self.fair_centiticks = microprice_of(book, self._depth)
            if (self.has_round and position_lots) or self.is_due(self.fair_centiticks):
                return True
        self.count_book()
        return False

    def count_book(self) -> cython.int:
        """Count a book that was let through; one that was not is counted already."""
        self.books += 1
        self.books_since_quote += 1
        return 0

    def is_due(self, fair_centiticks: cython.longlong) -> cython.bint:
        """Tell whether this fair value calls for other quotes."""
        if self.must_quote or self.has_drifted:
            return True
        moved: cython.longlong = abs(fair_centiticks - self.quoted_fair_centiticks)
        return moved >= self.threshold_of(fair_centiticks)

    def threshold_of(self, fair_centiticks: cython.longlong) -> cython.longlong:
        """Return the least move that causes a requote: by bps of the fair value, and by ticks."""
        # In two parts, so that the product fits; the result is that of one.
        whole: cython.longlong = fair_centiticks // 10_000_000 * self._threshold_e7
        rest: cython.longlong = fair_centiticks % 10_000_000 * self._threshold_e7 // 10_000_000
        return max(whole + rest, self._threshold_centiticks)

    def on_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Let through what turns the flow toxic or back, and what is no trade."""
        if not is_trade(side, price_ticks, qty_lots):
            return True
        if self.toxicity._turns_with(side, qty_lots, now_ns):
            return True
        self.toxicity._take(side, price_ticks, qty_lots, now_ns)
        return False

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Let nothing through: the fixed model does nothing by the clock."""
        return False


# ---- grid


@cython.final
@cython.cclass
class GridGate(Gate):
    """When a grid looks again: at a move of a tenth of an interval, at a time, or when it asks to (ST-22).

    Each `clean_every_ns` it looks for orders that are too old (ST-31).
    `is_dirty`, `seen_half_ticks`, `wanted` orders and `cleaned_ns` are state of the grid. What `watch` is
    told follows from the rest of its state, so it is not saved: while it is not watching all comes through.
    """

    def __init__(self, clean_every_ns: cython.longlong) -> None:
        self.is_dirty = True
        self.seen_half_ticks = 0
        self.wanted = 0
        self.cleaned_ns = 0
        self.is_watching = False
        self.orders = {}  # type: ignore[var-annotated]
        self._clean_every_ns = clean_every_ns
        self._due_ns = 0
        self._low_half_ticks = 0
        self._high_half_ticks = 0
        self._gap_ticks = 0
        self._from_ticks = 0
        self._to_ticks = 0

    def watch(
        self,
        due_ns: cython.longlong,
        quiet_half_ticks: tuple[int, int],
        gap_ticks: cython.longlong,
        gap_range_ticks: tuple[int, int],
    ) -> None:
        """Watch on: nothing happens by the clock before `due_ns`, nothing but requotes at a quiet mid.

        `gap_ticks` is the interval at prices from the first of `gap_range_ticks` to below the second.
        """
        self._due_ns = due_ns
        self._low_half_ticks, self._high_half_ticks = quiet_half_ticks
        self._gap_ticks = gap_ticks
        self._from_ticks, self._to_ticks = gap_range_ticks
        self.is_watching = True

    def _is_quiet(self, half_ticks: cython.longlong, now_ns: cython.longlong) -> cython.bint:
        """Tell whether neither clock nor price ask for a look."""
        if self.is_dirty or not self.is_watching or now_ns >= self._due_ns:
            return False
        return self._low_half_ticks <= half_ticks <= self._high_half_ticks

    def is_due(self, book: Book, now_ns: cython.longlong, order_count: cython.longlong) -> cython.bint:
        """Tell whether the grid is to look at a changed book, with so many orders open."""
        half_ticks: cython.longlong = trusted_half_ticks(book)
        price_ticks: cython.longlong = half_ticks // 2
        if order_count < self.wanted or not self._is_quiet(half_ticks, now_ns):
            return True
        if not self._from_ticks <= price_ticks < self._to_ticks:
            return True
        return abs(half_ticks - self.seen_half_ticks) * 5 >= self._gap_ticks

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Let through what the grid is to look at."""
        return self.is_due(book, now_ns, len(self.orders))

    def on_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Let nothing through: a grid does not look at trades."""
        return False

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Let through when something is due by the clock, or the grid asks to be called."""
        half_ticks: cython.longlong = trusted_half_ticks(book)
        if half_ticks == 0:
            return False
        return now_ns - self.cleaned_ns >= self._clean_every_ns or not self._is_quiet(half_ticks, now_ns)
