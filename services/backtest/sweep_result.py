"""What a sweep found, as plain values for text, JSON and the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.backtest.sweep_plan import (
    Part,
    Pooled,
    refuse_unless_usable,
    together,
    walk_forward,
    whole_verdict,
)
from services.backtest.sweep_space import Point, point_text
from services.backtest.sweep_stats import YEAR_S, probability
from services.backtest.sweep_store import UnitResult
from shared.units import NS_PER_S

WARNING = (
    "The best of many combinations looks good by luck alone. Trust the row `out of sample` and the deflated "
    "probability; every further sweep on the same data makes both weaker."
)


def sort_out(
    results: Sequence[UnitResult], points: Sequence[Point], parts: int
) -> tuple[dict[Point, list[UnitResult]], dict[Point, str]]:
    """Return the results of each whole combination part by part, and why the others failed.

    `results` are in the order of `units_of(points, ...)`.
    """
    table: dict[Point, list[UnitResult]] = {}
    failed: dict[Point, str] = {}
    for at, point in enumerate(points):
        of_point = list(results[at * parts : (at + 1) * parts])
        reasons = [result.failure for result in of_point if result.failure]
        if reasons:
            failed[point] = reasons[0]
        else:
            table[point] = of_point
    return table, failed


def summary(
    results: Sequence[UnitResult],
    points: Sequence[Point],
    parts: Sequence[Part],
    trials_before: int,
    sample_s: float,
) -> dict[str, Any]:
    """Return everything that may be said; raises `ConfigError` when every combination failed."""
    table, failed = sort_out(results, points, len(parts))
    refuse_unless_usable(table, failed)
    best, verdict = whole_verdict(table, trials_before)
    scores = {point: together(rows) for point, rows in table.items()}
    ranked = sorted(scores, key=lambda point: -scores[point].samples.sharpe)
    return {
        "rows": [_row(point, scores[point], sample_s) for point in ranked],
        "failed": [{"point": dict(point), "why": why} for point, why in failed.items()],
        "best": dict(best),
        "verdict": verdict.text,
        "is_significant": verdict.is_significant,
        "deflated_probability": verdict.deflated,
        "luckiest_sharpe_annual": verdict.luckiest_sharpe * (YEAR_S / sample_s) ** 0.5,
        "trials": verdict.trials,
        "parts": [[part.from_ns, part.until_ns] for part in parts],
        "sample_s": sample_s,
        "walk_forward": _walk(table, sample_s),
        "warning": WARNING,
    }


def _row(point: Point, score: Pooled, sample_s: float) -> dict[str, Any]:
    samples = score.samples
    # The standard error of a mean, times their number: what the sum is uncertain by.
    error = 1.96 * samples.deviation * samples.count**0.5
    return {
        "point": dict(point),
        "text": point_text(point),
        "net_pnl": score.net_pnl,
        "pnl_error": error,
        "fees": score.fees,
        "drawdown": score.drawdown,
        "orders": score.orders,
        "fills": score.fills,
        "samples": samples.count,
        "sharpe_annual": samples.annual_sharpe(sample_s),
        "probability": probability(samples),
    }


def _walk(table: Mapping[Point, Sequence[UnitResult]], sample_s: float) -> dict[str, Any] | None:
    found = walk_forward(table)
    if found is None:
        return None
    scale = (YEAR_S / sample_s) ** 0.5
    return {
        "folds": [
            {
                "number": fold.number,
                "chosen": dict(fold.point),
                "text": point_text(fold.point),
                "in_sample_sharpe_annual": fold.in_sample_sharpe * scale,
                "in_sample_pnl": fold.in_sample_pnl,
                "out_sharpe_annual": fold.out_sharpe * scale,
                "out_pnl": fold.out_pnl,
                "median_out_pnl": fold.median_out_pnl,
            }
            for fold in found.folds
        ],
        "out_pnl": found.out_pnl,
        "out_sharpe_annual": found.out_samples.sharpe * scale,
        "verdict": found.verdict.text,
        "is_significant": found.verdict.is_significant,
    }


def text_of(found: Mapping[str, Any], rows_max: int = 10) -> str:
    """Return the summary for people: the best rows, the walk-forward, and the verdict."""
    rows = found["rows"]
    lines = [f"{len(rows)} combinations, {len(found['parts'])} parts, a sample each {found['sample_s']:g} s"]
    lines += _table(
        ["combination", "net P&L", "+- 95 %", "Sharpe/y", "drawdown", "fees", "orders", "fills"],
        [
            [
                row["text"],
                f"{row['net_pnl']:+.2f}",
                f"{row['pnl_error']:.2f}",
                f"{row['sharpe_annual']:.2f}",
                f"{row['drawdown']:.2f}",
                f"{row['fees']:.2f}",
                str(row["orders"]),
                str(row["fills"]),
            ]
            for row in rows[:rows_max]
        ],
    )
    if len(rows) > rows_max:
        lines.append(f"... and {len(rows) - rows_max} more; --json shows all")
    lines += [f"failed: {point_text(tuple(one['point'].items()))}: {one['why']}" for one in found["failed"]]
    walk = found["walk_forward"]
    if walk is not None:
        lines += ["", "walk-forward: chosen on the parts before, counted on the part after"]
        lines += _table(
            ["part", "chosen in sample", "in sample", "out of sample", "median of all"],
            [
                [
                    str(fold["number"]),
                    fold["text"],
                    f"{fold['in_sample_pnl']:+.2f}",
                    f"{fold['out_pnl']:+.2f}",
                    f"{fold['median_out_pnl']:+.2f}",
                ]
                for fold in walk["folds"]
            ],
        )
        lines.append(
            f"out of sample: {walk['out_pnl']:+.2f}, Sharpe {walk['out_sharpe_annual']:.2f} a year"
            f" ({walk['verdict']})"
        )
    else:
        lines += [
            "",
            "no walk-forward (--folds 0): nothing here was tried on data that the choice had not seen",
        ]
    lines += ["", f"best in sample: {point_text(tuple(found['best'].items()))}", found["verdict"], WARNING]
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if at == 0 or (at == 1 and len(head) == 5) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]


def sample_seconds(parts: Sequence[Part], wanted_s: float | None) -> float:
    """Return the length of a sample: as wanted, else a minute, but at least 60 samples in each part."""
    if wanted_s is not None:
        return wanted_s
    shortest_s = min(part.until_ns - part.from_ns for part in parts) / NS_PER_S
    return max(0.1, min(60.0, round(shortest_s / 60, 1)))
