# The venue's side of the engine, which inherits it; uncompiled, backtest_desk.py stands alone.
from shared.kernels.backtest_account cimport Account
from shared.kernels.backtest_market cimport Market

cdef class Desk(Account):
    cdef int _match_trade(self, Market market, long long side, long long price_ticks, long long lots, long long ts_ns) except -1
    cdef int _match_book(self, Market market, long long ts_ns) except -1
    cdef int _arrivals(self, long long until_ns, long long say_ns) except -1
    cdef int _arrive(self, Market market, long long slot, long long ts_ns) except -1
    cdef bint _has_funds(self, Market market, long long slot) noexcept
    cdef int _fill(self, Market market, long long slot, long long price_ticks, long long lots, long long ts_ns, bint is_maker) except -1
    cdef int _pay_funding(self, Market market, long long ts_ns, long long mark_ticks, long long rate_e8) except -1
    cdef int _renew_tier(self, long long now_ns) except -1
