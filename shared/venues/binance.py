"""Binance spot and USD-M: names, targets and frames, without I/O.

Sources of the rules: the spot documents of 2026-07 and the USD-M documents of 2026-05; where a comment says
"captures", it was measured on recordings. Unknown keys are ignored: the venue adds some without notice.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from shared.instrument import quote_exponent, tick_lot_atoms
from shared.kernels.levels import LevelParser
from shared.messages.market import InstrumentRules
from shared.units import ATOM_EXPONENT_MIN, INT64_MAX, NS_PER_MS, Side, round_down, round_up
from shared.venues.base import (
    Answer,
    CaptureEnd,
    DepthBook,
    DepthDiff,
    Envelope,
    Fees,
    FrameKind,
    Levels,
    MarketList,
    SequenceRules,
    Shutdown,
    TradePrint,
)
from shared.venues.binance_facts import BinanceFacts

SPOT = "binance"
USDM = "binance_usdm"
CAPTURE_STREAM = "!quotemesh@capture"
SHUTDOWN_STREAM = "!serverShutdown"
TRADING = "TRADING"
REST_HOSTS = {SPOT: "https://api.binance.com", USDM: "https://fapi.binance.com"}
STREAM_HOSTS = {SPOT: "wss://stream.binance.com:443", USDM: "wss://fstream.binance.com"}

# Bounded, so that a hostile number is refused here and not where a message is packed.
VenueId = Annotated[int, Meta(ge=0, le=2**62)]
TimeMs = Annotated[int, Meta(ge=0, le=2**42)]
_KINDS = {
    "trade": FrameKind.TRADE,
    "aggTrade": FrameKind.TRADE,
    "kline_1m": FrameKind.CANDLE,
    "markPrice": FrameKind.MARK,
    "forceOrder": FrameKind.LIQUIDATION,
}
_USDM_PUBLIC = ("depth", "bookTicker", "rpiDepth")


class _Depth(msgspec.Struct, gc=False):
    """`depthUpdate`; `pu` and `T` are USD-M's."""

    E: TimeMs
    s: str
    U: VenueId
    u: VenueId
    b: Levels
    a: Levels
    pu: Annotated[int, Meta(ge=-1, le=2**62)] = -1
    T: TimeMs = 0


class _Book(msgspec.Struct, gc=False):
    """A REST depth answer, and a partial book stream of spot."""

    lastUpdateId: VenueId  # noqa: N815
    bids: Levels
    asks: Levels
    E: TimeMs = 0


class _Trade(msgspec.Struct, gc=False):
    """`trade` and `aggTrade`: the id is `t` or `a`; `m` says that the buyer was the maker."""

    e: str
    s: str
    p: str
    q: str
    T: TimeMs
    m: bool
    t: Annotated[int, Meta(ge=-1, le=2**62)] = -1
    a: Annotated[int, Meta(ge=-1, le=2**62)] = -1
    X: str = "MARKET"


class _Control(msgspec.Struct):
    e: str = ""
    frames: VenueId = 0
    code: int | None = None
    msg: str = ""
    error: Any = None


class _Symbol(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815
    quoteAsset: str  # noqa: N815
    filters: list[dict[str, Any]]
    status: str = ""


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


_depth = msgspec.json.Decoder(_Depth)
_book = msgspec.json.Decoder(_Book)
_trade = msgspec.json.Decoder(_Trade)
_control = msgspec.json.Decoder(_Control)
_envelope = msgspec.json.Decoder(Envelope)
_exchange_info = msgspec.json.Decoder(_ExchangeInfo)


class SpotSequence:
    """Spot: a diff starts at the id after the former one's last.

    The first usable diff may start at exactly snapshot + 1 (captures); demanding `U <= L` would loop.
    """

    def is_old(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether the snapshot holds all of `diff`."""
        return diff.last_id <= snapshot_id

    def bridges(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether `diff` is the first to apply to the snapshot."""
        return diff.first_id <= snapshot_id + 1 and diff.last_id > snapshot_id

    def follows(self, diff: DepthDiff, last_id: int) -> bool:
        """Return whether nothing is missing between `last_id` and `diff`; quantities are absolute."""
        return diff.first_id <= last_id + 1

    def expected_id(self, last_id: int) -> int:
        """Return the first id that is due."""
        return last_id + 1


class UsdmSequence:
    """USD-M: a diff names the last id of the former one in `pu`; `U` is not contiguous (98 % of captures).

    The snapshot's id may lie between `pu` and `U`, and a diff that ends at it is kept.
    """

    def is_old(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether the snapshot holds all of `diff`."""
        return diff.last_id < snapshot_id

    def bridges(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether `diff` is the first to apply to the snapshot."""
        return diff.previous_id <= snapshot_id <= diff.last_id

    def follows(self, diff: DepthDiff, last_id: int) -> bool:
        """Return whether `diff` continues the one that ended with `last_id`."""
        return diff.previous_id == last_id

    def expected_id(self, last_id: int) -> int:
        """Return the `pu` that is due."""
        return last_id


class _Binance(BinanceFacts):
    """What both venues share."""

    name: str
    sequence: SequenceRules
    has_counted_trades = True

    def depth_stream(self, venue_symbol: str, channel: str) -> str:
        """Return `btcusdt@depth@100ms`; `channel` is depth[@100ms] or depth5, depth10, depth20[@100ms]."""
        return f"{venue_symbol.lower()}@{channel}"

    def kind_of(self, stream: str) -> FrameKind:
        """Return what a stream carries, by its name alone: payloads do not tell diffs from partial books."""
        channel = stream.partition("@")[2].partition("@")[0]
        if channel == "depth":
            return FrameKind.DEPTH
        if channel in {"depth5", "depth10", "depth20"}:
            return FrameKind.PARTIAL
        return _KINDS.get(channel, FrameKind.CONTROL)

    def groups(self, streams: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return all streams under the one route there is, which has no name."""
        return {"": tuple(streams)}

    def stream_path(self, group: str, streams: Sequence[str]) -> str:
        """Return path and query of the combined stream."""
        return f"{'/' + group if group else ''}/stream?streams={'/'.join(streams)}"

    def depth_target(self, venue_symbol: str, level_count: int) -> str:
        """Return the REST target of a book."""
        return f"{self._prefix}/depth?symbol={quote(venue_symbol)}&limit={level_count}"

    def is_unlisted(self, status: int, body: bytes) -> bool:
        """Return whether the answer says -1121, invalid symbol."""
        return status == 400 and b"-1121" in body

    def parse_diff(self, data: bytes) -> DepthDiff:
        """Return the diff in a `depthUpdate`."""
        frame = _depth.decode(data)
        if frame.u < frame.U:
            raise ValueError(f"a depth update of {frame.s} ends at {frame.u} before it starts at {frame.U}")
        return DepthDiff(
            frame.s, frame.U, frame.u, frame.pu, (frame.T or frame.E) * NS_PER_MS, frame.b, frame.a
        )

    def parse_partial(self, data: bytes) -> DepthBook:
        """Return the book in a frame of a partial book stream."""
        return self.parse_depth(data)

    def parse_depth(self, body: bytes) -> DepthBook:
        """Return the book in a REST depth answer."""
        frame = _book.decode(body)
        return DepthBook(frame.lastUpdateId, frame.E * NS_PER_MS, frame.bids, frame.asks)

    def parse_trade(self, data: bytes) -> TradePrint:
        """Return the trade in a `trade` or `aggTrade`."""
        frame = _trade.decode(data)
        trade_id = frame.a if frame.e == "aggTrade" else frame.t
        if trade_id < 0:
            raise ValueError(f"a {frame.e!r} of {frame.s} has no trade id")
        side = Side.SELL if frame.m else Side.BUY
        return TradePrint(frame.s, trade_id, frame.p, frame.q, side, frame.T * NS_PER_MS, frame.X == "MARKET")

    def parse_control(self, stream: str, frame: bytes) -> CaptureEnd | Shutdown | Answer:
        """Return what a frame outside our streams says; answers of SUBSCRIBE carry no `stream`."""
        control = _control.decode(frame)
        if stream == CAPTURE_STREAM and control.e == "captureFinished":
            return CaptureEnd(control.frames)
        if control.e == "serverShutdown":
            return Shutdown()
        if stream:
            raise ValueError(f"stream {stream[:60]!r} was not asked for")
        if control.error is not None or control.code is not None:
            return Answer(f"{control.code} {control.msg or control.error}"[:200])
        return Answer("")

    def parse_rules(self, body: bytes, venue_symbols: Collection[str], fees: Fees) -> MarketList:
        """Return the rules of `venue_symbols` in an exchangeInfo answer."""
        rules: dict[str, InstrumentRules] = {}
        unusable: dict[str, str] = {}
        for listed in _exchange_info.decode(body).symbols:
            if listed.symbol not in venue_symbols:
                continue
            try:
                rules[listed.symbol] = self._rules_of(listed, fees)
            except (KeyError, InvalidOperation, ArithmeticError, ValueError) as error:
                unusable[listed.symbol] = f"{type(error).__name__}: {error}"[:200]
        return MarketList(rules, unusable)

    def _rules_of(self, listed: _Symbol, fees: Fees) -> InstrumentRules:
        filters = {str(item["filterType"]): item for item in listed.filters}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
        tick, step = _positive(price["tickSize"]), _positive(lot["stepSize"])
        LevelParser(_plain(tick), _plain(step))  # refuses steps that integers cannot carry
        exponent = quote_exponent(str(tick), str(step), ATOM_EXPONENT_MIN)
        market_value = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        min_notional = Decimal(str(market_value.get("minNotional", market_value.get("notional", "0"))))
        rules = InstrumentRules(
            symbol=f"{self.name}:{listed.symbol}",
            base_asset=listed.baseAsset,
            quote_asset=listed.quoteAsset,
            tick_size=_plain(tick),
            lot_size=_plain(step),
            quote_exponent=exponent,
            tick_lot_atoms=tick_lot_atoms(str(tick), str(step), exponent),
            min_qty_lots=round_up(Decimal(str(lot["minQty"])), step),
            max_qty_lots=min(INT64_MAX, round_down(Decimal(str(lot["maxQty"])), step)),
            min_notional_atoms=round_up(min_notional, Decimal(1).scaleb(-exponent)),
            min_price_ticks=round_up(Decimal(str(price["minPrice"])), tick),
            max_price_ticks=min(INT64_MAX, round_down(Decimal(str(price["maxPrice"])), tick)),
            maker_fee_ppm=fees.maker_ppm,
            taker_fee_ppm=fees.taker_ppm,
            is_derivative=self._is_derivative,
            # A status that is not known is not TRADING: the venue added CANCEL_ONLY in 2026-07.
            status=listed.status or "UNKNOWN",
        )
        for name, value in rules.as_dict().items():
            if type(value) is int and not 0 <= value <= INT64_MAX and not name.endswith("_ppm"):
                raise ValueError(f"{name} is {value}, must be 0..{INT64_MAX}")
        return rules


class BinanceSpot(_Binance):
    """Binance spot."""

    name = SPOT
    sequence: SequenceRules = SpotSequence()
    _prefix = "/api/v3"
    _is_derivative = False

    def trade_stream(self, venue_symbol: str) -> str:
        """Return the stream of single trades."""
        return f"{venue_symbol.lower()}@trade"

    def rules_targets(self, venue_symbols: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Return one target per market: the full list is over 10 MB, and one bad name refuses a joint one."""
        return [(f"{self._prefix}/exchangeInfo?symbol={quote(name)}", (name,)) for name in venue_symbols]


class BinanceUsdm(_Binance):
    """Binance USD-M futures."""

    name = USDM
    sequence: SequenceRules = UsdmSequence()
    _prefix = "/fapi/v1"
    _is_derivative = True

    def trade_stream(self, venue_symbol: str) -> str:
        """Return the stream of aggregate trades: the single ones are not documented for USD-M."""
        return f"{venue_symbol.lower()}@aggTrade"

    def groups(self, streams: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return streams by route: since 2026-04-23 depth comes on /public only, aggTrade on /market only."""
        public = tuple(s for s in streams if s.partition("@")[2].startswith(_USDM_PUBLIC))
        market = tuple(s for s in streams if s not in public)
        return {name: group for name, group in (("public", public), ("market", market)) if group}

    def rules_targets(self, venue_symbols: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Return one target for all: this venue has no filter by symbol."""
        return [(f"{self._prefix}/exchangeInfo", tuple(venue_symbols))]

    def parse_partial(self, data: bytes) -> DepthBook:
        """Return the book in a partial book frame, which has the shape of a diff here."""
        diff = self.parse_diff(data)
        return DepthBook(diff.last_id, diff.ts_venue_ns, diff.bids, diff.asks)


def envelope_of(frame: bytes) -> Envelope:
    """Return stream name and payload of a combined frame; raises `ValueError` when it is no JSON object."""
    return _envelope.decode(frame)


def decimals_beyond(levels: Levels, tick_size: str) -> int:
    """Return how many decimals (trailing zeros not counted) any price has beyond the tick's; 0 when they fit.

    Anything above 0 means that the venue's rules and its prices disagree (BR-30).
    """
    tick_decimals = _decimals(tick_size)
    return max((0, *(_decimals(price) - tick_decimals for price, _ in levels)))


def _decimals(text: str) -> int:
    return len(text.partition(".")[2].rstrip("0"))


def _positive(text: object) -> Decimal:
    value = Decimal(str(text))
    if not value.is_finite() or value <= 0:
        raise ValueError(f"a step of {text!r} is not a positive number")
    return value


def _plain(value: Decimal) -> str:
    return format(value, "f")
