"""Changing a resting USD-M order: price and quantity at once, its place in the queue is lost."""

from decimal import Decimal

from services.venue_sim.exchange.orders import OrderState, crosses, opposite
from services.venue_sim.exchange.queries import NO_SUCH_ORDER
from services.venue_sim.exchange.records import SIDES, NewOrder, VenueOrder
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM

MODIFIES_MAX = 10_000


def modify(  # noqa: PLR0913 - the parameters of the call
    desk: UsdmDesk,
    account: str,
    symbol: str,
    order_id: int,
    client_order_id: str,
    side: str,
    quantity: Decimal,
    price: Decimal | None,
    now_ms: int,
    *,
    price_match: str = "",
    modify_id: str = "",
) -> VenueOrder:
    """Change an open LIMIT order; returns it.

    It is cancelled instead when the new quantity is already filled, or when a GTX order would take
    (binance.md 4.3). Refusals: -2013, -5024 .. -5027, and those of a new order.
    """
    rules = desk.rules_of(symbol)
    order = desk.store.find_open(account, symbol, order_id, client_order_id)
    if order is None:
        raise VenueRefusal(*NO_SUCH_ORDER)
    if rules.status != "TRADING":
        raise VenueRefusal(-5024, "Symbol is not in trading status. Order amendment is not permitted.")
    if order.type != "LIMIT":
        raise VenueRefusal(-5025, "Only limit order is supported.")
    if order.side != SIDES.get(side):
        raise VenueRefusal(-1117, "Invalid side.")
    if order.amends >= MODIFIES_MAX:
        raise VenueRefusal(-5026, "Exceed maximum modify order limit.")
    lots = rules.lots_of(quantity, is_market=False)
    wanted = NewOrder(
        venue=USDM, symbol=symbol, side=side, type="LIMIT", price=price, price_match=price_match
    )
    ticks = desk.price_of(rules, wanted, order.side)
    if (ticks, lots) == (order.price_ticks, order.lots):
        raise VenueRefusal(-5027, "No need to modify the order.")
    rules.check_band(order.side, ticks, desk.sides[symbol].mark_e18())
    rules.check_value(
        rules.units.value_e18(ticks, lots), is_market=False, is_reduce_only=order.is_reduce_only
    )
    would_take = crosses(order.side, ticks, desk.sides[symbol].best(opposite(order.side)))
    if lots <= order.filled_lots or (order.tif == "GTX" and would_take):
        desk.end(order, "CANCELED", "", now_ms)
    else:
        _replace(desk, order, ticks, lots, now_ms, modify_id)
    desk.finish(now_ms)
    return order.record(USDM, rules.units)


def _replace(desk: UsdmDesk, order: OrderState, ticks: int, lots: int, now_ms: int, modify_id: str) -> None:
    """Take the order off the book and let it in again; it stays as it was when it may not come in."""
    before = order.price_ticks, order.lots
    order.price_ticks, order.lots = ticks, lots
    try:
        desk.check_change(order)
    except VenueRefusal:
        order.price_ticks, order.lots = before
        raise
    side = desk.sides[order.symbol]
    side.withdraw(order.book_id, now_ms)
    order.amends += 1
    order.updated_ms = now_ms
    desk.say(order, "AMENDMENT", now_ms, modify_id=modify_id)
    desk.work(order, side, now_ms)
