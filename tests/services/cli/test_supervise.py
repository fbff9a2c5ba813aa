"""The supervisor: one mesh per data directory, and children that get only named variables."""

import configparser
from pathlib import Path

import pytest

from services.cli.exits import CommandError
from services.cli.mesh import CANCELLER, SERVICES
from services.cli.place import ROOT
from services.cli.supervise import Supervisor, environment, full_name, is_locked, take_lock
from shared.runtime.paths import DataDir


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.prepare()
    return data


def test_a_data_directory_has_one_supervisor(data: DataDir) -> None:
    first = take_lock(data)

    with pytest.raises(CommandError, match="already runs"):
        take_lock(data)
    first.close()

    assert not is_locked(data)


@pytest.mark.req("OP-11")
def test_no_variable_of_the_caller_reaches_the_services_unless_it_is_named(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCHANGE_API_SECRET", "hunter2")
    monkeypatch.setenv("QUOTEMESH__BROKER__SECRET", "hunter2")
    monkeypatch.setenv("QUOTEMESH_KERNELS", "python")

    given = environment(data)

    assert "hunter2" not in given.values()
    assert given["QUOTEMESH_KERNELS"] == "python"
    assert given["QUOTEMESH_DATA"] == str(data.root)


def test_a_supervisor_that_is_not_there_does_not_answer(data: DataDir) -> None:
    assert not Supervisor(data).answers()


@pytest.mark.req("OP-18")
def test_supervisord_knows_every_service_with_the_bus_stopped_last() -> None:
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(ROOT / "supervisord.conf")

    programs = {name.removeprefix("program:") for name in conf.sections() if name.startswith("program:")}
    groups = {
        f"{section.removeprefix('group:')}:{name}"
        for section in conf.sections()
        if section.startswith("group:")
        for name in conf[section]["programs"].split(",")
    }

    assert programs == {*SERVICES, CANCELLER}
    assert groups == {full_name(name) for name in (*SERVICES, CANCELLER)}
    # A lower number starts first and stops last.
    assert int(conf["group:base"]["priority"]) < int(conf["group:services"]["priority"])
    for name in (*SERVICES, CANCELLER):
        program = conf[f"program:{name}"]
        assert program["command"].endswith(f"-m services.{name}.main")
        assert (program["stdout_logfile_maxbytes"], program["stdout_logfile_backups"]) == ("10MB", "5")
