from decimal import Decimal

import pytest

from services.strategy.desk import make_rules
from services.strategy.grid_preview import (
    bps_of,
    break_even_interval_ticks,
    break_even_ppm,
    preview,
    price_problems,
    profit_per_cycle_atoms,
    rule_problems,
)
from services.strategy.grid_settings import GridSettings

USDM = "binance_usdm:BTCUSDT"


def rules(symbol=USDM, **changes):
    # A tick of 1 and a lot of 1: a price of 1000 ticks is 1000 in money, counted in cents.
    values = {
        "tick_size": "1",
        "lot_size": "1",
        "quote_exponent": 2,
        "tick_lot_atoms": 100,
        "min_notional_atoms": 500,
        "maker_fee_ppm": 1000,
        "taker_fee_ppm": 2000,
    }
    return make_rules(symbol, **(values | changes))


def grid(**changes):
    values = {"order_notional": Decimal(2000), "interval_bps": 100.0, "max_layers": 100}
    return GridSettings(**(values | changes))


@pytest.mark.req("ST-35")
def test_a_cycle_earns_the_interval_less_both_fees() -> None:
    # 2 lots from 1000 to 1010: 20 of 2000 and 2020 at 0.1 % each: 2.00 and 2.02
    assert profit_per_cycle_atoms(rules(), 1000, 1010, 2) == 2000 - 200 - 202
    # bought as a taker: 4.00
    assert profit_per_cycle_atoms(rules(), 1000, 1010, 2, buy_fee_ppm=2000) == 2000 - 400 - 202
    # a rebate is earned
    assert profit_per_cycle_atoms(rules(maker_fee_ppm=-100), 1000, 1010, 2) == 2000 + 20 + 20


@pytest.mark.req("ST-35")
def test_break_even_is_where_both_fees_are_just_earned() -> None:
    # 2 * 0.001 / 0.999 = 2002.002 ppm, rounded up
    assert break_even_ppm(1000) == 2003
    assert break_even_ppm(0) == 1
    assert break_even_ppm(-100) == 1
    # 2 ticks of 1000 earn 2 - 1.00 - 1.01 (fees up to the cent): a loss; 3 ticks earn 0.98
    assert break_even_interval_ticks(rules(), 1000) == 3
    # the sample of QuantMesh: BTC at 90,000 and 0.04 %: its interval of 10 lost; 72.03 would not
    real = make_rules(USDM, maker_fee_ppm=400)
    assert break_even_interval_ticks(real, 900_000) == 721
    assert profit_per_cycle_atoms(real, 900_000, 900_100, 1) < 0


@pytest.mark.req("ST-35")
def test_the_least_interval_in_bps_is_the_least_that_rounds_up_to_those_ticks() -> None:
    assert bps_of(3, 1000) == 20.01
    for ticks in (1, 7, 721):
        ppm = round(bps_of(ticks, 900_000) * 100)
        assert -(-900_000 * ppm // 10**6) == ticks
        assert -(-900_000 * (ppm - 1) // 10**6) == ticks - 1


@pytest.mark.req("ST-35")
def test_a_fall_is_bought_level_by_level_lost_to_the_price_and_locked_with_what_waits() -> None:
    found = preview(grid(buy_window=2), rules(), 1000)

    assert (found.interval_ticks, found.qty_lots, found.profit_per_cycle_atoms) == (10, 2, 1598)
    # -5 %: 990, 980, 970, 960, 950; 2000 / price = 2 lots each
    fall = found.falls[0]
    assert (fall.move_pct, fall.price_ticks, fall.level_count, fall.bought_lots) == (-5, 950, 5, 10)
    cost = 2 * (990 + 980 + 970 + 960 + 950)
    assert fall.bought_atoms == cost * 100
    # fees 1.98 + 1.96 + 1.94 + 1.92 + 1.90
    assert fall.lost_atoms == (cost - 10 * 950) * 100 + 970
    # 940 and 930 wait
    assert fall.locked_atoms == (cost + 2 * 940 + 2 * 930) * 100
    assert [one.move_pct for one in found.falls] == [-5, -10, -20, -33]


@pytest.mark.req("ST-35", "ST-34")
def test_layers_and_a_stop_loss_bound_what_a_fall_costs() -> None:
    few = preview(grid(max_layers=2, buy_window=2), rules(), 1000).falls[-1]
    assert (few.level_count, few.bought_atoms, few.locked_atoms) == (2, 394_000, 394_000)
    assert few.lost_atoms == 394_000 - 4 * 670 * 100 + 394

    # 2 % of 3940.00 are 78.80, less 3.94 of fees paid: 74.86 below the cost is 966.285 a lot
    stopped = preview(grid(max_layers=2, stop_loss_pct=2), rules(), 1000).falls[-1]
    assert stopped.stopped_ticks == 966
    # 394,000 - 386,400 + 394 of entry and 772.8 of taker fees, up to the cent
    assert stopped.lost_atoms == 7600 + 394 + 773
    assert stopped.locked_atoms == 0


@pytest.mark.req("ST-35", "ST-36")
def test_a_short_grid_is_looked_at_upwards_and_a_neutral_one_both_ways() -> None:
    short = preview(grid(direction="short"), rules(), 1000)
    assert [one.move_pct for one in short.falls] == [5, 10, 20, 33]
    fall = short.falls[0]
    # 1010 .. 1050: 2000 / price = 1 lot each
    assert (fall.level_count, fall.bought_lots, fall.bought_atoms) == (5, 5, 515_000)
    assert fall.lost_atoms == 5 * 1050 * 100 - 515_000 + 515

    both = preview(grid(direction="neutral"), rules(), 1000)
    assert [one.move_pct for one in both.falls] == [-5, -10, -20, -33, 5, 10, 20, 33]


@pytest.mark.req("ST-24", "ST-35")
def test_levels_outside_the_bounds_are_not_bought() -> None:
    fall = preview(grid(lower_price=Decimal(975)), rules(), 1000).falls[0]

    assert (fall.level_count, fall.bought_atoms, fall.locked_atoms) == (2, 394_000, 394_000)


@pytest.mark.req("ST-35")
@pytest.mark.parametrize(
    ("changes", "market", "text"),
    [
        ({"interval_bps": 20.0}, {}, "loses: a buy and a sell cost 20 bps of maker fees; set at least 20.03"),
        ({"direction": "short"}, {"symbol": "binance:BTCUSDT"}, "direction short sells what it does not"),
        ({"order_notional": Decimal(4)}, {}, "order_notional 4 is under the least value"),
    ],
)
def test_what_no_price_can_mend_is_refused_with_what_to_do(changes, market, text) -> None:
    problems = rule_problems(grid(**changes), rules(**market))

    assert len(problems) == 1
    assert text in problems[0]


@pytest.mark.req("ST-35")
@pytest.mark.parametrize(
    ("changes", "price", "text"),
    [
        ({}, 50, "denser than the tick: at 50 ticks one tick is 200 bps; set at least that"),
        ({"order_notional": Decimal(900)}, 1000, "is 0 lots at 1000 ticks, under the least order"),
        (
            {"lower_price": Decimal(995), "upper_price": Decimal(1000)},
            1000,
            "closer than one interval of 10 ticks; move them apart",
        ),
    ],
)
def test_what_a_price_makes_impossible_is_refused_with_what_to_do(changes, price, text) -> None:
    problems = price_problems(grid(**changes), rules(), price)

    assert len(problems) == 1
    assert text in problems[0]


@pytest.mark.req("ST-35")
def test_an_interval_that_loses_only_by_rounding_is_refused_with_the_one_that_does_not() -> None:
    # at 999 ticks 20.01 bps are 2 ticks: 2.00 less 1.00 and 1.01 (0.999 and 1.001, up to the cent)
    one = rules()

    problems = price_problems(grid(interval_bps=20.01), one, 999)

    assert "an interval of 2 ticks loses after fees at 999 ticks" in problems[0]
    assert "at least 20.03 (3 ticks)" in problems[0]
    assert price_problems(grid(interval_bps=20.03), one, 999) == []
