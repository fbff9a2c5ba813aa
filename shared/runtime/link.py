"""The two sockets of a service on its event loop: plain sockets, read until empty, no zmq.asyncio."""

import asyncio
from collections.abc import Callable
from typing import Any

import zmq

from shared.messages.wire import SYNCED
from shared.runtime.clock import MeshClock
from shared.runtime.doorbell import Doorbell
from shared.runtime.frames import receive_event, receive_parts, send_parts
from shared.runtime.paths import DataDir

FRAMES_MAX = 10_000
FRAMES_PER_TURN = 256


class Link:
    """A DEALER to `append` and a SUB to `stream`; each socket has its own callback.

    The file descriptor of a ZeroMQ socket tells only changes, so after each send and each receive the
    socket is read until it is empty. A slow reader is bounded by the high-water mark: what does not fit is
    dropped by the publisher, seen as a gap, and read from the store.
    """

    def __init__(
        self,
        data: DataDir,
        on_stream: Callable[[], None],
        on_answer: Callable[[list[bytes]], None],
        unhurried: frozenset[str] = frozenset(),
    ) -> None:
        self.is_closed = False
        self._endpoint = data.stream
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[Any] = zmq.Context(io_threads=1)
        self._on_answer = on_answer
        self._stream = self._context.socket(zmq.SUB)
        self._stream.rcvhwm = FRAMES_MAX
        self._append = self._context.socket(zmq.DEALER)
        self._append.sndhwm = self._append.rcvhwm = FRAMES_MAX
        for socket in (self._stream, self._append):
            socket.linger = 0
            socket.setsockopt(zmq.RECONNECT_IVL, 50)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._stream.subscribe(b".")
        self._stream.subscribe(b"~durable")
        self._stream.connect(data.stream)
        self._append.connect(data.append)
        self._doorbell = Doorbell(int(self._stream.getsockopt(zmq.FD)), on_stream, unhurried)
        self._append_fd = int(self._append.getsockopt(zmq.FD))
        self._loop.add_reader(self._append_fd, self._drain_answers)

    def hear_syncs(self) -> None:
        """Hear of each sync of the log as it happens, not only each 100 ms."""
        self._stream.subscribe(SYNCED)
        self._doorbell.hear(SYNCED)

    def close(self) -> None:
        """Stop listening; what was handed to the transport gets a short time to leave."""
        self.is_closed = True
        self._doorbell.close()
        self._loop.remove_reader(self._append_fd)
        self._context.destroy(linger=100)

    def let_wait(self, clock: MeshClock) -> None:
        """From now on read what is not urgent several events together."""
        self._doorbell.begin(self._context, self._endpoint, clock)

    def settled(self, applied_seq: int, *, was_quiet: bool) -> None:
        """Wait for the next event: the stream was read to its end."""
        self._doorbell.settled(applied_seq, was_quiet=was_quiet)

    def receive(self) -> tuple[bytes, bytes, bytes] | None:
        """Return topic, header and body of the next event of the stream, None when there is none."""
        return receive_event(self._stream)

    def rest(self) -> None:
        """Take the edge off the stream's descriptor without reading: it would wake us again and again."""
        self._stream.getsockopt(zmq.EVENTS)

    def send(self, parts: list[bytes]) -> bool:
        """Hand one message to the transport; False when its queue is full (it is sent again later)."""
        try:
            send_parts(self._append, parts)
        except zmq.Again:
            return False
        # A send may swallow the edge that announced an answer.
        if int(self._append.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self._drain_answers)
        return True

    def _drain_answers(self) -> None:
        while not self._append.closed:
            parts = receive_parts(self._append)
            if parts is None:
                return
            self._on_answer(parts)
