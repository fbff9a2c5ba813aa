"""What may stand on the log, and where: decides each frame, gives seq and time. Pure.

The state changes as frames are accepted; the shell commits `take()` and ends the bus when it cannot,
so nothing is ever taken back.
"""

import re
from typing import NamedTuple

from services.bus.impossible import impossible
from shared.errors import ProtocolError
from shared.messages import SCHEMA, Header, Message, body_of, encode_header, message_of, source_service
from shared.messages.system import ServiceStarted, SourceGap
from shared.messages.wire import AppendHeader, Hello, Refused, Welcome, unpack_wire
from shared.units import INT64_MAX

BUS = "bus"
OPERATOR = "operator"
SOURCES_MAX = 1000
SERVICES_MAX = 100
MAY_SKIP = "market_data.io"
_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.io|/[a-z][a-z0-9_]{0,11})?")


_NOBODY = AppendHeader(0, "", 0, 0, 0, 0)


class Stamped(NamedTuple):
    """One event with its place on the log; seq 0 is ephemeral: published, not stored."""

    seq: int
    header: bytes
    topic: bytes
    body: bytes
    message: Message


class SourceState(NamedTuple):
    """The last n stored of one source, in the run of its service."""

    source: str
    service: str
    run: int
    last_n: int


class Batch(NamedTuple):
    """What one transaction stores, and what is published after it, in order."""

    events: list[Stamped]
    sources: list[SourceState]
    services: list[tuple[str, int]]


class Sequencer:
    """The rules of DESIGN 2 about who may say what, and its place and time.

    `sources` and `services` (name -> run) are what the log knows at the start of this epoch.
    """

    def __init__(
        self,
        epoch: int,
        head_seq: int,
        last_ts_ns: int,
        sources: dict[str, SourceState],
        services: dict[str, int],
        max_frame_bytes: int,
    ) -> None:
        self.epoch = epoch
        self.head_seq = head_seq
        self.last_ts_ns = last_ts_ns
        self.sources = dict(sources)
        self.services = dict(services)
        self.counters: dict[str, int] = {"accepted": 0, "ephemeral": 0, "already_stored": 0}
        self._max_frame_bytes = max_frame_bytes
        self._welcomed: dict[str, Welcome] = {}
        self._own_n = {BUS: 0, OPERATOR: 0}
        self._events: list[Stamped] = []
        self._changed: dict[str, SourceState] = {}
        self._changed_services: dict[str, int] = {}

    def take(self) -> Batch:
        """Return what was accepted since the last call."""
        batch = Batch(self._events, list(self._changed.values()), list(self._changed_services.items()))
        self._events, self._changed, self._changed_services = [], {}, {}
        return batch

    def say(self, message: Message, now_ns: int) -> int:
        """Append a message of the bus itself and return its seq."""
        return self._own(BUS, message, now_ns)

    def command(self, source: str, body: bytes, now_ns: int) -> int | Refused:
        """Append what a person says through a plain REQ client, and return its seq."""
        speaker = AppendHeader(self.epoch, source[:60], self.epoch, 0, 0, 0)
        if source != OPERATOR:
            return self._refuse(speaker, "owner", f"a client speaks as {OPERATOR}")
        if len(body) > self._max_frame_bytes:
            return self._refuse(speaker, "oversized", f"{len(body)} bytes, limit {self._max_frame_bytes}")
        try:
            message = message_of(body)
        except ProtocolError as error:
            return self._refuse(speaker, "undecodable", str(error))
        if OPERATOR not in message.owners or not message.stored:
            detail = f"{type(message).__name__} is said by {', '.join(sorted(message.owners))}"
            return self._refuse(speaker, "owner", detail)
        defect = impossible(message, body)
        if defect:
            return self._refuse(speaker, "impossible", defect)
        return self._own(source, message, now_ns, body)

    def hello(self, hello: Hello, now_ns: int) -> Welcome | Refused:
        """Begin or confirm a run of a service and append its `ServiceStarted`."""
        header = AppendHeader(self.epoch, hello.service, hello.run, 0, 0, 0)
        if hello.schema != SCHEMA:
            return self._refuse(
                header, "schema", f"schema {hello.schema}, the bus has {SCHEMA}: use one build"
            )
        if hello.service in (BUS, OPERATOR) or not _SERVICE.fullmatch(hello.service):
            return self._refuse(header, "owner", f"{hello.service[:60]!r} is no service")
        if hello.service not in self.services and len(self.services) >= SERVICES_MAX:
            return self._refuse(header, "owner", f"{SERVICES_MAX} services are known already")
        known = self._welcomed.get(hello.service)
        if known is not None and known.token == hello.token:
            return known
        run = self.services.get(hello.service, 0)
        if hello.run > run:
            detail = (
                f"run {hello.run} of {hello.service} is not on this log (last {run}): start again from it"
            )
            return self._refuse(header, "ahead", detail)
        if hello.run not in (0, run):
            detail = f"run {hello.run} of {hello.service} ended, run {run} speaks now: end this process"
            return self._refuse(header, "run", detail)
        if hello.run == 0:
            run += 1
        started = ServiceStarted(hello.service, run, hello.build, hello.settings, list(hello.sources))
        size = len(body_of(started))
        if size > self._max_frame_bytes:
            return self._refuse(header, "oversized", f"{size} bytes, limit {self._max_frame_bytes}")
        if hello.run == 0:
            self.services[hello.service] = self._changed_services[hello.service] = run
        seq = self.say(started, now_ns)
        last_n = {
            state.source: self._last_n(state.source, run)
            for state in self.sources.values()
            if state.service == hello.service
        }
        welcome = Welcome(hello.service, hello.token, self.epoch, run, last_n, seq, seq)
        self._welcomed[hello.service] = welcome
        return welcome

    def offer(self, packed: bytes, topic: bytes, body: bytes, now_ns: int) -> Refused | None:
        """Take one frame of a service, drop it as already stored, or say why it is refused."""
        if len(packed) > 1024 or len(topic) > 256 or len(body) > self._max_frame_bytes:
            return self._refuse(_NOBODY, "oversized", f"{len(body)} bytes, limit {self._max_frame_bytes}")
        try:
            header = unpack_wire(packed, AppendHeader)
        except ProtocolError as error:
            return self._refuse(_NOBODY, "undecodable", str(error))
        service = source_service(header.source)
        problem = self._speaker_problem(header, service)
        if problem is not None:
            return self._refuse(header, *problem)
        try:
            message = message_of(body)
        except ProtocolError as error:
            return self._refuse(header, "undecodable", str(error))
        problem = _message_problem(message, topic, body, service)
        if problem is not None:
            return self._refuse(header, *problem)
        if not message.stored:
            self.counters["ephemeral"] += 1
            stamped = Header(
                0, max(now_ns, self.last_ts_ns), now_ns, self.epoch, header.source, header.run, 0, 0
            )
            self._events.append(Stamped(0, encode_header(stamped), topic, body, message))
            return None
        return self._accept(header, service, topic, body, message, now_ns)

    def _accept(
        self, header: AppendHeader, service: str, topic: bytes, body: bytes, message: Message, now_ns: int
    ) -> Refused | None:
        last_n = self._last_n(header.source, header.run)
        if header.n <= last_n:
            self.counters["already_stored"] += 1
            return None
        is_skipping = header.n != last_n + 1
        if is_skipping and header.source != MAY_SKIP:
            return self._refuse(header, "n", f"n {header.n} came, {last_n + 1} is next: go back to it")
        if not 0 <= header.cause_seq <= self.head_seq or header.n > INT64_MAX:
            return self._refuse(
                header, "cause", f"cause {header.cause_seq} is not on the log (head {self.head_seq})"
            )
        if is_skipping:
            # Only now: a frame that is refused leaves no trace on the log.
            self.say(SourceGap(header.source, header.run, last_n + 1, header.n), now_ns)
        state = SourceState(header.source, service, header.run, header.n)
        self.sources[header.source] = self._changed[header.source] = state
        self.counters["accepted"] += 1
        self._stamp(
            header.source,
            header.run,
            header.n,
            header.origin_ns,
            header.cause_seq,
            topic,
            body,
            message,
            now_ns,
        )
        return None

    def _speaker_problem(self, header: AppendHeader, service: str) -> tuple[str, str] | None:
        """Return why this source may not speak now, if so."""
        is_new = header.source not in self.sources
        if is_new and (not _SOURCE.fullmatch(header.source) or len(self.sources) >= SOURCES_MAX):
            return "owner", f"{header.source[:60]!r} is no source"
        if header.epoch != self.epoch:
            return "epoch", f"epoch {header.epoch} is over, {self.epoch} began: say hello"
        welcome = self._welcomed.get(service)
        if welcome is None:
            return "hello", f"{service} has not said hello to epoch {self.epoch}"
        if header.run != welcome.run:
            return (
                "run",
                f"run {header.run} of {service} ended, run {welcome.run} speaks now: end this process",
            )
        return None

    def _last_n(self, source: str, run: int) -> int:
        """Return the last n stored: of all runs for a core's source, of this run for a shell's."""
        state = self.sources.get(source)
        if state is None or (state.run != run and source.endswith(".io")):
            return 0
        return state.last_n

    def _own(self, source: str, message: Message, now_ns: int, body: bytes | None = None) -> int:
        n = self._own_n[source] = self._own_n[source] + 1
        packed = body if body is not None else body_of(message)
        return self._stamp(source, self.epoch, n, now_ns, 0, message.topic, packed, message, now_ns)

    def _stamp(
        self,
        source: str,
        run: int,
        n: int,
        origin_ns: int,
        cause_seq: int,
        topic: bytes,
        body: bytes,
        message: Message,
        now_ns: int,
    ) -> int:
        self.head_seq += 1
        # The stamp never falls, and nothing was received after it was stamped.
        self.last_ts_ns = ts_ns = max(now_ns, self.last_ts_ns)
        origin_ns = min(origin_ns, ts_ns) if origin_ns > 0 else ts_ns
        header = Header(self.head_seq, ts_ns, origin_ns, self.epoch, source, run, n, cause_seq)
        self._events.append(Stamped(self.head_seq, encode_header(header), topic, body, message))
        return self.head_seq

    def _refuse(self, header: AppendHeader, reason: str, detail: str) -> Refused:
        name = f"refused_{reason}"
        self.counters[name] = self.counters.get(name, 0) + 1
        expected_n = self._last_n(header.source, header.run) + 1
        return Refused(header.source, header.run, expected_n, reason, detail[:300])


def _message_problem(message: Message, topic: bytes, body: bytes, service: str) -> tuple[str, str] | None:
    """Return why `service` may not say this message under this topic, if so."""
    kind = type(message)
    if service not in kind.owners:
        return "owner", f"{kind.__name__} is said by {', '.join(sorted(kind.owners))}, not by {service}"
    if topic != message.topic:
        return "topic", f"topic {topic[:80]!r} must be {message.topic!r}"
    if kind.key == "service" and getattr(message, "service", service) != service:
        return "owner", f"{service} speaks of {getattr(message, 'service', '')} in {kind.__name__}"
    defect = impossible(message, body)
    return ("impossible", f"{kind.__name__}: {defect}") if defect else None
