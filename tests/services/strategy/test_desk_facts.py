"""Facts of a desk: all kinds come, the same for the same seed, on spot the regime alone."""

import pytest

from services.strategy.desk import Desk, make_rules
from services.strategy.desk_facts import say_facts
from services.strategy.settings import StrategySettings


def said(symbol, seed):
    desk = Desk(StrategySettings(), make_rules(symbol), seed)
    desk.start()
    first = len(desk.log)
    for step in range(60):
        say_facts(desk, step)
    return [event.message for event in desk.log[first:]]


@pytest.mark.parametrize(
    ("symbol", "kinds"),
    [
        ("binance_usdm:BTCUSDT", {"FundingRate", "OpenInterest", "Liquidation", "Basis", "Regime"}),
        ("binance:BTCUSDT", {"Regime"}),
    ],
)
def test_every_kind_is_said_and_a_seed_repeats_it(symbol, kinds) -> None:
    assert {type(message).__name__ for message in said(symbol, 1)} == kinds
    assert said(symbol, 1) == said(symbol, 1) != said(symbol, 2)
