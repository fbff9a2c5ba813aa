# What the other kernels of the backtest see of its stores; uncompiled, backtest_store.py stands alone.
cimport cython

cdef extern from *:
    """
    #define KERNEL_NEVER_NS 9223372036854775807LL
    """
    const long long NEVER_NS "KERNEL_NEVER_NS"

@cython.final
cdef class Timeline:
    cdef readonly long long[::1] data
    cdef readonly long long due_ns
    cdef long long _head
    cdef long long _tail
    cdef long long _capacity

    cpdef Py_ssize_t place(self, long long due_ns) except? -9
    cpdef long long head(self) noexcept
    cpdef int drop(self) noexcept
    cdef int _make_room(self) except? -9

@cython.final
cdef class Rows:
    cdef readonly long long[::1] data
    cdef readonly long long count
    cdef readonly long long width
    cdef long long _capacity

    cpdef Py_ssize_t place(self) except? -9

@cython.final
cdef class Orders:
    cdef readonly long long[::1] serial
    cdef long long[::1] handle
    cdef long long[::1] owner
    cdef long long[::1] market
    cdef long long[::1] side
    cdef long long[::1] price_ticks
    cdef long long[::1] qty_lots
    cdef long long[::1] leaves_lots
    cdef long long[::1] flags
    cdef long long[::1] state
    cdef long long[::1] stage
    cdef long long[::1] known_lots
    cdef long long[::1] risk_ticks
    cdef long long[::1] sent_ns
    cdef long long[::1] arrive_ns
    cdef long long[::1] accepted_ns
    cdef long long[::1] filled_ns
    cdef long long[::1] ahead_lots
    cdef long long[::1] _free
    cdef long long _free_count
    cdef long long _capacity
    cdef readonly long long sent_count

    cpdef Py_ssize_t take(self) except? -9
    cpdef int give_back(self, long long slot) noexcept
    cdef int _grow(self) except? -9

cpdef long long share_up(long long value, long long ppm) noexcept
