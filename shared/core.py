"""What a core is: one door in (`apply`), messages and instructions out, nothing else.

A core has no socket, clock, random source, environment or log. It is built without arguments; its settings
arrive in its own `ServiceStarted`. The same events give the same bytes, whatever the process or hash seed.
"""

import heapq
from typing import NamedTuple, Protocol

from shared.messages import Event, Instruction, Message


class Output(NamedTuple):
    """One message of a core and the source that says it (`risk`, `strategy/as_btc`)."""

    source: str
    message: Message


class Core(Protocol):
    """A deterministic function of the log. Structure `apply` as observe, then decide, then fold.

    `apply(event)`   take one event of the log, own outputs included (these change nothing: they were folded
                     when decided), handle deadlines passed at `event.header.ts_ns` *first*, and return what
                     is said, in order. A core's own `ServiceStarted` (re)configures it.
    `adopt(event)`   take one event but decide nothing: inputs are observed, own outputs are folded as they
                     stand on the log. Used when a new build or new settings would decide otherwise.
    `snapshot()`     the whole state, canonically encoded (MessagePack, sorted keys).
    `restore(data)`  take the state of `snapshot()`; raises `ValueError` on anything else.
    `digest()`       16 bytes over the state: equal states give equal digests in any process.
    """

    service: str

    def apply(self, event: Event) -> list[Output | Instruction]: ...

    def adopt(self, event: Event) -> None: ...

    def snapshot(self) -> bytes: ...

    def restore(self, data: bytes) -> None: ...

    def digest(self) -> bytes: ...


class Deadlines:
    """Times at which a core wants to act: part of its state, popped by (due time, order of setting).

    A key has at most one deadline; setting it again moves it.
    """

    def __init__(self) -> None:
        self._due: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._count = 0

    def set(self, key: str, due_ns: int) -> None:
        """Ask for `key` at `due_ns`, instead of any earlier wish for it."""
        self._count += 1
        self._due[key] = (due_ns, self._count)
        heapq.heappush(self._heap, (due_ns, self._count, key))

    def drop(self, key: str) -> None:
        """Forget `key`; nothing happens when it is not set."""
        self._due.pop(key, None)

    def pop_due(self, now_ns: int) -> str | None:
        """Return the key of the earliest deadline at or before `now_ns` and forget it, else None."""
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, order, key = heapq.heappop(self._heap)
            if self._due.get(key) == (due_ns, order):
                del self._due[key]
                return key
        return None

    def dump(self) -> list[tuple[int, str]]:
        """Return what is set as (due_ns, key) in the order in which it would be popped."""
        return [(due, key) for due, _, key in sorted((d, o, k) for k, (d, o) in self._due.items())]

    def load(self, dumped: list[tuple[int, str]]) -> None:
        """Replace everything by the result of `dump`."""
        self.__init__()  # type: ignore[misc]
        for due_ns, key in dumped:
            self.set(key, due_ns)
