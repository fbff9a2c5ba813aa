"""One pass over captures: which markets they hold, their tick and lot sizes, and the recorded snapshots."""

import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from math import gcd
from typing import NamedTuple

import msgspec

from services.venue_sim.capture_file import (
    CaptureLine,
    bad_line,
    capture_origin_ns,
    read_capture,
    venue_of_capture,
)
from services.venue_sim.streams import AGG_TRADE, BOOK_TICKER, DEPTH, KLINES, TRADE, kind_of
from services.venue_sim.venue import USDM, Market
from shared.errors import UNDECODABLE, ConfigError

DECIMALS_MAX = 18
WHOLE_DIGITS_MAX = 40


class Depth(msgspec.Struct, gc=False):
    """A depth diff or a REST snapshot."""

    E: int = 0
    T: int = 0
    U: int = 0
    u: int = -1
    pu: int = -1
    b: list[tuple[str, str]] = []
    a: list[tuple[str, str]] = []
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []
    last_update_id: int = msgspec.field(default=-1, name="lastUpdateId")


class _Trade(msgspec.Struct, gc=False):
    p: str
    q: str


class _Ticker(msgspec.Struct, gc=False):
    b: str
    B: str
    a: str
    A: str


depth_decoder = msgspec.json.Decoder(Depth)
_trade_decoder = msgspec.json.Decoder(_Trade)
_ticker_decoder = msgspec.json.Decoder(_Ticker)
_rows_decoder = msgspec.json.Decoder(list[list[int | str]])


def scaled(text: str) -> int:
    """Return a plain decimal text as a whole number of 1e-18; raises ValueError on any other text."""
    whole, _, fraction = text.partition(".")
    if not (whole + fraction).isdigit() or len(fraction) > DECIMALS_MAX or len(whole) > WHOLE_DIGITS_MAX:
        raise ValueError(f"{text[:60]!r} is no plain non-negative decimal number")
    return int(whole + fraction.ljust(DECIMALS_MAX, "0"))


@dataclass(slots=True)
class StepFinder:
    """The greatest step that divides all texts seen, and their decimals."""

    step: int = 0
    decimals: int = 0
    _seen: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Take one price or quantity text."""
        if text in self._seen:
            return
        if len(self._seen) > 20_000:
            self._seen.clear()
        self._seen.add(text)
        self.step = gcd(self.step, scaled(text))
        self.decimals = max(self.decimals, len(text.partition(".")[2]))

    def text(self) -> str:
        """Return the step as a plain decimal text."""
        return format(Decimal(self.step).scaleb(-DECIMALS_MAX).normalize(), "f")


class Snapshot(NamedTuple):
    """A recorded REST answer and the line after which the venue's own book takes over."""

    order: tuple[int, int, int]
    update_id: int
    best_bid: int
    packed: bytes

    def body(self) -> bytes:
        """Return the answer as it was recorded."""
        return zlib.decompress(self.packed)


@dataclass(slots=True)
class MarketScan:
    """What is known of one market of one venue after the pass."""

    prices: StepFinder = field(default_factory=StepFinder)
    quantities: StepFinder = field(default_factory=StepFinder)
    snapshots: list[Snapshot] = field(default_factory=list)
    files: dict[int, tuple[int, int]] = field(default_factory=dict)
    has_depth: bool = False
    reference_price: int = 0
    bid_seen: int = 0
    channels: set[str] = field(default_factory=set)
    history: bytes = b""


@dataclass(slots=True)
class CaptureScan:
    """The result of the pass; `venues[n]` is the venue of file n."""

    venues: list[str]
    origin_ns: int
    first_ns: int = 0
    frames: int = 0
    markets: dict[tuple[str, str], MarketScan] = field(default_factory=dict)
    streams: set[tuple[str, str]] = field(default_factory=set)

    def market_list(self, venue: str) -> list[Market]:
        """Return the markets of a venue in the order of their names."""
        return [
            Market(
                venue, name, m.prices.text(), m.quantities.text(), m.prices.decimals, m.quantities.decimals
            )
            for (at, name), m in sorted(self.markets.items(), key=lambda item: item[0])
            if at == venue
        ]


def scan_captures(files: tuple[str, ...], allow_truncated: bool = False) -> CaptureScan:
    """Read all captures once; raises ConfigError for whatever cannot be played."""
    if not files:
        raise ConfigError("simulator.mode is capture but simulator.files is empty; name at least one capture")
    venues = [venue_of_capture(path, allow_truncated) for path in files]
    scan = CaptureScan(venues=venues, origin_ns=capture_origin_ns(files, allow_truncated))
    for file_n, path in enumerate(files):
        loose: list[Snapshot] = []
        for line in read_capture(path, allow_truncated, file_n):
            scan.first_ns = min(scan.first_ns or line.recv_ns, line.recv_ns)
            try:
                if line.stream:
                    _take_frame(scan, venues[file_n], line)
                else:
                    loose.append(_snapshot(line))
            except UNDECODABLE as error:
                raise bad_line(path, line.line_n, str(error)) from None
        for snapshot in loose:
            _assign(scan, file_n, path, snapshot)
    _check(scan, files)
    return scan


def _take_frame(scan: CaptureScan, venue: str, line: CaptureLine) -> None:
    symbol = line.stream.partition("@")[0]
    scan.frames += 1
    scan.streams.add((venue, line.stream))
    kind = kind_of(line.stream)
    market = scan.markets.setdefault((venue, symbol.upper()), MarketScan())
    first_ns, _ = market.files.setdefault(line.file_n, (line.recv_ns, line.recv_ns))
    market.files[line.file_n] = (first_ns, line.recv_ns)
    channel = line.stream.partition("@")[2]
    market.channels.add(channel)
    if kind == DEPTH:
        diff = depth_decoder.decode(line.data)
        if (diff.pu >= 0) != (venue == USDM):
            raise ValueError(f"is a depth frame of another venue than the rest of the file ({venue})")
        market.has_depth = True
        market.bid_seen = market.bid_seen or max((scaled(price) for price, _ in diff.b), default=0)
        _take_levels(market, diff.b)
        _take_levels(market, diff.a)
    elif kind in {TRADE, AGG_TRADE}:
        trade = _trade_decoder.decode(line.data)
        market.prices.add(trade.p)
        market.quantities.add(trade.q)
        market.reference_price = market.reference_price or scaled(trade.p)
    elif kind == BOOK_TICKER:
        ticker = _ticker_decoder.decode(line.data)
        _take_levels(market, [(ticker.b, ticker.B), (ticker.a, ticker.A)])
        market.reference_price = market.reference_price or scaled(ticker.b)
    elif channel == KLINES and not market.history:
        market.history = zlib.compress(msgspec.json.encode(_rows_decoder.decode(line.data)), 1)


def _take_levels(market: MarketScan, levels: list[tuple[str, str]]) -> None:
    for price, quantity in levels:
        market.prices.add(price)
        market.quantities.add(quantity)


def _snapshot(line: CaptureLine) -> Snapshot:
    depth = depth_decoder.decode(line.data)
    for price, quantity in (*depth.bids, *depth.asks):
        scaled(price)
        scaled(quantity)
    best = scaled(depth.bids[0][0]) if depth.bids else 0
    return Snapshot(line[:3], depth.last_update_id, best, zlib.compress(line.data, 1))


def _assign(scan: CaptureScan, file_n: int, path: str, snapshot: Snapshot) -> None:
    """Give a snapshot, which names no symbol, to the market of its file whose prices are nearest."""
    markets = [m for m in scan.markets.values() if file_n in m.files and m.has_depth]
    if not markets:
        raise bad_line(path, snapshot.order[2], "is a snapshot in a file without depth frames")
    distance, market = min(
        ((abs((m.reference_price or m.bid_seen) - snapshot.best_bid), m) for m in markets),
        key=lambda item: item[0],
    )
    if len(markets) > 1 and distance * 5 > snapshot.best_bid:
        raise bad_line(path, snapshot.order[2], "is a snapshot that fits no market of the file")
    market.snapshots.append(snapshot)
    depth = depth_decoder.decode(snapshot.body())
    _take_levels(market, depth.bids)
    _take_levels(market, depth.asks)


def _check(scan: CaptureScan, files: tuple[str, ...]) -> None:
    for (venue, name), market in scan.markets.items():
        if not market.prices.step or not market.quantities.step:
            raise ConfigError(
                f"the captures hold no price and quantity of {venue}:{name}; record its depth, trade or "
                "bookTicker stream too, or leave the market out"
            )
        spans = sorted((span, n) for n, span in market.files.items())
        for (before, n), (after, later) in pairwise(spans):
            if after[0] < before[1]:
                raise ConfigError(
                    f"captures {files[n]} and {files[later]} cover the same time of {venue}:{name}; "
                    "give one of them"
                )
        market.snapshots.sort()
