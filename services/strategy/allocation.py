"""Sharing out capital among strategies: fixed, by weight, or rebalanced by score (ST-47). Pure.

    score = 0.4 * profit + 0.3 * Sharpe + 0.2 * win rate + 0.1 * drawdown

Each part is 0 for the worst and 1 for the best of those compared, a half when all are alike. At each
rebalance the best takes a step of weight from the worst, the second best from the second worst, and so on:
the sum of the weights never changes, and no weight leaves its bounds.

Profit, Sharpe ratio and drawdown are computed from the equity of each strategy at equal distances in time.
Past scores say little about future ones: a rebalance follows luck as much as skill, so a step is small.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from shared.settings import Doc, Ge, Gt, Le
from shared.units import PPM

WEIGHTS = (0.4, 0.3, 0.2, 0.1)
"""Parts of the score: profit, Sharpe ratio, win rate, drawdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceSettings:
    """Bounds of a rebalance, in parts per million of the whole capital."""

    least_ppm: Annotated[int, Ge(0), Le(PPM), Doc("least weight of a strategy")] = 100_000
    most_ppm: Annotated[int, Gt(0), Le(PPM), Doc("largest weight of a strategy")] = 700_000
    step_ppm: Annotated[int, Gt(0), Le(PPM), Doc("most that one rebalance moves from one to another")] = (
        50_000
    )

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other."""
        if self.least_ppm > self.most_ppm:
            raise ValueError(f"least_ppm {self.least_ppm} is more than most_ppm {self.most_ppm}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one strategy did: its equity at equal distances in time, oldest first, and its closed trades.

    Equity is what it has: the capital given to it plus its profit, in atoms.
    """

    equity_atoms: Sequence[int]
    trade_count: int = 0
    win_count: int = 0


def profit(equity_atoms: Sequence[int]) -> float:
    """Return the profit over the whole time as a part of the first equity; 0.0 with less than two values.

    Raises:
        ValueError: the first equity is not positive: there is nothing that a part could be of.
    """
    if len(equity_atoms) < 2:
        return 0.0
    if equity_atoms[0] <= 0:
        raise ValueError(f"first equity {equity_atoms[0]} atoms: must be positive")
    return (equity_atoms[-1] - equity_atoms[0]) / equity_atoms[0]


def sharpe(equity_atoms: Sequence[int]) -> float:
    """Return mean / standard deviation (of a sample) of the returns from value to value, not annualised.

    0.0 with less than two returns and for returns that are all alike. Returns end where nothing is left.
    """
    returns = []
    for before, after in pairwise(equity_atoms):
        if before <= 0:
            break
        returns.append((after - before) / before)
    if len(returns) < 2:
        return 0.0
    mean = math.fsum(returns) / len(returns)
    squares = math.fsum((value - mean) ** 2 for value in returns)
    # A rounding of equal returns is no deviation: it would make a ratio of any size.
    deviation = math.sqrt(squares / (len(returns) - 1))
    return mean / deviation if deviation > 1e-12 else 0.0


def drawdown(equity_atoms: Sequence[int]) -> float:
    """Return the deepest fall from a highest value before it, as a part of that; at most 1.0."""
    deepest, highest = 0.0, 0
    for value in equity_atoms:
        highest = max(highest, value)
        if highest > 0:
            deepest = max(deepest, min((highest - value) / highest, 1.0))
    return deepest


def win_rate(record: Record) -> float:
    """Return won trades / closed trades; 0.0 without trades.

    Raises:
        ValueError: the counts cannot be.
    """
    if not 0 <= record.win_count <= record.trade_count:
        raise ValueError(f"{record.win_count} won of {record.trade_count} trades: must be 0 to all of them")
    return record.win_count / record.trade_count if record.trade_count else 0.0


def scores(records: Mapping[str, Record]) -> dict[str, float]:
    """Return the score of each strategy within 0..1, compared with the others."""
    names = sorted(records)
    parts = (
        [profit(records[name].equity_atoms) for name in names],
        [sharpe(records[name].equity_atoms) for name in names],
        [win_rate(records[name]) for name in names],
        [-drawdown(records[name].equity_atoms) for name in names],
    )
    places = zip(*(_places(values) for values in parts), strict=True)
    return {
        name: math.fsum(weight * place for weight, place in zip(WEIGHTS, of_name, strict=True))
        for name, of_name in zip(names, places, strict=True)
    }


def _places(values: Sequence[float]) -> list[float]:
    """Return where each value lies between the least (0) and the largest (1); a half when all are alike."""
    if not values:
        return []
    least, most = min(values), max(values)
    return [(value - least) / (most - least) if most > least else 0.5 for value in values]


def rebalanced(
    weights_ppm: Mapping[str, int], score_of: Mapping[str, float], settings: RebalanceSettings
) -> dict[str, int]:
    """Return the weights after one rebalance; those of equal score give each other nothing.

    Raises:
        ValueError: a weight is outside the bounds, all are more than the capital, or a score is missing.
    """
    check_weights(weights_ppm, settings)
    missing = sorted(set(weights_ppm) - set(score_of))
    if missing:
        raise ValueError(f"no score of {', '.join(missing)}: every strategy with a weight needs one")
    ranked = sorted(weights_ppm, key=lambda name: (-score_of[name], name))
    found = dict(weights_ppm)
    for place in range(len(ranked) // 2):
        best, worst = ranked[place], ranked[-1 - place]
        if score_of[best] > score_of[worst]:
            moved = min(settings.step_ppm, settings.most_ppm - found[best], found[worst] - settings.least_ppm)
            found[best] += moved
            found[worst] -= moved
    return found


def check_weights(weights_ppm: Mapping[str, int], settings: RebalanceSettings) -> None:
    """Raise `ValueError` that names each weight outside the bounds, and a sum above the capital."""
    problems = [
        f"{name} has {weight} ppm, outside {settings.least_ppm}..{settings.most_ppm}"
        for name, weight in sorted(weights_ppm.items())
        if not settings.least_ppm <= weight <= settings.most_ppm
    ]
    whole = sum(weights_ppm.values())
    if whole > PPM:
        problems.append(f"all weights together are {whole} ppm, more than the capital of {PPM}")
    if problems:
        raise ValueError("; ".join(problems))


def by_weight(capital_atoms: int, weights_ppm: Mapping[str, int]) -> dict[str, int]:
    """Return the capital of each strategy in atoms, rounded down; what is left stays idle.

    Raises:
        ValueError: the capital or a weight is negative, or the weights are more than the capital.
    """
    if capital_atoms < 0:
        raise ValueError(f"capital {capital_atoms} atoms: must not be negative")
    check_weights(weights_ppm, RebalanceSettings(least_ppm=0, most_ppm=PPM))
    return {name: capital_atoms * weight // PPM for name, weight in weights_ppm.items()}


def fixed(capital_atoms: int, amounts_atoms: Mapping[str, int]) -> dict[str, int]:
    """Return the fixed capital of each strategy as it was set.

    Raises:
        ValueError: an amount is negative, or all together are more than there is.
    """
    for name, amount in sorted(amounts_atoms.items()):
        if amount < 0:
            raise ValueError(f"{name} has {amount} atoms: must not be negative")
    whole = sum(amounts_atoms.values())
    if whole > capital_atoms:
        raise ValueError(f"all amounts together are {whole} atoms, the capital is {capital_atoms}")
    return dict(amounts_atoms)
