"""kill -9 of a real broker at 16 named points while it trades: the venue's ledger and the log stay equal.

32 kills here; `./quotemesh campaign --kills 200` is the campaign, and asserts the time to converge.
"""

import os

import pytest

from services.cli.campaign_kills import run_kills
from shared.runtime.crash import BROKER_POINTS

KILLS = int(os.environ.get("QUOTEMESH_KILLS") or 32)


@pytest.mark.mesh
@pytest.mark.timeout(900)
@pytest.mark.req("I-02", "I-04", "I-06", "I-15", "I-16", "I-17")
def test_a_broker_that_dies_anywhere_loses_and_doubles_nothing():
    report = run_kills(KILLS, 1)

    print(report)
    assert report.problems == []
    assert report.kills == KILLS
    assert len(report.at_points) >= len(BROKER_POINTS) // 2
    assert report.order_count > KILLS
    assert len(report.converged_ms) > KILLS // 3
