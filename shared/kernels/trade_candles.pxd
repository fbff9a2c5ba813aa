# What the walk sees of the candles when compiled; uncompiled, trade_candles.py stands alone.
cimport cython

@cython.final
cdef class TradeCandles:
    cdef long long _open_ms
    cdef long long _open
    cdef long long _high
    cdef long long _low
    cdef long long _close
    cdef long long _lots
    cdef long long _trades
    cdef long long _sent_ms

    cpdef bint is_silent(self, long long at_ms, long long price_ticks, long long lots) except -1
    cpdef list take(self, long long at_ms, long long price_ticks, long long lots)
    cdef tuple _values(self)
    cdef void _begin(self, long long open_ms, long long price_ticks) noexcept nogil
    cdef void _count(self, long long price_ticks, long long lots) noexcept nogil
