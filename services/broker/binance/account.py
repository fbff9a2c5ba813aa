"""What the parts of one adapter know in common."""

from collections.abc import Iterable

from services.broker.binance.budget import Budget
from services.broker.binance.clock import VenueClock
from services.broker.binance.info import MarketInfo
from services.broker.binance.markets import Market
from services.broker.binance.settings import SPOT, BinanceSettings
from services.broker.binance.transport import Transport
from services.broker.binance.watch import StreamWatch
from services.broker.keys import VenueKey
from shared.execution.reports import VenueOrder


class Account:
    """One account at one venue: its requests, markets, clock, and which of its orders are open.

    `unreachable` says why no orders may be sent now; empty when they may.
    """

    def __init__(self, settings: BinanceSettings, key: VenueKey) -> None:
        self.settings = settings
        self.is_spot = settings.venue == SPOT
        self.budget = Budget(settings)
        self.transport = Transport(settings, key, self.budget)
        self.clock = VenueClock(self.transport)
        self.watch = StreamWatch(settings.stream_stale_ms)
        self.markets: dict[str, Market] = {}
        self.info = MarketInfo(self.transport, self.markets)
        self.unreachable = "the adapter has not started"
        self.unreachable_until_ns = 0
        # Ids of open orders by market: for MAX_NUM_ORDERS alone, the desk has the truth.
        self._open: dict[str, set[str]] = {}

    def market_of(self, symbol: str) -> Market | None:
        """Return the market of `binance:BTCUSDT`, None without rules on the log."""
        return self.markets.get(symbol.partition(":")[2])

    def saw(self, order: VenueOrder) -> None:
        """Take the state of an order."""
        ids = self._open.setdefault(order.symbol, set())
        (ids.add if order.state.is_open else ids.discard)(order.venue_order_id)

    def saw_all(self, symbol: str, orders: Iterable[VenueOrder]) -> None:
        """Take that these are all open orders of a market, of every market when `symbol` is empty."""
        if symbol:
            self._open[symbol] = set()
        else:
            self._open.clear()
        for order in orders:
            self.saw(order)

    def open_count(self, symbol: str) -> int:
        """Return how many orders of a market are open as far as told."""
        return len(self._open.get(symbol, ()))
