"""Too many orders that no sane strategy asks for kill; refusals of circumstance do not count (RK-11)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.units import Side


@pytest.mark.req("RK-11", "RK-13")
def test_the_hundredth_order_that_is_none_kills_and_names_who_asked(make_bench):
    # Given a limit that the tests of one line need not wait for
    bench = make_bench(replace(RiskSettings(), violations_max=4)).start()
    for strategy in ("a", "b", "a"):
        assert bench.verdict(Side.BUY, 600_000, 0, strategy=strategy).code == "bad_order"
    assert not bench.said(control.KillRequested)

    bench.verdict(Side.BUY, 600_000, 0, strategy="b")

    (asked,) = bench.said(control.KillRequested)
    assert asked.by == "risk"
    assert asked.reason == "4 orders beyond hard limits in one day (2 by a, 2 by b), the limit is 4"
    (latched,) = bench.said(control.KillLatched)
    assert (latched.by, latched.reason) == (asked.by, asked.reason)
    assert bench.said(control.TradingState)[-1].state == "halted"


@pytest.mark.req("RK-11")
def test_by_default_one_hundred_are_too_many(make_bench):
    bench = make_bench().start()
    for _ in range(99):
        bench.verdict(Side.BUY, 600_000, 0)
    assert not bench.said(control.KillRequested)

    bench.verdict(Side.BUY, 600_000, 0)

    assert bench.said(control.KillRequested)


@pytest.mark.req("RK-11")
def test_what_the_moment_refuses_is_no_violation(make_bench):
    bench = make_bench(replace(RiskSettings(), violations_max=1)).start()
    assert bench.verdict(age_ms=600).code == "stale_intent"
    assert bench.verdict(Side.SELL, 600_010, 5, symbol=bench.SPOT).code == "holdings"
    bench.resting(Side.SELL, 600_020, 1)
    assert bench.verdict(Side.BUY, 600_020, 1).code == "self_trade"
    bench.pass_ms(1100, is_feed_alive=False)
    assert bench.verdict().code == "stale_book"

    assert not bench.said(control.KillRequested)


@pytest.mark.req("RK-11", "RK-14", "RK-12")
def test_a_new_day_and_a_cleared_kill_begin_at_none_and_a_restart_does_not(make_bench):
    bench = make_bench(replace(RiskSettings(), violations_max=3)).start()
    bench.pass_ms(100)
    for _ in range(2):
        bench.verdict(Side.BUY, 600_000, 0)
    bench.mesh.tick(bench.mesh.now_ns + 86_400 * 10**9)
    assert bench.said(guards.SessionReset)
    bench.book()
    for _ in range(2):
        bench.verdict(Side.BUY, 600_000, 0)
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()
    bench.risk.restore(bench.risk.snapshot())
    assert not bench.said(control.KillRequested)

    bench.verdict(Side.BUY, 600_000, 0)
    assert len(bench.said(control.KillRequested)) == 1
    bench.say("operator", control.KillClearRequested("me", "the strategy is mended"))
    bench.pass_ms(1000)
    for _ in range(2):
        bench.verdict(Side.BUY, 600_000, 0)
    assert len(bench.said(control.KillRequested)) == 1
    assert isinstance(bench.verdict(), orders.OrderApproved)


@pytest.mark.req("RK-11")
@pytest.mark.parametrize(
    "changes",
    [
        {"orders_per_s_max": 1},
        {"limits__open_orders_max": 1},
        {"limits__position_qty_max": Decimal("0.001")},
        {"limits__price_band_bps": Decimal(1)},
    ],
)
def test_what_another_strategy_or_the_market_did_is_no_violation(make_bench, limits, changes):
    # Given a limit that a grid uses up, or a market that jumped away from a healthy maker
    bench = make_bench(limits(violations_max=1, **changes)).start()
    bench.verdict(Side.BUY, 600_000, 1, strategy="grid")
    price_ticks = 599_000 if "limits__price_band_bps" in changes else 600_000

    refused = [bench.verdict(Side.BUY, price_ticks, 1, strategy="maker") for _ in range(3)]

    assert {type(said) for said in refused} == {orders.OrderRefused}
    assert {said.code for said in refused} <= {"rate", "open_orders", "position", "price_band"}
    assert not bench.said(control.KillRequested)
