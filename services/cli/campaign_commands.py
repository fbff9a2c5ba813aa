"""`quotemesh campaign`: seeded faults against the live order path, judged by the venue's own ledger."""

import sys
import time

import click
import msgspec

from services.cli.exits import CommandError
from services.fused.live import Outcome
from services.fused.live_campaign import Sums, caught, outcomes
from services.fused.live_plan import CLASSES
from services.fused.live_planted import PLANTED

SHOWN_PROBLEMS = 5
SHOWN_SEEDS = 20
PLANTED_SEEDS = 2000
PROGRESS_S = 5.0
CONVERGED_MS_MAX = 5000
"""A new life of the broker agrees with its venues within this (I-17)."""


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=500, show_default=True, help="How many seeds.")
@click.option("--from", "first", type=int, default=1, show_default=True, help="The first seed.")
@click.option("--seed", "one", type=int, help="Run this seed alone and print all of its problems.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--only", "only", multiple=True, type=click.Choice(CLASSES), help="Only these faults.")
@click.option("--planted", is_flag=True, help="Switch on one known bug after the other: each must be caught.")
@click.option("--bug", type=click.Choice(sorted(PLANTED)), help="With this planted bug switched on.")
@click.option("--kills", type=click.IntRange(1), help="Kill a real broker so many times instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def campaign(
    seeds: int,
    first: int,
    one: int | None,
    workers: int,
    only: tuple[str, ...],
    planted: bool,
    bug: str | None,
    kills: int | None,
    as_json: bool,
) -> None:
    """Play seeds of trading at a simulated venue with faults, and judge each by the venue's ledger.

    Exits with 1 when a claim of docs/campaigns.md does not hold; `--seed N` repeats a seed exactly.
    """
    if kills is not None:
        _kills(kills, first, as_json=as_json)
        return
    if planted:
        _planted(first, seeds if seeds != 500 else PLANTED_SEEDS, as_json=as_json)
        return
    wanted = [one] if one is not None else range(first, first + seeds)
    sums, failed = Sums(), []
    began_s = shown_s = time.monotonic()
    chosen = frozenset(only) if only else None
    for outcome in outcomes(wanted, 1 if one is not None else workers, planted=bug or "", only=chosen):
        sums.add(outcome)
        if outcome.problems:
            failed.append(outcome)
            if not as_json and len(failed) <= SHOWN_SEEDS:
                _show(outcome, len(outcome.problems) if one is not None else SHOWN_PROBLEMS, only, bug)
        if time.monotonic() - shown_s > PROGRESS_S and sys.stderr.isatty():
            shown_s = time.monotonic()
            sys.stderr.write(f"\r{sums.seeds} seeds, {sums.failed} failed")
    took_s = time.monotonic() - began_s
    if as_json:
        sys.stdout.write(msgspec.json.encode({"sums": sums, "failed": failed}).decode() + "\n")
    else:
        _table(sums, took_s)
    if failed:
        raise CommandError(f"{len(failed)} of {sums.seeds} seeds failed")


def _show(outcome: Outcome, most: int, only: tuple[str, ...], bug: str | None) -> None:
    words = "".join(f" --only {name}" for name in only) + (f" --bug {bug}" if bug else "")
    click.echo(f"seed {outcome.seed} ({', '.join(outcome.classes) or 'no faults'}):")
    for problem in outcome.problems[:most]:
        click.echo(f"    {problem}")
    if len(outcome.problems) > most:
        click.echo(f"    and {len(outcome.problems) - most} more")
    click.echo(f"    again: ./quotemesh campaign --seed {outcome.seed}{words}")


def _table(sums: Sums, took_s: float) -> None:
    rows = (
        ("seeds", sums.seeds),
        ("failed", sums.failed),
        ("orders sent", sums.orders),
        ("fills", sums.fills),
        ("orders in doubt, all resolved by evidence", sums.unknowns),
        ("longest doubt, ms of virtual time", sums.resolved_ms_max),
        ("deaths of the broker and power cuts", sums.crashes),
        ("frames and requests sent", sums.sent),
        ("events on the log", sums.events),
        ("hours of virtual time", round(sums.virtual_s / 3600, 2)),
        ("seconds", round(took_s, 1)),
    )
    for name, value in rows:
        click.echo(f"{name:<44}{value:>12}")
    drawn = ", ".join(f"{name} {count}" for name, count in sums.classes.items())
    click.echo(f"faults, in so many seeds: {drawn}")


def _planted(first: int, most: int, *, as_json: bool) -> None:
    missed = []
    for name, bug in PLANTED.items():
        outcome = caught(name, range(first, first + most))
        if as_json:
            found = {"bug": name, "seed": outcome.seed if outcome else None}
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        elif outcome is None:
            click.echo(f"{name:<28} NOT CAUGHT in {most} seeds: {bug.what}")
        else:
            click.echo(f"{name:<28} seed {outcome.seed:>6}: {outcome.problems[0][:150]}")
        if outcome is None:
            missed.append(name)
    if missed:
        raise CommandError(f"planted bugs that were not caught: {', '.join(missed)}")


def _kills(count: int, seed: int, *, as_json: bool) -> None:
    from services.cli.campaign_kills import run_kills  # noqa: PLC0415 - zmq only where it is needed

    def told(line: str) -> None:
        if not as_json and sys.stderr.isatty():
            sys.stderr.write(f"\r{line:<70}")

    report = run_kills(count, seed, told=told)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        for point, times in report.at_points.items():
            click.echo(f"{point:<44}{times:>12}")
        rows = (
            ("killed where it was", report.at_random),
            ("orders at the venue", report.order_count),
            ("fills", report.fill_count),
            ("orders in doubt, all resolved by evidence", report.doubt_count),
            ("converged, ms from the start of a life, p50", report.percentile(0.5)),
            ("converged, p99", report.percentile(0.99)),
            ("seconds", report.seconds),
        )
        for name, value in rows:
            click.echo(f"{name:<44}{value:>12}")
        for problem in report.problems:
            click.echo(f"    {problem}")
    late = report.percentile(0.99) > CONVERGED_MS_MAX
    if report.problems or late:
        what = f"{len(report.problems)} problems" if report.problems else "converged too late"
        raise CommandError(f"{count} kills: {what}")
