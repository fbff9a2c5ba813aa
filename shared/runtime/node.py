"""The life of one service on the log: recover, say hello, catch up, live; one event loop, one pump.

phase       reads                       ends when
recovering  the files, to their head    nothing is left: hello is sent
joining     nothing                     the bus welcomes us
catching_up the files, then the stream  the own `ServiceStarted` is applied
live        the stream; the files when a range is missing
"""

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

from shared.core import Core
from shared.errors import DivergenceError, EpochError, JournalError, ProtocolError
from shared.hosting import NOTHING, CoreHost, Step
from shared.messages import Event, Header, decode_header, message_of
from shared.messages.system import CoreDigest, CoreDiverged, EpochStarted, ServiceStarted
from shared.messages.wire import REFUSED_AGAIN, SYNCED, Hello, Refused, Welcome, pack_wire, unpack_wire
from shared.runtime.applying import ApplyingNote
from shared.runtime.journal import JournalReader
from shared.runtime.latch import latch_kill
from shared.runtime.link import FRAMES_PER_TURN, Link
from shared.runtime.port import Port, Shell
from shared.runtime.snapshots import settings_hash
from shared.runtime.snapshotting import Snapshotting
from shared.runtime.speaking import Speaking

DIGEST_EVENTS = 1000
TURN_S = 0.02
HELLO_S = 0.5
DIVERGED_WAIT_S = 2.0
_TOPICS_WITHOUT_CORE = (b".service.", b".bus", b".control", b".tick")


class RestartError(Exception):
    """What this process knows is not on the log any more: only a new life from the log helps."""


class Node:
    """One service process between its core, its shell and the bus.

    `fail` is called with the exception that must end the process.
    """

    def __init__(
        self,
        core: Core | None,
        shell: Shell,
        port: Port,
        build: str,
        log: Any,
        unhurried: frozenset[str] = frozenset(),
    ) -> None:
        self.port, self.shell, self.build, self.log = port, shell, build, log
        self.host = CoreHost(core) if core is not None else None
        self.phase = "recovering"
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._reader = JournalReader(port.data.journal)
        self._stored: Iterator[Event] | None = None
        self._missing_until = 0
        self._note = ApplyingNote(port.data, port.service, build) if core is not None else None
        self.fatal_seq = self._note.fatal_seq if self._note is not None else None
        self._snapshotting = Snapshotting(port, build)
        self._token = int.from_bytes(os.urandom(7), "little")
        self._welcome: Welcome | None = None
        self._hello_s = 0.0
        self._is_pump_due = False
        self._io = f"{port.service}.io"
        self._applied_epoch = 0
        self._stored_started: tuple[str, bytes] | None = None
        self._diverged = ""
        self._live_task: asyncio.Task[None] | None = None
        port.core = core
        self._link = Link(port.data, self.pump, self._answered, unhurried)
        self._speaking = Speaking(port, self._link, self.host)
        port.attach(self._speaking.say, self._link.hear_syncs)

    # --- recovery

    def begin(self) -> None:
        """Take the newest snapshot that is on the log and begin to read."""
        if self.host is not None:
            self._stored_started = self._snapshotting.restore(self.host, self._reader, self.log)
            self.port.applied_seq, self._applied_epoch = self.host.applied_seq, self.host.epoch
            self._missing_until = self._reader.head_seq()
        self._schedule_pump()

    def _adopt(self, error: DivergenceError) -> None:
        """Another build or other settings decide otherwise: take what stands on the log instead."""
        assert self.host is not None
        self.log.warning("adopting", detail=str(error))
        self._diverged = str(error)
        self.host = CoreHost(type(self.host.core)())
        self.port.core, self._speaking.host = self.host.core, self.host
        self._stored_started = self._snapshotting.restore(self.host, self._reader, self.log)
        self.host.is_deciding = False
        self.port.applied_seq, self._applied_epoch = self.host.applied_seq, self.host.epoch
        self._stored = None
        self._missing_until = max(self._missing_until, self._reader.head_seq())

    # --- the pump

    def _schedule_pump(self) -> None:
        if not self._is_pump_due:
            self._is_pump_due = True
            self._loop.call_soon(self.pump)

    def pump(self) -> None:
        """Apply what is next, for at most one turn; never leaves a readable socket unread."""
        self._is_pump_due = False
        if self.ended.done():
            return
        before_seq = self.port.applied_seq
        self._speaking.is_pumping = True
        try:
            is_more = self._turn()
        except DivergenceError as error:
            if self.phase == "live" or self._is_same_code():
                self._diverge(error)
                return
            self._adopt(error)
            is_more = True
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self.fail(error)
            return
        finally:
            self._speaking.is_pumping = False
        self._speaking.flush()
        if is_more:
            self._schedule_pump()
        else:
            self._link.settled(self.port.applied_seq, was_quiet=self.port.applied_seq == before_seq)

    def _turn(self) -> bool:
        end_s = time.monotonic() + TURN_S
        for _ in range(FRAMES_PER_TURN):
            if self._missing_until > self.port.applied_seq and self.phase != "diverged":
                self._apply_stored()
            elif self.phase == "recovering":
                self.phase = "joining"
                self._say_hello()
                return False
            elif self.phase in ("joining", "diverged"):
                self._link.rest()
                return False
            elif not self._receive():
                return False
            if time.monotonic() > end_s:
                break
        return True

    def _apply_stored(self) -> None:
        """Apply the next event of the store; the iterator stays open between turns."""
        if self._stored is None:
            self._stored = self._reader.events(self.port.applied_seq, self._missing_until)
        event = next(self._stored, None)
        if event is None:
            self._stored = None
            raise JournalError(
                f"the log ends before seq {self._missing_until}: {self.port.applied_seq} is the last one in "
                f"{self.port.data.journal}; restore a backup"
            )
        self._apply(event)
        if self.port.applied_seq >= self._missing_until:
            self._stored = None

    def _receive(self) -> bool:
        """Take one frame of the stream; return whether there was one."""
        parts = self._link.receive()
        if parts is None:
            self._speaking.drained()
            return False
        self.port.heard_ns = time.monotonic_ns()
        topic, packed, body = parts
        if topic in (b"~durable", SYNCED):
            durable = message_of(body)
            self.port.told_durable(durable.durable_seq)
            self._snapshotting.advance(self.host)
            # Something was dropped on the way and nothing came after it.
            self._missing_until = max(self._missing_until, durable.head_seq)
            return True
        header = decode_header(packed)
        if header.seq <= self.port.applied_seq:
            if header.epoch > self._applied_epoch:
                raise RestartError(f"seq {header.seq} began anew in epoch {header.epoch}")
            return True
        if header.seq != self.port.applied_seq + 1:
            # Read from the store up to this one, before anything later.
            self._missing_until = header.seq
            return True
        if self.host is None and not topic.startswith(_TOPICS_WITHOUT_CORE):
            self._pass(header)
            return True
        self._apply(Event(header, message_of(body)))
        return True

    def _pass(self, header: Header) -> None:
        """Note that this event stands on the log; a service without a core does not decode it."""
        self.port.applied_seq, self._applied_epoch = header.seq, header.epoch
        if header.source == self._io and header.run == self.port.run:
            self.port.confirmed(header.n)
            self._speaking.met()

    def _apply(self, event: Event) -> None:
        header, message = event.header, event.message
        if type(message) is ServiceStarted and message.service == self.port.service:
            self._own_start(message)
        step = self._step(event)
        self._pass(header)
        self.shell.seen(event)
        if self.phase == "live":
            for outgoing in step.outputs:
                self._speaking.say(outgoing)
            for instruction in step.instructions:
                self.shell.carry_out(instruction, event)
            if type(message) is EpochStarted and message.epoch != self.port.epoch:
                self._new_epoch()
            self._periodic(header.seq)

    def _step(self, event: Event) -> Step:
        if self.host is None or self._note is None:
            return NOTHING
        self._note.begin(event.header.seq)
        step = self.host.apply(event)
        self._note.end()
        return step

    def _own_start(self, started: ServiceStarted) -> None:
        """Note who decided so far; at the own start be live from this event on (rule 5)."""
        if self._welcome is None or started.run != self._welcome.run:
            if self._welcome is not None and started.run > self._welcome.run:
                raise EpochError(f"another process runs as {self.port.service} now (run {started.run})")
            self._stored_started = (started.build, settings_hash(started.settings))
            return
        if self.phase == "live":
            return
        if self.host is not None and not self.host.is_deciding:
            self.host.is_deciding = True
            self.host.outbox.clear()
            own = {source: n for source, n in self._welcome.last_n.items() if not source.endswith(".io")}
            self.host.counters.update(own)
        self.phase = "live"
        self.port.is_live = True
        self._loop.call_soon(self._went_live)

    def _went_live(self) -> None:
        self._speaking.resend()
        self._link.let_wait(self.port.clock)
        if self._diverged:
            self._say_diverged(is_same_build=False)
        self.log.info("live", run=self.port.run, epoch=self.port.epoch, seq=self.port.applied_seq)
        self._live_task = self._loop.create_task(self.shell.live(self.port))
        self._live_task.add_done_callback(self._live_ended)

    def _live_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self.fail(task.exception())

    def _periodic(self, seq: int) -> None:
        if self.host is None:
            return
        if seq % DIGEST_EVENTS == 0:
            self.port.publish(CoreDigest(self.port.service, seq, self.host.core.digest()))
        self._snapshotting.consider(self.host)

    # --- the bus

    def beat(self) -> None:
        """Give a sign of life, repeat a hello, send again what got lost: each 250 ms."""
        if self._welcome is None:
            if self.phase != "recovering" and time.monotonic() - self._hello_s > HELLO_S:
                self._say_hello()
            return
        self._speaking.alive(self.phase)
        self._speaking.resend_lost()
        self._snapshotting.consider(self.host if self.phase == "live" else None)

    def _say_hello(self) -> None:
        self._hello_s = time.monotonic()
        sources = sorted(self.host.counters) if self.host is not None else []
        hello = Hello(
            self.port.service,
            self.port.run,
            self._token,
            self.build,
            self.port.settings,
            [*sources, self._io],
        )
        self._link.send([b"hello", pack_wire(hello)])

    def _new_epoch(self) -> None:
        """The bus lives anew: nothing is sent until it has welcomed us again."""
        self._welcome = None
        self._speaking.is_welcome = False
        self._say_hello()

    def _answered(self, parts: list[bytes]) -> None:
        if self.ended.done():
            return
        try:
            if parts[0] == b"hello":
                self._welcomed(unpack_wire(parts[1], Welcome))
            elif parts[0] == b"refused":
                self._refused(unpack_wire(parts[1], Refused))
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self.fail(error)

    def _welcomed(self, welcome: Welcome) -> None:
        if welcome.token != self._token or self._welcome == welcome:
            return
        is_new = welcome.epoch != self.port.epoch
        self._welcome = welcome
        self._speaking.is_welcome = True
        self.port.run, self.port.epoch = welcome.run, welcome.epoch
        if is_new:
            self._check_history(welcome)
        if self.phase == "joining":
            self.phase = "catching_up"
            if self.host is None:
                self.port.applied_seq, self._applied_epoch = welcome.started_seq - 1, welcome.epoch
            self._missing_until = welcome.started_seq
        elif self.phase == "diverged":
            self._welcomed_diverged()
        elif self.phase == "live":
            self._speaking.resend()
            self.port.told_epoch(welcome.epoch)
        self._schedule_pump()

    def _check_history(self, welcome: Welcome) -> None:
        """Make sure that what was applied stands on this log (rule 11: a restored backup)."""
        seq = self.port.applied_seq
        if seq == 0:
            return
        header = self._reader.header_at(seq)
        if header is None or header.epoch != self._applied_epoch:
            raise RestartError(
                f"seq {seq} of epoch {self._applied_epoch} is not on the log of epoch {welcome.epoch} "
                f"(head {welcome.head_seq}): starting again from the log"
            )

    def _refused(self, refused: Refused) -> None:
        if refused.reason not in REFUSED_AGAIN:
            kinds: dict[str, type[Exception]] = {"run": EpochError, "ahead": RestartError}
            kind = kinds.get(refused.reason, ProtocolError)
            raise kind(f"the bus refused {refused.source or 'a frame'}: {refused.reason}: {refused.detail}")
        if refused.reason == "n":
            self._speaking.resend(refused.source, refused.expected_n)
        elif time.monotonic() - self._hello_s > HELLO_S / 10:
            self._new_epoch()

    # --- ends

    def fail(self, error: BaseException | None) -> None:
        """End the process because of `error`."""
        if not self.ended.done():
            self.ended.set_exception(error or RuntimeError("ended without a reason"))

    def _is_same_code(self) -> bool:
        return self._stored_started == (self.build, settings_hash(self.port.settings))

    def _diverge(self, error: DivergenceError) -> None:
        """The same code says something else than before: nothing it says can be trusted."""
        self._diverged = str(error)
        latch_kill(self.port.data, self.port.service, f"the core diverged: {error}"[:500])
        was_live, self.phase = self.phase == "live", "diverged"
        if was_live:
            self._say_diverged(is_same_build=True)
            self._speaking.flush()
        elif self._welcome is None:
            self._say_hello()
        else:
            self._welcomed_diverged()
        self._loop.call_later(DIVERGED_WAIT_S if not was_live else HELLO_S, self.fail, error)

    def _welcomed_diverged(self) -> None:
        """Say the one thing that a diverged service still says."""
        self.port.is_live = True
        self._say_diverged(is_same_build=True)
        self._speaking.flush()

    def _say_diverged(self, *, is_same_build: bool) -> None:
        at_seq = self.port.applied_seq
        self.port.publish(CoreDiverged(self.port.service, at_seq, self._diverged[:500], is_same_build))

    async def stop(self) -> None:
        """Take a last snapshot, end the shell, leave."""
        if self.host is not None and self.phase == "live" and not self.ended.done():
            await self._snapshotting.last(self.host)
        if self._live_task is not None:
            self._live_task.cancel()
            await asyncio.gather(self._live_task, return_exceptions=True)
        await asyncio.wait_for(self.shell.close(), 3)
        self._speaking.flush()
        self._link.close()
        self._reader.close()
