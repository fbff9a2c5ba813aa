"""Hours of generated flow through the whole mesh in virtual time: limits, exact equity, no free lunch.

Ten minutes here; `QUOTEMESH_FLOW_HOURS=24 ./quotemesh test tests/mesh/test_flow_campaign.py` is the campaign.
What is checked is worked out again from the log alone; only the ledger of risk is looked into, to compare.
"""

import dataclasses
import os
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.replay.invariants import LogFold
from shared.kernels.book import Book
from shared.messages import market, orders
from shared.units import NS_PER_S

REGIMES = ("trend", "jump", "adverse", "quiet")
MINUTES = float(os.environ.get("QUOTEMESH_FLOW_HOURS") or 1 / 6) * 60 / len(REGIMES)
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

    limit_money: Decimal
    log: LogFold = field(default_factory=LogFold)
    rules: dict = field(default_factory=dict)
    books: dict = field(default_factory=lambda: defaultdict(Book))
    accounts: dict = field(default_factory=lambda: defaultdict(Account))
    live: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    risk: object = None
    compared: int = 0

    def take(self, stored):
        event = stored.event
        self.log.apply(event)
        message = event.message
        if isinstance(message, market.InstrumentRules):
            self.rules[message.symbol] = message
        elif isinstance(message, market.BookSnapshot):
            self.books[message.symbol].snapshot(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, market.BookUpdate):
            self.books[message.symbol].update(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, market.BookInvalid):
            self.books[message.symbol].invalidate()
        elif isinstance(message, (orders.OrderApproved, orders.OrderAdjusted)):
            self.approved(message)
        elif isinstance(message, orders.Fill):
            self.filled(message)
        elif isinstance(message, ENDS):
            self.live.pop(message.client_order_id, None)
        elif isinstance(message, orders.PositionChanged):
            # Every fill stored before this event has been applied by every core.
            self.compare_ledger((message.strategy, message.symbol))

    def compare_ledger(self, key):
        """Cash from fills must be realized - fees - cost of what is held, to the atom, at every fill."""
        account, position = self.accounts[key], self.risk.known.ledger.by_strategy[key]
        self.compared += 1
        if account.cash_atoms != position.realized_atoms - position.fees_atoms - position.cost_atoms:
            self.problems.append(f"{key}: cash {account.cash_atoms} is not what the ledger says")

    def approved(self, message):
        self.live[message.client_order_id] = [message.symbol, message.side, message.qty_lots]
        position = sum(
            a.position_lots for (_, symbol), a in self.accounts.items() if symbol == message.symbol
        )
        waiting = sum(
            lots
            for symbol, side, lots in self.live.values()
            if (symbol, side) == (message.symbol, message.side)
        )
        worst_lots = message.side.sign * position + waiting
        book, rules = self.books[message.symbol], self.rules[message.symbol]
        worst_atoms = worst_lots * (book.bid_ticks + book.ask_ticks) * rules.tick_lot_atoms // 2
        limit_atoms = int(self.limit_money.scaleb(rules.quote_exponent))
        is_reducing = worst_lots <= 0
        if worst_atoms > limit_atoms and not is_reducing:
            self.problems.append(f"{message.client_order_id}: worst case {worst_atoms} above {limit_atoms}")

    def filled(self, fill):
        self.accounts[fill.strategy, fill.symbol].fill(fill, self.rules[fill.symbol].tick_lot_atoms)
        if fill.leaves_lots == 0:
            self.live.pop(fill.client_order_id, None)
        elif fill.client_order_id in self.live:
            self.live[fill.client_order_id][2] = fill.leaves_lots


def watched(sections):
    """Return a run of the whole mesh and the watcher of its log."""
    watcher = Watcher(sections["risk"].limits.position_notional_max)
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
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.req("BT-7", "I-11", "I-16", "RK-4")
def test_no_limit_is_passed_and_every_sum_is_exact(regime):
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    sections["venue_sim"] = dataclasses.replace(sections["venue_sim"], seed=SEED, regime=regime)
    run, watcher = watched(sections)

    run.run(run.now_ns + int(MINUTES * 60) * NS_PER_S, stop=lambda: bool(watcher.problems))

    finish(run, watcher)
    if regime == "adverse":
        trips = [account for account in watcher.accounts.values() if account.won + account.lost >= 5]
        assert trips
        assert all(account.lost > 0 for account in trips)


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
