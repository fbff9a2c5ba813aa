"""What the venue says of orders and executions, told to the log: in legal order, each thing once.

Whatever the order of arrival, the log reads sent, accepted, fills, end (shared/orders.py). An end that counts
executions which were not told yet waits for them; an execution after the end is booked all the same (I-06).
"""

from services.broker.desk.order import DeskOrder, Doubt, End
from services.broker.desk.state import DeskState, fee_atoms, ms
from services.broker.live_order import ClosedOrder, strategy_of
from shared.execution.reports import VenueFill, VenueOrder, VenueState
from shared.messages import Message, orders
from shared.messages.venue import EXTERNAL
from shared.orders import ImpossibleReportError, OrderState, next_state

_ENDS = {
    VenueState.FILLED: OrderState.FILLED,
    VenueState.CANCELED: OrderState.CANCELED,
    VenueState.EXPIRED: OrderState.EXPIRED,
    VenueState.REJECTED: OrderState.REJECTED,
}
_NEVER_AT_VENUE = (OrderState.APPROVED, OrderState.SENT, OrderState.UNKNOWN)


class Teller:
    """Turns what is learnt about the orders of one desk into messages."""

    def __init__(self, state: DeskState) -> None:
        self._state = state

    # ---- one order

    def is_open_at(self, order: DeskOrder, told: VenueOrder, now_ns: int) -> None:
        """Take that the venue holds, or held, an order."""
        state = self._state
        state.orders.note_venue_id(order, told.venue_order_id)
        order.heard_ns = now_ns
        if order.state in (OrderState.SENT, OrderState.UNKNOWN):
            self._follow(
                order, orders.OrderAccepted(*order.name, told.venue_order_id, told.ts_venue_ns), now_ns
            )
            order.doubt = None
        if told.filled_lots > max(order.filled_lots, order.told_lots):
            order.told_lots = told.filled_lots
            state.want_fills(order.symbol, now_ns)
        self._check_terms(order, told)

    def ended(self, order: DeskOrder, told: VenueOrder, now_ns: int) -> None:
        """Take that the venue has ended an order; what it counts as filled must have been told first."""
        self._state.orders.note_venue_id(order, told.venue_order_id)
        order.heard_ns = now_ns
        filled_lots = order.qty_lots if told.state is VenueState.FILLED else told.filled_lots
        since_ns = order.end.since_ns if order.end is not None else now_ns
        order.end = End(_ENDS[told.state], filled_lots, told.reason, since_ns)
        self.end_if_told(order, now_ns)

    def end_if_told(self, order: DeskOrder, now_ns: int, *, is_overdue: bool = False) -> None:
        """Say the end that an order waits with, once its executions are told, or when they do not come."""
        end = order.end
        if end is None:
            return
        if order.filled_lots < end.filled_lots and not is_overdue:
            order.told_lots = end.filled_lots
            self._state.want_fills(order.symbol, now_ns)
            return
        if is_overdue:
            self._state.differ(
                "missing_fill",
                order.symbol,
                order.client_order_id,
                f"{order.filled_lots} lots filled",
                f"{end.filled_lots} lots filled",
                "the order is over; the position is compared",
            )
        self._follow(order, self._end_message(order, end), now_ns)
        self._close(order, now_ns, is_certain=True)

    def _end_message(self, order: DeskOrder, end: End) -> Message:
        if end.state is OrderState.CANCELED:
            reason = order.cancel_reason or end.reason or "canceled at the venue"
            return orders.OrderCanceled(*order.name, order.filled_lots, reason)
        if end.state is OrderState.REJECTED and order.state in _NEVER_AT_VENUE and not order.filled_lots:
            return orders.OrderRejected(*order.name, end.code or "rejected", end.reason)
        return orders.OrderExpired(*order.name, order.filled_lots, end.reason or end.state.value)

    def rejected(self, order: DeskOrder, code: str, reason: str, now_ns: int) -> None:
        """Take that the venue certainly did not create an order."""
        order.end = End(OrderState.REJECTED, order.filled_lots, reason, now_ns, code)
        self.end_if_told(order, now_ns)

    def unknown(self, order: DeskOrder, reason: str, now_ns: int) -> None:
        """Take that nobody can say where an order is: its slot stays taken until evidence comes (I-05)."""
        is_known = order.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED) or order.filled_lots > 0
        if order.state is not OrderState.UNKNOWN:
            self._follow(order, orders.OrderUnknown(*order.name, reason), now_ns)
        if order.doubt is None:
            order.doubt = Doubt(now_ns, is_known or bool(order.venue_order_id))

    def never_found(self, order: DeskOrder, now_ns: int) -> None:
        """Take the second conclusive `not found` (decision 3 of reliability.md)."""
        doubt = order.doubt
        if doubt is not None and not doubt.is_known and not order.filled_lots:
            message: Message = orders.OrderRejected(
                *order.name, "not_found", "the venue does not know it, asked twice: it was never placed"
            )
        else:
            message = orders.OrderCanceled(
                *order.name, order.filled_lots, "the venue does not know it any more"
            )
        self._state.counts["never_found"] += 1
        self._follow(order, message, now_ns)
        self._close(order, now_ns, is_certain=False)

    # ---- executions

    def fill(self, told: VenueFill, order_id: str, now_ns: int) -> None:
        """Book one execution, once, whatever its order is by now."""
        state = self._state
        memory, rules = state.memory(told.symbol), state.rules.get(told.symbol)
        if memory.is_seen(told.trade_id):
            state.counts["fill_again"] += 1
            return
        order = state.orders.live.get(order_id)
        closed = state.orders.closed.get(order_id)
        strategy = (
            order.strategy if order else closed.strategy if closed else strategy_of(order_id) or EXTERNAL
        )
        if rules is None:
            state.counts["fill_without_rules"] += 1
            return
        try:
            fee, is_whole = fee_atoms(told.fee, told.fee_asset, rules)
        except ValueError as error:
            state.differ("bad_fill", told.symbol, order_id, "", str(error), "fee taken as 0", is_halted=True)
            fee, is_whole = 0, True
        if not is_whole:
            state.counts["fee_rounded"] += 1
        memory.add(told.trade_id)
        state.last_fill_ns = now_ns
        filled_lots, qty_lots = told.qty_lots, told.qty_lots
        if order is not None:
            order.filled_lots += told.qty_lots
            filled_lots, qty_lots = order.filled_lots, order.qty_lots
        elif closed is not None:
            closed.filled_lots += told.qty_lots
            filled_lots, qty_lots = closed.filled_lots, closed.qty_lots
        message = orders.Fill(
            order_id,
            strategy,
            told.symbol,
            trade_id=told.trade_id,
            side=told.side,
            price_ticks=told.price_ticks,
            qty_lots=told.qty_lots,
            filled_lots=filled_lots,
            leaves_lots=max(0, qty_lots - filled_lots),
            fee_atoms=fee,
            fee_asset=told.fee_asset or rules.quote_asset,
            is_maker=told.is_maker,
            ts_venue_ns=told.ts_venue_ns,
        )
        if order is not None:
            self._filled(order, message, now_ns)
        else:
            state.say(message)
            if closed is not None:
                self._filled_late(closed, message)

    def _filled(self, order: DeskOrder, fill: orders.Fill, now_ns: int) -> None:
        order.heard_ns = now_ns
        if order.stop_ticks and not order.is_triggered and order.state is OrderState.ACCEPTED:
            order.is_triggered = True
            self._follow(order, orders.OrderTriggered(*order.name, fill.ts_venue_ns), now_ns)
        self._follow(order, fill, now_ns)
        self._check_fill(order, fill)
        if order.state is OrderState.FILLED:
            self._close(order, now_ns, is_certain=True)
            return
        order.doubt = None
        self.end_if_told(order, now_ns)

    def _filled_late(self, closed: ClosedOrder, fill: orders.Fill) -> None:
        over = closed.filled_lots > closed.qty_lots
        self._state.differ(
            "overfill" if over else "late_fill",
            fill.symbol,
            fill.client_order_id,
            f"{closed.state}, {closed.filled_lots - fill.qty_lots} of {closed.qty_lots} lots filled",
            f"trade {fill.trade_id} of {fill.qty_lots} lots",
            "booked",
            is_halted=over,
        )

    # ---- checks

    def _check_fill(self, order: DeskOrder, fill: orders.Fill) -> None:
        """Halt the market of an execution that our order does not allow (I-08, E-09)."""
        if order.strategy == EXTERNAL:
            return
        problem = ""
        worse = order.side.sign * (fill.price_ticks - order.price_ticks) > 0
        if order.filled_lots > order.qty_lots:
            problem = f"{order.filled_lots} lots filled"
        elif fill.side is not order.side:
            problem = f"a {fill.side.name.lower()}"
        elif order.price_ticks and worse:
            problem = f"a price of {fill.price_ticks} ticks"
        if problem:
            kind = "overfill" if order.filled_lots > order.qty_lots else "bad_fill"
            ours = f"{order.side.name.lower()} {order.qty_lots} lots at {order.price_ticks} ticks"
            self._state.differ(
                kind, order.symbol, order.client_order_id, ours, problem, "booked, halted", is_halted=True
            )

    def _check_terms(self, order: DeskOrder, told: VenueOrder) -> None:
        """Cancel an order that stands at the venue with other terms than ours."""
        if order.strategy == EXTERNAL or order.cancel_reason:
            return
        # A market order has no price of its own, whatever the venue tells of one.
        price_ticks = told.price_ticks if order.price_ticks else 0
        ours = (order.side, order.price_ticks, order.qty_lots)
        theirs = (told.side, price_ticks, told.qty_lots)
        if ours != theirs:
            order.cancel_reason = "other terms at the venue"
            self._state.differ(
                "order_terms", order.symbol, order.client_order_id, str(ours), str(theirs), "canceled"
            )

    # ---- one way to the log

    def _follow(self, order: DeskOrder, message: Message, now_ns: int) -> None:
        """Say a report that follows the state of its order; one that cannot is not said but halts (I-07)."""
        try:
            order.state = next_state(order.client_order_id, order.state, message)
        except ImpossibleReportError as error:
            self._state.differ(
                "impossible",
                order.symbol,
                order.client_order_id,
                order.state.value,
                str(error),
                "asked, halted",
                is_halted=True,
            )
            if isinstance(message, orders.Fill):
                self._state.say(message)
            return
        order.changed_ns = now_ns
        self._state.say(message)

    def _close(self, order: DeskOrder, now_ns: int, *, is_certain: bool) -> None:
        order.doubt = None
        if order.client_order_id in self._state.orders.live:
            self._state.orders.close(order, now_ns, is_certain=is_certain)

    def let_ends_come(self, now_ns: int) -> None:
        """Say the ends that waited too long for executions that nobody told."""
        late_ns = ms(self._state.settings.late_fills_ms)
        for order in list(self._state.orders.live.values()):
            if order.end is not None and now_ns - order.end.since_ns >= late_ns:
                self.end_if_told(order, now_ns, is_overdue=True)
