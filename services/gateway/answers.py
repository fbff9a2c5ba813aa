"""What the REST routes and the WebSocket answer: typed, decimals as texts, large integers as texts.

JavaScript reads integers beyond 2^53 wrongly, so these leave as texts; every answer does it alike.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from services.gateway.records import EventRecord, FillRecord, PositionRecord
from services.gateway.view import GatewayView
from shared.double_entry import asset_exponent, terms_of
from shared.messages import message_of
from shared.messages.market import InstrumentRules
from shared.order_record import OrderRecord
from shared.units import Side, atoms_text, decimal_text

EXACT_MAX = 2**53


def exact(value: Any) -> Any:
    """Return `value` with every integer beyond 2^53 as a text and bytes as hexadecimal."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -EXACT_MAX <= value <= EXACT_MAX else str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return value


Integer = Annotated[int, PlainSerializer(exact, return_type=int | str, when_used="json")]
"""An integer that leaves as a text when it is beyond 2^53."""


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Health(Answer):
    """Whether the process lives, or the mesh is ready; `reasons` say why not."""

    status: str
    reasons: list[str] = []


class Order(Answer):
    """One order; `seq` and `ts_ns` are its intent's, `updated_*` the newest report's."""

    client_order_id: str
    strategy: str
    symbol: str
    side: str
    price: str | None
    qty: str | None
    filled_qty: str | None
    state: str
    order_type: str
    tif: str
    post_only: bool
    slot: str
    reason: str
    seq: Integer
    ts_ns: Integer
    updated_seq: Integer
    updated_ts_ns: Integer


class Fill(Answer):
    """One execution of an order of ours."""

    client_order_id: str
    strategy: str
    symbol: str
    trade_id: str
    side: str
    price: str | None
    qty: str | None
    fee: str | None
    fee_asset: str
    is_maker: bool
    seq: Integer
    ts_ns: Integer


class Position(Answer):
    """Risk's ledger of one strategy on one market; unrealized profit is at the middle of the book."""

    strategy: str
    symbol: str
    qty: str | None
    average_price: str | None
    realized_pnl: str | None
    unrealized_pnl: str | None
    fees: str | None
    funding: str | None
    volume: str | None
    quote_asset: str
    seq: Integer
    ts_ns: Integer


class Book(Answer):
    """One book, best levels first, as (price, quantity)."""

    symbol: str
    trusted: bool
    reason: str
    update_id: Integer
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    seq: Integer
    ts_ns: Integer


class LogEvent(Answer):
    """One event of the log with the names of its fields."""

    seq: Integer
    ts_ns: Integer
    origin_ns: Integer
    source: str
    cause_seq: Integer
    topic: str
    type: str
    message: dict[str, Any]


class Service(Answer):
    """One service of the mesh."""

    service: str
    run: int
    build: str
    started_ts_ns: Integer
    is_silent: bool


class StrategyLine(Answer):
    """What a strategy instance says about itself."""

    strategy: str
    state: str
    reason: str
    text: str
    ts_ns: Integer


class Feed(Answer):
    """One venue connection."""

    venue: str
    state: str
    reason: str
    reconnect_count: int
    gap_count: int
    bad_frame_count: int
    dropped_count: int


class Kill(Answer):
    """Who killed, why, and by which way."""

    by: str
    reason: str
    path: str


class Status(Answer):
    """The mesh at a glance."""

    is_ready: bool
    reasons: list[str]
    epoch: int
    seq: Integer
    durable_seq: Integer
    ts_ns: Integer
    trading_state: str
    trading_reasons: list[str]
    kill: Kill | None
    order_count: int
    open_order_count: int
    fill_count: int
    gap_count: int
    symbols: list[str]
    services: list[Service]
    strategies: list[StrategyLine]
    feeds: list[Feed]


class Orders(Answer):
    """A page of orders; ask again with `after` = `next_after` for the next one."""

    items: list[Order]
    next_after: Integer | None


class Fills(Answer):
    """A page of fills."""

    items: list[Fill]
    next_after: Integer | None


class Events(Answer):
    """A page of events."""

    items: list[LogEvent]
    next_after: Integer | None


class Positions(Answer):
    """Every position that a strategy has or had."""

    items: list[Position]


class Stored(Answer):
    """A control request is durable on the log at `seq`; for kill, `is_latched` tells of the latch file."""

    seq: Integer | None
    is_durable: bool
    is_latched: bool = False
    text: str = ""


def order_of(record: OrderRecord, rules: InstrumentRules | None) -> Order:
    """Return an order as people read it; without rules its numbers are unknown."""
    return Order(
        client_order_id=record.client_order_id,
        strategy=record.strategy,
        symbol=record.symbol,
        side=Side(record.side).name.lower(),
        price=None if rules is None else decimal_text(record.price_ticks, rules.tick_size),
        qty=None if rules is None else decimal_text(record.qty_lots, rules.lot_size),
        filled_qty=None if rules is None else decimal_text(record.filled_lots, rules.lot_size),
        state=record.state,
        order_type=record.order_type,
        tif=record.tif,
        post_only=record.is_post_only,
        slot=record.slot,
        reason=record.reason,
        seq=record.seq,
        ts_ns=record.ts_ns,
        updated_seq=record.updated_seq,
        updated_ts_ns=record.updated_ts_ns,
    )


def fill_of(record: FillRecord, rules: InstrumentRules | None) -> Fill:
    """Return a fill as people read it."""
    return Fill(
        client_order_id=record.client_order_id,
        strategy=record.strategy,
        symbol=record.symbol,
        trade_id=record.trade_id,
        side=Side(record.side).name.lower(),
        price=None if rules is None else decimal_text(record.price_ticks, rules.tick_size),
        qty=None if rules is None else decimal_text(record.qty_lots, rules.lot_size),
        fee=None
        if rules is None
        else atoms_text(record.fee_atoms, asset_exponent(record.fee_asset, terms_of(rules))),
        fee_asset=record.fee_asset,
        is_maker=record.is_maker,
        seq=record.seq,
        ts_ns=record.ts_ns,
    )


_MONEY = ("qty", "average_price", "realized_pnl", "unrealized_pnl", "fees", "funding", "volume")


def position_of(record: PositionRecord, view: GatewayView) -> Position:
    """Return a position, marked at the middle of the book while that is trusted."""
    rules = view.rules.get(record.symbol)
    if rules is None:
        money = dict.fromkeys(_MONEY)
    else:
        exponent = rules.quote_exponent
        average = Decimal(record.average_price_centiticks) * Decimal(rules.tick_size).scaleb(-2)
        money = {
            "qty": decimal_text(record.position_lots, rules.lot_size),
            "average_price": format(average, "f"),
            "realized_pnl": atoms_text(record.realized_atoms, exponent),
            "unrealized_pnl": _unrealized(record, rules, view),
            "fees": atoms_text(record.fees_atoms, exponent),
            "funding": atoms_text(record.funding_atoms, exponent),
            "volume": atoms_text(record.volume_atoms, exponent),
        }
    return Position(
        strategy=record.strategy,
        symbol=record.symbol,
        quote_asset=record.quote_asset,
        seq=record.seq,
        ts_ns=record.ts_ns,
        **money,
    )


def _unrealized(record: PositionRecord, rules: InstrumentRules, view: GatewayView) -> str | None:
    if record.position_lots == 0:
        return atoms_text(0, rules.quote_exponent)
    book = view.books.get(record.symbol)
    if book is None or not book.is_trusted:
        return None
    gain_atoms = record.unrealized_atoms(book.bid_ticks + book.ask_ticks, rules.tick_lot_atoms)
    return atoms_text(gain_atoms, rules.quote_exponent)


def book_of(symbol: str, depth: int, view: GatewayView) -> Book | None:
    """Return the best `depth` levels of a book, None when the log holds no such book."""
    book, rules, mark = view.books.get(symbol), view.rules.get(symbol), view.marks.get(symbol)
    if book is None or rules is None or mark is None:
        return None
    sides = [
        [
            (decimal_text(price, rules.tick_size), decimal_text(lots, rules.lot_size))
            for price, lots in (book.levels(side, depth) if book.is_valid else ())
        ]
        for side in Side
    ]
    return Book(
        symbol=symbol,
        trusted=bool(book.is_trusted),
        reason=mark.invalid_reason,
        update_id=mark.last_update_id,
        bids=sides[Side.BUY],
        asks=sides[Side.SELL],
        seq=mark.seq,
        ts_ns=mark.ts_ns,
    )


def event_of(record: EventRecord) -> LogEvent:
    """Return an event with the names of its fields."""
    message = message_of(record.body)
    return LogEvent(
        seq=record.seq,
        ts_ns=record.ts_ns,
        origin_ns=record.origin_ns,
        source=record.source,
        cause_seq=record.cause_seq,
        topic=record.topic,
        type=str(message.__struct_config__.tag),
        message=exact(message.as_dict()),
    )
