"""Every figure of a run (BT-2), folded from its tables; defined for a run of no fills and of one (BT-12).

net_pnl = realized_pnl - fees + funding + unrealized_pnl, and the same sum is split into spread capture,
adverse selection within 0.1, 1, 10 and 60 s, and inventory (the rest), as `shared.profit_parts` defines them.
A fill whose mid after a horizon nobody saw adds nothing there.
"""

from array import array
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from services.backtest import statistics
from services.backtest.equity import (
    EVERYTHING,
    FILL,
    MARK,
    Curve,
    Drawdown,
    Scale,
    Selection,
    sampled,
    scale_of,
    steps,
)
from services.backtest.record import Run
from services.backtest.statistics import Estimate, Share
from services.backtest.tables import MID_COLUMNS, REFUSED
from shared.units import NS_PER_MS, NS_PER_S, decimal_text

HORIZONS = ("0", "100ms", "1s", "10s", "60s")
INTERVALS_S = (86_400, 3_600, 60, 1)
INTERVALS_MIN = 60
"""Risk ratios are of the longest of `INTERVALS_S` of which a run has this many, else of the shortest."""


class MarkOut(msgspec.Struct, frozen=True):
    """What fills were worth a while later: sum(q (mid - price)) / sum(|q| price), fees not counted, in bps.

    `error_bps` is half of the 95 % interval, None with fewer than two fills. `fills` had a known mid then.
    """

    after: str
    fills: int
    mean_bps: float | None
    error_bps: float | None


class Figures(msgspec.Struct, kw_only=True):
    """The figures of one selection of a run. Money is of `asset`, exact; ratios and errors are estimates.

    None is a figure that is not defined here: no trade, no loss, no drawdown, or too little time.
    """

    strategies: dict[str, str]
    asset: str
    from_ns: int
    until_ns: int
    span_s: float
    events: int
    seconds: float
    events_per_s: float | None
    orders: int
    orders_refused: int
    orders_rejected: int
    orders_canceled: int
    orders_expired: int
    orders_filled: int
    fill_ratio: float | None
    queue_ms_median: float | None
    queue_ms_p95: float | None
    fills: int
    fills_maker: int
    volume: Decimal
    round_trips: int
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    return_on_capital: float | None
    net_per_volume_bps: float | None
    max_drawdown: Decimal
    max_drawdown_from_ns: int
    max_drawdown_low_ns: int
    max_drawdown_recovered_ns: int
    max_drawdown_s: float
    longest_drawdown_s: float
    win_rate: Share | None
    average_trade: Estimate | None
    profit_factor: float | None
    average_holding_s: float | None
    interval_s: int
    intervals: int
    sharpe: Estimate | None
    sortino: float | None
    calmar: float | None
    var_95: float | None
    cvar_95: float | None
    var_99: float | None
    cvar_99: float | None
    spread_capture: Decimal
    adverse_100ms: Decimal
    adverse_1s: Decimal
    adverse_10s: Decimal
    adverse_60s: Decimal
    inventory: Decimal
    mark_outs: list[MarkOut]
    positions: dict[str, str]
    state_hash: str


class Folded(NamedTuple):
    """Figures with the series behind them: what is drawn beside them."""

    figures: Figures
    scale: Scale
    curve: Curve
    trip_profits: list[float]
    interval_profits: list[float]


def figures(run: Run, selection: Selection = EVERYTHING) -> Figures:
    """Return the figures of a run; raises `ConfigError` where its money cannot be added up."""
    return fold(run, selection).figures


def interval_profits(run: Run, every_s: float, selection: Selection = EVERYTHING) -> list[float]:
    """Return the change of marked equity in each whole interval from the first to the last time."""
    walked = _Walked(run, scale_of(run, selection), selection)
    return sampled(walked.curve, *span_of(run), int(every_s * NS_PER_S))


def span_of(run: Run) -> tuple[int, int]:
    """Return the first and last time of a run: as its maker said, else those of its tables."""
    tables = [table.ts_ns for table in (run.fills, run.orders, run.marks, run.funding) if len(table)]
    first = run.meta.from_ns or min((times[0] for times in tables), default=0)
    last = run.meta.until_ns or max((times[-1] for times in tables), default=first)
    return first, max(first, last)


def interval_of(span_ns: int) -> int:
    """Return the seconds of the intervals that risk ratios are taken of."""
    return next((s for s in INTERVALS_S if span_ns >= INTERVALS_MIN * s * NS_PER_S), INTERVALS_S[-1])


def fold(run: Run, selection: Selection = EVERYTHING) -> Folded:
    """Walk a run once and return its figures and series; raises `ConfigError` as `figures` does."""
    scale = scale_of(run, selection)
    from_ns, until_ns = span_of(run)
    walked = _Walked(run, scale, selection)
    interval_s = interval_of(until_ns - from_ns)
    profits = sampled(walked.curve, from_ns, until_ns, interval_s * NS_PER_S)
    trip_profits = [float(scale.money(value)) for value in walked.trips.profits]
    found = Figures(
        strategies={
            each.name: each.version for each in run.strategies if selection.strategy in ("", each.name)
        },
        asset=scale.asset,
        from_ns=from_ns,
        until_ns=until_ns,
        span_s=(until_ns - from_ns) / NS_PER_S,
        events=run.counts.events,
        seconds=run.meta.seconds,
        events_per_s=run.counts.events / run.meta.seconds if run.meta.seconds else None,
        state_hash=run.meta.digest,
        **_orders(run, selection),
        **_money(run, scale, walked),
        **_trades(walked.trips, trip_profits),
        **_risk(profits, interval_s, float(walked.net), (until_ns - from_ns) / NS_PER_S, float(walked.depth)),
    )
    return Folded(found, scale, walked.curve, trip_profits, profits)


class _Walked:
    """What one walk over the steps of a run gives."""

    def __init__(self, run: Run, scale: Scale, selection: Selection) -> None:
        from_ns, self.until_ns = span_of(run)
        self.curve, self.trips, self.drawdown = Curve(), _Trips(), Drawdown()
        self.drawdown.start(from_ns)
        self.positions: dict[int, int] = {}
        for each in run.opening:
            is_own = selection.strategy in ("", run.strategies[each.strategy].name)
            if is_own and scale.of_market[each.market]:
                self.positions[each.market] = self.positions.get(each.market, 0) + each.lots
        self.fill_rows: array[int] = array("q")
        self.realized = self.fees = self.funding = equity_half = 0
        half = 0.5 * 10.0**-scale.exponent
        for step in steps(run, scale, selection):
            equity_half = step.equity_half
            self.drawdown.take(equity_half, step.ts_ns)
            self.curve.ts_ns.append(step.ts_ns)
            self.curve.equity.append(equity_half * half)
            if step.kind == MARK:
                continue
            self.realized, self.fees, self.funding = step.realized, step.fees, step.funding
            if step.kind == FILL:
                self.fill_rows.append(step.row)
                self.positions[step.market] = step.position_lots
                if step.trip is not None:
                    profit = step.trip.net_atoms * scale.of_market[step.market]
                    self.trips.take(profit, step.trip.holding_ns)
        self.drawdown.end(self.until_ns)
        self.net = scale.money_of_half(equity_half)
        self.depth = scale.money_of_half(self.drawdown.depth)


class _Trips:
    """Round trips as they close; money in units of the scale."""

    def __init__(self) -> None:
        self.profits: list[int] = []
        self.wins = 0
        self.won = 0
        self.lost = 0
        self.held_ns = 0

    def take(self, profit: int, held_ns: int) -> None:
        self.profits.append(profit)
        self.held_ns += held_ns
        self.wins += profit > 0
        if profit > 0:
            self.won += profit
        else:
            self.lost -= profit


def _money(run: Run, scale: Scale, walked: _Walked) -> dict[str, Any]:
    """Return volume, profit, its parts, drawdown and positions."""
    money, net, drawdown = scale.money, walked.net, walked.drawdown
    volume_units, parts_half = _fill_sums(run, scale, walked.fill_rows)
    volume, fees, funding = money(volume_units), money(walked.fees), money(walked.funding)
    names = ("spread_capture", "adverse_100ms", "adverse_1s", "adverse_10s", "adverse_60s")
    parts = {name: scale.money_of_half(half) for name, half in zip(names, parts_half, strict=True)}
    return parts | {
        "inventory": net + fees - funding - sum(parts.values()),
        "fills": len(walked.fill_rows),
        "fills_maker": sum(run.fills.is_maker[row] for row in walked.fill_rows),
        "volume": volume,
        "realized_pnl": money(walked.realized),
        "unrealized_pnl": net - money(walked.realized) + fees - funding,
        "fees": fees,
        "funding": funding,
        "net_pnl": net,
        "return_on_capital": _return(run, scale, net),
        "net_per_volume_bps": float(net / volume * 10_000) if volume else None,
        "max_drawdown": walked.depth,
        "max_drawdown_from_ns": drawdown.from_ns,
        "max_drawdown_low_ns": drawdown.low_ns,
        "max_drawdown_recovered_ns": drawdown.recovered_ns,
        "max_drawdown_s": drawdown.lasted_ns(walked.until_ns) / NS_PER_S,
        "longest_drawdown_s": drawdown.longest_ns / NS_PER_S,
        "mark_outs": _mark_outs(run, scale, walked.fill_rows),
        "positions": {
            run.markets[market].symbol: decimal_text(lots, run.markets[market].lot_size)
            for market, lots in sorted(walked.positions.items())
        },
    }


def _trades(trips: _Trips, profits: list[float]) -> dict[str, Any]:
    """Return the figures of round trips."""
    return {
        "round_trips": len(profits),
        "win_rate": statistics.win_rate(trips.wins, len(profits)),
        "average_trade": statistics.mean_with_error(profits),
        "profit_factor": trips.won / trips.lost if trips.lost else None,
        "average_holding_s": trips.held_ns / NS_PER_S / len(profits) if profits else None,
    }


def _risk(
    profits: Sequence[float], interval_s: int, net: float, span_s: float, depth: float
) -> dict[str, Any]:
    """Return the ratios of risk."""
    at_95 = statistics.value_at_risk(profits, 0.95) or (None, None)
    at_99 = statistics.value_at_risk(profits, 0.99) or (None, None)
    return {
        "interval_s": interval_s,
        "intervals": len(profits),
        "sharpe": statistics.sharpe(profits, interval_s),
        "sortino": statistics.sortino(profits, interval_s),
        "calmar": statistics.calmar(net, span_s, depth),
        "var_95": at_95[0],
        "cvar_95": at_95[1],
        "var_99": at_99[0],
        "cvar_99": at_99[1],
    }


def _return(run: Run, scale: Scale, net: Decimal) -> float | None:
    """Return the profit over the money at the start, which is given in atoms of the first market."""
    capital_atoms = run.meta.capital_atoms
    if not capital_atoms or not run.markets or run.markets[0].quote_asset != scale.asset:
        return None
    return float(net / Decimal(capital_atoms).scaleb(-run.markets[0].quote_exponent))


def _orders(run: Run, selection: Selection) -> dict[str, Any]:
    """Return the figures of orders; of a part of a run they are counted from its table."""
    orders, counts = run.orders, run.counts
    if selection == EVERYTHING:
        found: dict[str, Any] = {
            "orders": counts.orders,
            "orders_refused": counts.orders_refused,
            "orders_rejected": counts.orders_rejected,
            "orders_canceled": counts.orders_canceled,
            "orders_expired": counts.orders_expired,
            "orders_filled": counts.orders_filled,
        }
        rows: Sequence[int] = range(len(orders))
    else:
        strategies = {at for at, each in enumerate(run.strategies) if selection.strategy in ("", each.name)}
        markets = {at for at, each in enumerate(run.markets) if selection.symbol in ("", each.symbol)}
        rows = [
            row
            for row in range(len(orders))
            if orders.strategy[row] in strategies and orders.market[row] in markets
        ]
        states = [orders.state[row] for row in rows]
        names = ("orders_filled", "orders_canceled", "orders_expired", "orders_rejected", "orders_refused")
        found = {name: states.count(state) for state, name in enumerate(names, 1)} | {"orders": len(rows)}
    sent = [row for row in rows if orders.state[row] != REFUSED]
    with_fill = sum(1 for row in sent if orders.filled_lots[row])
    waited = sorted(
        (orders.filled_ns[row] - orders.accepted_ns[row]) / NS_PER_MS
        for row in sent
        if orders.accepted_ns[row] and orders.filled_ns[row] > orders.accepted_ns[row]
    )
    return found | {
        "fill_ratio": with_fill / len(sent) if sent else None,
        "queue_ms_median": statistics.quantile(waited, 0.5),
        "queue_ms_p95": statistics.quantile(waited, 0.95),
    }


def _fill_sums(run: Run, scale: Scale, rows: Sequence[int]) -> tuple[int, list[int]]:
    """Return the volume in units, and spread and the four adverse steps in half units."""
    fills = run.fills
    units = [rules.tick_lot_atoms * scale.of_market[at] for at, rules in enumerate(run.markets)]
    mids = [getattr(fills, name) for name in MID_COLUMNS]
    volume, parts = 0, [0] * len(MID_COLUMNS)
    for row in rows:
        value = fills.lots[row] * units[fills.market[row]]
        price = fills.price_ticks[row]
        volume += value * price
        signed = -value if fills.side[row] else value
        former = 2 * price
        for at, column in enumerate(mids):
            mid = column[row]
            if mid:
                parts[at] += signed * (mid - former)
                former = mid
            elif at:
                break
    return volume, parts


def _mark_outs(run: Run, scale: Scale, rows: Sequence[int]) -> list[MarkOut]:
    fills, found = run.fills, []
    unit = [
        10.0**-scale.exponent * r.tick_lot_atoms * scale.of_market[at] for at, r in enumerate(run.markets)
    ]
    for after, name in zip(HORIZONS, MID_COLUMNS, strict=True):
        column = getattr(fills, name)
        seen = [row for row in rows if column[row]]
        weights = [fills.lots[row] * fills.price_ticks[row] * unit[fills.market[row]] for row in seen]
        gains = [
            (0.5 * column[row] / fills.price_ticks[row] - 1.0) * (-weight if fills.side[row] else weight)
            for row, weight in zip(seen, weights, strict=True)
        ]
        mean = statistics.ratio_with_error(gains, weights)
        error = None if mean is None or mean.error is None else mean.error * 10_000
        found.append(MarkOut(after, len(seen), None if mean is None else mean.value * 10_000, error))
    return found
