"""The normalised feed of ccxt venues: frames, rules, and the trust of a book built from it."""

import json
from decimal import Decimal

import msgspec
import pytest

from services.market_data.core import FetchRest, MarketData, OpenStream
from services.market_data.settings import FeedVenue, MarketDataSettings
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, Trade
from shared.units import Side
from shared.venues.base import UNREADABLE, Fees, FrameKind
from shared.venues.remote import REMOTE, ListedMarket, rules_of

OKX = REMOTE["okx"]
SYMBOL = "BTC/USDT"
START_NS = 1_700_000_000_000_000_000
LISTED = ListedMarket(
    SYMBOL, "BTC", "USDT", tick_size="0.1", lot_size="0.001", min_qty="0.001", min_notional="5"
)


def book(n, bids=(), asks=(), ts_ms=START_NS // 10**6) -> bytes:
    levels = {"b": [list(one) for one in bids], "a": [list(one) for one in asks]}
    return json.dumps({"s": SYMBOL, "n": n, "t": ts_ms, **levels}).encode()


def frame(kind, data) -> bytes:
    return b'{"stream":"%s@%s","data":%s}' % (SYMBOL.encode(), kind.encode(), data)


class Rig:
    """A feed core of one okx market; answers come from `respond`."""

    def __init__(self) -> None:
        venue = FeedVenue(name="okx", symbols=(SYMBOL,), url="")
        self.core = MarketData(MarketDataSettings(venues=(venue,)))
        self.now_ns = START_NS
        self.said, self.opened, self.asked = [], [], []
        self.take(self.core.start(self.now_ns))

    def take(self, out) -> None:
        for one in out:
            kept = {OpenStream: self.opened, FetchRest: self.asked}.get(type(one), self.said)
            kept.append(one)

    def answer(self, status, body) -> None:
        self.take(self.core.on_response(self.asked.pop().request_id, status, body, self.now_ns))

    def feed(self, data) -> None:
        self.take(self.core.on_frame(self.opened[-1].connection, data, self.now_ns))

    def open(self) -> "Rig":
        self.answer(200, msgspec.json.encode([LISTED]))
        self.take(self.core.on_connected(self.opened[-1].connection, self.now_ns))
        self.answer(200, book(1, [("100.0", "1")], [("100.1", "2")]))
        self.feed(frame("book", book(2, [("99.9", "3")])))
        return self

    def of(self, kind):
        return [one for one in self.said if type(one) is kind]


def test_one_connection_per_market_carries_its_book_and_trades() -> None:
    streams = ["BTC/USDT@book", "BTC/USDT@trade", "ETH/USDT@book", ""]

    assert OKX.groups(streams) == {
        "BTC/USDT": ("BTC/USDT@book", "BTC/USDT@trade"),
        "ETH/USDT": ("ETH/USDT@book",),
    }
    assert OKX.kind_of("BTC/USDT@book") is FrameKind.DEPTH
    assert OKX.kind_of("BTC/USDT@trade") is FrameKind.TRADE


@pytest.mark.req("MD-26")
def test_a_book_opens_with_its_snapshot_and_follows_counted_changes() -> None:
    rig = Rig().open()

    rig.feed(frame("book", book(3, [("100.0", "0")], [("100.2", "5")])))

    snapshot, update = rig.of(BookSnapshot)[-1], rig.of(BookUpdate)[-1]
    assert snapshot.symbol == "okx:BTC/USDT"
    assert update.update_n == snapshot.update_n + len(rig.of(BookUpdate))
    assert update.last_update_id == 3


@pytest.mark.req("MD-26", "I-31")
def test_a_hole_in_the_count_closes_the_book_until_a_new_snapshot() -> None:
    rig = Rig().open()

    rig.feed(frame("book", book(4, [("99.8", "1")])))

    assert rig.of(BookInvalid)[-1].reason == "gap"
    rig.answer(200, book(4, [("100.0", "1")], [("100.1", "2")]))
    rig.feed(frame("book", book(5, [("99.7", "1")])))
    assert type(rig.said[-1]) in (BookSnapshot, BookUpdate)


@pytest.mark.req("MD-26")
def test_a_market_that_is_lost_closes_its_book_and_is_opened_again() -> None:
    rig = Rig().open()

    rig.take(rig.core.on_disconnected(rig.opened[-1].connection, "NetworkError", rig.now_ns))

    assert (rig.of(BookInvalid)[-1].reason, rig.of(BookInvalid)[-1].detail) == (
        "disconnected",
        "NetworkError",
    )
    assert rig.opened[-1].after_ms > 0


def test_trades_are_taken_once_and_jumps_of_their_numbers_are_no_loss() -> None:
    rig = Rig().open()
    trade = {"s": SYMBOL, "n": 10, "t": START_NS // 10**6, "p": "100.1", "q": "0.5", "m": True}

    for n in (10, 10, 500_000):
        rig.feed(frame("trade", json.dumps({**trade, "n": n}).encode()))

    assert [(one.trade_id, one.qty_lots, one.side) for one in rig.of(Trade)] == [
        (10, 500, Side.SELL),
        (500_000, 500, Side.SELL),
    ]
    assert rig.core.venues["okx"].markets[SYMBOL].tape.missing_count == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"s":"BTC/USDT"}',
        b'{"s":"BTC/USDT","n":-1,"t":1,"b":[],"a":[]}',
        b'{"s":"BTC/USDT","n":"1","t":1,"b":[],"a":[]}',
        b'{"s":7,"n":1,"t":1,"b":[],"a":[]}',
        b'{"s":"BTC/USDT","n":1,"t":1,"b":[[1.5,"2"]],"a":[]}',
    ],
)
def test_a_frame_with_fields_missing_or_of_wrong_types_is_refused(data) -> None:
    for parse in (OKX.parse_diff, OKX.parse_depth, OKX.parse_trade, OKX.parse_partial):
        with pytest.raises(UNREADABLE):
            parse(data)


def test_streams_that_ccxt_venues_do_not_have_are_refused() -> None:
    for parse in (OKX.parse_candle, OKX.parse_mark, OKX.parse_mark_answer, OKX.parse_open_interest):
        with pytest.raises(ValueError, match="okx"):
            parse(b"{}")
    with pytest.raises(ValueError, match="not asked for"):
        OKX.parse_control("x", b"{}")
    assert OKX.candle_stream(SYMBOL) == OKX.mark_stream(SYMBOL) == OKX.liquidation_stream(SYMBOL) == ""
    assert OKX.mark_target(SYMBOL) == OKX.open_interest_target(SYMBOL) == OKX.candles_target(SYMBOL, 1) == ""


@pytest.mark.req("MD-26", "BR-26")
def test_rules_are_exact_and_limits_are_rounded_to_the_safe_side() -> None:
    rules = rules_of("okx", LISTED, Fees(1000, 1500))

    assert (rules.symbol, rules.tick_size, rules.lot_size) == ("okx:BTC/USDT", "0.1", "0.001")
    assert rules.min_qty_lots == 1
    assert Decimal(rules.min_notional_atoms).scaleb(-rules.quote_exponent) == 5
    assert Decimal(rules.tick_lot_atoms).scaleb(-rules.quote_exponent) == Decimal("0.0001")
    assert (rules.maker_fee_ppm, rules.taker_fee_ppm, rules.status) == (1000, 1500, "TRADING")


@pytest.mark.parametrize(
    "changes",
    [{"tick_size": "0"}, {"lot_size": "-1"}, {"tick_size": "x"}, {"min_qty": "NaN"}, {"tick_size": "1e-40"}],
)
def test_a_market_with_rules_that_cannot_be_carried_is_named_with_the_reason(changes) -> None:
    listed = msgspec.structs.replace(LISTED, **changes)

    found = OKX.parse_rules(msgspec.json.encode([listed]), [SYMBOL], Fees(0, 0))

    assert found.rules == {}
    assert found.unusable[SYMBOL]


def test_a_defect_that_the_child_found_is_told() -> None:
    listed = ListedMarket(SYMBOL, defect="no tick")

    assert OKX.parse_rules(msgspec.json.encode([listed]), [SYMBOL], Fees(0, 0)).unusable == {
        SYMBOL: "no tick"
    }
    assert OKX.is_unlisted(404, b"")
    assert OKX.recorded_as("book/BTC/USDT") == ""
