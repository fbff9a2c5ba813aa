"""What a strategy may ask for: checked where it enters, so that nonsense never becomes an order."""

from collections.abc import Iterable
from typing import Any

from services.strategy.base import CancelOrder, Note, PlaceOrder, Quote, TargetQuotes
from services.strategy.own_orders import SLOT_NAME
from shared.messages.orders import OrderType
from shared.units import INT64_MAX, Side


def checked(intent: Any) -> TargetQuotes | PlaceOrder | CancelOrder | Note:
    """Return `intent`; raise `TypeError` or `ValueError` that names what is wrong with it."""
    match intent:
        case TargetQuotes():
            _check_quotes(intent.quotes)
        case PlaceOrder():
            _check_order(intent)
        case CancelOrder() | Note():
            pass
        case _:
            raise TypeError(
                f"a callback returned {intent!r}: it must return a list of TargetQuotes, PlaceOrder, "
                "CancelOrder or Note"
            )
    return intent  # type: ignore[no-any-return]


def _check_quotes(quotes: Iterable[Quote]) -> None:
    slots: set[str] = set()
    bid, ask = 0, INT64_MAX
    for quote in quotes:
        if type(quote) is not Quote:
            raise TypeError(f"target quotes hold {quote!r}, which is no Quote")
        _check_order(quote)
        if quote.price_ticks < 1:
            raise ValueError(f"slot {quote.slot}: price {quote.price_ticks} ticks; a quote needs at least 1")
        if quote.slot in slots:
            raise ValueError(f"slot {quote.slot} is quoted twice: one live order per slot (I-04)")
        slots.add(quote.slot)
        if quote.side is Side.BUY:
            bid = max(bid, quote.price_ticks)
        else:
            ask = min(ask, quote.price_ticks)
    if bid >= ask:
        raise ValueError(f"target bid {bid} is not below target ask {ask}: they would trade with each other")


def _check_order(order: Quote | PlaceOrder) -> None:
    if not SLOT_NAME.match(order.slot):
        raise ValueError(f"slot {order.slot!r}: slots are 1 to 9 of a-z and 0-9")
    if type(order.side) is not Side:
        raise TypeError(f"slot {order.slot}: side {order.side!r} is no Side")
    for name, value in (("price_ticks", order.price_ticks), ("qty_lots", order.qty_lots)):
        if type(value) is not int or not 0 <= value <= INT64_MAX:
            raise ValueError(f"slot {order.slot}: {name} {value!r} is no whole number within 0..2^63-1")
    if order.qty_lots == 0:
        raise ValueError(f"slot {order.slot}: an order of 0 lots; leave it out instead")
    if isinstance(order, PlaceOrder) and (order.price_ticks == 0) != (order.order_type is OrderType.MARKET):
        raise ValueError(f"slot {order.slot}: a market order has price 0, a limit order more: {order!r}")
