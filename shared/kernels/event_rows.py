# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Events of hftbacktest's array to rows of a `.columns` file, a block at a time; `event_writer` goes back.

An event is 64 bytes, little-endian: `ev uint64, exch_ts int64, local_ts int64, px float64, qty float64,
order_id uint64, ival int64, fval float64`. The low byte of `ev` is the kind (1 depth, 2 trade, 3 clear,
4 snapshot, 5 best bid and ask); bits 31 and 30 say whether the exchange and the local side see the row, bits
29 and 28 buy and sell. `ival` is unused there: we keep the end of a message and a broken book in it.
"""

import array
import math

import cython

FIELDS = cython.declare(cython.longlong, 8)
EV = cython.declare(cython.longlong, 0)
EXCH_TS = cython.declare(cython.longlong, 1)
LOCAL_TS = cython.declare(cython.longlong, 2)
PX = cython.declare(cython.longlong, 3)
QTY = cython.declare(cython.longlong, 4)
IVAL = cython.declare(cython.longlong, 6)

LOCAL_FLAG = cython.declare(cython.longlong, 1 << 30)
BUY_FLAG = cython.declare(cython.longlong, 1 << 29)
SELL_FLAG = cython.declare(cython.longlong, 1 << 28)
DEPTH_EV = cython.declare(cython.longlong, 1)
TRADE_EV = cython.declare(cython.longlong, 2)
CLEAR_EV = cython.declare(cython.longlong, 3)
SNAPSHOT_EV = cython.declare(cython.longlong, 4)
BEST_EV = cython.declare(cython.longlong, 5)

# "QM" and flags: a file of another program is very unlikely to hold it.
OURS = cython.declare(cython.longlong, 0x514D00)
OURS_LAST = cython.declare(cython.longlong, 1)
OURS_INVALID = cython.declare(cython.longlong, 2)

LEVEL = cython.declare(cython.longlong, 0)
TRADE = cython.declare(cython.longlong, 1)
CLEAR = cython.declare(cython.longlong, 2)
INVALID = cython.declare(cython.longlong, 3)
LAST = cython.declare(cython.longlong, 0x80)

PRICE_MAX = cython.declare(cython.double, 2_147_483_647.0)
LOTS_MAX = cython.declare(cython.double, 1e15)

OK = 0
UNORDERED = 1
BAD_PRICE = 2
OFF_TICK = 3
BAD_QTY = 4
NEGATIVE_QTY = 5
BAD_KIND = 6
BAD_SIDE = 7
BAD_TIME = 8


@cython.cclass
class EventReader:
    """Turns blocks of events into rows; sizes are (mantissa, decimals): mantissa * 10^-decimals.

    Depth events before any snapshot or clear belong to no known book: they are left out and counted in
    `bookless_count`. `read` stops at a bad event: `bad_row` (within the block) and `bad_code` name it.
    """

    bad_row = cython.declare(cython.longlong, visibility="public")
    bad_code = cython.declare(cython.longlong, visibility="public")
    floored_count = cython.declare(cython.longlong, visibility="public")
    floored_row = cython.declare(cython.longlong, visibility="public")
    bookless_count = cython.declare(cython.longlong, visibility="public")
    skipped_count = cython.declare(cython.longlong, visibility="public")
    trade_count = cython.declare(cython.longlong, visibility="public")
    _row: cython.longlong
    _tick: cython.double
    _tick_scale: cython.double
    _lot: cython.double
    _lot_scale: cython.double
    _has_book: cython.bint
    _cleared: cython.longlong
    _has_pending: cython.bint
    _is_last_known: cython.bint
    _pending: cython.longlong[::1]
    _ts_exch: cython.longlong[::1]
    _ts_local: cython.longlong[::1]
    _price: cython.int[::1]
    _lots: cython.longlong[::1]
    _kind: cython.uchar[::1]
    _side: cython.uchar[::1]

    def __init__(self, tick: tuple, lot: tuple) -> None:
        self._tick, self._tick_scale = float(tick[0]), float(10 ** tick[1])
        self._lot, self._lot_scale = float(lot[0]), float(10 ** lot[1])
        self.bad_row = -1
        self.bad_code = OK
        self.floored_count = 0
        self.floored_row = -1
        self.bookless_count = 0
        self.skipped_count = 0
        self.trade_count = 0
        self._row = 0
        self._has_book = False
        self._cleared = 0
        self._has_pending = False
        self._is_last_known = False
        self._pending = array.array("q", bytes(8 * 6))

    def read(
        self,
        ints: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        floats: cython.const[cython.double][::1],  # type: ignore[valid-type]
        ts_exch: cython.longlong[::1],
        ts_local: cython.longlong[::1],
        price: cython.int[::1],
        lots: cython.longlong[::1],
        kind: cython.uchar[::1],
        side: cython.uchar[::1],
    ) -> int:
        """Read a block, seen as integers and as floats; return how many rows were written.

        The columns must offer twice the events and one row more. The last row is held back until the next
        event, or `finish`, tells whether its message ends with it.
        """
        self._ts_exch, self._ts_local, self._price = ts_exch, ts_local, price
        self._lots, self._kind, self._side = lots, kind, side
        used: cython.longlong = 0
        at: cython.longlong
        base: cython.longlong
        code: cython.longlong
        what: cython.longlong
        for at in range(len(ints) // FIELDS):
            base = at * FIELDS
            self._row += 1
            if not ints[base] & LOCAL_FLAG:
                continue
            what = ints[base] & 0xFF
            if what == BEST_EV:
                self.skipped_count += 1
                continue
            code = self._check(ints, floats, base, what)
            if code != OK:
                self.bad_row, self.bad_code = at, code
                return used
            if what == DEPTH_EV and not self._has_book:
                self.bookless_count += 1
                continue
            if what == TRADE_EV:
                self.trade_count += 1
            if self._is_new_book(ints, base, what):
                used = self._push(used, ints, base, CLEAR, 0, 0, 0)
                self._has_book = True
                if what != CLEAR_EV:
                    # The snapshot itself begins in the same message.
                    self._is_last_known = False
            if what == CLEAR_EV:
                continue
            used = self._push(
                used,
                ints,
                base,
                TRADE if what == TRADE_EV else LEVEL,
                0 if ints[base] & BUY_FLAG else 1,
                self._ticks(floats[base + PX]),
                self._whole_lots(floats[base + QTY]),
            )
        return used

    def finish(
        self,
        ts_exch: cython.longlong[::1],
        ts_local: cython.longlong[::1],
        price: cython.int[::1],
        lots: cython.longlong[::1],
        kind: cython.uchar[::1],
        side: cython.uchar[::1],
    ) -> int:
        """Write the row held back, with the end of its message; return how many rows were written."""
        if not self._has_pending:
            return 0
        self._ts_exch, self._ts_local, self._price = ts_exch, ts_local, price
        self._lots, self._kind, self._side = lots, kind, side
        self._pending[4] |= LAST
        self._has_pending = False
        return self._put(0)

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _check(
        self,
        ints: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        floats: cython.const[cython.double][::1],  # type: ignore[valid-type]
        base: cython.longlong,
        what: cython.longlong,
    ) -> cython.longlong:
        """Return what is wrong with an event, OK when nothing is."""
        px: cython.double = floats[base + PX]
        qty: cython.double = floats[base + QTY]
        ticks: cython.double
        if what < DEPTH_EV or what > SNAPSHOT_EV:
            return BAD_KIND
        if ints[base + LOCAL_TS] <= 0 or ints[base + EXCH_TS] < 0:
            return BAD_TIME
        if self._has_pending and ints[base + LOCAL_TS] < self._pending[1]:
            return UNORDERED
        if what == CLEAR_EV:
            return OK
        if ((ints[base] & BUY_FLAG) != 0) == ((ints[base] & SELL_FLAG) != 0):
            return BAD_SIDE
        # Comparisons with NaN are false, so a NaN is refused here too.
        if not (px > 0.0 and px * self._tick_scale / self._tick <= PRICE_MAX):
            return BAD_PRICE
        ticks = px * self._tick_scale / self._tick
        if abs(ticks - math.floor(ticks + 0.5)) > 1e-4:
            return OFF_TICK
        if math.floor(ticks + 0.5) < 1:
            return BAD_PRICE
        if qty < 0.0:
            return NEGATIVE_QTY
        if not qty * self._lot_scale / self._lot <= LOTS_MAX:
            return BAD_QTY
        return OK

    @cython.cfunc
    @cython.exceptval(check=False)
    def _is_new_book(
        self,
        ints: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        base: cython.longlong,
        what: cython.longlong,
    ) -> cython.bint:
        """Tell whether a CLEAR goes before this event.

        A clear of one side goes with that of the other: the two and the levels between them are one snapshot.
        """
        sides: cython.longlong = 0
        if what == CLEAR_EV:
            if ints[base] & BUY_FLAG:
                sides |= 1
            if ints[base] & SELL_FLAG:
                sides |= 2
            if sides in {0, 3} or self._cleared == 0 or self._cleared & sides:
                self._cleared = sides if sides else 3
                return True
            self._cleared |= sides
            return False
        if what == TRADE_EV:
            return False
        if what == DEPTH_EV:
            self._cleared = 0
        return not self._has_book

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ticks(self, px: cython.double) -> cython.longlong:
        return cython.cast(cython.longlong, math.floor(px * self._tick_scale / self._tick + 0.5))

    @cython.cfunc
    @cython.exceptval(check=False)
    def _whole_lots(self, qty: cython.double) -> cython.longlong:
        """Return a quantity in lots, rounded down and counted when it is off the lot (MD-8)."""
        exact: cython.double = qty * self._lot_scale / self._lot
        nearest: cython.double = math.floor(exact + 0.5)
        if abs(exact - nearest) > 1e-4:
            self.floored_count += 1
            if self.floored_row < 0:
                self.floored_row = self._row
            nearest = math.floor(exact)
        return cython.cast(cython.longlong, nearest)

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _push(
        self,
        used: cython.longlong,
        ints: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        base: cython.longlong,
        kind_now: cython.longlong,
        side_now: cython.longlong,
        price_now: cython.longlong,
        lots_now: cython.longlong,
    ) -> cython.longlong:
        """Write the row held back, hold this one back; return the rows used."""
        mark: cython.longlong = ints[base + IVAL]
        is_ours: cython.bint = (mark & ~0xFF) == OURS
        if self._has_pending:
            if not self._is_last_known and (
                self._pending[0] != ints[base + EXCH_TS]
                or self._pending[1] != ints[base + LOCAL_TS]
                or self._pending[4] & 0x0F == TRADE
                or kind_now != LEVEL
            ):
                self._pending[4] |= LAST
            used = self._put(used)
        if is_ours and mark & OURS_INVALID:
            kind_now = INVALID
        if is_ours and mark & OURS_LAST:
            kind_now |= LAST
        self._pending[0] = ints[base + EXCH_TS]
        self._pending[1] = ints[base + LOCAL_TS]
        self._pending[2] = price_now
        self._pending[3] = lots_now
        self._pending[4] = kind_now
        self._pending[5] = side_now
        self._has_pending = True
        self._is_last_known = is_ours
        return used

    @cython.cfunc
    @cython.inline
    @cython.exceptval(-1, check=False)
    def _put(
        self,
        used: cython.longlong,
    ) -> cython.longlong:
        self._ts_exch[used] = self._pending[0]
        self._ts_local[used] = self._pending[1]
        self._price[used] = cython.cast(cython.int, self._pending[2])
        self._lots[used] = self._pending[3]
        self._kind[used] = cython.cast(cython.uchar, self._pending[4])
        self._side[used] = cython.cast(cython.uchar, self._pending[5])
        return used + 1
