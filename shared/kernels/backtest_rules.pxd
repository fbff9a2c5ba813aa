# The shipped rules; uncompiled, backtest_rules.py stands alone.
from shared.kernels.backtest_account cimport Account, Rule
from shared.kernels.backtest_market cimport Market
cimport cython

cdef class SkewedMaker(Rule):
    cdef readonly long long lots
    cdef readonly long long most_lots
    cdef readonly long long skew_e6
    cdef readonly long long half_spread_e6
    cdef int decide(self, Account engine, Market market, long long now_ns) except -1

cdef class FunctionRule(Rule):
    cdef object function
    cdef readonly long long lots
    cdef int decide(self, Account engine, Market market, long long now_ns) except -1
