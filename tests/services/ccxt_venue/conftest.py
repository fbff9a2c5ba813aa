"""An exchange of ccxt without a network whose WebSocket frames and REST answers come from a test."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from ccxt.async_support.base.ws.client import Client

from services.ccxt_venue.follower import Follower
from services.ccxt_venue.levels import TradeTexts
from services.ccxt_venue.offline import Offline, market_of
from shared.venues.registry import ENTRIES, kind_of
from shared.venues.remote_words import FeedDown, FeedFrame, FeedUp


class QuietClient(Client):
    """ccxt's own connection object with nothing behind it."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.connection = True
        self.connected.resolve(self.url)

    def connect(self, *_: Any) -> Any:
        return self.connected

    async def send(self, _: Any) -> None:
        return None

    async def close(self, *_: Any) -> None:
        return None

    def closed(self) -> bool:
        return False


class _Session:
    async def close(self) -> None:
        return None


class Replay:
    """One market of one venue; `feed` gives ccxt a frame, `said` holds what the follower said."""

    def __init__(self, name: str, market_id: str, symbol: str, respond) -> None:
        base, quote = symbol.partition(":")[0].split("/")
        self.symbol = symbol
        self.offline = Offline(ENTRIES[name], kind_of(symbol))
        self.exchange = self.offline.exchange
        market = market_of(self.exchange, kind_of(symbol)) | {
            "id": market_id,
            "lowercaseId": market_id.lower(),
            "symbol": symbol,
            "base": base,
            "quote": quote,
            "baseId": base,
            "quoteId": quote,
            "contractSize": 1.0 if ":" in symbol else None,
            "info": {"wsname": market_id},
        }
        self.exchange.set_markets([market], {c: {"id": c, "code": c} for c in (base, quote)})
        self.exchange.kept_session = _Session()
        self.exchange.asyncio_loop = asyncio.get_running_loop()
        self.exchange.open = lambda *_: None
        self.exchange.client = self._client
        self.said: list[Any] = []

        async def fetch(url: str, *_: Any, **__: Any) -> Any:
            return respond(url)

        self.exchange.fetch = fetch
        self.follower = Follower(
            "c", self.exchange, symbol, TradeTexts(symbol, Decimal(1), 1), self.said.append
        )

    def _client(self, url: str) -> QuietClient:
        exchange = self.exchange
        exchange.clients = exchange.clients or {}
        if url not in exchange.clients:
            hooks = (exchange.handle_message, exchange.on_error, exchange.on_close, exchange.on_connected)
            exchange.clients[url] = QuietClient(url, *hooks, {})
        return exchange.clients[url]

    async def settle(self) -> None:
        for _ in range(12):
            await asyncio.sleep(0)

    async def feed(self, text: str) -> None:
        for client in list((self.exchange.clients or {}).values()):
            client.handle_text_or_binary_message(text)
        await self.settle()

    @property
    def downs(self) -> list[str]:
        return [word.reason for word in self.said if isinstance(word, FeedDown)]

    @property
    def is_up(self) -> bool:
        return any(isinstance(word, FeedUp) for word in self.said) and not self.downs

    def frames(self, kind: str) -> list[dict[str, Any]]:
        decoded = [json.loads(word.frame) for word in self.said if isinstance(word, FeedFrame)]
        return [one["data"] for one in decoded if one["stream"] == f"{self.symbol}@{kind}"]

    def best(self, count: int) -> tuple[list, list]:
        """Return the best levels of each side as the follower would say them."""
        book = json.loads(self.follower.book.whole())
        sides = [{Decimal(p): Decimal(q) for p, q in book[side]} for side in "ba"]
        return sorted(sides[0].items(), reverse=True)[:count], sorted(sides[1].items())[:count]


@pytest.fixture
def replay():
    """Return the class that replays frames at ccxt."""
    return Replay
