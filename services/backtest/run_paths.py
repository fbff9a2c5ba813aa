"""Which path a backtest takes: the array path where it models all that is configured, else the exact one."""

from collections.abc import Mapping
from typing import Any

from services.risk.settings import RiskSettings
from services.strategy.base import Strategy
from services.strategy.registry import strategy_class
from services.strategy.settings import StrategySettings
from shared.units import NS_PER_S


def unmodelled(sections: Mapping[str, Any], span_ns: int) -> list[str]:
    """Return what the settings ask for and the array path does not do, empty when it does everything.

    It has no candles, no shadow versions, and shows risk no trade. `span_ns` is the time of the data: the
    candle monitor judges nothing before its first full average.
    """
    strategy: StrategySettings = sections["strategy"]
    risk: RiskSettings = sections["risk"]
    reasons = []
    for name, instance in strategy.instances.items():
        if instance.shadow_of:
            reasons.append(f"{name} is a shadow version")
        elif strategy_class(instance.kind).on_candle is not Strategy.on_candle:
            reasons.append(f"{name} follows candles")
    monitor = risk.candle_monitor
    needed_ns = monitor.average_window * monitor.interval_s * NS_PER_S
    if monitor.enabled and sections["market_data"].candles and span_ns > needed_ns:
        reasons.append(
            f"risk.candle_monitor judges after {needed_ns // NS_PER_S} s (set enabled: false to do without)"
        )
    if risk.surprises.holds:
        reasons.append("risk.surprises.holds judges every trade")
    return reasons
