# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Rows of a `.columns` file to events of hftbacktest's array, whose form `event_rows` tells."""

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
OURS = cython.declare(cython.longlong, 0x514D00)
OURS_LAST = cython.declare(cython.longlong, 1)
OURS_INVALID = cython.declare(cython.longlong, 2)
TRADE = cython.declare(cython.longlong, 1)
CLEAR = cython.declare(cython.longlong, 2)
INVALID = cython.declare(cython.longlong, 3)
LAST = cython.declare(cython.longlong, 0x80)
EXCH_FLAG = cython.declare(cython.longlong, 1 << 31)
# a double holds a count up to this exactly
EXACT_MAX = cython.declare(cython.longlong, 1 << 53)


@cython.cclass
class EventWriter:
    """Turns rows into events; sizes are (mantissa, decimals), `local_shift_ns` is added to local times.

    `write` leaves out FUNDING and MARK rows (the format has none) and counts them in `left_out_count`;
    `timeless_count` counts rows whose venue time is unknown: they get the local one. A value that a float
    cannot hold stops it: `bad_row` names it.
    """

    bad_row = cython.declare(cython.longlong, visibility="public")
    left_out_count = cython.declare(cython.longlong, visibility="public")
    timeless_count = cython.declare(cython.longlong, visibility="public")
    _tick: cython.longlong
    _tick_scale: cython.double
    _lot: cython.longlong
    _lot_scale: cython.double
    _local_shift_ns: cython.longlong
    _is_snapshot: cython.bint

    def __init__(self, tick: tuple, lot: tuple, local_shift_ns: int) -> None:
        self._tick, self._tick_scale = tick[0], float(10 ** tick[1])
        self._lot, self._lot_scale = lot[0], float(10 ** lot[1])
        self._local_shift_ns = local_shift_ns
        self.bad_row = -1
        self.left_out_count = 0
        self.timeless_count = 0
        self._is_snapshot = False

    def write(
        self,
        ts_exch: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        ts_local: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        price: cython.const[cython.int][::1],  # type: ignore[valid-type]
        lots: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
        kind: cython.const[cython.uchar][::1],  # type: ignore[valid-type]
        side: cython.const[cython.uchar][::1],  # type: ignore[valid-type]
        seen: cython.const[cython.uchar][::1],  # type: ignore[valid-type]
        ints: cython.longlong[::1],
        floats: cython.double[::1],
    ) -> int:
        """Write one event per row into a block, seen as integers and as floats; return how many.

        `seen` says who sees the row: 1 the exchange, 2 the local side, 3 both.
        """
        used: cython.longlong = 0
        at: cython.longlong
        base: cython.longlong
        what: cython.longlong
        event: cython.longlong
        mark: cython.longlong
        for at in range(len(ts_local)):
            what = kind[at] & 0x0F
            if what > INVALID:
                if seen[at] & 2:
                    self.left_out_count += 1
                continue
            event = 0
            if seen[at] & 1:
                event |= EXCH_FLAG
            if seen[at] & 2:
                event |= LOCAL_FLAG
            mark = OURS
            if kind[at] & LAST:
                mark |= OURS_LAST
            if what >= CLEAR:
                event |= CLEAR_EV
                self._is_snapshot = what == CLEAR
                if what == INVALID:
                    mark |= OURS_INVALID
            else:
                event |= SELL_FLAG if side[at] else BUY_FLAG
                if what == TRADE:
                    event |= TRADE_EV
                else:
                    event |= SNAPSHOT_EV if self._is_snapshot else DEPTH_EV
                if lots[at] * self._lot >= EXACT_MAX or price[at] * self._tick >= EXACT_MAX:
                    self.bad_row = at
                    return used
            base = used * FIELDS
            ints[base + EV] = event
            ints[base + EXCH_TS] = ts_exch[at]
            if ts_exch[at] == 0:
                ints[base + EXCH_TS] = ts_local[at] + self._local_shift_ns
                if seen[at] & 2:
                    self.timeless_count += 1
            ints[base + LOCAL_TS] = ts_local[at] + self._local_shift_ns
            floats[base + PX] = 0.0
            floats[base + QTY] = 0.0
            if what < CLEAR:
                floats[base + PX] = cython.cast(cython.double, price[at] * self._tick) / self._tick_scale
                floats[base + QTY] = cython.cast(cython.double, lots[at] * self._lot) / self._lot_scale
            ints[base + 5] = 0
            ints[base + IVAL] = mark
            floats[base + 7] = 0.0
            if kind[at] & LAST:
                self._is_snapshot = False
            used += 1
        return used
