"""Hours of generated flow through the whole mesh in virtual time: limits, exact equity, no free lunch.

Ten minutes here; `QUOTEMESH_FLOW_HOURS=24 ./quotemesh test tests/mesh/test_flow_campaign.py` is the campaign.
What is checked is worked out again from the log alone; only the ledger of risk is looked into, to compare.
"""

import dataclasses
import os
from collections import defaultdict, deque
from dataclasses import dataclass, field

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.replay.invariants import LogFold
from services.risk.settings import RiskSettings
from shared.kernels.book import Book
from shared.messages import guards, market, orders
from shared.units import NS_PER_S

# Adverse flow needs as long as all others together before every strategy has made a round trip.
SHARES = {"trend": 1 / 6, "jump": 1 / 6, "adverse": 1 / 2, "quiet": 1 / 6}
MINUTES = float(os.environ.get("QUOTEMESH_FLOW_HOURS") or 1 / 6) * 60
SEED = int(os.environ.get("QUOTEMESH_FLOW_SEED") or 1)
ENDS = (
    orders.NotSent,
    orders.OrderRejected,
    orders.OrderCanceled,
    orders.OrderExpired,
)


@dataclass
class Account:
    """Cash and position of one strategy in one market, and its round trips from flat to flat."""

    position_lots: int = 0
    cash_atoms: int = 0
    trip_cash_atoms: int = 0
    won: int = 0
    lost: int = 0

    def fill(self, fill, tick_lot_atoms):
        before_lots = self.position_lots
        self.position_lots += fill.side.sign * fill.qty_lots
        value_atoms = fill.price_ticks * fill.qty_lots * tick_lot_atoms
        self.cash_atoms -= fill.side.sign * value_atoms + fill.fee_atoms
        if before_lots and self.position_lots == 0:
            earned_atoms = self.cash_atoms - self.trip_cash_atoms
            self.won += earned_atoms > 0
            self.lost += earned_atoms <= 0
            self.trip_cash_atoms = self.cash_atoms


@dataclass
class Watcher:
    """Folds a log as it is made; `problems` is empty when no limit was passed and every sum is exact."""

    settings: RiskSettings
    log: LogFold = field(default_factory=LogFold)
    rules: dict = field(default_factory=dict)
    books: dict = field(default_factory=lambda: defaultdict(Book))
    marks: dict = field(default_factory=dict)
    approvals_ns: deque = field(default_factory=deque)
    accounts: dict = field(default_factory=lambda: defaultdict(Account))
    live: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    risk: object = None
    compared: int = 0
    limits_seen: set = field(default_factory=set)
    parts: dict = field(default_factory=dict)

    def take(self, stored):
        event = stored.event
        self.log.apply(event)
        message = event.message
        if isinstance(message, market.InstrumentRules):
            self.rules[message.symbol] = message
        elif isinstance(message, market.BookSnapshot):
            self.books[message.symbol].snapshot(message.levels, message.bid_count, message.update_n)
            self.mark(message.symbol)
        elif isinstance(message, market.BookUpdate):
            self.books[message.symbol].update(message.levels, message.bid_count, message.update_n)
            self.mark(message.symbol)
        elif isinstance(message, market.BookInvalid):
            self.books[message.symbol].invalidate()
        elif isinstance(message, (orders.OrderApproved, orders.OrderAdjusted)):
            self.approved(message, event.header.ts_ns)
        elif isinstance(message, orders.Fill):
            self.filled(message)
        elif isinstance(message, ENDS):
            self.live.pop(message.client_order_id, None)
        elif isinstance(message, guards.ProfitParts):
            self.parts[message.strategy] = message
        elif isinstance(message, orders.PositionChanged):
            # Every fill stored before this event has been applied by every core.
            self.compare_ledger((message.strategy, message.symbol))

    def compare_ledger(self, key):
        """Cash from fills must be realized - fees - cost of what is held, to the atom, at every fill."""
        account, position = self.accounts[key], self.risk.known.ledger.by_strategy[key]
        self.compared += 1
        if account.cash_atoms != position.realized_atoms - position.fees_atoms - position.cost_atoms:
            self.problems.append(f"{key}: cash {account.cash_atoms} is not what the ledger says")

    def mark(self, symbol):
        book = self.books[symbol]
        if book.is_trusted:
            self.marks[symbol] = book.bid_ticks + book.ask_ticks

    def position_lots(self, symbol):
        return sum(one.position_lots for (_, of), one in self.accounts.items() if of == symbol)

    def live_lots(self, symbol, side):
        return sum(lots for of, at, lots, _ in self.live.values() if (of, at) == (symbol, side))

    def exposed_atoms(self, symbol):
        """The position at the mark and every live order at its price."""
        tick_lot_atoms = self.rules[symbol].tick_lot_atoms
        held = abs(self.position_lots(symbol)) * self.marks.get(symbol, 0) * tick_lot_atoms // 2
        return held + sum(
            lots * price * tick_lot_atoms for of, _, lots, price in self.live.values() if of == symbol
        )

    def approved(self, message, now_ns):
        symbol, side, settings = message.symbol, message.side, self.settings
        limits, rules = settings.limits_of(symbol), self.rules[symbol]
        book = self.books[symbol]
        price_ticks = message.price_ticks or (book.ask_ticks if side == 0 else book.bid_ticks)
        worst_lots = side.sign * self.position_lots(symbol) + self.live_lots(symbol, side) + message.qty_lots
        self.live[message.client_order_id] = [symbol, side, message.qty_lots, price_ticks]
        self.approvals_ns.append(now_ns)
        while self.approvals_ns[0] <= now_ns - 3600 * NS_PER_S:
            self.approvals_ns.popleft()
        if worst_lots <= 0:
            return
        atoms = message.qty_lots * price_ticks * rules.tick_lot_atoms
        worst_atoms = worst_lots * self.marks[symbol] * rules.tick_lot_atoms // 2
        portfolio = sum(self.exposed_atoms(of) for of in self.rules)
        middle = abs(2 * price_ticks - self.marks[symbol]) * 10_000
        scale = rules.quote_exponent
        measured = {
            "order": (atoms, limits.order_notional_max.scaleb(scale)),
            "position": (worst_atoms, limits.position_notional_max.scaleb(scale)),
            "symbol": (self.exposed_atoms(symbol), limits.symbol_notional_max.scaleb(scale)),
            "portfolio": (portfolio, settings.portfolio_notional_max.scaleb(scale)),
            "open orders": (sum(of == symbol for of, *_ in self.live.values()), limits.open_orders_max),
            "price band": (middle, limits.price_band_bps * self.marks[symbol]),
            "orders in 1 s": (self.approved_in(now_ns, 1), settings.orders_per_s_max),
            "orders in 60 s": (self.approved_in(now_ns, 60), settings.orders_per_min_max),
            "orders in 1 h": (len(self.approvals_ns), settings.orders_per_hour_max),
        }
        self.problems += [
            f"{message.client_order_id}: {name} {value} above {limit}"
            for name, (value, limit) in measured.items()
            if value > limit
        ]
        self.limits_seen.update(measured)

    def approved_in(self, now_ns, seconds):
        return sum(1 for one in reversed(self.approvals_ns) if one > now_ns - seconds * NS_PER_S)

    def filled(self, fill):
        self.accounts[fill.strategy, fill.symbol].fill(fill, self.rules[fill.symbol].tick_lot_atoms)
        if fill.leaves_lots == 0:
            self.live.pop(fill.client_order_id, None)
        elif fill.client_order_id in self.live:
            self.live[fill.client_order_id][2] = fill.leaves_lots


def watched(sections):
    """Return a run of the whole mesh and the watcher of its log."""
    watcher = Watcher(sections["risk"])
    run = assemble(sections, build="test", store=watcher.take)
    watcher.risk = run.mesh.hosts["risk"].core
    return run, watcher


def finish(run, watcher):
    """Let what is on its way arrive; return the check of the log after everything held."""
    run.settle()
    check = watcher.log.finish()
    assert check.problems == []
    assert watcher.problems == []
    assert watcher.compared >= check.fill_count > 0
    return check


@pytest.mark.timeout(0)
@pytest.mark.parametrize("regime", SHARES)
@pytest.mark.req("BT-7", "I-11", "I-16", "RK-4")
def test_no_limit_is_passed_and_every_sum_is_exact(regime):
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    sections["venue_sim"] = dataclasses.replace(sections["venue_sim"], seed=SEED, regime=regime)
    run, watcher = watched(sections)

    run.run(run.now_ns + int(MINUTES * SHARES[regime] * 60) * NS_PER_S, stop=lambda: bool(watcher.problems))

    finish(run, watcher)
    assert len(watcher.limits_seen) == 9
    if regime == "adverse":
        shows_no_free_lunch(watcher)


def shows_no_free_lunch(watcher):
    """Adverse flow takes from makers: their fills lose more in 10 s than the spread they earned.

    A grid never sells below what it bought for, so each of its cycles wins by its making, as long as it holds
    the rest: it is judged by its fills, as the maker is. Who leaves by stops is judged by the round trips.
    """
    for strategy in ("as_btc", "grid_eth"):
        parts = watcher.parts[strategy]
        lost_atoms = parts.adverse_100ms_atoms + parts.adverse_1s_atoms + parts.adverse_10s_atoms
        assert parts.spread_atoms + lost_atoms < 0, strategy
    trips = {key[0]: (account.won, account.lost) for key, account in watcher.accounts.items()}
    assert trips["imb_btc"][1] > 0
    assert sum(won + lost for won, lost in trips.values()) >= 5


@pytest.mark.parametrize(
    ("names", "symbol"),
    [
        (("usdm_btcusdt_20240808",), "binance_usdm:BTCUSDT"),
        (("spot_btcusdt_20240808", "spot_btcusdt_20240809"), "binance:BTCUSDT"),
    ],
)
@pytest.mark.req("I-11", "I-16", "RK-4")
def test_the_same_holds_on_real_captures(captures, names, symbol):
    files = [str(captures / "binance_hft" / f"{name}.raw.gz") for name in names]
    fitted, _ = config.for_replay(config.load("deploy/paper.yaml", {}), [symbol], files)
    run, watcher = watched(config.sections(fitted))

    run.run(stop=lambda: bool(watcher.problems))

    finish(run, watcher)
