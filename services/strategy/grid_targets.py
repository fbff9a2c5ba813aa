"""Which orders a grid wants to rest at a price: those that stay, exits, entries, in this order."""

from dataclasses import dataclass, field
from functools import lru_cache

from services.strategy.base import Context, Note, Quote
from services.strategy.grid_ledger import GridLedger
from services.strategy.grid_levels import Ladder, direction_of, entry_levels, signs_of
from services.strategy.grid_preview import (
    bounds_ticks,
    break_even_interval_ticks,
    is_within,
    profit_per_cycle_atoms,
)
from services.strategy.grid_settings import Direction, GridSettings
from services.strategy.grid_slots import Slot
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.units import INT64_MAX, NS_PER_S, Side

# A decision asks this of each of its orders, several times; levels are few.
_CACHED = 8192


@lru_cache(_CACHED)
def slot_name(level: int) -> str:
    """Return the order slot of a level: p7, n12."""
    return f"p{level}" if level >= 0 else f"n{-level}"


@lru_cache(_CACHED)
def level_of(slot: str) -> int:
    """Return the level of an order slot."""
    return int(slot[1:]) if slot.startswith("p") else -int(slot[1:])


@lru_cache(_CACHED)
def is_level_slot(slot: str) -> bool:
    """Return whether an order slot is that of a level; orders of another kind of strategy may be left."""
    return slot[:1] in ("p", "n") and slot[1:].isdecimal()


def side_of(sign: int) -> Side:
    """Return the side of an order that moves the position by `sign`."""
    return Side.BUY if sign > 0 else Side.SELL


@lru_cache(_CACHED)
def sign_of(direction: Direction, level: int) -> int:
    """Return +1 for a level that buys first, -1 for one that sells first; +1 where none trades."""
    return direction_of(direction, level) or 1


@lru_cache(_CACHED)
def entry_side(direction: Direction, slot: str) -> Side:
    """Return the side of the orders that enter at the level of an order slot."""
    return side_of(sign_of(direction, level_of(slot)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The grid as it is now: its levels, the reach of its windows, and who may not enter.

    `blocked` holds the signs that take no entries now; `is_cleaning` tells that old orders are looked at.
    """

    settings: GridSettings
    ladder: Ladder
    direction: Direction
    window: int
    stride: int
    blocked: frozenset[int] = frozenset()
    is_cleaning: bool = False
    signs: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name the directions in which this grid enters."""
        object.__setattr__(self, "signs", signs_of(self.direction))


class Targets:
    """One decision: made for one book, then thrown away."""

    def __init__(self, ctx: Context, ledger: GridLedger, shape: Shape, price_ticks: int) -> None:
        self._ctx = ctx
        self._ledger = ledger
        self._shape = shape
        self._settings = shape.settings
        self._direction: Direction = shape.direction
        self._price_ticks = price_ticks
        self._level = shape.ladder.level_at(price_ticks)
        self._reach_ticks = shape.settings.sell_window * shape.stride * shape.ladder.gap_at(self._level)
        self._entry_levels = {
            sign: entry_levels(shape.ladder, price_ticks, sign, shape.window, shape.stride)
            for sign in shape.signs
        }
        self._bounds_ticks = bounds_ticks(shape.settings, ctx.rules)
        self._highest_buy = 0
        self._lowest_sell = INT64_MAX
        self.notes: list[Note] = []

    def quotes(self) -> tuple[Quote, ...]:
        """Return the orders that shall rest: never more than the cap, never crossing each other."""
        kept = self._kept()
        new_exits, new_entries = self._new(kept)
        if len(kept) >= self._settings.order_cap and (new_exits or new_entries):
            kept = self._cleaned(kept)
            new_exits, new_entries = self._new(kept)
        exits: list[Quote] = []
        entries: list[Quote] = []
        for quote in kept:
            (entries if self._is_entry(quote) else exits).append(quote)
        exits = [*exits, *new_exits][: self._settings.order_cap]
        entries += new_entries
        room = self._settings.order_cap - len(exits)
        entries = self._within_layers(sorted(entries, key=self._distance))[:room]
        return tuple(self._with_room([*exits, *entries]))

    def _new(self, kept: list[Quote]) -> tuple[list[Quote], list[Quote]]:
        """Return the exits and entries that are missing beside the orders that stay."""
        self._highest_buy, self._lowest_sell = 0, INT64_MAX
        for quote in kept:
            self._remember(quote)
        return self._apart(self._new_exits()), self._apart(self._new_entries())

    def _with_room(self, quotes: list[Quote]) -> list[Quote]:
        """Return the quotes without new ones that have to wait until orders that leave are gone."""
        room = self._settings.order_cap - len(self._ctx.orders)
        live: dict[int, set[int]] = {1: set(), -1: set()}
        for level in self._held_or_entering():
            live[self._sign(level)].add(level)
        found = []
        for quote in quotes:
            if quote.slot not in self._ctx.orders:
                layers = live[self._sign(level_of(quote.slot))]
                is_full = self._is_entry(quote) and len(layers) >= self._settings.max_layers
                if room <= 0 or is_full:
                    continue
                room -= 1
                if self._is_entry(quote):
                    layers.add(level_of(quote.slot))
            found.append(quote)
        return found

    def _held_or_entering(self) -> list[int]:
        """Return the levels that hold something or may still come to: an entry until its end is known."""
        held = [level for level, slot in self._ledger.slots.items() if slot.held_lots > 0]
        orders = (order for order in self._ctx.orders.values() if is_level_slot(order.slot))
        return held + [level_of(order.slot) for order in orders if self._is_entry(order)]

    def _is_entry(self, one: Quote | OwnOrder) -> bool:
        return one.side is entry_side(self._direction, one.slot)

    def _sign(self, level: int) -> int:
        return sign_of(self._direction, level)

    def _distance(self, one: Quote) -> tuple[int, int]:
        return abs(one.price_ticks - self._price_ticks), one.price_ticks

    def _remember(self, quote: Quote) -> None:
        if quote.side is Side.BUY:
            self._highest_buy = max(self._highest_buy, quote.price_ticks)
        else:
            self._lowest_sell = min(self._lowest_sell, quote.price_ticks)

    def _apart(self, quotes: list[Quote]) -> list[Quote]:
        """Return the new quotes that cross no other one.

        An order whose fill is not reported yet may stand where another level closes: that one waits.
        """
        found = []
        for quote in quotes:
            is_apart = (
                quote.price_ticks < self._lowest_sell
                if quote.side is Side.BUY
                else quote.price_ticks > self._highest_buy
            )
            if is_apart:
                self._remember(quote)
                found.append(quote)
        return found

    # ---- what rests

    def _kept(self) -> list[Quote]:
        """Return the open orders that stay."""
        kept = []
        for order in self._ctx.orders.values():
            name = order.slot
            if order.cancel_ns or not is_level_slot(name):
                continue
            qty_lots = order.asked_lots
            if self._is_entry(order):
                if not self._may_stay(order):
                    continue
            else:
                # After a reset, or a snapshot of before, an exit may rest whose level is not known any more.
                slot = self._ledger.slots.get(level_of(name))
                qty_lots = min(qty_lots, slot.held_lots) if slot is not None else 0
            if qty_lots == 0 or (self._shape.is_cleaning and self._is_old_and_outside(order)):
                continue
            terms = (name, order.side, order.price_ticks, qty_lots, "")
            kept.append(Quote(*terms, order.is_post_only, order.is_reduce_only))
        return kept

    def _cleaned(self, kept: list[Quote]) -> list[Quote]:
        """Return them without the farthest of the larger side, of both when equal (ST-30).

        Only where something else is wanted: a grid whose windows just fill the cap is left alone.
        """
        buys = [quote for quote in kept if quote.side is Side.BUY]
        sells = [quote for quote in kept if quote.side is Side.SELL]
        larger = kept if len(buys) == len(sells) else max(buys, sells, key=len)
        untouched = [quote for quote in larger if self._ctx.orders[quote.slot].filled_lots == 0]
        untouched.sort(key=lambda quote: (-self._distance(quote)[0], quote.price_ticks))
        gone = {quote.slot for quote in untouched[: self._settings.cleanup_batch]}
        return [quote for quote in kept if quote.slot not in gone]

    def _may_stay(self, order: OwnOrder) -> bool:
        """Return whether an entry that rests may go on: a blocked direction, bounds and stride end it."""
        level = level_of(order.slot)
        if self._sign(level) in self._shape.blocked:
            return False
        if order.filled_lots:
            return True
        return level % self._shape.stride == 0 and is_within(order.price_ticks, self._bounds_ticks)

    def _is_old_and_outside(self, order: OwnOrder) -> bool:
        """Return whether an untouched order is too old and outside the windows (ST-31); at cleanings."""
        age_s = self._settings.max_order_age_s
        if not age_s or order.filled_lots:
            return False
        if self._ctx.now_ns - order.intended_ns < age_s * NS_PER_S:
            return False
        if self._is_entry(order):
            level = level_of(order.slot)
            return level not in self._entry_levels.get(self._sign(level), ())
        return abs(order.price_ticks - self._price_ticks) > self._reach_ticks

    # ---- what is new

    def _new_exits(self) -> list[Quote]:
        rules, book = self._ctx.rules, self._ctx.book
        # Where instances or directions share a market the venue nets them, and would refuse an exit of ours.
        is_shared = self._ctx.shares_market or self._shape.direction == "neutral"
        found = []
        for slot in self._ledger.slots.values():
            sign = self._sign(slot.level)
            if not slot.may_exit or sign * (slot.price_ticks - self._price_ticks) > self._reach_ticks:
                continue
            price = self._exit_ticks(slot.level, slot.span)
            is_post_only = self._is_post_only(slot, slot.price_ticks, price, slot.held_lots, is_entry=False)
            if is_post_only:
                # Beyond the touch a post-only order would be rejected: close better than asked.
                price = max(price, book.bid_ticks + 1) if sign > 0 else min(price, book.ask_ticks - 1)
            if price < 1:
                continue
            terms = (slot_name(slot.level), side_of(-sign), price, slot.held_lots, "")
            found.append(Quote(*terms, is_post_only, rules.is_derivative and not is_shared))
        return sorted(found, key=lambda one: (*self._distance(one), one.slot))

    def _exit_ticks(self, level: int, span: int) -> int:
        return self._shape.ladder.price_of(level + self._sign(level) * span)

    def _new_entries(self) -> list[Quote]:
        found = []
        for sign in self._shape.signs:
            if sign not in self._shape.blocked:
                quotes = (self._entry(level, sign) for level in self._entry_levels[sign])
                found += [quote for quote in quotes if quote is not None]
        return found

    def _entry(self, level: int, sign: int) -> Quote | None:
        """Return the entry of a level, None where there is none now."""
        rules, book = self._ctx.rules, self._ctx.book
        price = self._shape.ladder.price_of(level)
        distance = sign * (self._price_ticks - price)
        # Short of a tenth of an interval from the price it would be taken at once (ST-22).
        if price < 1 or distance * 10 < self._shape.ladder.gap_at(self._level):
            return None
        if not book.bid_ticks < price if sign < 0 else not price < book.ask_ticks:
            return None
        if direction_of(self._shape.direction, level) != sign:
            return None
        slot = self._ledger.slots.get(level)
        if slot is not None and not slot.may_enter:
            return None
        if not is_within(price, self._bounds_ticks):
            return None
        qty_lots = lots_of(self._settings.order_notional, rules, price)
        if not is_allowed_size(rules, price, qty_lots):
            text = (
                f"level {level} skipped: order_notional {self._settings.order_notional} is {qty_lots} lots "
                f"at {price} ticks; the venue asks for {rules.min_qty_lots} lots and "
                f"{rules.min_notional_atoms} atoms"
            )
            self._note("level_skipped", text)
            return None
        exit_ticks = self._exit_ticks(level, self._shape.stride)
        if profit_per_cycle_atoms(rules, min(price, exit_ticks), max(price, exit_ticks), qty_lots) <= 0:
            least_ticks = break_even_interval_ticks(rules, min(price, exit_ticks), qty_lots)
            text = (
                f"level {level} skipped: from {price} to {exit_ticks} ticks loses after fees; an interval "
                f"would need {least_ticks} ticks there"
            )
            self._note("level_loses", text)
            return None
        is_post_only = self._is_post_only(slot, price, exit_ticks, qty_lots, is_entry=True)
        return Quote(slot_name(level), side_of(sign), price, qty_lots, "", is_post_only)

    def _note(self, code: str, text: str) -> None:
        if all(note.code != code for note in self.notes):
            self.notes.append(Note("warning", code, text))

    def _is_post_only(
        self, slot: Slot | None, entry_ticks: int, exit_ticks: int, qty_lots: int, *, is_entry: bool
    ) -> bool:
        """Return whether an order has to rest: until rejected so often, and where taking loses (ST-28)."""
        if slot is None or slot.post_only_failures < self._settings.post_only_tries:
            return True
        if not self._settings.plain_limit_allowed:
            return True
        rules = self._ctx.rules
        taker_ppm = rules.taker_fee_ppm
        is_buy = is_entry == (entry_ticks < exit_ticks)
        earned = profit_per_cycle_atoms(
            rules,
            min(entry_ticks, exit_ticks),
            max(entry_ticks, exit_ticks),
            qty_lots,
            buy_fee_ppm=taker_ppm if is_buy else None,
            sell_fee_ppm=None if is_buy else taker_ppm,
        )
        return earned <= 0

    def _within_layers(self, entries: list[Quote]) -> list[Quote]:
        """Return the nearest entries for which there are layers left, each way (ST-34)."""
        used: dict[int, set[int]] = {1: set(), -1: set()}
        for level, slot in self._ledger.slots.items():
            if slot.held_lots > 0:
                used[self._sign(level)].add(level)
        found = []
        for quote in entries:
            level = level_of(quote.slot)
            layers = used[self._sign(level)]
            if level not in layers and len(layers) >= self._settings.max_layers:
                continue
            layers.add(level)
            found.append(quote)
        return found
