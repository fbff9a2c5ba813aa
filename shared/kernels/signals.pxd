# What other kernels see of the signals when compiled; uncompiled, signals.py stands alone.
cimport cython
from shared.kernels.book cimport Book

cdef long long microprice_of(Book book, long long depth) except *
cdef int imbalance_of(Book book, long long depth) except? -1
cdef int weighted_imbalance_of(Book book, long long depth) except? -1
cdef bint is_trade(long long side, long long price_ticks, long long qty_lots) except -1

@cython.final
cdef class TradeFlow:
    cdef long long _window
    cdef long long[::1] _sides
    cdef long long[::1] _qty_lots
    cdef long long _head
    cdef long long _held
    cdef long long _bought_lots
    cdef long long _sold_lots
    cdef long long _last_ticks
    cdef long long _ema_e4
    cdef readonly long long count

    cdef int _reset(self, long long window) except -1
    cpdef object add(self, long long side, long long price_ticks, long long qty_lots)
    cdef int _take(self, long long side, long long price_ticks, long long qty_lots) except -1
    cdef int _push(self, long long side, long long qty_lots) except -1
    cdef int _vpin(self) except? -1
    cdef int _vpin_with(self, long long side, long long qty_lots) except? -1
