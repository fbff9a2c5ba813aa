"""The strategy of the kill benchmark: many resting orders, and a steady stream of creates beside them."""

from dataclasses import dataclass
from typing import Annotated

from services.strategy.base import Context, Intents, PlaceOrder, Strategy
from shared.messages.orders import TimeInForce
from shared.settings import Doc, Gt
from shared.units import Side

PLACED_PER_UPDATE = 10
STREAM_SLOTS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class HundredOrdersSettings:
    """Settings of the benchmark strategy."""

    resting: Annotated[int, Gt(0), Doc("bids that rest, one a tick, far below the touch")] = 100


class HundredOrders(Strategy):
    """Keeps `resting` bids on the book and sends one IOC bid, which never trades, at each update."""

    Settings = HundredOrdersSettings

    def __init__(self, settings: HundredOrdersSettings) -> None:
        super().__init__(settings)
        self.count = 0

    def on_book(self, ctx: Context) -> Intents:
        """Ask for some of the bids that are missing, and for one that expires."""
        self.count += 1
        bid_ticks = ctx.book.bid_ticks
        missing = [i for i in range(self.settings.resting) if f"r{i}" not in ctx.orders]
        resting = [
            PlaceOrder(f"r{i}", Side.BUY, bid_ticks - 50 - i, 1, tif=TimeInForce.GTC)
            for i in missing[:PLACED_PER_UPDATE]
        ]
        stream = f"s{self.count % STREAM_SLOTS}"
        return [*resting, PlaceOrder(stream, Side.BUY, bid_ticks - 5, 1, tif=TimeInForce.IOC)]

    def snapshot(self) -> bytes:
        """Return the count of updates."""
        return str(self.count).encode()

    def restore(self, data: bytes) -> None:
        """Take the count of updates."""
        self.count = int(data)
