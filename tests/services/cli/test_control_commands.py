"""What the commands of people say; tests/mesh asks a running mesh."""

import json

import pytest
from click.testing import CliRunner

from services.cli import control_commands
from shared.messages import Event, Header, control


class Bus:
    """Takes what is appended, as seq 7 at once."""

    def __init__(self):
        self.appended = []
        self.answer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def append(self, source, message):
        assert source == "operator"
        self.appended.append(message)
        return 7

    def read(self, after_seq, prefixes):
        assert (after_seq, prefixes) == (7, (b".control",))
        return [Event(Header(8, 1, 1, 1, "broker", 1, 1, 7), self.answer)]


@pytest.fixture
def bus(monkeypatch):
    bus = Bus()
    monkeypatch.setattr(control_commands, "mesh_client", lambda _data: bus)
    monkeypatch.setattr(control_commands, "existing", lambda data: data)
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


@pytest.mark.req("RK-12", "I-26")
def test_a_clear_that_the_broker_refuses_says_why_and_fails(bus, tmp_path):
    bus.answer = control.KillClearRefused("operator", "the broker has not reconciled its run 3: look")
    arguments = ["--data", str(tmp_path), "--clear", "--reason", "done"]

    refused = CliRunner().invoke(control_commands.kill, arguments)
    bus.answer = control.KillCleared("operator", "done")
    cleared = CliRunner().invoke(control_commands.kill, arguments)

    text = "quotemesh: the kill still stands: the broker has not reconciled its run 3: look\n"
    assert (refused.exit_code, refused.stderr) == (7, text)
    assert (cleared.exit_code, cleared.output) == (0, "kill cleared (seq 7)\n")
