"""Risk says what a round trip earned, after the fill that ended it, also over a crash."""

import msgspec
import pytest

from services.risk.core import RiskCore
from shared.messages import guards, orders
from shared.units import Side


def state_of(core):
    return next(guard for guard in core.known.guards.all if guard.name == "round_trips").dump()


def trips(bench):
    return bench.said(guards.RoundTrip)


@pytest.mark.req("RK-29")
def test_a_round_trip_is_said_with_its_numbers(bench):
    bench.fill_position(Side.BUY, 5)
    opened_ns = bench.log[-1].header.ts_ns
    assert trips(bench) == []
    bench.pass_ms(300)
    bench.fill_position(Side.SELL, 5)

    (trip,) = trips(bench)
    # Bought 5 at 600,010 and sold at 600,000: 10 ticks of 10,000 atoms each; fees 5 bps, rounded up.
    fees = 5 * 600_010 * 5 + 5 * 600_000 * 5
    assert (trip.side, trip.qty_lots, trip.gross_atoms, trip.fees_atoms) == (Side.BUY, 5, -500_000, fees)
    assert trip.quote_asset == "USDT"
    assert trip.closed_ns - trip.opened_ns >= 300_000_000
    assert trip.opened_ns <= opened_ns
    fills = [event.header.seq for event in bench.log if isinstance(event.message, orders.Fill)]
    said = next(event for event in bench.log if isinstance(event.message, guards.RoundTrip))
    assert said.header.cause_seq == fills[-1]


@pytest.mark.req("RK-29", "I-39")
def test_a_trip_that_was_not_said_before_a_crash_is_said_after_it(bench):
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 5)
    log = [event for event in bench.log if not isinstance(event.message, guards.RoundTrip)]
    core = RiskCore()
    for event in log:
        core.adopt(event)
    bench.fill_position(Side.BUY, 1)
    fill = next(event for event in reversed(bench.log) if isinstance(event.message, orders.Fill))

    said = [out.message for out in core.apply(fill)]

    assert [message for message in said if isinstance(message, guards.RoundTrip)] == trips(bench)


@pytest.mark.req("I-39")
def test_adopting_the_log_gives_the_same_state(bench):
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 8)
    adopted = RiskCore()
    for event in bench.log:
        adopted.adopt(event)

    assert state_of(adopted) == state_of(bench.risk)


def test_a_payment_counts_in_the_open_trip_once(bench):
    bench.fill_position(Side.BUY, 5)
    paid = orders.FundingPaid("mm", bench.PERP, bench.mesh.now_ns, 10_000, 60_000_000, 5, -300_000, "USDT")
    bench.say("broker.io", paid)
    bench.say("broker.io", paid)
    bench.say("broker.io", msgspec.structs.replace(paid, symbol="binance:NOPE"))

    last = bench.said(orders.PositionChanged)[-1]
    assert (last.funding_atoms, last.funding_count) == (-300_000, 1)
    bench.fill_position(Side.SELL, 5)
    assert trips(bench)[-1].funding_atoms == -300_000
