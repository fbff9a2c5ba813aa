# What the walk sees of a market when compiled; uncompiled, walk_lane.py stands alone.
cimport cython
from shared.kernels.book cimport Book
from shared.kernels.gates cimport Gate
from shared.kernels.trade_candles cimport TradeCandles

@cython.final
cdef class Seat:
    cdef public Gate gate
    cdef public bint is_awake
    cdef public bint is_waiting
    cdef public bint hears_books
    cdef public bint hears_trades
    cdef public bint hears_ticks
    cdef public bint is_called
    cdef public long long position_lots

@cython.final
cdef class Lane:
    cdef const long long[::1] _local_ns
    cdef const long long[::1] _exch_ns
    cdef const unsigned char[::1] _kind
    cdef const unsigned char[::1] _side
    cdef const int[::1] _price
    cdef const long long[::1] _lots
    cdef list _files
    cdef readonly Book book
    cdef readonly object queue
    cdef readonly list seats
    cdef readonly list fills
    cdef readonly long long next_ns
    cdef readonly long long base_row
    cdef readonly long long row
    cdef readonly long long event_count
    cdef readonly long long fresh_ns
    cdef readonly long long mark_half_ticks
    cdef readonly bint is_trusted
    cdef public bint wants_trades
    cdef public TradeCandles candles
    cdef public bint is_quiet
    cdef public bint has_orders
    cdef public long long mark_low
    cdef public long long mark_high
    cdef long long _at
    cdef long long _end
    cdef long long _sub
    cdef long long _event_end
    cdef long long _flags
    cdef bint _is_inside
    cdef bint _is_unsaid
    cdef long long _own_best[2]
    cdef long long _own_low[2]
    cdef long long _own_high[2]
    cdef long long _taken_low[2]
    cdef long long _taken_high[2]

    cdef bint _peek(self) except -1
    cdef int _open_next(self) except -1
    cdef int _scan(self) noexcept nogil
    cdef bint _trust(self, long long now_ns) noexcept nogil
    cdef long long _at_ms(self, long long row) noexcept nogil
    cdef int _apply(self, long long begin, long long end, bint is_whole) except -1

