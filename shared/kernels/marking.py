# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The mids of one market at given times, and its highest, lowest and last mid of each step, from columns.

A mid is bid + ask of the last trusted book (both sides, not crossed, no gap since its snapshot), in half
ticks; it stays known while the book is untrusted. One walk over the rows does both, at the speed of the book.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
else:
    from shared.kernels.book import Book
    from shared.kernels.words import WINDOW_TICKS

# Kinds of rows, as in shared/columns.py (a test compares).
LEVEL = cython.declare(cython.int, 0)
CLEAR = cython.declare(cython.int, 2)
INVALID = cython.declare(cython.int, 3)
NEVER_NS = cython.declare(cython.longlong, 9_223_372_036_854_775_807)
KIND_MASK = cython.declare(cython.int, 15)
LAST = cython.declare(cython.int, 128)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)


@cython.final
@cython.cclass
class MidWalk:
    """Walks the files of one market in the order of time; says the mids after each of `times_ns` on the way.

    `mids[k][i]` is the mid after every row at or before `times_ns[i] + after_ns[k]`, 0 when there was none
    yet or the rows ended before. Times ascend. `mark_ns` and `mark_mids` are the high, low and last mid of
    each step with rows, in the order of time.
    """

    _book: Book
    _times: cython.longlong[::1]
    _after: cython.longlong[::1]
    _next: cython.longlong[::1]
    _answers: cython.longlong[::1]
    _count: cython.Py_ssize_t
    _kinds: cython.Py_ssize_t
    _due_ns: cython.longlong
    _step_ns: cython.longlong
    _mid: cython.longlong
    _step_end_ns: cython.longlong
    _high: cython.longlong
    _high_ns: cython.longlong
    _low: cython.longlong
    _low_ns: cython.longlong
    _changed_ns: cython.longlong
    _last_ns: cython.longlong
    _found = cython.declare(object)
    mark_ns = cython.declare(object, visibility="readonly")
    mark_mids = cython.declare(object, visibility="readonly")

    def __init__(self, times_ns: array.array, after_ns: array.array, step_ns: cython.longlong) -> None:
        if step_ns <= 0:
            raise ValueError(f"step of {step_ns} ns: must be positive")
        self._book = Book()
        self._count = len(times_ns)
        self._kinds = len(after_ns)
        # A memoryview of nothing cannot be taken of an empty array in every Python: one that is never read.
        self._times = times_ns if self._count else array.array("q", [0])
        self._after = after_ns if self._kinds else array.array("q", [0])
        self._next = array.array("q", bytes(8 * max(1, self._kinds)))
        self._found = array.array("q", bytes(8 * max(1, self._kinds * self._count)))
        self._answers = self._found
        self._step_ns = step_ns
        self._mid = 0
        self._high = self._low = 0
        self._high_ns = self._low_ns = self._changed_ns = 0
        self._step_end_ns = 0
        self._last_ns = 0
        self.mark_ns = array.array("q")
        self.mark_mids = array.array("q")
        self._due_ns = self._first_due_ns()

    @property
    def mids(self) -> list:
        """Return one array of mids per entry of `after_ns`."""
        return [self._found[k * self._count : (k + 1) * self._count] for k in range(self._kinds)]

    def walk(
        self,
        ts_ns: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        kind: cython.const[cython.uchar][::1],  # type: ignore[valid-type]
        side: cython.const[cython.uchar][::1],  # type: ignore[valid-type]
        price_ticks: cython.const[cython.int][::1],  # type: ignore[valid-type]
        lots: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
    ) -> None:
        """Walk the rows of one file; its times may not be before those of the last one.

        Raises:
            ValueError: time runs backwards, or a level is out of range.
        """
        row: cython.Py_ssize_t
        what: cython.int
        is_changed: cython.bint = False
        for row in range(len(ts_ns)):
            if ts_ns[row] != self._last_ns:
                if ts_ns[row] < self._last_ns:
                    raise ValueError(f"row {row} at {ts_ns[row]} ns is before {self._last_ns} ns: not sorted")
                self._pass_time(ts_ns[row])
                self._last_ns = ts_ns[row]
            what = kind[row] & KIND_MASK
            if what == LEVEL:
                if not (price_ticks[row] > 0 and 0 <= lots[row] <= LOTS_MAX):
                    raise ValueError(f"row {row}: a level of {lots[row]} lots at {price_ticks[row]} ticks")
                self._place(1 if side[row] else 0, price_ticks[row], lots[row])
                is_changed = True
            elif what == CLEAR:
                self._book._clear()
                self._book._valid = True
                is_changed = True
            elif what == INVALID:
                self._book._valid = False
            if is_changed and kind[row] & LAST:
                self._take_mid(ts_ns[row])
                is_changed = False

    def finish(self) -> None:
        """Answer the times up to the last row and close the last step."""
        self._answer(self._last_ns + 1)
        self._close_step()

    @cython.cfunc
    @cython.inline
    def _place(self, s: cython.longlong, price_ticks: cython.longlong, lots: cython.longlong) -> cython.int:
        """Set one level; one that exists and stays only changes its lots."""
        key: cython.longlong = -price_ticks if s else price_ticks
        slot: cython.longlong = key - self._book._base[s]
        if lots and 0 <= slot < WINDOW_TICKS and self._book._lots[s * WINDOW_TICKS + slot]:
            self._book._lots[s * WINDOW_TICKS + slot] = lots
        else:
            self._book._place(s, key, lots)
        return 0

    @cython.cfunc
    def _pass_time(self, now_ns: cython.longlong) -> cython.int:
        """Answer every time before `now_ns`, and close the step that ends at or before it."""
        if self._due_ns < now_ns:
            self._answer(now_ns)
        if now_ns >= self._step_end_ns:
            self._close_step()
            self._step_end_ns = (now_ns // self._step_ns + 1) * self._step_ns
        return 0

    @cython.cfunc
    def _answer(self, now_ns: cython.longlong) -> cython.int:
        """Answer every time before `now_ns` with the mid as it is; before the first row that is 0."""
        kind: cython.Py_ssize_t
        at: cython.Py_ssize_t
        for kind in range(self._kinds):
            at = self._next[kind]
            while at < self._count and self._times[at] + self._after[kind] < now_ns:
                self._answers[kind * self._count + at] = self._mid
                at += 1
            self._next[kind] = at
        self._due_ns = self._first_due_ns()
        return 0

    @cython.cfunc
    def _first_due_ns(self) -> cython.longlong:
        """Return the earliest time that is not answered yet."""
        kind: cython.Py_ssize_t
        due_ns: cython.longlong = NEVER_NS
        for kind in range(self._kinds):
            if self._next[kind] < self._count:
                due_ns = min(due_ns, self._times[self._next[kind]] + self._after[kind])
        return due_ns

    @cython.cfunc
    def _take_mid(self, now_ns: cython.longlong) -> cython.int:
        """Take the mid of the book after a message, when it is trusted."""
        book: Book = self._book
        if not book._valid or book._best[0] < 0 or book._best[1] < 0:
            return 0
        bid: cython.longlong = book._best_price(0)
        ask: cython.longlong = book._best_price(1)
        if bid >= ask or bid + ask == self._mid:
            return 0
        self._mid = bid + ask
        if self._changed_ns == 0 or self._mid > self._high:
            self._high, self._high_ns = self._mid, now_ns
        if self._changed_ns == 0 or self._mid < self._low:
            self._low, self._low_ns = self._mid, now_ns
        self._changed_ns = now_ns
        return 0

    @cython.cfunc
    def _close_step(self) -> cython.int:
        """Write the extremes of a step in the order of time, then its last mid; nothing when none moved."""
        if self._changed_ns == 0:
            return 0
        if self._high_ns < self._low_ns:
            self._mark(self._high_ns, self._high)
            self._mark(self._low_ns, self._low)
        elif self._low_ns < self._high_ns:
            self._mark(self._low_ns, self._low)
            self._mark(self._high_ns, self._high)
        if self._changed_ns > max(self._high_ns, self._low_ns) or self._high_ns == self._low_ns:
            self._mark(self._changed_ns, self._mid)
        self._changed_ns = 0
        return 0

    @cython.cfunc
    def _mark(self, ts_ns: cython.longlong, mid: cython.longlong) -> cython.int:
        self.mark_ns.append(ts_ns)
        self.mark_mids.append(mid)
        return 0
