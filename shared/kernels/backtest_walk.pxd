# The order of things, for the engine which inherits it; uncompiled, backtest_walk.py stands alone.
from shared.kernels.backtest_market cimport Market
from shared.kernels.backtest_rows cimport RowWalk

cdef enum:
    STOP_END = 0
    STOP_STEP = 3
    STOP_REPORT = 4
    STOP_PAUSE = 5

cdef class Walk(RowWalk):
    cdef readonly long long step_markets
    cdef long long _until_ns
    cdef long long _step_ns
    cdef long long _next_step_ns
    cdef long long _sample_ns
    cdef long long _next_sample_ns
    cdef bint _is_started
    cdef bint _is_hosted
    cdef Market _only

    cdef int _start(self) except -1
    cdef int _go(self, long long until_ns) except -1
    cdef long long _next_local_ns(self, Market market) noexcept
    cdef long long _next_venue_ns(self, Market market) noexcept
    cdef bint _is_over_here(self) noexcept
    cdef long long _timer_ns(self) noexcept
    cdef int _go_received(self) except -1
    cdef int _go_exchange(self) except -1
    cdef int _take_turns(self, long long bound) except -1
    cdef int _timer(self) except -1
    cdef int _sample(self, long long ts_ns) except -1
