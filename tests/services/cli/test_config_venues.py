"""Modes and networks: where prices come from and where orders go."""

import pytest

from services.broker.settings import resolved
from services.cli import config
from shared.errors import ConfigError
from shared.settings import pack, unpack

SPOT, USDM = "symbols: [binance:BTCUSDT]\n", "symbols: [binance_usdm:BTCUSDT]\n"


def load(text):
    return config.loads("test.yaml", text, {})


def refusal(text):
    with pytest.raises(ConfigError) as refused:
        load(text)
    return str(refused.value)


def test_on_paper_the_broker_has_no_account_and_the_log_is_synced_in_its_own_time():
    cfg = load(SPOT)

    assert (cfg.mode, cfg.broker.mode, cfg.broker.venues, cfg.bus.sync_orders) == (
        "paper",
        "paper",
        (),
        False,
    )


@pytest.mark.req("BR-2")
def test_testnet_on_the_simulated_venue_needs_no_key_and_syncs_every_approval():
    cfg = load("mode: testnet\n" + SPOT + "venues: {binance: {url: sim}}\n")
    (account,) = cfg.broker.venues

    assert (cfg.mode, cfg.broker.mode, cfg.bus.sync_orders) == ("testnet", "testnet", True)
    assert (account.name, account.symbols, account.network, account.key) == (
        "binance",
        ("BTCUSDT",),
        "sim",
        "sim",
    )
    assert cfg.market_data.venues[0].url == "sim"
    assert unpack(pack(cfg.broker), type(cfg.broker)) == cfg.broker


@pytest.mark.parametrize(("name", "api"), [("binance", "/ws-api/v3"), ("binance_usdm", "/ws-fapi/v1")])
def test_the_simulated_venue_has_its_addresses_once_it_has_said_its_ports(name, api):
    (account,) = load(f"mode: testnet\nsymbols: [{name}:BTCUSDT]\n").broker.venues

    assert resolved(account, {}) is None
    found = resolved(account, {name: 8001})
    assert (found.rest_url, found.stream_url, found.api_url) == (
        "http://127.0.0.1:8001",
        "ws://127.0.0.1:8001",
        f"ws://127.0.0.1:8001{api}",
    )


@pytest.mark.req("BR-2")
@pytest.mark.parametrize(
    ("mode", "network", "rest"),
    [
        ("testnet", "", "https://testnet.binance.vision"),
        ("testnet", "demo", "https://demo-api.binance.com"),
        ("live", "", "https://api.binance.com"),
    ],
)
def test_prices_and_orders_of_a_venue_belong_to_the_network_of_the_mode(mode, network, rest):
    text = f'mode: {mode}\n{SPOT}venues: {{binance: {{url: "", key: mine, network: "{network}"}}}}\n'
    cfg = load(text)
    (account,), (feed,) = cfg.broker.venues, cfg.market_data.venues

    assert (account.rest_url, account.key) == (rest, "mine")
    assert feed.url == ("" if mode == "live" else rest)
    assert account.network == (network or mode)


def test_every_host_of_a_network_can_be_replaced():
    text = (
        'venues: {binance_usdm: {url: "https://fapi.example", stream_url: "wss://s.example", key: k,'
        ' api_url: "wss://a.example/ws-fapi/v1", proxy: "socks5://127.0.0.1:1080",'
        " recv_window_ms: 4000, leverage: 5}}\n"
    )
    (account,) = load("mode: live\n" + USDM + text).broker.venues

    assert (account.rest_url, account.stream_url) == ("https://fapi.example", "wss://s.example")
    assert (account.api_url, account.network) == ("wss://a.example/ws-fapi/v1", "own")
    assert (account.proxy, account.recv_window_ms) == ("socks5://127.0.0.1:1080", 4000)
    assert account.leverage == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mode: live\nvenues: {binance: {url: sim, key: k}}\n", "takes no live order"),
        ('mode: live\nvenues: {binance: {url: "", network: demo, key: k}}\n', "is play money"),
        ('mode: live\nvenues: {binance: {url: "https://testnet.binance.vision", key: k}}\n', "is play money"),
        ('mode: testnet\nvenues: {binance: {url: "", network: live, key: k}}\n', "is real money"),
        ('mode: testnet\nvenues: {binance: {url: "https://api3.binance.com", key: k}}\n', "is real money"),
        ('mode: testnet\nvenues: {binance: {url: ""}}\n', "venues.binance.key: missing"),
        ('mode: live\nvenues: {binance: {url: ""}}\n', "`quotemesh keys add NAME` stores a key"),
        ("mode: live\nbus: {sync_orders: false}\n", "bus.sync_orders: orders leave this host"),
        ("mode: Live\n", "mode is paper, testnet or live; you wrote 'Live'"),
        ("mode: [live]\n", "mode is paper, testnet or live"),
        ("broker: {mode: live}\n", "broker.mode: unknown key"),
        ("broker: {venues: []}\n", "broker.venues: unknown key"),
        ('venues: {binance: {api_url: "https://x"}}\n', "binance.api_url: 'https://x' is no address"),
    ],
)
def test_what_would_mix_real_and_play_money_is_refused(text, expected):
    assert expected in refusal(SPOT + text)
