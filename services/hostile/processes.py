"""A real bus and a real gateway for the campaign, in a data directory of their own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.gateway.settings import GatewaySettings
from shared.errors import QuotemeshError
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


class HostileMesh:
    """Bus, and gateway when asked for; both must live until `close`, which raises when one has died."""

    def __init__(self, *, with_gateway: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="qm-hostile-")
        self.data = DataDir(Path(self._folder.name))
        self.data.prepare()
        self._logs = (self.data.logs / "hostile.log").open("wb")
        self.port = free_port()
        self.data.settings("gateway").write_bytes(pack(GatewaySettings(port=self.port)))
        self.processes = {"bus": self._start("bus")}
        wait_for(self._is_bus_up, "the bus")
        if with_gateway:
            self.processes["gateway"] = self._start("gateway")
            wait_for(self._is_gateway_up, "the gateway")

    def pid(self, name: str) -> int:
        """Return the process id of a service; raises `AssertionError` when it has ended."""
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended with {process.returncode}: {self._said()}"
        return process.pid

    def close(self) -> None:
        """Stop everything; raises `AssertionError` when a process had ended or does not end cleanly."""
        codes = {}
        try:
            for name in self.processes:
                self.pid(name)
            for name, process in reversed(self.processes.items()):
                process.send_signal(signal.SIGTERM)
                codes[name] = process.wait(WAIT_S)
            said = self._said()
        finally:
            for process in self.processes.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
            self._logs.close()
            self._folder.cleanup()
        assert not any(codes.values()), f"exit codes {codes}: {said}"
        assert "Traceback" not in said, said

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "QUOTEMESH_DATA": str(self.data.root), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", f"services.{name}.main"],
            cwd=ROOT,
            env=environment,
            stdout=self._logs,
            stderr=subprocess.STDOUT,
        )

    def _said(self) -> str:
        self._logs.flush()
        return (self.data.logs / "hostile.log").read_text(errors="replace")[-3000:]

    def _is_bus_up(self) -> bool:
        self.pid("bus")
        try:
            return bool(BusClient(self.data, 300).status()["epoch"])
        except QuotemeshError:
            return False

    def _is_gateway_up(self) -> bool:
        self.pid("gateway")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                client.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                client.settimeout(2)
                answer = b"".join(iter(lambda: client.recv(65_536), b""))
        except OSError:
            return False
        return b"catching up" not in answer and answer.startswith(b"HTTP/1.1")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(is_true: Callable[[], bool], what: str) -> None:
    """Return when `is_true()`; raises `QuotemeshError` after `WAIT_S`."""
    end_s = time.monotonic() + WAIT_S
    while not is_true():
        if time.monotonic() > end_s:
            raise QuotemeshError(f"waited {WAIT_S:g} s for {what} in vain")
        time.sleep(0.02)
