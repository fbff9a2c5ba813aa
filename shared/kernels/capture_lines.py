# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Recorded frames of one market to rows of columns: one pass over the bytes of many lines.

Read here are the frames of which nearly all of a recording consists, in the shape in which the venue writes
them: depth diffs that continue the book, and trades that continue the tape. At any other line (a REST book,
a hole in the ids, a text off the tick, broken JSON, a time that falls) the walk stops before it, and the
caller, which knows the rules and the words for what is wrong, takes that line and goes on behind it.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.frame_text import FrameText
else:
    from shared.kernels.frame_text import FrameText

DONE, OTHER, FULL = range(3)

C_DONE = cython.declare(cython.longlong, 0)
C_OTHER = cython.declare(cython.longlong, 1)
C_FULL = cython.declare(cython.longlong, 2)
NEWLINE = cython.declare(cython.longlong, 10)
QUOTE = cython.declare(cython.longlong, 34)
COMMA = cython.declare(cython.longlong, 44)
OPEN = cython.declare(cython.longlong, 91)
CLOSE = cython.declare(cython.longlong, 93)
TICKS_MAX = cython.declare(cython.longlong, 2_147_483_647)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)
MS_MAX = cython.declare(cython.longlong, 4_398_046_511_104)
NS_PER_MS = cython.declare(cython.longlong, 1_000_000)
LATENCY_NONE = cython.declare(cython.longlong, 9_223_372_036_854_775_807)
LEVEL = cython.declare(cython.longlong, 0)
TRADE = cython.declare(cython.longlong, 1)
LAST = cython.declare(cython.longlong, 0x80)
# The keys EUabsu and Tempqs must be there: bit n is the letter 64 + n.
DIFF_KEYS = cython.declare(cython.ulonglong, 0x28000600200020)
TRADE_KEYS = cython.declare(cython.ulonglong, 0xB202000100000)
DIFFS_KEPT = cython.declare(cython.longlong, 1024)
DIFF_FIELDS = cython.declare(cython.longlong, 5)


@cython.final
@cython.cclass
class CaptureLines(FrameText):  # type: ignore[misc]
    """Columns of one market, filled from lines; the caller reads the arrays up to `count`, and may set all.

    `prefix` is how lines of the market go on behind the time: `{"stream":"btcusdt@`. The first of `channels`
    is that of the trades, the others are passed over. `chains_previous`: a diff names the one before (`pu`).
    Diff n lies in `diffs` at (n % 1024) * 5: first id, last id, previous id, its first row and the row behind
    its last, counted from the beginning (`rows_before` were taken out of the arrays).
    """

    ts_exch_ns = cython.declare(object, visibility="public")
    ts_local_ns = cython.declare(object, visibility="public")
    price_ticks = cython.declare(object, visibility="public")
    lots = cython.declare(object, visibility="public")
    kind = cython.declare(object, visibility="public")
    side = cython.declare(object, visibility="public")
    diffs = cython.declare(object, visibility="public")
    count = cython.declare(cython.longlong, visibility="public")
    rows_before = cython.declare(cython.longlong, visibility="public")
    line_count = cython.declare(cython.longlong, visibility="public")
    other_count = cython.declare(cython.longlong, visibility="public")
    diff_count = cython.declare(cython.longlong, visibility="public")
    trade_count = cython.declare(cython.longlong, visibility="public")
    is_live = cython.declare(cython.bint, visibility="public")
    last_id = cython.declare(cython.longlong, visibility="public")
    last_trade_id = cython.declare(cython.longlong, visibility="public")
    last_local_ns = cython.declare(cython.longlong, visibility="public")
    latency_min_ns = cython.declare(cython.longlong, visibility="public")
    stop = cython.declare(cython.longlong, visibility="public")
    _exch: cython.longlong[::1]
    _local: cython.longlong[::1]
    _ticks: cython.int[::1]
    _lots: cython.longlong[::1]
    _kind: cython.uchar[::1]
    _side: cython.uchar[::1]
    _diffs: cython.longlong[::1]
    _prefix: cython.uchar[::1]
    _depth: cython.uchar[::1]
    _stream: cython.uchar[::1]
    _symbol: cython.uchar[::1]
    _trade: cython.uchar[::1]
    _trade_key: cython.longlong
    _skipped: list
    _chains_previous: cython.bint
    _capacity: cython.longlong
    _tick: cython.longlong
    _tick_decimals: cython.longlong
    _lot: cython.longlong
    _lot_decimals: cython.longlong
    _at: cython.longlong

    def __init__(
        self, prefix: bytes, channels: list, chains_previous: bool, tick: tuple, lot: tuple, capacity: int
    ) -> None:
        """`tick` and `lot` are sizes as (mantissa, decimals), as `levels.step_of` returns them."""
        FrameText.__init__(self)
        self._prefix = bytearray(prefix)
        self._symbol = bytearray(b'"%s"' % prefix[11 : len(prefix) - 1].upper())
        self._depth = bytearray(b"depth")
        self._stream = bytearray(b'{"stream":"')
        self._trade = bytearray(channels[0])
        self._trade_key = 97 if channels[0] == b"aggTrade" else 116
        self._skipped = [bytearray(channel) for channel in channels[1:]]
        self._chains_previous = chains_previous
        self._tick, self._tick_decimals = tick
        self._lot, self._lot_decimals = lot
        self._capacity = capacity
        self.ts_exch_ns = self._exch = array.array("q", bytes(8 * capacity))
        self.ts_local_ns = self._local = array.array("q", bytes(8 * capacity))
        self.price_ticks = self._ticks = array.array("i", bytes(4 * capacity))
        self.lots = self._lots = array.array("q", bytes(8 * capacity))
        self.kind = self._kind = array.array("B", bytes(capacity))
        self.side = self._side = array.array("B", bytes(capacity))
        self.diffs = self._diffs = array.array("q", bytes(8 * DIFF_FIELDS * DIFFS_KEPT))
        self.count = self.rows_before = self.line_count = self.other_count = 0
        self.diff_count = self.trade_count = self.last_id = self.last_local_ns = 0
        self.last_trade_id = -1
        self.is_live = False
        self.latency_min_ns = LATENCY_NONE
        self.stop = DONE
        self._at = 0

    def walk(self, data: bytearray, start: cython.longlong, end: cython.longlong) -> int:
        """Take the lines of `data[start:end]`, which ends with a line break; return where the walk ended.

        `stop` says why: DONE at the end, OTHER before a line for the caller, FULL when there is no room for
        the rows of the next line.
        """
        at: cython.longlong = start
        result: cython.longlong
        self._data = data
        self.stop = C_DONE
        while at < end:
            result = self._line(at)
            if result != C_DONE:
                self.stop = result
                break
            self.line_count += 1
            at = self._at
        return at

    @cython.ccall
    @cython.exceptval(check=False)
    def add_row(
        self,
        ts_exch_ns: cython.longlong,
        ts_local_ns: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        kind: cython.longlong,
        side: cython.longlong,
    ) -> cython.void:
        """Append one row, for which there is room."""
        n: cython.longlong = self.count
        self._exch[n] = ts_exch_ns
        self._local[n] = ts_local_ns
        self._ticks[n] = price_ticks
        self._lots[n] = lots
        self._kind[n] = kind
        self._side[n] = side
        self.count = n + 1
        self._take_time(ts_exch_ns, ts_local_ns)

    @cython.ccall
    @cython.exceptval(check=False)
    def note_diff(
        self,
        first_id: cython.longlong,
        last_id: cython.longlong,
        previous_id: cython.longlong,
        first_row: cython.longlong,
    ) -> cython.void:
        """Remember where the rows of an applied diff are: from `first_row` of the arrays to their end."""
        at: cython.longlong = (self.diff_count % DIFFS_KEPT) * DIFF_FIELDS
        self._diffs[at] = first_id
        self._diffs[at + 1] = last_id
        self._diffs[at + 2] = previous_id
        self._diffs[at + 3] = self.rows_before + first_row
        self._diffs[at + 4] = self.rows_before + self.count
        self.diff_count += 1
        self.last_id = last_id

    @cython.cfunc
    @cython.exceptval(check=False)
    def _take_time(self, ts_exch_ns: cython.longlong, recv_ns: cython.longlong) -> cython.void:
        self.last_local_ns = recv_ns
        if ts_exch_ns and recv_ns - ts_exch_ns < self.latency_min_ns:
            self.latency_min_ns = recv_ns - ts_exch_ns

    @cython.cfunc
    @cython.exceptval(check=False)
    def _line(self, start: cython.longlong) -> cython.longlong:
        """Take the line at `start`; `_at` is behind it unless it is left to the caller."""
        at: cython.longlong = start
        recv_ns: cython.longlong = 0
        value: cython.longlong = self._data[at]
        while 48 <= value <= 57 and at - start < 19:
            recv_ns = recv_ns * 10 + (value - 48)
            at += 1
            value = self._data[at]
        # Times of 19 digits that do not begin with 9 fit 64 bits.
        if value != 32 or recv_ns < self.last_local_ns or at - start != 19 or self._data[start] == 57:
            return C_OTHER
        at += 1
        if not self._begins(at, self._prefix):
            if not self._begins(at, self._stream):
                return C_OTHER
            self.other_count += 1
            return self._skip(at, recv_ns)
        at += len(self._prefix)
        if self._begins(at, self._depth):
            rows: cython.longlong = self.count
            result: cython.longlong = self._diff(at + 5, recv_ns)
            if result != C_DONE:
                # Rows stand only when all of the line is as it should be.
                self.count = rows
            return result
        if self._begins(at, self._trade) and self._data[at + len(self._trade)] == QUOTE:
            return self._trade_line(at + len(self._trade), recv_ns)
        for channel in self._skipped:
            if self._begins(at, channel):
                return self._skip(at, recv_ns)
        return C_OTHER

    @cython.cfunc
    @cython.exceptval(check=False)
    def _skip(self, at: cython.longlong, recv_ns: cython.longlong) -> cython.longlong:
        self.last_local_ns = recv_ns
        self._at = self._pass(at)
        return C_DONE

    @cython.cfunc
    @cython.exceptval(check=False)
    def _levels(
        self, at: cython.longlong, recv_ns: cython.longlong, side: cython.longlong
    ) -> cython.longlong:
        """Read `[["58710.20","0.014"],...]` into rows from `count` on; -1 for the caller, -2 without room."""
        n: cython.longlong = self.count
        if self._data[at] != OPEN:
            return -1
        at += 1
        if self._data[at] == CLOSE:
            return at + 1
        while True:
            if n >= self._capacity:
                return -2
            if self._data[at] != OPEN:
                return -1
            at = self._steps(at + 1, self._tick, self._tick_decimals)
            if at < 0 or self._data[at] != COMMA or not 0 < self._value <= TICKS_MAX:
                return -1
            self._ticks[n] = self._value
            at = self._steps(at + 1, self._lot, self._lot_decimals)
            if at < 0 or self._data[at] != CLOSE or self._value > LOTS_MAX:
                return -1
            self._lots[n] = self._value
            self._local[n] = recv_ns
            self._kind[n] = LEVEL
            self._side[n] = side
            n += 1
            at += 1
            if self._data[at] == CLOSE:
                self.count = n
                return at + 1
            if self._data[at] != COMMA:
                return -1
            at += 1

    @cython.cfunc
    @cython.exceptval(check=False)
    def _diff(self, at: cython.longlong, recv_ns: cython.longlong) -> cython.longlong:
        """Take a depth diff from behind `depth` on."""
        before: cython.longlong = self.count
        event_ms: cython.longlong = 0
        transaction_ms: cython.longlong = 0
        first_id: cython.longlong = -1
        last_id: cython.longlong = -1
        previous_id: cython.longlong = -1
        key: cython.longlong
        ts_exch_ns: cython.longlong
        # depth5 and the like are another payload
        if not self.is_live or (self._data[at] != QUOTE and self._data[at] != 64):
            return C_OTHER
        while self._data[at] != QUOTE:
            if self._data[at] == NEWLINE:
                return C_OTHER
            at += 1
        self._seen = 0
        at = self._word(at, self._payload_start)
        while at >= 0:
            at = self._key(at)
            key = self._value
            if at < 0:
                break
            if key == 98 or key == 97:  # noqa: PLR1714 - b, a; compiled, two comparisons are two comparisons
                at = self._levels(at, recv_ns, 98 - key)
            elif key == 101 or key == 115:  # noqa: PLR1714 - e, s
                at = self._word(at, self._symbol) if key == 115 else self._text(at)
            else:
                at = self._number(at)
                if key == 80:  # pu
                    previous_id = self._value
                elif key == 85:  # U
                    first_id = self._value
                elif key == 117:  # u
                    last_id = self._value
                elif key == 69:  # E
                    event_ms = self._value
                elif key == 84:  # T
                    transaction_ms = self._value
                else:
                    return C_OTHER
            if at < 0 or self._data[at] != COMMA:
                break
            at += 1
        if at == -2:
            return C_FULL
        if at < 0 or not self._is_end(at) or self._seen & DIFF_KEYS != DIFF_KEYS or last_id < first_id:
            return C_OTHER
        if last_id <= self.last_id or event_ms > MS_MAX or transaction_ms > MS_MAX:
            return C_OTHER
        if (previous_id != self.last_id) if self._chains_previous else (first_id > self.last_id + 1):
            return C_OTHER
        ts_exch_ns = (transaction_ms if transaction_ms else event_ms) * NS_PER_MS
        for key in range(before, self.count):
            self._exch[key] = ts_exch_ns
        if self.count > before:
            self._kind[self.count - 1] = LEVEL | LAST
        self._take_time(ts_exch_ns, recv_ns)
        self.note_diff(first_id, last_id, previous_id, before)
        self._at = at + 3
        return C_DONE

    @cython.cfunc
    @cython.exceptval(check=False)
    def _trade_line(self, at: cython.longlong, recv_ns: cython.longlong) -> cython.longlong:
        """Take a `trade` or `aggTrade` from the quote behind its channel on."""
        transaction_ms: cython.longlong = -1
        trade_id: cython.longlong = -1
        ticks: cython.longlong = 0
        lots: cython.longlong = 0
        side: cython.longlong = -1
        key: cython.longlong
        if self.count >= self._capacity:
            return C_FULL
        self._seen = 0
        at = self._word(at, self._payload_start)
        while at >= 0:
            at = self._key(at)
            key = self._value
            if at < 0:
                break
            if key == 112:  # p
                at = self._steps(at, self._tick, self._tick_decimals)
                ticks = self._value
            elif key == 113:  # q
                at = self._steps(at, self._lot, self._lot_decimals)
                lots = self._value
            elif key == 109 or key == 77:  # noqa: PLR1714 - m: the buyer was the maker, the aggressor sold; M
                if key == 109:
                    side = 1 if self._data[at] == 116 else 0
                at = self._boolean(at)
            elif key == 88:  # X: anything but a trade on the book is the caller's
                at = self._word(at, self._market_word)
            elif key == 101 or key == 115:  # noqa: PLR1714 - e, s
                at = self._word(at, self._symbol) if key == 115 else self._text(at)
            else:
                at = self._number(at)
                if key == 84:
                    transaction_ms = self._value
                elif key == self._trade_key:
                    trade_id = self._value
            if at < 0 or self._data[at] != COMMA:
                break
            at += 1
        if at < 0 or not self._is_end(at) or self._seen & TRADE_KEYS != TRADE_KEYS:
            return C_OTHER
        if not 0 < ticks <= TICKS_MAX or not 0 < lots <= LOTS_MAX or not 0 <= transaction_ms <= MS_MAX:
            return C_OTHER
        if trade_id != self.last_trade_id + 1 or self.last_trade_id < 0:
            return C_OTHER
        self.add_row(transaction_ms * NS_PER_MS, recv_ns, ticks, lots, TRADE | LAST, side)
        self.last_trade_id = trade_id
        self.trade_count += 1
        self._at = at + 3
        return C_DONE
