"""The campaign in small, 20,000 cases: `quotemesh hostile --cases 1000000` is the large one"""

import pytest

from services.hostile.campaign import run
from services.hostile.plan import TARGETS, cases_of

CASES = 20_000
SEED = 20
PROCESSES = {"bus-process", "bus-read", "gateway-process"}


def survives(name, given):
    cases = cases_of(name, CASES)

    report = run(TARGETS[name].make(given, SEED), cases, SEED)

    assert report.faults == []
    assert report.is_clean, report
    assert report.accepted + report.refused == report.sent == cases
    assert report.refused, "nothing was refused: the mutator does not reach the part"
    assert report.accepted, "nothing was accepted: the mutator destroys everything"


@pytest.mark.req("OP-12", "JR-17")
@pytest.mark.parametrize("name", sorted(set(TARGETS) - PROCESSES))
def test_hostile_input_crashes_hangs_and_grows_nothing(name, given):
    survives(name, given)


@pytest.mark.mesh
@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_real_processes_live_through_hostile_input(name, given):
    survives(name, given)


def test_the_shares_of_the_targets_are_a_whole():
    assert sum(entry.share for entry in TARGETS.values()) == 1000
