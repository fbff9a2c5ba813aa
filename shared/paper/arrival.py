"""What the paper venue does with an order that arrives: one pure decision (BR-14, BR-15)."""

# ruff: noqa: D102  what is looked at is named like the setting or field itself

from collections.abc import Callable
from typing import NamedTuple, Protocol

from shared.messages.orders import OrderType, TimeInForce
from shared.paper.market import RESTING, PaperMarket, Part
from shared.units import PPM, Side


class PaperOrder(Protocol):
    """What the paper venue has to know of an order; price 0 is a market order."""

    symbol: str
    side: Side
    price_ticks: int
    order_type: OrderType
    tif: TimeInForce
    is_post_only: bool
    expire_ns: int
    stop_ticks: int

    @property
    def leaves_lots(self) -> int: ...


Bookless = Callable[[], Part | str]
"""What becomes of an order that meets no trusted book: a fill, or why there is none (BR-18)."""


class Arrival(NamedTuple):
    """The venue's answer: rejected, or taken `parts`, and what is left rests or expires."""

    reject_code: str = ""
    reject_reason: str = ""
    parts: tuple[Part, ...] = ()
    expire_reason: str = ""
    is_accepted: bool = True


def arrive(
    order: PaperOrder,
    place: PaperMarket,
    free_cash_atoms: int,
    free_holdings_lots: int,
    bookless: Bookless | None = None,
) -> Arrival:
    """Return what becomes of `order` now; spot orders need the cash or the holdings they would move.

    Without a trusted book it is rejected, unless `bookless` says otherwise.
    """
    if not place.is_open:
        return _arrive_without_book(order, place, free_cash_atoms, free_holdings_lots, bookless)
    side = order.side
    is_market = order.order_type is OrderType.MARKET
    limit_ticks = 0 if is_market else order.price_ticks
    touch_ticks = place.opposite_touch_ticks(side)
    if order.is_post_only and side.sign * (order.price_ticks - touch_ticks) >= 0:
        return _rejected("post_only_would_take", f"price {order.price_ticks} meets {touch_ticks}")
    parts = tuple(place.walk(side, limit_ticks, order.leaves_lots))
    taken_lots = sum(part.lots for part in parts)
    if is_market and not parts:
        return _rejected("no_liquidity", "nothing to take on the other side")
    reach_ticks = parts[-1].price_ticks if is_market else limit_ticks
    own_ticks = place.own_opposite_ticks(side)
    if own_ticks and side.sign * (reach_ticks - own_ticks) >= 0:
        return _rejected("self_trade", f"would meet our own order at {own_ticks} (I-12)")
    short = _shortage(order, place, parts, free_cash_atoms, free_holdings_lots)
    if short:
        return _rejected("insufficient_balance", short)
    if order.tif is TimeInForce.FOK and taken_lots < order.leaves_lots:
        return Arrival(
            expire_reason=f"fok: only {taken_lots} of {order.leaves_lots} lots were available",
            is_accepted=False,
        )
    rests = not is_market and order.tif in RESTING
    left_lots = order.leaves_lots - taken_lots
    expire_reason = "" if rests or left_lots == 0 else f"{'market' if is_market else 'ioc'}: rest canceled"
    return Arrival(parts=parts, expire_reason=expire_reason)


def arrive_stop(
    order: PaperOrder, place: PaperMarket, free_cash_atoms: int, free_holdings_lots: int
) -> Arrival:
    """Return what becomes of an order that is to wait for its stop: it waits, or the venue refuses it.

    A stop that the last trade has reached already is refused, as venues do; spot orders need what they move.
    """
    if place.rules is None:
        return _rejected("untrusted_book", "no rules of the market are known")
    if is_reached(order.side, order.stop_ticks, place.last_ticks):
        text = f"stop {order.stop_ticks} is reached already: the last trade was at {place.last_ticks}"
        return _rejected("would_trigger", text)
    short = _shortage(order, place, (), free_cash_atoms, free_holdings_lots)
    return _rejected("insufficient_balance", short) if short else Arrival()


def is_reached(side: Side, stop_ticks: int, last_ticks: int) -> bool:
    """Return whether a trade at `last_ticks` (0: none yet) triggers a stop."""
    return last_ticks > 0 and side.sign * (last_ticks - stop_ticks) >= 0


def _arrive_without_book(
    order: PaperOrder, place: PaperMarket, cash_atoms: int, holdings_lots: int, bookless: Bookless | None
) -> Arrival:
    if bookless is None or place.rules is None:
        return _rejected("untrusted_book", "the book is not trusted, so nothing can be matched")
    part = bookless()
    if isinstance(part, str):
        return _rejected("untrusted_book", part)
    short = _shortage(order, place, (part,), cash_atoms, holdings_lots)
    return _rejected("insufficient_balance", short) if short else Arrival(parts=(part,))


def _rejected(code: str, reason: str) -> Arrival:
    return Arrival(reject_code=code, reject_reason=reason, is_accepted=False)


def _shortage(
    order: PaperOrder, place: PaperMarket, parts: tuple[Part, ...], cash_atoms: int, holdings_lots: int
) -> str:
    """Return what a spot wallet lacks for the whole order, empty when nothing; derivatives need none."""
    rules = place.rules
    assert rules is not None, f"{order.symbol} is matched without rules"
    if rules.is_derivative:
        return ""
    if order.side is Side.SELL:
        lack = order.leaves_lots - holdings_lots
        return f"{order.leaves_lots} lots to sell, {max(0, holdings_lots)} free" if lack > 0 else ""
    left_lots = order.leaves_lots - sum(part.lots for part in parts)
    ticks_lots = (
        sum(part.price_ticks * part.lots for part in parts)
        + (order.price_ticks or order.stop_ticks) * left_lots
    )
    cost_ppm = PPM + max(0, rules.maker_fee_ppm, rules.taker_fee_ppm)
    cost_atoms = -(-ticks_lots * rules.tick_lot_atoms * cost_ppm // PPM)
    return f"{cost_atoms} atoms to pay, {max(0, cash_atoms)} free" if cost_atoms > cash_atoms else ""
