"""The gateway's replica: what the log says about orders, positions, books and services, in bounded memory.

A core without outputs. What people ask for is answered from here; nothing here is ever written back.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from services.gateway.accounts import Accounts, AccountsState
from services.gateway.history import History, HistoryState
from services.gateway.records import (
    BookMark,
    EventRecord,
    FeedRecord,
    FillRecord,
    PartsRecord,
    PositionRecord,
    ServiceRecord,
    StrategyRecord,
    TripRecord,
    event_record,
)
from services.gateway.settings import GatewaySettings
from shared import order_record
from shared.core import Output
from shared.double_entry import has_same_units
from shared.instrument import venue_of
from shared.kernels.book import Book
from shared.messages import Event, Instruction, control, guards, market, orders, system, venue
from shared.order_record import OrderRecord
from shared.settings import unpack

TRIPS_KEPT = 1000
"""Round trips kept for people, the newest."""

QUIET = frozenset(
    {system.Tick, market.BookUpdate, market.BookSnapshot, market.PriceUpdate, market.Trade, system.CoreDigest}
)


class _State(msgspec.Struct, array_like=True):
    """The snapshot; books as (symbol, levels, bid count, update_n, is_valid, mark)."""

    settings: GatewaySettings
    head: tuple[int, int, int]
    rules: list[market.InstrumentRules]
    books: list[tuple[str, bytes, int, int, bool, BookMark]]
    live: list[OrderRecord]
    finished: list[OrderRecord]
    fills: list[FillRecord]
    positions: list[PositionRecord]
    strategies: list[StrategyRecord]
    services: list[ServiceRecord]
    feeds: list[FeedRecord]
    events: list[EventRecord]
    trading: control.TradingState
    kill: control.KillLatched | None
    counts: tuple[int, int, int, int]
    finished_venues: list[str]
    history: HistoryState
    trips: list[TripRecord] = []
    parts: list[PartsRecord] = []
    frozen: list[str] = []
    accounts: AccountsState = AccountsState()


class GatewayView:
    """The state that people see. Everything is read-only for callers; `apply` alone changes it."""

    service = "gateway"

    def __init__(self) -> None:
        self._clear(GatewaySettings())

    def _clear(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.head_seq = 0
        self.ts_ns = 0
        self.epoch = 0
        self.order_count = 0
        self.fill_count = 0
        self.impossible_count = 0
        self.gap_count = 0
        self.rules: dict[str, market.InstrumentRules] = {}
        self.books: dict[str, Book] = {}
        self.frozen: set[str] = set()
        self.marks: dict[str, BookMark] = {}
        self.live: dict[str, OrderRecord] = {}
        self.finished: dict[str, OrderRecord] = {}
        self.fills: deque[FillRecord] = deque()
        self.positions: dict[tuple[str, str], PositionRecord] = {}
        self.trips: deque[TripRecord] = deque(maxlen=TRIPS_KEPT)
        self.parts: dict[tuple[str, str], PartsRecord] = {}
        self.strategies: dict[str, StrategyRecord] = {}
        self.services: dict[str, ServiceRecord] = {}
        self.feeds: dict[str, FeedRecord] = {}
        self.events: deque[EventRecord] = deque()
        self.finished_venues: set[str] = set()
        self.history = History()
        self.accounts = Accounts()
        # Fail closed: until risk has said so, nothing may trade.
        self.trading = control.TradingState(state="halted", reasons=["risk has not spoken yet"])
        self.kill: control.KillLatched | None = None

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Take one event of the log; the gateway never says anything."""
        header, message = event
        self.head_seq, self.ts_ns, self.epoch = header.seq, header.ts_ns, header.epoch
        kind = type(message)
        fold = _FOLDS.get(kind)
        if fold is not None:
            fold(self, event)
        if kind not in QUIET:
            self.events.append(event_record(event))
            while len(self.events) > self.settings.events_kept:
                self.events.popleft()
        return []

    def adopt(self, event: Event) -> None:
        """Take one event; the same as `apply`, because nothing is decided here."""
        self.apply(event)

    def _start_service(self, event: Event) -> None:
        message: system.ServiceStarted = event.message
        self.accounts.take_start(event)
        if message.service == self.service:
            self.settings = unpack(message.settings, GatewaySettings)
            self._trim()
        self.services[message.service] = ServiceRecord(
            message.service, message.run, message.build, event.header.ts_ns
        )

    def _silence_service(self, event: Event) -> None:
        message: system.SourceSilent = event.message
        known = self.services.get(message.service)
        if known is not None:
            self.services[message.service] = msgspec.structs.replace(
                known, silent_since_ns=event.header.ts_ns
            )

    def _hear_service(self, event: Event) -> None:
        known = self.services.get(event.message.service)
        if known is not None:
            self.services[known.service] = msgspec.structs.replace(known, silent_since_ns=0)

    def _replace_book(self, event: Event) -> None:
        message: market.BookSnapshot = event.message
        if message.symbol in self.frozen:
            return
        book = self.books.setdefault(message.symbol, Book())
        book.snapshot(message.levels, message.bid_count, message.update_n)
        self.marks[message.symbol] = BookMark(message.last_update_id, event.header.ts_ns, event.header.seq)

    def _update_book(self, event: Event) -> None:
        message: market.BookUpdate = event.message
        book = self.books.get(message.symbol)
        if book is None or message.symbol in self.frozen:
            return
        self.finished_venues.discard(venue_of(message.symbol))
        if book.update(message.levels, message.bid_count, message.update_n):
            self.marks[message.symbol] = BookMark(
                message.last_update_id, event.header.ts_ns, event.header.seq
            )
        elif not self.marks[message.symbol].invalid_reason:
            self._mark_invalid(message.symbol, "an update is missing; the next snapshot repairs it")

    def _invalidate_book(self, event: Event) -> None:
        message: market.BookInvalid = event.message
        self.gap_count += message.reason == "gap"
        book = self.books.get(message.symbol)
        if book is not None:
            book.invalidate()
            self._mark_invalid(message.symbol, message.reason)

    def _mark_invalid(self, symbol: str, reason: str) -> None:
        self.marks[symbol] = msgspec.structs.replace(self.marks[symbol], invalid_reason=reason)

    def _take_trade(self, event: Event) -> None:
        self.history.take_trade(event)

    def _take_digest(self, event: Event) -> None:
        self.history.take_digest(event)

    def _take_time(self, event: Event) -> None:
        self.history.take_time(event.header.ts_ns, self.positions.values(), self.rules, self.books)

    def _take_rules(self, event: Event) -> None:
        """Use rules from now on; a market with positions in other units keeps its own and shows no book."""
        rules = event.message
        symbol, former = rules.symbol, self.rules.get(rules.symbol)
        is_held = any(key[1] == symbol for key in self.positions)
        if is_held and former is not None and not has_same_units(former, rules):
            self.frozen.add(symbol)
            if symbol in self.books:
                self.books[symbol].invalidate()
                self._mark_invalid(symbol, "tick or lot changed while there are positions in the former ones")
            return
        self.frozen.discard(symbol)
        self.rules[symbol] = rules

    def _begin_order(self, event: Event) -> None:
        record = order_record.of_intent(event)
        self.order_count += 1
        self.live[record.client_order_id] = record

    def _adopt_order(self, event: Event) -> None:
        record = order_record.of_adopted(event)
        self.finished.pop(record.client_order_id, None)
        self.live[record.client_order_id] = record

    def _fold_order(self, event: Event) -> None:
        message = event.message
        if type(message) is orders.Fill:
            self._take_fill(event)
        order_id = message.client_order_id
        record = self.live.get(order_id) or self.finished.get(order_id)
        if record is None:
            return
        self.impossible_count += not order_record.fold(record, event)
        if record.is_final and order_id in self.live:
            self.finished[order_id] = self.live.pop(order_id)
            while len(self.finished) > self.settings.orders_kept:
                del self.finished[next(iter(self.finished))]

    def _take_fill(self, event: Event) -> None:
        header, fill = event
        self.fill_count += 1
        self.fills.append(
            FillRecord(
                seq=header.seq,
                ts_ns=header.ts_ns,
                client_order_id=fill.client_order_id,
                strategy=fill.strategy,
                symbol=fill.symbol,
                trade_id=fill.trade_id,
                side=int(fill.side),
                price_ticks=fill.price_ticks,
                qty_lots=fill.qty_lots,
                fee_atoms=fill.fee_atoms,
                fee_asset=fill.fee_asset,
                is_maker=fill.is_maker,
            )
        )
        while len(self.fills) > self.settings.fills_kept:
            self.fills.popleft()

    def _take_position(self, event: Event) -> None:
        header, message = event
        self.positions[message.strategy, message.symbol] = PositionRecord(
            seq=header.seq,
            ts_ns=header.ts_ns,
            strategy=message.strategy,
            symbol=message.symbol,
            position_lots=message.position_lots,
            average_price_centiticks=message.average_price_centiticks,
            realized_atoms=message.realized_atoms,
            fees_atoms=message.fees_atoms,
            volume_atoms=message.volume_atoms,
            quote_asset=message.quote_asset,
            cost_atoms=message.cost_atoms,
            funding_atoms=message.funding_atoms,
        )

    def _take_trip(self, event: Event) -> None:
        self.trips.append(TripRecord(event.header.seq, event.header.ts_ns, event.message))

    def _take_parts(self, event: Event) -> None:
        header, said = event
        self.parts[said.strategy, said.symbol] = PartsRecord(header.seq, header.ts_ns, said)

    def _take_strategy(self, event: Event) -> None:
        header, message = event
        if type(message) is control.InstanceFailed:
            said = StrategyRecord(message.strategy, "failed", message.error, "", header.seq, header.ts_ns)
        else:
            said = StrategyRecord(
                message.strategy, message.state, message.reason, message.text, header.seq, header.ts_ns
            )
        self.strategies[message.strategy] = said

    def _take_feed(self, event: Event) -> None:
        self.feeds[event.message.venue] = FeedRecord(event.message, event.header.ts_ns)

    def _finish_capture(self, event: Event) -> None:
        self.finished_venues.add(event.message.venue)

    def _take_trading(self, event: Event) -> None:
        self.trading = event.message

    def _take_kill(self, event: Event) -> None:
        self.kill = event.message if type(event.message) is control.KillLatched else None

    def _trim(self) -> None:
        while len(self.events) > self.settings.events_kept:
            self.events.popleft()
        while len(self.fills) > self.settings.fills_kept:
            self.fills.popleft()
        while len(self.finished) > self.settings.orders_kept:
            del self.finished[next(iter(self.finished))]

    def snapshot(self) -> bytes:
        """Return the whole state: lists in a fixed order and no maps, so equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                settings=self.settings,
                head=(self.head_seq, self.ts_ns, self.epoch),
                rules=[self.rules[symbol] for symbol in sorted(self.rules)],
                books=[
                    (symbol, *book.dump(), book.update_n, book.is_valid, self.marks[symbol])
                    for symbol, book in sorted(self.books.items())
                ],
                # In the order of the log: the oldest finished one is forgotten first.
                live=list(self.live.values()),
                finished=list(self.finished.values()),
                fills=list(self.fills),
                positions=[self.positions[key] for key in sorted(self.positions)],
                strategies=[self.strategies[key] for key in sorted(self.strategies)],
                services=[self.services[key] for key in sorted(self.services)],
                feeds=[self.feeds[key] for key in sorted(self.feeds)],
                events=list(self.events),
                trading=self.trading,
                kill=self.kill,
                counts=(self.order_count, self.fill_count, self.impossible_count, self.gap_count),
                finished_venues=sorted(self.finished_venues),
                history=self.history.dump(),
                trips=list(self.trips),
                parts=[self.parts[key] for key in sorted(self.parts)],
                frozen=sorted(self.frozen),
                accounts=self.accounts.dump(),
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot()`; raises `ValueError` on anything else."""
        state = msgspec.msgpack.decode(data, type=_State)
        self._clear(state.settings)
        self.head_seq, self.ts_ns, self.epoch = state.head
        self.rules = {rules.symbol: rules for rules in state.rules}
        self.frozen = set(state.frozen)
        for symbol, levels, bid_count, update_n, is_valid, mark in state.books:
            book = self.books[symbol] = Book()
            book.snapshot(levels, bid_count, update_n)
            if not is_valid:
                book.invalidate()
            self.marks[symbol] = mark
        self.live = {record.client_order_id: record for record in state.live}
        self.finished = {record.client_order_id: record for record in state.finished}
        self.fills = deque(state.fills)
        self.positions = {(record.strategy, record.symbol): record for record in state.positions}
        self.strategies = {record.strategy: record for record in state.strategies}
        self.services = {record.service: record for record in state.services}
        self.feeds = {record.said.venue: record for record in state.feeds}
        self.events = deque(state.events)
        self.trading = state.trading
        self.kill = state.kill
        self.finished_venues = set(state.finished_venues)
        self.history = History.load(state.history)
        self.accounts = Accounts.load(state.accounts)
        self.trips.extend(state.trips)
        self.parts = {(record.said.strategy, record.said.symbol): record for record in state.parts}
        self.order_count, self.fill_count, self.impossible_count, self.gap_count = state.counts

    def digest(self) -> bytes:
        """Return 16 bytes over the state."""
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()


_Fold = Callable[[GatewayView, Event], None]
_FOLDS: dict[type[Any], _Fold] = {
    market.InstrumentRules: GatewayView._take_rules,
    market.BookSnapshot: GatewayView._replace_book,
    market.BookUpdate: GatewayView._update_book,
    market.BookInvalid: GatewayView._invalidate_book,
    market.CaptureFinished: GatewayView._finish_capture,
    market.Trade: GatewayView._take_trade,
    market.FeedStatus: GatewayView._take_feed,
    orders.OrderIntent: GatewayView._begin_order,
    venue.OrderAdopted: GatewayView._adopt_order,
    orders.PositionChanged: GatewayView._take_position,
    guards.RoundTrip: GatewayView._take_trip,
    guards.ProfitParts: GatewayView._take_parts,
    control.StrategyStatus: GatewayView._take_strategy,
    control.InstanceFailed: GatewayView._take_strategy,
    control.TradingState: GatewayView._take_trading,
    control.KillLatched: GatewayView._take_kill,
    control.KillCleared: GatewayView._take_kill,
    system.CoreDigest: GatewayView._take_digest,
    system.ServiceStarted: GatewayView._start_service,
    system.SourceSilent: GatewayView._silence_service,
    system.SourceBack: GatewayView._hear_service,
    system.Tick: GatewayView._take_time,
    system.Reconciled: lambda view, event: view.accounts.take_reconciled(event),
    venue.VenueLink: lambda view, event: view.accounts.take_link(event),
    venue.VenueDifference: lambda view, event: view.accounts.take_difference(event),
}
_FOLDS.update(dict.fromkeys(order_record.REPORTS, GatewayView._fold_order))
