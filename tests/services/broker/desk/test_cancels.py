"""Cancels, kill and withdrawals: sent at once, repeated until the orders are gone (I-09, I-23, I-28)."""

import pytest

from services.broker.live_settings import LiveSettings
from shared.execution import commands, reports
from shared.execution.reports import RefusalKind, VenueState
from shared.messages import control, orders, system


def cancels(counter, venue="binance_usdm"):
    return [one.client_order_id for one in counter.venues[venue].took(commands.Cancel)]


def test_a_cancel_without_effect_is_repeated_with_a_growing_pause(counter):
    order_id = counter.resting()
    counter.cancel(order_id)

    for _ in range(12):
        counter.tell(
            reports.Refused(counter.number(order_id, commands.Cancel), RefusalKind.OVERLOADED, "-1008", "")
        )
        counter.pass_ms(1000)

    assert 4 <= len(cancels(counter)) <= 13
    assert counter.life(order_id).count("CancelRejected") == 1


@pytest.mark.req("BR-22")
def test_an_unknown_order_is_asked_about_and_not_taken_for_never_placed(counter):
    order_id = counter.resting()
    counter.cancel(order_id)

    counter.tell(
        reports.Refused(counter.number(order_id, commands.Cancel), RefusalKind.NOT_FOUND, "-2011", "")
    )
    number = counter.number(order_id, commands.AskOrder)
    filled = counter.told(order_id, VenueState.FILLED, 5)
    counter.tell(reports.OrderFound(number, filled), reports.Filled(counter.fill(order_id, 5)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "CancelRejected", "Fill"]


def test_a_cancel_seen_before_the_approval_is_durable_holds_the_order_back(counter):
    counter.is_durable = False
    order_id = counter.intent()
    counter.cancel(order_id)

    counter.is_durable = True
    counter.turn()

    assert counter.said(orders.NotSent, order_id=order_id)[0].code == "canceled"
    assert not counter.venues["binance_usdm"].took(commands.Place)


def test_a_cancel_of_an_order_on_its_way_is_sent_again_after_the_answer(counter):
    order_id = counter.intent()
    counter.cancel(order_id)
    counter.tell(
        reports.Refused(counter.number(order_id, commands.Cancel), RefusalKind.NOT_FOUND, "-2011", "")
    )

    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id)))
    counter.pass_ms(600)

    assert cancels(counter).count(order_id) == 2


@pytest.mark.req("BR-29")
def test_kill_by_latch_cancels_at_once_without_the_log(counter):
    one, two = counter.resting(), counter.resting(price_ticks=599_990)
    other = counter.resting(symbol=counter.SPOT, venue="binance")

    counter.execution.on_latch(True, counter.mesh.now_ns)

    assert [each.symbol for each in counter.venues["binance_usdm"].took(commands.CancelAll)] == [counter.PERP]
    assert cancels(counter, "binance") == [other]
    assert {one, two} <= counter.execution.desks["binance_usdm"].state.orders.live.keys()


def test_what_a_cancel_of_the_market_leaves_is_canceled_one_by_one(counter):
    one, two = counter.resting(), counter.resting(price_ticks=599_990)
    counter.execution.on_latch(True, counter.mesh.now_ns)
    number = counter.venues["binance_usdm"].took(commands.CancelAll)[0].request_id

    counter.tell(reports.Done(number))
    counter.tell(reports.OrderChanged(counter.told(one, VenueState.CANCELED)))
    counter.pass_ms(700)

    assert cancels(counter) == [two]


@pytest.mark.parametrize("answer", ["doubt", "refused"])
def test_a_cancel_of_the_market_that_fails_is_made_up_for_at_once(counter, answer):
    one, two = counter.resting(), counter.resting(price_ticks=599_990)
    counter.say("operator", control.CancelAllRequested(counter.PERP, "me", "test"))
    number = counter.venues["binance_usdm"].took(commands.CancelAll)[0].request_id
    assert cancels(counter) == []

    told = {
        "doubt": reports.Doubtful(number, "timeout"),
        "refused": reports.Refused(number, RefusalKind.OVERLOADED, "-1008", ""),
    }
    counter.tell(told[answer])
    counter.pass_ms(50)

    assert sorted(cancels(counter)) == sorted([one, two])


@pytest.mark.req("BR-29")
def test_kill_on_the_log_cancels_and_holds_back_everything(counter):
    order_id = counter.resting()

    counter.say("operator", control.KillRequested("me", "test"))
    refused = counter.intent(price_ticks=599_000)

    assert cancels(counter) == [order_id]
    assert counter.latched
    assert counter.life(refused) in ([], ["NotSent"])
    assert len(counter.venues["binance_usdm"].took(commands.Place)) == 1


@pytest.mark.parametrize("service", ["strategy", "risk", "market_data"])
def test_quotes_leave_when_a_service_is_silent(counter, service):
    counter.pass_ms(16_000, 500)
    order_id = counter.resting()

    counter.say("bus", system.SourceSilent(service, 1000))
    counter.pass_ms(3000)

    assert cancels(counter)[:1] == [order_id]


@pytest.mark.req("BR-3")
def test_without_the_private_stream_nothing_leaves_and_after_a_while_orders_are_withdrawn(counter):
    order_id = counter.resting()

    counter.tell(reports.UserStreamDown("silent"))
    early = counter.intent(price_ticks=599_000)
    counter.pass_ms(4900)
    assert cancels(counter) == []
    counter.pass_ms(400)

    assert cancels(counter)[0] == order_id
    assert "OrderSent" not in counter.life(early)


def test_without_the_bus_everything_is_withdrawn_and_nothing_leaves(counter):
    order_id = counter.resting()

    counter.publish(counter.execution.on_bus(is_silent=True, now_ns=counter.mesh.now_ns))
    held = counter.intent(price_ticks=599_000)

    assert cancels(counter) == [order_id]
    assert counter.said(orders.NotSent, order_id=held)[0].code == "bus_silent"

    counter.publish(counter.execution.on_bus(is_silent=False, now_ns=counter.mesh.now_ns))
    again = counter.intent(price_ticks=598_000)
    assert counter.life(again) == ["OrderSent"]


@pytest.mark.req("BR-23")
def test_a_stop_withdraws_and_waits_until_nothing_is_left(counter):
    order_id = counter.resting()

    counter.publish(counter.execution.begin_drain(counter.mesh.now_ns))
    counter.turn()
    assert not counter.execution.is_drained
    counter.tell(
        reports.Acted(counter.number(order_id, commands.Cancel), counter.told(order_id, VenueState.CANCELED))
    )

    assert counter.execution.is_drained
    held = counter.intent(price_ticks=599_000)
    assert counter.said(orders.NotSent, order_id=held)[0].code == "stopping"


@pytest.mark.req("BR-23")
def test_a_stop_of_the_mesh_withdraws_too_unless_orders_are_to_stay(make_counter):

    leaving, staying = make_counter(), make_counter(live=LiveSettings(cancel_on_exit=False))
    for counter in (leaving, staying):
        counter.resting()
        counter.say("operator", control.StopRequested("me", "test"))
        counter.publish(counter.execution.begin_drain(counter.mesh.now_ns))

    assert len(cancels(leaving)) == 1
    assert cancels(staying) == []
    assert staying.execution.is_drained


@pytest.mark.parametrize("is_kill", [True, False])
def test_orders_of_others_go_with_a_kill_and_stay_with_every_withdrawal(counter, is_kill):
    one, two = counter.resting(), counter.resting(price_ticks=599_990)
    manual = counter.told(one, client_order_id="web_1", venue_order_id="991", price_ticks=590_000)
    counter.tell(reports.OrderChanged(manual))
    asked = counter.venues["binance_usdm"].took
    before = len(asked(commands.Cancel))

    if is_kill:
        counter.execution.on_latch(True, counter.mesh.now_ns)
        assert len(asked(commands.CancelAll)) == 1
    else:
        counter.publish(counter.execution.begin_drain(counter.mesh.now_ns))
        counter.pass_ms(300)
        assert {each.client_order_id for each in asked(commands.Cancel)[before - 2 :]} == {one, two}
        assert asked(commands.CancelAll) == []
