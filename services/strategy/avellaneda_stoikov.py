"""Avellaneda-Stoikov market maker: fair value, inventory skew, a spread that widens with toxic flow.

    fair = multi-level microprice over 5 levels                                            (ST-7)
    skew = gamma * position / max_inventory * half_spread, gamma in 1e-4                   (ST-8)
    bid  = fair - half_spread * multiplier - skew, rounded down                            (ST-9)
    ask  = fair + half_spread * multiplier - skew, rounded up
    multiplier = 1 + VPIN + min(volatility * 50 / 1e4, 1), limited to 1..3                 (ST-11)

VPIN is |bought - sold| / total over the last 200 trades; volatility is the EMA (alpha 0.05) of the absolute
price change from trade to trade in 1e-7 of the fair value: the 0.01 of the original at a price of 100,000,
made relative so that the same settings serve every market. Everything is integer: prices in 1/100 tick
("centiticks"), ratios in parts per million.
"""

# ruff: noqa: ARG002  callbacks take what the interface gives

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from services.strategy.base import NOTHING, Context, Intents, Note, Quote, Strategy, TargetQuotes
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.kernels.signals import TradeFlow, microprice_centiticks
from shared.messages import Message
from shared.messages.market import Trade
from shared.messages.orders import Fill
from shared.settings import Doc, Ge, Gt, Le
from shared.units import PPM, Side

BID = "bid"
ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvellanedaStoikovSettings:
    """Settings in relative units: the same ones serve BTC and ETH."""

    order_notional: Annotated[Decimal, Gt(0), Doc("value of each quote, in quote currency")] = Decimal(100)
    max_inventory_notional: Annotated[
        Decimal, Gt(0), Doc("largest position either way, in quote currency; none short on spot (ST-14)")
    ] = Decimal(1000)
    half_spread_bps: Annotated[float, Gt(0), Le(1000), Doc("half spread in bps of the fair value")] = 1.0
    gamma_e4: Annotated[int, Ge(0), Le(100_000), Doc("inventory skew in 1e-4 (1000 = 0.1), ST-8")] = 1000
    depth: Annotated[int, Ge(1), Le(20), Doc("levels of the microprice")] = 5
    vpin_enabled: Annotated[bool, Doc("false leaves VPIN out of spread and pull (ST-15)")] = True
    vpin_window: Annotated[int, Ge(10), Le(4096), Doc("trades in VPIN")] = 200
    toxic_ppm: Annotated[int, Gt(0), Le(PPM), Doc("VPIN above which quotes are pulled (ST-12)")] = 600_000
    release_ppm: Annotated[int, Gt(0), Le(PPM), Doc("VPIN below which they come back")] = 500_000
    volatility_weight_e4: Annotated[
        int, Ge(0), Le(10_000), Doc("weight of volatility in the multiplier, in 1e-4 (50 = the original)")
    ] = 50
    warmup_books: Annotated[int, Ge(0), Le(10_000), Doc("books before the first quote (ST-13)")] = 3
    cooldown_books: Annotated[int, Ge(0), Le(10_000), Doc("books between two requotes")] = 2
    requote_threshold_bps: Annotated[
        float, Ge(0), Le(1000), Doc("move of the fair value that causes a requote, at least a tick, in bps")
    ] = 0.7

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.release_ppm >= self.toxic_ppm:
            raise ValueError(
                f"release_ppm {self.release_ppm} must be below toxic_ppm {self.toxic_ppm}: "
                "pulled quotes come back only when the flow has calmed"
            )
        if self.order_notional > self.max_inventory_notional:
            raise ValueError(
                f"order_notional {self.order_notional} is more than max_inventory_notional "
                f"{self.max_inventory_notional}: no quote would ever fit"
            )


class _State(msgspec.Struct, array_like=True):
    flow: tuple[Any, ...]
    books: int
    books_since_quote: int
    quoted_fair_centiticks: int
    must_quote: bool
    is_toxic: bool
    multiplier_ppm: int


def spread_multiplier_ppm(vpin_ppm: int, volatility_ema_e4: int, fair_centiticks: int, weight_e4: int) -> int:
    """Return 1 + VPIN + min(volatility * weight, 1) within 1..3, in ppm (ST-11).

    `volatility_ema_e4` is in 1e-4 ticks; relative to the fair value and in 1e-7 of it, it is
    e4 / 1e4 / (fair / 100) * 1e7; times weight / 1e4, in ppm, that is e4 * weight * 1e7 / fair.
    """
    volatility_ppm = min(volatility_ema_e4 * weight_e4 * 10_000_000 // fair_centiticks, PPM)
    return min(max(PPM + vpin_ppm + volatility_ppm, PPM), 3 * PPM)


def skew_centiticks(position_lots: int, max_lots: int, gamma_e4: int, half_spread_centiticks: int) -> int:
    """Return how far both quotes move down when long, up when short, rounded towards zero (ST-8)."""
    size = gamma_e4 * abs(position_lots) * half_spread_centiticks // (10_000 * max_lots)
    return size if position_lots >= 0 else -size


def quote_prices(
    fair_centiticks: int, half_spread_centiticks: int, skew: int, touch: tuple[int, int]
) -> tuple[int, int]:
    """Return bid and ask in ticks: rounded outward, never at or beyond the opposite best (ST-9)."""
    bid_best, ask_best = touch
    bid = (fair_centiticks - half_spread_centiticks - skew) // 100
    ask = -((-fair_centiticks - half_spread_centiticks + skew) // 100)
    bid = min(bid, ask_best - 1)
    ask = max(ask, bid_best + 1, bid + 1)
    return bid, ask


class AvellanedaStoikov(Strategy):
    """One bid and one ask around the fair value."""

    Settings = AvellanedaStoikovSettings
    settings: AvellanedaStoikovSettings

    def __init__(self, settings: AvellanedaStoikovSettings) -> None:
        super().__init__(settings)
        self._flow = TradeFlow(settings.vpin_window)
        self._half_spread_e7 = round(settings.half_spread_bps * 1000)
        self._threshold_e7 = round(settings.requote_threshold_bps * 1000)
        self._books = 0
        self._books_since_quote = 0
        self._quoted_fair_centiticks = 0
        self._must_quote = True
        self._is_toxic = False
        self._multiplier_ppm = PPM

    def on_trade(self, ctx: Context, trade: Trade) -> Intents:
        """Add the trade to the flow; pull at once when it turns toxic (ST-12)."""
        self._flow.add(trade.side, trade.price_ticks, trade.qty_lots)
        if not self.settings.vpin_enabled or self._flow.count < self.settings.vpin_window:
            return NOTHING
        vpin_ppm = self._flow.vpin_ppm
        if not self._is_toxic and vpin_ppm > self.settings.toxic_ppm:
            self._is_toxic = True
            return (TargetQuotes((), f"toxic flow: VPIN {vpin_ppm} ppm"),)
        if self._is_toxic and vpin_ppm < self.settings.release_ppm:
            self._is_toxic = False
            self._must_quote = True
        return NOTHING

    def on_book(self, ctx: Context) -> Intents:
        """Quote anew when the fair value moved enough, or something was filled (ST-13)."""
        self._books += 1
        self._books_since_quote += 1
        if self._books <= self.settings.warmup_books or self._is_toxic:
            return NOTHING
        fair = microprice_centiticks(ctx.book, self.settings.depth)
        if not self._must_quote:
            if self._books_since_quote < self.settings.cooldown_books:
                return NOTHING
            threshold = max(fair * self._threshold_e7 // 10_000_000, 100)
            if abs(fair - self._quoted_fair_centiticks) < threshold:
                return NOTHING
        self._must_quote = False
        self._books_since_quote = 0
        self._quoted_fair_centiticks = fair
        return self._quote(ctx, fair)

    def _quote(self, ctx: Context, fair: int) -> Intents:
        rules, settings = ctx.rules, self.settings
        fair_ticks = max(fair // 100, 1)
        max_lots = lots_of(settings.max_inventory_notional, rules, fair_ticks)
        order_lots = lots_of(settings.order_notional, rules, fair_ticks)
        if max_lots == 0 or not is_allowed_size(rules, fair_ticks, order_lots):
            text = (
                f"order_notional {settings.order_notional} is {order_lots} lots at {fair_ticks} ticks: "
                f"the venue asks for {rules.min_qty_lots} lots and {rules.min_notional_atoms} atoms; "
                "set a larger one"
            )
            return (TargetQuotes(), Note("warning", "order_too_small", text))
        position = ctx.position.position_lots
        half_spread = max(fair * self._half_spread_e7 // 10_000_000, 1)
        skew = skew_centiticks(position, max_lots, settings.gamma_e4, half_spread)
        vpin_ppm = self._counted_vpin_ppm()
        self._multiplier_ppm = spread_multiplier_ppm(
            vpin_ppm, self._flow.volatility_ema_e4, fair, settings.volatility_weight_e4
        )
        touch = (ctx.book.bid_ticks, ctx.book.ask_ticks)
        bid, ask = quote_prices(fair, half_spread * self._multiplier_ppm // PPM, skew, touch)
        # Room to the limit: a short position is allowed on derivatives only (ST-14).
        bid_lots = min(order_lots, max_lots - position)
        ask_lots = min(order_lots, position + max_lots if rules.is_derivative else position)
        quotes = []
        if bid >= 1 and is_allowed_size(rules, bid, bid_lots):
            quotes.append(Quote(BID, Side.BUY, bid, bid_lots))
        if is_allowed_size(rules, ask, ask_lots):
            quotes.append(Quote(ASK, Side.SELL, ask, ask_lots))
        reason = f"fair {fair} ct, multiplier {self._multiplier_ppm} ppm, skew {skew} ct"
        return (TargetQuotes(tuple(quotes), reason),)

    def _counted_vpin_ppm(self) -> int:
        is_full = self._flow.count >= self.settings.vpin_window
        return self._flow.vpin_ppm if self.settings.vpin_enabled and is_full else 0

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Quote anew at the next book: inventory and skew changed, no cooldown (ST-13)."""
        self._must_quote = True
        return NOTHING

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Quote anew at the next book when an order ended that we did not cancel (ST-17)."""
        if order.state.is_final and not order.is_cancel_asked:
            self._must_quote = True
        return NOTHING

    def on_disconnect(self, ctx: Context, reason: str) -> Intents:
        """Warm up again: the next book may be far from the last."""
        self._books = 0
        self._must_quote = True
        return NOTHING

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return the inventory limit in lots (ST-14)."""
        return lots_of(self.settings.max_inventory_notional, ctx.rules, price_ticks)

    def snapshot(self) -> bytes:
        """Return flow, counters and what was quoted."""
        return msgspec.msgpack.encode(
            _State(
                self._flow.dump(),
                self._books,
                self._books_since_quote,
                self._quoted_fair_centiticks,
                self._must_quote,
                self._is_toxic,
                self._multiplier_ppm,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`; a flow of another window begins anew."""
        state = msgspec.msgpack.decode(data, type=_State)
        if state.flow[0] == self.settings.vpin_window:
            self._flow.load(state.flow)
        self._books = state.books
        self._books_since_quote = state.books_since_quote
        self._quoted_fair_centiticks = state.quoted_fair_centiticks
        self._must_quote = state.must_quote
        self._is_toxic = state.is_toxic
        self._multiplier_ppm = state.multiplier_ppm

    def format_status(self, ctx: Context) -> str:
        """Return inventory, VPIN and spread in one line."""
        toxic = ", toxic" if self._is_toxic else ""
        fair, spread = self._quoted_fair_centiticks // 100, self._multiplier_ppm / PPM
        return (
            f"position {ctx.qty_text(ctx.position.position_lots)}, fair {ctx.price_text(fair)}, "
            f"VPIN {self._flow.vpin_ppm / PPM:.2f}, spread x{spread:.2f}{toxic}"
        )
