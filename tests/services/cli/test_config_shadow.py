"""Options of strategy instances in the file: pauses, capital, flags and shadows."""

import pytest

from services.cli import config
from shared.errors import ConfigError
from shared.settings import pack, unpack

HEAD = (
    "symbols: [binance_usdm:BTCUSDT, binance_usdm:ETHUSDT]\nbroker: {latency_ms: 33, seed: 7}\nstrategies:\n"
)
LIVE = "  one: {kind: grid, symbol: binance_usdm:BTCUSDT, on_pause: keep, capital_max: 500}\n"


def loaded(text):
    return config.loads("test.yaml", HEAD + LIVE + text, {}).strategy


@pytest.mark.req("ST-44", "ST-45", "ST-3", "ST-5")
def test_options_reach_the_strategy_process_with_the_paper_venue_of_the_broker() -> None:
    found = loaded(
        "  two: {kind: grid, symbol: binance_usdm:BTCUSDT, shadow_of: one, flags: {half_size: true}}\n"
    )

    assert (found.instances["one"].on_pause, found.instances["one"].capital_max) == ("keep", 500)
    assert (found.instances["two"].shadow_of, found.instances["two"].flags_on) == ("one", ["half_size"])
    assert (found.shadow.latency_ms, found.shadow.seed) == (33, 7)
    assert unpack(pack(found), type(found)) == found


@pytest.mark.req("ST-44", "ST-45")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("shadow_of: three", "there is no such strategy; name a live one"),
        ("flags: {halfsize: true}", "flags.halfsize: grid has no such flag; did you mean 'half_size'?"),
        ("flags: {half_size: often}", "valid boolean"),
        ("on_pause: maybe", "'cancel' or 'keep'"),
        ("capital_max: -1", "greater than or equal to 0"),
        ("capital_max: nan", "capital_max"),
    ],
)
def test_options_that_cannot_work_are_named(line, text) -> None:
    with pytest.raises(ConfigError, match="mistake") as raised:
        loaded(f"  two: {{kind: grid, symbol: binance_usdm:BTCUSDT, {line}}}\n")

    assert text in str(raised.value)


def test_a_shadow_trades_the_market_of_its_live_version() -> None:
    with pytest.raises(ConfigError, match="versions are compared on one market"):
        loaded("  two: {kind: grid, symbol: binance_usdm:ETHUSDT, shadow_of: one}\n")
