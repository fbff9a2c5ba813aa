"""Changing USD-M orders, batches, and the dead-man's switch."""

from collections.abc import Callable, Mapping

import msgspec

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire import usdm_json
from services.venue_sim.wire.calls import Ask, order_key
from services.venue_sim.wire.checks import usdm_symbol
from services.venue_sim.wire.params import Params, invalid, json_params, missing
from services.venue_sim.wire.payload import Json
from services.venue_sim.wire.usdm_orders import SIDES, cancel, place
from shared.errors import UNDECODABLE

BATCH_NEW_MAX, BATCH_CANCEL_MAX = 5, 10


def modify(ask: Ask) -> object:
    """Change price and quantity of a limit order, which loses its place."""
    params = ask.params
    symbol = usdm_symbol(params)
    order_id, orig_id = order_key(params)
    side = params.choice("side", SIDES, VenueRefusal(-1117, "Invalid side."))
    quantity = params.decimal("quantity", is_required=True)
    price, price_match = params.decimal("price"), params.text("priceMatch")
    if not side:
        raise missing("side")
    if price is None and not price_match:
        raise missing("price")
    assert quantity is not None, "it is required"
    modify_id = str(params.integer("modifyId")) if params.has("modifyId") else ""
    item = ask.backend.exchange.modify(
        ask.account,
        symbol,
        order_id,
        orig_id,
        side,
        quantity,
        price,
        ask.now_ms,
        price_match=price_match,
        modify_id=modify_id,
    )
    told: Json = {"pair": symbol, **({"modifyId": int(modify_id)} if modify_id else {})}
    return usdm_json.acknowledged(item) | told


def countdown(ask: Ask) -> object:
    """Cancel all orders of a market after a time, unless this call comes again; 0 disarms."""
    symbol = usdm_symbol(ask.params)
    countdown_ms = ask.params.integer("countdownTime", is_required=True)
    ask.backend.exchange.countdown(ask.account, symbol, countdown_ms, ask.now_ms)
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


# ---- batches: each part is answered by itself, in the order of the request


def batch_place(ask: Ask) -> object:
    """Place up to five orders."""
    return _each(ask, _parts(ask), place)


def batch_modify(ask: Ask) -> object:
    """Change up to five orders."""
    return _each(ask, _parts(ask), modify)


def batch_cancel(ask: Ask) -> object:
    """Cancel up to ten orders of a market."""
    params = ask.params
    symbol = usdm_symbol(params)
    by_client = params.has("origClientOrderIdList")
    name = "origClientOrderIdList" if by_client else "orderIdList"
    if not params.has(name):
        raise VenueRefusal(
            -1102, "Param 'orderIdList' or 'origClientOrderIdList' must be sent, but both were empty/null!"
        )
    sent = params.json(name, list[str | int])
    if not 1 <= len(sent) <= BATCH_CANCEL_MAX:
        raise _too_long()
    key = "origClientOrderId" if by_client else "orderId"
    return _each(ask, [Params({"symbol": symbol, key: str(each)}) for each in sent], cancel)


def _parts(ask: Ask) -> list[Params]:
    try:
        sent = msgspec.json.decode(ask.params.required("batchOrders"), type=list[dict[str, msgspec.Raw]])
    except UNDECODABLE:
        raise invalid("batchOrders") from None
    if not 1 <= len(sent) <= BATCH_NEW_MAX:
        raise _too_long()
    return [json_params(part) for part in sent]


def _too_long() -> VenueRefusal:
    return VenueRefusal(-4082, "Invalid number of batch orders.")


def _each(ask: Ask, parts: list[Params], act: Callable[[Ask], object]) -> list[object]:
    told: list[object] = []
    for params in parts:
        try:
            told.append(act(ask._replace(params=params)))
        except VenueRefusal as refusal:
            failed: Json = {"code": refusal.code, "msg": refusal.msg}
            told.append(failed)
    return told


def parts_count(values: Mapping[str, str]) -> int:
    """Return how many orders a batch counts."""
    try:
        sent = msgspec.json.decode(values.get("batchOrders", "[]"), type=list[msgspec.Raw])
    except UNDECODABLE:
        return 0
    return min(len(sent), BATCH_NEW_MAX)
