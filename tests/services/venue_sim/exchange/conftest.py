"""A small exact market: two spot books, two USD-M books, and two accounts."""

from collections import defaultdict
from decimal import Decimal

import msgspec
import pytest

from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.exchange.plain_side import PlainSide
from services.venue_sim.exchange.records import NewOrder, OrderEvent
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.settings import AccountSettings, BalanceSettings, VenueSimSettings
from services.venue_sim.venue import SPOT, USDM, Market

START_MS = 1_700_000_000_000
SIDES = {"BUY": BUY, "SELL": SELL}


def account(name: str, **changes: object) -> AccountSettings:
    money = {
        "spot": (
            BalanceSettings(asset="USDT", amount="10000"),
            BalanceSettings(asset="BTC", amount="10"),
        ),
        "usdm": (BalanceSettings(asset="USDT", amount="10000"),),
    }
    return AccountSettings(name=name, **(money | changes))


class Floor:
    """An exchange at BTCUSDT = 100.00: tick 0.01, lot 0.001; `now` moves one ms with each act."""

    refusal = VenueRefusal
    spot, usdm = SPOT, USDM

    def __init__(self, *accounts: AccountSettings, **settings: object) -> None:
        self.now = START_MS
        self.sides = {
            (venue, name): PlainSide(Market(venue, name, "0.01", "0.001", 2, 3), last_ticks=10_000)
            for venue in (SPOT, USDM)
            for name in ("BTCUSDT", "ETHUSDT")
        }
        self.settings = VenueSimSettings(
            accounts=accounts or (account("a"), account("b")), ledger_entries_kept=1_000_000, **settings
        )
        self.exchange = Exchange(list(self.sides.values()), self.settings, START_MS)
        self._street_id = 0

    def side(self, venue: str, name: str = "BTCUSDT") -> PlainSide:
        return self.sides[venue, name]

    def street(self, venue, side, price, qty, name="BTCUSDT", is_ioc=False):
        """Let somebody who is no account place an order; returns (id, trades)."""
        self._street_id += 1
        ticks, lots = int(Decimal(price) * 100), int(Decimal(qty) * 1000)
        trades = self.side(venue, name).submit(
            self._street_id, SIDES[side], ticks, lots, self.now, is_ioc=is_ioc
        )
        return self._street_id, trades

    def place(self, venue, side, qty=None, price=None, account="a", is_test=False, symbol="BTCUSDT", **more):
        self.now += 1
        kind = more.pop("type", "LIMIT" if price is not None else "MARKET")
        tif = more.pop("tif", "GTC" if kind == "LIMIT" else "")
        numbers = {
            key: Decimal(more.pop(key))
            for key in ("stop_price", "iceberg_qty", "quote_qty", "activation_price", "callback_rate")
            if key in more
        }
        new = NewOrder(
            venue=venue,
            symbol=symbol,
            side=side,
            type=kind,
            time_in_force=tif,
            quantity=Decimal(qty) if qty is not None else None,
            price=Decimal(price) if price is not None else None,
            **numbers,
            **more,
        )
        return self.exchange.place(account, new, self.now, is_test=is_test)

    def algo(self, side, qty=None, account="a", symbol="BTCUSDT", **more):
        self.now += 1
        numbers = {
            key: Decimal(more.pop(key))
            for key in ("price", "stop_price", "activation_price", "callback_rate")
            if key in more
        }
        quantity = Decimal(qty) if qty is not None else None
        new = NewOrder(venue=USDM, symbol=symbol, side=side, quantity=quantity, **numbers, **more)
        return self.exchange.algos.place(account, new, self.now)

    def cancel(self, order, **more):
        self.now += 1
        return self.exchange.cancel(
            order.account, order.venue, order.symbol, order.order_id, "", self.now, **more
        )

    def order(self, order):
        return self.exchange.order(order.account, order.venue, order.symbol, order.order_id)

    def advance(self, ms=50):
        self.now += ms
        self.exchange.advance(self.now)

    def events(self, account="a", venue=None):
        return [
            event
            for name, event in self.exchange.events()
            if name == account and venue in {None, event.venue}
        ]

    def order_events(self, account="a"):
        return [e for e in self.events(account) if isinstance(e, OrderEvent)]

    def refused(self, call, *args, **more):
        """Return (code, text) of a refusal, and check that it changed nothing."""
        before = self.state()
        with pytest.raises(VenueRefusal) as caught:
            call(*args, **more)
        assert self.state() == before
        return caught.value.code, caught.value.msg

    def state(self):
        exchange = self.exchange
        books = [side.book.dump() for side in self.sides.values()]
        stores = msgspec.json.encode(
            [exchange.spot.store.dump(), exchange.usdm.store.dump(), exchange.algos.dump()]
        )
        money = [(a.spot, a.wallet, self.held(a)) for a in exchange.floor.accounts.values()]
        return repr((books, stores, money, dict(exchange.ledger.totals)))

    def held(self, kept):
        """Return positions and settings of an account without those that say nothing."""
        return [
            (symbol, of_symbol.leverage, of_symbol.is_isolated, name, position)
            for symbol, of_symbol in kept.symbols.items()
            for name, position in of_symbol.positions.items()
            if position.lots or position.realized_e18
        ]

    def free(self, asset, account="a"):
        return Decimal(self.exchange.account(account).spot.get(asset, [0, 0])[0]).scaleb(-18)

    def locked(self, asset, account="a"):
        return Decimal(self.exchange.account(account).spot.get(asset, [0, 0])[1]).scaleb(-18)

    def wallet(self, account="a"):
        return Decimal(self.exchange.account(account).wallet["USDT"]).scaleb(-18)

    def position(self, account="a", name="BOTH", symbol="BTCUSDT"):
        return next(p for p in self.exchange.positions(account, symbol) if p.position_side == name)

    def totals(self):
        """Return what exists of each asset of each venue: constant, whatever happens.

        Of USD-M the cost of what is open counts: a fill turns money into a position worth its price.
        """
        sums = defaultdict(int)
        for kept in self.exchange.floor.accounts.values():
            for asset, (free, locked) in kept.spot.items():
                sums[SPOT, asset] += free + locked
            for asset, amount in kept.wallet.items():
                sums[USDM, asset] += amount
        for (venue, _, asset), amount in self.exchange.ledger.totals.items():
            sums[venue, asset] += amount
        return dict(sums)


@pytest.fixture(scope="session")
def make_floor():
    return Floor


@pytest.fixture(scope="session")
def make_account():
    return account


@pytest.fixture
def floor():
    """A floor with bids 99.99 x 1, 99.98 x 2 and asks 100.01 x 1, 100.02 x 2 on each market."""
    floor = Floor()
    for venue in (SPOT, USDM):
        for name in ("BTCUSDT", "ETHUSDT"):
            for price, qty in (("99.99", "1"), ("99.98", "2")):
                floor.street(venue, "BUY", price, qty, name)
            for price, qty in (("100.01", "1"), ("100.02", "2")):
                floor.street(venue, "SELL", price, qty, name)
    return floor
