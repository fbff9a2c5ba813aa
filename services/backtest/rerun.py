"""Run a recorded log again at its own places: the facts as recorded, everything decided anew, both compared.

The facts are what came from outside: market data, ticks, starts of services, what people asked for. The cores
of live trading hear the whole log in its order, and each of their own messages that stands there is replaced
by the one that they derive now. With the same build that is the same message, byte for byte; `differences`
says where it is not. A core that differs is not run further: what it said from there on is missing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from services.replay.cores import log_cores, strategy_events
from shared.core import Core
from shared.errors import DivergenceError, JournalError
from shared.hosting import CoreHost, Outgoing
from shared.messages import Event, body_of, source_core
from shared.messages.system import ServiceStarted
from shared.runtime.build import build_id
from shared.runtime.journal import JournalReader

TOLD_MAX = 20
"""Differences that are told; all are counted."""


class Rerun:
    """One pass over a log. Use `events` once, to its end, then read the counts.

    `recorded` and `derived` count messages by their class, `differences` says what is not as recorded.
    `builds` are those that wrote the log.
    """

    def __init__(self, cores: Sequence[Core]) -> None:
        self.recorded: Counter[str] = Counter()
        self.derived: Counter[str] = Counter()
        self.differences: list[str] = []
        self.difference_count = 0
        self.builds: list[str] = []
        self._hosts = {core.service: CoreHost(core) for core in cores}
        self._dead: set[str] = set()
        self._said: dict[tuple[str, int], Outgoing] = {}

    @property
    def is_equal(self) -> bool:
        """Return whether everything is as recorded."""
        return not self.difference_count

    @property
    def order_count(self) -> int:
        """Return how many orders were decided again."""
        return self.derived["OrderIntent"]

    @property
    def fill_count(self) -> int:
        """Return how many fills came out again."""
        return self.derived["Fill"]

    def events(self, log: Iterable[Event]) -> Iterator[Event]:
        """Yield the log with every message of a core as it is derived now; one that is not is left out."""
        for event in log:
            header = event.header
            if type(event.message) is ServiceStarted and event.message.build not in self.builds:
                self.builds.append(event.message.build)
            core = source_core(header.source)
            if core in self._hosts:
                again = self._again(event, core)
                if again is not None:
                    yield again
            else:
                yield event
            self._apply(event)
        self._finish()

    def _again(self, event: Event, core: str) -> Event | None:
        """Return an event of a core as it was derived, None when it was not."""
        header, message = event.header, event.message
        self.recorded[type(message).__name__] += 1
        derived = self._said.pop((header.source, header.n), None)
        if derived is None:
            if core not in self._dead:
                self._differ(event, "is not decided again")
            return None
        self.derived[type(derived.message).__name__] += 1
        if derived.body != body_of(message):
            self._differ(event, f"is decided otherwise now: {derived.message!r}")
        return Event(header, derived.message)

    def _apply(self, event: Event) -> None:
        for service, host in self._hosts.items():
            if service in self._dead:
                continue
            try:
                step = host.apply(event)
            except DivergenceError as error:
                self._dead.add(service)
                self._note(f"seq {event.header.seq}: {service} is not run further: {error}")
                continue
            for out in step.outputs:
                self._said[out.source, out.n] = out

    def _differ(self, event: Event, what: str) -> None:
        header = event.header
        self._note(f"seq {header.seq}: {type(event.message).__name__} of {header.source} {what}")

    def _note(self, text: str) -> None:
        self.difference_count += 1
        if len(self.differences) < TOLD_MAX:
            self.differences.append(text)

    def _finish(self) -> None:
        """Let go of what was derived for the very end, which the killed recorder did not write any more."""
        self._said.clear()

    def summary(self) -> str:
        """Return one line for people."""
        orders, fills = self.recorded["OrderIntent"], self.recorded["Fill"]
        if self.is_equal:
            return f"{orders} orders and {fills} fills were recorded, and all were decided again the same"
        same = build_id()
        other = [build for build in self.builds if build != same]
        why = f"; the log was written by build {', '.join(other)}, this is {same}" if other else ""
        return (
            f"{orders} orders and {fills} fills were recorded, {self.order_count} and {self.fill_count} were "
            f"decided again, {self.difference_count} differences{why}"
        )


def rerun_log(journal: Path) -> tuple[Rerun, Iterator[Event]]:
    """Return the re-run of a stored log and its events, to be taken to their end.

    Raises `JournalError` when there is no log, or when its beginning was pruned.
    """
    reader = JournalReader(journal)
    if not journal.is_dir() or not reader.head_seq():
        raise JournalError(f"{journal} holds no log; name the folder `journal` of a data directory")
    first_seq = reader.first_seq()
    if first_seq > 1:
        raise JournalError(
            f"the log in {journal} begins at seq {first_seq}: older segments were pruned (bus.keep_hours, "
            "bus.keep_bytes), so nothing can be decided again from the start; use a backup that holds them"
        )
    rerun = Rerun(log_cores(strategy_events(reader)))
    return rerun, rerun.events(reader.events())
