import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.allocation import (
    RebalanceSettings,
    Record,
    by_weight,
    drawdown,
    fixed,
    profit,
    rebalanced,
    scores,
    sharpe,
    win_rate,
)

BOUNDS = RebalanceSettings()


@pytest.mark.req("ST-47")
def test_profit_is_a_part_of_the_first_equity() -> None:
    assert profit([1000, 900, 1250]) == 0.25
    assert profit([1000, 500]) == -0.5
    assert profit([1000]) == profit([]) == 0.0
    with pytest.raises(ValueError, match="first equity 0 atoms"):
        profit([0, 5])


@pytest.mark.req("ST-47")
def test_the_sharpe_ratio_by_hand() -> None:
    # returns 0.1, 0.3, 0.2: mean 0.2, deviations -0.1, 0.1, 0: sqrt(0.02 / 2) = 0.1
    assert sharpe([1000, 1100, 1430, 1716]) == pytest.approx(2.0)
    # returns 0.5, -0.5: mean 0
    assert sharpe([1000, 1500, 750]) == 0.0
    # returns -0.1, -0.3, -0.2
    assert sharpe([1000, 900, 630, 504]) == pytest.approx(-2.0)


@pytest.mark.req("ST-47")
def test_a_sharpe_ratio_needs_two_returns_that_differ() -> None:
    assert sharpe([]) == sharpe([1000]) == sharpe([1000, 1100]) == 0.0
    assert sharpe([1000, 1000, 1000]) == 0.0
    assert sharpe([1000, 1100, 1210, 1331]) == 0.0
    # the returns end with the capital: -1 is the last one
    assert sharpe([1000, 1000, 0, 500]) == sharpe([1000, 1000, 0])


@pytest.mark.req("ST-47")
def test_the_drawdown_is_the_deepest_fall_from_a_high() -> None:
    assert drawdown([1000, 1200, 900, 1500, 1200]) == 0.25
    assert drawdown([1000, 1100, 1200]) == 0.0
    assert drawdown([1000, -500]) == 1.0
    assert drawdown([]) == drawdown([-5, -10]) == 0.0


def test_a_win_rate_needs_counts_that_can_be() -> None:
    assert win_rate(Record(equity_atoms=[], trade_count=4, win_count=1)) == 0.25
    assert win_rate(Record(equity_atoms=[])) == 0.0
    with pytest.raises(ValueError, match="5 won of 4 trades"):
        win_rate(Record(equity_atoms=[], trade_count=4, win_count=5))


@pytest.mark.req("ST-47")
def test_the_score_by_hand() -> None:
    records = {
        # profit 71.6 %, Sharpe 2, no drawdown, half won
        "up": Record(equity_atoms=[1000, 1100, 1430, 1716], trade_count=4, win_count=2),
        # profit -49.6 %, Sharpe -2, drawdown 49.6 %, all won
        "down": Record(equity_atoms=[1000, 900, 630, 504], trade_count=1, win_count=1),
        # profit 0, Sharpe 0, no drawdown, none won: 0.496/1.212 of the way, half, 0 and 1
        "flat": Record(equity_atoms=[1000, 1000, 1000, 1000]),
    }

    found = scores(records)

    assert found["up"] == pytest.approx(0.4 + 0.3 + 0.2 * 0.5 + 0.1)
    assert found["down"] == pytest.approx(0.2)
    assert found["flat"] == pytest.approx(0.4 * 0.496 / 1.212 + 0.3 * 0.5 + 0.1)


@pytest.mark.req("ST-47")
def test_those_who_did_the_same_have_the_same_score() -> None:
    record = Record(equity_atoms=[1000, 1100])

    assert scores({"a": record, "b": record}) == {"a": 0.5, "b": 0.5}
    assert scores({"a": record}) == {"a": 0.5}
    assert scores({}) == {}


@pytest.mark.req("ST-47")
def test_a_rebalance_moves_five_percent_from_the_worst_to_the_best() -> None:
    weights = {"a": 300_000, "b": 300_000, "c": 200_000, "d": 200_000}

    found = rebalanced(weights, {"a": 0.1, "b": 0.5, "c": 0.6, "d": 0.9}, BOUNDS)

    assert found == {"a": 250_000, "b": 250_000, "c": 250_000, "d": 250_000}
    assert rebalanced(weights, dict.fromkeys("abcd", 0.5), BOUNDS) == weights


@pytest.mark.req("ST-47")
def test_no_weight_leaves_ten_to_seventy_percent() -> None:
    assert rebalanced({"a": 680_000, "b": 320_000}, {"a": 1, "b": 0}, BOUNDS) == {"a": 700_000, "b": 300_000}
    assert rebalanced({"a": 700_000, "b": 300_000}, {"a": 1, "b": 0}, BOUNDS) == {"a": 700_000, "b": 300_000}
    assert rebalanced({"a": 500_000, "b": 120_000}, {"a": 1, "b": 0}, BOUNDS) == {"a": 520_000, "b": 100_000}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"a": 99_999}, "a has 99999 ppm, outside 100000..700000"),
        ({"a": 700_001}, "a has 700001 ppm, outside 100000..700000"),
        ({"a": 600_000, "b": 500_000}, "all weights together are 1100000 ppm"),
        ({"a": 200_000, "x": 200_000}, "no score of x"),
    ],
)
def test_weights_that_cannot_be_are_named(weights, words) -> None:
    with pytest.raises(ValueError, match=words):
        rebalanced(weights, {"a": 1, "b": 0}, BOUNDS)


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="least_ppm 200000 is more than most_ppm 100000"):
        RebalanceSettings(least_ppm=200_000, most_ppm=100_000)


@pytest.mark.req("ST-47")
@given(
    weights=st.lists(st.integers(100_000, 250_000), min_size=0, max_size=4),
    ranks=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    times=st.integers(1, 30),
)
@settings(max_examples=100, deadline=None)
def test_the_sum_stays_and_the_bounds_hold_however_often_it_is_rebalanced(weights, ranks, times) -> None:
    start = {f"s{number}": weight for number, weight in enumerate(weights)}
    score_of = {f"s{number}": rank for number, rank in enumerate(ranks)}

    found = start
    for _ in range(times):
        before, found = found, rebalanced(found, score_of, BOUNDS)
        assert all(abs(found[name] - before[name]) <= BOUNDS.step_ppm for name in found)

    assert sum(found.values()) == sum(start.values())
    assert all(BOUNDS.least_ppm <= weight <= BOUNDS.most_ppm for weight in found.values())


@pytest.mark.req("ST-47")
def test_capital_is_shared_out_by_weight_and_never_more_than_there_is() -> None:
    assert by_weight(1001, {"a": 333_333, "b": 500_000}) == {"a": 333, "b": 500}
    with pytest.raises(ValueError, match="more than the capital"):
        by_weight(1000, {"a": 600_000, "b": 500_000})
    with pytest.raises(ValueError, match="capital -1 atoms"):
        by_weight(-1, {})


@pytest.mark.req("ST-47")
def test_fixed_amounts_stay_as_they_were_set_and_fit_into_the_capital() -> None:
    assert fixed(1000, {"a": 400, "b": 600}) == {"a": 400, "b": 600}
    with pytest.raises(ValueError, match="all amounts together are 1001 atoms, the capital is 1000"):
        fixed(1000, {"a": 401, "b": 600})
    with pytest.raises(ValueError, match="a has -1 atoms"):
        fixed(1000, {"a": -1})
