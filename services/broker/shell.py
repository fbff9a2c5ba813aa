"""The broker's outside half: the kill latch and its four ways in, and the word that paper is reconciled.

In testnet and live mode `Trading` joins execution and sockets; this shell tells it of kill, time and stop.
Paper orders equal the venue's by construction, since this process is the venue; what is compared is risk's
ledger with the paper account (RK-29). What risk has not answered yet is awaited; what stays is said.

Kill comes by the log (the core asks), by the latch file (looked at every few milliseconds), by SIGUSR1 and by
the control socket; none needs the bus, risk, strategy or gateway alive (I-24, BR-29). Every way syncs the
latch first and then says `KillLatched`. A latch that could not be synced is tried again and acknowledged to
nobody until it is.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from services.broker.core import BrokerCore
from services.broker.equality import Comparison
from services.broker.instructions import ClearLatch, LatchKill, Reconcile, not_reconciled
from services.broker.settings import BrokerSettings
from services.broker.shell_latch import LatchFile
from shared.errors import UNDECODABLE, ConfigError
from shared.messages import Event, Instruction
from shared.messages.control import KillCleared, KillClearRefused, KillLatched
from shared.messages.system import Reconciled
from shared.runtime.crash import crash_point
from shared.runtime.port import Port
from shared.settings import unpack

if TYPE_CHECKING:
    from services.broker.shell_trading import Trading

CONTROL_SOCKET = "broker.sock"
"""Name of the control socket: REP, MessagePack `["kill", by, reason]` or `["status"]`."""

TEXT_MAX = 500
LOOK_EVERY_S = 0.1
"""How often risk's ledger is looked at until it equals the account; real time."""
AWAIT_S = 5.0
"""After how long a fill that risk has not answered counts as a difference."""
DETAILS_MAX = 10
REQUEST_BYTES_MAX = 8192


class Kill:
    """One kill on its way: latched when synced, then said."""

    __slots__ = ("by", "cause_seq", "path", "reason")

    def __init__(self, by: str, reason: str, path: str, cause_seq: int = 0) -> None:
        self.by, self.reason, self.path, self.cause_seq = by, reason, path, cause_seq


class BrokerShell:
    """See `shared.runtime.port.Shell`."""

    def __init__(self) -> None:
        self._port: Port
        self._latch: LatchFile
        self._socket: zmq.Socket[bytes] | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._lock_fd = -1
        self._waiting: list[Kill] = []
        self._is_told = False
        self._kill_count = 0
        self._reconciled_run = 0
        self._differing_run = 0
        self._awaited_since_s = 0.0
        self._next_look_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._trading: Trading | None = None

    # ---- life

    def opened(self, port: Port) -> None:
        """Take the lock of the one broker, listen for SIGUSR1, and bind the control socket."""
        self._port = port
        self._latch = LatchFile(port.data.latch)
        self._lock_fd = os.open(port.data.run / "broker.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another broker runs on {port.data.root} (run/broker.lock is held); "
                "there may be one only: stop it, or use another data directory (I-29)"
            ) from error
        settings = unpack(port.settings, BrokerSettings)
        if settings.mode != "paper":
            from services.broker.shell_trading import Trading  # noqa: PLC0415 - adapters: not on paper

            self._trading = Trading(port, settings)
            self._trading.open()
        signal.signal(signal.SIGUSR1, self._on_signal)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES_MAX)
        self._socket.bind(port.data.socket(CONTROL_SOCKET))

    async def live(self, port: Port) -> None:
        """Say a standing latch before anything else, then that paper is reconciled, then watch for kills."""
        settings = unpack(port.settings, BrokerSettings)
        self._look()
        if self._trading is None:
            self._reconcile()
            port.on_epoch(lambda _epoch: self._reconcile())
        socket = self._socket
        assert socket is not None, "the shell was not opened"
        asyncio.get_running_loop().add_reader(int(socket.getsockopt(zmq.FD)), self._answer_all)
        while True:
            self._look()
            self._answer_all()
            if self._trading is None:
                self._reconcile()
            else:
                self._trading.pass_time(time.monotonic())
            await asyncio.sleep(settings.latch_poll_ms / 1000)

    async def drain(self) -> None:
        """Withdraw orders at venues before a stop; paper has nothing to wait for."""
        if self._trading is not None:
            await self._trading.drain()

    async def close(self) -> None:
        """Leave the venues, give the socket and the lock back."""
        if self._trading is not None:
            await self._trading.close()
        if self._socket is not None and self._context is not None:
            with contextlib.suppress(RuntimeError, OSError, ValueError):
                asyncio.get_running_loop().remove_reader(int(self._socket.getsockopt(zmq.FD)))
            self._socket.close()
            self._context.term()
            self._socket = None
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def seen(self, event: Event) -> None:
        """Hand the event to execution, where orders stand at venues."""
        if self._trading is not None:
            self._trading.seen(event)

    # ---- what the core asks

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Latch or clear kill."""
        if isinstance(instruction, LatchKill):
            self._kill(Kill(instruction.by, instruction.reason, instruction.path, event.header.seq))
        elif isinstance(instruction, ClearLatch):
            task = asyncio.get_running_loop().create_task(self._clear(instruction))
            self._tasks.add(task)
            task.add_done_callback(self._cleared)
        elif self._trading is not None:
            self._trading.carry_out(instruction, event)
        elif isinstance(instruction, Reconcile):
            self._say_compared(instruction.request_seq)
        else:
            raise AssertionError(f"the broker shell cannot carry out {instruction!r}")

    async def _clear(self, instruction: ClearLatch) -> None:
        """Clear the latch once the request is durable; a kill that came after the request wins."""
        kill_count = self._kill_count
        await self._port.wait_durable(instruction.request_seq)
        if kill_count != self._kill_count:
            return
        if not self._is_reconciled:
            why = not_reconciled(self._port.run)
            self._port.publish(KillClearRefused(instruction.by, why), cause_seq=instruction.request_seq)
            return
        self._latch.clear()
        self._is_told = False
        if self._trading is not None:
            self._trading.latch(is_set=False)
        self._port.publish(KillCleared(instruction.by, instruction.reason), cause_seq=instruction.request_seq)

    @property
    def _is_reconciled(self) -> bool:
        if self._trading is None:
            return self._reconciled_run == self._port.run
        core = self._port.core
        assert isinstance(core, BrokerCore), "the broker's shell has the broker's core"
        return core.known.is_reconciled

    def _cleared(self, task: asyncio.Task[None]) -> None:
        """Keep a failed clear visible: the latch stays, and the operator's request stays unanswered."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._is_told = False

    # ---- the ways in

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        """Latch at once, also while recovering; the watch says it (publishing is not re-entrant)."""
        self._kill_count += 1
        with contextlib.suppress(OSError):
            self._latch.set("signal", "SIGUSR1")
        self._waiting.append(Kill("signal", "SIGUSR1", "signal"))

    def _kill(self, kill: Kill) -> str:
        """Latch and say one kill; return why it could not be latched, empty when it was.

        Orders at venues are canceled first: that needs neither the disk nor the bus.
        """
        self._kill_count += 1
        if self._trading is not None:
            self._trading.latch(is_set=True)
        try:
            self._latch.set(kill.by, kill.reason)
        except OSError as error:
            self._waiting.append(kill)
            return f"the latch could not be synced ({error}); it is tried again"
        crash_point("broker.latched")
        self._tell(kill)
        return ""

    def _tell(self, kill: Kill) -> None:
        self._is_told = True
        self._port.publish(KillLatched(kill.by, kill.reason, kill.path), cause_seq=kill.cause_seq)

    def _look(self) -> None:
        """Say kills that wait, see a file made by others, and restore one removed by hand (I-26)."""
        waiting, self._waiting = self._waiting, []
        for kill in waiting:
            self._kill(kill)
        if self._is_told:
            if not self._latch.is_set:
                self._kill(Kill("broker", "the latch file was removed by hand; use kill --clear", "file"))
        elif self._latch.is_set:
            note = self._latch.note()
            self._kill(Kill(note.by, note.reason, "file"))

    def _reconcile(self) -> None:
        """Say once in a run that risk's ledger equals the account, or, while it does not, what differs."""
        run, now_s = self._port.run, time.monotonic()
        if self._reconciled_run == run or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_EVERY_S
        found = self._compare()
        if not found.differences and not found.awaited_count:
            self._reconciled_run = run
            self._awaited_since_s = 0.0
            self._port.publish(Reconciled(run=run))
            return
        self._awaited_since_s = self._awaited_since_s or now_s
        is_late = bool(found.differences) or now_s - self._awaited_since_s > AWAIT_S
        if is_late and self._differing_run != run:
            self._differing_run = run
            self._say_compared()

    def _compare(self) -> Comparison:
        core = self._port.core
        assert isinstance(core, BrokerCore), "the broker's shell has the broker's core"
        return core.known.equality.compare(core.known.account)

    def _say_compared(self, request_seq: int = 0) -> None:
        """Say how risk's ledger and the paper account compare, as a person asks or as it is found."""
        found, run = self._compare(), self._port.run
        details = found.differences[:DETAILS_MAX]
        if found.awaited_count:
            details.append(f"risk has not answered {found.awaited_count} positions yet")
        count = len(found.differences) + found.awaited_count
        said = Reconciled(run=run, difference_count=count, details="; ".join(details))
        self._port.publish(said, cause_seq=request_seq)

    # ---- control socket

    def _answer_all(self) -> None:
        """Answer every question that waits; the descriptor of ZeroMQ only signals edges."""
        while self._socket is not None:
            try:
                question = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send(msgspec.msgpack.encode(self._answer(question)))

    def _answer(self, question: bytes) -> list[Any]:
        try:
            asked = msgspec.msgpack.decode(question, type=list[str])
        except UNDECODABLE:
            return ["error", 'not a request; send MessagePack ["kill", by, reason] or ["status"]']
        if asked == ["status"]:
            port = self._port
            venues = [] if self._trading is None else self._trading.status()
            return ["ok", self._latch.is_set, port.run, port.applied_seq, port.is_live, *venues]
        if len(asked) != 3 or asked[0] != "kill":
            return ["error", f'unknown request {asked[:1]}; send ["kill", by, reason] or ["status"]']
        by, reason = asked[1][:TEXT_MAX].strip(), asked[2][:TEXT_MAX].strip()
        if not by or not reason:
            return ["error", "kill needs who asks and a reason"]
        problem = self._kill(Kill(by, reason, "socket"))
        return ["error", problem] if problem else ["ok", "latched"]
