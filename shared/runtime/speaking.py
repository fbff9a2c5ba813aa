"""What a service says: queued, sent in one message per turn, sent again until the log has it."""

import asyncio
import os
import time
from pathlib import Path

from shared.hosting import CoreHost, Outgoing
from shared.messages import Message
from shared.messages.system import Alive
from shared.messages.wire import AppendHeader, pack_wire
from shared.runtime.crash import crash_point
from shared.runtime.link import Link
from shared.runtime.port import Port

EVENTS_PER_APPEND_MAX = 256
EVENTS_WITHHELD_MAX = 8
"""So many leave before the stream is read on."""
RESEND_S = 1.0


class Speaking:
    """The producer of one service: its core's outputs and its shell's facts, each in order.

    What is pending is kept elsewhere (the host's outbox, the port's facts): here is only what leaves next.
    `is_welcome` tells whether the bus of this epoch knows us; before that all would be refused. While
    `is_pumping` the pump flushes, as soon as it has read what there is.
    """

    def __init__(self, port: Port, link: Link, host: CoreHost | None) -> None:
        self.host = host
        self.is_welcome = False
        self.is_pumping = False
        self.progress_s = self.drained_s = time.monotonic()
        self._port, self._link = port, link
        self._io = f"{port.service}.io"
        self._queued: list[Outgoing] = []
        self._is_flush_due = False

    def say(self, outgoing: Outgoing) -> None:
        """Queue one output or fact; all of one turn leave in one message."""
        if not self._port.is_live:
            return
        if not self._queued:
            # Silence counts from what was said last.
            self.progress_s = time.monotonic()
        self._queued.append(outgoing)
        if self.is_pumping:
            if len(self._queued) >= EVENTS_WITHHELD_MAX:
                self.flush()
        elif not self._is_flush_due:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hand what is queued to the transport; unwelcome, it waits to be sent again."""
        self._is_flush_due = False
        queued, self._queued = self._queued, []
        if not queued or not self.is_welcome or self._link.is_closed:
            return
        crash_point("service.before_append")
        for start in range(0, len(queued), EVENTS_PER_APPEND_MAX):
            parts = [b"append"]
            for one in queued[start : start + EVENTS_PER_APPEND_MAX]:
                parts += self._frame(one.source, one.n, one.origin_ns, one.cause_seq, one.message, one.body)
            self._link.send(parts)
        crash_point("service.after_append")

    def pending(self) -> list[Outgoing]:
        """Return everything that was not yet seen on the log."""
        outputs = list(self.host.outbox.values()) if self.host is not None else []
        return outputs + self._port.facts()

    def resend(self, source: str = "", from_n: int = 0) -> None:
        """Send again what the log does not have yet: all, or that of `source` from `from_n`."""
        if not self._port.is_live:
            return
        again = [one for one in self.pending() if source in ("", one.source) and one.n >= from_n]
        self._queued = again + [one for one in self._queued if source not in ("", one.source)]
        self.progress_s = time.monotonic()
        self.flush()

    def resend_lost(self) -> None:
        """Send all again when the stream was read to its end for a while and did not show it."""
        is_stuck = self.drained_s - self.progress_s > RESEND_S
        if is_stuck and self._port.bus_silent_ms < RESEND_S * 1000 and self.pending():
            self.resend()

    def drained(self) -> None:
        """Note that the stream was read to its end: what is on the log was seen."""
        self.drained_s = time.monotonic()

    def met(self) -> None:
        """Note that something of ours was seen on the log."""
        self.progress_s = time.monotonic()

    def alive(self, phase: str) -> None:
        """Give a sign of life."""
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        port = self._port
        alive = Alive(port.service, port.run, port.applied_seq, resident, os.getpid(), phase)
        body = pack_wire(alive)
        self._link.send([b"append", *self._frame(self._io, 0, port.clock.now_ns(), 0, alive, body)])

    def _frame(
        self, source: str, n: int, origin_ns: int, cause_seq: int, message: Message, body: bytes
    ) -> list[bytes]:
        header = AppendHeader(self._port.epoch, source, self._port.run, n, origin_ns, cause_seq)
        return [pack_wire(header), message.topic, body]
