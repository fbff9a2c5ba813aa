"""Pausing with quotes that stay, and beginning anew: by people, while the mesh runs (ST-5)."""

import dataclasses
from decimal import Decimal

import pytest

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages import control, market, orders, system
from shared.messages.control import InstanceFailed, StrategyNote, StrategyStatus
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
PAUSE = control.PauseRequested("one", "test", "")
RESUME = control.ResumeRequested("one", "test", "")
RESET = control.ResetRequested("one", "test", "a fresh look")


def instance_with(kind="avellaneda_stoikov", params=None, **options):
    given = {"warmup_books": 0} if params is None else params
    return InstanceSettings(kind=kind, symbol=SYMBOL, params=given, **options)


def desk_of(**instances):
    desk = Desk(StrategySettings(instances=instances, warmup_s=0, warmup_points=0), make_rules(SYMBOL))
    desk.start()
    desk.move(desk.mid_ticks)
    return desk


# ---- pause


@pytest.mark.req("ST-5")
def test_paused_quotes_stay_when_configured_and_nothing_is_placed(of, live, settle) -> None:
    desk = desk_of(one=instance_with(on_pause="keep"))
    settle(desk)
    resting = set(live(desk))

    said = desk.say(PAUSE)
    for _ in range(5):
        said += desk.move(desk.mid_ticks + 300)

    assert resting == set(live(desk)) == {"bid", "ask"}
    assert of(orders.CancelIntent, said) == of(orders.OrderIntent, said) == []
    assert of(StrategyStatus, said)[0].state == "paused"


@pytest.mark.req("ST-5")
def test_what_is_wanted_after_a_kept_pause_replaces_what_rested(of, settle) -> None:
    desk = desk_of(one=instance_with(on_pause="keep"))
    settle(desk)
    desk.say(PAUSE)
    desk.move(desk.mid_ticks + 3000)

    said = desk.say(RESUME)
    said += desk.move(desk.mid_ticks)

    assert len(of(orders.CancelIntent, said)) == 2


@pytest.mark.req("ST-5", "I-27")
@pytest.mark.parametrize(
    "closing",
    [
        control.KillRequested("test", "test"),
        control.TradingState("halted", ["loss"]),
        control.TradingState("reducing", ["drawdown"]),
        system.SourceSilent("market_data", 2000),
        market.BookInvalid(SYMBOL, "gap"),
    ],
    ids=lambda one: f"{type(one).__name__}-{getattr(one, 'state', '')}",
)
@pytest.mark.parametrize("is_paused_first", [True, False])
def test_kept_quotes_leave_when_killed_halted_reduced_or_blind(closing, is_paused_first, of, settle) -> None:
    desk = desk_of(one=instance_with(on_pause="keep"))
    settle(desk)

    said = [
        answer
        for message in (PAUSE, closing)[:: 1 if is_paused_first else -1]
        for answer in desk.say(message)
    ]
    said += desk.move(desk.mid_ticks) if isinstance(closing, control.TradingState) else []

    assert len(of(orders.CancelIntent, said)) == 2


@pytest.mark.req("ST-5")
def test_a_pause_outlives_a_restart(settle) -> None:
    desk = desk_of(one=instance_with(on_pause="keep"))
    settle(desk)
    desk.say(PAUSE)

    after = StrategyCore()
    after.restore(desk.core.snapshot())

    assert after.instance("one").is_paused
    assert after.instance("one").options.on_pause == "keep"
    assert after.digest() == desk.core.digest()


def test_a_change_of_on_pause_is_no_new_version(settle) -> None:
    desk = desk_of(one=instance_with())
    before = desk.core.instance("one").version

    desk.configure(dataclasses.replace(desk.settings, instances={"one": instance_with(on_pause="keep")}))

    assert desk.core.instance("one").version == before
    assert desk.core.instance("one").options.on_pause == "keep"


# ---- reset


@pytest.mark.req("ST-5")
def test_a_reset_forgets_the_strategy_and_keeps_position_and_ids(of, live, settle, fill_of) -> None:
    desk = desk_of(one=instance_with("grid", {"interval_bps": 6}))
    settle(desk)
    anchor = desk.core.instance("one").strategy.snapshot()
    ids = {order.client_order_id for order in live(desk).values()}
    desk.say(fill_of(next(iter(live(desk).values())), "t"), "broker")
    held = desk.core.instance("one").position_lots
    desk.move(desk.mid_ticks + 5000)

    said = desk.say(RESET)
    settle(desk)
    said += desk.move(desk.mid_ticks)

    assert desk.core.instance("one").position_lots == held != 0
    assert desk.core.instance("one").strategy.snapshot() != anchor
    assert of(orders.CancelIntent, said)
    new = {intent.client_order_id for intent in of(orders.OrderIntent, said)}
    assert new
    assert not new & ids


@pytest.mark.req("ST-5")
def test_a_reset_of_one_leaves_the_others_alone(of, settle) -> None:
    desk = desk_of(one=instance_with(), two=instance_with())
    settle(desk)

    said = desk.say(RESET)

    assert {cancel.strategy for cancel in of(orders.CancelIntent, said)} == {"one"}


@pytest.mark.req("ST-5")
def test_a_failed_instance_begins_anew_at_a_reset(of, live, settle) -> None:
    desk = desk_of(one=instance_with())
    settle(desk)
    instance = desk.core.instance("one")
    instance.fail("for the test")
    desk.move(desk.mid_ticks)
    assert len(of(InstanceFailed, desk.said)) == 1
    settle(desk)

    desk.say(RESET)
    desk.move(desk.mid_ticks)

    assert instance.failure == ""
    assert set(live(desk)) == {"bid", "ask"}


def test_a_failure_that_a_reset_cannot_mend_stays_and_says_so(of) -> None:
    desk = desk_of(one=instance_with())
    desk.say(make_rules(SYMBOL, tick_size="0.01"))

    said = desk.say(RESET)

    assert [note.code for note in of(StrategyNote, said)] == ["reset_refused"]
    assert desk.core.instance("one").failure


def test_a_reset_keeps_a_pause(of, live, settle) -> None:
    desk = desk_of(one=instance_with())
    settle(desk)
    desk.say(PAUSE)
    settle(desk)

    said = desk.say(RESET)
    said += desk.move(desk.mid_ticks)

    assert of(orders.OrderIntent, said) == []
    assert live(desk) == {}


@pytest.mark.req("ST-5")
def test_a_reset_withdraws_what_a_kept_pause_let_rest(of, live, settle) -> None:
    desk = desk_of(one=instance_with(on_pause="keep"))
    settle(desk)
    desk.say(PAUSE)

    said = desk.say(RESET)
    settle(desk)
    after = StrategyCore()
    after.restore(desk.core.snapshot())

    assert len(of(orders.CancelIntent, said)) == 2
    assert live(desk) == {}
    assert after.digest() == desk.core.digest()
    desk.say(RESUME)
    desk.move(desk.mid_ticks)
    settle(desk)
    desk.say(PAUSE)
    assert set(live(desk)) == {"bid", "ask"}


@pytest.mark.req("ST-5", "ST-18")
def test_a_grid_whose_exit_rests_through_a_reset_lives_on(of, live, settle, fill_of) -> None:
    desk = desk_of(one=instance_with("grid", {"interval_bps": 6}, on_pause="keep"))
    settle(desk)
    desk.say(fill_of(next(iter(live(desk).values())), "t"), "broker")
    desk.move(desk.mid_ticks)
    settle(desk)
    assert any(order.side is Side.SELL for order in live(desk).values())
    desk.say(PAUSE)
    desk.is_answering = False

    desk.say(RESET)
    desk.move(desk.mid_ticks)
    desk.say(RESUME)
    desk.move(desk.mid_ticks)

    assert of(InstanceFailed, desk.said) == []
    assert not any(order.side is Side.SELL and not order.is_cancel_asked for order in live(desk).values())


# ---- the cap on capital


@pytest.mark.req("ST-3")
def test_no_order_passes_the_capital_of_its_instance(of) -> None:
    # 100 USDT at 60,000.0 is one lot of 0.001 BTC (60 USDT): two of them are 120.
    free = desk_of(one=instance_with(params={"warmup_books": 0, "order_notional": 130}))
    capped = desk_of(
        one=instance_with(params={"warmup_books": 0, "order_notional": 130}, capital_max=Decimal(119)),
        two=instance_with(params={"warmup_books": 0, "order_notional": 130}, capital_max=Decimal(121)),
    )

    assert {intent.qty_lots for intent in of(orders.OrderIntent, free.said)} == {2}
    assert {intent.strategy for intent in of(orders.OrderIntent, capped.said)} == {"two"}
    notes = of(StrategyNote, capped.said)
    assert {note.strategy for note in notes} == {"one"}
    assert notes[0].code == "capital_max"
    assert "raise it" in notes[0].text


@pytest.mark.req("ST-3")
def test_the_position_counts_against_the_capital_and_may_always_be_closed(of, live, settle, fill_of) -> None:
    params = {"warmup_books": 0, "order_notional": 130}
    desk = desk_of(one=instance_with(params=params, capital_max=Decimal(125)))
    settle(desk)
    bid = live(desk)["bid"]
    assert bid.qty_lots == 2
    desk.say(fill_of(bid, "t", lots=2), "broker")
    for _ in range(3):
        desk.move(desk.mid_ticks + 1000)
        settle(desk)

    assert desk.core.instance("one").position_lots == 2
    assert set(live(desk)) == {"ask"}
