"""One connection to the venue: opened with a growing pause, made anew before the venue ends it at 24 h."""

from services.broker.binance.budget import Budget, Cost, Purpose
from services.broker.binance.calls import Out
from shared.execution.outside import CloseSocket, OpenSocket
from shared.units import NS_PER_MS, NS_PER_S

PAUSES_MS = (0, 250, 500, 1000, 2000, 5000, 10_000, 30_000)
# Standing for so long, a connection earns a first try without a pause.
STEADY_NS = 10 * NS_PER_S


class Link:
    """The life of one connection. Each attempt has a name of its own: frames of a former one are no news."""

    def __init__(self, name: str, connect_weight: int, budget: Budget) -> None:
        self.name = name
        self.socket = ""
        self.is_open = False
        self.opened_ns = 0
        self._connect_cost = Cost(connect_weight)
        self._budget = budget
        self._count = 0
        self._failed_count = 0

    def open(self, url: str, now_ns: int, out: Out) -> None:
        """Ask for the connection, after the pause that its history asks for and never inside a ban."""
        self._count += 1
        self.socket = f"{self.name}#{self._count}"
        self.is_open = False
        pause_ms = PAUSES_MS[min(self._failed_count, len(PAUSES_MS) - 1)]
        held = self._budget.held(Purpose.UPKEEP, self._connect_cost, now_ns)
        if held is not None:
            pause_ms = max(pause_ms, -(-(held.retry_ns - now_ns) // NS_PER_MS))
        self._budget.charge(Purpose.UPKEEP, self._connect_cost, now_ns)
        self._budget.settle(self._connect_cost)
        out.append(OpenSocket(self.socket, url, pause_ms))

    def opened(self, now_ns: int) -> None:
        """Take that it stands."""
        self.is_open = True
        self.opened_ns = now_ns

    def lost(self, now_ns: int) -> None:
        """Take that it is gone, or never stood."""
        is_steady = self.is_open and now_ns - self.opened_ns >= STEADY_NS
        self._failed_count = 0 if is_steady else self._failed_count + 1
        self.is_open = False
        self.socket = ""

    def close(self, now_ns: int, out: Out) -> None:
        """End it ourselves; no `on_closed` follows."""
        if self.socket:
            out.append(CloseSocket(self.socket))
            self.lost(now_ns)

    def age_ns(self, now_ns: int) -> int:
        """Return how long it has stood."""
        return now_ns - self.opened_ns if self.is_open else 0
