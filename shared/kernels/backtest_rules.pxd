# The shipped rules; uncompiled, backtest_rules.py stands alone.
from shared.kernels.backtest_market cimport Market
from shared.kernels.backtest_walk cimport Rule, Walk
cimport cython

cdef class SkewedMaker(Rule):
    cdef readonly long long lots
    cdef readonly long long most_lots
    cdef readonly long long skew_e6
    cdef readonly long long half_spread_e6
    cdef int decide(self, Walk engine, Market market, long long now_ns) except -1

cdef class FunctionRule(Rule):
    cdef object function
    cdef readonly long long lots
    cdef int decide(self, Walk engine, Market market, long long now_ns) except -1
