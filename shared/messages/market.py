"""Market data: said by `market_data` alone, as facts of its run.

Levels travel as one block of little-endian int64 pairs `(price_ticks, lots)`, the bids first: it goes
into the book kernel without a copy. Lots are absolute; 0 deletes the level.
"""

from typing import ClassVar

from shared.messages.base import Message
from shared.units import Side

_MARKET_DATA = frozenset({"market_data"})


class InstrumentRules(Message, frozen=True, tag="instrument"):
    """Rules of one market, published at start, at every change and daily (MD-20).

    Notional in atoms of the quote asset = price_ticks * lots * tick_lot_atoms, which holds the contract
    size too. Fees are parts per million of the notional. A zero limit means that the venue sets none.
    """

    family: ClassVar[str] = "instrument"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    quote_exponent: int
    tick_lot_atoms: int
    min_qty_lots: int
    max_qty_lots: int
    min_notional_atoms: int
    min_price_ticks: int
    max_price_ticks: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    is_derivative: bool
    status: str = "TRADING"


class BookSnapshot(Message, frozen=True, tag="book_snapshot"):
    """A whole book; restarts `update_n` of the symbol. `bid_count` pairs of `levels` are bids.

    `last_update_id` is the venue's id; `reason` is start, epoch, gap, period or conflated.
    """

    family: ClassVar[str] = "book"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    update_n: int
    last_update_id: int
    bid_count: int
    levels: bytes
    reason: str
    ts_venue_ns: int
    ts_recv_ns: int
    floored_count: int = 0


class BookUpdate(Message, frozen=True, tag="book_update"):
    """The levels changed by one depth event of the venue; `update_n` is the former one plus 1.

    `floored_count` says how many levels were off the lot and were floored (MD-8, DESIGN 6).
    """

    family: ClassVar[str] = "book"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    update_n: int
    first_update_id: int
    last_update_id: int
    bid_count: int
    levels: bytes
    ts_venue_ns: int
    ts_recv_ns: int
    floored_count: int = 0


class BookInvalid(Message, frozen=True, tag="book_invalid"):
    """The book of a symbol may not be used until its next snapshot.

    `reason` is gap, disconnected, stale, halted or bad_data; ids are the venue's, 0 when none apply.
    """

    family: ClassVar[str] = "book"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    reason: str
    detail: str = ""
    expected_id: int = 0
    got_id: int = 0


class Trade(Message, frozen=True, tag="trade"):
    """A public execution between others; `side` is the aggressor's."""

    family: ClassVar[str] = "trade"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    trade_id: int
    price_ticks: int
    qty_lots: int
    side: Side
    ts_venue_ns: int
    ts_recv_ns: int


class PriceUpdate(Message, frozen=True, tag="price"):
    """Touch and estimates of one book, at most one per 50 ms and only when changed (MD-9, MD-13).

    Prices in centiticks are hundredths of a tick; imbalances are parts per million, positive when bids
    are heavier. Nothing here may be traded on when `is_trusted` is false.
    """

    family: ClassVar[str] = "price"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    is_trusted: bool
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    microprice_centiticks: int
    imbalance_ppm: int
    weighted_imbalance_ppm: int
    bid_depth_lots: int
    ask_depth_lots: int


class FeedStatus(Message, frozen=True, tag="feed_status"):
    """State of one venue's feed: connecting, live, stale, reconnecting, halted, failed, finished.

    Counters are since the start of the run (MD-22). `lag_ms` is the age of the newest depth event when it was
    received, `silent_ms` the time since the last frame, `stray_count` levels off the tick that were left out.
    """

    family: ClassVar[str] = "feed"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "venue"

    venue: str
    state: str
    reason: str = ""
    reconnect_count: int = 0
    gap_count: int = 0
    bad_frame_count: int = 0
    dropped_count: int = 0
    message_count: int = 0
    floored_count: int = 0
    missing_trade_count: int = 0
    lag_ms: int = 0
    silent_ms: int = 0
    stray_count: int = 0


class CaptureFinished(Message, frozen=True, tag="capture_finished"):
    """The replayed capture has been played to its end; strategies withdraw."""

    family: ClassVar[str] = "capture"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA

    venue: str
    frame_count: int
