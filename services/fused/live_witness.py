"""What leaves the broker, seen on the wire and judged at that very moment."""

import re
from collections.abc import Callable

from shared.messages import Event
from shared.messages.control import KillCleared, KillLatched, KillRequested
from shared.messages.orders import (
    Fill,
    NotSent,
    OrderAdjusted,
    OrderApproved,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderSent,
    OrderUnknown,
)
from shared.messages.venue import EXTERNAL, VenueLink
from shared.units import NS_PER_MS, NS_PER_S

_PLACE = re.compile(rb'"method":"(?:v\d/)?order\.place"|^POST [^ ?]*/(?:order|batchOrders)[? ]')
_CLIENT_ID = re.compile(rb'newClientOrderId(?:"\s*:\s*"|=|%22%3A%22|%22%3A%20%22)([A-Za-z0-9_-]+)')
_ENDS = (OrderCanceled, OrderExpired, OrderRejected, NotSent)
PROBLEMS_MAX = 20
CLOCKS_NS = 20 * NS_PER_MS
"""How well the end of a ban by the venue's clock can be known by ours; on the way it is later still."""


def is_create(data: bytes) -> bool:
    """Return whether what leaves creates orders."""
    return _PLACE.search(data) is not None


class Create:
    """One create as it left us."""

    __slots__ = ("at_ns", "client_order_id", "venue")

    def __init__(self, client_order_id: str, venue: str, at_ns: int) -> None:
        self.client_order_id = client_order_id
        self.venue = venue
        self.at_ns = at_ns


class Witness:
    """Judges each create when it leaves (I-01, I-02, I-10, never twice), and keeps them for the end."""

    def __init__(self, now_ns: Callable[[], int], durable_seq: Callable[[], int]) -> None:
        self.problems: list[str] = []
        self.creates: dict[str, Create] = {}
        self.maybe_live: set[str] = set()
        self.sent_count = 0
        self._now_ns = now_ns
        self._durable_seq = durable_seq
        self._approved: dict[str, tuple[int, OrderApproved | OrderAdjusted]] = {}
        self._is_latched = self._is_killed = False
        self._banned_until_ns: dict[str, int] = {}
        self._logged_bans_ns: dict[str, int] = {}

    def problem(self, text: str) -> None:
        """Note what is broken."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(f"at {self._now_ns() / NS_PER_S:.3f} s: {text}")

    @property
    def is_killed(self) -> bool:
        """Return whether the kill is latched, by the file or by the log."""
        return self._is_latched or self._is_killed

    # ---- what is known

    def on_event(self, event: Event) -> None:
        """Take an event of the log as it is stored."""
        message = event.message
        if isinstance(message, OrderApproved | OrderAdjusted):
            self._approved[message.client_order_id] = event.header.seq, message
        elif isinstance(message, OrderSent | OrderUnknown) and message.strategy != EXTERNAL:
            self.maybe_live.add(message.client_order_id)
        elif isinstance(message, _ENDS) or (isinstance(message, Fill) and message.leaves_lots == 0):
            self.maybe_live.discard(message.client_order_id)
        elif isinstance(message, VenueLink):
            self._logged_bans_ns[message.venue] = message.until_ns
        elif isinstance(message, KillRequested):
            self._is_killed = True
        elif isinstance(message, KillLatched):
            self._is_latched = self._is_killed = True
        elif isinstance(message, KillCleared):
            self._is_latched = self._is_killed = False

    def on_latch(self, *, is_set: bool) -> None:
        """Take that the latch file was written or removed."""
        self._is_latched = is_set

    def on_death(self) -> None:
        """Take that the broker died: of a ban it knows what the log tells."""
        self._banned_until_ns = dict(self._logged_bans_ns)

    def forget_after(self, seq: int) -> None:
        """Forget what a power cut took from the log; who is live is seen anew."""
        self.maybe_live.clear()
        self._approved = {key: one for key, one in self._approved.items() if one[0] <= seq}

    def on_refusal(self, venue: str, status: int, retry_ns: int) -> None:
        """Take that we were told to be silent until `retry_ns`; 418 for everything, 429 too (I-10)."""
        if status in {418, 429}:
            self._banned_until_ns[venue] = max(self._banned_until_ns.get(venue, 0), retry_ns)

    # ---- what leaves

    def on_wire(self, venue: str, data: bytes) -> None:
        """Take bytes that leave for a venue now."""
        self.sent_count += 1
        now_ns = self._now_ns()
        until_ns = self._banned_until_ns.get(venue, 0)
        if now_ns < until_ns - CLOCKS_NS:
            left_ms = (until_ns - now_ns) // NS_PER_MS
            self.problem(f"{venue} got a request {left_ms} ms before its ban ends (I-10): {data[:80]!r}")
        if is_create(data):
            for found in _CLIENT_ID.findall(data):
                self._create(found.decode(), venue, now_ns)

    def _create(self, order_id: str, venue: str, now_ns: int) -> None:
        if order_id in self.creates:
            self.problem(f"create {order_id} is sent again (I-05)")
            return
        self.creates[order_id] = Create(order_id, venue, now_ns)
        seq, _ = self._approved.get(order_id, (0, None))
        if not seq:
            self.problem(f"create {order_id} leaves without an approval on the log (I-01)")
        elif seq > self._durable_seq():
            self.problem(f"create {order_id} leaves before its approval {seq} is on disk (I-02)")
        if self._is_latched:
            self.problem(f"create {order_id} leaves after the kill was latched (I-22)")
