"""The reject storm: a strategy whose orders the venue rejects in series may only reduce (RK-27).

Post-only orders that would have taken are the venue doing what it was asked for: they do not count.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from services.risk.guard import HoldState
from services.risk.trips import Trip, TrippingGuard
from shared.messages import Event, Message
from shared.messages.control import ResumeRequested
from shared.messages.guards import GuardReleased
from shared.messages.orders import OrderRejected
from shared.messages.system import Tick
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "reject_storm"
NOT_COUNTED = frozenset({"post_only_would_take"})


class _State(msgspec.Struct, array_like=True):
    trips: list[Trip]
    rejects: list[tuple[str, bytes]]
    now_ns: int


class RejectStorm(TrippingGuard):
    """Times of rejected orders by strategy."""

    name = "reject_storm"
    watches = frozenset({Tick, OrderRejected, ResumeRequested})
    CODES: ClassVar[Mapping[str, HoldState]] = {CODE: "reducing"}

    def __init__(self) -> None:
        super().__init__()
        self.rejects: dict[str, deque[int]] = {}

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Count a rejected order."""
        super().observe(event, known)
        message = event.message
        if type(message) is OrderRejected and message.code not in NOT_COUNTED:
            storm = known.settings.storm
            times = self.rejects.setdefault(message.strategy, deque())
            times.append(self.now_ns)
            oldest_ns = self.now_ns - storm.window_s * NS_PER_S
            while times[0] <= oldest_ns or len(times) > storm.rejects_max + 1:
                times.popleft()

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say a storm, and that its time is over."""
        yield from super().decide(event, known)
        storm = known.settings.storm
        message = event.message
        if type(message) is OrderRejected:
            count = len(self.rejects.get(message.strategy, ()))
            if count > storm.rejects_max:
                text = f"the venue rejected {count} orders in {storm.window_s} s, the last as {message.code}"
                yield from self.raised(CODE, text, count, storm.rejects_max, strategy=message.strategy)
        elif type(message) is Tick and storm.pause_s:
            for trip in list(self.trips.values()):
                if self.now_ns - trip.since_ns >= storm.pause_s * NS_PER_S:
                    reason = f"{storm.pause_s} s have passed"
                    yield GuardReleased(trip.code, trip.strategy, trip.symbol, "time", reason)

    def released(self, trip: Trip) -> None:
        """Begin counting anew."""
        self.rejects.pop(trip.strategy, None)

    def dump(self) -> bytes:
        """Return the whole state."""
        rejects = [(name, array("q", times).tobytes()) for name, times in sorted(self.rejects.items())]
        return msgspec.msgpack.encode(_State(self.dump_trips(), rejects, self.now_ns))

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.load_trips(state.trips)
        self.rejects = {name: deque(array("q", times)) for name, times in state.rejects}
        self.now_ns = state.now_ns
