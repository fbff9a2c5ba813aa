"""The shipped strategies on the array path over generated data, deciding at every book event; a plain one.

Each in a process of its own: `python -m services.bench.array_strategies NAME FILE` prints one JSON object.
Real strategy, risk and broker cores decide; the limits that would end the trading of a losing bot are far
away, so that each trades from the first event to the last.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from services.backtest.array_place import ArrayMarket
from services.backtest.array_run import ArrayRun
from services.backtest.generate import Flow, generate
from services.bench.figures import Figure
from services.bench.machine import ROOT
from services.broker.settings import BrokerSettings
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.risk.breaker_settings import BreakerSettings, ThrottleSettings
from services.risk.monitor_settings import CandleMonitorSettings
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.columns import Columns
from shared.errors import QuotemeshError
from shared.messages import Event, orders
from shared.units import INT64_MAX

EVENTS = 4_000_000
PLAIN_EVENTS = 400_000
ROUNDS = 3
FAR = Decimal(10**9)
MANY = 100_000
PLAIN = "plain"
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "avellaneda_stoikov": ("avellaneda_stoikov", {}),
    "grid": ("grid", {"interval_bps": 3, "buy_window": 3, "sell_window": 3}),
    "imbalance": (
        "imbalance",
        {"entry_gap_s": 5, "max_daily_trades": MANY, "min_momentum": 0.0, "imbalance_threshold": 0.5},
    ),
    PLAIN: ("services.bench.every_update:EveryUpdate", {"every": 1000}),
}
"""Kind and parameters of each; the grid's are narrower than its defaults, so that it trades in an hour."""


def measure() -> list[Figure]:
    """Return the events per second of each strategy, and how much it traded."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, count in (("whole", EVENTS), ("part", PLAIN_EVENTS)):
            files[name] = Path(folder) / f"{name}.columns"
            generate(Flow(event_count=count, mean_gap_us=1000, level_count=200), files[name])
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in STRATEGIES}
        for _ in range(ROUNDS):
            for name, found in rounds.items():
                found.append(_run(name, files["part" if name == PLAIN else "whole"]))
    return [_figure(name, found) for name, found in rounds.items()]


def _figure(name: str, found: list[dict[str, float]]) -> Figure:
    rates = [one["events"] / one["seconds"] for one in found]
    asked, filled = int(found[0]["orders"]), int(found[0]["fills"])
    called = "called at every event" if name == PLAIN else "deciding at every book event"
    return Figure(
        name=f"{name}, {called}",
        unit="events/s",
        value=round(statistics.median(rates)),
        at_least=None if name == PLAIN else 2_000_000,
        rounds=[round(rate) for rate in rates],
        note=f"{int(found[0]['events'])} messages, {asked} orders, {filled} fills, risk in the loop",
    )


def _run(name: str, file: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "services.bench.array_strategies", name, str(file)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise QuotemeshError(f"the bench of {name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def sections_of(name: str, symbol: str) -> dict[str, Any]:
    """Return the settings of the services for one strategy, with limits that it does not reach."""
    kind, params = STRATEGIES[name]
    venue, _, market = symbol.partition(":")
    risk = RiskSettings(
        orders_per_s_max=MANY,
        orders_per_min_max=MANY,
        orders_per_hour_max=200_000,
        loss_max=FAR,
        throttle=ThrottleSettings(requotes_per_min_max=MANY, fills_per_min_max=MANY, loss_per_min_max=FAR),
        breakers=BreakerSettings(
            losing_streak_max=0, session_drawdown_bps=0, total_drawdown_bps=0, session_loss_max=Decimal(0)
        ),
        candle_monitor=CandleMonitorSettings(enabled=False),
    )
    prepared = dataclasses.replace(risk.prepared, symbols=(symbol,))
    return {
        "strategy": StrategySettings(
            instances={"one": InstanceSettings(kind=kind, symbol=symbol, params=params)},
            warmup_s=0,
            warmup_points=0,
        ),
        "risk": dataclasses.replace(risk, prepared=prepared),
        "broker": BrokerSettings(),
        "market_data": MarketDataSettings(venues=(FeedVenue(name=venue, symbols=(market,)),)),
    }


def run_one(name: str, file: Path) -> dict[str, float]:
    """Run one strategy over a column file without maker fees; return seconds and counts."""
    counts = {"orders": 0, "fills": 0}

    def watch(event: Event) -> None:
        kind = type(event.message)
        if kind is orders.OrderIntent:
            counts["orders"] += 1
        elif kind is orders.Fill:
            counts["fills"] += 1

    columns = Columns.open(file)
    rules = msgspec.structs.replace(columns.header.rules, maker_fee_ppm=0, taker_fee_ppm=100)
    market = ArrayMarket(rules, [columns])
    run = ArrayRun(sections_of(name, rules.symbol), [market], build="bench", watch=watch)
    started_s = time.perf_counter()
    run.start(0, INT64_MAX)
    run.run()
    seconds = time.perf_counter() - started_s
    if run.failure is not None:
        raise QuotemeshError(f"{name}: {run.failure.message.error}")
    return {"seconds": seconds, "events": run.message_count, **counts}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run_one(sys.argv[1], Path(sys.argv[2]))))
