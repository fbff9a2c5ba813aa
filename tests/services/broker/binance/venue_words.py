"""An obedient venue without memory, for those that only look at the adapter: good and damaged answers."""

import json
from urllib.parse import parse_qsl

import hypothesis.strategies as st

from services.broker.binance.settings import SPOT, USDM
from shared.execution.outside import SendText
from shared.instrument import quote_exponent, tick_lot_atoms
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_MS

STEPS = {SPOT: ("0.01", "0.00001"), USDM: ("0.10", "0.001")}


def rules_of(venue, tick=None, lot=None):
    tick, lot = tick or STEPS[venue][0], lot or STEPS[venue][1]
    exponent = quote_exponent(tick, lot)
    return InstrumentRules(
        symbol=f"{venue}:BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=tick,
        lot_size=lot,
        quote_exponent=exponent,
        tick_lot_atoms=tick_lot_atoms(tick, lot, exponent),
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=1000,
        taker_fee_ppm=1000,
        is_derivative=venue == USDM,
    )


def order_body(params, now_ns, **changes):
    """Return an order as both venues tell it, made of the parameters of a request."""
    return {
        "symbol": params.get("symbol", "BTCUSDT"),
        "orderId": int(params.get("orderId", 77)),
        "clientOrderId": params.get("newClientOrderId") or params.get("origClientOrderId", "x"),
        "status": "NEW",
        "side": params.get("side", "BUY"),
        "price": params.get("price", "60000"),
        "origQty": params.get("quantity", "0.010"),
        "executedQty": "0",
        "type": params.get("type", "LIMIT"),
        "timeInForce": "GTC",
        "updateTime": now_ns // NS_PER_MS,
        **changes,
    }


def exchange_info(venue, status="TRADING", **changes):
    """Return an exchangeInfo answer with one market; `changes` replace whole filters."""
    tick, lot = STEPS[venue]
    value = {"notional": "5"} if venue == USDM else {"minNotional": "5", "applyMinToMarket": True}
    filters = {
        "PRICE_FILTER": {"minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        "LOT_SIZE": {"minQty": lot, "maxQty": "100", "stepSize": lot},
        "MARKET_LOT_SIZE": {"minQty": lot, "maxQty": "50", "stepSize": lot},
        "MIN_NOTIONAL" if venue == USDM else "NOTIONAL": value,
        "MAX_NUM_ORDERS": {"limit": 200} if venue == USDM else {"maxNumOrders": 200},
        "PERCENT_PRICE": {"multiplierUp": "1.1", "multiplierDown": "0.9"},
        **changes,
    }
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]
    market = {
        "symbol": "BTCUSDT",
        "status": status,
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_MAKER"],
        "filters": [{"filterType": name, **one} for name, one in filters.items() if one],
    }
    return {"rateLimits": limits, "symbols": [market]}


def answer_body(venue, item, now_ns):
    """Return a good answer to any request of an adapter."""
    if isinstance(item, SendText):
        asked = json.loads(item.text)
        return json.dumps(_good(venue, asked["method"], asked.get("params", {}), now_ns)).encode()
    path, _, query = item.target.partition("?")
    name = f"{item.method} {path.rpartition('/')[2]}"
    return json.dumps(_good(venue, name, dict(parse_qsl(query)), now_ns)).encode()


def _good(venue, name, params, now_ns):
    order = order_body(params, now_ns)
    ids = json.loads(params.get("origClientOrderIdList", "[]"))
    orders = json.loads(params.get("batchOrders", "[]"))
    canceled = {"status": "CANCELED", "updateTime": 1}
    account = {"balances": [], "assets": [], "positions": [], "canTrade": True}
    return {
        "GET time": {"serverTime": now_ns // NS_PER_MS},
        "GET exchangeInfo": exchange_info(venue),
        "GET apiRestrictions": {
            "enableWithdrawals": False,
            "enableSpotAndMarginTrading": True,
            "enableFutures": True,
        },
        "GET dual": {"dualSidePosition": False},
        "GET avgPrice": {"price": "60000"},
        "GET premiumIndex": {"symbol": "BTCUSDT", "markPrice": "60000"},
        "GET account": account,
        "GET income": [],
        "GET order": order,
        "GET openOrders": [order_body({}, now_ns)],
        "GET myTrades": [],
        "GET userTrades": [],
        "POST listenKey": {"listenKey": "abc123"},
        "PUT listenKey": {"listenKey": "abc123"},
        "POST order": order,
        "POST countdownCancelAll": {"symbol": "BTCUSDT", "countdownTime": "1000"},
        "POST batchOrders": [order_body(one, now_ns) for one in orders],
        "DELETE order": {**order, **canceled},
        "DELETE openOrders": [{**order_body({}, now_ns), **canceled}],
        "DELETE allOpenOrders": {"code": 200, "msg": "done"},
        "DELETE batchOrders": [order_body({"origClientOrderId": one}, now_ns, **canceled) for one in ids],
        "order.place": order,
        "order.cancel": {**order, **canceled},
        "order.status": order,
        "openOrders.cancelAll": [],
        "userDataStream.subscribe.signature": {"subscriptionId": 0},
        "userDataStream.subscribe": {"subscriptionId": 0},
        "session.subscriptions": [{"subscriptionId": 0}],
        "session.logon": {},
        "LIST_SUBSCRIPTIONS": [],
    }[name]


WRONG = (None, True, -1, 1.5, "", "x", "1e999", "NaN", [], {}, 2**70)


def damaged(body, draw):
    """Return an answer with something missing, added, of a wrong type, or cut off."""
    how = draw(st.sampled_from(("missing", "extra", "wrong", "cut", "noise")))
    if how == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if how == "noise":
        return draw(st.binary(max_size=40))
    value = json.loads(body)
    target = value[0] if isinstance(value, list) and value else value
    if not isinstance(target, dict) or not target:
        return json.dumps(draw(st.sampled_from(WRONG))).encode()
    key = draw(st.sampled_from(sorted(target)))
    if how == "missing":
        del target[key]
    elif how == "extra":
        target["somethingNew"] = draw(st.sampled_from(WRONG))
    else:
        target[key] = draw(st.sampled_from(WRONG))
    return json.dumps(value).encode()
