"""Where the levels of a grid are: counted from a stored anchor, so that a restart finds the same (ST-25).

    steps:   price(k) = anchor + k * interval
    percent: price(k) = anchor * (1 + interval)^k, rounded down to the tick

Whole numbers throughout: the same prices on every machine.
"""

import math
from functools import lru_cache

import msgspec

from services.strategy.grid_settings import Direction, Spacing
from shared.units import PPM, ceil_div


class Ladder(msgspec.Struct, array_like=True, frozen=True):
    """The levels: `interval_ticks` apart, or, where `ratio_ppm` is not 0, by that part of each price."""

    anchor_ticks: int
    interval_ticks: int
    ratio_ppm: int = 0

    def price_of(self, level: int) -> int:
        """Return the price of a level in ticks; below 1 there is none."""
        if self.ratio_ppm == 0:
            return self.anchor_ticks + level * self.interval_ticks
        return _percent_price(self.anchor_ticks, self.ratio_ppm, level)

    def level_at(self, price_ticks: int) -> int:
        """Return the highest level at or below a price of at least 1 tick."""
        if self.ratio_ppm == 0:
            return (price_ticks - self.anchor_ticks) // self.interval_ticks
        # The logarithm is an estimate; the exact prices decide.
        estimate = math.log(price_ticks / self.anchor_ticks) / math.log1p(self.ratio_ppm / PPM)
        level = math.floor(estimate)
        while self.price_of(level) > price_ticks:
            level -= 1
        while self.price_of(level + 1) <= price_ticks:
            level += 1
        return level

    def gap_at(self, level: int) -> int:
        """Return the ticks from a level to the next one up."""
        return self.price_of(level + 1) - self.price_of(level)


@lru_cache(maxsize=8192)
def _percent_price(anchor_ticks: int, ratio_ppm: int, level: int) -> int:
    up, down = (PPM + ratio_ppm, PPM) if level >= 0 else (PPM, PPM + ratio_ppm)
    steps = abs(level)
    return int(anchor_ticks * up**steps // down**steps)


def ladder_at(anchor_ticks: int, interval_ppm: int, spacing: Spacing) -> Ladder:
    """Return the levels around a first price; raise `ValueError` when they are denser than the tick."""
    if anchor_ticks * interval_ppm < PPM:
        least_bps = ceil_div(PPM, anchor_ticks) / 100
        raise ValueError(
            f"interval_bps {interval_ppm / 100:g} is denser than the tick: at {anchor_ticks} ticks one tick "
            f"is {least_bps:g} bps; set at least that"
        )
    interval_ticks = ceil_div(anchor_ticks * interval_ppm, PPM)
    return Ladder(anchor_ticks, interval_ticks, interval_ppm if spacing == "percent" else 0)


def signs_of(direction: Direction) -> tuple[int, ...]:
    """Return in which directions a grid enters: +1 buys first, -1 sells first."""
    return {"long": (1,), "short": (-1,), "neutral": (1, -1)}[direction]


def direction_of(direction: Direction, level: int) -> int:
    """Return +1 for a level that buys first, -1 for one that sells first, 0 for one that does not trade.

    A neutral grid is long below its anchor and short above it, so that it holds nothing at it.
    """
    if direction == "neutral":
        return (level < 0) - (level > 0)
    return 1 if direction == "long" else -1


def entry_levels(ladder: Ladder, price_ticks: int, direction: int, window: int, stride: int) -> list[int]:
    """Return the levels of the entry window, nearest first: those at and below a price, or at and above it.

    With a stride only every so many levels are used, counted from the anchor.
    """
    level = ladder.level_at(price_ticks)
    if direction < 0 and ladder.price_of(level) < price_ticks:
        level += 1
    first = level // stride * stride if direction > 0 else ceil_div(level, stride) * stride
    return [first - direction * step * stride for step in range(window)]
