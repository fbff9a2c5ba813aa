"""One broker per account on this host (I-29)."""

import pytest

from services.broker.keys import VenueKey
from services.broker.settings import VenueAccess
from services.broker.shell_account_lock import AccountLock
from shared.errors import ConfigError

KEY = VenueKey("an-api-key-of-this-test", "secret")


def access(**changes):
    return VenueAccess(**{"name": "binance", "symbols": (), "network": "own", "key": "main", **changes})


def test_a_second_broker_on_an_account_is_told_what_to_do_and_holds_nothing():
    first = AccountLock(access(rest_url="http://a"), KEY)

    with pytest.raises(ConfigError, match=r"Nothing was sent. Stop the other one") as told:
        AccountLock(access(rest_url="http://a"), KEY)
    first.close()
    AccountLock(access(rest_url="http://a"), KEY).close()

    assert KEY.fingerprint in str(told.value)
    assert "an-api-key" not in str(told.value)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (access(name="binance_usdm", rest_url="http://a"), KEY),
        (access(rest_url="http://b"), KEY),
        (access(rest_url="http://a"), VenueKey("another-api-key", "secret")),
    ],
    ids=["another market of the account", "another venue", "another key"],
)
def test_what_is_another_account_is_not_held_up(place, key):
    first = AccountLock(access(rest_url="http://a"), KEY)

    AccountLock(place, key).close()

    first.close()
