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
    are heavier. `mid_half_ticks` is bid + ask; `spread_e2_bps` the spread in hundredths of a basis point of
    the mid, rounded down. Nothing here may be traded on when `is_trusted` is false.
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
    mid_half_ticks: int = 0
    spread_ticks: int = 0
    spread_e2_bps: int = 0


class FeedStatus(Message, frozen=True, tag="feed_status"):
    """State of one venue's feed: connecting, live, stale, reconnecting, halted, failed, finished.

    Counters are since the start of the run (MD-22). `lag_ms` is the age of the newest depth event when it was
    received, `silent_ms` the time since the last frame, `stray_count` levels off the tick that were left out,
    `missing_candle_count` minutes for which the venue had no candle.
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
    missing_candle_count: int = 0


class CaptureFinished(Message, frozen=True, tag="capture_finished"):
    """The replayed capture has been played to its end; strategies withdraw."""

    family: ClassVar[str] = "capture"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA

    venue: str
    frame_count: int


class Candle(Message, frozen=True, tag="candle"):
    """One candle of a market: said while it is open when it changed (at most each second), and once closed.

    `open_ns` is the venue's time of its start and `interval_s` its length. A closed candle is final. Closed
    ones come in the order of time; after a start of the feed, a new epoch or a gap the last hour comes again.
    """

    family: ClassVar[str] = "candle"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    interval_s: int
    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trade_count: int
    is_closed: bool
    ts_venue_ns: int
    ts_recv_ns: int


class FundingRate(Message, frozen=True, tag="funding_rate"):
    """Mark, index and the funding rate of a perpetual (MD-17).

    `rate_e8` is the rate of one interval in 10^-8; longs pay when it is positive. `next_funding_ns` is when
    it is paid.
    """

    family: ClassVar[str] = "funding"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    rate_e8: int
    next_funding_ns: int
    mark_centiticks: int
    index_centiticks: int
    ts_venue_ns: int
    ts_recv_ns: int


class OpenInterest(Message, frozen=True, tag="open_interest"):
    """All open contracts of a perpetual, in lots (MD-17)."""

    family: ClassVar[str] = "funding"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    open_interest_lots: int
    ts_venue_ns: int
    ts_recv_ns: int


class Liquidation(Message, frozen=True, tag="liquidation"):
    """A forced order of somebody else; `side` is the order's, so SELL closes a long (MD-17)."""

    family: ClassVar[str] = "funding"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    ts_venue_ns: int
    ts_recv_ns: int


class Basis(Message, frozen=True, tag="basis"):
    """Distance of a perpetual from its spot market, said each minute (MD-19).

    `basis_ppm` is (perpetual - spot) / spot; `z_e3` its z-score in thousandths over `sample_count` minutes.
    """

    family: ClassVar[str] = "regime"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    spot_symbol: str
    basis_ppm: int
    z_e3: int
    sample_count: int


class Regime(Message, frozen=True, tag="regime"):
    """What funding, open interest and liquidations say together, at each change and each minute (MD-17).

    `regime` is normal, high_risk or trending; `funding` normal, long, short (mood) or extreme; `liquidations`
    low, medium or high; `bias` is long or short, the side that is liquidated, or empty. `open_interest_ppm`
    is the change in an hour. `is_reduce_advised` advises to hold less (MD-18).
    """

    family: ClassVar[str] = "regime"
    owners: ClassVar[frozenset[str]] = _MARKET_DATA
    key: ClassVar[str] = "symbol"

    symbol: str
    regime: str
    is_reduce_advised: bool
    reasons: list[str]
    funding: str
    open_interest_ppm: int
    liquidations: str
    bias: str
