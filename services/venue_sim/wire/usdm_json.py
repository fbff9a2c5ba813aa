"""USD-M orders, fills, balances and positions as the venue's JSON, in the order of its fields."""

from services.venue_sim.exchange.records import (
    AlgoOrder,
    Fill,
    Income,
    VenueOrder,
    VenuePosition,
    WalletBalance,
)
from services.venue_sim.wire.payload import Json, short, text


def acknowledged(item: VenueOrder) -> Json:
    """Return the answer to a new order, a cancel or a change: without average price and quote volume."""
    return {
        "orderId": item.order_id,
        "symbol": item.symbol,
        "status": item.status,
        "clientOrderId": item.client_order_id,
        "price": text(item.price),
        "origQty": text(item.quantity),
        "executedQty": text(item.executed),
        "cumQty": text(item.executed),
        **_manner(item),
        "updateTime": item.updated_ms,
    }


def order(item: VenueOrder) -> Json:
    """Return an order as queries tell it."""
    return {
        "orderId": item.order_id,
        "symbol": item.symbol,
        "status": item.status,
        "clientOrderId": item.client_order_id,
        "price": text(item.price),
        "avgPrice": short(round(item.average_price, 8)),
        "origQty": text(item.quantity),
        "executedQty": text(item.executed),
        "cumQuote": short(item.quote),
        **_manner(item),
        "time": item.created_ms,
        "updateTime": item.updated_ms,
    }


def _manner(item: VenueOrder) -> Json:
    return {
        "timeInForce": item.time_in_force,
        "type": item.type,
        "reduceOnly": item.reduce_only,
        "closePosition": item.close_position,
        "side": item.side,
        "positionSide": item.position_side,
        "stopPrice": short(item.stop_price),
        "workingType": item.working_type,
        "priceProtect": item.price_protect,
        "origType": item.original_type or item.type,
        "priceMatch": item.price_match,
        "selfTradePreventionMode": item.stp,
        "goodTillDate": item.good_till_ms,
    }


def trade(item: Fill) -> Json:
    """Return a fill as userTrades tells it."""
    return {
        "symbol": item.symbol,
        "id": item.trade_id,
        "orderId": item.order_id,
        "side": item.side,
        "price": text(item.price),
        "qty": text(item.quantity),
        "realizedPnl": short(item.realized),
        "quoteQty": short(item.quote),
        "commission": short(item.commission),
        "commissionAsset": item.commission_asset,
        "time": item.time_ms,
        "positionSide": item.position_side,
        "buyer": item.side == "BUY",
        "maker": item.is_maker,
    }


def income(item: Income) -> Json:
    """Return a change of the wallet."""
    return {
        "symbol": item.symbol,
        "incomeType": item.kind,
        "income": text(item.amount),
        "asset": item.asset,
        "time": item.time_ms,
        "info": str(item.trade_id) if item.trade_id else item.kind,
        "tranId": item.id,
        "tradeId": str(item.trade_id) if item.trade_id else "",
    }


def balance(item: WalletBalance, now_ms: int) -> Json:
    """Return a balance of the balance call."""
    return {
        "accountAlias": "SgsR",
        "asset": item.asset,
        "balance": text(item.wallet),
        "crossWalletBalance": text(item.cross_wallet),
        "crossUnPnl": text(item.unrealized),
        "availableBalance": text(item.available),
        "maxWithdrawAmount": text(item.withdrawable),
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def asset(item: WalletBalance, now_ms: int) -> Json:
    """Return an asset of the account call."""
    return {
        "asset": item.asset,
        "walletBalance": text(item.wallet),
        "unrealizedProfit": text(item.unrealized),
        "marginBalance": text(item.margin),
        "maintMargin": text(item.maintenance),
        "initialMargin": text(item.position_margin + item.order_margin),
        "positionInitialMargin": text(item.position_margin),
        "openOrderInitialMargin": text(item.order_margin),
        "crossWalletBalance": text(item.cross_wallet),
        "crossUnPnl": text(item.unrealized),
        "availableBalance": text(item.available),
        "maxWithdrawAmount": text(item.withdrawable),
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def account_position(item: VenuePosition) -> Json:
    """Return a position of the v3 account call."""
    return {
        "symbol": item.symbol,
        "positionSide": item.position_side,
        "positionAmt": text(item.quantity),
        "unrealizedProfit": text(item.unrealized),
        "isolatedMargin": _isolated_margin(item),
        "notional": text(item.notional),
        "isolatedWallet": short(item.isolated_wallet),
        "initialMargin": text(item.position_margin + item.order_margin),
        "maintMargin": text(item.maintenance),
        "updateTime": item.updated_ms,
    }


def account_position_v2(item: VenuePosition, max_notional: str) -> Json:
    """Return a position of the v2 account call."""
    return {
        "symbol": item.symbol,
        "initialMargin": text(item.position_margin + item.order_margin),
        "maintMargin": text(item.maintenance),
        "unrealizedProfit": text(item.unrealized),
        "positionInitialMargin": text(item.position_margin),
        "openOrderInitialMargin": text(item.order_margin),
        "leverage": str(item.leverage),
        "isolated": item.is_isolated,
        "entryPrice": text(item.entry_price),
        "breakEvenPrice": text(item.break_even),
        "maxNotional": max_notional,
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": item.position_side,
        "positionAmt": text(item.quantity),
        "notional": text(item.notional),
        "isolatedWallet": short(item.isolated_wallet),
        "updateTime": item.updated_ms,
    }


def position_risk(item: VenuePosition) -> Json:
    """Return a position of the v3 risk call."""
    return {
        "symbol": item.symbol,
        "positionSide": item.position_side,
        "positionAmt": text(item.quantity),
        "entryPrice": text(item.entry_price),
        "breakEvenPrice": text(item.break_even),
        "markPrice": text(item.mark_price),
        "unRealizedProfit": text(item.unrealized),
        "liquidationPrice": short(item.liquidation_price),
        "isolatedMargin": _isolated_margin(item),
        "notional": text(item.notional),
        "marginAsset": item.margin_asset,
        "isolatedWallet": short(item.isolated_wallet),
        "initialMargin": text(item.position_margin + item.order_margin),
        "maintMargin": text(item.maintenance),
        "positionInitialMargin": text(item.position_margin),
        "openOrderInitialMargin": text(item.order_margin),
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": item.updated_ms,
    }


def position_risk_v2(item: VenuePosition, max_notional: str) -> Json:
    """Return a position of the v2 risk call."""
    return {
        "symbol": item.symbol,
        "positionAmt": text(item.quantity),
        "entryPrice": text(item.entry_price),
        "breakEvenPrice": text(item.break_even),
        "markPrice": text(item.mark_price),
        "unRealizedProfit": text(item.unrealized),
        "liquidationPrice": short(item.liquidation_price),
        "leverage": str(item.leverage),
        "maxNotionalValue": max_notional,
        "marginType": "isolated" if item.is_isolated else "cross",
        "isolatedMargin": _isolated_margin(item),
        "isAutoAddMargin": "false",
        "positionSide": item.position_side,
        "notional": text(item.notional),
        "isolatedWallet": short(item.isolated_wallet),
        "updateTime": item.updated_ms,
    }


def _isolated_margin(item: VenuePosition) -> str:
    return short(item.isolated_wallet + item.unrealized) if item.is_isolated else "0"


def algo(item: AlgoOrder) -> Json:
    """Return a conditional order."""
    told: Json = {
        "algoId": item.algo_id,
        "clientAlgoId": item.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": item.type,
        "symbol": item.symbol,
        "side": item.side,
        "positionSide": item.position_side,
        "timeInForce": item.time_in_force,
        "quantity": text(item.quantity),
        "algoStatus": item.status,
        "actualOrderId": str(item.order_id) if item.order_id else "",
        "actualPrice": "0",
        "triggerPrice": text(item.trigger_price),
        "price": text(item.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": item.stp,
        "workingType": item.working_type,
        "priceMatch": item.price_match,
        "closePosition": item.close_position,
        "priceProtect": item.price_protect,
        "reduceOnly": item.reduce_only,
        "createTime": item.created_ms,
        "updateTime": item.updated_ms,
        "triggerTime": item.trigger_ms,
        "goodTillDate": item.good_till_ms,
    }
    if item.callback_rate:
        told |= {"activatePrice": text(item.activate_price), "callbackRate": short(item.callback_rate)}
    return told
