"""The life of an order as a table: which report may follow which state, and what it leads to.

intended ─► refused
    │
approved ─► sent ─► accepted ─► partially_filled ─► filled
              │         └──────────┴─► canceled | expired
              ├─► rejected
              └─► unknown ─► any of the above, by evidence only (I-05)
"""

from collections.abc import Mapping
from enum import StrEnum

from shared.messages import Message, orders


class OrderState(StrEnum):
    """Where an order is in its life."""

    INTENDED = "intended"
    REFUSED = "refused"
    APPROVED = "approved"
    NOT_SENT = "not_sent"
    SENT = "sent"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Return whether nothing but a late fill may follow."""
        return self in _FINAL

    @property
    def is_live(self) -> bool:
        """Return whether the venue may hold the order: these count at worst case in risk."""
        return self in _LIVE


S = OrderState
_FINAL = frozenset({S.REFUSED, S.NOT_SENT, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})
_LIVE = frozenset({S.SENT, S.ACCEPTED, S.PARTIALLY_FILLED, S.UNKNOWN})

_VENUE: Mapping[type[Message], OrderState] = {
    orders.OrderAccepted: S.ACCEPTED,
    orders.OrderRejected: S.REJECTED,
    orders.OrderCanceled: S.CANCELED,
    orders.OrderExpired: S.EXPIRED,
    orders.OrderUnknown: S.UNKNOWN,
}
_RESTING: Mapping[type[Message], OrderState] = {
    orders.OrderCanceled: S.CANCELED,
    orders.OrderExpired: S.EXPIRED,
    orders.OrderUnknown: S.UNKNOWN,
}

NEXT: Mapping[OrderState, Mapping[type[Message], OrderState]] = {
    S.INTENDED: {
        orders.OrderApproved: S.APPROVED,
        orders.OrderAdjusted: S.APPROVED,
        orders.OrderRefused: S.REFUSED,
        # A cancel seen before the approval: the send gate holds the order back.
        orders.NotSent: S.NOT_SENT,
    },
    S.APPROVED: {
        orders.OrderSent: S.SENT,
        orders.NotSent: S.NOT_SENT,
        # A restart between approval and outcome: the venue is asked before anything is assumed.
        orders.OrderUnknown: S.UNKNOWN,
    },
    S.SENT: _VENUE,
    S.UNKNOWN: _VENUE,
    S.ACCEPTED: {**_RESTING, orders.OrderTriggered: S.ACCEPTED},
    # An acknowledgement after the first fill changes nothing (ST-27).
    S.PARTIALLY_FILLED: {**_RESTING, orders.OrderAccepted: S.PARTIALLY_FILLED},
    S.FILLED: {orders.OrderAccepted: S.FILLED},
    S.REFUSED: {},
    S.NOT_SENT: {},
    S.CANCELED: {},
    S.EXPIRED: {},
    S.REJECTED: {},
}


class ImpossibleReportError(Exception):
    """A report that cannot follow the state of its order."""


def next_state(client_order_id: str, state: OrderState, report: Message) -> OrderState:
    """Return the state after `report`; raise `ImpossibleReportError` when it cannot follow.

    A fill leads to partially_filled or filled from every state in which the venue may hold the order, and
    leaves a final state as it is: late fills are always applied to the ledger (I-06).
    """
    following = NEXT[state].get(type(report))
    if following is not None:
        return following
    if isinstance(report, orders.CancelRejected):
        return state
    if isinstance(report, orders.Fill):
        if state.is_live:
            return S.FILLED if report.leaves_lots == 0 else S.PARTIALLY_FILLED
        if state.is_final and state is not S.REFUSED:
            return state
    raise ImpossibleReportError(
        f"order {client_order_id}: {type(report).__name__} cannot follow {state}; "
        "our view of this order is wrong, reconcile it with the venue before trading on"
    )
