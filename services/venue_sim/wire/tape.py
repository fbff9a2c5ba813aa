"""What has traded: newest trades, last day and fundings of each market, kept from frames of the streams."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from services.venue_sim.streams import MARK_EACH_S, TRADE
from services.venue_sim.venue import StreamFrame

TRADES_KEPT = 1_000
MINUTE_MS, DAY_MINUTES = 60_000, 1_440
FUNDINGS_KEPT = 1_000
TRADE_SUFFIX, MARK_SUFFIX = f"@{TRADE}", f"@{MARK_EACH_S}"


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


class _Mark(msgspec.Struct, gc=False):
    s: str
    p: str
    r: str
    T: int


class Funding(msgspec.Struct, frozen=True, gc=False):
    """One funding of a perpetual: the rate that stood last before its time."""

    symbol: str
    time_ms: int
    rate: str
    mark_price: str


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
        self._trades = msgspec.json.Decoder(Trade)
        self._marks = msgspec.json.Decoder(_Mark)
        self._last_marks: dict[str, _Mark] = {}
        self.fundings: deque[Funding] = deque(maxlen=FUNDINGS_KEPT)

    def take(self, frame: StreamFrame) -> None:
        """Take a frame of the venue's streams; all but trades and mark prices are left alone."""
        if frame.venue != self._venue:
            return
        if frame.stream.endswith(TRADE_SUFFIX):
            trade = self._trades.decode(frame.data)
            self.of(trade.s).add(trade)
        elif frame.stream.endswith(MARK_SUFFIX):
            mark = self._marks.decode(frame.data)
            before = self._last_marks.get(mark.s)
            if before is not None and mark.T > before.T:
                self.fundings.append(Funding(mark.s, before.T, before.r, before.p))
            self._last_marks[mark.s] = mark

    def of(self, name: str) -> MarketTape:
        """Return the trades of a market, an empty tape when there are none."""
        found = self._markets.get(name)
        if found is None:
            found = self._markets[name] = MarketTape()
        return found
