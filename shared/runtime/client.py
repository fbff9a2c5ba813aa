"""A blocking client of the bus for tools and people: append one message, read, ask for the status."""

from types import TracebackType
from typing import Any

import msgspec
import zmq

from shared.errors import ProtocolError
from shared.messages import Event, Message, body_of, decode_header, message_of
from shared.runtime.paths import DataDir

TIMEOUT_MS = 5000


class BusClient:
    """Plain REQ sockets to the bus; each call opens its own and closes it, so nothing needs closing.

    Raises `ProtocolError` when the bus refuses, or does not answer in `timeout_ms`: whether an append
    was stored is then unknown, look with `read` before you repeat it.
    """

    def __init__(self, data: DataDir, timeout_ms: int = TIMEOUT_MS) -> None:
        self._data = data
        self._timeout_ms = timeout_ms

    def __enter__(self) -> "BusClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def append(self, source: str, message: Message) -> int:
        """Put `message` on the log as `source` (`operator`) and return its seq, once it is durable."""
        answer = self._ask(
            self._data.append, [b"command", msgspec.msgpack.encode((source, body_of(message)))]
        )
        return int(answer["seq"])

    def status(self) -> dict[str, Any]:
        """Return what the bus knows of itself and of the services (docs/protocol.md, `status`)."""
        return self._ask(self._data.read, [b"status"])

    def head_seq(self) -> int:
        """Return the newest seq of the log."""
        return int(self._ask(self._data.read, [b"head"])["head_seq"])

    def read(self, after_seq: int, limit: int = 1000, prefixes: tuple[bytes, ...] = ()) -> list[Event]:
        """Return up to `limit` events after `after_seq` whose topics begin with one of `prefixes`."""
        answer = self._ask(
            self._data.read, [b"read", msgspec.msgpack.encode((after_seq, limit, list(prefixes)))]
        )
        return [Event(decode_header(header), message_of(body)) for header, _, body in answer["rows"]]

    def _ask(self, endpoint: str, request: list[bytes]) -> dict[str, Any]:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart(request)
            if not socket.poll(self._timeout_ms):
                raise ProtocolError(
                    f"the bus did not answer {request[0].decode()} in {self._timeout_ms} ms at {endpoint}; "
                    "is it running (quotemesh status)?"
                )
            answer: dict[str, Any] = msgspec.msgpack.decode(socket.recv())
        if "error" in answer:
            raise ProtocolError(f"the bus refused {request[0].decode()}: {answer['error']}")
        return answer
