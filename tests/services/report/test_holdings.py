import pytest
from msgspec.structs import replace

from services.broker.settings import BrokerSettings
from services.report.holdings import Holdings
from shared.messages import orders, system
from shared.settings import pack
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


def test_a_position_is_shown_with_its_average_price_and_both_profits(log, market_rules):
    log.say(market_rules())
    log.touch(1009, 1011)
    log.fill("a", "t1", price=1000, qty=10, fee_atoms=20)
    log.fill("b", "t2", side=Side.SELL, price=1020, qty=4)

    (line,) = Holdings.of(log.events).position_lines()

    assert line == {
        "strategy": "as_btc",
        "symbol": SYMBOL,
        "qty": "0.006",
        "average_price": "100.0000",
        "realized_pnl": "0.008",
        "unrealized_pnl": "0.006",
        "fees": "0.0000002",
        "funding": "0.00",
        "volume": "1.408",
        "quote_asset": "USDT",
    }


def test_a_wallet_is_one_per_venue_and_asset_and_holds_what_its_markets_earned(log, market_rules):
    settings = pack(BrokerSettings(initial_balance=5000))
    log.say(system.ServiceStarted("broker", 1, "build", settings, ["broker"]), source="bus")
    log.say(market_rules())
    log.say(market_rules("binance:BTCUSDT"))
    log.touch(1009, 1011)
    log.fill("a", "t1", fee_atoms=1_000_000)

    spot, usdm = Holdings.of(log.events).wallet_lines()

    assert (spot["venue"], spot["equity"]) == ("binance", "5000.00")
    assert (usdm["initial"], usdm["fees"], usdm["unrealized_pnl"], usdm["equity"]) == (
        "5000.00",
        "0.01",
        "0.01",
        "5000.00",
    )


def test_without_a_broker_the_money_of_a_wallet_is_not_known(log, market_rules):
    log.say(market_rules())

    (line,) = Holdings.of(log.events).wallet_lines()

    assert (line["initial"], line["equity"]) == (None, None)


@pytest.mark.req("RK-29", "I-16")
def test_a_spot_wallet_shows_what_really_lies_in_it(log, market_rules):
    # 0.010 BTC bought at 100.0 for 1.00 USDT; 10,000 of the 1,000,000 atoms of BTC are the fee.
    settings = pack(BrokerSettings(initial_balance=5000))
    spot = replace(market_rules("binance:BTCUSDT"), is_derivative=False)
    log.say(system.ServiceStarted("broker", 1, "build", settings, ["broker"]), source="bus")
    log.say(spot)
    log.touch(999, 1001, symbol=spot.symbol)
    log.fill("a", "t1", symbol=spot.symbol, fee_asset="BTC", fee_atoms=10_000)

    usdt, btc = Holdings.of(log.events).wallet_lines()

    assert (usdt["asset"], usdt["held"], usdt["fees"], usdt["equity"]) == (
        "USDT",
        "4999.00",
        "0.01",
        "4999.99",
    )
    assert (btc["asset"], btc["held"], btc["equity"]) == ("BTC", "0.0099", None)


@pytest.mark.req("RK-29")
def test_a_wallet_of_derivatives_holds_its_margin_and_the_funding(log, market_rules):
    settings = pack(BrokerSettings(initial_balance=5000))
    log.say(system.ServiceStarted("broker", 1, "build", settings, ["broker"]), source="bus")
    log.say(market_rules())
    log.touch(1009, 1011)
    log.fill("a", "t1", price=1000, qty=10, fee_atoms=1_000_000)
    log.fill("b", "t2", side=Side.SELL, price=1020, qty=4)
    log.say(orders.FundingPaid("as_btc", SYMBOL, 1, 10_000, 101_000, 6, -6_060, "USDT"), source="broker")

    (line,) = Holdings.of(log.events).wallet_lines()

    # Realized 0.008, less the fee of 0.01, less funding of 0.0000606; the open 6 lots gained 0.006.
    assert (line["held"], line["funding"]) == ("4999.9979394", "-0.0000606")
    assert line["equity"] == "5000.0039394"
