"""A real mesh for a test: its own data directory, its own port, started and stopped by the real commands."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mesh:
    """The commands a user types, on one data directory."""

    def __init__(self, data, **settings):
        self.data = data
        self.port = free_port()
        overrides = {"GATEWAY__PORT": self.port, **settings}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("QUOTEMESH__")}
        self.environment = kept | {f"QUOTEMESH__{k}": str(v) for k, v in overrides.items()}

    def run(self, *words, timeout=300):
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *map(str, words), "--data", str(self.data)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def must(self, *words, timeout=300):
        done = self.run(*words, timeout=timeout)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self):
        done = self.run("status", "--json")
        return json.loads(done.stdout) if done.stdout.startswith("{") else None

    def wait(self, claim, limit_s=WAIT_S):
        """Return the first status for which `claim` holds; a time limit, not a measure."""
        deadline = time.monotonic() + limit_s
        status = None
        while time.monotonic() < deadline:
            status = self.status()
            if status is not None and claim(status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"waited {limit_s} s in vain; status is {status}")

    def wait_head(self, seq):
        return self.wait(lambda status: (status["head_seq"] or 0) >= seq)

    def pid_of(self, name):
        return self.status()["processes"][name]["pid"]

    def kill(self, name):
        """Send SIGKILL to a process and return (seconds until its successor is ready, status then)."""
        pid = self.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
        status = self.wait(
            lambda now: now["processes"][name]["pid"] not in (0, pid) and now["processes"][name]["is_ready"]
        )
        return time.monotonic() - killed_s, status

    def lines(self, *words):
        return [json.loads(line) for line in self.must(*words).splitlines()]


@pytest.fixture
def mesh(tmp_path):
    """A mesh that is always taken down."""
    made = Mesh(tmp_path / "data")
    yield made
    made.run("down")


@pytest.fixture
def make_mesh(tmp_path):
    """A maker of meshes with settings of their own; all are taken down."""
    made = []

    def make(name="data", **settings):
        made.append(Mesh(tmp_path / name, **settings))
        return made[-1]

    yield make
    for one in made:
        one.run("down")
