"""Two simulated venues on light markets, without a socket: exchange, wire, limits, and the truth."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from services.fused import live_parts as parts
from services.fused.live_lag import behind, frame_behind
from services.fused.live_market import LightMarket
from services.fused.live_network import Session
from services.fused.live_oracle import Truth, TruthFill, TruthOrder
from services.fused.live_plan import Plan, Window
from services.fused.live_time import Timeline
from services.venue_sim import rest
from services.venue_sim.access.limits import Limits
from services.venue_sim.connection import StreamConnection
from services.venue_sim.draw import Draw
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.exchange.keys import AccountKey, keys_of
from services.venue_sim.exchange.records import NewOrder
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.venue import SPOT, USDM, Market
from services.venue_sim.wire.api_session import PATHS, ApiSession
from services.venue_sim.wire.http import LOCAL_IP, VenueWire
from services.venue_sim.wire.user_streams import UserStreams
from shared.messages.market import BookSnapshot, BookUpdate
from shared.units import NS_PER_MS, Side

ACCOUNT = "sim"
SHARE_MAX = 0.8


class _NoMarkets:
    """What a private stream needs of the markets: nothing is on it but the user's data."""

    finished = False
    frames = 0

    def source(self, venue: str, stream: str) -> None:
        """Return that there is no such stream."""


_NO_MARKETS: Any = _NoMarkets()


class _Public:
    """The public calls that adapters ask: time, exchangeInfo, prices."""

    def __init__(self, markets: Mapping[str, LightMarket], exchange: Exchange) -> None:
        self.exchange_info: dict[str, bytes] = {}
        self.exchange = exchange
        self._markets = markets

    def markets_of(self, venue: str) -> list[Market]:
        """Return the markets of a venue."""
        return [one.market for one in self._markets.values() if one.market.venue == venue]

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a public call."""
        return rest.respond(self, venue, method, target, now_ns)  # type: ignore[arg-type]

    def premium_index(self, venue: str, name: str, now_ms: int) -> bytes | None:
        """Return the mark price."""
        market = self._markets[f"{venue}:{name}"]
        price = str(Decimal(market.last_ticks()) * Decimal(market.market.tick_size))
        told = {
            "symbol": name,
            "markPrice": price,
            "indexPrice": price,
            "lastFundingRate": "0",
            "time": now_ms,
        }
        return msgspec.json.encode({**told, "nextFundingTime": now_ms + 3_600_000, "interestRate": "0"})

    def depth(self, venue: str, name: str, limit: int, now_ns: int) -> bytes | None:
        """Return no book: market data is told directly."""
        del venue, name, limit, now_ns
        return None

    candles = open_interest = depth


class Door:
    """One venue as the network sees it (`live_network.VenueDoor`)."""

    def __init__(self, venues: "SimulatedVenues", venue: str, wire: VenueWire) -> None:
        self._venues = venues
        self._venue = venue
        self.wire = wire

    def http(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Answer one request."""
        status, told, answer = self.wire.http(
            method, target, list(headers.items()), body, self._venues.venue_ns(now_ns)
        )
        self._venues.check_limits(self._venue)
        lag_ms = self._venues.lag_ms(self._venue)
        if lag_ms and status == 200 and method == "GET":
            status, answer = behind(target.partition("?")[0], answer, self._venues.now_ms - lag_ms)
        return status, told, answer

    def hold_up(self, late_ns: int) -> None:
        """Let requests be judged by the time when they came, though they act now."""
        self.wire.backend.clock.late_ms = late_ns // NS_PER_MS

    def open(self, path: str, now_ns: int) -> Session | None:
        """Accept a WebSocket: the WebSocket API or a private stream."""
        at_ns = self._venues.venue_ns(now_ns)
        if self.wire.connect(LOCAL_IP, at_ns).is_refused:
            return None
        self._venues.check_limits(self._venue)
        if path.startswith(PATHS[self._venue]):
            return _Session(ApiSession(self.wire, path, at_ns), self._venues, self._venue)
        if path.startswith("/private"):
            stream = StreamConnection(_NO_MARKETS, self._venue, self.wire.backend.streams, at_ns)
            return None if stream.open(path) is None else _Session(stream, self._venues, self._venue)
        return None


class _Session:
    """A connection with the venue's own clock."""

    def __init__(self, inner: ApiSession | StreamConnection, venues: "SimulatedVenues", venue: str) -> None:
        self._inner = inner
        self._venues = venues
        self._venue = venue

    def take(self, text: bytes, now_ns: int) -> list[bytes]:
        """Answer one frame."""
        said = self._inner.take(text, self._venues.venue_ns(now_ns))
        self._venues.check_limits(self._venue)
        lag_ms = self._venues.lag_ms(self._venue)
        if lag_ms and b'"order.status"' in text:
            return [frame_behind(one, self._venues.now_ms - lag_ms) for one in said]
        return said

    def pushed(self, now_ns: int) -> list[bytes]:
        """Return what the venue says by itself."""
        return self._inner.events(self._venues.venue_ns(now_ns))

    @property
    def is_cut(self) -> bool:
        """Return whether the venue has closed it."""
        return self._inner.is_cut

    def close(self) -> None:
        """Forget the connection."""
        self._inner.close()


class SimulatedVenues:
    """Both venues of one seed: one exchange, two wires, two light markets, and the people beside us."""

    def __init__(self, plan: Plan, draw: Draw, timeline: Timeline) -> None:
        self.problems: list[str] = []
        self._base_skew_ns = draw.between(-300, 300) * NS_PER_MS if "skew" in plan.classes else 0
        self._skews: list[tuple[int, int, int]] = []
        self._plan = plan
        self._timeline = timeline
        self.markets: dict[str, LightMarket] = {}
        for rules in parts.rules():
            venue, _, name = rules.symbol.partition(":")
            decimals = (8, 8) if venue == SPOT else (2, 3)
            market = Market(venue, name, rules.tick_size, rules.lot_size, *decimals)
            start = parts.start_ticks(rules.symbol)
            self.markets[rules.symbol] = LightMarket(market, rules, start, draw)
        settings = VenueSimSettings(seed=plan.seed, ledger_entries_kept=1_000_000)
        self.key: AccountKey = keys_of(settings)[0]
        start_ms = self.venue_ns(timeline.now_ns) // NS_PER_MS
        self.exchange = Exchange(list(self.markets.values()), settings, start_ms)
        self.streams = UserStreams(self.exchange)
        self.limits = {venue: Limits(venue) for venue in parts.VENUES}
        public = _Public(self.markets, self.exchange)
        self.wires = {
            venue: VenueWire(venue, self.exchange, self.streams, self.limits[venue], public)
            for venue in parts.VENUES
        }
        self.doors = {venue: Door(self, venue, wire) for venue, wire in self.wires.items()}
        self._opening = self._money()
        self._by_hand: list[tuple[str, str, int]] = []

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets."""
        return tuple(self.markets)

    def venue_ns(self, now_ns: int) -> int:
        """Return the venue's clock: it differs from ours where the seed says so."""
        return now_ns + self._skew_at(now_ns)

    @property
    def skew_ns(self) -> int:
        """Return how far the venues' clock is ahead of ours now."""
        return self._skew_at(self._timeline.now_ns)

    def _skew_at(self, now_ns: int) -> int:
        """Return the difference of the clocks; the venue's never falls, however ours jumps."""
        skew = self._base_skew_ns
        for begin_ns, end_ns, far_ns in self._skews:
            if now_ns < begin_ns:
                continue
            if far_ns > 0:
                # Ours fell behind at once, and is corrected slowly.
                skew += far_ns if now_ns < end_ns else max(0, far_ns - (now_ns - end_ns) * 8 // 10)
            elif now_ns < end_ns:
                # Ours runs away, and is set right at once.
                skew += max(far_ns, -(now_ns - begin_ns) * 8 // 10)
        return skew

    def lag_ms(self, venue: str) -> int:
        """Return how far the venue's queries are behind its engine now."""
        at_ns = self._timeline.now_ns - parts.ORIGIN_NS
        window = self._plan.is_in("lag", venue, at_ns)
        return 0 if window is None else 200 + window.amount % 5000

    @property
    def now_ms(self) -> int:
        """Return the venue's clock in ms."""
        return self._now_ms

    @property
    def _now_ms(self) -> int:
        return self.venue_ns(self._timeline.now_ns) // NS_PER_MS

    # ---- time

    def step(self) -> None:
        """Let the markets play."""
        for market in self.markets.values():
            market.step(self._now_ms)
        self.collect()

    def collect(self) -> None:
        """Hand out what happened."""
        self.exchange.advance(self._now_ms)
        self.streams.collect(self._now_ms)

    def told(self, now_ns: int) -> list[BookSnapshot | BookUpdate]:
        """Return what market data says now."""
        told = (market.told(now_ns) for market in self.markets.values())
        return [one for one in told if one is not None]

    def start_over(self) -> None:
        """Let market data begin anew."""
        for market in self.markets.values():
            market.start_over()

    # ---- what others do

    def ban(self, venue: str, length_ms: int) -> None:
        """Ban our address for a while."""
        for name in parts.VENUES:
            if venue in {"", name}:
                self.limits[name].ban(LOCAL_IP, length_ms, self._now_ms)

    def skew(self, window: Window) -> None:
        """Let our clock go wrong for a while, in either direction."""
        far_ns = (window.amount % 6000 - 3000) * NS_PER_MS
        self._skews.append((window.begin_ns, window.end_ns, far_ns))

    def trade_by_hand(self, venue: str, amount: int) -> None:
        """Let a person trade on our account: a market order, or an order that rests."""
        for symbol, market in self.markets.items():
            name, _, wire_symbol = symbol.partition(":")
            if venue not in {"", name}:
                continue
            side = Side(amount % 2)
            lots = 20 + amount % 30
            quantity = Decimal(lots) * Decimal(market.market.lot_size)
            order = NewOrder(venue=name, symbol=wire_symbol, side=side.name, type="MARKET", quantity=quantity)
            if amount % 3 == 0:
                back = market.best(int(side)) - side.sign * 40
                order = msgspec.structs.replace(
                    order,
                    type="LIMIT",
                    time_in_force="GTC",
                    price=Decimal(back) * Decimal(market.market.tick_size),
                    client_order_id=f"web_{amount}",
                )
            try:
                placed = self.exchange.place(ACCOUNT, order, self._now_ms)
            except VenueRefusal:
                continue
            self._by_hand.append((name, wire_symbol, placed.order.order_id))

    def heal(self) -> None:
        """End what people left behind: their orders are canceled."""
        for venue, symbol, order_id in self._by_hand:
            try:
                self.exchange.cancel(ACCOUNT, venue, symbol, order_id, "", self._now_ms)
            except VenueRefusal:
                continue
        self.collect()

    def check_limits(self, venue: str) -> None:
        """Note when more than 80 % of a published limit is used (I-10)."""
        limits = self.limits[venue]
        for count in limits.counts(LOCAL_IP, ACCOUNT, self._now_ms):
            used, limit = int(count["count"]), int(count["limit"])
            if used > limit * SHARE_MAX and len(self.problems) < 5:
                self.problems.append(
                    f"{venue}: {used} of {limit} {count['rateLimitType']} per {count['intervalNum']} "
                    f"{count['interval']} (I-10)"
                )

    # ---- the truth

    def open_count(self) -> int:
        """Return how many orders of the account are open."""
        return sum(len(self.exchange.open_orders(ACCOUNT, venue)) for venue in parts.VENUES)

    def _money(self) -> dict[str, Decimal]:
        held = {f"{SPOT} {one.asset}": one.free + one.locked for one in self.exchange.balances(ACCOUNT)}
        for position in self.exchange.positions(ACCOUNT):
            symbol = f"{USDM}:{position.symbol}"
            lot = Decimal(self.markets[symbol].market.lot_size)
            held[symbol] = held.get(symbol, Decimal(0)) + position.quantity / lot
        return held

    def truth(self) -> Truth:
        """Return what the ledger says of our account."""
        now = self._money()
        keys = now.keys() | self._opening.keys()
        changes = {key: now.get(key, Decimal(0)) - self._opening.get(key, Decimal(0)) for key in keys}
        return Truth(self._orders(), self._fills(), {key: one for key, one in changes.items() if one})

    def _orders(self) -> list[TruthOrder]:
        made: dict[tuple[str, int], TruthOrder] = {}
        for entry in self.exchange.ledger.entries:
            order = entry.order
            if order is None or order.account != ACCOUNT:
                continue
            symbol = f"{order.venue}:{order.symbol}"
            market = self.markets[symbol].market
            made[order.venue, order.order_id] = TruthOrder(
                symbol=symbol,
                client_order_id=order.client_order_id,
                side=int(Side[order.side]),
                price_ticks=int(order.price / Decimal(market.tick_size)),
                qty_lots=int(order.quantity / Decimal(market.lot_size)),
                filled_lots=int(order.executed / Decimal(market.lot_size)),
                created_ms=order.created_ms,
                ended_ms=0 if order.is_open else entry.time_ms,
            )
        return list(made.values())

    def _fills(self) -> list[TruthFill]:
        found = []
        for entry in self.exchange.ledger.entries:
            fill = entry.fill
            if fill is None or fill.account != ACCOUNT:
                continue
            symbol = f"{fill.venue}:{fill.symbol}"
            market = self.markets[symbol].market
            found.append(
                TruthFill(
                    symbol=symbol,
                    trade_id=str(fill.trade_id),
                    client_order_id=fill.client_order_id,
                    side=int(Side[fill.side]),
                    price_ticks=int(fill.price / Decimal(market.tick_size)),
                    qty_lots=int(fill.quantity / Decimal(market.lot_size)),
                    fee=fill.commission,
                    fee_asset=fill.commission_asset,
                )
            )
        return found
