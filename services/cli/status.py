"""`quotemesh status`: every process, and where it stands on the log."""

import json
import sys
from typing import Any

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.mesh import bus_status, is_ready, services_of
from services.cli.mesh_time import mesh_now_ns
from services.cli.modes import trading_settings
from services.cli.pauses import pause_row, risk_settings
from services.cli.place import data_option, existing
from services.cli.processes import processes_of
from services.cli.supervise import Supervisor
from services.risk.calendar import next_pauses, pause_text
from shared.runtime.paths import DataDir

ROW = "{name:<12} {state:<11} {pid:>7} {behind:>9} {rss:>9} {up:>9}"
PAGE_BYTES = 4096


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(data: DataDir, as_json: bool) -> None:
    """Show the state of each process. Exit code 0: all ready; 1: something is not; 3: not running."""
    supervisor = Supervisor(existing(data))
    if not supervisor.answers():
        left = ", ".join(f"{process.name} ({process.pid})" for process in processes_of(data))
        hint = f"; without a supervisor: {left}, stop them with down" if left else ""
        raise CommandError(f"no mesh runs on {data.root}{hint}", ExitCode.NOT_RUNNING)
    report = collect(data, supervisor)
    click.echo(json.dumps(report) if as_json else _table(report))
    sys.exit(0 if report["is_ready"] else 1)


def collect(data: DataDir, supervisor: Supervisor) -> dict[str, Any]:
    """Return what `status --json` prints."""
    programs = supervisor.programs()
    bus = bus_status(data)
    head_seq = bus["head_seq"] if bus else None
    processes: dict[str, dict[str, Any]] = {}
    for name in services_of(data):
        program = programs[name]
        said: dict[str, Any] = ((bus or {}).get("services") or {}).get(name) or {}
        applied = said.get("applied_seq") if said.get("pid") == program.pid else None
        is_up = bool(program.pid) and is_ready(name, program.pid, data, bus)
        processes[name] = {
            "state": _state(program.state, is_up, said),
            "is_ready": is_up,
            "pid": program.pid,
            "up_s": program.up_s,
            "applied_seq": applied,
            "behind": max(0, head_seq - applied) if head_seq is not None and applied else None,
            "rss_bytes": resident_bytes(program.pid) if program.pid else 0,
        }
    return {
        "data": str(data.root),
        "is_ready": all(one["is_ready"] for one in processes.values()),
        "epoch": bus["epoch"] if bus else None,
        "head_seq": head_seq,
        "durable_seq": bus["durable_seq"] if bus else None,
        "mode": mode_text(data),
        "processes": processes,
        "calendar": calendar_report(data),
    }


def mode_text(data: DataDir) -> str:
    """Return the mode and, where orders leave this host, each venue with its network."""
    settings = trading_settings(data)
    if settings is None:
        return "paper"
    venues = ", ".join(f"{one.name} ({one.network}, key {one.key})" for one in settings.venues)
    return f"{settings.mode.upper() if settings.mode == 'live' else settings.mode}: {venues}"


def calendar_report(data: DataDir) -> dict[str, Any] | None:
    """Return whether a pause holds and the one of now or the next, None when the mesh has no calendar."""
    risk = risk_settings(data)
    if risk is None or not risk.calendar.is_used:
        return None
    now_ns = mesh_now_ns(data)
    reason = pause_text(risk, now_ns)
    pauses = [pause_row(risk, pause) for pause in next_pauses(risk, now_ns, 1)]
    return {"is_paused": bool(reason), "reason": reason, "next": pauses[0] if pauses else None}


def _state(supervised: str, is_up: bool, said: dict[str, Any]) -> str:
    """Return one word: what supervisord says unless the process runs, then what it says of itself."""
    if supervised not in {"RUNNING", "STARTING"}:
        return supervised.lower()
    if said.get("silent"):
        return "silent"
    return "ready" if is_up else str(said.get("state") or "starting")


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def _table(report: dict[str, Any]) -> str:
    lines = [ROW.format(name="process", state="state", pid="pid", behind="behind", rss="memory", up="up")]
    for name, one in report["processes"].items():
        lines.append(
            ROW.format(
                name=name,
                state=one["state"],
                pid=one["pid"] or "-",
                behind="-" if one["behind"] is None else one["behind"],
                rss=f"{one['rss_bytes'] / 2**20:.0f} MB" if one["rss_bytes"] else "-",
                up=f"{one['up_s']} s" if one["pid"] else "-",
            )
        )
    if report["head_seq"] is None:
        lines.append("log: the bus does not answer")
    else:
        lines.append(
            f"log: seq {report['head_seq']}, durable to {report['durable_seq']}, epoch {report['epoch']}"
        )
    lines.append(f"mode {report['mode']}")
    pauses = report["calendar"]
    if pauses and pauses["is_paused"]:
        lines.append(f"calendar: paused, {pauses['reason']}")
    elif pauses and pauses["next"]:
        lines.append(f"calendar: next pause from {pauses['next']['halted_from']}: {pauses['next']['text']}")
    return "\n".join(lines)
