"""The server side of one stream connection: what a client subscribes to and the bytes it gets. No I/O."""

from collections import Counter
from urllib.parse import parse_qsl, unquote

import msgspec

from services.venue_sim.streams import AGG_TRADE, BOOK_TICKER, DEPTH, TRADE, agg_trade, kind_of
from services.venue_sim.venue import CAPTURE_STREAM, CUT_STREAM, USDM, StreamFrame, Venue, finished_payload
from shared.errors import UNDECODABLE

STREAMS_MAX = 1024
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
# USD-M serves these on `/public` and on connections without a path; `@trade` works on both.
PUBLIC_KINDS = frozenset({DEPTH, "depth5", "depth10", "depth20", "rpiDepth", BOOK_TICKER, TRADE})
ROUTES = frozenset({"public", "market", "private"})


class StreamConnection:
    """One client of one venue.

    `open(target)` once, then `take(text)` for each message of the client and `deliver(frame)` for each
    frame of the venue; both return what to send, in order. `is_cut` asks the transport to drop the client.
    `unknown` counts subscriptions to streams that do not exist: accepted in silence, as the venue does.
    """

    def __init__(self, sim: Venue, venue: str) -> None:
        self._sim = sim
        self.venue = venue
        self.is_combined = False
        self.is_cut = False
        self.names: dict[str, None] = {}
        self.unknown: Counter[str] = Counter()
        self._route = ""
        self._clients_of: dict[str, list[str]] = {}

    def open(self, target: str) -> list[bytes] | None:
        """Take the path and query of the handshake; None when the venue would refuse it."""
        path, _, query = target.partition("?")
        segments = [unquote(part) for part in path.split("/") if part]
        if segments and self.venue == USDM and segments[0] in ROUTES:
            self._route = segments.pop(0)
        if "ws" in segments:
            names = segments[segments.index("ws") + 1 :]
        elif segments and segments[-1] == "stream":
            self.is_combined = True
            names = dict(parse_qsl(query)).get("streams", "").split("/")
        else:
            return None
        return self._subscribe([name for name in names if name][:STREAMS_MAX])

    def take(self, text: str | bytes) -> list[bytes]:
        """Answer a control message of the client."""
        try:
            request = msgspec.json.decode(text)
        except UNDECODABLE as error:
            return [_error(3, f"Invalid JSON: {error}", None)]
        if not isinstance(request, dict):
            return [_error(2, "Invalid request: expected an object", None)]
        request_id = request.get("id")
        if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
            return [_error(2, "Invalid request: request ID must be an unsigned integer", None)]
        method = request.get("method")
        if method is None:
            return [_error(2, "Invalid request: missing field `method`", request_id)]
        if method not in METHODS:
            expected = ", ".join(f"`{name}`" for name in METHODS)
            return [
                _error(
                    2, f"Invalid request: unknown variant `{method}`, expected one of {expected}", request_id
                )
            ]
        params = request.get("params", [])
        if not isinstance(params, list):
            return [_error(2, "Invalid request: params must be an array", request_id)]
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            return self._change(method, params, request_id)
        if method == "LIST_SUBSCRIPTIONS":
            return [_result(list(self.names), request_id)]
        return [self._property(method, params, request_id)]

    def _change(self, method: str, params: list[object], request_id: int | str | None) -> list[bytes]:
        names = [name for name in params if isinstance(name, str)]
        if len(names) != len(params):
            return [_error(2, "Invalid request: stream names must be strings", request_id)]
        if method == "UNSUBSCRIBE":
            for name in names:
                self._unsubscribe(name)
            return [_result(None, request_id)]
        if len(self.names | dict.fromkeys(names)) > STREAMS_MAX:
            return [_error(2, "Invalid request: too many parameters", request_id)]
        return [_result(None, request_id), *self._subscribe(names)]

    def _property(self, method: str, params: list[object], request_id: int | str | None) -> bytes:
        if not params or not isinstance(params[0], str):
            return _error(2, "Invalid request: property name must be a string", request_id)
        if params[0] != "combined":
            return _error(0, "Unknown property", request_id)
        if method == "GET_PROPERTY":
            return _result(self.is_combined, request_id)
        if len(params) > 2:
            return _error(2, "Invalid request: too many parameters", request_id)
        if len(params) < 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean", request_id)
        self.is_combined = params[1]
        return _result(None, request_id)

    def _subscribe(self, names: list[str]) -> list[bytes]:
        at_once: list[bytes] = []
        for name in names:
            if name in self.names:
                continue
            self.names[name] = None
            source = self._sim.source(self.venue, name) if self._is_routed(name) else None
            if source is None:
                self.unknown[name] += 1
                continue
            self._clients_of.setdefault(source, []).append(name)
            if name == CAPTURE_STREAM and self._sim.finished:
                at_once.append(self._wrap(name, finished_payload(self._sim.frames)))
        return at_once

    def _unsubscribe(self, name: str) -> None:
        self.names.pop(name, None)
        for clients in self._clients_of.values():
            if name in clients:
                clients.remove(name)

    def _is_routed(self, name: str) -> bool:
        """Return whether this connection's path carries the stream (USD-M splits them since 2026-04-23)."""
        if self.venue != USDM or name == CAPTURE_STREAM:
            return True
        kind = kind_of(name)
        if self._route in {"", "public"}:
            return kind in PUBLIC_KINDS
        return self._route == "market" and (kind == TRADE or kind not in PUBLIC_KINDS)

    def deliver(self, frame: StreamFrame) -> list[bytes]:
        """Return what this client gets of a frame of the venue, once per name it has subscribed."""
        if frame.venue != self.venue:
            return []
        if frame.stream == CUT_STREAM:
            source = frame.data.decode()
            self.is_cut = self.is_cut or not source or bool(self._clients_of.get(source))
            return []
        out: list[bytes] = []
        for name in self._clients_of.get(frame.stream, ()):
            data: bytes | None = frame.data
            if name != frame.stream and kind_of(name) == AGG_TRADE:
                data = agg_trade(self.venue, frame.data)
            if data is not None:
                out.append(self._wrap(name, data))
        return out

    def _wrap(self, name: str, data: bytes) -> bytes:
        return b'{"stream":"%s","data":%s}' % (name.encode(), data) if self.is_combined else data


def _result(result: object, request_id: int | str | None) -> bytes:
    return msgspec.json.encode({"result": result, "id": request_id})


def _error(code: int, msg: str, request_id: int | str | None) -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg, "id": request_id})
