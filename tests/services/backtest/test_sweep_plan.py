"""What a sweep runs, and what may be concluded from it."""

import pytest

from services.backtest.sweep_plan import (
    Part,
    best_of,
    parts_of,
    refuse_unless_usable,
    together,
    unit_key,
    units_of,
    walk_forward,
    whole_verdict,
)
from services.backtest.sweep_stats import moments_of
from services.backtest.sweep_store import UnitResult
from shared.errors import ConfigError

GOOD, BAD = (("x", "1"),), (("x", "2"),)


def result(profits, **fields):
    return UnitResult(key="k", net_pnl=sum(profits), samples=moments_of(profits), **fields)


@pytest.mark.req("BT-9")
def test_the_parts_cover_the_period_without_a_gap_or_an_overlap():
    parts = parts_of(100, 201, folds=3)

    assert parts == [Part(100, 125), Part(125, 150), Part(150, 175), Part(175, 201)]


@pytest.mark.parametrize(("folds", "until"), [(-1, 100), (51, 100), (3, 2)])
def test_parts_that_cannot_be_made_are_refused(folds, until):
    with pytest.raises(ConfigError, match="folds"):
        parts_of(0, until, folds)


def test_a_key_depends_on_everything_but_the_order_of_the_settings():
    part, point = Part(0, 10), (("x", "1"), ("y", "2"))

    key = unit_key(b"id", point, part)

    assert key == unit_key(b"id", point[::-1], part)
    others = [
        unit_key(b"other", point, part),
        unit_key(b"id", GOOD, part),
        unit_key(b"id", point, Part(0, 11)),
    ]
    assert len({key, *others}) == 4


def test_every_combination_is_run_over_every_part():
    units = units_of([GOOD, BAD], parts_of(0, 100, 1), b"id")

    assert [(unit.point, unit.part) for unit in units] == [(GOOD, 0), (GOOD, 1), (BAD, 0), (BAD, 1)]


def test_parts_together_add_up_and_the_worst_drawdown_stays():
    both = together([result([1.0], drawdown=5.0, fills=2), result([2.0], drawdown=3.0, fills=1)])

    assert (both.net_pnl, both.drawdown, both.fills, both.samples.count) == (3.0, 5.0, 3, 2)


def test_one_that_never_traded_is_better_than_one_that_loses():
    scores = {BAD: together([result([-1.0, -2.0])]), GOOD: together([result([0.0, 0.0])])}

    assert best_of(scores) == GOOD


@pytest.mark.req("BT-9")
def test_a_walk_forward_chooses_on_the_past_and_counts_only_what_followed():
    # Given one that is good first and bad later, and one the other way round.
    table = {
        GOOD: [result([1.0, 2.0]), result([1.0, 2.0]), result([-4.0, -5.0])],
        BAD: [result([-1.0, -2.0]), result([-1.0, 0.0]), result([7.0, 8.0])],
    }

    found = walk_forward(table)

    assert [fold.point for fold in found.folds] == [GOOD, GOOD]
    assert [fold.out_pnl for fold in found.folds] == [3.0, -9.0]
    assert [fold.median_out_pnl for fold in found.folds] == [1.0, 3.0]
    assert found.out_pnl == -6.0
    assert found.out_samples == moments_of([1.0, 2.0, -4.0, -5.0])
    assert not found.verdict.is_significant


def test_without_folds_there_is_no_walk_forward():
    assert walk_forward({GOOD: [result([1.0])]}) is None
    assert walk_forward({}) is None


@pytest.mark.req("BT-9")
def test_trials_of_earlier_sweeps_make_the_verdict_stricter():
    table = {GOOD: [result([0.5, -0.1, 0.4, 0.2] * 20)], BAD: [result([0.4, -0.4] * 40)]}

    best, few = whole_verdict(table, 0)
    _, many = whole_verdict(table, 5000)

    assert best == GOOD
    assert (few.trials, many.trials) == (2, 5000)
    assert many.deflated < few.deflated


def test_a_sweep_in_which_all_failed_says_the_first_reason():
    with pytest.raises(
        ConfigError, match=r"all 2 combinations failed; the first one \(x 1\): no such setting"
    ):
        refuse_unless_usable({}, {GOOD: "no such setting", BAD: "other"})
