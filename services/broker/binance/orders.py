"""Commands as requests of the venue: which call, which parameters, what it costs.

What the venue does not offer in that form is refused by name, never sent in another form.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Request
from services.broker.binance.markets import Market
from services.broker.binance.settings import SPOT, BinanceSettings
from services.broker.binance.signing import Param
from shared.execution.commands import AskOrder, Cancel, Place
from shared.messages.orders import OrderType
from shared.units import NS_PER_MS, NS_PER_S, Side

GTD_LEAST_NS = 600 * NS_PER_S
_STP_TIFS = frozenset({"GTC", "IOC", "GTD"})
BATCH_PLACE_MAX = 5
BATCH_CANCEL_MAX = 10


class NotOffered(NamedTuple):
    """Why a place command cannot be put in the venue's words; `code` names the feature."""

    code: str
    reason: str


def prefix_of(venue: str) -> str:
    """Return where the venue's calls are."""
    return "/api/v3" if venue == SPOT else "/fapi/v1"


def place_params(
    place: Place, market: Market, settings: BinanceSettings, stp_modes: Sequence[str], now_ns: int
) -> dict[str, Param] | NotOffered:
    """Return the parameters of a new order, or what of it the venue does not offer.

    `stp_modes` are those the market allows; `now_ns` is the venue's time.
    """
    if settings.venue == SPOT:
        return _spot_params(place, market, settings, stp_modes)
    return _usdm_params(place, market, settings, now_ns)


def _head(place: Place, market: Market) -> dict[str, Param]:
    side = "BUY" if place.side is Side.BUY else "SELL"
    return {"symbol": market.name, "side": side, "newClientOrderId": place.client_order_id}


def _spot_params(
    place: Place, market: Market, settings: BinanceSettings, stp_modes: Sequence[str]
) -> dict[str, Param] | NotOffered:
    tif = str(place.tif).upper()
    is_limit = place.order_type is OrderType.LIMIT
    if place.expire_ns or tif == "GTD":
        return NotOffered("GTD", "spot has no orders that end at a time; cancel it instead")
    if place.is_reduce_only and place.side is Side.BUY:
        return NotOffered("reduceOnly", "spot holds no short position that a buy could reduce")
    if place.is_post_only and (place.stop_ticks or not is_limit or tif != "GTC"):
        return NotOffered("LIMIT_MAKER", "spot takes post-only for plain GTC limit orders alone")
    params = _head(place, market)
    params["quantity"] = market.qty_text(place.qty_lots)
    if place.is_post_only:
        params["type"] = "LIMIT_MAKER"
    elif place.stop_ticks:
        params["type"] = "STOP_LOSS_LIMIT" if is_limit else "STOP_LOSS"
        params["stopPrice"] = market.price_text(place.stop_ticks)
    else:
        params["type"] = "LIMIT" if is_limit else "MARKET"
    if is_limit:
        params["price"] = market.price_text(place.price_ticks)
        if not place.is_post_only:
            params["timeInForce"] = tif
    if settings.stp_mode in stp_modes:
        params["selfTradePreventionMode"] = settings.stp_mode
    # FULL tells the executions of a taker at once; a post-only order can have none.
    params["newOrderRespType"] = "RESULT" if place.is_post_only or place.stop_ticks else "FULL"
    return params


def _usdm_params(
    place: Place, market: Market, settings: BinanceSettings, now_ns: int
) -> dict[str, Param] | NotOffered:
    tif = str(place.tif).upper()
    is_limit = place.order_type is OrderType.LIMIT
    if place.stop_ticks:
        return NotOffered(
            "algoOrder", "USD-M took stops out of its order calls in 2025-12: hold the stop in the strategy"
        )
    if place.is_post_only and (not is_limit or tif != "GTC" or place.expire_ns):
        return NotOffered("GTX", "USD-M takes post-only as a time in force: for plain GTC limit orders alone")
    params = _head(place, market)
    params["type"] = "LIMIT" if is_limit else "MARKET"
    params["quantity"] = market.qty_text(place.qty_lots)
    if is_limit:
        tif = "GTX" if place.is_post_only else "GTD" if place.expire_ns else tif
        params["price"] = market.price_text(place.price_ticks)
        params["timeInForce"] = tif
        if tif == "GTD":
            if place.expire_ns < now_ns + GTD_LEAST_NS:
                return NotOffered("GTD", "USD-M ends orders at the earliest 600 s from now")
            params["goodTillDate"] = place.expire_ns // NS_PER_S * 1000
    elif place.expire_ns:
        return NotOffered("GTD", "a market order has no end")
    if place.is_reduce_only:
        params["reduceOnly"] = "true"
    if settings.stp_mode != "NONE" and (not is_limit or tif in _STP_TIFS):
        params["selfTradePreventionMode"] = settings.stp_mode
    params["newOrderRespType"] = "RESULT"
    return params


def place_request(venue: str, params: dict[str, Param]) -> Request:
    """Return the request of one new order."""
    return Request(
        Purpose.CREATE, Cost(1, 1), "POST", f"{prefix_of(venue)}/order", params, api_method="order.place"
    )


def batch_place_request(venue: str, orders: Sequence[dict[str, Param]]) -> Request:
    """Return the request of up to five new orders of USD-M."""
    text = json.dumps(list(orders), separators=(",", ":"))
    path = f"{prefix_of(venue)}/batchOrders"
    return Request(Purpose.CREATE, Cost(5, len(orders)), "POST", path, {"batchOrders": text})


def _order_params(command: Cancel | AskOrder, market: Market) -> dict[str, Param]:
    # The venue's id alone is the fastest; both together could disagree (-2039).
    if command.venue_order_id.isdigit():
        return {"symbol": market.name, "orderId": int(command.venue_order_id)}
    return {"symbol": market.name, "origClientOrderId": command.client_order_id}


def cancel_request(venue: str, cancel: Cancel, market: Market) -> Request:
    """Return the request of one cancel."""
    params = _order_params(cancel, market)
    path = f"{prefix_of(venue)}/order"
    return Request(Purpose.CANCEL, Cost(1), "DELETE", path, params, api_method="order.cancel")


def batch_cancel_request(venue: str, cancels: Sequence[Cancel], market: Market) -> Request:
    """Return the request of up to ten cancels of one market of USD-M, by our ids."""
    ids = json.dumps([cancel.client_order_id for cancel in cancels], separators=(",", ":"))
    params: dict[str, Param] = {"symbol": market.name, "origClientOrderIdList": ids}
    return Request(Purpose.CANCEL, Cost(1), "DELETE", f"{prefix_of(venue)}/batchOrders", params)


def order_request(venue: str, ask: AskOrder, market: Market) -> Request:
    """Return the request for one order."""
    params = _order_params(ask, market)
    weight = 4 if venue == SPOT else 1
    path = f"{prefix_of(venue)}/order"
    return Request(Purpose.QUERY, Cost(weight), "GET", path, params, api_method="order.status")


def open_orders_request(venue: str, name: str) -> Request:
    """Return the request for open orders of a market, of the account when `name` is empty."""
    params: dict[str, Param] = {"symbol": name} if name else {}
    weight = (6 if name else 80) if venue == SPOT else (1 if name else 40)
    return Request(Purpose.QUERY, Cost(weight), "GET", f"{prefix_of(venue)}/openOrders", params)


def cancel_all_request(venue: str, name: str) -> Request:
    """Return the venue's own cancel of a whole market."""
    if venue == SPOT:
        return Request(
            Purpose.CANCEL, Cost(1), "DELETE", "/api/v3/openOrders", {"symbol": name}, "openOrders.cancelAll"
        )
    return Request(Purpose.CANCEL, Cost(1), "DELETE", "/fapi/v1/allOpenOrders", {"symbol": name})


def countdown_request(name: str, countdown_ms: int) -> Request:
    """Return the request that arms, renews or (0) disarms the venue's own switch."""
    params: dict[str, Param] = {"symbol": name, "countdownTime": countdown_ms}
    return Request(Purpose.UPKEEP, Cost(10), "POST", "/fapi/v1/countdownCancelAll", params)


def account_request(venue: str) -> Request:
    """Return the request for balances and positions."""
    if venue == SPOT:
        return Request(Purpose.QUERY, Cost(20), "GET", "/api/v3/account", {"omitZeroBalances": "true"})
    return Request(Purpose.QUERY, Cost(5), "GET", "/fapi/v3/account", {})


def fills_request(venue: str, name: str, params: dict[str, Param]) -> Request:
    """Return the request for one page of our executions."""
    path = "/api/v3/myTrades" if venue == SPOT else "/fapi/v1/userTrades"
    weight = 20 if venue == SPOT else 5
    return Request(Purpose.QUERY, Cost(weight), "GET", path, {"symbol": name, **params})


def rights_request(settings: BinanceSettings) -> Request:
    """Return the request for what the key may do: of the key on live hosts, of the account on testnets."""
    endpoints = settings.endpoints
    if endpoints.rights:
        path = "/sapi/v1/account/apiRestrictions"
        return Request(Purpose.UPKEEP, Cost(1), "GET", path, {}, base=endpoints.rights)
    if settings.venue == SPOT:
        return Request(Purpose.UPKEEP, Cost(20), "GET", "/api/v3/account", {"omitZeroBalances": "true"})
    return Request(Purpose.UPKEEP, Cost(5), "GET", "/fapi/v1/accountConfig", {})


def income_request(since_ns: int) -> Request:
    """Return the request for funding payments of every market from a time on."""
    params: dict[str, Param] = {
        "incomeType": "FUNDING_FEE",
        "startTime": since_ns // NS_PER_MS,
        "limit": 1000,
    }
    return Request(Purpose.UPKEEP, Cost(30), "GET", "/fapi/v1/income", params)
