# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="attr-defined, misc, unreachable"
"""The order of things in the backtest engine: rows of several markets, orders and answers, timers.

In the received clock each row is the venue's and ours at once; in the exchange clock the venue's view goes up
to the next thing that is due, then ours does. C signatures are in backtest_walk.pxd.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.backtest_rows import WENT, RowWalk
    from cython.cimports.shared.kernels.backtest_store import NEVER_NS
else:
    from shared.kernels.backtest_market import Market
    from shared.kernels.backtest_rows import WENT, RowWalk
    from shared.kernels.backtest_store import NEVER_NS

if not cython.compiled:
    STOP_END, STOP_STEP, STOP_REPORT, STOP_PAUSE = 0, 3, 4, 5


@cython.cclass
class Walk(RowWalk):
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    def __init__(
        self, latency_in_ns: int, latency_out_ns: int, is_partial: bool, uses_exchange_time: bool
    ) -> None:
        RowWalk.__init__(self, latency_in_ns, latency_out_ns, is_partial, uses_exchange_time)
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
        left: cython.longlong = 0
        for market in self.markets:
            left += market.count - market.local_row
        return left == 0

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
