"""The registry of venues through ccxt: loaded without it, and equal to what the installed one says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.venues import VENUES
from shared.venues.registry import ENTRIES, SIMULATED_AS, kind_of, simulated_symbol
from shared.venues.registry_facts import CCXT_VERSION, FACTS

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.req("MD-26")
def test_there_are_twenty_venues_and_more_each_with_facts_and_an_adapter() -> None:
    real = [name for name, entry in ENTRIES.items() if not entry.is_simulated]

    assert len(real) >= 20
    assert set(FACTS) == set(ENTRIES)
    assert set(ENTRIES) <= set(VENUES)
    assert sum(bool(entry.orders) for entry in ENTRIES.values()) >= 20


@pytest.mark.req("MD-26")
def test_the_registry_is_loaded_without_ccxt() -> None:
    program = "import sys, shared.venues, services.broker.remote; assert 'ccxt' not in sys.modules"

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.req("MD-26")
def test_the_committed_registry_is_what_the_installed_ccxt_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.ccxt_venue.describe"], cwd=ROOT, capture_output=True, check=True
    )
    told = json.loads(done.stdout)

    if told["ccxt"] != CCXT_VERSION:
        pytest.fail(f"ccxt is {told['ccxt']}: run ./quotemesh venues --write and look at what changed")
    kept = json.loads((ROOT / "shared" / "venues" / "registry.json").read_text())
    assert told["venues"] == kept["venues"]


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("BTC/USDT", "spot"),
        ("BTC/USDT:USDT", "linear"),
        ("BTC/USD:BTC", ""),
        ("BTCUSDT", ""),
        ("/USDT", ""),
        ("BTC/", ""),
        ("BTC/USDT:", ""),
    ],
)
def test_the_kind_of_a_market_is_in_its_name(symbol, kind) -> None:
    assert kind_of(symbol) == kind


def test_simulated_venues_lead_to_the_markets_that_the_simulator_makes() -> None:
    assert set(SIMULATED_AS) == {name for name, entry in ENTRIES.items() if entry.is_simulated}
    assert simulated_symbol("ccxt_binanceusdm:BTC/USDT:USDT") == "binance_usdm:BTCUSDT"
    assert simulated_symbol("ccxt_binance:ETH/USDT") == "binance:ETHUSDT"
    assert simulated_symbol("binance:ETHUSDT") == "binance:ETHUSDT"
