"""What an instance is told of its state, the same when it decides and when a new build adopts its log."""

import dataclasses

import pytest

from services.strategy.conformance import Candidate, check_adopts
from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from services.strategy.standing import enter
from shared.hosting import CoreHost
from shared.messages import control, orders
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


def adopted(desk):
    host = CoreHost(StrategyCore())
    host.is_deciding = False
    for event in desk.log:
        host.apply(event)
    return host.core.instance("one")


def desk_of(kind, **params):
    instance = InstanceSettings(kind=kind, symbol=SYMBOL, params=params)
    desk = Desk(
        StrategySettings(instances={"one": instance}, warmup_s=0, warmup_points=0), make_rules(SYMBOL)
    )
    desk.start()
    return desk


@pytest.mark.req("JR-5", "ST-34")
def test_a_grid_that_left_and_was_resumed_trades_again_after_a_new_build_adopts() -> None:
    desk = desk_of("grid", interval_bps=6, stop_loss_pct=0.3)
    for step in range(60):
        desk.step(jump_ticks=-150 if step > 20 else None)
    assert desk.core.instance("one").strategy.leaving.is_out
    desk.say(control.PauseRequested("one", "test", ""))
    desk.say(control.ResumeRequested("one", "test", ""))
    for _ in range(4):
        desk.step()

    strategy = adopted(desk).strategy

    assert not strategy.leaving.reason
    assert strategy.snapshot() == desk.core.instance("one").strategy.snapshot()


@pytest.mark.req("JR-5", "ST-16")
@pytest.mark.parametrize("model", ["avellaneda_stoikov", "glft"])
def test_a_full_model_is_heard_after_a_new_build_adopts(model) -> None:
    params = {
        "model": model,
        "vpin_window": 50,
        "max_half_spread_bps": 1000.0,
        "sigma_bps": 1.0,
        "kappa_per_bps": 1.0,
    }

    assert check_adopts(Candidate("avellaneda_stoikov", params, SYMBOL), 1) == []


def test_a_state_is_told_once() -> None:
    instance = desk_of("grid", interval_bps=6).core.instance("one")
    told = []
    instance.strategy.on_state = lambda _ctx, state: told.append(state) or ()

    first, again = enter(instance, "paused", "test"), enter(instance, "paused", "test")
    other = enter(instance, "paused", "another reason")

    assert (first, again, other) == (True, False, True)
    assert told == ["paused"]


def test_notes_do_not_pile_up_while_adopting_and_are_not_said_again() -> None:
    desk = desk_of("grid", interval_bps=6, stop_loss_pct=0.3)
    for step in range(60):
        desk.step(jump_ticks=-150 if step > 20 else None)

    instance, wanted = adopted(desk), desk.core.instance("one")

    assert instance.notes == []
    assert instance.noted_ns == wanted.noted_ns != {}


@pytest.mark.req("ST-6", "ST-34")
def test_a_stop_loss_closes_while_warming_up_and_nothing_is_entered() -> None:
    desk = desk_of("grid", interval_bps=6, stop_loss_pct=0.3)
    for step in range(40):
        desk.step(jump_ticks=-60 if step > 20 else None)
    held = desk.core.instance("one").position_lots
    desk.configure(dataclasses.replace(desk.settings, warmup_s=300, warmup_points=100))
    begin = len(desk.said)

    for _ in range(60):
        desk.step(jump_ticks=-60)

    said = desk.said[begin:]
    sent = [message for message in said if isinstance(message, orders.OrderIntent)]
    states = {message.state for message in said if isinstance(message, control.StrategyStatus)}
    assert held > 0
    assert states == {"warming_up"}
    assert {intent.side for intent in sent} == {Side.SELL}
    assert any("stop-loss" in intent.reason for intent in sent)
    assert desk.core.instance("one").position_lots == 0
