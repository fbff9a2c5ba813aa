"""Sums of money: a spot wallet pays for all its markets, and profits are exact in 10^-8 of the currency."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.risk.core import RiskCore
from services.risk.money import RiskMoney
from services.risk.monitor_settings import Prepared
from services.risk.settings import RiskSettings
from shared.messages import control, orders
from shared.units import Side

OTHER = "binance:ETHUSDT"


@pytest.fixture
def spot(make_bench):
    settings = replace(RiskSettings(), prepared=Prepared(wallet_balance=Decimal(1000)))
    bench = make_bench(settings).start(symbols=(make_bench.SPOT, OTHER), is_derivative=False)
    assert isinstance(bench.risk.known, RiskMoney)
    return bench


def free(bench, symbol):
    known = bench.risk.known
    return known.free_cash_atoms(known.markets[symbol].rules)


@pytest.mark.req("RK-2")
def test_a_wallet_is_shared_by_the_markets_of_a_venue_and_quote_asset(spot):
    assert free(spot, spot.SPOT) == free(spot, OTHER) == 1000 * 10**8

    # An open buy of 5 lots at 60,000 holds 300 and 5 bps back, 0.15
    spot.resting(Side.BUY, 600_000, 5, symbol=OTHER)

    assert free(spot, spot.SPOT) == free(spot, OTHER) == (1000 * 10**8) - 30_015_000_000


@pytest.mark.req("RK-2")
def test_what_is_bought_is_paid_and_what_is_sold_comes_back(spot):
    spot.fill_position(Side.BUY, 5, symbol=spot.SPOT)
    fee = -(-5 * 600_010 * 10_000 * 500 // 1_000_000)
    paid = 1000 * 10**8 - 5 * 600_010 * 10_000 - fee
    assert free(spot, OTHER) == paid

    spot.fill_position(Side.SELL, 5, symbol=spot.SPOT)
    fee = -(-5 * 600_000 * 10_000 * 500 // 1_000_000)
    assert free(spot, OTHER) == paid + 5 * 600_000 * 10_000 - fee


@pytest.mark.req("RK-2")
def test_the_venue_never_has_to_refuse_a_buy_for_want_of_money(spot):
    verdicts = [spot.verdict(Side.BUY, 599_000 - i, 5, symbol=spot.SPOT) for i in range(5)]
    spot.pass_ms(200)

    assert [getattr(verdict, "code", "") for verdict in verdicts] == ["", "", "", "balance", "balance"]
    assert verdicts[3].qty_lots == 1
    assert not spot.said(orders.OrderRejected)


def test_a_derivative_has_no_cash_limit(bench):
    assert free(bench, bench.PERP) == 2**63 - 1


def test_profit_by_strategy_adds_up_to_that_of_the_account(bench):
    bench.fill_position(Side.BUY, 5, strategy="a")
    bench.fill_position(Side.SELL, 3, strategy="b")
    bench.book(bids=((601_000, 5),), asks=((601_010, 5),))

    profits = bench.risk.known.strategy_pnl_e8()

    assert set(profits) == {"a", "b"}
    assert sum(profits.values()) == bench.risk.known.pnl_e8()
    assert bench.risk.known.equity_e8() == 10_000 * 10**8 + bench.risk.known.pnl_e8()


@pytest.mark.req("RK-12", "I-39")
def test_a_large_accepted_loss_fits_a_snapshot(make_bench):
    # Given a loss of about 100, more than 10^-18 of it fit 64 bits
    bench = make_bench(replace(RiskSettings(), loss_max=Decimal(50))).start()
    bench.fill_position(Side.BUY, 50)
    bench.book(bids=((580_000, 50),), asks=((580_010, 50),))
    bench.pass_ms(100)
    assert bench.said(control.KillRequested)

    bench.say("operator", control.KillClearRequested("me", "accepted"))

    core = RiskCore()
    core.restore(bench.risk.snapshot())
    assert core.digest() == bench.risk.digest()
    assert core.known.loss_money() < 10**12
