"""The private streams of an account through ccxt: order states and executions."""

import asyncio
from collections.abc import Callable
from typing import Any

from services.ccxt_venue.errors import reason_of
from services.ccxt_venue.lookup import Lookup
from services.ccxt_venue.mapping import Mapper
from shared.execution.reports import (
    AnyReport,
    Filled,
    OrderChanged,
    UserStreamDown,
    UserStreamUp,
    VenueOrder,
)
from shared.units import NS_PER_MS
from shared.venues.registry import ENTRIES
from shared.venues.remote_words import Setup

# ccxt does not tell that a private subscription was confirmed: a second without an error counts as it.
CONFIRM_S = 1.0
RETRY_S = 1.0
RETRY_MAX_S = 30.0


class UserStream:
    """One loop per market and kind. An error of any ends all, says `UserStreamDown`, and all begin anew.

    Where a venue streams no executions, those of an order are fetched when its filled amount grows.
    """

    def __init__(
        self, setup: Setup, exchange: Any, mapper: Mapper, lookup: Lookup, tell: Callable[[AnyReport], None]
    ) -> None:
        self._symbols = setup.symbols
        self._secrets = tuple(setup.key.values())
        self._facts = ENTRIES[setup.venue].facts
        self._exchange = exchange
        self._mapper = mapper
        self._lookup = lookup
        self._tell = tell
        self._filled: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow until `stop`."""
        self._task = asyncio.create_task(self._follow())

    def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        wait_s = RETRY_S
        while True:
            is_up = False
            try:
                async with asyncio.TaskGroup() as loops:
                    for symbol in self._symbols:
                        if self._facts.has_orders:
                            loops.create_task(self._follow_orders(symbol))
                        if self._facts.has_fills:
                            loops.create_task(self._follow_fills(symbol))
                    await asyncio.sleep(CONFIRM_S)
                    is_up = True
                    wait_s = RETRY_S
                    self._tell(UserStreamUp())
            except ExceptionGroup as group:
                error = group.exceptions[0]
                if is_up or wait_s == RETRY_S:
                    self._tell(UserStreamDown(reason_of(error, self._secrets)))
            await asyncio.sleep(wait_s)
            wait_s = min(RETRY_MAX_S, wait_s * 2)

    async def _follow_orders(self, symbol: str) -> None:
        while True:
            for told in await self._exchange.watch_orders(symbol):
                order = await self._read(symbol, told)
                self._lookup.remember(order.client_order_id, order.venue_order_id)
                if not self._facts.has_fills:
                    await self._fetch_fills(
                        symbol, order.venue_order_id, order.filled_lots, order.ts_venue_ns
                    )
                self._tell(OrderChanged(order))

    async def _read(self, symbol: str, told: Any) -> VenueOrder:
        """Return the order; where the stream tells too little of it, it is asked for."""
        try:
            return self._mapper.order(told)
        except ValueError:
            found = await self._lookup.find(symbol, self._mapper.client_id(told), str(told.get("id") or ""))
            if found is None:
                raise
            return found

    async def _follow_fills(self, symbol: str) -> None:
        while True:
            for trade in await self._exchange.watch_my_trades(symbol):
                self._tell(Filled(self._lookup.fill_of(trade)))

    async def _fetch_fills(self, symbol: str, venue_id: str, filled_lots: int, ts_ns: int) -> None:
        if filled_lots <= self._filled.get(venue_id, 0):
            return
        self._filled[venue_id] = filled_lots
        since_ns = max(0, ts_ns - 60_000 * NS_PER_MS)
        for fill in await self._lookup.fills(symbol, "", since_ns):
            if fill.venue_order_id == venue_id:
                self._tell(Filled(fill))
