"""A fused mesh whose processes die, freeze and come back, and whose disk lags behind its log.

What the bus has taken survives the death of a process; what a process said and the bus had not taken yet is
lost with it. A power cut takes every process, and all of the log that was not synced.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.fused.live_time import Timeline
from services.fused.mesh import TICK_NS
from services.venue_sim.draw import Draw
from shared.core import Core
from shared.hosting import CoreHost, Outgoing
from shared.messages import Event, Header, Instruction, Message, source_service
from shared.messages.system import EpochStarted, ServiceStarted, Tick

BROKER = "broker"
BUILD = "campaign"
PROMPT_FAMILIES = frozenset({"intent", "verdict", "order", "fill", "control"})
"""What the bus syncs at once; all else waits for the next round."""
NS_PER_US = 1000


class Outside(Protocol):
    """The broker's outside half, as the mesh sees it."""

    def on_event(self, event: Event) -> None:
        """Take an event that the broker's core has applied while live."""

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Do what the broker's core asks."""

    def on_durable(self, durable_seq: int) -> None:
        """Take that the log is on disk up to here."""


class _Pending(NamedTuple):
    """One event on its way to the log."""

    source: str
    run: int
    n: int
    origin_ns: int
    cause_seq: int
    message: Message


class LiveMesh:
    """Cores over one log in virtual time. `log` keeps every event; `watch` sees each as it is stored."""

    def __init__(
        self,
        cores: Mapping[str, Callable[[], Core]],
        settings: Mapping[str, bytes],
        timeline: Timeline,
        draw: Draw,
        watch: Callable[[Event], None],
    ) -> None:
        self.hosts = {service: CoreHost(make()) for service, make in cores.items()}
        self.log: list[Event] = []
        self.forgotten = 0
        self.durable_seq = 0
        self.epoch = 1
        self.outside: Outside | None = None
        self.disk_stall_ns = 0
        self.problems: list[str] = []
        self._make_core = cores
        self._settings = settings
        self._timeline = timeline
        self._draw = draw
        self._watch = watch
        self._queue: deque[_Pending] = deque()
        self._fact_n: dict[str, int] = {}
        self._run: dict[str, int] = {}
        self._is_draining = False
        self._behind: dict[str, list[Event]] = {}
        self._saved: dict[str, tuple[int, bytes]] = {}
        self._said: deque[Message] = deque()
        self._said_due_ns = 0
        self._is_syncing = False

    # ---- life

    @property
    def head_seq(self) -> int:
        """Return the newest seq of the log."""
        return self.forgotten + len(self.log)

    def forget_log(self) -> None:
        """Drop the log so far: for long runs without a death."""
        self.forgotten += len(self.log)
        self.log.clear()

    def start(self, others: Sequence[str]) -> None:
        """Open an epoch and start every service, `others` being those without a core; begin to tick."""
        self.say("bus", EpochStarted(epoch=self.epoch, build=BUILD))
        for service in (*others, *self.hosts):
            self._hello(service)
        self._tick_on()

    def _tick_on(self) -> None:
        self.say("bus", Tick(number=self._timeline.now_ns // TICK_NS))
        self._timeline.after(TICK_NS, self._tick_on)

    def run_of(self, service: str) -> int:
        """Return the run of a service."""
        return self._run[service]

    def _hello(self, service: str, missing: Sequence[Outgoing] = ()) -> None:
        """Say the start of a service, then what it had derived and the log has not."""
        run = self._run[service] = self._run.get(service, 0) + 1
        self._fact_n[f"{service}.io"] = 0
        settings = self._settings.get(service, b"\x80")
        sources = [service, f"{service}.io"]
        self._queue_fact("bus", ServiceStarted(service, run, BUILD, settings, sources))
        for outgoing in missing:
            self._enqueue(outgoing)
        self._drain()

    def crash(self, service: str) -> None:
        """Let a process die; what the broker said and the bus has not taken is lost."""
        if service in self.hosts:
            del self.hosts[service]
        self._behind.pop(service, None)
        if service == BROKER:
            self.outside = None
            self._said.clear()

    def restart(self, service: str) -> None:
        """Bring a dead service back from its last snapshot and the log; it says hello."""
        host = self.hosts[service] = self._recovered(service)
        self._hello(service, list(host.outbox.values()))

    def _recovered(self, service: str) -> CoreHost:
        host = CoreHost(self._make_core[service]())
        seq, saved = self._saved.get(service, (0, b""))
        if saved:
            host.restore(saved)
        for event in self.log[seq:]:
            host.apply(event)
        return host

    def save(self, service: str) -> None:
        """Take a snapshot of a service where all that it said and knows is on disk."""
        host = self.hosts.get(service)
        if host is not None and not host.outbox and host.applied_seq <= self.durable_seq:
            self._saved[service] = (host.applied_seq, host.snapshot())

    def cut_power(self) -> int:
        """Lose every process and what was not synced; return how many events are lost."""
        lost = len(self.log) - self.durable_seq
        for service in self._make_core:
            self.crash(service)
        del self.log[self.durable_seq :]
        self._queue.clear()
        return lost

    def power_on(self, others: Sequence[str]) -> None:
        """Start everything again on what the disk holds, in a new epoch."""
        self.epoch += 1
        self.say("bus", EpochStarted(epoch=self.epoch, build=BUILD))
        for service in others:
            self._hello(service)
        for service in self._make_core:
            self.restart(service)

    def freeze(self, service: str) -> None:
        """Let a process stand still: it sees nothing until `thaw`."""
        if service in self.hosts:
            self._behind.setdefault(service, [])

    def thaw(self, service: str) -> None:
        """Let a process go on: it sees all that it missed, late."""
        for event in self._behind.pop(service, []):
            if service in self.hosts:
                self._give(service, self.hosts[service], event)
        self._drain()

    # ---- saying

    def say(self, source: str, message: Message, *, origin_ns: int | None = None, cause_seq: int = 0) -> None:
        """Append a fact of `source` and let every core answer, until nothing is left to say."""
        self._queue_fact(source, message, origin_ns, cause_seq)
        self._drain()

    def _queue_fact(
        self, source: str, message: Message, origin_ns: int | None = None, cause_seq: int = 0
    ) -> None:
        n = self._fact_n.get(source, 0) + 1
        self._fact_n[source] = n
        origin = self._timeline.now_ns if origin_ns is None else origin_ns
        run = self._run.get(source_service(source), 0)
        self._queue.append(_Pending(source, run, n, origin, cause_seq, message))

    def publish(self, message: Message, cause_seq: int = 0, origin_ns: int = 0) -> None:
        """Send a fact of the broker's shell to the bus, which takes it a moment later."""
        delay_ns = self._draw.between(100, 1500) * NS_PER_US
        self._said_due_ns = max(self._said_due_ns, self._timeline.now_ns + delay_ns)
        said = self._said
        said.append(message)

        def arrive() -> None:
            # A deque that was emptied by a death stays empty: what was in it never arrives.
            if said and said[0] is message:
                said.popleft()
                self.say("broker.io", message, origin_ns=origin_ns or None, cause_seq=cause_seq)

        self._timeline.at(self._said_due_ns, arrive)

    @property
    def is_spoken(self) -> bool:
        """Return whether all that the broker's shell said stands on the log."""
        return not self._said

    def _enqueue(self, out: Outgoing) -> None:
        run = self._run.get(source_service(out.source), 0)
        self._queue.append(_Pending(out.source, run, out.n, out.origin_ns, out.cause_seq, out.message))

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
        if not pending.message.stored:
            return
        header = Header(
            seq=self.head_seq + 1,
            ts_ns=self._timeline.now_ns,
            origin_ns=pending.origin_ns,
            epoch=self.epoch,
            source=pending.source,
            run=pending.run,
            n=pending.n,
            cause_seq=pending.cause_seq,
        )
        event = Event(header, pending.message)
        self.log.append(event)
        self._watch(event)
        self._sync(pending.message)
        for service, host in list(self.hosts.items()):
            behind = self._behind.get(service)
            if behind is None:
                self._give(service, host, event)
            else:
                behind.append(event)

    def _give(self, service: str, host: CoreHost, event: Event) -> None:
        step = host.apply(event)
        outside = self.outside if service == BROKER else None
        if outside is not None:
            outside.on_event(event)
        for out in step.outputs:
            self._enqueue(out)
        if outside is not None:
            for instruction in step.instructions:
                outside.carry_out(instruction, event)

    # ---- the disk

    def _sync(self, message: Message) -> None:
        """Begin a sync at once for what is prompt, and at each tick; the rest goes with the next."""
        is_prompt = type(message).family in PROMPT_FAMILIES or type(message) is Tick
        if is_prompt and not self._is_syncing:
            self._is_syncing = True
            # After all that is said at this moment: one sync covers it.
            self._timeline.after(0, self._begin_sync)

    def _begin_sync(self) -> None:
        head = self.head_seq
        took_ns = self._draw.between(200, 3000) * NS_PER_US + self.disk_stall_ns

        def synced() -> None:
            self._is_syncing = False
            self.durable_seq = max(self.durable_seq, min(head, self.head_seq))
            if self.outside is not None:
                self.outside.on_durable(self.durable_seq)
            if self.head_seq > self.durable_seq:
                self._is_syncing = True
                self._begin_sync()

        self._timeline.after(took_ns, synced)
