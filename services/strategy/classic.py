"""What the candle strategies share: entries decided by closed bars, exits by signal, stop, target and trail.

A bar decides a *stance* (the side to hold) and perhaps a *wish* (an entry, valid until the next bar). Orders
leave from timers and candles: entries are IOC limits at the touch, exits market orders. Everything follows
from fills: a wish ends when something of it filled, an exit is sent again until the position is gone. What
was only accepted changes nothing (ST-46).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from services.strategy.base import NOTHING, Context, Intents, Note, PlaceOrder, Strategy
from services.strategy.classic_candles import MINUTE_NS, MINUTE_S, Bar, Bars, problem_of
from services.strategy.market_exit import ENTRY, leave
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size, lots_of
from shared.messages import Message
from shared.messages.market import Candle
from shared.messages.orders import Fill, OrderIntent
from shared.settings import Doc, Ge, Gt, Le, Lt
from shared.units import NS_PER_S, Side, atoms_text

AGAIN_NS = NS_PER_S
"""Time between two tries of the same order."""
STOP = "stop-loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicSettings:
    """Settings that every candle strategy has; ratios are fractions of 1."""

    candle_minutes: Annotated[
        int, Ge(1), Le(1440), Doc("length of a bar: so many candles of one minute (ST-46)")
    ] = 5
    order_notional: Annotated[
        Decimal, Gt(0), Le(Decimal(10**12)), Doc("value of an entry, in quote currency")
    ] = Decimal(100)
    max_position_notional: Annotated[
        Decimal, Gt(0), Le(Decimal(10**12)), Doc("most that the open position may cost, in quote currency")
    ] = Decimal(300)
    stop_loss: Annotated[
        float, Ge(0), Lt(1), Doc("loss against the average price at which the position is left; 0 is off")
    ] = 0.02
    take_profit: Annotated[
        float, Ge(0), Le(10), Doc("gain against the average price at which it is left; 0 is off")
    ] = 0.05
    trailing: Annotated[
        float, Ge(0), Lt(1), Doc("after take_profit: fall from the best price at which it is left; 0 at once")
    ] = 0.0
    cooldown_s: Annotated[int, Ge(0), Le(604_800), Doc("seconds without an entry after a stop-loss")] = 300

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.order_notional > self.max_position_notional:
            raise ValueError(
                f"order_notional {self.order_notional} is more than max_position_notional "
                f"{self.max_position_notional}: no entry could be made; lower the first or raise the second"
            )
        if self.trailing and self.trailing >= self.take_profit:
            raise ValueError(
                f"trailing {self.trailing} is not less than take_profit {self.take_profit}: it would give "
                "the whole gain back; lower the first or raise the second"
            )


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """An entry that shall be made: `sign` +1 to buy and -1 to sell, for `notional` in quote currency.

    With `is_whole` it is made in full or not at all, otherwise with what the limit leaves.
    """

    sign: int
    notional: Decimal
    reason: str
    is_whole: bool = False


class _State(msgspec.Struct, array_like=True):
    shape: list[Any]
    bars: list[Any]
    own: list[Any]
    bar_count: int
    stance: int | None
    wish: Wish | None
    entry_ns: int
    exit_ns: int
    leaving: str
    resting_ns: int
    best_ticks: int
    steps: list[Any]
    bar_end_ns: int


class Classic(Strategy):
    """One position of one market, led by bars. Subclasses decide in `on_bar`."""

    Settings = ClassicSettings
    settings: ClassicSettings

    def __init__(self, settings: ClassicSettings) -> None:
        super().__init__(settings)
        self.stance: int | None = None
        self.wish: Wish | None = None
        self._bars = Bars(settings.candle_minutes)
        self._bar_count = 0
        self._bar_end_ns = 0
        self._entry_ns = 0
        self._exit_ns = 0
        self._leaving = ""
        self._resting_ns = 0
        self._best_ticks = 0
        self.forget()

    # ---- what a subclass says

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Take a closed bar: set `stance` and `wish` (which is None when this is called)."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin the indicators anew: bars are missing, or nothing was taken yet."""
        raise NotImplementedError

    def shape(self) -> list[Any]:
        """Return the settings that the indicators depend on: with others their state is not taken over."""
        return [self.settings.candle_minutes]

    def dump_own(self) -> list[Any]:
        """Return the state of the indicators."""
        return []

    def load_own(self, state: list[Any]) -> None:
        """Take the result of `dump_own`."""

    def dump_steps(self) -> list[Any]:
        """Return what the subclass knows of its position: kept whatever the settings become."""
        return []

    def load_steps(self, state: list[Any]) -> None:
        """Take the result of `dump_steps`."""

    def text(self) -> str:
        """Return what it looks at, for people."""
        return ""

    def smallest_notional(self) -> Decimal:
        """Return the value of the smallest entry that the settings ask for, in quote currency."""
        return self.settings.order_notional

    def entry_filled(self, ctx: Context, fill: Fill) -> None:
        """Take a fill of an entry; the position has it already."""

    def position_left(self) -> None:
        """Take that nothing is held any more that could be sold."""

    def room_atoms(self, ctx: Context) -> int:
        """Return what may still be spent on the position, in atoms of the quote asset."""
        cap = int(self.settings.max_position_notional.scaleb(ctx.rules.quote_exponent))
        return cap - abs(int(ctx.position.cost_atoms))

    # ---- what happens

    def on_start(self, ctx: Context) -> Intents:
        """Refuse an order below the least value of the market."""
        least = Decimal(atoms_text(ctx.rules.min_notional_atoms, ctx.rules.quote_exponent))
        smallest = self.smallest_notional()
        if smallest < least:
            raise ValueError(
                f"an entry of {smallest} {ctx.rules.quote_asset} is below the least value of an order in "
                f"{ctx.symbol}, {least}: set order_notional (and what else says a value) to at least that"
            )
        return NOTHING

    def on_candle(self, ctx: Context, candle: Candle) -> Intents:
        """Take a closed minute; what is open, or has another length, decides nothing."""
        if not candle.is_closed or candle.interval_s != MINUTE_S:
            return NOTHING
        problem = problem_of(candle, ctx.now_ns)
        if problem:
            return (Note("warning", "bad_candle", f"a candle is left out: {problem}"),)
        said: list[Any] = []
        for bar in self._bars.add(candle):
            if bar.is_after_hole:
                self.forget()
                self.stance, self._bar_count = None, 0
                said.append(Note("warning", "candles_missing", "bars are missing: indicators begin anew"))
            self.wish = None
            self._bar_count += 1
            self._bar_end_ns = bar.open_ns + self._length_ns
            self.on_bar(ctx, bar)
        return [*said, *self._act(ctx)]

    def on_timer(self, ctx: Context) -> Intents:
        """Leave at stop or target also while nothing moves; try a wish again."""
        return self._act(ctx)

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Remember when orders were sent, and that the position is being left."""
        if isinstance(event, OrderIntent):
            if order.slot == ENTRY:
                self._entry_ns = ctx.now_ns
            else:
                self._exit_ns, self._leaving = ctx.now_ns, event.reason
        return NOTHING

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """End the wish that filled, and the exit that left nothing."""
        if slot == ENTRY:
            self.wish = None
            self.entry_filled(ctx, fill)
        elif self._leaving.startswith(STOP):
            self._resting_ns = ctx.now_ns + self.settings.cooldown_s * NS_PER_S
        if not is_allowed_size(ctx.rules, fill.price_ticks, abs(int(ctx.position.position_lots))):
            # Flat, or a rest too small to be sold alone: it joins the next entry.
            self._leaving, self._best_ticks = "", 0
            if slot != ENTRY:
                self.position_left()
        return NOTHING

    # ---- what is done

    @property
    def _length_ns(self) -> int:
        return self.settings.candle_minutes * MINUTE_NS

    def _is_fresh(self, ctx: Context) -> bool:
        """Return whether the last bar is the newest there can be: no history, no later one is missing."""
        return ctx.now_ns - self._bar_end_ns <= self._length_ns

    def held_lots(self, ctx: Context) -> int:
        """Return the position, or 0 when it is too small to be sold alone."""
        position = int(ctx.position.position_lots)
        price = ctx.book.bid_ticks if position > 0 else ctx.book.ask_ticks
        return position if is_allowed_size(ctx.rules, price, abs(position)) else 0

    def _act(self, ctx: Context) -> Intents:
        if not ctx.can_close or not ctx.book.is_trusted:
            return NOTHING
        held = self.held_lots(ctx)
        reason = self._exit_reason(ctx, held) if held else ""
        if reason:
            return leave(ctx, held, reason, self._exit_ns)
        if not ctx.can_trade or self.wish is None or not self._is_fresh(ctx):
            return NOTHING
        return self._enter(ctx, self.wish, held)

    def _exit_reason(self, ctx: Context, held: int) -> str:
        if self._leaving:
            return self._leaving
        settings, sign = self.settings, 1 if held > 0 else -1
        price = ctx.book.bid_ticks if held > 0 else ctx.book.ask_ticks
        average_centiticks = ctx.position.average_price_centiticks
        gain = (100 * price - average_centiticks) * sign / average_centiticks
        if settings.stop_loss and gain <= -settings.stop_loss:
            return f"{STOP} at {gain:+.2%}"
        if self._best_ticks or (settings.take_profit and gain >= settings.take_profit):
            if not self._best_ticks or (price - self._best_ticks) * sign > 0:
                self._best_ticks = price
            fall = (self._best_ticks - price) * sign / self._best_ticks
            if fall >= settings.trailing:
                return f"take-profit at {gain:+.2%}"
        if self.stance is not None and self.stance != sign and self._is_fresh(ctx):
            return f"signal: {self.text()}"
        return ""

    def _enter(self, ctx: Context, wish: Wish, held: int) -> Intents:
        if ctx.orders or wish.sign * held < 0 or ctx.now_ns < self._resting_ns:
            return NOTHING
        if ctx.now_ns - self._entry_ns < AGAIN_NS:
            return NOTHING
        rules = ctx.rules
        wanted_atoms = int(wish.notional.scaleb(rules.quote_exponent))
        room_atoms = self.room_atoms(ctx)
        if wish.is_whole and room_atoms < wanted_atoms:
            text = f"an entry of {wish.notional} {rules.quote_asset} is left out: the capital is used up"
            self.wish = None
            return (Note("warning", "no_room", text),)
        # Sized at the ask also when selling: never more lots than the limit allows at the higher price.
        spend = Decimal(max(min(wanted_atoms, room_atoms), 0)).scaleb(-rules.quote_exponent)
        qty_lots = lots_of(spend, rules, ctx.book.ask_ticks)
        price = ctx.book.ask_ticks if wish.sign > 0 else ctx.book.bid_ticks
        if not is_allowed_size(rules, price, qty_lots):
            return NOTHING
        return (
            PlaceOrder(ENTRY, Side.BUY if wish.sign > 0 else Side.SELL, price, qty_lots, reason=wish.reason),
        )

    # ---- state

    def most_lots(self, ctx: Context, price_ticks: int) -> int:
        """Return the largest position in lots."""
        return lots_of(self.settings.max_position_notional, ctx.rules, price_ticks)

    def snapshot(self) -> bytes:
        """Return bars, indicators, wish, and the exit under way."""
        return msgspec.msgpack.encode(
            _State(
                self.shape(),
                self._bars.dump(),
                self.dump_own(),
                self._bar_count,
                self.stance,
                self.wish,
                self._entry_ns,
                self._exit_ns,
                self._leaving,
                self._resting_ns,
                self._best_ticks,
                self.dump_steps(),
                self._bar_end_ns,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`; indicators of other settings begin anew."""
        state = msgspec.msgpack.decode(data, type=_State)
        if state.shape == self.shape():
            self._bars.load(state.bars)
            self.load_own(state.own)
            self._bar_count, self._bar_end_ns = state.bar_count, state.bar_end_ns
            self.stance, self.wish = state.stance, state.wish
        self._entry_ns = state.entry_ns
        self._exit_ns = state.exit_ns
        self._leaving = state.leaving
        self._resting_ns = state.resting_ns
        self._best_ticks = state.best_ticks
        self.load_steps(state.steps)

    def format_status(self, ctx: Context) -> str:
        """Return position, bars and what it looks at in one line."""
        stance = {1: "long", -1: "short", 0: "flat", None: "waiting"}[self.stance]
        return (
            f"position {ctx.qty_text(ctx.position.position_lots)}, "
            f"{self._bar_count} bars, {stance}, {self.text()}"
            + (f", leaving: {self._leaving}" if self._leaving else "")
        )
