"""The bench of the array path runs each strategy, in a tiny size."""

import pytest

from services.backtest.generate import Flow, generate
from services.bench import array_strategies


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "flow.columns"
    generate(Flow(event_count=6000, regime="adverse", mean_gap_us=5000, level_count=60), path)
    return path


@pytest.mark.parametrize("name", sorted(array_strategies.STRATEGIES))
def test_each_strategy_walks_all_events(file, name):
    found = array_strategies.run_one(name, file)

    assert 5000 < found["events"] <= 6000
    assert found["seconds"] > 0
    if name != "imbalance":
        assert found["orders"] > 0


def test_the_figures_say_what_was_traded(monkeypatch):
    monkeypatch.setattr(array_strategies, "EVENTS", 3000)
    monkeypatch.setattr(array_strategies, "PLAIN_EVENTS", 2000)
    monkeypatch.setattr(array_strategies, "ROUNDS", 1)

    figures = array_strategies.measure()

    assert [figure.name.partition(",")[0] for figure in figures] == list(array_strategies.STRATEGIES)
    assert all("orders" in figure.note and figure.value > 0 for figure in figures)
    assert [figure.at_least for figure in figures] == [2_000_000] * 3 + [None]
