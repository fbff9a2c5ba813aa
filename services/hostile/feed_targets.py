"""The feed: damaged WebSocket frames among real ones of a running venue, and damaged REST answers."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import JSON, Mutator
from services.hostile.samples import Samples
from services.market_data.core import CloseStream, FetchRest, MarketData, OpenStream
from services.venue_sim.build import make_venue
from services.venue_sim.connection import StreamConnection
from services.venue_sim.venue import StreamFrame
from shared.kernels.book import Book
from shared.messages import Instruction, Message, body_of, market, message_of
from shared.units import INT64_MAX, NS_PER_MS

SAID_PER_CASE_MAX = 400
STATUSES = (200, 200, 200, 200, 200, 0, 400, 418, 429, 500, 503, -1, 10**9)
CASES_PER_VENUE = 20_000
REAL_PER_CASE = 3
FETCHES_MAX = 20
REST_NS = 5 * NS_PER_MS
POLL_NS = 50 * NS_PER_MS


class WellFormed:
    """What must be true of all that the feed says, whatever it was given; keeps the books that follow."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = frozenset(symbols)
        self._books = {symbol: Book() for symbol in symbols}

    def check(self, message: Message) -> None:
        """Take one message of the feed; raises `AssertionError`."""
        assert message_of(body_of(message)) == message, "says other bytes than it means"
        symbol = getattr(message, "symbol", "")
        assert not symbol or symbol in self._symbols, f"speaks of {symbol!r}"
        for name, value in message.as_dict().items():
            if type(value) is int:
                assert -(2**63) <= value <= INT64_MAX, f"{name} is {value}"
        match message:
            case market.BookSnapshot():
                self._books[symbol].snapshot(message.levels, message.bid_count, message.update_n)
            case market.BookUpdate():
                is_next = self._books[symbol].update(message.levels, message.bid_count, message.update_n)
                assert is_next, f"update {message.update_n} of {symbol} does not follow"
            case market.BookInvalid():
                self._books[symbol].invalidate()
            case market.Trade():
                assert message.price_ticks > 0
                assert message.qty_lots > 0
            case _:
                pass


class FramesTarget:
    """One feed on a generated venue; what it hears is damaged now and then; all books must come back."""

    name = "venue frames"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self.samples = samples
        self.case = b""
        self._recorded = [
            line.partition(b" ")[2].strip() for lines in samples.lines.values() for line in lines
        ]
        self._begin()

    def _begin(self) -> None:
        sections = self.samples.sections
        self.count = self.given_count = 0
        self.venue = make_venue(sections["venue_sim"])
        self.now_ns = self.venue.origin_ns
        self.feed = MarketData(sections["market_data"])
        symbols = [f"{one.name}:{name}" for one in sections["market_data"].venues for name in one.symbols]
        self.oracle = WellFormed(symbols)
        self.connections: dict[str, StreamConnection] = {}
        self.waiting: deque[tuple[str, bytes]] = deque()
        self._fetches: list[tuple[int, FetchRest]] = []
        self._polled_ns = self.now_ns
        self._take(self.feed.start(self.now_ns))

    def attempt(self) -> Verdict:
        """Let real frames pass, then give a damaged one."""
        self.count += 1
        if self.count > CASES_PER_VENUE:
            self._check_counters()
            self._begin()
        for _ in range(self.mutator.draw.randrange(2 * REAL_PER_CASE)):
            self._give(*self._next_frame())
        connection, frame = self._next_frame()
        sample = self.mutator.picked(self._recorded) if self._recorded and self.mutator.chance(0.2) else frame
        self.case = self.mutator.damaged(sample, JSON)
        before = self._refused_count()
        self._give(connection, self.case)
        return Verdict.REFUSED if self._refused_count() > before else Verdict.ACCEPTED

    def _next_frame(self) -> tuple[str, bytes]:
        while not self.waiting:
            self.now_ns = max(self.now_ns + NS_PER_MS, self.venue.due_ns() or 0)
            for frame in self.venue.advance(self.now_ns):
                self._deliver(frame)
            self._answer_due()
            if self.now_ns - self._polled_ns >= POLL_NS:
                self._polled_ns = self.now_ns
                self._take(self.feed.on_time(self.now_ns))
        return self.waiting.popleft()

    def _answer_due(self) -> None:
        due = [item for due_ns, item in self._fetches if due_ns <= self.now_ns]
        self._fetches = [one for one in self._fetches if one[0] > self.now_ns]
        assert len(self._fetches) < FETCHES_MAX, "requests without end"
        for item in due:
            status, body = self.venue.request(item.venue, "GET", item.target, self.now_ns)
            self._take(self.feed.on_response(item.request_id, status, body, self.now_ns))

    def _deliver(self, frame: StreamFrame) -> None:
        for name, connection in self.connections.items():
            self.waiting.extend((name, data) for data in connection.deliver(frame))

    def _give(self, connection: str, frame: bytes) -> None:
        self.given_count += 1
        self._take(self.feed.on_frame(connection, frame, self.now_ns))

    def _take(self, said: list[Message | Instruction]) -> None:
        assert len(said) <= SAID_PER_CASE_MAX, f"{len(said)} things said at once"
        for item in said:
            if isinstance(item, OpenStream):
                self._open(item)
            elif isinstance(item, FetchRest):
                self._fetches.append((self.now_ns + item.after_ms * NS_PER_MS + REST_NS, item))
            elif isinstance(item, CloseStream):
                self.connections.pop(item.connection, None)
            elif isinstance(item, Message):
                self.oracle.check(item)

    def _open(self, wanted: OpenStream) -> None:
        connection = StreamConnection(self.venue, wanted.venue)
        route = f"/{wanted.group}" if wanted.group else ""
        at_once = connection.open(f"{route}/stream?streams={'/'.join(wanted.streams)}")
        assert at_once is not None, "the venue refused a connection"
        self.connections[wanted.connection] = connection
        self._take(self.feed.on_connected(wanted.connection, self.now_ns))

    def _counters(self) -> list[Any]:
        return [venue.counters for venue in self.feed.venues.values()]

    def _refused_count(self) -> int:
        return sum(one.bad_frame_count + one.dropped_count + one.gap_count for one in self._counters())

    def _check_counters(self) -> None:
        heard = sum(one.message_count for one in self._counters())
        down = self.given_count - heard
        assert 0 <= down <= sum(one.dropped_count for one in self._counters()), f"{down} frames not counted"

    def shown(self) -> str:
        """Return the last damaged frame."""
        return repr(self.case[:1000])

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Compare the counters, and let the venue speak undisturbed: every book must be whole again."""
        self._check_counters()
        end_ns = self.now_ns + 30_000 * NS_PER_MS
        while self.now_ns < end_ns:
            self._give(*self._next_frame())
        for venue in self.feed.venues.values():
            for market_ in venue.markets.values():
                assert market_.book.book.is_trusted, f"the book of {market_.symbol} did not come back"


class RestTarget:
    """A new feed each case: one of its REST answers is damaged, with a status of any kind."""

    name = "venue REST"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self.samples = samples
        self.case = (0, b"")

    def attempt(self) -> Verdict:
        """Start a feed and answer its requests, the n-th with damage."""
        settings = self.samples.sections["market_data"]
        symbols = [f"{one.name}:{name}" for one in settings.venues for name in one.symbols]
        self.feed, self.oracle = MarketData(settings), WellFormed(symbols)
        self.now_ns, self._damage_at, self._asked = 10**18, self.mutator.draw.randrange(5), 0
        waiting = self._said(self.feed.start(self.now_ns))
        is_refused = False
        for _ in range(40):
            if not waiting:
                break
            item = waiting.pop(0)
            self.now_ns += NS_PER_MS
            if isinstance(item, OpenStream):
                waiting += self._said(self.feed.on_connected(item.connection, self.now_ns))
            elif isinstance(item, FetchRest):
                again = self._answer(item)
                is_refused = is_refused or any(
                    isinstance(one, FetchRest) and one.target == item.target for one in again
                )
                waiting += again
        self._said(self.feed.on_time(self.now_ns + POLL_NS))
        bad = sum(venue.counters.bad_frame_count for venue in self.feed.venues.values())
        is_lost = bool(self.feed.failure) or not self.feed.ready
        return Verdict.REFUSED if is_refused or bad or is_lost else Verdict.ACCEPTED

    def _answer(self, item: FetchRest) -> list[Message | Instruction]:
        body = self.samples.answers[f"{item.venue} {item.target}"]
        status, wait_ms = 200, 0
        if self._asked == self._damage_at:
            status = self.mutator.picked(STATUSES)
            body = self.mutator.damaged(body, JSON)
            wait_ms = self.mutator.picked((0, 0, 1000, 10**9))
            self.case = (status, body)
        self._asked += 1
        return self._said(self.feed.on_response(item.request_id, status, body, self.now_ns, wait_ms))

    def _said(self, said: list[Message | Instruction]) -> list[Message | Instruction]:
        assert len(said) <= SAID_PER_CASE_MAX, f"{len(said)} things said at once"
        for item in said:
            if isinstance(item, Message):
                self.oracle.check(item)
        return said

    def shown(self) -> str:
        """Return status and body of the last damaged answer."""
        status, body = self.case
        return f"{status} {body[:1000]!r}"

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Nothing is kept."""
