"""A feed core in virtual time: answers its requests, plays frames at it, keeps what it says."""

import gzip
import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.market_data.core import CloseStream, FetchRest, MarketData, OpenStream
from services.market_data.settings import FeedVenue, MarketDataSettings
from shared.kernels.book import Book
from shared.messages.market import (  # noqa: F401  (names of the kit)
    BookInvalid,
    BookSnapshot,
    BookUpdate,
    CaptureFinished,
    FeedStatus,
    InstrumentRules,
    PriceUpdate,
    Trade,
)
from shared.units import NS_PER_MS

STEPS = {"binance": ("0.01000000", "0.00001000"), "binance_usdm": ("0.10", "0.001")}


def exchange_info(*names: str, tick: str, lot: str, status: str = "TRADING") -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00", "stepSize": lot},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
    ]
    symbols = [
        {"symbol": n, "status": status, "baseAsset": n[:-4], "quoteAsset": n[-4:], "filters": filters}
        for n in names
    ]
    return json.dumps({"symbols": symbols}).encode()


@dataclass
class PlainBook:
    """An independent rebuild: dicts of Decimal."""

    last_id: int = 0
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)

    def load(self, body: dict[str, Any]) -> None:
        self.last_id = body["lastUpdateId"]
        self.bids = {Decimal(p): Decimal(q) for p, q in body["bids"]}
        self.asks = {Decimal(p): Decimal(q) for p, q in body["asks"]}

    def apply(self, diff: dict[str, Any]) -> None:
        self.last_id = diff["u"]
        for side, levels in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, qty in levels:
                if Decimal(qty) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = Decimal(qty)

    def touch(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        bid, ask = max(self.bids), min(self.asks)
        return bid, self.bids[bid], ask, self.asks[ask]

    def body(self, count: int = 1000) -> bytes:
        bids = sorted(self.bids.items(), reverse=True)[:count]
        asks = sorted(self.asks.items())[:count]
        return json.dumps(
            {
                "lastUpdateId": self.last_id,
                "bids": [(format(p, "f"), format(q, "f")) for p, q in bids],
                "asks": [(format(p, "f"), format(q, "f")) for p, q in asks],
            }
        ).encode()


class Rig:
    """Drives a `MarketData`: `frame`, `pass_ms` and the answers of `respond(venue, target)`."""

    def __init__(
        self, settings: MarketDataSettings, respond: Callable[[str, str], tuple[int, bytes]]
    ) -> None:
        self.core = MarketData(settings)
        self.respond = respond
        self.now_ns = 1_700_000_000_000_000_000
        self.said: list[Any] = []
        self.opened: list[OpenStream] = []
        self.closed: list[str] = []
        self.fetched: list[tuple[int, str]] = []
        self.is_connecting = True
        self.rest_ms = 5
        self.up: set[str] = set()
        self._order = 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._next_poll_ns = 0

    def start(self) -> "Rig":
        self._take(self.core.start(self.now_ns))
        self.pass_ms(20)
        return self

    def _take(self, out: list[Any]) -> None:
        for item in out:
            if isinstance(item, OpenStream):
                self.opened.append(item)
                if self.is_connecting:
                    self._at(item.after_ms, lambda i=item: self.connect(i.connection))
            elif isinstance(item, CloseStream):
                self.closed.append(item.connection)
                self.up.discard(item.connection)
            elif isinstance(item, FetchRest):
                self._at(item.after_ms + self.rest_ms, lambda i=item: self._answer(i))
            else:
                self.said.append(item)

    def _at(self, after_ms: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._later, (self.now_ns + after_ms * NS_PER_MS, self._order, action))

    def _answer(self, request: FetchRest) -> None:
        self.fetched.append((self.now_ns, request.target))
        status, body = self.respond(request.venue, request.target)
        self._take(self.core.on_response(request.request_id, status, body, self.now_ns))

    def connect(self, connection: str) -> None:
        self.up.add(connection)
        self._take(self.core.on_connected(connection, self.now_ns))

    def disconnect(self, connection: str, reason: str = "cut") -> None:
        for item in self.opened:
            if item.venue == connection:
                connection = item.connection
                break
        if connection not in self.up:
            return
        self.up.discard(connection)
        self._take(self.core.on_disconnected(connection, reason, self.now_ns))

    def backlog(self, behind: int) -> None:
        self._take(self.core.on_backlog(behind, self.now_ns))

    def at(self, now_ns: int) -> None:
        """Let time pass until `now_ns`: answers, connections and polls on the way."""
        while True:
            due_ns = min([self._next_poll_ns, *(item[0] for item in self._later[:1])])
            if due_ns > now_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            if self._later and self._later[0][0] <= self.now_ns:
                heapq.heappop(self._later)[2]()
            else:
                self._next_poll_ns = self.now_ns + 50 * NS_PER_MS
                self._take(self.core.on_time(self.now_ns))
        self.now_ns = max(self.now_ns, now_ns)

    def pass_ms(self, ms: int) -> None:
        self.at(self.now_ns + ms * NS_PER_MS)

    def raw(self, connection: str, frame: bytes) -> None:
        """Deliver a frame; on a connection that is down it is lost, as it would be.

        `connection` may name the venue: the frame goes to the connection that carries its stream.
        """
        stream = frame[11 : frame.find(b'"', 11)].decode(errors="replace")
        for item in self.opened:
            if item.venue == connection and stream in item.streams:
                connection = item.connection
        if connection not in self.up:
            return
        self._take(self.core.on_frame(connection, frame, self.now_ns))

    def frame(self, connection: str, stream: str, data: dict[str, Any]) -> None:
        self.raw(connection, json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode())

    def of(self, *kinds: type, symbol: str = "") -> list[Any]:
        return [m for m in self.said if isinstance(m, kinds) and (not symbol or m.symbol == symbol)]


class LogBook:
    """What a consumer of the log makes of the book messages of one symbol; its touch as Decimals."""

    def __init__(self, symbol: str, tick: str, lot: str) -> None:
        self.symbol, self.tick, self.lot = symbol, Decimal(tick), Decimal(lot)
        self.book = Book()
        self.last_id = 0

    def take(self, message: Any) -> bool:
        """Apply one message of the log; whether it was an applied depth event."""
        if getattr(message, "symbol", "") != self.symbol:
            return False
        if isinstance(message, BookSnapshot):
            self.book.snapshot(message.levels, message.bid_count, message.update_n)
            self.last_id = message.last_update_id
        elif isinstance(message, BookInvalid):
            self.book.invalidate()
        elif isinstance(message, BookUpdate):
            assert self.book.is_valid, "an update of a closed book"
            assert self.book.update(message.levels, message.bid_count, message.update_n)
            self.last_id = message.last_update_id
            return True
        return False

    def touch(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        b = self.book
        return b.bid_ticks * self.tick, b.bid_lots * self.lot, b.ask_ticks * self.tick, b.ask_lots * self.lot


DEPTH = "btcusdt@depth@100ms"


class Venue:
    """Answers for tests that need no more than one book; its fields may be changed meanwhile."""

    def __init__(self) -> None:
        self.depth, self.status = book(), 200
        self.tick, self.lot, self.info_status = "0.10", "0.001", "TRADING"

    def __call__(self, venue: str, target: str) -> tuple[int, bytes]:
        if "exchangeInfo" in target:
            names = ("BTCUSDT", "ETHUSDT") if venue == "binance_usdm" else ("BTCUSDT",)
            return 200, exchange_info(*names, tick=self.tick, lot=self.lot, status=self.info_status)
        return self.status, self.depth


def book(
    last_id: int = 100,
    bids: Any = (("100.0", "1"), ("99.0", "2")),
    asks: Any = (("101.0", "1"), ("102.0", "3")),
) -> bytes:
    return json.dumps({"lastUpdateId": last_id, "E": 0, "T": 0, "bids": bids, "asks": asks}).encode()


def diff(
    rig: Rig,
    last_id: int,
    previous: int,
    bids: Any = (),
    asks: Any = (),
    age_ms: int = 0,
    symbol: str = "BTCUSDT",
) -> dict[str, Any]:
    now_ms = rig.now_ns // 1_000_000 - age_ms
    return {
        "e": "depthUpdate", "E": now_ms, "T": now_ms, "s": symbol,
        "U": previous + 1, "u": last_id, "pu": previous, "b": list(bids), "a": list(asks),
    }  # fmt: skip


def trade(rig: Rig, trade_id: int, price: str = "100.5", qty: str = "0.5", **others: Any) -> dict[str, Any]:
    now_ms = rig.now_ns // 1_000_000
    return {"e": "aggTrade", "E": now_ms, "s": "BTCUSDT", "a": trade_id, "p": price, "q": qty,
            "f": 1, "l": 1, "T": now_ms, "m": True, **others}  # fmt: skip


def live(rig: Rig, last_id: int = 110, previous: int = 100) -> Rig:
    """Let the book become open, and forget what was said until then."""
    rig.frame("binance_usdm", DEPTH, diff(rig, last_id, previous))
    rig.said.clear()
    return rig


def reasons(rig: Rig) -> list[str]:
    return [m.reason for m in rig.of(BookInvalid)]


def capture_lines(*paths: Path) -> Iterator[tuple[int, bytes]]:
    for path in paths:
        with gzip.open(path) as file:
            for line in file:
                ts, _, frame = line.partition(b" ")
                yield int(ts), frame.rstrip()


def one_market(venue: str, name: str = "BTCUSDT", **others: Any) -> MarketDataSettings:
    """Return settings of one market; candles and facts only where a test asks for them."""
    others = {"candles": False, "facts": False} | others
    return MarketDataSettings(
        venues=(
            FeedVenue(name=venue, symbols=(name,), depth_channel=others.pop("depth_channel", "depth@100ms")),
        ),
        **others,
    )


@pytest.fixture(scope="session")
def kit() -> Any:
    """The builders of this folder as one namespace."""

    class Kit:
        pass

    for name, value in globals().items():
        if not name.startswith("_"):
            setattr(
                Kit,
                name,
                value if isinstance(value, type) else staticmethod(value) if callable(value) else value,
            )
    return Kit


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def rig(venue: Venue) -> Rig:
    """A started feed of binance_usdm:BTCUSDT, connected, its first book held."""
    return Rig(one_market("binance_usdm"), venue).start()
