"""The life of an order: intent, verdict, outcome. See the table in shared/orders.py.

Every message carries the client order id, the strategy instance and the symbol, so that each stands alone.
"""

from enum import StrEnum
from typing import ClassVar

from shared.messages.base import Message
from shared.units import Side

_STRATEGY = frozenset({"strategy"})
_RISK = frozenset({"risk"})
_BROKER = frozenset({"broker"})


class OrderType(StrEnum):
    """How an order is priced."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class _OrderMessage(Message, frozen=True):
    """Fields that every order message begins with."""

    family: ClassVar[str] = "order"
    key: ClassVar[str] = "strategy"

    client_order_id: str
    strategy: str
    symbol: str


class OrderIntent(_OrderMessage, frozen=True, tag="order_intent"):
    """An order that a strategy wants; nothing leaves without `risk` saying so.

    `price_ticks` is 0 for a market order. `slot` names the place in the strategy that the order fills
    (one live order per slot, I-04). `version` is the hash of code and settings (ST-44). An order with
    `stop_ticks` waits until a trade is at its stop or beyond (a buy at or above it, a sell at or below), a
    GTD order ends at `expire_ns` (BR-15); 0 is none. `parent` links the
    children of a routed order (BR-21).
    """

    family: ClassVar[str] = "intent"
    owners: ClassVar[frozenset[str]] = _STRATEGY

    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    slot: str = ""
    reason: str = ""
    version: str = ""
    expire_ns: int = 0
    stop_ticks: int = 0
    parent: str = ""


class CancelIntent(_OrderMessage, frozen=True, tag="cancel_intent"):
    """A wish to cancel; goes straight to the broker, which never blocks it (I-09)."""

    family: ClassVar[str] = "intent"
    owners: ClassVar[frozenset[str]] = _STRATEGY

    reason: str = ""


class OrderApproved(_OrderMessage, frozen=True, tag="order_approved"):
    """Risk allows exactly this order, once."""

    family: ClassVar[str] = "verdict"
    owners: ClassVar[frozenset[str]] = _RISK

    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0


class OrderAdjusted(_OrderMessage, frozen=True, tag="order_adjusted"):
    """Risk allows less than was asked: an approval of `qty_lots` of `asked_lots`."""

    family: ClassVar[str] = "verdict"
    owners: ClassVar[frozenset[str]] = _RISK

    side: Side
    price_ticks: int
    qty_lots: int
    asked_lots: int
    code: str
    reason: str
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0


class OrderRefused(_OrderMessage, frozen=True, tag="order_refused"):
    """Risk does not allow the order. `code` names the check; `value` broke `limit`."""

    family: ClassVar[str] = "verdict"
    owners: ClassVar[frozenset[str]] = _RISK

    code: str
    reason: str
    value: int = 0
    limit: int = 0


class OrderSent(_OrderMessage, frozen=True, tag="order_sent"):
    """The order is on its way to the venue; its outcome is not known yet."""

    owners: ClassVar[frozenset[str]] = _BROKER

    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0


class NotSent(_OrderMessage, frozen=True, tag="not_sent"):
    """The send gate held the order back.

    `code` is killed, run, not_durable, no_intent, canceled, stale, mismatch, unknown_symbol, filter, rate or
    restart.
    """

    owners: ClassVar[frozenset[str]] = _BROKER

    code: str
    reason: str


class OrderAccepted(_OrderMessage, frozen=True, tag="order_accepted"):
    """The venue holds the order; it rests or is being matched."""

    owners: ClassVar[frozenset[str]] = _BROKER

    venue_order_id: str
    ts_venue_ns: int


class OrderTriggered(_OrderMessage, frozen=True, tag="order_triggered"):
    """The stop of an order was reached: from now on it is matched like any other (BR-15)."""

    owners: ClassVar[frozenset[str]] = _BROKER

    ts_venue_ns: int


class OrderRejected(_OrderMessage, frozen=True, tag="order_rejected"):
    """The venue refused the order."""

    owners: ClassVar[frozenset[str]] = _BROKER

    code: str
    reason: str


class Fill(_OrderMessage, frozen=True, tag="fill"):
    """One execution of our order. `fee_atoms` is a cost when positive and a rebate when negative.

    Applied exactly once by (symbol, trade_id). `filled_lots` is the order's total so far.
    """

    family: ClassVar[str] = "fill"
    owners: ClassVar[frozenset[str]] = _BROKER

    trade_id: str
    side: Side
    price_ticks: int
    qty_lots: int
    filled_lots: int
    leaves_lots: int
    fee_atoms: int
    fee_asset: str
    is_maker: bool
    ts_venue_ns: int


class OrderCanceled(_OrderMessage, frozen=True, tag="order_canceled"):
    """The order is gone at our wish; `filled_lots` of it had been executed."""

    owners: ClassVar[frozenset[str]] = _BROKER

    filled_lots: int
    reason: str = ""


class OrderExpired(_OrderMessage, frozen=True, tag="order_expired"):
    """The venue ended the order by its own rules (IOC rest, FOK, delisting)."""

    owners: ClassVar[frozenset[str]] = _BROKER

    filled_lots: int
    reason: str = ""


class OrderUnknown(_OrderMessage, frozen=True, tag="order_unknown"):
    """The outcome of a send or a cancel is in doubt; counted at worst case until resolved (I-05)."""

    owners: ClassVar[frozenset[str]] = _BROKER

    reason: str


class CancelRejected(_OrderMessage, frozen=True, tag="cancel_rejected"):
    """The venue did not cancel; says nothing about whether the order ever existed (I-06)."""

    owners: ClassVar[frozenset[str]] = _BROKER

    code: str
    reason: str


class PositionChanged(Message, frozen=True, tag="position"):
    """Risk's own ledger after a fill or a funding payment (RK-20, RK-29); money in atoms of `quote_asset`.

    `cost_atoms` is the signed cost of the open position, so that cash = realized - cost - fees + funding;
    None where it was not said. Sums stop at the largest 64-bit integer.
    """

    family: ClassVar[str] = "position"
    owners: ClassVar[frozenset[str]] = _RISK
    key: ClassVar[str] = "strategy"

    strategy: str
    symbol: str
    position_lots: int
    average_price_centiticks: int
    realized_atoms: int
    fees_atoms: int
    quote_asset: str
    volume_atoms: int = 0
    cost_atoms: int | None = None
    funding_atoms: int = 0
    funding_count: int = 0


class FundingPaid(Message, frozen=True, tag="funding_paid"):
    """A funding payment on a position; `amount_atoms` is what came in, negative what was paid (RK-29).

    Applied exactly once by (symbol, funding_ns, strategy). On paper the broker books it at each funding time.
    """

    family: ClassVar[str] = "fill"
    owners: ClassVar[frozenset[str]] = _BROKER
    key: ClassVar[str] = "strategy"

    strategy: str
    symbol: str
    funding_ns: int
    rate_e8: int
    mark_centiticks: int
    position_lots: int
    amount_atoms: int
    quote_asset: str
