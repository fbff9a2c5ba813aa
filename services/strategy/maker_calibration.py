"""Parameters of the full models: fixed by setting or calibrated from the market, and what they lead to."""

# ruff: noqa: RUF001  the letters of the papers

import math
from typing import Any, NamedTuple

from services.strategy.base import Context
from services.strategy.maker_models import Shape, avellaneda_stoikov, glft
from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.kernels.calibration import Calibration
from shared.messages.market import Trade

BPS = 10_000


class Parameters(NamedTuple):
    """sigma in bps per square root of a second, kappa per bps, A per second and side; 0.0 is not known."""

    sigma_bps: float
    kappa_per_bps: float
    arrivals_per_s: float

    @property
    def text(self) -> str:
        """Return them for people."""
        return f"σ {self.sigma_bps:.3g} bps/√s, κ {self.kappa_per_bps:.3g}/bps, A {self.arrivals_per_s:.3g}/s"


class ModelCalibration:
    """Watches a market for a full model.

    It learns only while `is_heard`: while its instance is shown trades, so that time and trades agree.
    """

    def __init__(self, settings: AvellanedaStoikovSettings) -> None:
        self._settings = settings
        self._market = Calibration(settings.calibration_half_life_s, settings.sample_ms)
        self.is_heard = False

    def on_state(self, state: str) -> None:
        """Take the state of the instance: trades are shown while it quotes or warms up."""
        self.is_heard = state in ("quoting", "warming_up")
        if not self.is_heard:
            self._market.hold()

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Take a trade; its distance is counted from the book before it."""
        if self.is_heard and ctx.book.is_trusted:
            touch = ctx.book.bid_ticks, ctx.book.ask_ticks
            self._market.add_trade(trade.side, trade.price_ticks, trade.ts_venue_ns, *touch)

    def on_time(self, ctx: Context) -> bool:
        """Take a tick of the clock; return whether a sampling period ended: the model may have moved."""
        if not (self.is_heard and ctx.book.is_trusted):
            self._market.hold()
            return False
        return bool(self._market.watch(ctx.now_ns, ctx.book.bid_ticks, ctx.book.ask_ticks))

    def hold(self) -> None:
        """Break the chain: the book was lost."""
        self._market.hold()

    def parameters(self, ticks_per_bps: float) -> Parameters:
        """Return what is set, and of the rest what the market taught so far."""
        settings, market = self._settings, self._market
        return Parameters(
            settings.sigma_bps or market.sigma_ticks / ticks_per_bps,
            settings.kappa_per_bps or market.kappa_per_tick * ticks_per_bps,
            settings.arrivals_per_s or market.arrivals_per_s,
        )

    def missing(self) -> str:
        """Return what is still to be seen before the model may quote, empty when all is there."""
        settings, market = self._settings, self._market
        wanted = []
        if not settings.sigma_bps and market.moving_s < settings.calibration_s:
            wanted.append(f"{int(market.moving_s)} of {settings.calibration_s} s of moves")
        by_orders = not settings.kappa_per_bps or (settings.model == "glft" and not settings.arrivals_per_s)
        if by_orders and market.orders < settings.calibration_orders:
            wanted.append(f"{int(market.orders)} of {settings.calibration_orders} orders")
        return ", ".join(wanted)

    def shape(self, ticks_per_bps: float) -> tuple[Shape | None, str]:
        """Return what the model asks for, or None and why it asks for nothing (it fails closed)."""
        missing = self.missing()
        if missing:
            return None, f"calibrating: {missing} within the memory of the calibration"
        settings = self._settings
        known = self.parameters(ticks_per_bps)
        needed = known if settings.model == "glft" else known[:2]
        if not all(math.isfinite(value) and value > 0 for value in needed):
            return None, (
                f"calibrating: {known.text}; what is 0 is not known yet: no order went beyond the touch, "
                "or the mid does not move"
            )
        gamma = settings.risk_aversion
        try:
            if settings.model == "glft":
                found = glft(gamma, *known)
            else:
                found = avellaneda_stoikov(gamma, known.sigma_bps, known.kappa_per_bps, settings.horizon_s)
        except (OverflowError, ZeroDivisionError):
            return None, f"the model has no answer for {known.text}; fix a parameter by setting"
        if not all(math.isfinite(value) for value in found):
            return None, f"the model has no answer for {known.text}; fix a parameter by setting"
        if found.half > settings.max_half_spread_bps:
            return None, (
                f"half spread of {found.half:.4g} bps is more than max_half_spread_bps "
                f"{settings.max_half_spread_bps} ({known.text}); lower risk_aversion or horizon_s"
            )
        half_bps = max(found.half, settings.min_half_spread_bps)
        return Shape(half_bps * ticks_per_bps, found.skew_per_order * ticks_per_bps), ""

    def dump(self) -> tuple[Any, ...]:
        """Return the whole state."""
        return (self.is_heard, *self._market.dump())

    def load(self, state: tuple[Any, ...]) -> None:
        """Take the result of `dump`."""
        self._market.load(state[1:])
        self.is_heard = bool(state[0])
