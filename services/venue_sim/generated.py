"""A venue with seeded order flow: every frame derives from a FIFO matching core and repeats with its seed."""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from services.venue_sim import rest
from services.venue_sim.draw import Draw
from services.venue_sim.flow import OrderFlow
from services.venue_sim.matching import BUY, SELL, MatchingBook, UpdateIds
from services.venue_sim.regime import STEP_MS, FairPrice, Mood
from services.venue_sim.settings import MarketSettings, VenueSimSettings
from services.venue_sim.streams import AGG_TRADE, BOOK_TICKER, DEPTH, TRADE, kind_of, source_of
from services.venue_sim.venue import SPOT, USDM, VENUES, Market, StreamFrame
from services.venue_sim.wire import SPOT_DECIMALS, MarketWire
from shared.errors import UNDECODABLE, ConfigError
from shared.instrument import venue_of, venue_symbol
from shared.units import NS_PER_MS

STEP_NS = STEP_MS * NS_PER_MS
DIFF_STEPS = 2
# Ids never go back, even when the newest state is lost: they start at the time in ms times a rate (per ms)
# that the flow never reaches (about 6 book changes and 0.03 trades in a ms).
UPDATE_IDS_PER_MS = 100
BASIS_LIMIT_PPB, BASIS_STEP_PPB = 200_000, 2_000
E8 = 100_000_000
PPB = 1_000_000_000


class _State(msgspec.Struct):
    fingerprint: str
    is_clean: bool
    step: int
    next_ns: int
    ids: list[int]
    fair: dict[int, list[Any]]
    markets: list[list[Any]]


class GeneratedMarket:
    """One market: its flow, its book, its ids and its payloads."""

    def __init__(self, settings: MarketSettings, seed: int, stream: int, ids: UpdateIds) -> None:
        self.venue, self.name = venue_of(settings.symbol), venue_symbol(settings.symbol)
        tick, lot, start = _decimals_of(settings)
        is_spot = self.venue == SPOT
        price_decimals = SPOT_DECIMALS if is_spot else len(settings.tick_size.partition(".")[2])
        lot_decimals = SPOT_DECIMALS if is_spot else len(settings.lot_size.partition(".")[2])
        plain = format(tick.normalize(), "f"), format(lot.normalize(), "f")
        self.wire = MarketWire(Market(self.venue, self.name, *plain, price_decimals, lot_decimals))
        self.start_e8 = int(start * E8)
        self.trade_id = 0
        self.diff_id = 0
        self.basis_ppb = 0
        self._basis_draw = Draw(seed, stream * 4 + 2)
        self._top = (0, 0, 0, 0)
        self.book = MatchingBook(ids)
        flow_draw = Draw(seed, stream * 4 + 1)
        self.flow = OrderFlow(self.book, flow_draw, settings.touch_lots, int(tick * E8), self.start_e8)
        self._source = f"{self.name.lower()}@"

    def open(self) -> None:
        """Fill the book; what happens before the first step is not on the streams."""
        self.flow.open(self.start_e8)
        self.book.drain()
        self.diff_id = self.book.last_id

    def follow(self, mood: Mood) -> Mood:
        """Return the mood at this market's basis to the one it follows."""
        change = self._basis_draw.bell(BASIS_STEP_PPB)
        self.basis_ppb = max(-BASIS_LIMIT_PPB, min(BASIS_LIMIT_PPB, self.basis_ppb + change))
        return mood._replace(price_e8=mood.price_e8 + mood.price_e8 * self.basis_ppb // PPB)

    def step(self, mood: Mood, now_ms: int, *, is_diff_step: bool) -> list[StreamFrame]:
        """Play one step and return its trades, the touch when it changed, and the diff when it is due."""
        frames: list[StreamFrame] = []
        for match in self.flow.step(mood):
            self.trade_id += 1
            data = self.wire.trade(
                now_ms,
                self.trade_id,
                match.price_ticks,
                match.lots,
                is_buyer_maker=match.taker_side == SELL,
            )
            frames.append(StreamFrame(self.venue, self._source + TRADE, data))
        top = self._touch()
        if top != self._top:
            self._top = top
            ticker = self.wire.book_ticker(now_ms, self.book.last_id, top[:2], top[2:])
            frames.append(StreamFrame(self.venue, self._source + BOOK_TICKER, ticker))
        if is_diff_step and self.book.changed:
            ids = (self.book.first_id, self.book.last_id, self.diff_id)
            bids, asks = self.book.drain()
            diff = self.wire.depth_diff(now_ms, ids, bids, asks)
            frames.append(StreamFrame(self.venue, self._source + DEPTH, diff))
            self.diff_id = self.book.last_id
        return frames

    def _touch(self) -> tuple[int, int, int, int]:
        bid_ticks, ask_ticks = self.book.best(BUY), self.book.best(SELL)
        return bid_ticks, self.book.lots_at(BUY, bid_ticks), ask_ticks, self.book.lots_at(SELL, ask_ticks)

    def dump(self) -> list[Any]:
        """Return the state."""
        book = self.book
        pending = [book.first_id, book.last_id, sorted(book.changed), self.diff_id]
        return [self.trade_id, self.basis_ppb, self._basis_draw.counter, pending, self.flow.dump()]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        self.trade_id, self.basis_ppb, self._basis_draw.counter, pending, flow = dumped
        self.flow.load(flow)
        self.book.first_id, self.book.last_id, changed, self.diff_id = pending
        self.book.changed = {(side, price_ticks) for side, price_ticks in changed}
        self._top = self._touch()

    def skip_to(self, update_id: int, trade_id: int) -> None:
        """Raise the ids, leaving a gap that clients must see; changes not yet sent go with it."""
        self.book.drain()
        self.book.last_id = self.diff_id = update_id
        self.trade_id = max(self.trade_id, trade_id)


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
        for market in self.markets:
            market.trade_id = start_ms
        if state is None or not self._load(state):
            for market in self.markets:
                market.open()

    def _leaders_of(self) -> list[int]:
        """Return for each market the one whose fair price it follows: a spot market its USD-M namesake."""
        usdm = {market.name: n for n, market in enumerate(self.markets) if market.venue == USDM}
        return [usdm.get(market.name, n) for n, market in enumerate(self.markets)]

    def markets_of(self, venue: str) -> list[Market]:
        """Return the generated markets of a venue."""
        return [market.wire.market for market in self.markets if market.venue == venue]

    def source(self, venue: str, stream: str) -> str | None:
        """Return what feeds `stream`: depth, trade or bookTicker of a generated market."""
        kind = kind_of(stream)
        symbol = stream.partition("@")[0]
        if kind not in {DEPTH, TRADE, AGG_TRADE, BOOK_TICKER} or not any(
            market.venue == venue and market.name.lower() == symbol for market in self.markets
        ):
            return None
        return f"{symbol}@{TRADE}" if kind == AGG_TRADE else source_of(stream)

    def streams_of(self, venue: str, stream: str) -> bool:
        """Return whether `stream` exists."""
        return self.source(venue, stream) is not None

    def depth(self, venue: str, name: str, limit: int, now_ns: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the depth call: the book after the last step."""
        market = next(m for m in self.markets if m.venue == venue and m.name == name)
        book = market.book
        return market.wire.depth(
            self._now_ms, book.last_id, book.levels(BUY, limit), book.levels(SELL, limit)
        )

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call."""
        return rest.respond(self, venue, method, target, now_ns)

    def due_ns(self) -> int | None:
        """Return when the next step is due."""
        return self._next_ns

    def advance(self, now_ns: int) -> list[StreamFrame]:
        """Play all steps due; the frames do not depend on how the time is cut into calls."""
        frames: list[StreamFrame] = []
        while self._next_ns <= now_ns:
            self._now_ms = self._next_ns // NS_PER_MS
            moods = {stream: fair.step() for stream, fair in self._fair.items()}
            is_diff_step = self._step % DIFF_STEPS == DIFF_STEPS - 1
            for stream, market in enumerate(self.markets):
                leader = self._leaders[stream]
                mood = moods[leader] if leader == stream else market.follow(moods[leader])
                frames += market.step(mood, self._now_ms, is_diff_step=is_diff_step)
            self._step += 1
            self._next_ns += STEP_NS
        self.frames += len(frames)
        return frames

    def resume(self, now_ns: int) -> None:
        """Let the next step happen at `now_ns`; prices go on where they stopped.

        Ids go on too after a clean stop and within a life; else they rise above all earlier lives.
        """
        self._next_ns = now_ns
        if self._ids_are_ahead:
            return
        now_ms = now_ns // NS_PER_MS
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
        return True


def _decimals_of(settings: MarketSettings) -> tuple[Decimal, Decimal, Decimal]:
    if venue_of(settings.symbol) not in VENUES or not venue_symbol(settings.symbol).isalnum():
        raise ConfigError(
            f"simulator.markets: {settings.symbol!r} is no market of {' or '.join(VENUES)}; "
            "write for example binance_usdm:BTCUSDT"
        )
    try:
        tick, lot, start = map(Decimal, (settings.tick_size, settings.lot_size, settings.start_price))
    except InvalidOperation:
        raise ConfigError(
            f"simulator.markets: {settings.symbol} has a tick, lot or price that is no number"
        ) from None
    is_fine = all(v.is_finite() and v > 0 and v * E8 == int(v * E8) for v in (tick, lot, start))
    if not is_fine or start < 1000 * tick:
        raise ConfigError(
            f"simulator.markets: {settings.symbol} has tick {tick}, lot {lot}, start price {start}; all must "
            "be above 0 with at most 8 decimals, the price at least 1000 ticks"
        )
    return tick, lot, start
