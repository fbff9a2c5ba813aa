"""When the imbalance strategy enters and how much: settings, conditions, confidence and size. Pure.

Ratios of the book are in parts per million and the confidence in 1e-7, so that a value at a limit is at it
and not a rounding beside it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from services.strategy.imbalance_features import Features
from shared.settings import Doc, Ge, Gt, Le
from shared.units import PPM

E7 = 10_000_000
STREAK_FULL = 10
"""Samples in a row from which on a streak counts in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceSettings:
    """Settings of the imbalance strategy; ratios are fractions of 1."""

    equity_quote: Annotated[
        Decimal,
        Gt(0),
        Le(Decimal(10**12)),
        Doc("capital of this instance in quote currency; what it earned or lost since is added (ST-41)"),
    ] = Decimal(10_000)
    position_size: Annotated[float, Gt(0), Le(1), Doc("part of the equity in one entry (ST-41)")] = 0.1
    max_position: Annotated[float, Gt(0), Le(1), Doc("largest position as a part of the equity")] = 0.2
    sample_ms: Annotated[
        int, Ge(0), Le(60_000), Doc("time between two samples; 0 takes every change of the book")
    ] = 0
    max_spread_bps: Annotated[float, Gt(0), Le(10_000), Doc("widest spread for an entry")] = 10.0
    imbalance_threshold: Annotated[float, Ge(0), Le(1), Doc("least |imbalance| of 5 levels")] = 0.3
    persistence: Annotated[int, Ge(1), Le(10_000), Doc("samples in a row of the same sign")] = 3
    min_confidence: Annotated[float, Ge(0), Le(1), Doc("least confidence")] = 0.6
    min_momentum: Annotated[float, Ge(0), Le(1), Doc("least relative move over 10 samples, our way")] = 0.0001
    stop_atr: Annotated[float, Gt(0), Le(1000), Doc("stop-loss in ATR (ST-42)")] = 2.0
    target_atr: Annotated[float, Gt(0), Le(1000), Doc("take-profit in ATR")] = 3.0
    atr_floor_bps: Annotated[
        float,
        Ge(0),
        Le(1000),
        Doc("ATR counts as at least this many bps: above the fees, or every trade loses"),
    ] = 0.0
    max_daily_trades: Annotated[int, Ge(0), Le(100_000), Doc("entries a UTC day (ST-43)")] = 50
    entry_gap_s: Annotated[int, Ge(0), Le(86_400), Doc("seconds between two entries")] = 5

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.position_size > self.max_position:
            raise ValueError(
                f"position_size {self.position_size} is more than max_position {self.max_position}: no entry "
                "could have its size; lower the first or raise the second"
            )


def confidence_e7(
    imbalance_ppm: int, weighted_ppm: int, streak: int, volatility_z: float | None, agrees: bool
) -> int:
    """Return the confidence of a signal in 1e-7, within 0..1 (ST-40).

    0.4 |imbalance| + 0.2 |weighted| + 0.2 min(streak / 10, 1), + 0.1 in low (z < -1) and - 0.1 in high
    (z > 1) volatility, + 0.1 if the imbalance grows our way. An unknown volatility changes nothing.
    """
    value_e7 = 4 * abs(imbalance_ppm) + 2 * abs(weighted_ppm)
    value_e7 += min(streak, STREAK_FULL) * (E7 // 50)
    if volatility_z is not None and volatility_z < -1:
        value_e7 += E7 // 10
    if volatility_z is not None and volatility_z > 1:
        value_e7 -= E7 // 10
    if agrees:
        value_e7 += E7 // 10
    return min(max(value_e7, 0), E7)


def direction(features: Features, spread_bps: float, settings: ImbalanceSettings) -> tuple[int, float]:
    """Return (+1 buy, -1 sell or 0, confidence): 0 unless every condition of ST-39 holds.

    What is not known yet forbids nothing; what is known to be zero does not agree, nor diverge.
    """
    imbalance_ppm = features.imbalance_ppm
    is_strong = imbalance_ppm != 0 and abs(imbalance_ppm) / PPM >= settings.imbalance_threshold
    if not is_strong or spread_bps > settings.max_spread_bps or features.streak < settings.persistence:
        return 0, 0.0
    sign = 1 if imbalance_ppm > 0 else -1
    growth = features.imbalance_momentum
    if growth is not None and growth * sign < 0:
        return 0, 0.0
    momentum = features.momentum
    if momentum is not None and momentum * sign < settings.min_momentum:
        return 0, 0.0
    agrees = growth is not None and growth * sign > 0
    sure = (
        confidence_e7(imbalance_ppm, features.weighted_ppm, features.streak, features.volatility_z, agrees)
        / E7
    )
    return (sign, sure) if sure >= settings.min_confidence else (0, sure)


def size_factor(volatility_z: float | None) -> Decimal:
    """Return 1.5 in low, 0.5 in high and 1 in other volatility (ST-41)."""
    if volatility_z is None or -1 <= volatility_z <= 1:
        return Decimal(1)
    return Decimal("1.5") if volatility_z < -1 else Decimal("0.5")


def entry_notional(
    equity: Decimal, settings: ImbalanceSettings, volatility_z: float | None, is_adding: bool
) -> Decimal:
    """Return the value of an entry in quote currency, before it is rounded down to lots (ST-41)."""
    share = Decimal(str(settings.position_size)) * size_factor(volatility_z)
    return equity * (share / 2 if is_adding else share)


def atr_held_half_ticks(atr_half_ticks: float, price_ticks: int, settings: ImbalanceSettings) -> float:
    """Return the ATR that stop and target of a position count in, in half ticks (ST-42).

    At least `atr_floor_bps` of the price, and at least a tick: in a market that did not move a smaller one
    means nothing.
    """
    floor = 2 * price_ticks * settings.atr_floor_bps / 10_000
    return max(atr_half_ticks, floor, 2.0)
