"""The pre-start check of an account at a venue: key, orders, positions."""

import pytest

from services.broker.settings import VenueAccess
from services.canceller.truth import Truth, is_ours
from services.cli import config
from services.cli.prestart_live import AccountTruth, live_items, venue_balances
from shared.execution.reports import Balance, KeyRightsTold, VenueOrder, VenuePosition, VenueState
from shared.messages.market import InstrumentRules
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
RULES = InstrumentRules(
    symbol=SYMBOL,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.1",
    lot_size="0.001",
    quote_exponent=4,
    tick_lot_atoms=1,
    min_qty_lots=1,
    max_qty_lots=0,
    min_notional_atoms=0,
    min_price_ticks=0,
    max_price_ticks=0,
    maker_fee_ppm=200,
    taker_fee_ppm=500,
    is_derivative=True,
)
GOOD = {"can_trade": True, "can_withdraw": False, "can_transfer": False, "is_address_limited": True}


def rights(**changes):
    return KeyRightsTold(1, **{**GOOD, **changes})


def order(client_order_id, symbol=SYMBOL):
    return VenueOrder(symbol, client_order_id, "7", VenueState.PARTIALLY_FILLED, Side.SELL, 600_005, 30, 10)


def items(mode="live", held=None, error="", leverage=3, usage=(), **truth):
    block = f'{{url: "https://v.example", key: k, leverage: {leverage}}}'
    text = f"mode: {mode}\nsymbols: [{SYMBOL}]\nvenues: {{binance_usdm: {block}}}\n"
    text += "risk: {margin: {leverage: 3}}\n"
    cfg = config.loads("test.yaml", text, {})
    found = {"rights": rights(), "balances": [], "positions": [], "orders": [], **truth}
    account = AccountTruth(
        access=cfg.broker.venues[0],
        truth=None if error else Truth(**found),
        error=error,
        fingerprint="1a2b",
        rules={SYMBOL: RULES},
        usage=usage,
    )
    return {one.name: one for one in live_items(cfg, [account], held or {})}


def test_a_clean_account_passes_and_names_its_network_and_key():
    found = items()

    assert {one.state for one in found.values()} <= {"pass", "info"}
    assert found["account binance_usdm"].text == "own, key k (1a2b)"
    assert found["key binance_usdm"].text == "score 100, at least 80 wanted"


def test_a_venue_that_does_not_answer_fails_with_its_reason():
    found = items(error="-2015 invalid API key")

    assert found["account binance_usdm"].is_hard
    assert "-2015 invalid API key" in found["account binance_usdm"].text


@pytest.mark.req("RK-17")
@pytest.mark.parametrize("mode", ["live", "testnet"])
def test_a_key_that_can_withdraw_keeps_the_mesh_down(mode):
    item = items(mode, rights=rights(can_withdraw=True))["key binance_usdm"]

    assert (item.state, item.is_hard, item.value, item.limit) == ("fail", True, "50", "80")
    assert "a key that can withdraw is never used" in item.text


@pytest.mark.req("RK-17")
@pytest.mark.parametrize(("mode", "is_hard"), [("live", True), ("testnet", False)])
def test_a_key_below_the_score_keeps_a_live_mesh_down_and_warns_a_testnet(mode, is_hard):
    item = items(mode, rights=rights(can_transfer=True))["key binance_usdm"]

    assert (item.state, item.is_hard) == ("fail", is_hard)
    assert "it may transfer to other accounts" in item.text


def test_a_key_that_cannot_trade_is_of_no_use():
    assert "it may not trade" in items(rights=rights(can_trade=False))["key binance_usdm"].text


@pytest.mark.parametrize(("mode", "state"), [("live", "fail"), ("testnet", "warning")])
def test_rights_that_the_venue_does_not_tell_are_no_clean_rights(mode, state):
    assert items(mode, rights=None)["key binance_usdm"].state == state


@pytest.mark.parametrize(("leverage", "state"), [(3, "pass"), (0, "warning"), (20, "fail")])
def test_the_leverage_at_the_venue_is_the_one_that_risk_counts_with(leverage, state):
    item = items(leverage=leverage)["leverage binance_usdm"]

    assert (item.state, item.value, item.limit) == (state, str(leverage), "3")


@pytest.mark.parametrize(("used", "state"), [(640, "pass"), (2000, "warning")])
def test_the_request_limits_are_told_with_how_much_everybody_has_used(used, state):
    item = items(usage=[("REQUEST_WEIGHT", 60, used, 2400)])["budget binance_usdm"]

    assert item.state == state
    assert f"REQUEST_WEIGHT {used} of 2400 in 60 s" in item.text


def test_orders_of_others_are_shown_with_what_happens_to_them():
    found = items(orders=[order("web_abc"), order("1kz-as_btc-b0-1a")])

    other = found["other orders binance_usdm"]
    assert (other.state, other.value) == ("warning", "1")
    assert f"{SYMBOL} sell 0.020 at 60000.5" in other.text
    assert "count against risk as `external`" in other.text
    assert found["own orders binance_usdm"].value == "1"


def test_a_position_that_our_log_does_not_know_is_shown_with_both_numbers():
    found = items(positions=[VenuePosition(SYMBOL, -5)], held={SYMBOL: 7, "binance:BTCUSDT": 3})

    item = found[f"position {SYMBOL}"]
    assert (item.state, item.value, item.limit) == ("warning", "-0.005", "0.007")
    assert "adopted as `external`" in item.text


def test_a_position_only_on_our_log_and_one_in_a_foreign_market_are_differences_too():
    foreign = "binance_usdm:XRPUSDT"
    found = items(positions=[VenuePosition(foreign, 9)], held={SYMBOL: 7})

    assert found[f"position {SYMBOL}"].value == "0.000"
    assert "nobody manages it" in found[f"position {foreign}"].text


def test_positions_as_on_our_log_pass():
    found = items(positions=[VenuePosition(SYMBOL, 7)], held={SYMBOL: 7})

    assert found["positions binance_usdm"].state == "pass"


def test_balances_are_free_and_locked_by_venue_and_none_while_one_venue_is_silent():
    access = VenueAccess(name="binance", symbols=("BTCUSDT",), network="sim")
    told = Truth(None, [Balance("USDT", "1.5", "2")], [], [])
    spoken = AccountTruth(access=access, truth=told, rules={})

    assert {key: str(value) for key, value in venue_balances([spoken]).items()} == {
        ("binance", "USDT"): "3.5"
    }
    assert venue_balances([spoken, AccountTruth(access=access, error="x", rules={})]) is None


@pytest.mark.parametrize(
    ("client_order_id", "expected"),
    [
        ("1kz0a-as_btc-b0-1a", True),
        ("web_abc", False),
        ("", False),
        ("a-b-c-", False),
        ("1kz0a-as_btc-b0-1A", False),
        ("x-y-z", False),
        ("x-1-y-2-z", False),
    ],
)
def test_an_order_is_ours_by_the_form_of_its_id(client_order_id, expected):
    assert is_ours(client_order_id) is expected
