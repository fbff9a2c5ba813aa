"""What a strategy may ask for: checked where it enters, so that nonsense never becomes an order."""

from typing import Any

import msgspec

from services.strategy.base import CancelOrder, Note, PlaceOrder, Quote, TargetQuotes
from services.strategy.own_orders import SLOT_NAME
from shared.messages.orders import OrderType, TimeInForce
from shared.units import INT64_MAX, Side

TEXT_MAX = 1000
QUOTES_MAX = 2000
LEVELS = ("info", "warning")


def checked(intent: Any) -> TargetQuotes | PlaceOrder | CancelOrder | Note:
    """Return `intent`; raise `TypeError` or `ValueError` that names what is wrong with it."""
    match intent:
        case TargetQuotes():
            _check_text("reason", intent.reason)
            if type(intent.quotes) is not tuple:
                intent = msgspec.structs.replace(intent, quotes=tuple(intent.quotes))
            _check_quotes(intent.quotes)
        case PlaceOrder():
            _check_order(intent)
        case CancelOrder():
            _check_text("slot", intent.slot)
            _check_text("reason", intent.reason)
        case Note():
            for name in ("level", "code", "text"):
                _check_text(name, getattr(intent, name))
            if intent.level not in LEVELS:
                raise ValueError(f"a note has level {intent.level!r}; use one of {', '.join(LEVELS)}")
        case _:
            raise TypeError(
                f"a callback returned {intent!r}: it must return a list of TargetQuotes, PlaceOrder, "
                "CancelOrder or Note"
            )
    return intent  # type: ignore[no-any-return]


def _check_text(name: str, text: Any) -> None:
    if type(text) is not str:
        raise TypeError(f"{name} {text!r} is no text")
    if len(text) > TEXT_MAX or not (text.isascii() or _is_encodable(text)):
        raise ValueError(f"{name} of {len(text)} characters: at most {TEXT_MAX} that UTF-8 can say")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_quotes(quotes: tuple[Quote, ...]) -> None:
    if len(quotes) > QUOTES_MAX:
        raise ValueError(f"{len(quotes)} target quotes: at most {QUOTES_MAX}")
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


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= INT64_MAX


def _check_order(order: Any) -> None:
    if not SLOT_NAME.match(order.slot):
        raise ValueError(f"slot {order.slot!r}: slots are 1 to 9 of a-z and 0-9")
    if type(order.side) is not Side:
        raise TypeError(f"slot {order.slot}: side {order.side!r} is no Side")
    price, qty = order.price_ticks, order.qty_lots
    is_whole = type(price) is int and type(qty) is int
    if not (is_whole and 0 <= price <= INT64_MAX and 0 <= qty <= INT64_MAX):
        name, value = ("qty_lots", qty) if _is_count(price) else ("price_ticks", price)
        raise ValueError(f"slot {order.slot}: {name} {value!r} is no whole number within 0..2^63-1")
    if order.reason != "":
        _check_text("reason", order.reason)
    if type(order.is_post_only) is not bool or type(order.is_reduce_only) is not bool:
        raise TypeError(f"slot {order.slot}: is_post_only and is_reduce_only are True or False: {order!r}")
    if order.qty_lots == 0:
        raise ValueError(f"slot {order.slot}: an order of 0 lots; leave it out instead")
    if not isinstance(order, PlaceOrder):
        return
    if type(order.order_type) is not OrderType or type(order.tif) is not TimeInForce:
        raise TypeError(
            f"slot {order.slot}: {order.order_type!r} {order.tif!r}: an OrderType and a TimeInForce"
        )
    _check_end_and_stop(order)
    if (order.price_ticks == 0) != (order.order_type is OrderType.MARKET):
        raise ValueError(f"slot {order.slot}: a market order has price 0, a limit order more: {order!r}")


def _check_end_and_stop(order: PlaceOrder) -> None:
    for name, value in (("expire_ns", order.expire_ns), ("stop_ticks", order.stop_ticks)):
        if not _is_count(value):
            raise ValueError(f"slot {order.slot}: {name} {value!r} is no whole number within 0..2^63-1")
    if (order.expire_ns > 0) != (order.tif is TimeInForce.GTD):
        raise ValueError(f"slot {order.slot}: GTD goes with expire_ns above 0, any other with 0: {order!r}")
    if order.stop_ticks and order.is_post_only:
        raise ValueError(f"slot {order.slot}: a stop takes when it is reached, it cannot be post-only")
