"""What a generated perpetual has besides its book: mark, index, funding, open interest, liquidations.

Everything is drawn once a second from a stream of its own, so the order flow is the same with and without it.
"""

from typing import Any, NamedTuple

from services.venue_sim.draw import Draw
from services.venue_sim.matching import BUY, SELL

SECOND_MS = 1000
E8 = 100_000_000
PPB = 1_000_000_000
# Funding: 0.01 % of interest and the crowd's premium, which is pulled back (half of it in 47 minutes) and
# whose spread is about 0.03 %, twice that when the market moves: beyond 0.1 % now and then.
INTEREST_E8, RATE_LIMIT_E8 = 10_000, 300_000
CROWD_E8: dict[str, int] = {"quiet": 500, "trend": 1_200, "jump": 1_400, "adverse": 800}
CROWD_PULL = 4096
# Open interest: a walk of about 0.7 % in a quiet hour, 2 % in a moving one, pulled to where it began.
INTEREST_PPB: dict[str, int] = {"quiet": 120_000, "trend": 350_000, "jump": 350_000, "adverse": 250_000}
INTEREST_PULL = 16_384
INTEREST_TOUCHES = 25_000
# Liquidations: chance in a second, size in orders at the touch; one in 40 is part of a cascade.
FORCED_PPM: dict[str, int] = {"quiet": 2_000, "trend": 10_000, "jump": 60_000, "adverse": 10_000}
FORCED_TOUCHES_MILLI, CASCADE_PPM, CASCADE_TIMES = 6_000, 25_000, 40
FORCED_WITH_MOVE_PPM, FORCED_BEYOND_PPB = 850_000, 1_500_000
MEMORY_S = 60


class Forced(NamedTuple):
    """A liquidation; `side` is the order's: SELL closes a long."""

    side: int
    price_ticks: int
    lots: int


class Derivative:
    """The facts of one perpetual; `second` once a second, its state is `dump()`.

    Prices are in 1e-8 of the quote asset, the open interest in lots, the rate of one interval in 1e-8.
    """

    def __init__(self, seed: int, stream: int, touch_lots: int, tick_e8: int, start_e8: int) -> None:
        self._draw = Draw(seed, stream)
        self._touch_lots = touch_lots
        self._tick_e8 = tick_e8
        self._base_lots = touch_lots * INTEREST_TOUCHES
        self.open_interest_lots = self._base_lots
        self.mark_e8 = self.index_e8 = start_e8
        self._slow_e8 = start_e8
        self._crowd_e8 = 0
        self.second_ms = 0

    @property
    def rate_e8(self) -> int:
        """Return the funding rate of the running interval."""
        return max(-RATE_LIMIT_E8, min(RATE_LIMIT_E8, INTEREST_E8 + self._crowd_e8))

    def second(self, now_ms: int, regime: str, mark_e8: int, index_e8: int) -> Forced | None:
        """Let a second pass; returns the liquidation that came in it."""
        draw = self._draw
        self.second_ms = now_ms - now_ms % SECOND_MS
        self.mark_e8, self.index_e8 = mark_e8, index_e8
        self._crowd_e8 += draw.bell(CROWD_E8[regime]) - _part(self._crowd_e8, CROWD_PULL)
        lots = self.open_interest_lots
        change = lots * draw.bell(INTEREST_PPB[regime]) // PPB - _part(lots - self._base_lots, INTEREST_PULL)
        self.open_interest_lots = max(self._touch_lots, lots + change)
        moved_e8 = mark_e8 - self._slow_e8
        self._slow_e8 += _part(moved_e8, MEMORY_S)
        return self._force(moved_e8) if draw.chance(FORCED_PPM[regime]) else None

    def _force(self, moved_e8: int) -> Forced:
        """Close somebody, mostly one on the wrong side of the last minute's move, at a poor price."""
        draw = self._draw
        loser = SELL if moved_e8 < 0 else BUY
        side = loser if draw.chance(FORCED_WITH_MOVE_PPM) else 1 - loser
        size = draw.below(1000) * draw.below(FORCED_TOUCHES_MILLI) // 1000
        if draw.chance(CASCADE_PPM):
            size *= CASCADE_TIMES
        lots = max(1, min(self._touch_lots * size // 1000, self.open_interest_lots // 2))
        self.open_interest_lots -= lots
        away_e8 = self.mark_e8 * draw.below(FORCED_BEYOND_PPB) // PPB
        price_e8 = self.mark_e8 - away_e8 if side == SELL else self.mark_e8 + away_e8
        return Forced(side, max(1, price_e8 // self._tick_e8), lots)

    def dump(self) -> list[Any]:
        """Return the state."""
        prices = [self.mark_e8, self.index_e8, self._slow_e8]
        return [self._draw.counter, self.second_ms, self.open_interest_lots, self._crowd_e8, *prices]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        self._draw.counter, self.second_ms, self.open_interest_lots, self._crowd_e8 = dumped[:4]
        self.mark_e8, self.index_e8, self._slow_e8 = dumped[4:]


def _part(value: int, parts: int) -> int:
    """Return one of `parts` parts of a value, rounded to zero, so that it pulls both ways alike."""
    return value // parts if value >= 0 else -(-value // parts)
