"""How large an order is, and whether the venue takes it (ST-21)."""

from decimal import Decimal

from shared.messages.market import InstrumentRules


def lots_of(notional: Decimal, rules: InstrumentRules, price_ticks: int) -> int:
    """Return how many whole lots at `price_ticks` have at most this value in quote currency."""
    atoms = int(notional.scaleb(rules.quote_exponent))
    return atoms // (price_ticks * rules.tick_lot_atoms)


def is_allowed_size(rules: InstrumentRules, price_ticks: int, qty_lots: int) -> bool:
    """Return whether the venue takes an order of this size: minimum quantity and value (ST-21)."""
    return (
        qty_lots >= max(rules.min_qty_lots, 1)
        and qty_lots * price_ticks * rules.tick_lot_atoms >= rules.min_notional_atoms
    )
