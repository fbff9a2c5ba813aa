"""How long each stage takes: differences of stamps on the log, counted in power-of-two buckets (OB-1).

`age` stages end at an event's place on the log and begin when the outside fact behind it was received;
`step` stages begin at the place of the event that caused it. Both include the way over the bus.
"""

import bisect
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from shared.messages import Event, market, orders
from shared.units import NS_PER_S

REMEMBERED = 1 << 14
"""Places on the log whose time is kept, to find the time of a cause; an older cause is not counted."""

BUCKETS = 26
"""Upper bounds are 1, 2, 4, ... 2^24 microseconds (16.8 s); the last bucket has none."""

RATE_WINDOW_S = 10


class Percentiles(NamedTuple):
    """Count, and upper bounds in ns of the buckets that hold these percentiles; 0 without any."""

    sample_count: int
    p50_ns: int
    p99_ns: int


class Histogram:
    """Durations in power-of-two buckets: bucket `i` holds those of at most 2^i microseconds."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sum_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count one duration; a negative one (clocks of two hosts) counts as 0."""
        duration_ns = max(0, duration_ns)
        self.counts[min(BUCKETS - 1, max(0, (duration_ns - 1) // 1000).bit_length())] += 1
        self.sum_ns += duration_ns

    def percentiles(self) -> Percentiles:
        """Return the median and the 99th percentile as upper bounds of their buckets."""
        total = sum(self.counts)
        return Percentiles(total, self._bound_ns(total, 50), self._bound_ns(total, 99))

    def _bound_ns(self, total: int, percent: int) -> int:
        if not total:
            return 0
        wanted = -(-total * percent // 100)
        reached = list(itertools.accumulate(self.counts))
        return bound_ns(bisect.bisect_left(reached, wanted))


def bound_ns(index: int) -> int:
    """Return the largest duration of bucket `index` in ns."""
    return 1000 << index


class Stages:
    """Counts every event of the log and the stages it ends, from when this process began to read."""

    def __init__(self) -> None:
        self.histograms = {name: Histogram() for name in STAGES}
        self.families: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.rejected_count = 0
        self.canceled_count = 0
        self._ts_ns = [0] * REMEMBERED
        self._head_seq = 0
        self._seconds: dict[int, int] = {}
        self._sent_ns: dict[str, int] = {}
        self._accepted_ns: dict[str, int] = {}

    def seen(self, event: Event) -> None:
        """Take one applied event of the log."""
        header, message = event
        seq, ts_ns = header.seq, header.ts_ns
        self._head_seq = seq
        self._ts_ns[seq % REMEMBERED] = ts_ns
        family = message.family
        self.families[family] = self.families.get(family, 0) + 1
        second = ts_ns // NS_PER_S
        if second not in self._seconds:
            self._seconds = {s: n for s, n in self._seconds.items() if second - s <= RATE_WINDOW_S}
        self._seconds[second] = self._seconds.get(second, 0) + 1
        measure = _MEASURES.get(type(message))
        if measure is not None:
            measure(self, event)

    def text_of(self, stage: str) -> str:
        """Return what a stage is, in words."""
        return STAGES[stage]

    def events_per_s(self) -> float:
        """Return the events per second of mesh time over the last ten whole seconds."""
        if len(self._seconds) < 2:
            return 0.0
        newest = max(self._seconds)
        whole = [count for second, count in self._seconds.items() if second != newest]
        return sum(whole) / (newest - min(self._seconds))

    def _since_cause_ns(self, event: Event) -> int | None:
        cause_seq = event.header.cause_seq
        if not 0 <= self._head_seq - cause_seq < REMEMBERED:
            return None
        began_ns = self._ts_ns[cause_seq % REMEMBERED]
        return event.header.ts_ns - began_ns if cause_seq and began_ns else None

    def _step(self, stage: str, event: Event) -> None:
        duration_ns = self._since_cause_ns(event)
        if duration_ns is not None:
            self.histograms[stage].add(duration_ns)

    def _age(self, stage: str, event: Event) -> None:
        self.histograms[stage].add(event.header.ts_ns - event.header.origin_ns)

    def _market(self, event: Event) -> None:
        self._age("receive_to_log", event)
        message = event.message
        if message.ts_venue_ns:
            self.histograms["venue_to_receive"].add(message.ts_recv_ns - message.ts_venue_ns)

    def _intent(self, event: Event) -> None:
        self._step("strategy", event)

    def _verdict(self, event: Event) -> None:
        self._step("risk", event)
        if type(event.message) is orders.OrderRefused:
            code = event.message.code
            self.refused[code] = self.refused.get(code, 0) + 1

    def _sent(self, event: Event) -> None:
        self._step("send", event)
        self._age("tick_to_order", event)
        self._sent_ns[event.message.client_order_id] = event.header.ts_ns
        _forget_oldest(self._sent_ns)

    def _accepted(self, event: Event) -> None:
        ts_ns, order_id = event.header.ts_ns, event.message.client_order_id
        sent_ns = self._sent_ns.pop(order_id, None)
        if sent_ns is not None:
            self.histograms["order_to_accept"].add(ts_ns - sent_ns)
        self._accepted_ns[order_id] = ts_ns
        _forget_oldest(self._accepted_ns)

    def _filled(self, event: Event) -> None:
        accepted_ns = self._accepted_ns.get(event.message.client_order_id)
        if accepted_ns is not None:
            self.histograms["accept_to_fill"].add(event.header.ts_ns - accepted_ns)
        if event.message.leaves_lots == 0:
            self._accepted_ns.pop(event.message.client_order_id, None)

    def _ended(self, event: Event) -> None:
        self._sent_ns.pop(event.message.client_order_id, None)
        self._accepted_ns.pop(event.message.client_order_id, None)
        self.rejected_count += type(event.message) is orders.OrderRejected
        self.canceled_count += type(event.message) is orders.OrderCanceled


def _forget_oldest(times: dict[str, int]) -> None:
    while len(times) > REMEMBERED:
        del times[next(iter(times))]


STAGES = {
    "venue_to_receive": "from the venue's stamp of market data to its receipt",
    "receive_to_log": "from the receipt of market data to its place on the log",
    "strategy": "from the event that caused an order to its intent on the log",
    "risk": "from the intent to risk's verdict on the log",
    "send": "from the verdict to the broker's word on the log that the order is sent",
    "tick_to_order": "from the receipt of the outside fact to the order sent because of it",
    "order_to_accept": "from the order sent to its acceptance by the venue",
    "accept_to_fill": "from the acceptance of an order to each of its fills",
}

_MEASURES: dict[type[Any], Callable[[Stages, Event], None]] = {
    market.BookUpdate: Stages._market,
    market.Trade: Stages._market,
    orders.OrderIntent: Stages._intent,
    orders.OrderApproved: Stages._verdict,
    orders.OrderAdjusted: Stages._verdict,
    orders.OrderRefused: Stages._verdict,
    orders.OrderSent: Stages._sent,
    orders.OrderAccepted: Stages._accepted,
    orders.Fill: Stages._filled,
    orders.OrderCanceled: Stages._ended,
    orders.OrderRejected: Stages._ended,
    orders.OrderExpired: Stages._ended,
    orders.NotSent: Stages._ended,
}
