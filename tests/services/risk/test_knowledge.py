"""What risk knows is restored from a snapshot, the same to the byte."""

import pytest

from services.risk.core import RiskCore
from shared.messages import orders
from shared.units import Side


@pytest.mark.req("I-39")
def test_a_restored_core_goes_on_as_if_it_had_never_stopped(bench):
    bench.fill_position(Side.BUY, 5)
    bench.resting(Side.SELL, 600_020, 3)
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()

    seen = len(bench.log)
    bench.resting(Side.BUY, 599_990, 3)
    bench.trade(Side.SELL, 599_900, 9)
    for event in bench.log[seen:]:
        copy.apply(event)

    assert copy.digest() == bench.risk.digest()


def test_anything_else_than_a_snapshot_is_refused():
    with pytest.raises(ValueError, match=r"Expected|malformed|truncated|invalid"):
        RiskCore().restore(b"\xc1nonsense")


def test_profit_and_portfolio_are_sums_over_markets(bench):
    bench.fill_position(Side.BUY, 10)
    bench.resting(Side.SELL, 600_020, 3)

    # Bought 10 at 600,010, marked at 600,005; the fee is 5 bps of the notional.
    notional = 10 * 600_010 * 10_000
    fee = -(-notional * 500 // 1_000_000)
    assert bench.risk.known.pnl_money() == (-10 * 5 * 10_000 - fee) * 10**10
    resting = 3 * 600_020 * 10_000
    assert bench.risk.known.portfolio_money() == (10 * 600_005 * 10_000 + resting) * 10**10


def test_a_market_in_another_currency_is_left_out_of_the_sums(make_bench):
    bench = make_bench().start(quote_asset="EUR")

    assert bench.verdict().code == "currency"
    assert bench.risk.known.portfolio_money() == 0
    assert not bench.said(orders.OrderApproved)
