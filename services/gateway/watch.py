"""Looks once a second at what is not on the log: the bus's own word on every service, and the processes."""

import asyncio
import os
from typing import Any, NamedTuple

from services.gateway.processes import Process, siblings
from shared.errors import QuotemeshError
from shared.runtime.client import BusClient
from shared.runtime.port import Port

INTERVAL_S = 1.0
TIMEOUT_MS = 800


class Sight(NamedTuple):
    """What was seen last. `bus` is the bus's answer to `status`, None when it did not answer."""

    bus: dict[str, Any] | None
    processes: dict[str, Process]
    applied_seq: int
    now_ns: int
    bus_silent_ms: int
    is_live: bool


class Watch:
    """Keeps the newest answer of the bus and the newest list of processes."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._client = BusClient(port.data, TIMEOUT_MS)
        self._bus: dict[str, Any] | None = None
        self._processes: dict[str, Process] = {}

    async def look(self) -> None:
        """Ask once; never raises because the bus is down."""
        self._bus, self._processes = await asyncio.to_thread(self._ask)

    def _ask(self) -> tuple[dict[str, Any] | None, dict[str, Process]]:
        processes = siblings(os.getppid())
        try:
            return self._client.status(), processes
        except QuotemeshError:
            return None, processes

    def sight(self) -> Sight:
        """Return what is known now."""
        port = self._port
        return Sight(
            bus=self._bus,
            processes=self._processes,
            applied_seq=port.applied_seq,
            now_ns=port.clock.now_ns(),
            bus_silent_ms=port.bus_silent_ms,
            is_live=port.is_live,
        )
