"""Compare two versions of a strategy on one log: profit, drawdown, fills, and whether they differ (ST-44).

Live versions are folded from `Fill`, shadows from `ShadowFill`, both marked to the mid of the book at the
same times; funding is left out, since a shadow pays none. Equity is sampled at the end of each minute with
events; the difference of the two profits in each minute is one pair. The mean difference has a 95 % interval
by the circular block bootstrap (blocks of n^(1/3) minutes, so that what hangs together stays together; 2,000
draws from a fixed seed). Nobody is named the winner when it contains 0, or when there are too few minutes.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.report.account import COMMON_EXPONENT, Equity
from services.report.fold import money_text, ratio_text
from services.report.marks import Marks
from shared.double_entry import fee_in_quote, has_same_units, terms_of
from shared.errors import JournalError
from shared.kernels.position import Position
from shared.messages import Event, orders
from shared.messages.market import InstrumentRules
from shared.messages.shadow import ShadowFill, ShadowOrder, VersionStarted
from shared.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
MINUTES_MIN = 60
"""Fewer pairs than this name no winner."""
DRAWS = 2000
SEED = 1
CONFIDENCE_PPM = 950_000


@dataclass
class Version:
    """What one version did since it began; money in 10^-30 of the quote asset, as `equity` counts it."""

    name: str
    version: str = ""
    shadow_of: str = ""
    symbol: str = ""
    flags: list[str] = field(default_factory=list)
    started_ns: int = 0
    position: Position | None = None
    rules: InstrumentRules | None = None
    unpriced: str = ""
    orders: int = 0
    sent_lots: int = 0
    filled_lots: int = 0
    fills: int = 0
    fees: int = 0
    begun_with: int | None = 0
    equity: Equity = field(default_factory=Equity)

    def begin(self, message: VersionStarted, ts_ns: int, value: int | None) -> None:
        """Count anew: another version begins with the position that the last one left, worth `value` by now.

        Without a price (of a pruned part of the log no books are kept) that is told by the first sample.

        A shadow that became live, or the other way, or that went to another market, begins with none.
        """
        if (bool(self.shadow_of), self.symbol) != (bool(message.shadow_of), message.symbol):
            self.position, self.rules, value = None, None, 0
        self.version, self.shadow_of, self.symbol = message.version, message.shadow_of, message.symbol
        self.flags, self.started_ns, self.begun_with = message.flags, ts_ns, value
        self.orders = self.sent_lots = self.filled_lots = self.fills = self.fees = 0
        self.unpriced = ""
        self.equity = Equity()


@dataclass(frozen=True)
class Interval:
    """The mean difference of a pair in money per minute, and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def contains_zero(self) -> bool:
        """Return whether it cannot be told which is better."""
        return self.low <= 0.0 <= self.high


def block_bootstrap(differences: Sequence[float], draws: int = DRAWS, seed: int = SEED) -> Interval | None:
    """Return the mean of `differences` with its interval, None for fewer than two."""
    count = len(differences)
    if count < 2:
        return None
    length = max(1, round(count ** (1 / 3)))
    twice = [*differences, *differences]
    sums = [0.0]
    for value in twice:
        sums.append(sums[-1] + value)
    blocks, rest = divmod(count, length)
    dice = random.Random(seed)  # noqa: S311  a fixed seed: the same log gives the same interval
    means = []
    for _ in range(draws):
        total = 0.0
        for _ in range(blocks):
            at = dice.randrange(count)
            total += sums[at + length] - sums[at]
        if rest:
            at = dice.randrange(count)
            total += sums[at + rest] - sums[at]
        means.append(total / count)
    means.sort()
    cut = draws * (1_000_000 - CONFIDENCE_PPM) // 2_000_000
    return Interval(sum(differences) / count, means[cut], means[draws - 1 - cut])


class Comparison:
    """Folds a log for two instances; `result` may be asked at any time."""

    def __init__(self, one: str, other: str) -> None:
        self.versions = (Version(one), Version(other))
        self.pairs: list[float] = []
        self._by_name = {version.name: version for version in self.versions}
        self._marks = Marks()
        self._minute = 0
        self._former: tuple[int, int] | None = None

    def apply(self, event: Event) -> None:
        """Take one event of the log."""
        minute = event.header.ts_ns // MINUTE_NS
        if minute != self._minute:
            if self._minute:
                self._sample(event.header.ts_ns)
            self._minute = minute
        message = event.message
        if isinstance(message, orders.Fill | ShadowFill):
            self._fill(message, event.header.seq)
        elif isinstance(message, orders.OrderSent):
            self._send(message.strategy, message.qty_lots)
        elif isinstance(message, ShadowOrder):
            if message.state == "intended":
                self._send(message.strategy, message.qty_lots)
        elif isinstance(message, VersionStarted):
            self._begin(message, event.header.ts_ns)
        else:
            self._marks.apply(event)

    def _begin(self, message: VersionStarted, ts_ns: int) -> None:
        version = self._by_name.get(message.strategy)
        if version is None or (version.version, version.shadow_of) == (message.version, message.shadow_of):
            return
        is_priced = version.position is None or version.symbol in self._marks.mids_half_ticks
        version.begin(message, ts_ns, self._value(version) if is_priced else None)
        # Pairs count from where both are what they are now.
        self.pairs.clear()
        self._former = None

    def _send(self, name: str, lots: int) -> None:
        version = self._by_name.get(name)
        if version is not None:
            version.orders += 1
            version.sent_lots += lots

    def _fill(self, fill: orders.Fill | ShadowFill, seq: int) -> None:
        version = self._by_name.get(fill.strategy)
        if version is None:
            return
        rules = self._marks.rules_of(fill.symbol, seq)
        version.symbol = fill.symbol
        if version.position is None:
            version.position, version.rules = Position(rules.tick_lot_atoms), rules
        fee_atoms = self._fee_atoms(version, fill, rules)
        version.position.apply_fill(int(fill.side), fill.price_ticks, fill.qty_lots, fee_atoms)
        version.fills += 1
        version.filled_lots += fill.qty_lots
        version.fees += fee_atoms * 10 ** (COMMON_EXPONENT - rules.quote_exponent)

    def _fee_atoms(self, version: Version, fill: orders.Fill | ShadowFill, rules: InstrumentRules) -> int:
        """Return the fee in atoms of the quote asset; one without a price is noted and refuses the result."""
        if isinstance(fill, ShadowFill):
            return fill.fee_atoms
        atoms = fee_in_quote(fill, terms_of(rules), self._marks.fee_mark(fill.fee_asset, rules))
        if atoms is None:
            version.unpriced = fill.fee_asset
        return atoms or 0

    def _value(self, version: Version) -> int:
        """Return realized - fees + unrealized at the mid, in 10^-30."""
        position, rules = version.position, self._marks.rules.get(version.symbol)
        if position is None or rules is None:
            return 0
        atoms = int(position.realized_atoms) - int(position.fees_atoms)
        mid = self._marks.mids_half_ticks.get(version.symbol)
        if mid is not None:
            atoms += int(position.unrealized_atoms(mid * 50))
        scale: int = 10 ** (COMMON_EXPONENT - rules.quote_exponent)
        return atoms * scale

    def _sample(self, ts_ns: int) -> None:
        if not all(version.symbol in self._marks.mids_half_ticks for version in self.versions):
            return
        values = []
        for version in self.versions:
            value = self._value(version)
            if version.begun_with is None:
                version.begun_with = value
            version.equity.move(value - version.begun_with - version.equity.value, ts_ns)
            values.append(value)
        one, other = values
        if self._former is not None:
            gained = (one - self._former[0]) - (other - self._former[1])
            self.pairs.append(gained / 10**COMMON_EXPONENT)
        if all(version.version for version in self.versions):
            self._former = (one, other)

    def result(self, minutes_min: int = MINUTES_MIN) -> dict[str, Any]:
        """Return the comparison as plain values; raises `JournalError` when the two cannot be compared."""
        self._sample_end()
        one, other = self.versions
        for version in self.versions:
            if not version.version:
                raise JournalError(
                    f"the log tells of no version of a strategy {version.name!r}; name two instances as they "
                    "stand under `strategies` in the configuration (`quotemesh status`, `report` show them)"
                )
            self._check_units(version)
        if one.symbol != other.symbol:
            raise JournalError(
                f"{one.name} trades {one.symbol} and {other.name} {other.symbol}: "
                "compare versions on one market"
            )
        interval = block_bootstrap(self.pairs)
        winner, why = self._verdict(interval, minutes_min)
        return {
            "versions": {version.name: self._line(version) for version in self.versions},
            "minutes": len(self.pairs),
            "minutes_min": minutes_min,
            "difference_per_minute": None if interval is None else interval.mean,
            "interval": None if interval is None else [interval.low, interval.high],
            "confidence": CONFIDENCE_PPM / 1_000_000,
            "method": f"circular block bootstrap, {DRAWS} draws, seed {SEED}",
            "winner": winner,
            "verdict": why,
        }

    def _check_units(self, version: Version) -> None:
        """Raise `JournalError` when the money of a version is not all in one unit."""
        if version.unpriced:
            raise JournalError(
                f"{version.name} paid fees in {version.unpriced}, of which the log has no price in the quote "
                f"asset of {version.symbol}: follow a market of it, or let the venue take fees in quote"
            )
        rules = self._marks.rules.get(version.symbol)
        if version.rules is not None and rules is not None and not has_same_units(version.rules, rules):
            raise JournalError(
                f"{version.symbol} got another tick or lot after the first fill of {version.name}: compare "
                "each part of the log (--after, --until)"
            )

    def _sample_end(self) -> None:
        for version in self.versions:
            value = self._value(version) - (version.begun_with or 0)
            version.equity.move(value - version.equity.value, self._minute * MINUTE_NS)

    def _verdict(self, interval: Interval | None, minutes_min: int) -> tuple[str | None, str]:
        one, other = self.versions
        count = len(self.pairs)
        if interval is None or count < minutes_min:
            return None, f"too little data: both ran for {count} minutes, at least {minutes_min} are needed"
        if interval.contains_zero:
            return None, "no winner: the interval of the difference contains 0"
        winner = one if interval.low > 0 else other
        return winner.name, f"{winner.name} earns more per minute: the interval does not contain 0"

    def _line(self, version: Version) -> dict[str, Any]:
        rules = self._marks.rules.get(version.symbol)
        return {
            "version": version.version,
            "shadow_of": version.shadow_of,
            "flags": version.flags,
            "symbol": version.symbol,
            "quote_asset": rules.quote_asset if rules is not None else "",
            "net_pnl": money_text(version.equity.value),
            "max_drawdown": money_text(version.equity.drawdown_max),
            "fees": money_text(version.fees),
            "orders": version.orders,
            "fills": version.fills,
            "fill_ratio": ratio_text(version.filled_lots, version.sent_lots),
        }


def compare(events: Iterable[Event], one: str, other: str, minutes_min: int = MINUTES_MIN) -> dict[str, Any]:
    """Return the comparison of two instances over a log."""
    found = Comparison(one, other)
    for event in events:
        found.apply(event)
    return found.result(minutes_min)
