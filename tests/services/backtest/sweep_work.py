"""Work for the pools of a sweep, in a module of its own so that other processes can import it."""

import os
import signal
from pathlib import Path

from services.backtest.sweep_stats import moments_of
from services.backtest.sweep_store import UnitResult


def work(unit):
    """Return a result that is a function of the unit."""
    number = float(dict(unit.point)["x"])
    profits = [number, -number / 2, unit.part + 0.5]
    return UnitResult(
        key=unit.key, net_pnl=sum(profits), samples=moments_of(profits), fills=unit.part, point=unit.point
    )


def die_once(folder, unit):
    """Kill its own process the first time it is asked for one unit, as a full memory would."""
    mark = Path(folder) / "died"
    if dict(unit.point)["x"] == "3" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(unit)


def die_always(unit):
    """Kill its own process whenever it is asked for one unit."""
    if dict(unit.point)["x"] == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return work(unit)
