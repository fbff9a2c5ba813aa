"""Comparison with the venue: found, repaired, said once; a second pass says nothing (BR-10, I-17..I-20)."""

import pytest

from services.broker.live_settings import LiveSettings
from shared.execution import commands, reports
from shared.execution.reports import Balance, RefusalKind, VenuePosition, VenueState
from shared.messages import control, orders, system, venue


def told_since(counter, seq):
    quiet = (system.Tick, system.CoreDigest)
    found = [event for event in counter.log if event.header.seq > seq and event.header.source == "broker.io"]
    return [event.message for event in found if not isinstance(event.message, quiet)]


def wallet(counter, order_lots, price_ticks, fee="0.01"):
    """Let the venue stand where one fill of ours has left it."""
    scripted = counter.venues["binance_usdm"]
    price = str(price_ticks / 10)
    scripted.balances = [Balance("USDT", str(1000 - float(fee)))]
    scripted.positions = [VenuePosition(counter.PERP, order_lots, price)]


@pytest.mark.req("BR-11")
def test_executions_missed_while_the_stream_was_down_are_booked_once(counter):
    order_id = counter.resting()
    counter.tell(reports.UserStreamDown("cut"))
    past_ns = counter.mesh.now_ns - 3_000_000_000
    missed = counter.fill(order_id, 5, 77, client_order_id="", ts_venue_ns=past_ns)
    counter.venues["binance_usdm"].fills.append(missed)
    counter.venues["binance_usdm"].open.clear()
    wallet(counter, 5, 600_000)

    counter.tell(reports.UserStreamUp())
    counter.pass_ms(2000)
    counter.tell(reports.Filled(missed))
    seq = counter.log[-1].header.seq
    counter.pass_ms(130_000, 500)

    assert [fill.trade_id for fill in counter.said(orders.Fill)] == ["77"]
    assert [one.kind for one in counter.differences()] == ["missed_fill"]
    assert [m for m in told_since(counter, seq) if not isinstance(m, venue.VenueLink)] == []


@pytest.mark.req("BR-10")
def test_an_order_that_vanished_is_asked_for_and_ended_as_the_venue_says(counter):
    order_id = counter.resting()
    counter.venues["binance_usdm"].open.clear()

    counter.pass_ms(5200)
    number = counter.number(order_id, commands.AskOrder)
    counter.tell(reports.OrderFound(number, counter.told(order_id, VenueState.CANCELED)))

    assert counter.life(order_id)[-1] == "OrderCanceled"
    assert "vanished_order" in [one.kind for one in counter.differences()]


def test_an_order_that_changed_after_the_question_is_not_judged_by_its_answer(counter):
    scripted = counter.venues["binance_usdm"]
    scripted.is_mute = True
    counter.say("operator", control.ReconcileRequested("me"))
    number = scripted.took(commands.AskOpenOrders)[-1].request_id
    asked_ns = counter.mesh.now_ns
    counter.mesh.now_ns += 20_000_000
    order_id = counter.intent()
    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id)))

    counter.tell(reports.OpenOrders(number, "", [], asked_ns))

    assert scripted.took(commands.AskOrder) == []
    assert counter.life(order_id) == ["OrderSent", "OrderAccepted"]


@pytest.mark.req("BR-10")
def test_a_wish_to_compare_while_a_round_is_under_way_is_met_by_the_next(make_counter):
    counter = make_counter(symbols=(make_counter.PERP,))
    scripted = counter.venues["binance_usdm"]
    scripted.is_mute = True
    counter.tell(reports.UserStreamDown("cut"))
    counter.tell(reports.UserStreamUp())
    counter.pass_ms(100)
    waiting = scripted.took(commands.AskKeyRights)[-1:]
    waiting += scripted.took(commands.AskOpenOrders)[-1:] + scripted.took(commands.AskFills)[-1:]
    said = len(counter.said(system.Reconciled))

    counter.say("operator", control.ReconcileRequested("me"))
    scripted.is_mute = False
    for command in waiting:
        counter.tell(*scripted.answer(command, counter.mesh.now_ns))
    counter.pass_ms(3000)

    answers = counter.said(system.Reconciled)[said:]
    assert [(one.difference_count, one.details) for one in answers] == [(0, "")]


def test_money_that_moved_while_a_round_was_under_way_is_looked_at_soon(counter):
    scripted = counter.venues["binance_usdm"]
    scripted.is_mute = True
    counter.say("operator", control.ReconcileRequested("me"))
    waiting = scripted.took(commands.AskOpenOrders)[-1:] + scripted.took(commands.AskFills)[-1:]

    counter.tell(reports.BalancesChanged([], [], "DEPOSIT"))
    scripted.is_mute = False
    for command in waiting:
        counter.tell(*scripted.answer(command, counter.mesh.now_ns))
    counter.pass_ms(100)
    count = len(scripted.took(commands.AskAccount))
    counter.pass_ms(2000)

    assert len(scripted.took(commands.AskAccount)) == count + 1


def test_a_round_that_fails_is_tried_again_and_nothing_leaves_before(make_counter):
    counter = make_counter(symbols=(make_counter.PERP,))
    refusal = reports.Refused(0, RefusalKind.OVERLOADED, "-1008", "busy")
    counter.venues["binance_usdm"].refusals[commands.AskAccount] = refusal
    counter.restart()
    counter.pass_ms(2000)
    held = counter.intent()
    assert "OrderSent" not in counter.life(held)

    del counter.venues["binance_usdm"].refusals[commands.AskAccount]
    counter.pass_ms(5000)
    sent = counter.intent(price_ticks=599_000)

    assert [one.run for one in counter.said(system.Reconciled)] == [1, 2]
    assert counter.life(sent) == ["OrderSent"]


@pytest.mark.req("BR-22")
def test_an_order_without_news_is_asked_about(make_counter):
    counter = make_counter(live=LiveSettings(open_orders_every_ms=0, reconcile_every_ms=600_000))
    order_id = counter.resting()

    counter.pass_ms(29_000, 500)
    assert counter.venues["binance_usdm"].took(commands.AskOrder) == []
    counter.pass_ms(2000)

    asked = counter.venues["binance_usdm"].took(commands.AskOrder)
    assert [one.client_order_id for one in asked] == [order_id]


def test_a_key_that_may_withdraw_sends_nothing(make_counter):
    counter = make_counter(symbols=(make_counter.PERP,))
    scripted = counter.venues["binance_usdm"]
    answer = scripted.answer

    def rights(command, now_ns):
        if isinstance(command, commands.AskKeyRights):
            return [reports.KeyRightsTold(command.request_id, True, True, False, True)]
        return answer(command, now_ns)

    scripted.answer = rights
    counter.restart()
    counter.pass_ms(1000)
    held = counter.intent()

    assert "OrderSent" not in counter.life(held)
    assert "withdraw" in counter.execution.desks["binance_usdm"].why_closed[1]


def test_after_a_restart_a_fill_of_the_former_life_is_not_booked_again(counter):
    order_id = counter.resting()
    fill = counter.fill(order_id, 2, 41)
    counter.venues["binance_usdm"].fills.append(fill)
    counter.tell(reports.Filled(fill))
    wallet(counter, 2, 600_000)

    counter.restart()
    counter.pass_ms(1000)
    counter.tell(reports.Filled(fill))

    assert len(counter.said(orders.Fill)) == 1
    assert counter.differences() == []
    assert [one.run for one in counter.said(system.Reconciled)] == [1, 2]


def test_a_ban_outlives_the_broker_and_nothing_is_asked_before_its_end(counter):
    until_ns = counter.mesh.now_ns + 30_000_000_000
    counter.tell(reports.Unreachable("banned", until_ns))
    scripted = counter.venues["binance_usdm"]

    counter.restart()
    scripted.asked.clear()
    counter.pass_ms(29_000, 500)
    assert scripted.asked == []
    counter.pass_ms(2000)

    assert scripted.asked
    assert counter.execution.desks["binance_usdm"].why_closed is None
