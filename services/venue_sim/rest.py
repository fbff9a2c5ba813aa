"""The public REST calls of Binance spot and USD-M, with the venue's answers and error bodies."""

from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import parse_qsl

import msgspec

from services.venue_sim import exchange_info, rest_facts
from services.venue_sim.venue import USDM, Market
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from services.venue_sim.exchange.exchange import Exchange

SPOT_DEPTH_DEFAULT, SPOT_DEPTH_MAX = 100, 5000
USDM_DEPTH_DEFAULT, USDM_DEPTH_LIMITS = 500, (5, 10, 20, 50, 100, 500, 1000)


class Refusal(NamedTuple):
    """An error as the venue answers it."""

    status: int
    code: int
    msg: str

    def answer(self) -> tuple[int, bytes]:
        """Return (HTTP status, body)."""
        return self.status, msgspec.json.encode({"code": self.code, "msg": self.msg})


NOT_FOUND = (404, b"<html><body><h2>404 Not found</h2></body></html>")
BAD_SYMBOL = Refusal(400, -1121, "Invalid symbol.")
BAD_LIMIT = Refusal(400, -1130, "Data sent for parameter 'limit' is not valid.")
ILLEGAL_LIMIT = Refusal(
    400, -1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."
)
NO_SYMBOL = Refusal(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
NOT_KNOWN_NOW = Refusal(503, -1001, "Internal error; unable to process your request. Please try again.")
WRONG_METHOD = Refusal(405, -1000, "Request method is not supported.")


class RestBackend(rest_facts.FactsBackend, Protocol):
    """What the REST calls need of a venue."""

    exchange_info: dict[str, bytes]

    @property
    def exchange(self) -> "Exchange":
        """The trading side, whose rules exchangeInfo tells."""

    def markets_of(self, venue: str) -> list[Market]:
        """Return the markets of a venue."""

    def depth(self, venue: str, name: str, limit: int, now_ns: int) -> bytes | None:
        """Return the body of the answer, None while the book is not known."""


def respond(backend: RestBackend, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
    """Answer one public REST call as the venue would: (HTTP status, body)."""
    path, _, query = target.partition("?")
    prefix = "/fapi/v1/" if venue == USDM else "/api/v3/"
    call = path.removeprefix(prefix)
    facts = rest_facts.calls_of(venue)
    if call == path or call not in {"ping", "time", "exchangeInfo", "depth"} | facts:
        return NOT_FOUND
    if method != "GET":
        return WRONG_METHOD.answer()
    params = dict(parse_qsl(query, keep_blank_values=True))
    if call == "ping":
        return 200, b"{}"
    if call == "time":
        return 200, b'{"serverTime":%d}' % (now_ns // NS_PER_MS)
    if call == "exchangeInfo":
        return _exchange_info(backend, venue, params, now_ns)
    if call in facts:
        names = {market.name for market in backend.markets_of(venue)}
        answer = rest_facts.answer(backend, venue, call, params, names, now_ns)
        if isinstance(answer, tuple):
            return Refusal(*answer).answer()
        return (200, answer) if answer is not None else NOT_KNOWN_NOW.answer()
    return _depth(backend, venue, params, now_ns)


def _depth(backend: RestBackend, venue: str, params: dict[str, str], now_ns: int) -> tuple[int, bytes]:
    name = params.get("symbol", "")
    if not name:
        return NO_SYMBOL.answer()
    # Spot is strict about case, USD-M is not.
    known = {market.name for market in backend.markets_of(venue)}
    name = name.upper() if venue == USDM else name
    if name not in known:
        return BAD_SYMBOL.answer()
    text = params.get("limit", str(USDM_DEPTH_DEFAULT if venue == USDM else SPOT_DEPTH_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return ILLEGAL_LIMIT.answer()
    limit = int(text)
    if venue == USDM and limit not in USDM_DEPTH_LIMITS:
        return Refusal(400, -4021, f"{limit} is not valid depth limit.").answer()
    if limit < 1:
        return BAD_LIMIT.answer()
    body = backend.depth(venue, name, min(limit, SPOT_DEPTH_MAX), now_ns)
    return (200, body) if body is not None else NOT_KNOWN_NOW.answer()


def _exchange_info(
    backend: RestBackend, venue: str, params: dict[str, str], now_ns: int
) -> tuple[int, bytes]:
    exchange = backend.exchange
    override = backend.exchange_info.get(venue)
    if override is not None:
        changed = {
            name: rules
            for name in exchange.symbols(venue)
            if (rules := exchange.rules(venue, name)).is_changed
        }
        return 200, exchange_info.patched(override, changed) if changed else override
    markets = [exchange.rules(venue, name) for name in exchange.symbols(venue)]
    if venue == USDM:
        return 200, msgspec.json.encode(exchange_info.usdm(markets, now_ns))
    wanted = [params["symbol"]] if "symbol" in params else None
    if "symbols" in params:
        try:
            wanted = msgspec.json.decode(params["symbols"], type=list[str])
        except UNDECODABLE:
            return Refusal(400, -1100, "Illegal characters found in parameter 'symbols'.").answer()
    if wanted is not None:
        by_name = {rules.market.name: rules for rules in markets}
        if not wanted or any(name not in by_name for name in wanted):
            return BAD_SYMBOL.answer()
        markets = [by_name[name] for name in wanted]
    return 200, msgspec.json.encode(exchange_info.spot(markets, now_ns))
