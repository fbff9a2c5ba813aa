"""Funding, open interest and liquidations of one perpetual, and the regime they give (MD-17)."""

from collections import deque
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from services.market_data.book_feed import Said
from services.market_data.counters import Counters
from services.market_data.levels import MarketParser
from services.market_data.regime import RegimeFeed, funding_class
from shared.messages.market import FundingRate, InstrumentRules, Liquidation, OpenInterest
from shared.units import NS_PER_S
from shared.venues.base import LiquidationPrint, MarkPrint, OpenInterestPrint

SAY_NS = NS_PER_S
RATE_MAX_E8 = 100_000_000
PRICE_CENTITICKS_MAX = 100 * 10**12
NUMBER_MAX = 10**12
# One stamp far ahead would make all true ones after it look old.
AHEAD_MAX_NS = 120 * NS_PER_S
# The venue does not number liquidations: one that equals one of the last ones is the same.
SEEN_MAX = 100


class DerivativeFeed:
    """Facts of one perpetual; every `take_*` raises `ValueError` for what cannot be.

    A funding rate is said at first, when the time of payment moves on, when its class changes (once a second
    at most), and else every `say_ns`. What is paid is always on the log: before a new time of payment the
    last rate of the old one is said, if it was not.
    """

    def __init__(self, symbol: str, counters: Counters, say_ns: int) -> None:
        self.symbol = symbol
        self.regime = RegimeFeed(symbol)
        self.mark_ns = 0
        self._counters = counters
        self._say_ns = say_ns
        self._funding: FundingRate | None = None
        self._said: FundingRate | None = None
        self._said_ns = 0
        self._interest: OpenInterest | None = None
        self._seen: deque[LiquidationPrint] = deque(maxlen=SEEN_MAX)

    def take_mark(self, print_: MarkPrint, rules: InstrumentRules, now_ns: int, out: Said) -> None:
        """Take mark, index and rate; older ones than known are dropped."""
        last = self._funding
        new = FundingRate(
            symbol=self.symbol,
            rate_e8=_rate_e8(print_.rate),
            next_funding_ns=print_.next_funding_ns,
            mark_centiticks=_centiticks(print_.mark_price, rules.tick_size),
            index_centiticks=_centiticks(print_.index_price, rules.tick_size),
            ts_venue_ns=print_.ts_venue_ns,
            ts_recv_ns=now_ns,
        )
        if last is not None and new.ts_venue_ns <= last.ts_venue_ns:
            self._counters.dropped_count += 1
            return
        self._check_time(new.ts_venue_ns, now_ns)
        if new.next_funding_ns <= new.ts_venue_ns:
            raise ValueError(f"funding of {self.symbol} is due at {new.next_funding_ns}, before its own time")
        self.mark_ns = now_ns
        self.regime.take_rate(new.rate_e8, min(now_ns, new.ts_venue_ns))
        is_next = last is not None and new.next_funding_ns != last.next_funding_ns
        if is_next and last is not None and last != self._said:
            out.append(last)
        self._funding = new
        if is_next or self._is_due(new, now_ns):
            self._said, self._said_ns = new, now_ns
            out.append(new)

    def _check_time(self, ts_venue_ns: int, now_ns: int) -> None:
        if ts_venue_ns > now_ns + AHEAD_MAX_NS:
            raise ValueError(
                f"a fact of {self.symbol} is {(ts_venue_ns - now_ns) // NS_PER_S} s of the future, at most "
                f"{AHEAD_MAX_NS // NS_PER_S} s are believed: check this host's time"
            )

    def _is_due(self, new: FundingRate, now_ns: int) -> bool:
        age_ns = now_ns - self._said_ns
        if self._said is None or age_ns >= self._say_ns:
            return True
        return age_ns >= SAY_NS and funding_class(new.rate_e8) != funding_class(self._said.rate_e8)

    def take_open_interest(
        self, print_: OpenInterestPrint, parser: MarketParser, now_ns: int, out: Said
    ) -> None:
        """Take one poll; an answer that is no newer than the last one is dropped."""
        lots, _ = parser.texts.lots_floored(print_.qty)
        if self._interest is not None and print_.ts_venue_ns <= self._interest.ts_venue_ns:
            self._counters.dropped_count += 1
            return
        self._check_time(print_.ts_venue_ns, now_ns)
        self._interest = OpenInterest(self.symbol, lots, print_.ts_venue_ns, now_ns)
        self.regime.take_open_interest(lots, min(now_ns, print_.ts_venue_ns))
        out.append(self._interest)

    def take_liquidation(
        self,
        print_: LiquidationPrint,
        parser: MarketParser,
        rules: InstrumentRules,
        now_ns: int,
        out: Said,
    ) -> None:
        """Take a forced order; its value counts for five minutes from now."""
        price_ticks = parser.texts.ticks(print_.price)
        qty_lots, is_floored = parser.texts.lots_floored(print_.qty)
        self._counters.floored_count += is_floored
        if print_ in self._seen or qty_lots == 0:
            self._counters.dropped_count += 1
            return
        self._seen.append(print_)
        value_atoms = price_ticks * qty_lots * rules.tick_lot_atoms
        self.regime.take_liquidation(print_.side, value_atoms, now_ns)
        out.append(Liquidation(self.symbol, print_.side, price_ticks, qty_lots, print_.ts_venue_ns, now_ns))

    def watch(self, rules: InstrumentRules, now_ns: int, out: Said) -> None:
        """Say the regime when it is due."""
        regime = self.regime.due(now_ns, rules.quote_exponent)
        if regime is not None:
            out.append(regime)

    def say_again(self, out: Said) -> None:
        """Say what is known once more: the log may have lost it, or is another one."""
        out.extend(message for message in (self._said, self._interest) if message is not None)
        self.regime.say_again()


def _rate_e8(text: str) -> int:
    rate_e8 = _steps(text, Decimal("0.00000001"))
    if abs(rate_e8) > RATE_MAX_E8:
        raise ValueError(f"a funding rate of {text[:30]!r} is over 100 %")
    return rate_e8


def _centiticks(text: str, tick_size: str) -> int:
    centiticks = _steps(text, Decimal(tick_size) / 100)
    if not 0 < centiticks <= PRICE_CENTITICKS_MAX:
        raise ValueError(f"a mark or index price of {text[:30]!r} is no price")
    return centiticks


def _steps(text: str, step: Decimal) -> int:
    """Return how many whole steps a number has, rounded down."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:30]!r} is no number") from None
    if not value.is_finite() or abs(value) > NUMBER_MAX:
        raise ValueError(f"{text[:30]!r} is no number that a price or a rate can be")
    return int((value / step).to_integral_value(ROUND_FLOOR))
