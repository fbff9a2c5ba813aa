"""What a grid holds and what it earned: exact to the atom, level by level (ST-26, ST-32).

The *pot* holds what belongs to no level: lots too few to be closed alone, and, owed, what a late fill closed
too much of. It is signed: above 0 the grid is long by it. Always

    position = sum of sign * held + pot
    cash     = realized - sum of (sign * cost + fees) - cost of the pot

where sign is +1 for a level that buys first and -1 for one that sells first, and fees are those of the entry
and the funding paid since, less what was received.
"""

from collections.abc import Callable

from services.strategy.grid_slots import Slot
from services.strategy.sizes import is_allowed_size
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill


class GridLedger:
    """Slots by level, the pot, and what the grid earned after fees."""

    def __init__(self, sign_of: Callable[[int], int]) -> None:
        self._sign_of = sign_of
        self.slots: dict[int, Slot] = {}
        self.pot_lots = 0
        self.pot_cost_atoms = 0
        self.realized_atoms = 0
        self.cycles = 0

    def sign(self, level: int) -> int:
        """Return +1 for a level that buys first, -1 for one that sells first; +1 where none trades."""
        return self._sign_of(level) or 1

    def slots_in_order(self) -> list[Slot]:
        """Return the slots by level."""
        return [self.slots[level] for level in sorted(self.slots)]

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is held, owed or under way."""
        return self.pot_lots == 0 and all(slot.is_idle for slot in self.slots.values())

    @property
    def position_lots(self) -> int:
        """Return what all levels and the pot add up to."""
        held = sum(self.sign(level) * slot.held_lots for level, slot in self.slots.items())
        return held + self.pot_lots

    def held_cost_atoms(self) -> int:
        """Return what the lots of all levels and of the pot cost, long and short ones alike."""
        return sum(slot.cost_atoms for slot in self.slots.values()) + abs(self.pot_cost_atoms)

    def has_closable(self, rules: InstrumentRules) -> bool:
        """Return whether an order could close something: a level's lots, or a pot that is large enough."""
        if any(slot.held_lots for slot in self.slots.values()):
            return True
        lots = abs(self.pot_lots)
        if lots == 0:
            return False
        entry_ticks = abs(self.pot_cost_atoms) // (lots * rules.tick_lot_atoms)
        return is_allowed_size(rules, entry_ticks, lots)

    def unrealized_atoms(self, price_half_ticks: int, tick_lot_atoms: int) -> int:
        """Return what closing everything at a price would earn, entry fees paid, the closing ones not."""
        value_atoms = self.position_lots * price_half_ticks * tick_lot_atoms // 2
        paid_atoms = sum(
            self.sign(level) * slot.cost_atoms + slot.fees_atoms for level, slot in self.slots.items()
        )
        return value_atoms - paid_atoms - self.pot_cost_atoms

    # ---- fills

    def book(self, slot: Slot, fill: Fill, tick_lot_atoms: int, fee_atoms: int) -> None:
        """Book a fill of a level with its real price and fee."""
        sign = self.sign(slot.level)
        value_atoms = fill.price_ticks * fill.qty_lots * tick_lot_atoms
        if fill.side.sign == sign:
            slot.held_lots += fill.qty_lots
            slot.cost_atoms += value_atoms
            slot.fees_atoms += fee_atoms
        else:
            self._close(slot, sign, fill.qty_lots, value_atoms, fee_atoms)

    def _close(self, slot: Slot, sign: int, qty_lots: int, value_atoms: int, fee_atoms: int) -> None:
        if qty_lots > slot.held_lots:
            # A late fill of an earlier order (I-06): what is closed too much the next level filled owes.
            over_lots = qty_lots - slot.held_lots
            over_atoms = value_atoms * over_lots // qty_lots
            over_fee_atoms = fee_atoms * over_lots // qty_lots
            self.pot_lots -= sign * over_lots
            self.pot_cost_atoms += over_fee_atoms - sign * over_atoms
            qty_lots -= over_lots
            value_atoms -= over_atoms
            fee_atoms -= over_fee_atoms
        if qty_lots == 0:
            return
        cost_atoms = slot.cost_atoms * qty_lots // slot.held_lots
        entry_fees_atoms = slot.fees_atoms * qty_lots // slot.held_lots
        slot.cost_atoms -= cost_atoms
        slot.fees_atoms -= entry_fees_atoms
        slot.held_lots -= qty_lots
        self.realized_atoms += sign * (value_atoms - cost_atoms) - entry_fees_atoms - fee_atoms
        if slot.held_lots == 0:
            self.cycles += 1

    def book_exit(self, fill: Fill, tick_lot_atoms: int, fee_atoms: int) -> None:
        """Book a fill of the order that closes the pot."""
        value_atoms = fill.price_ticks * fill.qty_lots * tick_lot_atoms
        closed_lots = min(fill.qty_lots, max(-fill.side.sign * self.pot_lots, 0))
        if closed_lots:
            cost_atoms = self.pot_cost_atoms * closed_lots // abs(self.pot_lots)
            closed_atoms = value_atoms * closed_lots // fill.qty_lots
            self.realized_atoms -= fill.side.sign * closed_atoms + cost_atoms + fee_atoms
            self.pot_cost_atoms -= cost_atoms
            value_atoms -= closed_atoms
            fee_atoms = 0
        # What was closed too much (a late fill) is owed.
        self.pot_lots += fill.side.sign * fill.qty_lots
        self.pot_cost_atoms += fill.side.sign * value_atoms + fee_atoms

    def share_funding(self, amount_atoms: int, position_lots: int) -> None:
        """Book funding that came in (below 0: was paid) for a position, by the lots of each level.

        What is long and what is short bear it with opposite signs. The share of lots that belong to no level
        is earned at once.
        """
        if position_lots == 0:
            self.realized_atoms += amount_atoms
            return
        lots = shared_atoms = 0
        for slot in self.slots_in_order():
            lots += self.sign(slot.level) * slot.held_lots
            share_atoms = amount_atoms * lots // position_lots - shared_atoms
            slot.fees_atoms -= share_atoms
            shared_atoms += share_atoms
        share_atoms = amount_atoms * (lots + self.pot_lots) // position_lots - shared_atoms
        self.pot_cost_atoms -= share_atoms
        self.realized_atoms += amount_atoms - shared_atoms - share_atoms

    # ---- the pot

    def settle_dust(self, rules: InstrumentRules) -> None:
        """Move what is too little to be closed alone into the pot, and the pot into what will be closed."""
        for slot in self.slots_in_order():
            if not slot.may_exit:
                continue
            if not is_allowed_size(rules, slot.price_ticks, slot.held_lots):
                self._into_pot(slot)
            elif self.pot_lots:
                sign = self.sign(slot.level)
                joined_lots = slot.held_lots + sign * self.pot_lots
                if is_allowed_size(rules, slot.price_ticks, joined_lots):
                    slot.held_lots = joined_lots
                    slot.cost_atoms += sign * self.pot_cost_atoms
                    self.pot_lots = self.pot_cost_atoms = 0
        self._close_empty_pot()

    def gather(self) -> None:
        """Move all that no order is out for into the pot: from there it is closed as one."""
        for slot in self.slots_in_order():
            if slot.may_exit:
                self._into_pot(slot)
        self._close_empty_pot()

    def _into_pot(self, slot: Slot) -> None:
        sign = self.sign(slot.level)
        self.pot_lots += sign * slot.held_lots
        self.pot_cost_atoms += sign * slot.cost_atoms + slot.fees_atoms
        slot.held_lots = slot.cost_atoms = slot.fees_atoms = 0

    def _close_empty_pot(self) -> None:
        """Realize what is left when long and short lots have cancelled each other."""
        if self.pot_lots == 0 and self.pot_cost_atoms:
            self.realized_atoms -= self.pot_cost_atoms
            self.pot_cost_atoms = 0

    def forget_far(self, level: int, reach: int) -> None:
        """Drop idle slots far from a level (ST-33)."""
        for one in [one for one, slot in self.slots.items() if slot.is_idle and abs(one - level) > reach]:
            del self.slots[one]
