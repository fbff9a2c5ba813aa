"""Pauses by the calendar: no order passes while one lasts, and from `lead_s` before it begins (RK-25, RK-26).

The pauses come ready with the settings (`prepared`), since a core has no clock, zones or sun. Outside of the
time that was planned everything is halted: what is not known is a pause.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import Hold, QuietGuard
from services.risk.monitor_settings import PauseWindow
from services.risk.settings import RiskSettings
from shared.messages import Event, Message, system
from shared.messages.guards import GuardRaised, GuardReleased
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "calendar"
ENDING_CODE = "calendar_ends"
DAY_NS = 86_400 * NS_PER_S
WARNING_DAYS = 30
UNPLANNED = "no pauses are planned for now: restart the mesh (down, up), which plans the next 400 days"


class _State(msgspec.Struct, array_like=True):
    said: str = ""
    warned_left_days: int = -1


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(_State)


def next_pauses(settings: RiskSettings, now_ns: int, count: int) -> Sequence[PauseWindow]:
    """Return the pause of now, when there is one, and those that come, at most `count`."""
    pauses = settings.prepared.pauses
    first = bisect_right(pauses, now_ns, key=lambda one: one.end_ns)
    return pauses[first : first + count]


def pause_text(settings: RiskSettings, now_ns: int) -> str:
    """Return why nothing may be traded now; empty when the calendar allows it."""
    if not settings.calendar.is_used:
        return ""
    prepared = settings.prepared
    if not prepared.planned_from_ns <= now_ns < prepared.planned_until_ns:
        return UNPLANNED
    lead_ns = settings.calendar.lead_s * NS_PER_S
    for pause in next_pauses(settings, now_ns, 1):
        if pause.start_ns - lead_ns <= now_ns:
            return pause.text
    return ""


class Calendar(QuietGuard):
    """Halts everything during a pause; warns a month before the plan ends."""

    name = "calendar"
    watches = frozenset({system.Tick})
    folds = frozenset({GuardRaised, GuardReleased})

    def __init__(self) -> None:
        self._state = _State()

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:  # noqa: ARG002
        """Say that a pause begins or ends, and each day that the plan ends soon."""
        settings, now_ns, said = known.settings, known.now_ns, self._state.said
        text = pause_text(settings, now_ns)
        if said and text != said:
            yield GuardReleased(CODE, "", "", "calendar", f"over: {said}")
        if text and text != said:
            yield GuardRaised(CODE, "", "", text, is_tripped=True)
        left_days = (settings.prepared.planned_until_ns - now_ns) // DAY_NS
        is_soon = settings.calendar.is_used and 0 <= left_days < WARNING_DAYS
        if is_soon and left_days != self._state.warned_left_days:
            text = f"the calendar is planned for {left_days} more days, then all is halted: restart the mesh"
            yield GuardRaised(ENDING_CODE, "", "", text, left_days, WARNING_DAYS)

    def fold(self, message: Message) -> None:
        """Take what was said."""
        if isinstance(message, GuardRaised) and message.code == CODE:
            self._state.said = message.text
        elif isinstance(message, GuardReleased) and message.code == CODE:
            self._state.said = ""
        elif isinstance(message, GuardRaised) and message.code == ENDING_CODE:
            self._state.warned_left_days = message.value

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:
        """Hold back every order during a pause."""
        text = pause_text(known.settings, known.now_ns)
        return (Hold("", "", "halted", CODE, text),) if text else ()

    def dump(self) -> bytes:
        """Return the state."""
        return _encoder.encode(self._state)

    def load(self, data: bytes) -> None:
        """Take the state."""
        self._state = _decoder.decode(data)
