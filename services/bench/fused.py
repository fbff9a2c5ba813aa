"""Tick to order with the same cores fused in one process: what an update costs until its approval."""

import time
from typing import Any

from services.bench.figures import Figure, percentile
from services.bench.levels import MID_TICKS, SYMBOL, rules, update_block
from services.broker.settings import BrokerSettings
from services.fused.mesh import FusedMesh, Stored
from services.gateway.settings import GatewaySettings
from services.replay.cores import log_cores
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages import orders
from shared.messages.market import BookSnapshot, BookUpdate
from shared.messages.system import Reconciled
from shared.runtime.build import build_id
from shared.settings import pack
from shared.units import NS_PER_MS

UPDATES = 5000
WARM_UP = 500
START_NS = 1_700_000_000_000_000_000
MANY = 1_000_000


def measure() -> list[Figure]:
    """Return p50 and p99 from an update's arrival to its order's approval, log and all cores included."""
    approved_ns: list[int] = []

    def store(stored: Stored) -> None:
        if type(stored.event.message) is orders.OrderApproved:
            approved_ns.append(time.perf_counter_ns())

    mesh = FusedMesh(log_cores(), _sections(), build=build_id(), epoch=1, store=store)
    mesh.start(START_NS, others=("market_data",))
    mesh.say("broker.io", Reconciled(run=1))
    feed = "market_data.io"
    mesh.say(feed, rules())
    block = update_block(0)
    mesh.say(feed, BookSnapshot(SYMBOL, 1, 1, 20, block, "start", START_NS, START_NS))
    taken: list[float] = []
    now_ns = START_NS
    for i in range(UPDATES):
        now_ns += NS_PER_MS
        mesh.now_ns = now_ns
        if i % 100 == 0:
            mesh.tick(now_ns)
        message = BookUpdate(SYMBOL, i + 2, i + 2, i + 2, 20, update_block(i), now_ns, now_ns)
        approved_ns.clear()
        started_ns = time.perf_counter_ns()
        mesh.say(feed, message)
        if approved_ns and i >= WARM_UP:
            taken.append((approved_ns[0] - started_ns) / 1000)
    taken.sort()
    note = (
        f"{len(taken)} updates of 20+20 levels around {MID_TICKS} ticks, an order at each; 4 cores, no disk"
    )
    return [
        Figure(name="tick to order, fused, p50", unit="us", value=round(percentile(taken, 0.5), 1),
               at_most=50, note=note),
        Figure(name="tick to order, fused, p99", unit="us", value=round(percentile(taken, 0.99), 1),
               at_most=200, note=note),
    ]  # fmt: skip


def _sections() -> dict[str, bytes]:
    instance = InstanceSettings(kind="services.bench.every_update:EveryUpdate", symbol=SYMBOL)
    sections: dict[str, Any] = {
        "strategy": StrategySettings(instances={"chain": instance}, warmup_s=0, warmup_points=0),
        "risk": RiskSettings(orders_per_s_max=MANY, orders_per_min_max=MANY, orders_per_hour_max=100 * MANY),
        "broker": BrokerSettings(latency_std_ms=0, latency_ms=10, latency_spike_ppm=0),
        "gateway": GatewaySettings(),
    }
    return {name: pack(section) for name, section in sections.items()}
