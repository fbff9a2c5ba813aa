"""How an order of unknown outcome is resolved: by evidence only, with the timing of decision 3 (I-05).

A positive answer or a stream event resolves it at once, so the venue is asked early and often. `Not found`
counts only late: after a receive window and ten seconds of healthy user stream, after a last cancel by id
that found nothing either, and once more five seconds later.
"""

from services.broker.desk.order import DeskOrder, Doubt
from services.broker.desk.state import DeskState, ms
from services.broker.desk.telling import Teller
from shared.execution.commands import AskOrder, Cancel
from shared.orders import OrderState

ASK_AGAIN_MS = 250
ASK_AGAIN_MAX_MS = 4000


class Doubts:
    """Asks for orders in doubt until they are in doubt no more."""

    def __init__(self, state: DeskState, teller: Teller) -> None:
        self._state, self._teller = state, teller

    def on_time(self, now_ns: int) -> None:
        """Ask what is due to be asked."""
        for order in list(self._state.orders.live.values()):
            if order.state is OrderState.UNKNOWN and order.doubt is not None:
                self._pursue(order, order.doubt, now_ns)

    def _pursue(self, order: DeskOrder, doubt: Doubt, now_ns: int) -> None:
        if order.ask_request or order.cancel_request or order.place_request:
            return
        if not self._state.is_stream_up:
            doubt.first_not_found_ns, doubt.is_cancel_done = 0, False
        if now_ns < doubt.next_ask_ns:
            return
        if self._is_late(doubt, now_ns) and not doubt.is_cancel_done:
            self._cancel(order, now_ns)
            doubt.next_ask_ns = now_ns + self._pause(doubt)
            return
        self.ask(order, now_ns)
        doubt.next_ask_ns = self._next_ask_ns(doubt, now_ns)

    def _next_ask_ns(self, doubt: Doubt, now_ns: int) -> int:
        """Return when to ask next: the growing pause never hides a moment from which an answer counts."""
        moments = [now_ns + self._pause(doubt)]
        if doubt.first_not_found_ns:
            moments.append(doubt.first_not_found_ns + ms(self._state.settings.not_found_again_ms))
        else:
            moments.append(self._late_from_ns(doubt))
        return min(moment for moment in moments if moment > now_ns)

    def _pause(self, doubt: Doubt) -> int:
        doubt.tries += 1
        pause_ms = min(ASK_AGAIN_MAX_MS, ASK_AGAIN_MS << min(doubt.tries - 1, 10))
        return ms(pause_ms)

    def _healthy_since_ns(self, doubt: Doubt) -> int:
        return max(doubt.since_ns, self._state.stream_up_ns)

    def _is_late(self, doubt: Doubt, now_ns: int) -> bool:
        """Return whether `not found` begins to count."""
        return self._state.is_stream_up and now_ns >= self._late_from_ns(doubt)

    def _late_from_ns(self, doubt: Doubt) -> int:
        settings = self._state.settings
        first_ns = ms(settings.recv_window_ms + settings.not_found_after_ms)
        return self._healthy_since_ns(doubt) + first_ns

    def ask(self, order: DeskOrder, now_ns: int) -> None:
        """Ask the venue for one order."""
        if order.ask_request:
            return
        number = self._state.request("ask_order", order.client_order_id, now_ns)
        order.ask_request, order.asked_ns = number, now_ns
        self._state.commands.append(
            AskOrder(number, order.symbol, order.client_order_id, order.venue_order_id)
        )

    def _cancel(self, order: DeskOrder, now_ns: int) -> None:
        number = self._state.request("cancel", order.client_order_id, now_ns)
        order.cancel_request = number
        self._state.commands.append(Cancel(number, order.symbol, order.client_order_id, order.venue_order_id))

    def not_found(self, order: DeskOrder, asked_ns: int, now_ns: int) -> None:
        """Take the answer that the venue knows no such order."""
        doubt = order.doubt
        if doubt is None or order.state is not OrderState.UNKNOWN:
            return
        if asked_ns < self._healthy_since_ns(doubt) or not self._is_late(doubt, asked_ns):
            return
        if not doubt.is_cancel_done:
            return
        again_ns = ms(self._state.settings.not_found_again_ms)
        if not doubt.first_not_found_ns:
            doubt.first_not_found_ns = asked_ns
            doubt.next_ask_ns = asked_ns + again_ns
        elif asked_ns - doubt.first_not_found_ns >= again_ns:
            self._teller.never_found(order, now_ns)

    def cancel_found_nothing(self, order: DeskOrder, asked_ns: int, now_ns: int) -> None:
        """Take that a cancel by id found no such order: the last one, when it was sent late enough."""
        doubt = order.doubt
        if doubt is not None and self._is_late(doubt, asked_ns):
            doubt.is_cancel_done = True
            doubt.next_ask_ns = now_ns
