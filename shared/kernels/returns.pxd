# What other kernels see of the returns when compiled; uncompiled, returns.py stands alone.
cimport cython

cdef double relative_move(long long last, long long first) noexcept

@cython.final
cdef class ReturnWindow:
    cdef long long _size
    cdef long long[::1] _mids
    cdef double[::1] _returns
    cdef long long _head
    cdef long long _held

    cdef int _reset(self, long long size) except -1
    cdef int _take(self, long long mid_half_ticks) except -1
    cdef long long _slot(self, long long age) noexcept
    cdef long long _mid(self, long long age) noexcept
    cdef double _volatility(self) except -1.0
    cpdef object add(self, long long mid_half_ticks)
