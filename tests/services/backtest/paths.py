"""Both paths over the same market, and what must agree."""

import itertools

from services.backtest.array_run import ArrayRun
from services.backtest.exact import ExactRun
from services.backtest.exact_feed import MarketFeed
from shared.messages import guards, orders
from shared.messages.control import InstanceFailed, TradingState

HEARD = (
    orders.OrderIntent,
    orders.CancelIntent,
    orders.OrderApproved,
    orders.OrderAdjusted,
    orders.OrderRefused,
    orders.OrderSent,
    orders.NotSent,
    orders.OrderAccepted,
    orders.OrderRejected,
    orders.Fill,
    orders.OrderCanceled,
    orders.OrderExpired,
    orders.CancelRejected,
    orders.FundingPaid,
    orders.PositionChanged,
    guards.GuardRaised,
    guards.GuardReleased,
    guards.MarginStatus,
    TradingState,
    InstanceFailed,
)
"""What must agree in order, time and every field."""


class Log(list):
    """What a run said, as (time, source, message)."""

    def watch(self, event):
        if isinstance(event.message, HEARD):
            self.append((event.header.ts_ns, event.header.source, event.message))

    def count(self, kind):
        return sum(type(message) is kind for *_, message in self)


def exact(sections, markets, **span):
    log = Log()
    has_candles = sections["market_data"].candles
    feeds = [MarketFeed(each.files, each.rules, has_candles) for each in markets]
    run = ExactRun(sections, feeds, build="test", watch=log.watch)
    run.start(**span)
    run.run()
    return log, run


def array(sections, markets, is_gated=True, **span):
    log = Log()
    run = ArrayRun(sections, markets, build="test", watch=log.watch, is_gated=is_gated)
    run.start(**span)
    run.run()
    return log, run


def agreed(sections, markets, **span):
    """Return the log and the run of the array path, once all three ways agree."""
    expected, _ = exact(sections, markets, **span)
    for is_gated in (False, True):
        said, run = array(sections, markets, is_gated, **span)
        for at, (one, other) in enumerate(itertools.zip_longest(expected, said)):
            assert one == other, f"event {at}, {is_gated=}"
    return said, run
