"""True sliding windows: how many happened in the last N seconds, exactly (RK-8)."""

from array import array
from collections import deque

from shared.units import NS_PER_S

WINDOWS_S = (1, 60, 3600)


class Windows:
    """Times of what was counted, for each of `WINDOWS_S`; times never fall."""

    def __init__(self) -> None:
        self._times: dict[int, deque[int]] = {seconds: deque() for seconds in WINDOWS_S}

    def add(self, now_ns: int) -> None:
        """Count one more at `now_ns`."""
        for times in self._times.values():
            times.append(now_ns)

    def count(self, seconds: int, now_ns: int) -> int:
        """Return how many were counted in the `seconds` before `now_ns`; a full window ago counts no more."""
        return len(self._current(seconds, now_ns))

    def _current(self, seconds: int, now_ns: int) -> deque[int]:
        times = self._times[seconds]
        oldest_ns = now_ns - seconds * NS_PER_S
        while times and times[0] <= oldest_ns:
            times.popleft()
        return times

    def dump(self, now_ns: int) -> bytes:
        """Return the times of the longest window: canonical for this `now_ns`."""
        return array("q", self._current(WINDOWS_S[-1], now_ns)).tobytes()

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        times = array("q", data)
        self._times = {seconds: deque(times) for seconds in WINDOWS_S}
