"""A market whose tick or lot changed under its positions: nothing is traded there any more (I-16)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.risk.guard import Hold, QuietGuard

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "rules_changed"


class RulesGuard(QuietGuard):
    """Halts a market while `Market.other_rules` stand: its positions and its prices are in other units.

    Exits are halted as well, for an order in new lots would not be what shrinks a position in old ones. It
    ends when the former rules are back, or when a person resumes everything and nothing is counted in them.
    """

    name = "rules"

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:
        """Halt each such market."""
        held = []
        for symbol, place in sorted(known.markets.items()):
            rules, other = place.rules, place.other_rules
            if rules is not None and other is not None:
                reason = (
                    f"tick and lot of {symbol} changed from {rules.tick_size} and {rules.lot_size} to "
                    f"{other.tick_size} and {other.lot_size}, its fills and orders are counted in the former "
                    "ones; close the position at the venue and start a new data directory"
                )
                held.append(Hold("", symbol, "halted", CODE, reason))
        return held
