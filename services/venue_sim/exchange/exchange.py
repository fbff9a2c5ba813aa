"""The exchange: accounts with their keys, the desks of both venues, time, and the state for a restart."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from services.venue_sim.exchange.accounts import Account, make_account
from services.venue_sim.exchange.acts import Acts
from services.venue_sim.exchange.algo import AlgoDesk
from services.venue_sim.exchange.clearing import Clearing
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.keys import AccountKey, key_of
from services.venue_sim.exchange.ledger import Ledger
from services.venue_sim.exchange.modify import modify
from services.venue_sim.exchange.orders import OrderStore
from services.venue_sim.exchange.queries import END_OF_TIME_MS
from services.venue_sim.exchange.records import (
    AnyEvent,
    AssetBalance,
    Fill,
    Income,
    NewOrder,
    PlacedOrder,
    SymbolConfig,
    VenueOrder,
    VenuePosition,
    WalletBalance,
)
from services.venue_sim.exchange.rules import Filter, MarketRules, split_assets
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.exchange.spot import SpotDesk
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.exchange.usdm_settings import UsdmSettings
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.settings import AccountSettings, VenueSimSettings
from services.venue_sim.venue import SPOT, USDM


class Exchange:
    """Trading on all markets of the simulated venue; pure: every act is given its time in ms.

    Acts return records or raise VenueRefusal, with nothing changed. What they did is in `events()` for the
    user streams and in `ledger` for tests. `venue` is `binance` or `binance_usdm`, `account` a
    name. `filters` by (venue, market) replace the simulated ones.
    """

    def __init__(
        self,
        sides: Sequence[MarketSide],
        settings: VenueSimSettings,
        start_ms: int,
        filters: Mapping[tuple[str, str], list[Filter]] | None = None,
    ) -> None:
        self.ledger = Ledger(settings.ledger_entries_kept)
        self.floor = Floor(self.ledger, start_ms)
        self.keys: dict[str, AccountKey] = {}
        # How the venue plays its market up to a time in ms; its frames come with its next `advance`.
        self.catch_up: Callable[[int], None] | None = None
        self._seed = settings.seed
        self._sides = list(sides)
        rules: dict[str, dict[str, MarketRules]] = {SPOT: {}, USDM: {}}
        for side in sides:
            base, quote = split_assets(side.market.name)
            market = side.market
            own = (filters or {}).get((market.venue, market.name))
            rules[market.venue][market.name] = MarketRules(market, base, quote, own)
        stores = [OrderStore(settings.closed_orders_kept, settings.trades_kept) for _ in range(2)]
        of_spot = [side for side in sides if side.market.venue == SPOT]
        of_usdm = [side for side in sides if side.market.venue == USDM]
        self.spot = SpotDesk(self.floor, of_spot, rules[SPOT], stores[0])
        self.usdm = UsdmDesk(self.floor, of_usdm, rules[USDM], stores[1])
        self.algos = AlgoDesk(self.usdm)
        self.settings = UsdmSettings(self.usdm, self.algos)
        self.clearing = Clearing(self.usdm, self.algos)
        self.acts = Acts(self.floor, self.spot, self.usdm, self.clearing, self.keys)
        for account in settings.accounts:
            self.open_account(account)

    # ---- accounts and keys

    def open_account(self, settings: AccountSettings) -> AccountKey:
        """Open an account with its key; raises ConfigError. An old one keeps its money."""
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
        """Cancel an open order by the venue's id (0: none) or the client's; returns it as it ended."""
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

    def amend(
        self,
        account: str,
        symbol: str,
        order_id: int,
        client_order_id: str,
        quantity: Decimal,
        now_ms: int,
        *,
        new_client_order_id: str = "",
    ) -> tuple[VenueOrder, int]:
        """Lower the quantity of a spot order, which keeps its place; returns (order, execution id)."""
        return self.spot.amend(
            account, symbol, order_id, client_order_id, quantity, now_ms, new_client_order_id
        )

    def modify(
        self,
        account: str,
        symbol: str,
        order_id: int,
        client_order_id: str,
        side: str,
        quantity: Decimal,
        price: Decimal | None,
        now_ms: int,
        *,
        price_match: str = "",
        modify_id: str = "",
    ) -> VenueOrder:
        """Change price and quantity of a USD-M order, which loses its place."""
        return modify(
            self.usdm,
            account,
            symbol,
            order_id,
            client_order_id,
            side,
            quantity,
            price,
            now_ms,
            price_match=price_match,
            modify_id=modify_id,
        )

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

    def income(
        self,
        account: str,
        symbol: str = "",
        kind: str = "",
        start_ms: int = 0,
        end_ms: int = END_OF_TIME_MS,
        limit: int = 100,
    ) -> list[Income]:
        """Return changes of the USD-M wallet, oldest first: from a start on, else the newest."""
        return self.usdm.income(account, symbol, kind, start_ms, end_ms, limit)

    # ---- settings of USD-M

    def symbol_config(self, account: str, symbol: str) -> SymbolConfig:
        """Return leverage and margin type of a market."""
        return self.settings.symbol_config(account, symbol)

    def set_leverage(self, account: str, symbol: str, leverage: int, now_ms: int) -> SymbolConfig:
        """Set the leverage of a market."""
        return self.settings.set_leverage(account, symbol, leverage, now_ms)

    def set_margin_type(self, account: str, symbol: str, is_isolated: bool, now_ms: int) -> None:
        """Choose isolated or crossed margin of a market."""
        self.settings.set_margin_type(account, symbol, is_isolated, now_ms)

    def set_position_mode(self, account: str, is_hedge: bool, now_ms: int) -> None:
        """Choose hedge or one-way mode."""
        self.settings.set_position_mode(account, is_hedge, now_ms)

    def set_multi_assets(self, account: str, is_multi_assets: bool, now_ms: int) -> None:
        """Choose multi-assets mode."""
        self.settings.set_multi_assets(account, is_multi_assets, now_ms)

    def countdown(self, account: str, symbol: str, countdown_ms: int, now_ms: int) -> None:
        """Arm the dead-man's switch of a market, 0 disarms it."""
        self.settings.countdown(account, symbol, countdown_ms, now_ms)

    # ---- acts of people and of the venue, the common ones; see `acts.Acts`

    def deposit(self, account: str, venue: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Deposit an amount, a negative one is withdrawn; ValueError when there is not so much free."""
        self.acts.move_money(account, venue, asset, amount, now_ms)

    def liquidate(self, account: str, symbol: str, now_ms: int) -> None:
        """Close the positions of a USD-M market as a liquidation does."""
        self.acts.liquidate(account, symbol, now_ms)

    def set_status(self, venue: str, symbol: str, status: str, now_ms: int) -> None:
        """Set the status of a market; only TRADING takes new orders."""
        self.acts.set_status(venue, symbol, status, now_ms)

    # ---- time, events, state

    def advance(self, now_ms: int) -> None:
        """Let time pass up to now, before an act of that time: first what the market did until then."""
        if self.catch_up is not None:
            self.catch_up(now_ms)
        self.pass_time(now_ms)

    def pass_time(self, now_ms: int) -> None:
        """Do what time does to orders and positions; the venue calls it after each step of its market."""
        self.spot.advance(now_ms)
        self.clearing.advance(now_ms)

    def events(self) -> list[tuple[str, AnyEvent]]:
        """Return (account, event) in the order they happened, and forget them."""
        return self.floor.events()

    def dump(self) -> bytes:
        """Return the state as JSON: amounts are larger than MessagePack's integers."""
        return msgspec.json.encode(
            [
                self.floor.dump(),
                list(self.keys.values()),
                self.spot.store.dump(),
                self.usdm.store.dump(),
                self.algos.dump(),
                [[side.market.venue, side.market.name, side.dump()] for side in self._sides],
                self.usdm.dump_income(),
                self._changed_rules(),
            ]
        )

    def _changed_rules(self) -> list[list[Any]]:
        return [
            [desk.venue, name, rules.status, rules.filters]
            for desk in (self.spot, self.usdm)
            for name, rules in desk.rules.items()
            if rules.is_changed
        ]

    def load(self, data: bytes) -> None:
        """Take the state of `dump`; raises the errors of decoding."""
        floor, keys, spot, usdm, algos, sides, income, rules = msgspec.json.decode(data, type=list[Any])
        self.floor.load(floor)
        for key in msgspec.convert(keys, list[AccountKey]):
            self.keys[key.api_key] = key
        self.spot.store.load(spot)
        self.usdm.store.load(usdm)
        kept = {(venue, name): dumped for venue, name, dumped in sides}
        for side in self._sides:
            place = side.market.venue, side.market.name
            if place in kept:
                side.load(kept[place])
        self.usdm.load_income(income)
        for venue, name, status, filters in rules:
            if name in self.desk(venue).rules:
                self.desk(venue).rules[name].set_filters(filters)
                self.desk(venue).set_status(name, status)
        self.spot.restore()
        self.algos.load(algos)
