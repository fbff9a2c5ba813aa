"""Amounts as whole numbers of 1e-18: exact sums and products, whatever the decimals of an asset."""

from decimal import Context, Decimal

E18 = 10**18
E10 = 10**10
PPM = 1_000_000
WHOLE_DIGITS_MAX = 30
_EXACT = Context(prec=120)


def e18_of(value: Decimal) -> int | None:
    """Return a number in units of 1e-18, None when it is not finite, above 1e30 or finer than 1e-18."""
    if not value.is_finite() or value.adjusted() > WHOLE_DIGITS_MAX:
        return None
    scaled = value.scaleb(18, _EXACT)
    whole = int(scaled)
    return whole if whole == scaled else None


def decimal_of(amount_e18: int, decimals: int = 8) -> Decimal:
    """Return an amount with `decimals`, with more where it has more."""
    step = 10 ** (18 - decimals)
    if amount_e18 % step == 0:
        return Decimal(amount_e18 // step).scaleb(-decimals, _EXACT)
    return Decimal(amount_e18).scaleb(-18, _EXACT).normalize(_EXACT)


def fee_of(amount_e18: int, rate_ppm: int) -> int:
    """Return a commission of an amount, rounded down to 8 decimals as the venue books it.

    A negative rate is a rebate; it is rounded to zero too.
    """
    fee = abs(amount_e18 * rate_ppm) // PPM // E10 * E10
    return fee if rate_ppm >= 0 else -fee
