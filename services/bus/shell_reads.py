"""Answers questions about the log in its own thread, so that history never delays the present."""

import threading
from collections.abc import Callable
from typing import Any

import apsw
import msgspec
import zmq

from shared.errors import UNDECODABLE, JournalError
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir

ROWS_MAX = 10_000
ANSWER_BYTES_MAX = 4_000_000
SEQ_MAX = 2**62


class Reads:
    """A ROUTER socket on `read` with the verbs `head`, `read` and `status` (docs/protocol.md)."""

    def __init__(
        self, context: zmq.Context[Any], data: DataDir, status: Callable[[], dict[str, Any]]
    ) -> None:
        self._context = context
        self._data = data
        self._status = status
        self._is_ending = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reads", daemon=True)

    def start(self) -> None:
        """Bind and begin to answer."""
        self._thread.start()
        self._ready.wait(5)

    def stop(self) -> None:
        """End the thread and close its socket."""
        self._is_ending.set()
        self._thread.join()

    def _run(self) -> None:
        reader = JournalReader(self._data.journal)
        with self._context.socket(zmq.ROUTER) as socket:
            socket.linger = 0
            socket.sndhwm = socket.rcvhwm = 1000
            socket.setsockopt(zmq.MAXMSGSIZE, 1_000_000)
            socket.bind(self._data.read)
            self._ready.set()
            while not self._is_ending.is_set():
                if not socket.poll(100):
                    continue
                parts = socket.recv_multipart()
                envelope = 2 if len(parts) > 1 and parts[1] == b"" else 1
                answer = self._answer(reader, parts[envelope:])
                socket.send_multipart([*parts[:envelope], msgspec.msgpack.encode(answer)])
        reader.close()

    def _answer(self, reader: JournalReader, request: list[bytes]) -> dict[str, Any]:
        try:
            match request:
                case [b"head"]:
                    return {"head_seq": reader.head_seq(), "first_seq": reader.first_seq()}
                case [b"status"]:
                    return self._status()
                case [b"read", arguments]:
                    return _page(reader, arguments)
                case _:
                    pass
        except (JournalError, apsw.Error, *UNDECODABLE) as error:
            return {"error": str(error)[:300]}
        return {"error": "ask [head], [status] or [read, msgpack [after_seq, limit, [prefix, ...]]]"}


def _page(reader: JournalReader, arguments: bytes) -> dict[str, Any]:
    after_seq, limit, prefixes = msgspec.msgpack.decode(arguments, type=tuple[int, int, list[bytes]])
    rows: list[tuple[bytes, bytes, bytes]] = []
    size = 0
    for row in reader.rows(min(max(0, after_seq), SEQ_MAX), prefixes=tuple(prefixes)):
        rows.append((row.header, row.topic, row.body))
        size += len(row.header) + len(row.topic) + len(row.body)
        if len(rows) >= min(limit, ROWS_MAX) or size >= ANSWER_BYTES_MAX:
            break
    return {"rows": rows}
