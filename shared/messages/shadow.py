"""Versions of a strategy in the shadow of the live one: what they would have traded (ST-44, ST-45)."""

from typing import ClassVar

from shared.messages.base import Message
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

_STRATEGY = frozenset({"strategy"})


class VersionStarted(Message, frozen=True, tag="version_started"):
    """A version of a strategy begins: hash of code and settings, feature flags, and the live one it shadows.

    `shadow_of` is empty for a live version. `params` is the MessagePack of its settings; `flags` those on.
    """

    family: ClassVar[str] = "shadow"
    owners: ClassVar[frozenset[str]] = _STRATEGY
    key: ClassVar[str] = "strategy"

    strategy: str
    version: str
    shadow_of: str
    kind: str
    symbol: str
    params: bytes
    flags: list[str]


class ShadowOrder(Message, frozen=True, tag="shadow_order"):
    """An order that a shadow version would have sent; never leaves the strategy process.

    `state` is intended, accepted, rejected (with its `code`), cancel_asked, canceled or expired;
    `filled_lots` is what had been executed by then.
    """

    family: ClassVar[str] = "shadow"
    owners: ClassVar[frozenset[str]] = _STRATEGY
    key: ClassVar[str] = "strategy"

    client_order_id: str
    strategy: str
    symbol: str
    version: str
    side: Side
    price_ticks: int
    qty_lots: int
    state: str
    reason: str = ""
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    filled_lots: int = 0
    code: str = ""
    expire_ns: int = 0
    stop_ticks: int = 0


class ShadowFill(Message, frozen=True, tag="shadow_fill"):
    """An execution that paper matching gives a shadow order."""

    family: ClassVar[str] = "shadow"
    owners: ClassVar[frozenset[str]] = _STRATEGY
    key: ClassVar[str] = "strategy"

    client_order_id: str
    strategy: str
    symbol: str
    version: str
    trade_id: str
    side: Side
    price_ticks: int
    qty_lots: int
    fee_atoms: int
    is_maker: bool
