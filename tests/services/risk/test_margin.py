"""Cross margin by hand-worked numbers: maintenance, ratio, liquidation prices and distances."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.margin import (
    RATIO_MOST_PPM,
    MarginPosition,
    Tier,
    liquidation_ticks,
    margin_of,
    ratio_ppm,
    tiers_of,
)
from services.risk.monitor_settings import MarginSettings, MarginTier

ONE = 10**18
FLAT = [Tier(0, 5000)]
BTC_LOT_MONEY = 10**12
"""A lot of 0.001 BTC at a centitick of 0.001 USDT: 0.000001 USDT."""


def btc(lots, mark_ticks=600_000, tiers=FLAT):
    return MarginPosition("binance_usdm:BTCUSDT", lots, mark_ticks * 100, BTC_LOT_MONEY, tiers)


def eth(lots, mark_ticks=300_000):
    """Return a position in lots of 0.001 ETH with a tick of 0.01."""
    return MarginPosition("binance_usdm:ETHUSDT", lots, mark_ticks * 100, 10**11, FLAT)


@pytest.mark.req("RK-23")
def test_one_long_position_by_hand():
    # 1 BTC at 60,000, equity 10,000, rate 0.5 %: maintenance 300, ratio 3 %.
    # P = (60,000 - 10,000) / 0.995 = 50,251.256..: the tick below is 50,251.2; (60,000 - 50,251.2) / 60,000.
    margin = margin_of(10_000 * ONE, [btc(1000)])

    assert margin.maintenance_money == 300 * ONE
    assert margin.ratio_ppm == 30_000
    assert margin.liquidation_ticks == [502_512]
    assert margin.distance_ppm == [162_480]


@pytest.mark.req("RK-23")
def test_one_short_position_by_hand():
    # P = (60,000 + 10,000) / 1.005 = 69,651.741..: the tick above is 69,651.8; 9,651.8 / 60,000.
    margin = margin_of(10_000 * ONE, [btc(-1000)])

    assert margin.maintenance_money == 300 * ONE
    assert margin.liquidation_ticks == [696_518]
    assert margin.distance_ppm == [160_863]


@pytest.mark.req("RK-23")
def test_positions_share_one_wallet():
    # Long 1 BTC at 60,000 (maintenance 300), short 10 ETH at 3,000 (150), equity 10,000: ratio 4.5 %.
    # BTC: (60,000 - 10,000 + 150) / 0.995 = 50,402.01; ETH: (30,000 + 10,000 - 300) / 10.05 = 3,950.248..
    margin = margin_of(10_000 * ONE, [btc(1000), eth(-10_000)])

    assert margin.maintenance_money == 450 * ONE
    assert margin.ratio_ppm == 45_000
    assert margin.liquidation_ticks == [504_020, 395_025]


@pytest.mark.req("RK-23")
def test_tiers_count_for_the_part_of_the_value_inside_them():
    # 0.4 % up to 50,000 and 0.5 % above: of 60,000 that is 200 + 50 = 60,000 * 0.5 % - 50.
    # P - 50,000 = 0.005 P - 50: P = 49,950 / 0.995 = 50,201.005..
    own = MarginTier(notional_from=Decimal(0), rate_ppm=4000)
    more = MarginTier(notional_from=Decimal(50_000), rate_ppm=5000)
    tiers = tiers_of("x", MarginSettings(tiers={"x": (own, more)}))

    margin = margin_of(10_000 * ONE, [btc(1000, tiers=tiers)])

    assert tiers == [Tier(0, 4000), Tier(50_000 * ONE, 5000)]
    assert margin.maintenance_money == 250 * ONE
    assert margin.liquidation_ticks == [502_010]
    assert tiers_of("y", MarginSettings()) == [Tier(0, 5000)]


@pytest.mark.req("RK-23")
def test_a_long_position_that_the_wallet_pays_in_full_is_never_liquidated():
    margin = margin_of(60_000 * ONE, [btc(1000)])

    assert margin.liquidation_ticks == [0]
    assert margin.distance_ppm == [1_000_000]


@pytest.mark.req("RK-23")
def test_under_the_maintenance_margin_the_price_of_liquidation_is_the_mark():
    for lots in (1000, -1000):
        margin = margin_of(299 * ONE, [btc(lots)])

        assert margin.ratio_ppm > 1_000_000
        assert margin.liquidation_ticks == [600_000]
        assert margin.distance_ppm == [0]


@pytest.mark.req("RK-23")
@pytest.mark.parametrize(
    ("maintenance", "equity", "ratio"),
    [
        (0, 0, 0),
        (0, -5, 0),
        (1, 0, RATIO_MOST_PPM),
        (1, -5, RATIO_MOST_PPM),
        (1, 3, 333_334),
        (5, 5, 1_000_000),
    ],
)
def test_a_ratio_is_rounded_up_and_has_a_most(maintenance, equity, ratio):
    assert ratio_ppm(maintenance, equity) == ratio


def test_a_short_position_of_a_huge_wallet_has_no_price_that_can_be_said():
    assert liquidation_ticks(btc(-1), 10**30 * ONE, 0) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"warning_ppm": 800_000}, "warning_ppm 800000 is above reduce_ppm 700000"),
        ({"distance_reduce_ppm": 60_000}, "distance_warning_ppm 50000 is below distance_reduce_ppm 60000"),
        ({"tiers": {"x": ()}}, "tiers of x: notional_from begins at 0 and rises, not []"),
        ({"tiers": {"x": (MarginTier(notional_from=Decimal(5), rate_ppm=1),)}}, r"not \['5'\]"),
    ],
)
def test_levels_and_tiers_that_contradict_each_other_are_refused(changes, said):
    with pytest.raises(ValueError, match=said.replace("[]", r"\[\]")):
        MarginSettings(**changes)


@given(
    st.integers(-5000, 5000).filter(bool),
    st.integers(1000, 2_000_000),
    st.integers(0, 10**6),
    st.integers(0, 10**4),
    st.sampled_from([FLAT, [Tier(0, 4000), Tier(50_000 * ONE, 10_000), Tier(100_000 * ONE, 50_000)]]),
)
@settings(max_examples=100, deadline=None)
def test_at_the_liquidation_price_equity_is_gone_to_maintenance_and_one_tick_nearer_it_is_not(
    lots, mark_ticks, equity, others, tiers
):
    position = btc(lots, mark_ticks, tiers)
    equity_money, others_money = equity * ONE, others * ONE

    def left(ticks):
        moved = lots * (ticks - mark_ticks) * 100 * BTC_LOT_MONEY
        return equity_money + moved - others_money - position.maintenance_money(ticks * 100)

    found = liquidation_ticks(position, equity_money, others_money)

    if left(mark_ticks) <= 0:
        assert found == mark_ticks
    elif found == 0:
        assert lots > 0
        assert left(1) > 0
    else:
        nearer = found + (1 if lots > 0 else -1)
        assert left(found) <= 0 < left(nearer)
