"""The real broker process: kill by every path, with others dead, and the latch through restarts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import zmq

from services.broker.shell import CONTROL_SOCKET
from shared.errors import ProtocolError
from shared.messages import control, system
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 30.0

pytestmark = pytest.mark.mesh


class Desk:
    """A bus and a broker on one data directory, and the ways of a person to reach them."""

    def __init__(self, root):
        self.data = DataDir(root)
        self.data.prepare()
        self.latch = self.data.latch / "kill"
        self.processes = {}
        self.context = zmq.Context()

    def start(self, name, before=""):
        """Start a service; `before` is what its interpreter runs first."""
        program = ["-m", f"services.{name}.main"]
        if before:
            run = (
                f"import runpy; runpy.run_module('services.{name}.main', run_name='__main__', alter_sys=True)"
            )
            program = ["-c", f"{before}; {run}"]
        environment = {**os.environ, "QUOTEMESH_DATA": str(self.data.root)}
        with (self.data.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *program],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def end(self, name, number=signal.SIGKILL):
        self.processes[name].send_signal(number)
        return self.processes.pop(name).wait(WAIT_S)

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait(WAIT_S)
        self.context.destroy(linger=0)

    def facts(self, *kinds):
        with BusClient(self.data) as client:
            try:
                events = client.read(0, 10_000, (b".control", b".reconciled", b".trading_state"))
            except ProtocolError:
                return []
        return [event.message for event in events if isinstance(event.message, kinds)]

    def until(self, claim):
        """Return the first true answer; a time limit, not a measure."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if answer := claim():
                return answer
            time.sleep(0.02)
        raise AssertionError((self.data.logs / "broker.log").read_text()[-2000:])

    def until_live(self, run=1):
        self.until(lambda: system.Reconciled(run) in self.facts(system.Reconciled))

    def ask(self, *words):
        with self.context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(self.data.socket(CONTROL_SOCKET))
            socket.send(msgspec.msgpack.encode(words))
            assert socket.poll(WAIT_S * 1000), "the broker did not answer"
            return msgspec.msgpack.decode(socket.recv())

    def say(self, message):
        with BusClient(self.data) as client:
            client.append("operator", message)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "d")
    yield desk
    desk.close()


@pytest.fixture
def live(desk):
    desk.start("bus")
    desk.start("broker")
    desk.until_live()
    return desk


def latched(desk, path):
    return desk.until(lambda: [k for k in desk.facts(control.KillLatched) if k.path == path])


@pytest.mark.req("I-24", "RK-11", "BR-29")
def test_kill_by_the_latch_file(live):
    live.latch.touch()

    assert latched(live, "file")


@pytest.mark.req("I-24", "RK-11", "BR-29")
def test_kill_by_signal(live):
    live.processes["broker"].send_signal(signal.SIGUSR1)

    assert latched(live, "signal")
    assert live.latch.exists()


@pytest.mark.req("I-24", "I-22", "BR-29")
def test_kill_by_socket_is_answered_when_the_latch_stands(live):
    assert live.ask("status") == ["ok", False, 1, live.ask("status")[3], True]

    assert live.ask("kill", "me", "test") == ["ok", "latched"]

    assert live.latch.exists()
    assert latched(live, "socket")[0].by == "me"
    assert live.ask("status")[1] is True


@pytest.mark.req("RK-11", "I-22")
def test_kill_by_the_log(live):
    live.say(control.KillRequested("me", "test"))

    assert latched(live, "log")
    assert live.latch.exists()


@pytest.mark.req("I-24")
def test_kill_by_socket_file_and_signal_with_the_bus_dead(live):
    live.end("bus")

    assert live.ask("kill", "me", "no bus") == ["ok", "latched"]
    assert live.latch.exists()

    live.start("bus")
    assert latched(live, "socket")[0].reason == "no bus"


@pytest.mark.req("I-22", "RK-12", "I-26")
def test_kill_survives_the_broker_and_only_a_request_with_a_reason_clears_it(live):
    live.ask("kill", "me", "test")
    latched(live, "socket")
    live.end("broker")
    live.start("broker")
    live.until_live(run=2)

    facts = live.facts(control.KillLatched, system.Reconciled)
    restarted = facts.index(system.Reconciled(2))
    assert isinstance(facts[restarted - 1], control.KillLatched), "the latch is said before anything else"

    live.say(control.KillClearRequested("me", "checked"))
    live.until(lambda: control.KillCleared("me", "checked") in live.facts(control.KillCleared))
    assert not live.latch.exists()


@pytest.mark.req("I-24", "I-22")
def test_a_latch_made_while_the_broker_was_dead_is_said_first(desk):
    desk.latch.touch()
    desk.start("bus")
    desk.start("broker")
    desk.until_live()

    kinds = [type(fact).__name__ for fact in desk.facts(control.KillLatched, system.Reconciled)]
    assert kinds == ["KillLatched", "Reconciled"]


@pytest.mark.req("I-26")
def test_removing_the_file_by_hand_clears_nothing(live):
    live.ask("kill", "me", "test")

    live.latch.unlink()

    live.until(live.latch.exists)
    assert not live.facts(control.KillCleared)


@pytest.mark.req("I-29")
def test_a_second_broker_ends_and_says_why(live):
    first = live.processes.pop("broker")
    live.start("broker")
    assert live.processes.pop("broker").wait(WAIT_S) == 4
    assert "another broker runs" in (live.data.logs / "broker.log").read_text()

    live.processes["broker"] = first
    assert live.ask("status")[0] == "ok"


@pytest.mark.parametrize("words", [(), ("kill",), ("kill", "", "x"), ("kill", "me", " "), ("halt", "a", "b")])
def test_a_request_that_is_none_is_refused(live, words):
    assert live.ask(*words)[0] == "error"
    assert not live.latch.exists()


def test_bytes_that_are_no_request_are_refused(live):
    with live.context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(live.data.socket(CONTROL_SOCKET))
        socket.send(b"\xc1\xff")
        assert socket.poll(WAIT_S * 1000)
        assert msgspec.msgpack.decode(socket.recv())[0] == "error"


def test_it_stops_when_it_is_told_to(live):
    assert live.end("broker", signal.SIGTERM) == 0


NO_PROFIT = "from services.risk.knowledge import RiskKnowledge; RiskKnowledge.pnl_money = lambda self: 1 // 0"


def kill_by(desk, path):
    """Kill as a person does; by the log as `quotemesh kill` does where the bus answers."""
    if path == "file":
        desk.latch.touch()
    elif path == "signal":
        desk.processes["broker"].send_signal(signal.SIGUSR1)
    elif path == "socket":
        assert desk.ask("kill", "me", "test") == ["ok", "latched"]
    else:
        desk.say(control.KillRequested("me", "test"))


@pytest.mark.req("I-25", "RK-11", "I-24")
@pytest.mark.parametrize("path", ["file", "signal", "socket", "log"])
def test_each_path_kills_while_the_profit_of_risk_raises_and_a_restart_forgets_nothing(live, path):
    # Given a risk process that cannot compute any profit, which it says
    live.start("risk", before=NO_PROFIT)
    reasons = lambda: [said.reasons for said in live.facts(control.TradingState)]  # noqa: E731
    live.until(lambda: any("guard loss failed: ZeroDivisionError" in r for rs in reasons() for r in rs))

    # When it is killed
    kill_by(live, path)

    # Then the latch stands and risk halts, also when both are killed and started again
    latched(live, path)
    live.until(lambda: reasons()[-1][0].startswith("kill: "))
    assert live.facts(control.TradingState)[-1].state == "halted"
    for name, before in (("broker", ""), ("risk", NO_PROFIT)):
        live.end(name)
        live.start(name, before)
    live.until_live(run=2)
    assert live.latch.exists()
    assert reasons()[-1][0].startswith("kill: ")

    # And only a person with a reason ends it, to reducing alone
    live.say(control.KillClearRequested("me", "tested"))
    live.until(lambda: live.facts(control.KillCleared))
    live.until(lambda: live.facts(control.TradingState)[-1].state == "reducing")
    assert not live.latch.exists()
