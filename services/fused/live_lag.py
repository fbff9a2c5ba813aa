"""Answers of a venue whose queries are behind its engine: what is newer than a moment is not in them.

The venue says so itself: queries may be served from memory or a database (reliability.md, decision 3).
"""

import msgspec

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
