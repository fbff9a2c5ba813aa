"""Accounts and their money."""

import pytest

from services.venue_sim.build import make_venue
from services.venue_sim.exchange.accounts import Position, make_account
from services.venue_sim.settings import AccountSettings, BalanceSettings, VenueSimSettings
from shared.errors import ConfigError

E18 = 10**18


def test_money_of_the_settings_that_is_no_number_is_a_clear_error():
    for amount in ("much", "-1", "1e99", "NaN"):
        account = AccountSettings(spot=(BalanceSettings(asset="USDT", amount=amount),))
        with pytest.raises(ConfigError, match=f"sim has '{amount}' USDT"):
            make_venue(VenueSimSettings(accounts=(account,)))


def test_money_moves_between_free_and_locked_and_never_below_zero():
    account = make_account(AccountSettings(spot=(BalanceSettings(asset="USDT", amount="10"),)))

    account.lock("USDT", 4 * E18)
    account.spend_locked("USDT", E18)
    account.add("USDT", -6 * E18)

    assert account.spot["USDT"] == [0, 3 * E18]
    with pytest.raises(AssertionError, match="locked USDT would be -1e-18"):
        account.spend_locked("USDT", 3 * E18 + 1)
    with pytest.raises(AssertionError, match="free USDT would be -1e-18"):
        account.add("USDT", -1)


def test_a_market_that_was_never_used_has_an_empty_position():
    account = make_account(AccountSettings())

    assert account.position("BTCUSDT", "BOTH") == Position()
    assert account.usdm("BTCUSDT").leverage == 20
