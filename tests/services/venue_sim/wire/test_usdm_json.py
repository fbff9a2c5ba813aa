"""Positions, income and conditional orders of USD-M as JSON."""

from decimal import Decimal

import msgspec
import pytest

from services.venue_sim.exchange.records import AlgoOrder, Income, VenuePosition
from services.venue_sim.wire import usdm_json


@pytest.fixture
def position():
    zero = Decimal(0)
    names = [field for field in VenuePosition.__struct_fields__ if field not in {"symbol", "position_side"}]
    plain = dict.fromkeys(names, zero) | {"leverage": 10, "is_isolated": False, "margin_asset": "USDT"}
    plain |= {"symbol": "BTCUSDT", "position_side": "BOTH", "updated_ms": 4, "quantity": Decimal("-0.010")}
    return VenuePosition(**plain | {"unrealized": Decimal("-2"), "isolated_wallet": Decimal(50)})


def test_an_isolated_position_tells_its_own_margin(position):
    isolated = msgspec.structs.replace(position, is_isolated=True)

    assert usdm_json.position_risk(isolated)["isolatedMargin"] == "48"
    assert usdm_json.position_risk_v2(isolated, "1")["marginType"] == "isolated"
    assert usdm_json.account_position(isolated)["isolatedWallet"] == "50"
    assert usdm_json.position_risk(position)["isolatedMargin"] == "0"
    assert usdm_json.account_position_v2(position, "9")["leverage"] == "10"


def test_income_without_a_trade_tells_its_kind():
    line = Income(id=1, time_ms=2, kind="FUNDING_FEE", symbol="BTCUSDT", asset="USDT", amount=Decimal("-1.5"))

    told = usdm_json.income(line)

    assert (told["income"], told["info"], told["tradeId"]) == ("-1.5", "FUNDING_FEE", "")
    traded = usdm_json.income(msgspec.structs.replace(line, kind="COMMISSION", trade_id=8))
    assert (traded["info"], traded["tradeId"]) == ("8", "8")


def test_only_a_trailing_stop_tells_its_callback():
    zero = Decimal(0)
    names = AlgoOrder.__struct_fields__
    plain = dict.fromkeys(names, "") | {"algo_id": 1, "quantity": zero, "trigger_price": zero, "price": zero}
    plain |= {"created_ms": 1, "updated_ms": 1, "trigger_ms": 0, "order_id": 0, "activate_price": zero}
    order = AlgoOrder(**plain | {"callback_rate": zero, "good_till_ms": 0})

    assert not {"activatePrice", "callbackRate"} & set(usdm_json.algo(order))
    trailing = msgspec.structs.replace(
        order, callback_rate=Decimal("1.50"), activate_price=Decimal(9), order_id=3
    )
    told = usdm_json.algo(trailing)
    assert (told["callbackRate"], told["activatePrice"], told["actualOrderId"]) == ("1.5", "9", "3")
