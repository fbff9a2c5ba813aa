"""What a sweep varies, and the mistakes in writing it."""

import pytest

from services.backtest.sweep_space import Axis, grid, overrides, parse_axis, point_text
from shared.errors import ConfigError


def test_values_stay_the_texts_that_were_written():
    assert parse_axis("strategies.a.params.x = 1, 2.50,4") == Axis(
        "strategies.a.params.x", ("1", "2.50", "4")
    )


def test_a_range_with_steps_counts_in_decimals():
    axis = parse_axis("risk.loss_max=0.1..0.3:3")

    assert axis.values == ("0.1", "0.2", "0.3")


def test_a_range_without_steps_is_whole_when_both_ends_are():
    whole, part = parse_axis("a.b=1..4"), parse_axis("a.b=1..4.0")

    assert (whole.is_range, whole.is_whole, part.is_whole) == (True, True, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.b", "write SETTING=1,2,4"),
        ("=1", "write SETTING=1,2,4"),
        ("a.b=", "write SETTING=1,2,4"),
        ("a.b=1,,2", "a value between two commas is missing"),
        ("a.b=1,1", "a value is named twice"),
        ("a.b=4..1:3", "the range must rise"),
        ("a.b=1..nan:3", "the range must rise"),
        ("a.b=1..x:3", "write numbers"),
        ("a.b=1..4:1", "a range has 2 to 10000"),
    ],
)
def test_a_mistake_is_answered_with_how_to_write_it(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_axis(text)


@pytest.mark.req("BT-9")
def test_the_grid_holds_every_combination_once():
    points = grid([parse_axis("a.x=1,2"), parse_axis("a.y=p,q,r")])

    assert len(points) == len(set(points)) == 6
    assert points[1] == (("a.x", "1"), ("a.y", "q"))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "nothing is varied"),
        (["a.x=1..4"], "search it with --optuna"),
        (["a.x=1,2", "a.x=3,4"], "names a.x twice"),
        (["a.x=1..2:200", "a.y=1..2:200"], "40000 combinations, at most 10000"),
    ],
)
def test_a_grid_that_cannot_be_made_says_why(texts, says):
    with pytest.raises(ConfigError, match=says):
        grid([parse_axis(text) for text in texts])


def test_a_combination_becomes_the_overrides_that_a_person_would_set():
    point = (("strategies.as_btc.params.half_spread_bps", "2"), ("risk.loss_max", "50"))

    assert overrides(point) == {
        "QUOTEMESH__STRATEGIES__AS_BTC__PARAMS__HALF_SPREAD_BPS": "2",
        "QUOTEMESH__RISK__LOSS_MAX": "50",
    }
    assert point_text(point) == "half_spread_bps 2, loss_max 50"
