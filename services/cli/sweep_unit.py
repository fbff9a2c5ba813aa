"""One run of a sweep, in whatever process does it: a backtest of a part of the period, boiled down."""

from typing import NamedTuple

from services.backtest.figures import figures, interval_profits
from services.backtest.sweep_plan import Part, Unit
from services.backtest.sweep_space import overrides
from services.backtest.sweep_stats import moments_of
from services.backtest.sweep_store import UnitResult
from services.cli.backtest_request import Request, run_backtest
from shared.errors import QuotemeshError


class Setup(NamedTuple):
    """What all runs of a sweep have in common; picklable, so that any process can do a unit."""

    request: Request
    parts: tuple[Part, ...]
    sample_s: float
    data: str


def run_unit(setup: Setup, unit: Unit) -> UnitResult:
    """Run one combination over one part; a run that fails is a result that says why."""
    part = setup.parts[unit.part]
    request = setup.request.with_changes(overrides(unit.point), part.from_ns, part.until_ns - 1)
    failed = UnitResult(key=unit.key, point=unit.point, data=setup.data)
    try:
        run = run_backtest(request)
    except QuotemeshError as error:
        return failed.because(str(error))
    if run.meta.stopped:
        return failed.because(run.meta.stopped)
    found = figures(run)
    return UnitResult(
        key=unit.key,
        point=unit.point,
        data=setup.data,
        net_pnl=float(found.net_pnl),
        fees=float(found.fees),
        drawdown=float(found.max_drawdown),
        orders=run.counts.orders,
        fills=found.fills,
        events=run.counts.events,
        seconds=run.meta.seconds,
        samples=moments_of(interval_profits(run, setup.sample_s)),
        digest=run.meta.digest,
        path=run.meta.path,
    )
