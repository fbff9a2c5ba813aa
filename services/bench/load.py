"""Minutes of load on real processes: a steady rate, a burst, a frozen subscriber, a SIGSTOPped service.

`quotemesh bench load` plays two minutes; QUOTEMESH_LOAD_MINUTES=60 the hour of the budget. The latency is
the time from the producer's append until a subscriber has the event, stored and published.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from services.bench.figures import Figure
from services.bench.levels import SYMBOL
from services.bench.load_peers import (
    AFTER_LOTS,
    BURST_LOTS,
    STEADY_LOTS,
    WARM_UP_LOTS,
    Told,
    freeze,
    produce,
    subscribe,
)
from services.bench.machine import ROOT
from services.bench.mesh import wait_for
from services.broker.settings import BrokerSettings
from services.bus.settings import BusSettings
from services.gateway.settings import GatewaySettings
from services.replay.verify import Verdict, verify
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from services.strategy.settings import StrategySettings
from shared.errors import QuotemeshError
from shared.runtime.client import BusClient
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.settings import pack

RATE_HZ = 5000
BURST_HZ = 20_000
MINUTES = 2.0
STOPPED = "risk"
SERVICES = ("broker", "risk", "gateway", "strategy")
WARM_UP_S = 12.0
START_LIMIT_S = 60.0
CATCH_UP_LIMIT_S = 600.0
MB = 2**20
PAGE_BYTES = 4096


class LoadPlan(msgspec.Struct, frozen=True):
    """How much, how long; the burst and the stop lie within `seconds`."""

    seconds: float
    rate_hz: int = RATE_HZ
    burst_hz: int = BURST_HZ
    burst_s: float = 10.0
    stop_s: float = 20.0
    warm_up_s: float = WARM_UP_S


class LoadReport(msgspec.Struct):
    """What one run showed; memory in bytes, one sample a second from the end of the warm-up on."""

    sent: int
    received: int
    latency_us: dict[int, list[int]]
    behind_events: int
    catch_up_s: float
    memory: dict[str, list[int]]
    verdict: Verdict

    def percentile_ms(self, lots: int, share: float) -> float:
        """Return the latency below which `share` of the events of one phase lie."""
        counts = self.latency_us[lots]
        left = sum(counts) * share
        for us, count in enumerate(counts):
            left -= count
            if left < 0:
                return us / 1000
        return len(counts) / 1000

    def growth_mb(self, name: str) -> float:
        """Return how much more memory a process has in the last quarter than in the second one."""
        samples = self.memory[name]
        quarter = max(1, len(samples) // 4)
        second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
        return (sum(last) / len(last) - sum(second) / len(second)) / MB


def measure() -> list[Figure]:
    """Return the figures of `QUOTEMESH_LOAD_MINUTES` (default 2) under load."""
    minutes = float(os.environ.get("QUOTEMESH_LOAD_MINUTES") or MINUTES)
    report = run(LoadPlan(seconds=minutes * 60))
    figures = [
        _latency(report, f"publish at {RATE_HZ}/s ({minutes:g} min in all)", STEADY_LOTS, 10.0),
        _latency(report, f"publish in a burst of {BURST_HZ}/s", BURST_LOTS, None),
        _latency(report, f"publish at {RATE_HZ}/s after the burst", AFTER_LOTS, 10.0),
        Figure(
            name="events a reading subscriber missed", unit="", value=report.sent - report.received, at_most=0
        ),
        Figure(
            name=f"{STOPPED} caught up after SIGSTOP",
            unit="s",
            value=round(report.catch_up_s, 2),
            note=f"{report.behind_events} events behind",
        ),
        Figure(
            name="digests equal in a re-run",
            unit="",
            value=report.verdict.digests_compared if report.verdict.is_equal else 0,
            at_least=1,
            note=report.verdict.difference or f"{report.verdict.events} events of {STOPPED} applied again",
        ),
    ]
    for name, samples in report.memory.items():
        step = max(1, len(samples) // 60)
        figures.append(
            Figure(
                name=f"memory growth of {name}",
                unit="MB",
                value=round(report.growth_mb(name), 2),
                at_most=5,
                rounds=[round(size / MB, 1) for size in samples[::step]],
                note="last quarter against the second one; one subscriber frozen all the time",
            )
        )
    return figures


def _latency(report: LoadReport, name: str, lots: int, at_most: float | None) -> Figure:
    shares = {f"p{share * 100:g}": report.percentile_ms(lots, share) for share in (0.5, 0.9, 0.99, 0.999)}
    return Figure(
        name=f"{name}, p99",
        unit="ms",
        value=shares["p99"],
        at_most=at_most,
        rounds=[shares],
        note=f"{sum(report.latency_us[lots])} events timed, append to receipt",
    )


def run(plan: LoadPlan) -> LoadReport:
    """Play `plan` on processes of its own; raises `QuotemeshError` when one of them does not keep up."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-load-") as folder:
        data = DataDir(Path(folder))
        data.prepare()
        _write_settings(data)
        mesh = _Processes(data)
        try:
            told, memory, stop = _play(plan, data, mesh)
        finally:
            mesh.stop()
        with closing(JournalReader(data.journal)) as reader:
            (verdict,) = verify(reader.events(), [RiskCore()])
    return LoadReport(told.sent, told.received, told.latency_us, *stop, memory, verdict)


def _play(
    plan: LoadPlan, data: DataDir, mesh: "_Processes"
) -> tuple[Told, dict[str, list[int]], tuple[int, float]]:
    """Return what the peers told, the memory of each process, and (events behind, seconds to catch up)."""
    mesh.start("bus")
    wait_for(lambda: _status(data) is not None, "the bus")
    for name in SERVICES:
        mesh.start(name)
    wait_for(lambda: _are_live(data), "the services", START_LIMIT_S)
    spawn = get_context("spawn")
    said: Any = spawn.Queue()
    ready, ended = spawn.Event(), spawn.Event()
    quiet_s = (plan.seconds - plan.burst_s) / 2
    phases = [(plan.warm_up_s, plan.rate_hz, WARM_UP_LOTS), (quiet_s, plan.rate_hz, STEADY_LOTS)]
    phases += [(plan.burst_s, plan.burst_hz, BURST_LOTS), (quiet_s, plan.rate_hz, AFTER_LOTS)]
    peers = [
        spawn.Process(target=freeze, args=(data.stream,), daemon=True),
        spawn.Process(target=subscribe, args=(str(data.root), ready, ended, said), daemon=True),
        spawn.Process(target=produce, args=(str(data.root), SYMBOL, phases, said), daemon=True),
    ]
    memory = _Memory(mesh.pids())
    try:
        peers[0].start()
        peers[1].start()
        if not ready.wait(START_LIMIT_S):
            raise QuotemeshError("the subscriber did not start")
        peers[2].start()
        time.sleep(plan.warm_up_s)
        memory.start()
        time.sleep(quiet_s / 4)
        stop = _stop_and_go_on(data, mesh, min(plan.stop_s, quiet_s / 2))
        sent = _take(said, plan.seconds + plan.warm_up_s + START_LIMIT_S, "the producer")
        memory.stop()
        _wait_applied(data, _head(data))
        ended.set()
        received, latency_us = _take(said, START_LIMIT_S, "the subscriber")
    finally:
        memory.stop()
        for peer in peers:
            if peer.pid is not None:
                peer.kill()
                peer.join(10)
        said.close()
    return Told(sent, received, latency_us), memory.samples, stop


def _stop_and_go_on(data: DataDir, mesh: "_Processes", seconds: float) -> tuple[int, float]:
    pid = mesh.pids()[STOPPED]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
        behind = _head(data) - _applied(data, STOPPED)
    finally:
        os.kill(pid, signal.SIGCONT)
    started_s = time.monotonic()
    target = _head(data)
    wait_for(lambda: _applied(data, STOPPED) >= target, f"{STOPPED} to catch up", CATCH_UP_LIMIT_S)
    return behind, time.monotonic() - started_s


def _take(said: Any, limit_s: float, who: str) -> Any:
    try:
        return said.get(timeout=limit_s)
    except Exception as error:
        raise QuotemeshError(f"{who} said nothing within {limit_s:.0f} s") from error


class _Processes:
    """The processes of the mesh; the bus stops last."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with (self._data.logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{name}.main"],
                cwd=ROOT,
                env={**os.environ, "QUOTEMESH_DATA": str(self._data.root)},
                stdout=log,
                stderr=log,
            )

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._running.items()}

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


class _Memory:
    """Resident memory of processes, sampled each second by a thread."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.samples: dict[str, list[int]] = {name: [] for name in pids}
        self._pids = pids
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_ending.wait(1.0):
            for name, pid in self._pids.items():
                pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
                self.samples[name].append(pages * PAGE_BYTES)


def _write_settings(data: DataDir) -> None:
    sections = {
        "bus": BusSettings(),
        "strategy": StrategySettings(),
        "risk": RiskSettings(),
        "broker": BrokerSettings(),
        "gateway": GatewaySettings(port=0),
    }
    for name, section in sections.items():
        data.settings(name).write_bytes(pack(section))


def _status(data: DataDir) -> dict[str, Any] | None:
    try:
        with BusClient(data, 2000) as client:
            return client.status()
    except QuotemeshError:
        return None


def _applied(data: DataDir, name: str) -> int:
    return int(((_status(data) or {}).get("services", {}).get(name) or {}).get("applied_seq", 0))


def _head(data: DataDir) -> int:
    with BusClient(data) as client:
        return client.head_seq()


def _are_live(data: DataDir) -> bool:
    services = (_status(data) or {}).get("services", {})
    return all((services.get(name) or {}).get("state") == "live" for name in SERVICES)


def _wait_applied(data: DataDir, seq: int) -> None:
    wait_for(
        lambda: all(_applied(data, name) >= seq for name in SERVICES),
        "all to be at the end",
        CATCH_UP_LIMIT_S,
    )
