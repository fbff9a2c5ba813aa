"""The fair price behind generated markets: an oscillation, a walk, and what each regime adds."""

from typing import Any, NamedTuple

from services.venue_sim.draw import Draw
from services.venue_sim.settings import RegimeName

PPB = 1_000_000_000
STEP_MS = 50
STEPS_PER_S = 1000 // STEP_MS
# A full swing takes 56 s and reaches 22 to 26 bps to each side, in every regime: so a grid of 10 to 15 bps
# meets the price within a minute.
SWING_STEPS = 56 * STEPS_PER_S
SWING_MIN_PPB, SWING_SPREAD_PPB = 2_200_000, 400_000
MIXED_STEPS = 60 * STEPS_PER_S
# Pull to the start price: half of a distance is gone after about 75 minutes.
PULL_SHIFT = 17

WALK_PPB: dict[str, int] = {"quiet": 8_000, "trend": 20_000, "jump": 15_000, "adverse": 15_000}
SWEEPS_PPM: dict[str, int] = {"quiet": 15_000, "trend": 20_000, "jump": 20_000, "adverse": 12_000}
TREND_PPB, TREND_STEPS = 2_000, 90 * STEPS_PER_S
JUMP_PPM, JUMP_MIN_BPS, JUMP_MAX_BPS = 3_300, 10, 30
ADVERSE_STEPS, ADVERSE_LEAN_STEPS, ADVERSE_MOVE_STEPS, ADVERSE_MOVE_PPB = 160, 40, 20, 40_000
ADVERSE_LEAN_PPM = 350_000
# Books lean for 4 s at a time, and more often than not the way the price goes: what makes imbalance a signal.
LEAN_STEPS, LEAN_RIGHT_PPM, LEAN_MIN_PPM, LEAN_SPREAD_PPM = 80, 700_000, 500_000, 400_000


class Mood(NamedTuple):
    """What the order flow of one step aims at.

    `price_e8` is the fair price in 1e-8 of the quote asset; `buy_ppm` how many of a million takers buy;
    `sweep_ppm` the chance of an order that takes several levels; `lean_ppm` by how much makers quote more on
    the bid (above 0) or the ask (below 0) than on average; `regime` names what kind of market it is now.
    """

    price_e8: int
    buy_ppm: int
    sweep_ppm: int
    lean_ppm: int = 0
    regime: str = "quiet"


class FairPrice:
    """The fair price of one underlying; its state is `dump()`."""

    def __init__(self, seed: int, stream: int, regime: RegimeName, start_e8: int) -> None:
        self._draw = Draw(seed, stream)
        self._regime = regime
        self._start_e8 = start_e8
        self._base_e8 = start_e8
        self._step = 0
        self._swing_sign = 1 if self._draw.chance(500_000) else -1
        self._swing_ppb = 0
        self._direction = 1
        self._mixed = "quiet"
        self._lean_ppm = 0

    def step(self) -> Mood:
        """Return the mood of the next step."""
        regime = self._regime_now()
        draw = self._draw
        if self._step % SWING_STEPS == 0:
            self._swing_ppb = self._swing_sign * (SWING_MIN_PPB + draw.below(SWING_SPREAD_PPB))
        change_ppb = draw.bell(WALK_PPB[regime])
        buy_ppm = 500_000
        if regime == "trend":
            change_ppb += self._turned(TREND_STEPS) * TREND_PPB
            buy_ppm += self._direction * 100_000
        elif regime == "jump" and draw.chance(JUMP_PPM):
            sign = 1 if draw.chance(500_000) else -1
            change_ppb += sign * draw.between(JUMP_MIN_BPS, JUMP_MAX_BPS) * 100_000
        elif regime == "adverse":
            phase = self._step % ADVERSE_STEPS
            self._turned(ADVERSE_STEPS)
            if phase < ADVERSE_LEAN_STEPS + ADVERSE_MOVE_STEPS:
                # Takers who know buy first; the price follows.
                buy_ppm += self._direction * ADVERSE_LEAN_PPM
            if ADVERSE_LEAN_STEPS <= phase < ADVERSE_LEAN_STEPS + ADVERSE_MOVE_STEPS:
                change_ppb += self._direction * ADVERSE_MOVE_PPB
        self._base_e8 += self._base_e8 * change_ppb // PPB + ((self._start_e8 - self._base_e8) >> PULL_SHIFT)
        price_e8 = self._base_e8 + self._base_e8 * self._swing(self._step) // PPB
        if self._step % LEAN_STEPS == 0:
            rises = self._swing(self._step + LEAN_STEPS) > self._swing(self._step)
            sign = 1 if rises == draw.chance(LEAN_RIGHT_PPM) else -1
            self._lean_ppm = sign * (LEAN_MIN_PPM + draw.below(LEAN_SPREAD_PPM))
        self._step += 1
        return Mood(price_e8, buy_ppm, SWEEPS_PPM[regime], self._lean_ppm, regime)

    def _regime_now(self) -> str:
        if self._regime != "mixed":
            return self._regime
        if self._step and self._step % MIXED_STEPS == 0:
            self._mixed = tuple(WALK_PPB)[self._draw.below(len(WALK_PPB))]
        return self._mixed

    def _turned(self, steps: int) -> int:
        """Return the direction, drawn again every `steps`."""
        if self._step % steps == 0:
            self._direction = 1 if self._draw.chance(500_000) else -1
        return self._direction

    def _swing(self, step: int) -> int:
        """Return the oscillation in ppb: a triangle that starts at 0."""
        quarter = SWING_STEPS // 4
        phase = step % SWING_STEPS
        if phase < quarter:
            height = phase
        elif phase < 3 * quarter:
            height = 2 * quarter - phase
        else:
            height = phase - 4 * quarter
        return self._swing_ppb * height // quarter

    def dump(self) -> list[Any]:
        """Return the state."""
        changing = [self._base_e8, self._step, self._swing_ppb, self._direction, self._mixed, self._lean_ppm]
        return [self._draw.counter, *changing]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        self._draw.counter, self._base_e8, self._step, self._swing_ppb = dumped[:4]
        self._direction, self._mixed, self._lean_ppm = dumped[4:]
