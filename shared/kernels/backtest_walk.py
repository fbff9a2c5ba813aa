# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The loops of the backtest engine: rows of one or several markets, orders and answers, timers, in time order.

`_walk` is the hot one. In the received clock it does both the venue's part of a row and ours; in the exchange
clock it walks the venue's view up to the next thing that is due, then ours. C signatures: backtest_walk.pxd.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_desk import Desk
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.backtest_store import NEVER_NS, Orders, Rows
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
else:
    from shared.kernels.backtest_desk import Desk
    from shared.kernels.backtest_market import Market
    from shared.kernels.backtest_store import NEVER_NS, Orders, Rows
    from shared.kernels.book import Book
    from shared.kernels.words import WINDOW_TICKS

if not cython.compiled:
    STOP_END, STOP_BOOK, STOP_TRADE, STOP_STEP, STOP_REPORT, STOP_PAUSE = range(6)
    # `_walk` goes on with the next thing.
    WENT = 100
    # Kinds of rows (shared/columns.py).
    LEVEL, A_TRADE, CLEAR, INVALID, A_FUNDING, MARK = range(6)
    KIND_MASK, LAST = 15, 128
    # What we know of an order whose cancel can be sent.
    OPEN = 2


@cython.cclass
class Rule:
    """A compiled decision: `decide` is called at each step, or at each book event, of a trusted book."""

    def decide(self, engine: "Walk", market: Market, now_ns: cython.longlong) -> cython.int:
        """Send and cancel through `engine.send`, `engine.withdraw` or `engine.quote`; return 0."""
        return 0


@cython.cclass
class Walk(Desk):
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    def __init__(
        self, latency_in_ns: int, latency_out_ns: int, is_partial: bool, uses_exchange_time: bool
    ) -> None:
        Desk.__init__(self, latency_in_ns, latency_out_ns, is_partial, uses_exchange_time)
        self._slack = 0 if uses_exchange_time else 1
        self.row = self.market = self.step_markets = self.event_count = self.decision_count = 0
        self._until_ns = NEVER_NS
        self._step_ns = self._sample_ns = 0
        self._next_step_ns = self._next_sample_ns = NEVER_NS
        self._decides = self._is_started = self._rule_at_books = False
        self._is_hosted = True
        self._rule = None
        self._only = None

    def _start(self) -> cython.int:
        """Begin at the first row: timers are set from there."""
        market: Market
        first: cython.longlong = NEVER_NS
        for market in self.markets:
            first = min(first, self._next_local_ns(market))
        if first == NEVER_NS:
            raise ValueError("there are no rows to walk: add a market whose columns hold some")
        self._is_started = True
        if len(self.markets) == 1:
            self._only = self.markets[0]
        self.now_ns = min(first, self._until_ns)
        if self._step_ns and self._next_step_ns == NEVER_NS:
            self._next_step_ns = first + self._step_ns
        if self._sample_ns:
            self._next_sample_ns = (first // self._sample_ns + 1) * self._sample_ns
        return 0

    def _go(self, until_ns: cython.longlong) -> cython.int:
        """Walk on until something stops it; return why."""
        market: Market
        self._until_ns = until_ns
        if not self._is_started:
            self._start()
        self._decides = self._rule_at_books
        for market in self.markets:
            if market.wants_books or market.wants_trades:
                self._decides = True
        return self._go_exchange() if self.uses_exchange_time else self._go_received()

    def _next_local_ns(self, market: Market) -> cython.longlong:
        """Return when we receive the next row of a market."""
        if market.local_row == market.count:
            return NEVER_NS
        return market.ts_local[market.local_row] + market.added_ns

    def _next_venue_ns(self, market: Market) -> cython.longlong:
        """Return when the next row of a market happens at the venue."""
        if market.venue_row == market.count:
            return NEVER_NS
        return market.ts_exch[market.venue_row]

    def _is_over_here(self) -> cython.bint:
        """Return whether every row was received."""
        market: Market
        for market in self.markets:
            if market.local_row < market.count:
                return False
        return True

    def _timer_ns(self) -> cython.longlong:
        """Return when the next step or sample is due."""
        return min(self._next_step_ns, self._next_sample_ns)

    def _go_received(self) -> cython.int:
        """Walk in the received clock: rows, steps and answers are events, and each lets orders arrive."""
        market: Market
        first: Market
        at: cython.longlong
        row_ns: cython.longlong
        others_ns: cython.longlong
        event_ns: cython.longlong
        limit: cython.longlong
        code: cython.int
        while True:
            if self._answers.due_ns <= self.now_ns:
                self._hear(self._is_hosted)
                if self._is_hosted:
                    return STOP_REPORT
                continue
            if self._pending.due_ns <= self.now_ns:
                self._arrivals(self.now_ns, self.now_ns)
                continue
            row_ns = others_ns = NEVER_NS
            first = None
            for market in self.markets:
                at = self._next_local_ns(market)
                if at < row_ns:
                    others_ns = row_ns - 1 if first is not None else NEVER_NS
                    row_ns = at
                    first = market
                elif at != NEVER_NS:
                    # A market that was added later waits at equal times, and its own rows end a walk.
                    others_ns = min(others_ns, at)
            if first is None:
                return STOP_END
            event_ns = min(row_ns, self._timer_ns(), self._answers.due_ns)
            if event_ns > self._until_ns:
                return STOP_PAUSE
            if self._pending.due_ns <= event_ns:
                self._arrivals(event_ns, event_ns)
            if row_ns <= event_ns:
                limit = min(self._until_ns, others_ns)
                limit = min(limit, self._timer_ns() - 1, self._pending.due_ns - 1, self._answers.due_ns - 1)
                code = self._walk(first, limit, True, True)
            else:
                self.now_ns = event_ns
                code = self._timer() if event_ns == self._timer_ns() else WENT
            if code != WENT:
                return code

    def _go_exchange(self) -> cython.int:
        """Walk in the exchange clock: the venue's view of rows first, ours next, then what is due."""
        market: Market
        alarm: cython.longlong
        bound: cython.longlong
        ours: cython.longlong
        theirs: cython.longlong
        code: cython.int
        while True:
            alarm = min(self._pending.due_ns, self._answers.due_ns)
            alarm = min(alarm, self._next_step_ns, self._next_sample_ns)
            bound = min(alarm, self._until_ns)
            if self._only is not None:
                ours = self._next_local_ns(self._only)
                theirs = self._next_venue_ns(self._only)
            else:
                ours = theirs = NEVER_NS
                for market in self.markets:
                    ours = min(ours, self._next_local_ns(market))
                    theirs = min(theirs, self._next_venue_ns(market))
                # An answer from one market may send an order to another one.
                if theirs < NEVER_NS:
                    bound = min(bound, theirs + self.latency.least_in_ns + self.latency.least_out_ns)
            if ours == NEVER_NS:
                return STOP_END
            # Nobody may decide on what the venue has gone beyond.
            if self._decides:
                bound = min(bound, max(ours, self.now_ns) + self.latency.least_in_ns)
            if theirs <= bound:
                if self._only is not None:
                    self._venue_rows(self._only, bound)
                else:
                    for market in self.markets:
                        self._venue_rows(market, bound)
                if self._answers.due_ns < alarm:
                    alarm = self._answers.due_ns
                    bound = min(bound, alarm)
            if ours <= bound:
                if self._decides:
                    code = self._take_turns(bound)
                    if code != WENT:
                        return code
                    continue
                if self._only is not None:
                    self._local_rows(self._only, bound)
                else:
                    for market in self.markets:
                        self._local_rows(market, bound)
            if bound < alarm:
                if bound == self._until_ns:
                    return STOP_PAUSE
                continue
            if self._is_over_here():
                return STOP_END
            self.now_ns = max(self.now_ns, alarm)
            if self._pending.due_ns <= alarm:
                self._arrivals(alarm, -1)
            elif self._answers.due_ns <= alarm:
                self._hear(self._is_hosted)
                if self._is_hosted:
                    return STOP_REPORT
            else:
                code = self._timer()
                if code != WENT:
                    return code

    def _take_turns(self, bound: cython.longlong) -> cython.int:
        """Receive the next rows up to a time, of the market whose turn it is, and decide on them."""
        market: Market
        first: Market
        at: cython.longlong
        row_ns: cython.longlong = NEVER_NS
        others_ns: cython.longlong = bound
        if self._only is not None:
            return self._walk(self._only, bound, True, False)
        first = None
        for market in self.markets:
            at = self._next_local_ns(market)
            if at < row_ns:
                if first is not None:
                    others_ns = min(others_ns, row_ns - 1)
                row_ns = at
                first = market
            elif at != NEVER_NS:
                others_ns = min(others_ns, at)
        return self._walk(first, others_ns, True, False)

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
            if times[row] + added > now:
                now = times[row] + added
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
            elif what == A_TRADE and market.wants_trades and not self._rule_at_books:
                if market.gate is None or market.gate.on_trade(
                    sides[row - 1], prices[row - 1], all_lots[row - 1], now
                ):
                    code = STOP_TRADE
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
        if is_venue and (what == A_FUNDING or what == MARK):
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

    def _timer(self) -> cython.int:
        """Take the sample that is due, then the step; return why to stop."""
        market: Market
        if self._next_sample_ns <= self.now_ns:
            self._sample(self._next_sample_ns)
            self._next_sample_ns += self._sample_ns
        if self._next_step_ns > self.now_ns:
            return WENT
        self._next_step_ns += self._step_ns
        if not self._is_hosted:
            for market in self.markets:
                if market.is_trusted:
                    self.decision_count += 1
                    self._rule.decide(self, market, self.now_ns)
            return WENT
        self.step_markets = 0
        for market in self.markets:
            if market.gate is None or market.gate.on_timer(self.now_ns, market.local):
                self.step_markets |= 1 << market.index
                self.market = market.index
        if not self.step_markets:
            return WENT
        self.decision_count += 1
        return STOP_STEP

    def _sample(self, ts_ns: cython.longlong) -> cython.int:
        """Keep equity, drawdown and positions at a time."""
        market: Market
        at: cython.longlong
        self.mark()
        at = self.samples.place()
        self.samples.data[at] = ts_ns
        self.samples.data[at + 1] = self.equity()
        self.samples.data[at + 2] = self._peak_atoms - self.equity()
        for market in self.markets:
            self.samples.data[at + 3 + market.index] = market.position_lots
        return 0

    def quote(
        self,
        market: Market,
        bid_ticks: cython.longlong,
        ask_ticks: cython.longlong,
        lots: cython.longlong,
    ) -> cython.int:
        """Have one post-only order of `lots` at each price (0: none), canceling what rests elsewhere."""
        orders: Orders = self._orders
        at: cython.longlong
        slot: cython.longlong
        for at in range(market.active_count):
            slot = market.active[at]
            if orders.side[slot]:
                if ask_ticks and orders.price_ticks[slot] == ask_ticks:
                    ask_ticks = 0
                elif orders.stage[slot] == OPEN:
                    self.withdraw(slot, -1)
            elif bid_ticks and orders.price_ticks[slot] == bid_ticks:
                bid_ticks = 0
            elif orders.stage[slot] == OPEN:
                self.withdraw(slot, -1)
        if bid_ticks:
            self.send(market, -1, 0, bid_ticks, lots, 0, True, False, 0, -1)
        if ask_ticks:
            self.send(market, -1, 1, ask_ticks, lots, 0, True, False, 0, -1)
        return 0


def is_trusted(book: Book) -> cython.bint:
    """Return whether a book is valid, has both sides and is not crossed, as `Book.is_trusted` does."""
    if not book._valid or book._best[0] < 0 or book._best[1] < 0:
        return False
    return book._base[0] + book._best[0] < -(book._base[1] + book._best[1])
