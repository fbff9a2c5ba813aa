"""Arithmetic of USD-M positions: average cost, profit, margin tiers, liquidation (standard definitions)."""

from typing import NamedTuple

from services.venue_sim.exchange.accounts import Position
from services.venue_sim.exchange.amounts import E10, E18, PPM


class Bracket(NamedTuple):
    """A tier of value: up to `cap_e18` at most `leverage`; maintenance margin = value x rate - offset."""

    cap_e18: int
    leverage: int
    rate_ppm: int
    offset_e18: int


def _brackets() -> tuple[Bracket, ...]:
    """Return the tiers; each offset makes the maintenance margin continuous at the cap before it."""
    steps = (
        (50_000, 125, 4_000),
        (600_000, 100, 5_000),
        (3_000_000, 75, 6_500),
        (12_000_000, 50, 10_000),
        (70_000_000, 25, 20_000),
        (100_000_000, 20, 25_000),
        (230_000_000, 10, 50_000),
        (480_000_000, 5, 100_000),
        (600_000_000, 4, 125_000),
        (800_000_000, 3, 150_000),
        (1_200_000_000, 2, 250_000),
        (1_800_000_000, 1, 500_000),
    )
    made: list[Bracket] = []
    offset_e18 = cap_e18 = rate_before = 0
    for cap, leverage, rate_ppm in steps:
        offset_e18 += cap_e18 * (rate_ppm - rate_before) // PPM
        cap_e18, rate_before = cap * E18, rate_ppm
        made.append(Bracket(cap_e18, leverage, rate_ppm, offset_e18))
    return tuple(made)


BRACKETS = _brackets()
LEVERAGE_MAX = BRACKETS[0].leverage


def max_notional_e18(leverage: int) -> int:
    """Return the largest position value at a leverage."""
    return max(bracket.cap_e18 for bracket in BRACKETS if bracket.leverage >= leverage)


def maintenance_e18(value_e18: int) -> int:
    """Return the maintenance margin of a position of this value."""
    bracket = next((b for b in BRACKETS if value_e18 <= b.cap_e18), BRACKETS[-1])
    return value_e18 * bracket.rate_ppm // PPM - bracket.offset_e18


class Closed(NamedTuple):
    """What a fill did to a position: lots closed and opened (from 0 on), and the profit realised."""

    closed_lots: int
    opened_lots: int
    realized_e18: int


def apply_fill(position: Position, signed_lots: int, value_per_lot_e18: int) -> Closed:
    """Add a fill to a position at average cost.

    The profit is rounded to 8 decimals; what is cut off stays in the cost of the rest.
    """
    is_closing = position.lots * signed_lots < 0
    closed_lots = min(abs(position.lots), abs(signed_lots)) if is_closing else 0
    realized_e18 = 0
    if closed_lots:
        sign = 1 if signed_lots > 0 else -1
        is_all = closed_lots == abs(position.lots)
        cost_e18 = position.cost_e18 if is_all else position.cost_e18 * closed_lots // abs(position.lots)
        realized_e18 = -sign * closed_lots * value_per_lot_e18 - cost_e18
        if not is_all:
            cut_e18 = realized_e18 % E10
            realized_e18 -= cut_e18
            cost_e18 += cut_e18
        position.cost_e18 -= cost_e18
        position.lots += sign * closed_lots
        position.realized_e18 += realized_e18
    opened = signed_lots + (closed_lots if signed_lots < 0 else -closed_lots)
    position.lots += opened
    position.cost_e18 += opened * value_per_lot_e18
    return Closed(closed_lots, abs(opened), realized_e18)


def unrealized_e18(position: Position, mark_value_per_lot_e18: int) -> int:
    """Return the profit not realised at a mark price (value of one lot at it)."""
    return position.lots * mark_value_per_lot_e18 - position.cost_e18


def liquidation_e18(position: Position, margin_e18: int, lot_e18: int) -> int:
    """Return the price at which the wallet behind it is down to the maintenance margin, 0 for none.

    Solves margin + lots x price - cost = |lots| x price x rate - offset in the tier of its cost.
    """
    if position.lots == 0:
        return 0
    bracket = next((b for b in BRACKETS if abs(position.cost_e18) <= b.cap_e18), BRACKETS[-1])
    size_e18 = position.lots * lot_e18
    rate = bracket.rate_ppm
    divisor = abs(size_e18) * rate - size_e18 * PPM
    price_e18 = (margin_e18 - position.cost_e18 + bracket.offset_e18) * PPM * E18 // divisor
    return max(0, price_e18)
