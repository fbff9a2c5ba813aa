"""What a key may do, on the venues that tell."""

import asyncio
from typing import Any

import pytest

from services.ccxt_venue.offline import Offline
from services.ccxt_venue.rights import rights_of
from shared.venues.registry import ENTRIES


@pytest.mark.parametrize(
    ("name", "call", "answer", "rights"),
    [
        (
            "okx",
            "private_get_account_config",
            {"data": [{"perm": "read_only,trade", "ip": "1"}]},
            (True, False),
        ),
        (
            "bybit",
            "private_get_v5_user_query_api",
            {"result": {"readOnly": 0, "permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}}},
            (True, True),
        ),
        ("kucoin", "private_get_user_api_key", {"data": {"permission": "General, Spot"}}, (True, False)),
        (
            "ccxt_binance",
            "sapi_get_account_apirestrictions",
            {"enableSpotAndMarginTrading": True, "enableWithdrawals": True},
            (True, True),
        ),
    ],
)
def test_the_rights_of_a_key_are_told_where_the_venue_tells_them(name, call, answer, rights) -> None:
    exchange = Offline(ENTRIES[name], "spot").exchange

    async def answered() -> Any:
        return answer

    setattr(exchange, call, answered)
    told = asyncio.run(rights_of(exchange, 1))

    assert (told.can_trade, told.can_withdraw) == rights


def test_a_venue_that_does_not_tell_is_no_guess() -> None:
    assert asyncio.run(rights_of(Offline(ENTRIES["gate"], "spot").exchange, 1)) is None
