"""The feature flags that every strategy understands, one by one."""

import pytest

from services.strategy.base import CancelOrder, PlaceOrder, Quote, TargetQuotes
from services.strategy.flags import FLAGS, flagged
from shared.messages.orders import OrderType
from shared.units import Side

QUOTES = (
    Quote("b1", Side.BUY, 100, 5),
    Quote("b2", Side.BUY, 101, 4),
    Quote("a1", Side.SELL, 110, 3, is_post_only=False),
    Quote("a2", Side.SELL, 120, 2),
)


def left(flag, position_lots=0):
    found = flagged(TargetQuotes(QUOTES), frozenset({flag}), position_lots)
    return {quote.slot: quote.qty_lots for quote in found.quotes}


@pytest.mark.req("ST-45")
def test_there_are_at_least_eight() -> None:
    assert len(FLAGS) >= 8


@pytest.mark.req("ST-45")
@pytest.mark.parametrize(
    ("flag", "position_lots", "wanted"),
    [
        ("no_buys", 0, {"a1": 3, "a2": 2}),
        ("no_buys", -4, {"b1": 4, "b2": 4, "a1": 3, "a2": 2}),
        ("no_sells", 0, {"b1": 5, "b2": 4}),
        ("no_sells", 1, {"b1": 5, "b2": 4, "a1": 1, "a2": 1}),
        ("half_size", 0, {"b1": 3, "b2": 2, "a1": 2, "a2": 1}),
        ("half_size", 3, {"b1": 3, "b2": 2, "a1": 3, "a2": 2}),
        ("inner_only", 0, {"b2": 4, "a1": 3}),
        ("hide_trades", 0, {"b1": 5, "b2": 4, "a1": 3, "a2": 2}),
    ],
)
def test_a_flag_leaves_out_or_changes_what_it_says(flag, position_lots, wanted) -> None:
    assert left(flag, position_lots) == wanted


@pytest.mark.req("ST-45")
def test_passive_only_makes_quotes_post_only_and_drops_takers() -> None:
    passive = frozenset({"passive_only"})

    found = flagged(TargetQuotes(QUOTES), passive, 0)

    assert all(quote.is_post_only for quote in found.quotes)
    assert flagged(PlaceOrder("in", Side.BUY, 100, 1), passive, 0) is None
    assert flagged(PlaceOrder("in", Side.BUY, 0, 1, OrderType.MARKET), passive, 0) is None
    resting = PlaceOrder("in", Side.BUY, 100, 1, is_post_only=True)
    assert flagged(resting, passive, 0) == resting


@pytest.mark.req("ST-45")
@pytest.mark.parametrize("position_lots", [-3, 3])
def test_passive_only_lets_through_what_closes_the_position(position_lots) -> None:
    passive = frozenset({"passive_only"})
    side = Side.SELL if position_lots > 0 else Side.BUY
    stop = TargetQuotes((Quote("exit", side, 100, 5, is_post_only=False),), "stop-loss")
    market = PlaceOrder("out", side, 0, 2, OrderType.MARKET)

    found = flagged(stop, passive, position_lots)

    assert found.quotes == (Quote("exit", side, 100, 3, is_post_only=False),)
    assert flagged(market, passive, position_lots) == market
    assert flagged(PlaceOrder("out", side, 0, 9, OrderType.MARKET), passive, position_lots).qty_lots == 3
    assert flagged(market, passive, -position_lots) is None
    assert flagged(stop, passive, -position_lots).quotes[0].is_post_only


def test_a_command_without_quantity_left_is_dropped_and_cancels_pass() -> None:
    flags = frozenset({"no_buys"})

    assert flagged(PlaceOrder("in", Side.BUY, 100, 1), flags, 0) is None
    assert flagged(CancelOrder("in"), flags, 0) == CancelOrder("in")
