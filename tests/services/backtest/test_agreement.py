"""The array path says on the recorded captures what the exact path says, event by event."""

import pytest

from services.backtest.run import ARRAY, EXACT, Job, MarketData, execute
from services.bench.agreement import CAPTURES, STRATEGIES, compared, imported, sections_of
from shared.columns import Columns
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
