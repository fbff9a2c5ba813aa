"""Comparison with the venue: found, repaired, said once; a second pass says nothing (BR-10, I-17..I-20)."""

import pytest

from services.broker.live_settings import LiveSettings
from shared.execution import commands, reports
from shared.execution.reports import Balance, RefusalKind, VenueFill, VenueOrder, VenuePosition, VenueState
from shared.messages import control, orders, system, venue
from shared.units import Side


def stray(counter, order_id="web_1", filled=0, **changes):
    """Return an order of the account that is not ours."""
    fields = {
        "symbol": counter.PERP,
        "client_order_id": order_id,
        "venue_order_id": "991",
        "state": VenueState.NEW,
        "side": Side.SELL,
        "price_ticks": 600_500,
        "qty_lots": 4,
        "filled_lots": filled,
    }
    return VenueOrder(**{**fields, **changes})


def stray_fill(counter, trade_id, order_id="web_1", lots=4, **changes):
    fields = {
        "symbol": counter.PERP,
        "trade_id": str(trade_id),
        "venue_order_id": "991",
        "client_order_id": order_id,
        "side": Side.SELL,
        "price_ticks": 600_500,
        "qty_lots": lots,
        "fee": "0",
        "fee_asset": "USDT",
        "is_maker": False,
        "ts_venue_ns": counter.mesh.now_ns,
    }
    return VenueFill(**{**fields, **changes})


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


@pytest.mark.req("BR-10")
def test_the_money_found_at_the_first_start_is_its_opening(counter):
    adjusted = counter.said(venue.AccountAdjusted)

    assert sorted((one.venue, one.asset, one.amount, one.reason) for one in adjusted) == [
        ("binance", "USDT", "1000", "opening"),
        ("binance_usdm", "USDT", "1000", "opening"),
    ]
    assert counter.differences() == []


@pytest.mark.req("BR-10")
def test_a_deposit_is_adopted_once(counter):
    counter.venues["binance"].balances = [Balance("USDT", "1500.5")]

    counter.tell(reports.BalancesChanged([], [], "DEPOSIT"), venue="binance")
    counter.pass_ms(7500)
    assert counter.differences() == []
    counter.pass_ms(2500)
    seq = counter.log[-1].header.seq
    counter.pass_ms(120_000, 500)

    assert [one.amount for one in counter.said(venue.AccountAdjusted) if one.reason == "external"] == [
        "500.5"
    ]
    assert [one.repair for one in counter.differences("balance")] == ["adopted"]
    assert told_since(counter, seq) == []


@pytest.mark.req("BR-11")
def test_executions_missed_while_the_stream_was_down_are_booked_once(counter):
    order_id = counter.resting()
    counter.tell(reports.UserStreamDown("cut"))
    missed = counter.fill(order_id, 5, 77, ts_venue_ns=counter.mesh.now_ns - 3_000_000_000)
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


def test_fills_without_our_id_find_their_order_by_the_venues(counter):
    order_id = counter.resting()
    fill = counter.fill(order_id, 2, client_order_id="")

    counter.tell(reports.Filled(fill))

    assert [(one.client_order_id, one.strategy) for one in counter.said(orders.Fill)] == [(order_id, "mm")]


def test_a_fill_of_an_unknown_venue_id_waits_for_the_word_whose_it_is(counter):
    order_id = counter.intent()
    counter.tell(reports.Filled(counter.fill(order_id, 2, client_order_id="")))
    asked = counter.venues["binance_usdm"].took(commands.AskOrder)[-1]
    assert (asked.client_order_id, asked.venue_order_id) == ("", f"v{order_id}")
    assert counter.said(orders.Fill) == []

    counter.tell(reports.OrderFound(asked.request_id, counter.told(order_id, VenueState.PARTIALLY_FILLED, 2)))

    assert counter.life(order_id) == ["OrderSent", "Fill"]


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
def test_an_order_of_another_is_adopted_and_pauses_its_market(counter):
    counter.venues["binance_usdm"].open["web_1"] = stray(counter)

    counter.pass_ms(5200)

    adopted = counter.said(venue.OrderAdopted)
    assert [(one.client_order_id, one.strategy) for one in adopted] == [("web_1", "external")]
    assert [one.kind for one in counter.differences()] == ["external_order"]
    assert counter.risk.known.exposure.live_lots(counter.PERP, Side.SELL) == 4
    assert counter.PERP in counter.risk.known.mood.quarantine
    assert counter.venues["binance_usdm"].took(commands.Cancel) == []


def test_a_manual_trade_is_booked_under_external_once_and_pauses(counter):
    fill = stray_fill(counter, 5)

    counter.tell(reports.Filled(fill), reports.Filled(fill))
    held = counter.intent(price_ticks=599_000)

    assert [(one.strategy, one.trade_id) for one in counter.said(orders.Fill)] == [("external", "5")]
    assert counter.broker.known.account.holdings_lots[counter.PERP] == -4
    assert counter.risk.known.ledger.position_lots(counter.PERP) == -4
    assert "OrderSent" not in counter.life(held)


def test_an_own_id_that_the_log_does_not_know_is_adopted_and_canceled(counter):
    counter.tell(reports.OrderChanged(stray(counter, "6zz-mm-b0-9")))

    assert [one.strategy for one in counter.said(venue.OrderAdopted)] == ["mm"]
    assert [one.client_order_id for one in counter.venues["binance_usdm"].took(commands.Cancel)] == [
        "6zz-mm-b0-9"
    ]


def test_a_position_that_no_execution_explains_is_adopted_once(counter):
    counter.venues["binance_usdm"].positions = [VenuePosition(counter.PERP, 3, "60000")]

    counter.pass_ms(30_000, 100)
    seq = counter.log[-1].header.seq
    counter.pass_ms(120_000, 500)

    fills = counter.said(orders.Fill)
    assert [(one.strategy, one.qty_lots, one.price_ticks) for one in fills] == [("external", 3, 600_000)]
    assert [one.kind for one in counter.differences()] == ["position"]
    assert counter.risk.known.ledger.position_lots(counter.PERP) == 3
    assert told_since(counter, seq) == []


def test_a_difference_that_goes_by_itself_is_not_adopted(counter):
    order_id = counter.resting()
    scripted = counter.venues["binance_usdm"]
    late = counter.fill(order_id, 5, 77)
    scripted.open.clear()
    wallet(counter, 5, 600_000)

    counter.say("operator", control.ReconcileRequested("me"))
    counter.pass_ms(4000)
    scripted.fills.append(late)
    counter.pass_ms(10_000)

    assert [one.trade_id for one in counter.said(orders.Fill)] == ["77"]
    assert counter.differences("position", "balance") == []


def test_a_position_held_before_the_first_start_is_adopted_before_anything_is_sent(make_bench, make_counter):
    del make_bench
    counter = make_counter(symbols=())
    assert counter.said(orders.Fill) == []


@pytest.mark.req("BR-10")
def test_a_person_who_asks_is_answered(counter):
    counter.pass_ms(1000)

    counter.say("operator", control.ReconcileRequested("me"))
    counter.pass_ms(500)

    assert [one.difference_count for one in counter.said(system.Reconciled)] == [0, 0]


def test_a_person_is_answered_too_when_the_venue_is_not_there(counter):
    counter.tell(reports.UserStreamDown("cut"))

    counter.say("operator", control.ReconcileRequested("me"))
    counter.pass_ms(21_000, 500)

    answer = counter.said(system.Reconciled)[-1]
    assert (answer.difference_count, answer.details) == (1, "binance_usdm: not compared in time")


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


def test_funding_is_split_among_strategies_to_the_atom_and_booked_once(counter):
    for strategy, lots in (("aa", 2), ("bb", 1)):
        order_id = counter.resting(strategy=strategy, lots=lots, slot="b0")
        counter.tell(reports.Filled(counter.fill(order_id, lots)))
    booked = reports.FundingBooked(counter.PERP, "USDT", "-0.00000100", 1_700_000_100_000_000_000, 3)

    counter.tell(booked, booked)

    paid = counter.said(orders.FundingPaid)
    assert [(one.strategy, one.amount_atoms) for one in paid] == [("aa", -67), ("bb", -33)]


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


def test_a_fee_in_a_third_asset_is_no_difference_between_risk_and_the_account(counter):
    order_id = counter.resting()
    counter.tell(reports.Filled(counter.fill(order_id, 5, fee="0.001", fee_asset="BNB")))
    counter.venues["binance_usdm"].open.clear()
    counter.venues["binance_usdm"].positions = [VenuePosition(counter.PERP, 5, "60000")]
    counter.venues["binance_usdm"].balances = [Balance("USDT", "1000"), Balance("BNB", "-0.001")]

    counter.restart()
    counter.pass_ms(1000)

    assert [(one.run, one.difference_count) for one in counter.said(system.Reconciled)] == [(1, 0), (2, 0)]
    assert counter.differences() == []


def test_a_fill_of_an_order_that_was_long_forgotten_is_booked_for_its_strategy(counter):
    fill = stray_fill(counter, 5, "6zz-grid-s1-9")

    counter.tell(reports.Filled(fill))

    assert [one.strategy for one in counter.said(orders.Fill)] == ["grid"]
    assert [one.kind for one in counter.differences()] == ["late_fill"]


def test_a_surfaced_order_takes_its_slot_until_it_is_gone(counter):
    counter.tell(reports.OrderChanged(stray(counter, "6zz-mm-b0-9")))

    held = counter.intent(slot="b0", price_ticks=599_000)

    assert [one.code for one in counter.said(orders.NotSent, order_id=held)] == ["slot"]
