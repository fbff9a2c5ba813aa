"""The broker core: the life of every order, the send gate, and the paper venue that matches it.

In testnet and live mode `LiveCore` takes its place with the first `ServiceStarted` that says so.

In paper mode orders live in this core, so a restart finds them by replay: none is ever in doubt. Without the
bus nothing reaches the core: no order is taken and none is matched, and resting ones stay (the withdrawal on
bus silence is the duty of an adapter with orders elsewhere). Cancels come straight from strategies and are
never held back (I-09).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from services.broker.gate import Passage, held_back
from services.broker.instructions import ClearLatch, LatchKill, Reconcile, not_reconciled
from services.broker.knowledge import BrokerKnowledge, BrokerState
from services.broker.live_core import MARK, LiveCore
from services.broker.live_knowledge import LiveKnowledge
from services.broker.order import BrokerOrder
from services.broker.settings import BrokerSettings
from services.broker.without_book import simple_part
from shared.core import Output
from shared.instrument import fee_atoms, notional_atoms
from shared.messages import Event, Instruction, Message, control, market, orders, system
from shared.orders import OrderState, next_state
from shared.paper.arrival import Arrival, Bookless, arrive, arrive_stop
from shared.paper.latency import latency_ns
from shared.paper.market import PaperMarket
from shared.settings import unpack
from shared.units import NS_PER_MS

SOURCE = "broker"

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(BrokerState)


class BrokerCore:
    """See `shared.core.Core`; the service `broker`, itself in paper mode and by `live` in the others."""

    service = SOURCE

    def __init__(self) -> None:
        self.known = BrokerKnowledge()
        self.live: LiveCore | None = None
        self._said: list[Output | Instruction] = []
        self._epoch = 0

    # ---- the door

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Take one event, after what fell due before it, and return what the broker says."""
        if self.live is not None or self._goes_live(event):
            return self._at_venues.apply(event)
        self._said = []
        self._epoch = event.header.epoch
        self._pass_time(event.header.ts_ns)
        if event.header.source != SOURCE:
            trade_fills = self._trade_fills(event.message)
            self.known.observe(event)
            if trade_fills:
                self._fill_resting(trade_fills, event)
            if type(event.message) is market.Trade:
                self._trigger(event)
            decide = _DECIDE.get(type(event.message))
            if decide is not None:
                decide(self, event)
        return self._said

    def adopt(self, event: Event) -> None:
        """Take one event without deciding: own reports count as they stand on the log.

        What fell due stays due: the report about it drops it, or it is acted on when the core decides again.
        """
        if self.live is not None or self._goes_live(event):
            self._at_venues.adopt(event)
            return
        self.known.accrue_funding(event.header.ts_ns)
        if event.header.source == SOURCE:
            self._fold(event.message)
            return
        self._trade_fills(event.message)
        self.known.observe(event)

    def _goes_live(self, event: Event) -> bool:
        """Hand everything to `LiveCore` when our own start says a mode that trades at venues."""
        started = event.message
        if type(started) is not system.ServiceStarted or started.service != SOURCE:
            return False
        if unpack(started.settings, BrokerSettings).mode == "paper":
            return False
        self._trade_at_venues(LiveCore(LiveKnowledge.from_paper(self.known)))
        return True

    def _trade_at_venues(self, live: LiveCore) -> None:
        self.live, self.known = live, live.known

    @property
    def _at_venues(self) -> LiveCore:
        assert self.live is not None, "the paper broker has no orders at venues"
        return self.live

    # ---- what falls due

    def _pass_time(self, now_ns: int) -> None:
        """Act on all that fell due; funding counts the positions of its very time."""
        while (due_ns := self.known.funding.due_ns) <= now_ns:
            self._pass_deadlines(due_ns)
            self.known.accrue_funding(due_ns)
        if self.known.funding.owed:
            for paid in list(self.known.funding.owed):
                self._say(paid)
        self._pass_deadlines(now_ns)

    def _pass_deadlines(self, now_ns: int) -> None:
        deadlines = self.known.deadlines
        while (key := deadlines.pop_due(now_ns)) is not None:
            kind, _, name = key.partition(":")
            if kind == "s":
                self.known.withdraw(f"{name}_silent", now_ns, quotes_only=True)
            elif kind == "a":
                self._arrive(self.known.orders[name])
            elif kind == "g":
                order = self.known.orders[name]
                self._say(orders.OrderExpired(*order.name, order.filled_lots, "gtd: its time is over"))
            else:
                order = self.known.orders[name]
                self._say(orders.OrderCanceled(*order.name, order.filled_lots, order.cancel_reason))

    def _arrive(self, order: BrokerOrder) -> None:
        """Let an order reach the paper venue and be matched against the book of this moment (BR-17)."""
        known, place = self.known, self.known.place(order.symbol)
        cash_atoms, lots = known.free_funds(order, place)
        if order.is_stop:
            arrival = arrive_stop(order, place, cash_atoms, lots)
        elif 0 < order.expire_ns <= order.arrive_ns:
            arrival = Arrival(reject_code="expired", reject_reason="its time was over when it arrived")
        else:
            arrival = arrive(order, place, cash_atoms, lots, self._bookless(order, place))
        if arrival.reject_code:
            self._say(orders.OrderRejected(*order.name, arrival.reject_code, arrival.reject_reason))
            return
        if arrival.is_accepted:
            venue_order_id = f"p{self._epoch}-{known.accept_count + 1}"
            self._say(orders.OrderAccepted(*order.name, venue_order_id, order.arrive_ns))
        for part in arrival.parts:
            self._fill(order, place, part.price_ticks, part.lots, order.arrive_ns, is_maker=False)
        if arrival.expire_reason:
            self._say(orders.OrderExpired(*order.name, order.filled_lots, arrival.expire_reason))

    def _trigger(self, event: Event) -> None:
        """Match the orders whose stop a trade has reached; what the venue would refuse now ends (BR-15)."""
        known, place = self.known, self.known.place(event.message.symbol)
        for order in known.reached_stops(event.message):
            self._say(orders.OrderTriggered(*order.name, event.header.ts_ns))
            arrival = arrive(order, place, *known.free_funds(order, place), self._bookless(order, place))
            for part in arrival.parts:
                self._fill(order, place, part.price_ticks, part.lots, event.header.ts_ns, is_maker=False)
            reason = arrival.reject_reason or arrival.expire_reason
            if reason:
                self._say(orders.OrderExpired(*order.name, order.filled_lots, reason))

    def _bookless(self, order: BrokerOrder, place: PaperMarket) -> Bookless | None:
        """Return the model of fills where there is no trusted book, None when there is to be none (BR-18)."""
        settings = self.known.settings
        if settings.without_book != "simple":
            return None
        return lambda: simple_part(order, place.last_ticks, sum(place.recent_lots), settings)

    # ---- matching of resting orders

    def _trade_fills(self, message: Any) -> list[tuple[int, int]]:
        if type(message) is not market.Trade:
            return []
        return self.known.place(message.symbol).trade(message)

    def _fill_resting(self, fills: list[tuple[int, int]], event: Event) -> None:
        place = self.known.place(event.message.symbol)
        by_handle = {o.handle: o for o in self.known.orders.values() if o.symbol == place.symbol}
        for handle, lots in fills:
            order = by_handle[handle]
            self._fill(order, place, order.price_ticks, lots, event.header.ts_ns, is_maker=True)

    def _match_crossed(self, event: Event) -> None:
        """Fill resting orders that the other side of the book lies beyond, by the lots that lie there."""
        place = self.known.place(event.message.symbol)
        if not place.is_open or not len(place.queue):
            return
        crossed = place.queue.crossed(place.book)
        if not crossed:
            return
        by_handle = {o.handle: o for o in self.known.orders.values() if o.symbol == place.symbol}
        for handle in crossed:
            order = by_handle[handle]
            lots = sum(p.lots for p in place.walk_beyond(order.side, order.price_ticks, order.leaves_lots))
            if lots:
                self._fill(order, place, order.price_ticks, lots, event.header.ts_ns, is_maker=True)

    def _fill(
        self,
        order: BrokerOrder,
        place: PaperMarket,
        price_ticks: int,
        lots: int,
        ts_ns: int,
        *,
        is_maker: bool,
    ) -> None:
        rules = place.rules
        assert rules is not None, f"{order.symbol} is matched without rules"
        fee_ppm = rules.maker_fee_ppm if is_maker else rules.taker_fee_ppm
        filled_lots = order.filled_lots + lots
        self._say(
            orders.Fill(
                *order.name,
                trade_id=f"p{self._epoch}-{self.known.fill_count + 1}",
                side=order.side,
                price_ticks=price_ticks,
                qty_lots=lots,
                filled_lots=filled_lots,
                leaves_lots=order.qty_lots - filled_lots,
                fee_atoms=fee_atoms(notional_atoms(rules, price_ticks, lots), fee_ppm),
                fee_asset=rules.quote_asset,
                is_maker=is_maker,
                ts_venue_ns=ts_ns,
            )
        )

    # ---- what the broker says to an event

    def _decide_approval(self, event: Event) -> None:
        approval, known = event.message, self.known
        order = known.orders.get(approval.client_order_id)
        if order is not None and (order.state, order.approved_ns) != (
            OrderState.APPROVED,
            event.header.ts_ns,
        ):
            return
        place = known.markets.get(approval.symbol)
        held = held_back(
            Passage(
                approval=approval,
                order=order,
                rules=None if place is None else place.rules,
                age_ns=event.header.ts_ns - event.header.origin_ns,
                ttl_ns=known.settings.approval_ttl_ms * NS_PER_MS,
                is_killed=known.is_killed,
            )
        )
        name = (approval.client_order_id, approval.strategy, approval.symbol)
        if held is not None:
            self._say(orders.NotSent(*name, held.code, held.reason))
            return
        terms = (approval.order_type, approval.tif, approval.is_post_only, approval.is_reduce_only)
        ends = (approval.expire_ns, approval.stop_ticks)
        self._say(
            orders.OrderSent(*name, approval.side, approval.price_ticks, approval.qty_lots, *terms, *ends)
        )

    def _decide_cancel(self, event: Event) -> None:
        cancel = event.message
        if cancel.client_order_id not in self.known.orders:
            name = (cancel.client_order_id, cancel.strategy, cancel.symbol)
            self._say(orders.CancelRejected(*name, "unknown_order", "no such order is open"))

    def _decide_kill(self, event: Event) -> None:
        self._said.append(LatchKill(event.message.by, event.message.reason, "log"))

    def _decide_clear(self, event: Event) -> None:
        """Clear the kill where the account is known to agree with risk's ledger (I-26)."""
        if not self.known.is_reconciled:
            self._say(control.KillClearRefused(event.message.by, not_reconciled(self.known.run)))
            return
        self._said.append(ClearLatch(event.message.by, event.message.reason, event.header.seq))

    def _decide_service(self, event: Event) -> None:
        """Settle, at our own start, what a former build left open; the paper venue never held these."""
        if event.message.service != SOURCE:
            return
        for order in list(self.known.orders.values()):
            if order.state is OrderState.APPROVED:
                self._say(orders.NotSent(*order.name, "restart", "the broker was restarted before sending"))
        if self.known.is_killed:
            self._said.append(LatchKill(self.known.kill_by, self.known.kill_reason, "log"))

    # ---- own words

    def _say(self, message: Message) -> None:
        self._fold(message)
        self._said.append(Output(SOURCE, message))

    def _fold(self, message: Any) -> None:
        """Let one own report change the order it is about, or a payment the account."""
        if isinstance(message, control.KillClearRefused):
            return
        if isinstance(message, orders.FundingPaid):
            self.known.funding.settle(message)
            self.known.account.book_funding(message)
            return
        order = self.known.orders.get(message.client_order_id)
        if order is None:
            return
        order.state = next_state(order.client_order_id, order.state, message)
        change = _FOLD.get(type(message))
        if change is not None:
            change(self, order, message)
        if order.state.is_final:
            self._finish(order)

    def _fold_sent(self, order: BrokerOrder, _: Any) -> None:
        delay_ns = latency_ns(self.known.settings, f"order:{order.client_order_id}")
        order.arrive_ns = order.approved_ns + delay_ns
        self.known.deadlines.set(f"a:{order.client_order_id}", order.arrive_ns)

    def _fold_accepted(self, order: BrokerOrder, _: Any) -> None:
        known = self.known
        known.accept_count += 1
        known.deadlines.drop(f"a:{order.client_order_id}")
        if order.expire_ns:
            known.deadlines.set(f"g:{order.client_order_id}", order.expire_ns)
        if order.is_stop:
            known.waits_for_stop(order, is_waiting=True)
        else:
            known.place(order.symbol).line_up(order)

    def _fold_triggered(self, order: BrokerOrder, _: Any) -> None:
        order.is_triggered = True
        self.known.waits_for_stop(order, is_waiting=False)
        self.known.place(order.symbol).line_up(order)

    def _fold_fill(self, order: BrokerOrder, fill: Any) -> None:
        known, place = self.known, self.known.place(order.symbol)
        assert place.rules is not None, f"{order.symbol} has fills but no rules"
        known.fill_count += 1
        order.filled_lots += fill.qty_lots
        assert order.leaves_lots >= 0, f"{order.client_order_id} was filled for more than its quantity (I-08)"
        known.account.book(fill, place.rules)
        place.executed(
            order.handle,
            order.side,
            order.price_ticks,
            fill.price_ticks,
            fill.qty_lots,
            is_maker=fill.is_maker,
        )

    def _finish(self, order: BrokerOrder) -> None:
        known = self.known
        known.place(order.symbol).queue.remove(order.handle)
        known.waits_for_stop(order, is_waiting=False)
        for kind in "acg":
            known.deadlines.drop(f"{kind}:{order.client_order_id}")
        del known.orders[order.client_order_id]

    # ---- state

    def snapshot(self) -> bytes:
        """Return the whole state."""
        if self.live is not None:
            return self.live.snapshot()
        return _encoder.encode(self.known.dump())

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot`; raises `ValueError` on anything else."""
        if data.startswith(MARK):
            self._trade_at_venues(LiveCore.restored(data))
            return
        self.live = None
        state = _decoder.decode(data)
        self.known = BrokerKnowledge()
        self.known.load(state)

    def digest(self) -> bytes:
        """Return 16 bytes over the state."""
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()


_DECIDE: Mapping[type[Message], Callable[[BrokerCore, Any], None]] = {
    orders.OrderApproved: BrokerCore._decide_approval,
    orders.OrderAdjusted: BrokerCore._decide_approval,
    orders.CancelIntent: BrokerCore._decide_cancel,
    control.KillRequested: BrokerCore._decide_kill,
    control.KillClearRequested: BrokerCore._decide_clear,
    control.ReconcileRequested: lambda core, event: core._said.append(Reconcile(event.header.seq)),
    market.BookUpdate: BrokerCore._match_crossed,
    market.BookSnapshot: BrokerCore._match_crossed,
    system.ServiceStarted: BrokerCore._decide_service,
}
_FOLD: Mapping[type[Message], Callable[[BrokerCore, BrokerOrder, Any], None]] = {
    orders.OrderSent: BrokerCore._fold_sent,
    orders.OrderAccepted: BrokerCore._fold_accepted,
    orders.OrderTriggered: BrokerCore._fold_triggered,
    orders.Fill: BrokerCore._fold_fill,
}
