"""The exchange: accounts with their keys, the desks of both venues, time, and the state that a restart needs."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.venue_sim.exchange.accounts import Account, make_account
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.keys import AccountKey, key_of
from services.venue_sim.exchange.ledger import Ledger
from services.venue_sim.exchange.orders import OrderStore
from services.venue_sim.exchange.records import (
    AnyEvent,
    AssetBalance,
    Fill,
    NewOrder,
    PlacedOrder,
    VenueOrder,
    VenuePosition,
    WalletBalance,
)
from services.venue_sim.exchange.rules import MarketRules
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.exchange.spot import SpotDesk
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.rest import split_assets
from services.venue_sim.settings import AccountSettings, VenueSimSettings
from services.venue_sim.venue import SPOT, USDM


class Exchange:
    """Trading on all markets of the simulated venue; pure: every act is given its time in ms.

    Acts return records or raise VenueRefusal, with nothing changed. What they did is in `events()` for the
    user streams and in `ledger` for tests. `venue` is `binance` or `binance_usdm`, `account` a name.
    """

    def __init__(self, sides: Sequence[MarketSide], settings: VenueSimSettings, start_ms: int) -> None:
        self.ledger = Ledger(settings.ledger_entries_kept)
        self.floor = Floor(self.ledger, start_ms)
        self.keys: dict[str, AccountKey] = {}
        self._seed = settings.seed
        rules: dict[str, dict[str, MarketRules]] = {SPOT: {}, USDM: {}}
        for side in sides:
            base, quote = split_assets(side.market.name)
            rules[side.market.venue][side.market.name] = MarketRules(side.market, base, quote)
        stores = [OrderStore(settings.closed_orders_kept, settings.trades_kept) for _ in range(2)]
        of_spot = [side for side in sides if side.market.venue == SPOT]
        of_usdm = [side for side in sides if side.market.venue == USDM]
        self.spot = SpotDesk(self.floor, of_spot, rules[SPOT], stores[0])
        self.usdm = UsdmDesk(self.floor, of_usdm, rules[USDM], stores[1])
        for account in settings.accounts:
            self.open_account(account)

    # ---- accounts and keys

    def open_account(self, settings: AccountSettings) -> AccountKey:
        """Open an account with its key; raises ConfigError. One that exists keeps its money and gets the key."""
        if settings.name not in self.floor.accounts:
            self.floor.accounts[settings.name] = make_account(settings)
        key = key_of(settings, self._seed)
        return self.add_key(key)

    def add_key(self, key: AccountKey) -> AccountKey:
        """Register a key of an account, or replace the one of its name."""
        self.floor.account(key.account)
        self.keys[key.api_key] = key
        return key

    def account_of_key(self, api_key: str) -> AccountKey | None:
        """Return a key with its account and rights, revoked ones included, None when there is none."""
        return self.keys.get(api_key)

    def account(self, name: str) -> Account:
        """Return an account to read: fees, modes, balances; refuses an unknown one."""
        return self.floor.account(name)

    def symbols(self, venue: str) -> list[str]:
        """Return the names of the markets of a venue."""
        return list(self.desk(venue).rules)

    # ---- orders: see `desk.Desk`

    def desk(self, venue: str) -> SpotDesk | UsdmDesk:
        """Return the desk of a venue."""
        return self.usdm if venue == USDM else self.spot

    def rules(self, venue: str, symbol: str) -> MarketRules:
        """Return filters and status of a market, as served and as enforced; refuses an unknown symbol."""
        return self.desk(venue).rules_of(symbol)

    def place(self, account: str, new: NewOrder, now_ms: int, *, is_test: bool = False) -> PlacedOrder:
        """Take a new order; returns it with its fills of this moment. `is_test` only checks it."""
        return self.desk(new.venue).place(account, new, now_ms, is_test=is_test)

    def cancel(
        self,
        account: str,
        venue: str,
        symbol: str,
        order_id: int,
        client_order_id: str,
        now_ms: int,
        *,
        new_client_order_id: str = "",
        restrictions: str = "",
    ) -> VenueOrder:
        """Cancel an open order by the venue's id (0: none) or the client's; returns it as it ended (-2011)."""
        return self.desk(venue).cancel(
            account,
            symbol,
            order_id,
            client_order_id,
            now_ms,
            new_client_order_id=new_client_order_id,
            restrictions=restrictions,
        )

    def cancel_all(self, account: str, venue: str, symbol: str, now_ms: int) -> list[VenueOrder]:
        """Cancel all open orders of a market; spot refuses (-2011) when there is none."""
        canceled = self.desk(venue).cancel_all(account, symbol, now_ms)
        if not canceled and venue == SPOT:
            raise VenueRefusal(-2011, "Unknown order sent.")
        return canceled

    def order(
        self, account: str, venue: str, symbol: str, order_id: int = 0, client_order_id: str = ""
    ) -> VenueOrder:
        """Return an order, open or closed (-2013)."""
        return self.desk(venue).order(account, symbol, order_id, client_order_id)

    def open_orders(self, account: str, venue: str, symbol: str = "") -> list[VenueOrder]:
        """Return open orders, oldest first, of all markets for ""."""
        return self.desk(venue).open_orders(account, symbol)

    def all_orders(self, account: str, venue: str, symbol: str, **span: int) -> list[VenueOrder]:
        """Return open and closed orders; `span` is `order_id`, `start_ms`, `end_ms`, `limit`."""
        return self.desk(venue).all_orders(account, symbol, **span)

    def trades(
        self, account: str, venue: str, symbol: str, *, from_id: int | None = None, **span: int
    ) -> list[Fill]:
        """Return trades; `span` is `order_id`, `start_ms`, `end_ms`, `limit`."""
        return self.desk(venue).trades(account, symbol, from_id=from_id, **span)

    # ---- money

    def balances(self, account: str) -> list[AssetBalance]:
        """Return the spot balances."""
        self.floor.account(account)
        return self.spot.balances(account)

    def wallets(self, account: str) -> list[WalletBalance]:
        """Return the USD-M balances."""
        self.floor.account(account)
        return self.usdm.balances(account)

    def positions(self, account: str, symbol: str = "") -> list[VenuePosition]:
        """Return USD-M positions, of all markets that the account used for ""."""
        self.floor.account(account)
        return self.usdm.positions(account, symbol)

    # ---- time, events, state

    def advance(self, now_ms: int) -> None:
        """Let time pass; the venue calls it after each step, others may at any time."""
        self.spot.refill(now_ms)
        self.usdm.refill(now_ms)

    def events(self) -> list[tuple[str, AnyEvent]]:
        """Return (account, event) in the order they happened, and forget them."""
        return self.floor.events()

    def dump(self) -> bytes:
        """Return the state as JSON: amounts are larger than MessagePack's integers."""
        return msgspec.json.encode(
            [self.floor.dump(), list(self.keys.values()), self.spot.store.dump(), self.usdm.store.dump()]
        )

    def load(self, data: bytes) -> None:
        """Take the state of `dump`; raises the errors of decoding."""
        floor, keys, spot, usdm = msgspec.json.decode(data, type=list[Any])
        self.floor.load(floor)
        for key in msgspec.convert(keys, list[AccountKey]):
            self.keys[key.api_key] = key
        self.spot.store.load(spot)
        self.usdm.store.load(usdm)
