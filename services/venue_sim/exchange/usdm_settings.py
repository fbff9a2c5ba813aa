"""What an account sets on USD-M: leverage, margin type, position and asset mode, dead-man's switch."""

from decimal import Decimal

from services.venue_sim.exchange.accounts import BOTH, LEVERAGE_DEFAULT, Position
from services.venue_sim.exchange.algo import AlgoDesk
from services.venue_sim.exchange.amounts import decimal_of, e18_of
from services.venue_sim.exchange.positions import LEVERAGE_MAX, max_notional_e18
from services.venue_sim.exchange.records import AccountConfig, SymbolConfig
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM


class UsdmSettings:
    """Changes of settings; refusals have the codes of binance.md 5 (-4028 .. -4068, -4161 .. -4171)."""

    def __init__(self, desk: UsdmDesk, algos: AlgoDesk) -> None:
        self._desk = desk
        self._algos = algos
        self._floor = desk.floor

    def symbol_config(self, account: str, symbol: str) -> SymbolConfig:
        """Return what is set for a market."""
        self._desk.rules_of(symbol)
        kept = self._floor.account(account).symbols.get(symbol)
        leverage = kept.leverage if kept is not None else LEVERAGE_DEFAULT
        is_isolated = kept.is_isolated if kept is not None else False
        return SymbolConfig(symbol, leverage, is_isolated, decimal_of(max_notional_e18(leverage), 0))

    def set_leverage(self, account: str, symbol: str, leverage: int, now_ms: int) -> SymbolConfig:
        """Set the leverage of a market."""
        self._desk.rules_of(symbol)
        kept = self._floor.account(account).usdm(symbol)
        if not 1 <= leverage <= LEVERAGE_MAX:
            raise VenueRefusal(-4028, f"Leverage {leverage} is not valid")
        held = [position for position in kept.positions.values() if position.lots]
        if kept.is_isolated and leverage < kept.leverage and held:
            raise VenueRefusal(
                -4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions."
            )
        before, margin_before = kept.leverage, sum(self._desk.symbol_margin_e18(account, symbol))
        worth_e18 = margin_before * before
        if worth_e18 > max_notional_e18(leverage):
            raise VenueRefusal(-2027, "Exceeded the maximum allowable position at current leverage.")
        available = self._desk.available_e18(account, self._desk.rules[symbol].quote)
        kept.leverage = leverage
        if not kept.is_isolated:
            more_e18 = sum(self._desk.symbol_margin_e18(account, symbol)) - margin_before
            if more_e18 > max(0, available):
                kept.leverage = before
                raise VenueRefusal(-2028, "Leverage is smaller than permitted: insufficient margin balance.")
        self._floor.say(account, AccountConfig(venue=USDM, time_ms=now_ms, symbol=symbol, leverage=leverage))
        return self.symbol_config(account, symbol)

    def set_margin_type(self, account: str, symbol: str, is_isolated: bool, now_ms: int) -> None:
        """Choose isolated or crossed margin for a market without orders and position."""
        self._desk.rules_of(symbol)
        kept = self._floor.account(account).usdm(symbol)
        if self._floor.account(account).is_multi_assets and is_isolated:
            raise VenueRefusal(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        if kept.is_isolated == is_isolated:
            raise VenueRefusal(-4046, "No need to change margin type.")
        if self._desk.store.of_market(account, symbol) or self._algos.has_open(account, symbol):
            raise VenueRefusal(-4047, "Margin type cannot be changed if there exists open orders.")
        if any(position.lots for position in kept.positions.values()):
            raise VenueRefusal(-4048, "Margin type cannot be changed if there exists position.")
        kept.is_isolated = is_isolated
        kind = "ISOLATED" if is_isolated else "CROSSED"
        self._floor.ledger.act(USDM, account, f"{symbol} is {kind}", now_ms)

    def set_position_mode(self, account: str, is_hedge: bool, now_ms: int) -> None:
        """Choose one position a market, or long and short beside each other, for all markets."""
        kept = self._floor.account(account)
        if kept.is_hedge == is_hedge:
            raise VenueRefusal(-4059, "No need to change position side.")
        if self._desk.store.of_account(account) or self._algos.has_open(account, ""):
            raise VenueRefusal(-4067, "Position side cannot be changed if there exists open orders.")
        if any(p.lots for of_symbol in kept.symbols.values() for p in of_symbol.positions.values()):
            raise VenueRefusal(-4068, "Position side cannot be changed if there exists position.")
        kept.is_hedge = is_hedge
        self._floor.ledger.act(USDM, account, "hedge mode" if is_hedge else "one-way mode", now_ms)

    def set_multi_assets(self, account: str, is_multi_assets: bool, now_ms: int) -> None:
        """Choose whether all assets are margin; only the flag is kept, each asset carries its own markets."""
        kept = self._floor.account(account)
        if kept.is_multi_assets == is_multi_assets:
            raise VenueRefusal(-4171, "No need to change multi-assets mode.")
        if is_multi_assets and any(of_symbol.is_isolated for of_symbol in kept.symbols.values()):
            raise VenueRefusal(
                -4167,
                "Unable to adjust to Multi-Assets mode "
                "with symbols of USD-M Futures under isolated-margin mode.",
            )
        kept.is_multi_assets = is_multi_assets
        event = AccountConfig(venue=USDM, time_ms=now_ms, is_multi_assets=is_multi_assets)
        self._floor.say(account, event)

    def change_isolated_margin(
        self, account: str, symbol: str, position_side: str, amount: Decimal, now_ms: int
    ) -> None:
        """Add to (or take from, when negative) the margin of an isolated position."""
        self._desk.rules_of(symbol)
        kept = self._floor.account(account).usdm(symbol)
        position = kept.positions.get(position_side or BOTH, Position())
        amount_e18 = e18_of(amount)
        if not kept.is_isolated or not position.lots:
            raise VenueRefusal(-4051, "Cross balance insufficient." if kept.is_isolated else "Not isolated.")
        if amount_e18 is None or amount_e18 == 0:
            raise VenueRefusal(-4055, "Amount must be positive.")
        asset = self._desk.rules[symbol].quote
        if amount_e18 > 0 and amount_e18 > self._desk.available_e18(account, asset):
            raise VenueRefusal(-4051, "Isolated balance insufficient.")
        needed_e18 = abs(position.lots) * self._desk.mark_per_lot_e18(symbol) // kept.leverage
        if amount_e18 < 0 and position.isolated_e18 + amount_e18 < needed_e18:
            raise VenueRefusal(-4051, "Isolated balance insufficient.")
        position.isolated_e18 += amount_e18
        self._desk.say_account(account, "MARGIN_TRANSFER", now_ms, (asset,), symbol)

    def countdown(self, account: str, symbol: str, countdown_ms: int, now_ms: int) -> None:
        """Let all orders of a market be cancelled after a time unless this comes again; 0 disarms."""
        self._desk.rules_of(symbol)
        countdowns = self._floor.account(account).countdowns
        if countdown_ms <= 0:
            countdowns.pop(symbol, None)
        else:
            countdowns[symbol] = now_ms + countdown_ms
