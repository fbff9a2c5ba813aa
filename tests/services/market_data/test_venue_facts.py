"""Candles and facts of a venue through the whole feed: asked for, followed, never in the way of a book."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.settings import FeedVenue, MarketDataSettings
from shared.messages.market import Basis, Candle, FundingRate, Liquidation, OpenInterest, Regime

S = 1000
MINUTE = 60_000
MARKET = "binance_usdm/market"
KLINE, MARK, FORCE = "btcusdt@kline_1m", "btcusdt@markPrice@1s", "btcusdt@forceOrder"
DEPTH = "btcusdt@depth@100ms"


def row(open_ms, volume="5.000"):
    return [open_ms, "100.0", "101.0", "99.0", "100.5", volume, open_ms + 59_999, "500", 9, "2", "200", "0"]


class FactsVenue:
    """Answers what a book needs, and the facts of its fields; `status` is of facts alone."""

    def __init__(self, kit):
        self.kit = kit
        self.status = 200
        self.candles, self.premium = None, None
        self.interest = "1000.000"
        self.now_ms = 0

    def rows(self, count=61):
        open_ms = self.now_ms // MINUTE * MINUTE
        return [row(open_ms - n * MINUTE) for n in reversed(range(count))]

    def __call__(self, venue, target):
        if "exchangeInfo" in target:
            tick, lot = self.kit.STEPS[venue]
            return 200, self.kit.exchange_info("BTCUSDT", "ETHUSDT", tick=tick, lot=lot)
        if "/depth?" in target:
            return 200, self.kit.book()
        if self.status != 200:
            return self.status, b'{"code":-1001}'
        if "/klines?" in target:
            return 200, self.candles if self.candles is not None else json.dumps(self.rows()).encode()
        if "/openInterest?" in target:
            answer = {"openInterest": self.interest, "symbol": "BTCUSDT", "time": self.now_ms}
            return 200, json.dumps(answer).encode()
        return 200, self.premium or b"{}"


@pytest.fixture
def facts_rig(kit):
    """Return a maker of started rigs with candles and facts, and the venue behind them."""

    def make(has_book=True, **changes):
        venue = FactsVenue(kit)
        rig = kit.Rig(kit.one_market("binance_usdm", **({"candles": True, "facts": True} | changes)), venue)
        venue.now_ms = rig.now_ns // 10**6
        rig.venue = venue
        rig.start()
        if has_book:
            rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100))
        return rig

    return make


def kline(rig, minute=0, *, closed=False, volume="1.000", name="BTCUSDT"):
    now_ms = rig.now_ns // 10**6
    open_ms = now_ms // MINUTE * MINUTE + minute * MINUTE
    body = {"t": open_ms, "T": open_ms + 59_999, "s": name, "i": "1m", "f": 1, "L": 2, "o": "100.0",
            "c": "100.0", "h": "100.5", "l": "99.5", "v": volume, "n": 3, "x": closed, "q": "1", "V": "1",
            "Q": "1", "B": "0"}  # fmt: skip
    return {"e": "kline", "E": max(now_ms, open_ms + 60_000) if closed else now_ms, "s": name, "k": body}


def mark(rig, rate="0.00010000"):
    now_ms = rig.now_ns // 10**6
    return {"e": "markPriceUpdate", "E": now_ms, "s": "BTCUSDT", "p": "100.1", "i": "100.2", "P": "1",
            "r": rate, "T": now_ms + 3_600_000}  # fmt: skip


def force(rig, qty="1.000"):
    now_ms = rig.now_ns // 10**6
    order = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": qty, "p": "100.0", "ap": "100.0",
             "X": "FILLED", "l": qty, "z": qty, "T": now_ms}  # fmt: skip
    return {"e": "forceOrder", "E": now_ms, "o": order}


def asked(rig, what):
    return [target for _, target in rig.fetched if what in target]


@pytest.mark.req("MD-16")
def test_the_start_says_the_closed_history_before_the_open_candle(facts_rig):
    rig = facts_rig(candle_history=30)
    rig.pass_ms(100)

    candles = rig.of(Candle)
    assert asked(rig, "klines") == ["/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=31"]
    assert len([c for c in candles if c.is_closed]) == 60
    assert [c.is_closed for c in candles] == [True] * 60 + [False]
    assert [c.open_ns for c in candles] == sorted({c.open_ns for c in candles})
    assert candles[0].volume_lots == 5000
    assert rig.opened[1].streams[:4] == ("btcusdt@aggTrade", KLINE, MARK, FORCE)


@pytest.mark.req("MD-16")
def test_the_stream_goes_on_from_the_history_and_a_reconnect_refills_what_was_missed(facts_rig):
    rig = facts_rig(silence_ms=10**9)
    rig.pass_ms(100)
    rig.said.clear()
    start_ms = rig.now_ns // 10**6 // MINUTE * MINUTE

    rig.frame("binance_usdm", KLINE, kline(rig, closed=True))
    rig.disconnect(MARKET)
    rig.fetched.clear()
    rig.pass_ms(3 * MINUTE)
    rig.venue.now_ms = rig.now_ns // 10**6
    rig.disconnect(MARKET)
    rig.pass_ms(2 * S)

    closed = [(c.open_ns // 10**6 - start_ms) // MINUTE for c in rig.of(Candle) if c.is_closed]
    assert closed == [0, 1, 2]
    assert f"startTime={start_ms + MINUTE}" in asked(rig, "klines")[0]


@pytest.mark.req("MD-16")
@pytest.mark.parametrize("has_book", [True, False])
def test_the_history_waits_for_the_first_price_but_not_for_ever(facts_rig, has_book, kit):
    rig = facts_rig(has_book=False, depth_channel="depth20@100ms")
    assert rig.of(Candle) == []
    rig.pass_ms(2500)
    assert asked(rig, "klines") == []

    if has_book:
        rig.frame(
            "binance_usdm",
            "btcusdt@depth20@100ms",
            kit.diff(rig, 110, 100, [("100.0", "1")], [("101.0", "1")]),
        )
        rig.pass_ms(100)
    else:
        rig.pass_ms(600)

    assert len(asked(rig, "klines")) == 1
    assert len(rig.of(Candle)) == 61
    if has_book:
        prices = [n for n, m in enumerate(rig.said) if isinstance(m, kit.BookSnapshot)]
        assert prices[0] < next(n for n, m in enumerate(rig.said) if isinstance(m, Candle))


@pytest.mark.req("MD-16")
def test_a_failing_venue_is_asked_for_candles_with_back_off(facts_rig):
    rig = facts_rig()
    rig.fetched.clear()
    rig.venue.status = 500
    rig.disconnect(MARKET)

    rig.pass_ms(7 * S)
    failing = len(asked(rig, "klines"))
    rig.venue.status = 429
    rig.pass_ms(50 * S)

    assert 2 <= failing <= 6
    assert len(asked(rig, "klines")) - failing <= 1


@pytest.mark.req("MD-16")
def test_two_minutes_without_a_candle_are_a_warning_of_the_feed_until_one_comes(facts_rig, kit):
    rig = facts_rig(depth_stale_ms=10**9, silence_ms=10**9)
    rig.pass_ms(119 * S)
    assert rig.of(kit.FeedStatus)[-1].reason == ""

    rig.pass_ms(3 * S)
    warned = rig.of(kit.FeedStatus)[-1]
    rig.frame("binance_usdm", KLINE, kline(rig))
    rig.pass_ms(100)
    held_back = rig.of(kit.FeedStatus)[-1]
    rig.venue.now_ms = rig.now_ns // 10**6
    rig.pass_ms(2 * S)

    assert (warned.state, warned.reason) == ("live", "no candle of BTCUSDT for over 120 s")
    # An open candle after a hole says nothing yet: what is in between is asked for first.
    assert held_back.reason == warned.reason
    assert rig.of(kit.FeedStatus)[-1].reason == ""


@pytest.mark.req("MD-17")
def test_open_interest_is_polled_each_minute_and_funding_only_when_its_stream_is_silent(facts_rig):
    rig = facts_rig(silence_ms=10**9)
    # Nothing has come on the stream yet: funding is asked for at once.
    rig.pass_ms(100)
    assert len(asked(rig, "premiumIndex")) == 1
    for _ in range(10):
        rig.venue.now_ms = rig.now_ns // 10**6
        rig.pass_ms(MINUTE)
        rig.frame("binance_usdm", MARK, mark(rig))

    assert len(asked(rig, "openInterest")) == 11
    assert len(rig.of(OpenInterest)) == 11
    assert len(asked(rig, "premiumIndex")) == 1
    rig.pass_ms(11 * MINUTE)
    assert len(asked(rig, "premiumIndex")) == 3


@pytest.mark.req("MD-17")
def test_funding_and_liquidations_come_from_the_stream_and_give_the_regime(facts_rig):
    rig = facts_rig()

    rig.frame("binance_usdm", MARK, mark(rig, "0.00120000"))
    rig.frame("binance_usdm", FORCE, force(rig))
    rig.pass_ms(100)

    assert [(m.rate_e8, m.mark_centiticks) for m in rig.of(FundingRate)] == [(120_000, 100_100)]
    assert [(m.price_ticks, m.qty_lots, m.side.name) for m in rig.of(Liquidation)] == [(1000, 1000, "SELL")]
    assert [(m.regime, m.funding) for m in rig.of(Regime)] == [("high_risk", "extreme")]


@pytest.mark.req("MD-19")
def test_perpetual_and_spot_of_one_name_give_a_basis_each_minute(kit):
    venues = tuple(FeedVenue(name=name, symbols=("BTCUSDT",)) for name in ("binance", "binance_usdm"))
    rig = kit.Rig(
        MarketDataSettings(venues=venues, depth_stale_ms=10**9, silence_ms=10**9), FactsVenue(kit)
    ).start()
    spot = {"e": "depthUpdate", "E": rig.now_ns // 10**6, "s": "BTCUSDT", "U": 101, "u": 102,
            "b": [["100.40", "1"]], "a": [["100.50", "1"]]}  # fmt: skip

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100))
    rig.pass_ms(200)
    assert rig.of(Basis) == []
    rig.frame("binance", DEPTH, spot)
    rig.pass_ms(3 * MINUTE)

    # 100.5 against 100.45: 497.76 ppm.
    assert {(m.symbol, m.spot_symbol, m.basis_ppm) for m in rig.of(Basis)} == {
        ("binance_usdm:BTCUSDT", "binance:BTCUSDT", 497)
    }
    assert len(rig.of(Basis)) in {3, 4}


def test_what_is_switched_off_is_neither_followed_nor_asked_for(kit):
    rig = kit.Rig(kit.one_market("binance_usdm"), FactsVenue(kit)).start()
    other = kit.Rig(
        kit.one_market("binance_usdm", candles=True, candle_symbols=("binance:BTCUSDT",)), FactsVenue(kit)
    ).start()

    for one in (rig, other):
        one.pass_ms(MINUTE)
        assert not any("@kline" in s or "@mark" in s for o in one.opened for s in o.streams)
        assert not asked(one, "klines")
        assert not asked(one, "Interest")


def test_frames_of_another_market_and_frames_that_cannot_be_read_are_counted(facts_rig, kit):
    rig = facts_rig()
    rig.said.clear()

    rig.frame("binance_usdm", KLINE, kline(rig, name="ETHUSDT"))
    rig.frame("binance_usdm", MARK, {"e": "markPriceUpdate"})
    rig.frame("binance_usdm", MARK, mark(rig, "NaN"))
    rig.frame("binance_usdm", FORCE, force(rig, qty="-1"))
    rig.pass_ms(6 * S)

    assert rig.of(FundingRate, Liquidation) == []
    # And the poll of funding that the venue of this test answers with nothing.
    assert rig.of(kit.FeedStatus)[-1].bad_frame_count == 5


def test_a_new_epoch_and_a_gap_of_the_source_hear_everything_again(facts_rig):
    rig = facts_rig()
    rig.frame("binance_usdm", MARK, mark(rig))
    rig.pass_ms(2 * S)
    for again in (rig.core.on_new_epoch, rig.core.on_source_gap):
        said = again(rig.now_ns)
        kinds = {type(message) for message in said}
        assert {Candle, FundingRate, OpenInterest} <= kinds
        assert len([m for m in said if isinstance(m, Candle)]) == 60


@pytest.mark.req("MD-15")
def test_markets_without_a_first_price_are_named_with_the_state_of_their_feed(facts_rig, kit):
    rig = facts_rig(has_book=False)
    now_ns = rig.now_ns
    assert rig.core.priceless(now_ns) == "binance_usdm:BTCUSDT (feed live)"

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100))
    rig.pass_ms(100)

    assert rig.core.priceless(now_ns) == ""


@pytest.mark.req("MD-15")
def test_a_halted_market_and_a_venue_that_told_us_to_wait_are_waited_for(kit, venue):
    venue.info_status = "BREAK"
    halted = kit.Rig(kit.one_market("binance_usdm"), venue).start()
    limited = kit.Rig(kit.one_market("binance_usdm"), lambda *_: (429, b"")).start()
    refused = kit.Rig(kit.one_market("binance_usdm"), lambda *_: (0, b"no route")).start()

    assert halted.core.priceless(halted.now_ns) == ""
    assert limited.core.priceless(limited.now_ns) == ""
    assert limited.core.priceless(limited.now_ns + 61 * 10**9).startswith("binance_usdm:BTCUSDT")
    assert refused.core.priceless(refused.now_ns) == "binance_usdm:BTCUSDT (feed connecting)"


@pytest.mark.req("I-34")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_on_any_door_of_the_facts_ever_raise(kit, data):
    venue = FactsVenue(kit)
    rig = kit.Rig(kit.one_market("binance_usdm", candles=True, facts=True), venue)
    venue.now_ms = rig.now_ns // 10**6
    rig.start()
    for _ in range(data.draw(st.integers(1, 10))):
        stream, body = data.draw(
            st.sampled_from([(KLINE, kline(rig)), (MARK, mark(rig)), (FORCE, force(rig))])
        )
        good = json.dumps({"stream": stream, "data": body}).encode()
        start, cut = data.draw(st.integers(30, len(good))), data.draw(st.integers(0, 12))
        junk = data.draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"-1", b"1e999", b"null", b"9" * 30, b'""']))
        )
        rig.raw(MARKET, good[:start] + junk + good[start + cut :])
        answer = data.draw(st.sampled_from([json.dumps(venue.rows(3)).encode(), b"[]", b"{}", junk]))
        venue.candles = venue.premium = answer
        venue.interest = data.draw(st.sampled_from(["1", "-1", "NaN", "", "1e3", "9" * 40]))
        rig.pass_ms(data.draw(st.sampled_from([10, 1000, MINUTE])))

    closed = [c.open_ns for c in rig.of(Candle) if c.is_closed]
    assert closed == sorted(set(closed))
