"""The server side of one stream connection: what a client subscribes to and the bytes it gets. No I/O."""

from collections import Counter
from urllib.parse import parse_qsl, unquote

import msgspec

from services.venue_sim.streams import AGG_TRADE, BOOK_TICKER, DEPTH, TRADE, agg_trade, kind_of
from services.venue_sim.venue import CAPTURE_STREAM, CUT_STREAM, USDM, StreamFrame, Venue, finished_payload
from services.venue_sim.wire.private_stream import PrivateStreams
from services.venue_sim.wire.user_streams import UserStreams
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

STREAMS_MAX = 1024
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
# USD-M serves these on `/public` and on connections without a path; `@trade` works on both.
PUBLIC_KINDS = frozenset({DEPTH, "depth5", "depth10", "depth20", "rpiDepth", BOOK_TICKER, TRADE})
PRIVATE = "private"
ROUTES = frozenset({"public", "market", PRIVATE})
LIFE_MS = 86_400_000
# Spot warns this long before it cuts a connection.
NOTICE_MS = 60_000
SHUTDOWN_STREAM = "!serverShutdown"


class StreamConnection:
    """One client of one venue.

    `open(target)` once, then `take(text)` for each message of the client and `deliver(frame)` for each
    frame of the venue; both return what to send, in order. `is_cut` asks the transport to drop the client.
    `unknown` counts subscriptions to streams that do not exist: accepted in silence, as the venue does.
    With `streams` the private path of USD-M serves user data: a stream name there is a listen key, and
    `events` returns what came. `tick` ends the connection after its day.
    """

    def __init__(self, sim: Venue, venue: str, streams: UserStreams | None = None, now_ns: int = 0) -> None:
        self._sim = sim
        self.venue = venue
        self.is_combined = False
        self.is_cut = False
        self.names: dict[str, None] = {}
        self.unknown: Counter[str] = Counter()
        self._route = ""
        self._clients_of: dict[str, list[str]] = {}
        self._private = PrivateStreams(streams, self._wrap) if streams is not None else None
        self._born_ms = now_ns // NS_PER_MS
        self._notices: list[bytes] = []
        self._has_warned = False

    @property
    def is_private(self) -> bool:
        """Whether its path serves user data."""
        return self._route == PRIVATE

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
        self._open_private(dict(parse_qsl(query)))
        return self._subscribe([name for name in names if name][:STREAMS_MAX])

    def _open_private(self, query: dict[str, str]) -> None:
        """Take `?listenKey=KEY&events=A/B` of the private path."""
        key = query.get("listenKey", "")
        if self._route != PRIVATE or not key:
            return
        self.names[key] = None
        wanted = frozenset(name for name in query.get("events", "").split("/") if name)
        if self._private is None or not self._private.listen(key, wanted):
            self.unknown[key] += 1

    def events(self, now_ns: int = 0) -> list[bytes]:  # noqa: ARG002 - one call for all connections
        """Return the user data, and the notices of the venue, since the last call."""
        heard = self._private.take() if self._private is not None else []
        notices, self._notices = self._notices, []
        return heard + notices

    def tick(self, now_ns: int) -> None:
        """Warn (spot) and cut a connection at the end of its day."""
        now_ms = now_ns // NS_PER_MS
        age_ms = now_ms - self._born_ms
        if age_ms >= LIFE_MS - NOTICE_MS and not self._has_warned and self.venue != USDM:
            self._has_warned = True
            self._notices.append(self._wrap(SHUTDOWN_STREAM, b'{"e":"serverShutdown","E":%d}' % now_ms))
        if age_ms >= LIFE_MS:
            self.close()

    def close(self) -> None:
        """End the connection; it hears nothing more."""
        self.is_cut = True
        if self._private is not None:
            self._private.close()

    def take(self, text: str | bytes, now_ns: int = 0) -> list[bytes]:  # noqa: ARG002 - one call for all
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
            if self._route == PRIVATE and self._private is not None and self._private.listen(name):
                continue
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
        if self._private is not None:
            self._private.leave(name)
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
