"""Request limits of the simulated venue: weight and raw requests per IP, orders per account, 429 and bans.

Windows are aligned to the clock (minutes start at :00, days at midnight UTC). A refused request counts too.
Who goes on after 429 is banned (418): two minutes, doubled with each further ban up to three days.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from services.venue_sim.venue import SPOT, USDM

WEIGHT = "REQUEST_WEIGHT"
RAW = "RAW_REQUESTS"
ORDERS = "ORDERS"
MS_PER_S = 1_000
INTERVAL_MS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
FIRST_BAN_MS = 120_000
LONGEST_BAN_MS = 3 * 86_400_000
# After so many requests answered with 429 in one window the next is a ban; the venue tells no figure.
IGNORED_MAX = 10
# Spot gives back one order at a first fill as taker and more at a first fill as maker; its example gives 5.
TAKER_REFUND = 1
MAKER_REFUND = 5
SUBJECTS_KEPT = 10_000


class Rule(NamedTuple):
    """One limit as exchangeInfo tells it."""

    kind: str
    interval: str
    interval_num: int
    limit: int

    @property
    def length_ms(self) -> int:
        """Length of the window."""
        return INTERVAL_MS[self.interval] * self.interval_num

    @property
    def suffix(self) -> str:
        """How headers name the window: `1M`, `10S`."""
        return f"{self.interval_num}{self.interval[0]}"


RULES = {
    SPOT: (
        Rule(WEIGHT, "MINUTE", 1, 6_000),
        Rule(ORDERS, "SECOND", 10, 100),
        Rule(ORDERS, "DAY", 1, 200_000),
        Rule(RAW, "MINUTE", 5, 300_000),
    ),
    USDM: (
        Rule(WEIGHT, "MINUTE", 1, 2_400),
        Rule(ORDERS, "MINUTE", 1, 1_200),
        Rule(ORDERS, "SECOND", 10, 300),
    ),
}


class Charge(NamedTuple):
    """Whether a request may pass (status 200), else how it is refused: 429 or 418.

    `headers` belong to the answer in either case. `retry_at_ms` is the `retryAfter` of the WebSocket API.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    code: int = 0
    msg: str = ""
    retry_at_ms: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether the request must not act."""
        return self.status != 200


class _Kept(msgspec.Struct, array_like=True):
    """What a restart of the venue keeps."""

    counts: list[tuple[str, int, int, int]]
    banned_until_ms: dict[str, int]
    bans: dict[str, int]


class Limits:
    """The counters of one venue; every call takes the venue's time in ms."""

    def __init__(self, venue: str, rules: tuple[Rule, ...] | None = None) -> None:
        self._is_spot = venue == SPOT
        self.rules = rules or RULES[venue]
        self._windows: dict[tuple[str, int], tuple[int, int]] = {}
        self._ignored: dict[str, int] = {}
        self._banned_until_ms: dict[str, int] = {}
        self._bans: dict[str, int] = {}

    def change(self, rules: tuple[Rule, ...]) -> None:
        """Publish other limits; counters of a limit in the same place go on."""
        self.rules = rules

    def exchange_info(self) -> list[dict[str, str | int]]:
        """Return `rateLimits` of exchangeInfo."""
        return [_described(rule) for rule in self.rules]

    def charge(self, ip: str, account: str, weight: int, orders: int, now_ms: int) -> Charge:
        """Count a request of `ip` that costs `weight` and wants to place `orders` for `account`.

        `account` may be empty when `orders` is 0. Orders are counted here and given back with
        `return_order` when the venue rejects them; what spot does not charge for, with `return_weight`.
        """
        banned_until_ms = self.banned_until_ms(ip, now_ms)
        if banned_until_ms:
            return self._banned(ip, banned_until_ms, now_ms)
        over = self._count_request(ip, weight, now_ms)
        if over is not None:
            return self._too_many_requests(ip, over, now_ms)
        full = self._full_orders(account, orders, now_ms) if orders else None
        if full is not None:
            until_ms = _start_ms(full, now_ms) + full.length_ms
            msg = (
                f"Too many new orders; current limit is {full.limit} orders per "
                f"{full.interval_num} {full.interval}."
            )
            headers = (*self.headers(ip, account, now_ms), _retry_after(until_ms, now_ms))
            return Charge(429, headers, -1015, msg, until_ms)
        for n, _ in self._of(ORDERS) if orders else ():
            self._add(account, n, orders, now_ms)
        return Charge(200, self.headers(ip, account if orders else "", now_ms))

    def return_weight(self, ip: str, weight: int, now_ms: int) -> None:
        """Take back weight: spot order calls cost nothing when they succeed."""
        for n, _ in self._of(WEIGHT):
            self._add(ip, n, -weight, now_ms)

    def return_order(self, account: str, orders: int, now_ms: int) -> None:
        """Take back orders that the venue rejected before its matching engine."""
        for n, _ in self._of(ORDERS):
            self._add(account, n, -orders, now_ms)

    def first_fill(self, account: str, is_maker: bool, now_ms: int) -> None:
        """Give back an order at its first fill, in the windows of now; only spot does."""
        if self._is_spot:
            self.return_order(account, MAKER_REFUND if is_maker else TAKER_REFUND, now_ms)

    def headers(self, ip: str, account: str, now_ms: int) -> tuple[tuple[str, str], ...]:
        """Return the headers of the used weight, and of the orders when an account is named."""
        used = [
            (f"X-MBX-USED-WEIGHT-{rule.suffix}", self._used(ip, n, now_ms)) for n, rule in self._of(WEIGHT)
        ]
        if used:
            used.insert(0, ("X-MBX-USED-WEIGHT", used[0][1]))
        if account:
            used += [
                (f"X-MBX-ORDER-COUNT-{rule.suffix}", self._used(account, n, now_ms))
                for n, rule in self._of(ORDERS)
            ]
        return tuple((name, str(count)) for name, count in used)

    def counts(self, ip: str, account: str, now_ms: int) -> list[dict[str, str | int]]:
        """Return `rateLimits` of a WebSocket API answer: weight, and orders when an account is named.

        With an empty `ip` only the orders: the answer of `rateLimit/order`.
        """
        subjects = {WEIGHT: ip, ORDERS: account}
        return [
            {**_described(rule), "count": self._used(subjects[rule.kind], n, now_ms)}
            for n, rule in enumerate(self.rules)
            if subjects.get(rule.kind)
        ]

    def ban(self, ip: str, length_ms: int, now_ms: int) -> int:
        """Ban an IP (every IP when empty) and return until when, in ms; 0 picks the next longer ban."""
        times = self._bans[ip] = self._bans.get(ip, 0) + 1
        length_ms = length_ms or min(LONGEST_BAN_MS, FIRST_BAN_MS << min(times - 1, 20))
        self._banned_until_ms[ip] = now_ms + length_ms
        self._ignored.pop(ip, None)
        return now_ms + length_ms

    def lift_bans(self) -> None:
        """End all bans; how often an IP was banned is not forgotten."""
        self._banned_until_ms.clear()

    def exhaust(self, ip: str, now_ms: int) -> None:
        """Use up the weight of an IP for the running window."""
        for n, rule in self._of(WEIGHT):
            self._add(ip, n, rule.limit - self._used(ip, n, now_ms), now_ms)

    def banned_until_ms(self, ip: str, now_ms: int) -> int:
        """Return until when an IP is banned, 0 when it is not."""
        until_ms = max(self._banned_until_ms.get(ip, 0), self._banned_until_ms.get("", 0))
        return until_ms if until_ms > now_ms else 0

    def dump(self) -> bytes:
        """Return what a restart keeps."""
        counts = [(subject, n, *window) for (subject, n), window in self._windows.items()]
        return msgspec.msgpack.encode(_Kept(counts, self._banned_until_ms, self._bans))

    def load(self, state: bytes) -> None:
        """Take what `dump` returned; raises msgspec.DecodeError."""
        kept = msgspec.msgpack.decode(state, type=_Kept)
        self._windows = {(subject, n): (start, count) for subject, n, start, count in kept.counts}
        self._banned_until_ms, self._bans = kept.banned_until_ms, kept.bans

    def _of(self, kind: str) -> Iterator[tuple[int, Rule]]:
        return ((n, rule) for n, rule in enumerate(self.rules) if rule.kind == kind)

    def _used(self, subject: str, n: int, now_ms: int) -> int:
        start_ms, count = self._windows.get((subject, n), (-1, 0))
        return count if start_ms == _start_ms(self.rules[n], now_ms) else 0

    def _add(self, subject: str, n: int, amount: int, now_ms: int) -> int:
        """Add to a counter of the running window, never below 0; return it."""
        count = max(0, self._used(subject, n, now_ms) + amount)
        if len(self._windows) >= SUBJECTS_KEPT and (subject, n) not in self._windows:
            self._forget_past(now_ms)
        self._windows[subject, n] = (_start_ms(self.rules[n], now_ms), count)
        return count

    def _forget_past(self, now_ms: int) -> None:
        self._windows = {
            key: window
            for key, window in self._windows.items()
            if key[1] < len(self.rules) and window[0] == _start_ms(self.rules[key[1]], now_ms)
        }
        self._ignored = {ip: count for ip, count in self._ignored.items() if (ip, 0) in self._windows}

    def _count_request(self, ip: str, weight: int, now_ms: int) -> Rule | None:
        """Count weight and the raw request; return the limit that is now exceeded."""
        over = None
        for n, rule in enumerate(self.rules):
            if rule.kind == ORDERS:
                continue
            amount = weight if rule.kind == WEIGHT else 1
            if self._add(ip, n, amount, now_ms) > rule.limit:
                over = over or rule
        if over is None:
            self._ignored.pop(ip, None)
        return over

    def _full_orders(self, account: str, orders: int, now_ms: int) -> Rule | None:
        for n, rule in self._of(ORDERS):
            if self._used(account, n, now_ms) + orders > rule.limit:
                return rule
        return None

    def _too_many_requests(self, ip: str, rule: Rule, now_ms: int) -> Charge:
        ignored = self._ignored[ip] = self._ignored.get(ip, -1) + 1
        if ignored >= IGNORED_MAX:
            return self._banned(ip, self.ban(ip, 0, now_ms), now_ms)
        until_ms = _start_ms(rule, now_ms) + rule.length_ms
        window = f"{rule.interval_num} {rule.interval}"
        if rule.kind == WEIGHT:
            msg = (
                f"Too much request weight used; current limit is {rule.limit} request weight per {window}. "
                "Please use WebSocket Streams for live updates to avoid polling the API."
            )
        else:
            msg = f"Too many requests; current limit is {rule.limit} requests per {window}."
        headers = (*self.headers(ip, "", now_ms), _retry_after(until_ms, now_ms))
        return Charge(429, headers, -1003, msg, until_ms)

    def _banned(self, ip: str, until_ms: int, now_ms: int) -> Charge:
        msg = (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        headers = (*self.headers(ip, "", now_ms), _retry_after(until_ms, now_ms))
        return Charge(418, headers, -1003, msg, until_ms)


def _start_ms(rule: Rule, now_ms: int) -> int:
    return now_ms - now_ms % rule.length_ms


def _retry_after(until_ms: int, now_ms: int) -> tuple[str, str]:
    return "Retry-After", str(max(1, -(-(until_ms - now_ms) // MS_PER_S)))


def _described(rule: Rule) -> dict[str, str | int]:
    return {
        "rateLimitType": rule.kind,
        "interval": rule.interval,
        "intervalNum": rule.interval_num,
        "limit": rule.limit,
    }
