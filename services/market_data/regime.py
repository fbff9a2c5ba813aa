"""What funding, open interest and liquidations of a perpetual say together (MD-17, MD-18).

**funding**: `extreme` above 0.1 % an interval in absolute value, else `long` above +0.05 % (the crowd is long
and pays), `short` below -0.05 %, else `normal`. At a limit itself it is the milder one.

**open interest**: its change against the oldest poll of the last hour, in parts per million, rounded to zero;
it is *changing* from 2 % up or down on, 2 % included. Before an hour has passed the time is shorter, so what
counts as changing then is changing faster.

**liquidations**: the value (price x quantity) of all forced orders received in the last 5 minutes: `high`
above 10 million of the quote asset, `medium` above 1 million, else `low`. From medium on there is a **bias**:
`long` when 70 % or more of the value closed longs (the orders sold), `short` likewise, else none.

**regime** is the first that holds:

1. `high_risk`: funding is extreme, liquidations are high, or what was known has become older than 5 minutes;
2. `trending`: the open interest is changing;
3. `normal`.

**To hold less is advised** in `high_risk`, and when liquidations are medium with a bias: a cascade has a
side.
Before the first funding rate nothing is said at all.
"""

from collections import deque
from typing import NamedTuple

from shared.messages.market import Regime
from shared.units import NS_PER_S, PPM, Side

EXTREME_E8, MOOD_E8 = 100_000, 50_000
CHANGING_PPM = 20_000
MEDIUM_QUOTE, HIGH_QUOTE = 1_000_000, 10_000_000
BIAS_PERCENT = 70
HOUR_NS = 3600 * NS_PER_S
WINDOW_NS = 300 * NS_PER_S
OLD_NS = 300 * NS_PER_S
SAY_NS, SAY_AGAIN_NS = NS_PER_S, 60 * NS_PER_S
FORCED_MAX = 5_000


def funding_class(rate_e8: int) -> str:
    """Return extreme, long, short or normal."""
    if abs(rate_e8) > EXTREME_E8:
        return "extreme"
    return "long" if rate_e8 > MOOD_E8 else "short" if rate_e8 < -MOOD_E8 else "normal"


def liquidation_class(value_atoms: int, quote_exponent: int) -> str:
    """Return high, medium or low."""
    unit_atoms = 10**quote_exponent
    if value_atoms > HIGH_QUOTE * unit_atoms:
        return "high"
    return "medium" if value_atoms > MEDIUM_QUOTE * unit_atoms else "low"


def bias_of(long_atoms: int, short_atoms: int) -> str:
    """Return which side is liquidated, empty when neither has its 70 %."""
    limit = BIAS_PERCENT * (long_atoms + short_atoms)
    return "long" if 100 * long_atoms >= limit else "short" if 100 * short_atoms >= limit else ""


class Known(NamedTuple):
    """What the regime is judged from; `old` names what was known and is not fresh any more."""

    rate_e8: int
    open_interest_ppm: int
    long_atoms: int
    short_atoms: int
    quote_exponent: int
    old: tuple[str, ...] = ()


def judge(symbol: str, known: Known) -> Regime:
    """Return the regime of a market; see the module for the formula."""
    funding = funding_class(known.rate_e8)
    liquidations = liquidation_class(known.long_atoms + known.short_atoms, known.quote_exponent)
    bias = bias_of(known.long_atoms, known.short_atoms) if liquidations != "low" else ""
    is_changing = abs(known.open_interest_ppm) >= CHANGING_PPM
    reasons = [f"{what} is over {OLD_NS // NS_PER_S} s old" for what in known.old]
    if funding != "normal":
        reasons.append(f"funding is {funding}")
    if liquidations != "low":
        reasons.append(f"liquidations are {liquidations}{f', of {bias}s' if bias else ''}")
    is_high = bool(known.old) or funding == "extreme" or liquidations == "high"
    if is_changing:
        reasons.append(f"open interest {'rises' if known.open_interest_ppm > 0 else 'falls'}")
    return Regime(
        symbol=symbol,
        regime="high_risk" if is_high else "trending" if is_changing else "normal",
        is_reduce_advised=is_high or bool(bias),
        reasons=reasons,
        funding=funding,
        open_interest_ppm=known.open_interest_ppm,
        liquidations=liquidations,
        bias=bias,
    )


class RegimeFeed:
    """Keeps what `judge` needs and says the regime at each change (once a second at most) and each minute."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._rate_e8 = 0
        self._rate_ns = 0
        self._polls: deque[tuple[int, int]] = deque()
        self._forced: deque[tuple[int, Side, int]] = deque(maxlen=FORCED_MAX)
        self._said: Regime | None = None
        self._said_ns = 0

    def take_rate(self, rate_e8: int, at_ns: int) -> None:
        """Take a funding rate that was true at `at_ns`."""
        self._rate_e8, self._rate_ns = rate_e8, at_ns

    def take_open_interest(self, lots: int, at_ns: int) -> None:
        """Take an open interest that was true at `at_ns`."""
        self._polls.append((at_ns, lots))

    def take_liquidation(self, side: Side, value_atoms: int, now_ns: int) -> None:
        """Take a forced order received now; beyond 5000 in the window the oldest are forgotten."""
        self._forced.append((now_ns, side, value_atoms))

    def _known(self, now_ns: int, quote_exponent: int) -> Known:
        while self._polls and now_ns - self._polls[0][0] > HOUR_NS and len(self._polls) > 1:
            self._polls.popleft()
        while self._forced and now_ns - self._forced[0][0] >= WINDOW_NS:
            self._forced.popleft()
        values = [0, 0]
        for _, side, value_atoms in self._forced:
            values[side] += value_atoms
        old = ["funding"] if now_ns - self._rate_ns > OLD_NS else []
        if self._polls and now_ns - self._polls[-1][0] > OLD_NS:
            old.append("open interest")
        change = _change_ppm(self._polls[0][1], self._polls[-1][1]) if self._polls else 0
        return Known(self._rate_e8, change, values[Side.SELL], values[Side.BUY], quote_exponent, tuple(old))

    def due(self, now_ns: int, quote_exponent: int) -> Regime | None:
        """Return what to say now, None when nothing is due or no funding rate has come yet."""
        if not self._rate_ns or now_ns - self._said_ns < SAY_NS:
            return None
        regime = judge(self.symbol, self._known(now_ns, quote_exponent))
        is_same = self._said is not None and _verdict(regime) == _verdict(self._said)
        if is_same and now_ns - self._said_ns < SAY_AGAIN_NS:
            return None
        self._said, self._said_ns = regime, now_ns
        return regime

    def say_again(self) -> None:
        """Let the regime be said at the next time it is looked at."""
        self._said = None


def _change_ppm(before: int, after: int) -> int:
    if before <= 0:
        return 0
    change = abs(after - before) * PPM // before
    return change if after >= before else -change


def _verdict(regime: Regime) -> tuple[object, ...]:
    return regime.regime, regime.is_reduce_advised, regime.reasons, regime.liquidations, regime.bias
