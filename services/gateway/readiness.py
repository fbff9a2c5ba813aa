"""Whether the mesh is ready, and if not, why (GW-15): judged from the replica and the gateway's own link."""

from typing import Protocol

from services.gateway.records import BookMark
from services.gateway.view import GatewayView
from shared.instrument import venue_of
from shared.units import NS_PER_MS

EXPECTED = ("market_data", "strategy", "risk", "broker")
BUS_SILENT_MS_MAX = 1000


class Link(Protocol):
    """The part of `shared.runtime.port.Port` that tells how the gateway stands on the log."""

    is_live: bool
    applied_seq: int
    durable_seq: int

    @property
    def bus_silent_ms(self) -> int:
        """Real milliseconds since anything was heard of the bus."""


def reasons(view: GatewayView, link: Link, now_ns: int, *, is_latched: bool) -> list[str]:
    """Return why the mesh is not ready; empty when it is.

    `now_ns` is the mesh time, `is_latched` whether the kill latch file stands: the log may not know yet.
    """
    if not link.is_live:
        return [f"the gateway is catching up with the log (at seq {link.applied_seq})"]
    found = []
    if link.bus_silent_ms > BUS_SILENT_MS_MAX:
        found.append(f"the bus has been silent for {link.bus_silent_ms} ms")
    if view.kill is not None:
        found.append(f"killed by {view.kill.by}: {view.kill.reason}")
    elif is_latched:
        found.append("killed: the latch file stands")
    for name in EXPECTED:
        service = view.services.get(name)
        if service is None:
            found.append(f"{name} has not started")
        elif service.silent_since_ns:
            found.append(f"{name} is silent")
    found += _stale_books(view, now_ns)
    if view.trading.state == "halted" and view.kill is None:
        found.append(f"trading is halted: {', '.join(view.trading.reasons) or 'no reason given'}")
    return found


def age_of_book_ms(mark: BookMark, now_ns: int) -> int:
    """Return how old the newest update of a book is, in ms of mesh time."""
    return (now_ns - mark.ts_ns) // NS_PER_MS


def _stale_books(view: GatewayView, now_ns: int) -> list[str]:
    limit_ms = view.settings.data_stale_ms
    found = []
    if not view.books:
        found.append("no book yet")
    for symbol, mark in sorted(view.marks.items()):
        if venue_of(symbol) in view.finished_venues:
            continue
        age_ms = age_of_book_ms(mark, now_ns)
        if mark.invalid_reason:
            found.append(f"{symbol}: book is not usable ({mark.invalid_reason})")
        elif age_ms > limit_ms:
            found.append(f"{symbol}: book is {age_ms} ms old, limit {limit_ms} ms")
    return found
