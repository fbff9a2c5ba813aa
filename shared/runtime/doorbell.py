"""When a service reads its stream: at once, or, what it need not answer at once, several events together.

Every process takes the whole stream. One that is woken for each book update spends more on waking than on
the update, and takes the processor from those that the next order waits for. So a service may name families
that can wait: while they flow it looks each `LOOK_NS`, and a second subscription, to everything else, wakes
it at once for what cannot. The order of events is that of the log in either case; when they are met differs.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import zmq

from shared.messages import MESSAGES, decode_header
from shared.runtime.clock import MeshClock
from shared.runtime.frames import receive_event

LOOK_NS = 2_500_000
"""Mesh time between two looks: at the rates of a busy market a few events."""
LOOK_S_MIN = 0.001
"""A clock that runs so fast that a look would come sooner leaves nothing to wait for."""
QUIET_LOOKS = 8
"""After so many looks at nothing the stream itself wakes the service again."""
HIGH_WATER_FRAMES = 1000
"""Rings beyond it are lost, and the stream is looked at anyway."""

MARKET_DATA = frozenset({"book", "trade", "price", "candle"})
"""Families that tell of a market what another event will ask for."""


class Doorbell:
    """Decides whether the stream's descriptor `fd` or a timer calls `on_stream`.

    `unhurried` are the families that can wait; with none the stream always wakes. Nothing waits before
    `begin`, which is called when the service is live.
    """

    def __init__(self, fd: int, on_stream: Callable[[], None], unhurried: Iterable[str]) -> None:
        self._fd, self._on_stream = fd, on_stream
        self._unhurried = frozenset(unhurried)
        self._loop = asyncio.get_running_loop()
        self._bell: zmq.Socket[bytes] | None = None
        self._bell_fd = -1
        self._look_s = 0.0
        self._rung_seq = 0
        self._quiet_looks = 0
        self._is_hearing = True
        self._timer: asyncio.TimerHandle | None = None
        self._topics: list[bytes] = []
        self._loop.add_reader(fd, on_stream)

    def hear(self, topic: bytes) -> None:
        """Let an unstored topic ring as well."""
        self._topics.append(topic)
        if self._bell is not None:
            self._bell.subscribe(topic)

    def begin(self, context: "zmq.Context[Any]", endpoint: str, clock: MeshClock) -> None:
        """From now on let what can wait wait."""
        self._look_s = clock.real_s(LOOK_NS)
        if not self._unhurried or self._bell is not None or self._look_s < LOOK_S_MIN:
            return
        self._bell = bell = context.socket(zmq.SUB)
        bell.linger = 0
        bell.rcvhwm = HIGH_WATER_FRAMES
        urgent = {kind.family for kind in MESSAGES if kind.stored} - self._unhurried
        for topic in [*(f".{family}".encode() for family in sorted(urgent)), *self._topics]:
            bell.subscribe(topic)
        bell.connect(endpoint)
        self._bell_fd = int(bell.getsockopt(zmq.FD))
        self._loop.add_reader(self._bell_fd, self._rung)
        self._rung()

    def settled(self, applied_seq: int, *, was_quiet: bool) -> None:
        """Wait again: the stream was read to its end, and `was_quiet` when there was nothing on it."""
        if self._bell is None:
            return
        self._quiet_looks = self._quiet_looks + 1 if was_quiet else 0
        # What rang is on its way: the stream is to say when it is here.
        is_awaited = self._rung_seq > applied_seq
        if is_awaited or self._quiet_looks >= QUIET_LOOKS:
            self._hear(is_hearing=True)
            return
        self._hear(is_hearing=False)
        if self._timer is None:
            self._timer = self._loop.call_later(self._look_s, self._look)

    def close(self) -> None:
        """Stop waiting for anything."""
        self._hear(is_hearing=False)
        if self._timer is not None:
            self._timer.cancel()
        if self._bell is not None:
            self._loop.remove_reader(self._bell_fd)

    def _hear(self, *, is_hearing: bool) -> None:
        if is_hearing and not self._is_hearing:
            self._loop.add_reader(self._fd, self._on_stream)
        elif self._is_hearing and not is_hearing:
            self._loop.remove_reader(self._fd)
        self._is_hearing = is_hearing

    def _look(self) -> None:
        self._timer = None
        self._on_stream()

    def _rung(self) -> None:
        """Read the stream now; the bell's frames say only how far."""
        assert self._bell is not None, "a bell that was not hung rang"
        last = None
        while (parts := receive_event(self._bell)) is not None:
            last = parts
        if last is not None:
            self._rung_seq = decode_header(last[1]).seq
            self._quiet_looks = 0
            self._on_stream()
