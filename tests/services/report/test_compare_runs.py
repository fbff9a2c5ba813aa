"""Two runs of the same time: fills matched by hand, profit with its interval, and what cannot be compared."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.equity import EVERYTHING
from services.backtest.figures import figures
from services.report.compare_runs import FillPart, compare, matched, shifted, sliced, text
from shared.errors import ConfigError
from shared.units import NS_PER_S

KEY = ("binance_usdm:BTCUSDT", 0, 100)


def test_fills_are_matched_lot_by_lot_within_the_window():
    one = {KEY: [FillPart(1000, 5), FillPart(5000, 4)]}
    other = {KEY: [FillPart(1200, 3), FillPart(1400, 2), FillPart(9000, 4)]}

    found = matched(one, other, 500)

    assert found.lots == 5
    assert found.late_ns == [200, 400]
    assert found.only_a == [(KEY, FillPart(5000, 4))]
    assert found.only_b == [(KEY, FillPart(9000, 4))]


def test_another_side_or_price_is_another_fill():
    found = matched({KEY: [FillPart(1, 1)]}, {(KEY[0], 1, 100): [FillPart(1, 1)], (KEY[0], 0, 101): []}, 9)

    assert (found.lots, len(found.only_a), len(found.only_b)) == (0, 1, 1)


fills = st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 9)), max_size=12).map(
    lambda drawn: [FillPart(*each) for each in sorted(drawn)]
)


@given(fills, fills, st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_no_lot_is_lost_or_counted_twice(one, other, window):
    found = matched({KEY: one}, {KEY: other}, window)

    assert found.lots + sum(part.lots for _, part in found.only_a) == sum(part.lots for part in one)
    assert found.lots + sum(part.lots for _, part in found.only_b) == sum(part.lots for part in other)
    assert all(abs(late) <= window for late in found.late_ns)
    swapped = matched({KEY: other}, {KEY: one}, window)
    assert swapped.lots == found.lots


@pytest.mark.req("BT-13")
def test_a_run_and_itself_differ_in_nothing(traded_run):
    found = compare(traded_run, copy.deepcopy(traded_run), EVERYTHING)

    assert (found["matched_share_a"], found["matched_share_b"]) == (1.0, 1.0)
    assert set(found["difference"].values()) <= {"0", "0E-9", "0E-8", "0.00000000", "0.0", "0.000000000"}
    assert found["verdict"] == "no difference: equity moved alike in every interval"
    json.dumps(found)


@pytest.mark.req("BT-13")
def test_a_worse_price_shows_in_fills_and_in_profit(traded_run):
    other = copy.deepcopy(traded_run)
    for row in range(len(other.fills)):
        other.fills.price_ticks[row] += -200 if other.fills.side[row] else 200
        other.fills.ts_ns[row] += NS_PER_S // 10

    found = compare(traded_run, other, EVERYTHING)

    # 40 fills of 0.005 are each 20.0 worse
    assert float(found["difference"]["net_pnl"]) == pytest.approx(40 * 0.005 * 20)
    assert found["matched_lots"] == 0
    assert (found["only_a_count"], found["only_b_count"]) == (40, 40)
    assert found["difference_interval"][0] > 0
    assert found["verdict"].startswith("A earned more")
    said = text(found)
    assert "fills alike (market, side, price, within 1000 ms): 0.0% of A's lots" in said
    assert "and 35 more" in said


@pytest.mark.req("BT-13")
def test_later_fills_of_the_other_are_told_with_their_delay(traded_run):
    other = copy.deepcopy(traded_run)
    for row in range(len(other.fills)):
        other.fills.ts_ns[row] += NS_PER_S // 4

    found = compare(traded_run, other, EVERYTHING)

    assert (found["matched_share_a"], found["late_ms_median"], found["late_ms_p95"]) == (1.0, 250.0, 250.0)
    assert found["difference"]["fees"] in ("0E-8", "0.00000000")


@pytest.mark.req("BT-13")
def test_only_the_common_time_counts_and_positions_are_carried_over(traded_run):
    start = traded_run.meta.from_ns
    middle = start + 300 * NS_PER_S + 12 * NS_PER_S
    first = sliced(traded_run, start, middle - 1)
    second = sliced(traded_run, middle, traded_run.meta.until_ns)

    whole = figures(traded_run)

    parts = [figures(first), figures(second)]
    assert sum(part.fills for part in parts) == whole.fills
    assert parts[0].positions == {"binance_usdm:BTCUSDT": "0.005"}, "it was cut while a position was held"
    assert second.opening[0].lots == 5
    # the mid moved once between the last step of one part and the first of the other
    assert float(sum(part.net_pnl for part in parts)) == pytest.approx(float(whole.net_pnl))
    assert compare(copy.deepcopy(second), traded_run, EVERYTHING)["matched_share_b"] == 1.0


def test_a_shift_moves_every_time_but_those_that_never_were(traded_run):
    traded_run.orders.ended_ns[0] = 0
    before = list(traded_run.fills.ts_ns)

    shifted(traded_run, 5 * NS_PER_S)

    assert list(traded_run.fills.ts_ns) == [ts + 5 * NS_PER_S for ts in before]
    assert traded_run.orders.ended_ns[0] == 0


def test_clocks_that_differ_are_noticed(traded_run):
    for row in range(0, len(traded_run.fills), 2):
        traded_run.fills.price_ticks[row] += row
    other = copy.deepcopy(traded_run)
    shifted(other, 3 * NS_PER_S)

    found = compare(traded_run, other, EVERYTHING)

    assert found["shift_hint_s"] == -3.0
    assert "with --shift -3.000" in text(found)
    assert compare(traded_run, other, EVERYTHING, shift_ns=-3 * NS_PER_S)["shift_hint_s"] is None


def test_a_part_counts_its_own_orders(traded_run):
    part = sliced(traded_run, traded_run.meta.from_ns, traded_run.meta.from_ns + 60 * NS_PER_S)

    assert figures(part).orders == 4
    assert figures(part).orders_filled == 4


def test_runs_without_common_time_market_or_units_are_refused(traded_run, market_rules):
    apart = copy.deepcopy(traded_run)
    shifted(apart, 3600 * NS_PER_S)
    with pytest.raises(ConfigError, match="no time in common"):
        compare(traded_run, apart, EVERYTHING)

    elsewhere = copy.deepcopy(traded_run)
    elsewhere.markets = [market_rules(symbol="binance:ETHUSDT")]
    with pytest.raises(ConfigError, match=r"no market in common: A has .*BTCUSDT, B .*ETHUSDT"):
        compare(traded_run, elsewhere, EVERYTHING)

    finer = copy.deepcopy(traded_run)
    finer.markets = [market_rules(tick="0.01")]
    with pytest.raises(ConfigError, match=r"tick_size 0.10 in A and 0.01 in B"):
        compare(traded_run, finer, EVERYTHING)
