"""The bus and the four processes with a core, started for one measurement without supervisord."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.bench.machine import ROOT
from services.bench.mesh import wait_for
from shared.errors import QuotemeshError
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.settings import pack

SERVICES = ("broker", "risk", "gateway", "strategy")


@contextmanager
def running_cores(
    sections: Mapping[str, object], feed: tuple[int, int]
) -> Iterator[tuple[DataDir, Callable[[], None]]]:
    """Give the data directory of live processes, and what starts the feeder: `feed` is (Hz, count)."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        data = DataDir(Path(folder))
        data.prepare()
        data.settings("bus").parent.mkdir(parents=True, exist_ok=True)
        for name, section in sections.items():
            data.settings(name).write_bytes(pack(section))
        environment = {
            **os.environ,
            "QUOTEMESH_DATA": folder,
            "QUOTEMESH_BENCH_FEED": f"{feed[0]} {feed[1]}",
        }
        started: list[subprocess.Popen[bytes]] = []

        def start(module: str) -> None:
            command = [sys.executable, "-m", module]
            with (data.logs / f"{module}.log").open("wb") as log:
                started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))

        try:
            start("services.bus.main")
            wait_for(lambda: _status(data) is not None, "the bus")
            for name in SERVICES:
                start(f"services.{name}.main")
            wait_for(lambda: _are_live(data), "the services")
            yield data, lambda: start("services.bench.feeder")
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait(30)


def _status(data: DataDir) -> dict[str, Any] | None:
    try:
        with BusClient(data, 300) as client:
            return client.status()
    except QuotemeshError:
        return None


def _are_live(data: DataDir) -> bool:
    services = (_status(data) or {}).get("services", {})
    return all(services.get(name, {}).get("state") == "live" for name in SERVICES)
