"""Feed one core from the log: number its outputs, and compare what is re-derived with what is stored.

Pure, and the same for a process, the fused mesh and a replay: they differ in where events come from and
where `outbox` goes.
"""

from typing import NamedTuple

import msgspec

from shared.core import Core, Output
from shared.errors import DivergenceError, ProtocolError
from shared.messages import Event, Instruction, Message, body_of, message_of, source_core
from shared.messages.system import ServiceStarted


class Outgoing(NamedTuple):
    """One output on its way to the log."""

    source: str
    n: int
    cause_seq: int
    origin_ns: int
    message: Message
    body: bytes


class Step(NamedTuple):
    """What one event led to: new outputs, and instructions for the shell."""

    outputs: list[Outgoing]
    instructions: list[Instruction]


class _State(msgspec.Struct, array_like=True):
    """A host's snapshot."""

    service: str
    applied_seq: int
    epoch: int
    run: int
    counters: list[tuple[str, int]]
    outbox: list[tuple[str, int, int, int, bytes]]
    core: bytes


NOTHING = Step([], [])


class CoreHost:
    """One core, its counters, and the outputs not yet seen on the log (`outbox`).

    With `is_deciding` false the core adopts: it folds its own outputs from the log and decides nothing.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.service = core.service
        self.applied_seq = 0
        self.epoch = 0
        self.run = 0
        self.is_deciding = True
        self.counters: dict[str, int] = {}
        self.outbox: dict[tuple[str, int], Outgoing] = {}

    def apply(self, event: Event) -> Step:
        """Apply the next event of the log.

        Raises `DivergenceError` when an own output on the log is not the one this core derived.
        """
        header = event.header
        assert header.seq == self.applied_seq + 1 or self.applied_seq == 0, (
            f"{self.service} was given seq {header.seq} after {self.applied_seq}: events come in order"
        )
        if source_core(header.source) == self.service:
            self._meet_own(event)
        self.epoch = header.epoch
        message = event.message
        if type(message) is ServiceStarted and message.service == self.service:
            self.run = message.run
        if not self.is_deciding:
            self.core.adopt(event)
            self.applied_seq = header.seq
            return NOTHING
        said = self.core.apply(event)
        self.applied_seq = header.seq
        if not said:
            return NOTHING
        return self._number(said, event)

    def _number(self, said: list[Output | Instruction], event: Event) -> Step:
        outputs: list[Outgoing] = []
        instructions: list[Instruction] = []
        for item in said:
            if isinstance(item, Instruction):
                instructions.append(item)
                continue
            n = self.counters.get(item.source, 0) + 1
            self.counters[item.source] = n
            header = event.header
            outgoing = Outgoing(
                item.source, n, header.seq, header.origin_ns, item.message, body_of(item.message)
            )
            self.outbox[item.source, n] = outgoing
            outputs.append(outgoing)
        return Step(outputs, instructions)

    def _meet_own(self, event: Event) -> None:
        header = event.header
        if not self.is_deciding:
            self.counters[header.source] = header.n
            return
        derived = self.outbox.pop((header.source, header.n), None)
        if derived is None:
            raise DivergenceError(
                f"{header.source} n={header.n} stands on the log at seq {header.seq} as {event.message!r}, "
                f"but the core did not say it (its last n is {self.counters.get(header.source, 0)})"
            )
        # Fused, it is the very same message.
        stored = derived.body if event.message is derived.message else body_of(event.message)
        if stored != derived.body or header.cause_seq != derived.cause_seq:
            raise DivergenceError(
                f"{header.source} n={header.n} stands on the log at seq {header.seq} as {event.message!r} "
                f"caused by {header.cause_seq}, but the core says {derived.message!r} "
                f"caused by {derived.cause_seq}"
            )

    def snapshot(self) -> bytes:
        """Return counters, outbox and core after `applied_seq`."""
        return msgspec.msgpack.encode(
            _State(
                service=self.service,
                applied_seq=self.applied_seq,
                epoch=self.epoch,
                run=self.run,
                counters=sorted(self.counters.items()),
                outbox=[(o.source, o.n, o.cause_seq, o.origin_ns, o.body) for o in self.outbox.values()],
                core=self.core.snapshot(),
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot()`; raises `ValueError` when it is of another service or damaged.

        After an error this host is of no use: make a new one.
        """
        try:
            self._restore(msgspec.msgpack.decode(data, type=_State))
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            ProtocolError,
            RecursionError,
            TypeError,
        ) as error:
            raise ValueError(
                f"the state of {self.service} is damaged ({type(error).__name__}: {error})"
            ) from error

    def _restore(self, state: _State) -> None:
        if state.service != self.service:
            raise ValueError(f"a snapshot of {state.service} cannot restore {self.service}")
        self.core.restore(state.core)
        self.applied_seq = state.applied_seq
        self.epoch = state.epoch
        self.run = state.run
        self.counters = dict(state.counters)
        self.outbox = {
            (source, n): Outgoing(source, n, cause, origin, message_of(body), body)
            for source, n, cause, origin, body in state.outbox
        }
