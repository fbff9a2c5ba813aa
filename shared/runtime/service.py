"""Run one service: `run_service(core, shell)` is all that a `main.py` does.

Exit codes: 0 stopped on request, 1 failed (restarted by supervisord, which is the recovery), 2 another
process runs as this service, 4 wrong settings, 70 two deaths on one event (kill is latched).
"""

import asyncio
import signal
import time
from typing import Any

from shared.core import Core
from shared.errors import ConfigError, EpochError, JournalError
from shared.runtime import logs
from shared.runtime.build import build_id
from shared.runtime.clock import MeshClock
from shared.runtime.latch import latch_kill
from shared.runtime.node import Node
from shared.runtime.paths import DataDir
from shared.runtime.port import Draining, NoShell, Port, Shell

__all__ = ["NoShell", "Port", "Shell", "run_service"]

EXIT_FAILED = 1
EXIT_SUPERSEDED = 2
EXIT_CONFIG = 4
EXIT_FATAL_EVENT = 70
BEAT_S = 0.25
CLOCK_WAIT_S = 15.0
NO_SETTINGS = b"\x80"


def run_service(
    core: Core | None,
    shell: Shell | None = None,
    service: str | None = None,
    unhurried: frozenset[str] = frozenset(),
) -> int:
    """Run until SIGTERM or a failure and return the exit code.

    `service` names a process without a core (`market_data`); its facts have the source `<service>.io`.
    `unhurried` are families of messages that may wait some milliseconds for the next event (doorbell.py).
    """
    name = core.service if core is not None else service
    assert name, "a service without a core needs a name"
    data = DataDir.from_environment()
    log = logs.configure(name, data)
    try:
        return asyncio.run(_run(core, shell or NoShell(), name, data, log, unhurried))
    except ConfigError as error:
        log.error("not_started", error=str(error))
        return EXIT_CONFIG
    except EpochError as error:
        log.error("superseded", error=str(error))
        return EXIT_SUPERSEDED
    except Exception as error:
        log.error("failed", error=f"{type(error).__name__}: {error}", exc_info=True)
        return EXIT_FAILED


async def _run(
    core: Core | None, shell: Shell, service: str, data: DataDir, log: Any, unhurried: frozenset[str]
) -> int:
    path = data.settings(service)
    settings = path.read_bytes() if path.exists() else NO_SETTINGS
    port = Port(data, await _clock(data), service, settings)
    shell.opened(port)
    node = Node(core, shell, port, build_id(), log, unhurried)
    if node.fatal_seq is not None:
        reason = f"{service} died twice while applying seq {node.fatal_seq}; see its log, then start it again"
        is_latched = latch_kill(data, service, reason)
        log.error("fatal_event", seq=node.fatal_seq, is_kill_latched=is_latched)
        return EXIT_FATAL_EVENT
    stopping, forced = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping, forced)
    loop.set_exception_handler(lambda _loop, context: node.fail(context.get("exception")))
    beats = loop.create_task(_beat(node))
    asked = loop.create_task(stopping.wait())
    try:
        node.begin()
        ends: set[asyncio.Future[Any]] = {node.ended, asked}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if isinstance(shell, Draining) and port.is_live and not node.ended.done():
            await _drain(shell, node, forced)
    finally:
        try:
            await node.stop()
        finally:
            beats.cancel()
            asked.cancel()
    if node.ended.done():
        node.ended.result()
    log.info("stopped", applied_seq=port.applied_seq)
    return 0


def _stop(stopping: asyncio.Event, forced: asyncio.Event) -> None:
    """Stop at the first signal, without waiting for anything more at the second."""
    if stopping.is_set():
        forced.set()
    stopping.set()


async def _drain(shell: Draining, node: Node, forced: asyncio.Event) -> None:
    """Let the shell finish, unless the service fails or a second signal comes."""
    loop = asyncio.get_running_loop()
    drained, hurried = loop.create_task(shell.drain()), loop.create_task(forced.wait())
    ends: set[asyncio.Future[Any]] = {drained, hurried, node.ended}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, hurried):
        task.cancel()
    await asyncio.gather(drained, hurried, return_exceptions=True)


async def _beat(node: Node) -> None:
    while not node.ended.done():
        try:
            node.beat()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            node.fail(error)
        await asyncio.sleep(BEAT_S)


async def _clock(data: DataDir) -> MeshClock:
    """Return the mesh clock, waiting a while for the bus to make it."""
    end_s = time.monotonic() + CLOCK_WAIT_S
    while True:
        try:
            return MeshClock(data)
        except JournalError:
            if time.monotonic() > end_s:
                raise
            await asyncio.sleep(0.05)
