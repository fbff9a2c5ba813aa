"""Orders as the desk of a venue keeps them: open ones in full, of finished ones what a late fill needs."""

from dataclasses import dataclass, field

from services.broker.live_order import CLOSED_KEPT, ClosedOrder, LiveOrder
from shared.execution.commands import Place
from shared.messages.orders import OrderSent, OrderType, TimeInForce
from shared.messages.venue import EXTERNAL
from shared.orders import OrderState
from shared.units import Side

SlotKey = tuple[str, str, str]
VenueKey = tuple[str, str]


@dataclass(slots=True)
class End:
    """How the venue says an order ended, while executions that it counts have not been told yet."""

    state: OrderState
    filled_lots: int
    reason: str
    since_ns: int
    code: str = ""


@dataclass(slots=True)
class Doubt:
    """What was done so far to learn whether the venue holds an order (decision 3 of reliability.md)."""

    since_ns: int
    is_known: bool  # the venue did hold it once: the end is then a cancel, not a rejection
    next_ask_ns: int = 0
    tries: int = 0
    is_cancel_done: bool = False  # a last cancel by id was answered: no such order
    first_not_found_ns: int = 0


@dataclass(slots=True)
class DeskOrder:
    """An order that the venue may hold. `state` is what was said last; times are mesh times.

    `filled_lots` were booked here, `told_lots` is the most that the venue has counted.

    `changed_ns` is when something was learnt about it; an answer to an older question judges it no more.
    `*_request` are numbers of requests under way, 0 when there is none.
    """

    client_order_id: str
    strategy: str
    symbol: str
    slot: str
    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType
    tif: TimeInForce
    is_post_only: bool
    is_reduce_only: bool
    state: OrderState = OrderState.APPROVED
    filled_lots: int = 0
    told_lots: int = 0
    venue_order_id: str = ""
    changed_ns: int = 0
    heard_ns: int = 0
    end: End | None = None
    doubt: Doubt | None = None
    place_request: int = 0
    ask_request: int = 0
    asked_ns: int = 0
    cancel_reason: str = ""
    cancel_request: int = 0
    cancel_tries: int = 0
    cancel_next_ns: int = 0
    is_cancel_rejection_said: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0
    is_triggered: bool = False

    @property
    def name(self) -> tuple[str, str, str]:
        """Return the fields with which every message about this order begins."""
        return self.client_order_id, self.strategy, self.symbol

    @property
    def is_stop(self) -> bool:
        """Return whether it waits for its stop."""
        return self.stop_ticks > 0 and not self.is_triggered

    @property
    def slot_key(self) -> SlotKey | None:
        """Return the slot it fills, None when it fills none."""
        if not self.slot or self.strategy == EXTERNAL:
            return None
        return self.strategy, self.symbol, self.slot


@dataclass(slots=True)
class OrderTable:
    """All orders of one desk, by our id, by the venue's, and by slot."""

    live: dict[str, DeskOrder] = field(default_factory=dict)
    closed: dict[str, ClosedOrder] = field(default_factory=dict)
    slots: dict[SlotKey, str] = field(default_factory=dict)
    _by_venue_id: dict[VenueKey, str] = field(default_factory=dict)

    def enter(self, order: DeskOrder) -> None:
        """Take an order that the venue may hold from now on."""
        self.live[order.client_order_id] = order
        key = order.slot_key
        if key is not None:
            self.slots.setdefault(key, order.client_order_id)
        self.closed.pop(order.client_order_id, None)
        self.note_venue_id(order, order.venue_order_id)

    def note_venue_id(self, order: DeskOrder, venue_order_id: str) -> None:
        """Remember the venue's own id of an order."""
        if venue_order_id:
            order.venue_order_id = venue_order_id
            self._by_venue_id[order.symbol, venue_order_id] = order.client_order_id

    def id_of(self, symbol: str, venue_order_id: str) -> str:
        """Return our id of the order that the venue calls so, empty when it is not known."""
        return self._by_venue_id.get((symbol, venue_order_id), "") if venue_order_id else ""

    def is_used(self, client_order_id: str) -> bool:
        """Return whether an order of this id was sent before, as far as is remembered."""
        return client_order_id in self.live or client_order_id in self.closed

    def is_ours(self, client_order_id: str) -> bool:
        """Return whether an order of this id is remembered as one of a strategy."""
        order = self.live.get(client_order_id) or self.closed.get(client_order_id)
        return order is not None and order.strategy != EXTERNAL

    def of_symbol(self, symbol: str) -> list[DeskOrder]:
        """Return the open orders of a market, of all when it is empty."""
        return [order for order in self.live.values() if symbol in ("", order.symbol)]

    def close(self, order: DeskOrder, now_ns: int, *, is_certain: bool) -> None:
        """Keep the little that a late fill or a late surfacing needs."""
        del self.live[order.client_order_id]
        key = order.slot_key
        if key is not None and self.slots.get(key) == order.client_order_id:
            del self.slots[key]
        self.remember(
            ClosedOrder(
                order.client_order_id,
                order.strategy,
                order.symbol,
                order.side,
                order.price_ticks,
                order.qty_lots,
                order.filled_lots,
                order.state,
                order.venue_order_id,
                is_certain,
                now_ns,
            )
        )

    def remember(self, order: ClosedOrder) -> None:
        """Take a finished order; past the limit the oldest is forgotten."""
        self.closed[order.client_order_id] = order
        if order.venue_order_id:
            self._by_venue_id[order.symbol, order.venue_order_id] = order.client_order_id
        if len(self.closed) > CLOSED_KEPT:
            oldest = self.closed.pop(next(iter(self.closed)))
            self._by_venue_id.pop((oldest.symbol, oldest.venue_order_id), None)


def of_live(order: LiveOrder) -> DeskOrder:
    """Return the order of the log as a desk begins with it."""
    return DeskOrder(
        client_order_id=order.client_order_id,
        strategy=order.strategy,
        symbol=order.symbol,
        slot=order.slot,
        side=order.side,
        price_ticks=order.price_ticks,
        qty_lots=order.qty_lots,
        order_type=order.order_type,
        tif=order.tif,
        is_post_only=order.is_post_only,
        is_reduce_only=order.is_reduce_only,
        state=order.state,
        filled_lots=order.filled_lots,
        venue_order_id=order.venue_order_id,
        cancel_reason=order.cancel_reason,
        expire_ns=order.expire_ns,
        stop_ticks=order.stop_ticks,
        is_triggered=order.is_triggered,
    )


def sent_of(order: DeskOrder) -> OrderSent:
    """Return what the log reads when the order leaves."""
    return OrderSent(
        *order.name,
        side=order.side,
        price_ticks=order.price_ticks,
        qty_lots=order.qty_lots,
        order_type=order.order_type,
        tif=order.tif,
        is_post_only=order.is_post_only,
        is_reduce_only=order.is_reduce_only,
        expire_ns=order.expire_ns,
        stop_ticks=order.stop_ticks,
    )


def place_of(request_id: int, order: DeskOrder) -> Place:
    """Return the command that creates an order."""
    return Place(
        request_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        price_ticks=order.price_ticks,
        qty_lots=order.qty_lots,
        order_type=order.order_type,
        tif=order.tif,
        is_post_only=order.is_post_only,
        is_reduce_only=order.is_reduce_only,
        expire_ns=order.expire_ns,
        stop_ticks=order.stop_ticks,
    )
