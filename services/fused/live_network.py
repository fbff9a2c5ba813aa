"""The network between one broker and the venues, in virtual time: late, lossy, cut, half-open, never honest.

Frames of one connection keep their order; requests of HTTP and different connections overtake each other.
What has left us reaches the venue also when we die meanwhile.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from services.fused.live_lag import unknown_answer, unknown_frame
from services.fused.live_plan import CALM_NS, PPM, Plan
from services.fused.live_time import Timeline
from services.fused.live_witness import Witness, is_create
from services.venue_sim.draw import Draw
from services.venue_sim.mangle import mangled
from shared.execution.outside import CloseSocket, HttpCall, OpenSocket, OutsideWork, SendText
from shared.units import NS_PER_MS, NS_PER_S

LATE_MAX_NS = 9 * NS_PER_S
"""A request that is stuck in the network arrives this late at most."""
BACKEND_NS = 10 * NS_PER_S
"""The venue gives up waiting for its engine after so long; the engine may act later still."""
ENGINE_NS = 12 * NS_PER_S


class Session(Protocol):
    """The venue's end of one WebSocket."""

    def take(self, text: bytes, now_ns: int) -> list[bytes]:
        """Answer one frame."""

    def pushed(self, now_ns: int) -> list[bytes]:
        """Return what the venue says by itself since the last time."""

    @property
    def is_cut(self) -> bool:
        """Return whether the venue has closed it."""

    def close(self) -> None:
        """Forget the connection."""


class VenueDoor(Protocol):
    """A venue without sockets."""

    def http(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Answer one request."""

    def open(self, path: str, now_ns: int) -> Session | None:
        """Accept a WebSocket; None refuses the handshake."""

    def hold_up(self, late_ns: int) -> None:
        """Let the next requests be those that came so long ago; 0 ends it."""


class Inbox(Protocol):
    """The broker's outside half: what the network delivers to."""

    def on_http(
        self, venue: str, call_id: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None:
        """Take a whole answer."""

    def on_http_failed(self, venue: str, call_id: int, reason: str, *, is_sent: bool) -> None:
        """Take that none came."""

    def on_opened(self, venue: str, socket: str) -> None:
        """Take that a socket is open."""

    def on_closed(self, venue: str, socket: str, reason: str) -> None:
        """Take that a socket is closed."""

    def on_text(self, venue: str, socket: str, text: bytes) -> None:
        """Take a frame."""

    def when_awake(self, action: Callable[[], None]) -> None:
        """Do something at the moment when the process would notice it."""


class _Socket:
    """One connection. `deaf_until_ns`: half-open, nothing passes either way."""

    __slots__ = ("deaf_until_ns", "in_due_ns", "is_open", "name", "out_due_ns", "session", "venue")

    def __init__(self, venue: str, name: str) -> None:
        self.venue = venue
        self.name = name
        self.session: Session | None = None
        self.is_open = False
        self.deaf_until_ns = 0
        self.in_due_ns = self.out_due_ns = 0


_MANGLED = ("missing_field", "extra_field", "wrong_type")
_RETRY = re.compile(rb'"status":(418|429).*?"retryAfter":(\d+)')


class Network:
    """All connections of one life of the broker; a new life gets a new network.

    The witness sees all that leaves us, at the moment when it leaves.
    """

    def __init__(
        self,
        timeline: Timeline,
        draw: Draw,
        plan: Plan,
        origin_ns: int,
        doors: Mapping[str, VenueDoor],
        skew_ns: Callable[[], int],
        inbox: Inbox,
        witness: Witness,
    ) -> None:
        self._timeline = timeline
        self._draw = draw
        self._plan = plan
        self._origin_ns = origin_ns
        self._doors = doors
        self._skew_ns = skew_ns
        self._inbox = inbox
        self._witness = witness
        self._sockets: dict[tuple[str, str], _Socket] = {}
        self._is_dead = False

    def die(self) -> None:
        """Forget all connections with the process; what has left is on its way."""
        self._is_dead = True
        for socket in self._sockets.values():
            self._drop(socket)
        self._sockets.clear()

    def do(self, venue: str, work: OutsideWork) -> None:
        """Carry out one piece of outside work."""
        if isinstance(work, HttpCall):
            line = b"%s %s %s" % (work.method.encode(), work.target.encode(), work.body)
            self._witness.on_wire(venue, line)
            self._call(venue, work)
        elif isinstance(work, SendText):
            self._send(venue, work)
        elif isinstance(work, OpenSocket):
            delay_ns = work.after_ms * NS_PER_MS + 3 * self._delay_ns()
            former = self._sockets.pop((venue, work.socket), None)
            if former is not None:
                self._drop(former)
            socket = self._sockets[venue, work.socket] = _Socket(venue, work.socket)
            self._timeline.after(delay_ns, partial(self._open, socket, work))
        elif isinstance(work, CloseSocket):
            closed = self._sockets.pop((venue, work.socket), None)
            if closed is not None:
                self._drop(closed)

    def cut(self, venue: str, reason: str) -> None:
        """Cut every connection of a venue, of all when it is empty."""
        for socket in list(self._sockets.values()):
            if socket.is_open and venue in {"", socket.venue}:
                self._break(socket, reason)

    def deafen(self, venue: str, until_ns: int) -> None:
        """Let one connection of a venue go half-open until then."""
        open_ones = [s for s in self._sockets.values() if s.is_open and venue in {"", s.venue}]
        if open_ones:
            socket = open_ones[self._draw.below(len(open_ones))]
            socket.deaf_until_ns = until_ns
            self._timeline.at(until_ns, partial(self._undeafen, socket))

    def pump(self) -> None:
        """Bring what the venues say by themselves on its way."""
        for socket in list(self._sockets.values()):
            if socket.session is None:
                continue
            texts = socket.session.pushed(self._timeline.now_ns)
            for text in texts:
                self._push(socket, text)
            if socket.session.is_cut:
                self._break(socket, "closed by the venue")

    # ---- chances

    def _now(self) -> int:
        return self._timeline.now_ns - self._origin_ns

    def _strikes(self, what: str) -> bool:
        rate = self._plan.rates_ppm.get(what, 0)
        return bool(rate) and self._is_storm() and self._draw.chance(rate)

    def _is_storm(self) -> bool:
        return CALM_NS <= self._now() < self._plan.calm_from_ns

    def _delay_ns(self) -> int:
        jitter = self._plan.jitter_ns
        delay = self._plan.latency_ns + (self._draw.below(jitter) if jitter else 0)
        return delay * 5 if self._draw.chance(10_000) else delay

    # ---- HTTP

    def _call(self, venue: str, call: HttpCall) -> None:
        fail = partial(self._fail, venue, call.call_id)
        timeout_ns, half_open = call.timeout_ms * NS_PER_MS, self._plan.is_in("half_open", venue, self._now())
        if self._strikes("refused_connection"):
            self._timeline.after(self._delay_ns(), partial(fail, "connection refused", is_sent=False))
            return
        if self._plan.is_in("maintenance", venue, self._now()) and self._draw.chance(300_000):
            self._timeline.after(self._delay_ns(), partial(fail, "connection refused", is_sent=False))
            return
        if self._strikes("lost_request") or half_open:
            self._timeline.after(timeout_ns, partial(fail, "timeout", is_sent=True))
            return
        delay_ns = self._delay_ns()
        if self._strikes("slow"):
            delay_ns += self._draw.below(LATE_MAX_NS)
        answered = {"done": False}

        def timeout() -> None:
            if not answered["done"]:
                answered["done"] = True
                self._fail(venue, call.call_id, "timeout", is_sent=True)

        self._timeline.after(timeout_ns, timeout)
        self._timeline.after(delay_ns, partial(self._arrive, venue, call, answered))

    def _arrive(self, venue: str, call: HttpCall, answered: dict[str, bool], late_ns: int = 0) -> None:
        """Let the venue act, and its answer travel, also when nobody waits for it any more."""
        now_ns = self._timeline.now_ns
        if not late_ns and is_create(call.method.encode() + b" " + call.target.encode() + b" "):
            late_ns = self._engine_ns()
            if late_ns:
                self._timeline.after(late_ns, partial(self._arrive, venue, call, answered, late_ns))
                return
        error = self._error(venue)
        answer: tuple[int, Sequence[tuple[str, str]], bytes]
        if error == "before":
            answer = unknown_answer(self._draw)
        else:
            headers = {name.lower(): value for name, value in call.headers}
            door = self._doors[venue]
            door.hold_up(late_ns)
            status, told, body = door.http(call.method, call.target, headers, call.body, now_ns)
            door.hold_up(0)
            answer = status, tuple((name.lower(), value) for name, value in told), body
            if error == "after":
                answer = unknown_answer(self._draw)
        if self._strikes("lost_answer"):
            return
        if self._strikes("garbage"):
            answer = (answer[0], answer[1], answer[2][: self._draw.below(max(1, len(answer[2])))])
        if answer[0] == 200 and self._strikes("mangle"):
            answer = (answer[0], answer[1], self._mangled(answer[2]))
        delay_ns = self._delay_ns()
        if self._strikes("slow_answer"):
            delay_ns += self._draw.below(LATE_MAX_NS)

        def deliver() -> None:
            if not answered["done"] and not self._is_dead:
                answered["done"] = True
                self._note_refusal(venue, answer)
                self._inbox.on_http(venue, call.call_id, *answer)

        self._timeline.after(delay_ns, deliver)

    def _note_refusal(self, venue: str, answer: tuple[int, Sequence[tuple[str, str]], bytes]) -> None:
        status, headers, _ = answer
        if status in {418, 429}:
            wait_s = next((int(v) for name, v in headers if name.lower() == "retry-after"), 0)
            until_ns = self._timeline.now_ns + wait_s * NS_PER_S
            self._inbox.when_awake(partial(self._witness.on_refusal, venue, status, until_ns))

    def _engine_ns(self) -> int:
        """Return how long the venue's engine holds a create up, mostly not at all."""
        return self._draw.between(1, ENGINE_NS // NS_PER_MS) * NS_PER_MS if self._strikes("act_late") else 0

    def _error(self, venue: str) -> str:
        if self._plan.is_in("maintenance", venue, self._now()):
            return "before"
        if self._strikes("error_before"):
            return "before"
        return "after" if self._strikes("error_after") else ""

    def _fail(self, venue: str, call_id: int, reason: str, *, is_sent: bool) -> None:
        if not self._is_dead:
            self._inbox.on_http_failed(venue, call_id, reason, is_sent=is_sent)

    # ---- sockets

    def _is_current(self, socket: _Socket) -> bool:
        return not self._is_dead and self._sockets.get((socket.venue, socket.name)) is socket

    def _open(self, socket: _Socket, wanted: OpenSocket) -> None:
        if not self._is_current(socket):
            return
        session = None
        if not self._strikes("refused_connection") and not self._plan.is_in(
            "maintenance", socket.venue, self._now()
        ):
            path = "/" + wanted.url.split("://", 1)[1].partition("/")[2]
            session = self._doors[socket.venue].open(path, self._timeline.now_ns)
        if session is None:
            self._break(socket, "handshake refused")
            return
        socket.session, socket.is_open = session, True
        self._inbox.on_opened(socket.venue, socket.name)

    def _send(self, venue: str, work: SendText) -> None:
        self._witness.on_wire(venue, work.text)
        socket = self._sockets.get((venue, work.socket))
        if socket is None or not socket.is_open:
            return
        delay_ns = self._delay_ns() + (self._draw.below(LATE_MAX_NS // 4) if self._strikes("slow") else 0)
        socket.out_due_ns = max(socket.out_due_ns, self._timeline.now_ns + delay_ns)
        session = socket.session
        assert session is not None, "an open socket has a session"
        self._timeline.at(socket.out_due_ns, partial(self._take, socket, session, work.text))

    def _take(self, socket: _Socket, session: Session, text: bytes) -> None:
        """Let a frame reach the venue: also of a connection that we have lost meanwhile."""
        now_ns = self._timeline.now_ns
        if socket.deaf_until_ns > now_ns or (session.is_cut and not socket.is_open):
            return
        if not socket.is_open and self._draw.chance(500_000):
            return
        if self._strikes("lost_request"):
            return
        error = self._error(socket.venue)
        late_ns = self._engine_ns() if not error and is_create(text) else 0
        if late_ns:
            self._timeline.after(late_ns, partial(self._act_late, socket, session, text, late_ns))
            return
        answers = [] if error == "before" else session.take(text, now_ns)
        if error:
            answers = [unknown_frame(text)]
        self._answer(socket, answers)

    def _act_late(self, socket: _Socket, session: Session, text: bytes, late_ns: int) -> None:
        """Let the engine act at last: the answer comes if the venue has not given up before."""
        door = self._doors[socket.venue]
        door.hold_up(late_ns)
        answers = session.take(text, self._timeline.now_ns)
        door.hold_up(0)
        self._answer(socket, answers if late_ns < BACKEND_NS else [unknown_frame(text)])

    def _answer(self, socket: _Socket, answers: list[bytes]) -> None:
        if self._strikes("lost_answer") or not self._is_current(socket):
            return
        for answer in answers:
            is_ok = b'"status":200' in answer[:80]
            self._push(socket, self._mangled(answer) if is_ok and self._strikes("mangle") else answer)

    def _mangled(self, body: bytes) -> bytes:
        """Return an answer in which a field is missing, added, or of another type."""
        return mangled(body, _MANGLED[self._draw.below(len(_MANGLED))], "", self._draw.below(12))

    def _push(self, socket: _Socket, text: bytes) -> None:
        is_event = b'"event"' in text[:40] or b'"e":' in text[:40]
        at, delay_ns = self._now(), self._delay_ns()
        if is_event:
            if self._plan.is_in("mute", socket.venue, at):
                return
            late = self._plan.is_in("late_events", socket.venue, at)
            if late is not None:
                delay_ns += late.amount * 8 * NS_PER_S // PPM
        elif self._strikes("slow_answer"):
            delay_ns += self._draw.below(LATE_MAX_NS // 4)
        if socket.deaf_until_ns > self._timeline.now_ns:
            return
        count = 2 if is_event and self._strikes("double_events") else 1
        socket.in_due_ns = max(socket.in_due_ns, self._timeline.now_ns + delay_ns)
        for _ in range(count):
            self._timeline.at(socket.in_due_ns, partial(self._deliver, socket, text))

    def _deliver(self, socket: _Socket, text: bytes) -> None:
        if self._is_current(socket) and socket.is_open:
            refused = _RETRY.search(text[:400]) if b'"status":4' in text[:80] else None
            if refused:
                until_ns = int(refused[2]) * NS_PER_MS - self._skew_ns()
                told = partial(self._witness.on_refusal, socket.venue, int(refused[1]), until_ns)
                self._inbox.when_awake(told)
            self._inbox.on_text(socket.venue, socket.name, text)

    def _undeafen(self, socket: _Socket) -> None:
        """End a half-open connection: what was lost in it stays lost, so it can only be cut."""
        if self._is_current(socket) and socket.is_open:
            self._break(socket, "no answer to keep-alive")

    def _break(self, socket: _Socket, reason: str) -> None:
        if self._sockets.get((socket.venue, socket.name)) is socket:
            del self._sockets[socket.venue, socket.name]
        self._drop(socket)
        if not self._is_dead:
            self._inbox.on_closed(socket.venue, socket.name, reason)

    def _drop(self, socket: _Socket) -> None:
        socket.is_open = False
        if socket.session is not None:
            socket.session.close()
