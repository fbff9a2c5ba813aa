"""One life of the broker process in virtual time: carries out what Execution says, and dies in the middle.

It stands where the broker's shell stands in the real process, and decides as little.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from services.broker.core import BrokerCore
from services.broker.desk.state import Fact, Work
from services.broker.execution import Execution
from services.broker.instructions import ClearLatch, LatchKill
from services.fused.live_time import Timeline
from shared.core import Core
from shared.execution.outside import OutsideWork
from shared.messages import Event, Instruction
from shared.units import NS_PER_MS

POLL_NS = 50 * NS_PER_MS


class Host(Protocol):
    """What a life of the broker needs of its world."""

    def publish(self, fact: Fact) -> None:
        """Send a fact to the bus."""

    def do(self, venue: str, work: OutsideWork) -> None:
        """Carry out outside work."""

    def latch(self, instruction: LatchKill | ClearLatch) -> None:
        """Write or remove the latch file."""

    def died(self) -> None:
        """Take that the process is gone."""


class BrokerLife:
    """See `live_mesh.Outside` and `live_network.Inbox`.

    `crash_in` counts down with every step (a fact said, a byte sent, an answer taken); at 0 the process dies
    before it.
    """

    def __init__(self, number: int, execution: Execution, timeline: Timeline, host: Host) -> None:
        self.number = number
        self.execution = execution
        self.is_dead = False
        self.crash_in = -1
        self.step_count = 0
        self._timeline = timeline
        self._host = host
        self._is_begun = False
        self._is_frozen = False
        self._waiting: list[Callable[[], None]] = []

    def begin(self, core: Core, run: int, *, is_latched: bool) -> None:
        """Begin: the core is caught up."""
        assert isinstance(core, BrokerCore), "the broker's outside half works with the broker's core"
        self._is_begun = True
        now_ns = self._timeline.now_ns
        self._take(self.execution.on_latch(is_latched, now_ns))
        self._take(self.execution.start(core, run, now_ns))
        self._timeline.after(POLL_NS, self._poll)

    def die(self) -> None:
        """End at once."""
        if not self.is_dead:
            self.is_dead = True
            self._waiting.clear()
            self._host.died()

    def freeze(self) -> None:
        """Stand still until `thaw`."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Go on: what waited comes now, late."""
        self._is_frozen = False
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()

    def when_awake(self, action: Callable[[], None]) -> None:
        """Do something at the moment when the process would notice it."""
        if self._is_frozen:
            self._waiting.append(action)
        else:
            action()

    # ---- from the mesh

    def on_event(self, event: Event) -> None:
        """Take an event that the core has applied; execution hears of it once it has begun."""
        if not self._is_begun:
            return
        self._run(lambda now_ns: self.execution.on_event(event, now_ns))

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Do what the core asks."""
        if isinstance(instruction, LatchKill | ClearLatch):
            self._host.latch(instruction)
            return
        if not self._is_begun:
            return  # execution finds it in the core when it starts
        self._run(lambda now_ns: self.execution.carry_out(instruction, event, now_ns))

    def on_durable(self, durable_seq: int) -> None:
        """Take that the log is on disk up to here."""
        if not self._is_begun:
            return
        self._run(lambda now_ns: self.execution.on_durable(durable_seq, now_ns))

    def on_latch(self, *, is_set: bool) -> None:
        """Take that the latch file is there or gone."""
        self._run(lambda now_ns: self.execution.on_latch(is_set, now_ns))

    # ---- from the network

    def on_http(
        self, venue: str, call_id: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None:
        """Take a whole answer."""
        self._run(lambda now_ns: self.execution.on_http(venue, call_id, status, headers, body, now_ns))

    def on_http_failed(self, venue: str, call_id: int, reason: str, *, is_sent: bool) -> None:
        """Take that none came."""
        self._run(lambda now_ns: self.execution.on_http_failed(venue, call_id, reason, is_sent, now_ns))

    def on_opened(self, venue: str, socket: str) -> None:
        """Take that a socket is open."""
        self._run(lambda now_ns: self.execution.on_opened(venue, socket, now_ns))

    def on_closed(self, venue: str, socket: str, reason: str) -> None:
        """Take that a socket is closed."""
        self._run(lambda now_ns: self.execution.on_closed(venue, socket, reason, now_ns))

    def on_text(self, venue: str, socket: str, text: bytes) -> None:
        """Take a frame."""
        self._run(lambda now_ns: self.execution.on_text(venue, socket, text, now_ns))

    # ---- the loop

    def _poll(self) -> None:
        if not self.is_dead:
            self._run(self.execution.on_time)
            self._timeline.after(POLL_NS, self._poll)

    def _run(self, call: Callable[[int], Iterable[Fact | Work]]) -> None:
        if self.is_dead:
            return
        if self._is_frozen:
            self._waiting.append(partial(self._run, call))
            return
        if not self._lives():
            return
        self._take(call(self._timeline.now_ns))

    def _take(self, said: Iterable[Fact | Work]) -> None:
        for item in said:
            if not self._lives():
                return
            if isinstance(item, Fact):
                self._host.publish(item)
            else:
                self._host.do(item.venue, item.work)

    def _lives(self) -> bool:
        """Count one step; die where the plan says so."""
        if self.is_dead:
            return False
        self.step_count += 1
        if self.crash_in >= 0:
            if self.crash_in == 0:
                self.die()
                return False
            self.crash_in -= 1
        return True
