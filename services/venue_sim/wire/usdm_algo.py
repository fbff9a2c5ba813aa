"""Conditional orders of USD-M (`/fapi/v1/algoOrder`): they wait for their trigger beside the book."""

from services.venue_sim.exchange.records import NewOrder
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM
from services.venue_sim.wire import usdm_json
from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.checks import usdm_symbol
from services.venue_sim.wire.params import missing
from services.venue_sim.wire.usdm_orders import (
    POSITION_SIDES,
    SIDES,
    STP_MODES,
    TIMES_IN_FORCE,
    TYPES,
    WORKING_TYPES,
    client_id,
)

CANCELED = {"code": "200", "msg": "success"}
ALL_CANCELED = {"code": 200, "msg": "The operation of cancel all open order is done."}


def place(ask: Ask) -> object:
    """Place a conditional order."""
    params = ask.params
    params.choice(
        "algoType", ("CONDITIONAL",), VenueRefusal(-1128, "Combination of optional parameters invalid.")
    )
    if not params.has("algoType"):
        raise missing("algoType")
    symbol = usdm_symbol(params)
    side = params.choice("side", SIDES, VenueRefusal(-1117, "Invalid side."))
    kind = params.choice("type", TYPES, VenueRefusal(-1116, "Invalid orderType."))
    for name, value in (("side", side), ("type", kind)):
        if not value:
            raise missing(name)
    order = NewOrder(
        venue=USDM,
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=params.choice(
            "timeInForce", TIMES_IN_FORCE, VenueRefusal(-1115, "Invalid timeInForce.")
        ),
        quantity=params.decimal("quantity"),
        price=params.decimal("price"),
        stop_price=params.decimal("triggerPrice"),
        client_order_id=client_id(params, "clientAlgoId"),
        stp=params.choice("selfTradePreventionMode", STP_MODES),
        position_side=params.choice("positionSide", POSITION_SIDES),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        price_match=params.text("priceMatch"),
        good_till_ms=params.integer("goodTillDate"),
        working_type=params.choice("workingType", WORKING_TYPES),
        price_protect=params.flag("priceProtect"),
        activation_price=params.decimal("activatePrice"),
        callback_rate=params.decimal("callbackRate"),
    )
    return usdm_json.algo(ask.backend.exchange.algos.place(ask.account, order, ask.now_ms))


def _key(ask: Ask) -> tuple[int, str]:
    algo_id, client_algo_id = ask.params.integer("algoId"), ask.params.text("clientAlgoId")
    if not algo_id and not client_algo_id:
        raise VenueRefusal(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
    return algo_id, client_algo_id


def cancel(ask: Ask) -> object:
    """Cancel a conditional order."""
    item = ask.backend.exchange.algos.cancel(ask.account, *_key(ask), ask.now_ms)
    return {"algoId": item.algo_id, "clientAlgoId": item.client_algo_id, **CANCELED}


def cancel_all(ask: Ask) -> object:
    """Cancel the conditional orders of a market."""
    ask.backend.exchange.algos.cancel_all(ask.account, usdm_symbol(ask.params), ask.now_ms)
    return ALL_CANCELED


def query(ask: Ask) -> object:
    """Tell one conditional order."""
    return usdm_json.algo(ask.backend.exchange.algos.order(ask.account, *_key(ask)))


def open_orders(ask: Ask) -> object:
    """Tell the waiting conditional orders of a market, or of all."""
    symbol = usdm_symbol(ask.params) if ask.params.has("symbol") else ""
    return [usdm_json.algo(item) for item in ask.backend.exchange.algos.open_orders(ask.account, symbol)]


def all_orders(ask: Ask) -> object:
    """Tell conditional orders whatever their state."""
    symbol = usdm_symbol(ask.params)
    limit = ask.params.limit(500, 1000)
    return [
        usdm_json.algo(item) for item in ask.backend.exchange.algos.all_orders(ask.account, symbol, limit)
    ]
