"""The fused mesh: every core over one log, first in first out, never re-entrantly.

The log is the one of `services/bus`: stamped, numbered, in one total order. What differs from the real
processes is only the order in which outputs of several cores reach it, and each such order is legal.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from shared.core import Core
from shared.hosting import CoreHost, Outgoing, Step
from shared.messages import Event, Header, Instruction, Message, body_of, source_service
from shared.messages.system import CoreDigest, EpochStarted, ServiceStarted, Tick
from shared.units import NS_PER_MS

TICK_NS = 100 * NS_PER_MS
DIGEST_EVERY = 1000


class _Pending(NamedTuple):
    """One event on its way to the log."""

    source: str
    run: int
    n: int
    origin_ns: int
    cause_seq: int
    message: Message
    body: bytes


class Stored(NamedTuple):
    """One row of the log: the event and the bytes to store."""

    event: Event
    topic: bytes
    body: bytes


CarryOut = Callable[[str, Instruction, Event], None]


class FusedMesh:
    """Cores, their hosts and the log between them, driven by `say` and `tick`.

    `settings` is the packed section of each service. `store` is called once per event, in order, before any
    core sees it (commit, then publish); with None there is no log: facts are not encoded and no digests said.
    `watch` is called with each event, whether there is a log or not. `carry_out(service, instruction, event)`
    plays the shells.
    """

    def __init__(
        self,
        cores: Sequence[Core],
        settings: Mapping[str, bytes],
        *,
        build: str,
        epoch: int,
        store: Callable[[Stored], None] | None = lambda _: None,
        watch: Callable[[Event], None] | None = None,
        carry_out: CarryOut = lambda *_: None,
    ) -> None:
        self.hosts = {core.service: CoreHost(core) for core in cores}
        self.settings = settings
        self.build = build
        self.epoch = epoch
        self.now_ns = 0
        self.head_seq = 0
        self._store = store
        self._watch = watch
        self._carry_out = carry_out
        self._queue: deque[_Pending] = deque()
        self._fact_n: dict[str, int] = {}
        self._run: dict[str, int] = {}
        self._tick_number = 0
        self._is_draining = False

    def start(self, now_ns: int, others: Sequence[str] = ()) -> None:
        """Open the epoch and start every service, `others` being those without a core."""
        self.now_ns = now_ns
        self.say("bus", EpochStarted(epoch=self.epoch, build=self.build))
        for service in (*others, *self.hosts):
            self._run[service] = self._run.get(service, 0) + 1
            self.say(
                "bus",
                ServiceStarted(
                    service=service,
                    run=self._run[service],
                    build=self.build,
                    settings=self.settings.get(service, b"\x80"),
                    sources=[service, f"{service}.io"],
                ),
            )

    def say(self, source: str, message: Message, *, origin_ns: int | None = None) -> None:
        """Append a fact of `source` and let every core answer, until nothing is left to say."""
        n = self._fact_n.get(source, 0) + 1
        self._fact_n[source] = n
        run = self._run.get(source_service(source), 0)
        origin = self.now_ns if origin_ns is None else origin_ns
        body = b"" if self._store is None else body_of(message)
        self._queue.append(_Pending(source, run, n, origin, 0, message, body))
        self._drain()

    def tick(self, now_ns: int) -> None:
        """Let virtual time reach `now_ns` and say so."""
        self.now_ns = now_ns
        self._tick_number += 1
        self.say("bus", Tick(number=self._tick_number))

    def run_of(self, service: str) -> int:
        """Return the run of a started service."""
        return self._run[service]

    def _drain(self) -> None:
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._queue:
                self._append(self._queue.popleft())
        finally:
            self._is_draining = False

    def _append(self, pending: _Pending) -> None:
        self.head_seq += 1
        header = Header(
            seq=self.head_seq,
            ts_ns=self.now_ns,
            origin_ns=pending.origin_ns,
            epoch=self.epoch,
            source=pending.source,
            run=pending.run,
            n=pending.n,
            cause_seq=pending.cause_seq,
        )
        event = Event(header, pending.message)
        if not pending.message.stored:
            self.head_seq -= 1
            return
        if self._store is not None:
            self._store(Stored(event, pending.message.topic, pending.body))
        if self._watch is not None:
            self._watch(event)
        for service, host in self.hosts.items():
            step = host.apply(event)
            if step.outputs or step.instructions:
                self._take(service, step, event)
        if self.head_seq % DIGEST_EVERY == 0 and self._store is not None:
            self._say_digests()

    def _take(self, service: str, step: Step, event: Event) -> None:
        run = self._run.get(service, 0)
        for out in step.outputs:
            self._queue.append(_pending_of(out, run))
        for instruction in step.instructions:
            self._carry_out(service, instruction, event)

    def _say_digests(self) -> None:
        for service, host in self.hosts.items():
            digest = CoreDigest(service=service, at_seq=self.head_seq, digest=host.core.digest())
            source = f"{service}.io"
            n = self._fact_n.get(source, 0) + 1
            self._fact_n[source] = n
            self._queue.append(
                _Pending(source, self._run.get(service, 0), n, self.now_ns, 0, digest, body_of(digest))
            )


def _pending_of(out: Outgoing, run: int) -> _Pending:
    return _Pending(out.source, run, out.n, out.origin_ns, out.cause_seq, out.message, out.body)
