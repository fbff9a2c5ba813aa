"""The core at a desk: gates, failures, settings, fills, restarts; each by events alone."""

import pytest

from services.strategy.configure import version_of
from services.strategy.settings import InstanceSettings
from shared.messages import control, market, orders, system
from shared.messages.control import StrategyStatus
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"
QUICK = {"warmup_books": 0}


# ---- saying


@pytest.mark.req("ST-4", "ST-44")
def test_every_order_names_its_slot_reason_version_and_cause(opened, of) -> None:
    desk = opened()

    intents = of(orders.OrderIntent, desk.said)

    assert {intent.slot for intent in intents} == {"bid", "ask"}
    assert all(intent.reason.startswith("fair ") and len(intent.version) == 12 for intent in intents)
    for event in desk.log:
        if isinstance(event.message, orders.OrderIntent):
            assert event.header.source == "strategy/one"
            assert isinstance(
                desk.log[event.header.cause_seq - 1].message, market.BookSnapshot | market.BookUpdate
            )


@pytest.mark.req("ST-44")
def test_the_version_changes_with_build_settings_and_source_and_with_nothing_else() -> None:
    one = InstanceSettings(kind="grid", symbol=SYMBOL, params={"interval_bps": 6})
    same = InstanceSettings(kind="grid", symbol=SYMBOL, params={"interval_bps": 6}, enabled=False)
    other = InstanceSettings(kind="grid", symbol=SYMBOL, params={"interval_bps": 7})

    assert version_of("b", one, "") == version_of("b", same, "")
    assert (
        len(
            {
                version_of("b", one, ""),
                version_of("c", one, ""),
                version_of("b", one, "x"),
                version_of("b", other, ""),
            }
        )
        == 4
    )


@pytest.mark.req("ST-3")
def test_instances_on_one_market_keep_orders_and_positions_apart(opened, of, live, settle, fill_of) -> None:
    desk = opened(one=("avellaneda_stoikov", dict(QUICK)), two=("avellaneda_stoikov", dict(QUICK)))
    settle(desk)

    assert set(live(desk, "one")) == set(live(desk, "two")) == {"bid", "ask"}
    ids = [intent.client_order_id for intent in of(orders.OrderIntent, desk.said)]
    assert len(set(ids)) == 4

    desk.say(fill_of(live(desk)["bid"], "t"), "broker")

    assert desk.core.instance("one").position_lots == 1
    assert desk.core.instance("two").position_lots == 0


# ---- gates


@pytest.mark.req("ST-6")
def test_no_order_is_sent_before_enough_time_and_enough_data(opened, of) -> None:
    desk = opened(warmup_s=2, warmup_points=10)
    started_ns, points = desk.now_ns, 2
    for _ in range(40):
        if of(orders.OrderIntent, desk.said):
            break
        desk.now_ns += NS_PER_S // 4
        desk.move(desk.mid_ticks)
        points += 1

    assert points >= 10
    assert desk.now_ns - started_ns >= 2 * NS_PER_S
    states = [status.state for status in of(StrategyStatus, desk.said)]
    assert states.index("warming_up") < states.index("quoting")


@pytest.mark.req("ST-6", "ST-17")
def test_a_restart_warms_up_again_and_leaves_resting_orders_alone(opened, of, live, settle) -> None:
    desk = opened(warmup_points=5)
    for _ in range(6):
        desk.step()
    settle(desk)
    assert live(desk)

    said = desk.configure(desk.settings)
    said += desk.move(desk.mid_ticks)

    assert of(orders.CancelIntent, said) == []
    assert of(orders.OrderIntent, said) == []


@pytest.mark.req("I-27")
@pytest.mark.parametrize(
    ("closing", "opening"),
    [
        (control.KillRequested("test", "test"), control.KillCleared("test", "test")),
        (control.KillLatched("test", "test", "file"), control.KillCleared("test", "test")),
        (control.TradingState("halted", ["loss"]), control.TradingState("active", [])),
        (control.PauseRequested("", "test", ""), control.ResumeRequested("", "test", "")),
        (control.PauseRequested("one", "test", ""), control.ResumeRequested("one", "test", "")),
        (system.SourceSilent("market_data", 2000), system.SourceBack("market_data")),
        (system.SourceSilent("risk", 2000), system.SourceBack("risk")),
        (system.SourceSilent("broker", 2000), system.SourceBack("broker")),
    ],
    ids=lambda one: type(one).__name__,
)
def test_quotes_are_withdrawn_at_once_and_come_back_with_the_next_book(
    closing, opening, opened, of, live, settle
) -> None:
    desk = opened()
    settle(desk)
    resting = {order.client_order_id for order in live(desk).values()}
    assert resting

    said = desk.say(closing)
    assert {cancel.client_order_id for cancel in of(orders.CancelIntent, said)} == resting
    settle(desk)
    assert live(desk) == {}
    assert of(orders.OrderIntent, desk.move(desk.mid_ticks + 50)) == []

    assert of(orders.OrderIntent, desk.say(opening)) == []
    assert len(of(orders.OrderIntent, desk.move(desk.mid_ticks))) == 2


def test_services_that_trading_does_not_need_may_be_silent(opened, of) -> None:
    desk = opened()

    assert of(orders.CancelIntent, desk.say(system.SourceSilent("gateway", 2000))) == []


def test_a_pause_of_another_instance_changes_nothing(opened, of) -> None:
    desk = opened()

    assert of(orders.CancelIntent, desk.say(control.PauseRequested("two", "test", ""))) == []


@pytest.mark.req("I-29", "MD-6")
def test_an_update_that_does_not_follow_withdraws_quotes_until_a_whole_book_comes(opened, of, settle) -> None:
    desk = opened()
    settle(desk)

    block = b""
    said = desk.say(market.BookUpdate(SYMBOL, 99, 99, 99, 0, block, 0, 0))
    assert len(of(orders.CancelIntent, said)) == 2
    assert of(StrategyStatus, said)[0].reason == "book not trusted"
    settle(desk)
    assert of(orders.OrderIntent, desk.say(market.BookUpdate(SYMBOL, 3, 3, 3, 0, block, 0, 0))) == []

    assert len(of(orders.OrderIntent, desk.show_book())) == 2


@pytest.mark.parametrize("block", [b"\x01", b"\x00" * 16, b"\xff" * 16])
def test_a_malformed_book_is_a_book_that_is_not_trusted(block, opened, of) -> None:
    desk = opened()

    said = desk.say(market.BookUpdate(SYMBOL, 3, 3, 3, len(block) // 16, block, 0, 0))

    assert len(of(orders.CancelIntent, said)) == 2


def test_the_end_of_the_capture_withdraws_for_good_and_stops_the_strategy(opened, of, settle) -> None:
    desk = opened()
    settle(desk)

    said = desk.say(market.CaptureFinished("binance_usdm", 1))
    settle(desk)

    assert len(of(orders.CancelIntent, said)) == 2
    assert of(StrategyStatus, said)[0].state == "finished"
    assert of(orders.OrderIntent, desk.show_book()) == []
    assert desk.core.instance("one").is_stopped


def test_another_venues_end_changes_nothing(opened, of) -> None:
    assert of(orders.CancelIntent, opened().say(market.CaptureFinished("binance", 1))) == []


@pytest.mark.req("RK-10")
def test_while_reducing_only_what_shrinks_the_position_is_quoted(opened, live, settle, fill_of) -> None:
    desk = opened()
    settle(desk)
    desk.say(fill_of(live(desk)["bid"], "t"), "broker")
    settle(desk)

    desk.say(control.TradingState("reducing", ["drawdown"]))
    for _ in range(4):
        desk.move(desk.mid_ticks + 100)
        settle(desk)

    assert {slot: (order.side, order.qty_lots) for slot, order in live(desk).items()} == {
        "ask": (Side.SELL, 1)
    }


# ---- orders


@pytest.mark.req("I-15")
def test_a_fill_that_comes_twice_counts_once(opened, live, settle, fill_of) -> None:
    desk = opened()
    settle(desk)
    order = live(desk)["bid"]
    fill = fill_of(order, "t1")

    desk.say(fill, "broker")
    desk.say(fill, "broker")

    instance = desk.core.instance("one")
    assert instance.position_lots == 1
    assert instance.position.fees_atoms == 500


@pytest.mark.req("I-06")
def test_a_fill_after_the_end_of_its_order_still_moves_the_position(opened, live, settle, fill_of) -> None:
    desk = opened()
    settle(desk)
    order = live(desk)["bid"]
    desk.say(orders.OrderCanceled(order.client_order_id, "one", SYMBOL, 0))

    desk.say(fill_of(order, "late"), "broker")

    assert desk.core.instance("one").position_lots == 1


@pytest.mark.req("ST-17")
def test_a_filled_quote_is_not_replaced_before_the_next_book(opened, of, live, settle, fill_of) -> None:
    desk = opened()
    settle(desk)
    order = live(desk)["bid"]

    assert of(orders.OrderIntent, desk.say(fill_of(order, "t"), "broker")) == []
    assert {intent.slot for intent in of(orders.OrderIntent, desk.move(desk.mid_ticks))} == {"bid"}


@pytest.mark.req("X-04")
def test_a_refused_order_is_tried_three_times_a_minute(opened, of, live, settle) -> None:
    desk = opened()
    desk.is_answering = False
    settle(desk)
    for order in live(desk).values():
        desk.say(orders.OrderCanceled(order.client_order_id, "one", SYMBOL, 0))
    tries = 0
    for _ in range(300):
        desk.now_ns += NS_PER_S // 5
        for intent in of(orders.OrderIntent, desk.move(desk.mid_ticks)):
            if intent.slot == "bid":
                tries += 1
            desk.say(orders.OrderRefused(intent.client_order_id, "one", SYMBOL, "position", "for the test"))

    assert tries == 3
    again = desk.say(system.Reconciled(1))
    assert {intent.slot for intent in of(orders.OrderIntent, again)} == {"bid", "ask"}


@pytest.mark.req("I-07")
def test_a_report_that_cannot_follow_is_noted_and_blocks_the_slot(opened, of, live, settle) -> None:
    desk = opened()
    desk.is_answering = False
    settle(desk)
    order = live(desk)["bid"]

    said = desk.say(orders.OrderRefused(order.client_order_id, "one", SYMBOL, "x", "x"))

    assert [note.code for note in of(control.StrategyNote, said)] == ["impossible_report"]
    assert "bid" in live(desk)


def test_reports_of_strangers_are_ignored(opened) -> None:
    desk = opened()

    assert desk.say(orders.OrderCanceled("x-two-bid-1", "two", SYMBOL, 0)) == []
    assert desk.say(orders.OrderCanceled("x-one-bid-zz", "one", SYMBOL, 0)) == []
