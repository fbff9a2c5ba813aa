"""A tick or lot that changes: fills are booked right, the market is held, and nothing ends (I-16)."""

import pytest

from services.broker.core import BrokerCore
from services.gateway.view import GatewayView
from services.risk.core import RiskCore
from shared.double_entry import has_same_units
from shared.messages import control, guards, orders
from shared.units import Side

FINER = {"tick_size": "0.01", "tick_lot_atoms": 1_000}


def change_rules(bench, **changes):
    bench.say("market_data.io", bench.rules(**changes))


def scopes(bench):
    return [(said.symbol, said.state, said.reasons) for said in bench.said(guards.ScopedState)]


@pytest.mark.req("I-16")
def test_rules_that_change_before_the_first_fill_are_those_it_is_booked_at(bench):
    # Given rules said twice, the tick a tenth in the second ones
    change_rules(bench, **FINER)
    bench.book(bids=((6_000_000, 10),), asks=((6_000_100, 10),))

    # When five lots are bought
    bench.fill_position(Side.BUY, 5)

    # Then they cost 5 * 6,000,100 * 1000 atoms, and the books sum to zero
    ledger = bench.risk.known.ledger
    assert ledger.by_symbol[bench.PERP].cost_atoms == 5 * 6_000_100 * 1_000
    assert ledger.terms[bench.PERP].tick_lot_atoms == 1_000
    assert not scopes(bench)


@pytest.mark.req("I-16", "RK-22")
def test_rules_that_change_under_a_position_halt_their_market_alone(bench):
    # Given a position and an order that rests
    bench.fill_position(Side.BUY, 5)
    order_id = bench.resting(Side.BUY, 599_000, 3)
    cost_atoms = bench.risk.known.ledger.by_symbol[bench.PERP].cost_atoms
    profit_money = bench.risk.known.pnl_money()

    # When the venue has a tick of a tenth, and a book in it
    change_rules(bench, **FINER)
    bench.book(bids=((6_000_000, 10),), asks=((6_000_100, 10),))
    bench.pass_ms(1_000)

    # Then nothing new is allowed there, not even what looks like an exit; other markets go on
    symbol, state, reasons = scopes(bench)[-1]
    assert (symbol, state) == (bench.PERP, "halted")
    assert reasons[0].startswith(f"rules_changed: tick and lot of {bench.PERP} changed from 0.1 and 0.001")
    assert bench.verdict(Side.BUY, 6_000_000, 1).code == "rules_changed"
    assert bench.verdict(Side.SELL, 6_000_000, 5, is_reduce_only=True).code == "rules_changed"
    assert isinstance(bench.verdict(symbol=bench.SPOT), orders.OrderApproved)
    # and the position, its cost and its profit stay what they were; the order has left
    assert bench.risk.known.ledger.by_symbol[bench.PERP].cost_atoms == cost_atoms
    assert bench.risk.known.pnl_money() == profit_money
    assert bench.story(order_id)[-1] == "OrderCanceled"


@pytest.mark.req("I-16")
def test_changed_rules_are_held_over_a_restart_and_no_resume_ends_them(bench):
    bench.fill_position(Side.BUY, 5)
    change_rules(bench, **FINER)
    bench.book(bids=((6_000_000, 10),), asks=((6_000_100, 10),))

    # When all of it starts again, from a snapshot and from the log, and a person resumes everything
    copy, broker, view = RiskCore(), BrokerCore(), GatewayView()
    copy.restore(bench.risk.snapshot())
    broker.restore(bench.broker.snapshot())
    bench.say("operator", control.ResumeRequested("", "me", "looked"))

    # Then each is where it was
    assert copy.known.markets[bench.PERP].other_rules is not None
    assert broker.known.markets[bench.PERP].is_frozen
    assert bench.replayed(RiskCore()).digest() == bench.risk.digest()
    assert bench.replayed(BrokerCore()).digest() == bench.broker.digest()
    assert bench.verdict(Side.SELL, 6_000_000, 5, is_reduce_only=True).code == "rules_changed"
    # and people see the position in the lots that it is counted in
    bench.replayed(view)
    assert view.rules[bench.PERP].tick_size == "0.1"
    assert not view.books[bench.PERP].is_valid
    again = GatewayView()
    again.restore(view.snapshot())
    assert again.frozen == {bench.PERP}


@pytest.mark.req("I-16")
def test_the_former_rules_end_the_hold(bench):
    bench.fill_position(Side.BUY, 5)
    change_rules(bench, **FINER)
    change_rules(bench)
    bench.book()

    assert scopes(bench)[-1] == (bench.PERP, "active", [])
    bench.pass_ms(100)
    assert isinstance(bench.verdict(Side.SELL, 600_010, 5), orders.OrderApproved)
    assert not bench.broker.known.markets[bench.PERP].is_frozen


@pytest.mark.req("I-16", "I-06")
def test_the_fill_of_an_order_of_before_is_booked_at_its_own_scale(bench):
    # Given an order without a fill while the tick changes
    bench.mesh.hosts.pop("broker")
    order_id = bench.intent(Side.BUY, 600_000, 5)
    bench.say("broker.io", orders.OrderSent(order_id, "mm", bench.PERP, Side.BUY, 600_000, 5))
    change_rules(bench, **FINER)

    # When it is filled
    fill = orders.Fill(
        order_id, "mm", bench.PERP, "t1", Side.BUY, 600_000, 5, 5, 0, 0, "USDT", is_maker=True, ts_venue_ns=0
    )
    bench.say("broker.io", fill)

    # Then its ticks are the former ones
    assert bench.risk.known.ledger.by_symbol[bench.PERP].cost_atoms == 5 * 600_000 * 10_000
    assert scopes(bench)[-1][1] == "halted"


def test_a_resume_takes_the_new_rules_once_nothing_is_counted_in_the_former_ones(bench):
    bench.mesh.hosts.pop("broker")
    order_id = bench.intent(Side.BUY, 600_000, 5)
    change_rules(bench, **FINER)
    bench.say("broker.io", orders.NotSent(order_id, "mm", bench.PERP, "ttl", ""))

    bench.say("operator", control.ResumeRequested("", "me", "the order is gone"))

    assert bench.risk.known.markets[bench.PERP].rules.tick_size == "0.01"
    assert scopes(bench)[-1] == (bench.PERP, "active", [])


def test_units_are_the_same_as_long_as_tick_lot_and_assets_are(bench):
    assert has_same_units(bench.rules(), bench.rules(tick_size="0.10", maker_fee_ppm=1))
    # A finer tick with a coarser lot gives the same atoms and is another unit all the same.
    assert not has_same_units(bench.rules(), bench.rules(tick_size="0.01", lot_size="0.01"))
