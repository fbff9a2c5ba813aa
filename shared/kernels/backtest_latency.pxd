# What the engine sees of the latencies; uncompiled, backtest_latency.py stands alone.
cimport cython

@cython.final
cdef class Latency:
    cdef readonly long long kind
    cdef readonly long long in_ns
    cdef readonly long long out_ns
    cdef readonly long long least_in_ns
    cdef readonly long long least_out_ns
    cdef const long long[::1] _times
    cdef const long long[::1] _ins
    cdef const long long[::1] _outs
    cdef long long _at
    cdef long long _std_ns
    cdef long long _min_ns
    cdef long long _spike_ppm
    cdef long long _spike_factor
    cdef unsigned long long _seed
    cdef unsigned long long _count

    cpdef long long entry(self, long long now_ns) noexcept
    cpdef long long response(self, long long now_ns) noexcept
    cdef int _seek(self, long long now_ns) noexcept
