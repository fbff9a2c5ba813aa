"""A venue that plays recorded captures: the same bytes at the recorded distances, and a book for REST."""

import zlib
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from services.venue_sim import rest
from services.venue_sim.capture_facts import RecordedFacts
from services.venue_sim.capture_file import CaptureLine, merge_captures
from services.venue_sim.capture_scan import CaptureScan, Depth, Snapshot, depth_decoder, scaled, scan_captures
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.exchange.recorded_side import RecordedSide
from services.venue_sim.exchange_info import filters_of
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.streams import DEPTH, kind_of, source_of, trade_stream_of
from services.venue_sim.venue import CAPTURE_STREAM, USDM, Market, StreamFrame, finished_payload
from shared.errors import UNDECODABLE
from shared.units import NS_PER_MS

# Diffs kept while no snapshot fits: more than a recorder lets pass between a diff and its snapshot.
DIFFS_KEPT = 2_000


class RecordedBook:
    """The book of one recorded market, by the venue's rules; independent of `shared.kernels`."""

    def __init__(self, venue: str, snapshots: list[Snapshot]) -> None:
        self.venue = venue
        self.snapshots = deque(snapshots)
        self.is_valid = False
        self.update_id = -1
        self._event_ms = 0
        self._transaction_ms = 0
        self._levels: tuple[dict[int, tuple[str, str]], dict[int, tuple[str, str]]] = ({}, {})
        self._waiting: deque[Depth] = deque(maxlen=DIFFS_KEPT)
        # Told of each applied diff, and with None of a book that was replaced.
        self.on_change: Callable[[Depth | None], None] | None = None

    def levels(self, side: int) -> dict[int, tuple[str, str]]:
        """Return (price, quantity) as recorded by price in 1e-18."""
        return self._levels[side]

    def take_diff(self, data: bytes) -> int:
        """Apply a depth frame, or keep it until a snapshot fits; a broken chain makes the book invalid.

        Returns the venue's time of the frame in ms.
        """
        diff = depth_decoder.decode(data)
        if self.is_valid:
            self._apply(diff)
        if not self.is_valid:
            self._waiting.append(diff)
        return diff.E

    def pass_snapshot(self, body: bytes) -> None:
        """Take the recorded snapshot whose line has come; a valid book needs none."""
        self.snapshots.popleft()
        if self.is_valid:
            return
        snapshot = depth_decoder.decode(body)
        self._levels = ({}, {})
        self._set(0, snapshot.bids)
        self._set(1, snapshot.asks)
        self.update_id = snapshot.last_update_id
        self._event_ms, self._transaction_ms = snapshot.E, snapshot.T
        self.is_valid = True
        waiting = list(self._waiting)
        self._waiting.clear()
        if self.on_change is not None:
            self.on_change(None)
        for diff in waiting:
            if self.is_valid:
                self._apply(diff)
            if not self.is_valid:
                self._waiting.append(diff)

    def _apply(self, diff: Depth) -> None:
        if diff.u <= self.update_id:
            return
        reaches_back = diff.pu if self.venue == USDM else diff.U - 1
        if reaches_back > self.update_id:
            self.is_valid = False
            return
        self._set(0, diff.b)
        self._set(1, diff.a)
        self.update_id = diff.u
        self._event_ms, self._transaction_ms = diff.E, diff.T
        if self.on_change is not None:
            self.on_change(diff)

    def _set(self, side: int, levels: list[tuple[str, str]]) -> None:
        book = self._levels[side]
        for price, quantity in levels:
            key = scaled(price)
            if scaled(quantity):
                book[key] = (price, quantity)
            else:
                book.pop(key, None)

    def depth(self, limit: int) -> bytes | None:
        """Return the REST answer; the next recorded snapshot while the own book is not valid."""
        if not self.is_valid:
            return _cut(self.snapshots[0].body(), limit) if self.snapshots else None
        bids, asks = self._levels
        answer: dict[str, object] = {"lastUpdateId": self.update_id}
        if self.venue == USDM:
            answer |= {"E": self._event_ms, "T": self._transaction_ms}
        answer["bids"] = [bids[key] for key in sorted(bids, reverse=True)[:limit]]
        answer["asks"] = [asks[key] for key in sorted(asks)[:limit]]
        return msgspec.json.encode(answer)


def _cut(body: bytes, limit: int) -> bytes:
    """Return a recorded answer byte for byte, or shortened when fewer levels were asked for."""
    answer = msgspec.json.decode(body)
    if len(answer["bids"]) <= limit and len(answer["asks"]) <= limit:
        return body
    answer["bids"], answer["asks"] = answer["bids"][:limit], answer["asks"][:limit]
    return msgspec.json.encode(answer)


def _facts_of(key: tuple[str, str], scan: CaptureScan) -> RecordedFacts:
    found = scan.markets[key]
    market = next(market for market in scan.market_list(key[0]) if market.name == key[1])
    return RecordedFacts(market, found.channels, zlib.decompress(found.history) if found.history else b"")


class _State(msgspec.Struct, array_like=True):
    files: list[str]
    now_ms: int
    exchange: bytes


class CaptureVenue:
    """Plays captures in the order of their receive times; see `venue.Venue`.

    A frame is due at `origin_ns` + its receive time - the first receive time. Orders of accounts change
    no frame (`exchange.recorded_side`). `state` is that of an earlier life, taken at `resume`. Raises
    ConfigError when the files cannot be played.
    """

    def __init__(
        self,
        files: tuple[str, ...],
        allow_truncated: bool = False,
        exchange_info: dict[str, bytes] | None = None,
        settings: VenueSimSettings | None = None,
        state: bytes | None = None,
    ) -> None:
        scan = scan_captures(files, allow_truncated)
        self.origin_ns = scan.origin_ns
        self.frames_total = scan.frames
        self.frames = 0
        self.finished = False
        self.notice = ""
        self.exchange_info = exchange_info or {}
        self._venues = scan.venues
        self._shift_ns = scan.origin_ns - scan.first_ns
        self._markets = {venue: scan.market_list(venue) for venue in dict.fromkeys(scan.venues)}
        self._books = {key: RecordedBook(key[0], market.snapshots) for key, market in scan.markets.items()}
        self._facts = {key: _facts_of(key, scan) for key in scan.markets}
        self._owner_of_snapshot = {
            snapshot.order: key for key, market in scan.markets.items() for snapshot in market.snapshots
        }
        self._sources = {(venue, source_of(stream)) for venue, stream in scan.streams}
        self._lines: Iterator[CaptureLine] = merge_captures(files, allow_truncated)
        self._next = next(self._lines, None)
        self._now_ms = scan.origin_ns // NS_PER_MS
        self._files = list(files)
        self._state = state
        self._sides: dict[tuple[str, str], RecordedSide] = {}
        for market in (market for markets in self._markets.values() for market in markets):
            key = market.venue, market.name
            if scaled(market.tick_size) and scaled(market.lot_size):
                self._sides[key] = side = RecordedSide(
                    market, self._books[key], self._facts[key], self.now_ms
                )
                self._books[key].on_change = side.pass_change
        self.exchange = Exchange(
            list(self._sides.values()),
            settings or VenueSimSettings(),
            self._now_ms,
            filters_of(self.exchange_info),
        )

    def now_ms(self) -> int:
        """Return the time of the newest line played."""
        return self._now_ms

    def markets_of(self, venue: str) -> list[Market]:
        """Return the recorded markets of a venue."""
        return self._markets.get(venue, [])

    def source(self, venue: str, stream: str) -> str | None:
        """Return what feeds `stream`: itself, the recorded depth, trades of an aggregate, derived candles."""
        if stream == CAPTURE_STREAM:
            return stream if venue in self._markets else None
        names = (source_of(stream), trade_stream_of(stream))
        found = next((name for name in names if (venue, name) in self._sources), None)
        symbol, _, channel = stream.partition("@")
        facts = self._facts.get((venue, symbol.upper()))
        if found is not None or facts is None or symbol != symbol.lower():
            return found
        other = facts.source(channel)
        return f"{symbol}@{other}" if other is not None else None

    def streams_of(self, venue: str, stream: str) -> bool:
        """Return whether `stream` exists."""
        return self.source(venue, stream) is not None

    def depth(self, venue: str, name: str, limit: int, now_ns: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the depth call at the frames played so far."""
        return self._books[venue, name].depth(limit)

    def candles(self, venue: str, name: str, start_ms: int, end_ms: int, limit: int) -> bytes | None:
        """Return the body of the klines call at the frames played so far."""
        return self._facts[venue, name].candles(start_ms, end_ms, limit)

    def premium_index(self, venue: str, name: str, now_ms: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the premiumIndex call."""
        return self._facts[venue, name].premium_index()

    def open_interest(self, venue: str, name: str, now_ms: int) -> bytes | None:  # noqa: ARG002
        """Return the body of the openInterest call."""
        return self._facts[venue, name].open_interest()

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call."""
        return rest.respond(self, venue, method, target, now_ns)

    def due_ns(self) -> int | None:
        """Return when the next line is due, None at the end."""
        return None if self._next is None else self._next.recv_ns + self._shift_ns

    def advance(self, now_ns: int) -> list[StreamFrame]:
        """Return what is due; after the last frame once `captureFinished` for each venue."""
        frames: list[StreamFrame] = []
        limit_ns = now_ns - self._shift_ns
        while self._next is not None and self._next.recv_ns <= limit_ns:
            frames += self._play(self._next)
            self._next = next(self._lines, None)
        if self._next is None and not self.finished:
            self.finished = True
            payload = finished_payload(self.frames)
            frames.extend(StreamFrame(venue, CAPTURE_STREAM, payload) for venue in self._markets)
        return frames

    def _play(self, line: CaptureLine) -> list[StreamFrame]:
        self._now_ms = (line.recv_ns + self._shift_ns) // NS_PER_MS
        if not line.stream:
            self._books[self._owner_of_snapshot[line[:3]]].pass_snapshot(line.data)
            return []
        venue = self._venues[line.file_n]
        symbol, _, channel = line.stream.partition("@")
        key = venue, symbol.upper()
        if kind_of(line.stream) == DEPTH:
            frames = self._facts[key].pass_time(self._books[key].take_diff(line.data))
        else:
            frames = self._facts[key].take(channel, line.data)
            if channel == self._facts[key].trades and key in self._sides:
                self._sides[key].pass_trade(line.data)
        self.exchange.pass_time(self._now_ms)
        self.frames += 1
        frames.append(StreamFrame(venue, source_of(line.stream), line.data))
        return frames

    def resume(self, now_ns: int) -> None:
        """Pass over all frames due before `now_ns`, keeping the book; then orders are where they were."""
        self.advance(now_ns - 1)
        data, self._state = self._state, None
        if data:
            self._load(data, now_ns // NS_PER_MS)

    def state(self, is_clean: bool) -> bytes:  # noqa: ARG002
        """Return the trading side; the files and the mesh clock say where the capture is."""
        return msgspec.msgpack.encode(_State(self._files, self._now_ms, self.exchange.dump()))

    def _load(self, data: bytes, now_ms: int) -> None:
        """Take accounts and orders of an earlier life; those of another replay are left, with a notice."""
        try:
            state = msgspec.msgpack.decode(data, type=_State)
            if state.files == self._files and state.now_ms <= now_ms:
                self.exchange.load(state.exchange)
            else:
                self.notice = "the capture is another one or begins anew; accounts and orders do too"
        except UNDECODABLE as error:
            self.notice = f"state of the simulated venue is damaged ({error}); accounts begin anew"
