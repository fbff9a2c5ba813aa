"""What a shell sees of the mesh: the `Shell` it implements and the `Port` it is given."""

import asyncio
import heapq
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from shared.core import Core
from shared.hosting import Outgoing
from shared.messages import Event, Instruction, Message, body_of
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir


class Shell(Protocol):
    """The outside half of a service. Everything is called in the one event loop of the process.

    `opened(port)`     before recovery: open files, speak to nobody.
    `live(port)`       caught up: may run as long as the process; an exception ends the process.
    `carry_out(i, e)`  do what the core asks because of event `e`; live only.
    `seen(event)`      every applied event, during catch-up too (and again, when a new build adopts the
                       log); keep it cheap. Without a core it begins at the own `ServiceStarted`.
    `close()`          give everything back, within 3 seconds.
    """

    def opened(self, port: "Port") -> None:
        """Open files; speak to nobody."""

    async def live(self, port: "Port") -> None:
        """Begin to work with the outside."""

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Do what the core asks."""

    def seen(self, event: Event) -> None:
        """Take note of an applied event."""

    async def close(self) -> None:
        """Give everything back."""


@runtime_checkable
class Draining(Protocol):
    """A shell with something to finish before a stop, while the service still lives on the bus.

    A second signal does not wait for it.
    """

    async def drain(self) -> None:
        """Return when nothing is left to finish, or nothing more can be done."""


class NoShell:
    """The shell of a service that is nothing but its core."""

    def opened(self, port: "Port") -> None:
        """Do nothing."""

    async def live(self, port: "Port") -> None:
        """Do nothing."""

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Refuse: nobody is here to do it."""
        raise AssertionError(f"no shell to carry out {instruction!r} of seq {event.header.seq}")

    def seen(self, event: Event) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class Port:
    """One service's place on the bus, for its shell. Filled in by the runtime.

    `run` and `epoch` are 0 until the bus has answered the first hello.
    """

    def __init__(self, data: DataDir, clock: MeshClock, service: str, settings: bytes) -> None:
        self.data, self.clock, self.service, self.settings = data, clock, service, settings
        self.run = 0
        self.epoch = 0
        self.applied_seq = 0
        self.durable_seq = 0
        self.is_live = False
        self.core: Core | None = None
        self.heard_ns = time.monotonic_ns()
        self._facts: OrderedDict[int, Outgoing] = OrderedDict()
        self._last_n = 0
        self._send: Callable[[Outgoing], None] = lambda _outgoing: None
        self._hear_syncs: Callable[[], None] = lambda: None
        self._is_hearing_syncs = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiting_count = 0
        self._epoch_callbacks: list[Callable[[int], None]] = []
        self._durable_callbacks: list[Callable[[int], None]] = []

    @property
    def backlog(self) -> int:
        """Facts published and not yet seen back on the stream."""
        return len(self._facts)

    @property
    def bus_silent_ms(self) -> int:
        """Real milliseconds since anything was heard on the stream; a living bus speaks each 100 ms."""
        return (time.monotonic_ns() - self.heard_ns) // 1_000_000

    def publish(self, message: Message, origin_ns: int | None = None, cause_seq: int = 0) -> None:
        """Say a fact as `<service>.io`; it is kept and sent again until it is seen on the log.

        `origin_ns` is the mesh time when the outside fact was received, now by default.
        """
        self._last_n += 1
        origin = self.clock.now_ns() if origin_ns is None else origin_ns
        source = f"{self.service}.io"
        fact = Outgoing(source, self._last_n, cause_seq, origin, message, body_of(message))
        self._facts[fact.n] = fact
        self._send(fact)

    async def wait_durable(self, seq: int) -> None:
        """Return when all up to `seq` survives a power cut."""
        if seq <= self.durable_seq:
            return
        if not self._is_hearing_syncs:
            # From the first wait on: only who waits is told of each sync.
            self._is_hearing_syncs = True
            self._hear_syncs()
        self._waiting_count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (seq, self._waiting_count, future))
        await future

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Call `callback(durable_seq)` at once and in the turn that hears of each sync of the bus."""
        self._durable_callbacks.append(callback)
        if not self._is_hearing_syncs:
            self._is_hearing_syncs = True
            self._hear_syncs()
        callback(self.durable_seq)

    def on_epoch(self, callback: Callable[[int], None]) -> None:
        """Call `callback(epoch)` each time a new life of the bus has welcomed this service."""
        self._epoch_callbacks.append(callback)

    def told_durable(self, durable_seq: int) -> None:
        """Take the bus's word that all up to `durable_seq` is durable (runtime only)."""
        self.durable_seq = max(self.durable_seq, durable_seq)
        while self._waiting and self._waiting[0][0] <= self.durable_seq:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
        for callback in self._durable_callbacks:
            callback(self.durable_seq)

    def told_epoch(self, epoch: int) -> None:
        """Call those who wait for a new epoch (runtime only)."""
        for callback in self._epoch_callbacks:
            callback(epoch)

    def attach(self, send: Callable[[Outgoing], None], hear_syncs: Callable[[], None]) -> None:
        """Say where facts go, and how to hear of each sync (runtime only)."""
        self._send, self._hear_syncs = send, hear_syncs

    def confirmed(self, n: int) -> None:
        """Forget the fact `n` and those before it: the log has them (runtime only)."""
        while self._facts and next(iter(self._facts)) <= n:
            self._facts.popitem(last=False)

    def facts(self, from_n: int = 0) -> list[Outgoing]:
        """Return the facts not yet seen on the log, from `from_n` (runtime only)."""
        return [fact for n, fact in self._facts.items() if n >= from_n]
