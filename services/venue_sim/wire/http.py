"""REST of one venue: from the bytes of a request to status, headers and bytes of its answer."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from services.venue_sim.access.limits import Charge, Limits
from services.venue_sim.access.signature import rest_payload
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.exchange.keys import AccountKey
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.rest import NOT_FOUND, WRONG_METHOD
from services.venue_sim.venue import SPOT, USDM, StreamFrame
from services.venue_sim.wire.backend import Backend, PublicCalls, VenueClock
from services.venue_sim.wire.calls import Ask, Call
from services.venue_sim.wire.params import rest_params
from services.venue_sim.wire.payload import in_microseconds
from services.venue_sim.wire.public_weights import public_weight
from services.venue_sim.wire.security import (
    SECURITY_PARAMS,
    Security,
    check_signature,
    check_time,
    find_key,
)
from services.venue_sim.wire.serve import serve
from services.venue_sim.wire.spot_calls import SPOT_REST
from services.venue_sim.wire.tape import Tape
from services.venue_sim.wire.usdm_calls import USDM_REST
from services.venue_sim.wire.user_streams import Filled, UserStreams
from shared.units import NS_PER_MS

HEADERS = (("content-type", "application/json;charset=UTF-8"),)
HTML = (("content-type", "text/html"),)
LOCAL_IP = "127.0.0.1"
KEY_HEADER, UNIT_HEADER = "x-mbx-apikey", "x-mbx-time-unit"
UNITS = ("MICROSECOND", "MILLISECOND")
FORM = "application/x-www-form-urlencoded"
CONNECT_WEIGHT = {SPOT: 2, USDM: 5}

Answer = tuple[int, tuple[tuple[str, str], ...], bytes]


class Request(NamedTuple):
    """A REST request: `target` is path?query as transmitted, header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    now_ms: int
    ip: str

    @property
    def is_micro(self) -> bool:
        """Whether the answer shall tell times in microseconds."""
        return self.headers.get(UNIT_HEADER, "").upper() == "MICROSECOND"


class VenueWire:
    """Everything that one venue answers over HTTP, without a socket.

    `public` is the venue that plays the markets; without one only signed calls, ping and time are served.
    `is_strict` takes only signatures over the exact bytes, as the venue does.
    """

    def __init__(
        self,
        venue: str,
        exchange: Exchange,
        streams: UserStreams,
        limits: Limits,
        public: PublicCalls | None = None,
        *,
        is_strict: bool = True,
    ) -> None:
        self.venue = venue
        self.is_strict = is_strict
        self.backend = Backend(venue, exchange, streams, limits, Tape(venue), public, VenueClock())
        self._calls = USDM_REST if venue == USDM else SPOT_REST
        self._paths = {path for _, path in self._calls}
        if venue == SPOT:
            streams.on_first_fill.append(self._first_fill)

    @property
    def clock(self) -> VenueClock:
        """The venue's clock."""
        return self.backend.clock

    def http(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        now_ns: int,
        ip: str = LOCAL_IP,
    ) -> Answer:
        """Answer one request: (status, headers, body). Events that it caused wait for the listeners."""
        lowered = {name.lower(): value for name, value in headers}
        request = Request(method, target, lowered, body, now_ns // NS_PER_MS, ip)
        path = target.partition("?")[0]
        call = self._calls.get((method, path))
        if call is not None:
            return self._serve(call, request)
        return self._public(request, path, now_ns)

    def advance(self, now_ns: int, frames: Iterable[StreamFrame] = ()) -> None:
        """Let time pass: what the markets played is taken, and what became due reaches the listeners."""
        for frame in frames:
            self.backend.tape.take(frame)
        now_ms = now_ns // NS_PER_MS
        self.backend.exchange.advance(now_ms)
        self.backend.streams.collect(now_ms)

    def connect(self, ip: str, now_ns: int) -> Charge:
        """Charge a new WebSocket connection; refused while its IP is over a limit or banned."""
        return self.backend.limits.charge(ip, "", CONNECT_WEIGHT[self.venue], 0, now_ns // NS_PER_MS)

    def _public(self, request: Request, path: str, now_ns: int) -> Answer:
        public = self.backend.public
        if public is None or path in self._paths:
            status, body = WRONG_METHOD.answer() if path in self._paths else NOT_FOUND
            return status, HTML if body.startswith(b"<") else HEADERS, body
        weight = public_weight(self.venue, request.target)
        charge = self.backend.limits.charge(request.ip, "", weight, 0, request.now_ms)
        if charge.is_refused:
            return charge.status, (*HEADERS, *charge.headers), _error(charge)
        status, body = public.request(self.venue, request.method, request.target, now_ns)
        kind = HTML if body.startswith(b"<") else HEADERS
        return status, (*kind, *charge.headers), body

    def _serve(self, call: Call, request: Request) -> Answer:
        limits = self.backend.limits
        try:
            params = rest_params(request.target.partition("?")[2], _body_of(request))
        except VenueRefusal as refusal:
            charge = limits.charge(request.ip, "", 1, 0, request.now_ms)
            return _refused(refusal, charge.headers)
        key = self._key_named(request.headers.get(KEY_HEADER, ""))
        account, name = (key.account, key.api_key) if key else ("", "")
        ask = Ask(self.backend, params, account, name, request.now_ms, request.ip)
        served = serve(call, ask, lambda asked: self._checked(call, request, asked))
        if served.charge.is_refused:
            return served.charge.status, (*HEADERS, *served.charge.headers), _error(served.charge)
        used = limits.headers(request.ip, served.orders_of, request.now_ms)
        if served.refusal is not None:
            return _refused(served.refusal, used)
        result = served.result
        if request.is_micro and self.venue == SPOT:
            result = in_microseconds(result)
        return 200, (*HEADERS, *used), result if isinstance(result, bytes) else msgspec.json.encode(result)

    def _key_named(self, name: str) -> AccountKey | None:
        return self.backend.exchange.account_of_key(name) if name else None

    def _checked(self, call: Call, request: Request, ask: Ask) -> Ask:
        """Refuse a caller who may not do this, in the order of the venue."""
        is_usdm = self.venue == USDM
        if call.security is not Security.PUBLIC:
            name = request.headers.get(KEY_HEADER, "")
            key = find_key(name, self._key_named, request.ip, call.security, is_usdm=is_usdm)
            if call.security.is_signed:
                ask.params.integer("timestamp", is_required=True)
                payload, signature = rest_payload(request.target.partition("?")[2], _body_of(request))
                check_signature(key, payload, signature, is_strict=self.is_strict)
                check_time(ask.params, self.backend.clock.arrived_ms(request.now_ms), is_usdm=is_usdm)
        if request.headers.get(UNIT_HEADER, "MILLISECOND").upper() not in UNITS and not is_usdm:
            raise VenueRefusal(-1194, f"Invalid value for time unit; expected either {' or '.join(UNITS)}.")
        if call.takes is not None:
            ask.params.refuse_others((*call.takes, *SECURITY_PARAMS))
        return ask

    def _first_fill(self, filled: Filled) -> None:
        if filled.venue == self.venue:
            self.backend.limits.first_fill(filled.account, filled.is_maker, filled.time_ms)


def _body_of(request: Request) -> str:
    """Return the body as text, byte for byte; one that is no form has no parameters."""
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    return request.body.decode("latin-1") if kind in {FORM, ""} else ""


def _refused(refusal: VenueRefusal, used: tuple[tuple[str, str], ...]) -> Answer:
    headers = (*HEADERS, *used)
    if refusal.retry_after_s:
        headers = (*headers, ("Retry-After", str(refusal.retry_after_s)))
    told: dict[str, object] = {"code": refusal.code, "msg": refusal.msg}
    if refusal.data is not None:
        told["data"] = refusal.data
    return refusal.status, headers, msgspec.json.encode(told)


def _error(charge: Charge) -> bytes:
    return msgspec.json.encode({"code": charge.code, "msg": charge.msg})
