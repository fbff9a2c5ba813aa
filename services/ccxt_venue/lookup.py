"""Find an order and its executions, also on venues that cannot be asked by our id."""

from collections import OrderedDict
from typing import Any

import ccxt
import msgspec

from services.ccxt_venue.dialect import dialect_of
from services.ccxt_venue.mapping import Mapper
from shared.execution.commands import Cancel
from shared.execution.reports import VenueFill, VenueOrder
from shared.units import NS_PER_MS
from shared.venues.ids import to_venue
from shared.venues.registry import Entry, kind_of

IDS_KEPT = 10_000
_LISTS = (
    ("fetchOpenOrders", "open"),
    ("fetchClosedOrders", "closed"),
    ("fetchCanceledOrders", "canceled"),
    ("fetchOrders", ""),
)
PAGES_MAX = 50
PAGE_TRADES = 100
LOOKBACK_MS = 24 * 3_600_000
# A venue stamps an execution before its list shows it; pages overlap by so much.
OVERLAP_MS = 1000


class Lookup:
    """What is asked about orders. `find` returns None when no call and no list of the venue knows the order.

    That is no proof that it never was (I-06): lists lag, and venues forget.
    """

    def __init__(self, entry: Entry, exchange: Any, mapper: Mapper) -> None:
        self._entry = entry
        self._words = dialect_of(entry.name)
        self._exchange = exchange
        self._mapper = mapper
        self._venue_ids: OrderedDict[str, str] = OrderedDict()
        self._our_ids: dict[str, str] = {}

    def remember(self, client_order_id: str, venue_order_id: str) -> None:
        """Keep the venue's id of an order of ours, for calls that know no other name."""
        if client_order_id and venue_order_id:
            self._venue_ids[client_order_id] = venue_order_id
            self._our_ids[venue_order_id] = client_order_id
            if len(self._venue_ids) > IDS_KEPT:
                self._our_ids.pop(self._venue_ids.popitem(last=False)[1], None)

    def fill_of(self, trade: Any) -> VenueFill:
        """Return an execution with our id of its order, where it is known: few venues tell it."""
        fill = self._mapper.fill(trade)
        if fill.client_order_id:
            return fill
        return msgspec.structs.replace(fill, client_order_id=self._our_ids.get(fill.venue_order_id, ""))

    async def name_to_cancel(self, symbol: str, cancel: Cancel) -> tuple[str | None, dict[str, Any]]:
        """Return id and parameters of a cancel; raises `OrderNotFound` where no list knows the order."""
        is_known = kind_of(symbol) in self._entry.facts.cancels_by_id
        if is_known and cancel.client_order_id:
            return self._own_name(cancel.client_order_id, self._words.cancel)
        venue_id = cancel.venue_order_id or self._venue_ids.get(cancel.client_order_id, "")
        if not venue_id:
            listed = await self._exchange.fetch_open_orders(symbol)
            found = self._among(listed, cancel.client_order_id, "", "open")
            if found is None:
                raise ccxt.OrderNotFound(
                    f"{self._entry.name}: {cancel.client_order_id} is not among the open orders"
                )
            venue_id = found.venue_order_id
        return venue_id, {}

    def _own_name(self, client_order_id: str, word: str) -> tuple[str | None, dict[str, Any]]:
        text = to_venue(self._entry.ids, client_order_id)
        if self._words.id_prefix is not None:
            return self._words.id_prefix + text, {}
        return None, {word: text}

    async def find(self, symbol: str, client_order_id: str, venue_order_id: str) -> VenueOrder | None:
        """Return the order as the venue tells it now."""
        is_known = kind_of(symbol) in self._entry.facts.asks_by_id
        venue_id = venue_order_id or self._venue_ids.get(client_order_id, "")
        order: Any = None
        try:
            if is_known and client_order_id:
                order_id, params = self._own_name(client_order_id, self._words.ask)
                order = await self._exchange.fetch_order(order_id, symbol, params)
            elif venue_id and self._exchange.has.get("fetchOrder"):
                order = await self._exchange.fetch_order(venue_id, symbol, *self._asked_so())
        except (ccxt.OrderNotFound, ccxt.ArgumentsRequired, ccxt.NotSupported):
            order = None
        if order is not None and order.get("status") is not None:
            return self._mapper.order({**order, "symbol": order.get("symbol") or symbol})
        return await self._search(symbol, client_order_id, venue_id)

    def _asked_so(self) -> tuple[dict[str, Any], ...]:
        # Bybit answers for the last 500 orders only and wants to be told that we know.
        return ({"acknowledged": True},) if self._exchange.id == "bybit" else ()

    async def _search(self, symbol: str, client_order_id: str, venue_id: str) -> VenueOrder | None:
        """Look through the lists that the venue has: the open ones first, then those that ended."""
        exchange = self._exchange
        for call, listed_as in _LISTS:
            if exchange.has.get(call) is not True:
                continue
            method = getattr(exchange, "fetch_" + _snake(call[5:]))
            try:
                listed = await method(symbol)
            except (ccxt.NotSupported, ccxt.ArgumentsRequired):
                continue
            found = self._among(listed, client_order_id, venue_id, listed_as)
            if found is not None:
                self.remember(client_order_id, found.venue_order_id)
                return found
        return None

    def _among(
        self, listed: list[Any], client_order_id: str, venue_id: str, listed_as: str
    ) -> VenueOrder | None:
        for order in listed:
            is_named = bool(client_order_id) and self._mapper.client_id(order) == client_order_id
            if is_named or (venue_id and str(order.get("id")) == venue_id):
                return self._mapper.order(order, listed_as)
        return None

    async def fills(self, symbol: str, after_trade_id: str, since_ns: int) -> list[VenueFill]:
        """Return all executions after an id or from a time, oldest first.

        Without a time the newest page is read; where it does not hold the id asked for, a day is read page
        by page. Trade ids of venues are no order, so pages go by time with an overlap.
        """
        since_ms = since_ns // NS_PER_MS or None
        found = await self._page(symbol, since_ms)
        if after_trade_id and after_trade_id not in found and since_ms is None:
            since_ms = self._exchange.milliseconds() - LOOKBACK_MS
            found = await self._page(symbol, since_ms)
        if since_ms is not None:
            for _ in range(PAGES_MAX):
                newest_ms = max((trade["timestamp"] or 0 for trade in found.values()), default=0)
                more = await self._page(symbol, max(since_ms, newest_ms - OVERLAP_MS)) if newest_ms else {}
                if not set(more) - set(found):
                    break
                found |= more
            else:
                raise ValueError(f"over {PAGES_MAX} pages of executions in {symbol} since {since_ms}")
        trades = sorted(found.values(), key=lambda trade: trade["timestamp"] or 0)
        if after_trade_id in found:
            at = [str(trade["id"]) for trade in trades].index(after_trade_id)
            # Of one millisecond the order is unknown: all of it comes again, and the desk knows them by id.
            at_ms = trades[at]["timestamp"]
            trades = [t for t in trades if t["timestamp"] >= at_ms and str(t["id"]) != after_trade_id]
        return [self.fill_of(trade) for trade in trades]

    async def _page(self, symbol: str, since_ms: int | None) -> dict[str, Any]:
        listed = await self._exchange.fetch_my_trades(symbol, since_ms, PAGE_TRADES)
        return {str(trade["id"]): trade for trade in listed}


def _snake(camel: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in camel).lstrip("_")
