"""The calls of USD-M: REST by method and path, the WebSocket API by name (weights: binance.md 4.1)."""

from services.venue_sim.wire import (
    market_calls,
    usdm_account,
    usdm_algo,
    usdm_changes,
    usdm_orders,
    usdm_settings,
)
from services.venue_sim.wire.calls import Call, bracket, weighs
from services.venue_sim.wire.exchange_info import exchange_info
from services.venue_sim.wire.security import Security
from services.venue_sim.wire.spot_account import key_rights

PUBLIC, KEY, TRADE, USER_DATA = Security.PUBLIC, Security.KEY, Security.TRADE, Security.USER_DATA
DEPTH_WEIGHT = bracket(500, ((50, 2), (100, 5), (500, 10), (1000, 20)))

_place = Call(usdm_orders.place, TRADE, 0, 1)
_cancel = Call(usdm_orders.cancel, TRADE, 1)
_modify = Call(usdm_changes.modify, TRADE, 1, 1)
_algo_place = Call(usdm_algo.place, TRADE, 0, 1)
_algo_cancel = Call(usdm_algo.cancel, TRADE, 1)
_query = Call(usdm_orders.query, USER_DATA, 1)
_counts = Call(usdm_account.order_counts, USER_DATA, 1)
_balance = Call(usdm_account.balance, USER_DATA, 5)
_account = Call(usdm_account.account, USER_DATA, 5)
_account_v2 = Call(usdm_account.account_v2, USER_DATA, 5)
_positions = Call(usdm_account.positions, USER_DATA, 5)
_positions_v2 = Call(usdm_account.positions_v2, USER_DATA, 5)
_open_key = Call(usdm_account.open_listen_key, KEY, 1)
_keep_key = Call(usdm_account.keep_listen_key, KEY, 1)
_close_key = Call(usdm_account.close_listen_key, KEY, 1)
_price = Call(market_calls.price, PUBLIC, weighs("symbol", 2, 1))
_book = Call(market_calls.book_ticker, PUBLIC, weighs("symbol", 5, 2))
_ping = Call(market_calls.ping, PUBLIC, 1)
_time = Call(market_calls.server_time, PUBLIC, 1)

USDM_REST = {
    ("POST", "/fapi/v1/order"): _place,
    ("DELETE", "/fapi/v1/order"): _cancel,
    ("GET", "/fapi/v1/order"): _query,
    ("PUT", "/fapi/v1/order"): _modify,
    ("POST", "/fapi/v1/order/test"): Call(usdm_orders.test, TRADE, 1),
    ("GET", "/fapi/v1/openOrder"): Call(usdm_orders.query_open, USER_DATA, 1),
    ("GET", "/fapi/v1/openOrders"): Call(usdm_orders.open_orders, USER_DATA, weighs("symbol", 40, 1)),
    ("DELETE", "/fapi/v1/allOpenOrders"): Call(usdm_orders.cancel_all, TRADE, 1),
    ("GET", "/fapi/v1/allOrders"): Call(usdm_orders.all_orders, USER_DATA, 5),
    ("POST", "/fapi/v1/batchOrders"): Call(usdm_changes.batch_place, TRADE, 5, usdm_changes.parts_count),
    ("PUT", "/fapi/v1/batchOrders"): Call(usdm_changes.batch_modify, TRADE, 5, usdm_changes.parts_count),
    ("DELETE", "/fapi/v1/batchOrders"): Call(usdm_changes.batch_cancel, TRADE, 1),
    ("POST", "/fapi/v1/countdownCancelAll"): Call(usdm_changes.countdown, TRADE, 10),
    ("POST", "/fapi/v1/algoOrder"): _algo_place,
    ("DELETE", "/fapi/v1/algoOrder"): _algo_cancel,
    ("GET", "/fapi/v1/algoOrder"): Call(usdm_algo.query, USER_DATA, 1),
    ("GET", "/fapi/v1/openAlgoOrders"): Call(usdm_algo.open_orders, USER_DATA, weighs("symbol", 40, 1)),
    ("GET", "/fapi/v1/allAlgoOrders"): Call(usdm_algo.all_orders, USER_DATA, 5),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Call(usdm_algo.cancel_all, TRADE, 1),
    ("GET", "/fapi/v1/userTrades"): Call(usdm_orders.user_trades, USER_DATA, 5),
    ("GET", "/fapi/v1/income"): Call(usdm_account.income, USER_DATA, 30),
    ("GET", "/fapi/v1/rateLimit/order"): _counts,
    ("GET", "/fapi/v2/account"): _account_v2,
    ("GET", "/fapi/v3/account"): _account,
    ("GET", "/fapi/v2/balance"): _balance,
    ("GET", "/fapi/v3/balance"): _balance,
    ("GET", "/fapi/v2/positionRisk"): _positions_v2,
    ("GET", "/fapi/v3/positionRisk"): _positions,
    ("POST", "/fapi/v1/leverage"): Call(usdm_settings.set_leverage, TRADE, 1),
    ("POST", "/fapi/v1/marginType"): Call(usdm_settings.set_margin_type, TRADE, 1),
    ("POST", "/fapi/v1/positionMargin"): Call(usdm_settings.change_isolated_margin, TRADE, 1),
    ("POST", "/fapi/v1/positionSide/dual"): Call(usdm_settings.set_position_mode, TRADE, 1),
    ("POST", "/fapi/v1/multiAssetsMargin"): Call(usdm_settings.set_multi_assets, TRADE, 1),
    ("GET", "/fapi/v1/symbolConfig"): Call(usdm_settings.symbol_config, USER_DATA, 5),
    ("GET", "/fapi/v1/leverageBracket"): Call(usdm_settings.leverage_brackets, USER_DATA, 1),
    ("GET", "/fapi/v1/positionSide/dual"): Call(usdm_account.position_mode, USER_DATA, 30),
    ("GET", "/fapi/v1/multiAssetsMargin"): Call(usdm_account.multi_assets, USER_DATA, 30),
    ("GET", "/fapi/v1/accountConfig"): Call(usdm_account.account_config, USER_DATA, 5),
    ("GET", "/fapi/v1/commissionRate"): Call(usdm_account.commission_rate, USER_DATA, 20),
    ("POST", "/fapi/v1/listenKey"): _open_key,
    ("PUT", "/fapi/v1/listenKey"): _keep_key,
    ("DELETE", "/fapi/v1/listenKey"): _close_key,
    # The spot host has it at the live venue; clients that know one host only may ask here too.
    ("GET", "/sapi/v1/account/apiRestrictions"): Call(key_rights, USER_DATA, 1),
    ("GET", "/fapi/v1/ticker/price"): _price,
    ("GET", "/fapi/v2/ticker/price"): _price,
    ("GET", "/fapi/v1/ticker/bookTicker"): _book,
    ("GET", "/fapi/v1/ticker/24hr"): Call(market_calls.day, PUBLIC, weighs("symbol", 40, 1)),
    ("GET", "/fapi/v1/premiumIndex"): Call(market_calls.premium_index, PUBLIC, weighs("symbol", 10, 1)),
    ("GET", "/fapi/v1/fundingRate"): Call(market_calls.funding_rates, PUBLIC, 1),
    ("GET", "/fapi/v1/trades"): Call(market_calls.trades, PUBLIC, 5),
    ("GET", "/fapi/v1/historicalTrades"): Call(market_calls.trades, PUBLIC, 20),
    ("GET", "/fapi/v1/aggTrades"): Call(market_calls.aggregate_trades, PUBLIC, 20),
    ("GET", "/fapi/v1/exchangeInfo"): Call(exchange_info, PUBLIC, 1),
    ("GET", "/fapi/v1/ping"): _ping,
    ("GET", "/fapi/v1/time"): _time,
}
USDM_WS = {
    "order.place": _place,
    "order.cancel": _cancel,
    "order.modify": _modify,
    "algoOrder.place": _algo_place,
    "algoOrder.cancel": _algo_cancel,
    "order.status": _query,
    "account.balance": _balance,
    "v2/account.balance": _balance,
    "account.status": _account_v2,
    "v2/account.status": _account,
    "account.position": _positions_v2,
    "v2/account.position": _positions,
    "userDataStream.start": _open_key,
    "userDataStream.ping": _keep_key,
    "userDataStream.stop": _close_key,
    "ticker.price": _price,
    "ticker.book": _book,
    "depth": Call(market_calls.relay("/fapi/v1/depth", "symbol", "limit"), PUBLIC, DEPTH_WEIGHT),
    "ping": _ping,
    "time": _time,
}
