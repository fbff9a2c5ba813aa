# What the compiled backtest engine sees of the limits; uncompiled, limits.py stands alone.
cimport cython

@cython.final
cdef class Limits:
    # The limits, set once.
    cdef readonly long long order_lots_max
    cdef readonly long long order_atoms_max
    cdef readonly long long position_lots_max
    cdef readonly long long position_atoms_max
    cdef readonly long long symbol_atoms_max
    cdef readonly long long portfolio_atoms_max
    cdef readonly long long open_orders_max
    cdef readonly long long spread_e2_bps_max
    cdef readonly long long band_e2_bps_max
    cdef readonly long long tick_lot_atoms
    cdef readonly long long min_qty_lots
    cdef readonly long long max_qty_lots
    cdef readonly long long min_price_ticks
    cdef readonly long long max_price_ticks
    cdef readonly long long min_notional_atoms
    cdef readonly long long fee_ppm
    cdef readonly bint is_derivative
    cdef readonly bint may_adjust
    cdef long long _portfolio_rest
    cdef long long _atom_money
    # What is known now, kept by the caller.
    cdef public bint is_trusted
    cdef public long long bid_ticks
    cdef public long long ask_ticks
    cdef public long long mark_half_ticks
    cdef public long long position_lots
    cdef public long long own_position_lots
    cdef public long long live_buy_lots
    cdef public long long live_sell_lots
    cdef public long long own_live_buy_lots
    cdef public long long own_live_sell_lots
    cdef public long long live_ticks_lots
    cdef public long long open_count
    cdef public long long others_atoms
    cdef public long long cash_atoms
    cdef public long long size_ppm
    # The last answer.
    cdef readonly long long code
    cdef readonly long long allowed_lots
    cdef long long _place

    cpdef long long judge(self, long long side, long long price_ticks, long long qty_lots, bint is_market, bint is_reduce_only) noexcept
    cpdef long long filtered(self, long long price_ticks, long long qty_lots, bint is_market, bint is_reduce_only) noexcept
    cdef long long _first(self, long long passed, long long side, long long price_ticks, long long qty_lots, bint is_market, bint is_reduce_only) noexcept nogil
    cdef long long _sums(self, long long passed, long long side, long long price_ticks, long long qty_lots, bint is_own_reducing) noexcept nogil
    cdef long long _says(self, long long place, long long code, long long allowed_lots) noexcept nogil
    cdef long long _lots_of(self, long long atoms, long long price_ticks) noexcept nogil
    cdef long long _scaled_portfolio(self, long long share_ppm) noexcept nogil
