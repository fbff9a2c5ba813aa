# What other kernels see of the engine when compiled; uncompiled, backtest.py stands alone.
from shared.kernels.backtest_walk cimport Walk

cdef class Engine(Walk):
    cdef readonly long long sent_lots_last
    cdef str _queue_model
    cdef double _queue_power
