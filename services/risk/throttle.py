"""The repeat throttle: a strategy that repeats itself, or loses too fast, takes no new risk (I-14).

    requotes   orders asked for in one slot of a strategy in any 60 seconds
    fills      fills of one slot in any 60 seconds
    slope      what a strategy lost from its best to now within the last 60 seconds, looked at each second

Each has a limit that cannot be switched off. New risk is over until a person who has looked resumes the
strategy with a reason. What only shrinks its positions may leave (RK-10), or a stop-loss would be refused
where it is needed most; but a loop of exits stays bounded: so many in a minute as a slot may have orders.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from services.risk.ask import E8, Objection, e8_text
from services.risk.guard import HoldState
from services.risk.trips import Trip, TrippingGuard
from shared.messages import Event, Message
from shared.messages.control import ResumeRequested
from shared.messages.orders import Fill, OrderAdjusted, OrderApproved, OrderIntent
from shared.messages.system import Tick
from shared.order_ids import slot_of
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

WINDOW_NS = 60 * NS_PER_S

Counted = dict[tuple[str, str, str], deque[int]]


class _State(msgspec.Struct, array_like=True):
    trips: list[Trip]
    times: list[tuple[str, str, str, bytes]]
    profits: list[tuple[str, bytes]]
    now_ns: int
    looked_ns: int
    exits: list[tuple[str, bytes]] = []


class Throttle(TrippingGuard):
    """See the module. `times` are kept by (what, strategy, slot), at most one more than the limit.

    `exits` are the times of what was approved for a strategy that is held, those of the last minute.
    """

    name = "throttle"
    watches = frozenset({Tick, OrderIntent, Fill, ResumeRequested})
    folds = TrippingGuard.folds | {OrderApproved, OrderAdjusted}
    CODES: ClassVar[Mapping[str, HoldState]] = {
        "requotes": "reducing",
        "fills": "reducing",
        "slope": "reducing",
    }

    def __init__(self) -> None:
        super().__init__()
        self.times: Counted = {}
        self.profits: dict[str, deque[int]] = {}
        self.exits: dict[str, deque[int]] = {}
        self.looked_ns = 0
        self._full: list[tuple[str, str, str]] = []

    # ---- what happened

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Count one order or fill; look at profits each second."""
        super().observe(event, known)
        self._full = []
        message = event.message
        limits = known.settings.throttle
        if type(message) is OrderIntent:
            self._count("requotes", message, limits.requotes_per_min_max)
        elif type(message) is Fill:
            self._count("fills", message, limits.fills_per_min_max)
        elif type(message) is Tick and self.now_ns - self.looked_ns >= NS_PER_S:
            self.looked_ns = self.now_ns
            self._look(known)

    def _count(self, what: str, message: OrderIntent | Fill, limit: int) -> None:
        key = (what, message.strategy, slot_of(message.client_order_id))
        times = self.times.get(key)
        if times is None:
            times = self.times[key] = deque()
        times.append(self.now_ns)
        while len(times) > limit + 1 or times[0] <= self.now_ns - WINDOW_NS:
            times.popleft()
        if len(times) > limit:
            self._full.append(key)

    def _look(self, known: "RiskKnowledge") -> None:
        """Note each strategy's profit, the last 61 of them, and forget slots that have gone quiet."""
        for strategy, profit_e8 in known.strategy_pnl_e8().items():
            profits = self.profits.get(strategy)
            if profits is None:
                profits = self.profits[strategy] = deque(maxlen=61)
            profits.append(profit_e8)
        oldest_ns = self.now_ns - WINDOW_NS
        for key in [key for key, times in self.times.items() if times[-1] <= oldest_ns]:
            del self.times[key]

    # ---- what follows

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say what passed its limit, once."""
        if not self._full and type(event.message) is OrderIntent:
            return ()
        return self._decide(event, known)

    def _decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        yield from super().decide(event, known)
        limits = known.settings.throttle
        for what, strategy, slot in self._full:
            count = len(self.times[what, strategy, slot])
            limit = limits.requotes_per_min_max if what == "requotes" else limits.fills_per_min_max
            done = "asked for" if what == "requotes" else "filled"
            text = f"slot {slot or '(none)'} was {done} {count} times in a minute"
            yield from self.raised(what, text, count, limit, strategy=strategy)
        if type(event.message) is not Tick or self.looked_ns != self.now_ns:
            return
        limit_e8 = int(limits.loss_per_min_max * E8)
        for strategy, profits in sorted(self.profits.items()):
            loss_e8 = max(profits) - profits[-1]
            if loss_e8 > limit_e8:
                text = f"{e8_text(loss_e8)} lost within a minute, the limit is {limits.loss_per_min_max}"
                yield from self.raised("slope", text, loss_e8, limit_e8, strategy=strategy)

    def fold(self, message: Message) -> None:
        """Count what a strategy that is held still sends."""
        if not isinstance(message, (OrderApproved, OrderAdjusted)):
            super().fold(message)
        elif self.trips and self._codes_of(message.strategy):
            times = self.exits.setdefault(message.strategy, deque())
            times.append(self.said_ns)
            while times[0] <= self.said_ns - WINDOW_NS:
                times.popleft()

    def _codes_of(self, strategy: str) -> list[str]:
        return [trip.code for trip in self.trips.values() if trip.strategy == strategy]

    def halt(self, intent: OrderIntent, known: "RiskKnowledge") -> Objection | None:
        """Stop a strategy that is held and leaves again and again."""
        times = self.exits.get(intent.strategy)
        if times is None:
            return None
        limit = known.settings.throttle.requotes_per_min_max
        count = sum(time_ns > known.now_ns - WINDOW_NS for time_ns in times)
        if count < limit:
            return None
        reason = f"{count} exits of a throttled strategy in a minute"
        return Objection(self._codes_of(intent.strategy)[0], reason, count, limit)

    def released(self, trip: Trip) -> None:
        """Begin counting anew for the strategy."""
        if not self._codes_of(trip.strategy):
            self.exits.pop(trip.strategy, None)
        if trip.code == "slope":
            profits = self.profits.get(trip.strategy)
            if profits:
                last = profits[-1]
                profits.clear()
                profits.append(last)
            return
        for key in [key for key in self.times if key[:2] == (trip.code, trip.strategy)]:
            del self.times[key]

    # ---- state

    def dump(self) -> bytes:
        """Return the whole state."""
        times = [(*key, array("q", times).tobytes()) for key, times in sorted(self.times.items())]
        profits = [(name, array("q", profits).tobytes()) for name, profits in sorted(self.profits.items())]
        exits = [(name, array("q", times).tobytes()) for name, times in sorted(self.exits.items())]
        state = _State(self.dump_trips(), times, profits, self.now_ns, self.looked_ns, exits)
        return msgspec.msgpack.encode(state)

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.load_trips(state.trips)
        self.times = {(a, b, c): deque(array("q", times)) for a, b, c, times in state.times}
        self.profits = {name: deque(array("q", profits), maxlen=61) for name, profits in state.profits}
        self.exits = {name: deque(array("q", times)) for name, times in state.exits}
        self.now_ns, self.looked_ns = state.now_ns, state.looked_ns
        self._full = []
