"""Tick to order through the real processes and the stored log, beside the prototype in the same run.

A feeder speaks as market_data; bus, strategy, risk, broker and gateway are the ones of the mesh, every core
on the whole stream. The strategy sends an order at each update (`every` of them). A listener on the stream
takes the time when the approval has arrived and been decoded, as the broker has it then; the latency is that
time minus the feeder's clock before the append: what `prototypes/bus_log_chain.py` measures.
"""

from contextlib import closing

import zmq

from services.bench import prototypes
from services.bench.cores import running_cores
from services.bench.figures import Figure, median, percentile
from services.bench.levels import SYMBOL
from services.broker.settings import BrokerSettings
from services.bus.settings import BusSettings
from services.gateway.settings import GatewaySettings
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.errors import QuotemeshError
from shared.messages import decode_header, message_of
from shared.messages.orders import OrderApproved, OrderIntent
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir

HZ = 1000
SECONDS = 8
ROUNDS = 3
MANY = 1_000_000
SILENT_MS = 5000
"""The feeder waits 3 s between its first book, which brings an order as well, and the updates."""


def measure() -> list[Figure]:
    """Return p50 and p99 of tick to order with the cores in processes of their own.

    Two densities: an order at every tenth update, and at every update as the prototype does (which says
    three events an order where the mesh says six, and has four listeners without a core).
    """
    ours: dict[int, list[tuple[float, float]]] = {10: [], 1: []}
    theirs: list[tuple[float, float]] = []
    checked_us: list[float] = []
    for _ in range(ROUNDS):
        for every, rounds in ours.items():
            p50_us, p99_us, check_us = _round(HZ, SECONDS, every=every)
            rounds.append((p50_us, p99_us))
            checked_us += [check_us] if every > 1 else []
        peer = prototypes.log_chain_us(HZ * SECONDS, HZ)
        theirs += [peer] if peer else []
    return [
        _figure(f"tick to order, processes, an order in {every} updates, {name}", i, rounds, theirs, limit)
        for every, rounds in ours.items()
        for i, name, limit in ((0, "p50", 950), (1, "p99", 3000))
    ] + [
        Figure(
            name="risk by the log: intent stored to verdict stored, p50",
            unit="us",
            value=round(median(checked_us)),
            at_most=500,
            rounds=[round(one) for one in checked_us],
            note="stamps of the log; an order in 10 updates",
        )
    ]


def _figure(
    name: str, i: int, ours: list[tuple[float, float]], theirs: list[tuple[float, float]], at_most: float
) -> Figure:
    return Figure(
        name=name,
        unit="us",
        value=round(median([one[i] for one in ours])),
        at_most=at_most,
        ratio_max=1.3 if i == 0 else None,
        peer_name="prototypes/bus_log_chain.py",
        peer=round(median([one[i] for one in theirs])) if theirs else None,
        rounds=[[round(one[i]) for one in ours], [round(one[i]) for one in theirs]],
        note=f"{HZ} updates/s of 20+20 levels, {SECONDS} s a round",
    )


def _round(hz: int, seconds: int, *, every: int) -> tuple[float, float, float]:
    """Return p50 and p99 of tick to order, and p50 of a risk check by the stamps of the log, in us."""
    with running_cores(_sections(every), (hz, hz * seconds)) as (data, start_feeder):
        start_feeder()
        latencies = _listen(data)
        checks = _checks(data)
    if len(latencies) < hz * seconds // every * 0.9:
        raise QuotemeshError(f"only {len(latencies)} of {hz * seconds // every} orders were approved")
    latencies.sort()
    return percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(checks, 0.5)


def _checks(data: DataDir) -> list[float]:
    """Return the time in us from each intent's place on the log to that of its verdict."""
    asked_ns: dict[int, int] = {}
    taken: list[float] = []
    with closing(JournalReader(data.journal)) as reader:
        for event in reader.events():
            if isinstance(event.message, OrderIntent):
                asked_ns[event.header.seq] = event.header.ts_ns
            elif isinstance(event.message, OrderApproved):
                taken.append((event.header.ts_ns - asked_ns[event.header.cause_seq]) / 1000)
    return sorted(taken)


def _listen(data: DataDir) -> list[float]:
    """Return the latency in us of each approval until there are no more."""
    clock = MeshClock(data)
    context = zmq.Context()
    stream = context.socket(zmq.SUB)
    stream.set(zmq.RCVHWM, MANY)
    stream.set(zmq.RCVTIMEO, 100)
    stream.subscribe(b".verdict.")
    stream.connect(data.stream)
    latencies: list[float] = []
    silent_ms = -10_000
    while silent_ms < SILENT_MS:
        try:
            _, packed, body = stream.recv_multipart()
        except zmq.Again:
            silent_ms += 100
            continue
        header = decode_header(packed)
        if type(message_of(body)).__name__ == "OrderApproved":
            latencies.append((clock.now_ns() - header.origin_ns) / 1000)
            silent_ms = 0
    context.destroy(0)
    return latencies


def _sections(every: int) -> dict[str, object]:
    instance = InstanceSettings(
        kind="services.bench.every_update:EveryUpdate", symbol=SYMBOL, params={"every": every}
    )
    return {
        "bus": BusSettings(),
        "strategy": StrategySettings(instances={"chain": instance}, warmup_s=0, warmup_points=0),
        "risk": RiskSettings(orders_per_s_max=MANY, orders_per_min_max=MANY, orders_per_hour_max=100 * MANY),
        "broker": BrokerSettings(latency_std_ms=0, latency_ms=10, latency_spike_ppm=0),
        "gateway": GatewaySettings(port=0),
    }
