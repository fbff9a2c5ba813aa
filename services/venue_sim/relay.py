"""What a relay in front of a venue does to its connections on command; `shell_relay` moves the bytes.

A half-open connection swallows: its client sees no error, and no answer. Bytes once swallowed are missing
for ever, so such a connection stays half-open until it is closed, also when the relay is healed.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from services.venue_sim.venue import VENUES

Direction = Literal["up", "down"]
RelayAction = Literal["delay", "half_open", "cut", "refuse", "heal"]

DELAY_MAX_MS = 600_000
DIRECTIONS: tuple[Direction, ...] = ("up", "down")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCommand:
    """One command: `up` is from client to venue, an empty direction both, an empty venue both venues.

    delay: bytes pass `delay_ms` later (real time), in order. half_open: bytes are swallowed, of connections
    now open and of new ones. cut: all connections are closed, new ones pass. refuse: all are closed, new ones
    too. heal: new connections are healthy again.
    """

    action: RelayAction
    venue: str = ""
    direction: Literal["", "up", "down"] = ""
    delay_ms: int = 0

    def problem(self) -> str:
        """Return what is wrong with it, empty for nothing."""
        if self.venue not in {"", *VENUES}:
            return f"venue {self.venue!r} is unknown; send {' or '.join(VENUES)}, or leave it out"
        if not 0 <= self.delay_ms <= DELAY_MAX_MS:
            return f"delay_ms {self.delay_ms} is outside 0 to {DELAY_MAX_MS}"
        return ""


class Relay:
    """The relay of one venue; times are real seconds."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.counts: Counter[str] = Counter()
        self._next_id = 0
        self._delay_s: dict[Direction, float] = dict.fromkeys(DIRECTIONS, 0.0)
        self._swallows: set[Direction] = set()
        self._refuses = False
        self._last_due_s: dict[tuple[int, Direction], float] = {}
        self._broken: set[tuple[int, Direction]] = set()
        self._open: set[int] = set()

    @property
    def open_count(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def command(self, command: RelayCommand) -> list[int]:
        """Carry out a command; return the connections to close now."""
        if command.venue not in {"", self.venue}:
            return []
        directions = (command.direction,) if command.direction else DIRECTIONS
        self.counts[command.action] += 1
        if command.action == "delay":
            self._delay_s |= dict.fromkeys(directions, command.delay_ms / 1000)
        elif command.action == "half_open":
            self._swallows |= set(directions)
        elif command.action == "heal":
            self._swallows.clear()
            self._refuses = False
            self._delay_s = dict.fromkeys(DIRECTIONS, 0.0)
        else:
            self._refuses = self._refuses or command.action == "refuse"
            return sorted(self._open)
        return []

    def connect(self) -> int | None:
        """Return the number of a new connection, None when it is refused."""
        if self._refuses:
            self.counts["connections refused"] += 1
            return None
        self._next_id += 1
        self._open.add(self._next_id)
        return self._next_id

    def close(self, connection: int) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        for direction in DIRECTIONS:
            self._last_due_s.pop((connection, direction), None)
            self._broken.discard((connection, direction))

    def due_s(self, connection: int, direction: Direction, size: int, now_s: float) -> float | None:
        """Return when `size` bytes that came now go on, None when they are swallowed."""
        key = (connection, direction)
        if direction in self._swallows or key in self._broken:
            self._broken.add(key)
            self.counts["bytes swallowed"] += size
            return None
        due_s = max(now_s + self._delay_s[direction], self._last_due_s.get(key, 0.0))
        self._last_due_s[key] = due_s
        return due_s
