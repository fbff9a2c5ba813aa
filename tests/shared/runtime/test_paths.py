"""Where things lie, also when the path is too long for a socket."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.runtime.paths import SOCKET_PATH_BYTES_MAX, DataDir


def length(endpoint):
    return len(endpoint.removeprefix("ipc://").encode())


@pytest.mark.req("OP-3")
def test_all_folders_are_made_and_run_is_for_its_owner_only(tmp_path):
    data = DataDir(tmp_path / "data")

    data.prepare()
    data.prepare()

    names = {path.name for path in data.root.iterdir()}
    assert names == {"journal", "snapshots", "run", "latch", "config", "logs", "market", "reports"}
    assert stat.S_IMODE(data.run.stat().st_mode) == 0o700


def test_a_short_path_keeps_its_sockets_in_run():
    data = DataDir("/tmp/qm")

    assert data.append == "ipc:///tmp/qm/run/append"
    assert data.sockets == Path("/tmp/qm/run")


@pytest.mark.req("I-41")
def test_a_long_path_moves_its_sockets_to_one_private_folder_for_all_processes(tmp_path):
    root = tmp_path / ("x" * 100)
    data = DataDir(root)
    data.prepare()

    with multiprocessing.get_context("spawn").Pool(2) as pool:
        elsewhere = pool.map(_stream_of, [root, root])

    assert set(elsewhere) == {data.stream}
    assert length(data.append) <= SOCKET_PATH_BYTES_MAX
    assert stat.S_IMODE(data.sockets.stat().st_mode) == 0o700
    data.sockets.rmdir()


def _stream_of(root):
    return DataDir(root).stream


def test_a_socket_folder_that_was_swept_is_made_again(tmp_path):
    root = tmp_path / ("x" * 100)
    data = DataDir(root)
    data.prepare()
    folder = data.sockets
    folder.rmdir()

    again = DataDir(root).sockets

    assert again == folder
    assert again.is_dir()
    again.rmdir()


def test_a_socket_folder_open_to_others_is_refused(tmp_path):
    root = tmp_path / ("x" * 100)
    data = DataDir(root)
    data.prepare()
    folder = data.sockets
    folder.chmod(0o777)

    with pytest.raises(ConfigError, match="not private"):
        _ = DataDir(root).sockets
    folder.rmdir()


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="name a directory you may write"):
        DataDir(tmp_path / "file" / "data").prepare()


def test_the_environment_names_the_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("QUOTEMESH_DATA", str(tmp_path / "here"))

    assert DataDir.from_environment().root == tmp_path / "here"
