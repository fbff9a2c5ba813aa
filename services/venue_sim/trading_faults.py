"""Faults of trading, commanded by name: which of the next calls or user stream events they fall on. No I/O.

Call faults decide what becomes of a signed call (HTTP and WebSocket API alike), event faults of what a user
stream tells. `faulty_wire` carries them out. A fault takes the next `count` matches after `skip` others;
several faults of one match take turns in the order of their commands.
"""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from services.venue_sim.venue import VENUES
from shared.units import NS_PER_MS

CallKind = Literal[
    "error_before",
    "error_after",
    "silence_before",
    "silence_after",
    "cut_before",
    "cut_after",
    "slow_answer",
    "act_late",
]
MangleKind = Literal["garbage", "truncated", "missing_field", "extra_field", "wrong_type"]
EventKind = Literal["event_drop", "event_double", "event_delay", "event_swap", "event_cut", "late_fill"]
TradingKind = Literal[CallKind, MangleKind, EventKind]

CALL_KINDS = frozenset(get_args(CallKind))
MANGLE_KINDS = frozenset(get_args(MangleKind))
EVENT_KINDS = frozenset(get_args(EventKind))
TRADING_KINDS = CALL_KINDS | MANGLE_KINDS | EVENT_KINDS
# What `call` may name; `events` lets a mangling fault fall on user stream events instead of answers.
EVENTS = "events"
CALLS = (
    "place",
    "test",
    "cancel",
    "cancel_all",
    "replace",
    "amend",
    "batch",
    "query",
    "open_orders",
    "all_orders",
    "trades",
    "account",
    "positions",
    "countdown",
    "settings",
    "user_stream",
    "session",
    "other",
)
COUNT_MAX = 1_000_000
DELAY_MAX_MS = 3_600_000
STATUSES = (408, 500, 502, 503, 504)
INJECTED_KEPT = 1_000
NEEDS_DELAY = frozenset({"slow_answer", "act_late", "event_delay", "late_fill"})

_REST = {
    ("POST", "order"): "place",
    ("POST", "order/test"): "test",
    ("DELETE", "order"): "cancel",
    ("PUT", "order"): "amend",
    ("GET", "order"): "query",
    ("GET", "openOrder"): "query",
    ("PUT", "order/amend/keepPriority"): "amend",
    ("POST", "order/cancelReplace"): "replace",
    ("GET", "openOrders"): "open_orders",
    ("DELETE", "openOrders"): "cancel_all",
    ("DELETE", "allOpenOrders"): "cancel_all",
    ("GET", "allOrders"): "all_orders",
    ("GET", "myTrades"): "trades",
    ("GET", "userTrades"): "trades",
    ("GET", "account"): "account",
    ("GET", "balance"): "account",
    ("GET", "positionRisk"): "positions",
    ("POST", "countdownCancelAll"): "countdown",
    ("POST", "leverage"): "settings",
    ("POST", "marginType"): "settings",
    ("POST", "positionSide/dual"): "settings",
    ("POST", "algoOrder"): "place",
    ("DELETE", "algoOrder"): "cancel",
    ("GET", "algoOrder"): "query",
    ("GET", "openAlgoOrders"): "open_orders",
    ("DELETE", "algoOpenOrders"): "cancel_all",
}
_WS = {
    "order.place": "place",
    "order.test": "test",
    "order.cancel": "cancel",
    "order.modify": "amend",
    "order.amend.keepPriority": "amend",
    "order.cancelReplace": "replace",
    "order.status": "query",
    "openOrders.status": "open_orders",
    "openOrders.cancelAll": "cancel_all",
    "allOrders": "all_orders",
    "myTrades": "trades",
    "account.status": "account",
    "account.balance": "account",
    "account.position": "positions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingFault:
    """A fault of trading, as the control API takes it.

    `call` is one of CALLS, empty for any; `delay_ms` is mesh time and only for kinds that delay; `status` and
    `text` say how an `error_*` answers; `field` names what `missing_field` and `wrong_type` break, empty for
    one after the other.
    """

    kind: TradingKind
    venue: str = ""
    call: str = ""
    count: int = 1
    skip: int = 0
    delay_ms: int = 0
    status: int = 503
    text: str = ""
    field: str = ""

    def problem(self) -> str:
        """Return what is wrong with it and what to send instead, empty for nothing."""
        if self.venue not in {"", *VENUES}:
            return f"venue {self.venue!r} is unknown; send {' or '.join(VENUES)}, or leave it out"
        if self.call not in {"", EVENTS, *CALLS}:
            return f"call {self.call!r} is unknown; send one of {', '.join(CALLS)}, or leave it out"
        if self.call == EVENTS and self.kind in CALL_KINDS:
            return f"{self.kind} falls on calls; `events` is for {', '.join(sorted(MANGLE_KINDS))}"
        if not 1 <= self.count <= COUNT_MAX or self.skip < 0:
            return f"count {self.count}, skip {self.skip}: send a count of 1 to {COUNT_MAX} and skip from 0"
        if not 0 <= self.delay_ms <= DELAY_MAX_MS:
            return f"delay_ms {self.delay_ms} is outside 0 to {DELAY_MAX_MS}"
        if self.kind in NEEDS_DELAY and not self.delay_ms:
            return f"{self.kind} needs delay_ms"
        if self.status not in STATUSES:
            return f"status {self.status} is none of {', '.join(map(str, STATUSES))}"
        return ""


class InjectedFault(NamedTuple):
    """A fault that fell on the call or event with this name."""

    at_ns: int
    kind: TradingKind
    venue: str
    what: str


class _Active:
    __slots__ = ("fault", "remaining", "skip")

    def __init__(self, fault: TradingFault) -> None:
        self.fault = fault
        self.remaining = fault.count
        self.skip = fault.skip


class TradingFaults:
    """The commanded faults of both venues and what they fell on."""

    def __init__(self) -> None:
        self._active: list[_Active] = []
        self._down: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.injected: deque[InjectedFault] = deque(maxlen=INJECTED_KEPT)

    @property
    def pending(self) -> int:
        """How many calls and events the active faults still wait for."""
        return sum(active.remaining for active in self._active)

    def command(self, fault: TradingFault) -> None:
        """Let a fault begin with the next call or event; raises ValueError for one that cannot be."""
        problem = fault.problem()
        if problem:
            raise ValueError(problem)
        self._active.append(_Active(fault))

    def clear(self) -> None:
        """End all faults; what is held or late still comes."""
        self._active.clear()

    def set_down(self, venue: str, is_down: bool) -> None:
        """Begin or end a maintenance (of both venues when empty): every call is refused, nothing is done."""
        for name in (venue,) if venue else VENUES:
            (self._down.add if is_down else self._down.discard)(name)

    def is_down(self, venue: str) -> bool:
        """Return whether the venue is under maintenance."""
        return venue in self._down

    def of_call(self, venue: str, call: str, now_ns: int) -> TradingFault | None:
        """Return the fault that this call suffers."""
        return self._take(venue, call, CALL_KINDS | MANGLE_KINDS, now_ns)

    def of_event(self, venue: str, name: str, is_fill: bool, now_ns: int) -> TradingFault | None:
        """Return the fault that this user stream event suffers; `late_fill` waits for a fill."""
        kinds = EVENT_KINDS if is_fill else EVENT_KINDS - {"late_fill"}
        return self._take(venue, EVENTS, kinds | MANGLE_KINDS, now_ns, name)

    def _take(
        self, venue: str, call: str, kinds: frozenset[str], now_ns: int, name: str = ""
    ) -> TradingFault | None:
        for active in self._active:
            fault = active.fault
            if fault.kind not in kinds or fault.venue not in {"", venue} or not _is_meant(fault, call):
                continue
            if active.skip:
                active.skip -= 1
                continue
            active.remaining -= 1
            if not active.remaining:
                self._active.remove(active)
            self.counts[fault.kind] += 1
            self.injected.append(InjectedFault(now_ns, fault.kind, venue, name or call))
            return fault
        return None


def _is_meant(fault: TradingFault, call: str) -> bool:
    if call == EVENTS:
        return fault.call == EVENTS if fault.kind in MANGLE_KINDS else fault.call in {"", EVENTS}
    return fault.call in {"", call}


def call_of_rest(method: str, target: str) -> str:
    """Return which of CALLS a REST call is: `DELETE /fapi/v1/order?..` is `cancel`."""
    parts = target.partition("?")[0].split("/", 3)
    name = parts[3] if len(parts) > 3 else ""
    if name in {"listenKey", "userDataStream"}:
        return "user_stream"
    if name == "batchOrders":
        return "batch"
    return _REST.get((method, name), "other")


def call_of_ws(method: str) -> str:
    """Return which of CALLS a method of the WebSocket API is; a version prefix (`v2/`) is ignored."""
    name = method.rpartition("/")[2]
    if name.startswith("userDataStream."):
        return "user_stream"
    if name.startswith("session."):
        return "session"
    return _WS.get(name, "other")


def delay_ns(fault: TradingFault) -> int:
    """Return the delay in mesh time."""
    return fault.delay_ms * NS_PER_MS
