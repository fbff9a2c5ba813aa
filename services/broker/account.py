"""The paper account: cash and holdings, kept by cash flow alone (BR-19).

It shares no arithmetic with risk's ledger (which books average cost): equity here minus the initial balance
must equal risk's profit there, to the atom; `services.broker.equality` compares them. A wallet is one
(venue, quote asset).
"""

from collections.abc import Callable, Iterable

import msgspec

from shared.double_entry import Wide, wide
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid


class Row(msgspec.Struct, array_like=True):
    """What one strategy did in one market: `cash_atoms` of fills less fees, without funding."""

    strategy: str
    symbol: str
    lots: int = 0
    cash_atoms: Wide = 0
    fees_atoms: Wide = 0
    volume_atoms: Wide = 0
    funding_atoms: Wide = 0
    funding_count: int = 0


class AccountState(msgspec.Struct, array_like=True, frozen=True):
    """Rows of strategies, and the markets whose former fills no row knows."""

    rows: list[Row] = []
    unsplit: list[str] = []


class Account:
    """Cash flow (fees and funding included) and holdings of each market, and the rows they are made of."""

    def __init__(self) -> None:
        self.cash_atoms: dict[str, int] = {}
        self.holdings_lots: dict[str, int] = {}
        self.rows: dict[tuple[str, str], Row] = {}
        self.unsplit: set[str] = set()

    def book(self, fill: Fill, rules: InstrumentRules) -> None:
        """Book one fill."""
        notional = fill.price_ticks * fill.qty_lots * rules.tick_lot_atoms
        flow = -fill.side.sign * notional - fill.fee_atoms
        self.cash_atoms[fill.symbol] = self.cash_atoms.get(fill.symbol, 0) + flow
        held = self.holdings_lots.get(fill.symbol, 0)
        self.holdings_lots[fill.symbol] = held + fill.side.sign * fill.qty_lots
        row = self._row(fill.strategy, fill.symbol)
        row.lots += fill.side.sign * fill.qty_lots
        row.cash_atoms = int(row.cash_atoms) + flow
        row.fees_atoms = int(row.fees_atoms) + fill.fee_atoms
        row.volume_atoms = int(row.volume_atoms) + notional

    def book_funding(self, paid: FundingPaid) -> None:
        """Book one funding payment."""
        self.cash_atoms[paid.symbol] = self.cash_atoms.get(paid.symbol, 0) + paid.amount_atoms
        self.holdings_lots.setdefault(paid.symbol, 0)
        row = self._row(paid.strategy, paid.symbol)
        row.funding_atoms = int(row.funding_atoms) + paid.amount_atoms
        row.funding_count += 1

    def gain_atoms(self, rules: InstrumentRules, mark_centiticks: int) -> int:
        """Return what a market has earned: cash plus holdings at mark, rounded down."""
        held = self.holdings_lots.get(rules.symbol, 0)
        return self.cash_atoms.get(rules.symbol, 0) + held * mark_centiticks * rules.tick_lot_atoms // 100

    def positions(self, symbol: str) -> list[tuple[str, int]]:
        """Return (strategy, lots) of every open position in a market, sorted."""
        return sorted(
            (row.strategy, row.lots) for row in self.rows.values() if row.symbol == symbol and row.lots
        )

    def _row(self, strategy: str, symbol: str) -> Row:
        row = self.rows.get((strategy, symbol))
        if row is None:
            row = self.rows[strategy, symbol] = Row(strategy, symbol)
        return row

    def dump(self) -> list[tuple[str, Wide, int]]:
        """Return (symbol, cash, holdings), sorted."""
        return [(s, wide(cash), self.holdings_lots[s]) for s, cash in sorted(self.cash_atoms.items())]

    def dump_rows(self) -> AccountState:
        """Return the rows, sorted."""
        rows = [self.rows[key] for key in sorted(self.rows)]
        return AccountState([_with(row, wide) for row in rows], sorted(self.unsplit))

    def load(self, state: Iterable[tuple[str, Wide, int]], rows: AccountState | None = None) -> None:
        """Replace everything by a dump; without rows, former fills cannot be told apart by strategy."""
        state = list(state)
        self.cash_atoms = {symbol: int(cash) for symbol, cash, _ in state}
        self.holdings_lots = {symbol: lots for symbol, _, lots in state}
        if rows is None:
            self.rows, self.unsplit = {}, set(self.cash_atoms)
        else:
            self.rows = {(row.strategy, row.symbol): _with(row, int) for row in rows.rows}
            self.unsplit = set(rows.unsplit)


def _with(row: Row, number: Callable[[Wide], Wide]) -> Row:
    return msgspec.structs.replace(
        row,
        cash_atoms=number(row.cash_atoms),
        fees_atoms=number(row.fees_atoms),
        volume_atoms=number(row.volume_atoms),
        funding_atoms=number(row.funding_atoms),
    )
