"""Follow book and trades of one market through ccxt's WebSocket loops, until anything goes wrong."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from services.ccxt_venue.dialect import dialect_of
from services.ccxt_venue.errors import reason_of
from services.ccxt_venue.levels import BookTexts, TradeTexts, frame_of
from services.ccxt_venue.markets import contract_of
from shared.venues.remote_words import FeedDown, FeedFrame, FeedUp, FromChild

Say = Callable[[FromChild], None]
ALIVE_S = 1.0
"""A book that the venue repeats without a change is said to live this often."""


class Follower:
    """One market on a connection of its own: an exchange object is never shared, so closing it is exact.

    A book that crosses, a gap that ccxt finds, a lost connection: all end in one `FeedDown`, and the parent
    opens the feed anew, which begins with a new snapshot of the venue.
    """

    def __init__(self, connection: str, exchange: Any, symbol: str, trades: TradeTexts, say: Say) -> None:
        self.connection = connection
        self.symbol = symbol
        self.book = BookTexts(symbol, contract_of(exchange.markets[symbol]))
        self.is_up = False
        self._loop = asyncio.get_running_loop()
        self._said_s = 0.0
        self._exchange = exchange
        self._trades = trades
        self._say = say
        self._tasks = [
            asyncio.create_task(self._watch(loop)) for loop in (self._follow_book, self._follow_trades)
        ]
        self._is_over = False

    async def close(self) -> None:
        """Follow no more and say nothing more."""
        self._is_over = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await close_exchange(self._exchange)

    async def _watch(self, loop: Callable[[], Any]) -> None:
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  whatever ccxt raises, this market is not followed any more
            if not self._is_over:
                self._is_over = True
                self.is_up = False
                # Said first: closing may take its time, or fail on what ccxt itself closed already.
                self._say(FeedDown(self.connection, reason_of(error)))
                with contextlib.suppress(Exception):  # whatever it is, nothing follows it
                    await self.close()

    async def _follow_book(self) -> None:
        limit = dialect_of(self._exchange.id).book_levels or None  # None: the venue's default
        while True:
            book = await self._exchange.watch_order_book(self.symbol, limit)
            payload = self.book.take(book)
            if self.book.is_crossed:
                raise ValueError(f"the book of {self.symbol} is crossed")
            if not self.is_up:
                self.is_up = True
                self._say(FeedUp(self.connection))
            elif payload is not None:
                self._frame("book", payload)
            elif self._loop.time() - self._said_s >= ALIVE_S:
                self._frame("book", self.book.alive())

    async def _follow_trades(self) -> None:
        while True:
            for payload in self._trades.take(await self._exchange.watch_trades(self.symbol)):
                if self.is_up:
                    self._frame("trade", payload)

    def _frame(self, kind: str, payload: bytes) -> None:
        self._said_s = self._loop.time()
        self._say(FeedFrame(self.connection, frame_of(f"{self.symbol}@{kind}", payload)))


async def close_exchange(exchange: Any) -> None:
    """Close sockets and session of an exchange object."""
    try:
        await exchange.close()
    finally:
        await exchange.kept_session.close()
