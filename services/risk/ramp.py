"""Limits of size grow slowly after a start of risk, the release of a guard and a cleared kill.

`size_ppm` rises in a straight line from `start_ppm` to the whole within `duration_s`; of several ramps that
cover an order the lowest counts. It scales the limits of size (order, position, values), nothing else.
"""

from typing import TYPE_CHECKING

import msgspec

from services.risk.ask import PPM
from services.risk.guard import QuietGuard
from shared.messages import Event, Message
from shared.messages.control import KillCleared
from shared.messages.guards import GuardReleased
from shared.messages.system import ServiceStarted, Tick
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

NOT_YET = -1
"""Since of a ramp that begins with the next tick."""


class _State(msgspec.Struct, array_like=True):
    since: list[tuple[str, str, int]]
    run: int


class Ramp(QuietGuard):
    """When each ramp began, by (strategy, market); empty names cover all."""

    name = "ramp"
    watches = frozenset({Tick, ServiceStarted, KillCleared})
    folds = frozenset({GuardReleased})

    def __init__(self) -> None:
        self.since_ns: dict[tuple[str, str], int] = {}
        self.run = 0

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Begin a ramp at a new run of risk or a cleared kill; end those that are over."""
        message, now_ns = event.message, event.header.ts_ns
        if type(message) is ServiceStarted:
            # The same run again is a restart of the bus: risk lived on.
            if message.service == "risk" and message.run != self.run:
                self.run = message.run
                self.since_ns["", ""] = now_ns
        elif type(message) is KillCleared:
            self.since_ns["", ""] = now_ns
        elif self.since_ns:
            duration_ns = known.settings.ramp.duration_s * NS_PER_S
            for key, since_ns in list(self.since_ns.items()):
                if since_ns == NOT_YET:
                    self.since_ns[key] = now_ns
                elif now_ns - since_ns >= duration_ns:
                    del self.since_ns[key]

    def fold(self, message: Message) -> None:
        """Begin a ramp where a guard lets go."""
        if isinstance(message, GuardReleased):
            self.since_ns[message.strategy, message.symbol] = NOT_YET

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int:
        """Return the share of the lowest ramp that covers the order."""
        if not self.since_ns:
            return PPM
        ramp = known.settings.ramp
        duration_ns = ramp.duration_s * NS_PER_S
        share_ppm = PPM
        for (one, market), since_ns in self.since_ns.items():
            if one in ("", strategy) and market in ("", symbol) and duration_ns:
                passed_ns = 0 if since_ns == NOT_YET else min(duration_ns, known.now_ns - since_ns)
                ppm = ramp.start_ppm + (PPM - ramp.start_ppm) * passed_ns // duration_ns
                share_ppm = min(share_ppm, ppm)
        return share_ppm

    def dump(self) -> bytes:
        """Return the ramps."""
        since = [(*key, since_ns) for key, since_ns in sorted(self.since_ns.items())]
        return msgspec.msgpack.encode(_State(since, self.run))

    def load(self, data: bytes) -> None:
        """Take the ramps."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.since_ns = {(strategy, symbol): since_ns for strategy, symbol, since_ns in state.since}
        self.run = state.run
