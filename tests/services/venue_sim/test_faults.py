"""Faults happen to exactly the frames they are commanded for, and nothing else changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import FaultSchedule, FaultSettings, VenueSimSettings
from services.venue_sim.venue import CAPTURE_STREAM, CUT_STREAM, StreamFrame

MS = 1_000_000
KINDS = ["drop", "double", "swap", "cut", "delay"]


class Numbers:
    """A venue that sends its frame number on two streams each 10 ms, until `end`."""

    origin_ns = 0
    notice = ""

    def __init__(self, end=20):
        self.n = 0
        self.end = end

    @property
    def finished(self):
        return self.n >= self.end

    @property
    def frames(self):
        return self.n

    def source(self, venue, stream):
        return stream.replace("@100ms", "") if venue == "binance" else None

    def due_ns(self):
        return None if self.finished else self.n * 10 * MS

    def advance(self, now_ns):
        out = []
        while not self.finished and self.due_ns() <= now_ns:
            out += [StreamFrame("binance", stream, b"%d" % self.n) for stream in ("a@depth", "b@trade")]
            self.n += 1
            if self.finished:
                out.append(StreamFrame("binance", CAPTURE_STREAM, b"end"))
        return out


def run(venue, step_ms=10, until_ms=400):
    """Return per stream [(time in ms, data)] as sent."""
    seen = {"a@depth": [], "b@trade": [], CUT_STREAM: [], CAPTURE_STREAM: []}
    for at_ms in range(0, until_ms, step_ms):
        for frame in venue.advance(at_ms * MS):
            seen[frame.stream].append((at_ms, frame.data.decode()))
    return seen


def data(items):
    return [text for _, text in items]


@pytest.mark.req("MD-3", "MD-4")
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (FaultSettings(kind="drop", stream="a@depth", count=2, skip=1), "0 3 4 5"),
        (FaultSettings(kind="double", stream="a@depth@100ms", skip=2), "0 1 2 2 3 4 5"),
        (FaultSettings(kind="swap", stream="a@depth", skip=1), "0 2 1 3 4 5"),
        (FaultSettings(kind="swap", stream="a@depth", count=2), "1 0 3 2 4 5"),
        (FaultSettings(kind="swap", stream="a@depth", skip=5), "0 1 2 3 4 5"),
        (FaultSettings(kind="drop", stream="a@depth", venue="binance_usdm"), "0 1 2 3 4 5"),
    ],
)
def test_commanded_faults_take_the_named_frames_of_the_named_stream(fault, expected):
    seen = run(FaultyVenue(Numbers(end=6), (fault,)))

    assert " ".join(data(seen["a@depth"])) == expected
    assert data(seen["b@trade"]) == ["0", "1", "2", "3", "4", "5"]
    assert data(seen[CAPTURE_STREAM]) == ["end"]


@pytest.mark.req("MD-3")
def test_delayed_frames_come_later_and_what_follows_waits_behind_them():
    venue = FaultyVenue(Numbers(end=8), (FaultSettings(kind="delay", stream="a@depth", skip=2, delay_ms=30),))

    seen = run(venue)

    assert seen["a@depth"] == [
        (0, "0"), (10, "1"), (50, "2"), (50, "3"), (50, "4"), (50, "5"), (60, "6"), (70, "7"),
    ]  # fmt: skip
    assert [at for at, _ in seen["b@trade"]] == [0, 10, 20, 30, 40, 50, 60, 70]


@pytest.mark.req("MD-24")
def test_the_end_of_a_capture_waits_for_what_is_held():
    venue = FaultyVenue(
        Numbers(end=3), (FaultSettings(kind="delay", stream="a@depth", skip=1, delay_ms=100),)
    )
    venue.advance(50 * MS)
    assert not venue.finished
    assert venue.due_ns() == 110 * MS

    assert [frame.data for frame in venue.advance(110 * MS)] == [b"1", b"2", b"end"]
    assert venue.finished
    assert venue.due_ns() is None


@pytest.mark.req("MD-5")
@pytest.mark.parametrize(("stream", "told"), [("a@depth", "a@depth"), ("", "")])
def test_a_cut_loses_its_frame_and_names_whom_to_disconnect(stream, told):
    venue = FaultyVenue(Numbers(end=4), (FaultSettings(kind="cut", stream=stream, skip=2),))

    seen = run(venue)

    assert data(seen[CUT_STREAM]) == [told]
    assert len(seen["a@depth"]) == 3
    assert [(item.kind, item.stream) for item in venue.injected] == [("cut", "a@depth")]


def test_faults_of_one_stream_take_turns_and_can_be_cleared():
    venue = FaultyVenue(Numbers(end=6))
    venue.command(FaultSettings(kind="drop", stream="a@depth", count=1))
    venue.command(FaultSettings(kind="double", stream="a@depth", count=9))
    venue.advance(20 * MS)
    assert venue.pending == 7
    venue.clear()

    assert venue.counts == {"drop": 1, "double": 2}
    assert data(run(venue)["a@depth"]) == ["3", "4", "5"]


@pytest.mark.req("MD-3")
@given(st.integers(0, 2**32), st.integers(2, 9), st.sampled_from([10, 30, 70]))
@settings(max_examples=60, deadline=None)
def test_a_seeded_schedule_repeats_however_time_is_cut_and_loses_only_what_it_says(seed, every, step_ms):
    schedule = FaultSchedule(seed=seed, every_frames=every, delay_ms=25)
    one, other = (FaultyVenue(Numbers(end=30), schedule=schedule) for _ in range(2))

    seen, whole = run(one, 10, 1000), run(other, step_ms, 1000)

    assert {k: data(v) for k, v in seen.items()} == {k: data(v) for k, v in whole.items()}
    assert one.injected == other.injected
    sent = len(seen["a@depth"]) + len(seen["b@trade"])
    assert sent == 60 - one.counts["drop"] - one.counts["cut"] + one.counts["double"]
    assert len(seen[CUT_STREAM]) == one.counts["cut"]
    assert data(seen[CAPTURE_STREAM]) == ["end"]


@pytest.mark.req("MD-24")
def test_without_faults_nothing_changes(make, write_capture):
    path = write_capture(make.small_capture())
    plain, wrapped = CaptureVenue((path,)), FaultyVenue(CaptureVenue((path,)))

    assert wrapped.origin_ns == plain.origin_ns
    assert wrapped.advance(plain.origin_ns + 10**10) == plain.advance(plain.origin_ns + 10**10)
    target = "/api/v3/depth?symbol=BTCUSDT"
    assert wrapped.request("binance", "GET", target, 0) == plain.request("binance", "GET", target, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_on_generated_markets(kind):
    venue = FaultyVenue(
        GeneratedVenue(VenueSimSettings()), schedule=FaultSchedule(seed=1, every_frames=10, kinds=(kind,))
    )

    frames = venue.advance(venue.origin_ns + 3000 * MS)

    assert venue.counts[kind] > 10
    assert set(venue.counts) == {kind}
    assert (kind == "cut") == any(frame.stream == CUT_STREAM for frame in frames)
