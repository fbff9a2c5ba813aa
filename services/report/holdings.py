"""Positions and paper wallets as the log tells them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.broker.settings import BrokerSettings
from services.report.account import COMMON_EXPONENT
from services.report.fold import ReportFold, money_text
from shared.double_entry import Books, Entry, asset_exponent, opening_entries
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
        initial = None if self.initial_balance is None else int(self.initial_balance.scaleb(COMMON_EXPONENT))
        venues = self._venue_books(wallets, initial or 0)
        quotes = [
            self._wallet_line(venue, asset, wallet, initial, venues[venue].balance("cash", asset))
            for (venue, asset), wallet in wallets.items()
        ]
        return quotes + self._asset_lines(wallets, venues)

    def _venue_books(self, wallets: Iterable[tuple[str, str]], initial: int) -> dict[str, Books]:
        """Return the books of each venue in 10^-30, opened with the paper money of its wallets."""
        venues: dict[str, Books] = {}
        for venue, asset in wallets:
            venues.setdefault(venue, Books()).post(opening_entries(asset, initial))
        ledger = self.fold.profits.ledger
        for (_, symbol), books in ledger.books.items():
            terms = ledger.terms[symbol]
            venues[venue_of(symbol)].post(
                Entry(account, asset, atoms * 10 ** (COMMON_EXPONENT - asset_exponent(asset, terms)))
                for (account, asset), atoms in books.balances.items()
            )
        return venues

    def _asset_lines(self, wallets: Collection[tuple[str, str]], venues: dict[str, Books]) -> list[Line]:
        """Return what is held besides the wallets' money; contracts of derivatives are held nowhere."""
        all_rules = self.fold.marks.rules.items()
        contracts = {(venue_of(symbol), each.base_asset) for symbol, each in all_rules if each.is_derivative}
        lines = []
        for venue, books in sorted(venues.items()):
            for asset in sorted({asset for _, asset in books.balances}):
                if (venue, asset) not in wallets and (venue, asset) not in contracts:
                    amount = books.balance("cash", asset) + books.balance("held", asset)
                    nothing = ("initial", "realized_pnl", "fees", "funding", "unrealized_pnl", "equity")
                    held = {"venue": venue, "asset": asset, "held": money_text(amount)}
                    lines.append(held | dict.fromkeys(nothing))
        return lines

    def _wallet_line(self, venue: str, asset: str, wallet: "_Wallet", initial: int | None, cash: int) -> Line:
        gain = wallet.realized - wallet.fees + wallet.funding + wallet.unrealized
        return {
            "venue": venue,
            "asset": asset,
            "initial": None if initial is None else money_text(initial),
            "held": None if initial is None else money_text(cash + wallet.bound),
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
