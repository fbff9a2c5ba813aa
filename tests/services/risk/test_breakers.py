"""Breakers: exact at their limits, one strategy or the account, released by a new day or a person (RK-9)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk.breaker_settings import BreakerSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.units import Side

NEVER = BreakerSettings(
    losing_streak_max=0, session_drawdown_bps=0, total_drawdown_bps=0, session_loss_max=Decimal(0)
)
E8 = 10**8


def breaking(**changes):
    return replace(RiskSettings(), breakers=replace(NEVER, **changes), loss_max=Decimal(10**6))


def breakers_of(core):
    return next(guard for guard in core.known.guards.all if guard.name == "breakers")


def codes(bench):
    return [said.code for said in bench.said(guards.GuardRaised) if said.is_tripped]


def state(bench):
    said = bench.said(control.TradingState)[-1]
    return said.state, [reason.split(":")[0] for reason in said.reasons]


def price(bench, bid_ticks):
    bench.book(bids=((bid_ticks, 500),), asks=((bid_ticks + 10, 500),))
    bench.pass_ms(100)


def fill(bench, side, price_ticks, lots, *, strategy="mm", fee_atoms=0):
    """Book a fill at a price of its own choice; the broker of the bench is not asked."""
    bench.mesh.hosts.pop("broker", None)
    order_id = bench.intent(side, price_ticks, lots, strategy=strategy)
    name, number = (order_id, strategy, bench.PERP), len(bench.log)
    bench.say("broker.io", orders.OrderSent(*name, side, price_ticks, lots))
    done = (side, price_ticks, lots, lots, 0, fee_atoms, "USDT", True, 0)
    bench.say("broker.io", orders.Fill(*name, f"t{number}", *done))


def round_trip(bench, gain_ticks, *, strategy="mm", fee_atoms=0):
    """Buy 2 lots below the market and sell them `gain_ticks` higher."""
    fill(bench, Side.BUY, 599_000, 2, strategy=strategy, fee_atoms=fee_atoms)
    price(bench, 598_000 if gain_ticks < 0 else 600_000)
    fill(bench, Side.SELL, 599_000 + gain_ticks, 2, strategy=strategy, fee_atoms=fee_atoms)
    price(bench, 600_000)


@pytest.mark.req("RK-9")
def test_losing_round_trips_in_a_row_hold_their_strategy_alone(make_bench):
    # Given a strategy that lost twice
    bench = make_bench(breaking(losing_streak_max=3)).start()
    for _ in range(2):
        round_trip(bench, -10, strategy="mm")
    assert codes(bench) == []

    # When it loses a third time
    round_trip(bench, -10, strategy="mm")

    # Then it may only reduce, and others may go on
    assert codes(bench) == ["losing_streak"]
    assert bench.said(guards.ScopedState)[-1] == guards.ScopedState(
        "mm", "", "reducing", ["losing_streak: 3 losing round trips in a row"]
    )
    assert bench.verdict(Side.BUY, strategy="mm").code == "losing_streak"
    assert isinstance(bench.verdict(Side.BUY, strategy="other"), orders.OrderApproved)


@pytest.mark.req("RK-9")
def test_a_win_resets_the_streak_and_a_flat_trip_does_not(make_bench):
    bench = make_bench(breaking(losing_streak_max=3)).start()
    for gain_ticks in (-10, -10, 10, -10, 0, -10):
        round_trip(bench, gain_ticks)
    assert codes(bench) == []

    round_trip(bench, -10)

    assert codes(bench) == ["losing_streak"]


@pytest.mark.req("RK-9")
def test_a_trip_that_earns_less_than_its_fees_is_lost(make_bench):
    # 2 lots * 5 ticks * 10,000 atoms = 100,000 atoms earned; the fees are 2 * 50,001
    bench = make_bench(breaking(losing_streak_max=1)).start()
    round_trip(bench, 5, fee_atoms=50_000)
    assert codes(bench) == []

    round_trip(bench, 5, fee_atoms=50_001)

    assert codes(bench) == ["losing_streak"]


@pytest.mark.req("RK-9")
def test_a_fill_beyond_flat_ends_one_trip_and_takes_its_share_of_the_fee_along(make_bench):
    # Given 2 lots long
    bench = make_bench(breaking(losing_streak_max=1)).start()
    fill(bench, Side.BUY, 599_000, 2)
    price(bench, 598_000)

    # When 5 are sold 5 ticks higher for a fee of 250,000: 2 of 5 lots close, 100,000 of the fee are theirs
    fill(bench, Side.SELL, 599_005, 5, fee_atoms=250_000)

    # Then that trip is even: 2 * 5 * 10,000 - 100,000 = 0
    breakers = breakers_of(bench.risk)
    assert breakers.nets == {("mm", bench.PERP): 0}
    assert breakers.streaks.get("mm", 0) == 0


@pytest.mark.req("RK-9", "RK-10")
def test_a_fall_of_equity_from_its_peak_of_the_day_holds_the_account(make_bench):
    # Given an equity of 10,000 with 50 lots bought at 600,010 that gained 50 * 995 ticks less the fee
    settings = breaking(session_drawdown_bps=20)
    bench = make_bench(replace(settings, initial_equity=Decimal(10_000))).start()
    bench.book(bids=((600_000, 500),), asks=((600_010, 500),))
    bench.fill_position(Side.BUY, 50)
    price(bench, 601_000)
    breakers = breakers_of(bench.risk)
    peak_e8 = 10_000 * E8 + breakers.peak_e8

    # When it falls by less than 20 bps of the peak, and then by more
    falls = (peak_e8 * 20 // 10_000 - 1) // (50 * 10_000)
    price(bench, 601_000 - falls)
    assert codes(bench) == []
    price(bench, 601_000 - falls - 1)

    # Then only reducing orders pass
    assert codes(bench) == ["session_drawdown"]
    assert state(bench) == ("reducing", ["session_drawdown"])
    assert bench.verdict(Side.BUY, 598_000, 1).code == "session_drawdown"
    assert isinstance(bench.verdict(Side.SELL, 600_900, 5), orders.OrderApproved)


@pytest.mark.req("RK-9")
def test_the_total_loss_is_a_part_of_the_initial_equity_and_no_day_forgives_it(make_bench):
    settings = replace(breaking(total_drawdown_bps=10), initial_equity=Decimal(1000))
    bench = make_bench(settings).start()
    bench.book(bids=((600_000, 500),), asks=((600_010, 500),))
    bench.fill_position(Side.BUY, 10)
    paid_e8 = -breakers_of(bench.risk).pnl_e8

    # 10 bps of 1,000 are 1.00; a tick of 10 lots is 0.001
    ticks = (E8 - paid_e8) // 100_000
    price(bench, 600_000 - ticks)
    assert codes(bench) == []
    price(bench, 600_000 - ticks - 1)
    assert codes(bench) == ["total_drawdown"]

    bench.mesh.tick(bench.mesh.now_ns + 86_400 * 10**9)
    assert bench.said(guards.SessionReset)
    assert state(bench) == ("reducing", ["total_drawdown"])


@pytest.mark.req("RK-9")
@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"session_loss_max": Decimal(2)}, "session_loss"),
        ({"session_volume_max": Decimal(500)}, "session_volume"),
    ],
)
def test_loss_and_volume_of_a_day_have_limits(make_bench, limit, code):
    bench = make_bench(breaking(**limit)).start()

    bench.fill_position(Side.BUY, 10)
    price(bench, 597_900)

    assert codes(bench) == [code]


@pytest.mark.req("RK-9", "RK-14")
def test_a_new_day_releases_the_breaker_and_counts_anew(make_bench):
    bench = make_bench(breaking(losing_streak_max=1, session_loss_max=Decimal(1))).start()
    fill(bench, Side.BUY, 599_000, 10)
    price(bench, 597_000)
    fill(bench, Side.SELL, 597_005, 5)
    fill(bench, Side.SELL, 597_005, 5)
    assert codes(bench) == ["session_loss", "losing_streak"]
    lots, cost = bench.risk.known.ledger.by_symbol[bench.PERP].dump()[1:3]

    bench.mesh.tick(bench.mesh.now_ns + 86_400 * 10**9)

    assert [(r.code, r.by) for r in bench.said(guards.GuardReleased)] == [
        ("session_loss", "session"),
        ("losing_streak", "session"),
    ]
    assert state(bench) == ("active", [])
    bench.pass_ms(1000)
    assert len(codes(bench)) == 2
    assert bench.risk.known.ledger.by_symbol[bench.PERP].dump()[1:3] == (lots, cost)


@pytest.mark.req("RK-9", "RK-12")
def test_a_person_releases_it_with_a_reason_only(make_bench):
    bench = make_bench(breaking(session_loss_max=Decimal(1))).start()
    bench.fill_position(Side.BUY, 10)
    price(bench, 597_000)

    bench.say("operator", control.ResumeRequested("", "me", " "))
    assert state(bench) == ("reducing", ["session_loss"])
    assert bench.said(guards.GuardRaised)[-1].code == "resume_needs_reason"
    bench.say("operator", control.ResumeRequested("mm", "me", "one strategy is not the account"))
    assert state(bench) == ("reducing", ["session_loss"])

    bench.say("operator", control.ResumeRequested("", "me", "looked at it"))

    assert bench.said(guards.GuardReleased)[-1] == guards.GuardReleased(
        "session_loss", "", "", "me", "looked at it"
    )
    assert state(bench) == ("active", [])
    bench.pass_ms(1000)
    assert state(bench) == ("active", [])


@pytest.mark.req("RK-9", "RK-12")
def test_a_breaker_holds_over_a_restart_from_a_snapshot_and_from_the_log(make_bench):
    bench = make_bench(breaking(session_loss_max=Decimal(1))).start()
    bench.fill_position(Side.BUY, 10)
    price(bench, 597_000)
    restored = RiskCore()
    restored.restore(bench.risk.snapshot())
    adopted = RiskCore()
    for event in bench.log:
        adopted.adopt(event)

    for core in (restored, adopted, bench.replayed(RiskCore())):
        assert [hold.code for hold in core.known.guards.held] == ["session_loss"]
        assert core.digest() == bench.risk.digest()


@pytest.mark.req("I-21", "RK-9")
@given(
    moves=st.lists(
        st.tuples(st.integers(590_000, 610_000), st.sampled_from(["tick", "day", "resume", "restart"])),
        max_size=12,
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_peak_is_never_below_what_is_and_both_share_one_window(make_bench, moves):
    # Given a position whose value follows the price
    bench = make_bench(breaking(session_drawdown_bps=50)).start()
    bench.book(bids=((600_000, 500),), asks=((600_010, 500),))
    bench.fill_position(Side.BUY, 50)

    for bid_ticks, what in moves:
        price(bench, bid_ticks)
        if what == "day":
            bench.mesh.tick(bench.mesh.now_ns + 86_400 * 10**9)
        elif what == "resume":
            bench.say("operator", control.ResumeRequested("", "me", "go on"))
        elif what == "restart":
            bench.risk.restore(bench.risk.snapshot())
        breakers = breakers_of(bench.risk)

        # Then peak and profit share one window: a new day or a person makes them equal, and a trip is a fall
        assert breakers.peak_e8 >= breakers.pnl_e8
        if what in {"day", "resume"} and not breakers.trips:
            fall_bps = (breakers.peak_e8 - breakers.pnl_e8) * 10_000 // (10_000 * E8 + breakers.peak_e8)
            assert fall_bps < 50
        if what == "day":
            assert breakers.peak_e8 == breakers.pnl_e8


@pytest.mark.req("RK-9", "RK-10", "RK-11")
def test_with_the_defaults_breakers_let_a_position_leave_before_the_kill(make_bench):
    # Given 0.16 bought at 60,001
    bench = make_bench().start()
    for _ in range(2):
        bench.book(asks=((600_010, 500),))
        bench.fill_position(Side.BUY, 80)
    bench.pass_ms(1000)

    # When it falls by 3211, so that the day has lost 514 and some fees
    price(bench, 567_900)
    bench.pass_ms(1000)

    # Then the breakers hold new risk, nothing is killed, and a part may leave
    assert {"session_loss", "total_drawdown", "session_drawdown"} <= set(codes(bench))
    assert not bench.said(control.KillRequested)
    assert isinstance(bench.verdict(Side.BUY, 567_900, 1), orders.OrderRefused)
    assert isinstance(bench.verdict(Side.SELL, 567_910, 1), orders.OrderApproved)

    # And the kill comes where they did not help
    price(bench, 530_000)
    bench.pass_ms(1000)
    assert bench.said(control.KillRequested)[0].reason.endswith("reached the limit of 1000")
