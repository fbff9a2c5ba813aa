"""When this run may say that venues, log and risk's ledger agree (I-30, RK-29), and who asked for it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.broker.desk.desk import Desk
from services.broker.desk.state import Fact
from services.broker.live_knowledge import LiveKnowledge
from shared.messages.system import Reconciled
from shared.units import NS_PER_S

AWAIT_RISK_NS = 5 * NS_PER_S
"""After how long a fill that risk has not answered counts as a difference."""
ANSWER_WITHIN_NS = 20 * NS_PER_S
"""A person who asks is answered within this, whatever the venues do."""
DETAILS_MAX = 10


class _Asked(NamedTuple):
    """A person's wish to compare now."""

    request_seq: int
    asked_ns: int


class Agreement:
    """What of reconciliation was said in this run."""

    def __init__(self, run: int, desks: Mapping[str, Desk]) -> None:
        self.run = run
        self.is_said = False
        self._desks = desks
        self._is_difference_said = False
        self._awaited_since_ns = 0
        self._asked: list[_Asked] = []

    def ask(self, request_seq: int, now_ns: int) -> None:
        """Take a person's wish: everything is compared now and the answer said."""
        self._asked.append(_Asked(request_seq, now_ns))

    def look(self, known: LiveKnowledge, now_ns: int, *, is_log_level: bool) -> Iterable[Fact]:
        """Yield what is to be said now; `is_log_level` tells that the log holds all that was said."""
        if is_log_level and not self.is_said and all(desk.rounds.is_reconciled for desk in self._venues()):
            yield from self._first(known, now_ns)
        while self._asked and (is_log_level or self._is_overdue(self._asked[0], now_ns)):
            asked = self._asked[0]
            if not self._is_compared_since(asked.asked_ns) and not self._is_overdue(asked, now_ns):
                break
            del self._asked[0]
            differences = [f"{desk.venue}: not compared in time" for desk in self._not_compared(asked)]
            found = known.compare()
            yield self._fact([*differences, *found.differences], found.awaited_count, asked.request_seq)

    def _first(self, known: LiveKnowledge, now_ns: int) -> Iterable[Fact]:
        found = known.compare()
        if not found.differences and not found.awaited_count:
            self.is_said = True
            yield self._fact([], 0, 0)
            return
        self._awaited_since_ns = self._awaited_since_ns or now_ns
        is_late = bool(found.differences) or now_ns - self._awaited_since_ns > AWAIT_RISK_NS
        if is_late and not self._is_difference_said:
            self._is_difference_said = True
            yield self._fact(found.differences, found.awaited_count, 0)

    def _venues(self) -> list[Desk]:
        return list(self._desks.values())

    def _is_overdue(self, asked: _Asked, now_ns: int) -> bool:
        return now_ns - asked.asked_ns >= ANSWER_WITHIN_NS

    def _is_compared_since(self, asked_ns: int) -> bool:
        return all(
            desk.rounds.is_reconciled and desk.rounds.full_since_ns >= asked_ns for desk in self._venues()
        )

    def _not_compared(self, asked: _Asked) -> list[Desk]:
        return [
            desk
            for desk in self._venues()
            if not desk.rounds.is_reconciled or desk.rounds.full_since_ns < asked.asked_ns
        ]

    def _fact(self, differences: list[str], awaited_count: int, cause_seq: int) -> Fact:
        details = differences[:DETAILS_MAX]
        if awaited_count:
            details.append(f"risk has not answered {awaited_count} positions yet")
        return Fact(Reconciled(self.run, len(differences) + awaited_count, "; ".join(details)), cause_seq)
