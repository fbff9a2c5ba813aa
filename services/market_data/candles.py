"""One-minute candles of one market: history from REST, then the stream, each closed one exactly once (MD-16).

Closed candles are said in the order of their time. One that is missing is asked for over REST while what
comes after it waits; only when the venue does not have it either is it passed over and counted.
"""

from collections import deque

from services.market_data.book_feed import Said
from services.market_data.counters import Counters
from shared.kernels.levels import LevelParser
from shared.messages.market import Candle
from shared.units import NS_PER_S
from shared.venues.base import CandlePrint

MINUTE_NS = 60 * NS_PER_S
SAY_NS = NS_PER_S
# A venue's answer may be a moment behind its stream: so often a missing candle is asked for.
REFILLS_MAX = 3
HELD_MAX = 1500


class CandleFeed:
    """Candles of one market. `is_wanting` asks the owner for REST candles from `from_ns` (0: the history).

    An open candle is said when it changed, at most once a second, and never while a closed one before it
    is missing: what nobody knows to be whole is not passed on as if it were.
    """

    def __init__(self, symbol: str, counters: Counters, kept: int, age_ns: int) -> None:
        self.symbol = symbol
        self.is_wanting = False
        self.missing_count = 0
        self._counters = counters
        self._age_ns = age_ns
        self._closed_ns = 0
        self._kept: deque[Candle] = deque(maxlen=kept)
        self._held: dict[int, Candle] = {}
        self._open: Candle | None = None
        self._said_open: Candle | None = None
        self._said_ns = 0
        self._refill_count = 0
        self._fresh_ns = 0

    @property
    def from_ns(self) -> int:
        """Return the time of the first candle that is not known, 0 when none is."""
        return self._closed_ns + MINUTE_NS if self._closed_ns else 0

    def begin(self, now_ns: int) -> None:
        """Start on a new connection: what was missed meanwhile is asked for."""
        self.is_wanting = True
        self._refill_count = 0
        self._fresh_ns = self._fresh_ns or now_ns

    def is_stale(self, now_ns: int) -> bool:
        """Return whether the newest candle that was said, or is only not said again, is too old to act on.

        What is held back moves nothing: while the history is wanting and does not come, candles grow old.
        """
        return bool(self._fresh_ns) and now_ns - self._fresh_ns > self._age_ns

    def take(self, print_: CandlePrint, parser: LevelParser, now_ns: int, out: Said) -> None:
        """Take a candle of the stream; raises `ValueError` for one that cannot be."""
        candle = self._candle_of(print_, parser, now_ns)
        if candle.open_ns <= self._closed_ns or candle.open_ns in self._held:
            self._counters.dropped_count += 1
        elif candle.is_closed:
            self._take_closed(candle, now_ns, out)
        else:
            self._take_open(candle, now_ns, out)

    def _take_closed(self, candle: Candle, now_ns: int, out: Said) -> None:
        if self.is_wanting or (self._closed_ns and candle.open_ns > self.from_ns):
            self.is_wanting = True
            self._held[candle.open_ns] = candle
            if len(self._held) > HELD_MAX:
                del self._held[min(self._held)]
                self.missing_count += 1
            return
        self._say_closed(candle, now_ns, out)

    def _take_open(self, candle: Candle, now_ns: int, out: Said) -> None:
        is_older = self._open is not None and candle.open_ns < self._open.open_ns
        if is_older or now_ns - candle.ts_venue_ns > self._age_ns:
            self._counters.dropped_count += 1
            return
        self._open = candle
        before_ns = candle.open_ns - MINUTE_NS
        if self._closed_ns and before_ns > self._closed_ns and before_ns not in self._held:
            # An open candle proves that the one before it is closed.
            self.is_wanting = True
        if not self.is_wanting:
            self._fresh(candle, now_ns)
        self.watch(now_ns, out)

    def _fresh(self, candle: Candle, now_ns: int) -> None:
        self._fresh_ns = max(self._fresh_ns, min(candle.ts_venue_ns, now_ns))

    def take_history(self, prints: list[CandlePrint], parser: LevelParser, now_ns: int, out: Said) -> None:
        """Take the REST answer to what was wanted; raises `ValueError` for candles that cannot be."""
        candles = [self._candle_of(print_, parser, now_ns) for print_ in prints]
        self.is_wanting = False
        known = self._held | {c.open_ns: c for c in candles if c.is_closed and c.open_ns > self._closed_ns}
        before_ns = self._closed_ns
        self._held = {}
        for open_ns in sorted(known):
            if self._closed_ns and open_ns > self.from_ns and self._is_to_ask_again():
                self._held = {ns: candle for ns, candle in known.items() if ns >= open_ns}
                break
            self._say_closed(known[open_ns], now_ns, out)
        if self._closed_ns > before_ns:
            self._refill_count = 0
        for candle in candles[-1:]:
            if not candle.is_closed and candle.open_ns > self._closed_ns:
                self._take_open(candle, now_ns, out)
        self._pass_over(now_ns, out)

    def _is_to_ask_again(self) -> bool:
        """Return whether what is missing is asked for again; later it is passed over."""
        self._refill_count += 1
        self.is_wanting = self._refill_count < REFILLS_MAX
        return self.is_wanting

    def _pass_over(self, now_ns: int, out: Said) -> None:
        """Take a minute that the venue does not have, though a later one is open, as missing."""
        if self._open is not None and self._closed_ns and not self._held:
            before_ns = self._open.open_ns - MINUTE_NS
            if before_ns > self._closed_ns and not self._is_to_ask_again():
                self.missing_count += (before_ns - self._closed_ns) // MINUTE_NS
                self._closed_ns = before_ns
        self.watch(now_ns, out)

    def _say_closed(self, candle: Candle, now_ns: int, out: Said) -> None:
        self._fresh(candle, now_ns)
        if self._closed_ns:
            self.missing_count += (candle.open_ns - self._closed_ns) // MINUTE_NS - 1
        self._closed_ns = candle.open_ns
        if self._open is not None and self._open.open_ns <= candle.open_ns:
            self._open = None
        self._kept.append(candle)
        out.append(candle)

    def watch(self, now_ns: int, out: Said) -> None:
        """Say the open candle when it changed and the last one is a second old."""
        candle = self._open
        if candle is None or self.is_wanting or now_ns - self._said_ns < SAY_NS:
            return
        if self._said_open is None or _content(candle) != _content(self._said_open):
            self._said_open, self._said_ns = candle, now_ns
            out.append(candle)

    def say_again(self, out: Said) -> None:
        """Say the closed candles that are kept once more: the log may have lost them, or is another one."""
        out.extend(self._kept)
        self._said_open = None

    def _candle_of(self, print_: CandlePrint, parser: LevelParser, now_ns: int) -> Candle:
        prices = (print_.open_price, print_.high_price, print_.low_price, print_.close_price)
        opened, high, low, close = map(parser.ticks, prices)
        if not (low <= opened <= high and low <= close <= high):
            raise ValueError(f"a candle of {print_.venue_symbol} from {low} to {high} ticks goes beyond them")
        if print_.open_ns > now_ns + self._age_ns:
            raise ValueError(
                f"a candle of {print_.venue_symbol} begins in the future: check this host's time"
            )
        volume_lots, is_floored = parser.lots_floored(print_.volume)
        self._counters.floored_count += is_floored
        end_ns = print_.open_ns + print_.interval_s * NS_PER_S
        return Candle(
            symbol=self.symbol,
            interval_s=print_.interval_s,
            open_ns=print_.open_ns,
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=close,
            volume_lots=volume_lots,
            trade_count=print_.trade_count,
            is_closed=print_.is_closed,
            ts_venue_ns=print_.ts_venue_ns or min(now_ns, end_ns),
            ts_recv_ns=now_ns,
        )


def _content(candle: Candle) -> tuple[int, ...]:
    """Return what makes an open candle another one than before: all but the times of its frame."""
    prices = (candle.high_ticks, candle.low_ticks, candle.close_ticks)
    return (candle.open_ns, *prices, candle.volume_lots, candle.trade_count)
