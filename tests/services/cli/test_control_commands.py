"""What the commands of people say; tests/mesh asks a running mesh."""

import json

import pytest
from click.testing import CliRunner

from services.cli import control_commands
from shared.messages import control


class Bus:
    """Takes what is appended, as seq 7 at once."""

    def __init__(self):
        self.appended = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def append(self, source, message):
        assert source == "operator"
        self.appended.append(message)
        return 7


@pytest.fixture
def bus(monkeypatch):
    bus = Bus()
    monkeypatch.setattr(control_commands, "_client", lambda _data: bus)
    return bus


@pytest.mark.req("RK-10")
@pytest.mark.parametrize("reason", [(), ("--reason", " ")])
def test_a_resume_without_a_reason_says_that_nothing_is_released(bus, tmp_path, reason):
    note = "no --reason was given: quoting goes on, but of what risk holds nothing was released"

    plain = CliRunner().invoke(control_commands.resume, ["--data", str(tmp_path), *reason])
    as_json = CliRunner().invoke(control_commands.resume, ["--data", str(tmp_path), "--json", *reason])

    assert plain.output == f"resumed (seq 7 on the log)\n{note}\n"
    assert json.loads(as_json.output) == {"seq": 7, "text": note}
    assert len(bus.appended) == 2


def test_a_resume_with_a_reason_says_only_that_it_is_on_the_log(bus, tmp_path):
    said = CliRunner().invoke(control_commands.resume, ["--data", str(tmp_path), "--reason", "mended"])

    assert said.output == "resumed (seq 7 on the log)\n"
    assert bus.appended == [control.ResumeRequested("", "operator", "mended")]
