"""Inventory of a testnet account: only what it lacks, and never with real money."""

from decimal import Decimal

import pytest

from services.broker.settings import VenueAccess
from services.canceller.truth import Truth
from services.cli import config
from services.cli.config_model import Seed
from services.cli.prestart_live import AccountTruth
from services.cli.seeding import plan, seed_accounts
from shared.errors import ConfigError
from shared.execution.reports import Balance
from shared.messages.control import RouteRequested
from shared.messages.market import InstrumentRules
from shared.units import Side

SYMBOL = "binance:BTCUSDT"
RULES = InstrumentRules(
    symbol=SYMBOL,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.01",
    lot_size="0.001",
    quote_exponent=8,
    tick_lot_atoms=1000,
    min_qty_lots=2,
    max_qty_lots=0,
    min_notional_atoms=0,
    min_price_ticks=0,
    max_price_ticks=0,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    is_derivative=False,
)
WANTED = Seed("binance", "BTC", Decimal("0.5"))


def account(*balances, rules=RULES):
    access = VenueAccess(name="binance", symbols=("BTCUSDT",), network="testnet")
    known = {rules.symbol: rules} if rules is not None else {}
    return AccountTruth(access=access, truth=Truth(None, list(balances), [], []), rules=known)


@pytest.mark.req("BR-25")
def test_an_account_buys_what_it_lacks_and_says_why_on_the_log():
    request, text = plan(WANTED, account(Balance("BTC", "0.1", "0.0215")))

    assert isinstance(request, RouteRequested)
    assert (request.symbols, request.side, request.quantity) == ([SYMBOL], Side.BUY, "0.379")
    assert request.reason == "testnet inventory: 0.1215 is there, 0.5 wanted"
    assert "0.379 is bought at the market of binance:BTCUSDT" in text


def test_a_little_that_is_missing_is_bought_as_the_least_order():
    request, _ = plan(WANTED, account(Balance("BTC", "0.4999")))

    assert request is not None
    assert request.quantity == "0.002"


@pytest.mark.req("BR-25")
def test_an_account_that_holds_enough_buys_nothing():
    request, text = plan(WANTED, account(Balance("BTC", "20")))

    assert request is None
    assert "20 is there, at least 0.5 wanted: nothing is bought" in text


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "it is not traded here"),
        (AccountTruth(access=account().access, error="no answer", rules={}), "no answer"),
        (account(rules=None), "no spot market of it is traded here"),
    ],
)
def test_what_cannot_be_known_or_bought_is_said_and_nothing_is_asked(told, expected):
    request, text = plan(WANTED, told)

    assert request is None
    assert expected in text


def test_seeds_are_of_the_testnet_alone(tmp_path):
    text = "symbols: [binance:BTCUSDT]\nvenues: {binance: {url: '%s', key: k, seed: {BTC: '%s'}}}\n"

    paper = config.loads("t.yaml", text % ("sim", "1"), {})
    testnet = config.loads("t.yaml", "mode: testnet\n" + text % ("sim", "1"), {})

    assert list(seed_accounts(paper, tmp_path)) == []
    assert testnet.seeds == (Seed("binance", "BTC", Decimal(1)),)
    with pytest.raises(ConfigError, match="bought in mode testnet only"):
        config.loads("t.yaml", "mode: live\n" + text % ("", "1"), {})
    with pytest.raises(ConfigError, match="an amount above 0 is due here"):
        config.loads("t.yaml", "mode: testnet\n" + text % ("sim", "-1"), {})
