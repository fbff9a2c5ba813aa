import pytest

from services.strategy.base import CancelOrder, Note, PlaceOrder, Quote, TargetQuotes
from services.strategy.intents import checked
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

BID = Quote("bid", Side.BUY, 100, 5)


@pytest.mark.parametrize(
    "intent",
    [
        TargetQuotes(),
        TargetQuotes((BID, Quote("ask", Side.SELL, 101, 5))),
        PlaceOrder("x", Side.BUY, 100, 1),
        PlaceOrder("x", Side.SELL, 0, 1, OrderType.MARKET),
        CancelOrder("x"),
        Note("info", "code", "text"),
    ],
)
def test_what_makes_sense_passes(intent) -> None:
    assert checked(intent) is intent


def test_a_list_of_quotes_becomes_what_a_snapshot_gives_back() -> None:
    assert checked(TargetQuotes([BID])) == TargetQuotes((BID,))


@pytest.mark.req("ST-1", "I-04", "I-12")
@pytest.mark.parametrize(
    ("intent", "text"),
    [
        (None, "returned None"),
        ("buy", "returned 'buy'"),
        (TargetQuotes(("bid",)), "no Quote"),
        (TargetQuotes((BID, BID)), "quoted twice"),
        (TargetQuotes((BID, Quote("ask", Side.SELL, 100, 5))), "not below target ask"),
        (TargetQuotes((Quote("bid", Side.BUY, 0, 5),)), "needs at least 1"),
        (TargetQuotes((Quote("bid", Side.BUY, float("nan"), 5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, 100.5, 5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, 10**30, 5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, 100, -5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, 100, 0),)), "0 lots"),
        (TargetQuotes((Quote("Bid-1", Side.BUY, 100, 5),)), "slots are"),
        (TargetQuotes((Quote("bid", 0, 100, 5),)), "no Side"),
        (PlaceOrder("x", Side.BUY, 0, 1), "market order has price 0"),
        (PlaceOrder("x", Side.BUY, 9, 1, expire_ns=5), "GTD goes with expire_ns"),
        (PlaceOrder("x", Side.BUY, 9, 1, tif=TimeInForce.GTD), "GTD goes with expire_ns"),
        (PlaceOrder("x", Side.BUY, 9, 1, stop_ticks=-1), "stop_ticks -1 is no whole number"),
        (PlaceOrder("x", Side.BUY, 9, 1, stop_ticks=1.5), "stop_ticks 1.5 is no whole number"),
        (PlaceOrder("x", Side.BUY, 9, 1, stop_ticks=9, is_post_only=True), "cannot be post-only"),
        (PlaceOrder("x", Side.BUY, 100, 1, OrderType.MARKET), "market order has price 0"),
        (PlaceOrder("x", Side.BUY, 100, 1, "limit"), "an OrderType and a TimeInForce"),
        (PlaceOrder("x", Side.BUY, 100, 1, tif="ioc"), "an OrderType and a TimeInForce"),
        (TargetQuotes((Quote("bid", Side.BUY, 2**63, 5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, True, 5),)), "no whole number"),
        (TargetQuotes((Quote("bid", Side.BUY, 100, 5, reason=7),)), "reason 7 is no text"),
        (TargetQuotes((Quote("bid", Side.BUY, 100, 5, is_post_only=1),)), "True or False"),
        (TargetQuotes(7), "not iterable"),
        (TargetQuotes((BID,) * 2001), "at most 2000"),
        (TargetQuotes((), reason="x" * 1001), "1001 characters"),
        (CancelOrder(7), "slot 7 is no text"),
        (Note("warning", "code", "\ud800"), "UTF-8"),
        (Note("warning", 5, "text"), "code 5 is no text"),
        (Note("panic", "code", "text"), "use one of info, warning"),
    ],
)
def test_nonsense_is_named(intent, text) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        checked(intent)
