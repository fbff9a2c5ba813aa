"""The strategy of the campaign: restless quotes near the touch, takers now and then, all from a seed."""

from dataclasses import dataclass
from typing import Annotated

from services.strategy.base import (
    CancelOrder,
    Context,
    Intents,
    PlaceOrder,
    Quote,
    Strategy,
    TargetQuotes,
)
from services.venue_sim.draw import mix
from shared.messages.orders import TimeInForce
from shared.settings import Doc, Ge, Gt
from shared.units import Side

MANY_TIMES = 8
SLOTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RestlessSettings:
    """Settings of the campaign's strategy."""

    seed: Annotated[int, Doc("what the quotes are drawn from")] = 1
    slots: Annotated[int, Gt(0), Doc("quotes of each side")] = 2
    least_lots: Annotated[int, Gt(0), Doc("least quantity of one quote, in lots")] = 10
    more_lots: Annotated[int, Gt(0), Doc("a quote has up to so many lots more")] = 4
    wait: Annotated[int, Gt(0), Doc("about how many book changes a set of quotes lives")] = 6


class Restless(Strategy):
    """Quotes close to the touch and changes its mind: many creates, cancels and fills in a short time."""

    Settings = RestlessSettings

    def __init__(self, settings: RestlessSettings) -> None:
        super().__init__(settings)
        self.count = 0

    def _draw(self, what: int, limit: int) -> int:
        return (mix(mix(self.settings.seed * 1_000_003 + what) + self.count) * limit) >> 64

    def on_book(self, ctx: Context) -> Intents:
        """Take a change of the book: most leave the quotes as they are."""
        self.count += 1
        if self._draw(1, self.settings.wait):
            return ()
        position = ctx.position.position_lots
        most = MANY_TIMES * self.settings.least_lots
        if self._draw(2, 12) == 0:
            return [TargetQuotes((), "a pause")]
        quotes: list[Quote] = []
        for number in range(self.settings.slots):
            lots = self.settings.least_lots + self._draw(3 + number, self.settings.more_lots)
            back = self._draw(10 + number, 3) + 2 * number
            if position < most:
                quotes.append(Quote(f"b{number}", Side.BUY, ctx.book.bid_ticks - back, lots))
            if position > -most:
                quotes.append(Quote(f"a{number}", Side.SELL, ctx.book.ask_ticks + back, lots))
        said: list[TargetQuotes | PlaceOrder] = [TargetQuotes(tuple(quotes), "restless")]
        if self._draw(20, 5) == 0:
            side = Side.SELL if position > 0 else Side.BUY
            touch = ctx.book.bid_ticks if side is Side.SELL else ctx.book.ask_ticks
            said.append(PlaceOrder("t", side, touch, self.settings.least_lots, tif=TimeInForce.IOC))
        return said

    def snapshot(self) -> bytes:
        """Return the count of book changes."""
        return str(self.count).encode()

    def restore(self, data: bytes) -> None:
        """Take the count of book changes."""
        self.count = int(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySettings:
    """Settings of the strategy that the real broker is killed under."""

    seed: Annotated[int, Doc("what the orders are drawn from")] = 1
    every: Annotated[int, Gt(0), Doc("one order in so many book changes")] = 3
    lots: Annotated[int, Gt(0), Doc("quantity of an order, in lots")] = 12
    kept: Annotated[int, Gt(0), Doc("so many orders rest at a time")] = 6
    away_ticks: Annotated[int, Ge(0), Doc("how far from the touch orders rest at least")] = 0


class Busy(Strategy):
    """One order after the other, each in a slot of its own: a death leaves few in doubt, and others go on."""

    Settings = BusySettings

    def __init__(self, settings: BusySettings) -> None:
        super().__init__(settings)
        self.count = 0

    def on_book(self, ctx: Context) -> Intents:
        """Place an order near the touch, withdraw an old one, take now and then."""
        self.count += 1
        number, rest = divmod(self.count, self.settings.every)
        if rest:
            return ()
        bits = mix(self.settings.seed * 1_000_003 + number)
        lots = self.settings.lots + bits % 7
        held = ctx.position.position_lots
        side = Side(bits >> 8 & 1) if abs(held) < 6 * lots else Side.SELL if held > 0 else Side.BUY
        back = self.settings.away_ticks + (bits >> 16) % 3
        price = ctx.book.bid_ticks - back if side is Side.BUY else ctx.book.ask_ticks + back
        said: list[PlaceOrder | CancelOrder] = [
            CancelOrder(f"r{(number - self.settings.kept) % SLOTS}", "old"),
            PlaceOrder(f"r{number % SLOTS}", side, price, lots, tif=TimeInForce.GTC, is_post_only=True),
        ]
        if (bits >> 24) % 4 == 0:
            touch = ctx.book.ask_ticks if side is Side.BUY else ctx.book.bid_ticks
            said.append(PlaceOrder(f"t{number % SLOTS}", side, touch, lots, tif=TimeInForce.IOC))
        return said

    def snapshot(self) -> bytes:
        """Return the count of book changes."""
        return str(self.count).encode()

    def restore(self, data: bytes) -> None:
        """Take the count of book changes."""
        self.count = int(data)
