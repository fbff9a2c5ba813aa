"""Count the orders that no strategy in its right mind asks for; too many in one day kill (RK-11).

What counts was wrong whatever the market and the other strategies did: no order at all, a market that cannot
be traded, or more than one order may ever be. Refusals that come from the state of the mesh (stale, reducing,
a breaker), from a price that jumped away, from the limits that strategies share (position, open orders, rate)
or from limits that are scaled down now, do not count: they would kill for the fault of another.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import QuietGuard
from shared.messages import Event, Message
from shared.messages.control import KillCleared, KillRequested
from shared.messages.guards import SessionReset
from shared.messages.orders import OrderIntent, OrderRefused

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

COUNTED = frozenset({"bad_order", "currency", "unknown_symbol", "order_size"})
"""Codes of refusals that are violations."""


class Violations(QuietGuard):
    """Violations since the day began or kill was cleared, by strategy."""

    name = "violations"
    watches = frozenset({OrderIntent, KillCleared})
    folds = frozenset({OrderRefused, SessionReset})

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Begin anew once a person has cleared the kill."""
        del known
        if type(event.message) is KillCleared:
            self.counts.clear()

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Ask for the kill at the limit."""
        del event
        return self._decide(known) if self.counts else ()

    def _decide(self, known: "RiskKnowledge") -> Iterable[Message]:
        limit = known.settings.violations_max
        total = sum(self.counts.values())
        if total >= limit and not known.mood.is_killed:
            parts = ", ".join(f"{count} by {name}" for name, count in sorted(self.counts.items()))
            reason = f"{total} orders beyond hard limits in one day ({parts}), the limit is {limit}"
            yield KillRequested(by="risk", reason=reason)

    def fold(self, message: Message) -> None:
        """Count own refusals; a new day begins at none."""
        if isinstance(message, OrderRefused) and message.code in COUNTED:
            self.counts[message.strategy] = self.counts.get(message.strategy, 0) + 1
        elif isinstance(message, SessionReset):
            self.counts.clear()

    def dump(self) -> bytes:
        """Return the counts."""
        return msgspec.msgpack.encode(sorted(self.counts.items()))

    def load(self, data: bytes) -> None:
        """Take the counts."""
        self.counts = dict(msgspec.msgpack.decode(data, type=list[tuple[str, int]]))
