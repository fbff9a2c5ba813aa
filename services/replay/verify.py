"""`replay --verify`: every log core, re-run over the stored log, says the same and is the same.

Two checks in one pass, per core: each own output on the log equals the one derived (`CoreHost` raises), and
each `CoreDigest` on the log equals the digest of the re-run core at that seq. The pass opens no socket and
reads no clock (I-39, I-40, JR-5, JR-11).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.core import Core
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages import Event
from shared.messages.system import CoreDigest, ServiceStarted

DIGEST_EVERY = 1000


@dataclass
class Verdict:
    """What the re-run of one core showed."""

    service: str
    events: int = 0
    outputs: int = 0
    unsaid: int = 0
    digests_compared: int = 0
    digests: list[tuple[int, str]] = field(default_factory=list)
    builds: list[str] = field(default_factory=list)
    difference: str = ""

    @property
    def is_equal(self) -> bool:
        """Return whether nothing differed."""
        return not self.difference


def verify(events: Iterable[Event], cores: Sequence[Core]) -> list[Verdict]:
    """Re-run `cores` over the whole log `events` and return a verdict for each.

    A core that differs is not run further; `unsaid` counts outputs derived at the very end that the log
    does not hold yet (the process was killed before it could say them).
    """
    runs = [_Run(core) for core in cores]
    for event in events:
        for run in runs:
            run.apply(event)
    return [run.finish() for run in runs]


class _Run:
    def __init__(self, core: Core) -> None:
        self.host = CoreHost(core)
        self.verdict = Verdict(core.service)
        self._own: dict[int, bytes] = {}

    def apply(self, event: Event) -> None:
        """Apply one event unless this core has differed already."""
        if self.verdict.is_equal:
            self._step(event)

    def _step(self, event: Event) -> None:
        verdict, seq, message = self.verdict, event.header.seq, event.message
        is_own_start = type(message) is ServiceStarted and message.service == verdict.service
        if is_own_start and message.build not in verdict.builds:
            verdict.builds.append(message.build)
        if type(message) is CoreDigest and message.service == verdict.service:
            self._compare(message)
        try:
            verdict.outputs += len(self.host.apply(event).outputs)
        except DivergenceError as error:
            verdict.difference = str(error)
            return
        verdict.events += 1
        if seq % DIGEST_EVERY == 0:
            digest = self.host.core.digest()
            self._own[seq] = digest
            verdict.digests.append((seq, digest.hex()))

    def _compare(self, stored: CoreDigest) -> None:
        own = self._own.pop(stored.at_seq, None)
        if own is None:
            return
        self.verdict.digests_compared += 1
        if own != stored.digest:
            self.verdict.difference = (
                f"{stored.service} had digest {stored.digest.hex()} at seq {stored.at_seq} when it ran, "
                f"the re-run has {own.hex()}"
            )

    def finish(self) -> Verdict:
        self.verdict.unsaid = len(self.host.outbox)
        return self.verdict
