"""What people ask of the mesh, and what became of it."""

from typing import ClassVar

from shared.messages.base import Message
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

_PEOPLE = frozenset({"operator", "gateway"})
_KILLERS = frozenset({"operator", "gateway", "risk", "bus"})
_BROKER = frozenset({"broker"})


class KillRequested(Message, frozen=True, tag="kill_requested"):
    """Stop everything: cancel all orders, send none. Acknowledged only by `KillLatched`."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _KILLERS

    by: str
    reason: str


class KillLatched(Message, frozen=True, tag="kill_latched"):
    """The kill latch is synced to disk. `path` tells how it came: log, file, signal or socket (RK-11)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str
    path: str


class KillClearRequested(Message, frozen=True, tag="kill_clear_requested"):
    """A person clears the kill, with a reason (RK-12)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str


class KillCleared(Message, frozen=True, tag="kill_cleared"):
    """The latch file is gone; trading may go on."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str


class KillClearRefused(Message, frozen=True, tag="kill_clear_refused"):
    """The kill stands: why the broker may not clear it yet; ask again when that is over (I-26)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str


class PauseRequested(Message, frozen=True, tag="pause_requested"):
    """Pause one strategy instance, or all when `strategy` is empty: quotes are withdrawn (ST-5)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class ResumeRequested(Message, frozen=True, tag="resume_requested"):
    """Let a paused strategy instance, or all, quote again."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class ResetRequested(Message, frozen=True, tag="reset_requested"):
    """Let a strategy instance forget its state and begin anew with the position it has (ST-5)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class CancelAllRequested(Message, frozen=True, tag="cancel_all_requested"):
    """Cancel every resting order of a symbol, or all when `symbol` is empty."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    symbol: str
    by: str
    reason: str


class ReconcileRequested(Message, frozen=True, tag="reconcile_requested"):
    """Compare orders, positions, balances and fills with the venue now; answered by `Reconciled` (BR-10)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str = ""


class StopRequested(Message, frozen=True, tag="stop_requested"):
    """The whole mesh is stopped on purpose: until its next start silence withdraws no paper order."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str


class TradingState(Message, frozen=True, tag="trading_state"):
    """What risk allows now: active, reducing (only orders that shrink a position) or halted (none).

    `reasons` are all that hold, the first is the strongest.
    """

    family: ClassVar[str] = "trading_state"
    owners: ClassVar[frozenset[str]] = frozenset({"risk"})

    state: str
    reasons: list[str]


class StrategyStatus(Message, frozen=True, tag="strategy_status"):
    """State of one strategy instance, said at each change and each second while something changes.

    `state` is warming_up, quoting, pulled, paused, finished or failed; `text` is `format_status`.
    """

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    state: str
    reason: str = ""
    text: str = ""


class StrategyNote(Message, frozen=True, tag="strategy_note"):
    """Something a person should know: a skipped slot, a refused setting. `level` is info or warning."""

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    level: str
    code: str
    text: str


class InstanceFailed(Message, frozen=True, tag="instance_failed"):
    """A strategy instance raised: it is frozen, its quotes are withdrawn, the others go on.

    `call_n` above 0 tells that it did not return in time: the number of its callback, counted over all
    instances, within the event that caused this; who runs the log again stops there without the call.
    """

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    error: str
    call_n: int = 0


class OrderRequested(Message, frozen=True, tag="order_requested"):
    """A person wants one order; it passes risk like any other, as strategy `manual` (BR-27).

    Answered by `RouteProgress` with the parent `m` + the seq of the request in base 36.
    """

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    by: str
    reason: str
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0


class RouteRequested(Message, frozen=True, tag="route_requested"):
    """A person wants a quantity of an asset from the best of several markets (BR-20), as strategy `manual`.

    `quantity` is a decimal of the base asset, `limit` the worst price or empty; `style` is best_venue, vwap,
    twap or sweep, and only a twap has `slices` and `interval_ms`.
    """

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    symbols: list[str]
    side: Side
    quantity: str
    style: str
    by: str
    reason: str
    limit: str = ""
    slices: int = 1
    interval_ms: int = 0


class OrderCancelRequested(Message, frozen=True, tag="order_cancel_requested"):
    """A person cancels one order of `manual` or `external`, or a route by the id of its parent."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    name: str
    by: str
    reason: str


class FlattenRequested(Message, frozen=True, tag="flatten_requested"):
    """A person closes every position in a market, or in all when `symbol` is empty (BR-28).

    Strategies there are paused, their orders withdrawn; each position is closed by reduce-only orders, as
    `style` says: `market` at once, `limit` at the touch for `patience_ms`, then at the market.
    """

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    symbol: str
    style: str
    by: str
    reason: str
    patience_ms: int = 10_000


class RouteProgress(Message, frozen=True, tag="route_progress"):
    """What became of a parent order so far (BR-21): its children carry its id as `parent`.

    `state` is working, done, canceled or refused. Quantities are decimals of the base asset and add up:
    asked = filled + open + unfilled. `average_price` is empty before the first fill.
    """

    family: ClassVar[str] = "route"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "parent"

    parent: str
    style: str
    state: str
    side: Side
    asked: str
    filled: str
    open: str
    unfilled: str
    average_price: str = ""
    slices_done: int = 0
    children: int = 0
    reason: str = ""
