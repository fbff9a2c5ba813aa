"""Guards: parts of risk with a memory of their own, in one table: a breaker, a monitor, a calendar.

To add a guard: a file with a class that satisfies `Guard` (guard.py), its settings, and one line in `GUARDS`.
The order of the table is the order of their objections (RK-2).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from services.risk.ask import PPM, Objection
from services.risk.calendar import Calendar
from services.risk.candle_monitor import CandleMonitor
from services.risk.guard import Guard, Hold, QuietGuard
from services.risk.margin_guard import MarginGuard
from services.risk.regime_guard import RegimeGuard
from shared.messages import Event, Message, orders

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

__all__ = ["GUARDS", "Guard", "GuardClass", "Guards", "Hold", "QuietGuard"]

GuardClass = type[Guard]

GUARDS: tuple[GuardClass, ...] = (CandleMonitor, Calendar, MarginGuard, RegimeGuard)
"""Every guard, in the order of their objections."""


class Guards:
    """All guards of one core."""

    def __init__(self) -> None:
        self.all: list[Guard] = [kind() for kind in GUARDS]
        self._watching: dict[type[Message], list[Guard]] = {}
        for guard in self.all:
            for kind in guard.watches:
                self._watching.setdefault(kind, []).append(guard)

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Let those that watch it take an event."""
        for guard in self._watching.get(type(event.message), ()):
            guard.observe(event, known)

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Return what each says; the next one decides after the former's words were folded."""
        for guard in self._watching.get(type(event.message), ()):
            yield from guard.decide(event, known)

    def fold(self, message: Message) -> None:
        """Let each take an own message of risk."""
        for guard in self.all:
            guard.fold(message)

    def holds(self, known: "RiskKnowledge") -> list[Hold]:
        """Return all that is held back."""
        return [hold for guard in self.all for hold in guard.holds(known)]

    def objections(
        self, intent: orders.OrderIntent, known: "RiskKnowledge"
    ) -> tuple[tuple[Objection, ...], tuple[Objection, ...]]:
        """Return what stops this order whatever it does, and what stops it unless it reduces."""
        held = [hold for hold in self.holds(known) if hold.covers(intent.strategy, intent.symbol)]
        halts = tuple(hold.objection for hold in held if hold.state == "halted")
        holds = [hold.objection for hold in held if hold.state != "halted"]
        for guard in self.all:
            objection = guard.objection(intent, known)
            if objection is not None:
                holds.append(objection)
        return halts, tuple(holds)

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int:
        """Return the smallest share that any of them allows."""
        return min((guard.size_ppm(strategy, symbol, known) for guard in self.all), default=PPM)

    def dump(self) -> list[tuple[str, bytes]]:
        """Return the state of each by name."""
        return sorted((guard.name, guard.dump()) for guard in self.all)

    def load(self, state: list[tuple[str, bytes]]) -> None:
        """Take the result of `dump`; a guard that is new keeps its fresh state."""
        saved = dict(state)
        for guard in self.all:
            if guard.name in saved:
                guard.load(saved[guard.name])
