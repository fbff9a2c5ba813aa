"""The watchdog of the strategy process: a callback that takes too long ends, not the trading of the others.

An alarm looks several times within the limit whether the same call still runs, then raises `BlockedError`
in it. Code that Python cannot interrupt (one long call in C) is ended with the whole process by a timer that
needs no interpreter; what it wrote names the place, the note beside it the call, and the next life stops
there without making it. Between two calls nothing is measured, so a frozen machine blames nobody.
"""

import atexit
import faulthandler
import itertools
import mmap
import re
import signal
import struct
from pathlib import Path
from types import FrameType
from typing import IO, Any

from services.strategy.calls import BlockedError, Calls, Interruption, interruptions
from services.strategy.core import StrategyCore
from services.strategy.settings import StrategySettings
from shared.messages import Event, Instruction, decode_header, message_of
from shared.messages.control import InstanceFailed
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.runtime.port import Port
from shared.settings import unpack

LOOKS = 4
"""How often a call is looked at before it has taken too long."""
BACKSTOP_S = 30.0
"""After the limit and this long the process is ended: the call cannot be interrupted."""
_NOTE = struct.Struct("<QQ16s")
_NAME_AT = 16
_FRAME = re.compile(r'File "(?:.*/)?([^"/]+)", line (\d+) in (\S+)')
FRAMES_TOLD = 3


class NotedCalls(Calls):
    """Calls that are noted in a mapped file, once it is open: the note outlives the process."""

    def __init__(self) -> None:
        super().__init__()
        self._map: mmap.mmap | None = None

    def open(self, path: Path) -> tuple[int, int, str]:
        """Note calls in the file at `path`; return seq, number and instance of the last life's call."""
        with path.open("a+b") as file:
            file.truncate(_NOTE.size)
            self._map = mmap.mmap(file.fileno(), _NOTE.size)
        seq, n, name = _NOTE.unpack_from(self._map)
        return seq, n, name.partition(b"\0")[0].decode("ascii", "replace")

    def enter(self, instance: str) -> str:
        """Note it in the file too."""
        error = super().enter(instance)
        if self._map is not None:
            _NOTE.pack_into(self._map, 0, self.seq, self.n, instance.encode())
        return error

    def leave(self) -> None:
        """Note in the file that none runs."""
        super().leave()
        if self._map is not None:
            self._map[_NAME_AT : _NAME_AT + 1] = b"\0"


class StrategyShell:
    """The shell of the strategy process: it speaks to nobody and watches the callbacks.

    `core_class` makes the core that is watched; the runtime makes another one of it when a log is adopted.
    """

    def __init__(self) -> None:
        self._calls = NotedCalls()
        self._blamed: Path | None = None
        self._untold: set[tuple[int, str]] = set()
        self._file: IO[Any] | None = None
        self._looked_at = (0, 0)
        self._looks = 0
        self._limit_s = 0.0
        calls = self._calls

        class WatchedCore(StrategyCore):
            def __init__(self) -> None:
                super().__init__(calls)

        self.core_class: type[StrategyCore] = WatchedCore

    def opened(self, port: Port) -> None:
        """Learn which calls are known to block, and begin to watch."""
        former = self._calls.open(port.data.run / "strategy.calling")
        self._blamed = port.data.run / "strategy.blocked"
        blamed = _blame(self._blamed, former)
        self._untold = set(blamed)
        self._calls.known.update(blamed)
        self._calls.known.update(interruptions(_failures(port.data)))
        settings = unpack(port.settings, StrategySettings)
        self._limit_s = settings.callback_limit_ms / 1000
        self._file = self._blamed.open("a")
        signal.signal(signal.SIGALRM, self._alarm)
        self._arm_backstop()
        # After the interpreter has gone both would end the process with another exit code.
        atexit.register(_stop_watching)
        signal.setitimer(signal.ITIMER_REAL, self._limit_s / LOOKS, self._limit_s / LOOKS)

    async def live(self, port: Port) -> None:
        """Nothing to do: all that is said follows from the log."""

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Refuse: the core gives no instructions."""
        raise AssertionError(f"no shell to carry out {instruction!r} of seq {event.header.seq}")

    def seen(self, event: Event) -> None:
        """Forget the blame of a former life once the log tells of it."""
        message = event.message
        if not self._untold or not isinstance(message, InstanceFailed) or self._blamed is None:
            return
        self._untold.discard((event.header.cause_seq, message.strategy))
        if not self._untold:
            self._blamed.write_bytes(b"")

    async def close(self) -> None:
        """Stop watching."""
        _stop_watching()
        if self._file is not None:
            self._file.close()

    def _alarm(self, _number: int, _frame: FrameType | None) -> None:
        calls = self._calls
        running = (calls.seq, calls.n) if calls.instance else (0, 0)
        if running == (0, 0) or running != self._looked_at:
            self._looked_at, self._looks = running, 1
            self._arm_backstop()
            return
        self._looks += 1
        if self._looks > LOOKS:
            raise BlockedError(f"the callback did not return within {self._limit_s:g} s")

    def _arm_backstop(self) -> None:
        if self._file is not None:
            faulthandler.dump_traceback_later(self._limit_s + BACKSTOP_S, exit=True, file=self._file)


def _stop_watching() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()


def _failures(data: DataDir) -> list[Event]:
    """Return what the log says of failed instances, as far back as a recovery may go."""
    # Snapshots are named by epoch and seq; a recovery begins at the newest, or at the one before it.
    kept = [int(path.stem.partition("-")[2]) for path in (data.snapshots / "strategy").glob("*-*.snap")]
    reader = JournalReader(data.journal)
    try:
        rows = reader.rows(sorted(kept)[-2:][0] if kept else 0, prefixes=(b".strategy.",))
        events = [Event(decode_header(row.header), message_of(row.body)) for row in rows]
    finally:
        reader.close()
    return [event for event in events if isinstance(event.message, InstanceFailed)]


def _blame(path: Path, former: tuple[int, int, str]) -> dict[tuple[int, str], Interruption]:
    """Return the call during which the last life was ended, when it left its traceback."""
    seq, n, name = former
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if not text or not name:
        path.write_bytes(b"")
        return {}
    frames = itertools.takewhile(lambda frame: frame[0] != "instance.py", _FRAME.findall(text))
    places = [f"{file}:{line} {function}" for file, line, function in itertools.islice(frames, FRAMES_TOLD)]
    error = f"BlockedError: the callback could not be interrupted (at {' < '.join(places)})"
    return {(seq, name): Interruption(n, error)}
