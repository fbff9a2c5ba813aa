"""Guards that trip: what trips stays on the log and holds orders back until it is released.

A trip is said as `GuardRaised` with `is_tripped`, its end as `GuardReleased`: by a person who resumes with a
reason, by the daily reset where it is one of a day, or by what the guard itself says.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from services.risk.guard import Hold, HoldState, QuietGuard
from shared.messages import Event, Message
from shared.messages.control import ResumeRequested
from shared.messages.guards import GuardRaised, GuardReleased, SessionReset

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

Key = tuple[str, str, str]

NEEDS_REASON = "resume_needs_reason"
"""Code of what is said to a person who resumes without a reason."""


def needs_reason_text(held: Iterable[str]) -> str:
    """Return what is said to a person who resumes without a reason, while `held` stands."""
    return f"still held: {', '.join(held)}; a resume that releases it needs a reason (resume --reason TEXT)"


class Trip(msgspec.Struct, array_like=True, frozen=True):
    """One thing that is held; `ended_by` names the new day that ends it, empty while it holds on.

    `since_ns` is the origin of the event that tripped it: the same when said and when adopted from the log.
    """

    code: str
    strategy: str
    symbol: str
    text: str
    value: int
    limit: int
    since_ns: int
    ended_by: str = ""

    @property
    def key(self) -> Key:
        """Return what tells it from others: there is one trip of a code, strategy and market."""
        return self.code, self.strategy, self.symbol


class TrippingGuard(QuietGuard):
    """Base of guards that trip; `CODES` names what each code leaves, `DAILY` those that a new day ends.

    A subclass watches `ResumeRequested`, and calls `super().observe` and `super().decide` first.
    """

    CODES: ClassVar[Mapping[str, HoldState]] = {}
    DAILY: ClassVar[frozenset[str]] = frozenset()
    folds: ClassVar[frozenset[type[Message]]] = frozenset({GuardRaised, GuardReleased, SessionReset})

    def __init__(self) -> None:
        self.trips: dict[Key, Trip] = {}
        self.now_ns = 0

    def observe(self, event: Event, known: "RiskKnowledge") -> None:  # noqa: ARG002
        """Take the time of an event."""
        self.now_ns = event.header.ts_ns

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:  # noqa: ARG002
        """Say what a new day or a person ends."""
        for trip in list(self.trips.values()):
            if trip.ended_by:
                yield GuardReleased(
                    trip.code, trip.strategy, trip.symbol, "session", f"new day {trip.ended_by}"
                )
        if type(event.message) is ResumeRequested:
            yield from self._resumed(event.message)

    def _resumed(self, asked: ResumeRequested) -> Iterable[Message]:
        meant = [trip for trip in self.trips.values() if asked.strategy in ("", trip.strategy)]
        if asked.reason.strip():
            for trip in meant:
                yield GuardReleased(trip.code, trip.strategy, trip.symbol, asked.by, asked.reason)
        elif meant:
            yield GuardRaised(
                NEEDS_REASON, asked.strategy, "", needs_reason_text(trip.code for trip in meant)
            )

    def is_tripped(self, code: str, strategy: str = "", symbol: str = "") -> bool:
        """Return whether this holds already."""
        return (code, strategy, symbol) in self.trips

    def raised(
        self, code: str, text: str, value: int, limit: int, *, strategy: str = "", symbol: str = ""
    ) -> Iterable[GuardRaised]:
        """Say that something trips, unless it holds already."""
        if not self.is_tripped(code, strategy, symbol):
            yield GuardRaised(code, strategy, symbol, text, value, limit, is_tripped=True)

    def fold(self, message: Message) -> None:
        """Take own trips, releases and the new day."""
        if isinstance(message, GuardRaised):
            if message.is_tripped and message.code in self.CODES:
                trip = Trip(
                    message.code,
                    message.strategy,
                    message.symbol,
                    message.text,
                    message.value,
                    message.limit,
                    self.said_ns,
                )
                self.trips[trip.key] = trip
        elif isinstance(message, GuardReleased):
            trip_or_none = self.trips.pop((message.code, message.strategy, message.symbol), None)
            if trip_or_none is not None:
                self.released(trip_or_none)
        elif isinstance(message, SessionReset):
            for trip in list(self.trips.values()):
                if trip.code in self.DAILY:
                    self.trips[trip.key] = msgspec.structs.replace(trip, ended_by=message.date)
            self.new_day(message)

    def released(self, trip: Trip) -> None:
        """Begin counting anew after a trip has ended; called while folding."""

    def new_day(self, message: SessionReset) -> None:
        """Begin the counts of a day anew; called while folding."""

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:  # noqa: ARG002
        """Return one hold for each trip."""
        return [
            Hold(
                trip.strategy,
                trip.symbol,
                self.CODES[trip.code],
                trip.code,
                trip.text,
                trip.value,
                trip.limit,
            )
            for trip in self.trips.values()
        ]

    def dump_trips(self) -> list[Trip]:
        """Return all trips in the order in which they came."""
        return list(self.trips.values())

    def load_trips(self, trips: Iterable[Trip]) -> None:
        """Replace all trips."""
        self.trips = {trip.key: trip for trip in trips}
