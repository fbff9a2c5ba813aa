"""Settings of a grid, and which of them contradict each other."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from shared.settings import Doc, Ge, Gt, Le, Lt

Direction = Literal["long", "short", "neutral"]
Spacing = Literal["steps", "percent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings:
    """Settings of a grid on one market. An *entry* opens a level, its *exit* closes it one interval on."""

    order_notional: Annotated[Decimal, Gt(0), Doc("value of each entry, in quote currency")] = Decimal(100)
    interval_bps: Annotated[
        float, Gt(0), Le(5000), Doc("distance of two levels in bps; must earn more than both maker fees")
    ] = 10.0
    spacing: Annotated[
        Spacing, Doc("`steps`: as many ticks everywhere, bps of the anchor; `percent`: bps of each level")
    ] = "steps"
    direction: Annotated[
        Direction, Doc("`long` buys below; on derivatives also `short` above, or `neutral` around the anchor")
    ] = "long"
    lower_price: Annotated[Decimal, Ge(0), Doc("no entry below, in quote currency; 0: no bound")] = Decimal(0)
    upper_price: Annotated[Decimal, Ge(0), Doc("no entry above, in quote currency; 0: no bound")] = Decimal(0)
    buy_window: Annotated[int, Ge(1), Le(200), Doc("levels from the price on with an entry (ST-22)")] = 10
    sell_window: Annotated[int, Ge(1), Le(200), Doc("intervals from the price that exits reach (ST-23)")] = 10
    order_cap: Annotated[int, Ge(2), Le(1000), Doc("most open orders (ST-30)")] = 50
    cleanup_batch: Annotated[int, Ge(1), Le(1000), Doc("orders cancelled when the cap is reached")] = 20
    max_order_age_s: Annotated[
        int, Ge(0), Le(31_536_000), Doc("older orders outside the windows are cancelled (ST-31); 0: never")
    ] = 3600
    max_layers: Annotated[int, Ge(1), Le(1000), Doc("most levels held or being entered, each way")] = 50
    post_only_tries: Annotated[
        int, Ge(1), Le(100), Doc("rejected post-only orders of a level before a plain limit (ST-28)")
    ] = 3
    plain_limit_allowed: Annotated[bool, Doc("false: always post-only, however often rejected")] = True
    margin_lock_s: Annotated[
        int, Ge(1), Le(86_400), Doc("seconds without entries after one was refused for lack of money (ST-29)")
    ] = 20
    stop_loss_pct: Annotated[
        float, Ge(0), Lt(100), Doc("loss on what is held, in % of its cost, that sells all; 0: off")
    ] = 0.0
    take_profit_pct: Annotated[
        float, Ge(0), Le(1000), Doc("profit on what is held, in % of its cost, that arms the exit; 0: off")
    ] = 0.0
    trailing_pct: Annotated[
        float, Ge(0), Le(1000), Doc("fall from the highest profit, in %, that sells all once armed")
    ] = 0.0
    exit_pause_s: Annotated[
        int, Ge(0), Le(31_536_000), Doc("seconds without orders after such an exit; 0: until resumed")
    ] = 0
    sample_s: Annotated[
        int, Ge(1), Le(86_400), Doc("seconds between two samples of the price for trend and volatility")
    ] = 60
    trend_length: Annotated[
        int, Ge(0), Le(1000), Doc("samples of the moving average; no entry on its wrong side; 0: off")
    ] = 0
    trend_band_bps: Annotated[
        float, Ge(0), Le(5000), Doc("bps that the price may be beyond the moving average")
    ] = 0.0
    is_adaptive: Annotated[bool, Doc("interval follows the volatility, the window what is used (ST-37)")] = (
        False
    )
    volatility_length: Annotated[
        int, Ge(2), Le(1000), Doc("samples of the volatility: the mean change from one to the next")
    ] = 20
    volatility_factor: Annotated[
        float, Gt(0), Le(100), Doc("the interval grows to this many times the volatility")
    ] = 1.0
    stride_max: Annotated[int, Ge(1), Le(50), Doc("most levels that one adaptive interval spans")] = 5
    window_min: Annotated[int, Ge(1), Le(200), Doc("least entry window of an adaptive grid, levels")] = 5
    use_high_pct: Annotated[
        float, Gt(0), Le(100), Doc("part of max_layers in use above which the entry window shrinks")
    ] = 80.0

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        found = contradictions(self)
        if found:
            raise ValueError("; ".join(found))


def contradictions(one: GridSettings) -> list[str]:
    """Return what contradicts what, with the values and what to do; empty when nothing does."""
    found = []
    windows = one.buy_window + one.sell_window
    if one.order_cap < windows:
        found.append(
            f"order_cap {one.order_cap} is less than buy_window + sell_window {windows}: the windows would "
            f"never be full; set order_cap to at least {windows}"
        )
    if 0 < one.upper_price <= one.lower_price:
        found.append(
            f"upper_price {one.upper_price} is not above lower_price {one.lower_price}: "
            "no level is between them; exchange them"
        )
    if one.trailing_pct > one.take_profit_pct:
        found.append(
            f"trailing_pct {one.trailing_pct:g} is more than take_profit_pct {one.take_profit_pct:g}: it "
            "would give back more than the profit that arms it; set it lower"
        )
    if one.is_adaptive and one.window_min > one.buy_window:
        found.append(
            f"window_min {one.window_min} is more than buy_window {one.buy_window}: "
            "the entry window could never shrink; set it lower"
        )
    return found
