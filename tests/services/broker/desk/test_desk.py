"""The order desk of one venue: what refusals lead to, and how little finished orders leave."""

from services.broker.desk.order import DeskOrder
from shared.execution import commands, reports
from shared.execution.reports import RefusalKind
from shared.messages import Event, Header, control, orders
from shared.units import Side


def test_a_person_who_resumes_everything_ends_a_halt(counter):
    order_id = counter.resting()
    counter.tell(reports.Filled(counter.fill(order_id, 1, price_ticks=600_001)))

    counter.say("operator", control.ResumeRequested("", "me", "looked at it"))
    again = counter.intent(price_ticks=599_000)

    assert counter.life(again) == ["OrderSent"]


def test_a_certain_refusal_is_a_rejection_and_frees_the_slot(counter):
    order_id = counter.intent(slot="b0")

    refused = reports.Refused(counter.number(order_id), RefusalKind.WOULD_TAKE, "-5022", "would take")
    counter.tell(refused)
    again = counter.intent(slot="b0", price_ticks=599_990)

    assert counter.life(order_id) == ["OrderSent", "OrderRejected"]
    assert counter.life(again) == ["OrderSent"]


def test_a_refusal_before_the_first_byte_is_not_sent(counter):
    refusal = reports.Refused(0, RefusalKind.FILTER, "MIN_NOTIONAL", "too small", is_sent=False)
    counter.venues["binance_usdm"].refusals[commands.Place] = refusal

    order_id = counter.intent()

    assert counter.life(order_id) == ["NotSent"]
    assert counter.said(orders.NotSent)[0].code == "venue_filter"


def test_no_order_leaves_before_the_time_that_a_rate_limit_names(counter):
    until_ns = counter.mesh.now_ns + 2_000_000_000
    first = counter.intent()
    counter.tell(reports.Refused(counter.number(first), RefusalKind.RATE, "-1015", "slow", retry_ns=until_ns))

    early = counter.intent(price_ticks=599_000)
    counter.pass_ms(2100)
    late = counter.intent(price_ticks=599_000)

    assert (counter.life(early), counter.said(orders.NotSent)[-1].code) == (["NotSent"], "rate")
    assert counter.life(late) == ["OrderSent"]


def test_a_finished_order_leaves_little_behind(counter):
    adapter, desk = counter.venues["binance_usdm"], counter.execution.desks["binance_usdm"]
    live = counter.broker.live
    for n in range(1200):
        order = DeskOrder(
            f"7-mm-b0-{n}",
            "mm",
            counter.PERP,
            "b0",
            Side.BUY,
            600_000,
            5,
            orders.OrderType.LIMIT,
            orders.TimeInForce.GTC,
            False,
            False,
        )
        desk.send([(order, n, 0)], counter.mesh.now_ns)
        desk.take([reports.Filled(counter.fill(order.client_order_id, 5))], counter.mesh.now_ns)
        desk.take(
            [reports.Acted(adapter.took(commands.Place)[-1].request_id, counter.told(order.client_order_id))],
            0,
        )
        for fact in desk.outcome():
            live.adopt(Event(Header(n, 0, 0, 7, "broker.io", 1, n, 0), fact.message))
        adapter.asked.clear()

    state = desk.state
    assert (len(state.orders.live), len(state.orders.slots), len(state.requests)) == (0, 0, 0)
    assert len(state.orders.closed) == len(state.orders._by_venue_id) == 1000
    assert len(live.known.closed) <= 1000
