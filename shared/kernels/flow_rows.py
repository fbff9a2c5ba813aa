# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Seeded order flow as rows of a `.columns` file: a coherent book that never crosses, and its trades (BT-7).

Each step is one of three things: a taker who takes from the best level, a maker who narrows the spread, or
a change somewhere in the book (most near the touch, exponentially fewer with the distance). Takers and makers
lean the same way, and the lean wanders. Regimes bend that: `trend` keeps a direction for half a minute,
`jump` sweeps tens of levels within about a millisecond, `adverse` lets takers lean hard first and the price
follow, so that whoever filled them loses; `mixed` draws another of the four every minute.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.flow_book import FlowBook
else:
    from shared.kernels.flow_book import FlowBook


CLEAR = cython.declare(cython.int, 2)

QUIET = cython.declare(cython.longlong, 0)
TREND = cython.declare(cython.longlong, 1)
JUMP = cython.declare(cython.longlong, 2)
ADVERSE = cython.declare(cython.longlong, 3)
MIXED = cython.declare(cython.longlong, 4)
REGIMES = ("quiet", "trend", "jump", "adverse", "mixed")

# A power of two: prices are kept in a ring.
RING = cython.declare(cython.longlong, 16_384)
LEVELS_MAX = cython.declare(cython.longlong, 4_000)
# No step writes more rows; the other side follows a sweep by this many ticks.
STEP_ROWS = cython.declare(cython.longlong, 32)
SWEPT_MAX = cython.declare(cython.longlong, 8)

TAKER_PPM = cython.declare(cython.longlong, 120_000)
NARROW_PPM = cython.declare(cython.longlong, 100_000)
EMPTIED_PPM = cython.declare(cython.longlong, 120_000)
TAKEN_LOTS = cython.declare(cython.longlong, 120)
NARROWING_LOTS = cython.declare(cython.longlong, 400)
LEVEL_LOTS = cython.declare(cython.longlong, 500)
DEEPER_LOTS = cython.declare(cython.longlong, 20)
# The lean decays by a thousandth each step; a bell of four draws moves it.
LEAN_MAX_PPM = cython.declare(cython.longlong, 300_000)
LEAN_STEP_PPM = cython.declare(cython.longlong, 5_200)

TREND_STEPS = cython.declare(cython.longlong, 30_000)
TREND_LEAN_PPM = cython.declare(cython.longlong, 150_000)
JUMP_STEPS = cython.declare(cython.longlong, 15_000)
JUMP_LEVELS_MIN = cython.declare(cython.longlong, 15)
JUMP_LEVELS_SPREAD = cython.declare(cython.longlong, 60)
JUMP_GAP_NS = cython.declare(cython.longlong, 20_000)
ADVERSE_STEPS = cython.declare(cython.longlong, 3_000)
ADVERSE_LEAN_STEPS = cython.declare(cython.longlong, 800)
ADVERSE_MOVE_STEPS = cython.declare(cython.longlong, 1_400)
ADVERSE_LEAN_PPM = cython.declare(cython.longlong, 420_000)
ADVERSE_PULL_PPM = cython.declare(cython.longlong, 60_000)
MIXED_NS = cython.declare(cython.longlong, 60_000_000_000)


@cython.cclass
class FlowRows(FlowBook):  # type: ignore[misc]
    """Order flow of one market; `fill` writes the next rows.

    `mean_gap_ns` is the mean time between steps of the venue, `levels` about how many levels each side keeps,
    `origin_ns` the venue's time of the first row.
    """

    _regime: cython.longlong
    _regime_now: cython.longlong
    _gap_ns: cython.longlong
    _turn_ns: cython.longlong
    _step: cython.longlong
    _lean_ppm: cython.longlong
    _direction: cython.longlong
    _jump_left: cython.longlong
    _is_open: cython.bint

    def __init__(
        self,
        seed: int,
        regime: str,
        start_ticks: int,
        levels: int,
        mean_gap_ns: int,
        origin_ns: int,
    ) -> None:
        """Raise ValueError when a value is out of range; the text says which one and its limits."""
        for name, value, least, most in (
            ("seed", seed, 0, 2**64 - 1),
            ("levels", levels, 1, LEVELS_MAX),
            ("start_ticks", start_ticks, 4 * levels + 256, 1_000_000_000),
            ("mean_gap_ns", mean_gap_ns, 1, 10**12),
            ("origin_ns", origin_ns, 0, 8 * 10**18),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} {value}: must be {least}..{most}")
        if regime not in REGIMES:
            raise ValueError(f"regime {regime!r}: must be one of {', '.join(REGIMES)}")
        super().__init__(seed, start_ticks, levels, origin_ns)
        self._regime = REGIMES.index(regime)
        self._regime_now = QUIET if self._regime == MIXED else self._regime
        self._gap_ns = mean_gap_ns
        self._turn_ns = origin_ns + MIXED_NS
        self._step = 0
        self._lean_ppm = 0
        self._direction = 1
        self._jump_left = 0
        self._is_open = False

    def rows_min(self) -> int:
        """Return how many rows a call of `fill` must offer at least."""
        return 2 * self._levels + 1 + STEP_ROWS

    def fill(
        self,
        ts_exch: cython.longlong[::1],
        ts_local: cython.longlong[::1],
        price: cython.int[::1],
        lots: cython.longlong[::1],
        kind: cython.uchar[::1],
        side: cython.uchar[::1],
    ) -> int:
        """Write whole messages from row 0 on and return the rows used, at most 32 fewer than there are.

        Raises:
            ValueError: the columns differ in length or offer fewer than `rows_min` rows.
        """
        count: cython.longlong = len(ts_exch)
        for column in (ts_local, price, lots, kind, side):
            if len(column) != count:
                raise ValueError(f"columns of {count} and {len(column)} rows: must be equally long")
        if count < self.rows_min():
            raise ValueError(f"{count} rows: must be at least {self.rows_min()}")
        self._ts_exch, self._ts_local = ts_exch, ts_local
        self._price, self._lots, self._kind, self._side = price, lots, kind, side
        self._used = 0
        if not self._is_open:
            self._open_book()
        while self._used <= count - STEP_ROWS:
            self._one_step()
        return self._used

    # ---- the flow

    @cython.cfunc
    @cython.exceptval(check=False)
    def _open_book(self) -> cython.void:
        """Write the snapshot."""
        distance: cython.longlong
        self._is_open = True
        self._begin()
        self._row(CLEAR, 0, 0, 0)
        for distance in range(self._levels):
            self._set_bid(self._bid - distance, 1 + self._exponential(LEVEL_LOTS) + DEEPER_LOTS * distance)
            self._set_ask(self._ask + distance, 1 + self._exponential(LEVEL_LOTS) + DEEPER_LOTS * distance)
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _one_step(self) -> cython.void:
        """Play one step of the flow."""
        what: cython.longlong
        buy_ppm: cython.longlong
        if self._jump_left > 0:
            self._now_ns += self._exponential(JUMP_GAP_NS) + 1
            self._jump_left -= 1
            self._sweep_level()
            return
        self._now_ns += self._exponential(self._gap_ns) + 1
        buy_ppm = self._mood()
        self._step += 1
        if self._jump_left > 0:
            return
        if self._is_moving() and self._below(1_000_000) < ADVERSE_PULL_PPM:
            self._pull_level()
            return
        what = self._below(1_000_000)
        if what < TAKER_PPM:
            self._take(buy_ppm)
        elif what < TAKER_PPM + NARROW_PPM and self._ask - self._bid > 1:
            self._narrow(self._below(1_000_000) < buy_ppm)
        else:
            self._change()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _mood(self) -> cython.longlong:
        """Move the lean and the regime along; return how many takers of a million buy."""
        bell: cython.longlong = 0
        draw: cython.ulonglong = self._draw()
        lean: cython.longlong
        phase: cython.longlong
        for _ in range(4):
            bell += cython.cast(cython.longlong, draw & 0xFFFF) - 32_768
            draw >>= 16
        self._lean_ppm = self._lean_ppm * 999 // 1000 + bell * LEAN_STEP_PPM // 32_768
        lean = min(max(self._lean_ppm, -LEAN_MAX_PPM), LEAN_MAX_PPM)
        if self._regime == MIXED and self._now_ns >= self._turn_ns:
            self._turn_ns = self._now_ns + MIXED_NS
            self._regime_now = self._below(4)
        if self._regime_now == TREND:
            if self._step % TREND_STEPS == 0:
                self._direction = 1 if self._below(2) else -1
            lean = lean // 2 + self._direction * TREND_LEAN_PPM
        elif self._regime_now == JUMP:
            if self._below(JUMP_STEPS) == 0:
                self._direction = 1 if self._below(2) else -1
                self._jump_left = JUMP_LEVELS_MIN + self._below(JUMP_LEVELS_SPREAD)
        elif self._regime_now == ADVERSE:
            phase = self._step % ADVERSE_STEPS
            if phase == 0:
                self._direction = 1 if self._below(2) else -1
            if phase < ADVERSE_LEAN_STEPS:
                lean = self._direction * ADVERSE_LEAN_PPM
            elif phase < ADVERSE_MOVE_STEPS:
                lean = self._direction * LEAN_MAX_PPM
        return 500_000 + lean

    @cython.cfunc
    @cython.exceptval(check=False)
    def _is_moving(self) -> cython.bint:
        """Tell whether makers now withdraw from the side that those who knew have taken from."""
        phase: cython.longlong = self._step % ADVERSE_STEPS
        return self._regime_now == ADVERSE and ADVERSE_LEAN_STEPS <= phase < ADVERSE_MOVE_STEPS

    @cython.cfunc
    @cython.exceptval(check=False)
    def _take(self, buy_ppm: cython.longlong) -> cython.void:
        """Let one taker take from the best level: a trade, then the change it causes."""
        is_buy: cython.bint = self._turned_at_the_end(self._below(1_000_000) < buy_ppm)
        lots: cython.longlong = 1 + self._exponential(TAKEN_LOTS)
        there: cython.longlong = self._best_lots(is_buy)
        lots = min(lots, there)
        self._trade(is_buy, lots)
        self._begin()
        self._set_best(is_buy, there - lots)
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _sweep_level(self) -> cython.void:
        """Take the whole best level in the direction of a jump; the other side follows by a few ticks."""
        is_buy: cython.bint = self._turned_at_the_end(self._direction > 0)
        by: cython.longlong
        self._trade(is_buy, self._best_lots(is_buy))
        self._begin()
        self._set_best(is_buy, 0)
        by = min(self._ask - self._bid - 1, SWEPT_MAX)
        if by > 0 and is_buy:
            self._bid += by
            self._set_bid(self._bid, 1 + self._exponential(NARROWING_LOTS))
        elif by > 0:
            self._ask -= by
            self._set_ask(self._ask, 1 + self._exponential(NARROWING_LOTS))
        self._take_away_edges()
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _pull_level(self) -> cython.void:
        """Cancel the best level on the side that the price moves towards; the other side follows."""
        is_up: cython.bint = self._turned_at_the_end(self._direction > 0)
        self._begin()
        self._set_best(is_up, 0)
        if is_up:
            self._bid += 1
            self._set_bid(self._bid, 1 + self._exponential(NARROWING_LOTS))
        else:
            self._ask -= 1
            self._set_ask(self._ask, 1 + self._exponential(NARROWING_LOTS))
        self._take_away_edges()
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _narrow(self, is_bid: cython.bint) -> cython.void:
        """Let a maker quote one tick better."""
        # Two draws are never arguments of one call: C leaves open which comes first.
        lots: cython.longlong = 1 + self._exponential(NARROWING_LOTS)
        self._begin()
        if is_bid:
            self._bid += 1
            self._set_bid(self._bid, lots)
        else:
            self._ask -= 1
            self._set_ask(self._ask, lots)
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _change(self) -> cython.void:
        """Change, add or take away one level, and take away those beyond the edge of the book."""
        distance: cython.longlong = min(self._exponential(self._levels * 12 // 100), self._levels - 1)
        is_emptied: cython.bint = self._below(1_000_000) < EMPTIED_PPM and distance > 0
        lots: cython.longlong = 0
        self._begin()
        if not is_emptied:
            lots = 1 + self._exponential(LEVEL_LOTS) + DEEPER_LOTS * distance
        if self._below(2):
            if is_emptied and self._bid_lots[(self._bid - distance) & (RING - 1)] == 0:
                lots = 1 + self._exponential(LEVEL_LOTS)
            self._set_bid(self._bid - distance, lots)
        else:
            if is_emptied and self._ask_lots[(self._ask + distance) & (RING - 1)] == 0:
                lots = 1 + self._exponential(LEVEL_LOTS)
            self._set_ask(self._ask + distance, lots)
        self._take_away_edges()
        self._end()
