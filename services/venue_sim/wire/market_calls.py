"""Public calls that the tape answers: prices, tickers, trades; and depth for the WebSocket API."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT
from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.params import invalid
from services.venue_sim.wire.payload import Json
from services.venue_sim.wire.tape import MarketTape, Trade
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

BAD_SYMBOL = "Invalid symbol."
DAY_MS = 86_400_000
AVERAGE_MINUTES = 5


class _Depth(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Error(msgspec.Struct):
    code: int
    msg: str


def ping(ask: Ask) -> object:  # noqa: ARG001 - every call takes what is asked
    """Answer nothing."""
    return {}


def server_time(ask: Ask) -> object:
    """Tell the time of the venue."""
    return {"serverTime": ask.backend.clock.time_ms(ask.now_ms)}


def relay(path: str, *names: str) -> Callable[[Ask], object]:
    """Return a call of the WebSocket API that answers as the REST call of that path."""

    def call(ask: Ask) -> object:
        return public_body(
            ask, path, {name: ask.params.values[name] for name in names if ask.params.has(name)}
        )

    return call


def public_body(ask: Ask, path: str, params: dict[str, str]) -> bytes:
    """Return the body of a public REST call; raises VenueRefusal with its error."""
    backend = ask.backend
    if backend.public is None:
        raise VenueRefusal(-1001, "Internal error; unable to process your request. Please try again.", 503)
    target = f"{path}?{urlencode(params)}" if params else path
    status, body = backend.public.request(backend.venue, "GET", target, ask.now_ms * NS_PER_MS)
    if status == 200:
        return body
    try:
        error = msgspec.json.decode(body, type=_Error)
    except UNDECODABLE:
        error = _Error(-1000, "An unknown error occurred while processing the request.")
    raise VenueRefusal(error.code, error.msg, status)


def _names(ask: Ask) -> tuple[list[str], bool]:
    """Return (markets asked for, whether exactly one was): by `symbol`, spot also by `symbols`, else all."""
    params = ask.params
    known = ask.backend.symbols
    if params.has("symbol"):
        if params.has("symbols"):
            raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
        name = params.required("symbol")
        names = [name.upper() if ask.backend.is_usdm else name]
    elif params.has("symbols") and not ask.backend.is_usdm:
        names = params.json("symbols", list[str])
        if not names:
            raise invalid("symbols")
    else:
        return list(known), False
    if any(name not in known for name in names):
        raise VenueRefusal(-1121, BAD_SYMBOL)
    return names, params.has("symbol")


def _each(ask: Ask, tell: Callable[[Ask, str], Json]) -> object:
    names, is_one = _names(ask)
    told = [tell(ask, name) for name in names]
    return told[0] if is_one else told


def _top(ask: Ask, name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return best bid and ask as (price, quantity), zeros for an empty side."""
    path = "/fapi/v1/depth" if ask.backend.is_usdm else "/api/v3/depth"
    book = msgspec.json.decode(public_body(ask, path, {"symbol": name, "limit": "5"}), type=_Depth)
    none = ("0.00000000", "0.00000000")
    return (book.bids[0] if book.bids else none), (book.asks[0] if book.asks else none)


def _last_price(ask: Ask, name: str) -> str:
    trades = ask.backend.tape.of(name).trades
    return trades[-1].p if trades else _top(ask, name)[0][0]


def price(ask: Ask) -> object:
    """Tell the last price."""
    return _each(ask, _price)


def _price(ask: Ask, name: str) -> Json:
    told: Json = {"symbol": name, "price": _last_price(ask, name)}
    return told | {"time": ask.now_ms} if ask.backend.is_usdm else told


def book_ticker(ask: Ask) -> object:
    """Tell best bid and ask."""
    return _each(ask, _book_ticker)


def _book_ticker(ask: Ask, name: str) -> Json:
    bid, ask_ = _top(ask, name)
    told: Json = {
        "symbol": name,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask_[0],
        "askQty": ask_[1],
    }
    return told | {"time": ask.now_ms} if ask.backend.is_usdm else told


def day(ask: Ask) -> object:
    """Tell the statistics of the last 24 hours."""
    ask.params.choice("type", ("FULL", "MINI"))
    return _each(ask, _day)


def _day(ask: Ask, name: str) -> Json:
    tape = ask.backend.tape.of(name)
    last_price = _last_price(ask, name)
    decimals = len(last_price.partition(".")[2])
    open_price = Decimal(tape.minutes[0].first.p) if tape.minutes else Decimal(last_price)
    volume = sum((m.volume for m in tape.minutes), Decimal(0))
    quote = sum((m.quote for m in tape.minutes), Decimal(0))
    change = Decimal(last_price) - open_price
    high = max((m.high for m in tape.minutes), default=open_price)
    low = min((m.low for m in tape.minutes), default=open_price)
    told: Json = {
        "symbol": name,
        "priceChange": f"{change:.{decimals}f}",
        "priceChangePercent": f"{(100 * change / open_price if open_price else Decimal(0)):.3f}",
        "weightedAvgPrice": f"{(quote / volume if volume else open_price):.{decimals}f}",
        "lastPrice": last_price,
        "lastQty": tape.trades[-1].q if tape.trades else "0",
        "openPrice": f"{open_price:.{decimals}f}",
        "highPrice": f"{high:.{decimals}f}",
        "lowPrice": f"{low:.{decimals}f}",
        "volume": format(volume, "f"),
        "quoteVolume": format(quote, ".8f"),
        "openTime": ask.now_ms - DAY_MS,
        "closeTime": ask.now_ms,
        "firstId": tape.minutes[0].first.t if tape.minutes else -1,
        "lastId": tape.trades[-1].t if tape.trades else -1,
        "count": sum(m.count for m in tape.minutes),
    }
    if ask.backend.is_usdm:
        return told
    bid, ask_ = _top(ask, name)
    told |= {"prevClosePrice": told["openPrice"], "bidPrice": bid[0], "bidQty": bid[1]}
    return told | {"askPrice": ask_[0], "askQty": ask_[1]}


def average_price(ask: Ask) -> object:
    """Tell the average price of the last five minutes."""
    names, is_one = _names(ask)
    if not is_one:
        raise VenueRefusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    tape = ask.backend.tape.of(names[0])
    first = ask.now_ms // 60_000 - AVERAGE_MINUTES + 1
    recent = [minute for minute in tape.minutes if minute.minute >= first]
    volume = sum((m.volume for m in recent), Decimal(0))
    quote = sum((m.quote for m in recent), Decimal(0))
    mean = quote / volume if volume else Decimal(_last_price(ask, names[0]))
    return {
        "mins": AVERAGE_MINUTES,
        "price": f"{mean:.8f}",
        "closeTime": tape.trades[-1].T if tape.trades else ask.now_ms,
    }


def premium_index(ask: Ask) -> object:
    """Tell mark price, index and funding rate of one market, or of all."""
    path = "/fapi/v1/premiumIndex"
    if ask.params.has("symbol"):
        return public_body(ask, path, {"symbol": ask.params.required("symbol")})
    return [msgspec.Raw(public_body(ask, path, {"symbol": name})) for name in ask.backend.symbols]


def funding_rates(ask: Ask) -> object:
    """Tell the fundings since the start, of one market or of all."""
    params = ask.params
    name = params.text("symbol").upper()
    if name and name not in ask.backend.symbols:
        raise VenueRefusal(-1121, BAD_SYMBOL)
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime", 2**62)
    limit = params.limit(100, 1000)
    found = [
        each
        for each in ask.backend.tape.fundings
        if name in {"", each.symbol} and start_ms <= each.time_ms <= end_ms
    ]
    chosen = found[:limit] if params.has("startTime") else found[-limit:]
    return [
        {
            "symbol": each.symbol,
            "fundingTime": each.time_ms,
            "fundingRate": each.rate,
            "markPrice": each.mark_price,
            "rateType": "FUNDING",
        }
        for each in chosen
    ]


def _tape(ask: Ask) -> MarketTape:
    name = ask.params.required("symbol")
    name = name.upper() if ask.backend.is_usdm else name
    if name not in ask.backend.symbols:
        raise VenueRefusal(-1121, BAD_SYMBOL)
    return ask.backend.tape.of(name)


def trades(ask: Ask) -> object:
    """Tell the newest trades; `fromId` (historicalTrades) tells those from an id."""
    tape = _tape(ask)
    limit = ask.params.limit(500, 1000)
    if ask.params.has("fromId"):
        chosen = list(tape.since(ask.params.integer("fromId")))[:limit]
    else:
        chosen = list(tape.trades)[-limit:]
    is_spot = ask.backend.venue == SPOT
    return [_trade(trade, is_spot=is_spot) for trade in chosen]


def _trade(trade: Trade, *, is_spot: bool) -> Json:
    return {
        "id": trade.t,
        "price": trade.p,
        "qty": trade.q,
        "quoteQty": format(trade.quote, ".8f" if is_spot else "f"),
        "time": trade.T,
        "isBuyerMaker": trade.m,
        **({"isBestMatch": True} if is_spot else {"isRPITrade": False}),
    }


def aggregate_trades(ask: Ask) -> object:
    """Tell aggregated trades: here each trade is its own aggregate, as on the stream."""
    tape, params = _tape(ask), ask.params
    limit = params.limit(500, 1000)
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime", 2**62)
    from_id = params.integer("fromId")
    chosen: Sequence[Trade] = [t for t in tape.since(from_id) if start_ms <= t.T <= end_ms]
    is_from_start = params.has("fromId") or params.has("startTime")
    chosen = chosen[:limit] if is_from_start else chosen[-limit:]
    last: Json = {"M": True} if ask.backend.venue == SPOT else {}
    return [{"a": t.t, "p": t.p, "q": t.q, "f": t.t, "l": t.t, "T": t.T, "m": t.m, **last} for t in chosen]
