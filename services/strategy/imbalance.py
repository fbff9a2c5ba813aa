"""Order-flow imbalance: follow a book that leans one way, with stop and target.

Entry (ST-39): spread, imbalance, persistence, confidence, momentum and no divergence, all at once.

    confidence = 0.4 |imbalance| + 0.2 |weighted imbalance| + 0.2 min(streak / 10, 1)
                 + 0.1 if volatility z < -1, - 0.1 if z > 1, + 0.1 if the imbalance grows our way; within 0..1

Entries are IOC limits at the touch, exits market orders: at 2 ATR against us, at 3 ATR for us, or when the
opposite signal comes (ST-42). A short position is taken on derivatives only.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from services.strategy.base import NOTHING, Context, Intents, PlaceOrder, Strategy
from services.strategy.imbalance_features import Features
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.kernels.signals import mid_half_ticks, spread_ticks
from shared.messages import Message
from shared.messages.orders import Fill, OrderIntent, OrderType, TimeInForce
from shared.settings import Doc, Ge, Gt, Le
from shared.units import NS_PER_MS, NS_PER_S, Side

ENTRY = "entry"
EXIT = "exit"
DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceSettings:
    """Settings of the imbalance strategy; ratios are fractions of 1."""

    equity_quote: Annotated[Decimal, Gt(0), Doc("equity that sizes are a part of, in quote currency")] = (
        Decimal(10_000)
    )
    position_size: Annotated[float, Gt(0), Le(1), Doc("part of the equity in one entry (ST-41)")] = 0.1
    max_position: Annotated[float, Gt(0), Le(1), Doc("largest position as a part of the equity")] = 0.2
    sample_ms: Annotated[
        int, Ge(0), Le(60_000), Doc("time between two samples; 0 takes every change of the book")
    ] = 0
    max_spread_bps: Annotated[float, Gt(0), Doc("widest spread for an entry")] = 10.0
    imbalance_threshold: Annotated[float, Ge(0), Le(1), Doc("least |imbalance| of 5 levels")] = 0.3
    persistence: Annotated[int, Ge(1), Doc("samples in a row of the same sign")] = 3
    min_confidence: Annotated[float, Ge(0), Le(1), Doc("least confidence")] = 0.6
    min_momentum: Annotated[float, Ge(0), Doc("least relative move over 10 samples, our way")] = 0.0001
    stop_atr: Annotated[float, Gt(0), Doc("stop-loss in ATR (ST-42)")] = 2.0
    target_atr: Annotated[float, Gt(0), Doc("take-profit in ATR")] = 3.0
    atr_floor_bps: Annotated[
        float, Ge(0), Doc("ATR counts as at least this many bps: above the fees, or every trade loses")
    ] = 0.0
    max_daily_trades: Annotated[int, Ge(0), Doc("entries a UTC day (ST-43)")] = 50
    entry_gap_s: Annotated[int, Ge(0), Doc("seconds between two entries")] = 5


class _State(msgspec.Struct, array_like=True):
    features: list[Any]
    sampled_ns: int
    entry_ns: int
    atr_half_ticks: float
    day: int
    day_trades: int
    counted_id: str


def confidence(
    imbalance: float, weighted: float, streak: int, volatility_z: float | None, agrees: bool
) -> float:
    """Return the confidence of a signal within 0..1 (ST-40)."""
    value = 0.4 * abs(imbalance) + 0.2 * abs(weighted) + 0.2 * min(streak / 10, 1.0)
    if volatility_z is not None and volatility_z < -1:
        value += 0.1
    if volatility_z is not None and volatility_z > 1:
        value -= 0.1
    if agrees:
        value += 0.1
    return min(max(value, 0.0), 1.0)


def direction(features: Features, spread_bps: float, settings: ImbalanceSettings) -> tuple[int, float]:
    """Return (+1 buy, -1 sell or 0, confidence): 0 unless every condition of ST-39 holds."""
    imbalance = features.imbalance
    if (
        spread_bps > settings.max_spread_bps
        or abs(imbalance) < settings.imbalance_threshold
        or imbalance == 0
    ):
        return 0, 0.0
    sign = 1 if imbalance > 0 else -1
    if features.streak < settings.persistence:
        return 0, 0.0
    growth = features.imbalance_momentum
    if growth is not None and growth * sign < 0:
        return 0, 0.0
    momentum = features.momentum
    if momentum is not None and momentum * sign < settings.min_momentum:
        return 0, 0.0
    agrees = growth is not None and growth * sign > 0
    sure = confidence(imbalance, features.weighted, features.streak, features.volatility_z, agrees)
    return (sign, sure) if sure >= settings.min_confidence else (0, sure)


def size_factor(volatility_z: float | None) -> Decimal:
    """Return 1.5 in low, 0.5 in high and 1 in other volatility (ST-41)."""
    if volatility_z is None or -1 <= volatility_z <= 1:
        return Decimal(1)
    return Decimal("1.5") if volatility_z < -1 else Decimal("0.5")


class Imbalance(Strategy):
    """One position at a time, entered with the book and left by stop, target or reversal."""

    Settings = ImbalanceSettings
    settings: ImbalanceSettings

    def __init__(self, settings: ImbalanceSettings) -> None:
        super().__init__(settings)
        self._features = Features()
        self._sampled_ns = 0
        self._entry_ns = 0
        self._atr_half_ticks = 0.0
        self._day = 0
        self._day_trades = 0
        self._counted_id = ""

    def on_book(self, ctx: Context) -> Intents:
        """Leave at stop or target at every change; sample, and perhaps enter."""
        day = ctx.now_ns // DAY_NS
        if day != self._day:
            self._day, self._day_trades = day, 0
        reason = self._exit_reason(ctx)
        is_sample = ctx.now_ns - self._sampled_ns >= self.settings.sample_ms * NS_PER_MS
        sign = 0
        sure = 0.0
        if is_sample:
            self._sampled_ns = ctx.now_ns
            self._features.add(ctx.book)
            spread_bps = spread_ticks(ctx.book) * 20_000 / mid_half_ticks(ctx.book)
            sign, sure = direction(self._features, spread_bps, self.settings)
        position = ctx.position.position_lots
        if not reason and sign * position < 0:
            reason = f"reversed, confidence {sure:.2f}"
        if reason:
            return self._leave(ctx, reason)
        return self._enter(ctx, sign, sure) if sign else NOTHING

    # ---- out

    def _exit_reason(self, ctx: Context) -> str:
        position = ctx.position.position_lots
        if position == 0 or self._atr_half_ticks == 0.0:
            return ""
        # What leaving now would bring: the touch on the other side, in half ticks.
        price_half = 2 * (ctx.book.bid_ticks if position > 0 else ctx.book.ask_ticks)
        entry_half = ctx.position.average_price_centiticks / 50
        gain = (price_half - entry_half) * (1 if position > 0 else -1)
        if gain <= -self.settings.stop_atr * self._atr_half_ticks:
            return f"stop-loss at {gain / 2:.1f} ticks"
        if gain >= self.settings.target_atr * self._atr_half_ticks:
            return f"take-profit at {gain / 2:.1f} ticks"
        return ""

    def _leave(self, ctx: Context, reason: str) -> Intents:
        position = ctx.position.position_lots
        if position == 0 or EXIT in ctx.orders:
            return NOTHING
        side = Side.SELL if position > 0 else Side.BUY
        price = ctx.book.bid_ticks if position > 0 else ctx.book.ask_ticks
        if not is_allowed_size(ctx.rules, price, abs(position)):
            return NOTHING
        return (
            PlaceOrder(
                EXIT,
                side,
                0,
                abs(position),
                OrderType.MARKET,
                TimeInForce.IOC,
                is_reduce_only=ctx.rules.is_derivative and not ctx.shares_market,
                reason=reason,
            ),
        )

    # ---- in

    def _enter(self, ctx: Context, sign: int, sure: float) -> Intents:
        settings, position = self.settings, ctx.position.position_lots
        if ctx.orders or self._day_trades >= settings.max_daily_trades:
            return NOTHING
        if sign < 0 and not ctx.rules.is_derivative:
            return NOTHING
        if ctx.now_ns - self._entry_ns < settings.entry_gap_s * NS_PER_S:
            return NOTHING
        if self._features.atr_half_ticks is None:
            return NOTHING
        side = Side.BUY if sign > 0 else Side.SELL
        price = ctx.book.ask_ticks if sign > 0 else ctx.book.bid_ticks
        share = Decimal(str(settings.position_size)) * size_factor(self._features.volatility_z)
        if position:
            share /= 2
        limit_lots = lots_of(settings.equity_quote * Decimal(str(settings.max_position)), ctx.rules, price)
        qty_lots = min(lots_of(settings.equity_quote * share, ctx.rules, price), limit_lots - abs(position))
        if not is_allowed_size(ctx.rules, price, qty_lots):
            return NOTHING
        reason = f"imbalance {self._features.imbalance:+.2f}, confidence {sure:.2f}"
        return (PlaceOrder(ENTRY, side, price, qty_lots, reason=reason),)

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Remember when an entry was sent."""
        if order.slot == ENTRY and isinstance(event, OrderIntent):
            self._entry_ns = ctx.now_ns
        return NOTHING

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Fix the ATR of the position at its entry, and count the trade (ST-43)."""
        if ctx.position.position_lots == 0:
            self._atr_half_ticks = 0.0
        elif slot == ENTRY:
            atr = self._features.atr_half_ticks or 0.0
            floor = 2 * fill.price_ticks * self.settings.atr_floor_bps / 10_000
            # A market that did not move yet has no ATR: a tick is the least stop that means anything.
            self._atr_half_ticks = max(atr, floor, 2.0)
        if slot == ENTRY and fill.client_order_id != self._counted_id:
            self._counted_id = fill.client_order_id
            self._day_trades += 1
        return NOTHING

    # ---- state

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return the largest position in lots."""
        share = Decimal(str(self.settings.max_position))
        return lots_of(self.settings.equity_quote * share, ctx.rules, price_ticks)

    def snapshot(self) -> bytes:
        """Return features, the open position's ATR and the day's count."""
        return msgspec.msgpack.encode(
            _State(
                self._features.dump(),
                self._sampled_ns,
                self._entry_ns,
                self._atr_half_ticks,
                self._day,
                self._day_trades,
                self._counted_id,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`."""
        state = msgspec.msgpack.decode(data, type=_State)
        self._features.load(state.features)
        self._sampled_ns = state.sampled_ns
        self._entry_ns = state.entry_ns
        self._atr_half_ticks = state.atr_half_ticks
        self._day = state.day
        self._day_trades = state.day_trades
        self._counted_id = state.counted_id

    def format_status(self, ctx: Context) -> str:
        """Return position, lean of the book and trades of the day in one line."""
        return (
            f"position {ctx.qty_text(ctx.position.position_lots)}, "
            f"imbalance {self._features.imbalance:+.2f}, "
            f"streak {self._features.streak}, {self._day_trades} entries today"
        )
