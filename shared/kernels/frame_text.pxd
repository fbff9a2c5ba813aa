# What capture_lines sees of the readers when compiled; uncompiled, frame_text.py stands alone.
cdef class FrameText:
    cdef unsigned char[::1] _data
    cdef long long _value
    cdef unsigned long long _seen
    cdef long long[::1] _powers
    cdef unsigned char[::1] _payload_start
    cdef unsigned char[::1] _true
    cdef unsigned char[::1] _false
    cdef unsigned char[::1] _market_word

    cdef bint _begins(self, long long at, unsigned char[::1] text) noexcept
    cdef long long _pass(self, long long at) noexcept
    cdef long long _word(self, long long at, unsigned char[::1] word) noexcept
    cdef long long _key(self, long long at) noexcept
    cdef long long _number(self, long long at) noexcept
    cdef long long _steps(self, long long at, long long step, long long step_decimals) noexcept
    cdef long long _text(self, long long at) noexcept
    cdef long long _boolean(self, long long at) noexcept
    cdef bint _is_end(self, long long at) noexcept
