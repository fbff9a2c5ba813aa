"""Who is silent, in real time given by the caller."""

import pytest

from services.bus.silence import SilenceWatch
from shared.messages.system import Alive, SourceBack, SourceSilent

MS = 1_000_000


def watch():
    made = SilenceWatch(silence_ms=1000, start_grace_ms=5000)
    made.judge(0)
    return made


def judged(made, from_ms, until_ms, step_ms=100):
    """Judge each 100 ms and return what was said."""
    return [said for ms in range(from_ms, until_ms + 1, step_ms) for said in made.judge(ms * MS)]


@pytest.mark.req("I-27")
def test_a_service_is_silent_once_after_its_limit_and_back_at_the_next_sign():
    made = watch()
    made.heard(Alive("risk", 1, 10), 0)

    said = judged(made, 0, 3000)
    back = made.heard(Alive("risk", 1, 11), 3000 * MS)

    assert said == [SourceSilent("risk", 1000)]
    assert back == SourceBack("risk")
    assert made.heard(Alive("risk", 1, 12), 3100 * MS) is None


def test_a_starting_service_has_a_grace():
    made = watch()
    made.starting("risk", 0)

    assert judged(made, 0, 4900) == []
    assert judged(made, 5000, 6000) == [SourceSilent("risk", 5000)]


def test_a_judge_that_slept_blames_nobody():
    made = watch()
    made.heard(Alive("risk", 1, 10), 0)

    assert made.judge(60_000 * MS) == []
    assert judged(made, 60_100, 60_900) == []
    assert judged(made, 61_000, 61_500) == [SourceSilent("risk", 61_000)]
