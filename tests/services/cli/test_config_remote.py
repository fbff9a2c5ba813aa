"""Venues through ccxt in a configuration: what is taken, what is refused and why."""

import importlib.util

import pytest

from services.cli import config
from services.cli.config_model import normal_symbol
from shared.errors import ConfigError


def loaded(text: str):
    return config.loads("test.yaml", text, {})


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return str(caught.value)


@pytest.mark.req("MD-26")
def test_markets_of_ccxt_venues_are_followed_on_their_own_hosts_with_their_fees() -> None:
    cfg = loaded("symbols: [okx:BTC/USDT, 'bybit:BTC/USDT:USDT']")

    assert cfg.symbols == ["okx:BTC/USDT", "bybit:BTC/USDT:USDT"]
    okx, bybit = cfg.market_data.venues
    assert (okx.url, okx.maker_fee_ppm, okx.taker_fee_ppm) == ("", 1000, 1500)
    assert (bybit.url, bybit.maker_fee_ppm) == ("", 100)


def test_fees_that_are_written_win_and_the_simulated_ones_stay_on_the_simulator() -> None:
    cfg = loaded("symbols: [okx:BTC/USDT, ccxt_binance:BTC/USDT]\nvenues: {okx: {maker_fee_ppm: 80}}")

    okx, simulated = cfg.market_data.venues
    assert (okx.maker_fee_ppm, simulated.url) == (80, "sim")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("okx:btc/usdt", "okx:BTC/USDT"),
        ("OKX: BTC/USDT:USDT", "okx:BTC/USDT:USDT"),
        ("okx:BTCUSDT", None),
        ("okx:BTC/USD:BTC", None),
        ("okx:BTC/USDT:USDT-250926", None),
        ("nokx:BTC/USDT", None),
        ("binance:BTC/USDT", "binance:BTCUSDT"),
    ],
)
def test_names_of_markets_are_taken_in_the_form_of_ccxt(written, meant) -> None:
    assert normal_symbol(written) == meant


@pytest.mark.req("MD-26")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("symbols: [bitfinex:BTC/USDT]", "five significant digits"),
        ("symbols: ['kraken:BTC/USDT:USDT']", "no linear markets"),
        ("symbols: [okx:BTC/USDT]\nvenues: {okx: {url: sim}}", "knows the hosts"),
        ("symbols: [okx:BTC/USDT]\nvenues: {okx: {url: 'https://okx.example'}}", "knows the hosts"),
        ("symbols: [okx:BTC/USDT]\nvenues: {okx: {network: demo}}", "testnet or live"),
        ("mode: testnet\nsymbols: [kraken:BTC/USDT]\nvenues: {kraken: {key: k}}", "no test network"),
        (
            "mode: testnet\nsymbols: ['deribit:BTC/USDC:USDC']\nvenues: {deribit: {key: k}}",
            "no orders are sent",
        ),
        (
            "mode: testnet\nsymbols: [okx:BTC/USDT, 'okx:BTC/USDT:USDT']\nvenues: {okx: {key: k}}",
            "not both",
        ),
        ("symbols: [okx:BTC/USDT]\nvenues: {okx: {proxy: 'socks5://p:1080'}}", "http://host:port"),
        ("symbols: [okx:BTCUSDT]", "okx:BTC/USDT"),
        ("symbols: [ccxt_binance:DOGE/USDT]", "does not make it"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(text, reason) -> None:
    assert reason in refused(text)


def test_the_test_network_of_a_venue_is_a_word_for_its_child() -> None:
    cfg = loaded("mode: testnet\nsymbols: [bybit:BTC/USDT]\nvenues: {bybit: {key: mine}}")

    assert cfg.market_data.venues[0].url == "testnet"
    assert (cfg.broker.venues[0].name, cfg.broker.venues[0].network) == ("bybit", "testnet")


@pytest.mark.req("MD-26")
def test_without_the_extra_the_command_that_installs_it_is_told(monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ccxt" else find(name))

    assert "./quotemesh install ccxt" in refused("symbols: [okx:BTC/USDT]")
    assert loaded("symbols: [binance:BTCUSDT]").symbols == ["binance:BTCUSDT"]
