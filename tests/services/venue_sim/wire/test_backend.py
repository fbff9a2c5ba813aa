"""The clock of a venue."""

from services.venue_sim.wire.backend import VenueClock


def test_a_venue_tells_its_own_time_and_checks_a_late_call_as_of_its_arrival():
    clock = VenueClock()
    assert (clock.time_ms(1_000), clock.arrived_ms(1_000)) == (1_000, 1_000)

    clock.skew_ms, clock.late_ms = -50, 200

    assert (clock.time_ms(1_000), clock.arrived_ms(1_000)) == (950, 750)
