"""Round trips as risk's ledger sees them: `RoundTrip` is said after the fill that ended one (RK-9, RK-29)."""
# ruff: noqa: ARG002  (a guard's methods have the parameters of its base)

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import QuietGuard
from shared.double_entry import in_64_bits
from shared.messages import Event, Message, guards, orders
from shared.round_trips import RoundTrips, TripState

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge


class _State(msgspec.Struct, array_like=True, frozen=True):
    trips: list[TripState]
    unsaid: list[guards.RoundTrip]


class RoundTripGuard(QuietGuard):
    """Follows every position from flat to flat; it holds nothing back.

    What ended and was not said yet waits in the state, so that a crash between the fill and the word loses
    none: the word is taken off when it is said or, while adopting, found on the log.
    """

    name = "round_trips"
    watches: frozenset[type[Message]] = frozenset({orders.Fill, orders.FundingPaid})
    folds = frozenset({guards.RoundTrip})

    def __init__(self) -> None:
        self.trips = RoundTrips()
        self.unsaid: list[guards.RoundTrip] = []

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take a new fill or funding payment."""
        message = event.message
        key = (message.strategy, message.symbol)
        if isinstance(message, orders.FundingPaid):
            self.trips.take_funding(key, message.amount_atoms)
            return
        terms = known.ledger.terms[message.symbol]
        closed = self.trips.take_fill(
            key,
            message.side,
            message.price_ticks * terms.tick_lot_atoms,
            message.qty_lots,
            known.ledger.fee_atoms(message, known.fee_mark(message)),
            event.header.ts_ns,
        )
        if closed is not None:
            self.unsaid.append(
                guards.RoundTrip(
                    strategy=message.strategy,
                    symbol=message.symbol,
                    side=closed.side,
                    qty_lots=closed.qty_lots,
                    opened_ns=closed.opened_ns,
                    closed_ns=closed.closed_ns,
                    gross_atoms=in_64_bits(closed.gross_atoms),
                    fees_atoms=in_64_bits(closed.fees_atoms),
                    funding_atoms=in_64_bits(closed.funding_atoms),
                    quote_asset=terms.quote_asset,
                )
            )

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say what ended."""
        return tuple(self.unsaid)

    def fold(self, message: Message) -> None:
        """Take what was said off the list."""
        if isinstance(message, guards.RoundTrip) and message in self.unsaid:
            self.unsaid.remove(message)

    def dump(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(_State(self.trips.dump(), self.unsaid))

    def load(self, data: bytes) -> None:
        """Take the state."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.trips.load(state.trips)
        self.unsaid = list(state.unsaid)
