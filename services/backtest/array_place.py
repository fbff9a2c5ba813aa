"""One market of the array path: its lane of the walk, and the messages that its rows say."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from shared.columns import Columns
from shared.core import Output
from shared.kernels import walk, walk_lane
from shared.kernels.walk_lane import Lane
from shared.messages import Event, Instruction
from shared.messages.control import InstanceFailed
from shared.messages.market import BookSnapshot, BookUpdate, FundingRate, InstrumentRules, Trade
from shared.paper.market import PaperMarket
from shared.units import Side

SIDES = (Side.BUY, Side.SELL)
TRUST_LOST = "one side is empty, or bid and ask cross"
UPDATE_LOST = "an update is missing"
GAP = "gap"
"""Why a book is lost, in the words of the strategy core and of the exact path."""


class ArrayMarket(NamedTuple):
    """One market: its rules with the fees of this run, and its files in the order of time."""

    rules: InstrumentRules
    files: Sequence[Columns]


class Place:
    """What belongs to one lane; `update` and `snapshot` say that the book changed: its levels are applied."""

    def __init__(self, market: ArrayMarket, lane: Lane, paper: PaperMarket) -> None:
        self.symbol = market.rules.symbol
        self.market = market
        self.lane = lane
        self.paper = paper
        self.update = BookUpdate(self.symbol, 0, 0, 0, 0, b"", 0, 0)
        self.snapshot = BookSnapshot(self.symbol, 0, 0, 0, b"", "start", 0, 0)

    def lost(self, kind: int) -> str:
        """Return why the book cannot be trusted after an event of this kind, empty when it can."""
        if self.lane.is_trusted:
            return ""
        if kind == walk.INVALIDATED:
            return GAP
        return TRUST_LOST if self.lane.book.is_valid else UPDATE_LOST

    def trade(self, now_ns: int) -> Trade:
        """Return the trade at which the walk stands; its id is the number of its row."""
        lane = self.lane
        return Trade(
            self.symbol,
            lane.row + 1,
            lane.value(walk_lane.PRICE),
            lane.value(walk_lane.LOTS),
            SIDES[lane.value(walk_lane.SIDE)],
            lane.value(walk_lane.EXCH),
            now_ns,
        )

    def funding(self, now_ns: int) -> FundingRate:
        """Return the rate of a payment that is due at once: its time is the next nanosecond."""
        mark_centiticks = 100 * self.lane.value(walk_lane.PRICE)
        rate_e8 = self.lane.value(walk_lane.LOTS)
        return FundingRate(self.symbol, rate_e8, now_ns + 1, mark_centiticks, mark_centiticks, now_ns, now_ns)


def shown(event: Event, row: int) -> Event:
    """Return an event as people may look at it: a book bears the number of its last row, not its levels."""
    if not isinstance(event.message, BookUpdate | BookSnapshot):
        return event
    now_ns = event.header.ts_ns
    return Event(event.header, msgspec.structs.replace(event.message, update_n=row, ts_recv_ns=now_ns))


def is_failure(item: Output | Instruction) -> bool:
    """Return whether a core says that a strategy raised."""
    return isinstance(item, Output) and type(item.message) is InstanceFailed
