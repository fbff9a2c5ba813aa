"""Averaging down: cost averaging (DCA) and martingale, both bounded. Long only (ST-46).

A first buy, then one more each time a bar closes a step below the last buy, up to a fixed number; all is sold
at a gain or a loss against the average price. The steps count fills, so an order that was only accepted, or
that expired, is no step.

Both win often and little, and lose seldom and much: the stop-loss of a full ladder costs many gains. The
bounds here make that loss known before; they do not make the strategy profitable.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from services.strategy.base import Context
from services.strategy.classic import Classic, ClassicSettings, Wish
from services.strategy.classic_candles import Bar
from services.strategy.indicators import Atr
from services.strategy.sizes import is_allowed_size
from shared.messages.orders import Fill
from shared.settings import Doc, Ge, Gt, Le, Lt
from shared.units import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class DcaSettings(ClassicSettings):
    """Settings of cost averaging; the first buy is worth `order_notional`."""

    max_position_notional: Annotated[
        Decimal, Gt(0), Le(Decimal(10**12)), Doc("most that the open position may cost, in quote currency")
    ] = Decimal(2100)
    stop_loss: Annotated[
        float, Ge(0), Lt(1), Doc("loss against the average price at which the position is left; 0 is off")
    ] = 0.1
    take_profit: Annotated[
        float, Ge(0), Le(10), Doc("gain against the average price at which it is left; 0 is off")
    ] = 0.02
    safety_notional: Annotated[
        Decimal, Gt(0), Le(Decimal(10**12)), Doc("value of each later buy, in quote currency")
    ] = Decimal(200)
    safety_orders: Annotated[int, Ge(0), Le(50), Doc("most later buys")] = 10
    atr_window: Annotated[int, Ge(1), Le(500), Doc("bars of the ATR that steps follow")] = 14
    atr_multiple: Annotated[float, Gt(0), Le(100), Doc("a step is so many ATR")] = 1.5
    step_min: Annotated[float, Gt(0), Lt(1), Doc("least step as a part of the price")] = 0.01
    step_max: Annotated[float, Gt(0), Lt(1), Doc("largest step, before step_scale")] = 0.05
    step_scale: Annotated[float, Ge(1), Le(2), Doc("each step is so many times the one before")] = 1.05
    cascade_drop: Annotated[
        float, Ge(0), Lt(1), Doc("fall within cascade_s at which it stops buying; 0 is off")
    ] = 0.05
    cascade_s: Annotated[int, Ge(60), Le(86_400), Doc("seconds of the cascade stop")] = 300

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        ClassicSettings.__post_init__(self)
        if self.step_min > self.step_max:
            raise ValueError(f"step_min {self.step_min} is more than step_max {self.step_max}")
        whole = self.order_notional + self.safety_orders * self.safety_notional
        _check_whole(whole, self.max_position_notional, "safety_orders or safety_notional")


@dataclass(frozen=True, slots=True, kw_only=True)
class MartingaleSettings(ClassicSettings):
    """Settings of the martingale; the first buy is worth `order_notional`."""

    max_position_notional: Annotated[
        Decimal,
        Gt(0),
        Le(Decimal(10**12)),
        Doc("hard cap in quote currency: the position's cost and all it lost so far stay within it"),
    ] = Decimal(6300)
    stop_loss: Annotated[
        float, Gt(0), Lt(1), Doc("loss against the average price at which the position is left; never off")
    ] = 0.15
    take_profit: Annotated[
        float, Gt(0), Le(10), Doc("gain against the average price at which it is left; never off")
    ] = 0.03
    multiplier: Annotated[float, Ge(1), Le(3), Doc("each buy is so many times the one before")] = 2.0
    levels: Annotated[int, Ge(1), Le(8), Doc("most buys, the first one included")] = 6
    step: Annotated[float, Gt(0), Lt(1), Doc("fall from the last buy to the next")] = 0.02

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        ClassicSettings.__post_init__(self)
        whole = sum((self.level_notional(level) for level in range(self.levels)), Decimal(0))
        _check_whole(whole, self.max_position_notional, "levels, multiplier or order_notional")

    def level_notional(self, level: int) -> Decimal:
        """Return the value of a buy; the first one is level 0."""
        return self.order_notional * Decimal(str(self.multiplier)) ** level


def _check_whole(whole: Decimal, cap: Decimal, names: str) -> None:
    if whole > cap:
        raise ValueError(
            f"all buys together cost {whole}, max_position_notional is {cap}: lower {names}, or raise the cap"
        )


class Ladder(Classic):
    """Buys in steps downwards; a subclass says how far a step is and how much it buys."""

    def __init__(self, settings: ClassicSettings) -> None:
        # Steps filled of the open position, the price of the last one, and the order counted last.
        self.steps = 0
        self.last_ticks = 0
        self._counted_id = ""
        super().__init__(settings)

    def next_notional(self) -> Decimal | None:
        """Return the value of the next buy, None when no more is allowed."""
        raise NotImplementedError

    def next_step(self, bar: Bar) -> float | None:
        """Return the fall from the last buy to the next as a part of the price, None while unknown."""
        raise NotImplementedError

    def is_falling(self) -> bool:
        """Return whether the market falls too fast to buy at all."""
        return False

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Wish for the first buy, or for the next when the bar closed a step below the last."""
        held = int(ctx.position.position_lots)
        is_sellable = held > 0 and is_allowed_size(ctx.rules, bar.close_ticks, held)
        if not is_sellable and not ctx.orders:
            # Nothing, or a rest too small to be sold alone: the first buy takes it along.
            self.position_left()
        elif is_sellable and self.steps == 0:
            # A position that no buy of this ladder made counts as its first step.
            self.steps, self.last_ticks = 1, int(ctx.position.average_price_centiticks) // 100
        notional, step = self.next_notional(), self.next_step(bar)
        if held < 0 or notional is None or step is None or self.is_falling():
            return
        if self.steps == 0:
            self.wish = Wish(1, notional, "first buy", is_whole=True)
        elif bar.close_ticks <= self.last_ticks * (1 - step):
            fall = 1 - bar.close_ticks / self.last_ticks
            self.wish = Wish(1, notional, f"buy {self.steps + 1}: {fall:.2%} below the last", is_whole=True)

    def entry_filled(self, ctx: Context, fill: Fill) -> None:  # noqa: ARG002  the fill says it all
        """Count a step at its first fill."""
        self.last_ticks = fill.price_ticks
        if fill.client_order_id != self._counted_id:
            self._counted_id = fill.client_order_id
            self.steps += 1

    def position_left(self) -> None:
        """Begin again with the first buy."""
        self.steps, self.last_ticks = 0, 0

    def dump_steps(self) -> list[Any]:
        """Return the steps of the open position."""
        return [self.steps, self.last_ticks, self._counted_id]

    def load_steps(self, state: list[Any]) -> None:
        """Take the steps of the open position."""
        self.steps, self.last_ticks, self._counted_id = state

    def text(self) -> str:
        """Return how far down the ladder it is."""
        return f"{self.steps} buys, the last at {self.last_ticks} ticks" if self.steps else "no buys"


class Dca(Ladder):
    """Cost averaging with steps that follow the ATR, and a stop while the market cascades."""

    Settings = DcaSettings
    settings: DcaSettings

    def forget(self) -> None:
        """Begin with a range and highs that have seen nothing."""
        self._atr = Atr(self.settings.atr_window)
        self._highs: deque[tuple[int, int]] = deque()
        self._close_ticks = 0

    def shape(self) -> list[Any]:
        """Return what the range depends on."""
        return [*super().shape(), self.settings.atr_window]

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Take range and highs of the bar, then decide."""
        self._atr.add(bar.high_ticks, bar.low_ticks, bar.close_ticks)
        self._highs.append((bar.open_ns, bar.high_ticks))
        # Bars that ended within the last cascade_s; this one always does.
        while self._highs[0][0] <= bar.open_ns - self.settings.cascade_s * NS_PER_S:
            self._highs.popleft()
        self._close_ticks = bar.close_ticks
        super().on_bar(ctx, bar)

    def is_falling(self) -> bool:
        """Return whether the close lies `cascade_drop` below the highest price of the last `cascade_s`."""
        highest = max(high for _, high in self._highs)
        drop = self.settings.cascade_drop
        return drop > 0 and highest - self._close_ticks >= drop * highest

    def smallest_notional(self) -> Decimal:
        """Return the smaller of first and later buys."""
        first, later = self.settings.order_notional, self.settings.safety_notional
        return min(first, later) if self.settings.safety_orders else first

    def next_notional(self) -> Decimal | None:
        """Return the first buy's value, then the later ones'."""
        if self.steps == 0:
            return self.settings.order_notional
        return self.settings.safety_notional if self.steps <= self.settings.safety_orders else None

    def next_step(self, bar: Bar) -> float | None:
        """Return ATR * atr_multiple / close within its limits, times step_scale for each step before."""
        atr = self._atr.value
        if atr is None:
            return None
        settings = self.settings
        step = min(max(atr * settings.atr_multiple / bar.close_ticks, settings.step_min), settings.step_max)
        return step * settings.step_scale ** max(self.steps - 1, 0)

    def dump_own(self) -> list[Any]:
        """Return range and highs."""
        return [self._atr.dump(), list(self._highs), self._close_ticks]

    def load_own(self, state: list[Any]) -> None:
        """Take range and highs."""
        atr, highs, self._close_ticks = state
        self._atr.load(atr)
        self._highs = deque((at, high) for at, high in highs)


class Martingale(Ladder):
    """Buys a multiple of the last buy at each fixed step down, within a hard cap."""

    Settings = MartingaleSettings
    settings: MartingaleSettings

    def forget(self) -> None:
        """Keep everything: it has no indicators."""

    def next_notional(self) -> Decimal | None:
        """Return the value of the next level."""
        return self.settings.level_notional(self.steps) if self.steps < self.settings.levels else None

    def next_step(self, bar: Bar) -> float | None:  # noqa: ARG002  the same for each bar
        """Return the fixed step."""
        return self.settings.step

    def room_atoms(self, ctx: Context) -> int:
        """Return what the cap leaves after the position's cost and all that was lost so far."""
        gained_atoms = int(ctx.position.realized_atoms) - int(ctx.position.fees_atoms)
        return super().room_atoms(ctx) + min(gained_atoms, 0)
