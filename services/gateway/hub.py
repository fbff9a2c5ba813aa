"""WebSocket clients: each has a bounded queue; one that does not keep up is dropped, nobody waits for it."""

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

from services.gateway.answers import book_of, event_of, fill_of, order_of
from services.gateway.overview import Pulse, Trades, trades_of
from services.gateway.records import event_record
from services.gateway.view import QUIET, GatewayView
from shared.messages import Event, market, orders

CHANNELS = ("events", "orders", "fills", "book", "trades", "status")
_OF_MARKETS = frozenset({"book", "trades"})
BOOK_INTERVAL_S = 0.1
BOOK_DEPTH = 20
DROPPED = 1013


class Client:
    """One connected client: what it wants, and what waits for it.

    `markets` are those whose books and trades it wants, `symbols` those of all else; none means all.
    """

    def __init__(self, queue_max: int) -> None:
        self.channels: frozenset[str] = frozenset()
        self.symbols: frozenset[str] = frozenset()
        self.markets: frozenset[str] = frozenset()
        self.is_dropped = False
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(queue_max)

    def wants(self, channel: str, symbol: str) -> bool:
        """Return whether a message belongs to what the client subscribed."""
        wanted = self.markets if channel in _OF_MARKETS else self.symbols
        return channel in self.channels and (not wanted or not symbol or symbol in wanted)

    def offer(self, text: str) -> None:
        """Queue a message; a client whose queue is full is dropped, and what waited with it."""
        if self.is_dropped:
            return
        if self._queue.full():
            self.is_dropped = True
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
        else:
            self._queue.put_nowait(text)

    async def next(self) -> str | None:
        """Return the next message, None once the client is dropped."""
        return await self._queue.get()


class Hub:
    """All clients. `seen` and `push_books` are called in the loop of the process and never wait."""

    def __init__(self, view: GatewayView, clients_max: int, queue_max: int) -> None:
        self._view = view
        self._clients_max = clients_max
        self._queue_max = queue_max
        self._changed: set[str] = set()
        self._traded: dict[str, int] = {}
        self.clients: set[Client] = set()

    def join(self) -> Client | None:
        """Return a new client, None when there are as many as allowed."""
        if len(self.clients) >= self._clients_max:
            return None
        client = Client(self._queue_max)
        self.clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)

    def seen(self, event: Event) -> None:
        """Push an applied event to those who want it."""
        if not self.clients:
            return
        message = event.message
        kind = type(message)
        if kind in {market.BookUpdate, market.BookSnapshot, market.BookInvalid}:
            self._changed.add(message.symbol)
        elif kind is market.Trade:
            self._traded.setdefault(message.symbol, event.header.seq)
        if kind in QUIET:
            return
        symbol = getattr(message, "symbol", "")
        self._push("events", symbol, lambda: event_of(event_record(event)))
        order_id = getattr(message, "client_order_id", "")
        record = self._view.live.get(order_id) or self._view.finished.get(order_id)
        if record is not None:
            self._push("orders", symbol, lambda: order_of(record, self._view.rules.get(symbol)))
        if kind is orders.Fill:
            self._push("fills", symbol, lambda: fill_of(self._view.fills[-1], self._view.rules.get(symbol)))

    def push_books(self) -> None:
        """Push every book that changed since the last call, and the trades since: ten times a second."""
        changed, self._changed = self._changed, set()
        for symbol in sorted(changed):
            self._push("book", symbol, lambda symbol=symbol: book_of(symbol, BOOK_DEPTH, self._view))  # type: ignore[misc]

        traded, self._traded = self._traded, {}
        for symbol, from_seq in sorted(traded.items()):
            self._push("trades", symbol, functools.partial(self._trades_since, symbol, from_seq))

    def _trades_since(self, symbol: str, from_seq: int) -> Trades:
        kept = self._view.history.trades.get(symbol, ())
        new = [trade for trade in kept if trade.seq >= from_seq]
        return trades_of(symbol, new, self._view.rules.get(symbol))

    def push_status(self, make: Callable[[], Pulse]) -> None:
        """Push the state of the mesh: each second, so that a client knows that it is still told."""
        self._push("status", "", make)

    def _push(self, channel: str, symbol: str, make: Callable[[], Any]) -> None:
        takers = [client for client in self.clients if client.wants(channel, symbol)]
        if not takers:
            return
        data = make()
        if data is None:
            return
        text = frame(channel, data.model_dump(mode="json"))
        for client in takers:
            client.offer(text)


def frame(channel: str, data: Any) -> str:
    """Return the text of one pushed message."""
    return json.dumps({"channel": channel, "data": data}, separators=(",", ":"))
