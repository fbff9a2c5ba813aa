"""Versions in the shadow: orders that never leave, a paper venue inside the core, versions on the log."""

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, ShadowSettings, StrategySettings
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages import control, market, orders
from shared.messages.control import InstanceFailed
from shared.messages.shadow import ShadowFill, ShadowOrder, VersionStarted
from shared.units import NS_PER_MS, Side

SYMBOL = "binance_usdm:BTCUSDT"
SPOT = "binance:BTCUSDT"
EXACT = ShadowSettings(latency_ms=50, latency_std_ms=0, latency_spike_ppm=0)


def instance_with(params=None, kind="avellaneda_stoikov", symbol=SYMBOL, **options):
    given = {"warmup_books": 0} if params is None else params
    return InstanceSettings(kind=kind, symbol=symbol, params=given, **options)


def desk_of(symbol=SYMBOL, shadow=EXACT, **instances):
    desk = Desk(
        StrategySettings(instances=instances, shadow=shadow, warmup_s=0, warmup_points=0), make_rules(symbol)
    )
    desk.start()
    desk.move(desk.mid_ticks)
    return desk


def pair(**options):
    return desk_of(one=instance_with(), two=instance_with(shadow_of="one", **options))


def states(desk, name="two"):
    return [m.state for m in desk.said if isinstance(m, ShadowOrder) and m.strategy == name]


# ---- nothing leaves


@pytest.mark.req("ST-44")
def test_a_shadow_says_no_intent_and_no_cancel(of) -> None:
    desk = pair()
    for _ in range(100):
        desk.step()

    assert {m.strategy for m in of(orders.OrderIntent, desk.said)} == {"one"}
    assert {m.strategy for m in of(orders.CancelIntent, desk.said)} == {"one"}
    assert {m.strategy for m in of(ShadowOrder, desk.said)} == {"two"}
    assert {"intended", "accepted", "cancel_asked", "canceled"} <= set(states(desk))


@pytest.mark.req("ST-44")
def test_a_shadow_does_not_count_among_those_who_share_a_market() -> None:
    desk = pair()

    assert not desk.core.instance("one").ctx.shares_market
    assert not desk.core.instance("two").ctx.shares_market


# ---- the paper venue


@pytest.mark.req("ST-44", "BR-17")
def test_an_order_arrives_after_the_latency_of_the_settings() -> None:
    desk = pair()
    assert states(desk) == ["intended", "intended"]

    desk.now_ns += 49 * NS_PER_MS
    desk.move(desk.mid_ticks)
    assert states(desk)[2:] == []

    desk.now_ns += 1 * NS_PER_MS
    desk.move(desk.mid_ticks)
    assert states(desk)[2:] == ["accepted", "accepted"]


@pytest.mark.req("ST-44", "BR-16")
def test_a_trade_through_the_price_fills_with_the_maker_fee(of) -> None:
    desk = pair()
    desk.now_ns += 50 * NS_PER_MS
    desk.move(desk.mid_ticks)
    order = next(m for m in of(ShadowOrder, desk.said) if m.side is Side.BUY)

    desk.say(market.Trade(SYMBOL, 1, order.price_ticks - 1, order.qty_lots, Side.SELL, 0, 0))

    fill = of(ShadowFill, desk.said)[0]
    assert (fill.price_ticks, fill.qty_lots, fill.is_maker) == (order.price_ticks, order.qty_lots, True)
    # 0.02 % of price * lots * 10,000 atoms, rounded up.
    assert fill.fee_atoms == -(-order.price_ticks * order.qty_lots * 10_000 * 200 // 1_000_000)
    assert desk.core.instance("two").position_lots == order.qty_lots
    assert desk.core.instance("one").position_lots == 0


@pytest.mark.req("ST-44")
def test_an_order_below_the_least_value_is_rejected(of) -> None:
    rules = make_rules(SYMBOL, min_notional_atoms=10**15)
    settings = StrategySettings(
        instances={"one": instance_with(), "two": instance_with(shadow_of="one")},
        shadow=EXACT,
        warmup_s=0,
        warmup_points=0,
    )
    desk = Desk(settings, make_rules(SYMBOL))
    desk.start()
    desk.move(desk.mid_ticks)
    desk.say(rules)

    desk.now_ns += 60 * NS_PER_MS
    desk.move(desk.mid_ticks)

    rejected = [m for m in of(ShadowOrder, desk.said) if m.state == "rejected"]
    assert rejected
    assert "the least is" in rejected[0].reason


@pytest.mark.req("ST-44")
def test_a_shadow_on_spot_buys_with_its_own_money_and_sells_what_it_holds(of) -> None:
    params = {"warmup_books": 0, "order_notional": 600}
    shadow = dataclasses.replace(EXACT, initial_balance=Decimal(500))
    desk = desk_of(
        SPOT,
        shadow,
        one=instance_with(params, symbol=SPOT),
        two=instance_with(params, symbol=SPOT, shadow_of="one"),
    )

    desk.now_ns += 60 * NS_PER_MS
    desk.move(desk.mid_ticks)

    assert {m.code for m in of(ShadowOrder, desk.said) if m.state == "rejected"} == {"insufficient_balance"}


# ---- gates and state


@pytest.mark.req("ST-44", "I-27")
def test_a_kill_withdraws_shadow_orders_too(of) -> None:
    desk = pair()
    desk.now_ns += 60 * NS_PER_MS
    desk.move(desk.mid_ticks)

    said = desk.say(control.KillRequested("test", "test"))

    assert [m.state for m in of(ShadowOrder, said)] == ["cancel_asked", "cancel_asked"]


@pytest.mark.req("ST-44", "ST-2", "I-39")
def test_a_restored_core_goes_on_with_its_shadows(of) -> None:
    desk = desk_of(
        one=instance_with(), two=instance_with({"warmup_books": 0, "half_spread_bps": 0.3}, shadow_of="one")
    )
    for _ in range(200):
        desk.step()
    assert of(ShadowFill, desk.said)
    wanted = desk.core.digest()

    for cut in (len(desk.log) // 5, len(desk.log) // 2, len(desk.log) - 3):
        before = CoreHost(StrategyCore())
        for event in desk.log[:cut]:
            before.apply(event)
        after = CoreHost(StrategyCore())
        after.restore(before.snapshot())
        for event in desk.log[cut:]:
            after.apply(event)
        assert after.core.digest() == wanted


@pytest.mark.req("ST-44", "I-39")
def test_a_log_that_is_adopted_gives_the_same_shadow(of) -> None:
    desk = desk_of(
        one=instance_with(), two=instance_with({"warmup_books": 0, "half_spread_bps": 0.3}, shadow_of="one")
    )
    for _ in range(200):
        desk.step()
    assert of(ShadowFill, desk.said)

    adopted = StrategyCore()
    for event in desk.log:
        adopted.adopt(event)

    one, other = desk.core.instance("two"), adopted.instance("two")
    assert one.shadow.dump() == other.shadow.dump()
    assert one.position.dump() == other.position.dump()
    assert one.orders.dump() == other.orders.dump()


def test_other_words_of_a_shadow_on_the_log_are_a_divergence(of) -> None:
    desk = pair()
    at = next(n for n, event in enumerate(desk.log) if isinstance(event.message, ShadowOrder))
    forged = msgspec.structs.replace(desk.log[at].message, qty_lots=77)

    host = CoreHost(StrategyCore())
    for event in desk.log[:at]:
        host.apply(event)
    with pytest.raises(DivergenceError):
        host.apply(desk.log[at]._replace(message=forged))


# ---- versions


@pytest.mark.req("ST-44", "ST-45")
def test_each_version_is_on_the_log_with_flags_and_whom_it_shadows(of) -> None:
    desk = pair(flags={"half_size": True, "no_buys": False, "hide_trades": True})

    started = {m.strategy: m for m in of(VersionStarted, desk.said)}
    assert (started["one"].shadow_of, started["one"].flags) == ("", [])
    assert (started["two"].shadow_of, started["two"].flags) == ("one", ["half_size", "hide_trades"])
    assert started["one"].version != started["two"].version
    assert {m.version for m in of(ShadowOrder, desk.said)} == {started["two"].version}
    assert len(of(VersionStarted, desk.said)) == 2


@pytest.mark.req("ST-45")
def test_changed_flags_are_another_version_with_the_same_position(of) -> None:
    desk = pair()
    desk.say(control.PauseRequested("", "test", ""))
    flagged = dataclasses.replace(
        desk.settings,
        instances={"one": instance_with(flags={"half_size": True}), "two": desk.settings.instances["two"]},
    )

    said = desk.configure(flagged)

    assert [(m.strategy, m.flags) for m in of(VersionStarted, said)] == [("one", ["half_size"])]


@pytest.mark.req("ST-45")
def test_an_unknown_flag_fails_its_instance_alone(of) -> None:
    desk = pair(flags={"warp": True})

    failed = of(InstanceFailed, desk.said)
    assert [m.strategy for m in failed] == ["two"]
    assert "flag 'warp': avellaneda_stoikov has no such flag; use hide_trades" in failed[0].error


@pytest.mark.req("ST-44")
def test_nothing_of_a_shadow_goes_over_when_it_becomes_the_live_one(of) -> None:
    desk = pair()
    desk.now_ns += 60 * NS_PER_MS
    desk.move(desk.mid_ticks)
    order = next(m for m in of(ShadowOrder, desk.said) if m.side is Side.BUY)
    desk.say(market.Trade(SYMBOL, 1, order.price_ticks - 1, order.qty_lots, Side.SELL, 0, 0))
    assert desk.core.instance("two").position_lots

    desk.configure(
        dataclasses.replace(
            desk.settings, instances={"one": instance_with(enabled=False), "two": instance_with()}
        )
    )

    promoted = desk.core.instance("two")
    assert (promoted.position_lots, len(promoted.orders), promoted.is_shadow) == (0, 0, False)
    assert promoted.generation > 0


@pytest.mark.req("ST-44")
def test_a_live_version_in_use_cannot_become_a_shadow(of) -> None:
    desk = desk_of(one=instance_with(), two=instance_with())

    said = desk.configure(
        dataclasses.replace(
            desk.settings, instances={"one": instance_with(), "two": instance_with(shadow_of="one")}
        )
    )

    assert (
        "it was made a shadow of one while it holds 0 lots and 2 orders" in of(InstanceFailed, said)[0].error
    )
    assert {m.strategy for m in of(orders.CancelIntent, said)} == {"two"}


@pytest.mark.parametrize(
    ("shadow", "text"),
    [
        (instance_with(shadow_of="three"), "there is no such strategy"),
        (instance_with(shadow_of="two"), "that one is a shadow itself"),
        (instance_with(shadow_of="one", symbol=SPOT), "versions are compared on one market"),
    ],
)
def test_a_shadow_of_nothing_that_lives_is_refused(shadow, text) -> None:
    with pytest.raises(ValueError, match=text):
        StrategySettings(instances={"one": instance_with(), "two": shadow})
