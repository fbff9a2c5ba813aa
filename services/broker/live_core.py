"""The broker core while orders stand at venues: it folds facts and wishes; a desk acts and reports.

Everything that happens at a venue is a fact of `broker.io`. The core itself says two things: an order whose
outcome a restart left open is unknown, and a cancel names no open order.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from services.broker.instructions import (
    CancelMarket,
    ClearLatch,
    LatchKill,
    Reconcile,
    SendOrder,
    StartTrading,
    not_reconciled,
)
from services.broker.live_knowledge import LiveKnowledge, LiveState
from services.broker.live_order import LiveOrder
from shared.core import Output
from shared.messages import Event, Instruction, Message, control, orders, system
from shared.orders import ImpossibleReportError, OrderState, next_state

SOURCE = "broker"
MARK = b"live"
"""What a snapshot of this core begins with; one of paper begins with an array."""

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(LiveState)


class LiveCore:
    """The broker core in modes testnet and live; `BrokerCore` hands every event to it."""

    def __init__(self, known: LiveKnowledge) -> None:
        self.known = known
        self._said: list[Output | Instruction] = []

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Take one event, after what fell due before it, and return what the broker says."""
        self._said = []
        self._pass_time(event.header.ts_ns)
        if event.header.source != SOURCE:
            message = event.message
            is_restart = type(message) is system.ServiceStarted and message.run != self.known.run
            decide = _DECIDE_FIRST.get(type(message))
            if decide is not None:
                decide(self, event)
            self.known.observe(event)
            if type(message) in _REPORTS:
                self._fold(message, event.header.ts_ns)
            decide = _DECIDE.get(type(message))
            if decide is not None:
                decide(self, event)
            if is_restart and message.service == SOURCE:
                self._start(event)
        self._said += self.known.wishes
        self.known.wishes = []
        return self._said

    def adopt(self, event: Event) -> None:
        """Take one event without deciding: own words count as they stand on the log."""
        if event.header.source != SOURCE:
            self.known.observe(event)
        if type(event.message) in _REPORTS:
            self._fold(event.message, event.header.ts_ns)
        self.known.wishes = []

    def _pass_time(self, now_ns: int) -> None:
        deadlines = self.known.deadlines
        while (key := deadlines.pop_due(now_ns)) is not None:
            kind, _, name = key.partition(":")
            if kind == "s":
                self.known.withdraw(f"{name}_silent", now_ns, quotes_only=True)

    # ---- what the broker says to an event

    def _start(self, event: Event) -> None:
        """Begin a new life: what the former one left without an outcome may be at the venue or not."""
        known = self.known
        known.started_ns = known.started_ns or event.header.ts_ns
        for order in known.open_orders():
            if order.state is OrderState.APPROVED:
                self._say(orders.OrderUnknown(*order.name, "the broker was restarted, perhaps while sending"))
            elif order.state is OrderState.SENT:
                self._say(orders.OrderUnknown(*order.name, "the broker was restarted before an answer came"))
        if known.is_killed:
            self._said.append(LatchKill(known.kill_by, known.kill_reason, "log"))
        self._said.append(StartTrading(event.message.run))

    def _decide_approval(self, event: Event) -> None:
        approval, known = event.message, self.known
        order = known.order(approval.client_order_id)
        if order is not None and (order.state, order.approved_seq) != (
            OrderState.APPROVED,
            event.header.seq,
        ):
            return
        self._said.append(SendOrder(approval.client_order_id))

    def _decide_cancel(self, event: Event) -> None:
        cancel = event.message
        if cancel.client_order_id not in self.known.orders:
            name = (cancel.client_order_id, cancel.strategy, cancel.symbol)
            self._say(orders.CancelRejected(*name, "unknown_order", "no such order is open"))

    def _decide_cancel_all(self, event: Event) -> None:
        self._said.append(CancelMarket(event.message.symbol, f"cancel_all by {event.message.by}"))

    def _decide_kill(self, event: Event) -> None:
        if type(event.message) is control.KillRequested:
            self._said.append(LatchKill(event.message.by, event.message.reason, "log"))
        self._said.append(CancelMarket("", "kill"))

    def _decide_clear(self, event: Event) -> None:
        if not self.known.is_reconciled:
            self._say(control.KillClearRefused(event.message.by, not_reconciled(self.known.run)))
            return
        self._said.append(ClearLatch(event.message.by, event.message.reason, event.header.seq))

    def _decide_reconcile(self, event: Event) -> None:
        self._said.append(Reconcile(event.header.seq))

    # ---- reports

    def _say(self, message: Message) -> None:
        if type(message) in _REPORTS:
            self._fold(message, 0)
        self._said.append(Output(SOURCE, message))

    def _fold(self, message: Any, now_ns: int) -> None:
        """Let one report change the order it is about; one that cannot follow halts its market (I-07)."""
        known = self.known
        order = known.order(message.client_order_id)
        if type(message) is orders.Fill:
            known.book(message)
        if order is None:
            late = known.closed.get(message.client_order_id)
            if late is not None and type(message) is orders.Fill:
                late.filled_lots += message.qty_lots
            return
        try:
            order.state = next_state(order.client_order_id, order.state, message)
        except ImpossibleReportError as error:
            known.halt(order.symbol, str(error), now_ns)
            return
        self._take_details(order, message, now_ns)
        if order.state.is_final:
            known.finish(order, now_ns)

    def _take_details(self, order: LiveOrder, message: Any, now_ns: int) -> None:
        if type(message) is orders.OrderAccepted:
            self.known.accept_count += 1
            order.venue_order_id = message.venue_order_id or order.venue_order_id
        elif type(message) is orders.OrderTriggered:
            order.is_triggered = True
        elif type(message) is orders.Fill:
            order.filled_lots += message.qty_lots
            if order.filled_lots > order.qty_lots:
                self.known.halt(order.symbol, f"{order.client_order_id} was overfilled (I-08)", now_ns)

    # ---- state

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return MARK + _encoder.encode(self.known.dump_live())

    @classmethod
    def restored(cls, data: bytes) -> "LiveCore":
        """Return the core of a snapshot; raises `ValueError` on anything else."""
        known = LiveKnowledge()
        known.load_live(_decoder.decode(data[len(MARK) :]))
        return cls(known)


_REPORTS: frozenset[type[Message]] = frozenset(
    {
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
    }
)
_DECIDE_FIRST: Mapping[type[Message], Callable[[LiveCore, Any], None]] = {
    control.CancelAllRequested: LiveCore._decide_cancel_all,
    control.KillRequested: LiveCore._decide_kill,
    control.KillLatched: LiveCore._decide_kill,
}
"""The venue's own call for a whole market comes before single cancels."""
_DECIDE: Mapping[type[Message], Callable[[LiveCore, Any], None]] = {
    orders.OrderApproved: LiveCore._decide_approval,
    orders.OrderAdjusted: LiveCore._decide_approval,
    orders.CancelIntent: LiveCore._decide_cancel,
    control.KillClearRequested: LiveCore._decide_clear,
    control.ReconcileRequested: LiveCore._decide_reconcile,
}
