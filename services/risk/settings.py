"""Limits of the risk process, in human units: money in whole quote asset, prices in bps of mid."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Annotated

from services.risk.breaker_settings import (
    BreakerSettings,
    RampSettings,
    StormSettings,
    SurpriseSettings,
    ThrottleSettings,
)
from services.risk.monitor_settings import (
    CalendarSettings,
    CandleMonitorSettings,
    MarginSettings,
    Prepared,
    PrestartSettings,
    RegimeSettings,
    SessionSettings,
)
from shared.settings import Doc, Ge, Gt, Le


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolLimits:
    """Limits of one market; money in whole units of the account currency."""

    order_notional_max: Annotated[Decimal, Gt(0), Doc("largest value of one order")] = Decimal(5000)
    order_qty_max: Annotated[Decimal, Ge(0), Doc("largest quantity of one order in base asset; 0: none")] = (
        Decimal(0)
    )
    position_notional_max: Annotated[
        Decimal, Gt(0), Doc("largest value of the position if all resting orders of one side fill")
    ] = Decimal(10_000)
    position_qty_max: Annotated[
        Decimal, Ge(0), Doc("the same as a quantity of base asset; 0 sets no such limit")
    ] = Decimal(0)
    symbol_notional_max: Annotated[
        Decimal, Gt(0), Doc("largest value of the position plus all resting orders of both sides")
    ] = Decimal(20_000)
    open_orders_max: Annotated[int, Gt(0), Doc("orders that may rest or be under way")] = 200
    spread_bps_max: Annotated[Decimal, Gt(0), Doc("no new orders in a spread wider than this (RK-5)")] = (
        Decimal(100)
    )
    price_band_bps: Annotated[
        Decimal, Gt(0), Le(10_000), Doc("largest distance of an order's price from mid (RK-6)")
    ] = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolOverrides:
    """Limits of one market that differ from the common ones; what is left out is inherited."""

    order_notional_max: Annotated[Decimal | None, Doc("see limits.order_notional_max")] = None
    order_qty_max: Annotated[Decimal | None, Doc("see limits.order_qty_max")] = None
    position_notional_max: Annotated[Decimal | None, Doc("see limits.position_notional_max")] = None
    position_qty_max: Annotated[Decimal | None, Doc("see limits.position_qty_max")] = None
    symbol_notional_max: Annotated[Decimal | None, Doc("see limits.symbol_notional_max")] = None
    open_orders_max: Annotated[int | None, Doc("see limits.open_orders_max")] = None
    spread_bps_max: Annotated[Decimal | None, Doc("see limits.spread_bps_max")] = None
    price_band_bps: Annotated[Decimal | None, Doc("see limits.price_band_bps")] = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a limit."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and (value < 0 or (value == 0 and not each.name.endswith("_qty_max"))):
                raise ValueError(f"{each.name} is {value}: a limit is above 0; leave it out to inherit")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Settings of `services.risk`."""

    currency: Annotated[
        str, Doc("asset in which all limits are counted; a market quoted in another is refused (RK-4)")
    ] = "USDT"
    limits: Annotated[SymbolLimits, Doc("limits of each market")] = field(default_factory=SymbolLimits)
    symbols: Annotated[
        Mapping[str, SymbolOverrides], Doc("markets whose limits differ, by name like binance:BTCUSDT")
    ] = field(default_factory=dict)
    portfolio_notional_max: Annotated[
        Decimal, Gt(0), Doc("largest value of all positions plus all resting orders")
    ] = Decimal(50_000)
    loss_max: Annotated[
        Decimal, Gt(0), Doc("loss since the start or the last `kill --clear` at which everything is killed")
    ] = Decimal(1000)
    intent_ttl_ms: Annotated[int, Gt(0), Doc("an order decided on data older than this is refused")] = 500
    book_stale_ms: Annotated[
        int, Gt(0), Doc("no new orders on a book that did not move for so long (I-27)")
    ] = 1000
    orders_per_s_max: Annotated[int, Gt(0), Doc("orders approved in any second (RK-8)")] = 50
    orders_per_min_max: Annotated[int, Gt(0), Doc("orders approved in any 60 seconds")] = 1500
    orders_per_hour_max: Annotated[int, Gt(0), Le(200_000), Doc("orders approved in any hour")] = 40_000
    adjust_orders: Annotated[
        bool, Doc("cut an order that is too large to what is allowed instead of refusing it (RK-3)")
    ] = True
    initial_equity: Annotated[
        Decimal, Gt(0), Doc("money of the account at its start: what drawdowns are a part of (RK-9)")
    ] = Decimal(10_000)
    violations_max: Annotated[
        int, Gt(0), Doc("orders beyond hard limits in one day at which everything is killed (RK-11)")
    ] = 100
    reset_utc_offset_min: Annotated[
        int, Ge(-840), Le(840), Doc("the day of risk begins at midnight of UTC plus so many minutes (RK-14)")
    ] = 0
    session: Annotated[SessionSettings, Doc("when the day of risk begins (RK-14)")] = field(
        default_factory=SessionSettings
    )
    breakers: Annotated[BreakerSettings, Doc("losses that stop new risk (RK-9)")] = field(
        default_factory=BreakerSettings
    )
    throttle: Annotated[ThrottleSettings, Doc("repeats that stop a strategy (I-14)")] = field(
        default_factory=ThrottleSettings
    )
    storm: Annotated[StormSettings, Doc("rejections that pause a strategy (RK-27)")] = field(
        default_factory=StormSettings
    )
    surprises: Annotated[SurpriseSettings, Doc("spikes and jumps to tell of (RK-7)")] = field(
        default_factory=SurpriseSettings
    )
    ramp: Annotated[RampSettings, Doc("limits of size grow after a start or a release")] = field(
        default_factory=RampSettings
    )
    candle_monitor: Annotated[CandleMonitorSettings, Doc("unusual volume stops new risk (RK-18)")] = field(
        default_factory=CandleMonitorSettings
    )
    prestart: Annotated[PrestartSettings, Doc("what must be true before a start (RK-15)")] = field(
        default_factory=PrestartSettings
    )
    calendar: Annotated[CalendarSettings, Doc("times without trading (RK-25)")] = field(
        default_factory=CalendarSettings
    )
    margin: Annotated[MarginSettings, Doc("margin of derivatives (RK-23)")] = field(
        default_factory=MarginSettings
    )
    regime: Annotated[RegimeSettings, Doc("the market regime scales limits (RK-24)")] = field(
        default_factory=RegimeSettings
    )
    prepared: Annotated[Prepared, Doc("what the launcher computes; not written in a file")] = field(
        default_factory=Prepared
    )

    def limits_of(self, symbol: str) -> SymbolLimits:
        """Return the limits of one market: the common ones with its own on top."""
        own = self.symbols.get(symbol)
        if own is None:
            return self.limits
        changes = {f.name: getattr(own, f.name) for f in fields(own) if getattr(own, f.name) is not None}
        return replace(self.limits, **changes)
