"""The commands of a user on a real mesh: up, status, restart, down, and up again where it was."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.mesh import SERVICES
from services.cli.processes import processes_of, wait_until
from shared.runtime.journal import JournalReader
from shared.runtime.paths import SOCKET_PATH_BYTES_MAX, DataDir

pytestmark = pytest.mark.mesh


@pytest.mark.req("OP-5", "OP-13", "OP-16", "OP-18", "JR-8")
def test_a_day_of_a_mesh(make_mesh):
    mesh = make_mesh()

    said = mesh.must("up")
    status = mesh.wait_head(150)
    second = mesh.run("up")
    old_pid = status["processes"]["risk"]["pid"]
    restarted = mesh.must("restart", "risk")
    after = mesh.wait(lambda now: now["is_ready"])
    logged = mesh.must("logs", "risk")
    mesh.must("down")

    ready = [line.split()[0] for line in said.splitlines() if " ready (" in line]
    assert sorted(ready) == sorted(SERVICES)
    assert ready[0] == "bus"
    assert ready.index("broker") < ready.index("risk") < ready.index("strategy")
    assert f"http://127.0.0.1:{mesh.port}" in said
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert set(status["processes"]) == set(SERVICES)
    assert "ready again" in restarted
    assert after["processes"]["risk"]["pid"] not in (0, old_pid)
    assert logged.strip()
    assert processes_of(DataDir(mesh.data)) == []
    assert mesh.run("status").returncode == 3
    assert mesh.run("down").returncode == 3

    token, head_seq = (
        (mesh.data / "run" / "token").read_text(),
        JournalReader(mesh.data / "journal").head_seq(),
    )
    mesh.must("up")
    mesh.wait_head(head_seq + 50)
    mesh.must("down")

    assert (mesh.data / "run" / "token").read_text() == token
    seqs = [event.header.seq for event in JournalReader(mesh.data / "journal").events()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) > head_seq + 50


def test_down_ends_everything_also_when_the_supervisor_was_killed(make_mesh):
    mesh = make_mesh()
    mesh.must("up")
    data = DataDir(mesh.data)
    supervisor = next(process for process in processes_of(data) if process.name == "supervisord")

    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: supervisor not in processes_of(data), 10)
    orphaned = mesh.run("up")
    asked = mesh.run("status")
    mesh.must("down")

    assert orphaned.returncode == 1
    assert "earlier mesh still run" in orphaned.stderr
    assert asked.returncode == 3
    assert "without a supervisor" in asked.stderr
    assert processes_of(data) == []


def test_a_part_that_cannot_start_is_named_with_its_log_and_nothing_is_left(make_mesh):
    mesh = make_mesh()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        mesh.environment["QUOTEMESH__SIMULATOR__BINANCE_PORT"] = str(port)
        done = mesh.run("up")

    assert done.returncode == 1
    assert "venue_sim ended while it started" in done.stderr
    assert str(port) in done.stderr
    assert processes_of(DataDir(mesh.data)) == []


def test_in_the_foreground_a_signal_stops_everything(make_mesh):
    mesh = make_mesh()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", "up", "--foreground", "--data", str(mesh.data)],
        cwd=Path(__file__).resolve().parents[2],
        env=mesh.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("gateway      http"):
            break

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert processes_of(DataDir(mesh.data)) == []


def test_sockets_of_a_path_too_long_lie_in_a_private_folder(make_mesh):
    mesh = make_mesh()
    mesh.data = mesh.data / ("a" * 60) / ("b" * 60)

    mesh.must("up")
    head = mesh.wait(lambda now: now["is_ready"])["head_seq"]
    sockets = DataDir(mesh.data).sockets
    mesh.must("down")

    assert len(os.fsencode(mesh.data / "run" / "append")) > SOCKET_PATH_BYTES_MAX
    assert head > 0
    assert sockets != mesh.data / "run"
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


@pytest.mark.req("OP-11")
def test_processes_are_not_given_what_the_caller_keeps_secret(make_mesh):
    mesh = make_mesh()
    mesh.environment["VENUE_API_SECRET"] = "hunter2"

    mesh.must("up")
    environs = [
        Path(f"/proc/{process.pid}/environ").read_bytes() for process in processes_of(DataDir(mesh.data))
    ]
    listing = json.loads(mesh.must("status", "--json"))
    mesh.must("down")

    assert len(environs) == len(SERVICES) + 1
    assert all(b"hunter2" not in environ for environ in environs)
    assert listing["is_ready"]


@pytest.mark.req("OP-16")
def test_a_second_signal_ends_a_slow_stop_at_once(make_mesh):
    mesh = make_mesh()
    data = DataDir(mesh.data)
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", "up", "--foreground", "--data", str(mesh.data)],
        cwd=Path(__file__).resolve().parents[2],
        env=mesh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("gateway      http"):
            break
    stuck = next(one for one in processes_of(data) if one.name == "risk")
    os.kill(stuck.pid, signal.SIGSTOP)

    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "strategy" not in {one.name for one in processes_of(data)}, 20)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert processes_of(data) == []
