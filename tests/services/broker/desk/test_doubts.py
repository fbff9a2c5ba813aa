"""An order of unknown outcome: resolved by evidence only, with the timing of decision 3 (I-05)."""

import pytest

from shared.execution import commands, reports
from shared.execution.reports import RefusalKind, VenueState
from shared.messages import orders
from shared.units import NS_PER_MS, Side


@pytest.fixture
def doubtful(counter):
    """Return a counter, and the id of an order whose create got no answer."""
    order_id = counter.intent(slot="b0")
    counter.venues["binance_usdm"].is_mute = True
    counter.tell(reports.Doubtful(counter.number(order_id), "timeout"))
    return counter, order_id


def deny(counter, order_id, kind=commands.AskOrder):
    """Let the venue say `not found` to all that is asked of an order, once."""
    desk = counter.execution.desks["binance_usdm"]
    for number, request in list(desk.state.requests.items()):
        if request.subject == order_id and request.kind in ("ask_order", "cancel"):
            counter.tell(reports.Refused(number, RefusalKind.NOT_FOUND, "-2013", "no such order"))


def answer_rounds(counter):
    """Let comparisons pass, so that only questions about the order stay open."""
    venue = counter.venues["binance_usdm"]
    desk = counter.execution.desks["binance_usdm"]
    for number, request in list(desk.state.requests.items()):
        if request.kind.startswith("ask_open"):
            counter.tell(reports.OpenOrders(number, "", [], counter.mesh.now_ns))
        elif request.kind == "ask_fills":
            counter.tell(reports.Fills(number, request.subject, [], counter.mesh.now_ns))
        elif request.kind == "ask_account":
            counter.tell(reports.AccountTold(number, venue.balances, venue.positions))
        elif request.kind == "countdown":
            counter.tell(reports.Done(number))


def pass_denied(counter, order_id, ms):
    """Let time pass at a venue that finds nothing."""
    for _ in range(ms // 50):
        counter.pass_ms(50)
        deny(counter, order_id)
        answer_rounds(counter)


def test_no_answer_is_unknown_and_never_a_rejection(doubtful):
    counter, order_id = doubtful

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown"]
    assert counter.risk.known.exposure.live_lots(counter.PERP, Side.BUY) == 5


@pytest.mark.req("BR-8")
def test_a_positive_answer_resolves_it_at_once(doubtful):
    counter, order_id = doubtful
    counter.pass_ms(50)

    number = counter.number(order_id, commands.AskOrder)
    counter.tell(reports.OrderFound(number, counter.told(order_id)))

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown", "OrderAccepted"]


def test_a_stream_event_resolves_it_at_once(doubtful):
    counter, order_id = doubtful

    counter.tell(reports.OrderChanged(counter.told(order_id)))

    assert counter.life(order_id)[-1] == "OrderAccepted"


def test_an_execution_resolves_it_too(doubtful):
    counter, order_id = doubtful

    counter.tell(reports.Filled(counter.fill(order_id, 5)))

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown", "Fill"]


@pytest.mark.req("BR-8")
def test_not_found_frees_the_slot_after_17_seconds_and_a_last_cancel(doubtful):
    counter, order_id = doubtful
    began_ns = counter.mesh.now_ns

    pass_denied(counter, order_id, 16_900)
    assert counter.life(order_id) == ["OrderSent", "OrderUnknown"]
    pass_denied(counter, order_id, 1100)

    assert counter.life(order_id)[-1] == "OrderRejected"
    assert counter.said(orders.OrderRejected)[-1].code == "not_found"
    assert len(counter.venues["binance_usdm"].took(commands.Cancel)) >= 1
    assert len(counter.venues["binance_usdm"].took(commands.Place)) == 1
    assert (counter.mesh.now_ns - began_ns) // NS_PER_MS <= 20_000


def test_its_slot_is_taken_until_then(doubtful):
    counter, order_id = doubtful

    again = counter.intent(slot="b0", price_ticks=599_990)

    assert counter.said(orders.NotSent, order_id=again)[0].code == "slot"
    assert counter.life(order_id)[-1] == "OrderUnknown"


def test_not_found_without_the_last_cancel_counts_for_nothing(doubtful):
    counter, order_id = doubtful
    for _ in range(30_000 // 50):
        counter.pass_ms(50)
        answer_rounds(counter)
        desk = counter.execution.desks["binance_usdm"]
        for number, request in list(desk.state.requests.items()):
            if request.subject == order_id and request.kind == "ask_order":
                counter.tell(reports.Refused(number, RefusalKind.NOT_FOUND, "-2013", ""))
            elif request.kind == "cancel":
                counter.tell(reports.Doubtful(number, "timeout"))

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown"]


def test_a_lost_stream_begins_the_span_again(doubtful):
    counter, order_id = doubtful
    pass_denied(counter, order_id, 13_000)

    counter.tell(reports.UserStreamDown("cut"))
    pass_denied(counter, order_id, 1000)
    counter.tell(reports.UserStreamUp())
    pass_denied(counter, order_id, 16_800)
    assert counter.life(order_id) == ["OrderSent", "OrderUnknown"]
    pass_denied(counter, order_id, 2000)

    assert counter.life(order_id)[-1] == "OrderRejected"


def test_an_order_that_surfaces_after_it_was_given_up_is_adopted_and_canceled_at_once(doubtful):
    counter, order_id = doubtful
    pass_denied(counter, order_id, 18_500)
    cancels = len(counter.venues["binance_usdm"].took(commands.Cancel))

    counter.tell(reports.OrderChanged(counter.told(order_id)))

    assert counter.life(order_id)[-2:] == ["OrderRejected", "OrderAdopted"]
    assert [one.kind for one in counter.differences()] == ["surfaced_order"]
    assert len(counter.venues["binance_usdm"].took(commands.Cancel)) == cancels + 1
    assert counter.risk.known.exposure.live_lots(counter.PERP, Side.BUY) == 5


def test_a_cancel_in_doubt_is_unknown_and_repeated(counter):
    order_id = counter.resting()
    counter.cancel(order_id)
    first = counter.number(order_id, commands.Cancel)

    counter.tell(reports.Doubtful(first, "503"))
    counter.pass_ms(400)

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "OrderUnknown"]
    assert counter.number(order_id, commands.Cancel) > first


def test_an_accepted_order_that_the_venue_forgets_ends_as_canceled(counter):
    order_id = counter.resting()
    counter.venues["binance_usdm"].is_mute = True
    counter.cancel(order_id)

    pass_denied(counter, order_id, 25_000)

    assert counter.life(order_id)[-1] == "OrderCanceled"
    assert "OrderUnknown" in counter.life(order_id)


def test_a_duplicate_id_is_asked_about(counter):
    order_id = counter.intent()

    counter.tell(reports.Refused(counter.number(order_id), RefusalKind.DUPLICATE, "-2010", "duplicate"))
    counter.pass_ms(50)

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown"]
    assert counter.venues["binance_usdm"].took(commands.AskOrder)


@pytest.mark.parametrize("stage", ["approved", "sent"])
def test_a_restart_turns_what_is_open_into_unknown_and_asks(counter, stage):
    counter.is_durable = stage == "sent"
    order_id = counter.intent()
    assert counter.life(order_id) == ([] if stage == "approved" else ["OrderSent"])

    counter.is_durable = True
    counter.restart()
    counter.pass_ms(300)

    assert counter.life(order_id)[-1] == "OrderUnknown"
    assert [one.client_order_id for one in counter.venues["binance_usdm"].took(commands.AskOrder)] == [
        order_id
    ]
    assert len(counter.venues["binance_usdm"].took(commands.Place)) == (0 if stage == "approved" else 1)


def test_a_wish_to_cancel_outlives_a_restart(counter):
    order_id = counter.resting()
    counter.cancel(order_id)
    before = len(counter.venues["binance_usdm"].took(commands.Cancel))

    counter.restart()
    counter.pass_ms(200)

    assert len(counter.venues["binance_usdm"].took(commands.Cancel)) > before


def test_a_request_that_nobody_answers_is_in_doubt_after_a_while(counter):
    counter.venues["binance_usdm"].is_mute = True
    order_id = counter.intent()

    counter.pass_ms(31_000, 500)

    assert "OrderUnknown" in counter.life(order_id)


def test_a_fill_of_an_order_in_doubt_ends_the_doubt_but_not_the_order(doubtful):
    counter, order_id = doubtful

    counter.tell(reports.Filled(counter.fill(order_id, 2)))
    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.PARTIALLY_FILLED, 2)))

    assert counter.life(order_id) == ["OrderSent", "OrderUnknown", "Fill"]
    assert order_id in counter.execution.desks["binance_usdm"].state.orders.live
