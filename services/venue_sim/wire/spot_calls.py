"""The calls of spot: REST by method and path, the WebSocket API by name (weights: binance.md 4.1)."""

from services.venue_sim.wire import market_calls, spot_account, spot_orders
from services.venue_sim.wire.calls import Call, bracket, weighs
from services.venue_sim.wire.exchange_info import exchange_info
from services.venue_sim.wire.security import Security
from services.venue_sim.wire.spot_orders import NEW_ORDER

PUBLIC, KEY, TRADE, USER_DATA = Security.PUBLIC, Security.KEY, Security.TRADE, Security.USER_DATA
ORDER = ("symbol", "orderId", "origClientOrderId")
CANCEL = (*ORDER, "newClientOrderId", "cancelRestrictions")
REPLACE = (
    *NEW_ORDER,
    *("cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"),
    *("cancelRestrictions", "orderRateLimitExceededMode"),
)
SPAN = ("symbol", "startTime", "endTime", "limit")
TICKER = ("symbol", "symbols", "symbolStatus")
DEPTH_WEIGHT = bracket(100, ((100, 5), (500, 25), (1000, 50), (5000, 250)))

_place = Call(spot_orders.place, TRADE, 1, 1, is_free=True, takes=NEW_ORDER)
_test = Call(
    spot_orders.test,
    TRADE,
    weighs("computeCommissionRates", 1, 20),
    takes=(*NEW_ORDER, "computeCommissionRates"),
)
_cancel = Call(spot_orders.cancel, TRADE, 1, is_free=True, takes=CANCEL)
_cancel_all = Call(spot_orders.cancel_all, TRADE, 1, is_free=True, takes=("symbol",))
_replace = Call(spot_orders.replace, TRADE, 1, 1, is_free=True, takes=REPLACE)
_amend = Call(spot_orders.amend, TRADE, 4, takes=(*ORDER, "newQty", "newClientOrderId"))
_query = Call(spot_orders.query, USER_DATA, 4, takes=ORDER)
_open = Call(spot_orders.open_orders, USER_DATA, weighs("symbol", 80, 6), takes=("symbol",))
_all = Call(spot_orders.all_orders, USER_DATA, 20, takes=(*SPAN, "orderId"))
_trades = Call(spot_orders.my_trades, USER_DATA, weighs("orderId", 20, 5), takes=(*SPAN, "orderId", "fromId"))
_account = Call(spot_account.account, USER_DATA, 20, takes=("omitZeroBalances",))
_commission = Call(spot_account.commission, USER_DATA, 20, takes=("symbol",))
_counts = Call(spot_account.order_counts, USER_DATA, 40, takes=())
_prevented = Call(
    spot_account.prevented_matches,
    USER_DATA,
    20,
    takes=("symbol", "preventedMatchId", "orderId", "fromPreventedMatchId", "limit"),
)
_rights = Call(spot_account.key_rights, USER_DATA, 1, takes=())
_price = Call(market_calls.price, PUBLIC, weighs("symbol", 4, 2), takes=TICKER)
_book = Call(market_calls.book_ticker, PUBLIC, weighs("symbol", 4, 2), takes=TICKER)
_day = Call(market_calls.day, PUBLIC, weighs("symbol", 80, 2), takes=(*TICKER, "type"))
_average = Call(market_calls.average_price, PUBLIC, 2, takes=("symbol",))
_recent = Call(market_calls.trades, PUBLIC, 25, takes=("symbol", "limit"))
_historical = Call(market_calls.trades, PUBLIC, 25, takes=("symbol", "limit", "fromId"))
_aggregate = Call(market_calls.aggregate_trades, PUBLIC, 4, takes=(*SPAN, "fromId"))
_info = Call(exchange_info, PUBLIC, 20)
_ping = Call(market_calls.ping, PUBLIC, 1)
_time = Call(market_calls.server_time, PUBLIC, 1)

SPOT_REST = {
    ("POST", "/api/v3/order"): _place,
    ("DELETE", "/api/v3/order"): _cancel,
    ("GET", "/api/v3/order"): _query,
    ("POST", "/api/v3/order/test"): _test,
    ("POST", "/api/v3/order/cancelReplace"): _replace,
    ("PUT", "/api/v3/order/amend/keepPriority"): _amend,
    ("GET", "/api/v3/openOrders"): _open,
    ("DELETE", "/api/v3/openOrders"): _cancel_all,
    ("GET", "/api/v3/allOrders"): _all,
    ("GET", "/api/v3/myTrades"): _trades,
    ("GET", "/api/v3/myPreventedMatches"): _prevented,
    ("GET", "/api/v3/account"): _account,
    ("GET", "/api/v3/account/commission"): _commission,
    ("GET", "/api/v3/rateLimit/order"): _counts,
    ("GET", "/sapi/v1/account/apiRestrictions"): _rights,
    ("GET", "/api/v3/ticker/price"): _price,
    ("GET", "/api/v3/ticker/bookTicker"): _book,
    ("GET", "/api/v3/ticker/24hr"): _day,
    ("GET", "/api/v3/avgPrice"): _average,
    ("GET", "/api/v3/trades"): _recent,
    ("GET", "/api/v3/historicalTrades"): _historical,
    ("GET", "/api/v3/aggTrades"): _aggregate,
    ("GET", "/api/v3/exchangeInfo"): _info,
    ("GET", "/api/v3/ping"): _ping,
    ("GET", "/api/v3/time"): _time,
}
SPOT_WS = {
    "order.place": _place,
    "order.test": _test,
    "order.cancel": _cancel,
    "order.cancelReplace": _replace,
    "order.amend.keepPriority": _amend,
    "order.status": _query,
    "openOrders.status": _open,
    "openOrders.cancelAll": _cancel_all,
    "allOrders": _all,
    "myTrades": _trades,
    "myPreventedMatches": _prevented,
    "account.status": _account,
    "account.commission": _commission,
    "account.rateLimits.orders": _counts,
    "ticker.price": _price,
    "ticker.book": _book,
    "ticker.24hr": _day,
    "avgPrice": _average,
    "trades.recent": _recent,
    "trades.historical": _historical,
    "trades.aggregate": _aggregate,
    "ping": _ping,
    "time": _time,
    "depth": Call(
        market_calls.relay("/api/v3/depth", "symbol", "limit"),
        PUBLIC,
        DEPTH_WEIGHT,
        takes=("symbol", "limit"),
    ),
    "klines": Call(
        market_calls.relay("/api/v3/klines", "symbol", "interval", "startTime", "endTime", "limit"), PUBLIC, 2
    ),
    "exchangeInfo": _info,
}
