# Orders, answers and money of the engine, which inherits them; uncompiled, backtest_desk.py stands alone.
from shared.kernels.backtest_latency cimport Latency
from shared.kernels.backtest_market cimport Market
from shared.kernels.backtest_store cimport Orders, Rows, Timeline

cdef class Desk:
    cdef readonly Latency latency
    cdef readonly long long now_ns
    cdef readonly long long refused_count
    cdef readonly long long sent_lots
    cdef readonly long long max_drawdown_atoms
    cdef readonly bint is_partial
    cdef readonly bint uses_exchange_time
    cdef readonly list markets
    cdef readonly Rows fills
    cdef readonly Rows orders
    cdef readonly Rows funding
    cdef readonly Rows samples
    cdef readonly Rows reports
    cdef Orders _orders
    cdef Timeline _pending
    cdef Timeline _answers
    cdef dict _slots
    cdef long long[::1] _wallets
    cdef long long _say_ns
    cdef long long _peak_atoms
    cdef bint _has_peak
    cdef list _tiers
    cdef long long[::1] _tier_days
    cdef long long _tier_day

    cdef Py_ssize_t send(self, Market market, long long handle, long long side, long long price_ticks, long long qty_lots, long long tif, bint is_post_only, bint is_reduce_only, long long owner, long long latency_ns) except? -9
    cdef int withdraw(self, long long slot, long long latency_ns) except -1
    cdef long long equity(self) noexcept
    cdef int mark(self) except -1
    cdef int _match_trade(self, Market market, long long side, long long price_ticks, long long lots, long long ts_ns) except -1
    cdef int _match_book(self, Market market, long long ts_ns) except -1
    cdef int _arrivals(self, long long until_ns, long long say_ns) except -1
    cdef int _arrive(self, Market market, long long slot, long long ts_ns) except -1
    cdef int _fill(self, Market market, long long slot, long long price_ticks, long long lots, long long ts_ns, bint is_maker) except -1
    cdef int _answer(self, long long kind, long long slot, long long serial, long long handle, long long index, long long ts_ns, long long price_ticks, long long lots, long long leaves, bint is_maker, long long fee_atoms) except -1
    cdef int _hear(self, bint is_reported) except -1
    cdef int _hear_fill(self, Market market, long long slot, long long at) except -1
    cdef int _over(self, Market market, long long slot, long long state, long long ts_ns) except -1
    cdef bint _has_funds(self, Market market, long long slot) noexcept
    cdef Py_ssize_t _judged(self, Market market, long long side, long long price_ticks, long long lots, bint is_reduce_only, long long owner) except? -9
    cdef bint _meets_own(self, Market market, long long side, long long price_ticks) noexcept
    cdef int _pay_funding(self, Market market, long long ts_ns, long long mark_ticks, long long rate_e8) except -1
    cdef int _renew_tier(self, long long now_ns) except -1
