# The hot loops, for the walk which inherits them; uncompiled, backtest_rows.py stands alone.
from shared.kernels.backtest_account cimport Rule
from shared.kernels.backtest_desk cimport Desk
from shared.kernels.backtest_market cimport Market
from shared.kernels.book cimport Book

cdef enum:
    STOP_BOOK = 1
    STOP_TRADE = 2
    WENT = 100
    LEVEL = 0
    A_TRADE = 1
    CLEAR = 2
    INVALID = 3
    A_FUNDING = 4
    MARK = 5
    KIND_MASK = 15
    LAST = 128

cdef bint is_trusted(Book book) noexcept

cdef class RowWalk(Desk):
    cdef readonly long long row
    cdef readonly long long market
    cdef readonly long long event_count
    cdef readonly long long decision_count
    cdef long long _slack
    cdef bint _decides
    cdef Rule _rule
    cdef bint _rule_at_books

    cdef int _venue_rows(self, Market market, long long limit_ns) except -1
    cdef int _local_rows(self, Market market, long long limit_ns) except -1
    cdef int _walk(self, Market market, long long limit_ns, bint is_first, bint is_venue) except -1
    cdef bint _other_row(self, Market market, Book book, long long row, long long what, long long now_ns, bint is_venue) except -1
    cdef bint _hears(self, Market market, long long side, long long price_ticks, long long lots, long long now_ns) except -1
    cdef bint _asks(self, Market market, Book book, long long now_ns) except -1
