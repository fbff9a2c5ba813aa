"""Requests in flight: signs and sends each once, matches answers, ends what is never answered.

A request goes over the WebSocket API while that is ready, else over REST; the way is chosen before the first
byte and never changed after it. What the budget does not allow is not sent at all.
"""

from collections.abc import Sequence

import msgspec

from services.broker.binance.budget import INTERVAL_S, Budget, Count, Held, Purpose, counts_of_headers
from services.broker.binance.calls import (
    Answer,
    Call,
    Lost,
    Out,
    Outcome,
    RateLimit,
    Request,
    Security,
    Take,
    ban_end_ms,
    ban_wait_ms,
    error_of,
)
from services.broker.binance.errors import TOO_MANY_ORDERS, Verdict, verdict_of
from services.broker.binance.settings import BinanceSettings
from services.broker.binance.signing import Param, query_of, signed_params, signed_query
from services.broker.keys import VenueKey
from shared.execution.outside import HttpCall, SendText
from shared.execution.reports import RefusalKind
from shared.units import NS_PER_MS, NS_PER_S

# Where the venue does not say how long: a window of weight, and the least ban it documents.
LIMITED_MS = 60_000
BANNED_MS = 120_000
RETRY_AFTER_S_MAX = 7 * 86_400
LATE_COUNT_MAX = 512
# The shell ends a call at its own limit; this is for an answer that it never gives.
GRACE_MS = 2000
# A request refused for our clock waits so long for the venue's.
SECOND_NS = 5 * NS_PER_S


class ApiFrame(msgspec.Struct):
    """A frame of the WebSocket API: an answer, or an event of the private stream."""

    id: str | int | None = None
    status: int = 0
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    rateLimits: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    event: msgspec.Raw = msgspec.Raw(b"")
    subscriptionId: int = -1  # noqa: N815
    e: str = ""


_limits = msgspec.json.Decoder(list[RateLimit])


class Transport:
    """All requests of one adapter. `api_socket` is empty while the WebSocket API takes no requests."""

    def __init__(self, settings: BinanceSettings, key: VenueKey, budget: Budget) -> None:
        self.settings = settings
        self.budget = budget
        self.api_socket = ""
        self.is_logged_on = False
        self.wants_time = False
        self.key_trouble = ""
        self.session_trouble = ""
        self._key = key
        self._next_id = 0
        self._calls: dict[int, Call] = {}
        self._late: dict[int, Call] = {}
        self._second: list[Call] = []

    # ---- sending

    def ask(
        self,
        request: Request,
        take: Take,
        now_ns: int,
        out: Out,
        *,
        late: Take | None = None,
        socket: str = "",
    ) -> Held | None:
        """Send a request, or return why not: then nothing left, and `take` is never called.

        `socket` binds it to a socket that is not ready for others yet.
        """
        held = self.budget.held(request.purpose, request.cost, now_ns)
        if held is not None:
            return held
        self._next_id += 1
        self._send(self._next_id, request, take, late, now_ns, out, socket)
        return None

    def _send(
        self,
        call_id: int,
        request: Request,
        take: Take,
        late: Take | None,
        now_ns: int,
        out: Out,
        socket: str = "",
        is_second: bool = False,
    ) -> None:
        self.budget.charge(request.purpose, request.cost, now_ns)
        by = socket or (self.api_socket if request.api_method else "")
        timeout_ms = self.settings.timeout_ms
        deadline_ns = now_ns + (timeout_ms + (0 if by else GRACE_MS)) * NS_PER_MS
        call = Call(call_id, request, take, late, now_ns, deadline_ns, by, is_second=is_second)
        self._calls[call_id] = call
        if by:
            call.is_unsigned = self.is_logged_on and by == self.api_socket
            out.append(SendText(by, self._frame(call, now_ns)))
        else:
            out.append(self._http(call, now_ns))

    def _stamped(self, request: Request, now_ns: int) -> dict[str, Param]:
        if request.security is not Security.SIGNED:
            return request.params
        return {
            **request.params,
            "recvWindow": self.settings.recv_window_ms,
            "timestamp": (now_ns + self.budget.offset_ns) // NS_PER_MS,
        }

    def _frame(self, call: Call, now_ns: int) -> bytes:
        request = call.request
        params = self._stamped(request, now_ns)
        if request.security is Security.SIGNED and not call.is_unsigned:
            params = signed_params(params, self._key.api_key, self._key.signer)
        elif request.security is Security.KEY:
            params = {**params, "apiKey": self._key.api_key}
        return msgspec.json.encode({"id": str(call.call_id), "method": request.api_method, "params": params})

    def _http(self, call: Call, now_ns: int) -> HttpCall:
        request = call.request
        params = self._stamped(request, now_ns)
        headers: tuple[tuple[str, str], ...] = ()
        if request.security is not Security.NONE:
            headers = (("X-MBX-APIKEY", self._key.api_key),)
        if request.security is Security.SIGNED:
            query = signed_query(params, self._key.signer)
        else:
            query = query_of(params)
        return HttpCall(
            call.call_id,
            request.http_method,
            request.base or self.settings.endpoints.rest,
            f"{request.path}?{query}" if query else request.path,
            b"",
            headers,
            self.settings.timeout_ms,
        )

    @property
    def in_flight(self) -> int:
        """Return how many requests have no answer yet."""
        return len(self._calls) + len(self._second)

    def on_socket(self, socket: str) -> int:
        """Return how many requests wait for an answer on a socket."""
        return sum(call.socket == socket for call in self._calls.values())

    # ---- answers

    def take_http(
        self,
        call_id: int,
        status: int,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        now_ns: int,
        out: Out,
    ) -> None:
        """Take a whole answer over REST; one to nothing in flight is late, or ignored."""
        self.budget.learn(counts_of_headers(headers), now_ns)
        retry_s = next((value for name, value in headers if name == "retry-after"), "")
        retry_ns = 0
        if retry_s.isdigit() and len(retry_s) < 8:
            retry_ns = now_ns + min(int(retry_s), RETRY_AFTER_S_MAX) * NS_PER_S
        self._answered(call_id, status, body, retry_ns, now_ns, out)

    def take_http_failed(self, call_id: int, reason: str, is_sent: bool, now_ns: int, out: Out) -> None:
        """Take that no whole answer came over REST."""
        call = self._calls.pop(call_id, None)
        if call is not None:
            self._lose(call, reason, is_sent, now_ns, out)

    def take_frame(self, socket: str, frame: ApiFrame, now_ns: int, out: Out) -> None:
        """Take an answer of the WebSocket API; a frame that answers nothing in flight is ignored."""
        self._learn_limits(frame.rateLimits, now_ns)
        number = str(frame.id) if frame.id is not None else ""
        call_id = int(number) if number.isdigit() and len(number) < 16 else 0
        call = self._calls.get(call_id) or self._late.get(call_id)
        if call is None or call.socket != socket:
            return
        is_ok = 200 <= frame.status < 300
        body = bytes(frame.result if is_ok else frame.error)
        data = b"" if is_ok else bytes(error_of(body).data)
        retry_ms = ban_end_ms(data)
        retry_ns = retry_ms * NS_PER_MS - self.budget.offset_ns if retry_ms else 0
        # Our clock may be wrong: what the venue's own clock leaves of the ban holds as well.
        wait_ms = ban_wait_ms(data)
        retry_ns = max(retry_ns, now_ns + wait_ms * NS_PER_MS) if wait_ms else retry_ns
        most_ns = now_ns + RETRY_AFTER_S_MAX * NS_PER_S
        self._answered(call_id, frame.status, body, min(retry_ns, most_ns), now_ns, out)

    def _learn_limits(self, limits: msgspec.Raw, now_ns: int) -> None:
        if not bytes(limits):
            return
        try:
            told = _limits.decode(limits)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        self.budget.learn(counts_of(told), now_ns)

    def _answered(self, call_id: int, status: int, body: bytes, retry_ns: int, now_ns: int, out: Out) -> None:
        call = self._calls.pop(call_id, None)
        late = self._late.pop(call_id, None) if call is None else None
        if call is None and late is None:
            return
        verdict: Verdict | None = None
        code, text = 0, ""
        if not 200 <= status < 300:
            error = error_of(body)
            code, text = error.code, error.msg[:300]
            verdict = verdict_of(status, code, text)
        sent_ns = call.sent_ns if call is not None else now_ns
        if verdict is not None:
            unsigned = call is not None and call.is_unsigned
            retry_ns = self.note(verdict, status, code, text, retry_ns, unsigned, now_ns)
        answer = Answer(status, body, verdict, code, text, sent_ns, retry_ns)
        if late is not None:
            assert late.late is not None
            late.late(answer, now_ns, out)
            return
        assert call is not None
        self.budget.settle(call.request.cost)
        if self._may_repeat(call, verdict):
            call.deadline_ns = now_ns + SECOND_NS
            self._second.append(call)
            return
        call.take(answer, now_ns, out)

    def _may_repeat(self, call: Call, verdict: Verdict | None) -> bool:
        """Return whether a refusal for the clock is worth once more: never a create (I-05)."""
        is_clock = verdict is not None and verdict.kind is RefusalKind.CLOCK
        return is_clock and call.request.purpose is not Purpose.CREATE and not call.is_second

    def note(
        self,
        verdict: Verdict,
        status: int,
        code: int,
        text: str,
        retry_ns: int,
        is_unsigned: bool,
        now_ns: int,
    ) -> int:
        """Take what an error says beyond its own request; return the earliest time for another try."""
        if verdict.kind is RefusalKind.CLOCK:
            self.wants_time = True
        elif verdict.kind is RefusalKind.KEY:
            if is_unsigned:
                self.session_trouble = f"{code} {text}"
            else:
                self.key_trouble = self.key_trouble or f"the venue refuses the key: {code} {text}"[:200]
        elif verdict.is_final:
            self.key_trouble = self.key_trouble or f"{code} {text}"[:200]
        elif verdict.kind is RefusalKind.RATE:
            if code == TOO_MANY_ORDERS:
                return self.budget.stop_creates(retry_ns, now_ns)
            until_ns = retry_ns
            if not until_ns:
                until_ns = now_ns + (BANNED_MS if status == 418 else LIMITED_MS) * NS_PER_MS
            reason = f"the venue answered {status} {code}: nothing is sent before the end of the ban"
            self.budget.ban(until_ns, reason)
            return until_ns
        return retry_ns

    # ---- what is never answered

    def close_socket(self, socket: str, reason: str, now_ns: int, out: Out) -> None:
        """End every request that waits on a socket that is gone: each is in doubt."""
        for call in [call for call in self._calls.values() if call.socket == socket]:
            # What is told of one may have ended another.
            if self._calls.pop(call.call_id, None) is not None:
                self._lose(call, reason, True, now_ns, out)

    def pass_time(self, now_ns: int, out: Out) -> None:
        """End what is overdue, in the order of sending."""
        for call in [call for call in self._calls.values() if call.deadline_ns <= now_ns]:
            if self._calls.pop(call.call_id, None) is None:
                continue
            if call.late is not None:
                self._late[call.call_id] = call
                if len(self._late) > LATE_COUNT_MAX:
                    del self._late[next(iter(self._late))]
            self._lose(call, f"no answer within {self.settings.timeout_ms} ms", True, now_ns, out)
        overdue = [call for call in self._second if call.deadline_ns <= now_ns]
        self._second = [call for call in self._second if call.deadline_ns > now_ns]
        for call in overdue:
            reason = "refused for our clock, and the venue's clock could not be read since"
            call.take(Lost(reason, False, call.sent_ns), now_ns, out)

    def _lose(self, call: Call, reason: str, is_sent: bool, now_ns: int, out: Out) -> None:
        self.budget.settle(call.request.cost)
        lost: Outcome = Lost(reason[:200], is_sent, call.sent_ns)
        call.take(lost, now_ns, out)

    def send_second(self, now_ns: int, out: Out) -> None:
        """Send once more what was refused for our clock, now that it is set."""
        waiting, self._second = self._second, []
        for call in waiting:
            request = call.request
            held = self.budget.held(request.purpose, request.cost, now_ns)
            # What was bound to a socket goes again only while that socket stands.
            if held is not None or (not request.path and call.socket != self.api_socket):
                reason = held.reason if held is not None else "the connection was lost"
                call.take(Lost(reason, False, call.sent_ns), now_ns, out)
                continue
            self._next_id += 1
            socket = call.socket if not request.path else ""
            self._send(self._next_id, request, call.take, call.late, now_ns, out, socket, is_second=True)


def counts_of(limits: Sequence[RateLimit]) -> list[Count]:
    """Return the windows that the venue publishes; intervals it has invented since are left out."""
    return [
        Count(one.rateLimitType, INTERVAL_S[one.interval] * one.intervalNum, one.count, one.limit)
        for one in limits
        if one.interval in INTERVAL_S and 0 < one.intervalNum < 10_000 and one.limit > 0
    ]
