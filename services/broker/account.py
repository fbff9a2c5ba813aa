"""The paper account: cash and holdings, kept by cash flow alone (BR-19).

It shares no arithmetic with risk's ledger (which books average cost): equity here minus the initial balance
must equal risk's profit there, to the atom. A wallet is one (venue, quote asset).
"""

from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill


class Account:
    """Cash flow (fees included) and holdings of each market."""

    def __init__(self) -> None:
        self.cash_atoms: dict[str, int] = {}
        self.holdings_lots: dict[str, int] = {}

    def book(self, fill: Fill, rules: InstrumentRules) -> None:
        """Book one fill."""
        notional = fill.price_ticks * fill.qty_lots * rules.tick_lot_atoms
        flow = -fill.side.sign * notional - fill.fee_atoms
        self.cash_atoms[fill.symbol] = self.cash_atoms.get(fill.symbol, 0) + flow
        held = self.holdings_lots.get(fill.symbol, 0)
        self.holdings_lots[fill.symbol] = held + fill.side.sign * fill.qty_lots

    def gain_atoms(self, rules: InstrumentRules, mark_centiticks: int) -> int:
        """Return what a market has earned: cash plus holdings at mark, rounded down."""
        held = self.holdings_lots.get(rules.symbol, 0)
        return self.cash_atoms.get(rules.symbol, 0) + held * mark_centiticks * rules.tick_lot_atoms // 100

    def dump(self) -> list[tuple[str, int, int]]:
        """Return (symbol, cash, holdings), sorted."""
        return [(s, cash, self.holdings_lots[s]) for s, cash in sorted(self.cash_atoms.items())]

    def load(self, state: list[tuple[str, int, int]]) -> None:
        """Replace everything by a dump."""
        self.cash_atoms = {symbol: cash for symbol, cash, _ in state}
        self.holdings_lots = {symbol: lots for symbol, _, lots in state}
