"""Orders as the exchange keeps them: open ones by id and client id, closed ones and trades for a while."""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from services.venue_sim.exchange.amounts import decimal_of
from services.venue_sim.exchange.records import ZERO, Fill, VenueOrder
from services.venue_sim.exchange.sides import Units
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal

SIDE_NAMES = ("BUY", "SELL")


class OrderState(msgspec.Struct, array_like=True):
    """One order. Prices in ticks (0: none), quantities in lots, values in 1e-18 of the quote asset."""

    order_id: int
    account: str
    symbol: str
    side: int
    type: str
    tif: str
    client_order_id: str
    lots: int
    price_ticks: int
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    filled_lots: int = 0
    value_e18: int = 0
    locked_e18: int = 0  # spot: what it holds of the quote (buy) or base (sell) asset
    working_ms: int = -1
    is_working: bool = True  # False while it waits for its trigger
    stp: str = "NONE"
    quote_order_e18: int = 0
    stop_ticks: int = 0
    is_falling_stop: bool = False  # the trigger lies below the price
    trailing_delta: int = 0
    trailing_ticks: int = 0
    iceberg_lots: int = 0
    position_side: str = "BOTH"
    is_reduce_only: bool = False
    is_close: bool = False
    price_match: str = "NONE"
    good_till_ms: int = 0
    working_type: str = "CONTRACT_PRICE"
    is_price_protected: bool = False
    original_type: str = ""
    prevented_lots: int = 0
    prevented_match_id: int = 0
    expiry_reason: str = ""
    strategy_id: int | None = None
    strategy_type: int | None = None
    realized_e18: int = 0
    amends: int = 0

    @property
    def left_lots(self) -> int:
        """Return what is not filled."""
        return self.lots - self.filled_lots

    @property
    def book_id(self) -> int:
        """Return its id in the matching book, below 0."""
        return -self.order_id

    @property
    def is_stop(self) -> bool:
        """Return whether it waits for a trigger."""
        return not self.is_working

    def record(self, venue: str, units: Units) -> VenueOrder:
        """Return the order as it is now."""
        return VenueOrder(
            venue=venue,
            symbol=self.symbol,
            account=self.account,
            order_id=self.order_id,
            client_order_id=self.client_order_id,
            side=SIDE_NAMES[self.side],
            type=self.type,
            time_in_force=self.tif,
            status=self.status,
            price=units.price(self.price_ticks),
            quantity=units.quantity(self.lots),
            executed=units.quantity(self.filled_lots),
            quote=decimal_of(self.value_e18),
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            working_ms=self.working_ms,
            quote_qty=decimal_of(self.quote_order_e18) if self.quote_order_e18 else ZERO,
            stop_price=units.price(self.stop_ticks) if self.stop_ticks else ZERO,
            iceberg_qty=units.quantity(self.iceberg_lots) if self.iceberg_lots else ZERO,
            stp=self.stp,
            is_working=self.is_working,
            position_side=self.position_side,
            reduce_only=self.is_reduce_only,
            close_position=self.is_close,
            price_match=self.price_match,
            good_till_ms=self.good_till_ms,
            working_type=self.working_type,
            price_protect=self.is_price_protected,
            original_type=self.original_type or self.type,
            prevented=units.quantity(self.prevented_lots) if self.prevented_lots else ZERO,
            prevented_match_id=self.prevented_match_id,
            expiry_reason=self.expiry_reason,
            trailing_delta=self.trailing_delta,
            strategy_id=self.strategy_id,
            strategy_type=self.strategy_type,
            realized=decimal_of(self.realized_e18) if self.realized_e18 else ZERO,
        )


def joined(parts: Iterable[bytes]) -> msgspec.Raw:
    """Return encoded items as one encoded array."""
    return msgspec.Raw(b"[" + b",".join(parts) + b"]")


class OrderStore:
    """The orders of one venue.

    Closed orders and trades are encoded when they come: the state is written each second, and they stay.
    """

    def __init__(self, closed_kept: int, trades_kept: int) -> None:
        self.open: dict[int, OrderState] = {}
        self._of_market: dict[tuple[str, str], dict[int, OrderState]] = {}
        self._by_client: dict[tuple[str, str, str], int] = {}
        self._closed: dict[str, dict[int, OrderState]] = {}
        self._closed_clients: dict[tuple[str, str, str], int] = {}
        self._closed_json: dict[int, bytes] = {}
        self._trades: dict[tuple[str, str], deque[Fill]] = {}
        self._trades_json: dict[tuple[str, str], deque[bytes]] = {}
        self._closed_kept, self._trades_kept = closed_kept, trades_kept

    def add(self, order: OrderState) -> None:
        """Keep an open order."""
        self.open[order.order_id] = order
        self._of_market.setdefault((order.account, order.symbol), {})[order.order_id] = order
        self._by_client[order.account, order.symbol, order.client_order_id] = order.order_id

    def rename(self, order: OrderState, client_order_id: str) -> None:
        """Give an open order another client id (spot amend)."""
        del self._by_client[order.account, order.symbol, order.client_order_id]
        order.client_order_id = client_order_id
        self._by_client[order.account, order.symbol, client_order_id] = order.order_id

    def close(self, order: OrderState) -> None:
        """Move an order to the closed ones; beyond the number kept the oldest is forgotten."""
        del self.open[order.order_id]
        del self._of_market[order.account, order.symbol][order.order_id]
        self._by_client.pop((order.account, order.symbol, order.client_order_id), None)
        self._keep_closed(order)

    def _keep_closed(self, order: OrderState) -> None:
        closed = self._closed.setdefault(order.account, {})
        closed[order.order_id] = order
        self._closed_json[order.order_id] = msgspec.json.encode(order)
        self._closed_clients[order.account, order.symbol, order.client_order_id] = order.order_id
        while len(closed) > self._closed_kept:
            old = closed.pop(next(iter(closed)))
            key = old.account, old.symbol, old.client_order_id
            del self._closed_json[old.order_id]
            if self._closed_clients.get(key) == old.order_id:
                del self._closed_clients[key]

    def is_duplicate(self, account: str, symbol: str, client_order_id: str) -> bool:
        """Return whether an open order has this client id; ids of closed orders may be used again."""
        return (account, symbol, client_order_id) in self._by_client

    def of_market(self, account: str, symbol: str) -> list[OrderState]:
        """Return the open orders of an account in a market, oldest first."""
        return list(self._of_market.get((account, symbol), {}).values())

    def of_account(self, account: str) -> list[OrderState]:
        """Return all open orders of an account, oldest first."""
        return [order for order in self.open.values() if order.account == account]

    def find_open(self, account: str, symbol: str, order_id: int, client_order_id: str) -> OrderState | None:
        """Return an open order by the venue's id, which wins, or the client's."""
        found_id = order_id or self._by_client.get((account, symbol, client_order_id), 0)
        order = self.open.get(found_id)
        return order if order is not None and (order.account, order.symbol) == (account, symbol) else None

    def find(self, account: str, symbol: str, order_id: int, client_order_id: str) -> OrderState | None:
        """Return an order, open or closed; of several with one client id the open or newest one."""
        order = self.find_open(account, symbol, order_id, client_order_id)
        if order is not None:
            return order
        closed_id = order_id or self._closed_clients.get((account, symbol, client_order_id), 0)
        order = self._closed.get(account, {}).get(closed_id)
        return order if order is not None and order.symbol == symbol else None

    def every(self, account: str, symbol: str) -> list[OrderState]:
        """Return the orders of an account in a market (of all markets for ""), oldest first."""
        mine = [*self._closed.get(account, {}).values(), *self.of_account(account)]
        return sorted(
            (order for order in mine if symbol in {"", order.symbol}), key=lambda order: order.order_id
        )

    def add_trade(self, fill: Fill) -> None:
        """Keep a trade."""
        key = fill.account, fill.symbol
        if key not in self._trades:
            self._trades[key] = deque(maxlen=self._trades_kept)
            self._trades_json[key] = deque(maxlen=self._trades_kept)
        self._trades[key].append(fill)
        self._trades_json[key].append(msgspec.json.encode(fill))

    def renew(self, order: OrderState) -> None:
        """Keep what a late fill has changed of a closed order."""
        if order.order_id in self._closed_json:
            self._closed_json[order.order_id] = msgspec.json.encode(order)

    def trades(self, account: str, symbol: str) -> Iterable[Fill]:
        """Return the trades of an account in a market, oldest first."""
        return self._trades.get((account, symbol), ())

    def dump(self) -> list[Any]:
        """Return the state."""
        trades = (item for kept in self._trades_json.values() for item in kept)
        return [list(self.open.values()), joined(self._closed_json.values()), joined(trades)]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`, as MessagePack gives it back."""
        opened, closed, trades = dumped
        for order in msgspec.convert(opened, list[OrderState]):
            self.add(order)
        for order in msgspec.convert(closed, list[OrderState]):
            self._keep_closed(order)
        for fill in msgspec.convert(trades, list[Fill]):
            self.add_trade(fill)


def newest(found: list[Any], limit: int, *, is_from_start: bool) -> list[Any]:
    """Return at most `limit` of a list as the venue pages: the first ones after a start, else the newest."""
    return list(islice(found, limit)) if is_from_start else found[-limit:]


def unknown_cancel() -> VenueRefusal:
    """Return the refusal of a cancel whose order is not open."""
    return VenueRefusal(-2011, "Unknown order sent.")


def opposite(side: int) -> int:
    """Return the other side."""
    return 1 - side


def crosses(side: int, price_ticks: int, best_ticks: int) -> bool:
    """Return whether an order would meet the best price of the other side (0: there is none)."""
    if best_ticks == 0:
        return False
    return price_ticks >= best_ticks if side == BUY else price_ticks <= best_ticks
