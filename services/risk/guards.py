"""Guards: parts of risk with a memory of their own, in one table: a breaker, a monitor, a calendar.

To add a guard: a file with a class that satisfies `Guard` (guard.py), its settings, and one line in `GUARDS`.
The order of the table is the order of their objections (RK-2).
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, assert_never

from services.risk.ask import PPM, Objection
from services.risk.breakers import Breakers
from services.risk.calendar import Calendar
from services.risk.candle_monitor import CandleMonitor
from services.risk.conservation import Conservation
from services.risk.guard import Guard, Hold, QuietGuard
from services.risk.margin_guard import MarginGuard
from services.risk.profit_guard import ProfitGuard
from services.risk.ramp import Ramp
from services.risk.regime_guard import RegimeGuard
from services.risk.round_trip_guard import RoundTripGuard
from services.risk.rules_guard import RulesGuard
from services.risk.session import Session
from services.risk.storm import RejectStorm
from services.risk.surprises import Surprises
from services.risk.throttle import Throttle
from services.risk.violations import Violations
from shared.messages import Event, Message, orders
from shared.messages.control import ResumeRequested
from shared.messages.guards import GuardRaised

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

__all__ = ["GUARDS", "Guard", "GuardClass", "Guards", "Hold", "QuietGuard"]

GuardClass = type[Guard]

FAILED = "guard_failed"
"""Code of the hold that a guard leaves which raised."""

GUARDS: tuple[GuardClass, ...] = (
    Session,
    Conservation,
    RulesGuard,
    Violations,
    Breakers,
    Throttle,
    RejectStorm,
    Surprises,
    RoundTripGuard,
    ProfitGuard,
    CandleMonitor,
    Calendar,
    MarginGuard,
    RegimeGuard,
    Ramp,
)
"""Every guard, in the order of their objections; the session is the first, so that all meet the new day."""


class Guards:
    """All guards of one core, and what they hold back together.

    A guard that raises must not end the process, with which the kill would be deaf (I-25): it is frozen where
    it stands, `failed` names it, and new risk is held until a person resumes everything.
    """

    def __init__(self) -> None:
        self.all: list[Guard] = [kind() for kind in GUARDS]
        self.held: list[Hold] = []
        self.failed: dict[str, str] = {}
        self._said: set[str] = set()
        self._watching: dict[type[Message], list[Guard]] = {}
        for guard in self.all:
            for kind in guard.watches:
                self._watching.setdefault(kind, []).append(guard)
        self._folding = [guard for guard in self.all if _overrides(guard, "fold")]
        self._folding_by_kind: dict[type[Message], list[Guard]] = {}
        self._objecting = [guard for guard in self.all if _overrides(guard, "objection")]
        self._halting = [guard for guard in self.all if _overrides(guard, "halt")]
        self._scaling = [guard for guard in self.all if _overrides(guard, "size_ppm")]

    # ---- what happens

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Let those that watch it take an event; a resume of all with a reason lets the failed go on."""
        message = event.message
        if type(message) is ResumeRequested and not message.strategy and message.reason.strip():
            for guard in self.all:
                if guard.name in self.failed:
                    guard.begin_anew()
            self.failed.clear()
            self._said.clear()
        for guard in self._watching.get(type(event.message), ()):
            if guard.name not in self.failed:
                try:
                    guard.observe(event, known)
                except Exception as error:  # noqa: BLE001  whatever a metric raises, kill has to go on working
                    self.fail(guard.name, error)

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Return what each says; the next one decides after the former's words were folded."""
        watching = self._watching.get(type(event.message))
        if self.is_failure_unsaid:
            return self._decide(event, known, watching or ())
        if watching is None:
            return ()
        for place, guard in enumerate(watching):
            # Who has nothing to say says so with an empty tuple at once.
            if guard.name not in self.failed:
                try:
                    is_silent = guard.decide(event, known) == ()
                except Exception:  # noqa: BLE001  met again below
                    is_silent = False
                if not is_silent:
                    return self._decide(event, known, watching[place:])
        return ()

    def _decide(self, event: Event, known: "RiskKnowledge", watching: Iterable[Guard]) -> Iterable[Message]:
        for guard in watching:
            if guard.name not in self.failed:
                try:
                    yield from guard.decide(event, known)
                except Exception as error:  # noqa: BLE001  as above
                    self.fail(guard.name, error)
        if len(self._said) < len(self.failed):
            for name in sorted(self.failed.keys() - self._said):
                yield GuardRaised(FAILED, "", "", f"{name}: {self.failed[name]}", is_tripped=True)

    def fold(self, message: Message, said_ns: int) -> None:
        """Let each take an own message of risk, or those alone that its `folds` names.

        `said_ns` is when the outside fact behind it was received: the origin of its cause and its own.
        """
        if isinstance(message, GuardRaised) and message.code == FAILED:
            name, _, text = message.text.partition(": ")
            self.failed[name] = text
            self._said.add(name)
            return
        kind = type(message)
        folding = self._folding_by_kind.get(kind)
        if folding is None:
            folding = [guard for guard in self._folding if kind in getattr(guard, "folds", {kind})]
            self._folding_by_kind[kind] = folding
        for guard in folding:
            if guard.name not in self.failed:
                guard.said_ns = said_ns
                try:
                    guard.fold(message)
                except Exception as error:  # noqa: BLE001  as above
                    self.fail(guard.name, error)

    def fail(self, name: str, error: Exception) -> None:
        """Hold new risk because `name` raised."""
        if name not in self.failed:
            self.failed[name] = f"{type(error).__name__}: {error}"
            self.held.append(self._failure_hold(name))

    def _failure_hold(self, name: str) -> Hold:
        return Hold("", "", "reducing", FAILED, f"guard {name} failed: {self.failed[name]}")

    @property
    def is_failure_unsaid(self) -> bool:
        """Return whether something raised that nobody was told of yet."""
        return len(self._said) != len(self.failed)

    # ---- what is held back

    def holds(self, known: "RiskKnowledge") -> list[Hold]:
        """Ask every guard what it holds back now; orders meet this in `held` until the next time."""
        held: list[Hold] = []
        for guard in self.all:
            if guard.name not in self.failed:
                try:
                    held += guard.holds(known)
                except Exception as error:  # noqa: BLE001  as above
                    self.fail(guard.name, error)
        held += [self._failure_hold(name) for name in sorted(self.failed)]
        self.held = held
        return held

    def objections(
        self, intent: orders.OrderIntent, known: "RiskKnowledge"
    ) -> tuple[tuple[Objection, ...], tuple[Objection, ...]]:
        """Return what stops this order whatever it does, and what stops it unless it reduces."""
        halts: list[Objection] = []
        holds: list[Objection] = []
        for hold in self.held:
            if not hold.covers(intent.strategy, intent.symbol):
                continue
            match hold.state:
                case "halted":
                    halts.append(hold.objection)
                case "reducing":
                    holds.append(hold.objection)
                case _:
                    assert_never(hold.state)
        for guards, found in ((self._halting, halts), (self._objecting, holds)):
            for guard in guards:
                if guard.name in self.failed:
                    continue
                try:
                    asked = guard.halt if found is halts else guard.objection
                    objection = asked(intent, known)
                except Exception as error:  # noqa: BLE001  as above
                    self.fail(guard.name, error)
                    holds.append(self._failure_hold(guard.name).objection)
                    continue
                if objection is not None:
                    found.append(objection)
        return tuple(halts), tuple(holds)

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int:
        """Return the smallest share that any of them allows; none of it while one fails to say."""
        share_ppm = PPM
        for guard in self._scaling:
            if guard.name not in self.failed:
                try:
                    share_ppm = min(share_ppm, guard.size_ppm(strategy, symbol, known))
                except Exception as error:  # noqa: BLE001  as above
                    self.fail(guard.name, error)
                    share_ppm = 0
        return share_ppm

    # ---- state

    def dump(self) -> tuple[list[tuple[str, bytes]], list[Hold], list[tuple[str, str]], list[str]]:
        """Return the state of each by name, what is held, what failed, and which failures were said."""
        states = sorted((guard.name, guard.dump()) for guard in self.all)
        return states, self.held, sorted(self.failed.items()), sorted(self._said)

    def load(
        self,
        states: Sequence[tuple[str, bytes]],
        held: Sequence[Hold],
        failed: Sequence[tuple[str, str]],
        said: Sequence[str],
    ) -> None:
        """Take the result of `dump`; a guard that is new keeps its fresh state."""
        saved = dict(states)
        for guard in self.all:
            if guard.name in saved:
                guard.load(saved[guard.name])
        self.held, self.failed, self._said = list(held), dict(failed), set(said)


def _overrides(guard: Guard, method: str) -> bool:
    """Return whether a guard has a method of its own: the others are not called at each order."""
    return getattr(type(guard), method, None) is not getattr(QuietGuard, method)
