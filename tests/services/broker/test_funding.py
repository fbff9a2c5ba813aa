"""Funding on paper: owed by the position of its very time, booked once, against us."""

import pytest

from services.broker.core import BrokerCore
from services.broker.funding import RATE_E8_MAX, ROLL_NS, FundingClock, funding_amount
from shared.messages import orders
from shared.messages.market import FundingRate
from shared.units import NS_PER_MS, NS_PER_S, Side

MARK = 60_000_500


def rate(bench, in_ms, rate_e8=10_000, mark_centiticks=MARK, symbol=None):
    """Say a rate of 1 bp that is paid `in_ms` from now; return that time."""
    at_ns = bench.mesh.now_ns + in_ms * NS_PER_MS
    symbol = symbol or bench.PERP
    bench.say("market_data.io", FundingRate(symbol, rate_e8, at_ns, mark_centiticks, 0, 0, 0))
    return at_ns


def paid(bench):
    return bench.said(orders.FundingPaid)


@pytest.mark.req("RK-29")
@pytest.mark.parametrize(
    ("lots", "mark", "rate_e8", "atoms"),
    [
        # 0.010 BTC at 60,000.50 pay 0.01 %: 0.06000050 USDT.
        (10, 60_000_500, 10_000, -6_000_050),
        (-10, 60_000_500, 10_000, 6_000_050),
        (10, 60_000_500, -10_000, 6_000_050),
        # 3 lots at 1.23 ticks: 3 * 1.23 * 10,000 * 7e-8 = 0.002583 atoms: none comes, one goes.
        (3, 123, 7, -1),
        (-3, 123, 7, 0),
        (0, 60_000_500, 10_000, 0),
    ],
)
def test_the_amount_is_worked_out_by_hand_and_rounded_against_us(lots, mark, rate_e8, atoms):
    assert funding_amount(lots, mark, 10_000, rate_e8) == atoms


@pytest.mark.req("RK-29", "I-15")
def test_each_strategy_pays_for_its_position_once_when_the_time_passes(bench):
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 3, strategy="grid")
    at_ns = rate(bench, 1_000)
    bench.pass_ms(900)
    assert paid(bench) == []

    bench.pass_ms(5_000)

    assert [(p.strategy, p.position_lots, p.amount_atoms) for p in paid(bench)] == [
        ("grid", -3, 1_800_015),
        ("mm", 5, -3_000_025),
    ]
    assert {p.funding_ns for p in paid(bench)} == {at_ns}
    assert bench.risk.known.ledger.funding_atoms(bench.PERP) == 1_800_015 - 3_000_025
    rules, mark = bench.rules(), bench.risk.known.markets[bench.PERP].mark_centiticks
    gain = bench.broker.known.account.gain_atoms(rules, mark)
    assert bench.risk.known.ledger.profit_atoms(bench.PERP, mark) == gain


@pytest.mark.req("RK-29")
def test_the_newest_rate_before_the_time_counts_and_a_late_one_does_not(bench):
    bench.fill_position(Side.BUY, 5)
    at_ns = rate(bench, 1_000)
    bench.pass_ms(500)
    rate(bench, 500, rate_e8=20_000)
    bench.pass_ms(600)
    bench.say("market_data.io", FundingRate(bench.PERP, 90_000, at_ns, MARK, 0, 0, 0))
    bench.pass_ms(1_000)

    (said,) = paid(bench)
    assert (said.rate_e8, said.amount_atoms) == (20_000, -6_000_050)


@pytest.mark.req("RK-29")
def test_the_position_is_that_of_the_time_and_not_of_the_next_event(bench):
    rate(bench, 1_000)
    bench.pass_ms(900)
    # On its way before the time, at the venue 50 ms later: 20 ms before the time, or after it.
    bench.mesh.tick(bench.mesh.now_ns + 30 * NS_PER_MS)
    bench.intent(Side.BUY, 0, 5, order_type=orders.OrderType.MARKET)
    bench.mesh.tick(bench.mesh.now_ns + 10 * NS_PER_MS)
    bench.intent(Side.BUY, 0, 2, strategy="late", order_type=orders.OrderType.MARKET)
    bench.mesh.tick(bench.mesh.now_ns + 8 * NS_PER_MS)
    bench.pass_ms(500)

    times = {fill.strategy: fill.ts_venue_ns for fill in bench.said(orders.Fill)}
    at_ns = paid(bench)[0].funding_ns
    assert times["mm"] < at_ns
    assert [(p.strategy, p.position_lots) for p in paid(bench)] == [
        (name, lots) for name, lots in (("late", 2), ("mm", 5)) if times[name] <= at_ns
    ]


def test_spot_and_a_flat_account_pay_nothing(bench):
    bench.fill_position(Side.BUY, 5, symbol=bench.SPOT)
    rate(bench, 200, symbol=bench.SPOT)
    rate(bench, 200)
    bench.pass_ms(1_000)

    assert paid(bench) == []


def test_a_rate_without_a_mark_or_beyond_reason_is_not_heard(bench):
    bench.fill_position(Side.BUY, 5)
    rate(bench, 200, rate_e8=RATE_E8_MAX + 1)
    rate(bench, 200, rate_e8=-RATE_E8_MAX - 1)
    rate(bench, 200, mark_centiticks=0)
    rate(bench, -200)
    bench.pass_ms(1_000)

    assert paid(bench) == []


def test_a_mark_beyond_all_numbers_does_not_end_the_broker(bench):
    bench.fill_position(Side.BUY, 5)
    rate(bench, 200, mark_centiticks=2**63 - 1, rate_e8=RATE_E8_MAX)
    bench.pass_ms(1_000)

    assert paid(bench)[0].amount_atoms == -(2**63 - 1)
    assert bench.risk.known.ledger.funding_atoms(bench.PERP) == -(2**63 - 1)


@pytest.mark.req("I-15", "I-39")
def test_a_restart_before_and_after_the_time_pays_once(bench):
    bench.fill_position(Side.BUY, 5)
    rate(bench, 1_000)
    before = BrokerCore()
    before.restore(bench.broker.snapshot())
    seen = len(bench.log)
    bench.pass_ms(2_000)

    replayed = bench.replayed(BrokerCore())
    said = [out for event in bench.log[seen:] for out in before.apply(event)]
    after = BrokerCore()
    after.restore(bench.broker.snapshot())

    assert [out.message for out in said if isinstance(out.message, orders.FundingPaid)] == paid(bench)
    assert before.digest() == replayed.digest() == after.digest() == bench.broker.digest()
    assert after.known.funding.owed == []


@pytest.mark.req("I-15", "I-39")
def test_a_payment_lost_in_a_crash_is_said_by_the_next_build_with_the_position_of_then(bench):
    bench.fill_position(Side.BUY, 5)
    rate(bench, 1_000)
    bench.pass_ms(1_100)
    log = [event for event in bench.log if not isinstance(event.message, orders.FundingPaid)]
    adopted, complete = BrokerCore(), BrokerCore()
    for event in log:
        adopted.adopt(event)
    for event in bench.log:
        complete.adopt(event)

    bench.pass_ms(100)
    event = bench.log[-1]

    assert [out.message for out in adopted.apply(event)] == paid(bench)
    assert complete.apply(event) == []
    assert adopted.known.account.dump() == complete.known.account.dump()


def test_a_time_that_the_venue_moved_is_not_paid_but_one_that_is_due_is_kept():
    clock = FundingClock()

    def hear(at_ns, now_ns, rate_e8=5):
        clock.hear(FundingRate("m:X", rate_e8, at_ns, 100, 0, 0, 0), now_ns)

    hear(8 * 3600 * NS_PER_S, now_ns=1)
    hear(4 * 3600 * NS_PER_S, now_ns=2)
    assert [each.funding_ns for each in clock.dump().rates] == [4 * 3600 * NS_PER_S]

    # Ours is a second behind: the venue names the next time, ours has yet to come.
    hear(8 * 3600 * NS_PER_S, now_ns=4 * 3600 * NS_PER_S - NS_PER_S)
    assert len(clock.dump().rates) == 2
    assert clock.due_ns == 4 * 3600 * NS_PER_S
    assert ROLL_NS > NS_PER_S
