"""What people ask of the mesh, and what became of it."""

from typing import ClassVar

from shared.messages.base import Message

_PEOPLE = frozenset({"operator", "gateway"})
_KILLERS = frozenset({"operator", "gateway", "risk", "bus"})
_BROKER = frozenset({"broker"})


class KillRequested(Message, frozen=True, tag="kill_requested"):
    """Stop everything: cancel all orders, send none. Acknowledged only by `KillLatched`."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _KILLERS

    by: str
    reason: str


class KillLatched(Message, frozen=True, tag="kill_latched"):
    """The kill latch is synced to disk. `path` tells how it came: log, file, signal or socket (RK-11)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str
    path: str


class KillClearRequested(Message, frozen=True, tag="kill_clear_requested"):
    """A person clears the kill, with a reason (RK-12)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str


class KillCleared(Message, frozen=True, tag="kill_cleared"):
    """The latch file is gone; trading may go on."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str


class KillClearRefused(Message, frozen=True, tag="kill_clear_refused"):
    """The kill stands: why the broker may not clear it yet; ask again when that is over (I-26)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _BROKER

    by: str
    reason: str


class PauseRequested(Message, frozen=True, tag="pause_requested"):
    """Pause one strategy instance, or all when `strategy` is empty: quotes are withdrawn (ST-5)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class ResumeRequested(Message, frozen=True, tag="resume_requested"):
    """Let a paused strategy instance, or all, quote again."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class ResetRequested(Message, frozen=True, tag="reset_requested"):
    """Let a strategy instance forget its state and begin anew with the position it has (ST-5)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    by: str
    reason: str


class CancelAllRequested(Message, frozen=True, tag="cancel_all_requested"):
    """Cancel every resting order of a symbol, or all when `symbol` is empty."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    symbol: str
    by: str
    reason: str


class ReconcileRequested(Message, frozen=True, tag="reconcile_requested"):
    """Compare orders, positions, balances and fills with the venue now; answered by `Reconciled` (BR-10)."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str = ""


class StopRequested(Message, frozen=True, tag="stop_requested"):
    """The whole mesh is stopped on purpose: until its next start silence withdraws no paper order."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    by: str
    reason: str


class TradingState(Message, frozen=True, tag="trading_state"):
    """What risk allows now: active, reducing (only orders that shrink a position) or halted (none).

    `reasons` are all that hold, the first is the strongest.
    """

    family: ClassVar[str] = "trading_state"
    owners: ClassVar[frozenset[str]] = frozenset({"risk"})

    state: str
    reasons: list[str]


class StrategyStatus(Message, frozen=True, tag="strategy_status"):
    """State of one strategy instance, said at each change and each second while something changes.

    `state` is warming_up, quoting, pulled, paused, finished or failed; `text` is `format_status`.
    """

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    state: str
    reason: str = ""
    text: str = ""


class StrategyNote(Message, frozen=True, tag="strategy_note"):
    """Something a person should know: a skipped slot, a refused setting. `level` is info or warning."""

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    level: str
    code: str
    text: str


class InstanceFailed(Message, frozen=True, tag="instance_failed"):
    """A strategy instance raised: it is frozen, its quotes are withdrawn, the others go on.

    `call_n` above 0 tells that it did not return in time: the number of its callback, counted over all
    instances, within the event that caused this; who runs the log again stops there without the call.
    """

    family: ClassVar[str] = "strategy"
    owners: ClassVar[frozenset[str]] = frozenset({"strategy"})
    key: ClassVar[str] = "strategy"

    strategy: str
    error: str
    call_n: int = 0
