"""Order calls of USD-M: new, test, cancel, cancel all, query."""

from decimal import Decimal

import msgspec

from services.venue_sim.exchange.records import NewOrder, VenueOrder
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM
from services.venue_sim.wire import usdm_json
from services.venue_sim.wire.calls import Ask, order_key
from services.venue_sim.wire.checks import check_client_id, check_span, usdm_symbol
from services.venue_sim.wire.params import Params, missing

SIDES = frozenset({"BUY", "SELL"})
TYPES = frozenset(
    [
        *("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"),
        "TRAILING_STOP_MARKET",
    ]
)
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
POSITION_SIDES = frozenset({"BOTH", "LONG", "SHORT"})
STP_MODES = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
WORKING_TYPES = frozenset({"MARK_PRICE", "CONTRACT_PRICE"})
CLIENT_ID_RANGE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
CLIENT_ID_MAX = 36
WEEK_MS = 7 * 86_400_000
ALL_CANCELED = {"code": 200, "msg": "The operation of cancel all open order is done."}


def client_id(params: Params, name: str = "newClientOrderId") -> str:
    """Return a client order id, empty when none was sent (-4015 when it is too long)."""
    if len(params.text(name)) > CLIENT_ID_MAX:
        raise VenueRefusal(-4015, f"Client order id length should be less than {CLIENT_ID_MAX} chars.")
    return check_client_id(params, name, CLIENT_ID_RANGE)


def read_order(params: Params) -> NewOrder:
    """Return the new order that the parameters describe; raises VenueRefusal."""
    symbol = usdm_symbol(params)
    side = params.choice("side", SIDES, VenueRefusal(-1117, "Invalid side."))
    kind = params.choice("type", TYPES, VenueRefusal(-1116, "Invalid orderType."))
    for name, value in (("side", side), ("type", kind)):
        if not value:
            raise missing(name)
    tif = params.choice("timeInForce", TIMES_IN_FORCE, VenueRefusal(-1115, "Invalid timeInForce."))
    order = NewOrder(
        venue=USDM,
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=tif,
        quantity=params.decimal("quantity"),
        price=params.decimal("price"),
        stop_price=params.decimal("stopPrice"),
        client_order_id=client_id(params),
        stp=params.choice("selfTradePreventionMode", ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")),
        position_side=params.choice("positionSide", POSITION_SIDES),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        price_match=params.text("priceMatch"),
        good_till_ms=params.integer("goodTillDate"),
        working_type=params.choice("workingType", WORKING_TYPES),
        price_protect=params.flag("priceProtect"),
    )
    if kind == "LIMIT":
        if not tif:
            raise missing("timeInForce")
        if order.price is None and not order.price_match:
            raise missing("price")
        if tif == "GTD" and not order.good_till_ms:
            raise missing("goodTillDate")
    if kind == "MARKET":
        params.refuse_sent("timeInForce", "price")
    if kind in {"LIMIT", "MARKET"} and order.quantity is None:
        raise missing("quantity")
    return order


def place(ask: Ask) -> object:
    """Place an order."""
    order = read_order(ask.params)
    answer = ask.params.choice("newOrderRespType", ("ACK", "RESULT"))
    placed = ask.backend.exchange.place(ask.account, order, ask.now_ms)
    return usdm_json.acknowledged(placed.order if answer == "RESULT" else as_new(placed.order))


def as_new(item: VenueOrder) -> VenueOrder:
    """Return an order as ACK tells it: before anything happened to it."""
    return msgspec.structs.replace(item, status="NEW", executed=item.quantity * 0, quote=Decimal(0))


def test(ask: Ask) -> object:
    """Check an order without placing it."""
    ask.params.choice("newOrderRespType", ("ACK", "RESULT"))
    placed = ask.backend.exchange.place(ask.account, read_order(ask.params), ask.now_ms, is_test=True)
    return usdm_json.order(placed.order)


def cancel(ask: Ask) -> object:
    """Cancel one order."""
    symbol = usdm_symbol(ask.params)
    order_id, orig_id = order_key(ask.params)
    item = ask.backend.exchange.cancel(ask.account, USDM, symbol, order_id, orig_id, ask.now_ms)
    return usdm_json.acknowledged(item)


def cancel_all(ask: Ask) -> object:
    """Cancel all orders of a market."""
    ask.backend.exchange.cancel_all(ask.account, USDM, usdm_symbol(ask.params), ask.now_ms)
    return ALL_CANCELED


def query(ask: Ask) -> object:
    """Tell one order."""
    symbol = usdm_symbol(ask.params)
    order_id, orig_id = order_key(ask.params)
    return usdm_json.order(ask.backend.exchange.order(ask.account, USDM, symbol, order_id, orig_id))


def query_open(ask: Ask) -> object:
    """Tell one open order (-2013 when it is closed)."""
    symbol = usdm_symbol(ask.params)
    order_id, orig_id = order_key(ask.params)
    item = ask.backend.exchange.order(ask.account, USDM, symbol, order_id, orig_id)
    if not item.is_open:
        raise VenueRefusal(-2013, "Order does not exist.")
    return usdm_json.order(item)


def open_orders(ask: Ask) -> object:
    """Tell the open orders of a market, or of all."""
    symbol = usdm_symbol(ask.params) if ask.params.has("symbol") else ""
    return [usdm_json.order(item) for item in ask.backend.exchange.open_orders(ask.account, USDM, symbol)]


def all_orders(ask: Ask) -> object:
    """Tell orders whatever their state."""
    params = ask.params
    start_ms, end_ms = check_span(params, WEEK_MS)
    items = ask.backend.exchange.all_orders(
        ask.account,
        USDM,
        usdm_symbol(params) if params.has("symbol") else "",
        order_id=params.integer("orderId"),
        start_ms=start_ms,
        end_ms=end_ms,
        limit=params.limit(500, 1000),
    )
    return [usdm_json.order(item) for item in items]


def user_trades(ask: Ask) -> object:
    """Tell the fills of a market."""
    params = ask.params
    symbol = usdm_symbol(params)
    start_ms, end_ms = check_span(params, WEEK_MS)
    if params.has("fromId") and (params.has("startTime") or params.has("endTime")):
        raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
    items = ask.backend.exchange.trades(
        ask.account,
        USDM,
        symbol,
        order_id=params.integer("orderId"),
        start_ms=start_ms,
        end_ms=end_ms,
        limit=params.limit(500, 1000),
        **({"from_id": params.integer("fromId")} if params.has("fromId") else {}),
    )
    return [usdm_json.trade(item) for item in items]
