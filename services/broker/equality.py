"""Risk's ledger against the paper account, by what risk says on the log (RK-29).

Risk books average cost, the account cash flow; of each strategy in each market the position, the fees, the
funding and cash = realized - cost - fees + funding must be the same, to the atom. They are compared where
both stand at the same fills and payments, told by volume and number of payments: what risk has not answered
yet is awaited, not a difference.
"""

from typing import NamedTuple

from services.broker.account import Account, Row
from shared.double_entry import in_64_bits
from shared.messages.orders import PositionChanged


class Comparison(NamedTuple):
    """What a comparison found: `differences` as texts, and for how many rows risk has yet to speak."""

    differences: list[str]
    awaited_count: int


class LedgerEquality:
    """The newest word of risk on each (strategy, symbol)."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], PositionChanged] = {}

    def hear(self, message: PositionChanged) -> None:
        """Take a word of risk."""
        self.said[message.strategy, message.symbol] = message

    def compare(self, account: Account) -> Comparison:
        """Compare every row; markets with fills from before rows were kept are left out."""
        differences: list[str] = []
        awaited_count = 0
        for key, row in sorted(account.rows.items()):
            if row.symbol in account.unsplit:
                continue
            said = self.said.get(key)
            volume = in_64_bits(int(row.volume_atoms))
            if said is None or said.volume_atoms < volume or said.funding_count < row.funding_count:
                awaited_count += 1
                continue
            differences += _differences(row, said, volume)
        return Comparison(differences, awaited_count)

    def dump(self) -> list[PositionChanged]:
        """Return every word, sorted."""
        return [self.said[key] for key in sorted(self.said)]

    def load(self, state: list[PositionChanged]) -> None:
        """Replace everything by a dump."""
        self.said = {(message.strategy, message.symbol): message for message in state}


def _differences(row: Row, said: PositionChanged, volume: int) -> list[str]:
    pairs = [
        ("volume", said.volume_atoms, volume),
        ("position", said.position_lots, row.lots),
        ("fees", said.fees_atoms, in_64_bits(int(row.fees_atoms))),
        ("funding", said.funding_atoms, in_64_bits(int(row.funding_atoms))),
    ]
    if said.cost_atoms is not None:
        pairs.append(("cash", said.realized_atoms - said.cost_atoms - said.fees_atoms, int(row.cash_atoms)))
    return [
        f"{what} of {row.strategy} in {row.symbol}: risk says {theirs}, the account {ours}"
        for what, theirs, ours in pairs
        if theirs != ours
    ]
