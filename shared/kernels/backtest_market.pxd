# One market of the backtest as its engine sees it; uncompiled, backtest_market.py stands alone.
from shared.kernels.book cimport Book
from shared.kernels.gates cimport Gate
from shared.kernels.limits cimport Limits
from shared.kernels.matching cimport RestingQueue
cimport cython

cdef enum:
    OWNERS = 64
    GTC = 0
    FOK = 2
    RESTS = 0
    UNTRUSTED_BOOK = 1
    POST_ONLY = 2
    NO_LIQUIDITY = 3
    SELF_TRADE = 4
    INSUFFICIENT = 5
    NOT_FILLED = 6
    FIELDS = 6
    PRICE = 1
    LEAVES = 2

@cython.final
cdef class Market:
    # Columns of the data and how far both views have come.
    cdef const long long[::1] ts_exch
    cdef const long long[::1] ts_local
    cdef const unsigned char[::1] kinds
    cdef const unsigned char[::1] sides
    cdef const int[::1] prices
    cdef const long long[::1] lots
    cdef readonly long long count
    cdef readonly long long index
    cdef long long venue_row
    cdef long long local_row
    cdef long long added_ns
    # Terms.
    cdef readonly long long tick_lot_atoms
    cdef readonly long long maker_fee_ppm
    cdef readonly long long taker_fee_ppm
    cdef readonly bint is_derivative
    cdef readonly long long wallet
    cdef readonly long long atom_scale
    cdef readonly Limits limits
    cdef Gate gate
    cdef bint wants_books
    cdef bint wants_trades
    # What the venue holds, and what we see.
    cdef readonly Book venue
    cdef readonly Book local
    cdef readonly RestingQueue queue
    cdef bint is_partial
    cdef long long resting
    cdef long long[4] watched
    cdef long long match_ask
    cdef long long match_bid
    cdef bint is_dirty
    cdef bint is_anew
    cdef readonly bint is_trusted
    cdef bint was_trusted
    cdef long long[::1] parts
    cdef long long part_count
    cdef long long[::1] taken
    cdef long long taken_count
    # Money and lots: at the venue, and as heard of.
    cdef readonly long long venue_lots
    cdef readonly long long venue_cash_atoms
    cdef readonly long long position_lots
    cdef readonly long long cash_atoms
    cdef readonly long long fees_atoms
    cdef readonly long long funding_atoms
    cdef readonly long long volume_atoms
    cdef readonly long long mid_half_ticks
    cdef readonly long long mark_ticks
    # Open orders as heard of: slots, and sums by side, of the market and by owner.
    cdef long long[::1] active
    cdef readonly long long active_count
    cdef long long[2] open_lots
    cdef long long open_ticks_lots
    cdef long long open_buy_ticks_lots
    cdef long long[::1] owner_lots
    cdef long long[::1] owner_open

    cdef bint is_venue_open(self) noexcept
    cdef int watch(self) noexcept
    cdef int follow(self) except -1
    cdef Py_ssize_t meet(self, long long side, long long price_ticks, long long lots, long long tif, bint is_post_only) except -1
    cdef int walk(self, long long side, long long limit_ticks, long long lots) except -1
    cdef int take(self, long long side, long long price_ticks, long long lots) except -1
    cdef int take_beyond(self, long long side, long long price_ticks, long long lots) except -1
    cdef long long free_lots(self, long long side, long long price_ticks, long long level_lots) noexcept
    cdef int add_part(self, long long price_ticks, long long lots) except -1
    cdef int forget_changed(self) noexcept
    cdef int count_open(self, long long side, long long owner, long long lots, long long price_ticks) noexcept
    cdef int activate(self, long long slot) except -1
    cdef int deactivate(self, long long slot) noexcept
    cdef long long reserved_atoms(self) noexcept
    cdef long long open_buys_atoms(self) noexcept
    cdef long long offered_lots(self) noexcept
    cdef long long price_of(self, Book book, long long side) noexcept
