# cython: language_level=3, infer_types=False, annotation_typing=False
"""Position, average cost and profit of one market, exact in atoms.

Cash identity, exact after every fill: the sum of cash flows before fees (sells minus buys) is
`realized_atoms - cost_atoms`. Values are Python integers of any size: nothing can overflow.
"""

from operator import index

import cython


@cython.cclass
class Position:
    """Signed position with its cost; `tick_lot_atoms` is the value of one lot at a price of one tick.

    Average cost: a fill that reduces takes its share of the cost out, and the average of the rest stays.
    The share is rounded up (towards plus infinity), so a partial close never realises an atom too much; the
    close of the last lot takes all the cost that is left. A fill beyond zero closes, then opens at its price.
    """

    _tick_lot_atoms = cython.declare(object)
    position_lots = cython.declare(object, visibility="readonly")
    cost_atoms = cython.declare(object, visibility="readonly")
    realized_atoms = cython.declare(object, visibility="readonly")
    fees_atoms = cython.declare(object, visibility="readonly")
    volume_atoms = cython.declare(object, visibility="readonly")

    def __init__(self, tick_lot_atoms: int) -> None:
        tick_lot_atoms = index(tick_lot_atoms)
        if tick_lot_atoms <= 0:
            raise ValueError(f"tick_lot_atoms {tick_lot_atoms}: must be positive")
        self._tick_lot_atoms = tick_lot_atoms
        self.position_lots = 0
        self.cost_atoms = 0
        self.realized_atoms = 0
        self.fees_atoms = 0
        self.volume_atoms = 0

    def apply_fill(self, side: int, price_ticks: int, qty_lots: int, fee_atoms: int) -> int:
        """Take in one fill and return what it realised in atoms, before its fee.

        Side 0 is a buy, 1 a sell; a negative fee is a rebate.

        Raises:
            ValueError: price or quantity is not positive, or the side is unknown; nothing is changed.
            TypeError: a value is not an integer; nothing is changed.
        """
        price_ticks, qty_lots, fee_atoms = index(price_ticks), index(qty_lots), index(fee_atoms)
        if side not in {0, 1} or price_ticks <= 0 or qty_lots <= 0:
            raise ValueError(
                f"fill of side {side}, {qty_lots} lots at {price_ticks} ticks: "
                "the side is 0 or 1, lots and price are positive"
            )
        signed_lots = -qty_lots if side else qty_lots
        closing_lots = 0
        if self.position_lots * signed_lots < 0:
            closing_lots = min(qty_lots, abs(self.position_lots))
        lot_atoms = price_ticks * self._tick_lot_atoms
        sign = -1 if side else 1
        realized = 0
        if closing_lots:
            released = -(-self.cost_atoms * closing_lots // abs(self.position_lots))
            realized = -sign * closing_lots * lot_atoms - released
            self.cost_atoms -= released
            self.realized_atoms += realized
        self.cost_atoms += sign * (qty_lots - closing_lots) * lot_atoms
        self.position_lots += signed_lots
        self.fees_atoms += fee_atoms
        self.volume_atoms += qty_lots * lot_atoms
        return realized

    @property
    def average_price_centiticks(self) -> int:
        """Return the average price of the open position in 1/100 tick, rounded down; 0 when flat."""
        if self.position_lots == 0:
            return 0
        return self.cost_atoms * 100 // (self.position_lots * self._tick_lot_atoms)

    def unrealized_atoms(self, mark_centiticks: int) -> int:
        """Return the open profit at a mark price in 1/100 tick, before fees, rounded down."""
        value = self.position_lots * index(mark_centiticks) * self._tick_lot_atoms // 100
        return value - self.cost_atoms

    def dump(self) -> tuple[int, int, int, int, int, int]:
        """Return the whole state as integers."""
        return (
            self._tick_lot_atoms,
            self.position_lots,
            self.cost_atoms,
            self.realized_atoms,
            self.fees_atoms,
            self.volume_atoms,
        )

    def load(self, state: tuple | list) -> None:
        """Replace the state by one that `dump` returned."""
        (
            self._tick_lot_atoms,
            self.position_lots,
            self.cost_atoms,
            self.realized_atoms,
            self.fees_atoms,
            self.volume_atoms,
        ) = state
