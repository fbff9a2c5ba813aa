"""The rules of the bus: frames of services, hellos and commands, beside a second reading of the rules."""

from collections import Counter

import msgspec

from services.bus.sequencer import Sequencer
from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import MSGPACK, Mutator
from services.hostile.samples import Samples
from shared.errors import ProtocolError
from shared.messages import Event, Header, body_of, decode_header, message_of, source_service
from shared.messages.control import PauseRequested
from shared.messages.wire import AppendHeader, Hello, Refused, Welcome, pack_wire, unpack_wire

EPOCH = 1_700_000_000
START_NS = 1_700_000_000 * 10**9
SERVICES = ("market_data", "strategy", "risk", "broker", "gateway")
FRAME_MAX_BYTES = 65_536
SERVICES_BOUND = 200
CASES_PER_LOG = 2000


class _BusTarget:
    """A sequencer with five services that said hello, and what must be true of all it puts on the log."""

    name = ""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self.samples = [stored for stored in samples.log if stored.event.header.source != "bus"]
        self.begin()

    def begin(self) -> None:
        """Start on an empty log: a number near the end of the range would leave nothing to accept."""
        self.count = 0
        self.sequencer = Sequencer(EPOCH, 0, START_NS, {}, {}, FRAME_MAX_BYTES)
        self.now_ns = START_NS
        self.head_seq = 0
        self.last_ts_ns = START_NS
        self.last_n: Counter[str] = Counter()
        self.case: tuple[bytes, ...] = ()
        for service in SERVICES:
            hello = Hello(service, 0, 1, "hostile", b"\x80", [f"{service}.io"])
            assert isinstance(self.sequencer.hello(hello, self.now_ns), Welcome)
        self.taken()

    def taken(self) -> list[Event]:
        """Return what was put on the log, after checking its order, its owners and its numbers."""
        found = []
        for one in self.sequencer.take().events:
            header, message = decode_header(one.header), message_of(one.body)
            assert one.seq == header.seq, "seq of the row and of the header differ"
            assert header.epoch == EPOCH
            assert header.ts_ns >= self.last_ts_ns
            assert 0 < header.origin_ns <= header.ts_ns, "received after it was stamped"
            assert source_service(header.source) in type(message).owners, "said by one who may not say it"
            assert one.topic == message.topic, "published under a topic that is not its own"
            assert len(one.body) <= FRAME_MAX_BYTES, f"{len(one.body)} bytes on the log"
            self.last_ts_ns = header.ts_ns
            if message.stored:
                assert header.seq == self.head_seq + 1, "a hole in the log"
                assert 0 <= header.cause_seq < header.seq
                self.head_seq = header.seq
            else:
                assert header.seq == 0
            found.append(Event(header, message))
        return found

    def counted(self) -> int:
        """Return how many frames the sequencer says to have judged."""
        return sum(self.sequencer.counters.values())

    def shown(self) -> str:
        """Return the frames of the last case."""
        return " ".join(part.hex() if len(part) < 400 else f"{part[:200].hex()}..." for part in self.case)

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Leave nothing behind."""


class AppendTarget(_BusTarget):
    """`[header', topic, body]` of services: the next n mostly, so that what is whole is accepted."""

    name = "bus append"

    def attempt(self) -> Verdict:
        """Offer one damaged frame and check what became of it."""
        self.count += 1
        if self.count > CASES_PER_LOG:
            self.begin()
        self.now_ns += self.mutator.draw.randrange(2_000_000) - 500_000
        packed, topic, body = self.case = self._frame()
        before, known = self.counted(), dict(self.sequencer.sources)
        refused = self.sequencer.offer(packed, topic, body, self.now_ns)
        assert self.counted() == before + 1, "a frame was not counted once"
        events = self.taken()
        own = [event for event in events if event.header.source != "bus"]
        if refused is not None:
            assert isinstance(msgspec.msgpack.decode(pack_wire(refused), type=Refused), Refused)
            assert not events, f"refused ({refused.reason}), but the log got {events}"
            assert self.sequencer.sources == known, "refused, but the source moved on"
            return Verdict.REFUSED
        if not own:
            assert not events
            assert self.sequencer.sources == known
            return Verdict.REFUSED
        self._check(unpack_wire(packed, AppendHeader), own[0].header, len(events) - len(own), body)
        return Verdict.ACCEPTED

    def _check(self, said: AppendHeader, header: Header, gap_count: int, body: bytes) -> None:
        assert (said.source, said.run, said.epoch) == (header.source, header.run, EPOCH)
        assert said.run == 1
        assert source_service(said.source) in SERVICES
        if header.seq:
            step = said.n - self.last_n[said.source]
            assert step == 1 or (step > 1 and said.source == "market_data.io" and gap_count == 1)
            assert header.n == said.n
            assert header.cause_seq == said.cause_seq
            self.last_n[said.source] = said.n
        assert len(body) <= FRAME_MAX_BYTES

    def _frame(self) -> tuple[bytes, bytes, bytes]:
        mutator = self.mutator
        stored = mutator.picked(self.samples)
        source = stored.event.header.source
        cause_seq = mutator.draw.randrange(self.head_seq + 2) if mutator.chance(0.5) else 0
        header = AppendHeader(EPOCH, source, 1, self.last_n[source] + 1, self.now_ns, cause_seq)
        packed, topic, body = pack_wire(header), stored.topic, stored.body
        which = mutator.draw.random()
        if which < 0.35:
            packed = mutator.damaged(packed, MSGPACK)
        elif which < 0.45:
            topic = mutator.damaged_bytes(topic)
        elif which < 0.85:
            body = mutator.damaged(body, MSGPACK)
        elif which < 0.95:
            other = mutator.picked(self.samples)
            topic, body = other.topic, other.body
        return packed, topic, body


class HelloTarget(_BusTarget):
    """`Hello` of services: whoever is let in is a service, once, in the run that is its next or last."""

    name = "bus hello"

    def attempt(self) -> Verdict:
        """Say one damaged hello."""
        mutator = self.mutator
        service = mutator.picked((*SERVICES, "venue_sim", "alerts"))
        run = self.sequencer.services.get(service, 0) if mutator.chance(0.6) else 0
        hello = Hello(service, run, mutator.draw.randrange(2**32), "hostile", b"\x80", [f"{service}.io"])
        packed = pack_wire(hello)
        if mutator.chance(0.9):
            packed = mutator.damaged(packed, MSGPACK)
        self.case = (packed,)
        try:
            said = unpack_wire(packed, Hello)
        except ProtocolError:
            return Verdict.REFUSED
        before, runs = self.counted(), dict(self.sequencer.services)
        answer = self.sequencer.hello(said, self.now_ns)
        events = self.taken()
        pack_wire(answer)
        if isinstance(answer, Refused):
            assert self.counted() == before + 1
            assert not events
            assert self.sequencer.services == runs
            return Verdict.REFUSED
        assert answer.run in (runs.get(said.service, 0), runs.get(said.service, 0) + 1)
        assert answer.run > 0
        assert len(events) <= 1
        assert answer.epoch == EPOCH
        assert source_service(said.service) == said.service, "a source of a service is no service"
        assert len(self.sequencer.services) <= SERVICES_BOUND, "services without end"
        return Verdict.ACCEPTED


class CommandTarget(_BusTarget):
    """What a person's client says: only the operator, only what the operator may say."""

    name = "bus command"

    def attempt(self) -> Verdict:
        """Give one damaged command."""
        mutator = self.mutator
        source, body = "operator", body_of(PauseRequested("", "me", "why"))
        if mutator.chance(0.4):
            body = mutator.picked(self.samples).body
        if mutator.chance(0.2):
            source = mutator.text()
        if mutator.chance(0.7):
            body = mutator.damaged(body, MSGPACK)
        self.case = (source.encode("utf-8", "replace"), body)
        before = self.counted()
        answer = self.sequencer.command(source, body, self.now_ns)
        events = self.taken()
        if isinstance(answer, Refused):
            assert self.counted() == before + 1
            assert not events
            return Verdict.REFUSED
        assert source == "operator"
        assert len(events) == 1
        assert events[0].header.seq == answer
        return Verdict.ACCEPTED
