"""The strategy of the chain benchmark: one order at each book update, which never trades."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from services.strategy.base import NOTHING, Context, Intents, PlaceOrder, Strategy
from shared.messages.orders import TimeInForce
from shared.settings import Doc, Gt
from shared.units import Side

SLOTS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryUpdateSettings:
    """Settings of the benchmark strategy."""

    every: Annotated[int, Gt(0), Doc("one order in so many book updates")] = 1


class EveryUpdate(Strategy):
    """Sends an IOC bid below the touch: it expires, so the position stays flat whatever the rate."""

    Settings = EveryUpdateSettings

    def __init__(self, settings: EveryUpdateSettings) -> None:
        super().__init__(settings)
        self.count = 0

    def on_book(self, ctx: Context) -> Intents:
        """Ask for one order, in the next of many slots so that none is taken."""
        self.count += 1
        if self.count % self.settings.every:
            return NOTHING
        slot = f"u{self.count // self.settings.every % SLOTS}"
        return [PlaceOrder(slot, Side.BUY, ctx.book.bid_ticks - 5, 1, tif=TimeInForce.IOC)]

    def snapshot(self) -> bytes:
        """Return the count of updates."""
        return msgspec.msgpack.encode(self.count)

    def restore(self, data: bytes) -> None:
        """Take the count of updates."""
        self.count = msgspec.msgpack.decode(data, type=int)
