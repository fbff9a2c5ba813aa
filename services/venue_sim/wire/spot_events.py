"""Events of the spot user data stream as the venue's JSON, in the order of its fields."""

from decimal import Decimal

from services.venue_sim.exchange.records import (
    AnyEvent,
    BalanceMoved,
    OrderEvent,
    SpotBalances,
)
from services.venue_sim.wire.payload import Json, padded

ZERO = "0.00000000"


def payloads(event: AnyEvent) -> list[Json]:
    """Return what the stream tells of an event of the exchange, nothing for one that spot does not know."""
    if isinstance(event, OrderEvent):
        return [execution_report(event)]
    if isinstance(event, SpotBalances):
        return [
            {
                "e": "outboundAccountPosition",
                "E": event.time_ms,
                "u": event.time_ms,
                "B": [{"a": b.asset, "f": padded(b.free), "l": padded(b.locked)} for b in event.balances],
            }
        ]
    if isinstance(event, BalanceMoved):
        moved = {"a": event.asset, "d": padded(event.delta), "T": event.time_ms}
        return [{"e": "balanceUpdate", "E": event.time_ms, **moved}]
    return []


def execution_report(event: OrderEvent) -> Json:
    """Return an executionReport; `c` is the cancel's id on a cancel, and `C` then the order's."""
    order, fill = event.order, event.fill
    is_renamed = event.client_order_id != order.client_order_id
    told: Json = {
        "e": "executionReport",
        "E": event.time_ms,
        "s": order.symbol,
        "c": event.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": padded(order.quantity),
        "p": padded(order.price),
        "P": padded(order.stop_price),
        "F": padded(order.iceberg_qty),
        "g": -1,
        "C": order.client_order_id if is_renamed else "",
        "x": event.kind,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": padded(fill.quantity) if fill else ZERO,
        "z": padded(order.executed),
        "L": padded(fill.price) if fill else ZERO,
        "n": padded(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": event.time_ms,
        "t": fill.trade_id if fill else -1,
        "I": event.event_id,
        "w": order.is_open and order.is_working,
        "m": fill.is_maker if fill else False,
        "M": fill is not None,
        "O": order.created_ms,
        "Z": padded(order.quote),
        "Y": padded(fill.quote) if fill else ZERO,
        "Q": padded(order.quote_qty),
    }
    if order.working_ms > 0:
        told["W"] = order.working_ms
    told["V"] = order.stp
    return told | _conditional(event)


def _conditional(event: OrderEvent) -> Json:
    order = event.order
    told: Json = {}
    if order.trailing_delta:
        told["d"] = order.trailing_delta
    if order.strategy_id is not None:
        told["j"] = order.strategy_id
    if order.strategy_type is not None:
        told["J"] = order.strategy_type
    if event.kind == "TRADE_PREVENTION" or event.prevented_quantity:
        price, quantity = event.prevented_price, event.prevented_quantity
        told |= {
            "v": order.prevented_match_id,
            "A": padded(order.prevented),
            "B": padded(quantity),
            "u": 1,
            "U": event.counter_order_id,
            "Cs": order.symbol,
            "pl": padded(quantity),
            "pL": padded(price),
            "pY": padded((price * quantity).quantize(Decimal(ZERO))),
        }
    return told
