"""The venue's own dead-man's switch: armed, renewed, disarmed (BR-24)."""

import pytest

from shared.execution import commands, reports
from shared.execution.reports import VenueState


@pytest.mark.req("BR-24")
def test_the_venues_switch_is_armed_renewed_and_disarmed(counter):
    venue = counter.venues["binance_usdm"]
    venue.has_countdown = True
    order_id = counter.resting()
    assert [one.countdown_ms for one in venue.took(commands.Countdown)] == [60_000]

    counter.pass_ms(16_000, 500)
    assert [one.countdown_ms for one in venue.took(commands.Countdown)] == [60_000, 60_000]

    counter.tell(reports.OrderChanged(counter.told(order_id, VenueState.CANCELED)))
    venue.open.clear()
    counter.pass_ms(16_000, 500)
    assert [one.countdown_ms for one in venue.took(commands.Countdown)] == [60_000, 60_000, 0]


@pytest.mark.req("BR-24")
def test_a_venue_without_a_switch_is_asked_once(counter):
    counter.resting()
    counter.resting(price_ticks=599_990)
    counter.pass_ms(40_000, 500)

    assert len(counter.venues["binance_usdm"].took(commands.Countdown)) == 1


def test_a_clean_stop_disarms_the_switch(counter):
    venue = counter.venues["binance_usdm"]
    venue.has_countdown = True
    counter.resting()

    counter.execution.stop(counter.mesh.now_ns)

    assert venue.took(commands.Countdown)[-1].countdown_ms == 0
    assert venue.is_stopped
