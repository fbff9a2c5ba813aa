"""`quotemesh sweep`: many backtests, what may be concluded from them, and where to go on after a stop."""

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from services.backtest.research import research_package
from services.backtest.sweep_plan import Unit, parts_of, together, units_of
from services.backtest.sweep_pool import DaskPool, Pool, ProcessPool, SerialPool
from services.backtest.sweep_result import sample_seconds, summary, text_of
from services.backtest.sweep_search import search
from services.backtest.sweep_space import Axis, Point, grid, parse_axis
from services.backtest.sweep_store import SweepStore, UnitResult
from services.cli.backtest_request import Prepared, Request, prepare, request_options
from services.cli.exits import CommandError, ExitCode
from services.cli.sweep_unit import Setup, run_unit
from services.report.sweep_page import sweep_html, sweep_png
from shared.runtime.build import build_id
from shared.units import NS_PER_S

FOLDS = 4
PROGRESS_S = 0.5


class Sweep:
    """One sweep under way: what is known already is not done again."""

    def __init__(self, setup: Setup, identity: bytes, store: SweepStore, pool: Pool) -> None:
        self.setup, self.store, self._pool = setup, store, pool
        # Whatever decides a result beside the combination and the part; the data are in `setup`.
        said = (build_id(), identity, setup.data, setup.sample_s)
        self._identity = msgspec.msgpack.encode(said)
        self.points: list[Point] = []
        self.done_now = 0
        self._shown_s = 0.0
        self._started_s = time.monotonic()

    def evaluate(self, points: Sequence[Point]) -> dict[Point, float | None]:
        """Run combinations; return the Sharpe ratio of each, None for one that failed."""
        self.points += points
        units = units_of(points, self.setup.parts, self._identity)
        left = [unit for unit in units if unit.key not in self.store.results]
        for result in self._pool.results(partial(run_unit, self.setup), left):
            self.store.put(result)
            self.done_now += 1
            self._show(len(left))
        return {point: self._score(units, point) for point in points}

    def _score(self, units: Sequence[Unit], point: Point) -> float | None:
        results = [self.store.results[unit.key] for unit in units if unit.point == point]
        if not all(result.is_good for result in results):
            return None
        return together(results).samples.sharpe

    def results(self) -> list[UnitResult]:
        """Return the results of all combinations, part by part."""
        units = units_of(self.points, self.setup.parts, self._identity)
        return [self.store.results[unit.key] for unit in units]

    def _show(self, total: int) -> None:
        now_s = time.monotonic()
        if not sys.stderr.isatty() or (now_s - self._shown_s < PROGRESS_S and self.done_now < total):
            return
        self._shown_s = now_s
        rate = self.done_now / max(now_s - self._started_s, 1e-9)
        left_s = max(0, total - self.done_now) / rate
        sys.stderr.write(f"\r{self.done_now} of {total} runs, {rate:.2f}/s, {left_s:.0f} s left   ")
        if self.done_now >= total:
            sys.stderr.write("\n")


class Wishes(NamedTuple):
    """What is asked of a sweep, beside the backtest itself."""

    vary: tuple[str, ...]
    optuna: int | None
    sweep_seed: int
    folds: int
    sample: float | None
    jobs: int | None
    dask: str | None
    out: Path | None
    html: Path | None
    png: Path | None
    as_json: bool

    def pool(self) -> Pool:
        """Return where the runs are done."""
        if self.dask:
            return DaskPool(self.dask)
        return SerialPool() if self.jobs == 1 else ProcessPool(self.jobs or 0)

    def refuse_missing(self) -> None:
        """Raise `ConfigError` for a package that is not there: before hours of runs, not after."""
        needs = ((self.html, "plotly"), (self.png, "matplotlib"), (self.dask, "distributed"))
        for wanted, package in (*needs, (self.optuna, "optuna")):
            if wanted is not None:
                research_package(package, "this sweep")


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@request_options
@click.option("--vary", multiple=True, metavar="SETTING=1,2,4", help="A setting and its values; repeatable.")
@click.option("--optuna", type=click.IntRange(1), metavar="N", help="Let Optuna choose N combinations.")
@click.option("--sweep-seed", type=click.IntRange(0), default=1, show_default=True, help="Of the search.")
@click.option(
    "--folds", type=int, default=FOLDS, show_default=True, help="Steps of the walk-forward; 0: none."
)
@click.option("--sample", type=click.FloatRange(0.001), help="Seconds of one sample of profit.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as there are cores when left out.")
@click.option("--dask", metavar="ADDRESS", help="tcp://HOST:PORT of a Dask scheduler, or local:N.")
@click.option("--out", type=_FILE, help="Where results are kept; default: sweep-DATA.jsonl here.")
@click.option("--html", type=_FILE, help="Write a page with the surface.")
@click.option("--png", type=_FILE, help="Write ranking and surface as a picture.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sweep(request: Request, **words: Any) -> None:
    """Backtest CONFIG with many combinations of settings, and tell whether the best is more than luck.

    The period is cut into parts: each combination is run over each, and a walk-forward chooses on the past
    what is counted on the part that follows. The same command goes on after a stop: results are kept.
    """
    wishes = Wishes(**words)
    wishes.refuse_missing()
    axes = [parse_axis(text) for text in wishes.vary]
    points = [] if wishes.optuna else grid(axes)
    prepared = prepare(request)
    _refuse_unknown(prepared, axes)
    parts = tuple(parts_of(prepared.from_ns, prepared.until_ns + 1, wishes.folds))
    setup = Setup(prepared.request, parts, sample_seconds(parts, wishes.sample), prepared.data_hash)
    store_path = wishes.out or Path(f"sweep-{prepared.data_hash}.jsonl")
    pool = wishes.pool()
    try:
        with SweepStore(store_path) as store:
            work = Sweep(setup, prepared.identity, store, pool)
            found = _run(work, prepared, points, axes, wishes)
    except KeyboardInterrupt:
        raise CommandError(
            f"stopped by a person; what was done is in {store_path}: the same command goes on from there"
        ) from None
    finally:
        if isinstance(pool, DaskPool):
            pool.close()
    if wishes.html is not None:
        wishes.html.write_text(sweep_html(found), encoding="utf-8")
    if wishes.png is not None:
        wishes.png.write_bytes(sweep_png(found))
    click.echo(json.dumps(found) if wishes.as_json else "\n".join([*prepared.lines, text_of(found)]))


def _run(
    work: Sweep, prepared: Prepared, points: list[Point], axes: Sequence[Axis], wishes: Wishes
) -> dict[str, Any]:
    if wishes.optuna:
        search(axes, wishes.optuna, wishes.sweep_seed, work.evaluate)
    else:
        work.evaluate(points)
    results, setup = work.results(), work.setup
    found = summary(results, work.points, setup.parts, work.store.trials_on(setup.data), setup.sample_s)
    return found | {
        "build": build_id(),
        "data": setup.data,
        "runs_now": work.done_now,
        "runs": len(results),
        "seconds": sum(result.seconds for result in results),
        "events": sum(result.events for result in results),
        "paths": sorted({result.path for result in results if result.is_good}),
        "period_s": (prepared.until_ns - prepared.from_ns) / NS_PER_S,
    }


def _refuse_unknown(prepared: Prepared, axes: Sequence[Axis]) -> None:
    """Raise for a strategy that the configuration does not have: each run would fail the same way."""
    known = prepared.instances
    for axis in axes:
        words = axis.setting.split(".")
        if words[0] == "strategies" and (len(words) < 3 or words[1] not in known):
            raise CommandError(
                f"--vary {axis.setting}: there is no such strategy; write "
                f"strategies.NAME.params.SETTING with one of {', '.join(sorted(known))}",
                ExitCode.USAGE,
            )
