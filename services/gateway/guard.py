"""What stands before every route: host allow-list, body limit, token, and the headers of every answer.

A plain ASGI layer, so that a route that is added later is behind it too (W-03, W-05, W-07, W-13).
"""

import asyncio
import hmac
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import page

PUBLIC = frozenset({"/livez", "/readyz", *page.FILES})
"""Routes without a token: they tell nothing about orders or money."""

WEBSOCKET = "/api/v1/ws"
BODY_MAX_BYTES = 65_536
HEADERS_MAX_BYTES = 16_384
BODY_LIMIT_S = 10.0
_TOO_LARGE = 413
_POLICY = ((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    """Return a problem document (RFC 9457)."""
    return {"type": "about:blank", "status": status, "title": title, "detail": detail}


def is_token(given: str | None, token: str) -> bool:
    """Return whether `given` is the token, in a time that does not depend on where they differ."""
    # JSON can carry half of a character, which has no UTF-8 and is in no token.
    return given is not None and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def bearer_of(scope: Scope) -> str | None:
    """Return the token of the Authorization header, None when there is none."""
    scheme, _, given = _header(scope, b"authorization").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def host_name(text: str) -> str:
    """Return the host of `host:port`, lower case; empty when it is none."""
    try:
        return (urlsplit(f"//{text}").hostname or "").lower()
    except ValueError:
        return ""


class Guard:
    """Lets a request through to `app`, or answers it with a problem."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str]) -> None:
        self._app = app
        self._token = token
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection and pass it on."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            if self._is_foreign(scope):
                await send({"type": "websocket.close", "code": 1008, "reason": "host or origin not allowed"})
            else:
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = page.HEADERS if scope["path"] in page.FILES else _POLICY
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS, *policy]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send_with_headers, *refusal)
            return
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                body = await _body(receive)
        except TimeoutError:
            await _answer(send_with_headers, 408, "too slow", f"send the body within {BODY_LIMIT_S:g} s")
            return
        if body is None:
            await _answer(send_with_headers, *_too_large())
            return
        await self._app(scope, _with_body(body, receive), send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        if self._is_foreign(scope):
            return (
                421,
                "host not allowed",
                "name 127.0.0.1 or localhost, or add the name to gateway.allowed_hosts",
            )
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_MAX_BYTES:
            return (431, "headers too large", f"headers have at most {HEADERS_MAX_BYTES} bytes")
        length = _header(scope, b"content-length")
        if length and (not length.isdecimal() or len(length) > 9 or int(length) > BODY_MAX_BYTES):
            return _too_large()
        if scope["path"] in PUBLIC or is_token(bearer_of(scope), self._token):
            return None
        return (
            401,
            "token needed",
            "send `Authorization: Bearer TOKEN`; the token is in run/token of the data directory",
        )

    def _is_foreign(self, scope: Scope) -> bool:
        """Return whether a request names a host not ours (DNS rebinding) or comes from another page."""
        if host_name(_header(scope, b"host")) not in self._hosts:
            return True
        origin = _header(scope, b"origin")
        return bool(origin) and host_name(origin.partition("://")[2]) not in self._hosts


def _too_large() -> tuple[int, str, str]:
    return (_TOO_LARGE, "too large", f"a body has at most {BODY_MAX_BYTES} bytes")


def _header(scope: Scope, name: bytes) -> str:
    """Return the one value of a header; empty when it is missing or comes twice (a smuggled one)."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, None when it is over the limit; what came before a disconnect is the body."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_MAX_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives a body already read, then what comes after it."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


async def _answer(send: Send, status: int, title: str, detail: str) -> None:
    body = json.dumps(problem(status, title, detail)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
