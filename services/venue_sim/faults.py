"""Faults of the streams, commanded or drawn from a seed, in front of any simulated venue."""

from collections import Counter, deque
from typing import NamedTuple

from services.venue_sim.draw import mix
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.settings import FaultKind, FaultSchedule, FaultSettings
from services.venue_sim.streams import source_of
from services.venue_sim.venue import CAPTURE_STREAM, CUT_STREAM, VENUES, StreamFrame, Venue
from shared.units import NS_PER_MS

INJECTED_KEPT = 1_000


class Injected(NamedTuple):
    """A fault that happened to the frame with this number, counted from 1 over all streams."""

    at_ns: int
    kind: FaultKind
    venue: str
    stream: str
    frame_n: int


class _Active:
    __slots__ = ("delay_ns", "kind", "names_stream", "remaining", "skip", "source", "venue")

    def __init__(self, fault: FaultSettings, source: str) -> None:
        self.kind = fault.kind
        self.venue = fault.venue
        self.names_stream = bool(fault.stream)
        self.source = source
        self.remaining = fault.count
        self.skip = fault.skip
        self.delay_ns = fault.delay_ms * NS_PER_MS


class FaultyVenue:
    """A venue whose streams suffer; requests pass unharmed. What is injected does not depend on batching.

    drop: the frame is lost. double: it comes twice. swap: it comes after the next frame of its stream.
    delay: it comes later, and what follows on its stream waits behind it, as on one connection.
    cut: the frame is lost and a frame of `CUT_STREAM` tells the transport to drop the connections that
    listen to the stream (all of the venue when the fault names no stream).
    """

    def __init__(
        self, inner: Venue, faults: tuple[FaultSettings, ...] = (), schedule: FaultSchedule | None = None
    ) -> None:
        self._inner = inner
        self._schedule = schedule or FaultSchedule()
        self._active: list[_Active] = []
        self._seen = 0
        self._swapped: dict[tuple[str, str], StreamFrame] = {}
        self._late: deque[tuple[int, StreamFrame]] = deque()
        self.injected: deque[Injected] = deque(maxlen=INJECTED_KEPT)
        self.counts: Counter[str] = Counter()
        for fault in faults:
            self.command(fault)

    @property
    def origin_ns(self) -> int:
        """Mesh time at which a fresh mesh should start."""
        return self._inner.origin_ns

    @property
    def exchange(self) -> Exchange:
        """The trading side of the venue."""
        return self._inner.exchange

    @property
    def notice(self) -> str:
        """What a person should know about the start."""
        return self._inner.notice

    @property
    def frames(self) -> int:
        """Frames the venue has played, whatever happened to them here."""
        return self._inner.frames

    @property
    def finished(self) -> bool:
        """Whether a capture is at its end and nothing is held back."""
        return self._inner.finished and not self._late

    @property
    def pending(self) -> int:
        """Frames that the active faults still wait for."""
        return sum(fault.remaining for fault in self._active)

    def command(self, fault: FaultSettings) -> None:
        """Let a fault begin with the next frame; several faults of one stream take turns in this order."""
        source = ""
        if fault.stream:
            venues = (fault.venue,) if fault.venue else VENUES
            sources = (self._inner.source(venue, fault.stream) for venue in venues)
            source = next((name for name in sources if name), source_of(fault.stream))
        self._active.append(_Active(fault, source))

    def clear(self) -> None:
        """End all commanded faults; held frames still come."""
        self._active.clear()

    def resume(self, now_ns: int) -> None:
        """Go on at `now_ns`; what was held is lost with the connections of the process before."""
        self._inner.resume(now_ns)

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call."""
        return self._inner.request(venue, method, target, now_ns)

    def source(self, venue: str, stream: str) -> str | None:
        """Return what feeds `stream`."""
        return self._inner.source(venue, stream)

    def streams_of(self, venue: str, stream: str) -> bool:
        """Return whether `stream` exists."""
        return self._inner.streams_of(venue, stream)

    def state(self, is_clean: bool) -> bytes:
        """Return the state of the venue behind."""
        return self._inner.state(is_clean)

    def due_ns(self) -> int | None:
        """Return when there is something to do next, held frames included."""
        times = [due for due in (self._inner.due_ns(), self._late_due_ns()) if due is not None]
        return min(times, default=None)

    def advance(self, now_ns: int) -> list[StreamFrame]:
        """Return all frames due at or before `now_ns`, after their faults."""
        out: list[StreamFrame] = []
        while True:
            due, late = self._inner.due_ns(), self._late_due_ns()
            if late is not None and late <= now_ns and (due is None or late <= due):
                out.append(self._late.popleft()[1])
            elif due is not None and due <= now_ns:
                for frame in self._inner.advance(due):
                    self._pass(frame, due, out)
            else:
                return out

    def _late_due_ns(self) -> int | None:
        return self._late[0][0] if self._late else None

    def _pass(self, frame: StreamFrame, at_ns: int, out: list[StreamFrame]) -> None:
        if frame.stream == CAPTURE_STREAM:
            for key in [key for key in self._swapped if key[0] == frame.venue]:
                self._emit(self._swapped.pop(key), at_ns, out)
            self._emit(frame, at_ns, out, waits_for_all=True)
            return
        self._seen += 1
        before = self._swapped.pop(frame[:2], None)
        if before is not None:
            self._emit(frame, at_ns, out)
            self._emit(before, at_ns, out)
            return
        kind, delay_ns, cuts_all = self._fault_of(frame)
        if kind is None:
            self._emit(frame, at_ns, out)
            return
        self.injected.append(Injected(at_ns, kind, frame.venue, frame.stream, self._seen))
        self.counts[kind] += 1
        if kind == "double":
            self._emit(frame, at_ns, out)
            self._emit(frame, at_ns, out)
        elif kind == "swap":
            self._swapped[frame[:2]] = frame
        elif kind == "delay":
            self._hold(frame, at_ns + delay_ns)
        elif kind == "cut":
            out.append(StreamFrame(frame.venue, CUT_STREAM, b"" if cuts_all else frame.stream.encode()))

    def _fault_of(self, frame: StreamFrame) -> tuple[FaultKind | None, int, bool]:
        """Return (kind, delay, whether a cut takes all connections) of the fault that takes this frame."""
        for fault in self._active:
            if fault.venue not in {"", frame.venue} or fault.source not in {"", frame.stream}:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.remaining -= 1
            if fault.remaining == 0:
                self._active.remove(fault)
            return fault.kind, fault.delay_ns, not fault.names_stream
        schedule = self._schedule
        if schedule.every_frames:
            bits = mix(mix(schedule.seed) + self._seen)
            if bits % schedule.every_frames == 0:
                kind = schedule.kinds[mix(bits) % len(schedule.kinds)]
                return kind, schedule.delay_ms * NS_PER_MS, False
        return None, 0, False

    def _emit(
        self, frame: StreamFrame, at_ns: int, out: list[StreamFrame], *, waits_for_all: bool = False
    ) -> None:
        """Send a frame now, or behind what is held of its stream (of any stream for the end of a capture)."""
        behind = [due for due, held in self._late if waits_for_all or held[:2] == frame[:2]]
        if behind:
            self._hold(frame, max(behind[-1], at_ns))
        else:
            out.append(frame)

    def _hold(self, frame: StreamFrame, due_ns: int) -> None:
        """Keep the held frames in the order of their due times, first held first."""
        at = len(self._late)
        while at and self._late[at - 1][0] > due_ns:
            at -= 1
        own = [n for n, (_, held) in enumerate(self._late) if held[:2] == frame[:2]]
        if own and own[-1] >= at:
            at, due_ns = own[-1] + 1, self._late[own[-1]][0]
        self._late.insert(at, (due_ns, frame))
