"""Who tests the tests: bugs that other systems have shipped, one at a time; the campaign catches each."""

import pytest

from services.fused.live_campaign import caught
from services.fused.live_planted import PLANTED

FIRST_SEED = {
    "doubt_is_rejection": 2,
    "retry_create": 2,
    "forget_unknown": 2,
    "kill_leaves_queue": 3,
    "not_found_at_once": 6,
    "memory_lost": 6,
    "cancel_proves_absence": 8,
    "stale_answer_wins": 10,
    "adopt_as_own": 12,
    "cancel_once": 17,
    "ignore_gap": 21,
}
"""Where the search begins, near the seed that caught it last; the others are caught by the first."""
WITHIN = 40


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught(name):
    first = FIRST_SEED.get(name, 1)

    found = caught(name, range(first, first + WITHIN))

    assert found is not None, PLANTED[name].what


def test_there_are_enough_of_them():
    assert len(PLANTED) >= 12
