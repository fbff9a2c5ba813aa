"""The mesh about itself: lives of processes, time, gaps, digests."""

from typing import ClassVar

from shared.messages.base import Message

_BUS = frozenset({"bus"})
_CORES = frozenset({"strategy", "risk", "broker", "gateway", "alerts"})
_ALL = _CORES | {"market_data", "venue_sim", "bus"}


class EpochStarted(Message, frozen=True, tag="epoch_started"):
    """A new life of the bus; frames of older epochs are refused from here on."""

    family: ClassVar[str] = "bus"
    owners: ClassVar[frozenset[str]] = _BUS

    epoch: int
    build: str


class ServiceStarted(Message, frozen=True, tag="service_started"):
    """A service said hello. A core is caught up when it applies its own; settings come only from here.

    `settings` is the MessagePack of the service's section. `sources` are those it speaks for. The same
    `run` again is a service that lived through a restart of the bus.
    """

    family: ClassVar[str] = "service"
    owners: ClassVar[frozenset[str]] = _BUS
    key: ClassVar[str] = "service"

    service: str
    run: int
    build: str
    settings: bytes
    sources: list[str]


class Tick(Message, frozen=True, tag="tick"):
    """Time passed on the mesh clock: one each 100 ms; deadlines need no other event."""

    family: ClassVar[str] = "tick"
    owners: ClassVar[frozenset[str]] = _BUS

    number: int


class SourceGap(Message, frozen=True, tag="source_gap"):
    """Market data skipped: `got_n` came where `expected_n` was due."""

    family: ClassVar[str] = "bus"
    owners: ClassVar[frozenset[str]] = _BUS

    source: str
    run: int
    expected_n: int
    got_n: int


class SourceSilent(Message, frozen=True, tag="source_silent"):
    """A service sent no `Alive` for its limit; only the bus judges this."""

    family: ClassVar[str] = "bus"
    owners: ClassVar[frozenset[str]] = _BUS

    service: str
    silent_ms: int


class SourceBack(Message, frozen=True, tag="source_back"):
    """A silent service is heard again."""

    family: ClassVar[str] = "bus"
    owners: ClassVar[frozenset[str]] = _BUS

    service: str


class Reconciled(Message, frozen=True, tag="reconciled"):
    """The broker's orders, positions and balances equal the venue's in this run (I-30), and risk's (RK-29).

    With `difference_count` above 0 they do not; `details` names the first of them.
    """

    family: ClassVar[str] = "reconciled"
    owners: ClassVar[frozenset[str]] = frozenset({"broker"})

    run: int
    difference_count: int = 0
    details: str = ""


class CoreDigest(Message, frozen=True, tag="core_digest"):
    """Digest of a core after applying `at_seq`; a replay must find the same."""

    family: ClassVar[str] = "digest"
    owners: ClassVar[frozenset[str]] = _CORES
    key: ClassVar[str] = "service"

    service: str
    at_seq: int
    digest: bytes


class CoreDiverged(Message, frozen=True, tag="core_diverged"):
    """A restarted core derived something else than the log holds; with the same build it is a bug."""

    family: ClassVar[str] = "digest"
    owners: ClassVar[frozenset[str]] = _CORES
    key: ClassVar[str] = "service"

    service: str
    at_seq: int
    detail: str
    is_same_build: bool


class Alive(Message, frozen=True, tag="alive"):
    """A service lives and has applied `applied_seq`; not stored."""

    family: ClassVar[str] = "alive"
    owners: ClassVar[frozenset[str]] = _ALL
    key: ClassVar[str] = "service"
    stored: ClassVar[bool] = False

    service: str
    run: int
    applied_seq: int
    rss_bytes: int = 0
    pid: int = 0
    state: str = ""


class Durable(Message, frozen=True, tag="durable"):
    """All up to `durable_seq` survives a power cut; `head_seq` is the newest seq. Not stored."""

    family: ClassVar[str] = "durable"
    owners: ClassVar[frozenset[str]] = _BUS
    stored: ClassVar[bool] = False

    durable_seq: int
    head_seq: int
