"""What risk knows, counted in money: profit, exposure, cash. All of it is derived, nothing is kept."""

from services.risk.ask import MONEY_EXPONENT, NO_LIMIT, PPM, Caps, clipped, money
from services.risk.exposure import Exposure
from services.risk.market import Market
from services.risk.settings import RiskSettings
from services.risk.state import Mood
from shared.double_entry import AssetMark
from shared.instrument import venue_of
from shared.ledger import Ledger
from shared.messages import market, orders

E8_MONEY: int = 10 ** (MONEY_EXPONENT - 8)
"""One 10^-8 of the currency in 10^-18."""


class RiskMoney:
    """The sums of `RiskKnowledge`, which fills these."""

    settings: RiskSettings
    mood: Mood
    markets: dict[str, Market]
    ledger: Ledger
    exposure: Exposure
    caps: dict[str, Caps]

    def free_cash_atoms(self, rules: market.InstrumentRules) -> int:
        """Return what the spot wallet of a market can still pay, in its atoms: cash less all open buys.

        A wallet is one of each venue and quote asset, with `prepared.wallet_balance` at first; derivatives
        have no such limit here.
        """
        if rules.is_derivative:
            return NO_LIMIT
        venue = venue_of(rules.symbol)
        total: int = int(self.settings.prepared.wallet_balance.scaleb(MONEY_EXPONENT))
        for symbol, place in self.markets.items():
            other = place.rules
            if other is None or other.is_derivative or other.quote_asset != rules.quote_asset:
                continue
            if venue_of(symbol) != venue:
                continue
            fee_ppm = max(0, other.maker_fee_ppm, other.taker_fee_ppm)
            buys = self.exposure.live_buy_ticks_lots(symbol) * other.tick_lot_atoms
            flow = -(buys * (PPM + fee_ppm) // PPM)
            position = self.ledger.by_symbol.get(symbol)
            if position is not None:
                flow += int(position.realized_atoms - position.cost_atoms - position.fees_atoms)
            total += money(flow, other)
        return int(total // money(1, rules))

    def loss_money(self) -> int:
        """Return what was lost since the start or the last cleared kill, in 10^-18 of the currency."""
        mood = self.mood
        return mood.pnl_base_money + mood.pnl_base_e8 * E8_MONEY - self.pnl_money()

    def pnl_e8(self) -> int:
        """Return the profit of the account in 10^-8 of the currency, rounded down."""
        return clipped(self.pnl_money() // E8_MONEY)

    def equity_e8(self) -> int:
        """Return initial equity + profit in 10^-8 of the currency."""
        return clipped(
            (int(self.settings.initial_equity.scaleb(MONEY_EXPONENT)) + self.pnl_money()) // E8_MONEY
        )

    def strategy_pnl_e8(self) -> dict[str, int]:
        """Return the profit of each strategy, as that of the account."""
        profits: dict[str, int] = {}
        for strategy, symbol in self.ledger.by_strategy:
            place = self.markets[symbol]
            if place.rules is not None and self.caps[symbol].is_currency:
                atoms = self.ledger.strategy_profit_atoms(strategy, symbol, place.mark_centiticks)
                profits[strategy] = profits.get(strategy, 0) + money(atoms, place.rules) // E8_MONEY
        return {strategy: clipped(profit) for strategy, profit in profits.items()}

    def value_e8(self, symbol: str, price_ticks: int, qty_lots: int) -> int:
        """Return the value of lots at a price in 10^-8 of the currency; 0 in another currency."""
        rules = self.markets[symbol].rules
        if rules is None or not self.caps[symbol].is_currency:
            return 0
        return clipped(money(price_ticks * qty_lots * rules.tick_lot_atoms, rules) // E8_MONEY)

    def pnl_money(self) -> int:
        """Return realized - fees + unrealized over all markets in 10^-18 of the currency."""
        total = 0
        for symbol in self.ledger.by_symbol:
            place = self.markets[symbol]
            if place.rules is not None and self.caps[symbol].is_currency:
                total += money(self.ledger.profit_atoms(symbol, place.mark_centiticks), place.rules)
        return total

    def portfolio_money(self) -> int:
        """Return the value of all positions and open orders in 10^-18 of the currency."""
        caps, total = self.caps, 0
        for symbol, ticks_lots in self.exposure.all_ticks_lots():
            if ticks_lots:
                total += ticks_lots * caps[symbol].tick_lot_money
        for symbol, position in self.ledger.by_symbol.items():
            place = self.markets[symbol]
            if position.position_lots and place.rules is not None and caps[symbol].is_currency:
                total += money(place.value_atoms(int(position.position_lots)), place.rules)
        return total

    def fee_mark(self, fill: orders.Fill) -> AssetMark | None:
        """Return the price of a fee taken in a third asset, where a market of it is known."""
        terms = self.ledger.terms.get(fill.symbol)
        if terms is None or fill.fee_asset in (terms.quote_asset, terms.base_asset):
            return None
        for symbol, other in self.ledger.terms.items():
            half_ticks = self.markets[symbol].mark_half_ticks if symbol in self.markets else 0
            if (other.base_asset, other.quote_asset) == (fill.fee_asset, terms.quote_asset) and half_ticks:
                return AssetMark(half_ticks, other)
        return None
