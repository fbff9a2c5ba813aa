"""Names of streams, and what a client of a name gets from the source that feeds it."""

import msgspec

from services.venue_sim.venue import SPOT, USDM

DEPTH = "depth"
TRADE = "trade"
AGG_TRADE = "aggTrade"
BOOK_TICKER = "bookTicker"
CANDLES = "kline_1m"
MARK_PRICE = "markPrice"
MARK_EACH_S = "markPrice@1s"
FORCE_ORDER = "forceOrder"
# Answers of REST that our recorder keeps as if they were streams.
KLINES = "klines_1m"
OPEN_INTEREST = "openInterest"
# Kinds of a market that a capture may hold besides; they are played as recorded.
OTHER_KINDS = frozenset(
    [
        *("aggTrade", "markPrice", "forceOrder", "ticker", "miniTicker", "kline", "avgPrice", "indexPrice"),
        *("continuousKline", "referencePrice", "openInterest", "rpiDepth", "compositeIndex", "assetIndex"),
        *("depth5", "depth10", "depth20", "klines", "premiumIndex"),
    ]
)


class _Trade(msgspec.Struct, gc=False):
    E: int
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool
    X: str = "MARKET"


_trade_decoder = msgspec.json.Decoder(_Trade)


def split_stream(stream: str) -> tuple[str, str] | None:
    """Return (lower-case symbol, kind with its options) of `btcusdt@depth@100ms`, None without a kind."""
    symbol, at, kind = stream.partition("@")
    return (symbol, kind) if symbol and at and kind else None


def kind_of(stream: str) -> str:
    """Return `depth` of `btcusdt@depth@100ms`, `kline` of `btcusdt@kline_1m`, empty when there is none.

    Partial books (`@depth5`) are their own kind: they are another payload.
    """
    parts = split_stream(stream)
    if parts is None:
        return ""
    first = parts[1].partition("@")[0]
    return first.partition("_")[0]


def source_of(stream: str) -> str:
    """Return the name under which a venue emits what a client of `stream` gets.

    All intervals of the depth stream have one source; every other name is its own.
    """
    return f"{stream.partition('@')[0]}@{DEPTH}" if kind_of(stream) == DEPTH else stream


def trade_stream_of(stream: str) -> str:
    """Return the `@trade` source from which an `@aggTrade` can be derived, empty for other streams."""
    return f"{stream.partition('@')[0]}@{TRADE}" if kind_of(stream) == AGG_TRADE else ""


def agg_trade(venue: str, trade: bytes) -> bytes | None:
    """Return the aggTrade payload of a trade payload: one aggregate per trade, its id the trade's.

    None for what is not an ordinary market trade on USD-M (`X` is INSURANCE_FUND, ADL, NA): the venue
    leaves these out of aggTrade.
    """
    item = _trade_decoder.decode(trade)
    if item.X != "MARKET":
        return None
    maker = "true" if item.m else "false"
    ids = f'"p":"{item.p}","q":"{item.q}","f":{item.t},"l":{item.t},"T":{item.T},"m":{maker}'
    if venue == USDM:
        return f'{{"e":"aggTrade","E":{item.E},"a":{item.t},"s":"{item.s}",{ids}}}'.encode()
    assert venue == SPOT
    return f'{{"e":"aggTrade","E":{item.E},"s":"{item.s}","a":{item.t},{ids},"M":true}}'.encode()
