# What the outer loops see of the gates when compiled; uncompiled, gates.py stands alone.
cimport cython
from shared.kernels.book cimport Book
from shared.kernels.signals cimport TradeFlow

cdef long long trusted_half_ticks(Book book) noexcept

cdef class Gate:
    cpdef bint on_book(self, Book book, long long now_ns, long long position_lots) except -1
    cpdef bint on_trade(self, long long side, long long price_ticks, long long qty_lots, long long now_ns) except -1
    cpdef bint on_timer(self, long long now_ns, Book book) except -1

@cython.final
cdef class QuietGate(Gate):
    cdef readonly bint is_resting
    cdef long long _bid_from
    cdef long long _bid_to
    cdef long long _ask_from
    cdef long long _ask_to
    cdef long long _until_ns

cdef class Toxicity:
    cdef readonly TradeFlow flow
    cdef public bint is_toxic
    cdef public bint is_busy
    cdef public long long seen
    cdef public long long began_ns
    cdef long long _window
    cdef long long _toxic_ppm
    cdef long long _release_ppm
    cdef long long _mode
    cdef long long _busy_ns

    cdef bint _is_busy_with(self, long long now_ns) noexcept
    cdef bint _turns_with(self, long long side, long long qty_lots, long long now_ns) except -1
    cdef int _take(self, long long side, long long price_ticks, long long qty_lots, long long now_ns) except -1

@cython.final
cdef class MakerGate(Gate):
    cdef readonly Toxicity toxicity
    cdef public long long books
    cdef public long long books_since_quote
    cdef public long long quoted_fair_centiticks
    cdef readonly long long fair_centiticks
    cdef public bint must_quote
    cdef public bint has_drifted
    cdef public bint is_waiting
    cdef public bint has_round
    cdef long long _depth
    cdef long long _warmup_books
    cdef long long _cooldown_books
    cdef long long _threshold_e7
    cdef long long _threshold_centiticks

    cpdef int count_book(self) noexcept
    cpdef bint is_due(self, long long fair_centiticks) noexcept
    cpdef long long threshold_of(self, long long fair_centiticks) noexcept

@cython.final
cdef class GridGate(Gate):
    cdef public bint is_dirty
    cdef public long long seen_half_ticks
    cdef public long long wanted
    cdef public long long cleaned_ns
    cdef public bint is_watching
    cdef public dict orders
    cdef long long _clean_every_ns
    cdef long long _due_ns
    cdef long long _low_half_ticks
    cdef long long _high_half_ticks
    cdef long long _gap_ticks
    cdef long long _from_ticks
    cdef long long _to_ticks

    cdef bint _is_quiet(self, long long half_ticks, long long now_ns) noexcept
    cpdef bint is_due(self, Book book, long long now_ns, long long order_count) noexcept
