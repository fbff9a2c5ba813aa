"""The private stream of USD-M: a listen key, renewed and replaced (BR-12), and a connection on /private.

The key stands in the connection's address and is a secret: it never enters a text of ours.
"""

import msgspec

from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Answer, Lost, Out, Outcome, Request, Security
from services.broker.binance.errors import LISTEN_KEY_GONE
from services.broker.binance.link import Link
from services.broker.binance.transport import Transport
from services.broker.binance.watch import StreamWatch
from shared.execution.outside import SendText
from shared.units import NS_PER_MS, NS_PER_S

PATH = "/fapi/v1/listenKey"
RETRY_NS = (NS_PER_S // 4, NS_PER_S, 2 * NS_PER_S, 5 * NS_PER_S, 10 * NS_PER_S, 30 * NS_PER_S)
RENEW_RETRY_NS = 60 * NS_PER_S


class _ListenKey(msgspec.Struct):
    listenKey: str  # noqa: N815


_listen_key = msgspec.json.Decoder(_ListenKey)


class PrivateStream:
    """Key and connection. It is up when the connection stands; the desk fetches what it missed then."""

    def __init__(self, transport: Transport, watch: StreamWatch) -> None:
        self._transport = transport
        self._settings = transport.settings
        self._watch = watch
        self.link = Link(f"{self._settings.venue}/private", 0, transport.budget)
        self._is_asking = False
        self._is_started = False
        self._ask_at_ns = 0
        self._failed_count = 0
        self._renew_at_ns = 0
        self._probe_count = 0

    def start(self, now_ns: int, out: Out) -> None:
        """Ask for a key; the connection follows."""
        self._is_started = True
        self._ask_key(now_ns, out)

    def stop(self, now_ns: int, out: Out) -> None:
        """Close. The key is left to expire: another process of ours may listen with it."""
        self._is_started = False
        self.link.close(now_ns, out)

    def _ask_key(self, now_ns: int, out: Out) -> None:
        if self._is_asking or now_ns < self._ask_at_ns or self._transport.key_trouble:
            return
        request = Request(Purpose.UPKEEP, Cost(1), "POST", PATH, {}, security=Security.KEY)
        held = self._transport.ask(request, self._took_key, now_ns, out)
        self._is_asking = held is None
        if held is not None:
            self._ask_at_ns = held.retry_ns

    def _took_key(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        self._is_asking = False
        key = ""
        if isinstance(outcome, Answer) and outcome.is_ok:
            try:
                key = _listen_key.decode(outcome.body).listenKey
            except (msgspec.MsgspecError, ValueError, RecursionError):
                key = ""
        if not key.isalnum() or not self._is_started:
            self._ask_at_ns = now_ns + RETRY_NS[min(self._failed_count, len(RETRY_NS) - 1)]
            self._failed_count += 1
            return
        self._failed_count = 0
        self._renew_at_ns = now_ns + self._settings.listen_key_ms * NS_PER_MS
        self.link.close(now_ns, out)
        self.link.open(f"{self._settings.endpoints.stream}/private/ws?listenKey={key}", now_ns, out)

    def opened(self, now_ns: int, out: Out) -> None:
        """Take that the connection stands: events come from now on."""
        self.link.opened(now_ns)
        self._watch.up(now_ns, out)

    def closed(self, reason: str, now_ns: int, out: Out) -> None:
        """Take that it is gone; a new key is asked for with the new connection."""
        self.link.lost(now_ns)
        self._watch.down(f"the connection is gone: {reason}", out)
        self._ask_key(now_ns, out)

    def end(self, reason: str, now_ns: int, out: Out) -> None:
        """Close it ourselves and begin anew."""
        self.link.close(now_ns, out)
        self._watch.down(reason, out)
        self._ask_key(now_ns, out)

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Probe, renew the key, and make the connection anew before the venue does."""
        if not self._is_started:
            return
        if not self.link.socket:
            self._ask_key(now_ns, out)
        elif self.link.is_open:
            if self.link.age_ns(now_ns) >= self._settings.socket_life_ms * NS_PER_MS:
                self.end("planned: the connection is made anew", now_ns, out)
            elif self._watch.is_stale(now_ns):
                self.end(self._watch.stale_reason(), now_ns, out)
            elif self._watch.wants_probe(now_ns):
                self._probe(now_ns, out)
        if self.link.socket and now_ns >= self._renew_at_ns:
            self._renew(now_ns, out)

    def _probe(self, now_ns: int, out: Out) -> None:
        self._watch.probed(now_ns)
        if now_ns < self._transport.budget.banned_until_ns:
            self._watch.excuse(now_ns)
            return
        self._probe_count += 1
        text = msgspec.json.encode({"method": "LIST_SUBSCRIPTIONS", "id": self._probe_count})
        out.append(SendText(self.link.socket, text))

    def _renew(self, now_ns: int, out: Out) -> None:
        self._renew_at_ns = now_ns + RENEW_RETRY_NS  # again soon unless it succeeds
        request = Request(Purpose.UPKEEP, Cost(1), "PUT", PATH, {}, security=Security.KEY)
        self._transport.ask(request, self._renewed, now_ns, out)

    def _renewed(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        if isinstance(outcome, Lost):
            return
        if outcome.is_ok:
            self._renew_at_ns = now_ns + self._settings.listen_key_ms * NS_PER_MS
        elif outcome.code == LISTEN_KEY_GONE:
            self.end("the venue no longer knows the key of the stream", now_ns, out)
