"""What the account at a venue is found to be: its link, what others did on it, and where we were wrong."""

from typing import ClassVar

from shared.messages.base import Message
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

_BROKER = frozenset({"broker"})

EXTERNAL = "external"
"""Strategy name of orders and fills of the account that are not ours (I-19)."""


class VenueLink(Message, frozen=True, tag="venue_link"):
    """Whether a venue takes orders from us and its private stream delivers; no order leaves without both.

    The stream counts as up when what it may have missed has been compared.

    `until_ns` is the end of a ban, 0 where none is told.
    """

    family: ClassVar[str] = "venue"
    owners: ClassVar[frozenset[str]] = _BROKER
    key: ClassVar[str] = "venue"

    venue: str
    is_reachable: bool
    is_user_stream_up: bool
    reason: str = ""
    until_ns: int = 0


class VenueDifference(Message, frozen=True, tag="venue_difference"):
    """One difference between the venue and our books, and what was done about it (BR-10).

    `kind` is missed_fill, late_fill, missing_fill, external_fill, external_order, external_cancel,
    surfaced_order, vanished_order, order_terms, overfill, bad_fill, impossible, position or balance. Where no
    market is meant, `symbol` is the venue and a colon. With `is_halted` no order of the market is sent before
    a person has resumed everything with a reason.
    """

    family: ClassVar[str] = "difference"
    owners: ClassVar[frozenset[str]] = _BROKER
    key: ClassVar[str] = "symbol"

    symbol: str
    kind: str
    client_order_id: str
    ours: str
    theirs: str
    repair: str
    is_halted: bool = False


class OrderAdopted(Message, frozen=True, tag="order_adopted"):
    """An open order that the venue shows and our books did not: counted from now on (I-19).

    `strategy` is `external`, or the one of an own order that surfaced after it was held for gone.
    """

    family: ClassVar[str] = "order"
    owners: ClassVar[frozenset[str]] = _BROKER
    key: ClassVar[str] = "strategy"

    client_order_id: str
    strategy: str
    symbol: str
    venue_order_id: str
    side: Side
    price_ticks: int
    qty_lots: int
    filled_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    reason: str = ""


class AccountAdjusted(Message, frozen=True, tag="account_adjusted"):
    """Money of the account that no fill or funding of ours explains (I-19): opening, deposit, withdrawal.

    `amount` is what came in (negative: went out) and `balance` what the venue shows then, decimal texts in
    units of the asset. `reason` is opening or external.
    """

    family: ClassVar[str] = "account"
    owners: ClassVar[frozenset[str]] = _BROKER
    key: ClassVar[str] = "venue"

    venue: str
    asset: str
    amount: str
    balance: str
    reason: str
    ts_venue_ns: int = 0
