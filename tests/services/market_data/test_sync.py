"""The sequence rules of both venues, on ids alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.sync import BookSync, Phase, Verdict
from shared.venues.base import DepthDiff
from shared.venues.binance import SpotSequence, UsdmSequence


def diff(first, last, previous=-1):
    return DepthDiff("BTCUSDT", first, last, previous, 0, [], [])


def waiting(rules, buffered_max=100):
    sync = BookSync(rules, buffered_max)
    sync.begin()
    return sync


@pytest.mark.req("MD-4")
def test_spot_applies_a_diff_that_starts_right_after_the_snapshot():
    sync = waiting(SpotSequence())
    assert sync.take_diff(diff(101, 105)) is Verdict.BUFFERED

    usable = sync.take_snapshot(100)

    assert usable == [diff(101, 105)]
    assert sync.phase is Phase.LIVE


@pytest.mark.req("MD-4")
def test_spot_drops_diffs_that_the_snapshot_holds():
    sync = waiting(SpotSequence())
    for one in (diff(90, 95), diff(96, 100), diff(101, 103)):
        sync.take_diff(one)

    assert sync.take_snapshot(100) == [diff(101, 103)]


@pytest.mark.req("MD-4")
def test_usdm_keeps_a_diff_that_ends_at_the_snapshot_and_joins_between_pu_and_the_first_id():
    at_end, between = waiting(UsdmSequence()), waiting(UsdmSequence())
    at_end.take_diff(diff(95, 100, 90))
    between.take_diff(diff(110, 120, 90))

    assert at_end.take_snapshot(100) == [diff(95, 100, 90)]
    assert between.take_snapshot(100) == [diff(110, 120, 90)]


@pytest.mark.req("I-31")
@pytest.mark.parametrize(
    ("rules", "late"), [(SpotSequence(), diff(107, 109)), (UsdmSequence(), diff(107, 109, 106))]
)
def test_a_snapshot_older_than_the_diffs_is_refused_and_the_diffs_are_kept(rules, late):
    sync = waiting(rules)
    sync.take_diff(late)

    assert sync.take_snapshot(100) is None
    assert sync.phase is Phase.WAITING
    assert sync.take_snapshot(108) == [late]


@pytest.mark.req("I-31")
def test_a_held_snapshot_that_the_next_diff_does_not_reach_is_given_up():
    sync = waiting(SpotSequence())
    assert sync.take_snapshot(100) == []
    assert sync.phase is Phase.BRIDGING

    assert sync.take_diff(diff(99, 100)) is Verdict.OLD
    assert sync.take_diff(diff(105, 106)) is Verdict.TOO_OLD_SNAPSHOT
    assert sync.take_snapshot(105) == [diff(105, 106)]


@pytest.mark.req("I-31")
def test_usdm_judges_by_pu_alone():
    sync = waiting(UsdmSequence())
    sync.take_diff(diff(95, 100, 90))
    sync.take_snapshot(97)

    assert sync.take_diff(diff(140, 150, 100)) is Verdict.APPLY
    assert sync.take_diff(diff(151, 160, 149)) is Verdict.GAP


@pytest.mark.req("MD-28")
def test_the_buffer_is_bounded_and_counts_what_it_drops():
    sync = waiting(SpotSequence(), buffered_max=3)
    for first in range(101, 111):
        sync.take_diff(diff(first, first))

    assert sync.overflow_count == 7
    assert sync.take_snapshot(100) is None
    assert len(sync.take_snapshot(107)) == 3


@settings(max_examples=100, deadline=None)
@given(st.data())
@pytest.mark.req("MD-4", "I-31")
def test_whatever_comes_an_applied_diff_always_continues_the_last_one(data):
    """Frames dropped, doubled and reordered at will: an unbroken chain is all that is ever applied."""
    rules = data.draw(st.sampled_from([SpotSequence(), UsdmSequence()]))
    ends = sorted(data.draw(st.sets(st.integers(1, 400), min_size=5, max_size=40)))
    chain = [diff(a + 1, b, a) for a, b in zip([0, *ends], ends, strict=False)]
    stream = data.draw(st.lists(st.sampled_from(chain), max_size=60))
    sync, last_id = waiting(rules), 0

    def applied(one):
        nonlocal last_id
        assert one.first_id <= last_id + 1
        assert one.last_id >= last_id
        last_id = one.last_id

    for one in stream:
        if sync.phase is Phase.WAITING and data.draw(st.booleans()):
            snapshot_id = data.draw(st.sampled_from(ends))
            usable = sync.take_snapshot(snapshot_id)
            if usable is not None:
                last_id = snapshot_id
                for each in usable:
                    applied(each)
        was_bridging = sync.phase is Phase.BRIDGING
        verdict = sync.take_diff(one)
        if verdict is Verdict.APPLY or verdict is Verdict.BRIDGED:
            assert was_bridging == (verdict is Verdict.BRIDGED)
            applied(one)
