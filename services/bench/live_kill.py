"""How fast a kill holds at a venue 50 ms away: 100 orders over 10 markets, the venue's ledger as witness.

A whole mesh in mode testnet on its simulated venue, behind the venue's own relay. Each trial waits for the
orders, takes the time, triggers by socket and latch file in turn, and reads when the venue took the last
create, when it took the last cancel and when it held nothing. What arrives there left us 25 ms before. A few
trials follow with gateway, strategy, risk or bus standing still. QUOTEMESH_KILL_TRIALS sets how many.
"""

import http.client
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from services.bench.figures import Figure, percentile
from services.bench.kill import _ask_broker, _syncs
from services.bench.mesh import BenchMesh, running_mesh, wait_for
from shared.errors import QuotemeshError
from shared.messages import control
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.latch import latch_kill
from shared.units import NS_PER_MS

ONE_WAY_MS = 25
TRIALS = 10
DEAD_TRIALS = 2
ASSETS = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "LTC", "LINK", "DOT")
RESTING = 90
KEPT = 14
PAGE = 5000
DEAD = ("gateway", "strategy", "risk", "bus")


class Trial(NamedTuple):
    """Milliseconds from the trigger; `latched_ms` is -1 while the log could not say it."""

    latched_ms: float
    last_create_ms: float
    last_cancel_ms: float
    empty_ms: float


class Ledger:
    """What the venue's ledger tells, as it grows: which orders are open, when the last came and went."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._after = 0
        self.open: set[tuple[str, int]] = set()
        self.created_ms = self.ended_ms = 0

    def read(self) -> None:
        """Take what is new."""
        while True:
            rows = self._page()
            for row in rows:
                self._take(row)
            if len(rows) < PAGE:
                return

    def _page(self) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request("GET", f"/sim/ledger?after={self._after}&limit={PAGE}")
        told = json.loads(connection.getresponse().read())
        connection.close()
        rows: list[dict[str, Any]] = told["entries"]
        return rows

    def _take(self, row: dict[str, Any]) -> None:
        self._after = row["n"]
        order = row.get("order")
        if not order:
            return
        key = (row["venue"], int(order["order_id"]))
        if row["kind"] == "NEW":
            self.created_ms = int(row["time_ms"])
        if order["status"] in {"NEW", "PARTIALLY_FILLED"}:
            self.open.add(key)
        elif key in self.open:
            self.open.discard(key)
            self.ended_ms = int(row["time_ms"])


def measure() -> list[Figure]:
    """Return p99 of each moment after a kill, and the same while one process stands still."""
    count = int(os.environ.get("QUOTEMESH_KILL_TRIALS") or TRIALS)
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        config = Path(folder) / "kill.yaml"
        config.write_text(_config(), encoding="utf-8")
        words = ("--config", str(config), "--skip-check")
        with running_mesh(Path(folder) / "data", *words) as mesh:
            sync_ms = _syncs(mesh.data.latch / "probe")
            ports = json.loads((mesh.data.run / "venue_sim.json").read_bytes())
            control_port = ports["control"]["port"]
            _command(control_port, "/sim/relay", {"action": "delay", "delay_ms": ONE_WAY_MS})
            ledger = Ledger(control_port)
            trials = [_trial(mesh, ledger, by_file=i % 2 == 1) for i in range(count)]
            dead = {name: [_trial_without(mesh, ledger, name) for _ in range(DEAD_TRIALS)] for name in DEAD}
    note = f"{count} trials, socket and latch file in turn, {2 * ONE_WAY_MS} ms round trip"
    figures = [
        _figure("kill at a venue: latched, p99", [one.latched_ms for one in trials], 20, note),
        _figure("kill at a venue: last create, p99", [one.last_create_ms for one in trials], 50, note),
        _figure(
            "kill at a venue: last cancel leaves, p99", [one.last_cancel_ms for one in trials], 250, note
        ),
        _figure("kill at a venue: empty, p99", [one.empty_ms for one in trials], 1500, note),
        _figure("disk: fdatasync of 4 kB, p99", sync_ms, None, "in the folder of the latch"),
    ]
    for name, some in dead.items():
        values = [one.empty_ms for one in some]
        figures.append(_figure(f"kill at a venue: empty, {name} stands still", values, 1500, "worst"))
    return figures


def _figure(name: str, values: list[float], at_most: float | None, note: str) -> Figure:
    value = round(percentile(sorted(values), 0.99), 1)
    rounds = [round(one, 1) for one in values]
    return Figure(name=name, unit="ms", value=value, at_most=at_most, rounds=rounds, note=note)


def _trial(mesh: BenchMesh, ledger: Ledger, *, by_file: bool, is_log_alive: bool = True) -> Trial:
    clock = MeshClock(mesh.data)
    if is_log_alive:
        _wait_orders(ledger)
    began_ns = clock.now_ns()
    if by_file:
        latch_kill(mesh.data, "operator", "bench")
    else:
        _ask_broker(mesh.data)
    wait_for(lambda: _is_empty(ledger), "an empty venue", 20)
    time.sleep(0.5)
    ledger.read()
    if ledger.open:
        raise QuotemeshError("an order reached the venue after it was empty: the kill did not hold")
    began_ms = began_ns / NS_PER_MS
    latched_ms = _latched_ns(mesh, began_ns) / NS_PER_MS - began_ms if is_log_alive else -1.0
    trial = Trial(
        latched_ms,
        max(0.0, ledger.created_ms - began_ms - ONE_WAY_MS),
        max(0.0, ledger.ended_ms - began_ms - ONE_WAY_MS),
        ledger.ended_ms - began_ms,
    )
    if is_log_alive:
        _clear(mesh)
    return trial


def _trial_without(mesh: BenchMesh, ledger: Ledger, service: str) -> Trial:
    """Measure while one process stands still; it goes on afterwards."""
    _wait_orders(ledger)
    with _standing_still(mesh, service):
        trial = _trial(mesh, ledger, by_file=True, is_log_alive=False)
    wait_for(lambda: bool(mesh.status()["is_ready"]), f"the mesh after {service} stood still")
    _clear(mesh)
    return trial


@contextmanager
def _standing_still(mesh: BenchMesh, service: str) -> Iterator[None]:
    pid = mesh.status()["processes"][service]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _wait_orders(ledger: Ledger) -> None:
    def has_orders() -> bool:
        ledger.read()
        return len(ledger.open) >= RESTING

    wait_for(has_orders, f"{RESTING} orders at the venue")


def _is_empty(ledger: Ledger) -> bool:
    ledger.read()
    return not ledger.open


def _latched_ns(mesh: BenchMesh, after_ns: int) -> int:
    reader = JournalReader(mesh.data.journal)
    try:
        for row in reader.events():
            if isinstance(row.message, control.KillLatched) and row.header.ts_ns >= after_ns:
                return row.header.ts_ns
    finally:
        reader.close()
    raise QuotemeshError("the kill was never said to be latched")


def _clear(mesh: BenchMesh) -> None:
    def is_cleared() -> bool:
        with BusClient(mesh.data) as client:
            client.append("operator", control.KillClearRequested("operator", "the next trial"))
        time.sleep(0.3)
        return not (mesh.data.latch / "kill").exists()

    wait_for(is_cleared, "the kill to be cleared")


def _command(port: int, path: str, item: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, json.dumps(item), {"content-type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    if answer.status != 200:
        raise QuotemeshError(f"the venue refuses {path}: {told[:200]!r}")


def _config() -> str:
    """Return a configuration of ten markets, each with a dozen quotes that change once a second."""
    symbols = [f"binance_usdm:{asset}USDT" for asset in ASSETS]
    many = 1_000_000_000
    tree = {
        "mode": "testnet",
        "venues": {"binance_usdm": {"url": "sim"}},
        "symbols": symbols,
        "warmup_s": 0,
        "warmup_points": 0,
        "strategies": {
            f"s{number}": {
                "kind": "services.fused.live_quotes:Busy",
                "symbol": symbol,
                "params": {"seed": number, "every": 10, "lots": 4, "kept": KEPT, "away_ticks": 1000},
            }
            for number, symbol in enumerate(symbols)
        },
        "risk": {
            "limits": {
                "order_notional_max": many,
                "position_notional_max": many,
                "symbol_notional_max": many,
                "open_orders_max": 1000,
            },
            "portfolio_notional_max": many,
            "loss_max": many,
            "initial_equity": many,
            "throttle": {
                "requotes_per_min_max": 100_000,
                "fills_per_min_max": 100_000,
                "loss_per_min_max": many,
            },
            "storm": {"rejects_max": 10_000},
            "breakers": {
                "losing_streak_max": 0,
                "session_drawdown_bps": 0,
                "total_drawdown_bps": 0,
                "session_loss_max": 0,
            },
            "ramp": {"duration_s": 0},
        },
        "gateway": {"port": int(os.environ.get("QUOTEMESH__GATEWAY__PORT") or 8686)},
        "simulator": {
            "relay": True,
            "markets": [
                {"symbol": symbol, "tick_size": "0.01", "lot_size": "0.001", "start_price": "3000"}
                for symbol in symbols
            ],
        },
    }
    return json.dumps(tree, indent=1)
