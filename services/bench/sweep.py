"""A sweep of 64 runs on two processes against two bare processes that do the same runs (issue 5)."""

import multiprocessing
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.backtest.figures import interval_profits
from services.backtest.generate import Flow, generate
from services.backtest.run import Job, MarketData, execute
from services.backtest.sweep_plan import Part, Unit, units_of
from services.backtest.sweep_pool import ProcessPool
from services.backtest.sweep_space import grid, parse_axis
from services.backtest.sweep_stats import moments_of
from services.backtest.sweep_store import UnitResult
from services.bench.figures import Figure, median
from services.broker.settings import BrokerSettings
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.columns import Columns

RUNS = 64
ROWS = 200_000
WORKERS = 2
ROUNDS = 3
SYMBOL = "binance_usdm:BTCUSDT"


def measure() -> list[Figure]:
    """Return the throughput of the sweep as a share of that of two bare processes."""
    with tempfile.TemporaryDirectory() as folder:
        job, units = _work(Path(folder))
        shares, rates, bare_rates = [], [], []
        for _ in range(ROUNDS):
            bare_s = _bare(job, units)
            started_s = time.perf_counter()
            count = sum(1 for _ in ProcessPool(WORKERS).results(partial(_run, job), units))
            sweep_s = time.perf_counter() - started_s
            assert count == RUNS
            rates.append(RUNS / sweep_s)
            bare_rates.append(RUNS / bare_s)
            shares.append(bare_s / sweep_s)
    return [
        Figure(
            name=f"sweep of {RUNS} runs, throughput as a share of two bare processes",
            value=round(median(shares), 3),
            at_least=0.9,
            rounds=[
                {"sweep_runs_per_s": round(ours, 2), "bare_runs_per_s": round(bare, 2)}
                for ours, bare in zip(rates, bare_rates, strict=True)
            ],
            note=f"{ROWS} rows of generated flow per run, start of the processes included on both sides",
        )
    ]


def _work(folder: Path) -> tuple[Job, list[Unit]]:
    data = folder / "flow.columns"
    generate(Flow(event_count=ROWS, level_count=50, seed=5), data)
    rules = Columns.open(data).header.rules
    broker = BrokerSettings()
    risk = RiskSettings()
    prepared = replace(risk.prepared, symbols=(SYMBOL,), wallet_balance=broker.initial_balance)
    feed = FeedVenue(name="binance_usdm", symbols=("BTCUSDT",))
    sections = {
        "strategy": StrategySettings(warmup_s=0, warmup_points=0),
        "risk": replace(risk, prepared=prepared),
        "broker": broker,
        "market_data": MarketDataSettings(venues=(feed,), candles=False),
    }
    axes = [parse_axis("half_spread_bps=0.5..4:8"), parse_axis("requote_threshold_bps=0.1..1.5:8")]
    units = units_of(grid(axes), [Part(0, 0)], b"bench")
    return Job(sections=sections, markets=(MarketData(rules, (data,)),)), units


def _run(job: Job, unit: Unit) -> UnitResult:
    """Do one run, as the command does for each combination."""
    params = {"order_notional": 100, "max_inventory_notional": 1000}
    given = params | {name: float(value) for name, value in unit.point}
    instance = InstanceSettings(kind="avellaneda_stoikov", symbol=SYMBOL, params=given)
    strategy = replace(job.sections["strategy"], instances={"one": instance})
    run = execute(job._replace(sections={**job.sections, "strategy": strategy}))
    return UnitResult(
        key=unit.key, point=unit.point, samples=moments_of(interval_profits(run, 1.0)), fills=len(run.fills)
    )


def _bare(job: Job, units: list[Unit]) -> float:
    """Return the seconds that two processes take that are given half of the runs each, and nothing else."""
    context = multiprocessing.get_context("forkserver")
    started_s = time.perf_counter()
    workers = [context.Process(target=_run_all, args=(job, units[at::WORKERS])) for at in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers), "a bare process failed"
    return time.perf_counter() - started_s


def _run_all(job: Job, units: list[Unit]) -> None:
    for unit in units:
        assert _run(job, unit).is_good
