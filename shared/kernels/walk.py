# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Walk over the columns of several markets in the order of time, and stop where a service could do something.

The walk applies book rows, follows the places of our orders in the queue of the paper venue, asks the gates
of strategies, and counts the ticks of the mesh clock. Whatever decides (strategies, risk, the paper venue) is
the caller's and is asked only where the walk stops: at an event that a seat has to hear, a fill, a crossed
order, a deadline, a tick that somebody needs. What is skipped changes nothing of them.

Order of what falls together, as in `services.backtest.exact`: rows at one time in the order of the lanes,
then the tick; of one venue message its trades first, then its levels.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import Book
    from cython.cimports.shared.kernels.gates import Gate
    from cython.cimports.shared.kernels.trade_candles import TradeCandles
    from cython.cimports.shared.kernels.walk_lane import Lane, Seat
else:
    from shared.kernels.book import Book
    from shared.kernels.gates import Gate
    from shared.kernels.trade_candles import TradeCandles
    from shared.kernels.walk_lane import Lane, Seat

TRADE = cython.declare(cython.longlong, 1)
CLEAR = cython.declare(cython.longlong, 2)
FUNDING = cython.declare(cython.longlong, 4)
KIND_MASK = cython.declare(cython.longlong, 0x0F)
# Kinds of rows that are messages of their own, and those of a book, as masks of `1 << kind`.
LONE = cython.declare(cython.longlong, 0b011010)
BOOK_ROWS = cython.declare(cython.longlong, 0b000101)
NEVER_NS = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)

# Why the walk stopped.
_END = cython.declare(cython.longlong, 0)
_EVENT = cython.declare(cython.longlong, 1)
_TICK = cython.declare(cython.longlong, 2)
_DUE = cython.declare(cython.longlong, 3)
_PAUSE = cython.declare(cython.longlong, 4)
END, EVENT, TICK, DUE, PAUSE = range(5)

# What an event was, in `Walker.kind`.
_SNAPSHOT = cython.declare(cython.longlong, 1)
_UPDATE = cython.declare(cython.longlong, 2)
_INVALIDATED = cython.declare(cython.longlong, 3)
_TRADED = cython.declare(cython.longlong, 4)
_FUNDED = cython.declare(cython.longlong, 5)
SNAPSHOT, UPDATE, INVALIDATED, TRADED, FUNDED = range(1, 6)

# What it asks for, in `Walker.flags`.
_CALLED = cython.declare(cython.longlong, 1)
_FOLLOW = cython.declare(cython.longlong, 2)
_CROSSED = cython.declare(cython.longlong, 4)
_FILLED = cython.declare(cython.longlong, 8)
_RISK = cython.declare(cython.longlong, 16)
_BROKER = cython.declare(cython.longlong, 32)
_CANDLE = cython.declare(cython.longlong, 64)
CALLED, FOLLOW, CROSSED, FILLED, RISK, BROKER, CANDLE = (1 << bit for bit in range(7))


@cython.final
@cython.cclass
class Walker:
    """All lanes together; see the module.

    `due_ns` is when something of the caller falls due: the walk stops with DUE before the next event at or
    after it, and at the first tick there with the flag BROKER. `is_forced` makes the next event a stop. After
    a stop `now_ns` is its time (at DUE that of the event to come), `lane` its market, `kind` and `flags` what
    it is.
    """

    def __init__(self, tick_ns: cython.longlong, stale_ns: cython.longlong) -> None:
        self.lanes: list = []
        self.lane: Lane | None = None
        self.now_ns = 0
        self.kind = self.flags = 0
        self.event_count = 0
        self.tick_ns = tick_ns
        self.next_tick_ns = NEVER_NS
        self.due_ns = NEVER_NS
        self.risk_due_ns = 0
        self.stale_ns = stale_ns
        self.is_forced = False

    def add(self, lane: Lane) -> None:
        """Add a market; of events at one time those of the market added first come first."""
        self.lanes.append(lane)

    def run(self, count: cython.longlong, until_ns: cython.longlong) -> cython.longlong:
        """Go on for up to `count` venue messages; return END, EVENT, TICK, DUE or PAUSE.

        Rows after `until_ns` are not walked: that is an END. Raises `ValueError` for a row that cannot be.
        """
        lane: Lane
        now_ns: cython.longlong
        last: cython.longlong = self.event_count + count
        while True:
            lane = self._earliest()
            if lane is None or lane.next_ns > until_ns:
                return _END
            now_ns = lane.next_ns
            if not lane._is_inside:
                if self.event_count >= last:
                    return _PAUSE
                while self.next_tick_ns < now_ns:
                    self.now_ns = self.next_tick_ns
                    self.next_tick_ns += self.tick_ns
                    if self._tick(self.now_ns):
                        return _TICK
            self.now_ns = now_ns
            if self.due_ns <= now_ns:
                return _DUE
            if self._event(lane):
                return _EVENT

    def _earliest(self) -> Lane:
        """Return the lane of the next event, the one in the middle of a message first; None at the end."""
        lane: Lane
        best: Lane = self.lanes[0]
        index: cython.longlong
        if len(self.lanes) == 1:
            return best if best._is_inside or best._peek() else None
        for index in range(len(self.lanes)):
            lane = self.lanes[index]
            if lane._is_inside:
                return lane
            lane._peek()
            if lane.next_ns < best.next_ns:
                best = lane
        return best if best.next_ns != NEVER_NS else None

    def _tick(self, now_ns: cython.longlong) -> cython.bint:
        """Ask who needs the tick at `now_ns`; True when anybody does."""
        lane: Lane
        seat: Seat
        gate: Gate
        flags: cython.longlong = 0
        if self.due_ns <= now_ns:
            flags |= _BROKER
        if self.risk_due_ns <= now_ns:
            flags |= _RISK
        for lane in self.lanes:
            if lane.has_orders and now_ns - lane.fresh_ns > self.stale_ns:
                flags |= _BROKER
            if lane.mark_half_ticks < lane.mark_low or lane.mark_half_ticks > lane.mark_high:
                flags |= _RISK
            for seat in lane.seats:
                seat.is_called = seat.is_awake
                if not seat.is_awake and seat.hears_ticks:
                    gate = seat.gate
                    seat.is_called = gate is None or gate.on_timer(now_ns, lane.book)
                if seat.is_called:
                    flags |= _CALLED
        self.flags = flags
        return flags != 0

    def _event(self, lane: Lane) -> cython.bint:
        """Walk over the next message of a lane, or the rest of one; True when that has to be heard."""
        row: cython.longlong
        kind: cython.longlong
        if lane._is_unsaid:
            lane._is_unsaid = False
            lane._trust(self.now_ns)
            return self._stop(lane, _SNAPSHOT, self._call_all(lane) | _FOLLOW | _CROSSED)
        if not lane._is_inside:
            lane._scan()
            lane.event_count += 1
            self.event_count += 1
        if lane._flags & LONE:
            lane._is_inside = True
            while lane._sub < lane._event_end:
                row = lane._sub
                lane._sub += 1
                kind = lane._kind[row] & KIND_MASK
                if not (1 << kind) & LONE:
                    continue
                if lane._sub == lane._event_end and not lane._flags & BOOK_ROWS:
                    lane._at = lane._event_end
                    lane._is_inside = False
                lane.row = lane.base_row + row
                if kind == TRADE:
                    if self._trade(lane, row):
                        return True
                elif kind == FUNDING:
                    return self._stop(lane, _FUNDED, 0)
                else:
                    lane.book._valid = False
                    lane.is_trusted = False
                    return self._stop(lane, _INVALIDATED, self._call_all(lane))
            lane._is_inside = False
            if not lane._flags & BOOK_ROWS:
                lane._at = lane._event_end
                return False
        lane.row = lane.base_row + lane._event_end - 1
        row = lane._at
        lane._at = lane._event_end
        if lane._flags & BOOK_ROWS:
            return self._levels(lane, row)
        return False

    def _levels(self, lane: Lane, begin: cython.longlong) -> cython.bint:
        """Let a message about levels change the book; True when that has to be heard."""
        book: Book = lane.book
        seat: Seat
        gate: Gate
        is_whole: cython.bint = lane._flags & (1 << CLEAR) != 0
        was_trusted: cython.bint = lane.is_trusted
        touched: cython.longlong = 0
        flags: cython.longlong = 0
        if is_whole or book._valid:
            touched = lane._apply(begin, lane._event_end, is_whole)
        if (
            not lane._trust(self.now_ns)
            and not was_trusted
            and not is_whole
            and lane.is_quiet
            and not self.is_forced
        ):
            return False
        if is_whole or not lane.is_trusted or not was_trusted:
            flags = self._call_all(lane) | _FOLLOW | _CROSSED
            return self._stop(lane, _SNAPSHOT if is_whole else _UPDATE, flags)
        if touched & 1:
            lane.queue.sync(book, True)
        if touched & 2:
            flags |= _FOLLOW
        if lane._own_best[0] > book._best_price(1) or 0 < lane._own_best[1] < book._best_price(0):
            flags |= _CROSSED
        for seat in lane.seats:
            seat.is_called = seat.is_awake or seat.is_waiting
            if not seat.is_called and seat.hears_books:
                gate = seat.gate
                seat.is_called = gate is None or gate.on_book(book, self.now_ns, seat.position_lots)
            if seat.is_called:
                flags |= _CALLED
        return self._stop(lane, _UPDATE, flags) if flags or self.is_forced else False

    def _trade(self, lane: Lane, row: cython.longlong) -> cython.bint:
        """Let one public trade work on our places in the queue; True when that has to be heard."""
        seat: Seat
        gate: Gate
        flags: cython.longlong = 0
        side: cython.longlong = lane._side[row]
        price: cython.longlong = lane._price[row]
        lots: cython.longlong = lane._lots[row]
        own: cython.longlong = lane._own_best[1 - side]
        if lane.is_trusted and own and (own >= price if side else own <= price):
            lane.fills = lane.queue.trade(side, price, lots)
            if lane.fills:
                flags |= _FILLED
        candles: TradeCandles = lane.candles
        if candles is not None and not candles.is_silent(lane._at_ms(row), price, lots):
            flags |= _CANDLE
        for seat in lane.seats:
            seat.is_called = seat.is_awake
            if not seat.is_awake and seat.hears_trades:
                gate = seat.gate
                seat.is_called = gate is None or gate.on_trade(side, price, lots, self.now_ns)
            if seat.is_called:
                flags |= _CALLED
        return self._stop(lane, _TRADED, flags) if flags or self.is_forced or lane.wants_trades else False

    def _call_all(self, lane: Lane) -> cython.int:
        """Note that every instance of a market has to be called."""
        seat: Seat
        for seat in lane.seats:
            seat.is_called = True
        return _CALLED

    def _stop(self, lane: Lane, kind: cython.longlong, flags: cython.longlong) -> cython.bint:
        """Note what the walk stops for."""
        self.lane = lane
        self.kind = kind
        self.flags = flags
        self.is_forced = False
        return True
