"""The processes of one mesh, found by what they are: no file of process ids can be out of date."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shared.runtime.paths import DataDir

POLL_S = 0.05


class Process(NamedTuple):
    """One process of a mesh: its id, and the service it runs (`supervisord` for the supervisor)."""

    pid: int
    name: str


def processes_of(data: DataDir) -> list[Process]:
    """Return the running processes of the mesh on `data`, by service."""
    wanted = b"QUOTEMESH_DATA=" + os.fsencode(data.root)
    found: list[Process] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            name = _service(words)
            if name is not None and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(Process(int(entry.name), name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return sorted(found)


def _service(words: list[bytes]) -> str | None:
    """Return the service that a command line `python -m services.NAME.main` runs, None for any other."""
    if b"-m" not in words:
        return None
    module = words[words.index(b"-m") + 1].decode(errors="replace")
    if module == "supervisor.supervisord":
        return "supervisord"
    parts = module.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "services" and parts[2] == "main" else None


def send(processes: list[Process], number: signal.Signals) -> None:
    """Send a signal to each process that still runs."""
    for process in processes:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Return whether `condition` came true within `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
