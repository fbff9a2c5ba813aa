"""The array path says on the recorded captures what the exact path says, event by event."""

from dataclasses import replace

import pytest

from services.backtest.run import ARRAY, EXACT, Job, MarketData, execute
from services.bench.agreement import CAPTURES, STRATEGIES, compared, imported, sections_of
from shared.columns import TRADE, Columns
from shared.messages.control import StrategyNote
from shared.units import NS_PER_S


@pytest.fixture(scope="module")
def paths(captures, tmp_path_factory):
    """Return the column files of each capture."""
    out = tmp_path_factory.mktemp("columns")
    return {name: imported(captures, name, out) for name in CAPTURES}


@pytest.mark.req("BT-1", "BT-6")
@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("capture", CAPTURES)
def test_orders_verdicts_fills_and_positions_agree(paths, capture, kind):
    files = [Columns.open(path) for path in paths[capture]]
    symbol = files[0].header.symbol

    found = compared(sections_of(kind, symbol), files)

    assert found.difference == ""
    assert found.message_count > 5_000
    assert found.order_count > 10
    assert found.fill_count > 0


@pytest.mark.req("BT-1", "BT-12")
def test_the_runs_of_both_paths_are_the_same_to_the_last_figure(paths):
    files = tuple(paths["USD-M"])
    header = Columns.open(files[0]).header
    sections = sections_of("avellaneda_stoikov", header.symbol)
    until_ns = header.first_local_ns + 60 * NS_PER_S
    market = MarketData(header.rules, files)
    jobs = [Job(sections, (market,), path, until_ns=until_ns) for path in (EXACT, ARRAY)]

    exact, array = (execute(job) for job in jobs)

    assert exact.meta.digest == array.meta.digest
    assert list(exact.marks.rows()) == list(array.marks.rows())
    assert exact.counts == array.counts
    for name in exact.fills.COLUMNS:
        if name != "seq":
            assert getattr(exact.fills, name) == getattr(array.fills, name), name


LISTENER = """
    import zlib
    from dataclasses import dataclass

    from services.strategy.base import NOTHING, Note, Strategy

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def __init__(self, settings):
            self.heard = 0

        def on_trade(self, ctx, trade):
            self.heard = zlib.crc32(repr((ctx.now_ns, trade)).encode(), self.heard)
            return NOTHING

        def on_candle(self, ctx, candle):
            self.heard = zlib.crc32(repr((ctx.now_ns, candle)).encode(), self.heard)
            return NOTHING

        def on_book(self, ctx):
            self.heard = zlib.crc32(repr((ctx.now_ns, ctx.book.levels(0, 3))).encode(), self.heard)
            return [Note("info", str(self.heard), "heard so far")]
"""


@pytest.mark.req("BT-1")
def test_a_strategy_of_ones_own_hears_the_same_on_both_paths(tmp_path, tape, sections, own_strategy):
    columns = tape().book(0)
    for at in range(1, 200):
        columns.change(at * 400, [(600_000, at)], [(600_010, at % 5)])
        columns.row(at * 400 + 7, TRADE, 600_000, 3, 1)
        columns.trade(at * 400 + 7, 599_990, 1, 1)
    path = columns.write(tmp_path / "a.columns")
    chosen = sections(kind=own_strategy("listener", LISTENER))
    chosen["market_data"] = replace(chosen["market_data"], candles=True)
    logs = []
    for run_path in (EXACT, ARRAY):
        heard = []
        market = MarketData(columns.rules, (path,))
        execute(Job(chosen, (market,), run_path), watch=lambda event, heard=heard: heard.append(event))
        logs.append([(e.header.ts_ns, e.message) for e in heard if type(e.message) is StrategyNote])

    assert logs[0] == logs[1]
    assert len(logs[0]) == 200
