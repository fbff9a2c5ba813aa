"""Round trips: a position of a strategy from flat to flat, with what it earned and how long it took (RK-29).

A fill through zero closes one trip and opens the next: it is split at zero, and its fee by quantity, the part
of the closing rounded down, so that the two parts are the fee to the atom. Gross is plain cash flow: what
came in less what went out, which for a trip that ended flat is the profit whatever the method of cost.
"""

from typing import NamedTuple

from shared.double_entry import Wide, wide
from shared.units import Side

Key = tuple[str, str]


class ClosedTrip(NamedTuple):
    """One finished round trip; `side` is that of its opening, `qty_lots` the largest position in it."""

    side: Side
    qty_lots: int
    opened_ns: int
    closed_ns: int
    gross_atoms: int
    fees_atoms: int
    funding_atoms: int

    @property
    def net_atoms(self) -> int:
        """Return gross - fees + funding."""
        return self.gross_atoms - self.fees_atoms + self.funding_atoms

    @property
    def holding_ns(self) -> int:
        """Return how long the position was held."""
        return self.closed_ns - self.opened_ns


class _OpenTrip:
    __slots__ = ("cash_atoms", "fees_atoms", "funding_atoms", "opened_ns", "position_lots", "qty_lots")

    def __init__(self, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self.position_lots = 0
        self.qty_lots = 0
        self.cash_atoms = 0
        self.fees_atoms = 0
        self.funding_atoms = 0

    def take(self, signed_lots: int, lot_atoms: int, fee_atoms: int) -> None:
        self.position_lots += signed_lots
        self.qty_lots = max(self.qty_lots, abs(self.position_lots))
        self.cash_atoms -= signed_lots * lot_atoms
        self.fees_atoms += fee_atoms


class TripState(NamedTuple):
    """One open trip of a strategy in a market, as it stands in a snapshot."""

    strategy: str
    symbol: str
    opened_ns: int
    position_lots: Wide
    qty_lots: Wide
    cash_atoms: Wide
    fees_atoms: Wide
    funding_atoms: Wide


class RoundTrips:
    """The open round trip of each (strategy, symbol). Feed each fill once."""

    def __init__(self) -> None:
        self._open: dict[Key, _OpenTrip] = {}

    def take_fill(
        self, key: Key, side: Side, lot_atoms: int, qty_lots: int, fee_atoms: int, ts_ns: int
    ) -> ClosedTrip | None:
        """Take one fill and return the trip that it closed, None when it closed none.

        `lot_atoms` is the value of one lot at its price, `fee_atoms` its fee in the quote asset.
        """
        trip = self._open.get(key)
        if trip is None:
            trip = self._open[key] = _OpenTrip(ts_ns)
        closing_lots = min(qty_lots, max(0, -side.sign * trip.position_lots))
        is_closed = trip.position_lots != 0 and closing_lots == abs(trip.position_lots)
        if not is_closed:
            trip.take(side.sign * qty_lots, lot_atoms, fee_atoms)
            return None
        closing_fee = fee_atoms * closing_lots // qty_lots
        trip.take(side.sign * closing_lots, lot_atoms, closing_fee)
        del self._open[key]
        if qty_lots > closing_lots:
            rest = self._open[key] = _OpenTrip(ts_ns)
            rest.take(side.sign * (qty_lots - closing_lots), lot_atoms, fee_atoms - closing_fee)
        return ClosedTrip(
            side.opposite,
            trip.qty_lots,
            trip.opened_ns,
            ts_ns,
            trip.cash_atoms,
            trip.fees_atoms,
            trip.funding_atoms,
        )

    def take_funding(self, key: Key, amount_atoms: int) -> None:
        """Add a payment to the open trip; one that comes after the end of its trip belongs to none."""
        trip = self._open.get(key)
        if trip is not None:
            trip.funding_atoms += amount_atoms

    def open_lots(self, key: Key) -> int:
        """Return the signed position of the open trip, 0 when there is none."""
        trip = self._open.get(key)
        return 0 if trip is None else trip.position_lots

    def dump(self) -> list[TripState]:
        """Return every open trip, sorted."""
        return [
            TripState(
                *key,
                trip.opened_ns,
                wide(trip.position_lots),
                wide(trip.qty_lots),
                wide(trip.cash_atoms),
                wide(trip.fees_atoms),
                wide(trip.funding_atoms),
            )
            for key, trip in sorted(self._open.items())
        ]

    def load(self, state: list[TripState]) -> None:
        """Replace everything by a dump."""
        self._open = {}
        for saved in state:
            trip = self._open[saved.strategy, saved.symbol] = _OpenTrip(saved.opened_ns)
            trip.position_lots, trip.qty_lots = int(saved.position_lots), int(saved.qty_lots)
            trip.cash_atoms, trip.fees_atoms = int(saved.cash_atoms), int(saved.fees_atoms)
            trip.funding_atoms = int(saved.funding_atoms)
