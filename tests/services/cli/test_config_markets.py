import copy
import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from services.cli import config
from services.cli.config_model import normal_symbol
from shared.errors import ConfigError

DEFAULT = Path(config.__file__).resolve().parents[2] / "deploy" / "paper.yaml"
TREE = yaml.load(DEFAULT.read_text(), Loader=yaml.BaseLoader)
USDM, ETH, SPOT = "binance_usdm:BTCUSDT", "binance_usdm:ETHUSDT", "binance:BTCUSDT"


def load(document):
    return config.loads("test.yaml", document if isinstance(document, str) else json.dumps(document), {})


def refusal(document):
    with pytest.raises(ConfigError) as refused:
        load(document)
    return str(refused.value)


def changed(path, value):
    """Return the default configuration with one value set."""
    document = copy.deepcopy(TREE)
    holder = document
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("word", "symbol"),
    [
        ("binance:BTCUSDT", SPOT),
        ("BTCUSDT@binance", SPOT),
        ("BINANCE_USDM:btcusdt", USDM),
        ("binance-usdm:BTC/USDT", USDM),
        ("btc-usdt@usdm", USDM),
        ("spot:BTCUSDT", SPOT),
        (" binance : BTCUSDT ", SPOT),
        ("binance_usdm:BTCUSDT_240927", "binance_usdm:BTCUSDT_240927"),
        ("BTCUSDT", None),
        ("kraken:BTCUSD", None),
        ("binance:", None),
        (":BTCUSDT", None),
        ("binance:BTC USDT", None),
        ("binance:BTC<b>", None),
        ("binance:" + "A" * 40, None),
        ("", None),
    ],
)
def test_markets_are_accepted_in_their_usual_forms(word, symbol):
    assert normal_symbol(word) == symbol


def test_a_market_named_twice_in_two_forms_is_refused():
    assert "is named twice" in refusal("symbols: [binance:BTCUSDT, BTCUSDT@spot]\n")


def test_a_market_that_the_simulator_does_not_make_is_named_with_those_it_makes():
    text = refusal("symbols: [binance:DOGEUSDT]\n")

    assert "binance:DOGEUSDT is on the simulated venue, which does not make it" in text
    assert "simulator.markets" in text


def test_real_market_data_needs_no_simulated_market():
    cfg = load("symbols: [binance:DOGEUSDT]\nvenues: {binance: {url: ''}}\n")

    assert cfg.symbols == ["binance:DOGEUSDT"]


@pytest.mark.parametrize(
    "url", ["binance.com", "ftp://x", "http://", "https://[::1", "wss://host", "http://host:99999"]
)
def test_a_url_that_is_no_address_is_refused(url):
    assert "venues.binance.url" in refusal(changed(["venues", "binance", "url"], url))


def test_limits_of_a_market_are_found_under_any_form_of_its_name():
    cfg = load(changed(["risk", "symbols"], {"btcusdt@usdm": {"open_orders_max": "5"}}))

    assert cfg.risk.limits_of(USDM).open_orders_max == 5
    assert "risk.symbols.binance:DOGEUSDT" in refusal(changed(["risk", "symbols"], {"binance:DOGEUSDT": {}}))


@pytest.mark.req("MD-24")
def test_a_replay_follows_only_the_markets_of_the_capture():
    cfg = config.load(DEFAULT, {})

    replay, lines = config.for_replay(cfg, [SPOT], ["capture.gz"])

    assert replay.symbols == [SPOT]
    assert {one.symbol for one in replay.strategy.instances.values()} == {SPOT}
    assert (replay.venue_sim.mode, replay.venue_sim.files) == ("capture", ("capture.gz",))
    assert f"{USDM} is not in the capture: not followed" in lines
    assert f"strategy grid_eth trades {SPOT}: {ETH} is not in the capture" in lines
    assert dataclasses.replace(replay.market_data, venues=()) == dataclasses.replace(
        cfg.market_data, venues=()
    )


def test_a_replay_of_a_market_outside_the_configuration_uses_the_simulated_venue():
    cfg = load("symbols: [binance_usdm:BTCUSDT]\n")

    replay, _ = config.for_replay(cfg, ["binance:XRPUSDT"])

    (venue,) = replay.market_data.venues
    assert (venue.name, venue.symbols, venue.url) == ("binance", ("XRPUSDT",), "sim")


def test_a_capture_without_a_market_is_a_clear_error():
    with pytest.raises(ConfigError, match="no market"):
        config.for_replay(config.load(DEFAULT, {}), [])
