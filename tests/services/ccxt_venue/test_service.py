"""What the child answers its parent: rules, books, feeds, and that it has no key."""

import asyncio
import json
from typing import Any

import ccxt
import pytest

from services.ccxt_venue import service as module
from services.ccxt_venue.offline import Offline
from services.ccxt_venue.service import VenueService
from shared.errors import ConfigError
from shared.execution.commands import AskAccount
from shared.venues.registry import ENTRIES
from shared.venues.remote_words import Carry, CloseFeed, FeedDown, Get, Got, OpenFeed, Ready, Setup


class _Session:
    async def close(self) -> None:
        return None


@pytest.fixture
def served(monkeypatch):
    """Return a function that lets a service of an offline venue take words and returns what it said."""

    def make(_: Setup) -> Any:
        exchange = Offline(ENTRIES["okx"], "spot").exchange
        exchange.kept_session = _Session()

        async def loaded(*_: Any) -> None:
            return None

        async def depth(*_: Any) -> Any:
            return {"bids": [[1.0, 2.0]], "asks": [[1.5, 2.0]], "timestamp": 5, "nonce": None}

        exchange.load_markets = loaded
        exchange.fetch_order_book = depth
        return exchange

    monkeypatch.setattr(module, "make_exchange", make)

    def run(*words, before=lambda _: None) -> list[Any]:
        async def live() -> list[Any]:
            said: list[Any] = []
            service = VenueService(Setup("okx", "live"), said.append)
            await service.start()
            before(service)
            for word in words:
                service.take(word)
            for _ in range(20):
                await asyncio.sleep(0)
            await service.close()
            return said

        return asyncio.run(live())

    return run


def test_rules_are_told_and_an_unknown_market_is_unlisted(served) -> None:
    ready, rules, unknown = served(Get(1, "rules/BTC/USDT"), Get(2, "rules/DOGE/USDT"))

    assert ready == Ready(ccxt.__version__)
    assert (rules.status, json.loads(rules.body)[0]["symbol"]) == (200, "BTC/USDT")
    assert unknown == Got(2, 404, b"no such market")


def test_a_book_needs_a_feed_and_a_quote_does_not(served) -> None:
    _, *answers = served(Get(1, "book/BTC/USDT"), Get(2, "quote/BTC/USDT"), Get(3, "quote/X/Y"))

    found = {one.request_id: one for one in answers}
    assert (found[1].status, found[3].status) == (503, 404)
    assert json.loads(found[2].body)["b"] == [["1", "2"]]


def test_what_fails_is_answered_and_a_rate_limit_is_told_as_one(served) -> None:
    def broken(service) -> None:
        errors = [ccxt.RateLimitExceeded("slow down"), ccxt.NetworkError("gone"), KeyError("bug")]

        async def load(*_: Any) -> None:
            raise errors.pop(0)

        service._exchange.load_markets = load

    _, *answers = served(
        *(Get(n, "rules/BTC/USDT") for n in (1, 2, 3)), Get(4, "odd/BTC/USDT"), before=broken
    )

    assert sorted(one.status for one in answers) == [0, 0, 0, 429]


def test_a_feed_of_an_unknown_market_goes_down_and_one_that_is_closed_at_once_says_nothing(served) -> None:
    _, down = served(OpenFeed("c", "X/Y"), OpenFeed("d", "BTC/USDT"), CloseFeed("d"))

    assert isinstance(down, FeedDown)
    assert down.connection == "c"


def test_an_order_for_a_child_without_a_key_ends_it(served) -> None:
    with pytest.raises(ConfigError, match="no key"):
        served(Carry(AskAccount(1)))
    with pytest.raises(ConfigError, match="second Setup"):
        served(Setup("okx", "live"))
