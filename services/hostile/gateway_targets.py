"""The gateway's application in this process: damaged HTTP requests and WebSocket conversations."""

import asyncio
import json
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from services.gateway.app import make_app
from services.gateway.desk import ControlDesk
from services.gateway.guard import BODY_MAX_BYTES, PUBLIC, WEBSOCKET
from services.gateway.hub import Hub
from services.gateway.mesh import Mesh
from services.gateway.stages import Stages
from services.gateway.view import GatewayView
from services.gateway.watch import Sight
from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import JSON, Mutator
from services.hostile.samples import Samples
from shared.messages import Event, Header, Message
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir

TOKEN = "a-token-of-the-hostile-campaign-0123456789"  # noqa: S105
PATHS = (
    *("/livez", "/readyz", "/openapi.json", "/api/v1/orders", "/api/v1/fills", "/api/v1/positions"),
    *(
        "/api/v1/status",
        "/api/v1/book",
        "/api/v1/events",
        "/api/v1/overview",
        "/api/v1/trades",
        "/metrics",
        "/",
        "/x",
    ),
)
POSTS = (
    ("/api/v1/kill", b'{"reason":"why"}'),
    ("/api/v1/kill/clear", b'{"reason":"it is right now"}'),
    ("/api/v1/pause", b'{"strategy":"as_btc","reason":"why"}'),
    ("/api/v1/resume", b'{"strategy":"","reason":"why"}'),
    ("/api/v1/cancel-all", b'{"symbol":"binance_usdm:BTCUSDT","reason":"why"}'),
)
QUERY = b"symbol=binance_usdm%3ABTCUSDT&strategy=as_btc&after=10&limit=5&state=open&depth=5"
WORDS = (
    b'{"op":"subscribe","channels":["book","orders"],"symbols":["binance_usdm:BTCUSDT"]}',
    b'{"op":"subscribe"}',
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "G\x00T", "get")
OPEN_STATUSES = frozenset({200, 400, 401, 404, 405, 408, 413, 421, 422, 431, 503})
MESSAGES_MAX = 40


class LocalLog:
    """A log of one process: what the gateway says stands on it at once."""

    run = 1
    is_live = True

    def __init__(self, view: GatewayView, hub: Hub) -> None:
        self._view, self._hub = view, hub
        self.desk = ControlDesk(self)
        self.said_count = 0

    def publish(self, message: Message, origin_ns: int | None = None, cause_seq: int = 0) -> None:
        """Put a fact of the gateway on the log."""
        del origin_ns
        view = self._view
        seq = view.head_seq + 1
        event = Event(Header(seq, view.ts_ns, view.ts_ns, 7, "gateway.io", 1, seq, cause_seq), message)
        self.said_count += 1
        view.apply(event)
        self._hub.seen(event)
        asyncio.get_running_loop().call_soon(self.desk.seen, event)

    async def wait_durable(self, seq: int) -> None:
        """Return: this log is durable at once."""


class _GatewayTarget:
    """The application over a replica that was fed the log of a real run."""

    name = ""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._folder = tempfile.TemporaryDirectory(prefix="quotemesh-hostile-")
        data = DataDir(Path(self._folder.name))
        data.prepare()
        view = GatewayView()
        self.hub = Hub(view, clients_max=4, queue_max=50)
        stages = Stages()
        for stored in samples.log:
            view.apply(stored.event)
            stages.seen(stored.event)
        self.log = LocalLog(view, self.hub)

        async def latch(reason: str) -> bool:
            return latch_kill(data, "gateway", reason)

        async def refusal(seq: int) -> str | None:
            del seq
            return None

        mesh = Mesh(
            view=view,
            hub=self.hub,
            reasons=list,
            durable_seq=lambda: view.head_seq,
            ask=self.log.desk.ask,
            refusal=refusal,
            latch=latch,
            sight=lambda: Sight(
                bus=None,
                processes={},
                applied_seq=view.head_seq,
                now_ns=view.ts_ns,
                bus_silent_ms=0,
                is_live=True,
            ),
            stages=stages,
        )
        self.app: ASGIApp = make_app(mesh, TOKEN, [])
        self.runner = asyncio.Runner()
        self.case: Any = None

    def headers(self, *, extra: tuple[tuple[bytes, bytes], ...] = ()) -> list[tuple[bytes, bytes]]:
        """Return the headers of a real client, one of them damaged now and then."""
        found = [
            (b"host", b"127.0.0.1:8686"),
            (b"authorization", b"Bearer " + TOKEN.encode()),
            (b"content-type", b"application/json"),
            *extra,
        ]
        mutator = self.mutator
        if mutator.chance(0.3):
            at = mutator.draw.randrange(len(found))
            name, value = found[at]
            kind = mutator.draw.random()
            if kind < 0.6:
                found[at] = (name, mutator.damaged_bytes(value))
            elif kind < 0.8:
                found.append((name, value))
            else:
                del found[at]
        if mutator.chance(0.1):
            found.append((b"content-length", mutator.picked((b"-1", b"9" * 30, b"0", b"\xff", b"65537"))))
        if mutator.chance(0.05):
            found.append(
                (b"origin", mutator.picked((b"http://evil.example", b"null", b"http://[::1", b"\x00")))
            )
        return found

    def shown(self) -> str:
        """Return the last request."""
        return repr(self.case)[:1500]

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """No client may be left over."""
        self.runner.close()
        self._folder.cleanup()
        assert not self.hub.clients, f"{len(self.hub.clients)} clients were never let go"


class HttpTarget(_GatewayTarget):
    """One damaged request each: one whole answer, never a 500, nothing without the token."""

    name = "gateway HTTP"

    def attempt(self) -> Verdict:
        """Send one damaged request."""
        mutator = self.mutator
        method, path, body = "GET", mutator.picked(PATHS), b""
        if mutator.chance(0.5):
            method, (path, body) = "POST", mutator.picked(POSTS)
        if mutator.chance(0.1):
            method = mutator.picked(METHODS)
        if mutator.chance(0.1):
            path = mutator.damaged_bytes(path.encode()).decode("utf-8", "replace")
        query = QUERY if mutator.chance(0.5) else b""
        query = mutator.damaged_bytes(query) if mutator.chance(0.6) else query
        body = mutator.damaged(body, JSON) if mutator.chance(0.7) else body
        if mutator.chance(0.01):
            body = body.ljust(BODY_MAX_BYTES + mutator.draw.randrange(-2, 3), b" ")
        headers = self.headers()
        self.case = (method, path, query, headers, body)
        said_before = self.log.said_count
        status, sent = self.runner.run(self._ask(method, path, query, headers, body))
        assert status in OPEN_STATUSES, f"status {status}: {sent[:300]!r}"
        if dict(headers).get(b"authorization") != b"Bearer " + TOKEN.encode():
            assert path in PUBLIC or status not in (200, 503) or _is_same_token(headers), (
                "let in without token"
            )
        assert self.log.said_count == said_before or (status == 200 and method == "POST"), "refused, but said"
        return Verdict.ACCEPTED if status == 200 else Verdict.REFUSED

    async def _ask(
        self, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "root_path": "",
            "query_string": query,
            "headers": headers,
            "client": ("127.0.0.1", 40_000),
            "server": ("127.0.0.1", 8686),
        }
        cut = self.mutator.draw.randrange(len(body) + 1)
        coming: deque[dict[str, Any]] = deque()
        coming.append({"type": "http.request", "body": body[:cut], "more_body": True})
        coming.append({"type": "http.request", "body": body[cut:], "more_body": False})
        if self.mutator.chance(0.05):
            coming.pop()
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return coming.popleft() if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        kinds = [message["type"] for message in sent]
        assert kinds.index("http.response.start") == 0, kinds
        assert kinds.count("http.response.start") == 1, kinds
        assert not sent[-1].get("more_body", False), "an answer without an end"
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _is_same_token(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether the one Authorization header still carries the token (scheme and spaces may differ)."""
    found = [value for name, value in headers if name == b"authorization"]
    return len(found) == 1 and TOKEN.encode() in found[0]


class SocketTarget(_GatewayTarget):
    """One damaged conversation each: whoever has no token hears a close and nothing else."""

    name = "gateway WebSocket"

    def attempt(self) -> Verdict:
        """Hold one conversation."""
        mutator = self.mutator
        hello = json.dumps({"token": TOKEN}).encode()
        is_token_whole = mutator.chance(0.7)
        words = [hello if is_token_whole else mutator.damaged(hello, JSON)]
        for _ in range(mutator.draw.randrange(3)):
            word = mutator.picked(WORDS)
            words.append(mutator.damaged(word, JSON) if mutator.chance(0.7) else word)
        headers = [(b"host", b"127.0.0.1:8686")]
        if mutator.chance(0.2):
            headers = self.headers()
        self.case = (words, headers)
        sent = self.runner.run(self._talk(words, headers))
        kinds = [message["type"] for message in sent]
        assert kinds.count("websocket.close") <= 1, kinds
        is_let_in = any(kind == "websocket.send" for kind in kinds)
        has_token = hello == words[0] or json_token(words[0]) == TOKEN or _is_same_token(headers)
        assert not is_let_in or has_token, "heard something without the token"
        assert not self.hub.clients, "the client was not let go"
        return Verdict.ACCEPTED if "websocket.close" not in kinds else Verdict.REFUSED

    async def _talk(self, words: list[bytes], headers: list[tuple[bytes, bytes]]) -> list[Any]:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": WEBSOCKET,
            "raw_path": WEBSOCKET.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 40_000),
            "server": ("127.0.0.1", 8686),
            "subprotocols": [],
        }
        coming: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        for word in words:
            # A transport has decoded text frames; bytes that are no UTF-8 come as a binary frame.
            try:
                coming.append({"type": "websocket.receive", "text": word.decode()})
            except UnicodeDecodeError:
                coming.append({"type": "websocket.receive", "bytes": word})
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return coming.popleft() if coming else {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            sent.append(message)
            assert len(sent) <= MESSAGES_MAX, "messages without end"

        await self.app(scope, receive, send)
        return sent


def json_token(word: bytes) -> Any:
    """Return the token of a first message, None when it has none."""
    try:
        asked = json.loads(word)
    except (ValueError, RecursionError):
        return None
    return asked.get("token") if isinstance(asked, dict) else None
