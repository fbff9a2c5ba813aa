"""The bench of generated data and formats runs, in a tiny size, and compares touches."""

from array import array

import pytest

from services.backtest.formats_rows import market_rules
from services.bench import formats
from shared.columns import CLEAR, LAST, LEVEL, TRADE, ColumnsWriter


@pytest.fixture
def tiny(monkeypatch):
    for name, size in {"EVENTS": 1_000, "CSV_EVENTS": 600, "REPLAYED": 600, "ROUNDS": 1}.items():
        monkeypatch.setattr(formats, name, size)
    monkeypatch.delenv(formats.PEERS, raising=False)


def test_every_way_is_measured(tiny):
    figures = {figure.name: figure for figure in formats.measure()}

    assert list(figures) == [
        "generated data",
        "export to npz",
        "import of npz",
        "export to Tardis CSV",
        "import of Tardis CSV",
    ]
    assert all(figure.value > 0 and figure.unit == "rows/s" for figure in figures.values())


def test_a_peer_that_does_not_run_is_said(tiny, monkeypatch):
    monkeypatch.setenv(formats.PEERS, "/bin/false")
    with pytest.raises(RuntimeError, match="QUOTEMESH_PEERS=/bin/false: hftbacktest did not replay"):
        formats.measure()


def test_the_touch_is_that_of_everything_received_by_then(tmp_path):
    rows = [
        (1, 10, 0, 0, CLEAR, 0),
        (1, 10, 100, 5, LEVEL, 0),
        (1, 10, 103, 6, LEVEL | LAST, 1),
        (2, 20, 102, 7, LEVEL | LAST, 0),
        (3, 30, 103, 1, TRADE | LAST, 0),
        (4, 40, 102, 0, LEVEL | LAST, 0),
    ]
    writer = ColumnsWriter(tmp_path / "a.columns", "a:BUSD", market_rules("a:BUSD", "1", "1"), "a test")
    writer.append_rows(
        *(array(code, column) for code, column in zip("qqiqBB", zip(*rows, strict=True), strict=True))
    )
    writer.finish()

    assert formats._touches(tmp_path / "a.columns", [10, 19, 20, 39, 99]) == [
        (100, 103, 5, 6),
        (100, 103, 5, 6),
        (102, 103, 7, 6),
        (102, 103, 7, 6),
        (100, 103, 5, 6),
    ]
