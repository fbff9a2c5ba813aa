"""Order-flow imbalance: follow a book that leans one way, with stop and target.

`imbalance_signal.py` says when to enter and how much (ST-39..ST-41), this file acts on it. Entries are IOC
limits at the touch, exits market orders: at 2 ATR against us, at 3 ATR for us, or when the opposite signal
comes (ST-42). An exit once sent is sent again until the position is gone. Short on derivatives only.
"""

# ruff: noqa: ARG002  callbacks take what the interface gives

from decimal import Decimal
from typing import Any

import msgspec

from services.strategy.base import NOTHING, Context, Intents, PlaceOrder, Strategy
from services.strategy.imbalance_features import Features
from services.strategy.imbalance_signal import (
    ImbalanceSettings,
    atr_held_half_ticks,
    direction,
    entry_notional,
)
from services.strategy.market_exit import ENTRY, leave
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.kernels.features import ImbalanceGate
from shared.kernels.gates import Gate
from shared.kernels.signals import mid_half_ticks, spread_ticks
from shared.messages import Message
from shared.messages.orders import Fill, OrderIntent
from shared.units import NS_PER_MS, NS_PER_S, PPM, Side, atoms_text

DAY_NS = 86_400 * NS_PER_S
SAMPLES_LOST_NS = 60 * NS_PER_S
"""After this long without a sample, beyond `sample_ms`, samples in a row are counted anew."""


class _State(msgspec.Struct, array_like=True):
    features: list[Any]
    sampled_ns: int
    entry_ns: int
    atr_half_ticks: float
    day: int
    day_trades: int
    counted_id: str
    exit_ns: int = 0
    leaving: str = ""


class Imbalance(Strategy):
    """One position at a time, entered with the book and left by stop, target or reversal."""

    Settings = ImbalanceSettings
    settings: ImbalanceSettings

    def __init__(self, settings: ImbalanceSettings) -> None:
        super().__init__(settings)
        self._features = Features()
        self._gate = ImbalanceGate(self._features, settings.sample_ms * NS_PER_MS, SAMPLES_LOST_NS)
        self._gate.signals_at(
            settings.imbalance_threshold,
            settings.max_spread_bps,
            settings.persistence,
            settings.min_momentum,
            settings.min_confidence,
        )
        self._entry_ns = 0
        self._atr_half_ticks = 0.0
        self._day = 0
        self._day_trades = 0
        self._counted_id = ""
        self._exit_ns = 0
        self._leaving = ""

    # ---- what happens

    def on_start(self, ctx: Context) -> Intents:
        """Refuse a size below the least value of the market."""
        rules, settings = ctx.rules, self.settings
        size = settings.equity_quote * Decimal(str(settings.position_size))
        least = Decimal(atoms_text(rules.min_notional_atoms, rules.quote_exponent))
        if size < least:
            raise ValueError(
                f"an entry of {size:f} {rules.quote_asset} (equity_quote times position_size) is below the "
                f"least value of an order in {ctx.symbol}, {least}: raise one of the two"
            )
        return NOTHING

    def on_book(self, ctx: Context) -> Intents:
        """Leave at stop or target at every change; sample, and perhaps enter."""
        if not self._gate.on_book(ctx.book, ctx.now_ns, ctx.position.position_lots):
            return NOTHING
        sign, sure = self._sample(ctx)
        held = self._held_lots(ctx)
        reason = self._exit_reason(ctx, held)
        if not reason and sign * held < 0:
            reason = f"reversed, confidence {sure:.2f}"
        if reason:
            return leave(ctx, held, reason, self._exit_ns)
        return self._enter(ctx, sign, sure, held) if sign else NOTHING

    def on_timer(self, ctx: Context) -> Intents:
        """Leave at stop or target also while nothing moves: an exit that did not fill is due again."""
        if ctx.position.position_lots == 0 or not ctx.can_close or not ctx.book.is_trusted:
            return NOTHING
        held = self._held_lots(ctx)
        reason = self._exit_reason(ctx, held)
        return leave(ctx, held, reason, self._exit_ns) if reason else NOTHING

    def on_disconnect(self, ctx: Context, reason: str) -> Intents:
        """Count samples in a row anew: some are missing."""
        self._features.break_off()
        return NOTHING

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Remember when an entry or an exit was sent, and that the position is being left."""
        if isinstance(event, OrderIntent):
            self._gate.unwatch()
            if order.slot == ENTRY:
                self._entry_ns = ctx.now_ns
            else:
                self._exit_ns = ctx.now_ns
                self._leaving = event.reason
        return NOTHING

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Fix the ATR of the position at its entry, and count the trade (ST-43)."""
        self._gate.unwatch()
        if not is_allowed_size(ctx.rules, fill.price_ticks, abs(ctx.position.position_lots)):
            # Flat, or a rest too small to be sold alone.
            self._atr_half_ticks = 0.0
            self._leaving = ""
        elif slot == ENTRY:
            atr = self._features.atr_half_ticks or self._atr_half_ticks
            self._atr_half_ticks = atr_held_half_ticks(atr, fill.price_ticks, self.settings)
        if slot == ENTRY and fill.client_order_id != self._counted_id:
            self._begin_day(ctx)
            self._counted_id = fill.client_order_id
            self._day_trades += 1
        return NOTHING

    def _begin_day(self, ctx: Context) -> None:
        day = ctx.now_ns // DAY_NS
        if day != self._day:
            self._day, self._day_trades = day, 0

    def _sample(self, ctx: Context) -> tuple[int, float]:
        """Take a sample when one is due; return its direction and confidence, (0, 0.0) without one."""
        since_ns, every_ns = ctx.now_ns - self._gate.sampled_ns, self.settings.sample_ms * NS_PER_MS
        if since_ns < every_ns:
            return 0, 0.0
        if since_ns > every_ns + SAMPLES_LOST_NS:
            self._features.break_off()
        self._gate.sampled_ns = ctx.now_ns
        self._features.add(ctx.book)
        spread_bps = spread_ticks(ctx.book) * 20_000 / mid_half_ticks(ctx.book)
        return direction(self._features, spread_bps, self.settings)

    def _held_lots(self, ctx: Context) -> int:
        """Return the position, or 0 when it is too small to be sold alone: that waits for the next entry."""
        position = int(ctx.position.position_lots)
        price = ctx.book.bid_ticks if position > 0 else ctx.book.ask_ticks
        return position if is_allowed_size(ctx.rules, price, abs(position)) else 0

    # ---- out

    def _exit_reason(self, ctx: Context, held: int) -> str:
        if held == 0 or self._leaving:
            return self._leaving if held else ""
        # What leaving now would bring: the touch on the other side, in half ticks.
        price = ctx.book.bid_ticks if held > 0 else ctx.book.ask_ticks
        if self._atr_half_ticks == 0.0:
            # A position that no entry of this strategy made, or a rest that can be sold again.
            atr = self._features.atr_half_ticks
            if atr is None:
                return ""
            self._atr_half_ticks = atr_held_half_ticks(atr, price, self.settings)
        entry_half = ctx.position.average_price_centiticks / 50
        gain = (2 * price - entry_half) * (1 if held > 0 else -1)
        stop_half = self.settings.stop_atr * self._atr_half_ticks
        target_half = self.settings.target_atr * self._atr_half_ticks
        if gain <= -stop_half:
            return f"stop-loss at {gain / 2:.1f} ticks"
        if gain >= target_half:
            return f"take-profit at {gain / 2:.1f} ticks"
        self._gate.watch(held, entry_half, stop_half, target_half)
        return ""

    # ---- in

    def _equity(self, ctx: Context) -> Decimal:
        """Return the capital of this instance with what it earned or lost, in quote currency."""
        position = ctx.position
        gain_atoms = position.realized_atoms - position.fees_atoms
        gain_atoms += position.unrealized_atoms(mid_half_ticks(ctx.book) * 50)
        return max(
            self.settings.equity_quote + Decimal(gain_atoms).scaleb(-ctx.rules.quote_exponent), Decimal(0)
        )

    def _idle_until_ns(self, ctx: Context, sign: int) -> int:
        """Return until when a signal enters nothing, whatever happens: at most until the day ends."""
        day_end_ns = (self._day + 1) * DAY_NS
        is_over = self._day_trades >= self.settings.max_daily_trades
        if is_over or (sign < 0 and not ctx.rules.is_derivative):
            return day_end_ns
        return min(self._entry_ns + self.settings.entry_gap_s * NS_PER_S, day_end_ns)

    def _enter(self, ctx: Context, sign: int, sure: float, held: int) -> Intents:
        settings = self.settings
        self._begin_day(ctx)
        idle_until_ns = self._idle_until_ns(ctx, sign)
        if idle_until_ns > ctx.now_ns:
            self._gate.idle(sign, idle_until_ns)
            return NOTHING
        if ctx.orders:
            return NOTHING
        if self._features.atr_half_ticks is None:
            return NOTHING
        price = ctx.book.ask_ticks if sign > 0 else ctx.book.bid_ticks
        equity = self._equity(ctx)
        notional = entry_notional(equity, settings, self._features.volatility_z, is_adding=held != 0)
        limit_lots = lots_of(equity * Decimal(str(settings.max_position)), ctx.rules, price)
        qty_lots = min(lots_of(notional, ctx.rules, price), limit_lots - abs(ctx.position.position_lots))
        if not is_allowed_size(ctx.rules, price, qty_lots):
            return NOTHING
        reason = f"imbalance {self._features.imbalance_ppm / PPM:+.2f}, confidence {sure:.2f}"
        return (PlaceOrder(ENTRY, Side.BUY if sign > 0 else Side.SELL, price, qty_lots, reason=reason),)

    def gate(self, ctx: Context) -> Gate | None:
        """Return when there is something to do besides counting a sample."""
        return self._gate if type(self) is Imbalance else None

    # ---- state

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return the largest position in lots."""
        share = Decimal(str(self.settings.max_position))
        return lots_of(self._equity(ctx) * share, ctx.rules, price_ticks)

    def snapshot(self) -> bytes:
        """Return features, the open position's ATR, the exit under way and the day's count."""
        return msgspec.msgpack.encode(
            _State(
                self._features.dump(),
                self._gate.sampled_ns,
                self._entry_ns,
                self._atr_half_ticks,
                self._day,
                self._day_trades,
                self._counted_id,
                self._exit_ns,
                self._leaving,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`."""
        state = msgspec.msgpack.decode(data, type=_State)
        self._features.load(state.features)
        self._gate.sampled_ns = state.sampled_ns
        self._entry_ns = state.entry_ns
        self._atr_half_ticks = state.atr_half_ticks
        self._day = state.day
        self._day_trades = state.day_trades
        self._counted_id = state.counted_id
        self._exit_ns = state.exit_ns
        self._leaving = state.leaving

    def format_status(self, ctx: Context) -> str:
        """Return position, lean of the book and trades of the day in one line."""
        return (
            f"position {ctx.qty_text(ctx.position.position_lots)}, "
            f"imbalance {self._features.imbalance_ppm / PPM:+.2f}, "
            f"streak {self._features.streak}, {self._day_trades} entries today"
            + (f", leaving: {self._leaving}" if self._leaving else "")
        )
