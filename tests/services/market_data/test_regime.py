"""The regime: each limit on both sides, what comes first, and when it is said."""

import pytest

from services.market_data.regime import Known, RegimeFeed, bias_of, funding_class, judge, liquidation_class
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"
T0 = 1_700_000_000 * NS_PER_S
MINUTE = 60 * NS_PER_S
MILLION = 10**8 * 1_000_000
"""A million of the quote asset in atoms at exponent 8."""


def known(rate_e8=10_000, ppm=0, longs=0, shorts=0, old=()):
    return Known(rate_e8, ppm, longs, shorts, 8, tuple(old))


@pytest.mark.req("MD-18")
@pytest.mark.parametrize(
    ("rate_e8", "wanted"),
    [
        (0, "normal"),
        (50_000, "normal"),
        (50_001, "long"),
        (100_000, "long"),
        (100_001, "extreme"),
        (-50_000, "normal"),
        (-50_001, "short"),
        (-100_000, "short"),
        (-100_001, "extreme"),
    ],
)
def test_funding_is_a_mood_beyond_5_and_extreme_beyond_10_basis_points(rate_e8, wanted):
    assert funding_class(rate_e8) == wanted


@pytest.mark.req("MD-18")
@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, "low"),
        (MILLION, "low"),
        (MILLION + 1, "medium"),
        (10 * MILLION, "medium"),
        (10 * MILLION + 1, "high"),
    ],
)
def test_liquidations_are_medium_above_one_and_high_above_ten_million(value, wanted):
    assert liquidation_class(value, 8) == wanted


@pytest.mark.req("MD-18")
@pytest.mark.parametrize(
    ("longs", "shorts", "wanted"),
    [(70, 30, "long"), (69, 31, ""), (30, 70, "short"), (31, 69, ""), (5, 0, "long"), (50, 50, "")],
)
def test_a_side_with_70_percent_is_the_bias(longs, shorts, wanted):
    assert bias_of(longs, shorts) == wanted


@pytest.mark.req("MD-18")
@pytest.mark.parametrize(
    ("ppm", "wanted"),
    [(0, "normal"), (19_999, "normal"), (20_000, "trending"), (-19_999, "normal"), (-20_000, "trending")],
)
def test_open_interest_that_changes_by_2_percent_makes_a_trend(ppm, wanted):
    regime = judge(SYMBOL, known(ppm=ppm))

    assert (regime.regime, regime.is_reduce_advised, regime.open_interest_ppm) == (wanted, False, ppm)
    assert regime.reasons == (
        [] if wanted == "normal" else [f"open interest {'rises' if ppm > 0 else 'falls'}"]
    )


@pytest.mark.req("MD-17")
@pytest.mark.parametrize(
    ("facts", "regime", "is_advised", "reasons"),
    [
        (known(), "normal", False, []),
        (known(rate_e8=60_000), "normal", False, ["funding is long"]),
        (known(rate_e8=-100_001), "high_risk", True, ["funding is extreme"]),
        (
            known(longs=MILLION, shorts=MILLION),
            "normal",
            False,
            ["liquidations are medium"],
        ),
        (known(longs=2 * MILLION), "normal", True, ["liquidations are medium, of longs"]),
        (
            known(longs=6 * MILLION, shorts=6 * MILLION),
            "high_risk",
            True,
            ["liquidations are high"],
        ),
        (known(longs=MILLION), "normal", False, []),
        (known(ppm=30_000, shorts=2 * MILLION), "trending", True,
         ["liquidations are medium, of shorts", "open interest rises"]),
        (known(ppm=30_000, rate_e8=200_000), "high_risk", True,
         ["funding is extreme", "open interest rises"]),
        (known(old=["funding"]), "high_risk", True, ["funding is over 300 s old"]),
    ],
)  # fmt: skip
def test_the_first_rule_that_holds_gives_the_regime(facts, regime, is_advised, reasons):
    judged = judge(SYMBOL, facts)

    assert (judged.regime, judged.is_reduce_advised, judged.reasons) == (regime, is_advised, reasons)


@pytest.mark.req("MD-17")
def test_nothing_is_said_before_a_funding_rate_and_then_each_minute_and_at_each_change():
    feed = RegimeFeed(SYMBOL)
    feed.take_open_interest(1000, T0)
    feed.take_liquidation(Side.SELL, 20 * MILLION, T0)
    assert feed.due(T0, 8) is None

    feed.take_rate(10_000, T0)
    first = feed.due(T0, 8)
    assert first is not None
    assert (first.regime, first.bias) == ("high_risk", "long")
    # The same verdict is said again after a minute, a new one after a second.
    assert feed.due(T0 + MINUTE - 1, 8) is None
    feed.take_rate(10_000, T0 + MINUTE)
    assert feed.due(T0 + MINUTE, 8) == first
    feed.take_rate(200_000, T0 + MINUTE)
    assert feed.due(T0 + MINUTE + NS_PER_S - 1, 8) is None
    changed = feed.due(T0 + MINUTE + NS_PER_S, 8)
    assert changed is not None
    assert changed.reasons == ["funding is extreme", "liquidations are high, of longs"]


@pytest.mark.req("MD-17")
def test_liquidations_count_for_five_minutes():
    feed = RegimeFeed(SYMBOL)
    feed.take_liquidation(Side.BUY, 2 * MILLION, T0)

    feed.take_rate(0, T0 + 5 * MINUTE - 1)
    within = feed.due(T0 + 5 * MINUTE - 1, 8)
    later = feed.due(T0 + 5 * MINUTE + NS_PER_S, 8)

    assert within is not None
    assert later is not None
    assert (within.liquidations, within.bias) == ("medium", "short")
    assert (later.liquidations, later.bias) == ("low", "")


@pytest.mark.req("MD-17")
def test_open_interest_is_compared_with_the_oldest_poll_of_the_last_hour():
    feed = RegimeFeed(SYMBOL)
    changes = []
    for minute in range(0, 122, 1):
        now_ns = T0 + minute * MINUTE
        # Up by 10 lots of 10,000 each minute: 600 in an hour.
        feed.take_open_interest(10_000 + 10 * minute, now_ns)
        feed.take_rate(0, now_ns)
        regime = feed.due(now_ns, 8)
        assert regime is not None
        changes.append(regime.open_interest_ppm)

    assert changes[0] == 0
    assert changes[20] == 20_000
    assert changes[60] == 60_000
    assert changes[120] == 600 * 1_000_000 // 10_600
    falling = RegimeFeed(SYMBOL)
    falling.take_open_interest(3, T0)
    falling.take_open_interest(2, T0 + 1)
    falling.take_rate(0, T0 + 1)
    fallen = falling.due(T0 + 1, 8)
    assert fallen is not None
    assert fallen.open_interest_ppm == -333_333


@pytest.mark.req("MD-17")
@pytest.mark.parametrize(("age_ns", "is_old"), [(5 * MINUTE, False), (5 * MINUTE + 1, True)])
def test_what_was_known_and_is_old_counts_as_high_risk(age_ns, is_old):
    feed = RegimeFeed(SYMBOL)
    feed.take_open_interest(1000, T0)
    feed.take_rate(0, T0)

    regime = feed.due(T0 + age_ns, 8)

    assert regime is not None
    assert regime.is_reduce_advised is is_old
    assert regime.reasons == (
        ["funding is over 300 s old", "open interest is over 300 s old"] if is_old else []
    )
