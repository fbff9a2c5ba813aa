# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The bytes of a venue's JSON frame, read where they lie: numbers, decimal texts, words.

Each reader takes the position of a token and returns that behind it, or -1 when anything else stands there.
The data end with a line break, which no token holds, so no reader runs beyond them.
"""

import array

import cython

NEWLINE = cython.declare(cython.longlong, 10)
QUOTE = cython.declare(cython.longlong, 34)
POINT = cython.declare(cython.longlong, 46)
COLON = cython.declare(cython.longlong, 58)
END = cython.declare(cython.longlong, 125)
ONE = cython.declare(cython.ulonglong, 1)
DIGITS_MAX = cython.declare(cython.longlong, 18)


@cython.cclass
class FrameText:
    """Reads `_data`; what a reader found is in `_value`. A key of letter 64 + n sets bit n of `_seen`."""

    def __init__(self) -> None:
        self._data = bytearray(b"\n")
        self._value = 0
        self._seen = 0
        self._powers = array.array("q", [10**i for i in range(19)])
        self._payload_start = bytearray(b'","data":{')
        self._true = bytearray(b"true")
        self._false = bytearray(b"false")
        self._market_word = bytearray(b'"MARKET"')

    def _begins(self, at: cython.longlong, text: cython.uchar[::1]) -> cython.bint:
        """Return whether the data at `at` begin with `text`; a line break ends it at the latest."""
        i: cython.longlong
        length: cython.longlong = len(text)
        for i in range(length):  # noqa: SIM110 - compiled, a loop is a loop
            if self._data[at + i] != text[i]:
                return False
        return True

    def _pass(self, at: cython.longlong) -> cython.longlong:
        """Return where the next line begins."""
        while self._data[at] != NEWLINE:
            at += 1
        return at + 1

    def _word(self, at: cython.longlong, word: cython.uchar[::1]) -> cython.longlong:
        """Return what follows `word`, -1 when it does not stand at `at`."""
        return at + len(word) if self._begins(at, word) else -1

    def _key(self, at: cython.longlong) -> cython.longlong:
        """Read a key of one letter that was not seen yet, and its colon; `pu` counts as the letter P."""
        letter: cython.longlong
        if self._data[at] != QUOTE:
            return -1
        letter = self._data[at + 1]
        at += 2
        if letter == 112 and self._data[at] == 117:
            letter = 80
            at += 1
        if not 65 <= letter <= 122 or self._data[at] != QUOTE or self._data[at + 1] != COLON:
            return -1
        if self._seen & (ONE << (letter - 64)):
            return -1
        self._seen |= ONE << (letter - 64)
        self._value = letter
        return at + 2

    def _number(self, at: cython.longlong) -> cython.longlong:
        """Read a plain integer into `_value`; return what follows it, -1 when there is none."""
        value: cython.longlong = 0
        first: cython.longlong = at
        char: cython.longlong = self._data[at]
        while 48 <= char <= 57:
            value = value * 10 + (char - 48)
            at += 1
            if at - first > 18:
                return -1
            char = self._data[at]
        if at == first or (self._data[first] == 48 and at - first > 1):
            return -1
        self._value = value
        return at

    def _steps(
        self, at: cython.longlong, step: cython.longlong, step_decimals: cython.longlong
    ) -> cython.longlong:
        """Read `"58710.20"` as whole steps into `_value`; return what follows it, -1 for the caller to see.

        -1 also when the text is no whole number of steps, or has more digits than 64 bits hold for sure.
        """
        value: cython.longlong = 0
        decimals: cython.longlong = 0
        first: cython.longlong
        char: cython.longlong
        if self._data[at] != QUOTE:
            return -1
        at += 1
        first = at
        char = self._data[at]
        while 48 <= char <= 57:
            value = value * 10 + (char - 48)
            at += 1
            char = self._data[at]
            if at - first > DIGITS_MAX:
                return -1
        if at == first or at - first + step_decimals > DIGITS_MAX:
            return -1
        if char == POINT:
            at += 1
            char = self._data[at]
            if not 48 <= char <= 57:
                return -1
            while 48 <= char <= 57:
                if decimals < step_decimals:
                    value = value * 10 + (char - 48)
                    decimals += 1
                elif char != 48:
                    return -1
                at += 1
                char = self._data[at]
        if char != QUOTE:
            return -1
        if decimals < step_decimals:
            value *= self._powers[step_decimals - decimals]
        if step != 1:
            if value % step:
                return -1
            value //= step
        self._value = value
        return at + 1

    def _text(self, at: cython.longlong) -> cython.longlong:
        """Return what follows a plain text without escapes, -1 when there is none."""
        char: cython.longlong
        if self._data[at] != QUOTE:
            return -1
        at += 1
        char = self._data[at]
        while char != QUOTE:
            if char == 92 or not 32 <= char < 127:
                return -1
            at += 1
            char = self._data[at]
        return at + 1

    def _is_end(self, at: cython.longlong) -> cython.bint:
        """Return whether payload, frame and line end at `at`."""
        return self._data[at] == END and self._data[at + 1] == END and self._data[at + 2] == NEWLINE

    def _boolean(self, at: cython.longlong) -> cython.longlong:
        """Return what follows `true` or `false`."""
        return self._word(at, self._true if self._data[at] == 116 else self._false)
