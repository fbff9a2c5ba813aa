"""Funding that was paid or received reaches the strategy whose position it is for, once (ST-32)."""

import pytest

from services.strategy.base import Note, Strategy
from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages.control import StrategyNote
from shared.messages.orders import FundingPaid

SYMBOL = "binance_usdm:BTCUSDT"


def paid(amount, at=8, strategy="one"):
    return FundingPaid(strategy, SYMBOL, at * 3600 * 10**9, 10_000, 60_000_000, 3, amount, "USDT")


def grid_desk():
    one = InstanceSettings(kind="grid", symbol=SYMBOL, params={"interval_bps": 6})
    settings = StrategySettings(instances={"one": one, "two": one}, warmup_s=0, warmup_points=0)
    desk = Desk(settings, make_rules(SYMBOL))
    desk.start()
    for step in range(40):
        desk.step(jump_ticks=-60 if step > 20 else None)
    return desk


def tied(desk, name="one"):
    ledger = desk.core.instance(name).strategy.ledger
    fees = sum(slot.fees_atoms for slot in ledger.slots.values())
    return fees + ledger.pot_cost_atoms - ledger.realized_atoms


@pytest.mark.req("ST-32")
def test_a_grid_counts_its_funding_once_and_not_that_of_others() -> None:
    desk = grid_desk()
    assert desk.core.instance("one").position_lots > 0
    before, others = tied(desk), tied(desk, "two")

    for _ in range(2):
        desk.say(paid(-12_345), "broker")
    desk.say(paid(500, at=16), "broker")

    assert tied(desk) - before == 12_345 - 500
    assert tied(desk, "two") == others
    after = StrategyCore()
    after.restore(desk.core.snapshot())
    assert after.digest() == desk.core.digest()


@pytest.mark.req("ST-32")
def test_what_funding_makes_a_strategy_want_is_done(monkeypatch) -> None:
    desk = grid_desk()
    told = []

    def on_funding(_self, _ctx, message):
        told.append(message.amount_atoms)
        return [Note("info", "funding", "heard")]

    monkeypatch.setattr("services.strategy.grid.Grid.on_funding", on_funding)
    said = desk.say(paid(-7), "broker")

    assert told == [-7]
    assert [note.code for note in said if isinstance(note, StrategyNote)] == ["funding"]


def test_funding_before_the_rules_or_of_nobody_is_ignored() -> None:
    one = InstanceSettings(kind="grid", symbol=SYMBOL, params={"interval_bps": 6})
    desk = Desk(StrategySettings(instances={"one": one}), make_rules(SYMBOL))
    desk.configure(desk.settings)

    desk.say(paid(-7), "broker")
    desk.say(paid(-7, strategy="stranger"), "broker")

    assert desk.core.instance("one").failure == ""
    assert Strategy(None).on_funding(None, paid(1)) == ()
