"""Spot orders and fills as the venue's JSON, in the order of its fields."""

from collections.abc import Sequence

from services.venue_sim.exchange.records import Fill, VenueOrder
from services.venue_sim.wire.payload import Json, padded

NO_LIST = -1


def order(item: VenueOrder) -> Json:
    """Return an order as queries tell it."""
    told: Json = {
        "symbol": item.symbol,
        "orderId": item.order_id,
        "orderListId": NO_LIST,
        "clientOrderId": item.client_order_id,
        "price": padded(item.price),
        "origQty": padded(item.quantity),
        "executedQty": padded(item.executed),
        "cummulativeQuoteQty": padded(item.quote),
        "status": item.status,
        "timeInForce": item.time_in_force,
        "type": item.type,
        "side": item.side,
        "stopPrice": padded(item.stop_price),
        "icebergQty": padded(item.iceberg_qty),
        "time": item.created_ms,
        "updateTime": item.updated_ms,
        "isWorking": item.is_working,
        "workingTime": item.working_ms,
        "origQuoteOrderQty": padded(item.quote_qty),
        "selfTradePreventionMode": item.stp,
    }
    return told | _conditional(item, is_query=True)


def acknowledged(item: VenueOrder) -> Json:
    """Return the short answer to a new order."""
    return {
        "symbol": item.symbol,
        "orderId": item.order_id,
        "orderListId": NO_LIST,
        "clientOrderId": item.client_order_id,
        "transactTime": item.updated_ms,
    }


def result(item: VenueOrder) -> Json:
    """Return the answer to a new order with what came of it."""
    told: Json = {
        **acknowledged(item),
        "price": padded(item.price),
        "origQty": padded(item.quantity),
        "executedQty": padded(item.executed),
        "origQuoteOrderQty": padded(item.quote_qty),
        "cummulativeQuoteQty": padded(item.quote),
        "status": item.status,
        "timeInForce": item.time_in_force,
        "type": item.type,
        "side": item.side,
        "workingTime": item.working_ms,
        "selfTradePreventionMode": item.stp,
    }
    return told | _conditional(item)


def full(item: VenueOrder, fills: Sequence[Fill]) -> Json:
    """Return the answer to a new order with its fills."""
    return result(item) | {
        "fills": [
            {
                "price": padded(fill.price),
                "qty": padded(fill.quantity),
                "commission": padded(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    }


def canceled(item: VenueOrder, cancel_id: str) -> Json:
    """Return the report of a cancel: `origClientOrderId` is the order's id, `clientOrderId` the cancel's."""
    told: Json = {
        "symbol": item.symbol,
        "origClientOrderId": item.client_order_id,
        "orderId": item.order_id,
        "orderListId": NO_LIST,
        "clientOrderId": cancel_id,
        "transactTime": item.updated_ms,
        "price": padded(item.price),
        "origQty": padded(item.quantity),
        "executedQty": padded(item.executed),
        "origQuoteOrderQty": padded(item.quote_qty),
        "cummulativeQuoteQty": padded(item.quote),
        "status": item.status,
        "timeInForce": item.time_in_force,
        "type": item.type,
        "side": item.side,
        "selfTradePreventionMode": item.stp,
    }
    return told | _conditional(item)


def amended(item: VenueOrder, before_id: str) -> Json:
    """Return the `amendedOrder` of keepPriority; `before_id` is the client id that the order had."""
    told: Json = {
        "symbol": item.symbol,
        "orderId": item.order_id,
        "orderListId": NO_LIST,
        "origClientOrderId": before_id,
        "clientOrderId": item.client_order_id,
        "price": padded(item.price),
        "qty": padded(item.quantity),
        "executedQty": padded(item.executed),
        "preventedQty": padded(item.prevented),
        "quoteOrderQty": padded(item.quote_qty),
        "cumulativeQuoteQty": padded(item.quote),
        "status": item.status,
        "timeInForce": item.time_in_force,
        "type": item.type,
        "side": item.side,
        "workingTime": item.working_ms,
        "selfTradePreventionMode": item.stp,
    }
    return told | _conditional(item)


def trade(item: Fill) -> Json:
    """Return a fill as myTrades tells it."""
    return {
        "symbol": item.symbol,
        "id": item.trade_id,
        "orderId": item.order_id,
        "orderListId": NO_LIST,
        "price": padded(item.price),
        "qty": padded(item.quantity),
        "quoteQty": padded(item.quote),
        "commission": padded(item.commission),
        "commissionAsset": item.commission_asset,
        "time": item.time_ms,
        "isBuyer": item.side == "BUY",
        "isMaker": item.is_maker,
        "isBestMatch": True,
    }


def _conditional(item: VenueOrder, *, is_query: bool = False) -> Json:
    """Return the fields that only some orders have."""
    told: Json = {}
    if item.stop_price and not is_query:
        told["stopPrice"] = padded(item.stop_price)
    if item.iceberg_qty and not is_query:
        told["icebergQty"] = padded(item.iceberg_qty)
    if item.trailing_delta:
        told["trailingDelta"] = item.trailing_delta
    if item.strategy_id is not None:
        told["strategyId"] = item.strategy_id
    if item.strategy_type is not None:
        told["strategyType"] = item.strategy_type
    if item.prevented:
        told["preventedMatchId"] = item.prevented_match_id
        told["preventedQuantity"] = padded(item.prevented)
    return told
