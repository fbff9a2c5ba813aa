"""What a venue says of its markets besides books and trades: candles and the facts of perpetuals.

None of it holds up a book, and what cannot be read is counted and left out: who needs it sees its age.
"""

from collections.abc import Iterator

from services.market_data.backoff import Backoff
from services.market_data.book_feed import Said
from services.market_data.candles import CandleFeed
from services.market_data.counters import Counters
from services.market_data.derivative import DerivativeFeed
from services.market_data.links import Link, Request, Wanted
from services.market_data.market import Market
from services.market_data.settings import MarketDataSettings
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.base import UNREADABLE, FrameKind

REFILL_MAX = 500
# Who starts with the first book must not miss the history, so it waits for a price; but not for ever.
HISTORY_WAIT_NS = 3 * NS_PER_S


class _Poll:
    """One thing that is asked for over REST, one request at a time; `due_ns` is when it may be asked next."""

    def __init__(self, key: str) -> None:
        self.is_pending = False
        self.due_ns = 0
        self.backoff = Backoff(key)


class MarketFacts:
    """Candles and derivative of one market, None where it has none or they are not wanted."""

    def __init__(self, market: Market, settings: MarketDataSettings, counters: Counters) -> None:
        self.market = market
        adapter = market.adapter
        self.candles: CandleFeed | None = None
        self.history_by_ns = 0
        self.derivative: DerivativeFeed | None = None
        self.streams: list[str] = []
        self.polls: dict[Wanted, _Poll] = {}
        is_wanted = not settings.candle_symbols or market.symbol in settings.candle_symbols
        if settings.candles and is_wanted and adapter.candle_stream(market.name):
            age_ns = settings.candle_age_ms * NS_PER_MS
            self.candles = CandleFeed(market.symbol, counters, settings.candle_history, age_ns)
            self.streams.append(adapter.candle_stream(market.name))
            self._add(Wanted.CANDLES)
        if settings.facts and adapter.mark_stream(market.name):
            say_ns = settings.funding_say_ms * NS_PER_MS
            self.derivative = DerivativeFeed(market.symbol, counters, say_ns)
            self.streams += [adapter.mark_stream(market.name), adapter.liquidation_stream(market.name)]
            self._add(Wanted.MARK)
            self._add(Wanted.OPEN_INTEREST)

    def _add(self, wanted: Wanted) -> None:
        self.polls[wanted] = _Poll(f"{self.market.symbol} {wanted.value}")


class VenueFacts:
    """The facts of one venue. `take` and `take_response` never raise, whatever they are given."""

    def __init__(self, markets: dict[str, Market], settings: MarketDataSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._markets = {name: MarketFacts(market, settings, counters) for name, market in markets.items()}

    def routes(self) -> Iterator[tuple[str, Market]]:
        """Yield the streams to follow, each with its market."""
        for facts in self._markets.values():
            for stream in facts.streams:
                yield stream, facts.market

    def connected(self, link: Link, now_ns: int) -> None:
        """Begin what comes over a new connection; no poll comes earlier for it."""
        for facts in self._markets.values():
            if facts.candles is not None and facts.streams[0] in link.streams:
                facts.candles.begin(now_ns)
                facts.history_by_ns = facts.history_by_ns or now_ns + HISTORY_WAIT_NS

    def take(self, kind: FrameKind, market: Market, data: bytes, now_ns: int, out: Said) -> None:
        """Take the payload of a stream of `routes`."""
        facts = self._markets[market.name]
        adapter, derivative = market.adapter, facts.derivative
        parser, rules = market.book.parser, market.book.rules
        assert rules is not None, "streams are opened when the rules are known"
        try:
            if kind is FrameKind.CANDLE and facts.candles is not None:
                candle = adapter.parse_candle(data)
                _check_name(candle.venue_symbol, market)
                facts.candles.take(candle, parser.texts, now_ns, out)
            elif kind is FrameKind.MARK and derivative is not None:
                mark = adapter.parse_mark(data)
                _check_name(mark.venue_symbol, market)
                derivative.take_mark(mark, rules, now_ns, out)
            elif kind is FrameKind.LIQUIDATION and derivative is not None:
                forced = adapter.parse_liquidation(data)
                _check_name(forced.venue_symbol, market)
                derivative.take_liquidation(forced, parser, rules, now_ns, out)
        except UNREADABLE:
            self._counters.bad_frame_count += 1

    def take_response(
        self, request: Request, status: int, body: bytes, least_ms: int, now_ns: int, out: Said
    ) -> None:
        """Take the answer of a request of `due`; what failed is asked for again later."""
        facts = self._markets[request.symbols[0]]
        poll = facts.polls[request.wanted]
        poll.is_pending = False
        is_read = False
        if status == 200:
            try:
                self._read(facts, request.wanted, body, now_ns, out)
                is_read = True
                poll.backoff.attempt_count = 0
            except UNREADABLE:
                self._counters.bad_frame_count += 1
        if request.wanted is Wanted.CANDLES:
            spacing_ms = self._settings.resync_spacing_ms if is_read else poll.backoff.next_ms()
            poll.due_ns = now_ns + max(spacing_ms, least_ms) * NS_PER_MS
        elif least_ms:
            poll.due_ns = max(poll.due_ns, now_ns + least_ms * NS_PER_MS)

    def _read(self, facts: MarketFacts, wanted: Wanted, body: bytes, now_ns: int, out: Said) -> None:
        market = facts.market
        parser, rules = market.book.parser, market.book.rules
        assert rules is not None, "facts are asked for when the rules are known"
        if wanted is Wanted.CANDLES and facts.candles is not None:
            candles = market.adapter.parse_candles(body, market.name)
            facts.candles.take_history(candles, parser.texts, now_ns, out)
        elif wanted is Wanted.OPEN_INTEREST and facts.derivative is not None:
            interest = market.adapter.parse_open_interest(body)
            _check_name(interest.venue_symbol, market)
            facts.derivative.take_open_interest(interest, parser, now_ns, out)
        elif wanted is Wanted.MARK and facts.derivative is not None:
            mark = market.adapter.parse_mark_answer(body)
            _check_name(mark.venue_symbol, market)
            facts.derivative.take_mark(mark, rules, now_ns, out)

    def due(self, now_ns: int) -> Iterator[Request]:
        """Yield what is to be asked for now; each must be answered by `take_response`."""
        for facts in self._markets.values():
            if not facts.market.is_trading:
                continue
            for wanted, poll in facts.polls.items():
                if poll.is_pending or now_ns < poll.due_ns:
                    continue
                target = self._target(facts, wanted, now_ns)
                if target:
                    poll.is_pending = True
                    yield Request(target, (facts.market.name,), wanted)

    def _target(self, facts: MarketFacts, wanted: Wanted, now_ns: int) -> str:
        """Return what to ask, empty for nothing; a poll is moved to its next time."""
        adapter, name = facts.market.adapter, facts.market.name
        settings = self._settings
        if wanted is Wanted.CANDLES:
            assert facts.candles is not None
            if not facts.candles.is_wanting:
                return ""
            from_ns = facts.candles.from_ns
            if not from_ns and not facts.market.has_price and now_ns < facts.history_by_ns:
                return ""
            # One more than the history: the last candle of an answer is the open one.
            count = REFILL_MAX if from_ns else settings.candle_history + 1
            return adapter.candles_target(name, count, from_ns)
        if wanted is Wanted.OPEN_INTEREST:
            facts.polls[wanted].due_ns = now_ns + settings.open_interest_poll_ms * NS_PER_MS
            return adapter.open_interest_target(name)
        assert facts.derivative is not None
        interval_ns = settings.funding_poll_ms * NS_PER_MS
        since_ns = facts.derivative.mark_ns
        # The stream says it each second; only its silence is asked about.
        is_silent = now_ns - since_ns >= interval_ns
        facts.polls[wanted].due_ns = (now_ns if is_silent else since_ns) + interval_ns
        return adapter.mark_target(name) if is_silent else ""

    def watch(self, now_ns: int, out: Said) -> None:
        """Say open candles and regimes that are due."""
        for facts in self._markets.values():
            rules = facts.market.book.rules
            if facts.candles is not None:
                facts.candles.watch(now_ns, out)
            if facts.derivative is not None and rules is not None:
                facts.derivative.watch(rules, now_ns, out)

    def warning(self, now_ns: int) -> str:
        """Return which markets have no fresh candle, empty when all have (MD-16)."""
        stale = [
            facts.market.name
            for facts in self._markets.values()
            if facts.candles is not None and facts.market.is_trading and facts.candles.is_stale(now_ns)
        ]
        limit_s = self._settings.candle_age_ms // 1000
        return f"no candle of {', '.join(stale)} for over {limit_s} s" if stale else ""

    def say_again(self, out: Said) -> None:
        """Say what is known once more: the log may have lost it, or is another one."""
        for facts in self._markets.values():
            if facts.candles is not None:
                facts.candles.say_again(out)
            if facts.derivative is not None:
                facts.derivative.say_again(out)

    def missing_candles(self) -> int:
        """Return how many minutes the venue had no candle for."""
        return sum(f.candles.missing_count for f in self._markets.values() if f.candles is not None)


def _check_name(venue_symbol: str, market: Market) -> None:
    if venue_symbol != market.name:
        raise ValueError(f"a frame of {venue_symbol[:40]!r} came for {market.name}")
