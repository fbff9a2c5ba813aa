"""The real image in a real engine: built, run, looked at, killed, run again, stopped, and given up."""

import json
import re
import socket
import time
import urllib.request

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.image, pytest.mark.timeout(1800)]

BASE = "python:3.11-slim-bookworm"
BASE_OFFICIAL_MB = 130
"""What the official base has at most; a stand-in made of Debian's packages has 289."""

SIZE_MB_MAX = 250
SECRET = "hunter2-of-the-test"
PYTHON = "/app/.venv/bin/python"

SUPERVISORD_ENVIRONMENT = """
from pathlib import Path
from services.cli.processes import processes_of
from shared.runtime.paths import DataDir
for process in processes_of(DataDir("/data")):
    print(process.name, *Path(f"/proc/{process.pid}/environ").read_text().split(chr(0)))
"""
KILL_STRATEGY_FOR_GOOD = """
import os, signal, time
from services.cli.processes import processes_of
from shared.runtime.paths import DataDir
while True:
    for process in processes_of(DataDir("/data")):
        if process.name == "strategy":
            os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.02)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(claim, limit_s=120.0):
    """Return the first answer of `claim` that is true; a time limit, not a measure."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = claim()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {limit_s} s in vain")


def give_to_root(engine, image, mount):
    """Make a volume as a new disk is: root's, with a folder in it, so that the engine does not prepare it."""
    run = ("docker", "run", "--rm", "-u", "0", *mount, "--entrypoint", "sh", image)
    engine.must(*run, "-c", "mkdir /data/lost+found && chown 0:0 /data && chmod 755 /data")


def report_of(text):
    return json.loads(text[text.index("{") :])


def status_line(text, name):
    return dict(re.findall(r"^(\w+):\s+(\S+)$", text, re.MULTILINE))[name]


@pytest.mark.req("OP-2")
def test_the_image_holds_what_runs_and_nothing_else(engine, image):
    found, base = engine.inspect(image), engine.inspect(BASE)
    shell = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c")

    added_mb = (found["Size"] - base["Size"]) / 1e6
    kernels = engine.must(
        *shell, f"{PYTHON} -c 'from shared.kernels import is_compiled; print(is_compiled())'"
    )
    absent = engine.must(*shell, "ls -A /app /app/.venv/bin; command -v gcc || true")
    stamp = engine.must(*shell, "quotemesh version")
    history = engine.must("docker", "history", "--no-trunc", image)

    print(f"image {found['Size'] / 1e6:.0f} MB, base {base['Size'] / 1e6:.0f} MB, ours {added_mb:.0f} MB")
    assert added_mb + BASE_OFFICIAL_MB <= SIZE_MB_MAX
    assert kernels.strip() == "True"
    assert stamp.startswith("quotemesh ")
    assert not {"pip", "/usr/bin/gcc", "tests", ".git", "docs"} & set(absent.split())
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["Volumes"]) == ["/data"]
    assert list(config["ExposedPorts"]) == ["8686/tcp"]
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "quotemesh"]
    added = [line for line in config["Env"] if line not in base["Config"]["Env"]]
    assert not [line for line in added if re.search("PIP|INDEX|TOKEN|SECRET", line)]
    assert not re.search(r"PIP_(EXTRA_)?INDEX_URL=|PIP_TRUSTED_HOST=", history)


@pytest.mark.req("OP-1", "OP-2", "OP-3", "OP-5", "OP-10", "OP-11", "GW-15")
def test_a_killed_container_goes_on_with_the_same_account(engine, make_project):
    port = free_port()
    project = make_project(port, {"EXCHANGE_API_SECRET": SECRET})

    project.must("up", "-d", "--no-build")
    container = project.container()
    inspected = engine.wait_healthy(container)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        ready = json.loads(answer.read())
    restarted = project.tell("restart", "risk")
    inside = engine.must("docker", "exec", container, "cat", "/proc/1/status", "/proc/mounts")
    environments = engine.must("docker", "exec", "-i", container, PYTHON, "-", text=SUPERVISORD_ENVIRONMENT)
    wait_until(lambda: report_of(project.tell("report", "--json"))["totals"]["fills"] >= 5)

    assert ready["status"] == "ready"
    assert "risk ready again" in restarted
    assert inspected["HostConfig"]["PortBindings"] == {
        "8686/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    }
    assert inspected["Config"]["Env"].count(f"EXCHANGE_API_SECRET={SECRET}") == 1
    assert "supervisord" in environments
    assert SECRET not in environments
    assert "Uid:\t10001\t10001\t10001\t10001" in inside
    assert [status_line(inside, name) for name in ("CapEff", "CapBnd", "NoNewPrivs")] == [
        "0" * 16,
        "0" * 16,
        "1",
    ]
    assert re.search(r"^overlay / overlay ro,", inside, re.MULTILINE)

    engine.must("docker", "kill", container)
    killed = report_of(project.ask_stopped("report", "--json"))
    positions = project.ask_stopped("positions", "--json")
    fills = project.ask_stopped("export", "fills", "--json").splitlines()
    head_seq = max(
        json.loads(line)["seq"] for line in project.ask_stopped("export", "events", "--json").splitlines()
    )
    engine.must("docker", "start", container)
    engine.wait_healthy(container)
    again = report_of(project.tell("report", "--json", "--until", str(head_seq)))
    wait_until(lambda: report_of(project.tell("report", "--json"))["totals"]["fills"] > len(fills))
    project.must("stop")
    proof = report_of(project.ask_stopped("replay", "--verify", "--json"))

    assert positions.strip().startswith("[")
    assert again == killed
    assert project.ask_stopped("export", "fills", "--json").splitlines()[: len(fills)] == fills
    assert engine.inspect(container)["State"]["ExitCode"] == 0
    assert proof["equal"], proof["problems"]
    assert proof["epochs"] == 2


def test_a_program_that_cannot_run_stops_the_container(engine, image, volume):
    name = engine.must(
        "docker", "run", "-d", "--read-only", "--tmpfs", "/tmp", "-v", f"{volume}:/data", image
    ).strip()
    engine.wait_healthy(name)

    engine.run("docker", "exec", "-i", name, PYTHON, "-", text=KILL_STRATEGY_FOR_GOOD, timeout=120)
    state = engine.wait(name, lambda state: state["Status"] == "exited")["State"]

    said = engine.run("docker", "logs", name).stderr
    assert state["ExitCode"] == 1
    assert "strategy does not run any more" in said


def test_a_data_directory_that_is_not_ours_to_write_is_refused_with_a_reason(engine, image, volume):
    mount = ("--read-only", "--tmpfs", "/tmp", "-v", f"{volume}:/data")
    give_to_root(engine, image, mount)

    done = engine.run("docker", "run", "--rm", *mount, image)

    assert done.returncode == 1
    assert "/data" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.req("OP-4")
def test_flys_start_hands_over_a_volume_of_root_and_keeps_no_privilege(engine, image, volume):
    mount = ("-v", f"{volume}:/data")
    give_to_root(engine, image, mount)

    name = engine.must("docker", "run", "-d", *mount, f"{image}:fly").strip()
    wait_until(lambda: engine.run("docker", "exec", name, "quotemesh", "status").returncode == 0)
    inside = engine.must("docker", "exec", name, "cat", "/proc/1/status")
    owner = engine.must("docker", "exec", name, "stat", "-c", "%u:%g %a", "/data")
    engine.must("docker", "stop", "-t", "90", name)

    assert "Uid:\t10001\t10001\t10001\t10001" in inside
    assert [status_line(inside, one) for one in ("CapEff", "CapBnd", "NoNewPrivs")] == [
        "0" * 16,
        "0" * 16,
        "1",
    ]
    assert owner.strip() == "10001:10001 700"
    assert engine.inspect(name)["State"]["ExitCode"] == 0
