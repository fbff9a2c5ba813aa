"""Sessions of a log: the lives of its bus, one after the other, filtered and summed up (JR-10)."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from services.report.export import message_type
from shared.messages import Event
from shared.messages.orders import Fill, OrderIntent
from shared.messages.system import EpochStarted, ServiceStarted

TIME_MAX_NS = 2**63 - 1


class Filter(NamedTuple):
    """Which events count: of these types (`fill`), this market, in [from_ns, until_ns) of mesh time."""

    types: Collection[str] = ()
    symbol: str = ""
    from_ns: int = 0
    until_ns: int = TIME_MAX_NS

    @property
    def is_any(self) -> bool:
        """Return whether every event counts."""
        return self == Filter()

    def takes(self, event: Event) -> bool:
        """Return whether an event counts."""
        return (
            self.from_ns <= event.header.ts_ns < self.until_ns
            and (not self.types or message_type(event.message) in self.types)
            and (not self.symbol or getattr(event.message, "symbol", "") == self.symbol)
        )


class Session(msgspec.Struct):
    """One life of the bus. `first_*` and `last_*` are of all of it; counts are of what was asked for."""

    epoch: int
    build: str
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int
    events: int = 0
    orders: int = 0
    fills: int = 0
    types: dict[str, int] = {}
    symbols: list[str] = []
    strategies: list[str] = []
    starts: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        """Return how long it lasted, in mesh time."""
        return (self.last_ns - self.first_ns) / 1e9

    def take(self, event: Event) -> None:
        """Count an event that was asked for."""
        message = event.message
        self.events += 1
        self.orders += isinstance(message, OrderIntent)
        self.fills += isinstance(message, Fill)
        name = message_type(message)
        self.types[name] = self.types.get(name, 0) + 1
        for known, value in ((self.symbols, "symbol"), (self.strategies, "strategy")):
            found = getattr(message, value, "")
            if found and found not in known:
                known.append(found)


def sessions(events: Iterable[Event], wanted: Filter | None = None) -> list[Session]:
    """Return the sessions of a log, oldest first; with a filter only those that hold an event it takes."""
    wanted = wanted or Filter()
    found: list[Session] = []
    for event in events:
        header, message = event
        if not found or header.epoch != found[-1].epoch:
            found.append(
                Session(header.epoch, "", header.seq, header.seq, header.ts_ns, header.ts_ns, types={},
                        symbols=[], strategies=[], starts={})
            )  # fmt: skip
        session = found[-1]
        session.last_seq, session.last_ns = header.seq, header.ts_ns
        if isinstance(message, EpochStarted):
            session.build = message.build
        elif isinstance(message, ServiceStarted):
            session.starts[message.service] = session.starts.get(message.service, 0) + 1
        if wanted.takes(event):
            session.take(event)
    return [session for session in found if session.events or wanted.is_any]


def summary(found: Collection[Session]) -> dict[str, Any]:
    """Return the sums over sessions."""
    types: Counter[str] = Counter()
    for session in found:
        types.update(session.types)
    return {
        "sessions": len(found),
        "seconds": round(sum(session.seconds for session in found), 3),
        "events": sum(session.events for session in found),
        "orders": sum(session.orders for session in found),
        "fills": sum(session.fills for session in found),
        "types": dict(types.most_common()),
        "symbols": sorted({symbol for session in found for symbol in session.symbols}),
        "strategies": sorted({name for session in found for name in session.strategies}),
    }
