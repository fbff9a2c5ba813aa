"""One strategy process with 20 instances on 10 markets: what a book update costs its core and risk's.

Each in a process of its own, so that memory is that of the cores: `python -m services.bench.instances CORE`
prints one JSON object. Run with the compiled kernels and without them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from services.bench.figures import Figure, percentile
from services.bench.levels import MID_TICKS, rules, update_block
from services.bench.machine import ROOT
from services.risk.breaker_settings import RampSettings, ThrottleSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from services.strategy.core import StrategyCore
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.errors import QuotemeshError
from shared.hosting import CoreHost
from shared.messages import Event, Header, Message, orders, system
from shared.messages.market import BookSnapshot, BookUpdate, Trade
from shared.settings import pack
from shared.units import NS_PER_MS, NS_PER_S, Side

MARKETS = 10
UPDATES = 20_000
WARM_UP = 2_000
START_NS = 1_700_000_000_000_000_000
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("avellaneda_stoikov", {"order_notional": 100, "max_inventory_notional": 1000}),
    ("grid", {"order_notional": 100, "interval_bps": 10}),
)
CORES = ("strategy", "risk")
MB = 2**20


def measure() -> list[Figure]:
    """Return p50 of an update in both cores, of a risk check, and the memory of each process."""
    figures = []
    for name, words in (("compiled", "auto"), ("not compiled", "python")):
        found = {core: _run(core, words) for core in CORES}
        figures += [
            Figure(
                name=f"one update, {core} core, {name}, p50",
                unit="us",
                value=round(found[core]["p50_us"], 1),
                note=f"{UPDATES} updates of 20+20 levels, {2 * MARKETS} instances on {MARKETS} markets",
            )
            for core in CORES
        ]
        figures.append(
            Figure(name=f"risk check, {name}, p50", unit="us", value=round(found["risk"]["check_us"], 1),
                   at_most=20, note="one intent applied by the risk core, all checks and guards, no ramp")
        )  # fmt: skip
        figures += [
            Figure(
                name=f"memory of {core} with {2 * MARKETS} instances, {name}",
                unit="MB",
                value=round(found[core]["rss_mb"], 1),
                at_most=50,
            )
            for core in CORES
        ]
    return figures


def _run(core: str, kernels: str) -> dict[str, float]:
    environment = {**os.environ, "QUOTEMESH_KERNELS": kernels}
    done = subprocess.run(
        [sys.executable, "-m", "services.bench.instances", core],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise QuotemeshError(f"the bench of {core} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


class _Log:
    """Stamps messages as the bus would."""

    def __init__(self, host: CoreHost) -> None:
        self.host = host
        self.seq = 0
        self.now_ns = START_NS

    def say(self, source: str, message: Message) -> list[Message]:
        """Apply one event, and what the core says to it; return that."""
        step = self._apply(source, self.seq + 1, 0, message)
        said = []
        for out in step.outputs:
            said.append(out.message)
            self._apply(out.source, out.n, out.cause_seq, out.message)
        return said

    def _apply(self, source: str, n: int, cause_seq: int, message: Message) -> Any:
        self.seq += 1
        return self.host.apply(
            Event(Header(self.seq, self.now_ns, self.now_ns, 1, source, 1, n, cause_seq), message)
        )


def _symbols() -> list[str]:
    return [f"binance_usdm:M{i}USDT" for i in range(MARKETS)]


def _sections() -> dict[str, bytes]:
    instances = {
        f"s{i}_{k}": InstanceSettings(kind=kind, symbol=symbol, params=params)
        for i, symbol in enumerate(_symbols())
        for k, (kind, params) in enumerate(KINDS)
    }
    many = 10**6
    throttle = ThrottleSettings(requotes_per_min_max=100_000)
    risk = RiskSettings(
        orders_per_s_max=many, orders_per_min_max=many, orders_per_hour_max=200_000, throttle=throttle
    )
    return {
        "strategy": pack(StrategySettings(instances=instances, warmup_s=0, warmup_points=0)),
        "risk": pack(risk),
    }


def _started(core_name: str) -> _Log:
    host = CoreHost(StrategyCore() if core_name == "strategy" else RiskCore())
    log = _Log(host)
    settings = _sections()
    for name in ("risk", "broker", "strategy"):
        log.say("bus", system.ServiceStarted(name, 1, "bench", settings.get(name, b"\x80"), [name]))
    log.say("broker.io", system.Reconciled(run=1))
    for symbol in _symbols():
        log.say("market_data.io", msgspec.structs.replace(rules(), symbol=symbol))
        now_ns = log.now_ns
        log.say("market_data.io", BookSnapshot(symbol, 1, 1, 20, update_block(0), "start", now_ns, now_ns))
    return log


def _updates(log: _Log) -> list[float]:
    """Feed updates with a trade in ten; return the us of each book update."""
    symbols = _symbols()
    taken: list[float] = []
    for i in range(UPDATES):
        symbol, update_n = symbols[i % MARKETS], i // MARKETS + 2
        log.now_ns += NS_PER_MS
        if i % 10 == 0:
            now_ns = log.now_ns
            log.say("market_data.io", Trade(symbol, i, MID_TICKS, 3, Side(i // 10 % 2), now_ns, now_ns))
        message = BookUpdate(symbol, update_n, i, i, 20, update_block(i), log.now_ns, log.now_ns)
        started_ns = time.perf_counter_ns()
        log.say("market_data.io", message)
        if i >= WARM_UP:
            taken.append((time.perf_counter_ns() - started_ns) / 1000)
    return sorted(taken)


def _settled(log: _Log) -> None:
    """Let the ramp of limits after the start end, and books be fresh: checks are of a steady state."""
    log.now_ns += (RampSettings().duration_s + 1) * NS_PER_S
    log.say("bus", system.Tick(1))
    for symbol in _symbols():
        now_ns = log.now_ns
        log.say("market_data.io", BookSnapshot(symbol, 1, 1, 20, update_block(0), "period", now_ns, now_ns))


def _checks(log: _Log) -> list[float]:
    """Ask for orders that all checks meet; return the us of each verdict."""
    taken: list[float] = []
    for i in range(3000):
        symbol, order_id = _symbols()[i % MARKETS], f"1-s0_0-a{i % 7}-{i}"
        intent = orders.OrderIntent(order_id, "s0_0", symbol, Side.BUY, MID_TICKS - 5 - i % 7, 1)
        log.seq += 1
        event = Event(Header(log.seq, log.now_ns, log.now_ns, 1, "strategy/s0_0", 1, i + 1, 0), intent)
        started_ns = time.perf_counter_ns()
        step = log.host.apply(event)
        taken.append((time.perf_counter_ns() - started_ns) / 1000)
        for out in step.outputs:
            log._apply(out.source, out.n, out.cause_seq, out.message)
        log.say("broker.io", orders.NotSent(order_id, "s0_0", symbol, "stale", "bench"))
    return sorted(taken[500:])


def main() -> int:
    """Measure one core and print its figures as JSON."""
    core_name = sys.argv[1]
    log = _started(core_name)
    taken = _updates(log)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    found = {"p50_us": percentile(taken, 0.5), "rss_mb": resident / MB, "check_us": 0.0}
    if core_name == "risk":
        _settled(log)
        found["check_us"] = percentile(_checks(log), 0.5)
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
