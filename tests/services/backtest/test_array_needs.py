"""What settings need of the array path, and what it leaves to the exact one."""

from dataclasses import replace

import pytest

from services.backtest.array_needs import needs_of, unmodelled
from services.strategy.settings import InstanceSettings

PERP = "binance_usdm:BTCUSDT"


def with_risk(sections, **changes):
    return sections | {"risk": replace(sections["risk"], **changes)}


def with_candles(sections, *symbols):
    return sections | {"market_data": replace(sections["market_data"], candles=True, candle_symbols=symbols)}


def without_monitor(sections):
    monitor = replace(sections["risk"].candle_monitor, enabled=False)
    return with_risk(sections, candle_monitor=monitor)


@pytest.mark.req("BT-1")
def test_a_shadow_version_is_named_with_the_reason(sections):
    wanted = sections()
    live = wanted["strategy"].instances["one"]
    shadow = InstanceSettings(kind=live.kind, symbol=PERP, shadow_of="one")
    wanted["strategy"] = replace(wanted["strategy"], instances={"one": live, "two": shadow})

    found = unmodelled(wanted)

    assert len(found) == 1
    assert found[0].startswith("strategies.two.shadow_of: a shadow version has a paper venue of its own")


def test_everything_else_is_modelled(sections):
    wanted = with_candles(sections(without_book="simple"))

    assert unmodelled(wanted) == []


def test_candles_are_made_where_the_monitor_or_a_strategy_hears_them(sections):
    assert not needs_of(sections(), PERP).candles
    assert needs_of(with_candles(sections()), PERP).candles
    assert not needs_of(without_monitor(with_candles(sections())), PERP).candles
    assert needs_of(without_monitor(with_candles(sections(kind="momentum"))), PERP).candles
    assert not needs_of(with_candles(sections(), "binance:ETHUSDT"), PERP).candles


def test_a_strategy_that_cannot_be_made_needs_nothing(sections):
    assert not needs_of(without_monitor(with_candles(sections(kind="nowhere:Mine"))), PERP).candles


def test_each_trade_is_told_where_settings_ask_for_it(sections):
    surprises = replace(sections()["risk"].surprises, holds=True)

    assert not needs_of(sections(), PERP).trades
    assert needs_of(with_risk(sections(), surprises=surprises), PERP).trades
    assert needs_of(sections(without_book="simple"), PERP).trades
