"""Parent orders: what people asked for, the children that carry it out, and the sums that must be exact."""

from decimal import Decimal
from typing import Any

import msgspec

from shared.messages.control import RouteProgress
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill
from shared.orders import ImpossibleReportError, OrderState, next_state
from shared.units import Side


class Child(msgspec.Struct, array_like=True):
    """One order of a parent; sizes are texts of its market's rules, so that sums need no rules later."""

    client_order_id: str
    symbol: str
    qty_lots: int
    lot_size: str
    tick_size: str
    state: OrderState = OrderState.INTENDED
    filled_lots: int = 0
    ticks_lots: int = 0
    is_cancel_asked: bool = False
    reason: str = ""

    @property
    def filled(self) -> Decimal:
        """Return what was executed, in the base asset."""
        return Decimal(self.lot_size) * self.filled_lots

    @property
    def open(self) -> Decimal:
        """Return what may still be executed."""
        if self.state.is_final:
            return Decimal(0)
        return Decimal(self.lot_size) * (self.qty_lots - self.filled_lots)

    @property
    def value(self) -> Decimal:
        """Return what was paid or received without fees."""
        return Decimal(self.lot_size) * Decimal(self.tick_size) * self.ticks_lots

    def report(self, message: Any) -> None:
        """Take what risk or broker says of it; a report that cannot follow leaves it in doubt."""
        try:
            self.state = next_state(self.client_order_id, self.state, message)
        except ImpossibleReportError:
            self.state = OrderState.UNKNOWN
        if isinstance(message, Fill):
            self.filled_lots += message.qty_lots
            self.ticks_lots += message.qty_lots * message.price_ticks
        elif getattr(message, "asked_lots", 0):
            self.qty_lots = message.qty_lots
        self.reason = getattr(message, "reason", "") or self.reason


class Parent(msgspec.Struct, array_like=True):
    """One wish of a person. `symbols` are the markets that may serve it; `limit` is empty for none.

    `begun_ns` is when it was asked for: slice n of a TWAP is due at begun + (n - 1) * interval.
    """

    name: str
    style: str
    side: Side
    asked: str
    symbols: list[str]
    limit: str = ""
    slices: int = 1
    interval_ns: int = 0
    begun_ns: int = 0
    slices_done: int = 0
    is_canceled: bool = False
    children: list[Child] = []
    said: RouteProgress | None = None

    @property
    def filled(self) -> Decimal:
        """Return what was executed."""
        return sum((child.filled for child in self.children), Decimal(0))

    @property
    def open(self) -> Decimal:
        """Return what children may still execute."""
        return sum((child.open for child in self.children), Decimal(0))

    @property
    def is_working(self) -> bool:
        """Return whether something may still happen."""
        return bool(self.open) or (not self.is_canceled and self.slices_done < self.slices)

    @property
    def due_ns(self) -> int:
        """Return when the next slice is due."""
        return self.begun_ns + self.slices_done * self.interval_ns

    def progress(self, reason: str = "") -> RouteProgress:
        """Return where it stands; the quantities add up to what was asked."""
        filled, waiting = self.filled, self.open
        value = sum((child.value for child in self.children), Decimal(0))
        state = "working" if self.is_working else "canceled" if self.is_canceled else "done"
        if not self.is_working and not filled and not self.is_canceled:
            state = "refused"
        last = next((c.reason for c in reversed(self.children) if c.state.is_final and c.reason), "")
        return RouteProgress(
            parent=self.name,
            style=self.style,
            state=state,
            side=self.side,
            asked=self.asked,
            filled=_text(filled),
            open=_text(waiting),
            unfilled=_text(Decimal(self.asked) - filled - waiting),
            average_price=_text((value / filled).quantize(Decimal("1e-8"))) if filled else "",
            slices_done=self.slices_done,
            children=len(self.children),
            reason=reason or last,
        )


def new_child(client_order_id: str, qty_lots: int, rules: InstrumentRules) -> Child:
    """Return a child that is asked for."""
    return Child(client_order_id, rules.symbol, qty_lots, rules.lot_size, rules.tick_size)


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")
