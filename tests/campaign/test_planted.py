"""Who tests the tests: bugs that other systems have shipped, one at a time; the campaign catches each."""

import pytest

from services.fused.live_campaign import caught
from services.fused.live_planted import PLANTED

FIRST_SEED = {
    "kill_leaves_queue": 4,
    "stale_answer_wins": 4,
    "adopt_as_own": 3,
    "retry_create": 9,
    "doubt_is_rejection": 9,
    "cancel_proves_absence": 9,
    "cancel_once": 22,
    "forget_at_restart": 25,
    "ignore_gap": 39,
}
"""Where the search begins, near the seed that caught it last; the others are caught by the first."""
WITHIN = 60


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught(name):
    first = FIRST_SEED.get(name, 1)

    found = caught(name, range(first, first + WITHIN))

    assert found is not None, PLANTED[name].what


def test_there_are_enough_of_them():
    assert len(PLANTED) >= 12
