"""A market is followed until anything goes wrong, and that is said once."""

import asyncio
import json

import pytest

BOOK = {"instType": "SPOT", "channel": "books", "instId": "EOSUSDT"}


def depth(action, bids, asks) -> str:
    data = {"bids": bids, "asks": asks, "ts": "1700000000000"}
    return json.dumps({"action": action, "arg": BOOK, "data": [data]})


async def opened(replay):
    feed = replay("bitget", "EOSUSDT", "EOS/USDT", lambda _: {})
    await feed.settle()
    await feed.feed(depth("snapshot", [["2.1", "5"]], [["2.2", "6"]]))
    return feed


@pytest.mark.req("MD-26")
def test_the_first_book_opens_a_market_and_changes_follow(replay) -> None:
    async def run() -> None:
        feed = await opened(replay)
        await feed.feed(depth("update", [["2.1", "0"], ["2.15", "1"]], []))

        assert feed.is_up
        assert [(one["n"], one["b"], one["a"]) for one in feed.frames("book")] == [
            (2, [["2.15", "1"], ["2.1", "0"]], [])
        ]
        await feed.follower.close()
        assert feed.downs == []

    asyncio.run(run())


@pytest.mark.req("MD-3")
def test_a_book_that_the_venue_repeats_is_said_to_live_once_a_second(replay) -> None:
    async def run() -> None:
        feed = await opened(replay)
        for _ in range(3):
            await feed.feed(depth("update", [["2.1", "5"]], []))
        assert [(one["n"], one["b"], one["a"], one["t"]) for one in feed.frames("book")] == [(2, [], [], 0)]

        feed.follower._said_s -= 2
        await feed.feed(depth("update", [["2.1", "5"]], []))
        assert [one["n"] for one in feed.frames("book")] == [2, 3]
        await feed.follower.close()

    asyncio.run(run())


@pytest.mark.req("MD-26")
def test_a_crossed_book_ends_the_market_once(replay) -> None:
    async def run() -> None:
        feed = await opened(replay)
        await feed.feed(depth("update", [["2.3", "1"]], []))
        await feed.feed(depth("update", [["2.4", "1"]], []))

        assert [reason.partition(":")[0] for reason in feed.downs] == ["ValueError"]
        assert "crossed" in feed.downs[0]

    asyncio.run(run())


@pytest.mark.req("MD-26")
def test_an_error_of_ccxt_ends_the_market_even_when_closing_fails_too(replay) -> None:
    async def run() -> None:
        feed = await opened(replay)

        async def broken() -> None:
            raise RuntimeError("already closed")

        feed.exchange.close = broken
        for client in list(feed.exchange.clients.values()):
            client.reject(ConnectionError("gone"))
        await feed.settle()

        assert feed.downs == ["ConnectionError: gone"]

    asyncio.run(run())
