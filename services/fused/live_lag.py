"""Answers that tell less than the truth: behind the engine, or nothing but that nobody knows.

Queries may be served from memory or a database, and so lag (reliability.md, decision 3).
"""

import re
from collections.abc import Sequence

import msgspec

from services.venue_sim.draw import Draw

NOT_FOUND = b'{"code":-2013,"msg":"Order does not exist."}'
_ORDERS = ("/openOrders", "/allOrders")
_TRADES = ("/myTrades", "/userTrades")


def behind(path: str, body: bytes, until_ms: int) -> tuple[int, bytes]:
    """Return (status, body) of the answer to a query as of `until_ms`; other answers are as they are."""
    if path.endswith("/order"):
        return (400, NOT_FOUND) if _made_ms(msgspec.json.decode(body)) > until_ms else (200, body)
    if path.endswith(_ORDERS):
        rows = [row for row in msgspec.json.decode(body) if _made_ms(row) <= until_ms]
        return 200, msgspec.json.encode(rows)
    if path.endswith(_TRADES):
        rows = [row for row in msgspec.json.decode(body) if row["time"] <= until_ms]
        return 200, msgspec.json.encode(rows)
    return 200, body


def frame_behind(frame: bytes, until_ms: int) -> bytes:
    """Return the answer of the WebSocket API to a query of one order as of `until_ms`."""
    told = msgspec.json.decode(frame)
    result = told.get("result")
    if not isinstance(result, dict) or _made_ms(result) <= until_ms:
        return frame
    error = msgspec.json.decode(NOT_FOUND)
    return msgspec.json.encode({"id": told.get("id"), "status": 400, "error": error})


def _made_ms(row: dict[str, int]) -> int:
    return row.get("time") or row.get("updateTime") or 0


_TEXTS = (
    (500, b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}'),
    (502, b"<html>Bad Gateway</html>"),
    (503, b'{"code":-1007,"msg":"Unknown error, please check your request or try again later."}'),
    (504, b'{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
    (408, b'{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
)
_ID = re.compile(rb'"id":("[^"]*"|\d+)')


def unknown_answer(draw: Draw) -> tuple[int, Sequence[tuple[str, str]], bytes]:
    """Return an HTTP answer after which nobody knows whether the venue acted."""
    status, body = _TEXTS[draw.below(len(_TEXTS))]
    return status, (("content-type", "application/json"),), body


def unknown_frame(text: bytes) -> bytes:
    """Return the answer of the WebSocket API whose outcome is unknown."""
    found = _ID.search(text)
    request_id = found.group(1) if found else b"null"
    return (
        b'{"id":%s,"status":503,"error":{"code":-1007,"msg":"Timeout waiting for response from backend '
        b'server. Send status unknown; execution status unknown."}}' % request_id
    )
