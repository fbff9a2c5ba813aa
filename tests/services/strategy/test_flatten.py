"""The next step of an instance that closes its position because a person asked for it."""

import pytest

from services.strategy.flatten import SLOT, Closing, next_step
from services.strategy.own_orders import OwnOrders
from shared.messages.orders import (
    OrderAccepted,
    OrderApproved,
    OrderIntent,
    OrderSent,
    OrderType,
    TimeInForce,
)
from shared.units import NS_PER_S, Side

PATIENCE_NS = 10 * NS_PER_S
NOW_NS = 100 * NS_PER_S


def closing(style="limit", since_ns=NOW_NS):
    return Closing(style, since_ns, PATIENCE_NS)


def resting(own, slot, *, price=600_010, market=False):
    """Let an order of an instance rest in a slot."""
    name = (f"1-one-{slot}-1", "one", "binance_usdm:BTCUSDT")
    terms = (Side.SELL, 0 if market else price, 3, OrderType.MARKET if market else OrderType.LIMIT)
    own.intend(OrderIntent(*name, *terms, TimeInForce.GTC, slot=slot), NOW_NS)
    for message in (OrderApproved(*name, *terms), OrderSent(*name, *terms), OrderAccepted(*name, "v", 0)):
        own.report(message, name[0], NOW_NS)
    return own


@pytest.mark.req("BR-28")
def test_everything_else_leaves_before_the_position_is_closed(make_stage):
    stage = make_stage().touch(600_000, 600_010).hold(3)
    own = resting(OwnOrders(), "bid1")

    step = next_step(closing(), stage.ctx, own, NOW_NS)

    assert [order.slot for order in step.cancels] == ["bid1"]
    assert step.place is None
    assert step.ended == ""


@pytest.mark.req("BR-28")
def test_with_patience_it_rests_at_its_own_touch_and_then_goes_at_the_market(make_stage):
    stage = make_stage().touch(600_000, 600_010).hold(3)

    patient = next_step(closing(), stage.ctx, OwnOrders(), NOW_NS).place
    hasty = next_step(closing(), stage.ctx, OwnOrders(), NOW_NS + PATIENCE_NS).place

    assert (patient.side, patient.price_ticks, patient.order_type) == (Side.SELL, 600_010, OrderType.LIMIT)
    assert (hasty.price_ticks, hasty.order_type, hasty.tif) == (0, OrderType.MARKET, TimeInForce.IOC)
    assert patient.is_reduce_only
    assert hasty.is_reduce_only


@pytest.mark.req("BR-28")
def test_a_resting_exit_is_withdrawn_when_the_patience_is_over(make_stage):
    stage = make_stage().touch(600_000, 600_010).hold(3)
    own = resting(OwnOrders(), SLOT)

    assert next_step(closing(), stage.ctx, own, NOW_NS).cancels == []
    late = next_step(closing(), stage.ctx, own, NOW_NS + PATIENCE_NS)
    assert [order.slot for order in late.cancels] == [SLOT]


@pytest.mark.req("BR-28")
def test_an_exit_at_the_market_is_never_doubled(make_stage):
    stage = make_stage().touch(600_000, 600_010).hold(-3)
    own = resting(OwnOrders(), SLOT, market=True)
    tried = Closing("market", NOW_NS, 0, tried_ns=NOW_NS)

    assert next_step(closing("market"), stage.ctx, own, NOW_NS).place is None
    assert next_step(tried, stage.ctx, OwnOrders(), NOW_NS + NS_PER_S - 1).place is None
    again = next_step(tried, stage.ctx, OwnOrders(), NOW_NS + NS_PER_S).place
    assert (again.side, again.qty_lots) == (Side.BUY, 3)


@pytest.mark.req("BR-28")
def test_what_is_flat_or_too_little_for_the_venue_ends_it(make_stage):
    flat = make_stage().touch(600_000, 600_010)
    dust = make_stage("binance:BTCUSDT", min_qty_lots=5).touch(600_000, 600_010).hold(3)

    assert next_step(closing(), flat.ctx, OwnOrders(), NOW_NS).ended.startswith("flat; reset the strategy")
    assert next_step(closing(), dust.ctx, OwnOrders(), NOW_NS).ended.startswith("3 lots are left")
