"""Avellaneda-Stoikov market maker: fair value, inventory skew, a spread that widens with toxic flow.

    fair = multi-level microprice over 5 levels                                            (ST-7)
    bid  = fair - half * multiplier - skew, rounded down                                   (ST-9)
    ask  = fair + half * multiplier - skew, rounded up
    multiplier = 1 + VPIN + volatility part, limited to 1..3                               (ST-11)

Model `fixed` has a half spread by setting and skew = gamma * position / max_inventory * half (ST-8). The
full models have both from `maker_models.py` with the parameters of `maker_calibration.py` (ST-16), and no
volatility part, since sigma is in them already. Prices are integers in 1/100 tick ("centiticks"), ratios in
parts per million.
"""

# ruff: noqa: ARG002  callbacks take what the interface gives

import math
from typing import Any

import msgspec

from services.strategy.base import NOTHING, Context, Intents, Note, Quote, Strategy, TargetQuotes
from services.strategy.maker_calibration import BPS, ModelCalibration
from services.strategy.maker_guard import ToxicityGuard
from services.strategy.maker_models import Shape, quote_prices, skew_centiticks, spread_multiplier_ppm
from services.strategy.maker_round import Round
from services.strategy.maker_settings import AvellanedaStoikovSettings
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.kernels.gates import Gate, MakerGate
from shared.messages import Message
from shared.messages.market import Trade
from shared.messages.orders import Fill
from shared.units import PPM, Side

BID = "bid"
ASK = "ask"


class _State(msgspec.Struct, array_like=True):
    flow: tuple[Any, ...]
    books: int
    books_since_quote: int
    quoted_fair_centiticks: int
    must_quote: bool
    is_toxic: bool
    multiplier_ppm: int
    auto: tuple[bool, int, int] = (False, 0, 0)
    quoted_half_centiticks: int = 0
    quoted_skew_centiticks: int = 0
    has_drifted: bool = False
    round: Round | None = None
    shape: tuple[float, float] | None = None
    waits_for: str = ""
    calibration: tuple[Any, ...] | None = None
    model_key: str = ""


class AvellanedaStoikov(Strategy):
    """One bid and one ask around the fair value."""

    Settings = AvellanedaStoikovSettings
    settings: AvellanedaStoikovSettings

    def __init__(self, settings: AvellanedaStoikovSettings) -> None:
        super().__init__(settings)
        self._half_spread_e7 = round(settings.half_spread_bps * 1000)
        self._guard = ToxicityGuard(settings)
        self._gate = MakerGate(
            self._guard,
            settings.depth,
            settings.warmup_books,
            settings.cooldown_books,
            round(settings.requote_threshold_bps * 1000),
            settings.requote_threshold_ticks * 100,
        )
        self._calibration = None if settings.model == "fixed" else ModelCalibration(settings)
        self._gate.is_waiting = self._calibration is not None
        self._gate.has_round = settings.gate_by_position
        self._quoted_half_centiticks = 0
        self._quoted_skew_centiticks = 0
        self._multiplier_ppm = PPM
        self._round: Round | None = None
        self._shape: Shape | None = None
        self._waits_for = "" if self._calibration is None else "calibrating: nothing was looked at yet"

    # ---- what happens in the market

    def on_trade(self, ctx: Context, trade: Trade) -> Intents:
        """Add the trade to the flow; pull at once when it turns toxic (ST-12)."""
        if self._calibration is not None:
            self._calibration.on_trade(ctx, trade)
        if not self._gate.on_trade(trade.side, trade.price_ticks, trade.qty_lots, ctx.now_ns):
            return NOTHING
        self._guard.add(trade, ctx.now_ns)
        if self._guard.is_toxic:
            return (TargetQuotes((), f"toxic flow: VPIN {self._guard.vpin_ppm} ppm"),)
        self._gate.must_quote = True
        return NOTHING

    def on_book(self, ctx: Context) -> Intents:
        """Quote anew when the fair value moved enough, or something was filled (ST-13)."""
        gate = self._gate
        if not gate.on_book(ctx.book, ctx.now_ns, ctx.position.position_lots):
            return NOTHING
        gate.count_book()
        fair = gate.fair_centiticks
        if self._round is not None and self._round.holds(ctx):
            return self._keep_round(ctx, fair) if gate.must_quote else NOTHING
        if not gate.is_due(fair):
            return NOTHING
        gate.must_quote = gate.has_drifted = False
        gate.books_since_quote = 0
        gate.quoted_fair_centiticks = fair
        return self._quote(ctx, fair)

    def on_timer(self, ctx: Context) -> Intents:
        """Let a full model learn, and look once a period at what it asks for (ST-16)."""
        if self._calibration is None or not self._calibration.on_time(ctx):
            return NOTHING
        self._shape, problem = self._calibration.shape((ctx.book.bid_ticks + ctx.book.ask_ticks) / 2 / BPS)
        self._gate.is_waiting = self._shape is None
        if self._shape is None:
            self._waits_for = problem
            self._gate.must_quote = True
            code = problem.partition(":")[0] if problem.startswith("calibrating") else "model_undefined"
            level = "info" if code == "calibrating" else "warning"
            return (TargetQuotes((), problem), Note(level, code, problem))
        self._waits_for = ""
        fair = self._gate.quoted_fair_centiticks
        if fair and not self._gate.must_quote:
            lots = self._order_and_most_lots(ctx, max(fair // 100, 1))
            half, skew = self._half_and_skew(fair, ctx.position.position_lots, *lots)
            drift = abs(half - self._quoted_half_centiticks) + abs(skew - self._quoted_skew_centiticks)
            self._gate.has_drifted = drift >= self._gate.threshold_of(fair)
        return NOTHING

    # ---- prices and sizes

    def _order_and_most_lots(self, ctx: Context, price_ticks: int) -> tuple[int, int]:
        settings = self.settings
        order_lots = lots_of(settings.order_notional, ctx.rules, price_ticks)
        return order_lots, lots_of(settings.max_inventory_notional, ctx.rules, price_ticks)

    def _half_and_skew(self, fair: int, position: int, order_lots: int, max_lots: int) -> tuple[int, int]:
        """Return half spread before the multiplier, and skew, in centiticks."""
        if self._shape is not None:
            skew = round(self._shape.skew_per_order * 100 * position / max(order_lots, 1))
            return max(math.ceil(self._shape.half * 100), 1), skew
        half = max(fair * self._half_spread_e7 // 10_000_000, 1)
        return half, skew_centiticks(position, max(max_lots, 1), self.settings.gamma_e4, half)

    def _quote(self, ctx: Context, fair: int) -> Intents:
        rules, settings = ctx.rules, self.settings
        fair_ticks = max(fair // 100, 1)
        order_lots, max_lots = self._order_and_most_lots(ctx, fair_ticks)
        self._round = None
        if max_lots == 0 or not is_allowed_size(rules, fair_ticks, order_lots):
            text = (
                f"order_notional {settings.order_notional} is {order_lots} lots at {fair_ticks} ticks: "
                f"the venue asks for {rules.min_qty_lots} lots and {rules.min_notional_atoms} atoms; "
                "set a larger one"
            )
            return (TargetQuotes(), Note("warning", "order_too_small", text))
        position = ctx.position.position_lots
        half, skew = self._half_and_skew(fair, position, order_lots, max_lots)
        self._quoted_half_centiticks, self._quoted_skew_centiticks = half, skew
        weight_e4 = settings.volatility_weight_e4 if self._calibration is None else 0
        self._multiplier_ppm = spread_multiplier_ppm(
            self._guard.vpin_ppm, self._guard.flow.volatility_ema_e4, fair, weight_e4
        )
        touch = (ctx.book.bid_ticks, ctx.book.ask_ticks)
        bid, ask = quote_prices(fair, half, self._multiplier_ppm, skew, touch)
        # Room to the limit: a short position is allowed on derivatives only (ST-14).
        bid_lots = min(order_lots, max_lots - position)
        ask_lots = min(order_lots, position + max_lots if rules.is_derivative else position)
        if settings.gate_by_position:
            self._round = Round(bid, ask, max(bid_lots, 0), max(ask_lots, 0))
        reason = f"fair {fair} ct, multiplier {self._multiplier_ppm} ppm, skew {skew} ct"
        return _targets(ctx, bid, ask, bid_lots, ask_lots, reason)

    def _keep_round(self, ctx: Context, fair: int) -> Intents:
        """Quote what is left of the round trip at the prices it began with (ST-48)."""
        assert self._round is not None
        self._gate.must_quote = self._gate.has_drifted = False
        _, max_lots = self._order_and_most_lots(ctx, max(fair // 100, 1))
        bid, ask = self._round.prices(ctx.book.bid_ticks, ctx.book.ask_ticks)
        lots = self._round.lots(ctx.position.position_lots, max_lots, ctx.rules.is_derivative)
        return _targets(ctx, bid, ask, *lots, "the prices of the round trip that is open (ST-48)")

    # ---- what happens to own orders

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Quote anew at the next book: inventory and skew changed, no cooldown (ST-13)."""
        self._gate.must_quote = True
        if self._round is not None:
            self._round.take(fill.side, fill.qty_lots)
        return NOTHING

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Quote anew at the next book when an order ended that we did not cancel (ST-17)."""
        if order.state.is_final and not order.is_cancel_asked:
            self._gate.must_quote = True
        return NOTHING

    def on_disconnect(self, ctx: Context, reason: str) -> Intents:
        """Warm up again, without quotes: the next book may be far from the last (ST-13)."""
        self._gate.books = 0
        self._gate.must_quote = True
        if self._calibration is not None:
            self._calibration.hold()
        return (TargetQuotes((), reason),)

    def on_start(self, ctx: Context) -> Intents:
        """Let a full model learn at once where a changed setting finds its instance quoting."""
        return self.on_state(ctx, "quoting") if ctx.can_trade else NOTHING

    def on_state(self, ctx: Context, state: str) -> Intents:
        """Let a full model learn only while trades are shown; look again at a round trip that was pulled."""
        if self._calibration is not None:
            self._calibration.on_state(state)
        if self._round is not None:
            # The market may have gone through its prices while they did not rest.
            self._gate.must_quote = True
        return NOTHING

    def on_stop(self, ctx: Context) -> Intents:
        """Learn nothing from now on."""
        return self.on_state(ctx, "stopped")

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return the inventory limit in lots (ST-14)."""
        return lots_of(self.settings.max_inventory_notional, ctx.rules, price_ticks)

    def gate(self, ctx: Context) -> Gate | None:
        """Return when the fixed model has something to do; a full model learns from each trade and tick."""
        return self._gate if type(self) is AvellanedaStoikov and self._calibration is None else None

    # ---- state

    def snapshot(self) -> bytes:
        """Return flow, counters, what was quoted, and what was learnt."""
        return msgspec.msgpack.encode(
            _State(
                self._guard.flow.dump(),
                self._gate.books,
                self._gate.books_since_quote,
                self._gate.quoted_fair_centiticks,
                self._gate.must_quote,
                self._guard.is_toxic,
                self._multiplier_ppm,
                self._guard.dump(),
                self._quoted_half_centiticks,
                self._quoted_skew_centiticks,
                self._gate.has_drifted,
                self._round,
                self._shape,
                self._waits_for,
                self._calibration.dump() if self._calibration is not None else None,
                self.settings.model_key,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`.

        After a change of settings: a flow of another window begins anew, a full model keeps what was learnt
        and quotes again after its first look, and what belongs to a part that is switched off is dropped.
        """
        state = msgspec.msgpack.decode(data, type=_State)
        self._guard.load(state.flow, state.is_toxic, state.auto)
        gate = self._gate
        gate.books = state.books
        gate.books_since_quote = state.books_since_quote
        gate.quoted_fair_centiticks = state.quoted_fair_centiticks
        self._quoted_half_centiticks = state.quoted_half_centiticks
        self._quoted_skew_centiticks = state.quoted_skew_centiticks
        gate.must_quote = state.must_quote or state.is_toxic is not self._guard.is_toxic
        gate.has_drifted = state.has_drifted
        self._multiplier_ppm = state.multiplier_ppm
        self._round = state.round if self.settings.gate_by_position else None
        if self._calibration is None:
            return
        if state.calibration is not None:
            self._calibration.load(state.calibration)
        if state.model_key != self.settings.model_key:
            gate.must_quote = True
            return
        self._shape = Shape(*state.shape) if state.shape is not None else None
        gate.is_waiting = self._shape is None
        self._waits_for = state.waits_for

    def format_status(self, ctx: Context) -> str:
        """Return inventory, VPIN, spread, and what a full model knows, in one line."""
        toxic = ", toxic" if self._guard.is_toxic else ""
        fair, spread = self._gate.quoted_fair_centiticks // 100, self._multiplier_ppm / PPM
        model = ""
        if self._waits_for:
            model = f", {self._waits_for}"
        elif self._calibration is not None and fair:
            model = f", {self._calibration.parameters(fair / BPS).text}"
        return (
            f"position {ctx.qty_text(ctx.position.position_lots)}, fair {ctx.price_text(fair)}, "
            f"VPIN {self._guard.flow.vpin_ppm / PPM:.2f}, spread x{spread:.2f}{toxic}{model}"
        )


def _targets(ctx: Context, bid: int, ask: int, bid_lots: int, ask_lots: int, reason: str) -> Intents:
    quotes = []
    if bid >= 1 and is_allowed_size(ctx.rules, bid, bid_lots):
        quotes.append(Quote(BID, Side.BUY, bid, bid_lots))
    if is_allowed_size(ctx.rules, ask, ask_lots):
        quotes.append(Quote(ASK, Side.SELL, ask, ask_lots))
    return (TargetQuotes(tuple(quotes), reason),)
