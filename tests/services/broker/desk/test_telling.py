"""The life of an order at a venue, whatever the order in which the venue tells it."""

import itertools

import pytest

from shared.execution import commands, reports
from shared.execution.reports import VenueState
from shared.messages import orders, system
from shared.units import Side


def test_a_started_broker_compares_and_says_reconciled_once(counter):
    counter.pass_ms(130_000, 500)

    assert [one.difference_count for one in counter.said(system.Reconciled)] == [0]
    assert counter.differences() == []


def test_an_approved_order_is_placed_and_accepted(counter):
    order_id = counter.intent()

    placed = counter.venues["binance_usdm"].took(commands.Place)
    assert [(one.client_order_id, one.price_ticks, one.qty_lots) for one in placed] == [
        (order_id, 600_000, 5)
    ]

    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted"]


def test_a_cancel_is_sent_and_ends_the_order(counter):
    order_id = counter.resting()

    counter.cancel(order_id)
    number = counter.number(order_id, commands.Cancel)
    counter.tell(reports.Acted(number, counter.told(order_id, VenueState.CANCELED)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "OrderCanceled"]
    assert not counter.broker.known.orders


@pytest.mark.req("BR-11")
def test_a_fill_before_the_acknowledgement_is_booked_once(counter):
    order_id = counter.intent()
    fill = counter.fill(order_id, 5)

    counter.tell(reports.Filled(fill))
    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id, VenueState.FILLED, 5)))
    counter.tell(reports.Filled(fill))

    assert counter.life(order_id) == ["OrderSent", "Fill"]
    assert counter.said(orders.Fill)[0].leaves_lots == 0


@pytest.mark.req("BR-5")
def test_all_orders_of_arrival_end_in_the_same_ledger(make_counter):
    kinds = ("ack", "fill 1", "fill 2", "partial", "canceled")
    ends = set()
    for arrival in itertools.permutations(kinds):
        counter = make_counter(symbols=(make_counter.PERP,))
        order_id = counter.intent()
        first, second = counter.fill(order_id, 2, 1), counter.fill(order_id, 1, 2)
        words = {
            "ack": reports.Acted(counter.number(order_id), counter.told(order_id)),
            "fill 1": reports.Filled(first),
            "fill 2": reports.Filled(second),
            "partial": reports.OrderChanged(counter.told(order_id, VenueState.PARTIALLY_FILLED, 2)),
            "canceled": reports.OrderChanged(counter.told(order_id, VenueState.CANCELED, 3)),
        }
        for word in arrival:
            counter.tell(words[word])
        life = counter.life(order_id)
        assert sorted(life[1:]) in (
            ["Fill", "Fill", "OrderAccepted", "OrderCanceled"],
            ["Fill", "Fill", "OrderCanceled"],
        )
        assert life[-1] == "OrderCanceled"
        row = counter.broker.known.account.rows["mm", counter.PERP]
        ends.add((row.lots, int(row.cash_atoms), int(row.fees_atoms)))
        assert counter.risk.known.exposure.count(counter.PERP) == 0
        assert not counter.risk.known.mood.quarantine

    assert len(ends) == 1


def test_an_end_waits_for_the_executions_that_it_counts(counter):
    order_id = counter.resting()

    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.FILLED, 5)))
    assert counter.life(order_id) == ["OrderSent", "OrderAccepted"]
    assert counter.risk.known.exposure.live_lots(counter.PERP, Side.BUY) == 5

    counter.venues["binance_usdm"].fills.append(counter.fill(order_id, 5))
    counter.venues["binance_usdm"].open.clear()
    counter.pass_ms(400)

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "Fill"]


def test_an_end_whose_executions_never_come_is_said_and_the_position_compared(counter):
    order_id = counter.resting()
    counter.venues["binance_usdm"].open.clear()

    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.CANCELED, 2)))
    counter.pass_ms(11_000)

    assert counter.life(order_id)[-1] == "OrderCanceled"
    assert [one.theirs for one in counter.differences("missing_fill")] == ["2 lots filled"]


def test_a_late_fill_is_booked_and_said_to_be_late(counter):
    order_id = counter.resting()
    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.CANCELED)))

    counter.tell(reports.Filled(counter.fill(order_id, 2)))

    assert counter.life(order_id)[-2:] == ["OrderCanceled", "Fill"]
    assert counter.broker.known.account.holdings_lots[counter.PERP] == 2
    assert [one.kind for one in counter.differences()] == ["external_cancel", "late_fill"]


def test_an_overfill_is_booked_and_halts_its_market(counter):
    order_id = counter.resting(lots=5)

    counter.tell(reports.Filled(counter.fill(order_id, 7)))
    refused = counter.intent(price_ticks=599_000)

    assert counter.broker.known.account.holdings_lots[counter.PERP] == 7
    assert [one.is_halted for one in counter.differences("overfill")] == [True]
    assert counter.life(refused) == [] or counter.life(refused) == ["NotSent"]
    assert len(counter.venues["binance_usdm"].took(commands.Place)) == 1


@pytest.mark.parametrize(
    "changes", [{"price_ticks": 600_001}, {"side": Side.SELL}], ids=["worse price", "wrong side"]
)
def test_an_execution_that_the_order_does_not_allow_halts_its_market(counter, changes):
    order_id = counter.resting()

    counter.tell(reports.Filled(counter.fill(order_id, 1, **changes)))

    assert [one.is_halted for one in counter.differences("bad_fill")] == [True]
    assert len(counter.said(orders.Fill)) == 1


@pytest.mark.parametrize(
    ("fee", "asset", "atoms", "rounded"),
    [
        ("0.01", "USDT", 1_000_000, 0),
        ("0.000000001", "USDT", 1, 1),
        ("-0.0000000019", "USDT", 0, 1),
        ("0.00001", "BTC", 1000, 0),
        ("0.0003", "BNB", 30_000, 0),
        ("0", "USDT", 0, 0),
    ],
)
@pytest.mark.req("BR-13")
def test_fees_are_whole_atoms_of_their_asset_rounded_against_us(counter, fee, asset, atoms, rounded):
    order_id = counter.resting()

    counter.tell(reports.Filled(counter.fill(order_id, 5, fee=fee, fee_asset=asset)))

    assert [(one.fee_atoms, one.fee_asset) for one in counter.said(orders.Fill)] == [(atoms, asset)]
    assert counter.execution.desks["binance_usdm"].state.counts["fee_rounded"] == rounded


def test_a_fee_that_is_no_number_is_booked_as_none_and_halts(counter):
    order_id = counter.resting()

    counter.tell(reports.Filled(counter.fill(order_id, 5, fee="much")))

    assert [one.fee_atoms for one in counter.said(orders.Fill)] == [0]
    assert [one.is_halted for one in counter.differences("bad_fill")] == [True]


def test_what_the_venue_ends_by_itself_expires(counter):
    order_id = counter.resting()

    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.EXPIRED, reason="ioc")))

    assert counter.life(order_id)[-1] == "OrderExpired"


def test_other_terms_at_the_venue_are_said_and_the_order_canceled(counter):
    order_id = counter.intent()

    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id, price_ticks=600_009)))
    counter.pass_ms(50)

    assert [one.kind for one in counter.differences()] == ["order_terms"]
    assert counter.venues["binance_usdm"].took(commands.Cancel)


@pytest.mark.req("BR-15")
def test_a_stop_travels_with_its_terms_and_is_said_to_be_triggered_by_its_first_fill(counter):
    order_id = counter.resting(Side.SELL, 599_000, stop_ticks=599_500)
    placed = counter.venues["binance_usdm"].took(commands.Place)[0]
    assert (placed.stop_ticks, placed.expire_ns) == (599_500, 0)

    counter.tell(reports.Filled(counter.fill(order_id, 5)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "OrderTriggered", "Fill"]


def test_a_stop_that_waits_stays_when_the_private_stream_is_lost(counter):
    stop_id = counter.resting(Side.SELL, 599_000, stop_ticks=599_500)
    quote_id = counter.resting(Side.BUY, 598_000)

    counter.tell(reports.UserStreamDown("cut"))
    counter.pass_ms(5500)

    gone = [one.client_order_id for one in counter.venues["binance_usdm"].took(commands.Cancel)]
    assert quote_id in gone
    assert stop_id not in gone
