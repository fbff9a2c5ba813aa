"""`quotemesh reconcile`: the answer of the broker as people and scripts read it."""

import json

import pytest
from click.testing import CliRunner

from services.cli import reconcile_commands
from shared.messages import Event, Header
from shared.messages.control import ReconcileRequested
from shared.messages.system import Reconciled
from shared.messages.venue import AccountAdjusted, VenueDifference

DIFFERENCE = VenueDifference("binance:BTCUSDT", "missed_fill", "7-mm-b0-1", "none", "trade 5", "booked")
DEPOSIT = AccountAdjusted("binance", "USDT", "500", "1500", "external")


class Bus:
    """Takes the request as seq 7, and tells what it was given after it."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.appended = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def append(self, source, message):
        self.appended.append((source, message))
        return 7

    def read(self, after_seq, limit, prefixes):
        assert (limit, prefixes[0]) == (1000, b".reconciled")
        rows = enumerate(self.messages, 8)
        return [Event(Header(seq, 1, 1, 1, "broker.io", 1, 1, 7), m) for seq, m in rows if seq > after_seq]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs the command against what the log will say."""

    def run(*messages, arguments=()):
        bus = Bus(*messages)
        monkeypatch.setattr(reconcile_commands, "_client", lambda _data: bus)
        monkeypatch.setattr(reconcile_commands, "existing", lambda data: data)
        done = CliRunner().invoke(reconcile_commands.reconcile, ["--data", str(tmp_path), *arguments])
        assert bus.appended == [("operator", ReconcileRequested("operator", ""))]
        return done

    return run


@pytest.mark.req("BR-10")
def test_an_account_that_agrees_is_told_with_what_was_repaired(run):
    done = run(DIFFERENCE, DEPOSIT, Reconciled(3))

    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "missed_fill      binance:BTCUSDT 7-mm-b0-1: ours none; theirs trade 5: booked",
        "money            binance: 500 USDT (external), now 1500",
        "all agree: orders, executions, balances, positions and risk's ledger (run 3)",
    ]


@pytest.mark.req("BR-10")
def test_differences_that_are_left_end_with_their_own_exit_code(run):
    done = run(Reconciled(3, 1, "binance: not compared in time"))

    assert done.exit_code == 8
    assert "1 differences are left: binance: not compared in time" in done.output


def test_scripts_read_json(run):
    done = run(DIFFERENCE, Reconciled(3), arguments=("--json",))

    told = json.loads(done.output)
    assert (told["is_equal"], told["difference_count"], told["adjusted"]) == (True, 0, [])
    assert told["repaired"][0]["kind"] == "missed_fill"


def test_a_broker_that_does_not_answer_is_told(run, monkeypatch):
    monkeypatch.setattr(reconcile_commands, "LIMIT_S", 0.0)

    done = run()

    assert done.exit_code == 3
    assert "is it running" in done.output
