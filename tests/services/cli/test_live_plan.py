"""What a live mesh tells of itself before it starts."""

import pytest

from services.cli import config
from services.cli.live_plan import plan_text

LIVE = """
mode: live
symbols: [binance_usdm:BTCUSDT]
venues: {binance_usdm: {url: "", key: mine}}
strategies:
  maker:
    kind: avellaneda_stoikov
    symbol: binance_usdm:BTCUSDT
    params: {order_notional: 50, max_inventory_notional: 300}
risk:
  limits: {order_notional_max: 100, position_notional_max: 400, symbol_notional_max: 500}
  portfolio_notional_max: 800
  loss_max: 40
"""


def plan(text):
    return plan_text(config.loads("test.yaml", text, {}), {"binance_usdm": "1a2b3c4d"})


@pytest.mark.req("BR-2")
def test_a_live_start_tells_where_with_which_account_how_much_and_how_to_stop():
    told = plan(LIVE)

    for expected in [
        "mode LIVE: orders go out with real money",
        "network live https://fapi.binance.com",
        "key mine (fingerprint 1a2b3c4d)",
        "BTCUSDT",
        "avellaneda_stoikov on binance_usdm:BTCUSDT, orders of 50, position at most 300",
        "100 USDT, at most 50 orders a second",
        "binance_usdm:BTCUSDT: 400 USDT a strategy, 500 USDT in all",
        "everything, resting orders included: 800 USDT",
        "40 USDT kills everything; 500 in a day stops new risk",
        "the venue cancels after 60 s without us",
        "open orders are cancelled, positions stay",
        "quotemesh cancel-all --direct",
    ]:
        assert expected in told


def test_what_is_switched_off_is_told_loudly():
    told = plan(
        LIVE + "broker: {live: {cancel_on_exit: false, close_positions_on_exit: true, countdown_ms: 0}}"
    )

    assert "open orders STAY at the venue" in told
    assert "positions are closed" in told
    assert "the canceller, 10 s after" in told


def test_a_rehearsal_is_told_as_one():
    told = plan("mode: testnet\nsymbols: [binance_usdm:BTCUSDT]\n")

    assert told.startswith("mode testnet: orders go out with play money")
    assert "simulated venue in this mesh" in told
    assert "none is enabled: nothing will be ordered" in told
