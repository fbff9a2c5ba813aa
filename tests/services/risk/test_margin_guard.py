"""The margin of a venue is said at each change and each minute, warned of, and holds its markets."""

from decimal import Decimal

import pytest

from services.risk.core import RiskCore
from services.risk.margin import Margin
from services.risk.margin_guard import level_of
from services.risk.monitor_settings import MarginSettings, Prepared
from services.risk.settings import RiskSettings
from shared.messages import guards, orders
from shared.units import NS_PER_S, Side

RATIO_ONLY = MarginSettings(distance_warning_ppm=0, distance_reduce_ppm=0)


def risk(wallet, margin=RATIO_ONLY):
    return RiskSettings(margin=margin, prepared=Prepared(wallet_balance=Decimal(wallet)))


def statuses(bench):
    return bench.said(guards.MarginStatus)


@pytest.mark.req("RK-23")
def test_a_position_is_said_with_its_numbers_and_again_each_minute_until_it_is_closed(make_bench):
    bench = make_bench(risk(10_000)).start()
    bench.fill_position(Side.BUY, 5)
    [status] = statuses(bench)

    # 0.005 BTC bought at 60,001 as taker: fee 0.15000250; the mid of 60,000.5 loses 0.0025.
    assert (status.venue, status.state, status.symbols) == ("binance_usdm", "ok", [bench.PERP])
    assert status.equity_money == 10_000 * 10**8 - 15_000_250 - 250_000
    assert status.maintenance_money == 150_001_250  # 300.0025 * 0.5 %
    assert status.ratio_ppm == 151  # 1.5000125 of 9,999.847
    assert (status.liquidation_ticks, status.distance_ppm) == ([0], [1_000_000])

    bench.pass_ms(59_000)
    assert len(statuses(bench)) == 1
    bench.pass_ms(2000)
    assert len(statuses(bench)) == 2

    bench.fill_position(Side.SELL, 5)
    assert statuses(bench)[-1].symbols == []
    bench.pass_ms(120_000)
    assert len(statuses(bench)) == 3


@pytest.mark.req("RK-23")
def test_the_warning_level_warns_and_holds_nothing(make_bench):
    # Maintenance 1.5000125 of an equity of about 2.85: 53 %.
    bench = make_bench(risk(3)).start()
    bench.fill_position(Side.BUY, 5)

    assert statuses(bench)[-1].state == "warning"
    [raised] = bench.said(guards.GuardRaised)
    assert (raised.code, raised.limit, raised.is_tripped) == ("margin_warning", 500_000, False)
    assert raised.value == statuses(bench)[-1].ratio_ppm
    assert isinstance(bench.verdict(), orders.OrderApproved)


@pytest.mark.req("RK-23")
def test_the_reduce_level_lets_only_reducing_orders_of_this_venue_pass(make_bench):
    # Equity about 1.85: 81 %.
    bench = make_bench(risk(2)).start()
    bench.fill_position(Side.BUY, 5)

    assert statuses(bench)[-1].state == "reduce"
    scoped = bench.said(guards.ScopedState)[-1]
    assert (scoped.strategy, scoped.symbol, scoped.state) == ("", bench.PERP, "reducing")
    assert bench.verdict(Side.BUY).code == "margin"
    assert bench.verdict(Side.BUY, 600_000, 5, symbol=bench.SPOT).code == "balance"  # a wallet of 2
    assert isinstance(bench.verdict(Side.SELL, 600_010, 5), orders.OrderApproved)


@pytest.mark.req("RK-23")
def test_closing_the_position_releases_the_venue(make_bench):
    bench = make_bench(risk(2)).start()
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 5)

    assert bench.said(guards.GuardReleased)[-1].code == "margin"
    assert bench.said(guards.ScopedState)[-1].state == "active"


@pytest.mark.req("RK-23")
def test_a_loss_of_the_mark_alone_reaches_the_level(make_bench):
    bench = make_bench(risk(10)).start()
    bench.fill_position(Side.BUY, 5)
    assert statuses(bench)[-1].state == "ok"

    # 5 lots lose 0.005 USDT for each USDT of price: 1,600 lower is 8 less; equity about 1.84, margin 1.46.
    bench.book(bids=((584_000, 10),), asks=((584_010, 10),))
    bench.pass_ms(1100)

    assert statuses(bench)[-1].state == "reduce"


@pytest.mark.req("RK-23")
def test_a_spot_position_has_no_margin(make_bench):
    bench = make_bench(risk(1)).start()
    bench.fill_position(Side.BUY, 5, symbol=bench.SPOT)
    bench.pass_ms(61_000)

    assert statuses(bench) == []


@pytest.mark.req("RK-23")
@pytest.mark.parametrize(
    ("ratio", "distance", "former", "level"),
    [
        (499_999, 900_000, "ok", "ok"),
        (500_000, 900_000, "ok", "warning"),
        (700_000, 900_000, "ok", "reduce"),
        (650_000, 900_000, "reduce", "reduce"),  # a tenth below 700,000 is 630,000
        (629_999, 900_000, "reduce", "warning"),
        (449_999, 900_000, "reduce", "ok"),
        (460_000, 900_000, "warning", "warning"),
        (460_000, 900_000, "ok", "ok"),
        (0, 50_000, "ok", "warning"),
        (0, 25_000, "ok", "reduce"),
        (0, 27_000, "reduce", "reduce"),
        (0, 28_000, "reduce", "warning"),
    ],
)
def test_a_level_is_reached_at_its_limit_and_left_a_tenth_away(ratio, distance, former, level):
    margin = Margin(10**18, 0, ratio, [1], [distance])

    assert level_of(margin, MarginSettings(), former) == level


def test_a_restart_keeps_the_hold_and_a_replay_says_the_same(make_bench):
    bench = make_bench(risk(2)).start()
    bench.fill_position(Side.BUY, 5)
    bench.mesh.tick(bench.mesh.now_ns + NS_PER_S)
    restored = RiskCore()
    restored.restore(bench.risk.snapshot())

    assert [hold.code for hold in restored.known.guards.holds(restored.known)] == ["margin"]
    assert restored.snapshot() == bench.risk.snapshot() == bench.replayed(RiskCore()).snapshot()


def test_adopting_the_log_gives_the_same_state(make_bench):
    bench = make_bench(risk(2)).start()
    bench.fill_position(Side.BUY, 5)
    bench.pass_ms(3000)
    adopted = RiskCore()
    for event in bench.log:
        adopted.adopt(event)

    assert guard_states(adopted) == guard_states(bench.risk)


def guard_states(core):
    names = ("candle_monitor", "calendar", "margin", "regime")
    return {guard.name: guard.dump() for guard in core.known.guards.all if guard.name in names}
