"""Recorded frames of other venues through ccxt's own handlers, against a plain rebuild of the same frames."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import pytest

LEVELS = 20
STRIDE = 5
Change = tuple[str, str, str]
"""Side (`b` or `a`), price, quantity."""


class Recorded(NamedTuple):
    """One market of a recording; `adapt` turns what the venue renamed since into today's words."""

    venue: str
    file: str
    market_id: str
    symbol: str
    rebuild: str
    least_updates: int
    trades: str = ""
    adapt: Callable[[str], str] = str


RECORDED = [
    Recorded("okx", "OKX.ws.1.0", "BTC-USDT", "BTC/USDT", "okx", 90, "okx"),
    Recorded(
        "bitget",
        "BITGET.ws.1.0",
        "EOSUSDT",
        "EOS/USDT",
        "okx",
        50,
        adapt=lambda text: text.replace('"instType":"sp"', '"instType":"SPOT"'),
    ),
    Recorded("kucoin", "KUCOIN.ws.1.0", "BCHSV-USDT", "BSV/USDT", "kucoin", 1500, "kucoin"),
    Recorded("coinbaseexchange", "COINBASE.ws.28.0", "YFI-BTC", "YFI/BTC", "coinbase", 480),
    Recorded(
        "deribit",
        "DERIBIT.ws.1.0",
        "BTC-24SEP21-34000-P",
        "BTC/USD:USD",
        "deribit",
        1,
        adapt=lambda text: text.replace('.raw"', '.100ms"'),
    ),
    Recorded("gemini", "GEMINI.ws.1.0", "batbtc", "BAT/BTC", "gemini", 40),
    Recorded("bitstamp", "BITSTAMP.ws.1.0", "ethusd", "ETH/USD", "bitstamp", 70, "bitstamp"),
    Recorded("bitfinex", "BITFINEX.ws.11.0", "tMNABTC", "MNA/BTC", "bitfinex", 300),
    Recorded("ccxt_binance", "BINANCE.ws.1.0", "NKNUSDT", "NKN/USDT", "binance", 140),
]
CHANGED = [
    Recorded("bybit", "BYBIT.ws.25.0", "ETHUSDT", "ETH/USDT:USDT", "", 0),
    Recorded("kraken", "KRAKEN.ws.50.0", "XMR/USD", "XMR/USD", "", 0),
    Recorded("gate", "GATEIO.ws.1.0", "BTC_USDC", "BTC/USDC", "", 0),
]


def frames(folder, recorded: Recorded) -> Iterator[str]:
    """Yield the frames that a connection of this market alone would get."""
    with gzip.open(folder / f"{recorded.file}.gz", "rt") as file:
        for line in file:
            stamp, _, text = line.partition(": ")
            name = recorded.market_id.lower()
            is_ours = name in text.lower() or '"result"' in text[:60] or recorded.venue == "bitfinex"
            if stamp.replace(".", "").isdigit() and text.strip() and is_ours:
                yield recorded.adapt(text.strip())


def snapshots(folder, recorded: Recorded) -> dict[str, Any]:
    """Return {url: answer} of the REST books that were recorded beside."""
    path = folder / f"{recorded.file.partition('.')[0]}.http.0.0.gz"
    found = {}
    if path.exists():
        with gzip.open(path, "rt") as file:
            for line in file:
                url, arrow, rest = line.partition(" -> ")
                if arrow and recorded.market_id.lower() in url.lower():
                    found[url] = json.loads(rest.partition(": ")[2])
    return found


class Plain:
    """A book of dicts, and the trades; one method per venue reads a frame."""

    def __init__(self, recorded: Recorded, rest: dict[str, Any]) -> None:
        self.recorded = recorded
        self.sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self.trades: list[tuple[Decimal, Decimal, bool]] = []
        self._rest = next(iter(rest.values()), None)
        self._from_id = 0
        self._channel = 0
        if self._rest is not None:
            book = self._rest.get("data", self._rest)
            self._from_id = int(book.get("sequence") or book.get("microtimestamp") or book["lastUpdateId"])
            self.load([("b", p, q) for p, q in book["bids"]] + [("a", p, q) for p, q in book["asks"]])

    def load(self, changes: list[Change]) -> None:
        self.sides = {"b": {}, "a": {}}
        self.apply(changes)

    def apply(self, changes: list[Change]) -> None:
        for side, price, qty in changes:
            if Decimal(qty):
                self.sides[side][Decimal(price)] = Decimal(qty)
            else:
                self.sides[side].pop(Decimal(price), None)

    def best(self, count: int) -> tuple[list, list]:
        bids = sorted(self.sides["b"].items(), reverse=True)[:count]
        return bids, sorted(self.sides["a"].items())[:count]

    def take(self, text: str) -> None:
        getattr(self, self.recorded.rebuild)(json.loads(text))

    def okx(self, frame) -> None:
        channel = frame.get("arg", {}).get("channel")
        for data in frame.get("data", []):
            if channel == "books":
                levels = [("b", *level[:2]) for level in data["bids"]] + [
                    ("a", *level[:2]) for level in data["asks"]
                ]
                (self.load if frame["action"] == "snapshot" else self.apply)(levels)
            elif channel == "trades":
                self.trades.append((Decimal(data["px"]), Decimal(data["sz"]), data["side"] == "sell"))

    def kucoin(self, frame) -> None:
        data = frame.get("data", {})
        if frame.get("subject") == "trade.l3match":
            self.trades.append((Decimal(data["price"]), Decimal(data["size"]), data["side"] == "sell"))
        for side, name in (("b", "bids"), ("a", "asks")):
            levels = data.get("changes", {}).get(name, [])
            self.apply([(side, p, q) for p, q, n in levels if int(n) > self._from_id and Decimal(p)])

    def coinbase(self, frame) -> None:
        if frame["type"] == "snapshot":
            self.load([("b", p, q) for p, q in frame["bids"]] + [("a", p, q) for p, q in frame["asks"]])
        elif frame["type"] == "l2update":
            self.apply([("b" if side == "buy" else "a", p, q) for side, p, q in frame["changes"]])

    def deribit(self, frame) -> None:
        params = frame.get("params", {})
        if params.get("channel", "").startswith("book."):
            data = params["data"]
            changes = [(s, str(p), str(q)) for s, n in (("b", "bids"), ("a", "asks")) for _, p, q in data[n]]
            (self.load if data["type"] == "snapshot" else self.apply)(changes)

    def gemini(self, frame) -> None:
        if frame["type"] == "l2_updates":
            self.apply([("b" if side == "buy" else "a", p, q) for side, p, q in frame["changes"]])

    def bitstamp(self, frame) -> None:
        data = frame["data"]
        if frame["event"] == "trade":
            self.trades.append((Decimal(data["price_str"]), Decimal(data["amount_str"]), data["type"] == 1))
        if int(data.get("microtimestamp", 0)) > self._from_id and "bids" in data:
            self.apply([("b", p, q) for p, q in data["bids"]] + [("a", p, q) for p, q in data["asks"]])

    def bitfinex(self, frame) -> None:
        if isinstance(frame, dict):
            if frame.get("channel") == "book" and frame.get("symbol") == self.recorded.market_id:
                self._channel = frame["chanId"]
            return
        if frame[0] != self._channel or frame[1] == "hb":
            return
        levels = frame[1] if isinstance(frame[1][0], list) else [frame[1]]
        for price, order_count, amount in levels:
            qty = str(abs(Decimal(repr(amount)))) if order_count else "0"
            self.apply([("b" if amount > 0 else "a", repr(price), qty)])

    def binance(self, frame) -> None:
        data = frame["data"]
        if data.get("e") == "depthUpdate" and data["u"] > self._from_id:
            self.apply([("b", p, q) for p, q in data["b"]] + [("a", p, q) for p, q in data["a"]])


def respond(rest: dict[str, Any]) -> Callable[[str], Any]:
    def answer(url: str) -> Any:
        if "bullet" in url:
            server = {"endpoint": "wss://recorded", "pingInterval": 18_000}
            return {"code": "200000", "data": {"token": "t", "instanceServers": [server]}}
        return next(iter(rest.values()))

    return answer


async def compare(replay, folder, recorded: Recorded) -> tuple[int, list, list]:
    """Feed a recording to both and compare; return the count of updates, and the trades of both."""
    rest = snapshots(folder, recorded)
    feed = replay(recorded.venue, recorded.market_id, recorded.symbol, respond(rest))
    plain = Plain(recorded, rest)
    await feed.settle()
    if recorded.rebuild == "binance":  # these were subscribed by the address; ccxt waits for an answer
        for n in (1, 2):
            await feed.feed(json.dumps({"result": None, "id": n}))
    turn = count()
    for text in frames(folder, recorded):
        plain.take(text)
        is_trade_array = recorded.venue == "bitget" and '"channel":"trade"' in text  # 2022: arrays
        if not is_trade_array:
            await feed.feed(json.dumps(json.loads(text)["data"]) if recorded.rebuild == "binance" else text)
        if feed.is_up and next(turn) % STRIDE == 0:
            assert feed.best(LEVELS) == plain.best(LEVELS), text[:200]
    assert feed.downs == []
    assert feed.best(LEVELS) == plain.best(LEVELS)
    said = [(Decimal(one["p"]), Decimal(one["q"]), one["m"]) for one in feed.frames("trade")]
    await feed.follower.close()
    return len(feed.frames("book")), said, plain.trades


@pytest.mark.req("MD-26")
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: one.venue)
def test_recorded_books_and_trades_equal_a_plain_rebuild(replay, captures, recorded) -> None:
    updates, said, traded = asyncio.run(compare(replay, captures / "cryptofeed", recorded))

    assert updates >= recorded.least_updates
    if recorded.trades:
        assert said
        assert said == traded[len(traded) - len(said) :]


@pytest.mark.req("MD-26")
def test_recorded_trades_of_gate_are_current_while_its_books_have_changed(replay, captures) -> None:
    recorded = Recorded("gate", "GATEIO.ws.1.0", "NEO_BTC", "NEO/BTC", "", 0)

    async def run() -> list[tuple[str, str, bool]]:
        feed = replay("gate", "NEO_BTC", "NEO/BTC", respond({}))
        feed.follower.is_up = True
        await feed.settle()
        for text in frames(captures / "cryptofeed", recorded):
            await feed.feed(text)
        await feed.follower.close()
        return [(one["p"], one["q"], one["m"]) for one in feed.frames("trade")]

    assert ("0.0018697", "0.5", True) in asyncio.run(run())


@pytest.mark.req("MD-26")
@pytest.mark.parametrize("recorded", CHANGED, ids=lambda one: one.venue)
def test_frames_of_a_format_that_the_venue_left_never_make_a_book(replay, captures, recorded) -> None:
    async def run() -> bool:
        feed = replay(recorded.venue, recorded.market_id, recorded.symbol, respond({}))
        await feed.settle()
        for text in list(frames(captures / "cryptofeed", recorded))[:200]:
            await feed.feed(text)
        await feed.follower.close()
        return feed.is_up or feed.follower.book.n > 0

    assert asyncio.run(run()) is False
