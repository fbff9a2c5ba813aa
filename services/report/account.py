"""Profit of one strategy, or of all, in marked equity: peaks, drawdown and round trips (BT-2)."""

from dataclasses import dataclass, field

COMMON_EXPONENT = 30
"""Equity of markets with different exponents is added up in 10^-30 of the quote asset, exactly."""


@dataclass(slots=True)
class Equity:
    """A value that moves, its peak, and the deepest fall from a peak; begins at 0."""

    value: int = 0
    peak: int = 0
    peak_ts_ns: int = 0
    drawdown_max: int = 0
    drawdown_from_ts_ns: int = 0
    drawdown_at_ts_ns: int = 0

    def move(self, change: int, ts_ns: int) -> None:
        """Add `change` at a time of the log."""
        self.value += change
        if self.value >= self.peak:
            self.peak, self.peak_ts_ns = self.value, ts_ns
        elif self.peak - self.value > self.drawdown_max:
            self.drawdown_max = self.peak - self.value
            self.drawdown_from_ts_ns, self.drawdown_at_ts_ns = self.peak_ts_ns, ts_ns


@dataclass(slots=True)
class RoundTrips:
    """Results of closed positions, from flat to flat; a fill through zero ends one and begins the next."""

    count: int = 0
    win_count: int = 0
    won: int = 0
    lost: int = 0
    held_ns: int = 0

    def take(self, result: int, held_ns: int) -> None:
        """Count one round trip that earned `result` net of fees and funding in `held_ns`."""
        self.count += 1
        self.held_ns += held_ns
        self.win_count += result > 0
        if result > 0:
            self.won += result
        else:
            self.lost -= result


@dataclass(slots=True)
class Counts:
    """What happened to orders; every field is a count of messages on the log."""

    orders: int = 0
    orders_sent: int = 0
    orders_filled: int = 0
    orders_canceled: int = 0
    orders_expired: int = 0
    orders_refused: int = 0
    orders_not_sent: int = 0
    orders_rejected: int = 0
    orders_unknown: int = 0
    fills: int = 0
    fills_maker: int = 0
    fills_repeated: int = 0


@dataclass(slots=True)
class Account:
    """Everything a report says about one strategy, or about all; money in 10^-30 of the quote asset."""

    counts: Counts = field(default_factory=Counts)
    equity: Equity = field(default_factory=Equity)
    trips: RoundTrips = field(default_factory=RoundTrips)
    volume: int = 0
    fees: int = 0
    realized: int = 0
    funding: int = 0
    quote_assets: set[str] = field(default_factory=set)
