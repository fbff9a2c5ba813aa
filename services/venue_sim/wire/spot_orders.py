"""Order calls of spot: new, test, cancel, cancel all, replace, amend, query."""

from hashlib import sha256

from services.venue_sim.exchange.records import NewOrder, PlacedOrder
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT
from services.venue_sim.wire import spot_json
from services.venue_sim.wire.calls import Ask, order_key
from services.venue_sim.wire.checks import check_client_id, check_span, spot_symbol
from services.venue_sim.wire.params import Params, invalid, missing
from services.venue_sim.wire.payload import Json, rate

SIDES = frozenset({"BUY", "SELL"})
TYPES = frozenset(
    [
        *("LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT"),
        *("TAKE_PROFIT", "TAKE_PROFIT_LIMIT"),
    ]
)
STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
PRICED = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
TIMED = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK"})
STP_MODES = frozenset(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"])
ANSWERS = frozenset({"ACK", "RESULT", "FULL"})
RESTRICTIONS = frozenset({"ONLY_NEW", "ONLY_PARTIALLY_FILLED"})
STRATEGY_TYPE_MIN = 1_000_000
CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
DAY_MS = 86_400_000
NEW_ORDER = (
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
    *("strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType"),
    "selfTradePreventionMode",
)


def read_order(params: Params, *, id_name: str = "newClientOrderId") -> NewOrder:
    """Return the new order that the parameters describe; raises VenueRefusal."""
    symbol = spot_symbol(params)
    side = params.choice("side", SIDES, VenueRefusal(-1117, "Invalid side."))
    kind = params.choice("type", TYPES, VenueRefusal(-1116, "Invalid orderType."))
    for name, value in (("side", side), ("type", kind)):
        if not value:
            raise missing(name)
    tif = params.choice("timeInForce", TIMES_IN_FORCE, VenueRefusal(-1115, "Invalid timeInForce."))
    order = NewOrder(
        venue=SPOT,
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=tif,
        quantity=params.decimal("quantity"),
        quote_qty=params.decimal("quoteOrderQty"),
        price=params.decimal("price"),
        stop_price=params.decimal("stopPrice"),
        trailing_delta=params.integer("trailingDelta") if params.has("trailingDelta") else None,
        iceberg_qty=params.decimal("icebergQty"),
        client_order_id=check_client_id(params, id_name, CLIENT_ID_RANGE),
        stp=params.choice("selfTradePreventionMode", STP_MODES),
        strategy_id=params.integer("strategyId") if params.has("strategyId") else None,
        strategy_type=params.integer("strategyType") if params.has("strategyType") else None,
    )
    if order.strategy_type is not None and order.strategy_type < STRATEGY_TYPE_MIN:
        raise VenueRefusal(-1134, f"strategyType was less than {STRATEGY_TYPE_MIN}.")
    _check_presence(params, order)
    return order


def _check_presence(params: Params, order: NewOrder) -> None:
    """Refuse what a type must have and has not, and what it must not have (binance.md 4.2)."""
    if order.type in TIMED and not order.time_in_force:
        raise missing("timeInForce")
    if order.type not in TIMED:
        params.refuse_sent("timeInForce")
    if order.type in PRICED and order.price is None:
        raise missing("price")
    if order.type not in PRICED:
        params.refuse_sent("price")
    if order.type == "MARKET":
        if order.quantity is None and order.quote_qty is None:
            raise missing("quantity")
        if order.quantity is not None and order.quote_qty is not None:
            raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
        params.refuse_sent("icebergQty")
    else:
        params.refuse_sent("quoteOrderQty")
        if order.quantity is None:
            raise missing("quantity")
    if order.type in STOPS:
        if order.stop_price is None and order.trailing_delta is None:
            raise VenueRefusal(
                -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"
            )
    else:
        params.refuse_sent("stopPrice", "trailingDelta")


def place(ask: Ask) -> object:
    """Place an order."""
    params = ask.params
    order = read_order(params)
    answer = _answer_kind(params, order)
    placed = ask.backend.exchange.place(ask.account, order, ask.now_ms)
    return _placed(placed, answer)


def _answer_kind(params: Params, order: NewOrder) -> str:
    default = "FULL" if order.type in {"LIMIT", "MARKET"} else "ACK"
    return params.choice("newOrderRespType", ANSWERS) or default


def _placed(placed: PlacedOrder, answer: str) -> Json:
    if answer == "ACK":
        return spot_json.acknowledged(placed.order)
    return spot_json.full(placed.order, placed.fills) if answer == "FULL" else spot_json.result(placed.order)


def test(ask: Ask) -> object:
    """Check an order without placing it."""
    order = read_order(ask.params)
    _answer_kind(ask.params, order)
    with_commission = ask.params.flag("computeCommissionRates")
    ask.backend.exchange.place(ask.account, order, ask.now_ms, is_test=True)
    if not with_commission:
        return {}
    fees = ask.backend.exchange.account(ask.account).fees
    maker, taker = (rate(ppm) for ppm in (fees.spot_maker_ppm, fees.spot_taker_ppm))
    return {
        "standardCommissionForOrder": {"maker": maker, "taker": taker},
        "specialCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "taxCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "discount": discount(ask),
    }


def discount(ask: Ask) -> Json:
    """Return whether commissions are paid in BNB, and what is left of them then."""
    pays = ask.backend.exchange.account(ask.account).fees.pays_in_bnb
    return {
        "enabledForAccount": pays,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.75000000",
    }


def cancel(ask: Ask) -> object:
    """Cancel one order."""
    symbol = spot_symbol(ask.params)
    order_id, client_id = order_key(ask.params)
    return _cancel(ask, symbol, order_id, client_id)


def _cancel(ask: Ask, symbol: str, order_id: int, client_id: str, name: str = "newClientOrderId") -> Json:
    params = ask.params
    cancel_id = check_client_id(params, name, CLIENT_ID_RANGE)
    restrictions = params.choice(
        "cancelRestrictions", RESTRICTIONS, VenueRefusal(-1145, "Invalid cancelRestrictions")
    )
    cancel_id = cancel_id or _made_id(ask, str(order_id) + client_id)
    item = ask.backend.exchange.cancel(
        ask.account,
        SPOT,
        symbol,
        order_id,
        client_id,
        ask.now_ms,
        new_client_order_id=cancel_id,
        restrictions=restrictions,
    )
    return spot_json.canceled(item, cancel_id)


def _made_id(ask: Ask, what: str) -> str:
    """Return the id of a cancel that came without one."""
    return sha256(f"{ask.account} {ask.now_ms} {what}".encode()).hexdigest()[:22]


def cancel_all(ask: Ask) -> object:
    """Cancel all orders of a market; an empty book is refused (-2011)."""
    symbol = spot_symbol(ask.params)
    exchange = ask.backend.exchange
    orders = exchange.open_orders(ask.account, SPOT, symbol)
    if not orders:
        raise VenueRefusal(-2011, "Unknown order sent.")
    reports = []
    for order in orders:
        made = _made_id(ask, str(order.order_id))
        item = exchange.cancel(
            ask.account, SPOT, symbol, order.order_id, "", ask.now_ms, new_client_order_id=made
        )
        reports.append(spot_json.canceled(item, made))
    return reports


def replace(ask: Ask) -> object:
    """Cancel an order and place another; see binance.md 4.3 for what is answered when one part fails."""
    params = ask.params
    modes = frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"})
    mode = params.choice("cancelReplaceMode", modes) or _raise(missing("cancelReplaceMode"))
    params.choice("orderRateLimitExceededMode", frozenset({"DO_NOTHING", "CANCEL_ONLY"}))
    order_id, client_id = params.integer("cancelOrderId"), params.text("cancelOrigClientOrderId")
    if not order_id and not client_id:
        raise VenueRefusal(
            -1102,
            "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!",
        )
    order = read_order(params)
    answer = _answer_kind(params, order)
    told: Json = {}
    try:
        told["cancelResponse"] = _cancel(ask, order.symbol, order_id, client_id, "cancelNewClientOrderId")
        told["cancelResult"] = "SUCCESS"
    except VenueRefusal as refusal:
        told = {"cancelResult": "FAILURE", "cancelResponse": _code(refusal)}
        if mode == "STOP_ON_FAILURE":
            told |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
            raise _replace_refusal(told, is_whole=True, counts_orders=True) from None
    try:
        told["newOrderResponse"] = _placed(ask.backend.exchange.place(ask.account, order, ask.now_ms), answer)
        told["newOrderResult"] = "SUCCESS"
    except VenueRefusal as refusal:
        told |= {"newOrderResult": "FAILURE", "newOrderResponse": _code(refusal)}
        raise _replace_refusal(told, is_whole=told["cancelResult"] == "FAILURE") from None
    if told["cancelResult"] == "FAILURE":
        raise _replace_refusal(told, is_whole=False, counts_orders=True)
    return _in_order(told)


def _replace_refusal(told: Json, *, is_whole: bool, counts_orders: bool = False) -> VenueRefusal:
    if is_whole:
        return VenueRefusal(
            -2022, "Order cancel-replace failed.", 400, data=_in_order(told), counts_orders=counts_orders
        )
    return VenueRefusal(
        -2021,
        "Order cancel-replace partially failed.",
        409,
        data=_in_order(told),
        counts_orders=counts_orders,
    )


def _in_order(told: Json) -> Json:
    return {
        key: told.get(key) for key in ("cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse")
    }


def _code(refusal: VenueRefusal) -> Json:
    return {"code": refusal.code, "msg": refusal.msg}


def _raise(refusal: VenueRefusal) -> str:
    raise refusal


def amend(ask: Ask) -> object:
    """Reduce the quantity of an order that keeps its place in the queue."""
    params = ask.params
    symbol = spot_symbol(params)
    order_id, client_id = order_key(params)
    quantity = params.decimal("newQty", is_required=True)
    if quantity is None or quantity <= 0:
        raise invalid("newQty")
    new_id = check_client_id(params, "newClientOrderId", CLIENT_ID_RANGE)
    exchange = ask.backend.exchange
    before = exchange.order(ask.account, SPOT, symbol, order_id, client_id)
    item, execution_id = exchange.amend(
        ask.account, symbol, order_id, client_id, quantity, ask.now_ms, new_client_order_id=new_id
    )
    return {
        "transactTime": ask.now_ms,
        "executionId": execution_id,
        "amendedOrder": spot_json.amended(item, before.client_order_id),
    }


def query(ask: Ask) -> object:
    """Tell one order."""
    symbol = spot_symbol(ask.params)
    order_id, client_id = order_key(ask.params)
    return spot_json.order(ask.backend.exchange.order(ask.account, SPOT, symbol, order_id, client_id))


def open_orders(ask: Ask) -> object:
    """Tell the open orders of a market, or of all."""
    symbol = spot_symbol(ask.params) if ask.params.has("symbol") else ""
    return [spot_json.order(item) for item in ask.backend.exchange.open_orders(ask.account, SPOT, symbol)]


def all_orders(ask: Ask) -> object:
    """Tell orders whatever their state."""
    params = ask.params
    symbol = spot_symbol(params)
    start_ms, end_ms = check_span(params, DAY_MS)
    items = ask.backend.exchange.all_orders(
        ask.account,
        SPOT,
        symbol,
        order_id=params.integer("orderId"),
        start_ms=start_ms,
        end_ms=end_ms,
        limit=params.limit(500, 1000),
    )
    return [spot_json.order(item) for item in items]


def my_trades(ask: Ask) -> object:
    """Tell the fills of a market."""
    params = ask.params
    symbol = spot_symbol(params)
    start_ms, end_ms = check_span(params, DAY_MS)
    if params.has("fromId") and (params.has("startTime") or params.has("endTime")):
        raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
    items = ask.backend.exchange.trades(
        ask.account,
        SPOT,
        symbol,
        order_id=params.integer("orderId"),
        start_ms=start_ms,
        end_ms=end_ms,
        limit=params.limit(500, 1000),
        **({"from_id": params.integer("fromId")} if params.has("fromId") else {}),
    )
    return [spot_json.trade(item) for item in items]
