"""The cap on the capital of one instance: what its position and orders may come to be worth (ST-3)."""

from decimal import Decimal

from services.strategy.base import PlaceOrder
from services.strategy.instance import Instance
from services.strategy.world import World
from shared.units import PPM, Side

MARGIN_PPM = 10_000
"""A market order is counted this much beyond the touch: it may be filled deeper in the book."""


def has_capital(instance: Instance, world: World, order: PlaceOrder) -> str:
    """Return why `capital_max` forbids `order`, empty when it does not or there is no cap.

    Counted is the worst case of the order's side: the position at the mid of the book, every unfinished order
    at its price, orders in doubt included. What cannot be valued is forbidden; what only closes is not.
    """
    capital_max = Decimal(instance.options.capital_max)
    if not capital_max:
        return ""
    sign = order.side.sign
    rules, book = world.rules.get(instance.symbol), world.book(instance.symbol)
    if rules is None or not book.is_trusted:
        return f"{instance.symbol} has no rules or no trusted book, so no order can be valued"
    mid_ticks = (book.bid_ticks + book.ask_ticks + 1) // 2
    touch_ticks = book.ask_ticks if order.side is Side.BUY else book.bid_ticks
    market_ticks = touch_ticks * (PPM + MARGIN_PPM) // PPM + 1
    open_lots = order.qty_lots
    value = order.qty_lots * (order.price_ticks or order.stop_ticks or market_ticks)
    for each in instance.orders.by_slot.values():
        if each.side is order.side:
            open_lots += each.leaves_lots
            value += each.leaves_lots * (each.price_ticks or each.stop_ticks or market_ticks)
    if sign * instance.position_lots + open_lots <= 0:
        return ""
    worst_atoms = (sign * instance.position_lots * mid_ticks + value) * rules.tick_lot_atoms
    most_atoms = int(capital_max.scaleb(rules.quote_exponent))
    if worst_atoms <= most_atoms:
        return ""
    worst = Decimal(worst_atoms).scaleb(-rules.quote_exponent)
    return (
        f"slot {order.slot}: with it, position and orders of the {order.side.name.lower()} side may be worth "
        f"{worst:.2f} {rules.quote_asset}, capital_max is {capital_max}; raise it or lower the order size"
    )
