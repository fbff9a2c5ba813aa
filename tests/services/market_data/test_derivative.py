"""Funding, open interest and liquidations of one perpetual."""

import pytest

from services.market_data.counters import Counters
from services.market_data.derivative import DerivativeFeed
from services.market_data.levels import MarketParser
from shared.messages.market import FundingRate, InstrumentRules, Liquidation, OpenInterest, Regime
from shared.units import NS_PER_S, Side
from shared.venues.base import LiquidationPrint, MarkPrint, OpenInterestPrint

SYMBOL = "binance_usdm:BTCUSDT"
T0 = 1_700_000_040 * NS_PER_S
PAYS = T0 + 3600 * NS_PER_S
PARSER = MarketParser("0.10", "0.001")
RULES = InstrumentRules(
    SYMBOL, "BTC", "USDT", "0.10", "0.001", 8, 10_000, 1, 10**6, 0, 1, 10**7, 200, 500, True
)


class Rig:
    def __init__(self):
        self.counters = Counters()
        self.feed = DerivativeFeed(SYMBOL, self.counters, 60 * NS_PER_S)
        self.out = []

    def mark(self, rate, at_s, pays=PAYS, mark="60000.12345678", index="60001.00000000"):
        at_ns = T0 + at_s * NS_PER_S
        self.feed.take_mark(MarkPrint("BTCUSDT", mark, index, rate, pays, at_ns), RULES, at_ns, self.out)

    def force(self, side=Side.SELL, price="60000.0", qty="10.000", at_s=0):
        at_ns = T0 + at_s * NS_PER_S
        print_ = LiquidationPrint("BTCUSDT", side, price, qty, at_ns)
        self.feed.take_liquidation(print_, PARSER, RULES, at_ns, self.out)

    def interest(self, qty, at_s):
        at_ns = T0 + at_s * NS_PER_S
        self.feed.take_open_interest(OpenInterestPrint("BTCUSDT", qty, at_ns), PARSER, at_ns, self.out)

    def rates(self):
        return [m.rate_e8 for m in self.out if isinstance(m, FundingRate)]


@pytest.mark.req("MD-17")
def test_prices_and_rate_are_integers_rounded_down():
    rig = Rig()

    rig.mark("-0.000123456", 0)

    assert rig.out == [
        FundingRate(
            symbol=SYMBOL,
            rate_e8=-12_346,
            next_funding_ns=PAYS,
            # 60000.12345678 is 600001.2345678 ticks of 0.1.
            mark_centiticks=60_000_123,
            index_centiticks=60_001_000,
            ts_venue_ns=T0,
            ts_recv_ns=T0,
        )
    ]


@pytest.mark.req("MD-17")
def test_a_rate_that_changes_little_is_said_each_minute_and_a_change_of_class_at_once():
    rig = Rig()

    for second in range(60):
        rig.mark(f"0.0001{second:04}", second)
    assert rig.rates() == [10_000]
    rig.mark("0.00020000", 60)
    rig.mark("0.00050001", 61)
    rig.mark("0.00050000", 62)
    rig.mark("0.00100001", 63)

    assert rig.rates() == [10_000, 20_000, 50_001, 50_000, 100_001]


@pytest.mark.req("MD-17")
def test_the_last_rate_before_a_payment_is_on_the_log_before_the_new_time():
    rig = Rig()
    rig.mark("0.00010000", 0)
    rig.mark("0.00012345", 30)

    rig.mark("0.00010001", 31, pays=PAYS + 8 * 3600 * NS_PER_S)

    assert [(m.rate_e8, m.next_funding_ns) for m in rig.out] == [
        (10_000, PAYS),
        (12_345, PAYS),
        (10_001, PAYS + 8 * 3600 * NS_PER_S),
    ]
    rig.mark("0.00010001", 32, pays=PAYS + 16 * 3600 * NS_PER_S)
    assert len(rig.out) == 4, "a rate that was said already is not said again"


def test_an_older_frame_is_dropped():
    rig = Rig()
    rig.mark("0.00010000", 10)

    rig.mark("0.01000000", 9)
    rig.mark("0.01000000", 10)

    assert rig.rates() == [10_000]
    assert rig.counters.dropped_count == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": ""},
        {"rate": "NaN"},
        {"rate": "Infinity"},
        {"rate": "1.00000001"},
        {"rate": "-2"},
        {"mark": "0"},
        {"mark": "-1"},
        {"mark": "1e30"},
        {"mark": "abc"},
        {"index": "0.00"},
        {"pays": 0},
        {"pays": T0},
    ],
)
def test_what_no_funding_can_be_is_refused_and_changes_nothing(changes):
    rig = Rig()

    with pytest.raises(ValueError, match=r"\S"):
        rig.mark(changes.pop("rate", "0.0001"), 0, **changes)

    assert rig.out == []
    rig.mark("0.0001", 1)
    assert rig.rates() == [10_000]


@pytest.mark.req("MD-17")
def test_every_poll_of_the_open_interest_is_said_and_older_ones_dropped():
    rig = Rig()

    rig.interest("10659.5094", 0)
    rig.interest("10659.509", 60)
    rig.interest("1.000", 59)
    rig.interest("10659.509", 60)

    assert rig.out == [
        OpenInterest(SYMBOL, 10_659_509, T0, T0),
        OpenInterest(SYMBOL, 10_659_509, T0 + 60 * NS_PER_S, T0 + 60 * NS_PER_S),
    ]
    for bad in ("", "-1", "NaN"):
        with pytest.raises(ValueError, match=r"\S"):
            rig.interest(bad, 120)


@pytest.mark.req("MD-17")
def test_a_liquidation_is_said_once_and_its_value_counts():
    rig = Rig()
    rig.mark("0.0001", 0)

    rig.force(qty="20.000")
    rig.force(qty="20.000")
    rig.force(qty="0.0004", at_s=1)
    rig.feed.watch(RULES, T0 + 2 * NS_PER_S, rig.out)

    forced = [m for m in rig.out if isinstance(m, Liquidation)]
    assert forced == [Liquidation(SYMBOL, Side.SELL, 600_000, 20_000, T0, T0)]
    assert rig.counters.dropped_count == 2
    # 20 x 60000 is 1.2 million.
    (regime,) = (m for m in rig.out if isinstance(m, Regime))
    assert (regime.liquidations, regime.bias, regime.is_reduce_advised) == ("medium", "long", True)


@pytest.mark.parametrize("changes", [{"price": "60000.05"}, {"price": "0"}, {"qty": "-1"}, {"qty": "x"}])
def test_what_no_liquidation_can_be_is_refused(changes):
    rig = Rig()

    with pytest.raises(ValueError, match=r"\S"):
        rig.force(**changes)

    assert rig.out == []


def test_what_is_known_can_be_said_again():
    rig = Rig()
    rig.mark("0.0001", 0)
    rig.interest("5", 0)
    rig.feed.watch(RULES, T0 + NS_PER_S, rig.out)
    said = list(rig.out)
    rig.out.clear()

    rig.feed.say_again(rig.out)
    rig.feed.watch(RULES, T0 + 3 * NS_PER_S, rig.out)

    assert rig.out == said


@pytest.mark.req("MD-17")
def test_a_stamp_far_in_the_future_does_not_make_the_true_ones_old():
    # Given a rate and a poll
    rig = Rig()
    rig.mark("0.00010000", 0)
    rig.interest("1000.000", 0)

    # When a frame and an answer come that are stamped a day ahead
    ahead_ns = T0 + 86_400 * NS_PER_S
    wrong = MarkPrint("BTCUSDT", "1", "1", "0.5", ahead_ns + PAYS, ahead_ns)
    with pytest.raises(ValueError, match="future"):
        rig.feed.take_mark(wrong, RULES, T0 + NS_PER_S, rig.out)
    with pytest.raises(ValueError, match="future"):
        rig.feed.take_open_interest(
            OpenInterestPrint("BTCUSDT", "9", ahead_ns), PARSER, T0 + NS_PER_S, rig.out
        )

    # Then the next true ones are taken
    rig.mark("0.00020000", 60)
    rig.interest("1001.000", 60)
    assert rig.rates() == [10_000, 20_000]
    assert [m.open_interest_lots for m in rig.out if isinstance(m, OpenInterest)] == [1_000_000, 1_001_000]
    assert rig.feed.mark_ns == T0 + 60 * NS_PER_S
