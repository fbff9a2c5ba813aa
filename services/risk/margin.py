"""Arithmetic of cross margin: one wallet pays for all positions of a derivatives venue (RK-23).

    equity        = wallet balance + profit of every market there (realized - fees + funding + unrealized)
    maintenance   = sum over positions of the tiers' rates of |lots| * mark; a tier's rate counts for the part
                    of the value inside it, which is the venue's `value * rate - deduction`
    ratio         = maintenance / equity: at 1 the venue liquidates
    liquidation   = the price P of one market, all others at their marks, at which equity(P) = maintenance(P):
        long   P = (|q| * mark - equity + maintenance of the others) / (|q| * (1 - rate))
        short  P = (|q| * mark + equity - maintenance of the others) / (|q| * (1 + rate))
                    with one tier; with several it is the same equation, solved by halving
    distance      = |mark - P| / mark

All money is in 10^-18 of the account currency; every rounding is against us.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.risk.ask import MONEY_EXPONENT
from services.risk.monitor_settings import MarginSettings
from shared.units import PPM, ceil_div

RATIO_MOST_PPM = 1_000_000_000
"""Shown for a ratio beyond it, and for an equity that is gone."""

_TICKS_MOST = 1 << 52


class Tier(NamedTuple):
    """Maintenance rate of the value from `from_money` up to the next tier."""

    from_money: int
    rate_ppm: int


class MarginPosition(NamedTuple):
    """One open position; `lot_money` is the value of one lot at a price of one centitick."""

    symbol: str
    lots: int
    mark_centiticks: int
    lot_money: int
    tiers: Sequence[Tier]

    def value_money(self, centiticks: int) -> int:
        """Return the value of the position, without sign, at a price."""
        return abs(self.lots) * centiticks * self.lot_money

    def maintenance_money(self, centiticks: int) -> int:
        """Return the maintenance margin at a price, rounded up."""
        value = self.value_money(centiticks)
        total = 0
        for at, tier in enumerate(self.tiers):
            end = self.tiers[at + 1].from_money if at + 1 < len(self.tiers) else value
            part = min(value, end) - tier.from_money
            if part > 0:
                total += part * tier.rate_ppm
        return ceil_div(total, PPM)


class Margin(NamedTuple):
    """The margin of one venue; rows of `liquidation_ticks` and `distance_ppm` follow the positions."""

    equity_money: int
    maintenance_money: int
    ratio_ppm: int
    liquidation_ticks: list[int]
    distance_ppm: list[int]


def tiers_of(symbol: str, settings: MarginSettings) -> list[Tier]:
    """Return the tiers of a market: its own, else one with the common rate."""
    own = settings.tiers.get(symbol)
    if own is None:
        return [Tier(0, settings.maintenance_ppm)]
    return [Tier(int(Decimal(t.notional_from).scaleb(MONEY_EXPONENT)), t.rate_ppm) for t in own]


def margin_of(equity_money: int, positions: Sequence[MarginPosition]) -> Margin:
    """Return the margin of a venue whose wallet is worth `equity_money` with all positions at their marks."""
    parts = [one.maintenance_money(one.mark_centiticks) for one in positions]
    maintenance = sum(parts)
    ticks, distances = [], []
    for one, part in zip(positions, parts, strict=True):
        liquidation = liquidation_ticks(one, equity_money, maintenance - part)
        ticks.append(liquidation)
        distances.append(_distance_ppm(one, liquidation))
    return Margin(equity_money, maintenance, ratio_ppm(maintenance, equity_money), ticks, distances)


def ratio_ppm(maintenance_money: int, equity_money: int) -> int:
    """Return maintenance over equity, rounded up; without any position it is 0, without equity the most."""
    if maintenance_money <= 0:
        return 0
    if equity_money <= 0:
        return RATIO_MOST_PPM
    return min(RATIO_MOST_PPM, ceil_div(maintenance_money * PPM, equity_money))


def liquidation_ticks(position: MarginPosition, equity_money: int, others_money: int) -> int:
    """Return the price nearest to the mark at which the venue liquidates, all other prices unchanged.

    A long position has the highest such tick below the mark, a short one the lowest above it; 0 when there is
    none. The mark itself when the account is under its maintenance margin already.
    """
    mark_ticks = position.mark_centiticks // 100

    def is_liquidated(ticks: int) -> bool:
        moved = position.lots * (ticks * 100 - position.mark_centiticks) * position.lot_money
        return equity_money + moved <= others_money + position.maintenance_money(ticks * 100)

    if position.lots > 0:
        if is_liquidated(mark_ticks):
            return mark_ticks
        return _last_true(is_liquidated, mark_ticks) if is_liquidated(1) else 0
    if is_liquidated(mark_ticks):
        return mark_ticks
    high = mark_ticks
    while not is_liquidated(high):
        high *= 2
        if not 0 < high <= _TICKS_MOST:
            return 0
    return _first_true(is_liquidated, mark_ticks, high)


def _last_true(is_true: Callable[[int], bool], high: int) -> int:
    """Return the highest tick for which `is_true`, which holds at 1 and does not at `high`."""
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        if is_true(middle):
            low = middle
        else:
            high = middle
    return low


def _first_true(is_true: Callable[[int], bool], low: int, high: int) -> int:
    """Return the lowest tick for which `is_true`, which does not hold at `low` and does at `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        if is_true(middle):
            high = middle
        else:
            low = middle
    return high


def _distance_ppm(position: MarginPosition, liquidation: int) -> int:
    """Return how far the liquidation price is from the mark; the whole where there is none."""
    if not liquidation:
        return PPM
    mark = position.mark_centiticks
    gap = mark - liquidation * 100 if position.lots > 0 else liquidation * 100 - mark
    return max(0, gap) * PPM // mark
