"""One connection to the WebSocket API of a venue: requests in, answers and user events out. No socket."""

import re
from urllib.parse import parse_qsl

import msgspec

from services.venue_sim.access.signature import ws_payload
from services.venue_sim.exchange.keys import AccountKey
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT, USDM
from services.venue_sim.wire.calls import Ask, Call
from services.venue_sim.wire.http import LOCAL_IP, VenueWire
from services.venue_sim.wire.params import Params, illegal, json_params
from services.venue_sim.wire.payload import Json, in_microseconds
from services.venue_sim.wire.security import (
    SECURITY_PARAMS,
    Security,
    bad_key,
    check_signature,
    check_time,
    find_key,
)
from services.venue_sim.wire.serve import serve
from services.venue_sim.wire.session_calls import SESSION_WS, SPOT_SESSION_WS
from services.venue_sim.wire.session_state import SessionState
from services.venue_sim.wire.spot_calls import SPOT_WS
from services.venue_sim.wire.usdm_calls import USDM_WS
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

PATHS = {SPOT: "/ws-api/v3", USDM: "/ws-fapi/v1"}
CALLS = {SPOT: SPOT_WS | SPOT_SESSION_WS, USDM: USDM_WS | SESSION_WS}
# The version that may stand before a method without changing it.
OWN_VERSION = {SPOT: "v3/", USDM: "v1/"}
LIFE_MS = 86_400_000
# Spot warns this long before it cuts a connection.
NOTICE_MS = 60_000
RETURNS_LIMITS = "returnRateLimits"
_id = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)

Id = int | str | None


class _Request(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: dict[str, msgspec.Raw] = {}


_decoder = msgspec.json.Decoder(_Request)


class ApiSession:
    """The venue's side of one WebSocket API connection.

    `take` answers one frame of the client; `events` returns what came of its subscriptions since the last
    call; `tick` ends the connection after its day. `is_cut` asks the transport to drop the client.
    """

    def __init__(self, wire: VenueWire, target: str = "", now_ns: int = 0, ip: str = LOCAL_IP) -> None:
        query = dict(parse_qsl(target.partition("?")[2]))
        self.venue = wire.venue
        self.is_cut = False
        self._wire = wire
        self._ip = ip
        self._born_ms = now_ns // NS_PER_MS
        is_micro = self.venue == SPOT and query.get("timeUnit", "").upper() == "MICROSECOND"
        self._state = SessionState(self.venue, wire.backend.streams, self._born_ms, is_micro=is_micro)
        self._state.tells_limits = query.get(RETURNS_LIMITS, "true").lower() != "false"
        self._has_warned = False

    @property
    def subscriptions(self) -> int:
        """How many accounts it listens to."""
        return len(self._state.subscriptions())

    def events(self, now_ns: int = 0) -> list[bytes]:  # noqa: ARG002 - one call for all connections
        """Return what its subscriptions got since the last call."""
        heard, self._state.heard = self._state.heard, []
        return heard

    def tick(self, now_ns: int) -> None:
        """Warn and cut a connection at the end of its day."""
        now_ms = now_ns // NS_PER_MS
        age_ms = now_ms - self._born_ms
        if age_ms >= LIFE_MS - NOTICE_MS and not self._has_warned and self.venue == SPOT:
            self._has_warned = True
            self._state.heard.append(msgspec.json.encode({"event": {"e": "serverShutdown", "E": now_ms}}))
        if age_ms >= LIFE_MS:
            self.close()

    def close(self) -> None:
        """End the connection; its subscriptions hear nothing more."""
        self.is_cut = True
        self._state.close()

    def take(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Answer one frame of the client; events wait until they are fetched."""
        now_ms = now_ns // NS_PER_MS
        request_id: Id = None
        try:
            request = _read(text)
            request_id = _checked_id(request.id)
            call = self._call(request.method)
            params = json_params(request.params)
        except VenueRefusal as refusal:
            self._wire.backend.limits.charge(self._ip, "", 1, 0, now_ms)
            return [self._answer(request_id, refusal, "", now_ms, self._state.tells_limits)]
        key = self._named_key(params)
        account, name = (key.account, key.api_key) if key else ("", "")
        ask = Ask(self._wire.backend, params, account, name, now_ms, self._ip, self._state)
        served = serve(call, ask, lambda asked: self._checked(call, asked))
        tells = params.values.get(RETURNS_LIMITS, str(self._state.tells_limits)).lower() != "false"
        what = served.refusal if served.refusal is not None else served.result
        return [self._answer(request_id, what, served.orders_of, now_ms, tells)]

    def _call(self, method: str) -> Call:
        calls = CALLS[self.venue]
        call = calls.get(method) or calls.get(method.removeprefix(OWN_VERSION[self.venue]))
        if call is None:
            raise VenueRefusal(-1020, f"Unknown method '{method[:64]}'.")
        return call

    def _named_key(self, params: Params) -> AccountKey | None:
        """Return the key that a request names, else the one that is logged on."""
        name = params.values.get("apiKey")
        return self._state.key if name is None else self._wire.backend.exchange.account_of_key(name)

    def _checked(self, call: Call, ask: Ask) -> Ask:
        """Refuse a caller who may not do this; a request without a signature relies on the logon."""
        params = ask.params
        if call.takes is not None:
            params.refuse_others((*call.takes, *SECURITY_PARAMS, RETURNS_LIMITS))
        if call.security is Security.PUBLIC:
            return ask
        is_usdm = self.venue == USDM
        is_session = self._state.key is not None and not ({"apiKey", "signature"} & params.values.keys())
        if is_session and self._state.key is not None and self._state.key.is_revoked:
            self._state.log_out(ask.now_ms)
            raise bad_key(ask.ip, is_usdm=is_usdm)
        name = self._state.key.api_key if is_session and self._state.key else params.required("apiKey")
        key = find_key(
            name, self._wire.backend.exchange.account_of_key, ask.ip, call.security, is_usdm=is_usdm
        )
        if call.security.is_signed:
            params.integer("timestamp", is_required=True)
            if not is_session:
                payload = ws_payload(params.values)
                signature = params.required("signature")
                check_signature(key, payload, signature, is_strict=self._wire.is_strict)
            check_time(params, ask.backend.clock.arrived_ms(ask.now_ms), is_usdm=is_usdm)
        return ask._replace(account=key.account, api_key=key.api_key)

    def _answer(self, request_id: Id, what: object, orders_of: str, now_ms: int, tells: bool) -> bytes:
        told: Json = {"id": request_id, "status": 200}
        if isinstance(what, VenueRefusal):
            error: Json = {"code": what.code, "msg": what.msg}
            if what.data is not None:
                error["data"] = what.data
            told |= {"status": what.status, "error": error}
        else:
            result = msgspec.Raw(what) if isinstance(what, bytes) else what
            told["result"] = in_microseconds(result) if self._state.is_micro else result
        if tells:
            told["rateLimits"] = self._wire.backend.limits.counts(self._ip, orders_of, now_ms)
        return msgspec.json.encode(told)


def _read(text: str | bytes) -> _Request:
    try:
        return _decoder.decode(text)
    except UNDECODABLE as error:
        raise VenueRefusal(-1135, f"Invalid JSON Request: {error}") from None


def _checked_id(sent: Id) -> Id:
    if isinstance(sent, str) and not _id.fullmatch(sent):
        raise illegal("id", "^[a-zA-Z0-9-_]{1,36}$")
    return sent
