"""When the broker counts as dead: pure, so that every case is tested without waiting."""

from services.canceller.settings import CancellerSettings
from shared.units import NS_PER_MS


class Watch:
    """Counts the silence of the broker from its last sign of life; times in ns of any rising clock.

    Before the first sign nothing is due: a broker that never ran has no orders of this life, and what an
    earlier one left is the broker's own work at its start.
    """

    def __init__(self, settings: CancellerSettings, *, is_armed_at_ns: int | None = None) -> None:
        self._settings = settings
        self._alive_ns = is_armed_at_ns
        self._acted_ns: int | None = None

    @property
    def is_armed(self) -> bool:
        """Whether the broker has been alive, so that its silence means something."""
        return self._alive_ns is not None

    def alive(self, now_ns: int) -> None:
        """Take a sign of life."""
        self._alive_ns = now_ns
        self._acted_ns = None

    def silent_ms(self, now_ns: int) -> int:
        """Return for how long nothing was heard, 0 while nothing is due."""
        return 0 if self._alive_ns is None else (now_ns - self._alive_ns) // NS_PER_MS

    def is_due(self, now_ns: int, *, is_killed: bool) -> bool:
        """Return whether the orders are to be cancelled now."""
        if self._alive_ns is None:
            return False
        limit_ms = self._settings.killed_silence_ms if is_killed else self._settings.silence_ms
        if self.silent_ms(now_ns) < limit_ms:
            return False
        return self._acted_ns is None or now_ns - self._acted_ns >= self._settings.again_ms * NS_PER_MS

    def acted(self, now_ns: int) -> None:
        """Take that the venues have been looked at."""
        self._acted_ns = now_ns
