"""A mesh of real processes for a measurement: in a data directory of its own, always taken down."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.bench.machine import ROOT
from shared.errors import QuotemeshError
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir

WAIT_S = 60.0


class BenchMesh:
    """The mesh that `quotemesh up` starts, with settings overridden by environment."""

    def __init__(self, data: DataDir, overrides: dict[str, str]) -> None:
        self.data = data
        kept = {key: value for key, value in os.environ.items() if not key.startswith("QUOTEMESH__")}
        self.environment = kept | {f"QUOTEMESH__{key}": value for key, value in overrides.items()}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command of ours on this mesh."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *words, "--data", str(self.data.root)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def must(self, *words: str) -> str:
        """Run one command that has to succeed; raises `QuotemeshError` with what it said."""
        done = self.command(*words)
        if done.returncode:
            raise QuotemeshError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return what `status --json` prints."""
        found: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return found

    def kill(self, service: str) -> float:
        """Send SIGKILL to a service; return the real seconds until its next life is live."""
        pid = self.status()["processes"][service]["pid"]
        os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
        wait_for(lambda: self._is_back(service, pid), f"{service} to come back")
        return time.monotonic() - killed_s

    def _is_back(self, service: str, former_pid: int) -> bool:
        if service in {"venue_sim", "bus"}:
            one = self.status()["processes"][service]
            return bool(one["is_ready"]) and one["pid"] != former_pid
        try:
            with BusClient(self.data, 300) as client:
                said = client.status()["services"].get(service, {})
        except QuotemeshError:
            return False
        return bool(said.get("state") == "live" and said.get("pid") not in (None, former_pid))


def wait_for(claim: Callable[[], bool], what: str, limit_s: float = WAIT_S) -> None:
    """Return when `claim` holds; raises `QuotemeshError` after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not claim():
        if time.monotonic() > deadline:
            raise QuotemeshError(f"waited {limit_s:.0f} s in vain for {what}")
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_mesh(folder: Path, *up_words: str, **overrides: str) -> Iterator[BenchMesh]:
    """Give a started mesh in `folder`; it is taken down at the end."""
    mesh = BenchMesh(DataDir(folder), {"GATEWAY__PORT": str(free_port()), **overrides})
    try:
        mesh.must("up", *up_words)
        yield mesh
    finally:
        mesh.command("down")
