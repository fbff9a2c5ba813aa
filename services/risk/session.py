"""The day of risk: it begins at midnight by the mesh clock, once for each date (RK-14, I-21).

`SessionReset` is said at the first tick of a new date. The date is state: no restart says it again, and a
clock that stands still or jumps says it once. The first date that is ever seen begins without a message.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import QuietGuard
from services.risk.settings import RiskSettings
from shared.messages import Event, Message
from shared.messages.guards import SessionReset
from shared.messages.system import Tick
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

NS_PER_DAY = 86_400 * NS_PER_S
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def today_of(settings: RiskSettings, now_ns: int) -> str:
    """Return the date of the day of risk: by the zone that the launcher prepared, else by the fixed offset.

    Beyond what was prepared (400 days) the last offset goes on: midnight is an hour off at most.
    """
    offsets = settings.prepared.utc_offsets
    if not offsets:
        return date_of(now_ns, settings.reset_utc_offset_min * 60)
    at = bisect_right(offsets, now_ns, key=lambda one: one.from_ns)
    return date_of(now_ns, offsets[max(0, at - 1)].offset_s)


def date_of(now_ns: int, utc_offset_s: int) -> str:
    """Return the date at `now_ns` where the clock is ahead of UTC by `utc_offset_s`, as 2026-11-21."""
    days = (now_ns + utc_offset_s * NS_PER_S) // NS_PER_DAY
    return date.fromordinal(_EPOCH_ORDINAL + days).isoformat()


class Session(QuietGuard):
    """The date that is traded on; says `SessionReset` when it changes."""

    name = "session"
    watches = frozenset({Tick})
    folds = frozenset({SessionReset})

    def __init__(self) -> None:
        self.date = ""

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take the first date of all."""
        if not self.date:
            self.date = today_of(known.settings, event.header.ts_ns)

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say the new day."""
        today = today_of(known.settings, event.header.ts_ns)
        if today > self.date:
            yield SessionReset(today, known.equity_e8())

    def fold(self, message: Message) -> None:
        """Take the new day."""
        if isinstance(message, SessionReset):
            self.date = message.date

    def dump(self) -> bytes:
        """Return the date."""
        return msgspec.msgpack.encode(self.date)

    def load(self, data: bytes) -> None:
        """Take the date."""
        self.date = msgspec.msgpack.decode(data, type=str)
