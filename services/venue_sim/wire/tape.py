"""What has traded: the newest trades and the last day of each market, kept from the frames of the streams."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from services.venue_sim.streams import TRADE
from services.venue_sim.venue import StreamFrame

TRADES_KEPT = 1_000
MINUTE_MS, DAY_MINUTES = 60_000, 1_440
SUFFIX = f"@{TRADE}"


class Trade(msgspec.Struct, gc=False):
    """One trade of a market as its stream tells it."""

    t: int
    p: str
    q: str
    T: int
    m: bool
    s: str = ""

    @property
    def quote(self) -> Decimal:
        """Return price times quantity."""
        return Decimal(self.p) * Decimal(self.q)


class Minute:
    """What traded in one minute."""

    __slots__ = ("count", "first", "high", "last", "low", "minute", "quote", "volume")

    def __init__(self, minute: int, trade: Trade) -> None:
        self.minute = minute
        self.first = self.last = trade
        self.high = self.low = Decimal(trade.p)
        self.volume = self.quote = Decimal(0)
        self.count = 0
        self.add(trade)

    def add(self, trade: Trade) -> None:
        """Count one trade."""
        price = Decimal(trade.p)
        self.last = trade
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += Decimal(trade.q)
        self.quote += price * Decimal(trade.q)
        self.count += 1


class MarketTape:
    """The trades of one market."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.minutes: deque[Minute] = deque()

    def add(self, trade: Trade) -> None:
        """Take one trade, newer than all before."""
        self.trades.append(trade)
        minute = trade.T // MINUTE_MS
        if self.minutes and self.minutes[-1].minute == minute:
            self.minutes[-1].add(trade)
        else:
            self.minutes.append(Minute(minute, trade))
            while self.minutes[0].minute <= minute - DAY_MINUTES:
                self.minutes.popleft()

    def since(self, trade_id: int) -> Sequence[Trade]:
        """Return the trades kept from an id on."""
        return [trade for trade in self.trades if trade.t >= trade_id]


class Tape:
    """The trades of one venue, by the name of the market."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._markets: dict[str, MarketTape] = {}
        self._decoder = msgspec.json.Decoder(Trade)

    def take(self, frame: StreamFrame) -> None:
        """Take a frame of the venue's streams; all but its trades are left alone."""
        if frame.venue == self._venue and frame.stream.endswith(SUFFIX):
            trade = self._decoder.decode(frame.data)
            self.of(trade.s).add(trade)

    def of(self, name: str) -> MarketTape:
        """Return the trades of a market, an empty tape when there are none."""
        found = self._markets.get(name)
        if found is None:
            found = self._markets[name] = MarketTape()
        return found
