"""Ticks, lots, atoms, nanoseconds and sides: the units of every number, and the only rounding functions.

Prices are integers in ticks, quantities in lots, money in atoms (10^-`exponent` of the asset), times in
nanoseconds since 1970. Floats are for estimates only and never enter a message that moves money.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import IntEnum

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
PPM = 1_000_000
INT64_MAX = 2**63 - 1
ATOM_EXPONENT_MIN = 8


class Side(IntEnum):
    """Side of an order, a fill, a book or the aggressor of a trade; the value indexes book sides."""

    BUY = 0
    SELL = 1

    @property
    def sign(self) -> int:
        """Return +1 for a buy and -1 for a sell."""
        return 1 - 2 * self

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side(1 - self)


def round_down(value: Decimal, step: Decimal) -> int:
    """Return the whole number of `step` in `value`, rounded towards minus infinity."""
    return int((value / step).to_integral_value(ROUND_FLOOR))


def round_up(value: Decimal, step: Decimal) -> int:
    """Return the whole number of `step` in `value`, rounded towards plus infinity."""
    return int((value / step).to_integral_value(ROUND_CEILING))


def exact(value: Decimal, step: Decimal) -> int | None:
    """Return how many `step` make `value`, or None when it is not a whole number of them."""
    count = value / step
    return int(count) if count == count.to_integral_value() else None


def ceil_div(numerator: int, denominator: int) -> int:
    """Return the quotient rounded up: fees are rounded against us."""
    return -(-numerator // denominator)


def decimal_text(count: int, step: str) -> str:
    """Return `count` steps as a plain decimal text, with the decimals of `step`."""
    return format(Decimal(count) * Decimal(step), "f")


def atoms_text(atoms: int, exponent: int) -> str:
    """Return money in atoms as a plain decimal text of the asset."""
    return format(Decimal(atoms).scaleb(-exponent), "f")
