"""Events of the USD-M user data stream as the venue's JSON, in the order of its fields."""

from services.venue_sim.exchange.records import (
    AccountConfig,
    AccountUpdate,
    AlgoEvent,
    AlgoOrder,
    AnyEvent,
    Fill,
    MarginCall,
    OrderEvent,
    VenuePosition,
)
from services.venue_sim.wire.payload import Json, short, text

# Why an order ended, in the venue's numbers (`er`).
EXPIRY = {"STP": "1", "IOC": "2", "LIQUIDATION": "5", "VENUE": "7", "MARKET": "9"}


def payloads(event: AnyEvent) -> list[Json]:
    """Return what the stream tells of an event of the exchange, nothing for one that USD-M does not know."""
    at = {"E": event.time_ms, "T": event.time_ms}
    if isinstance(event, OrderEvent):
        lite = [_trade_lite(event, event.fill)] if event.kind == "TRADE" and event.fill else []
        return [*lite, {"e": "ORDER_TRADE_UPDATE", **at, "o": _order(event)}]
    if isinstance(event, AccountUpdate):
        return [{"e": "ACCOUNT_UPDATE", **at, "a": _account(event)}]
    if isinstance(event, AccountConfig):
        what: Json = (
            {"ac": {"s": event.symbol, "l": event.leverage}}
            if event.symbol
            else {"ai": {"j": event.is_multi_assets}}
        )
        return [{"e": "ACCOUNT_CONFIG_UPDATE", **at, **what}]
    if isinstance(event, MarginCall):
        told = [_margin_call(position) for position in event.positions]
        return [{"e": "MARGIN_CALL", "E": event.time_ms, "cw": text(event.cross_wallet), "p": told}]
    if isinstance(event, AlgoEvent):
        return [{"e": "ALGO_UPDATE", "T": event.time_ms, "E": event.time_ms, "o": _algo(event.algo)}]
    return []


def _trade_lite(event: OrderEvent, fill: Fill) -> Json:
    order = event.order
    return {
        "e": "TRADE_LITE",
        "E": event.time_ms,
        "T": event.time_ms,
        "s": order.symbol,
        "q": text(order.quantity),
        "p": text(order.price),
        "m": fill.is_maker,
        "c": order.client_order_id,
        "S": order.side,
        "L": text(fill.price),
        "l": text(fill.quantity),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def _order(event: OrderEvent) -> Json:
    order, fill = event.order, event.fill
    told: Json = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": text(order.quantity),
        "p": text(order.price),
        "ap": short(round(order.average_price, 8)),
        "sp": short(order.stop_price),
        "x": event.kind,
        "X": order.status,
        "i": order.order_id,
        "l": text(fill.quantity) if fill else "0",
        "z": text(order.executed),
        "L": text(fill.price) if fill else "0",
        "n": short(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": event.time_ms,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.is_maker if fill else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.original_type or order.type,
        "ps": order.position_side,
        "cp": order.close_position,
        "rp": short(fill.realized) if fill else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.stp,
        "pm": order.price_match,
        "gtd": order.good_till_ms,
        "er": EXPIRY.get(order.expiry_reason, "0"),
    }
    if fill is None:
        del told["N"]
    if event.modify_id:
        told["M"] = event.modify_id
    return told


def _account(event: AccountUpdate) -> Json:
    told: Json = {
        "m": event.reason,
        "B": [
            {"a": b.asset, "wb": text(b.wallet), "cw": text(b.cross_wallet), "bc": short(b.change)}
            for b in event.balances
        ],
    }
    told["P"] = [
        {
            "s": p.symbol,
            "pa": short(p.quantity),
            "ep": short(p.entry_price),
            "bep": short(p.break_even),
            "cr": short(p.realized),
            "up": short(p.unrealized),
            "mt": "isolated" if p.is_isolated else "cross",
            "iw": short(p.isolated_wallet),
            "ps": p.position_side,
        }
        for p in event.positions
    ]
    if event.symbol:
        told["S"] = event.symbol
    return told


def _margin_call(position: VenuePosition) -> Json:
    return {
        "s": position.symbol,
        "ps": position.position_side,
        "pa": short(position.quantity),
        "mt": "ISOLATED" if position.is_isolated else "CROSSED",
        "iw": short(position.isolated_wallet),
        "mp": text(position.mark_price),
        "up": text(position.unrealized),
        "mm": text(position.maintenance),
    }


def _algo(item: AlgoOrder) -> Json:
    return {
        "caid": item.client_algo_id,
        "aid": item.algo_id,
        "at": "CONDITIONAL",
        "o": item.type,
        "s": item.symbol,
        "S": item.side,
        "ps": item.position_side,
        "f": item.time_in_force,
        "q": text(item.quantity),
        "X": item.status,
        "ai": str(item.order_id) if item.order_id else "",
        "ap": "0",
        "aq": "0",
        "act": "0",
        "tp": text(item.trigger_price),
        "p": text(item.price),
        "V": item.stp,
        "wt": item.working_type,
        "pm": item.price_match,
        "cp": item.close_position,
        "pP": item.price_protect,
        "R": item.reduce_only,
        "tt": item.trigger_ms,
        "gtd": item.good_till_ms,
        "rm": item.reason,
    }
