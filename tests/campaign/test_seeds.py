"""Seeded faults against the live order path: 500 worlds, judged by the venue's own ledger.

`QUOTEMESH_CAMPAIGN_SEEDS=10000 ./quotemesh test tests/campaign/test_seeds.py` does more; the command
`./quotemesh campaign` tells more.
"""

import os

import pytest

from services.fused.live_campaign import Sums, judged, outcomes

SEEDS = int(os.environ.get("QUOTEMESH_CAMPAIGN_SEEDS") or 500)


@pytest.mark.timeout(0)
@pytest.mark.req("I-01", "I-04", "I-06", "I-11", "I-15", "I-16", "I-17", "I-22")
def test_no_world_loses_doubles_or_orphans_anything():
    sums = Sums()
    failed = []

    for outcome in outcomes(range(1, SEEDS + 1), 2):
        sums.add(outcome)
        if outcome.problems:
            failed.append((outcome.seed, outcome.classes, outcome.problems[:3]))

    assert failed == []
    assert sums.orders > 20 * SEEDS
    assert sums.unknowns > SEEDS
    assert min(sums.classes.values()) > SEEDS // 10


def test_a_seed_repeats_itself_exactly():
    one, other = judged(11), judged(11)

    assert one == other
    assert one.order_count > 0
