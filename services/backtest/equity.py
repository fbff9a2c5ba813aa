"""The equity of a run, step by step: at every fill, funding payment and mark, exact to half an atom.

    equity = cash of all fills - fees + funding + position * mid,   summed over markets, from 0

where the mid is that of the last fill or mark of the market (an own price before the first known mid). Money
of markets with different exponents is counted in the finest of them. Realised profit is before fees, at
average cost per strategy and market (`shared.kernels.position`), round trips are from flat to flat.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from services.backtest.record import Opening, Run
from shared.errors import ConfigError
from shared.kernels.position import Position
from shared.round_trips import ClosedTrip, RoundTrips
from shared.units import Side

MARK, FILL, FUNDING = range(3)
"""Kinds of steps; at one time they come in this order."""
_END_NS = 2**63 - 1


class Selection(NamedTuple):
    """Which part of a run is looked at; empty texts take all."""

    strategy: str = ""
    symbol: str = ""


EVERYTHING = Selection()


class Step(NamedTuple):
    """One step. Money in `Scale` units; `equity_half` in half units, since a mid may lie on half a tick.

    `row` is that of the fill, payment or mark in its table; `market` and `position_lots` those it concerned.
    `trip` is the round trip that a fill closed.
    """

    ts_ns: int
    kind: int
    row: int
    market: int
    position_lots: int
    realized: int
    fees: int
    funding: int
    equity_half: int
    trip: ClosedTrip | None


@dataclass(frozen=True)
class Scale:
    """The unit in which the money of a selection is counted: 10^-`exponent` of `asset`."""

    asset: str
    exponent: int
    of_market: tuple[int, ...]
    """Units in an atom of each market, 0 for a market that is not selected."""

    def money(self, units: int) -> Decimal:
        """Return whole money of the asset, exactly."""
        return Decimal(units).scaleb(-self.exponent)

    def money_of_half(self, half_units: int) -> Decimal:
        """Return whole money of an amount in half units, exactly."""
        return Decimal(half_units * 5).scaleb(-self.exponent - 1)


def scale_of(run: Run, selection: Selection = EVERYTHING) -> Scale:
    """Return the unit of a selection.

    Raises:
        ConfigError: its traded markets have different quote assets, or nothing has the name asked for.
    """
    names = {each.name for each in run.strategies}
    symbols = {each.symbol for each in run.markets}
    for wanted, known, what in (
        (selection.strategy, names, "strategy"),
        (selection.symbol, symbols, "market"),
    ):
        if wanted and wanted not in known:
            raise ConfigError(
                f"the run has no {what} {wanted!r}; it has {', '.join(sorted(known)) or 'none'}"
            )
    traded = set(run.fills.market) | set(run.funding.market) | {each.market for each in run.opening}
    chosen = [
        at
        for at, rules in enumerate(run.markets)
        if selection.symbol in ("", rules.symbol) and (at in traded or not traded)
    ]
    assets = sorted({run.markets[at].quote_asset for at in chosen})
    if len(assets) > 1:
        raise ConfigError(
            f"the run traded for {' and '.join(assets)}, which cannot be added up: choose a market (--symbol)"
        )
    exponent = max((run.markets[at].quote_exponent for at in chosen), default=8)
    of_market = tuple(
        10 ** (exponent - rules.quote_exponent) if at in chosen else 0 for at, rules in enumerate(run.markets)
    )
    return Scale(assets[0] if assets else "", exponent, of_market)


def steps(run: Run, scale: Scale, selection: Selection = EVERYTHING) -> Iterator[Step]:
    """Yield the steps of a selection in the order of time."""
    walk = _Walk(run, scale)
    takes = [selection.strategy in ("", each.name) for each in run.strategies]
    for opening in run.opening:
        if takes[opening.strategy] and scale.of_market[opening.market]:
            walk.open(opening)
    marks, fills, payments = run.marks, run.fills, run.funding
    tables: tuple[Sequence[int], ...] = (marks.ts_ns, fills.ts_ns, payments.ts_ns)
    lengths = [len(times) for times in tables]
    at = [0, 0, 0]
    due = [times[0] if len(times) else _END_NS for times in tables]
    while True:
        kind = due.index(min(due))
        row = at[kind]
        if due[kind] == _END_NS:
            return
        at[kind] = row + 1
        due[kind] = tables[kind][row + 1] if row + 1 < lengths[kind] else _END_NS
        if kind == FILL:
            market, strategy = fills.market[row], fills.strategy[row]
            if takes[strategy] and scale.of_market[market]:
                yield walk.take_fill(row, market, strategy)
        elif kind == MARK:
            market = marks.market[row]
            if scale.of_market[market] and walk.take_mid(market, marks.mid_half_ticks[row]):
                yield walk.step(marks.ts_ns[row], MARK, row, market, None)
        elif takes[payments.strategy[row]] and scale.of_market[payments.market[row]]:
            yield walk.take_funding(row, payments.market[row], payments.strategy[row])


class _Walk:
    """Sums of a walk; `_value` is the worth of all positions at the mids, in half units."""

    def __init__(self, run: Run, scale: Scale) -> None:
        self._run = run
        self._scale = scale.of_market
        # Half units that a position of one lot is worth per half tick of the mid.
        self._lot_units = [rules.tick_lot_atoms * scale.of_market[at] for at, rules in enumerate(run.markets)]
        self._books: dict[tuple[int, int], Position] = {}
        self._trips = RoundTrips()
        self._lots = [0] * len(run.markets)
        self._mids = [0] * len(run.markets)
        self._cash = 0
        self._value = 0
        self._opening = 0
        self._realized = 0
        self._fees = 0
        self._funding = 0

    def open(self, opening: Opening) -> None:
        """Carry over a position at the mid: the equity stays 0."""
        market, rules = opening.market, self._run.markets[opening.market]
        self._mids[market] = opening.mid_half_ticks
        self._lots[market] += opening.lots
        value = opening.lots * opening.mid_half_ticks * self._lot_units[market]
        self._value += value
        self._opening -= value
        side, price = int(opening.lots < 0), max(1, opening.mid_half_ticks // 2)
        book = self._books[market, opening.strategy] = Position(rules.tick_lot_atoms)
        book.apply_fill(side, price, abs(opening.lots), 0)
        key = (self._run.strategies[opening.strategy].name, rules.symbol)
        lot_atoms = price * rules.tick_lot_atoms
        self._trips.take_fill(key, Side(side), lot_atoms, abs(opening.lots), 0, self._run.meta.from_ns)

    def step(self, ts_ns: int, kind: int, row: int, market: int, trip: ClosedTrip | None) -> Step:
        """Return where the walk stands."""
        equity = 2 * (self._cash - self._fees + self._funding) + self._value + self._opening
        money = (self._realized, self._fees, self._funding, equity)
        return Step(ts_ns, kind, row, market, self._lots[market], *money, trip)

    def take_mid(self, market: int, mid_half_ticks: int) -> bool:
        """Take the mid of a market; False when it changes no equity."""
        moved, self._mids[market] = mid_half_ticks - self._mids[market], mid_half_ticks
        self._value += moved * self._lots[market] * self._lot_units[market]
        return bool(moved and self._lots[market])

    def take_fill(self, row: int, market: int, strategy: int) -> Step:
        """Book one fill."""
        fills = self._run.fills
        ts_ns, side, price = fills.ts_ns[row], fills.side[row], fills.price_ticks[row]
        lots, fee_atoms = fills.lots[row], fills.fee_atoms[row]
        self.take_mid(market, fills.mid_half_ticks[row] or self._mids[market] or 2 * price)
        rules = self._run.markets[market]
        book = self._books.get((market, strategy))
        if book is None:
            book = self._books[market, strategy] = Position(rules.tick_lot_atoms)
        scale, lot_atoms = self._scale[market], price * rules.tick_lot_atoms
        self._realized += book.apply_fill(side, price, lots, fee_atoms) * scale
        self._fees += fee_atoms * scale
        signed_lots = -lots if side else lots
        self._lots[market] += signed_lots
        self._cash -= signed_lots * lot_atoms * scale
        self._value += signed_lots * self._mids[market] * self._lot_units[market]
        key = (self._run.strategies[strategy].name, rules.symbol)
        trip = self._trips.take_fill(key, Side(side), lot_atoms, lots, fee_atoms, ts_ns)
        return self.step(ts_ns, FILL, row, market, trip)

    def take_funding(self, row: int, market: int, strategy: int) -> Step:
        """Book one payment."""
        payments = self._run.funding
        amount = payments.amount_atoms[row]
        self._funding += amount * self._scale[market]
        self._trips.take_funding(
            (self._run.strategies[strategy].name, self._run.markets[market].symbol), amount
        )
        return self.step(payments.ts_ns[row], FUNDING, row, market, None)


@dataclass(slots=True)
class Drawdown:
    """The deepest fall of a value from its highest point so far, which begins at 0; in the value's units.

    `from_ns` is the time of that high, `low_ns` of the low, `recovered_ns` of the first return to the high, 0
    when there was none. `longest_ns` is the longest time below a former high.
    """

    depth: int = 0
    from_ns: int = 0
    low_ns: int = 0
    recovered_ns: int = 0
    longest_ns: int = 0
    _value: int = 0
    _high: int = 0
    _high_ns: int = 0

    def start(self, ts_ns: int) -> None:
        """Say when the value was 0 at the beginning."""
        self._high_ns = ts_ns

    def take(self, value: int, ts_ns: int) -> None:
        """Take the value as it is from `ts_ns` on."""
        if value >= self._high:
            if self._value < self._high:
                self.longest_ns = max(self.longest_ns, ts_ns - self._high_ns)
                if self.from_ns == self._high_ns and self.depth and not self.recovered_ns:
                    self.recovered_ns = ts_ns
            self._high, self._high_ns = value, ts_ns
        elif self._high - value > self.depth:
            self.depth, self.from_ns, self.low_ns = self._high - value, self._high_ns, ts_ns
            self.recovered_ns = 0
        self._value = value

    def end(self, ts_ns: int) -> None:
        """Say when the run ended."""
        if self._value < self._high:
            self.longest_ns = max(self.longest_ns, ts_ns - self._high_ns)

    def lasted_ns(self, end_ns: int) -> int:
        """Return how long the deepest one lasted: from the high to the return to it, or to the end."""
        return (self.recovered_ns or end_ns) - self.from_ns if self.depth else 0


@dataclass
class Curve:
    """Equity over time for drawing and sampling: floats of whole money, one row per step."""

    ts_ns: "array[int]" = field(default_factory=lambda: array("q"))
    equity: "array[float]" = field(default_factory=lambda: array("d"))


def sampled(curve: Curve, from_ns: int, until_ns: int, every_ns: int) -> list[float]:
    """Return the change of equity in each whole interval of `every_ns` from `from_ns` on; it begins at 0."""
    count = max(0, until_ns - from_ns) // every_ns
    changes = []
    at, value = 0, 0.0
    for number in range(1, count + 1):
        end_ns, former = from_ns + number * every_ns, value
        while at < len(curve.ts_ns) and curve.ts_ns[at] <= end_ns:
            value = curve.equity[at]
            at += 1
        changes.append(value - former)
    return changes
