"""What the gateway's replica remembers, as MessagePack structs: integers in ticks, lots, atoms and ns."""

import msgspec

from shared.messages import Event, body_of
from shared.messages.guards import ProfitParts, RoundTrip
from shared.messages.market import FeedStatus


class FillRecord(msgspec.Struct, frozen=True, array_like=True):
    """One execution of an order of ours."""

    seq: int
    ts_ns: int
    client_order_id: str
    strategy: str
    symbol: str
    trade_id: str
    side: int
    price_ticks: int
    qty_lots: int
    fee_atoms: int
    fee_asset: str
    is_maker: bool


class PositionRecord(msgspec.Struct, frozen=True, array_like=True):
    """Risk's ledger line of one strategy on one symbol."""

    seq: int
    ts_ns: int
    strategy: str
    symbol: str
    position_lots: int
    average_price_centiticks: int
    realized_atoms: int
    fees_atoms: int
    volume_atoms: int
    quote_asset: str
    cost_atoms: int | None = None
    funding_atoms: int = 0

    def unrealized_atoms(self, mid_half_ticks: int, tick_lot_atoms: int) -> int:
        """Return what the open position gained at a mid: exact by its cost, else by its average price."""
        if self.cost_atoms is None:
            gain_centiticks = mid_half_ticks * 50 - self.average_price_centiticks
            return gain_centiticks * self.position_lots * tick_lot_atoms // 100
        return self.position_lots * mid_half_ticks * tick_lot_atoms // 2 - self.cost_atoms


class TripRecord(msgspec.Struct, frozen=True, array_like=True):
    """One finished round trip."""

    seq: int
    ts_ns: int
    said: RoundTrip


class PartsRecord(msgspec.Struct, frozen=True, array_like=True):
    """What risk last said about where the profit of a strategy in a market came from."""

    seq: int
    ts_ns: int
    said: ProfitParts


class StrategyRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a strategy instance last said about itself."""

    strategy: str
    state: str
    reason: str
    text: str
    seq: int
    ts_ns: int


class ServiceRecord(msgspec.Struct, frozen=True, array_like=True):
    """One service: its run, and since when the bus has not heard it (0 when it has)."""

    service: str
    run: int
    build: str
    started_ts_ns: int
    silent_since_ns: int = 0


class FeedRecord(msgspec.Struct, frozen=True, array_like=True):
    """What market_data last said about one venue connection, whatever fields it has by now."""

    said: FeedStatus
    ts_ns: int


class BookMark(msgspec.Struct, frozen=True, array_like=True):
    """Where a book stands besides its levels: venue id, time, and why it may not be used."""

    last_update_id: int
    ts_ns: int
    seq: int
    invalid_reason: str = ""


class EventRecord(msgspec.Struct, frozen=True, array_like=True):
    """One event kept for people; the body stays encoded until somebody asks."""

    seq: int
    ts_ns: int
    origin_ns: int
    source: str
    cause_seq: int
    topic: str
    body: bytes


def event_record(event: Event) -> EventRecord:
    """Return the record of an event of the log."""
    header = event.header
    return EventRecord(
        seq=header.seq,
        ts_ns=header.ts_ns,
        origin_ns=header.origin_ns,
        source=header.source,
        cause_seq=header.cause_seq,
        topic=event.message.topic.decode(),
        body=body_of(event.message),
    )
