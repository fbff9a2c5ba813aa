"""Spikes of volume and jumps of price are told, and hold a market only where the setting says so (RK-7)."""

from dataclasses import replace

import pytest

from services.risk.breaker_settings import SurpriseSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.units import Side


def surprising(make_bench, **changes):
    settings = replace(SurpriseSettings(), volume_window_s=10, **changes)
    return make_bench(replace(RiskSettings(), surprises=settings)).start()


def raised(bench):
    return [
        (said.code, said.symbol, said.value, said.limit, said.is_tripped)
        for said in bench.said(guards.GuardRaised)
    ]


@pytest.mark.req("RK-7")
def test_a_window_of_more_than_five_times_the_mean_is_a_spike_told_once(make_bench):
    # Given five windows of 10, 20, 30, 20 and 20 lots: 20 in the mean
    bench = surprising(make_bench)
    for lots in (10, 20, 30, 20, 20):
        bench.trade(Side.BUY, 600_010, lots)
        bench.pass_ms(10_000)

    # When exactly five times as much is traded, and one lot more
    bench.trade(Side.BUY, 600_010, 100)
    assert raised(bench) == []
    bench.trade(Side.BUY, 600_010, 1)
    bench.trade(Side.BUY, 600_010, 500)

    assert raised(bench) == [("volume_spike", bench.PERP, 101, 100, False)]
    assert isinstance(bench.verdict(), orders.OrderApproved)


@pytest.mark.req("RK-7")
def test_too_few_windows_tell_nothing_and_empty_ones_count(make_bench):
    bench = surprising(make_bench)
    for _ in range(4):
        bench.trade(Side.BUY, 600_010, 1)
        bench.pass_ms(10_000)
    bench.trade(Side.BUY, 600_010, 1000)
    assert raised(bench) == []

    # Four windows of 1, one of 1000, five of nothing: 100.4 in the mean
    bench.pass_ms(60_000)
    bench.trade(Side.BUY, 600_010, 502)
    assert raised(bench) == []
    bench.trade(Side.BUY, 600_010, 1)
    assert [said[0] for said in raised(bench)] == ["volume_spike"]


@pytest.mark.req("RK-7")
def test_a_price_beyond_ten_percent_of_the_one_before_is_a_jump(make_bench):
    bench = surprising(make_bench)
    bench.trade(Side.BUY, 600_000, 1)
    bench.trade(Side.BUY, 660_000, 1)
    assert raised(bench) == []

    bench.trade(Side.BUY, 593_999, 1)

    assert raised(bench) == [("price_jump", bench.PERP, 1000, 1000, False)]


@pytest.mark.req("RK-7")
def test_a_jump_of_the_mark_between_two_ticks_is_told_too(make_bench):
    bench = surprising(make_bench)
    bench.pass_ms(100)

    bench.book(bids=((700_000, 5),), asks=((700_010, 5),))
    bench.pass_ms(100)

    assert [said[:2] for said in raised(bench)] == [("price_jump", bench.PERP)]


@pytest.mark.req("RK-7")
def test_where_the_setting_says_so_the_market_is_held_until_a_person_resumes(make_bench):
    bench = surprising(make_bench, holds=True)
    bench.trade(Side.BUY, 600_000, 1)
    bench.trade(Side.BUY, 500_000, 1)

    assert bench.said(guards.ScopedState)[-1].symbol == bench.PERP
    assert bench.verdict().code == "price_jump"
    assert isinstance(bench.verdict(symbol=bench.SPOT), orders.OrderApproved)
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()

    bench.say("operator", control.ResumeRequested("", "me", "a wrong print"))
    assert isinstance(bench.verdict(), orders.OrderApproved)
