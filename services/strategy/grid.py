"""Fixed-amount infinite grid: enter a fixed value at each level, leave it one interval on.

    level price = anchor + level * interval, in ticks; the first price is the anchor, and it is kept (ST-25)
    entries     = the N levels at and below the price, none within 0.1 * interval of it             (ST-22)
    exit        = price of the slot + interval, reduce-only on derivatives, nearest first           (ST-23)
    quantity    = order_notional / level price, rounded down to the lot                             (ST-21)

A short grid is its mirror: it sells above and buys back one interval lower; a neutral one is long below its
anchor and short above it. It loses when the price runs one way and stays: every level up to there is held.
"""

# ruff: noqa: ARG002  callbacks take what the interface gives

import msgspec

from services.strategy.base import NOTHING, Context, Intents, Note, Strategy, TargetQuotes
from services.strategy.grid_exits import EXIT_SLOT, ExitState, closing_quote
from services.strategy.grid_ledger import GridLedger
from services.strategy.grid_levels import Ladder, direction_of, ladder_at, signs_of
from services.strategy.grid_preview import interval_ppm, price_problems, rule_problems
from services.strategy.grid_reports import HAPPENED, is_lack_of_money, is_post_only_failure
from services.strategy.grid_samples import Adaptation, Samples
from services.strategy.grid_settings import Direction, GridSettings
from services.strategy.grid_slots import Happened, Slot
from services.strategy.grid_targets import Shape, Targets, is_level_slot, level_of
from services.strategy.grid_watch import both, due_ns, gap_of, quiet_exits, quiet_trend
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import lots_of
from shared.kernels.gates import Gate, GridGate
from shared.kernels.signals import mid_half_ticks
from shared.messages import Message, orders
from shared.messages.orders import Fill, FundingPaid
from shared.units import NS_PER_S

NOBODY: frozenset[int] = frozenset()

CLEAN_EVERY_NS = 10 * NS_PER_S
"""How often orders that are too old are looked for (ST-31)."""


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
    ratio_ppm: int = 0
    direction: Direction = "long"
    locked_until_ns: int = 0
    cleaned_ns: int = 0
    leaving: ExitState = msgspec.field(default_factory=ExitState)
    samples: Samples = msgspec.field(default_factory=Samples)
    adaptation: Adaptation = msgspec.field(default_factory=Adaptation)
    blocked: list[int] = []


class Grid(Strategy):
    """Slots by level around a persisted anchor."""

    Settings = GridSettings
    settings: GridSettings

    def __init__(self, settings: GridSettings) -> None:
        super().__init__(settings)
        self.ladder = Ladder(0, 0)
        self.direction: Direction = settings.direction
        self.ledger = GridLedger(self._sign_of)
        self.leaving = ExitState()
        self._samples = Samples()
        self.adaptation = Adaptation(1, settings.buy_window)
        self._locked_until_ns = 0
        self._blocked = NOBODY
        self._gate = GridGate(CLEAN_EVERY_NS)

    def _sign_of(self, level: int) -> int:
        return direction_of(self.direction, level)

    # ---- life

    def on_start(self, ctx: Context) -> Intents:
        """Refuse what cannot work in this market; keep the levels of a running grid."""
        problems = rule_problems(self.settings, ctx.rules)
        if problems:
            raise ValueError("; ".join(problems))
        self._gate.is_dirty = True
        if not self.ladder.anchor_ticks:
            if ctx.position.position_lots:
                text = f"{ctx.position.position_lots} lots belong to no slot: the grid will not sell them"
                return (Note("warning", "foreign_position", text),)
            return NOTHING
        if self._is_as_set():
            return NOTHING
        if self.ledger.is_idle:
            self._set_levels(ctx, self.ladder.anchor_ticks)
            return NOTHING
        text = (
            f"interval stays {self.ladder.interval_ticks} ticks and direction {self.direction} "
            "until no level holds or orders anything"
        )
        return (Note("warning", "interval_kept", text),)

    def _is_as_set(self) -> bool:
        """Return whether levels and direction are those of the settings."""
        wanted = ladder_at(self.ladder.anchor_ticks, interval_ppm(self.settings), self.settings.spacing)
        return wanted == self.ladder and self.direction == self.settings.direction

    def _set_levels(self, ctx: Context, anchor_ticks: int) -> None:
        problems = price_problems(self.settings, ctx.rules, anchor_ticks)
        if problems:
            raise ValueError("; ".join(problems))
        self.ladder = ladder_at(anchor_ticks, interval_ppm(self.settings), self.settings.spacing)
        self.direction = self.settings.direction
        self.ledger.slots.clear()

    # ---- what happens

    def on_book(self, ctx: Context) -> Intents:
        """Set targets anew when the price moved a tenth of an interval, or an order changed."""
        gate = self._gate
        if not gate.is_due(ctx.book, ctx.now_ns, len(ctx.orders)):
            return NOTHING
        price_half = mid_half_ticks(ctx.book)
        if not self.ladder.anchor_ticks:
            self._set_levels(ctx, price_half // 2)
        if self._look(ctx, price_half):
            return self._leave(ctx)
        gap_ticks = self.ladder.gap_at(self.ladder.level_at(max(price_half // 2, 1)))
        moved = abs(price_half - gate.seen_half_ticks) * 5 >= gap_ticks
        is_due = gate.is_dirty or moved or len(ctx.orders) < gate.wanted
        intents = self._targets(ctx, price_half) if is_due else NOTHING
        self._watch(ctx, price_half)
        return intents

    def on_timer(self, ctx: Context) -> Intents:
        """Look at exits, trend, locks and old orders also while the book stands still (ST-31, ST-34)."""
        gate = self._gate
        if not self.ladder.anchor_ticks or not gate.on_timer(ctx.now_ns, ctx.book):
            return NOTHING
        price_half = mid_half_ticks(ctx.book)
        is_cleaning = ctx.now_ns - gate.cleaned_ns >= CLEAN_EVERY_NS
        if is_cleaning:
            gate.cleaned_ns = ctx.now_ns
        if self._look(ctx, price_half):
            return self._leave(ctx)
        is_due = gate.is_dirty or is_cleaning
        intents = self._targets(ctx, price_half, is_cleaning=is_cleaning) if is_due else NOTHING
        self._watch(ctx, price_half)
        return intents

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Move the slot of the order."""
        happened = HAPPENED.get(type(event))
        if happened is None:
            return NOTHING
        self._gate.is_dirty = True
        if not is_level_slot(order.slot):
            self.leaving.learn_band(event)
            return NOTHING
        slot = self._slot(level_of(order.slot))
        slot.take(happened, order.client_order_id)
        is_entry = order.side.sign == self.ledger.sign(slot.level)
        if isinstance(event, orders.OrderIntent) and is_entry:
            slot.span = self.adaptation.stride
        elif isinstance(event, orders.OrderCanceled):
            slot.post_only_failures = 0
        elif is_lack_of_money(event) and is_entry:
            return self._lock(ctx, event)
        elif is_post_only_failure(order, event):
            slot.post_only_failures += 1
        return NOTHING

    def _lock(self, ctx: Context, event: Message) -> Intents:
        """Take no entries for a while, and withdraw those that rest (ST-29)."""
        assert isinstance(event, orders.OrderRejected | orders.OrderRefused)
        self._locked_until_ns = ctx.now_ns + self.settings.margin_lock_s * NS_PER_S
        text = f"no entries for {self.settings.margin_lock_s} s: {event.code}: {event.reason}"
        note = Note("warning", "margin_lock", text)
        if self.leaving.reason or not ctx.book.is_trusted:
            return (note,)
        self._blocked = frozenset(signs_of(self.direction))
        return (*self._targets(ctx, mid_half_ticks(ctx.book)), note)

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Book the fill in its slot with its real price and fee (ST-32)."""
        self._gate.is_dirty = True
        fee_atoms = fill.fee_atoms if fill.fee_asset == ctx.rules.quote_asset else 0
        if slot == EXIT_SLOT:
            self.ledger.book_exit(fill, ctx.rules.tick_lot_atoms, fee_atoms)
            return NOTHING
        if not is_level_slot(slot):
            # Left by another kind of strategy that had this name: its lots belong to no level.
            return NOTHING
        level = self._slot(level_of(slot))
        self.ledger.book(level, fill, ctx.rules.tick_lot_atoms, fee_atoms)
        happened = Happened.FILLED_PART if fill.leaves_lots else Happened.FILLED_ALL
        level.post_only_failures = 0
        level.take(happened, fill.client_order_id)
        return NOTHING

    def on_funding(self, ctx: Context, paid: FundingPaid) -> Intents:
        """Let the levels bear the funding of what they hold, or earn it (ST-32)."""
        self.ledger.share_funding(paid.amount_atoms, paid.position_lots)
        self._gate.is_watching = False
        return NOTHING

    def on_state(self, ctx: Context, state: str) -> Intents:
        """A person who pauses and resumes lets a grid that has left begin anew."""
        if state == "paused":
            self.leaving.clear()
        self._gate.is_dirty = True
        return NOTHING

    def _slot(self, level: int) -> Slot:
        slot = self.ledger.slots.get(level)
        if slot is None:
            slot = Slot(level, self.ladder.price_of(level))
            self.ledger.slots[level] = slot
        return slot

    # ---- by the clock

    def _look(self, ctx: Context, price_half: int) -> bool:
        """Take samples, end locks, judge exits and trend; return whether the grid is leaving or out."""
        settings, leaving = self.settings, self.leaving
        if self._samples.add(settings, price_half, ctx.now_ns) and settings.is_adaptive:
            self._adapt()
        if self._locked_until_ns and ctx.now_ns >= self._locked_until_ns:
            self._locked_until_ns = 0
        if leaving.is_out and leaving.resume_ns and ctx.now_ns >= leaving.resume_ns:
            leaving.clear()
            self._gate.is_dirty = True
        if not leaving.reason and (settings.stop_loss_pct or settings.take_profit_pct):
            unrealized_atoms = self.ledger.unrealized_atoms(price_half, ctx.rules.tick_lot_atoms)
            # Lots too few to be closed are no reason to leave: nothing could be done about them.
            cost_atoms = self.ledger.held_cost_atoms() if self.ledger.has_closable(ctx.rules) else 0
            leaving.reason = leaving.judge(settings, unrealized_atoms, cost_atoms)
        blocked = NOBODY
        if self._locked_until_ns:
            blocked = frozenset(signs_of(self.direction))
        elif settings.trend_length:
            against = (
                sign
                for sign in signs_of(self.direction)
                if self._samples.is_against(settings, sign, price_half)
            )
            blocked = frozenset(against)
        if blocked != self._blocked:
            self._blocked = blocked
            self._gate.is_dirty = True
        return bool(leaving.reason)

    def _watch(self, ctx: Context, price_half: int) -> None:
        """Tell the gate until when, and at which prices, another look would find and change nothing."""
        settings, samples, locked_ns = self.settings, self._samples, self._locked_until_ns
        exits = quiet_exits(settings, self.leaving, self.ledger, ctx.rules.tick_lot_atoms)
        trend = quiet_trend(settings, samples, self.direction, self._blocked, is_locked=locked_ns != 0)
        gap = gap_of(self.ladder, max(price_half // 2, 1))
        self._gate.watch(due_ns(settings, samples, locked_ns), both(exits, trend), *gap)

    def _adapt(self) -> None:
        used = sum(1 for slot in self.ledger.slots.values() if slot.held_lots)
        if self.adaptation.follow(self.settings, interval_ppm(self.settings), self._samples, used):
            self._gate.is_dirty = True

    def _leave(self, ctx: Context) -> Intents:
        """Withdraw everything and close all that no order is out for, as often as it takes (ST-34)."""
        leaving, ledger = self.leaving, self.ledger
        self._gate.is_watching = False
        if leaving.is_out:
            return (TargetQuotes((), leaving.reason),)
        ledger.gather()
        is_reduce_only = ctx.rules.is_derivative and not ctx.shares_market
        quote = closing_quote(ctx, ledger.pot_lots, leaving, is_reduce_only=is_reduce_only)
        if quote is not None:
            return (TargetQuotes((quote,), leaving.reason),)
        withdraw = TargetQuotes((), leaving.reason)
        if ctx.orders or any(slot.held_lots for slot in ledger.slots.values()):
            return (withdraw,)
        leaving.finish(self.settings, ctx.now_ns)
        ending = "" if leaving.resume_ns else "; pause and resume it to begin anew"
        return (withdraw, Note("warning", "grid_out", f"{leaving.reason}: all closed{ending}"))

    # ---- what is wanted

    def _targets(self, ctx: Context, price_half: int, *, is_cleaning: bool = False) -> Intents:
        price_ticks = max(price_half // 2, 1)
        gate = self._gate
        gate.is_dirty = gate.is_watching = False
        gate.seen_half_ticks = price_half
        if not ctx.orders and not self._is_as_set() and self.ledger.is_idle:
            self._set_levels(ctx, self.ladder.anchor_ticks)
        self.ledger.settle_dust(ctx.rules)
        shape = Shape(
            settings=self.settings,
            ladder=self.ladder,
            direction=self.direction,
            window=self.adaptation.window,
            stride=self.adaptation.stride,
            blocked=self._blocked,
            is_cleaning=is_cleaning,
        )
        targets = Targets(ctx, self.ledger, shape, price_ticks)
        quotes = targets.quotes()
        level = self.ladder.level_at(price_ticks)
        reach = 2 * (self.settings.buy_window + self.settings.sell_window) * self.adaptation.stride
        self.ledger.forget_far(level, reach)
        gate.wanted = len(quotes)
        return (TargetQuotes(quotes, f"grid at level {level}"), *targets.notes)

    def gate(self, ctx: Context) -> Gate | None:
        """Return when to look again; it counts the open orders of the context."""
        self._gate.orders = ctx.orders  # type: ignore[assignment]
        return self._gate if type(self) is Grid else None

    # ---- state

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return what all layers together may hold."""
        if not self.ladder.anchor_ticks:
            return self.settings.max_layers * lots_of(self.settings.order_notional, ctx.rules, price_ticks)
        stride = self.settings.stride_max if self.settings.is_adaptive else 1
        lowest = self.ladder.level_at(max(price_ticks, 1)) - self.settings.max_layers * stride
        lowest_ticks = max(self.ladder.price_of(lowest), 1)
        return self.settings.max_layers * lots_of(self.settings.order_notional, ctx.rules, lowest_ticks)

    def snapshot(self) -> bytes:
        """Return anchor, slots and what was earned."""
        return msgspec.msgpack.encode(
            _State(
                self.ladder.anchor_ticks,
                self.ladder.interval_ticks,
                self.ledger.slots_in_order(),
                self.ledger.pot_lots,
                self.ledger.pot_cost_atoms,
                self.ledger.realized_atoms,
                self.ledger.cycles,
                self._gate.is_dirty,
                self._gate.seen_half_ticks,
                self._gate.wanted,
                self.ladder.ratio_ppm,
                self.direction,
                self._locked_until_ns,
                self._gate.cleaned_ns,
                self.leaving,
                self._samples,
                self.adaptation,
                sorted(self._blocked),
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`: the same levels, whatever the settings say now (ST-25)."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.ladder = Ladder(state.anchor_ticks, state.interval_ticks, state.ratio_ppm)
        self.direction = state.direction
        self.ledger.slots = {slot.level: slot for slot in state.slots}
        self.ledger.pot_lots = state.pot_lots
        self.ledger.pot_cost_atoms = state.pot_cost_atoms
        self.ledger.realized_atoms = state.realized_atoms
        self.ledger.cycles = state.cycles
        gate = self._gate
        gate.is_watching = False
        gate.is_dirty = state.is_dirty
        gate.seen_half_ticks = state.seen_half_ticks
        gate.wanted = state.wanted
        gate.cleaned_ns = state.cleaned_ns
        self._locked_until_ns = state.locked_until_ns
        self.leaving = state.leaving
        self._samples = state.samples
        self.adaptation = state.adaptation.within(self.settings)
        self._blocked = frozenset(state.blocked)

    def format_status(self, ctx: Context) -> str:
        """Return anchor, filled levels and cycles in one line."""
        ledger = self.ledger
        filled = sum(1 for slot in ledger.slots.values() if slot.held_lots)
        parts = [
            f"anchor {ctx.price_text(self.ladder.anchor_ticks)}",
            f"interval {ctx.price_text(self.ladder.interval_ticks * self.adaptation.stride)}",
            f"{filled} levels held",
            f"{len(ctx.orders)} orders",
            f"{ledger.cycles} cycles",
            f"earned {ctx.money_text(ledger.realized_atoms)} after fees",
        ]
        if self.direction != "long":
            parts.insert(0, self.direction)
        if self.leaving.reason:
            parts.append(f"{'out' if self.leaving.is_out else 'leaving'}: {self.leaving.reason}")
        elif self._locked_until_ns:
            parts.append("no entries: money was lacking")
        elif self._blocked:
            parts.append("no entries against the trend")
        return ", ".join(parts)
