"""Behind the gate of the bus: what it lets onto the log, every core must be able to apply."""

import msgspec

from services.bus.impossible import impossible
from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import MSGPACK, Mutator
from services.hostile.samples import Samples
from services.replay.cores import log_cores
from shared.errors import ProtocolError
from shared.hosting import CoreHost
from shared.messages import Event, message_of, source_service
from shared.units import NS_PER_MS

CASES_PER_LOG = 500


class CoresTarget:
    """Damaged messages of the right owner, on the log of a mesh that runs.

    An event that a core cannot apply would stop it in each later life as well.
    """

    name = "cores"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._states = samples.snapshots
        self._last_ns = samples.log[-1].event.header.ts_ns
        self._samples = [stored for stored in samples.log if stored.event.header.source != "bus"]
        self.case = b""
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self.hosts = [CoreHost(core) for core in log_cores()]
        for host in self.hosts:
            host.restore(self._states[host.service])

    def attempt(self) -> Verdict:
        """Let all cores but the speaker apply one damaged message."""
        self.count += 1
        if self.count > CASES_PER_LOG:
            self._begin()
        stored = self.mutator.picked(self._samples)
        self.case = self.mutator.damaged(stored.body, MSGPACK)
        speaker = source_service(stored.event.header.source)
        try:
            message = message_of(self.case)
        except ProtocolError:
            return Verdict.REFUSED
        if speaker not in type(message).owners or not message.stored or impossible(message, self.case):
            return Verdict.REFUSED
        try:
            for host in self.hosts:
                if host.service != speaker:
                    ts_ns = self._last_ns + self.count * NS_PER_MS
                    place = {"seq": host.applied_seq + 1, "ts_ns": ts_ns, "origin_ns": ts_ns}
                    host.apply(Event(msgspec.structs.replace(stored.event.header, **place), message))
        except Exception:
            # The next case shall meet cores that live.
            self._begin()
            raise
        return Verdict.ACCEPTED

    def shown(self) -> str:
        """Return the last body."""
        return self.case[:1000].hex()

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Check that every core can still say its state."""
        for host in self.hosts:
            host.snapshot()
