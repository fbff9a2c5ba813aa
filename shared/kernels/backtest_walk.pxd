# The loops, for rules and the engine; uncompiled, backtest_walk.py stands alone.
from shared.kernels.backtest_desk cimport Desk
from shared.kernels.backtest_market cimport Market
from shared.kernels.book cimport Book

cdef enum:
    STOP_END = 0
    STOP_BOOK = 1
    STOP_TRADE = 2
    STOP_STEP = 3
    STOP_REPORT = 4
    STOP_PAUSE = 5
    WENT = 100
    LEVEL = 0
    A_TRADE = 1
    CLEAR = 2
    INVALID = 3
    A_FUNDING = 4
    MARK = 5
    KIND_MASK = 15
    LAST = 128
    OPEN = 2

cdef bint is_trusted(Book book) noexcept

cdef class Rule:
    cdef int decide(self, Walk engine, Market market, long long now_ns) except -1

cdef class Walk(Desk):
    cdef readonly long long row
    cdef readonly long long market
    cdef readonly long long step_markets
    cdef readonly long long event_count
    cdef readonly long long decision_count
    cdef long long _slack
    cdef long long _until_ns
    cdef long long _step_ns
    cdef long long _next_step_ns
    cdef long long _sample_ns
    cdef long long _next_sample_ns
    cdef bint _decides
    cdef bint _is_started
    cdef bint _is_hosted
    cdef Rule _rule
    cdef Market _only
    cdef bint _rule_at_books

    cdef int quote(self, Market market, long long bid_ticks, long long ask_ticks, long long lots) except -1
    cdef int _start(self) except -1
    cdef int _go(self, long long until_ns) except -1
    cdef int _go_received(self) except -1
    cdef int _go_exchange(self) except -1
    cdef int _take_turns(self, long long bound) except -1
    cdef int _venue_rows(self, Market market, long long limit_ns) except -1
    cdef int _local_rows(self, Market market, long long limit_ns) except -1
    cdef int _walk(self, Market market, long long limit_ns, bint is_first, bint is_venue) except -1
    cdef bint _other_row(self, Market market, Book book, long long row, long long what, long long now_ns, bint is_venue) except -1
    cdef bint _asks(self, Market market, Book book, long long now_ns) except -1
    cdef int _timer(self) except -1
    cdef int _sample(self, long long ts_ns) except -1
    cdef bint _is_over_here(self) noexcept
    cdef long long _timer_ns(self) noexcept
    cdef long long _next_local_ns(self, Market market) noexcept
    cdef long long _next_venue_ns(self, Market market) noexcept
