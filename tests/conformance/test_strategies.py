"""Every strategy of the registry, on spot and on a derivative, through the whole conformance suite."""

import pytest

from services.strategy.conformance import CHECKS, Candidate
from services.strategy.registry import STRATEGIES

QUICK_BARS = {"candle_minutes": 1, "cooldown_s": 0}

# What makes each strategy trade within the few hundred books of a check.
PARAMS = {
    "avellaneda_stoikov": {"half_spread_bps": 0.3, "vpin_window": 50},
    "grid": {"interval_bps": 5.0, "buy_window": 4, "sell_window": 4, "order_cap": 12, "max_layers": 6},
    "imbalance": {"min_confidence": 0.35, "min_momentum": 0.0, "entry_gap_s": 1, "persistence": 1},
    "dca": {"atr_window": 3, "step_min": 0.0002, "step_max": 0.001, "take_profit": 0.001, **QUICK_BARS},
    "martingale": {"step": 0.0005, "take_profit": 0.001, "stop_loss": 0.002, "levels": 4, **QUICK_BARS},
    "momentum": {"rsi_window": 3, **QUICK_BARS},
    "mean_reversion": {"bands_window": 5, "bands_deviations": 1.0, **QUICK_BARS},
    "trend": {"fast_window": 2, "slow_window": 4, **QUICK_BARS},
    "combo": {"rsi_window": 3, "bands_window": 5, "fast_window": 2, "slow_window": 4, **QUICK_BARS},
}


@pytest.mark.req("ST-1", "ST-2", "ST-14", "I-04", "I-05", "I-11", "I-12")
@pytest.mark.parametrize("symbol", ["binance_usdm:BTCUSDT", "binance:BTCUSDT"])
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_strategy_of_the_registry_conforms(kind: str, check: str, symbol: str) -> None:
    candidate = Candidate(kind, PARAMS.get(kind, {}), symbol)

    problems = [problem for seed in (1, 2, 3) for problem in CHECKS[check](candidate, seed)]

    assert problems == []


@pytest.mark.req("ST-1")
@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_suite_makes_each_strategy_trade(kind: str) -> None:
    from services.strategy.conformance import run
    from shared.messages.orders import CancelIntent, Fill, OrderIntent

    desk = Candidate(kind, PARAMS.get(kind, {}), "binance_usdm:BTCUSDT").desk(seed=1, trouble=20)

    run(desk)

    seen = {type(event.message) for event in desk.log}
    assert {OrderIntent, Fill} <= seen
    assert kind != "avellaneda_stoikov" or CancelIntent in seen
