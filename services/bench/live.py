"""Tick to order at a venue through the real processes, and what the broker's memory does over many orders.

The mesh of `mode: testnet` trades on its simulated venue. The time is from the receipt of the market data
behind an order to the stamp of `OrderSent`, which the broker says once the bytes are written: an upper bound
of the bytes on the wire, one hop over the bus more. The approval was on disk before. The memory is measured
in one process, in virtual time: all that core, desks and adapters hold after 10,000 orders and after
QUOTEMESH_LIFECYCLES of them.
"""

import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from services.bench.figures import Figure, percentile
from services.bench.live_kill import _config
from services.bench.mesh import running_mesh
from services.fused import live_parts as parts
from services.fused.live import LiveRun
from services.fused.live_mesh import BROKER
from services.fused.live_plan import Plan
from shared.messages.orders import OrderSent
from shared.runtime.journal import JournalReader
from shared.units import NS_PER_MS, NS_PER_S

SECONDS = 30
SETTLE_S = 5
MB = 2**20
FIRST_ORDERS = 10_000
LIFECYCLES = 100_000
GROWTH_MAX_MB = 5
STEP_NS = 10 * NS_PER_S


def measure() -> list[Figure]:
    """Return p50 and p99 of tick to order, durable, and the growth of the broker."""
    return [*_latency(), _memory()]


def _latency() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        config = Path(folder) / "live.yaml"
        tree = json.loads(_config())
        tree["symbols"] = tree["symbols"][:2]
        tree["strategies"] = dict(list(tree["strategies"].items())[:2])
        tree["simulator"]["markets"] = tree["simulator"]["markets"][:2]
        tree["simulator"]["relay"] = False
        config.write_text(json.dumps(tree), encoding="utf-8")
        with running_mesh(Path(folder) / "data", "--config", str(config), "--skip-check") as mesh:
            time.sleep(SETTLE_S + SECONDS)
            taken = _tick_to_sent(mesh.data.journal)
    note = f"{len(taken)} orders, testnet on the simulated venue, approval on disk before the bytes"
    return [
        Figure(
            name=f"tick to order at a venue, durable, {name}",
            unit="us",
            value=round(percentile(taken, share)),
            at_most=limit,
            note=note,
        )
        for name, share, limit in (("p50", 0.5, 1800.0), ("p99", 0.99, None))
    ]


def _tick_to_sent(journal: Path) -> list[float]:
    reader = JournalReader(journal)
    try:
        events = [event for event in reader.events() if isinstance(event.message, OrderSent)]
    finally:
        reader.close()
    late = events[len(events) // 8 :]  # without the first orders after the start
    return sorted((event.header.ts_ns - event.header.origin_ns) / 1000 for event in late)


def _memory() -> Figure:
    count = int(os.environ.get("QUOTEMESH_LIFECYCLES") or LIFECYCLES)
    quiet = Plan(seed=1, classes=frozenset(), storm_ns=0, latency_ns=2 * NS_PER_MS, jitter_ns=0)
    run = LiveRun(quiet)
    run.begin()
    first = 0
    while len(run.witness.creates) < count:
        run.timeline.run(run.timeline.now_ns + STEP_NS)
        run.mesh.forget_log()
        if not first and len(run.witness.creates) >= FIRST_ORDERS:
            first = _held_bytes(run)
    grown_mb = (_held_bytes(run) - first) / MB
    minutes = (run.timeline.now_ns - parts.ORIGIN_NS) / NS_PER_S / 60
    return Figure(
        name=f"broker: growth from {FIRST_ORDERS:,} to {count:,} orders",
        unit="MB",
        value=round(grown_mb, 2),
        at_most=GROWTH_MAX_MB,
        note=f"core, desks and adapters, {minutes:.0f} minutes of virtual time, {first / MB:.1f} MB at first",
    )


def _held_bytes(run: LiveRun) -> int:
    """Return the size of everything that the broker's core and execution hold."""
    assert run.life is not None, "the broker lives"
    gc.collect()
    seen: set[int] = set()
    waiting: list[Any] = [run.mesh.hosts[BROKER].core, run.life.execution]
    total = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | ModuleType | FunctionType):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        waiting += gc.get_referents(item)
    return total
