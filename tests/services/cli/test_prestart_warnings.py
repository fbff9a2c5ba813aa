"""Settings that are allowed and will surprise: each is warned of, with what to set instead."""

import pytest

from services.cli import config
from services.cli.prestart_warnings import warnings

GRID = "{kind: grid, symbol: 'binance_usdm:BTCUSDT', params: {%s}}"
MAKER = "{kind: avellaneda_stoikov, symbol: 'binance_usdm:BTCUSDT'}"


def warned(strategy, risk=""):
    document = f"symbols: [binance_usdm:BTCUSDT]\nstrategies: {{one: {strategy}}}\nrisk: {{{risk}}}\n"
    found = list(warnings(config.loads("test.yaml", document, {})))
    assert {item.state for item in found} <= {"warning"}
    return [item.name for item in found]


@pytest.mark.req("RK-16")
@pytest.mark.parametrize("exit_at", ["stop_loss_pct: 5", "take_profit_pct: 5"])
def test_an_exit_in_a_narrow_price_band_is_warned_of(exit_at) -> None:
    assert warned(GRID % exit_at, "limits: {price_band_bps: 99}") == ["stop one"]
    assert warned(GRID % exit_at, "limits: {price_band_bps: 100}") == []
    assert warned(GRID % "interval_bps: 20", "limits: {price_band_bps: 99}") == []


@pytest.mark.req("RK-16")
def test_the_throttle_of_a_real_venue_on_the_simulated_one_is_warned_of() -> None:
    assert warned(MAKER, "throttle: {requotes_per_min_max: 60}") == ["throttle one"]
    assert warned(MAKER, "throttle: {requotes_per_min_max: 300}") == []
