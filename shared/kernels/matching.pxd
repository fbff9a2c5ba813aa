# What other kernels see of the queue when compiled; uncompiled, matching.py stands alone.
from shared.kernels.book cimport Book
cimport cython

@cython.final
cdef class RestingQueue:
    cdef long long _model
    cdef double _power
    cdef long long _share_ppm
    cdef long long _capacity
    cdef long long[::1] _rows
    cdef long long[::1] _used
    # Scratch: (handle, lots) of the last `propose` or `find_crossed`.
    cdef long long[::1] _found

    cpdef int add(self, long long side, long long handle, long long price_ticks, long long leaves_lots, long long level_lots) except -1
    cpdef int set_share(self, long long share_ppm) except -1
    cpdef bint remove(self, long long handle)
    cpdef bint reduce(self, long long handle, long long lots) except? -1
    cpdef int sync(self, Book book, bint is_known) except -1
    cpdef long long best_ticks(self, long long side) noexcept
    cpdef long long ahead_lots(self, long long handle) noexcept
    cdef long long worst_ticks(self, long long side) noexcept
    cdef long long propose(self, long long side, long long price_ticks, long long qty_lots, bint is_whole) noexcept
    cdef long long find_crossed(self, Book book, bint is_touch) noexcept
    cdef long long _at(self, long long side, long long at) noexcept nogil
    cdef bint _is_better(self, long long side, long long price_ticks, long long index) noexcept nogil
    cdef int _follow(self, long long row, long long level, bint is_known) except -1
    cdef long long _front(self, long long front, long long level, long long gone) noexcept
    cdef double _weight(self, double lots) noexcept
    cdef int _shift(self, long long side, long long at, long long by) except -1
    cdef int _grow(self) except -1

cdef long long level_lots(Book book, long long side, long long price_ticks) noexcept
