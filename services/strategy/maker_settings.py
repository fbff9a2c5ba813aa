"""Settings of the market maker, in relative units: the same ones serve BTC and ETH."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from shared.settings import Doc, Ge, Gt, Le
from shared.units import PPM

ModelName = Literal["fixed", "avellaneda_stoikov", "glft"]
GuardMode = bool | Literal["auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AvellanedaStoikovSettings:
    """See docs/strategies/avellaneda_stoikov.md."""

    order_notional: Annotated[Decimal, Gt(0), Le(10**12), Doc("value of each quote, in quote currency")] = (
        Decimal(100)
    )
    max_inventory_notional: Annotated[
        Decimal,
        Gt(0),
        Le(10**12),
        Doc("largest position either way, in quote currency; none short on spot (ST-14)"),
    ] = Decimal(1000)
    model: Annotated[
        ModelName, Doc("where half spread and skew come from: fixed, avellaneda_stoikov or glft (ST-16)")
    ] = "fixed"
    half_spread_bps: Annotated[
        float, Gt(0), Le(1000), Doc("half spread in bps of the fair value; model fixed")
    ] = 1.0
    gamma_e4: Annotated[
        int, Ge(0), Le(100_000), Doc("inventory skew in 1e-4 (1000 = 0.1), ST-8; model fixed")
    ] = 1000
    depth: Annotated[int, Ge(1), Le(20), Doc("levels of the microprice")] = 5
    vpin_enabled: Annotated[
        GuardMode, Doc("false leaves VPIN out of spread and pull; auto: on once trades are frequent (ST-15)")
    ] = True
    vpin_window: Annotated[int, Ge(10), Le(4096), Doc("trades in VPIN")] = 200
    vpin_auto_trades_per_s: Annotated[
        float, Gt(0), Le(10_000), Doc("auto: a window of trades at least this frequent switches VPIN on")
    ] = 1.0
    toxic_ppm: Annotated[int, Gt(0), Le(PPM), Doc("VPIN above which quotes are pulled (ST-12)")] = 600_000
    release_ppm: Annotated[int, Gt(0), Le(PPM), Doc("VPIN below which they come back")] = 500_000
    volatility_weight_e4: Annotated[
        int,
        Ge(0),
        Le(10_000),
        Doc("weight of volatility in the multiplier, in 1e-4 (50 = the original); model fixed"),
    ] = 50
    warmup_books: Annotated[int, Ge(0), Le(10_000), Doc("books before the first quote (ST-13)")] = 3
    cooldown_books: Annotated[int, Ge(0), Le(10_000), Doc("least books from a quote to the next")] = 2
    requote_threshold_bps: Annotated[
        float, Ge(0), Le(1000), Doc("move of the fair value that causes a requote, in bps")
    ] = 0.7
    requote_threshold_ticks: Annotated[
        int, Ge(1), Le(1_000_000), Doc("and in ticks: the larger of the two counts (ST-13)")
    ] = 5
    gate_by_position: Annotated[
        bool, Doc("true: both sides of a round trip keep the prices it began with (ST-48)")
    ] = False
    risk_aversion: Annotated[
        float, Ge(0), Le(1000), Doc("gamma of the full models, per bps of price and order held (ST-16)")
    ] = 0.1
    horizon_s: Annotated[
        float, Gt(0), Le(86_400), Doc("T - t of avellaneda_stoikov in seconds; it rolls with time")
    ] = 10.0
    sigma_bps: Annotated[
        float, Ge(0), Le(1000), Doc("sigma in bps per square root of a second; 0 calibrates it")
    ] = 0.0
    kappa_per_bps: Annotated[float, Ge(0), Le(100_000), Doc("kappa per bps; 0 calibrates it")] = 0.0
    arrivals_per_s: Annotated[
        float, Ge(0), Le(1_000_000), Doc("A, orders per second and side; 0 calibrates it")
    ] = 0.0
    calibration_half_life_s: Annotated[
        float, Ge(10), Le(1_000_000), Doc("seconds after which what was seen has half of its weight")
    ] = 600.0
    calibration_orders: Annotated[
        int, Ge(10), Le(1_000_000), Doc("least weight of orders seen before kappa and A count")
    ] = 50
    calibration_s: Annotated[
        int, Ge(10), Le(1_000_000), Doc("least weight of seconds seen before sigma counts")
    ] = 60
    sample_ms: Annotated[
        int, Ge(200), Le(60_000), Doc("ms between two mids of sigma, and between two looks at the model")
    ] = 1000
    min_half_spread_bps: Annotated[
        float, Ge(0), Le(1000), Doc("full models quote no half spread below it; bps")
    ] = 0.0
    max_half_spread_bps: Annotated[
        float, Gt(0), Le(1000), Doc("a full model that asks for more than this quotes nothing; bps")
    ] = 100.0

    @property
    def model_key(self) -> str:
        """Return all that the answer of a full model depends on besides the market."""
        asked = (self.model, self.risk_aversion, self.horizon_s)
        fixed = (self.sigma_bps, self.kappa_per_bps, self.arrivals_per_s)
        return repr((*asked, *fixed, self.min_half_spread_bps, self.max_half_spread_bps))

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
        if self.min_half_spread_bps > self.max_half_spread_bps:
            raise ValueError(
                f"min_half_spread_bps {self.min_half_spread_bps} is more than max_half_spread_bps "
                f"{self.max_half_spread_bps}: no half spread would ever fit"
            )
        memory_s = self.calibration_half_life_s / math.log(2)
        if self.calibration_s > 0.9 * memory_s:
            raise ValueError(
                f"calibration_s {self.calibration_s} cannot be reached: with calibration_half_life_s "
                f"{self.calibration_half_life_s} at most {memory_s:.0f} s are remembered; "
                f"set at most {int(0.9 * memory_s)} or a longer half-life"
            )
