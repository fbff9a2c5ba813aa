"""What the broker knows of orders at venues: wishes, halts, and the way from the first start on."""

from services.broker.core import BrokerCore
from services.broker.instructions import CancelOrder, SendOrder, StartTrading
from services.broker.live_knowledge import LiveKnowledge
from services.broker.live_order import LiveOrder
from services.broker.settings import BrokerSettings
from shared.messages import Event, Header, control, orders, system
from shared.messages.venue import OrderAdopted, VenueDifference
from shared.settings import pack
from shared.units import Side


def feed(core, *messages, source="strategy/mm", run=1):
    """Apply messages and return what the core says and wishes."""
    said = []
    for message in messages:
        seq = core.seq = getattr(core, "seq", 0) + 1
        said += core.apply(Event(Header(seq, seq * 10**9, seq * 10**9, 7, source, run, seq, 0), message))
    return said


def started(core, settings, run=1):
    message = system.ServiceStarted("broker", run, "b", pack(settings), ["broker", "broker.io"])
    return feed(core, message, source="bus")


def test_a_paper_core_begins_to_trade_with_the_first_start_that_says_so(make_bench):

    core = BrokerCore()
    feed(core, make_bench.rules(make_bench.PERP), source="market_data.io")
    feed(core, orders.OrderIntent("7-mm-b0-1", "mm", make_bench.PERP, Side.BUY, 600_000, 5, slot="b0"))

    said = started(core, BrokerSettings(mode="testnet"))

    assert said == [StartTrading(1)]
    assert isinstance(core.known, LiveKnowledge)
    assert core.known.place(make_bench.PERP).rules is not None
    assert isinstance(core.known.order("7-mm-b0-1"), LiveOrder)


def test_the_same_run_again_is_no_restart(counter):
    order_id = counter.intent()

    counter.say("bus", system.ServiceStarted("broker", 1, "bench", counter.sections["broker"], []))

    assert counter.life(order_id) == ["OrderSent"]


def test_a_wish_is_made_once(counter):
    order_id = counter.resting()
    core = counter.broker.live

    header = Header(10**6, counter.mesh.now_ns, counter.mesh.now_ns, 7, "strategy/mm", 1, 1, 0)
    first = core.apply(Event(header, orders.CancelIntent(order_id, "mm", counter.PERP, "moved")))
    second = core.apply(Event(header, orders.CancelIntent(order_id, "mm", counter.PERP, "again")))

    assert first == [CancelOrder(order_id, counter.PERP, "moved")]
    assert second == []


def test_an_approval_is_sent_once(counter):
    counter.is_durable = False
    order_id = counter.intent()
    approval = counter.said(orders.OrderApproved, order_id=order_id)[0]
    header = Header(10**6, counter.mesh.now_ns, counter.mesh.now_ns, 7, "risk", 1, 1, 0)

    assert SendOrder(order_id) not in counter.broker.live.apply(Event(header, approval))


def test_a_halt_withdraws_our_orders_and_leaves_those_of_others(counter):
    order_id = counter.resting()
    adopted = OrderAdopted("web_1", "external", counter.PERP, "991", Side.SELL, 600_500, 4, 0)

    counter.say("broker.io", adopted)
    counter.say("broker.io", VenueDifference(counter.PERP, "overfill", order_id, "5", "7", "booked", True))

    wanted = {name: order.cancel_reason for name, order in counter.broker.known.orders.items()}
    assert wanted == {order_id: "halted", "web_1": ""}


def test_a_report_that_cannot_follow_halts_its_market_and_changes_nothing_else(counter):
    order_id = counter.resting()

    counter.say("broker.io", orders.OrderRejected(order_id, "mm", counter.PERP, "-2010", "late"))

    assert counter.PERP in counter.broker.known.halted
    assert counter.broker.known.order(order_id).state == "accepted"


def test_a_resume_of_everything_with_a_reason_ends_a_halt(counter):
    counter.say("broker.io", VenueDifference(counter.PERP, "position", "", "0", "3", "booked", True))

    counter.say("operator", control.ResumeRequested("mm", "me", "one strategy"))
    assert counter.broker.known.halted
    counter.say("operator", control.ResumeRequested("", "me", " "))
    assert counter.broker.known.halted
    counter.say("operator", control.ResumeRequested("", "me", "mine"))

    assert not counter.broker.known.halted
