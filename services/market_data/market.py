"""One market of a venue: its book, its trades and its price, none shared with another market."""

from services.market_data.backoff import Backoff
from services.market_data.book_feed import BookFeed, Said
from services.market_data.counters import Counters
from services.market_data.prices import PriceFeed
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.market_data.trades import TradeTape
from shared.messages.market import Trade
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, FrameKind
from shared.venues.binance import TRADING


class Market:
    """State of one market. `depth_request_id` is 0 when no book is on its way.

    `has_price` says that it has had a trusted price since the start.
    """

    def __init__(
        self, venue_name: str, name: str, venue: FeedVenue, settings: MarketDataSettings, counters: Counters
    ) -> None:
        self.name = name
        self.symbol = f"{venue_name}:{name}"
        self.adapter = VENUES[venue_name]
        self.depth_stream = self.adapter.depth_stream(name, venue.depth_channel)
        self.trade_stream = self.adapter.trade_stream(name)
        self.is_partial = self.adapter.kind_of(self.depth_stream) is FrameKind.PARTIAL
        self.book = BookFeed(self.symbol, self.adapter.sequence, settings, counters, venue.depth_levels)
        self.tape = TradeTape(is_counted=self.adapter.has_counted_trades)
        self.prices = PriceFeed(self.symbol, settings.price_interval_ms, settings.price_refresh_ms)
        self.backoff = Backoff(self.symbol)
        self.has_price = False
        self.depth_request_id = 0
        self.depth_asked_ns = 0
        self.rules_asked_ns = 0
        self.rules_said_ns = 0
        self._counters = counters

    @property
    def is_trading(self) -> bool:
        """Return whether the venue lets people trade here."""
        return self.book.rules is not None and self.book.rules.status == TRADING

    @property
    def is_ready(self) -> bool:
        """Return whether a start need not wait for this market: it has a book, or none can be had."""
        return self.book.has_snapshot or self.is_partial or not self.is_trading

    def take_depth(self, kind: FrameKind, data: bytes, now_ns: int, out: Said) -> None:
        """Take the payload of a depth stream."""
        try:
            if kind is FrameKind.PARTIAL:
                self.book.take_partial(self.adapter.parse_partial(data), now_ns, out)
                return
            diff = self.adapter.parse_diff(data)
            if diff.venue_symbol != self.name:
                raise ValueError(f"a diff of {diff.venue_symbol[:40]!r} came on {self.depth_stream}")
        except UNREADABLE as error:
            self.book.refuse(str(error), out)
            return
        self.book.take_diff(diff, now_ns, out)

    def take_trade(self, data: bytes, now_ns: int, out: Said) -> None:
        """Take the payload of a trade stream; a bad one is refused and counted."""
        try:
            trade = self.adapter.parse_trade(data)
            if trade.venue_symbol != self.name:
                raise ValueError(f"a trade of {trade.venue_symbol[:40]!r} came on {self.trade_stream}")
            if not trade.is_market:
                self._counters.dropped_count += 1
                self.tape.take(trade.trade_id)
                return
            price_ticks = self.book.parser.texts.ticks(trade.price)
            qty_lots, is_floored = self.book.parser.texts.lots_floored(trade.qty)
        except UNREADABLE:
            self._counters.bad_frame_count += 1
            return
        self._counters.floored_count += is_floored
        if not self.tape.take(trade.trade_id) or qty_lots == 0 or self.book.is_conflating:
            self._counters.dropped_count += 1
            return
        out.append(
            Trade(self.symbol, trade.trade_id, price_ticks, qty_lots, trade.side, trade.ts_venue_ns, now_ns)
        )

    def watch(self, now_ns: int, out: Said) -> None:
        """Judge the age of the book and say the price when it is due."""
        if self.book.rules is None:
            return
        self.book.watch(now_ns, out)
        if self.book.is_conflating:
            return
        price = self.prices.due(self.book.book, self.book.is_open, now_ns)
        if price is not None:
            self.has_price = self.has_price or price.is_trusted
            out.append(price)
