"""When a grid has to look again: the mids at which exits and trend say what they said, and the next time.

Both are exact: within `quiet_half_ticks` and before `due_ns` a look would find and change nothing.
"""

from services.strategy.grid_exits import ExitState
from services.strategy.grid_ledger import GridLedger
from services.strategy.grid_levels import Ladder, signs_of
from services.strategy.grid_samples import Samples
from services.strategy.grid_settings import Direction, GridSettings
from shared.units import INT64_MAX, NS_PER_S, PPM, ceil_div

Span = tuple[int, int]
"""From and to, both included; empty when the first is larger."""

ALWAYS: Span = (0, INT64_MAX)
NEVER: Span = (1, 0)


def due_ns(settings: GridSettings, samples: Samples, locked_until_ns: int) -> int:
    """Return when the next sample is due, or a lock ends."""
    sample_ns = (samples.number + 1) * settings.sample_s * NS_PER_S
    return min(sample_ns, locked_until_ns) if locked_until_ns else sample_ns


def gap_of(ladder: Ladder, price_ticks: int) -> tuple[int, Span]:
    """Return the interval at a price, and from which price to below which it is the same."""
    if ladder.ratio_ppm == 0:
        return ladder.interval_ticks, ALWAYS
    level = ladder.level_at(price_ticks)
    return ladder.gap_at(level), (ladder.price_of(level), ladder.price_of(level + 1))


def both(one: Span, other: Span) -> Span:
    """Return what lies in both, as far as 64 bits hold it."""
    return min(max(one[0], other[0]), INT64_MAX), max(min(one[1], other[1]), -1)


def quiet_exits(settings: GridSettings, leaving: ExitState, ledger: GridLedger, tick_lot_atoms: int) -> Span:
    """Return the mids, in half ticks, at which judging the exits finds nothing and changes nothing."""
    if not (settings.stop_loss_pct or settings.take_profit_pct):
        return ALWAYS
    if not any(slot.held_lots for slot in ledger.slots.values()):
        # Whether a pot alone can be closed depends on rules that may change.
        return NEVER if ledger.pot_lots or leaving.is_armed else ALWAYS
    cost_atoms = ledger.held_cost_atoms()
    if cost_atoms <= 0:
        return NEVER
    least_ppm, most_ppm = leaving.quiet_ppm(settings)
    # value = floor(slope * mid / 2), and what it lacks at a mid of 0 is what was paid
    slope = ledger.position_lots * tick_lot_atoms
    paid_atoms = -ledger.unrealized_atoms(0, tick_lot_atoms)
    found = ALWAYS
    if least_ppm is not None:
        found = both(found, _at_least(slope, 2 * (ceil_div(least_ppm * cost_atoms, PPM) + paid_atoms)))
    if most_ppm is not None:
        # slope * mid < 2 * (most + 1), most being the highest gain that still has this ratio
        highest = 2 * (ceil_div((most_ppm + 1) * cost_atoms, PPM) + paid_atoms) - 1
        found = both(found, _at_least(-slope, -highest))
    return found


def _at_least(slope: int, value: int) -> Span:
    """Return the mids for which slope * mid >= value."""
    if slope > 0:
        return ceil_div(value, slope), INT64_MAX
    if slope < 0:
        return 0, value // slope
    return ALWAYS if value <= 0 else NEVER


def quiet_trend(
    settings: GridSettings,
    samples: Samples,
    direction: Direction,
    blocked: frozenset[int],
    *,
    is_locked: bool,
) -> Span:
    """Return the mids, in half ticks, at which the same directions are blocked as now."""
    signs, length = signs_of(direction), settings.trend_length
    if is_locked or (length and len(samples.halves) < length):
        return ALWAYS if blocked == frozenset(signs) else NEVER
    if not length:
        return NEVER if blocked else ALWAYS
    total = sum(samples.halves[-length:])
    band_ppm = round(settings.trend_band_bps * 100)
    found = ALWAYS
    for sign in signs:
        # against: sign * mid * length * PPM < sign * total * (PPM - sign * band)
        if sign > 0:
            edge = ceil_div(total * (PPM - band_ppm), length * PPM)
            against, allowed = (0, edge - 1), (edge, INT64_MAX)
        else:
            edge = total * (PPM + band_ppm) // (length * PPM)
            against, allowed = (edge + 1, INT64_MAX), (0, edge)
        found = both(found, against if sign in blocked else allowed)
    return found
