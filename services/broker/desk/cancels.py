"""Cancels: sent at once, repeated with a growing pause until the order is certainly gone (I-09, BR-22).

No answer to a cancel ends this but the end of the order: `unknown order` only says that it is worth asking.
"""

from services.broker.desk.doubts import Doubts
from services.broker.desk.order import DeskOrder
from services.broker.desk.state import DeskState, ms
from services.broker.desk.telling import Teller
from services.broker.live_knowledge import takes_all
from shared.execution.commands import Cancel, CancelAll
from shared.execution.reports import RefusalKind, Refused
from shared.messages.orders import CancelRejected
from shared.messages.venue import EXTERNAL

ALL_SETTLES_MS = 500
"""After a cancel of a whole market, what is still open is canceled one by one after this."""
ALL_AT_LEAST = 2
"""So many open orders of a market are canceled by one call."""


class Cancels:
    """The cancels of one desk."""

    def __init__(self, state: DeskState, teller: Teller, doubts: Doubts) -> None:
        self._state, self._teller, self._doubts = state, teller, doubts
        self._markets: dict[str, int] = {}

    def want(self, order: DeskOrder, reason: str, now_ns: int) -> None:
        """Want an order gone, and ask for it now unless that is under way."""
        order.cancel_reason = order.cancel_reason or reason
        if order.symbol not in self._markets and not order.cancel_request and now_ns >= order.cancel_next_ns:
            self._send(order, now_ns)

    def want_market(self, symbol: str, reason: str, now_ns: int) -> None:
        """Want all orders of a market gone by the venue's own call."""
        for order in self._state.orders.of_symbol(symbol):
            order.cancel_reason = order.cancel_reason or reason
        if symbol in self._markets:
            return
        number = self._state.request("cancel_all", symbol, now_ns)
        self._markets[symbol] = number
        self._state.commands.append(CancelAll(number, symbol))

    def want_everything(self, reason: str, now_ns: int, *, quotes_only: bool = False) -> None:
        """Want every order gone, by one call in markets with several; `quotes_only` leaves waiting stops.

        Orders of others stay, unless a person wants everything gone.
        """
        by_symbol: dict[str, list[DeskOrder]] = {}
        protected: set[str] = set()
        for order in self._state.orders.live.values():
            is_others = order.strategy == EXTERNAL and not takes_all(reason)
            if is_others or (quotes_only and order.is_stop):
                protected.add(order.symbol)
            else:
                by_symbol.setdefault(order.symbol, []).append(order)
        for symbol, open_orders in by_symbol.items():
            if len(open_orders) >= ALL_AT_LEAST and symbol not in protected:
                self.want_market(symbol, reason, now_ns)
                continue
            for order in open_orders:
                self.want(order, reason, now_ns)

    def on_time(self, now_ns: int) -> None:
        """Repeat what had no effect."""
        for order in list(self._state.orders.live.values()):
            if not order.cancel_reason or order.cancel_request or order.end is not None:
                continue
            if order.symbol not in self._markets and now_ns >= order.cancel_next_ns:
                self._send(order, now_ns)

    def _send(self, order: DeskOrder, now_ns: int) -> None:
        order.cancel_tries += 1
        number = self._state.request("cancel", order.client_order_id, now_ns)
        order.cancel_request = number
        order.cancel_next_ns = now_ns + self._pause_ns(order)
        self._state.commands.append(Cancel(number, order.symbol, order.client_order_id, order.venue_order_id))

    def _pause_ns(self, order: DeskOrder) -> int:
        settings = self._state.settings
        doubled = settings.cancel_retry_ms << min(order.cancel_tries - 1, 10)
        return ms(min(settings.cancel_retry_max_ms, doubled))

    # ---- answers

    def all_done(self, symbol: str, now_ns: int) -> None:
        """Take that a cancel of a market was answered, whatever it said: what remains is canceled singly."""
        self._markets.pop(symbol, None)
        settled_ns = now_ns + ms(ALL_SETTLES_MS)
        for order in self._state.orders.of_symbol(symbol):
            if order.cancel_reason:
                order.cancel_next_ns = max(order.cancel_next_ns, settled_ns)

    def all_failed(self, symbol: str, now_ns: int) -> None:
        """Take that a cancel of a market had no certain effect: every order is canceled singly now."""
        self._markets.pop(symbol, None)
        for order in self._state.orders.of_symbol(symbol):
            if order.cancel_reason:
                order.cancel_next_ns = now_ns

    def refused(self, order: DeskOrder, refused: Refused, asked_ns: int, now_ns: int) -> None:
        """Take that the venue did not cancel: says nothing about whether the order ever was (I-06)."""
        order.cancel_next_ns = max(order.cancel_next_ns, refused.retry_ns)
        if refused.kind is RefusalKind.NOT_FOUND:
            self._doubts.cancel_found_nothing(order, asked_ns, now_ns)
            if not order.place_request:
                self._doubts.ask(order, now_ns)
        if order.cancel_reason and refused.is_sent and not order.is_cancel_rejection_said:
            order.is_cancel_rejection_said = True
            self._state.say(CancelRejected(*order.name, refused.code or refused.kind.value, refused.reason))
