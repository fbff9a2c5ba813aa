"""Lines for people and other programs, folded from the log: orders, fills, books and events (JR-10).

Each line is a plain dict ready for JSON: prices and quantities are decimal texts with the market's decimals,
`ts_ns` and `seq` are those of the event behind the line. `after_seq` leaves out lines at or before it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from services.report.marks import Marks
from shared import order_record
from shared.double_entry import asset_exponent, terms_of
from shared.messages import Event, Message, market, orders
from shared.messages.venue import OrderAdopted
from shared.order_record import OrderRecord
from shared.units import Side, decimal_text

Line = dict[str, Any]

FINISHED_KEPT = 10_000
"""Finished orders held back before they are written: a late fill of one of them is still counted."""


class Wanted(NamedTuple):
    """Which lines somebody asked for; empty texts ask for all."""

    symbol: str = ""
    strategy: str = ""
    after_seq: int = 0

    def takes(self, seq: int, symbol: str, strategy: str) -> bool:
        """Return whether a line of this seq, market and strategy is wanted."""
        return (
            seq > self.after_seq
            and (not self.symbol or symbol == self.symbol)
            and (not self.strategy or strategy == self.strategy)
        )


EVERYTHING = Wanted()


def order_lines(events: Iterable[Event], wanted: Wanted = EVERYTHING) -> Iterator[Line]:
    """Yield one line per order, with its state at the end of the log.

    `seq` and `ts_ns` are the intent's. Lines come in the order of `seq`, except that an order which rests
    while 10,000 others finish comes after them: memory does not grow with the log (JR-4).
    """
    marks = Marks()
    live: dict[str, OrderRecord] = {}
    finished: dict[str, OrderRecord] = {}
    for event in events:
        message = event.message
        if isinstance(message, market.InstrumentRules):
            marks.apply(event)
        elif isinstance(message, orders.OrderIntent):
            live[message.client_order_id] = order_record.of_intent(event)
        elif isinstance(message, OrderAdopted):
            finished.pop(message.client_order_id, None)
            live[message.client_order_id] = order_record.of_adopted(event)
        elif isinstance(message, order_record.REPORTS):
            order_id = message.client_order_id
            record = live.get(order_id) or finished.get(order_id)
            if record is None:
                continue
            order_record.fold(record, event)
            if record.is_final and live.pop(order_id, None) is not None:
                finished[order_id] = record
                if len(finished) > FINISHED_KEPT:
                    yield from _order_line(finished.pop(next(iter(finished))), marks, wanted)
    rest = [*live.values(), *finished.values()]
    for record in sorted(rest, key=lambda one: one.seq):
        yield from _order_line(record, marks, wanted)


def _order_line(record: OrderRecord, marks: Marks, wanted: Wanted) -> Iterator[Line]:
    if not wanted.takes(record.seq, record.symbol, record.strategy):
        return
    rules = marks.rules_of(record.symbol, record.seq)
    yield order_line(record, rules)


def order_line(record: OrderRecord, rules: market.InstrumentRules) -> Line:
    """Return one order as people read it; `qty` is what risk approved, or what was asked before that."""
    return {
        "client_order_id": record.client_order_id,
        "strategy": record.strategy,
        "symbol": record.symbol,
        "side": Side(record.side).name.lower(),
        "price": decimal_text(record.price_ticks, rules.tick_size),
        "qty": decimal_text(record.qty_lots, rules.lot_size),
        "filled_qty": decimal_text(record.filled_lots, rules.lot_size),
        "state": record.state,
        "ts_ns": record.ts_ns,
        "seq": record.seq,
        "order_type": record.order_type,
        "tif": record.tif,
        "post_only": record.is_post_only,
        "slot": record.slot,
        "reason": record.reason,
        "updated_ts_ns": record.updated_ts_ns,
        "updated_seq": record.updated_seq,
    }


def fill_lines(events: Iterable[Event], wanted: Wanted = EVERYTHING) -> Iterator[Line]:
    """Yield one line per execution of our orders, in the order of the log."""
    marks = Marks()
    for event in events:
        header, message = event
        if isinstance(message, market.InstrumentRules):
            marks.apply(event)
        elif isinstance(message, orders.Fill) and wanted.takes(header.seq, message.symbol, message.strategy):
            rules = marks.rules_of(message.symbol, header.seq)
            yield {
                "client_order_id": message.client_order_id,
                "strategy": message.strategy,
                "symbol": message.symbol,
                "trade_id": message.trade_id,
                "side": message.side.name.lower(),
                "price": decimal_text(message.price_ticks, rules.tick_size),
                "qty": decimal_text(message.qty_lots, rules.lot_size),
                "fee": decimal_text(
                    message.fee_atoms, f"1e-{asset_exponent(message.fee_asset, terms_of(rules))}"
                ),
                "fee_asset": message.fee_asset,
                "is_maker": message.is_maker,
                "ts_venue_ns": message.ts_venue_ns,
                "ts_ns": header.ts_ns,
                "seq": header.seq,
            }


def book_lines(events: Iterable[Event], wanted: Wanted = EVERYTHING) -> Iterator[Line]:
    """Yield one line per applied depth event of the venue: the touch after it.

    An update that the book refuses (a gap before it) was not applied and gives no line. A snapshot is no
    depth event and gives none either, unless it stands for depth events that were conflated into it. The
    price and quantity of an empty side are null.
    """
    marks = Marks()
    for event in events:
        header, message = event
        symbol = marks.apply(event)
        is_depth = isinstance(message, market.BookUpdate) or (
            isinstance(message, market.BookSnapshot) and message.reason == "conflated"
        )
        if symbol and is_depth and wanted.takes(header.seq, symbol, ""):
            yield _book_line(event, symbol, marks)


def _book_line(event: Event, symbol: str, marks: Marks) -> Line:
    header = event.header
    rules = marks.rules_of(symbol, header.seq)
    book = marks.books[symbol]

    def text(count: int, step: str, is_there: bool) -> str | None:
        return decimal_text(count, step) if is_there else None

    has_bid, has_ask = book.bid_lots > 0, book.ask_lots > 0
    return {
        "symbol": symbol,
        "update_id": marks.update_ids[symbol],
        "bid_px": text(book.bid_ticks, rules.tick_size, has_bid),
        "bid_qty": text(book.bid_lots, rules.lot_size, has_bid),
        "ask_px": text(book.ask_ticks, rules.tick_size, has_ask),
        "ask_qty": text(book.ask_lots, rules.lot_size, has_ask),
        "ts_ns": header.ts_ns,
        "seq": header.seq,
        "trusted": bool(book.is_trusted),
    }


def event_lines(events: Iterable[Event], wanted: Wanted = EVERYTHING) -> Iterator[Line]:
    """Yield every event as it stands on the log, with the names of its fields; bytes are hexadecimal."""
    for event in events:
        header, message = event
        symbol = getattr(message, "symbol", "")
        if wanted.takes(header.seq, symbol, getattr(message, "strategy", "")):
            yield {
                "seq": header.seq,
                "ts_ns": header.ts_ns,
                "origin_ns": header.origin_ns,
                "epoch": header.epoch,
                "source": header.source,
                "run": header.run,
                "n": header.n,
                "cause_seq": header.cause_seq,
                "topic": message.topic.decode(),
                "type": message_type(message),
                "message": message_fields(message),
            }


def message_type(message: Message) -> str:
    """Return the tag of a message: `order_intent`."""
    return str(message.__struct_config__.tag)


def message_fields(message: Message) -> Line:
    """Return the fields of a message by name, as JSON can hold them."""
    return {
        name: value.hex() if isinstance(value, bytes) else value for name, value in message.as_dict().items()
    }
