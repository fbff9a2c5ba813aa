"""One market's book from the venue's frames to the log: sequence, levels, and when it may be used.

The book is *open* while the log may use it. It is closed by `BookInvalid` at the very event that gives the
reason, and opened by `BookSnapshot`, after which every applied depth event is one `BookUpdate`.
"""

from services.market_data.counters import Counters
from services.market_data.levels import MarketParser, ParsedLevels, difference, trimmed
from services.market_data.refresh import SPACING_NS, BookRefresh, edges_of, is_at_edge, narrower
from services.market_data.settings import MarketDataSettings
from services.market_data.sync import BookSync, Phase, Verdict
from shared.kernels.book import Book
from shared.messages.base import Instruction, Message
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, InstrumentRules
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.base import UNREADABLE, DepthBook, DepthDiff, SequenceRules

# A quiet market sends no diff that confirms a snapshot: after this long without any it is taken as it is.
CONFIRM_NS = 1 * NS_PER_S

Said = list[Message | Instruction]


class BookFeed:
    """State of one book, separate from every other market's (MD-21).

    `is_wanting` asks the owner for a REST book; `is_doubting_rules` for the rules of the market.
    `is_conflating` holds updates back: they go into the book and are said as one snapshot later (MD-28).
    """

    def __init__(
        self,
        symbol: str,
        rules: SequenceRules,
        settings: MarketDataSettings,
        counters: Counters,
        answered_levels: int = 1000,
    ) -> None:
        self.symbol = symbol
        self.sync = BookSync(rules, settings.buffered_diffs_max)
        self.book = Book()
        self.rules: InstrumentRules | None = None
        self.is_open = False
        self.is_wanting = False
        self.is_doubting_rules = False
        self.is_conflating = False
        self.has_snapshot = False
        self.last_depth_ns = 0
        self.update_n = 0
        self._settings = settings
        self._counters = counters
        self._parser: MarketParser | None = None
        self._closed_by = ""
        self._reason_to_open = "start"
        self._snapshot_ns = 0
        self._last_ids = (0, 0)
        self._floored_count = 0
        self._is_behind = False
        self._answered_levels = answered_levels
        self._edges = (0, 0)
        self._refresh: BookRefresh | None = None
        self._refreshed_ns = 0

    @property
    def parser(self) -> MarketParser:
        """Return the parser of this market's texts; it exists once the rules are known."""
        assert self._parser is not None, f"{self.symbol} got a frame before its rules"
        return self._parser

    @property
    def state(self) -> str:
        """Return `open`, or why the book is closed."""
        return "open" if self.is_open else self._closed_by

    def take_rules(self, rules: InstrumentRules, now_ns: int, out: Said) -> None:
        """Use `rules` from now on; with other steps the book is read anew: its integers changed meaning."""
        former, self.rules = self.rules, rules
        self.is_doubting_rules = False
        has_new_steps = former is None or (former.tick_size, former.lot_size) != (
            rules.tick_size,
            rules.lot_size,
        )
        if has_new_steps:
            self._parser = MarketParser(rules.tick_size, rules.lot_size)
        if former is not None and has_new_steps and self.sync.phase is not Phase.IDLE:
            self._distrust("bad_data", "the venue changed tick or lot size", out)
        self._last_check(now_ns)

    def _last_check(self, now_ns: int) -> None:
        self.last_depth_ns = self.last_depth_ns or now_ns

    def begin(self, now_ns: int) -> None:
        """Start on a new connection: keep diffs and ask for a book."""
        self._refresh = None
        self.sync.begin()
        self.is_wanting = True
        self.last_depth_ns = now_ns

    def end(self, reason: str, detail: str, out: Said) -> None:
        """Expect nothing more: the connection is gone, or the venue halted the market."""
        self.sync.stop()
        self.book.invalidate()
        self.is_wanting = False
        self.close(reason, detail, out)

    def close(self, reason: str, detail: str, out: Said, expected_id: int = 0, got_id: int = 0) -> None:
        """Tell the log that the book may not be used; once per reason."""
        if self.is_open or self._closed_by != reason:
            out.append(BookInvalid(self.symbol, reason, detail, expected_id, got_id))
        self.is_open = False
        self._refresh = None
        self._closed_by = reason
        self._is_behind = False

    def _distrust(self, reason: str, detail: str, out: Said) -> None:
        self.book.invalidate()
        self.sync.begin()
        self.is_wanting = True
        self.close(reason, detail, out)

    def refuse(self, detail: str, out: Said) -> None:
        """Take a depth frame that cannot be read: what it changed is unknown, so the book is (I-32)."""
        self._counters.bad_frame_count += 1
        if self.sync.phase is not Phase.IDLE:
            self.is_doubting_rules = True
            self._distrust("bad_data", detail[:200], out)

    def take_diff(self, diff: DepthDiff, now_ns: int, out: Said) -> None:
        """Take the next diff of the stream."""
        self.last_depth_ns = now_ns
        verdict = self.sync.take_diff(diff)
        if verdict is Verdict.APPLY or verdict is Verdict.BRIDGED:
            self._apply(diff, now_ns, out)
        elif verdict is Verdict.OLD:
            self._counters.dropped_count += 1
        elif verdict is Verdict.GAP or verdict is Verdict.TOO_OLD_SNAPSHOT:
            self._lose(diff, out)

    def _lose(self, diff: DepthDiff, out: Said) -> None:
        expected_id = self.sync.rules.expected_id(self.sync.last_id)
        got_id = diff.previous_id if diff.previous_id >= 0 else diff.first_id
        self._counters.gap_count += self.is_open
        self.book.invalidate()
        self.is_wanting = True
        self.close("gap", f"expected {expected_id}, got {got_id}", out, expected_id, got_id)

    def take_book(self, book: DepthBook, now_ns: int, out: Said) -> None:
        """Take the answer to a wanted REST book; asks again when it is older than the diffs."""
        self.is_wanting = False
        if self.sync.phase is not Phase.WAITING:
            self._take_newer(book, now_ns, out)
            return
        try:
            parsed = self.parser.block(book.bids, book.asks)
        except UNREADABLE as error:
            self.refuse(f"REST book {book.last_id}: {error}", out)
            return
        diffs = self.sync.take_snapshot(book.last_id)
        if diffs is None:
            self.is_wanting = True
            return
        self._load(book, parsed)
        self._edges = edges_of(parsed.levels, parsed.bid_count, self._answered_levels)
        self._snapshot_ns = self._refreshed_ns = now_ns
        if not self._is_sound(parsed, out):
            return
        for diff in diffs:
            if self.book.is_valid:
                self._apply(diff, now_ns, out)

    def _load(self, book: DepthBook, parsed: ParsedLevels) -> None:
        self.update_n += 1
        self.book.snapshot(parsed.levels, parsed.bid_count, self.update_n)
        self.has_snapshot = True
        self._last_ids = (book.last_id, book.ts_venue_ns)
        self._count(parsed)

    def _count(self, parsed: ParsedLevels) -> None:
        self._floored_count = parsed.floored_count
        self._counters.floored_count += parsed.floored_count
        self._counters.stray_count += parsed.stray_count

    def take_partial(self, book: DepthBook, now_ns: int, out: Said) -> None:
        """Take a whole book of few levels (MD-5): the difference to the last one is the update."""
        self.last_depth_ns = now_ns
        if self.sync.phase is Phase.IDLE or (self.has_snapshot and book.last_id <= self._last_ids[0]):
            self._counters.dropped_count += 1
            return
        self.is_wanting = False
        parsed = self.parser.block(book.bids, book.asks)
        diff = DepthDiff("", book.last_id, book.last_id, -1, book.ts_venue_ns, [], [])
        if not self.is_open or not self.book.is_valid:
            self._load(book, parsed)
            if self._is_sound(parsed, out) and self._is_fresh(diff, now_ns, out):
                self._open(now_ns, out)
            return
        levels, bid_count = difference(self.book.dump(), parsed[:2])
        self._update(diff, parsed._replace(levels=levels, bid_count=bid_count), now_ns, out)

    def _apply(self, diff: DepthDiff, now_ns: int, out: Said) -> None:
        if self._is_fresh(diff, now_ns, out) and not self.is_open:
            self._open(now_ns, out)
        try:
            self._update(diff, self.parser.block(diff.bids, diff.asks), now_ns, out)
        except UNREADABLE as error:
            self.refuse(f"diff {diff.last_id}: {error}", out)
        if self._refresh is not None:
            self._refresh.take_diff(diff)
            self._join_newer(now_ns, out)

    def _take_newer(self, book: DepthBook, now_ns: int, out: Said) -> None:
        if self._refresh is not None:
            self._refresh.take_book(book)
            self._join_newer(now_ns, out)

    def _join_newer(self, now_ns: int, out: Said) -> None:
        """Put the newer book in the place of the one in use once it holds the same diffs."""
        refresh = self._refresh
        if refresh is None or not self.book.is_valid:
            self._refresh = None
            return
        self.is_wanting = refresh.is_wanting
        if not refresh.is_ready:
            return
        self._refresh, self._refreshed_ns = None, now_ns
        try:
            built = refresh.build(self.parser, self.update_n, self._answered_levels)
        except UNREADABLE:
            self._counters.bad_frame_count += 1
            return
        if built is not None:
            self.book, self._edges = built
            self.say_whole("period", now_ns, out)

    def _watch_edges(self, now_ns: int) -> None:
        is_due = self._refresh is None and now_ns - self._refreshed_ns >= SPACING_NS
        if is_due and self.is_open and self.book.is_trusted and is_at_edge(self.book, self._edges):
            self._refresh = BookRefresh(self.sync.rules, self._settings.buffered_diffs_max)
            self._refreshed_ns = now_ns
            self.is_wanting = True

    def _update(self, diff: DepthDiff, parsed: ParsedLevels, now_ns: int, out: Said) -> None:
        is_applied = self.book.update(parsed.levels, parsed.bid_count, self.update_n + 1)
        assert is_applied, f"{self.symbol}: the book is at {self.book.update_n}, the feed at {self.update_n}"
        self.update_n += 1
        self._last_ids = (diff.last_id, diff.ts_venue_ns)
        self._count(parsed)
        if not self._is_sound(parsed, out) or not self.is_open:
            return
        if self.is_conflating:
            self._is_behind = True
            self._counters.dropped_count += 1
            return
        out.append(
            BookUpdate(
                self.symbol,
                self.update_n,
                diff.first_id,
                diff.last_id,
                parsed.bid_count,
                parsed.levels,
                diff.ts_venue_ns,
                now_ns,
                parsed.floored_count,
            )
        )

    def _is_sound(self, parsed: ParsedLevels, out: Said) -> bool:
        """Refuse a crossed or locked book; a one-sided one is kept, and nobody may trade on it (MD-6)."""
        bid_ticks, ask_ticks = self.book.bid_ticks, self.book.ask_ticks
        detail = ""
        if bid_ticks and ask_ticks and bid_ticks >= ask_ticks:
            detail = f"crossed: bid {bid_ticks} >= ask {ask_ticks} ticks"
        elif parsed.stray_count and self.parser.is_beyond_touch(parsed, (bid_ticks, ask_ticks)):
            detail = f"a price off the tick is the best: {parsed.stray_bid or parsed.stray_ask}"
            self.is_doubting_rules = True
        if detail:
            self._distrust("bad_data", detail, out)
        return not detail

    def _is_fresh(self, diff: DepthDiff, now_ns: int, out: Said) -> bool:
        """Judge the venue's time of an event against ours; a frozen or shifted feed closes it (I-33)."""
        if diff.ts_venue_ns == 0:
            return True
        age_ns = now_ns - diff.ts_venue_ns
        self._counters.lag_ns = age_ns
        if abs(age_ns) <= self._settings.event_age_ms * NS_PER_MS:
            return True
        where = "behind" if age_ns > 0 else "ahead of"
        self.close(
            "stale",
            f"the venue's event is {abs(age_ns) // NS_PER_MS} ms {where} our clock, "
            f"limit {self._settings.event_age_ms} ms: check this host's time",
            out,
        )
        return False

    def _open(self, now_ns: int, out: Said) -> None:
        self.is_open = True
        self.say_whole(self._reason_to_open, now_ns, out)
        self._reason_to_open = "gap"

    def say_whole(self, reason: str, now_ns: int, out: Said) -> None:
        """Say the whole book if it is open, at most `snapshot_levels` per side; the rest is forgotten."""
        if not self.is_open:
            return
        limit = self._settings.snapshot_levels
        levels, bid_count = trimmed(self.book.dump(), limit)
        self._edges = narrower(self._edges, edges_of(levels, bid_count, limit))
        self.book.snapshot(levels, bid_count, self.update_n)
        self._is_behind = False
        out.append(
            BookSnapshot(
                self.symbol,
                self.update_n,
                self._last_ids[0],
                bid_count,
                levels,
                reason,
                self._last_ids[1],
                now_ns,
                self._floored_count,
            )
        )

    def say_state(self, reason: str, now_ns: int, out: Said) -> None:
        """Say the whole book, or again that it is closed and why."""
        if self.is_open and self.is_conflating:
            self._is_behind = True
        elif self.is_open:
            self.say_whole(reason, now_ns, out)
        elif self._closed_by and reason != "period":
            out.append(BookInvalid(self.symbol, self._closed_by, "still closed"))

    def catch_up(self, now_ns: int, out: Said) -> None:
        """End conflation: what was held back is one snapshot."""
        self.is_conflating = False
        if self._is_behind:
            self.say_whole("conflated", now_ns, out)

    def watch(self, now_ns: int, out: Said) -> None:
        """Close a book that got no depth for too long; take the unconfirmed book of a quiet market."""
        self._watch_edges(now_ns)
        silent_ns = now_ns - max(self.last_depth_ns, self._snapshot_ns)
        if self.is_open and now_ns - self.last_depth_ns > self._settings.depth_stale_ms * NS_PER_MS:
            self.is_doubting_rules = True
            self.close("stale", f"no depth for {(now_ns - self.last_depth_ns) // NS_PER_MS} ms", out)
        elif (
            self.sync.phase is Phase.BRIDGING
            and self._closed_by != "stale"
            and not self.is_open
            and silent_ns >= CONFIRM_NS
        ):
            self._open(now_ns, out)
