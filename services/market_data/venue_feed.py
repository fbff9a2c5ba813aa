"""One venue: its connections, its REST requests, and the markets behind them."""

from collections.abc import Iterator, Sequence

from services.market_data.backoff import Backoff
from services.market_data.book_feed import Said
from services.market_data.counters import Counters
from services.market_data.instructions import CloseStream, FetchRest, OpenStream
from services.market_data.links import Link, Request, Wanted
from services.market_data.market import Market
from services.market_data.settings import SIMULATED, FeedVenue, MarketDataSettings
from services.market_data.venue_facts import VenueFacts
from shared.messages.market import CaptureFinished, FeedStatus, InstrumentRules
from shared.units import INT64_MAX, NS_PER_MS
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, CaptureEnd, Fees, FrameKind, Shutdown
from shared.venues.binance import CAPTURE_STREAM, TRADING, decimals_beyond, envelope_of

# Wait at least this long after the venue said that we ask too much (429, 418).
LIMITED_MS = 60_000
HALTED_CHECK_MS = 60_000


class VenueFeed:
    """State of one venue. `failure` is set when it can never work as configured: the shell ends then."""

    def __init__(self, venue: FeedVenue, settings: MarketDataSettings, ids: Iterator[int]) -> None:
        self.name = venue.name
        self.adapter = VENUES[venue.name]
        self.counters = Counters()
        self.failure = ""
        self.is_finished = False
        self.limited_until_ns = 0
        self.requests: dict[int, Request] = {}
        self._venue = venue
        self._settings = settings
        self._fees = Fees(venue.maker_fee_ppm, venue.taker_fee_ppm)
        self._ids = ids
        self.markets = {
            name: Market(self.name, name, venue, settings, self.counters) for name in venue.symbols
        }
        self.routes: dict[str, tuple[FrameKind, Market]] = {}
        for market in self.markets.values():
            for stream in (market.depth_stream, market.trade_stream):
                self.routes[stream] = (self.adapter.kind_of(stream), market)
        self.facts = VenueFacts(self.markets, settings, self.counters)
        for stream, market in self.facts.routes():
            self.routes[stream] = (self.adapter.kind_of(stream), market)
        self.links = {link.name: link for link in self._make_links()}
        self._rules_backoff = Backoff(f"{venue.name} rules")
        self._rules_ns = 0
        self.is_opened = False
        self._note = ""
        self._candle_warning = ""
        self._said = ("", "")
        self._said_ns = 0

    def _make_links(self) -> Iterator[Link]:
        # Each connection hears of the end of a capture by itself: it must not overtake the last frames.
        ending = (CAPTURE_STREAM,) if self._venue.url == SIMULATED else ()
        for group, names in self.adapter.groups(tuple(self.routes)).items():
            yield Link(f"{self.name}/{group}" if group else self.name, group, names + ending)

    @property
    def is_ready(self) -> bool:
        """Return whether everything is subscribed and every open market has its first book."""
        return (
            self.is_opened
            and all(link.is_up for link in self.links.values())
            and all(market.is_ready for market in self.markets.values())
        )

    # ---- start and rules

    def start(self, now_ns: int, out: Said) -> None:
        """Distrust what an earlier run said, and ask for the rules: nothing is connected before them."""
        for market in self.markets.values():
            market.book.close("disconnected", "the feed starts", out)
        self._ask_rules(tuple(self.markets), 0, out)
        self.say_status(now_ns, out)

    def _ask_rules(self, symbols: Sequence[str], after_ms: int, out: Said) -> None:
        for target, names in self.adapter.rules_targets(symbols):
            self._ask(Request(target, names, Wanted.RULES), after_ms, out)

    def _ask(self, request: Request, after_ms: int, out: Said) -> int:
        request_id = next(self._ids)
        self.requests[request_id] = request
        out.append(FetchRest(request_id, self.name, request.target, after_ms))
        return request_id

    def take_response(
        self, request_id: int, status: int, body: bytes, now_ns: int, retry_after_ms: int, out: Said
    ) -> None:
        """Take the answer of a request; one that was given up meanwhile is ignored."""
        request = self.requests.pop(request_id)
        least_ms = max(retry_after_ms, LIMITED_MS) if status in {418, 429} else 0
        self.limited_until_ns = max(self.limited_until_ns, now_ns + least_ms * NS_PER_MS)
        if request.wanted is Wanted.DEPTH:
            market = self.markets[request.symbols[0]]
            if market.depth_request_id == request_id:
                market.depth_request_id = 0
                self._take_depth(market, status, body, least_ms, now_ns, out)
        elif request.wanted is not Wanted.RULES:
            self.facts.take_response(request, status, body, least_ms, now_ns, out)
        elif self.adapter.is_unlisted(status, body):
            for name in request.symbols:
                self._lose(self.markets[name], "", out)
        elif status == 200:
            self._take_rules(request, body, now_ns, out)
        else:
            self._ask(request, max(self._rules_backoff.next_ms(), least_ms), out)

    def _take_rules(self, request: Request, body: bytes, now_ns: int, out: Said) -> None:
        try:
            listed = self.adapter.parse_rules(body, request.symbols, self._fees)
        except UNREADABLE as error:
            self.counters.bad_frame_count += 1
            self._note = f"rules cannot be read: {error}"[:200]
            self._ask(request, self._rules_backoff.next_ms(), out)
            return
        for name, rules in listed.rules.items():
            self._take_market(self.markets[name], rules, now_ns, out)
        for name in request.symbols:
            if name not in listed.rules:
                self._lose(self.markets[name], listed.unusable.get(name, ""), out)
        if not self.failure and all(market.book.rules is not None for market in self.markets.values()):
            self._rules_ns = now_ns
            self._open_links(out)

    def _take_market(self, market: Market, rules: InstrumentRules, now_ns: int, out: Said) -> None:
        market.rules_asked_ns = now_ns
        if rules != market.book.rules or now_ns - market.rules_said_ns >= self._rules_interval_ns:
            market.rules_said_ns = now_ns
            out.append(rules)
        market.book.take_rules(rules, now_ns, out)
        if rules.status != TRADING:
            market.book.end("halted", f"the venue says {rules.status}", out)
        elif market.book.state == "halted" and self._is_depth_up(market):
            market.book.begin(now_ns)

    @property
    def _rules_interval_ns(self) -> int:
        return self._settings.rules_interval_ms * NS_PER_MS

    def _lose(self, market: Market, defect: str, out: Said) -> None:
        """Take a market that the venue does not list, or lists with a `defect`: fatal at the start only."""
        listing = (
            f"lists {market.name} with rules that cannot be used ({defect})"
            if defect
            else (
                f"does not list {market.name}: write the market as the venue does (BTCUSDT), "
                "or take it out of `symbols`"
            )
        )
        if market.book.rules is None:
            self.failure = self.failure or f"{self.name} {listing}"
        else:
            market.book.end("halted", f"the venue {listing}"[:200], out)

    # ---- connections

    def _open_links(self, out: Said) -> None:
        if self.is_opened:
            return
        self.is_opened = True
        for link in self.links.values():
            out.append(OpenStream(link.name, self.name, link.streams, 0, link.group))

    def _is_depth_up(self, market: Market) -> bool:
        return any(link.is_up and market.depth_stream in link.streams for link in self.links.values())

    def connected(self, link: Link, now_ns: int, out: Said) -> None:
        """Begin every book that comes over this connection; saying it twice changes nothing."""
        if link.is_up:
            return
        link.is_up = True
        link.last_frame_ns = now_ns
        link.backoff.up(now_ns)
        if all(one.is_up for one in self.links.values()):
            self._note = ""
        for market in self._markets_of(link):
            market.depth_request_id = 0
            if market.is_trading:
                market.book.begin(now_ns)
        self.facts.connected(link, now_ns)
        self.ask_wanted(now_ns, out)
        self.say_status(now_ns, out)

    def _markets_of(self, link: Link) -> list[Market]:
        return [market for market in self.markets.values() if market.depth_stream in link.streams]

    def disconnected(self, link: Link, reason: str, now_ns: int, out: Said, *, at_once: bool = False) -> None:
        """Close the books of this connection and make it anew."""
        link.is_up = False
        link.backoff.down(now_ns)
        self.counters.reconnect_count += 1
        self._note = reason[:200]
        for market in self._markets_of(link):
            if market.is_trading:
                market.book.end("disconnected", reason[:200], out)
        after_ms = 0 if at_once else link.backoff.next_ms()
        out.append(OpenStream(link.name, self.name, link.streams, after_ms, link.group))
        self.say_status(now_ns, out)

    # ---- frames

    def take_frame(self, link: Link, frame: bytes, now_ns: int, out: Said) -> None:
        """Take one frame; never raises, whatever it holds."""
        if not link.is_up:
            self.counters.dropped_count += 1
            return
        link.last_frame_ns = now_ns
        self.counters.message_count += 1
        try:
            envelope = envelope_of(frame)
        except UNREADABLE as error:
            self._refuse(f"not a frame of this venue: {error}")
            return
        route = self.routes.get(envelope.stream)
        if route is None:
            self._take_control(link, envelope.stream, bytes(envelope.data) or frame, now_ns, out)
            return
        kind, market = route
        data = bytes(envelope.data)
        if kind is FrameKind.TRADE:
            market.take_trade(data, now_ns, out)
        elif kind is FrameKind.DEPTH or kind is FrameKind.PARTIAL:
            market.take_depth(kind, data, now_ns, out)
            if market.book.is_wanting:
                self._ask_depth(market, now_ns, 0, out)
        else:
            self.facts.take(kind, market, data, now_ns, out)

    def _refuse(self, detail: str) -> None:
        self.counters.bad_frame_count += 1
        self._note = detail[:200]

    def _take_control(self, link: Link, stream: str, frame: bytes, now_ns: int, out: Said) -> None:
        try:
            control = self.adapter.parse_control(stream, frame)
        except UNREADABLE as error:
            self._refuse(str(error))
            return
        if isinstance(control, CaptureEnd):
            link.is_finished = True
            if not self.is_finished and all(one.is_finished for one in self.links.values()):
                self.is_finished = True
                out.append(CaptureFinished(self.name, control.frame_count))
                self.say_status(now_ns, out)
        elif isinstance(control, Shutdown):
            out.append(CloseStream(link.name))
            self.disconnected(link, "the venue announced a shutdown", now_ns, out, at_once=True)
        elif control.error:
            self._refuse(f"the venue refused a request: {control.error}")

    # ---- books over REST

    def ask_wanted(self, now_ns: int, out: Said) -> None:
        """Ask for every book that is wanted and not on its way."""
        for market in self.markets.values():
            if market.book.is_wanting:
                self._ask_depth(market, now_ns, 0, out)

    def _ask_depth(self, market: Market, now_ns: int, least_ms: int, out: Said) -> None:
        if market.depth_request_id or market.is_partial:
            return
        spacing_ns = self._settings.resync_spacing_ms * NS_PER_MS
        wait_ms = max(least_ms, -(-(market.depth_asked_ns + spacing_ns - now_ns) // NS_PER_MS), 0)
        market.depth_asked_ns = now_ns + wait_ms * NS_PER_MS
        target = self.adapter.depth_target(market.name, self._venue.depth_levels)
        market.depth_request_id = self._ask(Request(target, (market.name,), Wanted.DEPTH), wait_ms, out)

    def _take_depth(
        self, market: Market, status: int, body: bytes, least_ms: int, now_ns: int, out: Said
    ) -> None:
        if self.adapter.is_unlisted(status, body):
            self._lose(market, "", out)
            return
        if status != 200:
            self._note = f"{market.name}: depth answered {status}"
            self._ask_depth(market, now_ns, max(market.backoff.next_ms(), least_ms), out)
            return
        try:
            book = self.adapter.parse_depth(body)
        except UNREADABLE as error:
            self._refuse(f"{market.name}: depth cannot be read: {error}")
            self._ask_depth(market, now_ns, market.backoff.next_ms(), out)
            return
        market.backoff.attempt_count = 0
        rules = market.book.rules
        assert rules is not None
        beyond = decimals_beyond(book.bids + book.asks, rules.tick_size)
        if beyond:
            self._note = f"{market.name}: prices have {beyond} decimals more than the tick {rules.tick_size}"
        market.book.take_book(book, now_ns, out)
        if market.book.is_wanting:
            self._ask_depth(market, now_ns, 0, out)

    # ---- time

    def watch(self, now_ns: int, out: Said) -> None:
        """Judge silence, refresh rules, say prices and state: called every 50 ms."""
        if not self.is_finished:
            self._watch_links(now_ns, out)
            for market in self.markets.values():
                market.watch(now_ns, out)
            self._watch_facts(now_ns, out)
            self._watch_rules(now_ns, out)
        self.ask_wanted(now_ns, out)
        due_ns = self._said_ns + self._settings.status_interval_ms * NS_PER_MS
        if now_ns >= due_ns or self.state() != self._said:
            self.say_status(now_ns, out)

    def _watch_facts(self, now_ns: int, out: Said) -> None:
        self.facts.watch(now_ns, out)
        if self.is_opened:
            for request in self.facts.due(now_ns):
                self._ask(request, 0, out)
            is_up = all(link.is_up for link in self.links.values())
            self._candle_warning = self.facts.warning(now_ns) if is_up else ""

    def _watch_links(self, now_ns: int, out: Said) -> None:
        limit_ns = self._settings.silence_ms * NS_PER_MS
        for link in self.links.values():
            if link.is_up and now_ns - link.last_frame_ns > limit_ns:
                out.append(CloseStream(link.name))
                self.disconnected(link, f"no frame for {self._settings.silence_ms} ms", now_ns, out)

    def _watch_rules(self, now_ns: int, out: Said) -> None:
        if not self.is_opened:
            return
        if now_ns - self._rules_ns >= self._rules_interval_ns:
            self._rules_ns = now_ns
            self._ask_rules(tuple(self.markets), 0, out)
        for market in self.markets.values():
            is_doubtful = market.book.is_doubting_rules or market.book.state == "halted"
            if is_doubtful and now_ns - market.rules_asked_ns >= HALTED_CHECK_MS * NS_PER_MS:
                market.rules_asked_ns = now_ns
                market.book.is_doubting_rules = False
                self._ask_rules((market.name,), 0, out)

    def state(self) -> tuple[str, str]:
        """Return state and reason of the whole venue: the worst of its parts."""
        if self.failure:
            return "failed", self.failure
        if self.is_finished:
            return "finished", "the capture has been played to its end"
        if not self.is_opened or not all(link.is_up for link in self.links.values()):
            return ("reconnecting" if self.counters.reconnect_count else "connecting"), self._note
        for worst in ("halted", "stale"):
            closed = [market.name for market in self.markets.values() if market.book.state == worst]
            if closed:
                return worst, ", ".join(closed)
        return "live", "; ".join(filter(None, (self._note, self._candle_warning)))

    def say_status(self, now_ns: int, out: Said) -> None:
        """Say state and counters."""
        self._said, self._said_ns = self.state(), now_ns
        counters = self.counters
        last_ns = max(link.last_frame_ns for link in self.links.values())
        out.append(
            FeedStatus(
                venue=self.name,
                state=self._said[0],
                reason=self._said[1],
                reconnect_count=counters.reconnect_count,
                gap_count=counters.gap_count,
                bad_frame_count=counters.bad_frame_count,
                dropped_count=counters.dropped_count,
                message_count=counters.message_count,
                floored_count=counters.floored_count,
                missing_trade_count=min(INT64_MAX, sum(m.tape.missing_count for m in self.markets.values())),
                stray_count=counters.stray_count,
                missing_candle_count=self.facts.missing_candles(),
                lag_ms=counters.lag_ns // NS_PER_MS,
                silent_ms=(now_ns - last_ns) // NS_PER_MS if last_ns else 0,
            )
        )

    def say_rules(self, now_ns: int, out: Said) -> None:
        """Say the known rules again: at a new epoch the log may not hold them."""
        for market in self.markets.values():
            if market.book.rules is not None:
                market.rules_said_ns = now_ns
                out.append(market.book.rules)
