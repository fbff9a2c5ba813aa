"""The feed of any ccxt venue as its child process writes it: one form for all, numbered by the child.

    {"stream":"BTC/USDT@book","data":{"s":"BTC/USDT","n":7,"t":1700000000000,"u":91,"b":[["1.5","2"]],"a":[]}}
    {"stream":"BTC/USDT@trade","data":{"s":"BTC/USDT","n":3,"t":...,"p":"1.5","q":"2","m":true}}

Levels are absolute, quantities in units of the base asset, "0" deletes. `n` counts the states of one book
without holes, `u` is the venue's own number of a state where it has one, `m` that the buyer was the maker.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.instrument import quote_exponent, tick_lot_atoms
from shared.kernels.levels import LevelParser
from shared.messages.market import InstrumentRules
from shared.units import ATOM_EXPONENT_MIN, INT64_MAX, NS_PER_MS, Side, round_down, round_up
from shared.venues.base import (
    Answer,
    CandlePrint,
    CaptureEnd,
    DepthBook,
    DepthDiff,
    Fees,
    FrameKind,
    Levels,
    LiquidationPrint,
    MarketList,
    MarkPrint,
    OpenInterestPrint,
    SequenceRules,
    Shutdown,
    TradePrint,
)
from shared.venues.registry import ENTRIES, Entry

Number = Annotated[int, Meta(ge=0, le=2**62)]
_KINDS = {"book": FrameKind.DEPTH, "trade": FrameKind.TRADE}


class _Book(msgspec.Struct):
    s: str
    n: Number
    t: Number
    b: Levels
    a: Levels
    u: Number = 0


class _Trade(msgspec.Struct):
    s: str
    n: Number
    t: Number
    p: str
    q: str
    m: bool


class ListedMarket(msgspec.Struct, frozen=True):
    """One market as the child tells it: exact texts, quantities in base units, empty where unlimited.

    `defect` says why it cannot be followed; the numbers mean nothing then.
    """

    symbol: str
    base: str = ""
    quote: str = ""
    tick_size: str = ""
    lot_size: str = ""
    min_qty: str = ""
    max_qty: str = ""
    min_notional: str = ""
    min_price: str = ""
    max_price: str = ""
    maker_fee_ppm: int = -1
    taker_fee_ppm: int = -1
    is_derivative: bool = False
    is_active: bool = True
    defect: str = ""


_book = msgspec.json.Decoder(_Book)
_trade = msgspec.json.Decoder(_Trade)
_listed = msgspec.json.Decoder(list[ListedMarket])


class CountedSequence:
    """States of a book are counted by the child without holes, a snapshot's successor is next."""

    def is_old(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether the snapshot holds all of `diff`."""
        return diff.last_id <= snapshot_id

    def bridges(self, diff: DepthDiff, snapshot_id: int) -> bool:
        """Return whether `diff` is the successor of the snapshot."""
        return diff.last_id == snapshot_id + 1

    def follows(self, diff: DepthDiff, last_id: int) -> bool:
        """Return whether nothing is missing between `last_id` and `diff`."""
        return diff.last_id == last_id + 1

    def expected_id(self, last_id: int) -> int:
        """Return the number that is due."""
        return last_id + 1


class RemoteVenue:
    """A venue of the registry for the feed. Its markets are named as ccxt names them, BTC/USDT:USDT."""

    sequence: SequenceRules = CountedSequence()
    has_counted_trades = False

    def __init__(self, entry: Entry) -> None:
        self.name = entry.name
        self.entry = entry

    def depth_stream(self, venue_symbol: str, channel: str) -> str:  # noqa: ARG002
        """Return the stream of a book; venues through ccxt have one depth channel."""
        return f"{venue_symbol}@book"

    def trade_stream(self, venue_symbol: str) -> str:
        """Return the stream of single trades."""
        return f"{venue_symbol}@trade"

    def candle_stream(self, venue_symbol: str) -> str:  # noqa: ARG002
        """Return nothing: candles are followed on the native venues."""
        return ""

    def mark_stream(self, venue_symbol: str) -> str:  # noqa: ARG002
        """Return nothing: mark and funding are followed on the native venues."""
        return ""

    def liquidation_stream(self, venue_symbol: str) -> str:  # noqa: ARG002
        """Return nothing: liquidations are followed on the native venues."""
        return ""

    def kind_of(self, stream: str) -> FrameKind:
        """Return what a stream carries."""
        return _KINDS.get(stream.rpartition("@")[2], FrameKind.CONTROL)

    def groups(self, streams: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return one connection per market, so that the trouble of one is not that of another."""
        names = dict.fromkeys(stream.rpartition("@")[0] for stream in streams)
        return {name: tuple(s for s in streams if s.rpartition("@")[0] == name) for name in names if name}

    def stream_path(self, group: str, streams: Sequence[str]) -> str:  # noqa: ARG002
        """Return the market of a connection: the child knows the venue's own paths."""
        return group

    def rules_targets(self, venue_symbols: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Return one target per market; the child asks the venue once for all."""
        return [(f"rules/{name}", (name,)) for name in venue_symbols]

    def depth_target(self, venue_symbol: str, level_count: int) -> str:  # noqa: ARG002
        """Return the target of the book that the child holds."""
        return f"book/{venue_symbol}"

    def candles_target(self, venue_symbol: str, count: int, from_ns: int = 0) -> str:  # noqa: ARG002
        """Return nothing: see `candle_stream`."""
        return ""

    def mark_target(self, venue_symbol: str) -> str:  # noqa: ARG002
        """Return nothing: see `mark_stream`."""
        return ""

    def open_interest_target(self, venue_symbol: str) -> str:  # noqa: ARG002
        """Return nothing: see `mark_stream`."""
        return ""

    def recorded_as(self, target: str) -> str | None:
        """Return how an answer is recorded: a book without a name, rules under one of ours."""
        return "" if target.startswith("book/") else "!rules" if target.startswith("rules/") else None

    def is_unlisted(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Return whether the venue does not list the market."""
        return status == 404

    def parse_diff(self, data: bytes) -> DepthDiff:
        """Return a change of a book."""
        frame = _book.decode(data)
        return DepthDiff(frame.s, frame.n, frame.n, frame.n - 1, frame.t * NS_PER_MS, frame.b, frame.a)

    def parse_partial(self, data: bytes) -> DepthBook:
        """Return a whole book."""
        return self.parse_depth(data)

    def parse_depth(self, body: bytes) -> DepthBook:
        """Return the book that the child holds."""
        frame = _book.decode(body)
        return DepthBook(frame.n, frame.t * NS_PER_MS, frame.b, frame.a)

    def parse_trade(self, data: bytes) -> TradePrint:
        """Return a trade, numbered by the child."""
        frame = _trade.decode(data)
        side = Side.SELL if frame.m else Side.BUY
        return TradePrint(frame.s, frame.n, frame.p, frame.q, side, frame.t * NS_PER_MS, True)

    def parse_candle(self, data: bytes) -> CandlePrint:
        """Refuse: there is no such stream."""
        raise ValueError(f"{self.name} has no candles here: {data[:40]!r}")

    def parse_candles(self, body: bytes, venue_symbol: str) -> list[CandlePrint]:
        """Refuse: there is no such answer."""
        raise ValueError(f"{self.name} has no candles of {venue_symbol}: {body[:40]!r}")

    def parse_mark(self, data: bytes) -> MarkPrint:
        """Refuse: there is no such stream."""
        raise ValueError(f"{self.name} has no mark prices here: {data[:40]!r}")

    def parse_mark_answer(self, body: bytes) -> MarkPrint:
        """Refuse: there is no such answer."""
        raise ValueError(f"{self.name} has no mark prices here: {body[:40]!r}")

    def parse_open_interest(self, body: bytes) -> OpenInterestPrint:
        """Refuse: there is no such answer."""
        raise ValueError(f"{self.name} has no open interest here: {body[:40]!r}")

    def parse_liquidation(self, data: bytes) -> LiquidationPrint:
        """Refuse: there is no such stream."""
        raise ValueError(f"{self.name} has no liquidations here: {data[:40]!r}")

    def parse_control(self, stream: str, frame: bytes) -> CaptureEnd | Shutdown | Answer:
        """Refuse: the child sends nothing but books and trades."""
        raise ValueError(f"stream {stream[:60]!r} was not asked for: {frame[:60]!r}")

    def parse_rules(self, body: bytes, venue_symbols: Collection[str], fees: Fees) -> MarketList:
        """Return the rules of `venue_symbols` as the child tells them."""
        rules: dict[str, InstrumentRules] = {}
        unusable: dict[str, str] = {}
        for listed in _listed.decode(body):
            if listed.symbol not in venue_symbols:
                continue
            if listed.defect:
                unusable[listed.symbol] = listed.defect[:200]
                continue
            try:
                rules[listed.symbol] = rules_of(self.name, listed, fees)
            except (InvalidOperation, ArithmeticError, ValueError) as error:
                unusable[listed.symbol] = f"{type(error).__name__}: {error}"[:200]
        return MarketList(rules, unusable)


def rules_of(venue: str, listed: ListedMarket, fees: Fees) -> InstrumentRules:
    """Return the rules of one market; raises `ValueError` or a decimal error on what cannot be carried."""
    tick, lot = _positive(listed.tick_size), _positive(listed.lot_size)
    LevelParser(format(tick, "f"), format(lot, "f"))  # refuses steps that integers cannot carry
    exponent = quote_exponent(str(tick), str(lot), ATOM_EXPONENT_MIN)
    rules = InstrumentRules(
        symbol=f"{venue}:{listed.symbol}",
        base_asset=listed.base,
        quote_asset=listed.quote,
        tick_size=format(tick, "f"),
        lot_size=format(lot, "f"),
        quote_exponent=exponent,
        tick_lot_atoms=tick_lot_atoms(str(tick), str(lot), exponent),
        min_qty_lots=round_up(_limit(listed.min_qty), lot),
        max_qty_lots=min(INT64_MAX, round_down(_limit(listed.max_qty), lot)),
        min_notional_atoms=round_up(_limit(listed.min_notional), Decimal(1).scaleb(-exponent)),
        min_price_ticks=round_up(_limit(listed.min_price), tick),
        max_price_ticks=min(INT64_MAX, round_down(_limit(listed.max_price), tick)),
        maker_fee_ppm=fees.maker_ppm,
        taker_fee_ppm=fees.taker_ppm,
        is_derivative=listed.is_derivative,
        status="TRADING" if listed.is_active else "HALTED",
    )
    for name, value in rules.as_dict().items():
        if type(value) is int and not 0 <= value <= INT64_MAX and not name.endswith("_ppm"):
            raise ValueError(f"{name} is {value}, must be 0..{INT64_MAX}")
    return rules


def _positive(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"a step of {text!r} is not a positive number")
    return value


def _limit(text: str) -> Decimal:
    value = Decimal(text or "0")
    if not value.is_finite() or value < 0:
        raise ValueError(f"a limit of {text!r} is not a number")
    return value


REMOTE: dict[str, RemoteVenue] = {name: RemoteVenue(entry) for name, entry in ENTRIES.items()}
