"""The regime of a market scales the limits of size, when that is enabled."""

import pytest

from services.risk.core import RiskCore
from services.risk.monitor_settings import RegimeSettings
from services.risk.settings import RiskSettings
from shared.messages import orders
from shared.messages.market import Regime

ON = RiskSettings(regime=RegimeSettings(enabled=True, high_risk_size_ppm=250_000))


def say(bench, regime, symbol=None, age_ms=0):
    message = Regime(symbol or bench.PERP, regime, regime == "high_risk", [], "normal", 0, "low", "")
    bench.say("market_data.io", message, age_ms=age_ms)


def largest(bench, symbol=None):
    """Ask for 5,000 USDT and return what is allowed, in lots of 0.001 BTC."""
    verdict = bench.verdict(lots=83, symbol=symbol or bench.PERP)
    return verdict.qty_lots


@pytest.mark.req("RK-24")
def test_high_risk_leaves_the_share_that_the_settings_say(make_bench):
    bench = make_bench(ON).start()
    say(bench, "high_risk")

    # 5,000 USDT at 60,000 are 83.3 lots of 0.001; a quarter of 83 is 20.75.
    assert largest(bench) == 20


@pytest.mark.req("RK-24")
@pytest.mark.parametrize("regime", ["normal", "trending"])
def test_other_regimes_leave_everything(make_bench, regime):
    bench = make_bench(ON).start()
    say(bench, "high_risk")
    say(bench, regime)

    assert largest(bench) == 83


@pytest.mark.req("RK-24")
def test_off_by_default(bench):
    say(bench, "high_risk")

    assert isinstance(bench.verdict(lots=83), orders.OrderApproved)


@pytest.mark.req("RK-24")
def test_a_market_without_a_regime_is_not_scaled_and_one_whose_regime_went_silent_is(make_bench):
    bench = make_bench(ON).start()
    say(bench, "normal", age_ms=180_000)
    assert largest(bench) == 83

    bench = make_bench(ON).start()
    say(bench, "normal", age_ms=180_001)
    assert largest(bench) == 20
    assert isinstance(bench.verdict(lots=83, symbol=bench.SPOT), orders.OrderApproved)


def test_a_restart_remembers_the_regime(make_bench):
    bench = make_bench(ON).start()
    say(bench, "high_risk")
    restored = RiskCore()
    restored.restore(bench.risk.snapshot())

    assert restored.known.guards.size_ppm("mm", bench.PERP, restored.known) == 250_000
    assert restored.snapshot() == bench.risk.snapshot() == bench.replayed(RiskCore()).snapshot()
