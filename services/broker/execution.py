"""Execution at venues: the send gate and one desk per venue, between the broker core and the sockets.

Pure. Each call takes the mesh time and returns, in order, `Fact`s to publish as `broker.io` and `Work` for
the shell to carry out. The real shell and the campaign's driver both only do that, so the campaign tests the
very code that trades.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from services.broker.core import BrokerCore
from services.broker.desk.desk import Approval, Desk
from services.broker.desk.order import DeskOrder
from services.broker.desk.state import Fact, Out, Work, ms
from services.broker.gate import Held
from services.broker.instructions import CancelMarket, CancelOrder, Reconcile, SendOrder
from services.broker.live_agreement import Agreement
from services.broker.live_gate import may_not_leave
from services.broker.live_knowledge import LiveKnowledge
from services.broker.live_order import LiveOrder
from services.broker.live_settings import LiveSettings
from shared.execution.outside import Said, VenueAdapter
from shared.instrument import venue_of
from shared.messages import Event, Instruction, orders, venue
from shared.messages.control import KillLatched, KillRequested, ResumeRequested, StopRequested
from shared.messages.market import InstrumentRules
from shared.orders import OrderState

__all__ = ["Execution", "Fact", "Out", "Work"]


class _Waiting(NamedTuple):
    """An approval on its way through the gate."""

    approval: Approval
    seq: int
    origin_ns: int


class Execution:
    """The outside half of the live broker, as pure code. Make one per life; `start` begins it."""

    def __init__(self, adapters: Iterable[VenueAdapter]) -> None:
        self.adapters = {adapter.venue: adapter for adapter in adapters}
        self.desks: dict[str, Desk] = {}
        self.run = 0
        self.is_killed = False
        self.is_stopping = False
        self.is_bus_silent = False
        self._core: BrokerCore | None = None
        self._waiting: deque[_Waiting] = deque()
        self._durable_seq = 0
        self._said_count = 0
        self._seen_count = 0
        self._agreement: Agreement | None = None
        self._out: Out = []

    # ---- life

    def start(self, core: BrokerCore, run: int, now_ns: int) -> Out:
        """Trade for this run: take over what the log knows, connect, ask what is open, compare."""
        self._core, self.run = core, run
        self._agreement = Agreement(run, self.desks)
        windows = {access.name: access.recv_window_ms for access in self.known.settings.venues}
        live = self.settings
        for name, adapter in self.adapters.items():
            window_ms = max(live.recv_window_ms, windows.get(name, 0))
            desk = self.desks[name] = Desk(adapter, replace(live, recv_window_ms=window_ms))
            desk.rounds.is_log_level = self._is_log_level
            desk.start(self.known, now_ns)
        if self.known.is_killed or self.is_killed:
            self._cancel_everything("kill", now_ns)
        self._hold_back_early()
        return self._outcome()

    def _hold_back_early(self) -> None:
        """Hold back what was approved in this run before there were desks; of a former run it is unknown."""
        for order in self.known.open_orders():
            if order.state is OrderState.APPROVED:
                message = orders.NotSent(*order.name, "unreachable", "the venues were not reached yet")
                self._out.append(Fact(message, order.approved_seq, order.origin_ns))
                self._said_count += 1

    def stop(self, now_ns: int) -> Out:
        """Close every connection; nothing is asked or said afterwards."""
        for desk in self.desks.values():
            desk.stop(now_ns)
        return self._outcome()

    def begin_drain(self, now_ns: int) -> Out:
        """Send no order any more, and withdraw all that rest where `cancel_on_exit` says so (BR-23)."""
        self.is_stopping = True
        if self._core is not None and self.settings.cancel_on_exit:
            self._cancel_everything("stop", now_ns)
        self._release(now_ns)
        return self._outcome()

    @property
    def is_drained(self) -> bool:
        """Return whether nothing is left to withdraw and all that was said stands on the log."""
        if self._said_count != self._seen_count:
            return False
        return not any(
            order.cancel_reason or order.state is OrderState.SENT
            for desk in self.desks.values()
            for order in desk.state.orders.live.values()
        )

    @property
    def known(self) -> LiveKnowledge:
        """Return what the log tells."""
        assert self._core is not None, "execution was not started"
        assert self._core.live is not None, "a paper broker has no execution"
        return self._core.live.known

    @property
    def settings(self) -> LiveSettings:
        """Return the settings of this run."""
        return self.known.settings.live

    @property
    def live_count(self) -> int:
        """Return how many orders the venues may hold."""
        return sum(len(desk.state.orders.live) for desk in self.desks.values())

    # ---- the log

    def on_event(self, event: Event, now_ns: int) -> Out:
        """Take an event that the core has applied; call it for each one while live, before `carry_out`."""
        message, header = event.message, event.header
        if header.source == "broker.io" and header.run == self.run and type(message) in _OWN_FACTS:
            self._seen_count += 1
        take = _ON_EVENT.get(type(message))
        if take is not None and self._core is not None:
            take(self, message, now_ns)
        return self._outcome()

    def carry_out(self, instruction: Instruction, event: Event, now_ns: int) -> Out:
        """Do what the core asks because of `event`; anything but trading is not for this."""
        if isinstance(instruction, SendOrder):
            self._waiting.append(_Waiting(event.message, event.header.seq, event.header.origin_ns))
            self._release(now_ns)
        elif isinstance(instruction, CancelOrder):
            desk = self.desks.get(venue_of(instruction.symbol))
            if desk is not None:
                desk.cancel(instruction.client_order_id, instruction.reason, now_ns)
        elif isinstance(instruction, CancelMarket):
            self._cancel_market(instruction, now_ns)
        elif isinstance(instruction, Reconcile):
            if self._agreement is not None:
                self._agreement.ask(instruction.request_seq, now_ns)
            for desk in self.desks.values():
                desk.rounds.ask(now_ns)
                desk.on_time(now_ns)
        else:
            raise AssertionError(f"execution cannot carry out {instruction!r}")
        return self._outcome()

    def on_durable(self, durable_seq: int, now_ns: int) -> Out:
        """Take that all up to a seq survives a power cut: approvals up to it may leave."""
        self._durable_seq = max(self._durable_seq, durable_seq)
        self._release(now_ns)
        return self._outcome()

    def on_bus(self, *, is_silent: bool, now_ns: int) -> Out:
        """Take whether the bus is heard; without it for too long everything is withdrawn (DESIGN 2.12)."""
        was, self.is_bus_silent = self.is_bus_silent, is_silent
        if is_silent and not was:
            self._cancel_everything("bus_silent", now_ns)
        return self._outcome()

    def on_latch(self, is_set: bool, now_ns: int) -> Out:
        """Take the state of the kill latch: set, every order is canceled at once, whatever else is broken."""
        was, self.is_killed = self.is_killed, is_set
        if is_set and not was:
            self._cancel_everything("kill", now_ns)
            self._release(now_ns)
        return self._outcome()

    # ---- outside

    def on_http(
        self,
        venue: str,
        call_id: int,
        status: int,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        now_ns: int,
    ) -> Out:
        """Take a whole HTTP answer."""
        return self._told(venue, self.adapters[venue].on_http(call_id, status, headers, body, now_ns), now_ns)

    def on_http_failed(self, venue: str, call_id: int, reason: str, is_sent: bool, now_ns: int) -> Out:
        """Take that no whole answer came."""
        said = self.adapters[venue].on_http_failed(call_id, reason, is_sent, now_ns)
        return self._told(venue, said, now_ns)

    def on_opened(self, venue: str, socket: str, now_ns: int) -> Out:
        """Take that a socket is open."""
        return self._told(venue, self.adapters[venue].on_opened(socket, now_ns), now_ns)

    def on_closed(self, venue: str, socket: str, reason: str, now_ns: int) -> Out:
        """Take that a socket is closed or could not be opened."""
        return self._told(venue, self.adapters[venue].on_closed(socket, reason, now_ns), now_ns)

    def on_text(self, venue: str, socket: str, text: bytes, now_ns: int) -> Out:
        """Take one frame."""
        return self._told(venue, self.adapters[venue].on_text(socket, text, now_ns), now_ns)

    def on_time(self, now_ns: int) -> Out:
        """Let time pass; call it at least every 50 ms."""
        for desk in self.desks.values():
            desk.on_time(now_ns)
            since_ns = 0 if desk.state.is_stream_up else desk.stream_down_ns
            if since_ns and now_ns - since_ns >= ms(self.settings.user_stream_ms):
                desk.withdraw("user_stream", now_ns)
                desk.stream_down_ns = 0
        self._release(now_ns)
        self._look(now_ns)
        return self._outcome()

    def _told(self, venue: str, said: Said, now_ns: int) -> Out:
        desk = self.desks.get(venue)
        if desk is None:
            return []
        desk.take(said, now_ns)
        self._look(now_ns)
        return self._outcome()

    def _outcome(self) -> Out:
        """Return what was said and is to be done, of each desk in its order."""
        self._collect()
        out, self._out = self._out, []
        return out

    def _collect(self) -> None:
        """Take over what the desks said; it counts as said, and is awaited on the log, from here on."""
        for desk in self.desks.values():
            said = desk.outcome()
            self._out += said
            self._said_count += _count_own(said)

    def _is_log_level(self) -> bool:
        """Return whether the log holds all that was said."""
        self._collect()
        return self._said_count == self._seen_count

    def _not_sent(self, waiting: _Waiting, code: str, reason: str) -> None:
        approval = waiting.approval
        name = (approval.client_order_id, approval.strategy, approval.symbol)
        self._out.append(Fact(orders.NotSent(*name, code, reason), waiting.seq, waiting.origin_ns))
        self._said_count += 1

    # ---- sending

    def _release(self, now_ns: int) -> None:
        """Pass what may leave now through the gate; what is not durable yet waits, as long as it may."""
        if not self._waiting:
            return
        ready: dict[str, list[tuple[DeskOrder, int, int]]] = {}
        taken: set[tuple[str, str, str]] = set()
        kept: deque[_Waiting] = deque()
        for waiting in self._waiting:
            held = self._why_held(waiting, now_ns)
            approval = waiting.approval
            if held is not None:
                self._not_sent(waiting, held.code, held.reason)
            elif waiting.seq > self._durable_seq:
                kept.append(waiting)
            else:
                order = self._desk_order(approval)
                key = order.slot_key
                if key is not None and key in taken:
                    reason = f"slot {order.slot} is taken by an order that leaves now (I-04)"
                    self._not_sent(waiting, "slot", reason)
                    continue
                if key is not None:
                    taken.add(key)
                ready.setdefault(venue_of(order.symbol), []).append((order, waiting.seq, waiting.origin_ns))
        self._waiting = kept
        for where, sends in ready.items():
            self.desks[where].send(sends, now_ns)

    def _why_held(self, waiting: _Waiting, now_ns: int) -> Held | None:
        closed = None
        if self.is_stopping or self.known.is_stopping:
            closed = Held("stopping", "the broker is being stopped")
        elif self.is_bus_silent:
            closed = Held("bus_silent", "the bus is not heard: nobody would know of this order")
        elif self._agreement is None or not self._agreement.is_said:
            closed = Held("unreconciled", f"run {self.run} has not compared its orders with the venue yet")
        return may_not_leave(
            waiting.approval,
            self.known,
            self.desks.get(venue_of(waiting.approval.symbol)),
            origin_ns=waiting.origin_ns,
            now_ns=now_ns,
            is_killed=self.is_killed,
            run=self.run,
            why_all_closed=closed,
        )

    def _desk_order(self, approval: Approval) -> DeskOrder:
        order = self.known.order(approval.client_order_id)
        assert isinstance(order, LiveOrder), "the gate lets no order without intent pass"
        return DeskOrder(
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            slot=order.slot,
            side=approval.side,
            price_ticks=approval.price_ticks,
            qty_lots=approval.qty_lots,
            order_type=approval.order_type,
            tif=approval.tif,
            is_post_only=approval.is_post_only,
            is_reduce_only=approval.is_reduce_only,
            expire_ns=approval.expire_ns,
            stop_ticks=approval.stop_ticks,
        )

    # ---- cancels

    def _cancel_market(self, instruction: CancelMarket, now_ns: int) -> None:
        if not instruction.symbol:
            self._cancel_everything(instruction.reason, now_ns)
            return
        desk = self.desks.get(venue_of(instruction.symbol))
        if desk is not None:
            desk.cancel_market(instruction.symbol, instruction.reason, now_ns)

    def _cancel_everything(self, reason: str, now_ns: int) -> None:
        for desk in self.desks.values():
            desk.cancel_market("", reason, now_ns)

    # ---- what events change

    def _on_kill(self, _message: Any, now_ns: int) -> None:
        self._release(now_ns)

    def _on_stop(self, _message: Any, now_ns: int) -> None:
        self._release(now_ns)

    def _on_rules(self, rules: InstrumentRules, now_ns: int) -> None:
        desk = self.desks.get(venue_of(rules.symbol))
        if desk is not None:
            desk.on_rules(rules, now_ns)

    def _on_resume(self, message: ResumeRequested, _now_ns: int) -> None:
        if not message.strategy and message.reason.strip():
            for desk in self.desks.values():
                desk.state.halted.clear()

    def _look(self, now_ns: int) -> None:
        """Say what there is to say of the agreement between venues, log and risk's ledger."""
        is_log_level = self._is_log_level()
        if self._agreement is None:
            return
        self._out += self._agreement.look(self.known, now_ns, is_log_level=is_log_level)


def _count_own(out: Out) -> int:
    return sum(1 for one in out if isinstance(one, Fact) and type(one.message) in _OWN_FACTS)


_OWN_FACTS: frozenset[type[Any]] = frozenset(
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
        orders.FundingPaid,
        venue.OrderAdopted,
        venue.VenueDifference,
        venue.VenueLink,
        venue.AccountAdjusted,
    }
)
"""What only `Execution` says as `broker.io`: by them it knows when the log has caught up with it."""
_ON_EVENT: Mapping[type[Any], Callable[[Execution, Any, int], None]] = {
    InstrumentRules: Execution._on_rules,
    KillRequested: Execution._on_kill,
    KillLatched: Execution._on_kill,
    StopRequested: Execution._on_stop,
    ResumeRequested: Execution._on_resume,
}
