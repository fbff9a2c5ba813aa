"""One budget of requests per account and address, learned from what the venue publishes (I-10, BR-6).

    usable = 80 % of a published limit; 20 % of that (at least 10 requests) is kept for cancels
    creates also pass a token bucket: 25 a second, 30 at once

What does not fit is refused at once and never queued: an order that waits grows stale. Windows are aligned to
the venue's clock. A count of the venue replaces ours when it is larger: others may use the same address.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from services.broker.binance.settings import BinanceSettings
from shared.units import NS_PER_MS, NS_PER_S, PPM

WEIGHT, ORDERS, RAW = "REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"
INTERVAL_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
_LETTER_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PREFIXES = {"x-mbx-used-weight-": WEIGHT, "x-mbx-order-count-": ORDERS}
# Before exchangeInfo is read: below the least limit any of the venues documents.
FIRST_WEIGHT_PER_MINUTE = 1200
# After a ban only cancels go for so long: nothing else may take their place.
AFTER_BAN_NS = NS_PER_S
RATE_MS_MIN = 1000
GUESS_NS = NS_PER_S


class Purpose(IntEnum):
    """What a request is for; the lower, the more it may use."""

    CANCEL = 0
    UPKEEP = 1
    QUERY = 2
    CREATE = 3


class Cost(NamedTuple):
    """What a request counts: weight of the address, orders of the account."""

    weight: int = 1
    orders: int = 0


class Held(NamedTuple):
    """Why a request may not leave now, and the earliest time at which it may."""

    reason: str
    retry_ns: int


class Count(NamedTuple):
    """What the venue says of one window: `used` -1 where only the limit is told, `limit` 0 likewise."""

    kind: str
    interval_s: int
    used: int = -1
    limit: int = 0


class Window:
    """Requests of one kind counted in one aligned window. `is_told` once the venue has said the limit."""

    def __init__(self, kind: str, interval_s: int, limit: int = 0) -> None:
        self.kind = kind
        self.interval_s = interval_s
        self.limit = limit or FIRST_WEIGHT_PER_MINUTE
        self.is_told = limit != 0
        self.used = 0
        self.in_flight = 0
        self._index = -1

    def roll(self, venue_ns: int) -> None:
        """Begin anew when the window is over."""
        index = venue_ns // (self.interval_s * NS_PER_S)
        if index != self._index:
            self._index = index
            self.used = 0

    def end_ns(self) -> int:
        """Return when the window ends, on the venue's clock."""
        return (self._index + 1) * self.interval_s * NS_PER_S

    def amount(self, cost: Cost) -> int:
        """Return how much a request counts here."""
        return cost.orders if self.kind == ORDERS else cost.weight if self.kind == WEIGHT else 1


class Budget:
    """Says what may leave now, and remembers what left. Times are of the mesh clock."""

    def __init__(self, settings: BinanceSettings) -> None:
        self._settings = settings
        self._windows = {(WEIGHT, 60): Window(WEIGHT, 60)}
        self._tokens_ns = settings.creates_burst * NS_PER_S  # a token is 1 s of `creates_per_s`
        self._tokens_at_ns = 0
        self.offset_ns = 0
        self.banned_until_ns = 0
        self.ban_reason = ""
        self.creates_from_ns = 0

    # ---- limits

    def learn(self, counts: Iterable[Count], now_ns: int) -> None:
        """Take limits and counts that the venue tells."""
        for kind, interval_s, used, limit in counts:
            window = self._windows.get((kind, interval_s))
            if window is None:
                if limit <= 0:
                    continue
                window = self._windows[kind, interval_s] = Window(kind, interval_s, limit)
            window.roll(now_ns + self.offset_ns)
            if limit > 0:
                window.limit, window.is_told = limit, True
            if used >= 0:
                window.used = max(window.used, used + window.in_flight)

    def usable(self, window: Window) -> int:
        """Return the share of a limit that we use."""
        return window.limit * self._settings.use_ppm // PPM

    def _reserve(self, window: Window) -> int:
        if window.kind == ORDERS:  # cancels count no orders
            return 0
        usable = self.usable(window)
        share = usable * self._settings.cancel_reserve_ppm // PPM
        return min(max(share, self._settings.cancel_reserve_min), usable // 2)

    # ---- asking and taking

    def held(self, purpose: Purpose, cost: Cost, now_ns: int) -> Held | None:
        """Return why a request may not leave now, None when it may."""
        if now_ns < self.banned_until_ns:
            return Held(self.ban_reason, self.banned_until_ns)
        after_ban_ns = self.banned_until_ns + AFTER_BAN_NS if self.banned_until_ns else 0
        if purpose >= Purpose.QUERY and now_ns < after_ban_ns:
            return Held("a ban has just ended: cancels go first", after_ban_ns)
        if purpose is Purpose.CREATE:
            if now_ns < self.creates_from_ns:
                return Held("the venue takes no new orders before its window ends", self.creates_from_ns)
            missing_ns = cost.orders * NS_PER_S - self._tokens(now_ns)
            if missing_ns > 0:
                per_s = self._settings.creates_per_s
                return Held(f"over {per_s} new orders a second", now_ns - (-missing_ns // per_s))
        for window in self._windows.values():
            amount = window.amount(cost)
            # The few requests that learn the limits must not wait for a guess of them.
            if not amount or (not window.is_told and purpose is Purpose.UPKEEP):
                continue
            window.roll(now_ns + self.offset_ns)
            most = self.usable(window) - (0 if purpose <= Purpose.UPKEEP else self._reserve(window))
            if window.used + amount > most:
                return Held(
                    f"{window.kind} {window.used} + {amount} would pass {most} of the venue's {window.limit} "
                    f"in {window.interval_s} s",
                    self._again_ns(window, now_ns),
                )
        return None

    def _again_ns(self, window: Window, now_ns: int) -> int:
        """Return when a full window may have room: a limit that is our guess is soon told, and larger."""
        end_ns = window.end_ns() - self.offset_ns
        return end_ns if window.is_told else min(end_ns, now_ns + GUESS_NS)

    def _tokens(self, now_ns: int) -> int:
        most = self._settings.creates_burst * NS_PER_S
        gained = max(0, now_ns - self._tokens_at_ns) * self._settings.creates_per_s
        self._tokens_ns = min(most, self._tokens_ns + gained)
        self._tokens_at_ns = max(now_ns, self._tokens_at_ns)
        return self._tokens_ns

    def charge(self, purpose: Purpose, cost: Cost, now_ns: int) -> None:
        """Count a request that leaves now."""
        if purpose is Purpose.CREATE:
            self._tokens_ns = max(0, self._tokens(now_ns) - cost.orders * NS_PER_S)
        for window in self._windows.values():
            window.roll(now_ns + self.offset_ns)
            amount = window.amount(cost)
            window.used += amount
            window.in_flight += amount

    def settle(self, cost: Cost) -> None:
        """Take that a request was answered or given up: the venue's counts hold it from now on."""
        for window in self._windows.values():
            window.in_flight = max(0, window.in_flight - window.amount(cost))

    # ---- refusals of the venue

    def ban(self, until_ns: int, reason: str) -> bool:
        """Send nothing before `until_ns`; return whether that is news."""
        if until_ns <= self.banned_until_ns:
            return False
        self.banned_until_ns = until_ns
        self.ban_reason = reason
        return True

    def stop_creates(self, retry_ns: int, now_ns: int) -> int:
        """Send no creates before `retry_ns`, or the end of the shortest window of orders; return when."""
        if retry_ns <= now_ns:
            ends = [w for w in self._windows.values() if w.kind == ORDERS]
            shortest = min(ends, key=lambda w: w.interval_s, default=None)
            if shortest is not None:
                shortest.roll(now_ns + self.offset_ns)
                retry_ns = shortest.end_ns() - self.offset_ns
        self.creates_from_ns = max(self.creates_from_ns, retry_ns, now_ns + RATE_MS_MIN * NS_PER_MS)
        return self.creates_from_ns

    def usage(self, now_ns: int) -> list[tuple[str, int, int, int]]:
        """Return (kind, seconds, used, limit) of every window, for people and tests."""
        for window in self._windows.values():
            window.roll(now_ns + self.offset_ns)
        return [(w.kind, w.interval_s, w.used, w.limit) for w in self._windows.values()]


def counts_of_headers(headers: Sequence[tuple[str, str]]) -> list[Count]:
    """Return the counts in the headers of an answer; what cannot be read is left out."""
    found = []
    for name, value in headers:
        for prefix, kind in _PREFIXES.items():
            if name.startswith(prefix):
                number, unit = name[len(prefix) : -1], name[-1:]
                if number.isdigit() and unit in _LETTER_S and value.isdigit() and len(value) < 12:
                    found.append(Count(kind, int(number) * _LETTER_S[unit], int(value)))
    return found
