"""Money and positions that nothing of ours explains: believed late, adopted once (I-18, I-19)."""

import pytest

from shared.execution import reports
from shared.execution.reports import Balance, VenuePosition
from shared.messages import control, orders, system, venue
from shared.units import Side


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


def test_a_position_held_before_the_first_start_is_adopted_before_anything_is_sent(make_counter):
    def prepare(venues):
        venues["binance_usdm"].positions = [VenuePosition(make_counter.PERP, -2, "60000")]

    counter = make_counter(prepare=prepare)
    counter.pass_ms(4000)

    fills = counter.said(orders.Fill)
    assert [(one.strategy, one.side, one.qty_lots) for one in fills] == [("external", Side.SELL, 2)]
    assert counter.PERP in counter.risk.known.mood.quarantine
    assert [one.difference_count for one in counter.said(system.Reconciled)] == [0]


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
