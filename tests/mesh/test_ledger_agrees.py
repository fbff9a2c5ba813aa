"""One recorded run, four books: risk, the paper account, the gateway and the report agree to the atom.

The truth of the test is a fifth one: plain sums of cash, quantity and fees over the fills, by hand.
"""

from collections import defaultdict

import pytest

from services.broker.core import BrokerCore
from services.cli import config
from services.fused.assemble import assemble
from services.gateway.view import GatewayView
from services.report.fold import ReportFold
from services.risk.core import RiskCore
from shared.messages import guards, orders, system
from shared.messages.market import FundingRate
from shared.units import NS_PER_S

ROOT_CONFIG = "deploy/paper.yaml"
FUNDING_S = 45


class Hand:
    """Cash, lots, fees and funding of each (strategy, symbol), summed by hand."""

    def __init__(self):
        self.cash, self.lots = defaultdict(int), defaultdict(int)
        self.fees, self.funding = defaultdict(int), defaultdict(int)

    def take(self, message, rules):
        key = (message.strategy, message.symbol)
        if isinstance(message, orders.FundingPaid):
            self.funding[key] += message.amount_atoms
            return key
        sign = 1 - 2 * int(message.side)
        scale = rules[message.symbol].tick_lot_atoms
        self.cash[key] -= sign * message.price_ticks * message.qty_lots * scale
        self.lots[key] += sign * message.qty_lots
        self.fees[key] += message.fee_atoms
        return key

    def row(self, key):
        return self.cash[key] - self.fees[key], self.lots[key], self.fees[key], self.funding[key]

    def equity(self, key, mid_half_ticks, scale):
        value = self.lots[key] * mid_half_ticks * scale // 2
        return self.cash[key] - self.fees[key] + self.funding[key] + value


def default_mesh(_captures):
    return config.sections(config.load(ROOT_CONFIG, {})), 130


def real_capture(captures):
    files = [str(captures / "binance_hft" / "usdm_btcusdt_20240808.raw.gz")]
    fitted, _ = config.for_replay(config.load(ROOT_CONFIG, {}), ["binance_usdm:BTCUSDT"], files)
    return config.sections(fitted), 100_000


@pytest.fixture(scope="module", params=[default_mesh, real_capture], ids=["generated", "capture"])
def recorded(request, captures):
    """Return the log of a fused run, with a funding time of each perpetual in it."""
    sections, seconds = request.param(captures)
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    begin_ns = run.now_ns
    run.run(begin_ns + 30 * NS_PER_S)
    for symbol, place in run.mesh.hosts["risk"].core.known.markets.items():
        if place.rules is not None and place.rules.is_derivative:
            due_ns, mark = begin_ns + FUNDING_S * NS_PER_S, place.mark_half_ticks * 50
            run.mesh.say("market_data.io", FundingRate(symbol, 12_345, due_ns, mark, mark, 0, 0))
    run.run(begin_ns + seconds * NS_PER_S)
    run.settle()
    return events


@pytest.mark.req("RK-20", "RK-29", "I-15", "I-16")
def test_risk_broker_gateway_and_report_agree_at_every_fill(recorded):
    risk, broker, view, report = RiskCore(), BrokerCore(), GatewayView(), ReportFold()
    hand, told, compared = Hand(), {}, 0
    booked_count = fill_count = 0
    for event in recorded:
        for book in (risk, broker, view, report):
            book.apply(event)
        message = event.message
        if isinstance(message, orders.Fill | orders.FundingPaid):
            booked_count += 1
            fill_count += isinstance(message, orders.Fill)
            key = hand.take(message, view.rules)
            told[event.header.seq] = hand.row(key)
            assert_ledger(risk.known.ledger, hand, key)
            assert_report(report, hand, key)
            # What the broker says at one event it has booked before the first of it is on the log.
            rows = broker.known.account.rows.values()
            if broker.known.fill_count + sum(row.funding_count for row in rows) == booked_count:
                compared += 1
                assert_account(broker, hand)
        elif isinstance(message, orders.PositionChanged):
            record = view.positions[message.strategy, message.symbol]
            cash = record.realized_atoms - record.cost_atoms - record.fees_atoms
            shown = (cash, record.position_lots, record.fees_atoms, record.funding_atoms)
            assert shown == told[event.header.cause_seq]

    assert fill_count >= 10
    assert compared >= 10
    assert {key for key, funding in hand.funding.items() if funding}
    assert broker.known.equality.compare(broker.known.account) == ([], 0)


def assert_ledger(ledger, hand, key):
    position, books = ledger.by_strategy[key], ledger.books[key]
    cash, lots, fees, funding = hand.row(key)
    quote, base = ledger.terms[key[1]].quote_asset, ledger.terms[key[1]].base_asset
    assert (position.position_lots, position.fees_atoms) == (lots, fees)
    assert position.realized_atoms - position.cost_atoms - position.fees_atoms == cash
    assert books.balance("cash", quote) == cash + funding
    assert books.balance("held", base) == lots * ledger.terms[key[1]].lot_base_atoms
    assert set(books.sums().values()) == {0}
    assert ledger.position_lots(key[1]) == sum(
        lots for (_, symbol), lots in hand.lots.items() if symbol == key[1]
    )


def assert_report(report, hand, key):
    """Equity of the report is that by hand, and its parts sum to it."""
    parts = report.profits.parts(key)
    rules = report.marks.rules[key[1]]
    mid = report.marks.mids_half_ticks[key[1]]
    assert parts.equity_atoms == hand.equity(key, mid, rules.tick_lot_atoms)
    assert total(parts) == parts.equity_atoms


def assert_account(broker, hand):
    for key, row in broker.known.account.rows.items():
        assert (row.cash_atoms, row.lots, row.fees_atoms, row.funding_atoms) == hand.row(key)


def total(parts):
    adverse = (
        parts.adverse_100ms_atoms + parts.adverse_1s_atoms + parts.adverse_10s_atoms + parts.adverse_60s_atoms
    )
    return parts.spread_atoms + adverse + parts.inventory_atoms - parts.fees_atoms + parts.funding_atoms


@pytest.mark.req("RK-29", "I-16")
def test_the_parts_that_risk_says_are_those_of_the_report_at_that_moment(recorded):
    report, parts_at, said_count = ReportFold(), {}, 0
    for event in recorded:
        report.apply(event)
        message = event.message
        if isinstance(message, orders.Fill | system.Tick):
            parts_at[event.header.seq] = {key: report.profits.parts(key) for key in report.unrealized}
        elif isinstance(message, guards.ProfitParts):
            said_count += 1
            said = parts_at[event.header.cause_seq][message.strategy, message.symbol]
            assert tuple(said) == (
                message.spread_atoms,
                message.adverse_100ms_atoms,
                message.adverse_1s_atoms,
                message.adverse_10s_atoms,
                message.adverse_60s_atoms,
                message.inventory_atoms,
                message.fees_atoms,
                message.funding_atoms,
                message.equity_atoms,
            )
            assert total(message) == message.equity_atoms

    assert said_count >= 3


@pytest.mark.req("RK-29")
def test_the_round_trips_that_risk_says_are_those_of_the_report(recorded):
    report = ReportFold()
    for event in recorded:
        report.apply(event)
    said = [event.message for event in recorded if isinstance(event.message, guards.RoundTrip)]

    totals = report.result()["totals"]

    assert totals["round_trips"] == len(said) > 0
    wins = sum(trip.gross_atoms - trip.fees_atoms + trip.funding_atoms > 0 for trip in said)
    assert totals["win_rate"] == f"{wins / len(said):.4f}"
    assert all(trip.closed_ns >= trip.opened_ns for trip in said)


@pytest.mark.req("I-15")
def test_funding_is_said_once_for_each_position_of_its_time(recorded):
    paid = [event.message for event in recorded if isinstance(event.message, orders.FundingPaid)]

    places = [(each.strategy, each.symbol, each.funding_ns) for each in paid]
    assert len(set(places)) == len(places) > 0
    assert all(each.position_lots for each in paid)
