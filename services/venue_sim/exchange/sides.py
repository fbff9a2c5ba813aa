"""What the exchange needs of a market: a book to take from and to rest in, and its prices."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol

from services.venue_sim.capture_scan import scaled
from services.venue_sim.exchange.amounts import E10, E18
from services.venue_sim.market import Execution, GeneratedMarket
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.venue import Market
from shared.errors import ConfigError

OnExecution = Callable[[Execution, int], None]


class MarketSide(Protocol):
    """The book of one market. Order ids given here are below 0; sides are 0 and 1, prices in ticks."""

    market: Market

    def listen(self, on_execution: OnExecution) -> None:
        """Let fills of resting orders be told with their time in ms."""

    def best(self, side: int) -> int:
        """Return the best price of a side, 0 when it is empty."""

    def walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, lots) of what can be taken from a side, best first."""

    def take(self, order_id: int, side: int, limit_ticks: int, lots: int, now_ms: int) -> list[Execution]:
        """Take up to `lots` at or better than `limit_ticks`; rests nothing."""

    def rest(self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int) -> None:
        """Rest an order that crosses nothing, behind all at its price."""

    def withdraw(self, order_id: int, now_ms: int) -> int:
        """Take a resting order out; returns the lots that were left, 0 without such an order."""

    def shrink(self, order_id: int, lots: int, now_ms: int) -> None:
        """Lower what is left of a resting order; it keeps its place."""

    def print_trade(self, taker_side: int, price_ticks: int, lots: int, now_ms: int) -> int:
        """Put a trade on the public stream that changes no book; returns its id."""

    def lots_before(self, order_id: int) -> int:
        """Return what a taker meets before a resting order, in lots."""

    def visible_lots(self, order_id: int) -> int:
        """Return what rests of an order, 0 without one."""

    def last_ticks(self) -> int:
        """Return the price of the last trade, the middle of the book before any."""

    def trade_range(self) -> tuple[int, int]:
        """Return (lowest, highest) price traded since this was asked last; the last price without trades."""

    def mark_e18(self) -> int:
        """Return the mark price of a perpetual, of spot the last price."""

    def index_e18(self) -> int:
        """Return the index price of a perpetual."""

    def funding(self) -> tuple[int, int]:
        """Return (rate of the running interval in 1e-8, end of the interval in ms); 0 without any."""

    def halt(self, is_halted: bool) -> None:
        """Let nothing trade, or go on."""

    def dump(self) -> list[Any]:
        """Return what rests of accounts, where the market's own state does not hold it."""

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""


class Units:
    """Between the ticks and lots of a market and its prices and quantities; raises ConfigError."""

    def __init__(self, market: Market) -> None:
        self.tick_e18, self.lot_e18 = scaled(market.tick_size), scaled(market.lot_size)
        # The value of one lot at one tick; exact, as tick and lot together have at most 18 decimals.
        self.tick_lot_e18, rest = divmod(self.tick_e18 * self.lot_e18, E18)
        if rest:
            raise ConfigError(
                f"{market.name}: tick {market.tick_size} x lot {market.lot_size} is below 1e-18; "
                "the simulated venue counts no finer"
            )
        self._price_step = int(Decimal(market.tick_size).scaleb(market.price_decimals))
        self._lot_step = int(Decimal(market.lot_size).scaleb(market.lot_decimals))
        self._price_decimals, self._lot_decimals = market.price_decimals, market.lot_decimals

    def price(self, ticks: int) -> Decimal:
        """Return a price as the venue writes it."""
        return Decimal(ticks * self._price_step).scaleb(-self._price_decimals)

    def quantity(self, lots: int) -> Decimal:
        """Return a quantity as the venue writes it."""
        return Decimal(lots * self._lot_step).scaleb(-self._lot_decimals)

    def value_e18(self, ticks: int, lots: int) -> int:
        """Return price x quantity."""
        return ticks * lots * self.tick_lot_e18


class GeneratedSide:
    """A generated market: orders of accounts stand in the same queues as those of the flow."""

    def __init__(self, source: GeneratedMarket, next_funding_ms: Callable[[], int]) -> None:
        self._source = source
        self._next_funding_ms = next_funding_ms
        self._tick_e18 = scaled(source.wire.market.tick_size)
        self.market = source.wire.market

    def listen(self, on_execution: OnExecution) -> None:
        """Let fills by the flow be told."""
        self._source.on_execution = on_execution

    def best(self, side: int) -> int:
        """Return the best price of a side."""
        return self._source.book.best(side)

    def walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield the levels of a side."""
        return self._source.book.walk(side)

    def take(self, order_id: int, side: int, limit_ticks: int, lots: int, now_ms: int) -> list[Execution]:
        """Take from the book at once."""
        return self._source.enter(order_id, side, limit_ticks, lots, now_ms, is_ioc=True)

    def rest(self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int) -> None:
        """Join the queue."""
        executions = self._source.enter(order_id, side, price_ticks, lots, now_ms, is_ioc=False)
        assert not executions, f"order {order_id} should rest at {price_ticks} ticks but crosses"

    def withdraw(self, order_id: int, now_ms: int) -> int:
        """Leave the queue."""
        return self._source.withdraw(order_id, now_ms)

    def shrink(self, order_id: int, lots: int, now_ms: int) -> None:
        """Keep the place with fewer lots."""
        self._source.shrink(order_id, lots, now_ms)

    def print_trade(self, taker_side: int, price_ticks: int, lots: int, now_ms: int) -> int:
        """Print a trade."""
        return self._source.print_trade(taker_side, price_ticks, lots, now_ms)

    def lots_before(self, order_id: int) -> int:
        """Return the lots at better prices and before it at its own."""
        return self._source.book.lots_before(order_id)

    def visible_lots(self, order_id: int) -> int:
        """Return the lots of a resting order."""
        return self._source.book.lots_of(order_id)

    def last_ticks(self) -> int:
        """Return the price of the last trade."""
        source = self._source
        return source.last_ticks or (source.book.best(BUY) + source.book.best(SELL)) // 2

    def trade_range(self) -> tuple[int, int]:
        """Return what traded since this was asked last."""
        return self._source.trade_range() or (self.last_ticks(), self.last_ticks())

    def mark_e18(self) -> int:
        """Return the mark price that the streams tell."""
        facts = self._source.derivative
        return facts.mark_e8 * E10 if facts is not None else self.last_ticks() * self._tick_e18

    def index_e18(self) -> int:
        """Return the index price that the streams tell."""
        facts = self._source.derivative
        return facts.index_e8 * E10 if facts is not None else self.mark_e18()

    def funding(self) -> tuple[int, int]:
        """Return the rate and the end of the interval that the streams tell."""
        facts = self._source.derivative
        return (facts.rate_e8, self._next_funding_ms()) if facts is not None else (0, 0)

    def halt(self, is_halted: bool) -> None:
        """Stop the flow: the book stands as it is."""
        self._source.is_halted = is_halted

    def dump(self) -> list[Any]:
        """Return nothing: the book of the market holds the orders."""
        return []

    def load(self, dumped: list[Any]) -> None:
        """Take nothing."""
