"""Real processes over real sockets: what is sent to them is damaged, they live on and count it."""

import socket
from typing import Any

import msgspec
import zmq

from services.hostile.campaign import Verdict, rss_of
from services.hostile.gateway_targets import PATHS, POSTS, QUERY
from services.hostile.mutate import JSON, MSGPACK, Mutator
from services.hostile.processes import WAIT_S, HostileMesh, wait_for
from services.hostile.samples import Samples
from shared.messages import body_of
from shared.messages.control import PauseRequested
from shared.messages.wire import AppendHeader, Hello, Welcome, pack_wire, unpack_wire
from shared.runtime.client import BusClient

COUNTED = ("accepted", "ephemeral", "already_stored")
CHECK_EVERY = 500
PRODUCER = "market_data"
ANSWER_BYTES_MAX = 1_000_000


class BusProcessTarget:
    """Frames, hellos and commands to a real bus: the counters and answers together are what was sent."""

    name = "bus process"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._samples = [stored for stored in samples.log if stored.event.header.source == "market_data.io"]
        self._mesh = HostileMesh(with_gateway=False)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = self._socket.rcvhwm = 10_000
        self._socket.connect(self._mesh.data.append)
        self._client = BusClient(self._mesh.data, int(WAIT_S * 1000))
        self._socket.send_multipart(
            [b"hello", pack_wire(Hello(PRODUCER, 0, 1, "hostile", b"\x80", ["market_data.io"]))]
        )
        assert self._socket.poll(int(WAIT_S * 1000)), "the bus did not answer a hello"
        self._welcome = unpack_wire(self._socket.recv_multipart()[1], Welcome)
        self._counted_before = self._counted()
        self._sent = self._granted = self._n = self._count = 0
        self.case: list[bytes] = []

    def attempt(self) -> Verdict:
        """Send one damaged request; every `CHECK_EVERY` cases the books are balanced."""
        self.case, is_whole = self._request()
        self._socket.send_multipart(self.case)
        self._sent += _units(self.case)
        self._count += 1
        if self._count % CHECK_EVERY == 0:
            self._balance()
        return Verdict.ACCEPTED if is_whole else Verdict.REFUSED

    def _request(self) -> tuple[list[bytes], bool]:
        mutator, kind = self.mutator, self.mutator.draw.random()
        if kind < 0.6:
            parts = [b"append", *self._frame()]
            if mutator.chance(0.1):
                parts += self._frame()
        elif kind < 0.8:
            hello = Hello(PRODUCER, self._welcome.run, self._welcome.token, "hostile", b"\x80", [])
            parts = [b"hello", pack_wire(hello)]
        else:
            said = ("operator", body_of(PauseRequested("", "me", "why")))
            parts = [b"command", msgspec.msgpack.encode(said)]
        if mutator.chance(0.2):
            return parts, True
        at = mutator.draw.randrange(1, len(parts)) if mutator.chance(0.9) else 0
        changed = mutator.draw.random()
        if changed < 0.9:
            parts[at] = mutator.damaged(parts[at], MSGPACK)
        elif changed < 0.95:
            del parts[at]
        else:
            parts.insert(at, parts[-1])
        return parts or [b""], False

    def _frame(self) -> list[bytes]:
        stored = self.mutator.picked(self._samples)
        self._n += 1
        header = AppendHeader(self._welcome.epoch, "market_data.io", self._welcome.run, self._n, 0, 0)
        return [pack_wire(header), stored.topic, stored.body]

    def _balance(self) -> None:
        """Wait until everything sent was judged; what was granted by an answer is not in the counters."""
        wait_for(self._is_balanced, f"{self._sent} requests to be counted, {self._judged()} are")
        assert self._judged() == self._sent, f"{self._judged()} judged of {self._sent} sent"
        self._mesh.pid("bus")

    def _is_balanced(self) -> bool:
        while self._socket.poll(0):
            parts = self._socket.recv_multipart()
            self._granted += parts[0] == b"hello" or (
                len(parts) == 1 and "seq" in msgspec.msgpack.decode(parts[0])
            )
        return self._judged() >= self._sent

    def _judged(self) -> int:
        return self._counted() - self._counted_before + self._granted

    def _counted(self) -> int:
        counters = self._client.status()["counters"]
        assert not counters.get("answers_lost"), "answers were lost"
        return sum(n for name, n in counters.items() if name in COUNTED or name.startswith("refused_"))

    def shown(self) -> str:
        """Return the parts of the last request."""
        return " ".join(part[:300].hex() for part in self.case)

    def rss_bytes(self) -> int:
        """Return the memory of the bus."""
        return rss_of(self._mesh.pid("bus"))

    def close(self) -> None:
        """Balance the books once more and stop the bus."""
        try:
            self._balance()
        finally:
            self._socket.close()
            self._context.term()
            self._mesh.close()


def _units(parts: list[bytes]) -> int:
    """Return how many judgements a request must lead to: one for each frame of an append, else one."""
    if len(parts) > 1 and parts[0] == b"":
        parts = parts[1:]
    if parts[:1] == [b"append"] and len(parts) > 1 and (len(parts) - 1) % 3 == 0:
        return (len(parts) - 1) // 3
    return 1


class ReadsTarget:
    """Questions to the reading socket of a real bus: one answer each, and never the log of others' making."""

    name = "bus read"

    def __init__(self, samples: Samples, seed: int) -> None:
        del samples
        self.mutator = Mutator(f"{self.name} {seed}")
        self._mesh = HostileMesh(with_gateway=False)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(self._mesh.data.read)
        self.case: list[bytes] = []

    def attempt(self) -> Verdict:
        """Ask one damaged question and wait for its answer."""
        mutator, kind = self.mutator, self.mutator.draw.random()
        parts = [b"head"] if kind < 0.1 else [b"status"]
        if kind > 0.2:
            after_seq = mutator.picked((0, 1, 2**31, 2**63, 2**64 - 1, -1, -(2**63)))
            limit = mutator.picked((0, 1, 10, -5, 2**64 - 1))
            prefixes = mutator.picked(([], [b".tick"], [b""], [b"\xff" * 50]))
            parts = [b"read", msgspec.msgpack.encode((after_seq, limit, prefixes))]
        if mutator.chance(0.7):
            at = mutator.draw.randrange(len(parts))
            parts[at] = mutator.damaged(parts[at], MSGPACK)
        if mutator.chance(0.05):
            parts.insert(0, b"")
        self.case = parts
        self._socket.send_multipart(parts)
        assert self._socket.poll(5000), "no answer in 5 s"
        answer = self._socket.recv_multipart()[-1]
        assert len(answer) < ANSWER_BYTES_MAX
        said: Any = msgspec.msgpack.decode(answer)
        assert isinstance(said, dict)
        return Verdict.REFUSED if "error" in said else Verdict.ACCEPTED

    def shown(self) -> str:
        """Return the parts of the last question."""
        return " ".join(part[:300].hex() for part in self.case)

    def rss_bytes(self) -> int:
        """Return the memory of the bus."""
        return rss_of(self._mesh.pid("bus"))

    def close(self) -> None:
        """Stop the bus."""
        self._socket.close()
        self._context.term()
        self._mesh.close()


class GatewayProcessTarget:
    """Raw bytes on a real connection each: an answer that is HTTP and no 500, or a closed connection."""

    name = "gateway process"

    def __init__(self, samples: Samples, seed: int) -> None:
        del samples
        self.mutator = Mutator(f"{self.name} {seed}")
        self._mesh = HostileMesh(with_gateway=True)
        self._token = (self._mesh.data.run / "token").read_text(encoding="ascii").strip().encode()
        self.case = b""

    def attempt(self) -> Verdict:
        """Send one damaged request and hear it out."""
        self.case = self._request()
        with socket.create_connection(("127.0.0.1", self._mesh.port), 5) as client:
            client.settimeout(8)
            answer = b""
            try:
                client.sendall(self.case)
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(65_536):
                    answer += part
            except (ConnectionResetError, BrokenPipeError):
                # It has closed before it read everything: a refusal as well.
                return Verdict.REFUSED
        if not answer:
            return Verdict.REFUSED
        assert answer.startswith(b"HTTP/1.1 "), f"no HTTP: {answer[:100]!r}"
        status = int(answer[9:12])
        assert status == 503 or status < 500, f"{status}: {answer[-300:]!r}"
        return Verdict.ACCEPTED if status < 400 else Verdict.REFUSED

    def _request(self) -> bytes:
        mutator = self.mutator
        method, path, body = b"GET", mutator.picked(PATHS).encode(), b""
        if mutator.chance(0.3):
            method, (target, body) = b"POST", mutator.picked(POSTS[2:4])
            path = target.encode()
        if mutator.chance(0.3):
            body = mutator.damaged(body, JSON)
        if mutator.chance(0.5):
            path += b"?" + QUERY
        lines = [
            method + b" " + path + b" HTTP/1.1",
            b"Host: 127.0.0.1:%d" % self._mesh.port,
            b"Connection: close",
            b"Authorization: Bearer " + self._token,
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
        ]
        if mutator.chance(0.1):
            lines[2] = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
            lines.append(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            lines[0] = b"GET /api/v1/ws HTTP/1.1"
            body = mutator.draw.randbytes(mutator.draw.randrange(100))
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        return request if mutator.chance(0.1) else mutator.damaged_bytes(request)

    def shown(self) -> str:
        """Return the last request."""
        return repr(self.case)[:1500]

    def rss_bytes(self) -> int:
        """Return the memory of the gateway."""
        return rss_of(self._mesh.pid("gateway"))

    def close(self) -> None:
        """Stop gateway and bus."""
        self._mesh.close()
