# What the outer loops see of the gates when compiled; uncompiled, gates.py stands alone.
from shared.kernels.book cimport Book

cdef class Gate:
    cpdef bint on_book(self, Book book, long long now_ns, long long position_lots) except -1
    cpdef bint on_trade(self, long long side, long long price_ticks, long long qty_lots, long long now_ns) except -1
    cpdef bint on_timer(self, long long now_ns, Book book) except -1
