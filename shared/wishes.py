"""Wishes of people as messages: texts with prices and quantities, checked against the rules of the market.

Shared by the command line and the gateway, so that both refuse the same with the same words.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from shared.errors import ConfigError
from shared.messages.control import OrderRequested, RouteRequested
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class Wish(NamedTuple):
    """One order as a person writes it: `price` empty for a market order, `good_for_s` 0 for no end."""

    symbol: str
    side: str
    quantity: str
    price: str = ""
    stop: str = ""
    tif: str = ""
    good_for_s: int = 0
    is_post_only: bool = False
    is_reduce_only: bool = False
    reason: str = ""


def order_requested(wish: Wish, rules: Mapping[str, InstrumentRules], by: str, now_ns: int) -> OrderRequested:
    """Return the request for a wish; raises `ConfigError` that says what is wrong with it."""
    market = known(wish.symbol, rules)
    order_type = OrderType.LIMIT if wish.price else OrderType.MARKET
    usual = TimeInForce.GTC if wish.price else TimeInForce.IOC
    tif = TimeInForce.GTD if wish.good_for_s else TimeInForce(wish.tif) if wish.tif else usual
    if wish.good_for_s < 0 or (wish.good_for_s and (wish.tif not in {"", "gtd"} or not wish.price)):
        raise ConfigError("an end after so many seconds goes with a limit order and no other time in force")
    if tif is TimeInForce.GTD and not wish.good_for_s:
        raise ConfigError("gtd needs an end: say for how many seconds")
    if wish.is_post_only and (not wish.price or wish.stop or tif not in (TimeInForce.GTC, TimeInForce.GTD)):
        raise ConfigError("post-only is for limit orders that rest and have no stop")
    return OrderRequested(
        symbol=wish.symbol,
        side=side_of(wish.side),
        price_ticks=whole(wish.price, market.tick_size, "price") if wish.price else 0,
        qty_lots=whole(wish.quantity, market.lot_size, "quantity"),
        by=by,
        reason=wish.reason,
        order_type=order_type,
        tif=tif,
        is_post_only=wish.is_post_only,
        is_reduce_only=wish.is_reduce_only,
        expire_ns=now_ns + wish.good_for_s * NS_PER_S if wish.good_for_s else 0,
        stop_ticks=whole(wish.stop, market.tick_size, "stop") if wish.stop else 0,
    )


def route_requested(
    symbols: Sequence[str],
    side: str,
    quantity: str,
    style: str,
    rules: Mapping[str, InstrumentRules],
    *,
    by: str,
    limit: str = "",
    slices: int = 1,
    interval_ms: int = 0,
    reason: str = "",
) -> RouteRequested:
    """Return the request for a routed order; raises `ConfigError`."""
    for symbol in symbols:
        known(symbol, rules)
    if style == "twap" and (slices < 2 or interval_ms < 1):
        raise ConfigError(
            f"a twap of {slices} slices each {interval_ms} ms: 2 slices or more, some time apart"
        )
    if style != "twap" and slices != 1:
        raise ConfigError(f"only a twap has slices; {style} sends all at once")
    decimal(quantity, "quantity")
    if limit:
        decimal(limit, "limit")
    terms = (list(symbols), side_of(side), quantity, style, by, reason)
    return RouteRequested(*terms, limit, slices, interval_ms)


def known(symbol: str, rules: Mapping[str, InstrumentRules]) -> InstrumentRules:
    """Return the rules of a market; raises `ConfigError` that lists the known ones."""
    found = rules.get(symbol)
    if found is None:
        named = ", ".join(sorted(rules)) or "none yet: the log holds no rules"
        raise ConfigError(f"no market {symbol!r} is followed; followed are {named}")
    return found


def side_of(text: str) -> Side:
    """Return the side of a word; raises `ConfigError`."""
    if text not in SIDES:
        raise ConfigError(f"side {text!r}: write buy or sell")
    return SIDES[text]


def decimal(text: str, what: str) -> Decimal:
    """Return a plain decimal above 0; raises `ConfigError`."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0 or abs(value.adjusted()) > 15:
        raise ConfigError(f"{what} {text!r}: write a plain decimal above 0, like 0.01")
    return value


def whole(text: str, step: str, what: str) -> int:
    """Return how many steps a decimal is; raises `ConfigError` when it is no whole number of them."""
    value, size = decimal(text, what), Decimal(step)
    if value % size:
        below = value // size * size
        raise ConfigError(
            f"{what} {text} is no multiple of {step}, the step of this market: write {below:f} or "
            f"{below + size:f}"
        )
    return int(value / size)
