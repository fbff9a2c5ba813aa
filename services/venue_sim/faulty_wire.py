"""Calls and user streams of a venue as clients get them under faults, around `wire` as it is. No I/O.

`FaultyWire` stands before a `VenueWire`, `FaultyConnection` before one WebSocket connection. Both take mesh
time; what is late is held here and comes out of `advance` and `events` when it is due.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

import msgspec

from services.venue_sim.mangle import mangled
from services.venue_sim.trading_faults import (
    MANGLE_KINDS,
    TradingFault,
    TradingFaults,
    call_of_rest,
    call_of_ws,
    delay_ns,
)
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

Headers = tuple[tuple[str, str], ...]
Fate = Literal["answered", "silent", "cut"]

HTML = (("content-type", "text/html"),)
JSON = (("content-type", "application/json;charset=UTF-8"),)
UNKNOWN_503 = "Unknown error, please check your request or try again later."
UNAVAILABLE = "Service Unavailable."
ERRORS = {
    408: (
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    500: (-1000, "An unknown error occurred while processing the request."),
    503: (-1000, UNKNOWN_503),
}


class Lateness(Protocol):
    """How late the call acts that is done just now: `wire.backend.VenueClock`."""

    late_ms: int


class Wire(Protocol):
    """What stands behind: `wire.http.VenueWire`."""

    venue: str

    @property
    def clock(self) -> Lateness:
        """The venue's clock: a call that acts late was checked when it came."""

    def http(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, now_ns: int, ip: str
    ) -> tuple[int, Headers, bytes]:
        """Answer one request."""


class Connection(Protocol):
    """One WebSocket connection as `wire` serves it."""

    is_cut: bool

    def take(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Answer one frame of the client."""

    def events(self, now_ns: int) -> list[bytes]:
        """Return what it is to be told since the last call."""

    def close(self) -> None:
        """End it."""


class Outcome(NamedTuple):
    """What becomes of a request: an answer after `delay_ns`, no answer at all, or a cut connection."""

    status: int
    headers: Headers
    body: bytes
    delay_ns: int = 0
    fate: Fate = "answered"


SILENT = Outcome(0, (), b"", fate="silent")
CUT = Outcome(0, (), b"", fate="cut")


class _Late(NamedTuple):
    due_ns: int
    arrived_ns: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    ip: str


class FaultyWire:
    """REST of one venue under the commanded faults; what it lets through is answered by `wire`."""

    def __init__(self, wire: Wire, trading: TradingFaults) -> None:
        self._wire = wire
        self._trading = trading
        self._late: list[_Late] = []
        self._turn = 0

    def http(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        now_ns: int,
        ip: str = "127.0.0.1",
    ) -> Outcome:
        """Answer one request, or not."""
        venue, sent = self._wire.venue, tuple(headers)
        if self._trading.is_down(venue):
            return Outcome(503, JSON, _told(-1000, UNAVAILABLE))
        call = call_of_rest(method, target)
        is_signed = any(name.lower() == "x-mbx-apikey" for name, _ in sent)
        fault = self._trading.of_call(venue, call, now_ns) if is_signed else None
        if fault is None:
            return Outcome(*self._wire.http(method, target, sent, body, now_ns, ip))
        if fault.kind == "act_late":
            late = _Late(now_ns + delay_ns(fault), now_ns, method, target, sent, body, ip)
            self._late.append(late)
            return SILENT
        if fault.kind.endswith("_before"):
            return _without_answer(fault)
        answer = Outcome(*self._wire.http(method, target, sent, body, now_ns, ip))
        if fault.kind.endswith("_after"):
            return _without_answer(fault)
        if fault.kind in MANGLE_KINDS:
            self._turn += 1
            return answer._replace(body=mangled(answer.body, fault.kind, fault.field, self._turn - 1))
        return answer._replace(delay_ns=delay_ns(fault))

    def due_ns(self) -> int | None:
        """Return when a late request acts, None without any."""
        return min((late.due_ns for late in self._late), default=None)

    def advance(self, now_ns: int) -> None:
        """Let late requests act that are due, in the order of their times; nobody hears their answers."""
        due = sorted(late for late in self._late if late.due_ns <= now_ns)
        self._late = [late for late in self._late if late.due_ns > now_ns]
        for late in due:
            self._wire.clock.late_ms = (late.due_ns - late.arrived_ns) // NS_PER_MS
            self._wire.http(late.method, late.target, late.headers, late.body, late.due_ns, late.ip)
            self._wire.clock.late_ms = 0


class _Call(msgspec.Struct):
    method: str = ""
    id: msgspec.Raw = msgspec.Raw(b"null")


class FaultyConnection:
    """One WebSocket connection under the commanded faults, with the calls of the one behind it.

    `clock` is given for the WebSocket API only: its requests suffer the faults of calls. What `events` of the
    connection tells suffers those of user streams. `due_ns` says when `events` has something late to tell.
    """

    def __init__(
        self,
        inner: Connection,
        trading: TradingFaults,
        venue: str,
        *,
        clock: Lateness | None = None,
    ) -> None:
        self._inner = inner
        self._trading = trading
        self._venue = venue
        self._clock = clock
        self._is_cut = False
        self._turn = 0
        # Answers and events that come later, and requests that act later (due, came, frame).
        self._late: list[tuple[int, bytes]] = []
        self._acts_late: list[tuple[int, int, str | bytes]] = []
        self._swapped: bytes | None = None
        self._lags_until_ns = 0

    @property
    def is_cut(self) -> bool:
        """Whether the transport shall drop the client."""
        return self._is_cut or self._inner.is_cut

    def take(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Answer one frame of the client, or not."""
        call = _call_of(text) if self._clock is not None else None
        if call is None:
            return self._inner.take(text, now_ns)
        if self._trading.is_down(self._venue):
            return [_ws_error(call, 503, -1000, UNAVAILABLE)]
        fault = self._trading.of_call(self._venue, call_of_ws(call.method), now_ns)
        if fault is None:
            return self._inner.take(text, now_ns)
        if fault.kind == "act_late":
            self._acts_late.append((now_ns + delay_ns(fault), now_ns, text))
            return []
        if fault.kind.endswith("_before"):
            return self._without_answer(fault, call)
        answers = self._inner.take(text, now_ns)
        if fault.kind.endswith("_after"):
            return self._without_answer(fault, call)
        if fault.kind in MANGLE_KINDS:
            return [self._mangled(answer, fault) for answer in answers]
        self._late += [(now_ns + delay_ns(fault), answer) for answer in answers]
        return []

    def events(self, now_ns: int) -> list[bytes]:
        """Return what the client is to be told now: late answers, and events after their faults."""
        out: list[bytes] = []
        due = [late for late in self._acts_late if late[0] <= now_ns]
        self._acts_late = [late for late in self._acts_late if late[0] > now_ns]
        for _, came_ns, text in due:
            assert self._clock is not None
            self._clock.late_ms = (now_ns - came_ns) // NS_PER_MS
            out += self._inner.take(text, now_ns)
            self._clock.late_ms = 0
        for event in self._inner.events(now_ns):
            self._pass(event, now_ns, out)
        self._late.sort(key=lambda late: late[0])
        out = [data for due_ns, data in self._late if due_ns <= now_ns] + out
        self._late = [late for late in self._late if late[0] > now_ns]
        return [] if self.is_cut else out

    def due_ns(self) -> int | None:
        """Return when something late is due, None without anything."""
        answers, acts = (late[0] for late in self._late), (late[0] for late in self._acts_late)
        return min((*answers, *acts), default=None)

    def close(self) -> None:
        """End it."""
        self._is_cut = True
        self._inner.close()

    def _pass(self, event: bytes, now_ns: int, out: list[bytes]) -> None:
        """Put an event into `out` or among the late ones, as its fault says."""
        name, is_fill = _name_of(event)
        fault = self._trading.of_event(self._venue, name, is_fill, now_ns)
        kind = fault.kind if fault is not None else ""
        before, self._swapped = self._swapped, None
        if fault is None or kind == "event_double":
            self._emit([event] if fault is None else [event, event], now_ns, out)
        elif kind == "event_delay":
            self._lags_until_ns = max(self._lags_until_ns, now_ns + delay_ns(fault))
            self._emit([event], now_ns, out)
        elif kind == "late_fill":
            self._late.append((now_ns + delay_ns(fault), event))
        elif kind == "event_swap":
            self._swapped = event
        elif kind == "event_cut":
            self.close()
        elif kind != "event_drop":
            self._emit([self._mangled(event, fault)], now_ns, out)
        if before is not None:
            self._emit([before], now_ns, out)

    def _emit(self, events: list[bytes], now_ns: int, out: list[bytes]) -> None:
        """Tell events now, or behind what lags: on one connection nothing overtakes."""
        if self._lags_until_ns > now_ns:
            self._late += [(self._lags_until_ns, event) for event in events]
        else:
            out += events

    def _without_answer(self, fault: TradingFault, call: _Call) -> list[bytes]:
        if fault.kind.startswith("cut"):
            self.close()
        if not fault.kind.startswith("error"):
            return []
        code, msg = ERRORS.get(fault.status, ERRORS[503])
        return [_ws_error(call, fault.status, code, fault.text or msg)]

    def _mangled(self, data: bytes, fault: TradingFault) -> bytes:
        self._turn += 1
        return mangled(data, fault.kind, fault.field, self._turn - 1)


def _without_answer(fault: TradingFault) -> Outcome:
    """Return how a request ends that is not told what it did."""
    if fault.kind.startswith("silence"):
        return SILENT
    if fault.kind.startswith("cut"):
        return CUT
    if fault.status not in ERRORS and not fault.text:
        return Outcome(fault.status, HTML, b"<html><body><h1>%d</h1></body></html>" % fault.status)
    code, msg = ERRORS.get(fault.status, ERRORS[503])
    return Outcome(fault.status, JSON, _told(code, fault.text or msg))


def _call_of(text: str | bytes) -> _Call | None:
    try:
        return msgspec.json.decode(text, type=_Call)
    except UNDECODABLE:
        return None


def _name_of(event: bytes) -> tuple[str, bool]:
    """Return (kind of event, whether it tells a fill) of a user stream frame, bare or wrapped."""
    try:
        frame = msgspec.json.decode(event)
    except UNDECODABLE:
        return "", False
    while isinstance(frame, dict) and isinstance(inner := frame.get("event", frame.get("data")), dict):
        frame = inner
    if not isinstance(frame, dict):
        return "", False
    order = frame.get("o") if isinstance(frame.get("o"), dict) else frame
    is_fill = isinstance(order, dict) and order.get("x") == "TRADE"
    return str(frame.get("e", "")), is_fill or frame.get("e") == "TRADE_LITE"


def _told(code: int, msg: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg})


def _ws_error(call: _Call, status: int, code: int, msg: str) -> bytes:
    return msgspec.json.encode({"id": call.id, "status": status, "error": {"code": code, "msg": msg}})
