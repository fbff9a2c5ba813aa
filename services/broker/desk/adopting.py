"""Whose order is it: what the venue tells finds its order here, ours or another's (I-19, E-06).

An order that nobody here knows is adopted under the strategy `external`; one of ours that was held for
never placed and surfaces after all is adopted as ours and canceled at once. An execution that names only the
venue's own id of an unknown order waits until the venue has said whose order that is.
"""

from services.broker.desk.cancels import Cancels
from services.broker.desk.doubts import Doubts
from services.broker.desk.order import DeskOrder
from services.broker.desk.state import DeskState, ms
from services.broker.desk.telling import Teller
from services.broker.live_order import ClosedOrder, slot_of, strategy_of
from shared.execution.commands import AskOrder
from shared.execution.reports import OrderFound, VenueFill, VenueOrder, VenueState
from shared.messages.venue import EXTERNAL, OrderAdopted
from shared.orders import OrderState

LAG_MS = 10_000
"""Answers of a venue may lag: an ended order that is shown as open so long after its end is open."""
WAITING_MAX = 1000


class Adopting:
    """Finds the order behind what the venue tells."""

    def __init__(self, state: DeskState, teller: Teller, cancels: Cancels, doubts: Doubts) -> None:
        self._state, self._teller = state, teller
        self._cancels, self._doubts = cancels, doubts
        self._waiting: dict[tuple[str, str], list[VenueFill]] = {}
        self._asked: dict[int, tuple[str, str]] = {}

    # ---- orders

    def take(self, told: VenueOrder, now_ns: int, asked_ns: int = 0) -> None:
        """Take the state of an order as told by a stream (`asked_ns` 0) or by the answer to a question."""
        orders = self._state.orders
        order_id = self._id_of(told.symbol, told.client_order_id, told.venue_order_id)
        order = orders.live.get(order_id)
        if order is not None:
            self._take_own(order, told, now_ns, asked_ns)
            return
        closed = orders.closed.get(order_id)
        if closed is not None:
            self._take_closed(closed, told, now_ns, asked_ns)
        elif told.state.is_open:
            self._adopt_unknown(told, order_id, now_ns)

    def _id_of(self, symbol: str, client_order_id: str, venue_order_id: str) -> str:
        orders = self._state.orders
        if orders.is_used(client_order_id):
            return client_order_id
        return orders.id_of(symbol, venue_order_id) or client_order_id or f"x{venue_order_id}"

    def _take_own(self, order: DeskOrder, told: VenueOrder, now_ns: int, asked_ns: int) -> None:
        if not told.state.is_open:
            self._tell_unwanted_end(order, told)
            self._teller.ended(order, told, now_ns)
            return
        if asked_ns and asked_ns < order.changed_ns and order.state is not OrderState.SENT:
            return
        if order.end is None:
            self._teller.is_open_at(order, told, now_ns)
            if order.cancel_reason and not order.cancel_request:
                self._cancels.want(order, order.cancel_reason, now_ns)

    def _tell_unwanted_end(self, order: DeskOrder, told: VenueOrder) -> None:
        """Say an end that we did not wish: by another's hand, or one that the stream did not tell."""
        if order.cancel_reason or order.end is not None:
            return
        is_vanished = order.client_order_id in self._state.vanished
        if not is_vanished and told.state is not VenueState.CANCELED:
            return
        self._state.differ(
            "vanished_order" if is_vanished else "external_cancel",
            order.symbol,
            order.client_order_id,
            order.state.value if is_vanished else "not canceled by us",
            told.reason or told.state.value,
            "the order is over",
        )

    def _take_closed(self, closed: ClosedOrder, told: VenueOrder, now_ns: int, asked_ns: int) -> None:
        """Drop what is late; an order that is open after all is counted again, and canceled at once."""
        if not told.state.is_open:
            return
        is_lag = asked_ns <= closed.closed_ns + ms(LAG_MS)
        if closed.is_certain and is_lag:
            return
        if closed.state is OrderState.FILLED:
            return
        self._enter(told, closed.client_order_id, closed.strategy, closed.filled_lots, now_ns)
        self._state.differ(
            "surfaced_order",
            told.symbol,
            closed.client_order_id,
            f"{closed.state}",
            f"{told.state}, {told.filled_lots} of {told.qty_lots} lots filled",
            "adopted and canceled",
        )
        self._cancel_adopted(closed.client_order_id, "surfaced after its end", now_ns)

    def _adopt_unknown(self, told: VenueOrder, order_id: str, now_ns: int) -> None:
        own = strategy_of(order_id)
        self._enter(told, order_id, own or EXTERNAL, 0, now_ns)
        kind = "surfaced_order" if own else "external_order"
        self._state.differ(
            kind,
            told.symbol,
            order_id,
            "no such order",
            f"{told.side.name.lower()} {told.qty_lots} lots at {told.price_ticks} ticks, {told.state}",
            "adopted and canceled" if own else "adopted, the market pauses",
            is_halted=not own,
        )
        if own:
            self._cancel_adopted(order_id, "an order of ours that our log does not know", now_ns)

    def _cancel_adopted(self, order_id: str, reason: str, now_ns: int) -> None:
        order = self._state.orders.live.get(order_id)
        if order is not None:
            self._cancels.want(order, reason, now_ns)

    def _enter(self, told: VenueOrder, order_id: str, strategy: str, filled_lots: int, now_ns: int) -> None:
        order = DeskOrder(
            client_order_id=order_id,
            strategy=strategy,
            symbol=told.symbol,
            slot=slot_of(order_id),
            side=told.side,
            price_ticks=told.price_ticks,
            qty_lots=told.qty_lots,
            order_type=told.order_type,
            tif=told.tif,
            is_post_only=told.is_post_only,
            is_reduce_only=told.is_reduce_only,
            state=OrderState.PARTIALLY_FILLED if filled_lots else OrderState.ACCEPTED,
            filled_lots=filled_lots,
            venue_order_id=told.venue_order_id,
            changed_ns=now_ns,
            heard_ns=now_ns,
        )
        self._state.orders.enter(order)
        self._state.say(
            OrderAdopted(
                order_id,
                strategy,
                told.symbol,
                told.venue_order_id,
                told.side,
                told.price_ticks,
                told.qty_lots,
                filled_lots,
                told.order_type,
                told.tif,
                told.is_post_only,
                told.is_reduce_only,
                told.reason,
            )
        )
        if told.filled_lots > filled_lots:
            self._state.want_fills(told.symbol, now_ns)

    # ---- executions

    def take_fill(self, told: VenueFill, now_ns: int) -> str:
        """Take one execution; return the id of its order when it was booked now, else an empty text."""
        state = self._state
        if state.memory(told.symbol).is_seen(told.trade_id):
            state.counts["fill_again"] += 1
            return ""
        order_id = self._id_of(told.symbol, told.client_order_id, told.venue_order_id)
        if not state.orders.is_used(order_id):
            if not told.client_order_id and told.venue_order_id:
                self._ask_whose(told, now_ns)
                return ""
            self._teller.fill(told, order_id, now_ns)
            self._tell_external(told, order_id)
            return order_id
        order = state.orders.live.get(order_id)
        if order is not None:
            state.orders.note_venue_id(order, told.venue_order_id)
        self._teller.fill(told, order_id, now_ns)
        return order_id

    def _tell_external(self, told: VenueFill, order_id: str) -> None:
        """Say an execution of an order that nobody here knows, or knows any more."""
        own = strategy_of(order_id)
        self._state.differ(
            "late_fill" if own else "external_fill",
            told.symbol,
            order_id,
            "no such order",
            f"trade {told.trade_id}: {told.side.name.lower()} {told.qty_lots} lots, {told.price_ticks} ticks",
            f"booked under {own or EXTERNAL}, the market pauses",
            is_halted=True,
        )

    def _ask_whose(self, told: VenueFill, now_ns: int) -> None:
        """Let an execution wait for its order; past the limit of memory it counts as another's."""
        key = (told.symbol, told.venue_order_id)
        waiting = self._waiting.get(key)
        if waiting is not None:
            if all(one.trade_id != told.trade_id for one in waiting):
                waiting.append(told)
            return
        if len(self._waiting) >= WAITING_MAX:
            order_id = f"x{told.venue_order_id}"
            self._teller.fill(told, order_id, now_ns)
            self._tell_external(told, order_id)
            return
        self._waiting[key] = [told]
        number = self._state.request("ask_whose", told.venue_order_id, now_ns)
        self._asked[number] = key
        self._state.commands.append(AskOrder(number, told.symbol, "", told.venue_order_id))

    def told_whose(self, report: object, number: int, now_ns: int) -> None:
        """Take whose order executions belong to: an order that the venue does not tell is another's.

        An answer that is in doubt leaves them waiting: the next comparison fetches them again.
        """
        key = self._asked.pop(number)
        waiting = self._waiting.pop(key)
        from_venue = isinstance(report, OrderFound)
        if not from_venue and getattr(report, "kind", None) != "not_found":
            return
        client_order_id = report.order.client_order_id if isinstance(report, OrderFound) else ""
        order_id = self._id_of(key[0], client_order_id, key[1])
        is_own = self._state.orders.is_used(order_id)
        order = self._state.orders.live.get(order_id)
        if order is not None:
            self._state.orders.note_venue_id(order, key[1])
        for told in waiting:
            if self._state.memory(told.symbol).is_seen(told.trade_id):
                continue
            self._teller.fill(told, order_id, now_ns)
            if not is_own:
                self._tell_external(told, order_id)
        if isinstance(report, OrderFound):
            self.take(report.order, now_ns)

    @property
    def is_waiting(self) -> bool:
        """Return whether executions wait for the venue's word on whose they are."""
        return bool(self._waiting)
