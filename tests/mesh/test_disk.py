"""The disk says no, is slow, or lies: trading stops with the reason, and nothing acknowledged is lost.

Full: a small file system in memory, mounted by the test. Errors and stalls: strace makes the kernel say so.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.processes import processes_of, send
from services.replay.invariants import check_log
from shared.errors import ProtocolError
from shared.messages.control import KillRequested, PauseRequested
from shared.messages.orders import OrderAccepted
from shared.runtime.client import BusClient
from shared.runtime.journal import JournalReader, segment_path

ROOT = Path(__file__).resolve().parents[2]
IS_CI = os.environ.get("CI") == "true"
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null", "-e")
BUS = (sys.executable, "-m", "services.bus.main")
PAUSE = PauseRequested("", "me", "why")

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(240)]


def bus_rig():
    """Return the class that the tests of the bus use for a bus of their own."""
    spec = importlib.util.spec_from_file_location("bus_rig", ROOT / "tests/services/bus/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Rig


def absent(what, how_to_get):
    """Skip the running test, or fail it in CI."""
    (pytest.fail if IS_CI else pytest.skip)(f"{what}: {how_to_get}")


@pytest.fixture
def rig(tmp_path):
    made = bus_rig()(tmp_path / "data")
    yield made
    send(processes_of(made.data), signal.SIGKILL)
    made.close()


@pytest.fixture
def traced_bus(rig):
    """Start a bus whose system calls strace answers; returns the process with the bus's exit code."""
    if shutil.which("strace") is None:
        absent("strace is missing", "apt-get install strace")
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        absent("strace may not trace here", "run as root, or allow ptrace")

    def start(injection, *more):
        rig.settings("bus", sync_stall_ms=1000)
        call = injection.partition(":")[0]
        process = subprocess.Popen(
            [*STRACE, f"trace={call}", "-e", f"inject={injection}", *more, *BUS],
            cwd=ROOT,
            env=os.environ | {"QUOTEMESH_DATA": str(rig.data.root), "QUOTEMESH_BUILD": "test"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        rig.processes.append(process)
        rig.wait(lambda: rig.head() > 0, process)
        return process

    return start


def ask_until_it_ends(rig, bus):
    """Append commands until the bus has ended; return the seqs of all that were answered."""
    client = BusClient(rig.data, timeout_ms=1500)
    answered = []

    def ask():
        try:
            answered.append(client.append("operator", PAUSE))
        except ProtocolError:
            return bus.poll() is not None
        return False

    rig.wait(ask)
    return answered


@pytest.mark.req("JR-17", "I-28")
@pytest.mark.parametrize(
    ("injection", "is_on_wal", "reason"),
    [
        ("pwrite64:error=EIO:when=80+", True, "could not be written"),
        ("pwrite64:error=ENOSPC:when=80+", True, "could not be written"),
        ("fdatasync:error=EIO:when=20+", False, "could not be synced"),
        ("fdatasync:delay_enter=6000000:when=20+", False, "the disk has not answered"),
    ],
)
def test_a_failing_disk_latches_kill_and_loses_nothing_that_was_answered(
    rig, traced_bus, injection, is_on_wal, reason
):
    wal = segment_path(rig.data.journal, 1).name + "-wal"
    bus = traced_bus(injection, *(["-P", str(rig.data.journal / wal)] if is_on_wal else []))

    answered = ask_until_it_ends(rig, bus)

    assert bus.returncode == 70
    assert reason in (rig.data.latch / "kill").read_text()
    assert answered
    seqs = [event.header.seq for event in rig.events()]
    assert set(answered) <= set(seqs)
    assert seqs == list(range(1, len(seqs) + 1))
    # The log itself is whole: on a disk that is well again the next bus goes on with it.
    rig.bus()
    assert rig.client().append("operator", PAUSE) > seqs[-1]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MB; yields its folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        absent("mount is missing", "apt-get install mount")
    if done.returncode:
        absent("a small file system cannot be mounted", f"run as root ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Take all the space there is; return the file that has it."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return path


def accepted_after(journal, seq):
    """Return the seqs of the orders accepted after `seq`."""
    events = JournalReader(journal).events(seq)
    return [event.header.seq for event in events if isinstance(event.message, OrderAccepted)]


@pytest.mark.req("JR-17", "I-27", "I-28", "OP-10")
def test_a_full_disk_stops_trading_until_a_person_clears_it(small_disk, make_mesh):
    # Given a mesh that trades on a small disk
    mesh = make_mesh("small/data")
    mesh.must("up", "--skip-check")
    mesh.wait_head(300)

    # When the disk is full
    ballast = fill(small_disk)
    mesh.wait(lambda now: now["processes"]["bus"]["state"] == "exited" and now["head_seq"] is None, 120)

    # Then the bus is not started again, kill is latched with the reason, and quotes are withdrawn
    assert "could not be" in (mesh.data / "latch" / "kill").read_text()
    assert mesh.run("status").returncode == 1
    assert mesh.run("kill").returncode == 0
    journal = mesh.data / "journal"
    stopped = JournalReader(journal).head_seq()

    # And with space again the log goes on whole; nothing is sent before a person clears the kill
    ballast.unlink()
    mesh.must("down")
    mesh.must("up", "--skip-check")
    mesh.wait_head(stopped + 50)
    cleared = mesh.must("kill", "--clear", "--reason", "the disk has space again", "--json")
    mesh.wait(lambda _: accepted_after(journal, stopped))
    mesh.must("down")
    assert min(accepted_after(journal, stopped)) > json.loads(cleared)["seq"]
    assert check_log(JournalReader(journal).events()).problems == []


@pytest.mark.req("JR-17", "I-28")
def test_a_mesh_does_not_start_on_a_damaged_log_and_says_where(make_mesh, rig):
    # Given a log that a bus has written, of which a later part of the file is overwritten
    mesh = make_mesh()
    rig.stop(rig.bus())
    segment = segment_path(rig.data.journal, 1)
    content = segment.read_bytes()
    segment.write_bytes(b"\0" * len(content))

    # When the mesh is started, and started again
    for _ in range(2):
        refused = mesh.run("up", "--skip-check")

        # Then it is not, the file lies in the quarantine, and kill is latched
        assert refused.returncode == 1
        assert "the first bad seq is 1" in refused.stderr
        assert "quotemesh restore" in refused.stderr
    assert (rig.data.journal / "quarantine" / segment.name).exists()
    assert "the first bad seq is 1" in (rig.data.latch / "kill").read_text()


@pytest.fixture
def rig_on_small_disk(small_disk):
    made = bus_rig()(small_disk / "data")
    yield made
    made.close()


def test_kill_is_latched_with_its_reason_where_nothing_more_can_be_written(rig_on_small_disk, small_disk):
    rig = rig_on_small_disk
    bus = rig.bus()
    rig.client().append("operator", KillRequested("me", "not the disk"))

    fill(small_disk)
    rig.wait(lambda: bus.poll() is not None, limit_s=90)

    assert bus.returncode == 70
    assert "could not be" in (rig.data.latch / "kill").read_text()
