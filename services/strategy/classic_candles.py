"""Candles of n minutes from closed candles of one minute. Pure.

Minutes are counted once each, in order. A bar counts when at least half of its minutes came: the first one
after a start often has less. A bar missing between two others is a hole, and the bar after it says so.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shared.messages.market import Candle
from shared.units import NS_PER_S

MINUTE_S = 60
MINUTE_NS = MINUTE_S * NS_PER_S
AHEAD_NS = MINUTE_NS
"""A candle may close this much later than the mesh clock says: clocks of venues differ."""


class Bar(NamedTuple):
    """One candle of n minutes; prices in ticks. `is_after_hole`: bars are missing before it."""

    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    minutes: int
    is_after_hole: bool


def problem_of(candle: Candle, now_ns: int) -> str:
    """Return what is wrong with a candle, empty when nothing is."""
    low, high = candle.low_ticks, candle.high_ticks
    inner = (candle.open_ticks, candle.close_ticks)
    if not 0 < low <= min(inner) <= max(inner) <= high:
        return (
            f"open {candle.open_ticks}, high {high}, low {low}, close {candle.close_ticks} ticks: "
            "low must be positive and lowest, high highest"
        )
    if candle.open_ns <= 0 or candle.open_ns % MINUTE_NS:
        return f"it opens at {candle.open_ns} ns, which is no whole minute"
    if candle.open_ns + MINUTE_NS > now_ns + AHEAD_NS:
        ahead_s = (candle.open_ns + MINUTE_NS - now_ns) // NS_PER_S
        return f"it closes {ahead_s} s after now; clocks may differ by {AHEAD_NS // NS_PER_S} s"
    return ""


class Bars:
    """Collects minutes into bars of `minutes` each, aligned to multiples of that since 1970."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes
        self._length_ns = minutes * MINUTE_NS
        self._open_ns = 0
        self._parts: list[tuple[int, int, int, int]] = []
        self._last_minute_ns = 0
        self._last_bar_ns = 0

    def add(self, candle: Candle) -> list[Bar]:
        """Take a closed minute; return the bars that it ends: often none, at most two.

        A minute that was taken already, or that lies before one that was, changes nothing.
        """
        if candle.open_ns <= self._last_minute_ns:
            return []
        self._last_minute_ns = candle.open_ns
        ended: list[Bar] = []
        open_ns = candle.open_ns - candle.open_ns % self._length_ns
        if open_ns != self._open_ns:
            ended += self._end()
            self._open_ns = open_ns
        self._parts.append((candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks))
        if candle.open_ns + MINUTE_NS == open_ns + self._length_ns:
            ended += self._end()
        return ended

    def _end(self) -> list[Bar]:
        parts, self._parts = self._parts, []
        if 2 * len(parts) < self._minutes:
            return []
        is_after_hole = self._last_bar_ns not in (0, self._open_ns - self._length_ns)
        self._last_bar_ns = self._open_ns
        opens, highs, lows, closes = zip(*parts, strict=True)
        return [Bar(self._open_ns, opens[0], max(highs), min(lows), closes[-1], len(parts), is_after_hole)]

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self._open_ns, self._parts, self._last_minute_ns, self._last_bar_ns]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump` of bars of the same length."""
        self._open_ns, parts, self._last_minute_ns, self._last_bar_ns = state
        self._parts = [(part[0], part[1], part[2], part[3]) for part in parts]
