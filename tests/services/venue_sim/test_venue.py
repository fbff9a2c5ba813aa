"""The port of a simulated venue."""

import json

import pytest

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.venue import finished_payload


def test_the_end_of_a_capture_is_told_as_json():
    assert json.loads(finished_payload(12)) == {"e": "captureFinished", "frames": 12}


@pytest.mark.req("MD-24")
@pytest.mark.parametrize("kind", ["capture", "generated"])
def test_every_venue_keeps_the_port_s_promises(make, write_capture, kind):
    settings = VenueSimSettings()
    path = write_capture(make.small_capture())
    venue = FaultyVenue(CaptureVenue((path,)) if kind == "capture" else GeneratedVenue(settings))

    # Nothing is due before the origin, the first thing is due at it, and time given twice gives nothing.
    assert venue.due_ns() == venue.origin_ns
    assert venue.advance(venue.origin_ns - 1) == []
    venue.advance(venue.origin_ns)
    assert venue.advance(venue.origin_ns) == []
    assert venue.due_ns() > venue.origin_ns
    # Every frame is of a stream that exists, and frames are counted.
    frames = venue.advance(venue.origin_ns + 450_000_000)
    assert all(venue.streams_of(frame.venue, frame.stream) for frame in frames)
    assert venue.frames >= len(frames) > 0
    assert (venue.finished, venue.notice) == (False, "")
    assert isinstance(venue.state(is_clean=True), bytes)
