"""The list of commands: every one can be loaded, and none is loaded before it is called."""

import importlib
import json
import socket
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from services.cli.doctor import doctor
from services.cli.exits import CommandError, ExitCode
from services.cli.place import ROOT

LISTED = """
import sys
from services.cli.main import COMMANDS, main
try:
    main(["--help"], prog_name="quotemesh")
except SystemExit as ended:
    assert ended.code == 0
loaded = [entry.target.partition(":")[0] for entry in COMMANDS.values()]
assert not set(loaded) & set(sys.modules), "a command was imported for the list"
assert "zmq" not in sys.modules and "pydantic" not in sys.modules
"""


@pytest.mark.req("OP-13")
def test_every_command_loads_and_explains_itself() -> None:
    cli = importlib.import_module("services.cli.main")
    runner = CliRunner()

    for name in cli.COMMANDS:
        result = runner.invoke(cli.main, [name, "--help"])

        assert result.exit_code == 0, f"{name}: {result.output} {result.exception!r}"
        assert isinstance(cli.main.get_command(click.Context(cli.main), name), click.Command)


def test_the_list_of_commands_imports_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTED], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Start the mesh." in done.stdout


def test_an_unknown_command_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "fly"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == ExitCode.USAGE


def test_an_error_is_one_message_on_stderr_with_its_code() -> None:
    @click.command()
    def failing() -> None:
        raise CommandError("no service 'x': name one of these", ExitCode.NOT_FOUND)

    result = CliRunner().invoke(failing)

    assert result.exit_code == 6
    assert result.stderr == "quotemesh: no service 'x': name one of these\n"
    assert result.stdout == ""


def test_doctor_finds_nothing_that_would_not_work_here(tmp_path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    runner = CliRunner(env={"QUOTEMESH__GATEWAY__PORT": port})

    result = runner.invoke(doctor, ["--data", str(tmp_path / "new"), "--json"])

    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert findings["sqlite"]["level"] == "ok"
    assert findings["mesh"]["level"] == "info"
    assert not (tmp_path / "new").exists()


def test_doctor_fails_on_a_place_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()

    result = CliRunner().invoke(doctor, ["--data", str(tmp_path / "file" / "data")])

    assert result.exit_code == ExitCode.FAILURE
    assert "cannot be written" in result.stdout


@pytest.mark.parametrize("command", [["status"], ["down"], ["restart", "risk"], ["logs"]])
def test_without_a_mesh_the_exit_code_says_so(command: list[str], tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *command, "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == ExitCode.NOT_RUNNING
    assert str(tmp_path) in done.stderr


def test_a_service_that_does_not_exist_is_not_found(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "restart", "rsik", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == ExitCode.NOT_FOUND
    assert "market_data" in done.stderr
