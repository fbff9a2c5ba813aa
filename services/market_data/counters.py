"""What a venue's feed counts since the start of the run (MD-22)."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counts of one venue.

    `stray_count` are levels off the tick, left out; `lag_ns` is the age of the newest depth event.
    """

    message_count: int = 0
    reconnect_count: int = 0
    gap_count: int = 0
    bad_frame_count: int = 0
    dropped_count: int = 0
    floored_count: int = 0
    stray_count: int = 0
    lag_ns: int = 0
