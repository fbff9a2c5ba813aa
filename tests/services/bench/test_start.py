"""The bench of a start makes data that a backtest runs."""

from services.bench import start
from shared.columns import Columns


def test_the_file_of_the_bench_holds_two_messages(tmp_path):
    columns = Columns.open(start.two_messages(tmp_path / "two.columns"))

    assert sum(kind & 0x80 > 0 for kind in columns.kind) == 2


def test_each_path_is_measured(monkeypatch):
    monkeypatch.setattr(start, "ROUNDS", 1)

    figures = start.measure()

    assert [len(one.rounds) for one in figures] == [1, 1]
    assert all(one.value > 0 for one in figures)
