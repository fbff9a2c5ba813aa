"""One order as the log tells it: folded from its intent and its reports, for exports and views."""

from typing import Any

import msgspec

from shared.messages import Event, orders
from shared.messages.venue import OrderAdopted
from shared.orders import ImpossibleReportError, OrderState, next_state

REPORTS: tuple[type[Any], ...] = (
    orders.OrderApproved,
    orders.OrderAdjusted,
    orders.OrderRefused,
    orders.OrderSent,
    orders.NotSent,
    orders.OrderAccepted,
    orders.OrderTriggered,
    orders.OrderRejected,
    orders.Fill,
    orders.OrderCanceled,
    orders.OrderExpired,
    orders.OrderUnknown,
    orders.CancelRejected,
)


_STATES = {state.value: state for state in OrderState}
_APPROVALS = (orders.OrderApproved, orders.OrderAdjusted)


class OrderRecord(msgspec.Struct, array_like=True):
    """The state of one order. `qty_lots` is what risk approved once it has, before that what was asked.

    `seq` and `ts_ns` are those of the intent, `updated_*` those of the newest report.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: int
    price_ticks: int
    qty_lots: int
    order_type: str
    tif: str
    is_post_only: bool
    slot: str
    seq: int
    ts_ns: int
    updated_seq: int
    updated_ts_ns: int
    filled_lots: int = 0
    state: str = OrderState.INTENDED.value
    reason: str = ""
    expire_ns: int = 0
    stop_ticks: int = 0

    @property
    def is_final(self) -> bool:
        """Return whether nothing but a late fill may follow."""
        return _STATES[self.state].is_final


def of_intent(event: Event) -> OrderRecord:
    """Return the record that an `OrderIntent` begins."""
    intent: orders.OrderIntent = event.message
    header = event.header
    return OrderRecord(
        client_order_id=intent.client_order_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=int(intent.side),
        price_ticks=intent.price_ticks,
        qty_lots=intent.qty_lots,
        order_type=intent.order_type.value,
        tif=intent.tif.value,
        is_post_only=intent.is_post_only,
        slot=intent.slot,
        seq=header.seq,
        ts_ns=header.ts_ns,
        updated_seq=header.seq,
        updated_ts_ns=header.ts_ns,
        reason=intent.reason,
        expire_ns=intent.expire_ns,
        stop_ticks=intent.stop_ticks,
    )


def of_adopted(event: Event) -> OrderRecord:
    """Return the record of an order that the venue shows and our log did not know (I-19)."""
    adopted: OrderAdopted = event.message
    header = event.header
    state = OrderState.PARTIALLY_FILLED if adopted.filled_lots else OrderState.ACCEPTED
    return OrderRecord(
        client_order_id=adopted.client_order_id,
        strategy=adopted.strategy,
        symbol=adopted.symbol,
        side=int(adopted.side),
        price_ticks=adopted.price_ticks,
        qty_lots=adopted.qty_lots,
        order_type=adopted.order_type.value,
        tif=adopted.tif.value,
        is_post_only=adopted.is_post_only,
        slot="",
        seq=header.seq,
        ts_ns=header.ts_ns,
        updated_seq=header.seq,
        updated_ts_ns=header.ts_ns,
        filled_lots=adopted.filled_lots,
        state=state.value,
        reason=adopted.reason or "adopted from the venue",
    )


def fold(record: OrderRecord, event: Event) -> bool:
    """Apply one report to its order; return False, changing nothing, when it cannot follow the state."""
    message = event.message
    try:
        state = next_state(record.client_order_id, _STATES[record.state], message)
    except ImpossibleReportError:
        return False
    record.state = state.value
    record.updated_seq = event.header.seq
    record.updated_ts_ns = event.header.ts_ns
    if isinstance(message, _APPROVALS):
        record.qty_lots = message.qty_lots
    elif isinstance(message, orders.Fill):
        # Fills may be read in any order: the venue's own total counts, and it never shrinks.
        record.filled_lots = max(record.filled_lots, message.filled_lots)
    reason = getattr(message, "reason", "")
    if reason:
        record.reason = reason
    return True
