"""API keys of the simulator."""

from services.venue_sim.build import make_venue
from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import VenueSimSettings


def test_keys_made_from_the_seed_are_the_same_in_each_life():
    settings = VenueSimSettings(seed=9)
    [key] = keys_of(settings)

    assert keys_of(settings) == [key]
    assert make_venue(settings).exchange.account_of_key(key.api_key) == key
    assert keys_of(VenueSimSettings(seed=10))[0].secret != key.secret
    assert not key.can_withdraw
