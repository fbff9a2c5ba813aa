"""`up` refuses what cannot work before it starts anything, with one clear message and its exit code."""

import gzip
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.exits import ExitCode
from services.cli.processes import processes_of
from services.cli.supervise import take_lock
from services.cli.up import addresses, ensure_token, up
from shared.runtime.paths import DataDir


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.prepare()
    return data


def refused(data: DataDir, *arguments: str, **environ: str) -> Result:
    """Return what `up` said; nothing may run afterwards."""
    result = CliRunner(env=environ).invoke(up, ["--data", str(data.root), *arguments])
    assert processes_of(data) == []
    assert "Traceback" not in result.output
    return result


def test_a_second_mesh_on_the_same_data_is_refused(data: DataDir) -> None:
    with take_lock(data):
        result = refused(data)

    assert result.exit_code == ExitCode.FAILURE
    assert f"already runs on {data.root}" in result.stderr


def test_a_busy_gateway_port_is_named_with_the_setting_that_changes_it(data: DataDir) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        result = refused(data, QUOTEMESH__GATEWAY__PORT=str(port))

    assert result.exit_code == ExitCode.FAILURE
    assert f"port {port}" in result.stderr
    assert "QUOTEMESH__GATEWAY__PORT" in result.stderr


@pytest.mark.req("OP-12")
def test_a_wrong_configuration_lists_every_mistake_and_starts_nothing(data: DataDir, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("mode: papier\nsymbols: [nowhere:BTCUSDT]\ngateway: {port: 99999}\n")

    result = refused(data, "--config", str(file))

    assert result.exit_code == ExitCode.BAD_CONFIG
    for mistake in ("papier", "nowhere:BTCUSDT", "99999"):
        assert mistake in result.stderr


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data = DataDir(tmp_path / "file" / "data")

    result = refused(data)

    assert result.exit_code == ExitCode.FAILURE
    assert str(data.root) in result.stderr
    assert "--data" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "does not exist"), (b"plain text", "not gzip"), (gzip.compress(b"1 {}\n" * 99)[:-12], "")],
    ids=["missing", "not gzip", "damaged"],
)
def test_a_capture_that_cannot_be_played_is_named(
    data: DataDir, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "capture.gz"
    if content is not None:
        file.write_bytes(content)

    result = refused(data, "--replay", str(file))

    assert result.exit_code == ExitCode.BAD_CONFIG
    assert str(file) in result.stderr
    assert said in result.stderr


def test_a_capture_needs_a_directory_without_a_log(data: DataDir, tmp_path: Path) -> None:
    (data.journal / "segment-00000000000000000001.sqlite").touch()

    result = refused(data, "--replay", str(tmp_path / "capture.gz"))

    assert result.exit_code == ExitCode.FAILURE
    assert "holds a log already" in result.stderr


@pytest.mark.parametrize("arguments", [["capture.gz"], ["--wait"], ["--speed", "0"], ["--speed", "fast"]])
def test_wrong_usage_has_its_own_exit_code(data: DataDir, arguments: list[str]) -> None:
    assert refused(data, *arguments).exit_code == ExitCode.USAGE


@pytest.mark.req("GW-3")
def test_the_token_is_private_and_kept(data: DataDir) -> None:
    path = ensure_token(data)
    token = path.read_text()

    again = ensure_token(data).read_text()

    assert again == token
    assert len(token.strip()) >= 43
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.req("GW-3")
def test_the_link_that_logs_in_is_told_to_a_terminal_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("a+b/c\n")

    told = addresses("127.0.0.1", 8686, path, is_terminal=True)
    kept = addresses("::1", 8686, path, is_terminal=False)

    assert told.splitlines()[1].split() == ["dashboard", "http://127.0.0.1:8686/#token=a%2Bb%2Fc"]
    assert kept.split() == ["gateway", "http://[::1]:8686", "token", "in", str(path)]
