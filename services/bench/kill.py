"""How fast a kill holds, by the control socket and by the latch file in turn, with 100 orders resting.

Real processes on the stored log, a feed that goes on, and a strategy that sends creates until it is stopped.
Each trial takes the mesh time, triggers, and reads the rest from the stamps of the log: `KillLatched`, the
last `OrderSent`, and the report after which the paper venue holds nothing. Then the kill is cleared and the
orders come back. QUOTEMESH_KILL_TRIALS sets how often; the budget asks for 500.
"""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq

from services.bench.cores import running_cores
from services.bench.figures import Figure, percentile
from services.bench.levels import SYMBOL
from services.broker.settings import BrokerSettings
from services.bus.settings import BusSettings
from services.gateway.settings import GatewaySettings
from services.risk.breaker_settings import ThrottleSettings
from services.risk.settings import RiskSettings, SymbolLimits
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.errors import QuotemeshError
from shared.messages import Event, control, orders
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.units import NS_PER_MS

TRIALS = 20
RESTING = 100
FEED_HZ = 100
WAIT_S = 30.0
QUIET_NS = 300 * NS_PER_MS
"""A create that comes later than this after the venue is empty would be missed."""
SYNCS = 200
SYNC_BYTES = 4096
MANY = 1_000_000


class Trial(NamedTuple):
    """Milliseconds from the trigger to each stamp; 0 creates after it give 0."""

    latched_ms: float
    last_create_ms: float
    empty_ms: float


class Follower:
    """What stands on the log, read as it grows: the orders that the paper venue holds, and the kill."""

    def __init__(self, data: DataDir) -> None:
        self._reader = JournalReader(data.journal)
        self.seq = 0
        self.ts_ns = 0
        self.held: dict[str, bool] = {}
        self.latched_ns = self.sent_ns = self.ended_ns = self.cleared_ns = 0

    @property
    def resting_count(self) -> int:
        """Return how many orders were accepted and not ended."""
        return sum(self.held.values())

    def read(self) -> None:
        """Take what is new on the log."""
        for event in self._reader.events(self.seq):
            self._take(event)

    def wait(self, what: str, claim: Callable[[], bool]) -> None:
        """Read until `claim()` holds; raises `QuotemeshError` after a while."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            self.read()
            if claim():
                return
            if time.monotonic() > deadline_s:
                raise QuotemeshError(f"waited {WAIT_S:.0f} s in vain for {what}")
            time.sleep(0.02)

    def close(self) -> None:
        """Give the files back."""
        self._reader.close()

    def _take(self, event: Event) -> None:
        header, message = event
        self.seq, self.ts_ns = header.seq, header.ts_ns
        match message:
            case orders.OrderSent():
                self.held[message.client_order_id] = False
                self.sent_ns = header.ts_ns
            case orders.OrderAccepted():
                self.held[message.client_order_id] = True
            case orders.OrderCanceled() | orders.OrderExpired() | orders.OrderRejected():
                self.held.pop(message.client_order_id, None)
                self.ended_ns = header.ts_ns
            case control.KillLatched():
                self.latched_ns = header.ts_ns
            case control.KillCleared():
                self.cleared_ns = header.ts_ns
            case _:
                pass


def measure() -> list[Figure]:
    """Return p99 of latched, last create and venue empty, and of the disk's own fdatasync."""
    count = int(os.environ.get("QUOTEMESH_KILL_TRIALS") or TRIALS)
    with running_cores(_sections(), (FEED_HZ, MANY)) as (data, start_feeder):
        sync_ms = _syncs(data.latch / "probe")
        start_feeder()
        follower = Follower(data)
        try:
            trials = [_trial(data, follower, by_file=i % 2 == 1) for i in range(count)]
        finally:
            follower.close()
    note = f"{count} trials, {RESTING} resting orders, socket and latch file in turn"
    return [
        _figure("kill: latched, p99", [one.latched_ms for one in trials], 20, note),
        _figure("kill: last create, p99", [one.last_create_ms for one in trials], 50, note),
        _figure("kill: venue empty, p99", [one.empty_ms for one in trials], 1500, note),
        _figure("disk: fdatasync of 4 kB, p99", sync_ms, None, f"{SYNCS} of them in the same folder"),
    ]


def _figure(name: str, values: list[float], at_most: float | None, note: str) -> Figure:
    value = round(percentile(sorted(values), 0.99), 2)
    rounds = [round(one, 2) for one in values]
    return Figure(name=name, unit="ms", value=value, at_most=at_most, rounds=rounds, note=note)


def _trial(data: DataDir, follower: Follower, *, by_file: bool) -> Trial:
    follower.wait(f"{RESTING} resting orders", lambda: follower.resting_count >= RESTING)
    began_ns = MeshClock(data).now_ns()
    if by_file:
        latch_kill(data, "operator", "bench")
    else:
        _ask_broker(data)
    follower.wait("KillLatched", lambda: follower.latched_ns > began_ns)
    follower.wait("an empty venue", lambda: not follower.held)
    empty_ns = max(follower.ended_ns, began_ns)
    follower.wait("quiet", lambda: follower.ts_ns > empty_ns + QUIET_NS)
    if follower.held or follower.sent_ns > empty_ns:
        raise QuotemeshError("an order was sent to the venue after it was empty: the kill did not hold")
    trial = Trial(
        (follower.latched_ns - began_ns) / NS_PER_MS,
        max(0, follower.sent_ns - began_ns) / NS_PER_MS,
        (empty_ns - began_ns) / NS_PER_MS,
    )
    with BusClient(data) as client:
        client.append("operator", control.KillClearRequested("operator", "the next trial"))
    follower.wait("KillCleared", lambda: follower.cleared_ns > empty_ns)
    return trial


def _ask_broker(data: DataDir) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.rcvtimeo = 5000
            socket.connect(data.socket("broker.sock"))
            socket.send(msgspec.msgpack.encode(["kill", "operator", "bench"]))
            socket.recv()
    finally:
        context.destroy(linger=0)


def _syncs(path: Path) -> list[float]:
    """Return how long the disk itself takes, in ms."""
    taken: list[float] = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(SYNCS):
            os.write(fd, b"x" * SYNC_BYTES)
            began_ns = time.perf_counter_ns()
            os.fdatasync(fd)
            taken.append((time.perf_counter_ns() - began_ns) / NS_PER_MS)
    finally:
        os.close(fd)
        path.unlink()
    return taken


def _sections() -> dict[str, object]:
    instance = InstanceSettings(
        kind="services.bench.hundred_orders:HundredOrders", symbol=SYMBOL, params={"resting": RESTING}
    )
    most = Decimal(100_000_000)
    limits = SymbolLimits(position_notional_max=most, symbol_notional_max=most, open_orders_max=10 * RESTING)
    return {
        "bus": BusSettings(),
        "strategy": StrategySettings(instances={"kill": instance}, warmup_s=0, warmup_points=0),
        "risk": RiskSettings(
            limits=limits,
            portfolio_notional_max=most,
            orders_per_s_max=MANY,
            orders_per_min_max=MANY,
            orders_per_hour_max=100 * MANY,
            throttle=ThrottleSettings(requotes_per_min_max=100_000),
        ),
        "broker": BrokerSettings(),
        "gateway": GatewaySettings(port=0),
    }
