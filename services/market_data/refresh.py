"""A newer REST book joined to the running stream, beside the book in use (MD-7).

A REST answer holds so many levels per side. Once the market has moved to their edge, orders that rest beyond
it since before the answer are unknown, and the best price may be one of them. The book in use goes on while a
newer one catches up with it.
"""

from services.market_data.levels import PAIR_BYTES, MarketParser
from services.market_data.sync import BookSync, Phase, Verdict
from shared.kernels.book import Book
from shared.units import NS_PER_S, Side
from shared.venues.base import DepthBook, DepthDiff, SequenceRules

LEVELS_NEEDED = 20
SPACING_NS = 10 * NS_PER_S

Edges = tuple[int, int]
"""Worst (bid, ask) price in ticks that is known for sure; 0 where the whole side is known."""


def edges_of(levels: bytes, bid_count: int, answered_levels: int) -> Edges:
    """Return the edges of a REST answer in the venue's order, best first; a short side is the whole side."""
    ask_count = len(levels) // PAIR_BYTES - bid_count
    bid = _price(levels, bid_count - 1) if bid_count >= answered_levels else 0
    ask = _price(levels, bid_count + ask_count - 1) if ask_count >= answered_levels else 0
    return bid, ask


def narrower(one: Edges, other: Edges) -> Edges:
    """Return the edges of what both know."""
    asks = [ask for ask in (one[1], other[1]) if ask]
    return max(one[0], other[0]), min(asks, default=0)


def _price(levels: bytes, index: int) -> int:
    return int.from_bytes(levels[PAIR_BYTES * index : PAIR_BYTES * index + 8], "little")


def is_at_edge(book: Book, edges: Edges) -> bool:
    """Return whether one of the best 20 levels of a side lies beyond what is known."""
    bids, asks = book.levels(Side.BUY, LEVELS_NEEDED), book.levels(Side.SELL, LEVELS_NEEDED)
    is_bid_known = not edges[0] or (len(bids) == LEVELS_NEEDED and bids[-1][0] >= edges[0])
    is_ask_known = not edges[1] or (len(asks) == LEVELS_NEEDED and asks[-1][0] <= edges[1])
    return not (is_bid_known and is_ask_known)


class BookRefresh:
    """One attempt: diffs are kept from its begin, a book is awaited, both are joined by the venue's rules.

    `is_wanting` asks for a REST book; `is_ready` says that the newer book holds all that came so far.
    """

    def __init__(self, rules: SequenceRules, buffered_max: int) -> None:
        self.is_wanting = True
        self._sync = BookSync(rules, buffered_max)
        self._sync.begin()
        self._base: DepthBook | None = None
        self._diffs: list[DepthDiff] = []

    @property
    def is_ready(self) -> bool:
        """Return whether book and diffs are joined."""
        return self._sync.phase is Phase.LIVE

    def take_diff(self, diff: DepthDiff) -> None:
        """Take a diff that the book in use has applied."""
        verdict = self._sync.take_diff(diff)
        if verdict is Verdict.BRIDGED or verdict is Verdict.APPLY:
            self._diffs.append(diff)
        elif verdict is Verdict.TOO_OLD_SNAPSHOT or verdict is Verdict.GAP:
            self.is_wanting = True

    def take_book(self, book: DepthBook) -> None:
        """Take the REST answer; one older than the diffs is asked for again."""
        diffs = self._sync.take_snapshot(book.last_id) if self._sync.phase is Phase.WAITING else None
        self.is_wanting = diffs is None
        self._base, self._diffs = book, diffs or []

    def build(self, parser: MarketParser, update_n: int, answered_levels: int) -> tuple[Book, Edges] | None:
        """Return the newer book and its edges, None when it cannot be used; raises as `parser.block` does."""
        assert self._base is not None, "a refresh is built when it is ready"
        parsed = parser.block(self._base.bids, self._base.asks)
        edges = edges_of(parsed.levels, parsed.bid_count, answered_levels)
        book = Book()
        start_n = update_n - len(self._diffs)
        book.snapshot(parsed.levels, parsed.bid_count, start_n)
        for i, diff in enumerate(self._diffs, 1):
            change = parser.block(diff.bids, diff.asks)
            book.update(change.levels, change.bid_count, start_n + i)
        return (book, edges) if book.is_trusted else None
