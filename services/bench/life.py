"""Start-up, memory and recovery of the default mesh, as `quotemesh up` starts it."""

import tempfile
import time
from pathlib import Path

from services.bench.figures import Figure, median
from services.bench.mesh import BenchMesh, free_port, running_mesh, wait_for
from shared.messages import orders
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir

SETTLE_S = 20.0
KILLS = 3
MB = 2**20
VICTIMS = ("market_data", "strategy", "risk", "broker", "gateway", "bus", "venue_sim")


def measure() -> list[Figure]:
    """Return the figures of start-up, memory and recovery."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        return [*_start_up(Path(folder) / "start"), *_life(Path(folder) / "life")]


def _start_up(folder: Path) -> list[Figure]:
    mesh = BenchMesh(DataDir(folder), {"GATEWAY__PORT": str(free_port())})
    started_s = time.monotonic()
    try:
        mesh.must("up")
        ready_s = time.monotonic() - started_s
        reader = JournalReader(mesh.data.journal)
        wait_for(lambda: _has_order(reader), "the first quote")
        quote_s = time.monotonic() - started_s
        reader.close()
    finally:
        mesh.command("down")
    return [
        Figure(name="up: all processes ready", unit="s", value=round(ready_s, 2)),
        Figure(name="up to first quote", unit="s", value=round(quote_s, 2), at_most=10),
    ]


def _has_order(reader: JournalReader) -> bool:
    return any(isinstance(event.message, orders.OrderAccepted) for event in reader.events())


def _life(folder: Path) -> list[Figure]:
    with running_mesh(folder) as mesh:
        time.sleep(SETTLE_S)
        resident = {name: one["rss_bytes"] / MB for name, one in mesh.status()["processes"].items()}
        back_s: dict[str, list[float]] = {name: [] for name in VICTIMS}
        for _ in range(KILLS):
            for name in VICTIMS:
                back_s[name].append(mesh.kill(name))
                wait_for(lambda: bool(mesh.status()["is_ready"]), "the mesh to be whole again")
    limits = {"gateway": 80.0}
    figures = [
        Figure(name=f"memory of {name}", unit="MB", value=round(mb, 1), at_most=limits.get(name, 50.0))
        for name, mb in resident.items()
    ]
    figures.append(
        Figure(name="memory of all", unit="MB", value=round(sum(resident.values()), 1), at_most=400)
    )
    figures += [
        Figure(
            name=f"{name} back after kill -9",
            unit="s",
            value=round(median(taken), 2),
            at_most=3,
            rounds=[round(s, 2) for s in taken],
            note="supervisord waits about 1 s of it",
        )
        for name, taken in back_s.items()
    ]
    return figures
