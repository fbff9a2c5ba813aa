"""The loop of the bus: drain, decide, commit, publish; one thread, plain sockets, no event loop."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import apsw
import msgspec
import zmq

from services.bus.sequencer import Batch, Sequencer, SourceState
from services.bus.settings import BusSettings
from services.bus.shell_durability import Durability
from services.bus.shell_reads import Reads
from services.bus.shell_retention import Retention
from services.bus.silence import SilenceWatch
from shared.errors import UNDECODABLE, JournalError, ProtocolError
from shared.messages import body_of, encode_header
from shared.messages.header import Header
from shared.messages.system import Alive, Durable, EpochStarted, Tick
from shared.messages.wire import SYNCED, Hello, Refused, pack_wire, unpack_wire
from shared.runtime.build import build_id
from shared.runtime.clock import MeshClock, ensure_clock
from shared.runtime.crash import crash_point
from shared.runtime.frames import receive_parts, send_parts
from shared.runtime.journal import Row, row_crc
from shared.runtime.journal_writer import JournalWriter, SourceRow
from shared.runtime.latch import prepare_latch
from shared.runtime.paths import DataDir
from shared.units import NS_PER_MS

FRAMES_PER_BATCH = 256
FRAMES_PER_APPEND_MAX = 1024
APPENDS_HELD_MAX = 1000
"""Appends of one peer that wait for us; more stay with the peer, which is told by its own full queue."""
TICK_NS = 100 * NS_PER_MS
HEARTBEAT_S = 0.1
SOCKET_BYTES_MAX = 4
"""A peer whose frame is above the limit so many times is cut off by the transport itself."""
URGENT_FAMILIES = frozenset({"control", "service", "bus"})
ORDER_FAMILIES = frozenset({"order", "fill", "verdict"})
"""Not intents: the approval waits for a sync of its own, and that of its intent would stand before it."""


class StorageFailureError(Exception):
    """The log could not be written or synced: nothing may be believed to be kept from here on (rule 12)."""


class Bus:
    """One life of the bus on a data directory; `tell` is given what a person may want to know.

    Raises `JournalError` when another bus holds the log, `StorageFailureError` when the disk fails.
    """

    def __init__(
        self,
        data: DataDir,
        settings: BusSettings,
        tell: Callable[[str, str], None] = lambda _what, _detail: None,
    ) -> None:
        self._settings = settings
        self._urgent = URGENT_FAMILIES | ORDER_FAMILIES if settings.sync_orders else URGENT_FAMILIES
        prepare_latch(data)
        self._writer = JournalWriter(data.journal, settings.segment_bytes, settings.segment_seconds)
        self._clock: MeshClock = ensure_clock(data, self._writer.last_ts_ns)
        epoch = max(self._writer.epoch + 1, time.time_ns() // 10**9)
        self._writer.open_epoch(epoch)
        self.sequencer = Sequencer(
            epoch,
            self._writer.head_seq,
            self._writer.last_ts_ns,
            {name: SourceState(*row) for name, row in self._writer.sources.items()},
            self._writer.services,
            settings.max_frame_bytes,
        )
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._durability = Durability(
            settings.sync_ms, self._wake_write, self._writer.head_seq, self._writer.segment
        )
        self._silence = SilenceWatch(settings.silence_ms, settings.start_grace_ms)
        for service in self._writer.services:
            self._silence.starting(service, time.monotonic_ns())
        self._context = zmq.Context()
        self._append = self._bound(zmq.ROUTER, data.append, APPENDS_HELD_MAX)
        self._stream = self._bound(zmq.PUB, data.stream, settings.subscriber_frames_max)
        self._reads = Reads(self._context, data, self.status)
        self._retention = Retention(data, settings, tell)
        self._unanswered: deque[tuple[int, list[bytes], bytes]] = deque()
        self._tick_number = self._clock.now_ns() // TICK_NS
        self._told_durable = (-1, 0.0)
        self._is_ending = False

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        wake = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            self._durability.start()
            self._reads.start()
            self._retention.start()
            self.sequencer.say(EpochStarted(self.sequencer.epoch, build_id()), self._clock.now_ns())
            self._flush()
            poller = zmq.Poller()
            poller.register(self._append, zmq.POLLIN)
            poller.register(self._wake_read, zmq.POLLIN)
            while not self._is_ending:
                ready = poller.poll(self._poll_ms())
                if len(ready) > 1 or (ready and ready[0][0] == self._wake_read):
                    self._woken()
                self._turn()
        finally:
            signal.set_wakeup_fd(wake)

    def stop(self) -> None:
        """Ask the loop to end after the current batch."""
        self._is_ending = True

    def close(self) -> None:
        """Make everything durable, say so, and give sockets and files back."""
        self._durability.stop()
        if self._durability.failure is None:
            self._after_sync()
        self._reads.stop()
        self._retention.stop()
        self._context.destroy(linger=200)
        if self._durability.failure is None:
            self._writer.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def status(self) -> dict[str, Any]:
        """Return what the verb `status` answers; called from the reading thread."""
        sequencer, silence = self.sequencer, self._silence
        alive, silent = dict(silence.alive), set(silence.silent)
        services = {
            name: {
                "run": run,
                "applied_seq": alive[name].applied_seq if name in alive else 0,
                "state": alive[name].state if name in alive else "",
                "rss_bytes": alive[name].rss_bytes if name in alive else 0,
                "pid": alive[name].pid if name in alive else 0,
                "silent": name in silent,
            }
            for name, run in dict(sequencer.services).items()
        }
        return {
            "head_seq": self._writer.head_seq,
            "durable_seq": self._durability.durable_seq,
            "epoch": sequencer.epoch,
            "ts_ns": self._clock.now_ns(),
            "is_held": self._clock.is_held,
            "pid": os.getpid(),
            "build": build_id(),
            "counters": dict(sequencer.counters) | {"synced": self._durability.sync_count},
            "services": services,
        }

    def _turn(self) -> None:
        """Take up to one batch of frames and everything that time brings."""
        is_drained = self._drain()
        now_ns = self._clock.now_ns()
        number = now_ns // TICK_NS
        if number > self._tick_number:
            self._tick_number = number
            self.sequencer.say(Tick(number), now_ns)
        if is_drained:
            # Only now: signs of life may have waited in the socket while we were busy.
            for message in self._silence.judge(time.monotonic_ns()):
                self.sequencer.say(message, now_ns)
        self._flush()
        self._after_sync()

    def _drain(self) -> bool:
        """Take what waits on the append socket; return whether it is empty."""
        count = 0
        while count < FRAMES_PER_BATCH:
            parts = receive_parts(self._append)
            if parts is None:
                return True
            count += max(1, len(parts) // 3)
            envelope = 2 if len(parts) > 2 and parts[1] == b"" else 1
            self._request(parts[:envelope], parts[envelope:])
        return False

    def _request(self, envelope: list[bytes], parts: list[bytes]) -> None:
        now_ns = self._clock.now_ns()
        try:
            match parts:
                case [b"append", *frames] if frames and len(frames) % 3 == 0:
                    self._take(envelope, frames, now_ns)
                case [b"hello", packed]:
                    self._welcome(envelope, unpack_wire(packed, Hello), now_ns)
                case [b"command", packed]:
                    self._command(envelope, packed, now_ns)
                case _:
                    raise ProtocolError(
                        "ask [append, header, topic, body, ...], [hello, ...] or [command, ...]"
                    )
        except (ProtocolError, *UNDECODABLE) as error:
            self._count("refused_undecodable")
            self._reply(envelope, [b"refused", pack_wire(Refused("", 0, 0, "undecodable", str(error)[:300]))])

    def _take(self, envelope: list[bytes], frames: list[bytes], now_ns: int) -> None:
        if len(frames) > 3 * FRAMES_PER_APPEND_MAX:
            raise ProtocolError(f"{len(frames) // 3} events in one append, at most {FRAMES_PER_APPEND_MAX}")
        told: set[tuple[str, str]] = set()
        for index in range(0, len(frames), 3):
            refused = self.sequencer.offer(frames[index], frames[index + 1], frames[index + 2], now_ns)
            # One answer for all that stands behind the same hole.
            if refused is not None and (refused.source, refused.reason) not in told:
                told.add((refused.source, refused.reason))
                self._reply(envelope, [b"refused", pack_wire(refused)])

    def _welcome(self, envelope: list[bytes], hello: Hello, now_ns: int) -> None:
        answer = self.sequencer.hello(hello, now_ns)
        if isinstance(answer, Refused):
            self._reply(envelope, [b"refused", pack_wire(answer)])
            return
        self._silence.starting(hello.service, time.monotonic_ns())
        # Nobody may build on a run that is not stored.
        self._flush()
        self._reply(envelope, [b"hello", pack_wire(answer)])

    def _command(self, envelope: list[bytes], packed: bytes, now_ns: int) -> None:
        source, body = msgspec.msgpack.decode(packed, type=tuple[str, bytes])
        answer = self.sequencer.command(source, body, now_ns)
        if isinstance(answer, Refused):
            self._reply(envelope, [msgspec.msgpack.encode({"error": f"{answer.reason}: {answer.detail}"})])
            return
        said = msgspec.msgpack.encode({"seq": answer, "epoch": self.sequencer.epoch})
        self._unanswered.append((answer, envelope, said))

    def _flush(self) -> None:
        """Commit what was accepted, then publish it: nobody sees what a killed bus would lose (rule 1)."""
        batch = self.sequencer.take()
        if not batch.events:
            return
        self._commit(batch)
        self._publish(batch)

    def _commit(self, batch: Batch) -> None:
        rows = [
            Row(one.seq, one.header, one.topic, one.body, row_crc(one.seq, one.header, one.topic, one.body))
            for one in batch.events
            if one.seq
        ]
        if not rows:
            return
        crash_point("bus.before_commit")
        try:
            self._writer.append(rows, [SourceRow(*source) for source in batch.sources], batch.services)
        except (apsw.Error, OSError) as error:
            raise StorageFailureError(
                f"the log could not be written at seq {rows[0].seq}: {error}"
            ) from error
        crash_point("bus.after_commit")
        is_urgent = any(one.message.family in self._urgent for one in batch.events)
        self._durability.committed(self._writer.segment, self._writer.head_seq, is_urgent=is_urgent)

    def _publish(self, batch: Batch) -> None:
        for one in batch.events:
            if isinstance(one.message, Alive):
                back = self._silence.heard(one.message, time.monotonic_ns())
                if back is not None:
                    self.sequencer.say(back, self._clock.now_ns())
            send_parts(self._stream, (one.topic, one.header, one.body))
        crash_point("bus.after_publish")

    def _after_sync(self) -> None:
        """Tell what became durable, and answer who waited for it.

        All hear it each `HEARTBEAT_S`; after each sync only who subscribed to `~synced`: a frame for every
        service after every sync would cost the order path more than it is worth.
        """
        self._durability.look(self._settings.sync_stall_ms)
        if self._durability.failure is not None:
            raise StorageFailureError(f"the log could not be synced: {self._durability.failure}")
        durable_seq, now_s = self._durability.durable_seq, time.monotonic()
        told_seq, told_s = self._told_durable
        is_beat = now_s - told_s >= HEARTBEAT_S
        if durable_seq == told_seq and not is_beat:
            return
        self._told_durable = (durable_seq, now_s if is_beat else told_s)
        message = Durable(durable_seq, self._writer.head_seq)
        ts_ns = self._clock.now_ns()
        header = Header(0, ts_ns, ts_ns, self.sequencer.epoch, "bus", self.sequencer.epoch, 0, 0)
        topic = message.topic if is_beat else SYNCED
        send_parts(self._stream, (topic, encode_header(header), body_of(message)))
        while self._unanswered and self._unanswered[0][0] <= durable_seq:
            _, envelope, said = self._unanswered.popleft()
            self._reply(envelope, [said])

    def _woken(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return

    def _poll_ms(self) -> int:
        """Return the time until the next tick, at most the heartbeat."""
        heartbeat_ms = int(HEARTBEAT_S * 1000)
        if self._clock.is_held:
            return heartbeat_ms
        due_ns = (self._tick_number + 1) * TICK_NS - self._clock.now_ns()
        return max(0, min(heartbeat_ms, int(self._clock.real_s(max(0, due_ns)) * 1000) + 1))

    def _reply(self, envelope: list[bytes], parts: list[bytes]) -> None:
        # A peer that is gone or does not read its answers loses them; it asks again.
        try:
            send_parts(self._append, [*envelope, *parts])
        except zmq.Again:
            self._count("answers_lost")

    def _count(self, name: str) -> None:
        counters = self.sequencer.counters
        counters[name] = counters.get(name, 0) + 1

    def _bound(self, kind: int, endpoint: str, held_max: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.sndhwm = self._settings.subscriber_frames_max
        socket.rcvhwm = held_max
        socket.setsockopt(zmq.MAXMSGSIZE, SOCKET_BYTES_MAX * self._settings.max_frame_bytes)
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise JournalError(f"cannot bind {endpoint}: {error}; is its folder writable?") from error
        return socket
