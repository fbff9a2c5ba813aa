"""Start and stop the processes of a mesh in order, and know when each is ready (OP-18)."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from services.cli.exits import CommandError, ExitCode
from services.cli.modes import trading_settings
from services.cli.processes import POLL_S, processes_of, send, wait_until
from services.cli.secrets import remove_secrets
from services.cli.supervise import SUPERVISOR_ERRORS, Supervisor, is_locked
from services.cli.venue_ping import venue_answers
from shared.errors import QuotemeshError
from shared.messages.control import StopRequested
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir

STAGES = (("bus",), ("venue_sim", "broker"), ("risk",), ("market_data", "gateway"), ("strategy",))
"""Start order: the log, the venue and our orders there, the gate, prices, then who wants to trade."""

SERVICES = tuple(name for stage in STAGES for name in stage)

VENUE = "venue_sim"
CANCELLER = "canceller"
"""Watches the broker where orders leave this host; its settings lie in `run/` only then."""

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
BROKER_STOP_LIMIT_S = 40.0
"""Longer than `stopwaitsecs` of the broker in supervisord.conf, which is longer than its drain."""
ORPHAN_LIMIT_S = 5.0
STATUS_TIMEOUT_MS = 500
LOG_LINES_SHOWN = 8
LOG_CHARACTERS_SHOWN = 600
_ENDED = frozenset({"FATAL", "EXITED", "BACKOFF", "STOPPED", "UNKNOWN"})


class Ready(NamedTuple):
    """One process became ready."""

    name: str
    pid: int
    after_s: float


def bus_status(data: DataDir) -> dict[str, Any] | None:
    """Return what the bus says of itself and the services, None when it does not answer."""
    try:
        with BusClient(data, STATUS_TIMEOUT_MS) as client:
            return client.status()
    except QuotemeshError:
        return None


def stages_of(data: DataDir) -> tuple[tuple[str, ...], ...]:
    """Return the stages of this mesh; the canceller comes and goes with the broker it watches."""
    if not data.settings(CANCELLER).exists():
        return STAGES
    return tuple((*stage, CANCELLER) if "broker" in stage else stage for stage in STAGES)


def services_of(data: DataDir) -> tuple[str, ...]:
    """Return every service of this mesh in the order of the start."""
    return tuple(name for stage in stages_of(data) for name in stage)


def is_ready(name: str, pid: int, data: DataDir, status: dict[str, Any] | None) -> bool:
    """Return whether the process `pid` of service `name` does its work; an earlier life does not count."""
    if name == "venue_sim":
        return venue_answers(data)
    if name == CANCELLER:
        return (data.run / f"{CANCELLER}.armed").exists()
    if status is None:
        return False
    if name == "bus":
        return True
    service = status["services"].get(name)
    return bool(service and service["state"] == "live" and service["pid"] == pid)


def start_stages(
    data: DataDir, supervisor: Supervisor, report: Callable[[Ready], None], go_on: Callable[[], None]
) -> None:
    """Start all services in order, each stage when the one before is ready; `go_on` may raise to end that."""
    for stage in stages_of(data):
        for name in stage:
            supervisor.start(name)
        wait_ready(data, supervisor, stage, report, go_on)


def wait_ready(
    data: DataDir,
    supervisor: Supervisor,
    names: tuple[str, ...],
    report: Callable[[Ready], None],
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Return when each of `names` is ready.

    A process that ends raises at once, with its last log lines; one that applies no event and does not
    become ready for 60 s raises with the exit code of a timeout. A long recovery is no timeout.
    """
    started = time.monotonic()
    deadline = started + READY_LIMIT_S
    waiting = dict.fromkeys(names, 0)
    furthest: dict[str, int] = {}
    while True:
        programs = supervisor.programs()
        status = bus_status(data)
        for name, first_pid in list(waiting.items()):
            program = programs[name]
            if program.state in _ENDED or (first_pid and program.pid != first_pid):
                why = f" ({program.detail})" if program.state in _ENDED and program.detail else ""
                raise CommandError(f"{name} ended while it started{why}\n{last_lines(data, name)}")
            waiting[name] = program.pid
            if program.pid and is_ready(name, program.pid, data, status):
                del waiting[name]
                report(Ready(name, program.pid, time.monotonic() - started))
                continue
            applied = ((status or {}).get("services", {}).get(name) or {}).get("applied_seq", 0)
            if applied > furthest.get(name, 0):
                furthest[name] = applied
                deadline = time.monotonic() + READY_LIMIT_S
        if not waiting:
            return
        go_on()
        if time.monotonic() > deadline:
            late, lines = ", ".join(waiting), last_lines(data, next(iter(waiting)))
            raise CommandError(
                f"{late} did not become ready in {READY_LIMIT_S:.0f} s\n{lines}", ExitCode.TIMEOUT
            )
        time.sleep(POLL_S)


def last_lines(data: DataDir, name: str) -> str:
    """Return the last log lines of a service, each indented, for an error message."""
    try:
        lines = (data.logs / f"{name}.log").read_text(errors="replace").splitlines()
    except OSError:
        return f"  (no log at {data.logs / name}.log)"
    shown = (f"  {name}: {line[:LOG_CHARACTERS_SHOWN]}" for line in lines[-LOG_LINES_SHOWN:])
    return "\n".join(shown) or "  (its log is empty)"


def _stop_stages(data: DataDir) -> Iterator[tuple[str, ...]]:
    """Yield the stages of a stop: the start in reverse, but a broker ends before its simulated venue."""
    for stage in reversed(stages_of(data)):
        if VENUE in stage:
            yield tuple(name for name in stage if name != VENUE)
            yield (VENUE,)
        else:
            yield stage


def stop_services(data: DataDir, supervisor: Supervisor, names: tuple[str, ...] = ()) -> None:
    """Stop `names` (or all) in reverse order of the start, each stage before the next; the bus is last."""
    names = names or services_of(data)
    for stage in _stop_stages(data):
        stopping = [name for name in stage if name in names]
        for name in stopping:
            supervisor.stop(name)

        def are_stopped(stage_names: list[str] = stopping) -> bool:
            programs = supervisor.programs()
            return all(programs[name].pid == 0 for name in stage_names)

        limit_s = BROKER_STOP_LIMIT_S if "broker" in stopping else STOP_LIMIT_S
        if stopping and not wait_until(are_stopped, limit_s):
            raise CommandError(f"{', '.join(stopping)} did not stop in {limit_s:.0f} s", ExitCode.TIMEOUT)


def stop_mesh(data: DataDir, say: Callable[[str], object] = str) -> bool:
    """Stop everything that runs on `data`; return whether anything did. Works without supervisord too.

    `say` is told what was withdrawn at the venues and what remains open there, where orders left this host.
    """
    was_running = is_locked(data) or bool(processes_of(data))
    supervisor = Supervisor(data)
    try:
        if supervisor.answers():
            _close_positions(data, say)
            stop_seq = _announce_stop(data)
            names = services_of(data)
            stop_services(data, supervisor, names[names.index("broker") :])
            _tell_left(data, stop_seq, say)
            stop_services(data, supervisor)
            supervisor.call("shutdown")
            wait_until(lambda: not is_locked(data), STOP_LIMIT_S)
    except SUPERVISOR_ERRORS:  # it died while it was asked; what it left is found by what it is
        pass
    finally:
        _stop_orphans(data)
        remove_secrets(data)
        (data.run / f"{CANCELLER}.armed").unlink(missing_ok=True)
    return was_running


def _close_positions(data: DataDir, say: Callable[[str], object]) -> None:
    """Close positions before the stop where the settings say so."""
    settings = trading_settings(data)
    if settings is None or not settings.live.close_positions_on_exit:
        return
    from services.cli.farewell import close_positions  # noqa: PLC0415 - the adapters are not loaded on paper

    for line in close_positions(data):
        say(line)


def _tell_left(data: DataDir, stop_seq: int, say: Callable[[str], object]) -> None:
    """Tell what remains at venues, while the bus and a simulated venue are still there."""
    settings = trading_settings(data)
    if settings is None:
        return
    from services.cli.farewell import farewell  # noqa: PLC0415 - the adapters are not loaded on paper

    for line in farewell(data, settings, stop_seq):
        say(line)


def _announce_stop(data: DataDir) -> int:
    """Put the stop on the log, so that resting paper orders stay; return its seq, 0 when no bus hears it."""
    try:
        with BusClient(data, STATUS_TIMEOUT_MS) as client:
            return client.append("operator", StopRequested("operator", "the mesh is stopped"))
    except QuotemeshError:
        return 0


def kill_mesh(data: DataDir) -> None:
    """End everything at once, the supervisor first; the log is made for that."""
    found = processes_of(data)
    send([process for process in found if process.name == "supervisord"], signal.SIGKILL)
    send(found, signal.SIGKILL)


def _stop_orphans(data: DataDir) -> None:
    """End what is left without a supervisor: it goes first, so that it revives nothing, and the bus last."""
    left = processes_of(data)
    if not left:
        return
    send([process for process in left if process.name == "supervisord"], signal.SIGKILL)
    for stage in reversed(stages_of(data)):
        send([process for process in processes_of(data) if process.name in stage], signal.SIGTERM)

        def is_gone(names: tuple[str, ...] = stage) -> bool:
            return not any(process.name in names for process in processes_of(data))

        if not wait_until(is_gone, BROKER_STOP_LIMIT_S if "broker" in stage else ORPHAN_LIMIT_S):
            send([process for process in processes_of(data) if process.name in stage], signal.SIGKILL)
    if not wait_until(lambda: not processes_of(data), ORPHAN_LIMIT_S):
        left = processes_of(data)
        raise CommandError(f"still running after SIGKILL: {left}; see with ps", ExitCode.TIMEOUT)
