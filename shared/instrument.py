"""Arithmetic of one market: notional, fees and the checks of its rules."""

from decimal import Decimal

from shared.messages.market import InstrumentRules
from shared.units import ATOM_EXPONENT_MIN, PPM, ceil_div


def quote_exponent(tick_size: str, lot_size: str, at_least: int = ATOM_EXPONENT_MIN) -> int:
    """Return the smallest exponent from `at_least` up for which tick * lot is a whole number of atoms."""
    product = (Decimal(tick_size) * Decimal(lot_size)).normalize()
    digits = -int(product.as_tuple().exponent)
    return max(at_least, digits)


def tick_lot_atoms(tick_size: str, lot_size: str, exponent: int) -> int:
    """Return the value in atoms of one lot at a price of one tick."""
    value = (Decimal(tick_size) * Decimal(lot_size)).scaleb(exponent)
    assert value == value.to_integral_value(), (
        f"tick {tick_size} * lot {lot_size} is no whole atom of 1e-{exponent}"
    )
    return int(value)


def notional_atoms(rules: InstrumentRules, price_ticks: int, qty_lots: int) -> int:
    """Return the value of `qty_lots` at `price_ticks` in atoms of the quote asset; the sign is the lots'."""
    return price_ticks * qty_lots * rules.tick_lot_atoms


def fee_atoms(notional: int, fee_ppm: int) -> int:
    """Return the fee on a notional in atoms, rounded against us; a negative rate is a rebate."""
    return ceil_div(abs(notional) * fee_ppm, PPM)


def venue_of(symbol: str) -> str:
    """Return `binance_usdm` of `binance_usdm:BTCUSDT`."""
    return symbol.partition(":")[0]


def venue_symbol(symbol: str) -> str:
    """Return `BTCUSDT` of `binance_usdm:BTCUSDT`."""
    return symbol.partition(":")[2]
