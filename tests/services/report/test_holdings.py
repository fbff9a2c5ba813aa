from services.broker.settings import BrokerSettings
from services.report.holdings import Holdings
from shared.messages import system
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
