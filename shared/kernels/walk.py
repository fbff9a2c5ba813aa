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

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
    from cython.cimports.shared.kernels.gates import Gate
else:
    from shared.kernels.book import Book
    from shared.kernels.gates import Gate
    from shared.kernels.words import WINDOW_TICKS

LEVEL = cython.declare(cython.longlong, 0)
TRADE = cython.declare(cython.longlong, 1)
CLEAR = cython.declare(cython.longlong, 2)
INVALID = cython.declare(cython.longlong, 3)
FUNDING = cython.declare(cython.longlong, 4)
MARK = cython.declare(cython.longlong, 5)
LAST = cython.declare(cython.longlong, 0x80)
KIND_MASK = cython.declare(cython.longlong, 0x0F)
# Kinds of rows that are messages of their own, as a mask of `1 << kind`.
LONE = cython.declare(cython.longlong, 0b011010)
BOOK_ROWS = cython.declare(cython.longlong, 0b000101)

NEVER_NS = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)

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

# Columns of `Lane.value`.
_PRICE = cython.declare(cython.longlong, 0)
_LOTS = cython.declare(cython.longlong, 1)
_SIDE = cython.declare(cython.longlong, 2)
PRICE, LOTS, SIDE = range(3)

# What it asks for, in `Walker.flags`.
_CALLED = cython.declare(cython.longlong, 1)
_FOLLOW = cython.declare(cython.longlong, 2)
_CROSSED = cython.declare(cython.longlong, 4)
_FILLED = cython.declare(cython.longlong, 8)
_RISK = cython.declare(cython.longlong, 16)
_BROKER = cython.declare(cython.longlong, 32)
CALLED, FOLLOW, CROSSED, FILLED, RISK, BROKER = (1 << bit for bit in range(6))


@cython.final
@cython.cclass
class Seat:
    """One strategy instance as the walk knows it; the caller keeps it up to date between two stops.

    `gate` is asked where the instance hears a kind of event and is not awake; without one it is called.
    `is_awake` stops at every event and tick of its market. `is_called` tells at a stop that it has to be
    called.
    """

    def __init__(self) -> None:
        self.gate: Gate | None = None
        self.is_awake = True
        self.hears_books = True
        self.hears_trades = True
        self.hears_ticks = True
        self.is_called = False
        self.position_lots = 0


@cython.final
@cython.cclass
class Lane:
    """One market: its rows, its book, the queue of our orders in it, and the instances that trade it.

    `fresh_ns` and `mark_half_ticks` are time and mid of the newest trusted book. `is_quiet` lets updates of
    an untrusted book pass without a stop. `has_orders` makes ticks look at the age of the book. The mark
    within `mark_low..mark_high` needs no tick for risk.
    """

    def __init__(self, book: Book, queue: object) -> None:
        if not cython.compiled:
            self._own_best = array.array("q", [0, 0])
            self._own_low = array.array("q", [0, 0])
            self._own_high = array.array("q", [0, 0])
            self._taken_low = array.array("q", [0, 0])
            self._taken_high = array.array("q", [0, 0])
        self.book = book
        self.queue = queue
        self.seats: list = []
        self.fills: list = []
        self._files: list = []
        self.next_ns = NEVER_NS
        self.base_row = self.row = 0
        self.event_count = 0
        self.fresh_ns = 0
        self.mark_half_ticks = 0
        self.is_trusted = False
        self.wants_trades = False
        self.is_quiet = False
        self.has_orders = False
        self.mark_low = 0
        self.mark_high = NEVER_NS
        self._at = self._end = self._sub = self._event_end = self._flags = 0
        self._is_inside = self._is_unsaid = False
        self.watch_orders([], [])
        self.watch_taken([])

    def add_file(
        self,
        local_ns: memoryview,
        kind: memoryview,
        side: memoryview,
        price_ticks: memoryview,
        lots: memoryview,
        first: cython.longlong,
        end: cython.longlong,
    ) -> None:
        """Append the rows first..end-1 of a file; rows after the last one with LAST are left out."""
        self._files.append((local_ns, kind, side, price_ticks, lots, first, end))

    def watch_orders(self, buys_ticks: list, sells_ticks: list) -> None:
        """Take the prices of our resting orders: where a level changes between them, places are followed."""
        side: cython.longlong
        for side in range(2):
            prices = sells_ticks if side else buys_ticks
            self._own_low[side] = min(prices) if prices else NEVER_NS
            self._own_high[side] = max(prices) if prices else -1
            self._own_best[side] = 0
            if prices:
                self._own_best[side] = self._own_low[1] if side else self._own_high[0]

    def watch_taken(self, levels: list) -> None:
        """Take the levels (side, price) that our takers have eaten of: a change there stops the walk."""
        side: cython.longlong
        for side in range(2):
            prices = [price for each, price in levels if each == side]
            self._taken_low[side] = min(prices) if prices else NEVER_NS
            self._taken_high[side] = max(prices) if prices else -1

    def use_queue(self, queue: object) -> None:
        """Follow the places of our orders in another queue."""
        self.queue = queue

    def value(self, column: cython.longlong) -> cython.longlong:
        """Return price, lots or side of the row at which the walk stands."""
        at: cython.longlong = self.row - self.base_row
        if at < 0 or at >= self._end:
            raise ValueError(f"row {self.row} is none of the file that is walked")
        if column == _PRICE:
            return self._price[at]
        return self._lots[at] if column == _LOTS else self._side[at]

    @property
    def rows_done(self) -> int:
        """Return how many rows of all files were walked."""
        return self.base_row + self._at

    def skip(self, until_ns: cython.longlong) -> None:
        """Let the rows before `until_ns` build the book alone; it is said whole at the next row."""
        while self._peek() and self.next_ns < until_ns:
            self._scan()
            if self._flags & (1 << INVALID):
                self.book._valid = False
            if self._flags & BOOK_ROWS:
                if self._flags & (1 << CLEAR):
                    self._apply(self._at, self._event_end, True)
                elif self.book._valid:
                    self._apply(self._at, self._event_end, False)
            self._at = self._event_end
        self._is_unsaid = self.book._valid

    def peek(self) -> cython.longlong:
        """Return the time of the next venue message, the largest int64 at the end."""
        return self.next_ns if self._peek() else NEVER_NS

    def _peek(self) -> cython.bint:
        """Find the next venue message that says something; False, and `next_ns` never, when there is none."""
        while True:
            while self._at < self._end:
                if self._kind[self._at] != MARK | LAST:
                    self.next_ns = self._local_ns[self._at]
                    return True
                self._at += 1
            if not self._files:
                self.next_ns = NEVER_NS
                return False
            self._open_next()

    def _open_next(self) -> cython.int:
        last_ns: cython.longlong = 0
        if self._end > 0:
            last_ns = self._local_ns[self._end - 1]  # type: ignore[has-type]
        self.base_row += self._end
        self._local_ns, self._kind, self._side, self._price, self._lots, self._at, self._end = (
            self._files.pop(0)
        )
        while self._end > self._at and not self._kind[self._end - 1] & LAST:
            self._end -= 1
        if self._at < self._end and self._local_ns[self._at] < last_ns:
            raise ValueError(
                f"row {self._at} of a file is of {self._local_ns[self._at]} ns, before the {last_ns} ns at "
                "the end of the file ahead of it: name the files of a market in the order of time, each once"
            )
        return 0

    def _scan(self) -> cython.int:
        """Find the end of the venue message at `_at` and the kinds of its rows."""
        end: cython.longlong = self._at
        kind: cython.longlong = 0
        flags: cython.longlong = 0
        while not kind & LAST:
            kind = self._kind[end]
            flags |= 1 << (kind & KIND_MASK)
            end += 1
        self._event_end = end
        self._flags = flags
        self._sub = self._at
        return 0

    def _apply(self, begin: cython.longlong, end: cython.longlong, is_whole: cython.bint) -> cython.int:
        """Set the levels of one message; return 1 where one of our orders rests, plus 2 where we took."""
        book: Book = self.book
        touched: cython.longlong = 0
        row: cython.longlong
        if is_whole:
            book._clear()
        for row in range(begin, end):
            if self._kind[row] & KIND_MASK:
                continue
            s: cython.longlong = self._side[row]
            price: cython.longlong = self._price[row]
            lots: cython.longlong = self._lots[row]
            # The sign is set when a value is out of range.
            if ((price - 1) | lots | (LOTS_MAX - lots) | (1 - s)) < 0:
                raise ValueError(
                    f"row {self.base_row + row}: {lots} lots at {price} ticks of side {s}: a level has a "
                    f"price from 1, 0..{LOTS_MAX} lots and side 0 or 1; import the data again"
                )
            key: cython.longlong = -price if s else price
            slot: cython.longlong = key - book._base[s]
            if lots and 0 <= slot < WINDOW_TICKS and book._lots[s * WINDOW_TICKS + slot]:
                book._lots[s * WINDOW_TICKS + slot] = lots
            else:
                book._place(s, key, lots)
            if self._own_low[s] <= price <= self._own_high[s]:
                touched |= 1
            if self._taken_low[s] <= price <= self._taken_high[s]:
                touched |= 2
        book._update_n += 1
        if is_whole:
            book._valid = True
        return touched

    def _trust(self, now_ns: cython.longlong) -> cython.bint:
        """Look whether the book is to be trusted; if it is, note its mid and time."""
        bid: cython.longlong = self.book._best_price(0)
        ask: cython.longlong = self.book._best_price(1)
        self.is_trusted = self.book._valid and 0 < bid < ask
        if self.is_trusted:
            self.fresh_ns = now_ns
            self.mark_half_ticks = bid + ask
        return self.is_trusted


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
            if lane is None or lane.next_ns > until_ns:  # type: ignore[redundant-expr]
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
            return best if best._is_inside or best._peek() else None  # type: ignore[return-value]
        for index in range(len(self.lanes)):
            lane = self.lanes[index]
            if lane._is_inside:
                return lane
            lane._peek()
            if lane.next_ns < best.next_ns:
                best = lane
        return best if best.next_ns != NEVER_NS else None  # type: ignore[return-value]

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
            lane.queue.sync(book, True)  # type: ignore[attr-defined]
        if touched & 2:
            flags |= _FOLLOW
        if lane._own_best[0] > book._best_price(1) or 0 < lane._own_best[1] < book._best_price(0):
            flags |= _CROSSED
        for seat in lane.seats:
            seat.is_called = seat.is_awake
            if not seat.is_awake and seat.hears_books:
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
            lane.fills = lane.queue.trade(side, price, lots)  # type: ignore[attr-defined]
            if lane.fills:
                flags |= _FILLED
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
