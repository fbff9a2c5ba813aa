from decimal import Decimal

import pytest

from services.strategy.grid import Grid
from services.strategy.registry import STRATEGIES, settings_of, source_of, strategy_class


def test_a_name_and_an_import_path_lead_to_the_same_class() -> None:
    assert strategy_class("grid") is Grid
    assert strategy_class("services.strategy.grid:Grid") is Grid


def test_the_source_of_a_users_strategy_counts_and_that_of_a_built_in_one_is_in_the_build() -> None:
    assert source_of("grid") == ""
    assert "class Grid(Strategy)" in source_of("services.strategy.grid:Grid")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("gird", "'gird' is no strategy; use one of avellaneda_stoikov, grid, imbalance"),
        ("nowhere.to:Find", "cannot be imported: ModuleNotFoundError"),
        ("services.strategy.grid:Absent", "cannot be imported: AttributeError"),
        ("services.strategy.grid:GridSettings", "no subclass of"),
        ("services.strategy.base:Strategy", "has no dataclass `Settings`"),
    ],
)
def test_a_kind_that_cannot_be_used_is_named_with_what_is_wrong(kind, text) -> None:
    with pytest.raises(ValueError, match=text):
        strategy_class(kind)


def test_texts_numbers_and_defaults_become_typed_settings() -> None:
    found = settings_of("grid", {"order_notional": "12.5", "interval_bps": 7, "buy_window": "4"})

    assert (found.order_notional, found.interval_bps, found.buy_window) == (Decimal("12.5"), 7.0, 4)
    assert found.sell_window == 10


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="interval_bps") as caught:
        settings_of("grid", {"interval_bps": 0, "order_cap": "many", "colour": "red", "buy_window": 1000})

    text = str(caught.value)
    assert "colour: there is no such setting of grid" in text
    assert "interval_bps: 0.0 is not more than 0" in text
    assert "order_cap: 'many'" in text
    assert "buy_window: 1000 is more than 200" in text


def test_settings_that_contradict_each_other_are_named() -> None:
    with pytest.raises(ValueError, match="order_cap 2 is less than"):
        settings_of("grid", {"order_cap": 2})


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_works_with_its_defaults(kind) -> None:
    assert STRATEGIES[kind](settings_of(kind, {})).snapshot()
