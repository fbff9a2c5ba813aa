"""The judgement of a seed sees what is wrong, on logs and ledgers made by hand."""

import pytest

from services.fused.live_oracle import judge
from shared.messages import orders
from shared.units import Side


def problems(log, truth):
    return judge(log.events, truth, log.witness, log.now_ns)


def cancel(log, name):
    log.say(orders.OrderCanceled(*name, 0))


@pytest.mark.req("I-04", "I-15", "I-16")
def test_a_whole_life_that_agrees_with_the_ledger_is_no_problem(log, truth):
    name = log.order("1-spa-b0-1")
    log.say(orders.OrderAccepted(*name, "77", 0))
    log.fill(name, "5", 10, 0)

    found = problems(log, truth([log.true_order(name[0], filled=10)], [log.true_fill(name[0], "5", 10)]))

    assert found == []


@pytest.mark.req("I-04")
def test_two_orders_of_a_slot_at_one_venue_instant_are_seen(log, truth):
    first, second = log.order("1-spa-b0-1"), log.order("1-spa-b0-2")
    cancel(log, first)
    cancel(log, second)

    found = problems(
        log,
        truth([
            log.true_order(first[0], created_ms=10, ended_ms=30),
            log.true_order(second[0], created_ms=29, ended_ms=40),
        ]),
    )  # fmt: skip

    assert len(found) == 1
    assert "at once (I-04)" in found[0]


@pytest.mark.req("I-05")
def test_a_create_that_leaves_again_is_seen(log, truth):
    name = log.order("1-spa-b0-1")
    log.leave(name[0])
    cancel(log, name)

    found = problems(log, truth([log.true_order(name[0])]))

    assert len(found) == 1
    assert "sent again" in found[0]


@pytest.mark.req("I-01")
def test_a_create_without_an_approval_on_disk_is_seen(log, truth):
    name = ("1-spa-b0-1", "spa", "binance:BTCUSDT")
    log.say(orders.OrderIntent(*name, Side.BUY, 6_000_000, 10, slot="b0"))

    log.leave(name[0])
    log.say(orders.OrderSent(*name, Side.BUY, 6_000_000, 10))
    cancel(log, name)

    assert any("without an approval" in one for one in problems(log, truth([])))


@pytest.mark.req("I-15")
@pytest.mark.parametrize(
    ("on_log", "at_venue", "told"),
    [((), ("5",), "is lost"), (("5", "5"), ("5",), "stands 2 times"), (("6",), (), "never happened")],
)
def test_executions_that_are_lost_doubled_or_made_up_are_seen(log, truth, on_log, at_venue, told):
    name = log.order("1-spa-b0-1")
    for trade_id in on_log:
        log.fill(name, trade_id, 5, 5)
    cancel(log, name)

    found = problems(
        log, truth([log.true_order(name[0])], [log.true_fill(name[0], one, 5) for one in at_venue])
    )

    assert any(told in one for one in found)


@pytest.mark.req("I-16")
def test_a_fee_of_the_wrong_sign_is_seen(log, truth):
    name = log.order("1-spa-b0-1")
    log.fill(name, "5", 10, 0)

    found = problems(log, truth([log.true_order(name[0])], [log.true_fill(name[0], "5", 10, fee="0.1")]))

    assert any("fee" in one for one in found)


@pytest.mark.req("I-06")
def test_an_order_that_is_open_at_the_venue_and_over_on_the_log_is_an_orphan(log, truth):
    name = log.order("1-spa-b0-1")
    log.say(orders.OrderRejected(*name, "5xx", "no answer"))

    found = problems(log, truth([log.true_order(name[0], ended_ms=0)]))

    assert any(one.startswith("orphan") for one in found)


@pytest.mark.req("I-05")
def test_a_doubt_that_nobody_ends_is_seen(log, truth):
    name = log.order("1-spa-b0-1")
    log.say(orders.OrderUnknown(*name, "timeout"))

    assert any("still unknown" in one for one in problems(log, truth([])))


@pytest.mark.req("I-22")
def test_a_create_after_the_latch_is_seen(log, truth):
    log.witness.on_latch(is_set=True)

    name = log.order("1-spa-b0-1")
    cancel(log, name)

    assert any("kill was latched" in one for one in problems(log, truth([log.true_order(name[0])])))


@pytest.mark.req("I-10")
def test_a_request_inside_a_ban_is_seen(log, truth):
    log.witness.on_refusal("binance", 418, log.now_ns + 1_000_000_000)

    log.witness.on_wire("binance", b"GET /api/v3/time ")

    assert any("ban" in one for one in problems(log, truth([])))
