"""The venue's filters on an order: quantity, price and value."""

# ruff: noqa: D102  what is looked at is named like the setting or field itself

from typing import Protocol

from shared.instrument import notional_atoms
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderType


class SizedOrder(Protocol):
    """What the filters look at."""

    @property
    def price_ticks(self) -> int: ...
    @property
    def qty_lots(self) -> int: ...
    @property
    def order_type(self) -> OrderType: ...
    @property
    def is_reduce_only(self) -> bool: ...


def broken_filter(order: SizedOrder, rules: InstrumentRules) -> str:
    """Return which of the venue's filters the order breaks (BR-26), empty when none; a limit of 0 is none.

    Tick and lot hold by construction: prices and quantities are whole numbers of them.
    """
    qty_lots, price_ticks = order.qty_lots, order.price_ticks
    if qty_lots < max(1, rules.min_qty_lots):
        return f"{qty_lots} lots, the least is {max(1, rules.min_qty_lots)}"
    if 0 < rules.max_qty_lots < qty_lots:
        return f"{qty_lots} lots, the most is {rules.max_qty_lots}"
    if order.order_type is OrderType.MARKET:
        return ""
    if price_ticks < max(1, rules.min_price_ticks):
        return f"price {price_ticks} ticks, the least is {max(1, rules.min_price_ticks)}"
    if 0 < rules.max_price_ticks < price_ticks:
        return f"price {price_ticks} ticks, the most is {rules.max_price_ticks}"
    value_atoms = notional_atoms(rules, price_ticks, qty_lots)
    if value_atoms < rules.min_notional_atoms and not (order.is_reduce_only and rules.is_derivative):
        return f"value of {value_atoms} atoms, the least is {rules.min_notional_atoms}"
    return ""
