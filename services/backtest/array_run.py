"""The array path of a backtest: the cores of live trading, asked only where a compiled walk has to stop.

The walk (`shared/kernels/walk.py`) goes over the columns, keeps the books and our places in the queue, and
asks the gates of the strategies. The strategy, risk and broker cores are the real ones: whatever decides is
live code. What the walk skips could not have changed what they say; the tests hold it against the exact path,
event by event.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.backtest.array_cores import (
    HostedBroker,
    HostedRisk,
    HostedStrategies,
    Said,
)
from services.backtest.array_needs import candle_of, needs_of
from services.backtest.array_place import ArrayMarket, Place, is_failure, shown
from services.backtest.array_seats import Seats
from services.backtest.array_ticks import EVERY_TICK, RiskTicks
from services.broker.instructions import ClearLatch, LatchKill
from shared.core import Output
from shared.kernels import walk
from shared.kernels.book import Book
from shared.kernels.trade_candles import TradeCandles
from shared.kernels.walk_lane import Lane
from shared.messages import Event, Header, Instruction, Message
from shared.messages.control import InstanceFailed, KillCleared, KillLatched
from shared.messages.system import EpochStarted, Reconciled, ServiceStarted, Tick
from shared.settings import pack
from shared.units import INT64_MAX, NS_PER_MS

EPOCH = 1
"""As in the exact path: order ids are the same in both."""
TICK_NS = 100 * NS_PER_MS
FEED = "market_data.io"
SERVICES = ("strategy", "risk", "broker")
CHECK_EVERY = 50_000
"""Venue messages between two looks at `stop`."""

Watch = Callable[[Event], None]


class ArrayRun:
    """One backtest of `sections` (the settings of each service) over `markets`; the same doors as `ExactRun`.

    `watch` sees every event but market data and skipped ticks, and the one at which a strategy raised. With
    `is_gated` false no event is skipped: slower, the same result. `failure` is the `InstanceFailed` of the
    first strategy that raised; the run ends there.
    """

    def __init__(
        self,
        sections: Mapping[str, Any],
        markets: Sequence[ArrayMarket],
        *,
        build: str,
        watch: Watch | None = None,
        is_gated: bool = True,
        check_every: int = CHECK_EVERY,
    ) -> None:
        self.strategies, self.risk, self.broker = HostedStrategies(), HostedRisk(), HostedBroker()
        self.failure: Event | None = None
        self.first_ns = self.now_ns = self.head_seq = 0
        self._sections = sections
        self._build = build
        self._watch = watch
        self._is_gated = is_gated
        self._check_every = self._check_at = check_every
        self._is_over = self._is_due = False
        self._queue: deque[tuple[str, Message, int]] = deque()
        self._named: set[str] = set()
        self._held: Said = []
        self._until_ns = INT64_MAX
        self._tick_zero_ns = 0
        self._walker = walk.Walker(TICK_NS, sections["broker"].book_stale_ms * NS_PER_MS)
        self._places = [self._placed(each) for each in markets]
        self._by_lane = {id(place.lane): place for place in self._places}
        self._seats = Seats(self.strategies, is_gated=is_gated)
        self._ticks: RiskTicks | None = None

    def _placed(self, market: ArrayMarket) -> Place:
        book = Book()
        self.strategies.share(market.rules.symbol, book)
        self.risk.share(market.rules.symbol, book)
        paper = self.broker.share(market.rules.symbol, book)
        lane = Lane(book, paper.queue)
        for file in market.files:
            columns = (file.ts_exch_ns, file.ts_local_ns, file.kind, file.side, file.price_ticks, file.lots)
            lane.add_file(*columns, 0, file.count)
        needs = needs_of(self._sections, market.rules.symbol)
        lane.candles = TradeCandles() if needs.candles else None
        lane.wants_trades = needs.trades
        self._walker.add(lane)
        return Place(market, lane, paper)

    # ---- what a caller sees

    @property
    def message_count(self) -> int:
        """Return how many venue messages were walked."""
        return int(self._walker.event_count)

    @property
    def row_count(self) -> int:
        """Return how many rows were walked."""
        return sum(place.lane.rows_done for place in self._places)

    @property
    def is_over(self) -> bool:
        """Return whether the data are at their end, or a strategy raised."""
        return self._is_over or (self.failure is not None and self.message_count > 0)

    def digest(self) -> str:
        """Return a digest over the state of all cores, as hexadecimal digits."""
        return "".join(core.digest().hex() for core in (self.strategies, self.risk, self.broker))

    # ---- the course

    def start(self, from_ns: int = 0, until_ns: int = INT64_MAX) -> None:
        """Start the services at the first row in [from_ns, until_ns] and tell the rules of every market.

        Rows before `from_ns` build the books. Raises `ValueError` for a row that cannot be.
        """
        walker, self._until_ns = self._walker, until_ns
        if from_ns:
            for place in self._places:
                place.lane.skip(from_ns)
        self.first_ns = min((place.lane.peek() for place in self._places), default=INT64_MAX)
        if self.first_ns > until_ns or self.first_ns == INT64_MAX:
            self.first_ns, self._is_over = 0, True
            return
        self.now_ns = self._tick_zero_ns = self.first_ns
        walker.next_tick_ns = self.first_ns + TICK_NS
        self._begin_mesh()
        self._ticks = RiskTicks(self.risk, walker.next_tick_ns)
        self._seats.begin({place.symbol: place.lane for place in self._places})
        self._seats.refresh_all(self.now_ns)
        self._plan()

    def _begin_mesh(self) -> None:
        self._say("bus", EpochStarted(EPOCH, self._build))
        for service in ("market_data", *SERVICES):
            settings = pack(self._sections[service]) if service in SERVICES else b"\x80"
            self._say("bus", ServiceStarted(service, 1, self._build, settings, [service, f"{service}.io"]))
        self._say("broker.io", Reconciled(run=1))
        for place in self._places:
            self._say(FEED, place.market.rules)
            # The settings may have chosen another model of the queue.
            place.lane.use_queue(place.paper.queue)

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Go on to the end of the data, to a strategy that raises, or until `stop()` says so.

        `stop` is asked every `check_every` venue messages; a stopped run goes on with the next call. Raises
        `ValueError` for a row that cannot be.
        """
        walker = self._walker
        # As on the exact path a strategy that raises at its start ends the run with the first message.
        while not self._is_over and (self.failure is None or not walker.event_count):
            code = walker.run(self._check_at - walker.event_count, self._until_ns)
            self.now_ns = walker.now_ns
            if code == walk.EVENT:
                self._event()
            elif code == walk.TICK:
                self._tick()
            elif code == walk.DUE:
                self._held = self.broker.pass_time(self._header("bus", 0))
                self._seats.wake(self.now_ns)
                self._watch_orders()
                walker.is_forced = self._is_due = True
                walker.due_ns = INT64_MAX
            elif code == walk.END:
                self._is_over = True
            else:
                self._check_at += self._check_every
                if stop():
                    return

    # ---- where the walk stopped

    def _event(self) -> None:
        """Let the cores take the event at which the walk stands; what fell due before it is said with it."""
        walker = self._walker
        lane, kind, flags = walker.lane, walker.kind, walker.flags
        assert lane is not None, "the walk stopped at an event of no market"
        place = self._by_lane[id(lane)]
        called = self._seats.called(lane) if flags & walk.CALLED else []
        said: Said
        if kind == walk.TRADED:
            event = Event(self._header(FEED, 0), place.trade(self.now_ns))
            said = self.strategies.hear_trade(called, event) if called else []
            if lane.wants_trades:
                said += self._told_of_trade(place, event)
            said += self._held
            if flags & walk.FILLED:
                said += self.broker.hear_fills(lane.fills, event)
        elif kind == walk.FUNDED:
            self._hear(place, place.funding(self.now_ns))
            return
        else:
            is_anew = kind == walk.SNAPSHOT
            event = Event(self._header(FEED, 0), place.snapshot if is_anew else place.update)
            said = self.strategies.hear_book(called, event, place.lost(kind)) if called else []
            said += self._held
            if flags & (walk.FOLLOW | walk.CROSSED):
                followed = bool(flags & walk.FOLLOW)
                said += self.broker.hear_book(event, is_anew=is_anew, is_followed=followed)
                self._watch_orders()
        self._held = []
        self._settle(said, self.strategies.decided if called else (), event)
        if flags & walk.CANDLE and self.failure is None:
            at_ms, candles = lane.take_candles()
            for values in candles:
                self._hear(place, candle_of(place.symbol, values, at_ms, self.now_ns))

    def _told_of_trade(self, place: Place, event: Event) -> Said:
        """Let those hear a trade whose settings ask for each: risk's surprises, fills without a book."""
        place.paper.last_ticks = event.message.price_ticks
        place.paper.recent_lots.append(event.message.qty_lots)
        self._sync()
        return self.risk.apply(event)

    def _hear(self, place: Place, message: Message) -> None:
        """Let every core take a message of a market as it is."""
        event = Event(self._header(FEED, 0), message)
        self._sync()
        said = self.strategies.apply(event) + self.risk.apply(event) + self._held + self.broker.apply(event)
        self._held = []
        self._settle(said, self.strategies.of(place.symbol), event, is_planning=True)

    def _tick(self) -> None:
        """Let those cores take a tick that need it."""
        flags = self._walker.flags
        number = (self.now_ns - self._tick_zero_ns) // TICK_NS
        event = Event(self._header("bus", 0), Tick(number))
        called, deciding = self._seats.called_at_tick(self.now_ns)
        self._sync()
        said = self.strategies.hear_tick(called, deciding, event) if deciding else []
        is_plain = not flags & walk.RISK
        if flags & walk.RISK:
            assert self._ticks is not None, "ticks are walked after the start"
            due_ns = self._ticks.due_ns(self.now_ns) if self._is_gated else EVERY_TICK
            is_plain = due_ns != EVERY_TICK and self._ticks.is_plain(self.now_ns, is_within=self._is_within())
            said += self.risk.hear_second(event) if is_plain else self.risk.apply(event)
            self._walker.risk_due_ns = due_ns
        if flags & walk.BROKER:
            said += self.broker.apply(event)
        decided = self.strategies.decided if deciding else ()
        self._settle(said, decided, event, is_planning=not is_plain or bool(flags & walk.BROKER))
        if self.failure is not None:
            self._walker.is_forced = True

    def _is_within(self) -> bool:
        """Return whether every mark lies within its band: equity has no new peak and is at no limit."""
        lanes = (place.lane for place in self._places)
        return all(lane.mark_low <= lane.mark_half_ticks <= lane.mark_high for lane in lanes)

    # ---- the log between the cores

    def _settle(self, said: Said, called: Sequence[Any], event: Event, *, is_planning: bool = False) -> None:
        """Put what was said on the log, let all cores answer, and tell the walk what it has to stop for."""
        if said:
            self._sync()
            if self._watch is not None and any(map(is_failure, said)):
                # Who tells of it wants to show the event at which the strategy raised.
                self._watch(shown(event, self.row_count))
            self._take(said, event.header.seq)
            self._drain()
        self._seats.refresh(called, self.now_ns)
        if self._named:
            self._seats.refresh_named(self._named, self.now_ns)
            self._named.clear()
        if said or is_planning or self._is_due:
            self._is_due = False
            self._plan()
        elif called:
            # One that wants what it may not have yet is called when that ends, though it said nothing.
            self._walker.due_ns = min(self._walker.due_ns, self._seats.wake_ns)
        elif self._seats.wake_ns < self._walker.due_ns:
            self._walker.due_ns = self._seats.wake_ns

    def _say(self, source: str, message: Message) -> None:
        self._queue.append((source, message, 0))
        self._drain()

    def _take(self, said: Said, cause_seq: int) -> None:
        for item in said:
            if isinstance(item, Output):
                self._queue.append((item.source, item.message, cause_seq))
            else:
                self._carry_out(item)

    def _carry_out(self, instruction: Instruction) -> None:
        """Play the broker's shell: a latched kill is a fact of the run, no file."""
        if isinstance(instruction, LatchKill):
            latched = KillLatched(instruction.by, instruction.reason, instruction.path)
            self._queue.append(("broker.io", latched, 0))
        elif isinstance(instruction, ClearLatch):
            self._queue.append(("broker.io", KillCleared(instruction.by, instruction.reason), 0))

    def _drain(self) -> None:
        queue = self._queue
        while queue:
            source, message, cause_seq = queue.popleft()
            event = Event(self._header(source, cause_seq), message)
            if self._watch is not None:
                self._watch(event)
            if type(message) is InstanceFailed and self.failure is None:
                self.failure = event
            name = getattr(message, "strategy", None)
            if name:
                self._named.add(name)
            for core in (self.strategies, self.risk, self.broker):
                said = core.apply(event)
                if said:
                    self._take(said, event.header.seq)

    def _header(self, source: str, cause_seq: int) -> Header:
        self.head_seq += 1
        return Header(self.head_seq, self.now_ns, self.now_ns, EPOCH, source, 1, self.head_seq, cause_seq)

    # ---- between the walk and the cores

    def _sync(self) -> None:
        """Tell risk and broker how old the books are that the walk has kept, and their mids."""
        for place in self._places:
            lane, market = place.lane, self.risk.known.markets[place.symbol]
            place.paper.fresh_ns = market.fresh_ns = lane.fresh_ns
            market.mark_half_ticks = lane.mark_half_ticks

    def _plan(self) -> None:
        """Tell the walk when to stop: what is due, which prices are ours, which ticks risk needs."""
        walker, ticks = self._walker, self._ticks
        walker.due_ns = min(self.broker.due_ns, self._seats.wake_ns)
        if ticks is None:
            return
        band = ticks.band() if self._is_gated else None
        walker.risk_due_ns = EVERY_TICK if band is None else ticks.due_ns(self.now_ns)
        for place in self._places:
            place.lane.mark_low, place.lane.mark_high = 0, INT64_MAX
            if band is not None and band.symbol == place.symbol:
                place.lane.mark_low, place.lane.mark_high = band.low, band.high
        self._watch_orders()

    def _watch_orders(self) -> None:
        """Tell the walk at which prices our orders rest, and of which levels our takers have eaten."""
        live = {order.symbol for order in self.broker.known.orders.values()}
        for place in self._places:
            lane, paper = place.lane, place.paper
            buys, sells = paper.queue.dump()
            lane.watch_orders([row[1] for row in buys], [row[1] for row in sells])
            lane.watch_taken([(int(taken.side), taken.price_ticks) for taken in paper.dump_taken()])
            lane.has_orders = place.symbol in live
            lane.is_quiet = self._is_gated and not lane.has_orders
