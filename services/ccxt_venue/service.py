"""What the child does for its parent: rules, feeds and, with a key, orders of one venue."""

import asyncio
import time
from collections.abc import Coroutine
from types import MappingProxyType
from typing import Any

import ccxt
import msgspec

from services.ccxt_venue.errors import reason_of
from services.ccxt_venue.exchanges import make_exchange
from services.ccxt_venue.follower import Follower, Say, close_exchange
from services.ccxt_venue.levels import BookTexts, TradeTexts
from services.ccxt_venue.markets import contract_of, listed
from services.ccxt_venue.trading import Trader
from shared.errors import ConfigError
from shared.venues.remote import ListedMarket
from shared.venues.remote_words import (
    Carry,
    CloseFeed,
    FeedDown,
    Get,
    Got,
    OpenFeed,
    Ready,
    Setup,
    ToChild,
)

MARKETS_FRESH_S = 60.0
OK, UNLISTED, TOO_MANY, NOT_YET, NO_ANSWER = 200, 404, 429, 503, 0


class VenueService:
    """One venue. `take` never waits: what takes time is a task, which answers also when it fails."""

    def __init__(self, setup: Setup, say: Say) -> None:
        self._setup = setup
        self._say = say
        self._exchange = make_exchange(setup)  # for markets and orders; feeds have their own
        self._trader = Trader(setup, self._exchange, say) if setup.key else None
        self._feeds: dict[str, Follower] = {}
        self._wanted: set[str] = set()
        self._trades: dict[str, TradeTexts] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loading = asyncio.Lock()
        self._loaded_s = 0.0

    async def start(self) -> None:
        """Say that the code is loaded; with a key, begin to trade once the markets are known."""
        self._say(Ready(ccxt.__version__))
        if self._trader is not None:
            self._begin(self._trader.start())

    async def close(self) -> None:
        """Drop everything."""
        for task in self._tasks:
            task.cancel()
        for feed in list(self._feeds.values()):
            await feed.close()
        if self._trader is not None:
            self._trader.stop()
        await close_exchange(self._exchange)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def take(self, word: ToChild) -> None:
        """Take one word of the parent."""
        if isinstance(word, OpenFeed):
            self._wanted.add(word.connection)
            self._begin(self._open(word))
        elif isinstance(word, CloseFeed):
            self._wanted.discard(word.connection)
            self._begin(self._close_feed(word.connection))
        elif isinstance(word, Get):
            self._begin(self._answer(word))
        elif isinstance(word, Carry):
            if self._trader is None:
                raise ConfigError("an order came to a child that has no key")
            self._begin(self._trader.carry_out(word.command))
        else:
            raise ConfigError("a second Setup came")

    # ---- feeds

    async def _open(self, word: OpenFeed) -> None:
        await self._close_feed(word.connection)
        exchange = None
        try:
            await self._load()
            exchange = make_exchange(self._setup)
            exchange.set_markets_from_exchange(self._exchange)
            if word.connection not in self._wanted:
                await close_exchange(exchange)
                return
            contract = contract_of(exchange.markets[word.symbol])
            if word.symbol not in self._trades:
                # Microseconds since 1970: above every number that an earlier child gave.
                self._trades[word.symbol] = TradeTexts(word.symbol, contract, time.time_ns() // 1000)
            trades = self._trades[word.symbol]
            self._feeds[word.connection] = Follower(word.connection, exchange, word.symbol, trades, self._say)
        except Exception as error:  # noqa: BLE001  the parent tries again, whatever it was
            self._say(FeedDown(word.connection, reason_of(error)))
            if exchange is not None:
                await close_exchange(exchange)

    async def _close_feed(self, connection: str) -> None:
        feed = self._feeds.pop(connection, None)
        if feed is not None:
            await feed.close()

    # ---- answers

    async def _answer(self, word: Get) -> None:
        kind, _, symbol = word.target.partition("/")
        try:
            status, body = await self._ANSWERS[kind](self, symbol)
        except ccxt.RateLimitExceeded as error:
            status, body = TOO_MANY, reason_of(error).encode()
        except Exception as error:  # noqa: BLE001  the parent asks again
            status, body = NO_ANSWER, reason_of(error).encode()
        self._say(Got(word.request_id, status, body))

    async def _rules(self, symbol: str) -> tuple[int, bytes]:
        await self._load()
        market: ListedMarket | None = listed(self._exchange, symbol)
        if market is None:
            return UNLISTED, b"no such market"
        return OK, msgspec.json.encode([market])

    async def _quote(self, symbol: str) -> tuple[int, bytes]:
        """Return a book that belongs to no feed, for who only wants a price."""
        await self._load()
        if symbol not in self._exchange.markets:
            return UNLISTED, b"no such market"
        book = BookTexts(symbol, contract_of(self._exchange.markets[symbol]))
        book.take(await self._exchange.fetch_order_book(symbol))
        return OK, book.whole()

    async def _book(self, symbol: str) -> tuple[int, bytes]:
        for feed in self._feeds.values():
            if feed.symbol == symbol and feed.is_up:
                return OK, feed.book.whole()
        return NOT_YET, b"no book yet"

    async def _load(self) -> None:
        """Read the markets, once for all who ask within a minute."""
        async with self._loading:
            loop = asyncio.get_running_loop()
            if not self._loaded_s or loop.time() - self._loaded_s > MARKETS_FRESH_S:
                await self._exchange.load_markets(bool(self._loaded_s))
                self._loaded_s = loop.time()

    _ANSWERS = MappingProxyType({"rules": _rules, "book": _book, "quote": _quote})
