"""What both desks share."""

import pytest

from services.venue_sim.exchange.floor import EVENTS_MAX, Floor
from services.venue_sim.exchange.ledger import Ledger
from services.venue_sim.exchange.records import BalanceMoved
from services.venue_sim.refusal import VenueRefusal


def test_ids_rise_over_a_state_that_is_older_than_the_start():
    old, young = Floor(Ledger(10), 1_000), Floor(Ledger(10), 2_000)
    old_id = old.next_order_id()
    young.load([[], numbers_of(old.ids), old.ledger.dump()])

    assert old_id == 1_000_001
    assert young.next_order_id() == 2_000_001


def numbers_of(ids):
    return [getattr(ids, name) for name in ids.__struct_fields__]


def test_events_nobody_takes_are_bounded():
    floor = Floor(Ledger(10), 1_000)
    event = BalanceMoved(venue="binance", time_ms=1, asset="USDT", delta=1)
    for _ in range(EVENTS_MAX + 5):
        floor.say("a", event)

    assert len(floor.events()) == EVENTS_MAX
    assert floor.events() == []


def test_an_unknown_account_is_refused_as_a_wrong_key():
    with pytest.raises(VenueRefusal, match="-2015") as caught:
        Floor(Ledger(10), 1).account("nobody")
    assert caught.value.status == 401
