# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="has-type, misc, valid-type"
"""The hot loops of the backtest engine: rows of one market, taken in up to a time.

Three of them, because each leaves out what the others need: the venue's view (matches our orders), our view
where nobody decides on single events, and the whole of it (received clock, or deciding at events). A message
is never split. C signatures are in backtest_rows.pxd.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_desk import Desk
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
else:
    from shared.kernels.backtest_desk import Desk
    from shared.kernels.backtest_market import Market
    from shared.kernels.book import Book
    from shared.kernels.words import WINDOW_TICKS

if not cython.compiled:
    STOP_BOOK, STOP_TRADE = 1, 2
    # The walk goes on with the next thing.
    WENT = 100
    # Kinds of rows (shared/columns.py).
    LEVEL, A_TRADE, CLEAR, INVALID, A_FUNDING, MARK = range(6)
    KIND_MASK, LAST = 15, 128


def is_trusted(book: Book) -> cython.bint:
    """Return whether a book is valid, has both sides and is not crossed, as `Book.is_trusted` does."""
    if not book._valid or book._best[0] < 0 or book._best[1] < 0:
        return False
    return book._base[0] + book._best[0] < -(book._base[1] + book._best[1])


@cython.cclass
class RowWalk(Desk):
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    def _venue_rows(self, market: Market, limit_ns: cython.longlong) -> cython.int:
        """Let rows happen at the venue up to a time, or until an answer to them is heard."""
        kinds: cython.const[cython.uchar][::1] = market.kinds
        times: cython.const[cython.longlong][::1] = market.ts_exch
        book: Book = market.venue
        row: cython.longlong = market.venue_row
        count: cython.longlong = market.count
        now: cython.longlong = 0
        kind: cython.longlong
        what: cython.longlong
        side: cython.longlong
        price: cython.longlong
        lots: cython.longlong
        slot: cython.longlong
        is_inside: cython.bint = False
        is_book: cython.bint = False
        while row < count:
            if times[row] > limit_ns and not is_inside:
                break
            now = max(now, times[row])
            kind = kinds[row]
            what = kind & KIND_MASK
            is_inside = kind < LAST
            if what == LEVEL:
                side = market.sides[row]
                price = market.prices[row]
                lots = market.lots[row]
                slot = (-price if side else price) - book._base[side]
                # A level that exists and stays is the common case: only its lots change.
                if lots and 0 <= slot < WINDOW_TICKS and book._lots[side * WINDOW_TICKS + slot]:
                    book._lots[side * WINDOW_TICKS + slot] = lots
                else:
                    book._place(side, slot + book._base[side], lots)
                if market.watched[2 * side] <= price <= market.watched[2 * side + 1]:
                    market.is_dirty = True
                is_book = True
            elif what == A_TRADE:
                if market.resting:
                    self._match_trade(market, market.sides[row], market.prices[row], market.lots[row], now)
                    limit_ns = min(limit_ns, self._answers.due_ns)
            else:
                is_book |= self._other_row(market, book, row, what, now, True)
            row += 1
            if is_inside or not is_book:
                continue
            is_book = False
            if market.is_dirty or market.is_anew:
                market.follow()
            if market.resting and (
                -(book._base[1] + book._best[1]) <= market.match_ask
                or book._base[0] + book._best[0] >= market.match_bid
            ):
                self._match_book(market, now)
                limit_ns = min(limit_ns, self._answers.due_ns)
        market.venue_row = row
        return 0

    def _local_rows(self, market: Market, limit_ns: cython.longlong) -> cython.int:
        """Receive rows up to a time where nobody decides on them: only our book follows."""
        kinds: cython.const[cython.uchar][::1] = market.kinds
        times: cython.const[cython.longlong][::1] = market.ts_local
        book: Book = market.local
        added: cython.longlong = market.added_ns
        row: cython.longlong = market.local_row
        count: cython.longlong = market.count
        events: cython.longlong = 0
        kind: cython.longlong
        side: cython.longlong
        price: cython.longlong
        lots: cython.longlong
        slot: cython.longlong
        is_inside: cython.bint = False
        is_moved: cython.bint = False
        while row < count:
            if times[row] + added > limit_ns and not is_inside:
                break
            kind = kinds[row]
            is_inside = kind < LAST
            if kind & KIND_MASK == LEVEL:
                side = market.sides[row]
                price = market.prices[row]
                lots = market.lots[row]
                slot = (-price if side else price) - book._base[side]
                if lots and 0 <= slot < WINDOW_TICKS and book._lots[side * WINDOW_TICKS + slot]:
                    book._lots[side * WINDOW_TICKS + slot] = lots
                else:
                    book._place(side, slot + book._base[side], lots)
                    is_moved = True
            elif kind & KIND_MASK != A_TRADE:
                is_moved |= self._other_row(market, book, row, kind & KIND_MASK, 0, False)
            row += 1
            if is_inside:
                continue
            events += 1
            if is_moved:
                is_moved = False
                market.is_trusted = is_trusted(book)
                if market.is_trusted:
                    market.mid_half_ticks = book._base[0] + book._best[0] - book._base[1] - book._best[1]
        if row > market.local_row:
            self.now_ns = max(self.now_ns, times[row - 1] + added)
        self.event_count += events
        market.local_row = row
        return 0

    def _walk(
        self,
        market: Market,
        limit_ns: cython.longlong,
        is_first: cython.bint,
        is_venue: cython.bint,
    ) -> cython.int:
        """Receive rows of a market up to `limit_ns`, the first one in any case (`is_first`), and decide.

        `is_venue`: they happen at the venue as well, and are matched with our orders (received clock). Ends
        early when an order or answer falls due, and with a stop code when the host is to decide.
        """
        kinds: cython.const[cython.uchar][::1] = market.kinds
        sides: cython.const[cython.uchar][::1] = market.sides
        prices: cython.const[cython.int][::1] = market.prices
        all_lots: cython.const[cython.longlong][::1] = market.lots
        times: cython.const[cython.longlong][::1] = market.ts_local
        book: Book = market.local
        added: cython.longlong = market.added_ns
        row: cython.longlong = market.local_row
        count: cython.longlong = market.count
        events: cython.longlong = 0
        now: cython.longlong = self.now_ns
        kind: cython.longlong
        what: cython.longlong
        side: cython.longlong
        price: cython.longlong
        lots: cython.longlong
        slot: cython.longlong
        is_book: cython.bint = False
        is_moved: cython.bint = False
        code: cython.int = WENT
        while row < count:
            if times[row] + added > limit_ns and not is_first:
                break
            now = max(now, times[row] + added)
            is_first = False
            kind = kinds[row]
            what = kind & KIND_MASK
            if what == LEVEL:
                side = sides[row]
                price = prices[row]
                lots = all_lots[row]
                slot = (-price if side else price) - book._base[side]
                # A level that exists and stays is the common case: only its lots change.
                if lots and 0 <= slot < WINDOW_TICKS and book._lots[side * WINDOW_TICKS + slot]:
                    book._lots[side * WINDOW_TICKS + slot] = lots
                else:
                    book._place(side, slot + book._base[side], lots)
                    is_moved = True
                if is_venue and market.watched[2 * side] <= price <= market.watched[2 * side + 1]:
                    market.is_dirty = True
                is_book = True
            elif what == A_TRADE:
                if is_venue and market.resting:
                    self._match_trade(market, sides[row], prices[row], all_lots[row], now)
                    limit_ns = min(limit_ns, self._answers.due_ns - self._slack)
                if self._hears(market, sides[row], prices[row], all_lots[row], now):
                    code = STOP_TRADE
            else:
                is_moved |= self._other_row(market, book, row, what, now, is_venue)
                is_book |= is_moved
            row += 1
            if kind < LAST:
                is_first = True
                continue
            events += 1
            if is_book:
                if is_moved:
                    market.is_trusted = is_trusted(book)
                if is_venue:
                    if market.is_dirty or market.is_anew:
                        market.follow()
                    if market.resting and (
                        -(book._base[1] + book._best[1]) <= market.match_ask
                        or book._base[0] + book._best[0] >= market.match_bid
                    ):
                        self._match_book(market, now)
                        limit_ns = min(limit_ns, self._answers.due_ns - self._slack)
                if is_moved and market.is_trusted:
                    market.mid_half_ticks = book._base[0] + book._best[0] - book._base[1] - book._best[1]
                if self._decides:
                    self.now_ns = now
                    if self._rule_at_books:
                        if market.is_trusted:
                            self.decision_count += 1
                            self._rule.decide(self, market, now)
                            limit_ns = min(limit_ns, self._pending.due_ns - self._slack)
                            limit_ns = min(limit_ns, self._answers.due_ns - self._slack)
                    elif market.wants_books and self._asks(market, book, now):
                        code = STOP_BOOK
                market.was_trusted = market.is_trusted
            is_book = is_moved = False
            if code != WENT:
                self.decision_count += 1
                self.market = market.index
                self.row = row - 1
                break
        self.now_ns = now
        self.event_count += events
        market.local_row = row
        if is_venue:
            market.venue_row = row
        return code

    def _other_row(
        self,
        market: Market,
        book: Book,
        row: cython.longlong,
        what: cython.longlong,
        now_ns: cython.longlong,
        is_venue: cython.bint,
    ) -> cython.bint:
        """Take in a rare row; return whether it concerns the book."""
        if what == CLEAR:
            book._clear()
            book._valid = True
            if is_venue:
                market.is_anew = True
            return True
        if what == INVALID:
            book._valid = False
            return True
        if is_venue and what in {A_FUNDING, MARK}:
            if market.prices[row] > 0:
                market.mark_ticks = market.prices[row]
            if what == A_FUNDING:
                self._pay_funding(market, now_ns, market.mark_ticks, market.lots[row])
        return False

    def _asks(self, market: Market, book: Book, now_ns: cython.longlong) -> cython.bint:
        """Return whether the host is to look at a book: its gate says so, or it lost its trust just now."""
        if not market.is_trusted:
            return market.was_trusted
        if market.gate is None:
            return True
        return market.gate.on_book(book, now_ns, market.position_lots)

    def _hears(
        self,
        market: Market,
        side: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Return whether the host is to hear of a public trade: it wants trades and the gate says so."""
        if not market.wants_trades or self._rule_at_books:
            return False
        return market.gate is None or market.gate.on_trade(side, price_ticks, lots, now_ns)
