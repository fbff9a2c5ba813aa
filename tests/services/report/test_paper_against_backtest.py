"""Three minutes of a real market: paper trading over the simulated venue, and a backtest of its recording."""

import pytest

from services.backtest.equity import EVERYTHING
from services.backtest.run import Job, MarketData, execute
from services.bench.agreement import imported, sections_of
from services.fused.assemble import assemble
from services.report.compare_runs import compare
from services.report.fold import report
from services.report.journal_run import run_of
from services.venue_sim.settings import VenueSimSettings
from shared.columns import Columns
from shared.units import NS_PER_S

SECONDS = 180
CAPTURE = "USD-M"


@pytest.mark.req("BT-13")
def test_a_backtest_of_the_time_of_a_paper_run_trades_much_alike(captures, tmp_path):
    # Given a paper mesh on a capture, and a backtest of the same capture with the same settings
    files = tuple(imported(captures, CAPTURE, tmp_path))
    header = Columns.open(files[0]).header
    sections = sections_of("avellaneda_stoikov", header.symbol)
    source = captures / "binance_hft" / "usdm_btcusdt_20240808.raw.gz"
    venue = VenueSimSettings(mode="capture", files=(str(source),))
    events = []
    mesh = assemble(
        sections | {"venue_sim": venue}, build="test", store=lambda stored: events.append(stored.event)
    )
    mesh.run(mesh.now_ns + SECONDS * NS_PER_S)
    paper = run_of(events, "recorded")
    until_ns = header.first_local_ns + SECONDS * NS_PER_S
    backtest = execute(Job(sections, (MarketData(header.rules, files),), until_ns=until_ns))

    # When they are compared, first as their clocks are, then with the shift that the first one names
    first = compare(paper, backtest, EVERYTHING)
    found = compare(paper, backtest, EVERYTHING, shift_ns=round(first["shift_hint_s"] * NS_PER_S))

    # Then the recorder's clock is found to have been 1.27 s slow, and most lots were filled in both
    assert first["shift_hint_s"] == pytest.approx(1.27, abs=0.05)
    assert first["matched_share_a"] < 0.3
    assert min(found["matched_share_a"], found["matched_share_b"]) > 0.5
    assert found["pairs"] > 50
    assert report(events)["totals"]["fills"] == len(paper.fills) > 5
    assert not paper.is_generated
