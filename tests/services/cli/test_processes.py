"""The processes of a mesh are found by what they are, in their own data directory only."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.mesh import stop_mesh
from services.cli.processes import processes_of, wait_until
from shared.runtime.paths import DataDir


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.prepare()
    return data


@pytest.fixture
def stubborn_service(tmp_path: Path, data: DataDir) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that looks like the service `risk` of `data` and ignores SIGTERM."""
    package = tmp_path / "elsewhere" / "services" / "risk"
    package.mkdir(parents=True)
    (package / "main.py").write_text(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\nsignal.pause()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "services.risk.main"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "QUOTEMESH_DATA": str(data.root)},
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_process_is_found_by_its_command_and_data_directory(
    stubborn_service: subprocess.Popen[bytes], data: DataDir, tmp_path: Path
) -> None:
    ours, others = processes_of(data), processes_of(DataDir(tmp_path / "another"))

    assert [(process.pid, process.name) for process in ours] == [(stubborn_service.pid, "risk")]
    assert others == []


@pytest.mark.req("OP-16")
def test_down_without_a_supervisor_ends_what_is_left_even_when_it_ignores_sigterm(
    stubborn_service: subprocess.Popen[bytes], data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.mesh.ORPHAN_LIMIT_S", 0.3)

    reaped = wait_until(lambda: bool(stop_mesh(data)) and stubborn_service.poll() is not None, 5)

    assert reaped
    assert stubborn_service.returncode == -signal.SIGKILL
    assert processes_of(data) == []


def test_nothing_to_stop_is_said(data: DataDir) -> None:
    assert stop_mesh(data) is False
