"""The cores of live trading behind a walk: what a `Walker` has done already is not done again.

All three share one book of each market, which the walk keeps; each core has a way in for what the walk stops
at (a book, a trade, fills that the queue proposes, what fell due), and takes every other message as on the
log.
"""

import heapq
from collections.abc import Iterable, Sequence

from services.broker.core import BrokerCore
from services.risk.candle_monitor import CandleMonitor
from services.risk.conservation import Conservation
from services.risk.core import SOURCE, RiskCore
from services.risk.margin_guard import MarginGuard
from services.risk.throttle import Throttle
from services.strategy.core import StrategyCore
from services.strategy.instance import Instance
from shared.core import Deadlines, Output
from shared.kernels.book import Book
from shared.messages import Event, Header, Instruction, Message
from shared.paper.market import PaperMarket
from shared.units import INT64_MAX

Said = list[Output | Instruction]


class PeekedDeadlines(Deadlines):
    """Deadlines that tell when the next one may be due."""

    @property
    def next_ns(self) -> int:
        """Return the time of the earliest deadline, the largest int64 when there is none."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][:2]:
            heapq.heappop(heap)
        return heap[0][0] if heap else INT64_MAX


class HostedStrategies(StrategyCore):
    """The strategy core; `hear_*` take the instances to call, in the order of names.

    `calm` names those that say nothing but what their callback asks for; where it asks for nothing, nothing
    is decided, and a status text waits for the next decision. `decided` are those of the last event that did.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calm: set[str] = set()
        self.decided: list[Instance] = []

    def share(self, symbol: str, book: Book) -> None:
        """Look at this book; before the first message."""
        self._world.books[symbol] = book

    def of(self, symbol: str) -> list[Instance]:
        """Return the instances that trade a market."""
        return self._roster.of(symbol)

    @property
    def is_killed(self) -> bool:
        """Return whether no order may leave any more."""
        return self._world.is_killed

    def is_reducing(self, instance: Instance) -> bool:
        """Return whether risk lets only orders pass that shrink its position."""
        return self._world.is_reducing(instance.name, instance.symbol)

    def is_warm(self, instance: Instance) -> bool:
        """Return whether an instance has warmed up (ST-6)."""
        return instance.is_warm(self._world.now_ns, self._warmup_s, self._warmup_points)

    def hear_book(self, called: Iterable[Instance], event: Event, lost: str) -> Said:
        """Take a changed book, or that it cannot be trusted for the reason `lost`."""
        self._begin(event.header)
        for instance in called:
            if lost:
                instance.lose_book(lost)
            else:
                instance.meet_book()
        return self._decisions(called, event)

    def hear_trade(self, called: Iterable[Instance], event: Event) -> Said:
        """Take a public trade."""
        self._begin(event.header)
        for instance in called:
            instance.meet_trade(event.message)
        return self._decisions(called, event)

    def hear_tick(self, called: Iterable[Instance], deciding: Iterable[Instance], event: Event) -> Said:
        """Take 100 ms that passed; `deciding` are those called and others whose time has come."""
        self._begin(event.header)
        for instance in called:
            instance.meet_tick()
        return self._decisions(deciding, event)

    def _begin(self, header: Header) -> None:
        self.calls.begin(header.seq)
        self._world.now_ns = header.ts_ns

    def _decisions(self, called: Iterable[Instance], event: Event) -> Said:
        said: Said = []
        self.decided = []
        for instance in called:
            is_idle = not (instance.is_dirty or instance.commands or instance.notes or instance.failure)
            if not is_idle or instance.name not in self.calm:
                self.decided.append(instance)
                said += self._decided(instance, event)
        return said


class HostedBroker(BrokerCore):
    """The broker core with its paper venue."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines = PeekedDeadlines()
        self.known.deadlines = self.deadlines

    def share(self, symbol: str, book: Book) -> PaperMarket:
        """Match against this book; before the first message. Return the market."""
        place = self.known.place(symbol)
        place.book = book
        return place

    @property
    def due_ns(self) -> int:
        """Return when something may fall due next: an arrival, a cancel, funding."""
        return min(self.deadlines.next_ns, self.known.funding.due_ns)

    def pass_time(self, header: Header) -> Said:
        """Act on what fell due, before the event of `header`."""
        self._said = []
        self._epoch = header.epoch
        self._pass_time(header.ts_ns)
        return self._said

    def hear_book(self, event: Event, *, is_anew: bool, is_followed: bool) -> Said:
        """Take a changed book: follow it where the walk has not, and match what it crosses."""
        self._said = []
        if is_followed:
            place = self.known.place(event.message.symbol)
            place.follow(event.header.ts_ns, is_known=not is_anew, is_anew=is_anew)
        self._match_crossed(event)
        return self._said

    def hear_fills(self, fills: Sequence[tuple[int, int]], event: Event) -> Said:
        """Take what a trade left for our orders in the queue."""
        self._said = []
        self._fill_resting(list(fills), event)
        return self._said


class HostedRisk(RiskCore):
    """The risk core; which ticks it has to hear is in `array_ticks`."""

    def __init__(self) -> None:
        super().__init__()
        watching = (Conservation, Throttle, CandleMonitor, MarginGuard)
        self._each_second = [one for one in self.known.guards.all if isinstance(one, watching)]

    def share(self, symbol: str, book: Book) -> None:
        """Value orders by this book; before the first message."""
        self.known.place(symbol).book = book

    def hear_second(self, event: Event) -> Said:
        """Take a tick at which nothing is held and equity is within its band: for the guards that look then.

        What one of them says is taken as at any tick: by all.
        """
        known = self.known
        known.now_ns = event.header.ts_ns
        said: Said = []
        for guard in self._each_second:
            guard.observe(event, known)
        for guard in self._each_second:
            for message in guard.decide(event, known):
                self._fold(message, event.header.origin_ns)
                said.append(Output(SOURCE, message))
        if said:
            self._say_state(lambda message: self._add(said, message, event))
        return said

    def _add(self, said: Said, message: Message, event: Event) -> None:
        self._fold(message, event.header.origin_ns)
        said.append(Output(SOURCE, message))
