"""How a parent order is split over markets: best venue, by depth, by a sweep, in slices (BR-20).

Pure arithmetic on what books show now. Quantities are exact decimals of the base asset and add up: what a
venue cannot take, because of its lot or its least order, goes to the next best one, and what none can take is
left and told. A price counts with the taker fee: a buy at p costs p * (1 + fee), a sell brings p * (1 - fee).
Ties go to the market that comes first in the alphabet. Source of the four styles: requirements.md 1.2.2.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from shared.instrument import notional_atoms
from shared.messages.market import InstrumentRules
from shared.units import PPM, Side

LEVELS = 20
"""Levels of each book that count."""


class Place(NamedTuple):
    """One market: its rules and the levels of the side to take from, (price_ticks, lots), best first."""

    rules: InstrumentRules
    levels: Sequence[tuple[int, int]]

    @property
    def symbol(self) -> str:
        """Return its name."""
        return self.rules.symbol

    @property
    def lot(self) -> Decimal:
        """Return the size of a lot in the base asset."""
        return Decimal(self.rules.lot_size)

    def cost(self, side: Side, price_ticks: int) -> Decimal:
        """Return a price with the taker fee in it."""
        price = Decimal(self.rules.tick_size) * price_ticks
        return price * (PPM + side.sign * self.rules.taker_fee_ppm) / PPM


class Part(NamedTuple):
    """A child order: an IOC limit order of `lots` up to `price_ticks`."""

    symbol: str
    lots: int
    price_ticks: int


class Split(NamedTuple):
    """The children of one decision, and the quantity that none of them takes."""

    parts: tuple[Part, ...]
    left: Decimal


class _Level(NamedTuple):
    cost: Decimal
    symbol: str
    place: Place
    price_ticks: int
    lots: int


def best_venue(places: Sequence[Place], side: Side, quantity: Decimal, limit: Decimal | None) -> Split:
    """Send all of it to the market with the best price; what is not there at that limit is not taken.

    Without a limit the child goes up to the worst of the levels in sight that it needs.
    """
    ranked = _ranked(places, side, limit)
    if not ranked:
        return Split((), quantity)
    place = ranked[0]
    lots = int(quantity / place.lot)
    reach_ticks = _reach_ticks(place, side, lots, limit)
    return _ordered([(place, lots, reach_ticks)], quantity)


def by_depth(places: Sequence[Place], side: Side, quantity: Decimal, limit: Decimal | None) -> Split:
    """Split in proportion to the depth in sight (VWAP); rounding goes to the best prices first."""
    ranked = _ranked(places, side, limit)
    depths = {place.symbol: sum(n for _, n in _within(place, side, limit)) * place.lot for place in ranked}
    total = sum(depths.values(), Decimal(0))
    if not total:
        return Split((), quantity)
    lots = {p.symbol: int(quantity * depths[p.symbol] / total / p.lot) for p in ranked}
    left = quantity - sum((lots[place.symbol] * place.lot for place in ranked), Decimal(0))
    for place in ranked:
        more = int(left / place.lot)
        lots[place.symbol] += more
        left -= more * place.lot
    wanted = [
        (p, lots[p.symbol], _reach_ticks(p, side, lots[p.symbol], limit)) for p in ranked if lots[p.symbol]
    ]
    split = _ordered(wanted, quantity)
    accepted = {part.symbol for part in split.parts}
    refused = {place.symbol for place, _, _ in wanted} - accepted
    if refused and accepted:
        # What is too small for one venue is for the others.
        return by_depth([place for place in ranked if place.symbol not in refused], side, quantity, limit)
    return split


def sweep(places: Sequence[Place], side: Side, quantity: Decimal, limit: Decimal | None) -> Split:
    """Take the best levels of all markets together until it is filled: one child a market, to its last level.

    What the levels in sight do not hold is left.
    """
    merged = sorted(
        _Level(place.cost(side, price_ticks) * side.sign, place.symbol, place, price_ticks, lots)
        for place in places
        for price_ticks, lots in _within(place, side, limit)
    )
    taken: dict[str, tuple[Place, int, int]] = {}
    left = quantity
    for level in merged:
        lots = min(level.lots, int(left / level.place.lot))
        if lots > 0:
            _, before, _ = taken.get(level.symbol, (level.place, 0, 0))
            taken[level.symbol] = (level.place, before + lots, level.price_ticks)
            left -= lots * level.place.lot
    return _ordered([taken[symbol] for symbol in sorted(taken)], quantity)


STYLES = {"best_venue": best_venue, "vwap": by_depth, "twap": best_venue, "sweep": sweep}
"""Each slice of a TWAP goes to the venue that is best at its time."""


def slice_of(quantity: Decimal, step: Decimal, count: int, number: int) -> Decimal:
    """Return slice `number` (from 1) of `count`: equal but for whole steps, and adding up exactly.

    What is less than a step goes with the last one.
    """
    steps = int(quantity / step)
    until = steps * number // count
    since = steps * (number - 1) // count
    rest = quantity - steps * step if number == count else Decimal(0)
    return (until - since) * step + rest


def _ranked(places: Sequence[Place], side: Side, limit: Decimal | None) -> list[Place]:
    """Return the markets that have something within the limit, best price first."""
    found = [(place, _within(place, side, limit)) for place in places]
    offered = [(p.cost(side, levels[0][0]) * side.sign, p.symbol, p) for p, levels in found if levels]
    return [place for _, _, place in sorted(offered, key=lambda one: one[:2])]


def _within(place: Place, side: Side, limit: Decimal | None) -> list[tuple[int, int]]:
    levels = list(place.levels[:LEVELS])
    if limit is None:
        return levels
    tick = Decimal(place.rules.tick_size)
    return [(ticks, lots) for ticks, lots in levels if side.sign * (ticks * tick - limit) <= 0]


def _reach_ticks(place: Place, side: Side, lots: int, limit: Decimal | None) -> int:
    """Return the price of the last level in sight that `lots` need."""
    levels = _within(place, side, limit)
    for price_ticks, level_lots in levels:
        lots -= level_lots
        if lots <= 0:
            return price_ticks
    return levels[-1][0] if levels else 0


def _ordered(wanted: Sequence[tuple[Place, int, int]], quantity: Decimal) -> Split:
    """Return the children that their venues accept; what is too small for its venue is left."""
    parts = []
    left = quantity
    for place, lots, price_ticks in wanted:
        rules = place.rules
        most = min(lots, rules.max_qty_lots) if rules.max_qty_lots else lots
        value_atoms = notional_atoms(rules, price_ticks, most)
        if most < max(1, rules.min_qty_lots) or price_ticks < 1 or value_atoms < rules.min_notional_atoms:
            continue
        parts.append(Part(place.symbol, most, price_ticks))
        left -= most * place.lot
    return Split(tuple(parts), left)
