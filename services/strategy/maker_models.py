"""Formulas of the market maker: spread, skew and prices of the fixed model and of two from the literature.

Prices in 1/100 tick ("centiticks") are integers. The full models work in floats, in any one unit of price
and seconds; positions are counted in orders, so gamma is per unit of price and order.
"""

import math
from typing import NamedTuple

from shared.units import PPM


class Shape(NamedTuple):
    """What a full model asks for, in the unit of price of its parameters.

    bid = fair - half - q skew_per_order, ask = fair + half - q skew_per_order; q is the position in orders,
    negative when short.
    """

    half: float
    skew_per_order: float


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
    fair_centiticks: int,
    half_spread_centiticks: int,
    multiplier_ppm: int,
    skew: int,
    touch: tuple[int, int],
) -> tuple[int, int]:
    """Return bid and ask in ticks: rounded outward, never at or beyond the opposite best (ST-9)."""
    bid_best, ask_best = touch
    # Whole numbers of 1e-6 centiticks: only the last step rounds.
    centre = (fair_centiticks - skew) * PPM
    half = half_spread_centiticks * multiplier_ppm
    bid = (centre - half) // (100 * PPM)
    ask = -((-centre - half) // (100 * PPM))
    bid = min(bid, ask_best - 1)
    ask = max(ask, bid_best + 1, bid + 1)
    return bid, ask


def _adverse_part(gamma: float, kappa: float) -> float:
    """Return ln(1 + gamma / kappa) / gamma, its limit 1 / kappa without risk aversion."""
    ratio = gamma / kappa
    # Below this the series 1 - ratio / 2 differs from 1 by less than a double can show.
    return math.log1p(ratio) / gamma if ratio > 1e-16 else 1.0 / kappa


def avellaneda_stoikov(gamma: float, sigma: float, kappa: float, horizon_s: float) -> Shape:
    """Return the quotes of Avellaneda and Stoikov (2008), eq. 3.17 and 3.18 there.

    Reservation price r = s - q gamma sigma^2 (T - t); spread of both quotes around it
    gamma sigma^2 (T - t) + 2 / gamma ln(1 + gamma / kappa). `horizon_s` is T - t.
    """
    risk = gamma * sigma * sigma * horizon_s
    return Shape(risk / 2.0 + _adverse_part(gamma, kappa), risk)


def glft(gamma: float, sigma: float, kappa: float, arrivals_per_s: float) -> Shape:
    """Return the quotes of Guéant, Lehalle and Fernandez-Tapia (2013), the asymptotic closed form.

    Distance from the mid of the bid ln(1 + gamma / kappa) / gamma + (2 q + 1) / 2 * C, of the ask the same
    with (1 - 2 q) / 2, C = sqrt(sigma^2 gamma / (2 kappa A) (1 + gamma / kappa)^(1 + kappa / gamma)).
    """
    ratio = gamma / kappa
    # (1 + x)^(1 + 1 / x) in logarithms; it goes to e as x goes to 0.
    exponent = (1.0 + 1.0 / ratio) * math.log1p(ratio) if ratio > 1e-16 else 1.0
    slope = math.sqrt(sigma * sigma * gamma / (2.0 * kappa * arrivals_per_s) * math.exp(exponent))
    return Shape(_adverse_part(gamma, kappa) + slope / 2.0, slope)
