"""What settings need of the array path beyond books: candles, every trade; and what it does not do at all."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.strategy.base import Strategy
from services.strategy.registry import strategy_class
from shared.messages.market import Candle
from shared.units import NS_PER_MS

INTERVAL_S = 60


class Needs(NamedTuple):
    """What the walk has to stop for in a market: candles of its trades, and each trade."""

    candles: bool
    trades: bool


def needs_of(sections: Mapping[str, Any], symbol: str) -> Needs:
    """Return what the settings need of one market."""
    settings, risk = sections["market_data"], sections["risk"]
    has_candles = settings.candles and (not settings.candle_symbols or symbol in settings.candle_symbols)
    is_heard = risk.candle_monitor.enabled or any(
        hears_candles(one.kind) for one in sections["strategy"].instances.values() if one.symbol == symbol
    )
    is_simple = sections["broker"].without_book == "simple"
    return Needs(has_candles and is_heard, risk.surprises.holds or is_simple)


def hears_candles(kind: str) -> bool:
    """Return whether a strategy of this kind decides on candles; False for one that cannot be made."""
    try:
        return strategy_class(kind).on_candle is not Strategy.on_candle
    except ValueError:
        return False


def candle_of(symbol: str, values: tuple[int, ...], at_ms: int, now_ns: int) -> Candle:
    """Return the message of a candle of `TradeCandles.take`; `at_ms` is the time of the trade behind it."""
    open_ms, opened, high, low, close, lots, trades, is_closed = values
    return Candle(
        symbol=symbol,
        interval_s=INTERVAL_S,
        open_ns=open_ms * NS_PER_MS,
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=close,
        volume_lots=lots,
        trade_count=trades,
        is_closed=bool(is_closed),
        ts_venue_ns=at_ms * NS_PER_MS,
        ts_recv_ns=now_ns,
    )


def unmodelled(sections: Mapping[str, Any]) -> list[str]:
    """Return what the settings ask for and the array path does not do, empty when it does everything."""
    instances = sections["strategy"].instances
    return [
        f"strategies.{name}.shadow_of: a shadow version has a paper venue of its own, which is not walked"
        for name, instance in instances.items()
        if instance.shadow_of
    ]
