"""A venue with seeded order flow: every frame derives from a FIFO matching core and repeats with its seed."""

from typing import Any

import msgspec

from services.venue_sim import rest
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.exchange.sides import GeneratedSide
from services.venue_sim.exchange_info import filters_of
from services.venue_sim.market import PPB, GeneratedMarket
from services.venue_sim.matching import BUY, SELL, UpdateIds
from services.venue_sim.regime import STEP_MS, FairPrice
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.streams import (
    AGG_TRADE,
    BOOK_TICKER,
    CANDLES,
    DEPTH,
    FORCE_ORDER,
    MARK_EACH_S,
    MARK_PRICE,
    TRADE,
    kind_of,
    source_of,
)
from services.venue_sim.venue import USDM, Market, StreamFrame
from shared.errors import UNDECODABLE, ConfigError
from shared.instrument import venue_of
from shared.units import NS_PER_MS

STEP_NS = STEP_MS * NS_PER_MS
DIFF_STEPS = 2
CATCH_UP_NS = 1_000 * NS_PER_MS
# Ids never go back, even when the newest state is lost: they start at the time in ms times a rate (per ms)
# that the flow never reaches (about 6 book changes and 0.03 trades in a ms).
UPDATE_IDS_PER_MS = 100


class _State(msgspec.Struct):
    fingerprint: str
    is_clean: bool
    step: int
    next_ns: int
    ids: list[int]
    fair: dict[int, list[Any]]
    markets: list[list[Any]]
    facts: list[list[Any]] = []
    exchange: bytes = b""


class GeneratedVenue:
    """Seeded order flow on a grid of 50 ms; see `venue.Venue`.

    Step n happens at `anchor + n * 50 ms`; the anchor is `settings.origin_ns` until `resume` moves it, so a
    process that stood still goes on where it stopped instead of replaying the pause.
    `notice` says why a state was not taken, for the log. Raises ConfigError for markets that cannot be made.
    """

    def __init__(
        self,
        settings: VenueSimSettings,
        state: bytes | None = None,
        exchange_info: dict[str, bytes] | None = None,
    ) -> None:
        self.origin_ns = settings.origin_ns
        self.finished = False
        self.frames = 0
        self.exchange_info = exchange_info or {}
        self._fingerprint = msgspec.json.encode((settings.seed, settings.regime, settings.markets)).decode()
        start_ms = settings.origin_ns // NS_PER_MS
        usdm_ids = UpdateIds(start_ms * UPDATE_IDS_PER_MS)
        self._ids = [
            usdm_ids if venue_of(wanted.symbol) == USDM else UpdateIds(start_ms * UPDATE_IDS_PER_MS)
            for wanted in settings.markets
        ]
        self.markets = [
            GeneratedMarket(wanted, settings.seed, stream, ids)
            for stream, (wanted, ids) in enumerate(zip(settings.markets, self._ids, strict=True))
        ]
        if len({(market.venue, market.name) for market in self.markets}) < len(self.markets):
            raise ConfigError("simulator.markets names a market twice; leave one of them out")
        self._leaders = self._leaders_of()
        self._fair = {
            stream: FairPrice(settings.seed, stream * 4, settings.regime, self.markets[stream].start_e8)
            for stream in sorted(set(self._leaders))
        }
        self.notice = ""
        self._ids_are_ahead = False
        self._step = 0
        self._now_ms = start_ms
        self._next_ns = self.origin_ns
        self._played: list[StreamFrame] = []
        for market in self.markets:
            market.trade_id = start_ms
        self._funding_ms = settings.funding_interval_s * 1000
        sides = [GeneratedSide(market, self._next_funding_ms) for market in self.markets]
        self.exchange = Exchange(sides, settings, start_ms, filters_of(self.exchange_info))
        self.exchange.catch_up = self._catch_up
        if state is None or not self._load(state):
            for market in self.markets:
                market.open()
                market.fill_candles(start_ms)

    def _leaders_of(self) -> list[int]:
        """Return for each market the one whose fair price it follows: a spot market its USD-M namesake."""
        usdm = {market.name: n for n, market in enumerate(self.markets) if market.venue == USDM}
        return [usdm.get(market.name, n) for n, market in enumerate(self.markets)]

    def markets_of(self, venue: str) -> list[Market]:
        """Return the generated markets of a venue."""
        return [market.wire.market for market in self.markets if market.venue == venue]

    def source(self, venue: str, stream: str) -> str | None:
        """Return what feeds `stream` of a generated market."""
        kind = kind_of(stream)
        symbol, _, channel = stream.partition("@")
        is_fact = channel == CANDLES or (venue == USDM and channel in {MARK_PRICE, MARK_EACH_S, FORCE_ORDER})
        if not (is_fact or kind in {DEPTH, TRADE, AGG_TRADE, BOOK_TICKER}) or not any(
            market.venue == venue and market.name.lower() == symbol for market in self.markets
        ):
            return None
        return f"{symbol}@{TRADE}" if kind == AGG_TRADE else source_of(stream)

    def streams_of(self, venue: str, stream: str) -> bool:
        """Return whether `stream` exists."""
        return self.source(venue, stream) is not None

    def depth(self, venue: str, name: str, limit: int, now_ns: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the depth call: the book after the last step."""
        market = self._market(venue, name)
        book = market.book
        return market.wire.depth(
            self._now_ms, book.last_id, book.levels(BUY, limit), book.levels(SELL, limit)
        )

    def _market(self, venue: str, name: str) -> GeneratedMarket:
        return next(m for m in self.markets if m.venue == venue and m.name == name)

    def candles(self, venue: str, name: str, start_ms: int, end_ms: int, limit: int) -> bytes | None:
        """Return the body of the klines call: the candles after the last step."""
        market = self._market(venue, name)
        return market.wire.klines(market.candles.between(start_ms, end_ms, limit))

    def premium_index(self, venue: str, name: str, now_ms: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the premiumIndex call."""
        market = self._market(venue, name)
        assert market.derivative is not None, "spot has no such call"
        return market.wire.premium_index(self._now_ms, market.derivative, self._next_funding_ms())

    def open_interest(self, venue: str, name: str, now_ms: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the openInterest call."""
        market = self._market(venue, name)
        assert market.derivative is not None, "spot has no such call"
        return market.wire.open_interest(self._now_ms, market.derivative.open_interest_lots)

    def _next_funding_ms(self) -> int:
        return (self._now_ms // self._funding_ms + 1) * self._funding_ms

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call."""
        return rest.respond(self, venue, method, target, now_ns)

    def due_ns(self) -> int | None:
        """Return when the next step is due; at once while there are frames of orders."""
        has_frames = bool(self._played) or any(market.outbox for market in self.markets)
        return self._now_ms * NS_PER_MS if has_frames else self._next_ns

    def advance(self, now_ns: int) -> list[StreamFrame]:
        """Play all steps due; the frames do not depend on how the time is cut into calls."""
        frames, self._played = self._played, []
        frames += self._play(now_ns)
        self.frames += len(frames)
        return frames

    def _catch_up(self, now_ms: int) -> None:
        """Play what is due before an order of `now_ms`, so that times never fall; not over a long pause."""
        if self._next_ns <= now_ms * NS_PER_MS <= self._next_ns + CATCH_UP_NS:
            self._played += self._play(now_ms * NS_PER_MS)

    def _play(self, now_ns: int) -> list[StreamFrame]:
        frames = self._of_orders()
        while self._next_ns <= now_ns:
            self._now_ms = self._next_ns // NS_PER_MS
            moods = {stream: fair.step() for stream, fair in self._fair.items()}
            is_diff_step = self._step % DIFF_STEPS == DIFF_STEPS - 1
            for stream, market in enumerate(self.markets):
                leader = self._leaders[stream]
                mood = moods[leader] if leader == stream else market.follow(moods[leader])
                frames += market.step(mood, self._now_ms, is_diff_step=is_diff_step)
                index_e8 = mood.price_e8 + mood.price_e8 * self._spot_basis_ppb(stream) // PPB
                frames += market.step_facts(mood, index_e8, self._now_ms, self._next_funding_ms())
            self._step += 1
            self._next_ns += STEP_NS
            self.exchange.pass_time(self._now_ms)
            frames += self._of_orders()
        return frames

    def _of_orders(self) -> list[StreamFrame]:
        """Take the frames of what orders of accounts did since the last step."""
        frames: list[StreamFrame] = []
        for market in self.markets:
            frames += market.outbox
            market.outbox.clear()
        return frames

    def _spot_basis_ppb(self, stream: int) -> int:
        """Return how far the spot market that follows this one is from it, 0 without any."""
        followers = (n for n, leader in enumerate(self._leaders) if leader == stream != n)
        return next((self.markets[n].basis_ppb for n in followers), 0)

    def resume(self, now_ns: int) -> None:
        """Let the next step happen at `now_ns`; prices go on where they stopped.

        Ids go on too after a clean stop and within a life; else they rise above all earlier lives.
        """
        self._next_ns = now_ns
        now_ms = now_ns // NS_PER_MS
        for market in self.markets:
            market.fill_candles(now_ms)
        if self._ids_are_ahead:
            return
        for ids, market in zip(self._ids, self.markets, strict=True):
            ids.last = max(ids.last, now_ms * UPDATE_IDS_PER_MS)
            market.skip_to(ids.last, now_ms)
        self._ids_are_ahead = True

    def state(self, is_clean: bool) -> bytes:
        """Return everything that the next life needs, as MessagePack."""
        return msgspec.msgpack.encode(
            _State(
                fingerprint=self._fingerprint,
                is_clean=is_clean,
                step=self._step,
                next_ns=self._next_ns,
                ids=[ids.last for ids in self._ids],
                fair={stream: fair.dump() for stream, fair in self._fair.items()},
                markets=[market.dump() for market in self.markets],
                facts=[market.dump_facts() for market in self.markets],
                exchange=self.exchange.dump(),
            )
        )

    def _load(self, data: bytes) -> bool:
        """Take the state of an earlier life; a damaged one or one of other settings leaves a notice."""
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except UNDECODABLE as error:
            self.notice = f"state of the simulated venue is damaged ({error}); prices start anew, ids go on"
            return False
        if state.fingerprint != self._fingerprint:
            self.notice = (
                "seed, regime or markets of the simulator have changed; prices start anew, ids go on"
            )
            return False
        self._step, self._next_ns, self._ids_are_ahead = state.step, state.next_ns, state.is_clean
        self._now_ms = self._next_ns // NS_PER_MS
        for stream, dumped in state.fair.items():
            self._fair[stream].load(dumped)
        for ids, last, market, dumped in zip(self._ids, state.ids, self.markets, state.markets, strict=True):
            market.load(dumped)
            ids.last = last
        for market, facts in zip(self.markets, state.facts, strict=False):
            market.load_facts(facts)
        if state.exchange:
            self.exchange.load(state.exchange)
        return True
