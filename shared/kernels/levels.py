# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, infer_types=False
# cython: cdivision=False
"""Decimal texts of a venue to ticks and lots, without floats or Decimal objects per level.

A text is read as an integer mantissa and a count of decimals; tick and lot sizes are (mantissa, exponent)
pairs, so the division is exact. Accepted are plain decimals of at most 18 significant digits, as venues send
them; signs, exponents, NaN and spaces are refused.
"""

import array
from decimal import Decimal, InvalidOperation

import cython

DIGITS_MAX = cython.declare(cython.longlong, 18)
INT64_LIMIT = cython.declare(cython.longlong, 9_000_000_000_000_000_000)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)


@cython.cclass
class LevelParser:
    """Reads prices and quantities of one market; `tick_size` and `lot_size` are its venue rules as text."""

    _tick: cython.longlong
    _tick_decimals: cython.longlong
    _lot: cython.longlong
    _lot_decimals: cython.longlong
    _tick_size: str
    _lot_size: str
    _powers: cython.longlong[::1]
    _decimals: cython.longlong
    _remainder: cython.longlong

    def __init__(self, tick_size: str, lot_size: str) -> None:
        self._tick, self._tick_decimals = step_of(tick_size, "tick size")
        self._lot, self._lot_decimals = step_of(lot_size, "lot size")
        self._tick_size = tick_size
        self._lot_size = lot_size
        self._powers = array.array("q", [10**i for i in range(19)])
        self._decimals = 0
        self._remainder = 0

    def ticks(self, text: object) -> int:
        """Return a price in ticks.

        Raises:
            ValueError: not a plain positive decimal, not a whole number of ticks, or over 10^12 ticks.
        """
        return self._ticks(text)

    def lots(self, text: object) -> int:
        """Return a quantity in lots; our own orders are strict.

        Raises:
            ValueError: not a plain decimal, not a whole number of lots, or over 10^15 lots.
        """
        lots: cython.longlong = self._lots(text)
        if self._remainder:
            raise ValueError(f"quantity {text!r}: not a whole number of lots of {self._lot_size}")
        return lots

    def lots_floored(self, text: object) -> tuple:
        """Return (lots rounded down, whether anything was cut off): real books have levels off the lot.

        Raises:
            ValueError: not a plain decimal, or over 10^15 lots.
        """
        lots: cython.longlong = self._lots(text)
        return lots, self._remainder != 0

    def block(self, bids: list, asks: list) -> tuple:
        """Return (levels block, bid count, floored count) of lists of [price text, quantity text].

        The block is little-endian int64 pairs (price_ticks, lots), bids first, in the order given. A quantity
        off the lot is rounded down and counted.

        Raises:
            ValueError: a value cannot be read (the text names it), or a level is not a pair.
        """
        bid_count: cython.longlong = len(bids)
        count: cython.longlong = bid_count + len(asks)
        floored: cython.longlong = 0
        index: cython.longlong = 0
        values = array.array("q", bytes(16 * count))
        cells: cython.longlong[::1] = values
        for side in (bids, asks):
            for level in side:
                if len(level) < 2:
                    raise ValueError(f"level {level!r}: must be [price, quantity]")
                cells[2 * index] = self._ticks(level[0])
                cells[2 * index + 1] = self._lots(level[1])
                if self._remainder:
                    floored += 1
                index += 1
        return values.tobytes(), bid_count, floored

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _ticks(self, text: object) -> cython.longlong:
        """Return a price in ticks, strict."""
        ticks: cython.longlong = self._steps(text, "price", self._tick, self._tick_decimals)
        if self._remainder:
            raise ValueError(f"price {text!r}: not a whole number of ticks of {self._tick_size}")
        if ticks == 0 or ticks > PRICE_TICKS_MAX:
            raise ValueError(
                f"price {text!r}: {ticks} ticks of {self._tick_size}, must be 1..{PRICE_TICKS_MAX}"
            )
        return ticks

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _lots(self, text: object) -> cython.longlong:
        """Return a quantity in lots rounded down; what was cut off stays in `_remainder`."""
        lots: cython.longlong = self._steps(text, "quantity", self._lot, self._lot_decimals)
        if lots > LOTS_MAX:
            raise ValueError(f"quantity {text!r}: {lots} lots of {self._lot_size}, at most {LOTS_MAX}")
        return lots

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _steps(
        self, text: object, what: str, step: cython.longlong, step_decimals: cython.longlong
    ) -> cython.longlong:
        """Return how many steps of step * 10^-step_decimals a text holds, rounded down."""
        mantissa: cython.longlong
        shift: cython.longlong
        if not isinstance(text, str):
            raise ValueError(f"{what} {text!r}: must be a text, as venues send it")
        mantissa = self._mantissa(text, what)
        shift = step_decimals - self._decimals
        # text / step = mantissa * 10^shift / step
        if shift >= 0:
            if shift > DIGITS_MAX or mantissa > INT64_LIMIT // self._powers[shift]:
                raise ValueError(f"{what} {text!r}: too many digits beside a step of 1e-{step_decimals}")
            mantissa *= self._powers[shift]
        elif step <= INT64_LIMIT // self._powers[-shift]:
            step *= self._powers[-shift]
        else:
            raise ValueError(f"{what} {text!r}: too many decimals for a step of 1e-{step_decimals}")
        self._remainder = mantissa % step
        return mantissa // step

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _mantissa(self, text: str, what: str) -> cython.longlong:
        """Return the digits of a plain decimal as one integer, trailing zeros after the point left out."""
        mantissa: cython.longlong = 0
        decimals: cython.longlong = 0
        zeros: cython.longlong = 0
        digits: cython.longlong = 0
        after_digit: cython.bint = False
        seen_point: cython.bint = False
        char: cython.Py_UCS4
        value: cython.longlong
        for char in text:
            if char == "." and not seen_point and after_digit:
                seen_point = True
                after_digit = False
                continue
            if not ("0" <= char <= "9"):
                raise ValueError(f"{what} {text!r}: must be a plain decimal number such as 61837.63")
            value = ord(char) - 48
            after_digit = True
            if seen_point and value == 0:
                zeros += 1
                continue
            digits += zeros + 1 if digits or value else 0
            if digits > DIGITS_MAX:
                raise ValueError(f"{what} {text!r}: more than {DIGITS_MAX} digits")
            if seen_point:
                if zeros + decimals >= DIGITS_MAX:
                    raise ValueError(f"{what} {text!r}: more than {DIGITS_MAX} decimals")
                decimals += zeros + 1
                mantissa *= self._powers[zeros]
                zeros = 0
            mantissa = mantissa * 10 + value
        if not after_digit:
            raise ValueError(f"{what} {text!r}: must be a plain decimal number such as 61837.63")
        self._decimals = decimals
        return mantissa


def step_of(size: str, what: str) -> tuple:
    """Return a tick or lot size as (mantissa, decimals): its value is mantissa * 10^-decimals.

    Raises:
        ValueError: not a positive decimal of at most 18 digits and 18 decimals.
    """
    try:
        value = Decimal(size)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise ValueError(f"{what} {size!r}: must be a positive decimal such as 0.01") from error
    if not value.is_finite() or not Decimal("1e-18") <= value < Decimal("1e18"):
        raise ValueError(f"{what} {size!r}: must lie in 1e-18..1e18")
    digits = value.normalize().as_tuple().digits
    exponent = value.normalize().adjusted() - len(digits) + 1
    mantissa = int("".join(map(str, digits)))
    if len(digits) > 18 or exponent < -18:
        raise ValueError(f"{what} {size!r}: has more than 18 digits or decimals")
    if exponent >= 0:
        return mantissa * 10**exponent, 0
    return mantissa, -exponent
