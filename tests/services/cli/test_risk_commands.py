"""`risk most` asks risk over the log and tells what it says, in units that a person writes."""

import json

import pytest
from click.testing import CliRunner

from services.cli import risk_commands
from services.fused.mesh import FusedMesh
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.errors import QuotemeshError
from shared.messages import control, market, system
from shared.settings import pack

PERP = "binance_usdm:BTCUSDT"
START_NS = 1_700_000_000 * 10**9


class Log:
    """A risk core on a log in memory, reached as the bus is."""

    def __init__(self):
        self.events = []
        self.is_deaf = False
        self.mesh = FusedMesh(
            [RiskCore()],
            {"risk": pack(RiskSettings())},
            build="test",
            epoch=1,
            store=lambda stored: self.events.append(stored.event),
        )
        self.mesh.start(START_NS, others=("market_data", "strategy", "broker"))
        self.mesh.say("broker.io", system.Reconciled(run=1))

    def __call__(self, _data):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def head_seq(self):
        return len(self.events)

    def append(self, source, message):
        seq = self.mesh.head_seq + 1
        if self.is_deaf:
            self.mesh.hosts.clear()
        self.mesh.say(source, message)
        return seq

    def read(self, after_seq, limit=1000, prefixes=()):
        del limit
        return [
            event
            for event in self.events
            if event.header.seq > after_seq and f".{event.message.family}".encode() in prefixes
        ]


@pytest.fixture
def log(monkeypatch, make_bench):
    mesh = Log()
    rules = make_bench.rules(PERP)
    mesh.mesh.say("market_data.io", rules)
    levels = make_bench.block(((600_000, 10),), ((600_010, 10),))
    mesh.mesh.say("market_data.io", market.BookSnapshot(PERP, 1, 1, 1, levels, "start", 0, 0))
    mesh.mesh.tick(START_NS + 61 * 10**9)
    mesh.mesh.say("market_data.io", market.BookSnapshot(PERP, 1, 1, 1, levels, "refresh", 0, 0))
    monkeypatch.setattr(risk_commands, "BusClient", mesh)
    monkeypatch.setattr(risk_commands, "existing", lambda data: data)
    return mesh


def run(tmp_path, *words):
    return CliRunner().invoke(risk_commands.risk, ["most", "--data", str(tmp_path), *words])


@pytest.mark.req("RK-21")
def test_the_largest_order_is_told_in_units_of_the_market(log, tmp_path):
    told = run(tmp_path, PERP, "buy")

    assert told.exit_code == 0
    assert told.output.startswith(f"buy 0.083 of {PERP} at 60001.0; beyond that order_size: 5040.084")


@pytest.mark.req("RK-21")
def test_a_price_and_json(log, tmp_path):
    told = run(tmp_path, PERP, "SELL", "--price", "60010", "--json")

    line = json.loads(told.output)
    assert (line["side"], line["price"], line["qty"], line["code"]) == (
        "sell",
        "60010.0",
        "0.083",
        "order_size",
    )


@pytest.mark.req("RK-21")
def test_none_is_exit_code_seven(log, tmp_path):
    log.append("operator", control.KillRequested("me", "x"))

    told = run(tmp_path, PERP, "buy")

    assert told.exit_code == 7
    assert "killed" in told.output


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nonsense", "buy"], 2, "is no market"),
        ([PERP, "hold"], 2, "'hold' is not one of"),
        ([PERP, "buy", "--price", "1.23"], 2, "a positive multiple of 0.1"),
        ([PERP, "buy", "--price", "NaN"], 2, "a positive multiple of 0.1"),
        ([PERP, "buy", "--price", "-1"], 2, "a positive multiple of 0.1"),
        ([PERP, "buy", "--price", "1e300"], 2, "a positive multiple of 0.1"),
        ([PERP, "buy", "--price", "ten"], 2, "a positive multiple of 0.1"),
        (["binance:ETHUSDT", "buy"], 6, f"known: {PERP}"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(log, tmp_path, words, code, text):
    told = run(tmp_path, *words)

    assert told.exit_code == code
    assert text in told.output


def test_no_mesh_and_no_answer_have_their_exit_codes(log, tmp_path, monkeypatch):
    monkeypatch.setattr(risk_commands, "ANSWER_LIMIT_S", 0.0)
    log.is_deaf = True
    assert run(tmp_path, PERP, "buy").exit_code == 5

    def refuse():
        raise QuotemeshError("nobody answers")

    monkeypatch.setattr(log, "head_seq", refuse)
    assert run(tmp_path, PERP, "buy").exit_code == 3
