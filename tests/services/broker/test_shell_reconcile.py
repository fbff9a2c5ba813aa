"""The shell says Reconciled once risk's ledger equals the account, and what differs while it does not."""

import asyncio

import msgspec
import pytest

from services.broker import shell
from services.broker.core import BrokerCore
from services.broker.instructions import ClearLatch
from services.broker.shell import AWAIT_S, LOOK_EVERY_S, BrokerShell
from services.broker.shell_latch import LatchFile
from shared.messages import control, orders
from shared.messages.system import Reconciled
from shared.units import Side


class Port:
    """What the shell needs of its port."""

    def __init__(self, core):
        self.core, self.run, self.said = core, 1, []

    def publish(self, message, cause_seq=0):
        self.said.append(message)
        self.cause_seq = cause_seq

    async def wait_durable(self, seq):
        assert seq == 7


@pytest.fixture
def look(monkeypatch):
    """Return a function that lets a shell over a core look again, so many seconds later."""
    clock = [1000.0]
    monkeypatch.setattr(shell.time, "monotonic", lambda: clock[0])
    shells = {}

    def again(core, later_s=LOOK_EVERY_S):
        clock[0] += later_s
        if core not in shells:
            shells[core] = BrokerShell()
            shells[core]._port = Port(core)
        shells[core]._reconcile()
        return shells[core]._port

    return again


@pytest.mark.req("RK-29")
def test_an_account_without_fills_is_reconciled_at_once_and_once_in_a_run(look):
    core = BrokerCore()

    port = look(core)
    look(core)
    assert port.said == [Reconciled(1)]

    port.run = 2
    look(core)
    assert port.said == [Reconciled(1), Reconciled(2)]


@pytest.mark.req("RK-29")
def test_risk_that_has_not_answered_is_awaited_then_told_and_then_believed(bench, look):
    bench.fill_position(Side.BUY, 5)
    words = [event for event in bench.log if isinstance(event.message, orders.PositionChanged)]
    core = BrokerCore()
    for event in bench.log:
        if event not in words:
            core.apply(event)

    port = look(core)
    assert port.said == []
    look(core, AWAIT_S + 1)
    (late,) = port.said
    assert (late.difference_count, late.details) == (1, "risk has not answered 1 positions yet")

    core.apply(words[-1])
    look(core)
    assert port.said[1:] == [Reconciled(1)]


@pytest.mark.req("RK-29")
def test_a_difference_is_said_at_once_and_holds_new_risk(bench, look):
    bench.fill_position(Side.BUY, 5)
    core = bench.replayed(BrokerCore())
    word = bench.said(orders.PositionChanged)[-1]
    core.known.equality.hear(msgspec.structs.replace(word, fees_atoms=word.fees_atoms - 1))

    port = look(core)
    look(core, AWAIT_S)

    (said,) = port.said
    # The fee is one atom less in risk's ledger, so its cash is one atom more.
    assert said.difference_count == 2
    assert said.details.startswith("fees of mm in binance_usdm:BTCUSDT: risk says ")
    bench.mesh.hosts["risk"].core.known.mood.broker_run = 9
    bench.say("broker.io", msgspec.structs.replace(said, run=9))
    assert bench.verdict(Side.BUY, 600_000, 1).code == "reducing"


@pytest.mark.req("RK-12", "I-26")
def test_a_latch_goes_only_in_a_run_that_has_reconciled(tmp_path):
    # Given a latched kill in a run that has not reconciled
    core = BrokerCore()
    made = BrokerShell()
    made._port, made._latch = Port(core), LatchFile(tmp_path)
    made._latch.set("me", "test")

    # When a person clears it
    asyncio.run(made._clear(ClearLatch("me", "done", 7)))

    # Then the file stands and the answer says why
    (refused,) = made._port.said
    assert isinstance(refused, control.KillClearRefused)
    assert refused.reason.startswith("the broker has not reconciled its run 1: ")
    assert made._port.cause_seq == 7
    assert made._latch.is_set

    # And once it has reconciled it goes
    made._reconcile()
    asyncio.run(made._clear(ClearLatch("me", "done", 7)))
    assert made._port.said[1:] == [Reconciled(1), control.KillCleared("me", "done")]
    assert not made._latch.is_set
