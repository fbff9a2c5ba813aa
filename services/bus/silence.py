"""Which services are silent: judged by the bus alone, in real time. Pure."""

from shared.messages import Message
from shared.messages.system import Alive, SourceBack, SourceSilent
from shared.units import NS_PER_MS


class SilenceWatch:
    """Last sign of life of each service; a starting one has a grace.

    Times are real monotonic nanoseconds given by the caller. When the judge itself slept, nobody is
    blamed: silence counts from its awakening.
    """

    def __init__(self, silence_ms: int, start_grace_ms: int) -> None:
        self._limit_ns = silence_ms * NS_PER_MS
        self._grace_ns = start_grace_ms * NS_PER_MS
        self._due_ns: dict[str, int] = {}
        self._heard_ns: dict[str, int] = {}
        self._judged_ns: int | None = None
        self.silent: set[str] = set()
        self.alive: dict[str, Alive] = {}

    def starting(self, service: str, now_ns: int) -> None:
        """Expect `service`: it said hello, or the log knows it."""
        self._heard_ns[service] = now_ns
        self._due_ns[service] = now_ns + self._grace_ns

    def heard(self, alive: Alive, now_ns: int) -> Message | None:
        """Take a sign of life; return `SourceBack` when it was silent."""
        self.alive[alive.service] = alive
        self._heard_ns[alive.service] = now_ns
        self._due_ns[alive.service] = now_ns + self._limit_ns
        if alive.service in self.silent:
            self.silent.discard(alive.service)
            return SourceBack(alive.service)
        return None

    def judge(self, now_ns: int) -> list[Message]:
        """Return `SourceSilent` for each service that became silent."""
        slept_ns = now_ns - self._judged_ns if self._judged_ns is not None else 0
        self._judged_ns = now_ns
        if slept_ns > self._limit_ns // 2:
            for service, due_ns in self._due_ns.items():
                self._due_ns[service] = max(due_ns, now_ns + self._limit_ns)
            return []
        found: list[Message] = []
        for service, due_ns in self._due_ns.items():
            if now_ns >= due_ns and service not in self.silent:
                self.silent.add(service)
                silent_ms = (now_ns - self._heard_ns[service]) // NS_PER_MS
                found.append(SourceSilent(service, silent_ms))
        return found
