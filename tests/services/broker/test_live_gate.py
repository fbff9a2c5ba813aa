"""The send gate at the moment of sending (DESIGN 2, I-01..I-04, I-27, I-30)."""

import pytest

from shared.execution import commands, reports
from shared.messages import orders, system
from shared.units import Side


def code(counter, order_id):
    found = counter.said(orders.NotSent, order_id=order_id)
    return found[0].code if found else ""


def places(counter):
    return counter.venues["binance_usdm"].took(commands.Place)


@pytest.mark.req("JR-1")
def test_an_approval_waits_until_it_is_durable(counter):
    counter.is_durable = False
    order_id = counter.intent()
    assert places(counter) == []

    counter.is_durable = True
    counter.turn()

    assert counter.life(order_id) == ["OrderSent"]


def test_an_approval_that_grows_old_while_it_waits_is_stale(counter):
    counter.is_durable = False
    order_id = counter.intent()

    counter.pass_ms(600)
    counter.is_durable = True
    counter.turn()

    assert (code(counter, order_id), places(counter)) == ("stale", [])


def test_age_counts_from_the_data_behind_it(counter):
    counter.is_durable = False
    order_id = counter.intent(age_ms=400)
    counter.pass_ms(150)

    counter.is_durable = True
    counter.turn()

    assert code(counter, order_id) == "stale"


@pytest.mark.req("BR-3")
@pytest.mark.parametrize(
    ("news", "why"),
    [
        (reports.UserStreamDown("cut"), "user_stream"),
        (reports.Unreachable("no connection"), "unreachable"),
    ],
)
def test_without_a_venue_that_is_heard_nothing_leaves(counter, news, why):
    counter.is_durable = False
    order_id = counter.intent()

    counter.tell(news)
    counter.is_durable = True
    counter.turn()

    assert (code(counter, order_id), places(counter)) == (why, [])


def test_between_the_stream_and_the_comparison_nothing_leaves(counter):
    counter.is_durable = False
    order_id = counter.intent()
    counter.venues["binance_usdm"].is_mute = True

    counter.tell(reports.UserStreamDown("cut"), reports.UserStreamUp())
    counter.is_durable = True
    counter.turn()

    assert code(counter, order_id) == "unreconciled"


def test_one_live_order_per_slot(counter):
    first = counter.intent(slot="b0")
    second = counter.intent(slot="b0", price_ticks=599_990)
    other = counter.intent(slot="b0", price_ticks=599_980, strategy="zz")

    assert (code(counter, second), len(places(counter))) == ("slot", 2)
    assert counter.life(first) == counter.life(other) == ["OrderSent"]


def test_two_approvals_of_one_slot_that_become_durable_together_leave_one(counter):
    counter.is_durable = False
    first = counter.intent(slot="b0")
    second = counter.intent(slot="b0", price_ticks=599_990)

    counter.is_durable = True
    counter.turn()

    assert counter.life(first) == ["OrderSent"]
    assert code(counter, second) == "slot"


def test_several_that_leave_together_share_one_call_of_the_adapter(counter):
    counter.is_durable = False
    calls = []
    scripted = counter.venues["binance_usdm"]
    carry_out = scripted.carry_out

    def counting(asked, now_ns):
        calls.append([type(one) for one in asked])
        return carry_out(asked, now_ns)

    scripted.carry_out = counting
    for n in range(3):
        counter.intent(price_ticks=600_000 - n)

    counter.is_durable = True
    counter.turn()

    assert [commands.Place] * 3 in calls


def test_a_venue_without_an_account_takes_nothing(make_counter):
    counter = make_counter(venues=("binance",))

    order_id = counter.intent(symbol=counter.PERP)

    assert code(counter, order_id) == "no_venue"


def test_an_order_beyond_the_filters_is_held_back(counter):
    order_id = counter.intent(Side.BUY, 600_000, 5)
    assert code(counter, order_id) == ""

    counter.say("market_data.io", counter.make_rules(counter.PERP, min_qty_lots=10))
    small = counter.intent(price_ticks=599_000)

    assert code(counter, small) in ("filter", "")
    assert "OrderSent" not in counter.life(small)


def test_nothing_leaves_in_a_run_that_is_not_reconciled(counter):
    counter.venues["binance_usdm"].is_mute = True
    counter.restart()

    order_id = counter.intent()

    assert "OrderSent" not in counter.life(order_id)
    assert [one.run for one in counter.said(system.Reconciled)] == [1]


def test_what_is_approved_before_the_venues_are_reached_is_held_back_once(counter):
    counter.execution = type(counter.execution)(counter.venues.values())
    counter.mesh._run["broker"] += 1
    started = system.ServiceStarted("broker", 2, "bench", counter.sections["broker"], [])
    counter.mesh.say("bus", started)
    counter.mesh.say("broker.io", system.Reconciled(run=2))
    intent = orders.OrderIntent("7-mm-b0-9", "mm", counter.PERP, Side.BUY, 600_000, 5, slot="b0")
    counter.mesh.say("strategy/mm", intent)
    counter._events.clear()

    counter.publish(counter.execution.start(counter.broker, 2, counter.mesh.now_ns))
    counter.pass_ms(500)

    assert counter.life("7-mm-b0-9") == ["NotSent"]
    assert counter.said(orders.NotSent)[0].code == "unreachable"
    assert [one.run for one in counter.said(system.Reconciled)] == [1, 2, 2]
