# Our side of the engine, for rules and what inherits it; uncompiled, backtest_account.py stands alone.
from shared.kernels.backtest_latency cimport Latency
from shared.kernels.backtest_market cimport Market
from shared.kernels.backtest_store cimport Orders, Rows, Timeline

cdef extern from *:
    """
    #define KERNEL_ATOMS_MAX 4000000000000000000LL
    """
    const long long ATOMS_MAX "KERNEL_ATOMS_MAX"

cdef enum:
    WALLETS_MAX = 16
    TIER_DAYS = 31
    OWNERS = 64
    REPORT_WIDTH = 9
    ACCEPTED = 1
    REJECTED = 2
    FILL = 3
    CANCELED = 4
    EXPIRED = 5
    CANCEL_REJECTED = 6
    AN_ORDER = 1
    A_CANCEL = 2
    KIND = 6
    SLOT = 1
    SERIAL = 2
    HANDLE = 5
    TS = 3
    PRICE = 7
    LOTS = 8
    LEAVES = 9
    MAKER = 10
    FEE = 11
    INDEX = 4
    UNDER_WAY = 0
    RESTING = 1
    DONE = 2
    SENT = 1
    OPEN = 2
    CANCELING = 3
    IS_POST_ONLY = 1
    TIF_SHIFT = 2
    WAS_OPEN = 0
    WAS_FILLED = 1
    WAS_CANCELED = 2
    WAS_EXPIRED = 3
    WAS_REJECTED = 4
    SELF_TRADE = 101
    TOO_LARGE = 102

cdef class Rule:
    cdef int decide(self, Account engine, Market market, long long now_ns) except -1

cdef class Account:
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
    cdef Py_ssize_t _judged(self, Market market, long long side, long long price_ticks, long long lots, bint is_reduce_only, long long owner) except? -9
    cdef bint _meets_own(self, Market market, long long side, long long price_ticks) noexcept
    cdef int _answer(self, long long kind, long long slot, long long serial, long long handle, long long index, long long ts_ns, long long price_ticks, long long lots, long long leaves, bint is_maker, long long fee_atoms) except -1
    cdef int _hear(self, bint is_reported) except -1
    cdef int _hear_fill(self, Market market, long long slot, long long at) except -1
    cdef int _over(self, Market market, long long slot, long long state, long long ts_ns) except -1
    cdef long long equity(self) noexcept
    cdef int mark(self) except -1
    cdef int quote(self, Market market, long long bid_ticks, long long ask_ticks, long long lots) except -1
