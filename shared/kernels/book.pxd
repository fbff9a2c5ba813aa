# What other kernels see of the book when compiled; uncompiled, book.py stands alone.
cdef extern from *:
    """
    #include <string.h>
    #define KERNEL_WINDOW_TICKS 16384LL
    #define KERNEL_WINDOW_WORDS 256LL
    #define KERNEL_WINDOW_TOPS 4LL
    static inline int kernel_msb(unsigned long long x) { return 63 - __builtin_clzll(x); }
    static inline int kernel_lsb(unsigned long long x) { return __builtin_ctzll(x); }
    static inline long long kernel_i64(const char *p, long long i) {
        long long v; memcpy(&v, p + 8 * i, 8); return v;
    }
    """
    const long long WINDOW_TICKS "KERNEL_WINDOW_TICKS"
    const long long WINDOW_WORDS "KERNEL_WINDOW_WORDS"
    const long long WINDOW_TOPS "KERNEL_WINDOW_TOPS"
    int kernel_msb(unsigned long long x) noexcept nogil
    int kernel_lsb(unsigned long long x) noexcept nogil
    long long kernel_i64(const char *p, long long i) noexcept nogil

cimport cython

@cython.final
cdef class Book:
    # Sizes are 2 sides of WINDOW_TICKS, WINDOW_WORDS, WINDOW_TOPS and TOP_MAX of book.py.
    cdef long long _lots[32768]
    cdef unsigned long long _bits[512]
    cdef unsigned long long _words[8]
    cdef long long _base[2]
    cdef long long _best[2]
    cdef list _far_keys
    cdef list _far_lots
    cdef long long _update_n
    cdef bint _valid
    cdef long long _top_price[128]
    cdef long long _top_lots[128]

    cdef long long _below(self, long long s, long long slot) noexcept nogil
    cdef int _place(self, long long s, long long key, long long lots) except -1
    cdef int _place_far(self, long long s, long long key, long long lots) except -1
    cdef void _set(self, long long s, long long slot, long long lots) noexcept nogil
    cdef int _unset(self, long long s, long long slot) except -1
    cdef void _wipe(self, long long s) noexcept nogil
    cdef int _apply(self, bytes levels, long long bid_count, long long count) except -1
    cdef int _drop_best(self, long long s, long long slot) except -1
    cdef int _recentre(self, long long s, long long best_key) except -1
    cdef int _clear(self) except -1
    cdef long long _best_price(self, long long s) noexcept nogil
    cdef int _top(self, long long s, long long count) except -1
