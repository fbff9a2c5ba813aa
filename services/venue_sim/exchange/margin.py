"""Margin of USD-M accounts: what positions and open orders hold of the wallet, and the venue's views of it.

Initial margin = value / leverage; open orders count with the side that would make the position larger;
available = cross wallet + unrealised profit of crossed positions - initial margins (standard definitions).
"""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from services.venue_sim.exchange.accounts import BOTH, Position
from services.venue_sim.exchange.amounts import E18, decimal_of
from services.venue_sim.exchange.desk import Desk
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.orders import OrderState, OrderStore, joined, opposite
from services.venue_sim.exchange.positions import (
    liquidation_e18,
    maintenance_e18,
    max_notional_e18,
    unrealized_e18,
)
from services.venue_sim.exchange.records import ZERO, Income, VenuePosition, WalletBalance
from services.venue_sim.exchange.rules import MarketRules
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal

INCOME_KEPT = 2_000


class Margins(Desk):
    """The part of the USD-M desk that knows margins; all amounts in 1e-18 of the margin asset."""

    def __init__(
        self, floor: Floor, sides: Sequence[MarketSide], rules: dict[str, MarketRules], store: OrderStore
    ) -> None:
        super().__init__(floor, sides, rules, store)
        self._income: dict[str, deque[Income]] = {}
        self._income_json: dict[str, deque[bytes]] = {}

    def keep_income(self, account: str, income: Income) -> None:
        """Keep a line of the income history."""
        if account not in self._income:
            self._income[account] = deque(maxlen=INCOME_KEPT)
            self._income_json[account] = deque(maxlen=INCOME_KEPT)
        self._income[account].append(income)
        self._income_json[account].append(msgspec.json.encode(income))

    def dump_income(self) -> dict[str, msgspec.Raw]:
        """Return the income histories."""
        return {account: joined(lines) for account, lines in self._income_json.items()}

    def load_income(self, dumped: dict[str, Any]) -> None:
        """Take what `dump_income` returned."""
        for account, lines in dumped.items():
            for income in msgspec.convert(lines, list[Income]):
                self.keep_income(account, income)

    def income(
        self,
        account: str,
        symbol: str = "",
        kind: str = "",
        start_ms: int = 0,
        end_ms: int = 2**62,
        limit: int = 100,
    ) -> list[Income]:
        """Return lines of the income history, oldest first."""
        found = (
            line
            for line in self._income.get(account, ())
            if symbol in {"", line.symbol} and kind in {"", line.kind} and start_ms <= line.time_ms <= end_ms
        )
        return list(islice(found, limit)) if start_ms else list(found)[-limit:]

    def mark_per_lot_e18(self, symbol: str) -> int:
        """Return the value of one lot at the mark price."""
        return self.sides[symbol].mark_e18() * self.rules[symbol].units.lot_e18 // E18

    def cross_wallet_e18(self, account: str, asset: str) -> int:
        """Return the wallet without what isolated positions hold."""
        kept = self.floor.account(account)
        isolated = sum(
            position.isolated_e18
            for symbol, of_symbol in kept.symbols.items()
            if self.rules[symbol].quote == asset
            for position in of_symbol.positions.values()
        )
        return kept.wallet.get(asset, 0) - isolated

    def symbol_margin_e18(
        self, account: str, symbol: str, extra: OrderState | None = None, price_ticks: int = 0
    ) -> tuple[int, int]:
        """Return initial margins of (positions, open orders) in a market; `extra` is one more order."""
        kept = self.floor.account(account).usdm(symbol)
        orders = [o for o in self.store.of_market(account, symbol) if not o.is_reduce_only]
        if extra is not None:
            orders.append(extra)
        held = [p for p in kept.positions.values() if p.lots]
        if not orders and not held:
            return 0, 0
        per_lot_e18 = self.mark_per_lot_e18(symbol)
        units = self.rules[symbol].units
        position_total = order_total = 0
        for position_side in {BOTH, *kept.positions, *(o.position_side for o in orders)}:
            position = kept.positions.get(position_side)
            value_e18 = position.lots * per_lot_e18 if position is not None else 0
            bids = asks = 0
            for order in orders:
                if order.position_side == position_side:
                    ticks = order.price_ticks or price_ticks
                    worth_e18 = units.value_e18(ticks, order.left_lots)
                    if order.side == BUY:
                        bids += worth_e18
                    else:
                        asks += worth_e18
            position_total += abs(value_e18)
            order_total += max(abs(value_e18 + bids), abs(value_e18 - asks), abs(value_e18)) - abs(value_e18)
        return position_total // kept.leverage, order_total // kept.leverage

    def available_e18(self, account: str, asset: str) -> int:
        """Return what may still open positions."""
        kept = self.floor.account(account)
        total = self.cross_wallet_e18(account, asset)
        for symbol, of_symbol in kept.symbols.items():
            if self.rules[symbol].quote != asset:
                continue
            position_margin, order_margin = self.symbol_margin_e18(account, symbol)
            total -= order_margin
            if not of_symbol.is_isolated:
                per_lot_e18 = self.mark_per_lot_e18(symbol)
                total -= position_margin
                total += sum(unrealized_e18(p, per_lot_e18) for p in of_symbol.positions.values())
        return total

    def check_margin(self, order: OrderState, rules: MarketRules) -> None:
        """Refuse an order that the margin does not carry (-2019) or the leverage does not allow (-2027)."""
        account = self.floor.account(order.account)
        kept = account.usdm(order.symbol)
        side = self.sides[order.symbol]
        ticks = order.price_ticks or side.best(opposite(order.side))
        before = sum(self.symbol_margin_e18(order.account, order.symbol))
        after = sum(self.symbol_margin_e18(order.account, order.symbol, order, ticks))
        if after <= before:
            return
        if after * kept.leverage > max_notional_e18(kept.leverage):
            raise VenueRefusal(-2027, "Exceeded the maximum allowable position at current leverage.")
        per_lot_e18 = self.mark_per_lot_e18(order.symbol)
        paid_e18 = rules.units.value_e18(ticks, order.left_lots)
        worth_e18 = per_lot_e18 * order.left_lots
        loss_e18 = max(0, paid_e18 - worth_e18 if order.side == BUY else worth_e18 - paid_e18)
        if after - before + loss_e18 > self.available_e18(order.account, rules.quote):
            raise VenueRefusal(-2019, "Margin is insufficient.")

    def wallet(self, account: str, asset: str) -> WalletBalance:
        """Return the balance of a margin asset with all that is derived of it."""
        kept = self.floor.account(account)
        unrealized = positions = orders = maintenance = 0
        for symbol, of_symbol in kept.symbols.items():
            if self.rules[symbol].quote != asset:
                continue
            margins = self.symbol_margin_e18(account, symbol)
            positions += margins[0]
            orders += margins[1]
            per_lot_e18 = self.mark_per_lot_e18(symbol)
            for position in of_symbol.positions.values():
                unrealized += unrealized_e18(position, per_lot_e18)
                maintenance += maintenance_e18(abs(position.lots) * per_lot_e18)
        wallet = kept.wallet.get(asset, 0)
        available = max(0, self.available_e18(account, asset))
        amounts = (
            wallet,
            self.cross_wallet_e18(account, asset),
            unrealized,
            wallet + unrealized,
            available,
            min(available, max(0, wallet)),
            positions,
            orders,
            maintenance,
        )
        return WalletBalance(asset, *(_shown(amount) for amount in amounts))

    def balances(self, account: str) -> list[WalletBalance]:
        """Return all balances in the order of their first use."""
        return [self.wallet(account, asset) for asset in self.floor.account(account).wallet]

    def positions(self, account: str, symbol: str = "") -> list[VenuePosition]:
        """Return positions and the markets with open orders, of one market or of all that were used."""
        names = [symbol] if symbol else list(self.floor.account(account).symbols)
        return [position for name in names for position in self.positions_of(account, name)]

    def positions_of(self, account: str, symbol: str) -> list[VenuePosition]:
        """Return the positions of one market: `BOTH`, or `LONG` and `SHORT` in hedge mode."""
        self.rules_of(symbol)
        kept = self.floor.account(account)
        names = ("LONG", "SHORT") if kept.is_hedge else (BOTH,)
        of_symbol = kept.usdm(symbol)
        return [self._position(account, symbol, n, of_symbol.positions.get(n) or Position()) for n in names]

    def _position(self, account: str, symbol: str, name: str, position: Position) -> VenuePosition:
        of_symbol = self.floor.account(account).usdm(symbol)
        rules = self.rules[symbol]
        units = rules.units
        per_lot_e18 = self.mark_per_lot_e18(symbol)
        size_e18 = position.lots * units.lot_e18
        entry_e18 = position.cost_e18 * E18 // size_e18 if size_e18 else 0
        even_e18 = (position.cost_e18 + position.fees_e18) * E18 // size_e18 if size_e18 else 0
        value_e18 = position.lots * per_lot_e18
        behind_e18 = (
            position.isolated_e18 if of_symbol.is_isolated else self.cross_wallet_e18(account, rules.quote)
        )
        liquidation = liquidation_e18(position, behind_e18, units.lot_e18)
        return VenuePosition(
            symbol=symbol,
            position_side=name,
            quantity=units.quantity(position.lots),
            entry_price=_shown(entry_e18),
            break_even=_shown(even_e18),
            mark_price=_shown(self.sides[symbol].mark_e18()),
            unrealized=_shown(unrealized_e18(position, per_lot_e18)),
            realized=_shown(position.realized_e18),
            liquidation_price=_shown(liquidation),
            leverage=of_symbol.leverage,
            is_isolated=of_symbol.is_isolated,
            isolated_wallet=_shown(position.isolated_e18) if of_symbol.is_isolated else ZERO,
            notional=_shown(value_e18),
            position_margin=_shown(abs(value_e18) // of_symbol.leverage),
            order_margin=_shown(self.symbol_margin_e18(account, symbol)[1]),
            maintenance=_shown(maintenance_e18(abs(value_e18))),
            margin_asset=rules.quote,
            updated_ms=position.updated_ms,
        )


def _shown(amount_e18: int) -> Decimal:
    """Return an amount cut to the 8 decimals that the venue shows."""
    return decimal_of(amount_e18 // 10**10 * 10**10)
