"""The bench of the backtest engine runs in a tiny size without its peers, and says how they are installed."""

import pytest

from services.backtest.generate import Flow, generate
from services.bench import backtest, backtest_runs
from shared.columns import Columns
from shared.errors import QuotemeshError


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.delenv("QUOTEMESH_PEERS", raising=False)
    for name, size in {"ROWS": 3000, "ROUNDS": 1, "LONG_ROWS": (2000, 3000)}.items():
        monkeypatch.setattr(backtest, name, size)


@pytest.mark.usefixtures("tiny")
def test_without_peers_our_figures_are_measured_alone():
    figures = backtest.measure()

    assert all(figure.value > 0 for figure in figures if figure.unit == "M events/s")
    assert len(figures) == 4 * 3 + 1 + 4
    assert {figure.peer for figure in figures} == {None}
    assert any("uv pip install" in figure.note for figure in figures)


def test_a_long_feed_is_not_walked_by_kernels_that_are_not_compiled(monkeypatch):
    monkeypatch.setattr(backtest, "is_compiled", lambda: False)

    with pytest.raises(QuotemeshError, match="not compiled"):
        backtest.measure()


@pytest.mark.parametrize("case", ["peer", "full", "python", "events"])
def test_each_case_of_the_bench_trades(tmp_path, case):
    path = tmp_path / "feed.columns"
    generate(Flow(event_count=20_000, regime="quiet"), path)
    columns = Columns.open(path)

    ran = backtest_runs.run(columns, 50, case)
    part = backtest_runs.run(columns, 50, case, 5000)

    assert ran.orders > ran.fills > 0
    assert part.orders < ran.orders
    columns.close()


def test_a_rule_and_a_function_do_the_same_on_a_longer_feed(tmp_path):
    path = tmp_path / "feed.columns"
    generate(Flow(event_count=60_000, regime="trend"), path)
    columns = Columns.open(path)

    assert backtest_runs.run(columns, 20, "full")[1:] == backtest_runs.run(columns, 20, "python")[1:]
    columns.close()
