"""What a sweep runs: every combination over every part of the period, each part from flat.

The period is cut into `folds` + 1 equal parts. Because each part is run once and its moments add up, a
walk-forward costs no more than one pass over the data per combination: what was learnt on the parts before a
fold (in sample) is tried on the next one (out of sample), which no choice has seen.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.backtest.sweep_space import Point, point_text
from services.backtest.sweep_stats import Moments, Verdict, judge, pooled
from services.backtest.sweep_store import UnitResult, key_of
from shared.errors import ConfigError

FOLDS_MAX = 50


class Part(NamedTuple):
    """A part of the period: `from_ns` <= time < `until_ns`."""

    from_ns: int
    until_ns: int


class Unit(NamedTuple):
    """One run: a combination over one part, with the key of its result."""

    point: Point
    part: int
    key: str


class Pooled(NamedTuple):
    """Results of several parts of one combination, put together."""

    net_pnl: float
    fees: float
    drawdown: float
    orders: int
    fills: int
    samples: Moments


class Fold(msgspec.Struct, frozen=True):
    """One step of a walk-forward: what was chosen in sample, and what came of it out of sample."""

    number: int
    point: Point
    in_sample_sharpe: float
    in_sample_pnl: float
    out_sharpe: float
    out_pnl: float
    out_samples: Moments
    median_out_pnl: float
    """Of all combinations out of sample: what a choice at random would have earned."""


class WalkForward(msgspec.Struct, frozen=True):
    """All folds, and the chosen combinations' profit out of sample as one series."""

    folds: tuple[Fold, ...]
    out_pnl: float
    out_samples: Moments
    verdict: Verdict


def parts_of(from_ns: int, until_ns: int, folds: int) -> list[Part]:
    """Return the period cut into `folds` + 1 equal parts; raises `ConfigError` when it is too short."""
    if not 0 <= folds <= FOLDS_MAX:
        raise ConfigError(f"--folds {folds}: between 0 (no walk-forward) and {FOLDS_MAX}")
    span_ns = until_ns - from_ns
    count = folds + 1
    if span_ns < count:
        raise ConfigError(f"the data span {span_ns} ns, too short for {count} parts; give fewer --folds")
    edges = [from_ns + span_ns * at // count for at in range(count)] + [until_ns]
    return [Part(edges[at], edges[at + 1]) for at in range(count)]


def units_of(points: Sequence[Point], parts: Sequence[Part], identity: bytes) -> list[Unit]:
    """Return every run, all parts of a combination together; `identity` stands for build, data and setup."""
    return [
        Unit(point, at, unit_key(identity, point, part)) for point in points for at, part in enumerate(parts)
    ]


def unit_key(identity: bytes, point: Point, part: Part) -> str:
    """Return the key of one run; the order in which settings were named does not matter."""
    return key_of(identity, msgspec.msgpack.encode((sorted(point), part.from_ns, part.until_ns)))


def together(results: Sequence[UnitResult]) -> Pooled:
    """Return the sum of several parts; the drawdown is the worst of any one, since each began flat."""
    return Pooled(
        net_pnl=sum(result.net_pnl for result in results),
        fees=sum(result.fees for result in results),
        drawdown=max((result.drawdown for result in results), default=0.0),
        orders=sum(result.orders for result in results),
        fills=sum(result.fills for result in results),
        samples=pooled(result.samples for result in results),
    )


def best_of(scores: Mapping[Point, Pooled]) -> Point:
    """Return the combination with the highest Sharpe ratio; among equals the one named first.

    One that never traded scores 0 and so is better than one that loses: not to trade is a choice too.
    """
    return max(scores, key=lambda point: scores[point].samples.sharpe)


def walk_forward(table: Mapping[Point, Sequence[UnitResult]]) -> WalkForward | None:
    """Return each fold's choice and what it came to on the part that followed, None without folds.

    `table` holds the results of every combination that did not fail, part by part.
    """
    count = len(next(iter(table.values()), ()))
    if count < 2:
        return None
    folds = []
    for at in range(1, count):
        before = {point: together(results[:at]) for point, results in table.items()}
        chosen = best_of(before)
        after = sorted(results[at].net_pnl for results in table.values())
        out = table[chosen][at]
        folds.append(
            Fold(
                number=at,
                point=chosen,
                in_sample_sharpe=before[chosen].samples.sharpe,
                in_sample_pnl=before[chosen].net_pnl,
                out_sharpe=out.samples.sharpe,
                out_pnl=out.net_pnl,
                out_samples=out.samples,
                median_out_pnl=_median(after),
            )
        )
    samples = pooled(fold.out_samples for fold in folds)
    # What came out of sample was chosen before it was seen: one trial, however many were made.
    verdict = judge(samples, (), 1)
    return WalkForward(tuple(folds), sum(fold.out_pnl for fold in folds), samples, verdict)


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def whole_verdict(table: Mapping[Point, Sequence[UnitResult]], trials: int) -> tuple[Point, Verdict]:
    """Return the best combination over the whole period, and whether it is better than luck."""
    scores = {point: together(results) for point, results in table.items()}
    best = best_of(scores)
    ratios = [score.samples.sharpe for score in scores.values()]
    return best, judge(scores[best].samples, ratios, max(trials, len(scores)))


def refuse_unless_usable(table: Mapping[Point, Sequence[UnitResult]], failed: Mapping[Point, str]) -> None:
    """Raise `ConfigError` when not one combination came to its end."""
    if table:
        return
    point, why = next(iter(failed.items()))
    raise ConfigError(f"all {len(failed)} combinations failed; the first one ({point_text(point)}): {why}")
