"""The WebSocket API: log on, take orders, and on spot carry the private stream.

closed ──► opening ──► logging on (Ed25519) ──► ready ──► closed
└── HMAC, RSA: each request signed ──►┘
"""

from collections.abc import Callable

import msgspec

from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Answer, Lost, Out, Outcome, Request
from services.broker.binance.link import Link
from services.broker.binance.settings import SPOT
from services.broker.binance.transport import Transport
from services.broker.binance.watch import StreamWatch
from shared.units import NS_PER_MS

CONNECT_WEIGHTS = {"binance": 2, "binance_usdm": 5}
LOGON_COST = Cost(2)


class _Subscribed(msgspec.Struct):
    subscriptionId: int  # noqa: N815


_subscribed = msgspec.json.Decoder(_Subscribed)
_subscriptions = msgspec.json.Decoder(list[_Subscribed])


def _api(method: str) -> Request:
    return Request(Purpose.UPKEEP, LOGON_COST, "", "", {}, api_method=method)


class ApiSession:
    """The connection of the WebSocket API. `has_stream`: it carries the private stream (spot)."""

    def __init__(self, transport: Transport, watch: StreamWatch, kind: str, *, has_stream: bool) -> None:
        self._transport = transport
        self._settings = transport.settings
        self._watch = watch
        self._logs_on = kind == "ed25519"
        self._has_stream = has_stream and self._settings.venue == SPOT
        venue = self._settings.venue
        self.link = Link(f"{venue}/api", CONNECT_WEIGHTS[venue], transport.budget)
        self._subscription_id = -1
        self._is_draining = False
        self._is_probing = False

    # ---- connection

    def start(self, now_ns: int, out: Out) -> None:
        """Connect; a key that the venue refuses is for a person, and not tried for ever (X-16)."""
        self._is_draining = False
        if self._transport.key_trouble:
            return
        self.link.open(self._settings.endpoints.api, now_ns, out)

    def opened(self, now_ns: int, out: Out) -> None:
        """Log on, or be ready at once where each request is signed."""
        self.link.opened(now_ns)
        if not self._logs_on:
            self._ready(now_ns, out)
            return
        self._bound(_api("session.logon"), self._logged_on, now_ns, out)

    def _bound(
        self, request: Request, take: Callable[[Outcome, int, Out], None], now_ns: int, out: Out
    ) -> None:
        """Ask over this very connection; what may not leave now makes the connection anew, later."""
        socket = self.link.socket

        def of_this(outcome: Outcome, at_ns: int, said: Out) -> None:
            if self.link.socket == socket:
                take(outcome, at_ns, said)

        held = self._transport.ask(request, of_this, now_ns, out, socket=socket)
        if held is not None:
            self.end(held.reason, now_ns, out)

    def _logged_on(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        if isinstance(outcome, Answer) and outcome.is_ok:
            self._transport.is_logged_on = True
            self._ready(now_ns, out)
            return
        self.end(f"log-on refused: {_why(outcome)}", now_ns, out)

    def _ready(self, now_ns: int, out: Out) -> None:
        self._transport.api_socket = self.link.socket
        if self._has_stream:
            method = "userDataStream.subscribe" + ("" if self._logs_on else ".signature")
            self._bound(_api(method), self._took_subscription, now_ns, out)

    def closed(self, reason: str, now_ns: int, out: Out) -> None:
        """Take that the connection is gone: what waited on it is in doubt; connect anew."""
        socket = self.link.socket
        self.link.lost(now_ns)
        self._forget(socket, f"the connection is gone: {reason}", now_ns, out)
        self.start(now_ns, out)

    def end(self, reason: str, now_ns: int, out: Out) -> None:
        """Close the connection ourselves and connect anew."""
        socket = self.link.socket
        self.link.close(now_ns, out)
        self._forget(socket, reason, now_ns, out)
        self.start(now_ns, out)

    def stop(self, now_ns: int, out: Out) -> None:
        """Close for good."""
        self._transport.api_socket = ""
        self.link.close(now_ns, out)

    def _forget(self, socket: str, reason: str, now_ns: int, out: Out) -> None:
        self._transport.api_socket = ""
        self._transport.is_logged_on = False
        self._subscription_id = -1
        self._is_probing = False
        if self._has_stream:
            self._watch.down(reason, out)
        self._transport.close_socket(socket, reason, now_ns, out)

    # ---- the private stream of spot

    def _took_subscription(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        try:
            if not isinstance(outcome, Answer) or not outcome.is_ok:
                raise ValueError(_why(outcome))
            self._subscription_id = _subscribed.decode(outcome.body).subscriptionId
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self.end(f"the private stream was refused: {error}", now_ns, out)
            return
        self._watch.up(now_ns, out)

    def stream_ended(self, reason: str, now_ns: int, out: Out) -> None:
        """Take that the venue ended the subscription; the connection may stand: subscribe anew on another."""
        self.end(reason, now_ns, out)

    def shutdown_announced(self, now_ns: int, out: Out) -> None:
        """Take no further request here; close as soon as what is asked is answered."""
        self._drain(now_ns, out)

    def _drain(self, now_ns: int, out: Out) -> None:
        self._is_draining = True
        self._transport.api_socket = ""
        self._end_when_drained(now_ns, out)

    def _end_when_drained(self, now_ns: int, out: Out) -> None:
        if self._transport.on_socket(self.link.socket) == 0:
            self.end("planned: the connection is made anew", now_ns, out)

    # ---- time

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Probe the private stream; make the connection anew before the venue does."""
        if not self.link.is_open:
            return
        if self._transport.session_trouble:
            reason, self._transport.session_trouble = self._transport.session_trouble, ""
            self.end(f"the session was revoked: {reason}", now_ns, out)
        elif self._is_draining:
            self._end_when_drained(now_ns, out)
        elif self.link.age_ns(now_ns) >= self._settings.socket_life_ms * NS_PER_MS:
            self._drain(now_ns, out)
        elif self._has_stream and self._subscription_id >= 0:
            if self._watch.is_stale(now_ns):
                self.end(self._watch.stale_reason(), now_ns, out)
            elif self._watch.wants_probe(now_ns) and not self._is_probing:
                self._probe(now_ns, out)

    def _probe(self, now_ns: int, out: Out) -> None:
        # Asks whether our subscription stands: a ping would be answered by a stream that tells nothing.
        socket = self.link.socket
        self._watch.probed(now_ns)

        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            if self.link.socket == socket:
                self._is_probing = False
                self._probed(outcome, at_ns, said)

        held = self._transport.ask(_api("session.subscriptions"), take, now_ns, out, socket=socket)
        self._is_probing = held is None
        if held is not None:
            self._watch.excuse(now_ns)

    def _probed(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        if isinstance(outcome, Lost):
            return
        if outcome.is_ok:
            try:
                standing = {one.subscriptionId for one in _subscriptions.decode(outcome.body)}
            except (msgspec.MsgspecError, ValueError, RecursionError):
                standing = {self._subscription_id}
            if self._subscription_id not in standing:
                self.end("the venue no longer holds our subscription", now_ns, out)
                return
        self._watch.proven(now_ns)


def _why(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Lost) else f"{outcome.status} {outcome.code} {outcome.text}"
