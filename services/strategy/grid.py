"""Fixed-amount infinite grid: buy a fixed value at each level below the price, sell it one interval higher.

    level price = anchor + level * interval; both in ticks, fixed at the first price and persisted (ST-25)
    buy window  = the N levels at and below the price, none above price - 0.1 * interval        (ST-22)
    sell price  = price of the slot + interval, reduce-only on derivatives, nearest first       (ST-23)
    quantity    = order_notional / level price, rounded down to the lot                         (ST-21)

A cycle earns interval - 2 * maker fee (in bps of the price), so an interval at or below twice the maker fee
is refused. It loses when the price falls and stays: every level down to there has been bought.
"""

# ruff: noqa: ARG002  callbacks take what the interface gives

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import msgspec

from services.strategy.base import NOTHING, Context, Intents, Note, Quote, Strategy, TargetQuotes
from services.strategy.grid_slots import Happened, Slot
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.kernels.signals import mid_half_ticks
from shared.messages import Message, orders
from shared.messages.orders import Fill
from shared.settings import Doc, Ge, Gt, Le
from shared.units import INT64_MAX, PPM, Side

HAPPENED: dict[type[Message], Happened] = {
    orders.OrderIntent: Happened.ASKED,
    orders.OrderSent: Happened.SENT,
    orders.OrderAccepted: Happened.ACCEPTED,
    orders.CancelIntent: Happened.CANCEL_ASKED,
    orders.CancelRejected: Happened.CANCEL_REFUSED,
    orders.OrderCanceled: Happened.CANCELED,
    orders.OrderExpired: Happened.CANCELED,
    orders.OrderRefused: Happened.REFUSED,
    orders.NotSent: Happened.REFUSED,
    orders.OrderRejected: Happened.REFUSED,
    orders.OrderUnknown: Happened.IN_DOUBT,
}
"""What each message means for a slot; the verdicts of risk that allow an order mean nothing to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings:
    """Settings of a long-only grid on one market."""

    order_notional: Annotated[Decimal, Gt(0), Doc("value of each buy, in quote currency")] = Decimal(100)
    interval_bps: Annotated[
        float, Gt(0), Le(5000), Doc("distance of two levels in bps of the anchor; above twice the maker fee")
    ] = 10.0
    buy_window: Annotated[int, Ge(1), Le(200), Doc("levels below the price with a buy (ST-22)")] = 10
    sell_window: Annotated[int, Ge(1), Le(200), Doc("intervals above the price that sells reach (ST-23)")] = (
        10
    )
    order_cap: Annotated[int, Ge(2), Le(1000), Doc("most open orders (ST-30)")] = 50
    cleanup_batch: Annotated[int, Ge(1), Le(1000), Doc("orders cancelled when the cap is reached")] = 20
    max_layers: Annotated[int, Ge(1), Le(1000), Doc("most levels bought or being bought")] = 50

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.order_cap < self.buy_window + self.sell_window:
            raise ValueError(
                f"order_cap {self.order_cap} is less than buy_window + sell_window "
                f"{self.buy_window + self.sell_window}: the windows would never be full"
            )


class _State(msgspec.Struct, array_like=True):
    anchor_ticks: int
    interval_ticks: int
    slots: list[Slot]
    pot_lots: int
    pot_cost_atoms: int
    realized_atoms: int
    cycles: int
    is_dirty: bool
    seen_half_ticks: int
    wanted: int


def slot_name(level: int) -> str:
    """Return the order slot of a level: p7, n12."""
    return f"p{level}" if level >= 0 else f"n{-level}"


def level_of(slot: str) -> int:
    """Return the level of an order slot."""
    return int(slot[1:]) if slot.startswith("p") else -int(slot[1:])


def break_even_ppm(maker_fee_ppm: int) -> int:
    """Return the interval that only pays its own fees: one buy and one sell as maker."""
    return 2 * maker_fee_ppm


class Grid(Strategy):
    """Slots by level around a persisted anchor."""

    Settings = GridSettings
    settings: GridSettings

    def __init__(self, settings: GridSettings) -> None:
        super().__init__(settings)
        self._interval_ppm = round(settings.interval_bps * 100)
        self.anchor_ticks = 0
        self.interval_ticks = 0
        self.slots: dict[int, Slot] = {}
        # Lots too few to be sold alone, with their cost; they join the next slot that is sold (ST-26).
        self.pot_lots = 0
        self.pot_cost_atoms = 0
        self.realized_atoms = 0
        self.cycles = 0
        self._is_dirty = True
        self._seen_half_ticks = 0
        self._wanted = 0

    # ---- life

    def on_start(self, ctx: Context) -> Intents:
        """Refuse an interval that loses after fees; keep the levels of a running grid."""
        least_ppm = break_even_ppm(ctx.rules.maker_fee_ppm)
        if self._interval_ppm <= least_ppm:
            raise ValueError(
                f"interval_bps {self.settings.interval_bps} loses: a buy and a sell cost "
                f"{least_ppm / 100:g} bps of maker fees; set interval_bps above {least_ppm / 100:g}"
            )
        self._is_dirty = True
        if not self.anchor_ticks:
            if ctx.position.position_lots:
                text = f"{ctx.position.position_lots} lots belong to no slot: the grid will not sell them"
                return (Note("warning", "foreign_position", text),)
            return NOTHING
        if self._interval_of(self.anchor_ticks) == self.interval_ticks:
            return NOTHING
        if all(slot.is_idle for slot in self.slots.values()):
            self._set_anchor(self.anchor_ticks)
            return NOTHING
        text = f"interval stays {self.interval_ticks} ticks until no level holds or orders anything"
        return (Note("warning", "interval_kept", text),)

    def _interval_of(self, anchor_ticks: int) -> int:
        return -(-anchor_ticks * self._interval_ppm // PPM)

    def _set_anchor(self, price_ticks: int) -> None:
        if price_ticks * self._interval_ppm < PPM:
            least_bps = PPM / price_ticks / 100
            raise ValueError(
                f"interval_bps {self.settings.interval_bps} is denser than the tick: at {price_ticks} ticks "
                f"one tick is {least_bps:g} bps; set at least that"
            )
        self.anchor_ticks = price_ticks
        self.interval_ticks = self._interval_of(price_ticks)
        self.slots.clear()

    # ---- what happens

    def on_book(self, ctx: Context) -> Intents:
        """Set targets anew when the price moved a tenth of an interval, or an order changed."""
        price_half = mid_half_ticks(ctx.book)
        if not self.anchor_ticks:
            self._set_anchor(price_half // 2)
        moved = abs(price_half - self._seen_half_ticks) * 5 >= self.interval_ticks
        if not (self._is_dirty or moved or len(ctx.orders) < self._wanted):
            return NOTHING
        self._is_dirty = False
        self._seen_half_ticks = price_half
        return self._targets(ctx, price_half // 2)

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Move the slot of the order."""
        happened = HAPPENED.get(type(event))
        if happened is not None:
            self._is_dirty = True
            self._slot(level_of(order.slot)).take(happened, order.client_order_id)
        return NOTHING

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Book the fill in its slot with its real price and fee (ST-32)."""
        self._is_dirty = True
        level = self._slot(level_of(slot))
        value_atoms = fill.price_ticks * fill.qty_lots * ctx.rules.tick_lot_atoms
        fee_atoms = fill.fee_atoms if fill.fee_asset == ctx.rules.quote_asset else 0
        if fill.side is Side.BUY:
            level.held_lots += fill.qty_lots
            level.cost_atoms += value_atoms + fee_atoms
        else:
            self._sold(level, fill.qty_lots, value_atoms - fee_atoms)
        happened = Happened.FILLED_PART if fill.leaves_lots else Happened.FILLED_ALL
        level.take(happened, fill.client_order_id)
        return NOTHING

    def _sold(self, slot: Slot, qty_lots: int, proceeds_atoms: int) -> None:
        if qty_lots > slot.held_lots:
            # A late fill of an earlier order (I-06): what is sold too much is owed by the next level bought.
            self.pot_lots -= qty_lots - slot.held_lots
            self.pot_cost_atoms -= proceeds_atoms * (qty_lots - slot.held_lots) // qty_lots
            proceeds_atoms = proceeds_atoms * slot.held_lots // qty_lots
            qty_lots = slot.held_lots
        if qty_lots == 0:
            return
        cost_atoms = slot.cost_atoms * qty_lots // slot.held_lots
        slot.cost_atoms -= cost_atoms
        slot.held_lots -= qty_lots
        self.realized_atoms += proceeds_atoms - cost_atoms
        if slot.held_lots == 0:
            self.cycles += 1

    def _slot(self, level: int) -> Slot:
        slot = self.slots.get(level)
        if slot is None:
            slot = Slot(level, self.anchor_ticks + level * self.interval_ticks)
            self.slots[level] = slot
        return slot

    # ---- what is wanted

    def _targets(self, ctx: Context, price_ticks: int) -> Intents:
        self._settle_dust(ctx)
        level = (price_ticks - self.anchor_ticks) // self.interval_ticks
        keep = self._kept(ctx, price_ticks)
        buys = [quote for quote in keep if quote.side is Side.BUY]
        # A buy whose fill is not reported yet may stand where the next level sells: that one waits.
        highest_buy = max((quote.price_ticks for quote in buys), default=0)
        new_sells = [one for one in self._new_sells(ctx, price_ticks) if one.price_ticks > highest_buy]
        sells = [quote for quote in keep if quote.side is Side.SELL] + new_sells
        lowest_sell = min((quote.price_ticks for quote in sells), default=INT64_MAX)
        new_buys, too_small = self._new_buys(ctx, price_ticks, level)
        new_buys = [one for one in new_buys if one.price_ticks < lowest_sell]
        sells = sells[: self.settings.order_cap]
        bought = sum(1 for slot in self.slots.values() if slot.held_lots > 0 and slot.may_sell)
        bought += sum(1 for quote in sells if quote.slot in ctx.orders)
        leaving = sum(1 for order in ctx.orders.values() if order.is_cancel_asked)
        room = min(self.settings.order_cap - len(sells) - leaving, self.settings.max_layers - bought)
        buys = sorted(buys + new_buys, key=lambda quote: -quote.price_ticks)[: max(room, 0)]
        self._forget_far(level)
        self._wanted = len(buys) + len(sells)
        targets = TargetQuotes((*sells, *buys), f"grid at level {level}")
        return (targets, *too_small)

    def _kept(self, ctx: Context, price_ticks: int) -> list[Quote]:
        """Return the open orders that stay: all, but the farthest of the larger side at the cap (ST-30)."""
        kept = []
        for order in ctx.orders.values():
            qty_lots = order.asked_lots
            if order.side is Side.SELL:
                qty_lots = min(qty_lots, self._slot(level_of(order.slot)).held_lots)
            if order.is_cancel_asked or qty_lots == 0:
                continue
            kept.append(
                Quote(order.slot, order.side, order.price_ticks, qty_lots, "", True, order.is_reduce_only)
            )
        if len(kept) < self.settings.order_cap:
            return kept
        buys = [quote for quote in kept if quote.side is Side.BUY]
        sells = [quote for quote in kept if quote.side is Side.SELL]
        larger = kept if len(buys) == len(sells) else max(buys, sells, key=len)
        untouched = [quote for quote in larger if ctx.orders[quote.slot].filled_lots == 0]
        untouched.sort(key=lambda quote: (-abs(quote.price_ticks - price_ticks), quote.price_ticks))
        gone = {quote.slot for quote in untouched[: self.settings.cleanup_batch]}
        return [quote for quote in kept if quote.slot not in gone]

    def _new_sells(self, ctx: Context, price_ticks: int) -> list[Quote]:
        reach_ticks = price_ticks + self.settings.sell_window * self.interval_ticks
        # Where instances share a market the venue nets them, and would refuse a sell that is ours to make.
        is_reduce_only = ctx.rules.is_derivative and not ctx.shares_market
        sells = []
        for slot in self.slots.values():
            if slot.may_sell and slot.price_ticks <= reach_ticks:
                # Beyond the touch a post-only order would be rejected: sell better than asked.
                price = max(slot.price_ticks + self.interval_ticks, ctx.book.bid_ticks + 1)
                name = slot_name(slot.level)
                sells.append(Quote(name, Side.SELL, price, slot.held_lots, "", True, is_reduce_only))
        return sorted(sells, key=lambda quote: (quote.price_ticks, quote.slot))

    def _new_buys(self, ctx: Context, price_ticks: int, level: int) -> tuple[list[Quote], list[Note]]:
        buys: list[Quote] = []
        for one in range(level, level - self.settings.buy_window, -1):
            price = self.anchor_ticks + one * self.interval_ticks
            if price < 1 or (price_ticks - price) * 10 < self.interval_ticks or price >= ctx.book.ask_ticks:
                continue
            slot = self.slots.get(one)
            if slot is not None and not slot.may_buy:
                continue
            qty_lots = lots_of(self.settings.order_notional, ctx.rules, price)
            if not is_allowed_size(ctx.rules, price, qty_lots):
                text = (
                    f"level {one} skipped: order_notional {self.settings.order_notional} is {qty_lots} lots "
                    f"at {price} ticks; the venue asks for {ctx.rules.min_qty_lots} lots and "
                    f"{ctx.rules.min_notional_atoms} atoms"
                )
                return buys, [Note("warning", "level_skipped", text)]
            buys.append(Quote(slot_name(one), Side.BUY, price, qty_lots))
        return buys, []

    def _settle_dust(self, ctx: Context) -> None:
        """Move what is too little to be sold alone into the pot, and the pot into what will be sold."""
        for level in sorted(self.slots):
            slot = self.slots[level]
            if not slot.may_sell:
                continue
            if is_allowed_size(ctx.rules, slot.price_ticks, slot.held_lots):
                joined = slot.held_lots + self.pot_lots
                if self.pot_lots and is_allowed_size(ctx.rules, slot.price_ticks, joined):
                    slot.held_lots = joined
                    slot.cost_atoms += self.pot_cost_atoms
                    self.pot_lots = self.pot_cost_atoms = 0
            else:
                self.pot_lots += slot.held_lots
                self.pot_cost_atoms += slot.cost_atoms
                slot.held_lots = slot.cost_atoms = 0

    def _forget_far(self, level: int) -> None:
        """Drop idle slots far from the price (ST-33)."""
        reach = 2 * (self.settings.buy_window + self.settings.sell_window)
        for one in [one for one, slot in self.slots.items() if slot.is_idle and abs(one - level) > reach]:
            del self.slots[one]

    # ---- state

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return what all layers together may hold."""
        reach_ticks = self.settings.max_layers * self.interval_ticks
        lowest_ticks = max(price_ticks - reach_ticks, 1)
        return self.settings.max_layers * lots_of(self.settings.order_notional, ctx.rules, lowest_ticks)

    def snapshot(self) -> bytes:
        """Return anchor, slots and what was earned."""
        return msgspec.msgpack.encode(
            _State(
                self.anchor_ticks,
                self.interval_ticks,
                [self.slots[level] for level in sorted(self.slots)],
                self.pot_lots,
                self.pot_cost_atoms,
                self.realized_atoms,
                self.cycles,
                self._is_dirty,
                self._seen_half_ticks,
                self._wanted,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`: the same levels, whatever the settings say now (ST-25)."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.anchor_ticks = state.anchor_ticks
        self.interval_ticks = state.interval_ticks
        self.slots = {slot.level: slot for slot in state.slots}
        self.pot_lots = state.pot_lots
        self.pot_cost_atoms = state.pot_cost_atoms
        self.realized_atoms = state.realized_atoms
        self.cycles = state.cycles
        self._is_dirty = state.is_dirty
        self._seen_half_ticks = state.seen_half_ticks
        self._wanted = state.wanted

    def format_status(self, ctx: Context) -> str:
        """Return anchor, filled levels and cycles in one line."""
        filled = sum(1 for slot in self.slots.values() if slot.held_lots)
        return (
            f"anchor {ctx.price_text(self.anchor_ticks)}, interval {ctx.price_text(self.interval_ticks)}, "
            f"{filled} levels held, {len(ctx.orders)} orders, {self.cycles} cycles, "
            f"earned {ctx.money_text(self.realized_atoms)} after fees"
        )
