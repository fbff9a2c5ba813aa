"""Settings of the breakers of risk: session, breakers, throttle, storm, surprises, ramp."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from shared.settings import Doc, Ge, Gt, Le


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When losses stop new risk until the next day or a person (RK-9); money in the account currency."""

    losing_streak_max: Annotated[
        int, Ge(0), Doc("losing round trips in a row, flat to flat, that stop a strategy; 0: never")
    ] = 5
    session_drawdown_bps: Annotated[
        int, Ge(0), Le(10_000), Doc("fall of equity from its peak of the day, in bps of that peak; 0: never")
    ] = 200
    total_drawdown_bps: Annotated[
        int, Ge(0), Le(10_000), Doc("loss in bps of initial_equity, which no new day forgives; 0: never")
    ] = 500
    session_loss_max: Annotated[Decimal, Ge(0), Doc("loss since the day began; 0: never")] = Decimal(500)
    session_volume_max: Annotated[Decimal, Ge(0), Doc("value traded since the day began; 0: any")] = Decimal(
        0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """When a strategy repeats itself too often, or loses too fast (I-14): no new risk until a resume."""

    requotes_per_min_max: Annotated[
        int, Gt(0), Le(100_000), Doc("orders of one slot in any 60 seconds; as many exits while held")
    ] = 60
    fills_per_min_max: Annotated[int, Gt(0), Le(100_000), Doc("fills of one slot in any 60 seconds")] = 60
    loss_per_min_max: Annotated[Decimal, Gt(0), Doc("loss of one strategy in any 60 seconds")] = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class StormSettings:
    """When the venue rejects a strategy's orders in series (RK-27)."""

    rejects_max: Annotated[
        int, Gt(0), Le(10_000), Doc("rejected orders within the window that are endured")
    ] = 10
    window_s: Annotated[int, Gt(0), Le(3600), Doc("length of the window, in seconds")] = 60
    pause_s: Annotated[int, Ge(0), Doc("the strategy may go on after so long; 0: only by a resume")] = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SurpriseSettings:
    """What in a market a person should know of (RK-7)."""

    volume_spike_factor: Annotated[
        int, Gt(1), Le(1000), Doc("a window with so many times the mean of the windows before is a spike")
    ] = 5
    volume_window_s: Annotated[int, Gt(0), Le(3600), Doc("length of a window of traded volume")] = 60
    price_jump_bps: Annotated[
        int, Gt(0), Le(10_000), Doc("a price further than this from the one before is a jump")
    ] = 1000
    holds: Annotated[
        bool, Doc("allow only reducing orders in that market until the next day or a resume")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RampSettings:
    """How limits of size grow after a start, the release of a breaker and a cleared kill."""

    duration_s: Annotated[int, Ge(0), Le(86_400), Doc("time until the whole limits hold; 0: at once")] = 60
    start_ppm: Annotated[
        int, Gt(0), Le(1_000_000), Doc("share of order and position limits at first, parts per million")
    ] = 250_000
