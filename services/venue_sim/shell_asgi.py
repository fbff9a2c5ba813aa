"""The little of ASGI that the simulated venue needs: types, the target as sent, bodies and answers."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, AsgiReceive, AsgiSend], Awaitable[None]]

BODY_BYTES_MAX = 1_000_000


def target_of(scope: Scope) -> str:
    """Return path and query exactly as the client wrote them: signatures cover these bytes."""
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    return f"{path}?{query}" if query else path


async def read_body(receive: AsgiReceive) -> bytes:
    """Return the body, empty when it is larger than any call of a venue."""
    body = bytearray()
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
    return b""


def ip_of(scope: Scope) -> str:
    """Return the address of the client."""
    client = scope.get("client")
    return str(client[0]) if client else "127.0.0.1"


def cut(send: AsgiSend) -> None:
    """Drop the connection of a request without an answer: uvicorn's cycle holds its transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


async def until_gone(receive: AsgiReceive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send: AsgiSend, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Send a whole answer; its kind is told by its body unless `headers` say it."""
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if not any(name == b"content-type" for name, _ in pairs):
        kind = b"text/html" if body.startswith(b"<") else b"application/json;charset=UTF-8"
        pairs.append((b"content-type", kind))
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
