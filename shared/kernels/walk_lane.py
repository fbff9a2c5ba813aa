# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""One market of a walk: its rows, its book, the queue of our orders, and the instances that trade it."""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
    from cython.cimports.shared.kernels.gates import Gate
    from cython.cimports.shared.kernels.trade_candles import TradeCandles
else:
    from shared.kernels.book import Book
    from shared.kernels.gates import Gate
    from shared.kernels.trade_candles import TradeCandles
    from shared.kernels.words import WINDOW_TICKS

CLEAR = cython.declare(cython.longlong, 2)
INVALID = cython.declare(cython.longlong, 3)
MARK = cython.declare(cython.longlong, 5)
LAST = cython.declare(cython.longlong, 0x80)
KIND_MASK = cython.declare(cython.longlong, 0x0F)
# Rows of a book, as a mask of `1 << kind`.
BOOK_ROWS = cython.declare(cython.longlong, 0b000101)

NEVER_NS = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
NS_PER_MS = cython.declare(cython.longlong, 1_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)

# Columns of `Lane.value`.
_PRICE = cython.declare(cython.longlong, 0)
_LOTS = cython.declare(cython.longlong, 1)
_SIDE = cython.declare(cython.longlong, 2)
_EXCH = cython.declare(cython.longlong, 3)
PRICE, LOTS, SIDE, EXCH = range(4)


@cython.final
@cython.cclass
class Seat:
    """One strategy instance as the walk knows it; the caller keeps it up to date between two stops.

    `gate` is asked where the instance hears a kind of event and is not awake; without one it is called.
    `is_awake` stops at every event and tick of its market, `is_waiting` at every book alone. `is_called`
    tells at a stop that it has to be called.
    """

    def __init__(self) -> None:
        self.gate: Gate | None = None
        self.is_awake = True
        self.is_waiting = False
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
        self.candles: TradeCandles | None = None
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
        exch_ns: memoryview,
        local_ns: memoryview,
        kind: memoryview,
        side: memoryview,
        price_ticks: memoryview,
        lots: memoryview,
        first: cython.longlong,
        end: cython.longlong,
    ) -> None:
        """Append the rows first..end-1 of a file; rows after the last one with LAST are left out."""
        self._files.append((exch_ns, local_ns, kind, side, price_ticks, lots, first, end))

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
        """Return price, lots, side or the venue's time (ns) of the row at which the walk stands."""
        at: cython.longlong = self.row - self.base_row
        if at < 0 or at >= self._end:
            raise ValueError(f"row {self.row} is none of the file that is walked")
        if column == _PRICE:
            return self._price[at]
        if column == _EXCH:
            return self._exch_ns[at]
        return self._lots[at] if column == _LOTS else self._side[at]

    def take_candles(self) -> tuple:
        """Take the trade at which the walk stands; return its time in ms, and the candles that are said."""
        row: cython.longlong = self.row - self.base_row
        at_ms: cython.longlong = self._at_ms(row)
        candles: TradeCandles = self.candles
        return at_ms, candles.take(at_ms, self._price[row], self._lots[row])

    def _at_ms(self, row: cython.longlong) -> cython.longlong:
        """Return the venue's time of a row in ms, ours where it is not known."""
        exch_ns: cython.longlong = self._exch_ns[row]
        return (exch_ns if exch_ns else self._local_ns[row]) // NS_PER_MS

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
        (
            self._exch_ns,
            self._local_ns,
            self._kind,
            self._side,
            self._price,
            self._lots,
            self._at,
            self._end,
        ) = self._files.pop(0)
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
