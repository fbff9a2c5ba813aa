"""What a venue adapter gives: names, targets and parsed frames, without any I/O.

To add a venue: a module with a class that satisfies `VenueAdapter`, and one line in
`shared/venues/__init__.py`.
Only adapters know a venue's texts and its rules of sequence.
"""
# ruff: noqa: D102  (Protocols: the class docstring describes each method)

from collections.abc import Collection, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from shared.messages.market import InstrumentRules
from shared.units import Side

# What parsers of frames raise: JSON that is none, of the wrong types, too deep, or with impossible values.
UNREADABLE = (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError)


class Fees(NamedTuple):
    """Fee rates of one venue in parts per million of the notional; negative is a rebate."""

    maker_ppm: int
    taker_ppm: int


class FrameKind(Enum):
    """What a stream carries."""

    DEPTH = "depth"
    PARTIAL = "partial"
    TRADE = "trade"
    CANDLE = "candle"
    MARK = "mark"
    LIQUIDATION = "liquidation"
    CONTROL = "control"


class Envelope(msgspec.Struct, gc=False):
    """A frame of a combined stream; answers to control messages have an empty `stream`."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


Levels = list[tuple[str, str]]
"""Prices and quantities as the venue writes them; `LevelParser` turns them into ticks and lots."""


class DepthDiff(NamedTuple):
    """Levels changed between two states of a book.

    `previous_id` is the last id of the diff before, -1 at a venue that does not say it.
    """

    venue_symbol: str
    first_id: int
    last_id: int
    previous_id: int
    ts_venue_ns: int
    bids: Levels
    asks: Levels


class DepthBook(NamedTuple):
    """A whole book as the venue states it; `ts_venue_ns` is 0 where the venue does not say it."""

    last_id: int
    ts_venue_ns: int
    bids: Levels
    asks: Levels


class TradePrint(NamedTuple):
    """A public trade; `is_market` is false for prints that are no execution on the book (ADL, insurance)."""

    venue_symbol: str
    trade_id: int
    price: str
    qty: str
    side: Side
    ts_venue_ns: int
    is_market: bool


class CandlePrint(NamedTuple):
    """One candle as the venue states it; `ts_venue_ns` is 0 where the venue does not say it."""

    venue_symbol: str
    interval_s: int
    open_ns: int
    open_price: str
    high_price: str
    low_price: str
    close_price: str
    volume: str
    trade_count: int
    is_closed: bool
    ts_venue_ns: int


class MarkPrint(NamedTuple):
    """Mark and index price of a perpetual, and the rate of the running funding interval, as texts."""

    venue_symbol: str
    mark_price: str
    index_price: str
    rate: str
    next_funding_ns: int
    ts_venue_ns: int


class OpenInterestPrint(NamedTuple):
    """All open contracts, in the base asset."""

    venue_symbol: str
    qty: str
    ts_venue_ns: int


class LiquidationPrint(NamedTuple):
    """A forced order of somebody; `side` is the order's."""

    venue_symbol: str
    side: Side
    price: str
    qty: str
    ts_venue_ns: int


class CaptureEnd(NamedTuple):
    """The simulated venue has played its capture to the end."""

    frame_count: int


class Shutdown(NamedTuple):
    """The venue is about to close the connection."""


class Answer(NamedTuple):
    """An answer to a control message; `error` is empty when it succeeded."""

    error: str


class MarketList(NamedTuple):
    """Rules by venue symbol of the wanted markets that the venue lists, and those with unusable rules."""

    rules: dict[str, InstrumentRules]
    unusable: dict[str, str]


class SequenceRules(Protocol):
    """How the depth diffs of a venue join to a snapshot and to each other.

    `is_old(diff, snapshot_id)`   all of the diff is in the snapshot already.
    `bridges(diff, snapshot_id)`  the diff is the first to be applied to the snapshot.
    `follows(diff, last_id)`      the diff continues a book whose last applied diff ended with `last_id`.
    `expected_id(last_id)`        the id that a following diff must start from, for people.
    """

    def is_old(self, diff: DepthDiff, snapshot_id: int) -> bool: ...

    def bridges(self, diff: DepthDiff, snapshot_id: int) -> bool: ...

    def follows(self, diff: DepthDiff, last_id: int) -> bool: ...

    def expected_id(self, last_id: int) -> int: ...


class VenueAdapter(Protocol):
    """One venue without I/O. Parsers raise one of `UNREADABLE` on what they cannot read.

    `sequence`                    its rules of sequence.
    `has_counted_trades`          ids of trades are counted without holes.
    `depth_stream(venue_symbol, channel)`, `trade_stream(venue_symbol)`  names of streams.
    `candle_stream`, `mark_stream`, `liquidation_stream`  likewise; empty where the venue has none.
    `kind_of(stream)`             what a stream of ours carries.
    `groups(streams)`             streams by the route that must carry them; one connection each.
    `stream_path(group, streams)` path and query of one connection.
    `rules_targets(symbols)`      REST targets that together list the rules of `symbols`.
    `depth_target(venue_symbol, level_count)`  REST target of a book.
    `candles_target(venue_symbol, count, from_ns)`  REST target of candles, the newest or from a time on.
    `mark_target`, `open_interest_target`  REST targets of one market; empty where the venue has none.
    `recorded_as(target)`  the stream under which an answer is recorded, empty for a book, None for the rest.
    `is_unlisted(status, body)`   the venue says that it does not know the symbol asked for.
    """

    name: str
    sequence: SequenceRules
    has_counted_trades: bool

    def depth_stream(self, venue_symbol: str, channel: str) -> str: ...

    def trade_stream(self, venue_symbol: str) -> str: ...

    def candle_stream(self, venue_symbol: str) -> str: ...

    def mark_stream(self, venue_symbol: str) -> str: ...

    def liquidation_stream(self, venue_symbol: str) -> str: ...

    def kind_of(self, stream: str) -> FrameKind: ...

    def groups(self, streams: Sequence[str]) -> dict[str, tuple[str, ...]]: ...

    def stream_path(self, group: str, streams: Sequence[str]) -> str: ...

    def rules_targets(self, venue_symbols: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]: ...

    def depth_target(self, venue_symbol: str, level_count: int) -> str: ...

    def candles_target(self, venue_symbol: str, count: int, from_ns: int = 0) -> str: ...

    def mark_target(self, venue_symbol: str) -> str: ...

    def open_interest_target(self, venue_symbol: str) -> str: ...

    def recorded_as(self, target: str) -> str | None: ...

    def is_unlisted(self, status: int, body: bytes) -> bool: ...

    def parse_diff(self, data: bytes) -> DepthDiff: ...

    def parse_partial(self, data: bytes) -> DepthBook: ...

    def parse_depth(self, body: bytes) -> DepthBook: ...

    def parse_trade(self, data: bytes) -> TradePrint: ...

    def parse_candle(self, data: bytes) -> CandlePrint: ...

    def parse_candles(self, body: bytes, venue_symbol: str) -> list[CandlePrint]: ...

    def parse_mark(self, data: bytes) -> MarkPrint: ...

    def parse_mark_answer(self, body: bytes) -> MarkPrint: ...

    def parse_open_interest(self, body: bytes) -> OpenInterestPrint: ...

    def parse_liquidation(self, data: bytes) -> LiquidationPrint: ...

    def parse_control(self, stream: str, frame: bytes) -> CaptureEnd | Shutdown | Answer: ...

    def parse_rules(self, body: bytes, venue_symbols: Collection[str], fees: Fees) -> MarketList: ...
