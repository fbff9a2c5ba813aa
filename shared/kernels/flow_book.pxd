# What the generated order flow sees of its book; uncompiled, flow_book.py stands alone.
cimport cython

cdef class FlowBook:
    cdef unsigned long long _state
    cdef long long _levels
    cdef long long _now_ns
    cdef long long _local_ns
    cdef long long _latency_min_ns
    cdef long long _bid
    cdef long long _ask
    cdef long long _bid_edge
    cdef long long _ask_edge
    cdef long long[::1] _bid_lots
    cdef long long[::1] _ask_lots
    cdef long long[::1] _quantiles
    cdef long long _used
    cdef long long _message
    cdef long long[::1] _ts_exch
    cdef long long[::1] _ts_local
    cdef int[::1] _price
    cdef long long[::1] _lots
    cdef unsigned char[::1] _kind
    cdef unsigned char[::1] _side

    cdef bint _turned_at_the_end(self, bint is_up) noexcept
    cdef long long _best_lots(self, bint is_ask) noexcept
    cdef void _set_best(self, bint is_ask, long long lots) noexcept
    cdef void _set_bid(self, long long price, long long lots) noexcept
    cdef void _set_ask(self, long long price, long long lots) noexcept
    cdef void _take_away_edges(self) noexcept
    cdef void _trade(self, bint is_buy, long long lots) noexcept
    cdef void _begin(self) noexcept
    cdef void _row(self, int kind, int side, long long price, long long lots) noexcept
    cdef void _end(self) noexcept
    cdef unsigned long long _draw(self) noexcept
    cdef long long _below(self, long long bound) noexcept
    cdef long long _exponential(self, long long mean) noexcept
