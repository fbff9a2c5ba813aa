"""The WebSocket route: the token first, then subscriptions in and pushed messages out."""

import asyncio
import contextlib
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.gateway.guard import bearer_of, is_token
from services.gateway.hub import CHANNELS, DROPPED, Client, Hub

TOKEN_LIMIT_S = 5.0
SEND_LIMIT_S = 10.0
SYMBOLS_MAX = 100
REFUSED = 4401
BAD_REQUEST = 1003
FULL = 1013


async def serve(socket: WebSocket, hub: Hub, token: str) -> None:
    """Serve one client until it leaves or cannot keep up."""
    await socket.accept()
    if not await _has_token(socket, token):
        await _close(socket, REFUSED, 'send {"token": "..."} first, or an Authorization header')
        return
    client = hub.join()
    if client is None:
        await _close(socket, FULL, "as many clients as gateway.clients_max are connected")
        return
    tasks = {asyncio.ensure_future(_read(socket, client)), asyncio.ensure_future(_write(socket, client))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(client)
        for task in tasks:
            task.cancel()


async def _has_token(socket: WebSocket, token: str) -> bool:
    given = bearer_of(socket.scope)
    if given is not None:
        return is_token(given, token)
    try:
        async with asyncio.timeout(TOKEN_LIMIT_S):
            asked = json.loads(await socket.receive_text())
    except (TimeoutError, ValueError, KeyError, RecursionError, WebSocketDisconnect):
        return False
    given = asked.get("token") if isinstance(asked, dict) else None
    return isinstance(given, str) and is_token(given, token)


async def _read(socket: WebSocket, client: Client) -> None:
    while True:
        try:
            text = await socket.receive_text()
        except (WebSocketDisconnect, KeyError):
            return
        problem = _subscribe(client, text)
        if problem:
            await _close(socket, BAD_REQUEST, problem)
            return
        client.offer(json.dumps({"op": "subscribed", "channels": sorted(client.channels)}))


async def _write(socket: WebSocket, client: Client) -> None:
    while (text := await client.next()) is not None:
        try:
            # A client that reads nothing blocks the send itself; its queue alone would not show it.
            async with asyncio.timeout(SEND_LIMIT_S):
                await socket.send_text(text)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return
    await _close(socket, DROPPED, "too slow: more messages waited than gateway.client_queue_max")


def _subscribe(client: Client, text: str) -> str:
    """Take one request of a client; return what is wrong with it, empty when nothing is."""
    try:
        asked: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(asked, dict) or asked.get("op") != "subscribe":
        return 'send {"op": "subscribe", "channels": [...], "symbols": [...]}'
    channels, symbols = asked.get("channels", list(CHANNELS)), asked.get("symbols", [])
    if not _is_texts(channels) or not set(channels) <= set(CHANNELS):
        return f"channels are {', '.join(CHANNELS)}"
    if not _is_texts(symbols) or len(symbols) > SYMBOLS_MAX:
        return f"symbols is a list of at most {SYMBOLS_MAX} markets"
    markets: Any = asked.get("markets", symbols)
    if not _is_texts(markets) or len(markets) > SYMBOLS_MAX:
        return f"markets is a list of at most {SYMBOLS_MAX} markets"
    client.channels, client.symbols = frozenset(channels), frozenset(symbols)
    client.markets = frozenset(markets)
    return ""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason)
