"""When a silent broker counts as dead."""

import pytest

from services.canceller.settings import CancellerSettings
from services.canceller.watch import Watch
from shared.units import NS_PER_MS

SETTINGS = CancellerSettings(silence_ms=10_000, killed_silence_ms=2000, again_ms=10_000)


def watch(alive_ms=None):
    made = Watch(SETTINGS)
    if alive_ms is not None:
        made.alive(alive_ms * NS_PER_MS)
    return made


def is_due(made, at_ms, *, is_killed=False):
    return made.is_due(at_ms * NS_PER_MS, is_killed=is_killed)


def test_a_broker_that_never_lived_is_never_due():
    made = watch()

    assert not made.is_armed
    assert not is_due(made, 1_000_000, is_killed=True)


@pytest.mark.req("BR-24")
def test_ten_seconds_of_silence_make_the_orders_due():
    made = watch(alive_ms=500)

    assert not is_due(made, 10_499)
    assert is_due(made, 10_500)


@pytest.mark.req("BR-24")
def test_under_a_kill_nobody_waits_ten_seconds_for_a_dead_broker():
    made = watch(alive_ms=0)

    assert not is_due(made, 1999, is_killed=True)
    assert is_due(made, 2000, is_killed=True)
    assert not is_due(made, 2000)


def test_a_dead_broker_is_looked_after_again_in_steps_and_not_at_every_look():
    made = watch(alive_ms=0)
    made.acted(12_000 * NS_PER_MS)

    assert not is_due(made, 21_999)
    assert is_due(made, 22_000)


def test_a_broker_that_comes_back_begins_a_new_silence():
    made = watch(alive_ms=0)
    made.acted(12_000 * NS_PER_MS)
    made.alive(13_000 * NS_PER_MS)

    assert not is_due(made, 22_999)
    assert is_due(made, 23_000)


def test_a_canceller_that_was_armed_before_it_died_goes_on_counting_from_its_new_start():
    made = Watch(SETTINGS, is_armed_at_ns=0)

    assert made.is_armed
    assert is_due(made, 10_000)
