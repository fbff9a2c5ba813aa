"""Positions and paper wallets as the log tells them."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.broker.settings import BrokerSettings
from services.report.account import COMMON_EXPONENT
from services.report.fold import ReportFold, money_text
from shared.double_entry import asset_exponent
from shared.instrument import venue_of
from shared.messages import Event, system
from shared.settings import unpack
from shared.units import decimal_text

Line = dict[str, Any]


class Holdings:
    """A report with the paper money that the broker began with."""

    def __init__(self) -> None:
        self.fold = ReportFold()
        self.initial_balance: Decimal | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Holdings":
        """Return the holdings at the end of a log."""
        holdings = cls()
        for event in events:
            holdings.apply(event)
        return holdings

    def apply(self, event: Event) -> None:
        """Take the next event of the log."""
        message = event.message
        if type(message) is system.ServiceStarted and message.service == "broker":
            self.initial_balance = unpack(message.settings, BrokerSettings).initial_balance
        self.fold.apply(event)

    def position_lines(self) -> list[Line]:
        """Return one line per strategy and market, flat ones too; profit is before fees."""
        return [self._position_line(*key) for key in sorted(self.fold.positions)]

    def _position_line(self, strategy: str, symbol: str) -> Line:
        position, rules = self.fold.positions[strategy, symbol], self.fold.marks.rules[symbol]
        average = Decimal(position.average_price_centiticks) * Decimal(rules.tick_size).scaleb(-2)
        scale = 10 ** (COMMON_EXPONENT - rules.quote_exponent)
        return {
            "strategy": strategy,
            "symbol": symbol,
            "qty": decimal_text(position.position_lots, rules.lot_size),
            "average_price": format(average, "f"),
            "realized_pnl": money_text(position.realized_atoms * scale),
            "unrealized_pnl": money_text(self.fold.unrealized[strategy, symbol]),
            "fees": money_text(position.fees_atoms * scale),
            "funding": money_text(self.fold.profits.ledger.strategy_funding(strategy, symbol).atoms * scale),
            "volume": money_text(position.volume_atoms * scale),
            "quote_asset": rules.quote_asset,
        }

    def wallet_lines(self) -> list[Line]:
        """Return one line per venue and quote asset, then one per other asset that is or was held there.

        `held` is what lies in the wallet: cash, and of a spot market the asset bought, less fees taken in it.
        A derivative holds nothing but its margin: cash is then what closed positions, fees and funding made.
        Equity is null before the broker has started, and of assets that no price of the wallet values.
        """
        wallets: dict[tuple[str, str], _Wallet] = {}
        for symbol, rules in sorted(self.fold.marks.rules.items()):
            wallets.setdefault((venue_of(symbol), rules.quote_asset), _Wallet())
        for (strategy, symbol), position in self.fold.positions.items():
            rules = self.fold.marks.rules[symbol]
            scale = 10 ** (COMMON_EXPONENT - rules.quote_exponent)
            wallet = wallets[venue_of(symbol), rules.quote_asset]
            wallet.realized += position.realized_atoms * scale
            wallet.fees += position.fees_atoms * scale
            wallet.funding += self.fold.profits.ledger.strategy_funding(strategy, symbol).atoms * scale
            wallet.unrealized += self.fold.unrealized[strategy, symbol]
            if rules.is_derivative:
                wallet.bound += position.cost_atoms * scale
        held = self._held()
        quotes = [self._wallet_line(*key, wallet, held.get(key, 0)) for key, wallet in wallets.items()]
        others = [_asset_line(*key, amount) for key, amount in held.items() if key not in wallets]
        return quotes + others

    def _held(self) -> dict[tuple[str, str], int]:
        """Return what the double-entry books hold by venue and asset, contracts left out, in 10^-30."""
        held: dict[tuple[str, str], int] = {}
        ledger = self.fold.profits.ledger
        for (_, symbol), books in sorted(ledger.books.items()):
            terms = ledger.terms[symbol]
            is_derivative = self.fold.marks.rules[symbol].is_derivative
            for (account, asset), atoms in sorted(books.balances.items()):
                if account == "cash" or (account == "held" and not is_derivative):
                    place = (venue_of(symbol), asset)
                    scale = 10 ** (COMMON_EXPONENT - asset_exponent(asset, terms))
                    held[place] = held.get(place, 0) + atoms * scale
        return held

    def _wallet_line(self, venue: str, asset: str, wallet: "_Wallet", cash: int) -> Line:
        initial = None
        if self.initial_balance is not None:
            initial = int(self.initial_balance.scaleb(COMMON_EXPONENT))
        gain = wallet.realized - wallet.fees + wallet.funding + wallet.unrealized
        return {
            "venue": venue,
            "asset": asset,
            "initial": None if initial is None else money_text(initial),
            "held": None if initial is None else money_text(initial + cash + wallet.bound),
            "realized_pnl": money_text(wallet.realized),
            "fees": money_text(wallet.fees),
            "funding": money_text(wallet.funding),
            "unrealized_pnl": money_text(wallet.unrealized),
            "equity": None if initial is None else money_text(initial + gain),
        }


@dataclass(slots=True)
class _Wallet:
    realized: int = 0
    fees: int = 0
    funding: int = 0
    unrealized: int = 0
    bound: int = 0


def _asset_line(venue: str, asset: str, amount: int) -> Line:
    nothing = dict.fromkeys(("initial", "realized_pnl", "fees", "funding", "unrealized_pnl", "equity"))
    return {"venue": venue, "asset": asset, **nothing, "held": money_text(amount)}
