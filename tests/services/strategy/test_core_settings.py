"""The core at a desk: settings that change, restarts, and logs that are adopted."""

import msgspec
import pytest

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages import control, market, orders, system
from shared.messages.control import InstanceFailed, StrategyStatus
from shared.settings import pack
from shared.units import NS_PER_S

SYMBOL = "binance_usdm:BTCUSDT"
QUICK = {"warmup_books": 0}


# ---- settings


@pytest.mark.parametrize(
    ("kind", "params", "text"),
    [
        ("no_such_kind", {}, "is no strategy"),
        ("grid", {"interval": 5}, "interval: there is no such setting of grid"),
        ("grid", {"interval_bps": "-1"}, "-1.0 is not more than 0"),
        ("grid", {"interval_bps": "wide"}, "'wide'"),
        ("grid", {"interval_bps": 3}, "interval_bps 3 loses"),
        ("no.such.module:Thing", {}, "cannot be imported"),
    ],
)
def test_settings_that_cannot_work_fail_their_instance_alone(kind, params, text, opened, of, live) -> None:
    desk = opened(bad=(kind, params), one=("avellaneda_stoikov", dict(QUICK)))

    failed = of(InstanceFailed, desk.said)
    assert [message.strategy for message in failed] == ["bad"]
    assert text in failed[0].error
    assert set(live(desk)) == {"bid", "ask"}


def test_texts_as_yaml_has_them_are_taken_as_values(opened, of) -> None:
    desk = opened(
        one=("avellaneda_stoikov", {"warmup_books": "0", "vpin_enabled": "false", "order_notional": "200"})
    )

    assert [intent.qty_lots for intent in of(orders.OrderIntent, desk.said)] == [3, 3]


def test_a_disabled_or_removed_instance_withdraws(settings, opened, of, settle) -> None:
    for changed in (
        settings(one=("avellaneda_stoikov", {**QUICK, "enabled": False})),
        settings(two=("grid", {})),
    ):
        desk = opened()
        settle(desk)

        said = desk.configure(changed)

        assert len(of(orders.CancelIntent, said)) == 2
        assert of(StrategyStatus, said)[0].state == "paused"


def test_changed_params_keep_position_orders_and_ids_and_give_a_new_version(
    settings, opened, of, live, settle, fill_of
) -> None:
    desk = opened()
    settle(desk)
    desk.say(fill_of(live(desk)["bid"], "t"), "broker")
    before = live(desk)["ask"]
    old = {intent.version for intent in of(orders.OrderIntent, desk.said)}

    said = desk.configure(settings(one=("avellaneda_stoikov", {**QUICK, "half_spread_bps": 3})))
    said += desk.move(desk.mid_ticks)

    assert live(desk)["ask"].client_order_id == before.client_order_id
    assert desk.core.instance("one").position_lots == 1
    new = of(orders.OrderIntent, said)[0]
    assert new.slot == "bid"
    assert new.version not in old
    assert new.client_order_id.endswith("-3")


def test_the_market_of_an_instance_in_use_cannot_be_changed(opened, of, settle) -> None:
    desk = opened()
    settle(desk)
    moved = InstanceSettings(kind="avellaneda_stoikov", symbol="binance:BTCUSDT", params=dict(QUICK))

    said = desk.configure(StrategySettings(instances={"one": moved}))

    assert "its symbol was changed" in of(InstanceFailed, said)[0].error
    assert len(of(orders.CancelIntent, said)) == 2


def test_a_changed_tick_freezes_what_counts_in_it(opened, of) -> None:
    desk = opened()

    said = desk.say(make_rules(SYMBOL, tick_size="0.01"))

    assert "tick and lot" in of(InstanceFailed, said)[0].error


def test_a_failed_instance_starts_anew_with_changed_settings(settings, opened, of, live) -> None:
    desk = opened(one=("grid", {"interval_bps": 3}))
    assert of(InstanceFailed, desk.said)

    desk.configure(settings(one=("grid", {"interval_bps": 6})))
    desk.move(desk.mid_ticks)

    assert live(desk)


# ---- restarts


@pytest.mark.req("ST-25", "I-17")
def test_a_planned_stop_and_the_next_start_leave_resting_orders_alone(opened, of, live, settle) -> None:
    desk = opened()
    settle(desk)
    resting = set(live(desk))
    said = []

    for message, source in (
        (control.StopRequested("operator", "down"), "operator"),
        (system.SourceSilent("market_data", 2000), "bus"),
        (control.TradingState("reducing", ["market_data is silent"]), "risk"),
        (system.EpochStarted(2, "build"), "bus"),
        (market.BookInvalid(SYMBOL, "disconnected", "the feed starts"), "market_data.io"),
        (control.TradingState("reducing", ["broker has not reconciled"]), "risk"),
    ):
        desk.now_ns += NS_PER_S
        said += desk.say(message, source)
        said += desk.say(system.Tick(1), "bus")
    said += desk.configure(desk.settings)
    said += desk.show_book()
    said += desk.say(control.TradingState("active", []), "risk")
    said += desk.move(desk.mid_ticks)

    assert of(orders.CancelIntent, said) == []
    assert set(live(desk)) == resting
    assert of(control.StrategyStatus, said)[-1].state == "quoting"


@pytest.mark.req("I-28")
def test_a_start_whose_book_does_not_come_back_withdraws_after_the_grace(opened, of, settle) -> None:
    desk = opened()
    settle(desk)
    desk.say(system.EpochStarted(2, "build"))
    desk.say(market.BookInvalid(SYMBOL, "disconnected"))

    desk.now_ns += 15 * NS_PER_S - 1
    assert of(orders.CancelIntent, desk.say(system.Tick(1), "bus")) == []
    desk.now_ns += 1
    assert len(of(orders.CancelIntent, desk.say(system.Tick(2), "bus"))) == 2


@pytest.mark.req("I-27")
def test_after_a_start_a_book_lost_again_withdraws_at_once(opened, of, settle) -> None:
    desk = opened()
    settle(desk)
    desk.say(system.EpochStarted(2, "build"))
    desk.show_book()

    assert len(of(orders.CancelIntent, desk.say(market.BookInvalid(SYMBOL, "gap")))) == 2


FORCING = [
    control.KillRequested("t", "t"),
    control.PauseRequested("", "t", ""),
    control.TradingState("halted", ["loss"]),
]


@pytest.mark.parametrize("message", FORCING, ids=lambda one: type(one).__name__)
def test_a_kill_a_pause_and_a_halt_withdraw_during_a_stop(message, opened, of, settle) -> None:
    desk = opened()
    settle(desk)
    desk.say(control.StopRequested("operator", "down"))

    assert len(of(orders.CancelIntent, desk.say(message))) == 2


def test_a_new_life_of_the_bus_and_a_started_service_end_what_was_silent(opened, of, settle) -> None:
    for back in (system.EpochStarted(2, "build"), system.ServiceStarted("risk", 2, "b", b"", [])):
        desk = opened()
        settle(desk)
        desk.say(system.SourceSilent("risk", 2000))
        settle(desk)

        desk.say(back)

        assert len(of(orders.OrderIntent, desk.move(desk.mid_ticks))) == 2


@pytest.mark.req("JR-5", "I-39")
def test_a_core_that_adopts_a_log_has_the_orders_and_positions_it_holds(opened) -> None:
    desk = opened()
    for _ in range(200):
        desk.step()
    host = CoreHost(StrategyCore())
    host.is_deciding = False

    for event in desk.log:
        host.apply(event)

    mine, theirs = desk.core.instance("one"), host.core.instance("one")
    assert [order.client_order_id for order in theirs.orders.dump()] == [
        order.client_order_id for order in mine.orders.dump()
    ]
    assert theirs.position_lots == mine.position_lots
    assert theirs.generation == mine.generation
    assert host.counters == desk.host.counters
    host.is_deciding = True
    host.apply(desk.log[-1]._replace(message=system.Tick(1), header=_next(desk)))


def _next(desk):
    return msgspec.structs.replace(desk.log[-1].header, seq=len(desk.log) + 1, source="bus", n=10**6)


@pytest.mark.req("JR-5")
def test_another_build_is_told_apart_from_the_log(opened) -> None:
    desk = opened()
    host = CoreHost(StrategyCore())
    started = desk.log[0]
    other = msgspec.structs.replace(started.message, build="other")

    def replay():
        for event in [started._replace(message=other), *desk.log[1:]]:
            host.apply(event)

    with pytest.raises(DivergenceError):
        replay()


@pytest.mark.req("ST-6")
def test_the_warm_up_is_300_s_and_100_points_unless_the_configuration_says_otherwise() -> None:
    settings = StrategySettings()

    assert (settings.warmup_s, settings.warmup_points) == (300, 100)


def test_what_is_no_snapshot_is_refused() -> None:
    with pytest.raises(ValueError, match="not a snapshot of the strategy core"):
        StrategyCore().restore(b"\x93\x01\x02\x03")


def test_a_core_without_settings_has_no_instances() -> None:
    host = CoreHost(StrategyCore())
    desk = Desk(StrategySettings(), make_rules(SYMBOL))
    desk.host = host

    desk.start()
    desk.say(system.ServiceStarted("risk", 1, "b", pack({}), []), "bus")

    assert desk.said == []
