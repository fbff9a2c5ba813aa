"""What happens to an account outside its API, by people or the venue itself; for the control port and tests.

Each act is written into the ledger as ACT; a wrong argument raises VenueRefusal with what the venue would
say, or ValueError where no client could ask for it.
"""

from decimal import Decimal

from services.venue_sim.exchange.amounts import PPM, e18_of
from services.venue_sim.exchange.clearing import Clearing
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.keys import AccountKey
from services.venue_sim.exchange.ledger import OUTSIDE
from services.venue_sim.exchange.orders import OrderState
from services.venue_sim.exchange.records import (
    BalanceMoved,
    Fill,
    NewOrder,
    PlacedOrder,
    SpotBalances,
    VenueOrder,
)
from services.venue_sim.exchange.rules import Filter
from services.venue_sim.exchange.spot import SpotDesk
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.market import Execution
from services.venue_sim.venue import SPOT, USDM

RATE_MAX_PPM = 10_000
# Anybody who is no account, as the other side of a forced fill.
STREET_ID = 1


class Acts:
    """Acts on the exchange that no request of a client makes."""

    def __init__(
        self, floor: Floor, spot: SpotDesk, usdm: UsdmDesk, clearing: Clearing, keys: dict[str, AccountKey]
    ) -> None:
        self._floor = floor
        self._spot, self._usdm = spot, usdm
        self._clearing = clearing
        self._keys = keys

    def _desk(self, venue: str) -> SpotDesk | UsdmDesk:
        return self._usdm if venue == USDM else self._spot

    def manual_trade(
        self,
        account: str,
        venue: str,
        symbol: str,
        side: str,
        quantity: Decimal,
        now_ms: int,
        price: Decimal | None = None,
        client_order_id: str = "",
    ) -> PlacedOrder:
        """Place an order as its owner does in the venue's app: MARKET without a price, id `web_...`."""
        self._floor.ledger.act(venue, account, f"manual {side} {quantity} {symbol}", now_ms)
        name = client_order_id or f"web_{self._floor.ids.order + 1:x}"
        new = NewOrder(
            venue=venue,
            symbol=symbol,
            side=side,
            type="LIMIT" if price is not None else "MARKET",
            time_in_force="GTC" if price is not None else "",
            quantity=quantity,
            price=price,
            client_order_id=name,
        )
        return self._desk(venue).place(account, new, now_ms)

    def move_money(self, account: str, venue: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Deposit an amount, a negative one is withdrawn; ValueError when there is not so much free."""
        kept = self._floor.account(account)
        amount_e18 = e18_of(amount)
        free_e18 = kept.free_e18(asset) if venue == SPOT else self._usdm.available_e18(account, asset)
        if amount_e18 is None or amount_e18 == 0 or free_e18 + amount_e18 < 0:
            raise ValueError(
                f"cannot move {amount} {asset}: {account} has {free_e18 / 10**18:.8f} free at {venue}"
            )
        note = "deposit" if amount_e18 > 0 else "withdrawal"
        self._floor.ledger.act(venue, account, f"{note} {amount} {asset}", now_ms)
        if venue == USDM:
            self._usdm.book(account, asset, amount_e18, "TRANSFER", now_ms)
            reason = "DEPOSIT" if amount_e18 > 0 else "WITHDRAW"
            self._usdm.say_account(account, reason, now_ms, (asset,), change_e18=amount_e18)
            return
        kept.add(asset, amount_e18)
        self._floor.ledger.pay(SPOT, account, asset, amount_e18, OUTSIDE, now_ms, note)
        balances = (self._spot.balance(account, asset),)
        self._floor.say(account, SpotBalances(venue=SPOT, time_ms=now_ms, balances=balances))
        self._floor.say(account, BalanceMoved(venue=SPOT, time_ms=now_ms, asset=asset, delta=amount))

    def liquidate(self, account: str, symbol: str, now_ms: int) -> None:
        """Close the positions of a USD-M market as a liquidation does, whatever the margin."""
        self._usdm.rules_of(symbol)
        self._floor.ledger.act(USDM, account, f"liquidation of {symbol}", now_ms)
        for name in list(self._floor.account(account).usdm(symbol).positions):
            self._clearing.liquidate(account, symbol, name, now_ms)

    def fund(self, symbol: str, rate: Decimal, now_ms: int) -> None:
        """Book funding of a USD-M market now, at this rate."""
        self._usdm.rules_of(symbol)
        self._clearing.fund(symbol, int(rate * 10**8), now_ms)

    def set_status(self, venue: str, symbol: str, status: str, now_ms: int) -> None:
        """Set the status of a market: but for TRADING (HALT, BREAK, SETTLING) nothing trades in it."""
        self._desk(venue).set_status(symbol, status)
        self._floor.ledger.act(venue, "", f"{symbol} is {status}", now_ms)

    def change_filter(self, venue: str, symbol: str, kind: str, values: Filter, now_ms: int) -> None:
        """Change numbers of one filter of a market, served and enforced; ValueError when it has no such."""
        rules = self._desk(venue).rules_of(symbol)
        if not any(one["filterType"] == kind for one in rules.filters):
            raise ValueError(
                f"{symbol} has no filter {kind}; it has {[f['filterType'] for f in rules.filters]}"
            )
        rules.set_filters([one | values if one["filterType"] == kind else one for one in rules.filters])
        self._floor.ledger.act(venue, "", f"{symbol}: {kind} {values}", now_ms)

    def set_fees(self, account: str, now_ms: int, **rates_ppm: int) -> None:
        """Change commissions: `spot_maker_ppm`, `spot_taker_ppm`, `usdm_maker_ppm`, `usdm_taker_ppm`."""
        fees = self._floor.account(account).fees
        for name, rate_ppm in rates_ppm.items():
            if not name.endswith("er_ppm") or not hasattr(fees, name) or abs(rate_ppm) > RATE_MAX_PPM:
                raise ValueError(
                    f"commission {name} = {rate_ppm}: it must be a known rate within 1 % of {PPM}"
                )
            setattr(fees, name, rate_ppm)
        self._floor.ledger.act("", account, f"fees {rates_ppm}", now_ms)

    def set_key(self, api_key: str, now_ms: int, **rights: bool) -> AccountKey:
        """Change rights of a key: `is_revoked`, `can_trade`, `can_withdraw`, `can_transfer`, `can_read`."""
        key = self._keys.get(api_key)
        if key is None or not set(rights) <= {
            name for name in AccountKey.__struct_fields__ if name[:3] in {"can", "is_"}
        }:
            raise ValueError(f"no such key, or a right it does not have: {sorted(rights)}")
        for name, value in rights.items():
            setattr(key, name, value)
        self._floor.ledger.act("", key.account, f"key {rights}", now_ms)
        return key

    def allow_addresses(self, api_key: str, addresses: tuple[str, ...], now_ms: int) -> AccountKey:
        """Accept a key only from these addresses, from all for none; ValueError for an unknown key."""
        key = self._keys.get(api_key)
        if key is None:
            raise ValueError("no such key")
        key.allowed_addresses = addresses
        self._floor.ledger.act("", key.account, f"key limited to {addresses}", now_ms)
        return key

    def cancel(self, account: str, venue: str, symbol: str, order_id: int, now_ms: int) -> VenueOrder:
        """Let the venue end an open order by itself: it is EXPIRED."""
        desk = self._desk(venue)
        order = desk.store.find_open(account, symbol, order_id, "")
        if order is None:
            raise ValueError(f"order {order_id} of {account} is not open in {symbol}")
        self._floor.ledger.act(venue, account, f"venue ends order {order_id}", now_ms)
        desk.end(order, "EXPIRED", "VENUE", now_ms)
        desk.finish(now_ms)
        return order.record(venue, desk.rules[symbol].units)

    def fill(
        self,
        account: str,
        venue: str,
        symbol: str,
        order_id: int,
        now_ms: int,
        quantity: Decimal | None = None,
    ) -> Fill:
        """Fill an order at its price against the street: an open one now, a closed one late (I-06).

        A late fill keeps the status of a cancelled order while something is left of it. Without a quantity
        all that is left fills. ValueError when nothing is left, it has no price, or spot has not the money.
        """
        desk = self._desk(venue)
        rules = desk.rules_of(symbol)
        order = desk.store.find(account, symbol, order_id, "")
        if order is None or not order.is_working or not order.left_lots or not order.price_ticks:
            raise ValueError(f"order {order_id} of {account} in {symbol} has nothing to fill at a price")
        lots = order.left_lots
        if quantity is not None:
            lots = min(lots, rules.lots_of(quantity, is_market=False))
        self._floor.ledger.act(venue, account, f"fill of order {order_id}: {lots} lots", now_ms)
        return self._fill(desk, order, lots, now_ms)

    def _fill(self, desk: SpotDesk | UsdmDesk, order: OrderState, lots: int, now_ms: int) -> Fill:
        side = desk.sides[order.symbol]
        ended_as = "" if order.order_id in desk.store.open else order.status
        if ended_as:
            desk.reopen(order, lots)
        elif order.is_working:
            side.withdraw(order.book_id, now_ms)
        trade_id = side.print_trade(1 - order.side, order.price_ticks, lots, now_ms)
        execution = Execution(trade_id, order.book_id, STREET_ID, 1 - order.side, order.price_ticks, lots)
        fill = desk.book_fill(order, execution, now_ms, is_maker=True, ended_as=ended_as)
        if not ended_as and order.order_id in desk.store.open and order.is_working:
            side.rest(order.book_id, order.side, order.price_ticks, order.left_lots, now_ms)
        desk.finish(now_ms)
        return fill
