"""Check what the feed said against the raw recording it was made from (DESIGN rule 10, `replay --verify`).

Nothing of the feed's state machine takes part: each book message is derived again from the recorded texts,
and the sequence is followed by the venue's rule alone. The recording of a venue is indexed in memory.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from services.market_data.levels import PAIR_BYTES, MarketParser, trimmed
from services.market_data.verify_facts import FACTS, RecordedFacts, differences, take_frame
from shared.kernels.book import Book
from shared.messages import Event
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, InstrumentRules, Trade
from shared.units import NS_PER_S
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, DepthBook, DepthDiff, FrameKind, TradePrint
from shared.venues.binance import envelope_of

SOURCE = "market_data.io"
DIFFERENCES_MAX = 100
SNAPSHOT_LEVELS_MIN = 20
# A REST book that the feed joins to the stream is seconds old at most.
BOOKS_TRIED = 4
DIFFS_BEFORE_MAX = 1000

Start = tuple[int, bytes, int, int]
"""A book to continue: its id, levels block, bid count, and the first recorded diff to look at."""

Line = tuple[int, bytes]
"""Receive time and raw frame, as a recording holds them."""


class Recorded(NamedTuple):
    """What a recording of one venue holds, by symbol and id. A market's diffs are in order of receipt."""

    diffs: dict[tuple[str, int], list[tuple[int, DepthDiff]]]
    order: dict[str, list[tuple[int, DepthDiff]]]
    books: dict[int, list[DepthBook]]
    trades: dict[tuple[str, int], list[tuple[int, TradePrint]]]
    facts: RecordedFacts
    first_ns: int
    last_ns: int


def read_recording(venue: str, lines: Iterable[Line]) -> Recorded:
    """Index the lines of one venue's recording; frames that the feed refused are left out."""
    adapter = VENUES[venue]
    recorded = Recorded({}, {}, {}, {}, RecordedFacts({}, {}, {}, {}), 0, 0)
    first_ns, last_ns = 0, 0
    for recv_ns, frame in lines:
        first_ns, last_ns = first_ns or recv_ns, recv_ns
        try:
            envelope = envelope_of(frame)
            if not envelope.stream:
                book = adapter.parse_depth(frame)
                recorded.books.setdefault(book.last_id, []).append(book)
                continue
            kind = adapter.kind_of(envelope.stream)
            if kind is FrameKind.DEPTH:
                diff = adapter.parse_diff(bytes(envelope.data))
                symbol = f"{venue}:{diff.venue_symbol}"
                recorded.diffs.setdefault((symbol, diff.last_id), []).append((recv_ns, diff))
                recorded.order.setdefault(symbol, []).append((recv_ns, diff))
            elif kind is FrameKind.TRADE:
                trade = adapter.parse_trade(bytes(envelope.data))
                key = (f"{venue}:{trade.venue_symbol}", trade.trade_id)
                recorded.trades.setdefault(key, []).append((recv_ns, trade))
            else:
                take_frame(venue, envelope.stream, bytes(envelope.data), recorded.facts)
        except UNREADABLE:
            continue
    return recorded._replace(first_ns=first_ns, last_ns=last_ns)


class _MarketCheck:
    """The book of one symbol as the log tells it, checked against the recording."""

    def __init__(self, symbol: str, recorded: Recorded) -> None:
        self.symbol = symbol
        self.recorded = recorded
        self.book = Book()
        self.parser: MarketParser | None = None
        self.tick_size = ""
        self.last_id = 0
        self.update_n = 0
        self.rules = VENUES[symbol.partition(":")[0]].sequence
        self._position = 0

    def take(self, message: object) -> Iterator[str]:
        """Check one message and fold it."""
        if isinstance(message, InstrumentRules):
            self.parser = MarketParser(message.tick_size, message.lot_size)
            self.tick_size = message.tick_size
        elif isinstance(message, BookInvalid):
            self.book.invalidate()
        elif self.parser is None:
            yield f"{self.symbol}: {type(message).__name__} before its rules"
        elif isinstance(message, BookUpdate):
            yield from self._take_update(message, self.parser)
        elif isinstance(message, BookSnapshot):
            yield from self._take_snapshot(message, self.parser)
        elif isinstance(message, Trade):
            yield from self._take_trade(message, self.parser)
        elif isinstance(message, FACTS):
            yield from differences(message, self.recorded.facts, self.parser.texts, self.tick_size)

    def _take_update(self, said: BookUpdate, parser: MarketParser) -> Iterator[str]:
        where = f"{self.symbol} update {said.last_update_id}"
        frames = self.recorded.diffs.get((self.symbol, said.last_update_id), [])
        for _, diff in frames:
            levels, bid_count, floored = parser.block(diff.bids, diff.asks)[:3]
            same = (levels, bid_count, floored) == (said.levels, said.bid_count, said.floored_count)
            if same and (diff.first_id, diff.ts_venue_ns) == (said.first_update_id, said.ts_venue_ns):
                if not (self.rules.follows(diff, self.last_id) or self.rules.bridges(diff, self.last_id)):
                    yield f"{where}: a diff between {self.last_id} and it was not said"
                break
        else:
            yield f"{where}: {'differs from its frame' if frames else 'has no recorded frame'}"
        if said.ts_recv_ns < min((recv_ns for recv_ns, _ in frames), default=0):
            yield f"{where}: received at {said.ts_recv_ns}, before its frame"
        if not self.book.update(said.levels, said.bid_count, said.update_n):
            yield f"{where}: update_n {said.update_n} does not follow {self.update_n}"
        self.last_id, self.update_n = said.last_update_id, said.update_n

    def _take_snapshot(self, said: BookSnapshot, parser: MarketParser) -> Iterator[str]:
        order = self.recorded.order.get(self.symbol, [])
        while self._position < len(order) and order[self._position][1].last_id <= self.last_id:
            self._position += 1
        levels, bid_count = self.book.dump()
        starts = [(self.last_id, levels, bid_count, self._position)] if self.last_id else []
        starts += self._recorded_starts(said, parser)
        rebuilt = [book for start in starts if (book := self._continued(said, parser, *start)) is not None]
        if not any(_is_said(book, said) for book in rebuilt):
            where = f"{self.symbol} snapshot {said.last_update_id} ({said.reason})"
            if rebuilt:
                yield f"{where}: differs from the book rebuilt from the recording"
            else:
                yield f"{where}: no recorded book or unbroken row of diffs leads to it"
        self.book.snapshot(said.levels, said.bid_count, said.update_n)
        self.last_id, self.update_n = said.last_update_id, said.update_n

    def _recorded_starts(self, said: BookSnapshot, parser: MarketParser) -> Iterator[Start]:
        """Give the newest recorded REST books before `said`; those of other markets do not lead to it."""
        ids = sorted(book_id for book_id in self.recorded.books if book_id <= said.last_update_id)
        first = max(0, self._position - DIFFS_BEFORE_MAX)
        for book_id in reversed(ids[-BOOKS_TRIED:]):
            for book in self.recorded.books[book_id]:
                try:
                    levels, bid_count = parser.block(book.bids, book.asks)[:2]
                except UNREADABLE:
                    continue
                yield book_id, levels, bid_count, first

    def _continued(
        self,
        said: BookSnapshot,
        parser: MarketParser,
        last_id: int,
        levels: bytes,
        bid_count: int,
        position: int,
    ) -> Book | None:
        """Return a book brought to the snapshot's id by recorded diffs, None when they do not reach it."""
        order = self.recorded.order.get(self.symbol, [])
        book, n, is_bridged = Book(), 0, last_id == self.last_id
        book.snapshot(levels, bid_count, n)
        for i in range(position, len(order)):
            if last_id >= said.last_update_id:
                break
            diff = order[i][1]
            joins = self.rules.follows if is_bridged else self.rules.bridges
            if diff.last_id > last_id and joins(diff, last_id):
                levels, bid_count = parser.block(diff.bids, diff.asks)[:2]
                n, last_id, is_bridged = n + 1, diff.last_id, True
                book.update(levels, bid_count, n)
        return book if last_id == said.last_update_id else None

    def _take_trade(self, said: Trade, parser: MarketParser) -> Iterator[str]:
        for _, trade in self.recorded.trades.get((self.symbol, said.trade_id), []):
            qty_lots, _ = parser.texts.lots_floored(trade.qty)
            texts = (parser.texts.ticks(trade.price), qty_lots, trade.side, trade.ts_venue_ns)
            if texts == (said.price_ticks, said.qty_lots, said.side, said.ts_venue_ns):
                return
        yield f"{self.symbol} trade {said.trade_id}: is not in the recording as it was said"


def _is_said(book: Book, said: BookSnapshot) -> bool:
    """Return whether `said` is `book`, or its best levels where the feed keeps only so many per side."""
    whole = book.dump()
    longest = max(said.bid_count, len(said.levels) // PAIR_BYTES - said.bid_count)
    kept = trimmed(whole, longest) if longest >= SNAPSHOT_LEVELS_MIN else whole
    return kept == (said.levels, said.bid_count)


def verify(venue: str, lines: Iterable[Line], events: Iterable[Event]) -> list[str]:
    """Return how books, trades and facts of `venue` differ from its recording; empty when they agree.

    Only events received within the span of the recording are judged; the log is given from its beginning.
    At most 100 differences are returned.
    """
    recorded = read_recording(venue, lines)
    checks: dict[str, _MarketCheck] = {}
    differences: list[str] = []
    for event in events:
        symbol = str(getattr(event.message, "symbol", ""))
        if event.header.source != SOURCE or symbol.partition(":")[0] != venue:
            continue
        check = checks.setdefault(symbol, _MarketCheck(symbol, recorded))
        # A fact may be said again, long after its frame.
        at_ns = event.message.ts_recv_ns if isinstance(event.message, FACTS) else event.header.origin_ns
        is_judged = recorded.first_ns <= at_ns <= recorded.last_ns + NS_PER_S
        found = list(check.take(event.message))
        if is_judged:
            differences += found
        if len(differences) >= DIFFERENCES_MAX:
            break
    return differences[:DIFFERENCES_MAX]
