"""Bad input: each setting outside its range, and settings that contradict each other."""

from typing import get_args, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt

from services.strategy.grid_settings import GridSettings
from services.strategy.registry import settings_of

HINTS = get_type_hints(GridSettings, include_extras=True)
OUTSIDE = [
    (name, bound, value)
    for name, hint in HINTS.items()
    for bound in get_args(hint)[1:]
    for value in (
        [bound.ge - 1]
        if isinstance(bound, Ge)
        else [bound.gt]
        if isinstance(bound, Gt)
        else [bound.le + 1]
        if isinstance(bound, Le)
        else [bound.lt]
        if isinstance(bound, Lt)
        else []
    )
]


@pytest.mark.parametrize(("name", "bound", "value"), OUTSIDE, ids=str)
def test_a_setting_outside_its_range_is_named_with_value_and_limit(name, bound, value) -> None:
    (limit,) = (getattr(bound, field) for field in bound.__dataclass_fields__)

    with pytest.raises(ValueError, match=name) as caught:
        settings_of("grid", {name: str(value)})

    words = str(caught.value).partition(": ")[2].split()
    assert float(words[0]) == value
    assert float(words[-1]) == limit


@pytest.mark.parametrize("name", [name for name, hint in HINTS.items() if get_args(hint)[0] is float])
@pytest.mark.parametrize("word", ["nan", "inf", "ten", ""])
def test_what_is_no_number_is_refused(name, word) -> None:
    with pytest.raises(ValueError, match=name):
        settings_of("grid", {name: word})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"order_cap": 5}, "order_cap 5 is less than buy_window .* 20: .*set order_cap to at least 20"),
        ({"lower_price": 5, "upper_price": 5}, "upper_price 5 is not above lower_price 5: .*exchange them"),
        ({"trailing_pct": 2}, "trailing_pct 2 is more than take_profit_pct 0: .*set it lower"),
        ({"is_adaptive": True, "window_min": 11}, "window_min 11 is more than buy_window 10: .*set it lower"),
        ({"direction": "sideways"}, "direction: 'sideways': Invalid enum value"),
        ({"spacing": "fibonacci"}, "spacing: 'fibonacci': Invalid enum value"),
        ({"gap": 5}, "gap: there is no such setting of grid"),
    ],
)
def test_contradictions_and_unknown_words_are_refused_with_what_to_do(changes, text) -> None:
    with pytest.raises(ValueError, match=text):
        settings_of("grid", changes)


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"order_cap.*; upper_price.*; trailing_pct"):
        settings_of("grid", {"order_cap": 3, "lower_price": 9, "upper_price": 5, "trailing_pct": 1})
