# What other kernels see of the features when compiled; uncompiled, features.py stands alone.
cimport cython
from shared.kernels.book cimport Book
from shared.kernels.gates cimport Gate
from shared.kernels.returns cimport ReturnWindow

@cython.final
cdef class Ring:
    cdef long long[::1] _values
    cdef long long _size
    cdef long long _head
    cdef readonly long long held

    cpdef int push(self, long long value) noexcept
    cpdef long long at(self, long long age) noexcept
    cpdef int clear(self) noexcept

cdef class FeatureWindows:
    cdef readonly ReturnWindow volatility_window
    cdef readonly ReturnWindow momentum_window
    cdef readonly Ring mids
    cdef readonly Ring imbalances_ppm
    cdef readonly Ring recent_ppm
    cdef public long long imbalance_ppm
    cdef public long long weighted_ppm
    cdef public long long streak
    cdef double[::1] _volatilities
    cdef long long _volatility_head
    cdef long long _volatility_held

    cdef int _take(self, long long mid_half_ticks, long long imbalance_ppm, long long weighted_ppm) except -1
    cdef long long _streak_with(self, long long imbalance_ppm) noexcept
    cdef long long _growth_with(self, long long imbalance_ppm) noexcept

@cython.final
cdef class ImbalanceGate(Gate):
    cdef readonly FeatureWindows features
    cdef public long long sampled_ns
    cdef long long _every_ns
    cdef long long _lost_ns
    cdef double _threshold
    cdef double _max_spread_bps
    cdef double _min_momentum
    cdef double _min_confidence
    cdef long long _persistence
    cdef long long _position_lots
    cdef bint _is_position_known
    cdef bint _is_watching
    cdef double _entry_half_ticks
    cdef double _stop_half_ticks
    cdef double _target_half_ticks
    cdef long long _buy_idle_until_ns
    cdef long long _sell_idle_until_ns

    cdef bint _is_held(self, Book book) noexcept
    cdef bint _is_idle(self, long long sign, long long now_ns) noexcept
    cdef long long _may_signal(self, Book book, long long imbalance_ppm, long long weighted_ppm) noexcept
