"""A host numbers what its core says, compares it with the log, and survives a restart without a repeat."""

import msgspec
import pytest

from shared.core import Output
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages import Event, Header, Instruction, Message
from shared.messages.control import StrategyNote
from shared.messages.system import ServiceStarted, Tick


class Ring(Instruction, frozen=True, tag="ring"):
    """An instruction of the core below."""


class Counting:
    """A core that says something on every second tick, and rings at every fourth."""

    service = "strategy"

    def __init__(self) -> None:
        self.ticks = 0
        self.heard = 0

    def apply(self, event: Event) -> list[Output | Instruction]:
        if isinstance(event.message, StrategyNote):
            self.heard += 1
        if not isinstance(event.message, Tick):
            return []
        self.ticks += 1
        said: list[Output | Instruction] = []
        if self.ticks % 2 == 0:
            said.append(Output("strategy/one", a_note(self.ticks)))
        if self.ticks % 4 == 0:
            said.append(Ring())
        return said

    def adopt(self, event: Event) -> None:
        if isinstance(event.message, Tick):
            self.ticks += 1

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([self.ticks, self.heard])

    def restore(self, data: bytes) -> None:
        self.ticks, self.heard = msgspec.msgpack.decode(data)

    def digest(self) -> bytes:
        return self.snapshot().ljust(16)


def a_note(number: int) -> Message:
    return StrategyNote("one", "info", "tick", f"tick {number}")


def an_event(seq: int, message: Message, source: str = "bus", n: int = 0, cause_seq: int = 0) -> Event:
    return Event(Header(seq, seq * 10, seq * 10 - 1, 7, source, 1, n or seq, cause_seq), message)


def test_outputs_are_numbered_and_inherit_the_time_of_their_cause() -> None:
    host = CoreHost(Counting())

    steps = [host.apply(an_event(seq, Tick(seq))) for seq in range(1, 5)]

    outputs = [output for step in steps for output in step.outputs]
    assert [(output.n, output.cause_seq, output.origin_ns) for output in outputs] == [(1, 2, 19), (2, 4, 39)]
    assert [len(step.instructions) for step in steps] == [0, 0, 0, 1]


@pytest.mark.req("JR-5")
def test_an_output_that_comes_back_equal_leaves_the_outbox() -> None:
    host = CoreHost(Counting())
    host.apply(an_event(1, Tick(1)))
    (output,) = host.apply(an_event(2, Tick(2))).outputs

    host.apply(an_event(3, output.message, "strategy/one", n=1, cause_seq=2))

    assert host.outbox == {}
    assert host.core.heard == 1


@pytest.mark.req("JR-5")
@pytest.mark.parametrize(
    ("message", "n", "cause_seq"),
    [(a_note(99), 1, 2), (a_note(2), 1, 1), (a_note(2), 2, 2)],
    ids=["another text", "another cause", "never said"],
)
def test_an_output_on_the_log_that_the_core_did_not_say_is_a_divergence(
    message: Message, n: int, cause_seq: int
) -> None:
    host = CoreHost(Counting())
    host.apply(an_event(1, Tick(1)))
    host.apply(an_event(2, Tick(2)))

    with pytest.raises(DivergenceError, match="strategy/one"):
        host.apply(an_event(3, message, "strategy/one", n=n, cause_seq=cause_seq))


@pytest.mark.req("JR-7", "JR-8")
def test_a_restored_host_goes_on_with_its_counters_and_outbox() -> None:
    host = CoreHost(Counting())
    host.apply(an_event(1, ServiceStarted("strategy", 5, "build", b"", ["strategy/one"])))
    for seq in (2, 3):
        host.apply(an_event(seq, Tick(seq)))

    restored = CoreHost(Counting())
    restored.restore(host.snapshot())

    assert restored.snapshot() == host.snapshot()
    assert (restored.run, restored.applied_seq, list(restored.outbox)) == (5, 3, [("strategy/one", 1)])
    for seq in (4, 5):
        assert restored.apply(an_event(seq, Tick(seq))) == host.apply(an_event(seq, Tick(seq)))


def test_an_adopting_host_decides_nothing_and_takes_its_counters_from_the_log() -> None:
    host = CoreHost(Counting())
    host.is_deciding = False

    steps = [host.apply(an_event(seq, Tick(seq))) for seq in (1, 2)]
    host.apply(an_event(3, a_note(2), "strategy/one", n=8, cause_seq=2))
    host.is_deciding = True
    host.apply(an_event(4, Tick(4)))
    (output,) = host.apply(an_event(5, Tick(5))).outputs

    assert all(step.outputs == [] for step in steps)
    assert output.n == 9


def test_events_out_of_order_are_refused() -> None:
    host = CoreHost(Counting())
    host.apply(an_event(1, Tick(1)))

    with pytest.raises(AssertionError, match="in order"):
        host.apply(an_event(3, Tick(3)))


def test_a_snapshot_of_another_service_is_refused() -> None:
    host = CoreHost(Counting())
    data = host.snapshot()
    host.service = "risk"

    with pytest.raises(ValueError, match="strategy cannot restore risk"):
        host.restore(data)
