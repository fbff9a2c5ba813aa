"""The processes beside this one: the children of the supervisor that started the gateway (OB-2)."""

import os
from pathlib import Path
from typing import NamedTuple

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process of the mesh: its id and its resident memory."""

    pid: int
    rss_bytes: int


def siblings(parent_pid: int, proc: Path = Path("/proc")) -> dict[str, Process]:
    """Return every service that runs as a child of `parent_pid`, by name, also those not on the bus.

    Empty where the kernel does not list the children of a process.
    """
    try:
        pids = (proc / str(parent_pid) / "task" / str(parent_pid) / "children").read_text().split()
    except OSError:
        return {}
    found = {}
    for pid in pids:
        try:
            words = (proc / pid / "cmdline").read_bytes().split(b"\0")
            name = _service(words)
            if name:
                found[name] = Process(int(pid), resident_bytes(int(pid), proc))
        except OSError:  # it ended meanwhile
            continue
    return found


def resident_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """Return the resident memory of a process; raises `OSError` when it is gone."""
    words = (proc / str(pid) / "statm").read_text().split()
    return int(words[1]) * PAGE_BYTES if len(words) > 1 else 0


def _service(words: list[bytes]) -> str:
    """Return the service that `python -m services.NAME.main` runs, empty for any other command."""
    for word in words:
        parts = word.decode(errors="replace").split(".")
        if len(parts) == 3 and parts[0] == "services" and parts[2] == "main":
            return parts[1]
    return ""
