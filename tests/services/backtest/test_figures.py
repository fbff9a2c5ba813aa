"""Figures of a run, worked out by hand; equity, drawdown and round trips behind them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.equity import FILL, Drawdown, Selection, scale_of, steps
from services.backtest.figures import figures, fold, interval_profits
from services.backtest.record import Counts, Meta, Run, Strategy
from services.backtest.tables import FILLED, MID_COLUMNS, REFUSED
from shared.errors import ConfigError
from shared.messages.market import InstrumentRules
from shared.profit_parts import ProfitSplit

S = 1_000_000_000
START_S = 1_000_000
"""Prices of 1 tick and quantities of 1 lot are 1; money is counted in cents."""


def rules(symbol="binance:ABCUSD", quote="USD", exponent=2, tick_lot_atoms=100):
    return InstrumentRules(
        symbol, "ABC", quote, "1", "1", exponent, tick_lot_atoms, 1, 10**6, 0, 1, 10**6, 0, 0, False
    )


def a_run(seconds=100, markets=None, strategies=("maker",)):
    return Run(
        Meta(source="backtest", path="array", from_ns=START_S * S, until_ns=(START_S + seconds) * S),
        markets or [rules()],
        [Strategy(name, "grid", f"{name} v1") for name in strategies],
    )


def fill(run, second, side, lots, price, fee=0, mids=(0,), market=0, strategy=0):
    named = dict(zip(MID_COLUMNS, mids, strict=False))
    run.fills.add(
        ts_ns=(START_S + second) * S, order=-1, side=side, lots=lots, price_ticks=price,
        fee_atoms=fee, market=market, strategy=strategy, seq=second, **named,
    )  # fmt: skip


def worked_run():
    """A won and a lost round trip, a payment between them, and a deep fall on the way."""
    run = a_run()
    fill(run, 10, 0, 10, 100, 5, (201, 202, 204, 204, 190))
    run.marks.add(ts_ns=(START_S + 20) * S, mid_half_ticks=204)
    run.marks.add(ts_ns=(START_S + 30) * S, mid_half_ticks=190)
    fill(run, 40, 1, 10, 101, 5, (203, 203))
    run.funding.add(ts_ns=(START_S + 45) * S, amount_atoms=100)
    fill(run, 50, 1, 5, 101, 2, (203,))
    fill(run, 60, 0, 5, 103, 2, (205,))
    return run


@pytest.mark.req("BT-2", "BT-12")
def test_profit_fees_funding_and_trips_of_a_worked_run():
    found = figures(worked_run())

    assert (found.realized_pnl, found.unrealized_pnl) == (Decimal("0.00"), 0)
    assert (found.fees, found.funding, found.net_pnl) == (Decimal("0.14"), Decimal("1.00"), Decimal("0.86"))
    assert (found.volume, found.fills, found.asset) == (3030, 4, "USD")
    # +9.90 on ten bought at 100 and sold at 101, -10.04 on five sold at 101 and bought at 103
    assert (found.round_trips, found.win_rate.value) == (2, 0.5)
    assert found.average_trade.value == pytest.approx(-0.07)
    assert found.profit_factor == pytest.approx(9.90 / 10.04)
    assert found.average_holding_s == 20
    assert found.net_per_volume_bps == pytest.approx(0.86 / 3030 * 1e4)
    assert found.positions == {"binance:ABCUSD": "0"}
    assert found.strategies == {"maker": "maker v1"}


@pytest.mark.req("BT-4")
def test_drawdown_is_that_of_marked_equity_with_its_times():
    found = figures(worked_run())

    # 10 * 102 - 1000.05 = 19.95 at 20 s, 10 * 95 - 1000.05 = -50.05 at 30 s; nothing realised is lost there
    assert found.max_drawdown == Decimal("70.00")
    assert found.max_drawdown_from_ns == (START_S + 20) * S
    assert found.max_drawdown_low_ns == (START_S + 30) * S
    assert (found.max_drawdown_recovered_ns, found.max_drawdown_s) == (0, 80)
    assert found.longest_drawdown_s == 80
    assert found.calmar == pytest.approx(0.86 * 365 * 864 / 70)


@pytest.mark.req("BT-2")
def test_parts_of_the_profit_sum_to_it():
    found = figures(worked_run())

    assert found.spread_capture == Decimal("-5.0")  # 5 - 5 - 2.5 - 2.5
    parts = (found.adverse_100ms, found.adverse_1s, found.adverse_10s, found.adverse_60s)
    assert parts == (5, 10, 0, -70)
    assert found.inventory == 60
    assert found.spread_capture + sum(parts) + found.inventory - found.fees + found.funding == found.net_pnl


@pytest.mark.req("BT-2")
def test_mark_outs_are_what_fills_were_worth_later_with_their_error():
    found = {each.after: each for each in figures(worked_run()).mark_outs}

    assert found["0"].mean_bps == pytest.approx(-5 / 3030 * 1e4)
    assert (found["0"].fills, found["100ms"].fills, found["60s"].fills) == (4, 2, 1)
    assert found["100ms"].mean_bps == pytest.approx((10 * 1 - 10 * 0.5) / 2010 * 1e4)
    assert found["60s"].mean_bps == pytest.approx(-50 / 1000 * 1e4)
    assert found["0"].error_bps > 0
    assert found["60s"].error_bps is None


@pytest.mark.req("BT-2")
def test_profits_of_intervals_are_changes_of_marked_equity():
    # at 10 s bought, marked 4.95; 19.95; -50.05; 9.90; 10.90 with funding; then 8.38 and 0.86
    found = interval_profits(worked_run(), 10)

    assert found == pytest.approx([4.95, 15.0, -70.0, 59.95, -1.52, -7.52, 0, 0, 0, 0])
    assert figures(worked_run()).interval_s == 1


@pytest.mark.req("BT-12")
def test_a_run_without_fills_has_zeros_and_no_ratios():
    found = figures(a_run())

    for name in ("volume", "realized_pnl", "unrealized_pnl", "fees", "funding", "net_pnl", "max_drawdown"):
        assert getattr(found, name) == 0
    undefined = ("win_rate", "average_trade", "profit_factor", "sharpe", "sortino", "calmar", "fill_ratio")
    assert [getattr(found, name) for name in undefined] == [None] * len(undefined)
    assert (found.round_trips, found.fills, found.intervals) == (0, 0, 100)
    assert (found.var_95, found.cvar_99) == (0, 0)
    assert [each.mean_bps for each in found.mark_outs] == [None] * 5


@pytest.mark.req("BT-12")
def test_a_run_of_no_time_and_nothing_is_defined():
    run = Run(Meta(source="backtest", path="array"), [], [])

    found = figures(run)

    assert (found.span_s, found.intervals, found.net_pnl, found.var_95) == (0, 0, 0, None)


@pytest.mark.req("BT-12")
def test_a_run_of_one_fill_has_an_open_position_and_no_trade():
    run = a_run()
    fill(run, 10, 1, 3, 100, 1, (199,))

    found = figures(run)

    # sold three at 100, the mid is 99.5
    assert (found.net_pnl, found.unrealized_pnl) == (Decimal("1.49"), Decimal("1.50"))
    assert (found.round_trips, found.win_rate, found.average_trade) == (0, None, None)
    assert found.positions == {"binance:ABCUSD": "-3"}
    assert found.mark_outs[0].mean_bps == pytest.approx(50)
    assert found.mark_outs[0].error_bps is None


@pytest.mark.req("BT-12")
def test_a_single_won_trade_has_no_profit_factor_and_no_error():
    run = a_run()
    fill(run, 10, 0, 1, 100)
    fill(run, 20, 1, 1, 101)

    found = figures(run)

    assert (found.round_trips, found.win_rate.value, found.profit_factor) == (1, 1.0, None)
    assert found.average_trade == (1.0, None)


def test_an_unknown_mid_counts_as_the_own_price():
    run = a_run()
    fill(run, 10, 0, 2, 100)

    assert figures(run).net_pnl == 0


@pytest.mark.req("BT-2")
def test_a_drawdown_ends_with_the_return_to_its_high():
    drawdown = Drawdown()
    drawdown.start(0)

    for value, second in ((10, 1), (4, 2), (7, 3), (10, 5), (8, 6), (5, 9), (12, 12), (11, 13)):
        drawdown.take(value, second)
    drawdown.end(40)

    assert (drawdown.depth, drawdown.from_ns, drawdown.low_ns, drawdown.recovered_ns) == (6, 1, 2, 5)
    assert drawdown.lasted_ns(40) == 4
    assert drawdown.longest_ns == 28, "from 12 s to the end, though it was not the deepest"


def test_a_loss_from_the_beginning_is_a_drawdown_from_the_beginning():
    drawdown = Drawdown()
    drawdown.start(5)
    drawdown.take(-3, 8)
    drawdown.end(20)

    assert (drawdown.depth, drawdown.from_ns, drawdown.lasted_ns(20)) == (3, 5, 15)


@pytest.mark.req("BT-2")
def test_fill_ratio_and_queue_time_come_from_orders():
    run = a_run()
    run.counts = Counts(orders=4, orders_filled=1, orders_refused=1, orders_canceled=1)
    run.orders.add(ts_ns=1, accepted_ns=10_000_000, filled_ns=13_000_000, filled_lots=2, lots=2, state=FILLED)
    run.orders.add(ts_ns=2, accepted_ns=10_000_000, filled_ns=15_000_000, filled_lots=1, lots=2)
    run.orders.add(ts_ns=3, accepted_ns=4, lots=2)
    run.orders.add(ts_ns=4, lots=2, state=REFUSED)

    found = figures(run)

    assert found.fill_ratio == pytest.approx(2 / 3), "a refused order was never sent"
    assert (found.queue_ms_median, found.queue_ms_p95) == (3.0, 5.0)
    assert (found.orders, found.orders_refused) == (4, 1)
    part = figures(run, Selection(strategy="maker"))
    assert (part.orders, part.orders_filled, part.orders_refused) == (4, 1, 1)


def test_parts_of_a_run_are_looked_at_by_strategy_and_market():
    run = a_run(markets=[rules(), rules("binance:XYZUSD", exponent=4, tick_lot_atoms=10_000)],
                strategies=("one", "two"))  # fmt: skip
    fill(run, 10, 0, 1, 100)
    fill(run, 20, 1, 1, 110, market=1, strategy=1, mids=(200,))
    fill(run, 30, 1, 1, 103)

    assert figures(run).net_pnl == 13
    assert figures(run, Selection(strategy="one")).net_pnl == 3
    assert figures(run, Selection(symbol="binance:XYZUSD")).net_pnl == 10
    with pytest.raises(ConfigError, match="no strategy 'three'; it has one, two"):
        figures(run, Selection(strategy="three"))


def test_money_of_two_assets_is_not_added_up():
    run = a_run(markets=[rules(), rules("binance:ABCEUR", quote="EUR")])
    fill(run, 10, 0, 1, 100)
    fill(run, 20, 0, 1, 100, market=1)

    with pytest.raises(ConfigError, match="traded for EUR and USD"):
        figures(run)
    assert figures(run, Selection(symbol="binance:ABCEUR")).asset == "EUR"


def test_capital_gives_a_return():
    run = worked_run()
    run.meta.capital_atoms = 100_00

    assert figures(run).return_on_capital == pytest.approx(0.0086)


a_fill = st.tuples(
    st.integers(0, 30), st.integers(0, 1), st.integers(1, 5), st.integers(90, 110), st.integers(-3, 3),
    st.lists(st.integers(180, 220), min_size=5, max_size=5),
)  # fmt: skip


@given(st.lists(a_fill, max_size=25))
@settings(max_examples=100, deadline=None)
def test_any_fills_keep_their_sums_and_agree_with_the_split_of_live_trading(drawn):
    run, split, second = a_run(seconds=10_000), ProfitSplit(), 0
    for later, side, lots, price, fee, mids in drawn:
        second += later + 120  # each fill alone: its mids are told by nobody else
        fill(run, second, side, lots, price, fee, mids)
        ts = (START_S + second) * S
        split.take_fill(("a", "b"), -lots if side else lots, price, 100, mids[0], ts)
        for delay, mid in zip((S // 10, S, 10 * S, 60 * S), mids[1:], strict=True):
            split.take_mid("b", mid, ts + delay)
        split.pass_time(ts + 100 * S)

    found = fold(run).figures

    total = found.realized_pnl - found.fees + found.funding + found.unrealized_pnl
    assert total == found.net_pnl
    assert found.max_drawdown >= max(Decimal(0), -found.net_pnl)
    if drawn:
        parts = split.parts(("a", "b"), 0, 0, 0)
        ours = (found.spread_capture, found.adverse_100ms, found.adverse_1s, found.adverse_10s)
        assert [int(part * 100) for part in (*ours, found.adverse_60s)] == list(parts)[:5]
    last = [step for step in steps(run, scale_of(run)) if step.kind == FILL][-1:]
    assert all(step.equity_half == found.net_pnl * 200 for step in last)
