"""The part of the replica about accounts at venues: the mode, links, reconciliation and differences.

On paper only the mode is known, and everything else stays empty.
"""

import msgspec

from services.broker.settings import BrokerSettings
from shared.messages import Event
from shared.messages.system import Reconciled, ServiceStarted
from shared.messages.venue import VenueDifference, VenueLink
from shared.settings import unpack

DIFFERENCES_KEPT = 50


class LinkRecord(msgspec.Struct, frozen=True, array_like=True):
    """What the broker said last of a venue, and when its two links came to be as they are."""

    said: VenueLink
    ts_ns: int
    user_stream_since_ns: int


class DifferenceRecord(msgspec.Struct, frozen=True, array_like=True):
    """One difference between a venue and our books."""

    seq: int
    ts_ns: int
    said: VenueDifference


class AccountsState(msgspec.Struct, array_like=True, frozen=True):
    """The snapshot of `Accounts`."""

    settings: BrokerSettings = BrokerSettings()
    run: int = 0
    links: list[LinkRecord] = []
    reconciled: Reconciled | None = None
    reconciled_ns: int = 0
    differences: list[DifferenceRecord] = []
    difference_count: int = 0


class Accounts:
    """Read-only for callers; the `take_*` calls alone change it."""

    def __init__(self) -> None:
        self.settings = BrokerSettings()
        self.run = 0
        self.links: dict[str, LinkRecord] = {}
        self.reconciled: Reconciled | None = None
        self.reconciled_ns = 0
        self.differences: list[DifferenceRecord] = []
        self.difference_count = 0

    @property
    def is_reconciled(self) -> bool:
        """Whether this run of the broker has compared itself with its venues and found no difference."""
        said = self.reconciled
        return said is not None and said.run == self.run and not said.difference_count

    def take_start(self, event: Event) -> None:
        """Take a start of the broker: what was known of its links is of an earlier life."""
        started: ServiceStarted = event.message
        if started.service != "broker":
            return
        if started.run != self.run:
            self.links = {}
        self.settings, self.run = unpack(started.settings, BrokerSettings), started.run

    def take_link(self, event: Event) -> None:
        """Take what the broker says of a venue."""
        said, now_ns = event.message, event.header.ts_ns
        before = self.links.get(said.venue)
        is_same = before is not None and before.said.is_user_stream_up == said.is_user_stream_up
        since_ns = before.user_stream_since_ns if before is not None and is_same else now_ns
        self.links[said.venue] = LinkRecord(said, now_ns, since_ns)

    def take_reconciled(self, event: Event) -> None:
        """Take the result of a comparison."""
        self.reconciled, self.reconciled_ns = event.message, event.header.ts_ns

    def take_difference(self, event: Event) -> None:
        """Keep a difference; the oldest ones are forgotten."""
        self.difference_count += 1
        self.differences.append(DifferenceRecord(event.header.seq, event.header.ts_ns, event.message))
        del self.differences[:-DIFFERENCES_KEPT]

    def dump(self) -> AccountsState:
        """Return the whole state."""
        return AccountsState(
            self.settings,
            self.run,
            [self.links[venue] for venue in sorted(self.links)],
            self.reconciled,
            self.reconciled_ns,
            list(self.differences),
            self.difference_count,
        )

    @classmethod
    def load(cls, state: AccountsState) -> "Accounts":
        """Return what `dump` described."""
        made = cls()
        made.settings, made.run = state.settings, state.run
        made.links = {link.said.venue: link for link in state.links}
        made.reconciled, made.reconciled_ns = state.reconciled, state.reconciled_ns
        made.differences, made.difference_count = list(state.differences), state.difference_count
        return made
