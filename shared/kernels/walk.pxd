# Types of the walk when compiled; uncompiled, walk.py stands alone.
cimport cython
from shared.kernels.book cimport Book
from shared.kernels.gates cimport Gate
from shared.kernels.trade_candles cimport TradeCandles
from shared.kernels.walk_lane cimport Lane, Seat

@cython.final
cdef class Walker:
    cdef readonly list lanes
    cdef readonly Lane lane
    cdef readonly long long now_ns
    cdef readonly long long kind
    cdef readonly long long flags
    cdef readonly long long event_count
    cdef public long long next_tick_ns
    cdef public long long tick_ns
    cdef public long long due_ns
    cdef public long long risk_due_ns
    cdef public long long stale_ns
    cdef public bint is_forced

    cdef Lane _earliest(self)
    cdef bint _tick(self, long long now_ns) except -1
    cdef bint _event(self, Lane lane) except -1
    cdef bint _levels(self, Lane lane, long long end) except -1
    cdef bint _trade(self, Lane lane, long long row) except -1
    cdef bint _stop(self, Lane lane, long long kind, long long flags) except -1
    cdef int _call_all(self, Lane lane) except -1
