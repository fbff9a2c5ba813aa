"""The array path of a backtest against the exact path, event by event, on the recorded captures (BT-1).

Each shipped strategy runs over each capture twice. Everything that is said of orders must agree: what is
said, when, by whom, and every field: ids, sides, prices, lots, verdicts, fills, fees, positions, the trading
state.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from services.backtest.array_place import ArrayMarket
from services.backtest.array_run import ArrayRun
from services.backtest.exact import ExactRun
from services.backtest.exact_feed import MarketFeed
from services.backtest.importing import import_files
from services.backtest.run_options import Fees, with_fees
from services.bench.figures import Figure
from services.bench.machine import ROOT
from services.broker.settings import BrokerSettings
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.columns import Columns
from shared.messages import Event, Message, orders
from shared.messages.control import InstanceFailed, KillLatched, TradingState
from shared.messages.guards import ScopedState
from shared.units import INT64_MAX, NS_PER_S

CAPTURES: Mapping[str, tuple[str, ...]] = {
    "USD-M": ("usdm_btcusdt_20240808.raw.gz",),
    "spot": ("spot_btcusdt_20240808.raw.gz", "spot_btcusdt_20240809.raw.gz"),
}
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "avellaneda_stoikov": {"order_notional": 100, "max_inventory_notional": 1000, "half_spread_bps": 1.0},
    "grid": {"order_notional": 100, "interval_bps": 6},
    "imbalance": {
        "imbalance_threshold": 0.15,
        "min_confidence": 0.2,
        "min_momentum": 0.00001,
        "persistence": 2,
        "atr_floor_bps": 2,
    },
}
"""As in `deploy/paper.yaml`."""
FEES = Fees(200, 500)
TOLD: tuple[type[Message], ...] = (
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
    orders.OrderUnknown,
    orders.CancelRejected,
    orders.PositionChanged,
    orders.FundingPaid,
    TradingState,
    ScopedState,
    KillLatched,
    InstanceFailed,
)
"""What must agree."""

Said = tuple[int, str, Message]


class Agreement(NamedTuple):
    """What two runs of the same said: `difference` is the first one, empty when all agrees."""

    message_count: int
    event_count: int
    order_count: int
    fill_count: int
    difference: str
    exact_s: float
    array_s: float


class Course:
    """Collects what must agree, in order."""

    def __init__(self) -> None:
        self.said: list[Said] = []

    def see(self, event: Event) -> None:
        """Take an event of a run."""
        if isinstance(event.message, TOLD):
            self.said.append((event.header.ts_ns, event.header.source, event.message))

    def count(self, kind: type[Message]) -> int:
        """Return how many messages of a kind there were."""
        return sum(type(message) is kind for *_, message in self.said)


def sections_of(kind: str, symbol: str) -> dict[str, Any]:
    """Return the settings of one shipped strategy on a market, as `deploy/paper.yaml` has them."""
    venue, _, name = symbol.partition(":")
    broker = BrokerSettings()
    risk = RiskSettings()
    prepared = replace(risk.prepared, symbols=(symbol,), wallet_balance=broker.initial_balance)
    instance = InstanceSettings(kind=kind, symbol=symbol, params=STRATEGIES[kind])
    feed = FeedVenue(name=venue, symbols=(name,))
    return {
        "strategy": StrategySettings(instances={"one": instance}, warmup_s=0, warmup_points=100),
        "risk": replace(risk, prepared=prepared),
        "broker": broker,
        "market_data": MarketDataSettings(venues=(feed,)),
    }


def compared(
    sections: Mapping[str, Any],
    files: Sequence[Columns],
    until_ns: int = INT64_MAX,
    fees: Fees = FEES,
) -> Agreement:
    """Run both paths over the files of one market and compare what they say."""
    rules = with_fees(files[0].header.rules, fees)
    exact, array = Course(), Course()
    started_s = time.process_time()
    feed = MarketFeed(files, rules, sections["market_data"].candles)
    slow = ExactRun(sections, [feed], build="agreement", watch=exact.see)
    slow.start(until_ns=until_ns)
    slow.run()
    between_s = time.process_time()
    quick = ArrayRun(sections, [ArrayMarket(rules, files)], build="agreement", watch=array.see)
    quick.start(until_ns=until_ns)
    quick.run()
    ended_s = time.process_time()
    return Agreement(
        message_count=slow.message_count,
        event_count=len(exact.said),
        order_count=exact.count(orders.OrderIntent),
        fill_count=exact.count(orders.Fill),
        difference=_difference(exact.said, array.said),
        exact_s=between_s - started_s,
        array_s=ended_s - between_s,
    )


def _difference(exact: Sequence[Said], array: Sequence[Said]) -> str:
    for at, (one, other) in enumerate(itertools.zip_longest(exact, array)):
        if one != other:
            return f"event {at} of {len(exact)}: exact says {one}, array says {other}"
    return ""


def imported(folder: Path, name: str, out: Path) -> list[Path]:
    """Return the column files of a capture, one following the other."""
    paths = [folder / "binance_hft" / file for file in CAPTURES[name]]
    return [each.path for each in import_files(paths, out / name)]


def agreements(folder: Path, seconds: int | None = None) -> Iterator[tuple[str, str, Agreement]]:
    """Yield (capture, strategy, what was found), over the first `seconds` of each capture, None for all."""
    with tempfile.TemporaryDirectory() as out:
        for name in CAPTURES:
            files = [Columns.open(path) for path in imported(folder, name, Path(out))]
            header = files[0].header
            until_ns = INT64_MAX if seconds is None else header.first_local_ns + seconds * NS_PER_S
            for kind in STRATEGIES:
                yield name, kind, compared(sections_of(kind, header.symbol), files, until_ns)


def measure() -> list[Figure]:
    """Return whether each run agrees, and the speed of both paths; empty without captures."""
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    if not (folder / "binance_hft").is_dir():
        return []
    figures = []
    for name, kind, found in agreements(folder):
        exact, array = (found.message_count / each_s for each_s in (found.exact_s, found.array_s))
        note = (
            f"{found.event_count} events of {found.order_count} orders and {found.fill_count} fills "
            f"compared; {found.message_count} messages of the venue, per second of processor time "
            f"{exact:,.0f} exact, {array:,.0f} array"
        )
        figures.append(
            Figure(
                name=f"paths disagree, {name}, {kind}",
                value=float(bool(found.difference)),
                unit="",
                at_most=0,
                note=f"{note}; {found.difference}" if found.difference else note,
            )
        )
    return figures
