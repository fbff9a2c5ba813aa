"""Positions and paper wallets as the log tells them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from services.broker.settings import BrokerSettings
from services.report.account import COMMON_EXPONENT
from services.report.fold import ReportFold, money_text
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
            "volume": money_text(position.volume_atoms * scale),
            "quote_asset": rules.quote_asset,
        }

    def wallet_lines(self) -> list[Line]:
        """Return one line per venue and quote asset; equity is null before the broker has started."""
        sums: dict[tuple[str, str], list[int]] = {}
        for symbol, rules in sorted(self.fold.marks.rules.items()):
            sums.setdefault((venue_of(symbol), rules.quote_asset), [0, 0, 0])
        for (strategy, symbol), position in self.fold.positions.items():
            rules = self.fold.marks.rules[symbol]
            scale = 10 ** (COMMON_EXPONENT - rules.quote_exponent)
            wallet = sums[venue_of(symbol), rules.quote_asset]
            wallet[0] += position.realized_atoms * scale
            wallet[1] += position.fees_atoms * scale
            wallet[2] += self.fold.unrealized[strategy, symbol]
        return [self._wallet_line(venue, asset, *money) for (venue, asset), money in sums.items()]

    def _wallet_line(self, venue: str, asset: str, realized: int, fees: int, unrealized: int) -> Line:
        initial = None
        if self.initial_balance is not None:
            initial = int(self.initial_balance.scaleb(COMMON_EXPONENT))
        return {
            "venue": venue,
            "asset": asset,
            "initial": None if initial is None else money_text(initial),
            "realized_pnl": money_text(realized),
            "fees": money_text(fees),
            "unrealized_pnl": money_text(unrealized),
            "equity": None if initial is None else money_text(initial + realized - fees + unrealized),
        }
