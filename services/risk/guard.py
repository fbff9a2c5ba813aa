"""What a guard is: a part of risk with a memory of its own. All of them stand in guards.py."""
# ruff: noqa: D102, ARG002  (Protocols: the class docstring describes each method)

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import msgspec

from services.risk.ask import PPM, Objection
from shared.messages import Event, Message, orders

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge


HoldState = Literal["reducing", "halted"]
"""What a hold leaves: only orders that shrink a position, or none."""


class Hold(msgspec.Struct, array_like=True, frozen=True):
    """What a guard holds back: all when `strategy` and `symbol` are empty, else that part.

    `state` is reducing (only orders that shrink a position) or halted (none). `code` is that of a refusal.
    """

    strategy: str
    symbol: str
    state: HoldState
    code: str
    reason: str
    value: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no hold (RK-22)."""
        if self.state not in get_args(HoldState) or not self.code:
            raise ValueError(
                f"a hold of state {self.state!r} and code {self.code!r}: the state is one of "
                f"{', '.join(get_args(HoldState))}, and a code names the refusals"
            )

    def covers(self, strategy: str, symbol: str) -> bool:
        """Return whether an order of `strategy` in `symbol` is held."""
        return self.strategy in ("", strategy) and self.symbol in ("", symbol)

    @property
    def objection(self) -> Objection:
        """Return it as the answer of a check."""
        return Objection(self.code, self.reason, self.value, self.limit)


class Guard(Protocol):
    """A part of risk's state that watches events and holds orders back. Deterministic like its core.

    `name`      key of its state in a snapshot.
    `watches`   the messages for which `observe` and `decide` are called; keep market data out where you can.
    `observe(event, known)`  take an event of others (a repeated fill never comes): counters, windows, clocks.
    `decide(event, known)`   messages that risk says because of it; never called while adopting. A decision
                changes state in `fold` only.
    `fold(message)`  take what risk said itself, when said or, while adopting, from the log. An optional
                attribute `folds` names the only messages for which it is called: verdicts are many.
    `holds(known)`   what it holds back now. Asked again after each Tick, each word of a guard and each event
                that is neither market data nor about one order; orders in between meet the last answer.
    `objection(intent, known)`  what it has against this very order where that adds risk, None mostly.
    `halt(intent, known)`  the same against an order that only reduces, too.
    `size_ppm(strategy, symbol, known)`  the share of the limits of size that may be used, 1,000,000 for all.
    `begin_anew()`  a person lets it go on after it raised: forget what it may have missed.
    `dump()`, `load(data)`  its whole state, canonically encoded.
    `said_ns`   while it folds: when the outside fact behind what is said was received. The same when said and
                when adopted from the log, other than the time of the event.
    """

    name: str
    watches: frozenset[type[Message]]
    said_ns: int

    def observe(self, event: Event, known: "RiskKnowledge") -> None: ...

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]: ...

    def fold(self, message: Message) -> None: ...

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]: ...

    def objection(self, intent: orders.OrderIntent, known: "RiskKnowledge") -> Objection | None: ...

    def halt(self, intent: orders.OrderIntent, known: "RiskKnowledge") -> Objection | None: ...

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int: ...

    def begin_anew(self) -> None: ...

    def dump(self) -> bytes: ...

    def load(self, data: bytes) -> None: ...


class QuietGuard:
    """A guard that does nothing yet: base of those that need only some of the methods."""

    name = ""
    watches: frozenset[type[Message]] = frozenset()
    said_ns = 0

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take an event of others."""

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say nothing."""
        return ()

    def fold(self, message: Message) -> None:
        """Take an own message."""

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:
        """Hold nothing."""
        return ()

    def objection(self, intent: orders.OrderIntent, known: "RiskKnowledge") -> Objection | None:
        """Have nothing against an order."""
        return None

    def halt(self, intent: orders.OrderIntent, known: "RiskKnowledge") -> Objection | None:
        """Have nothing against any order."""
        return None

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int:
        """Allow the whole size."""
        return PPM

    def begin_anew(self) -> None:
        """Go on with what it has."""

    def dump(self) -> bytes:
        """Return the state."""
        return b""

    def load(self, data: bytes) -> None:
        """Take the state."""
