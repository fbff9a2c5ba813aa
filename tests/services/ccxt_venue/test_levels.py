"""States of a book as counted changes, and trades that are said once."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ccxt_venue.levels import BookTexts, TradeTexts, frame_of

ONE = Decimal(1)
side = st.dictionaries(
    st.integers(1, 50).map(lambda n: n / 10), st.integers(1, 10**9).map(lambda n: n / 10**8), max_size=6
)


def book(bids, asks, nonce=None, timestamp=None):
    return {"bids": bids, "asks": asks, "nonce": nonce, "timestamp": timestamp}


def trade(number, price=1.5, ts_ms=1000, **fields):
    return {"id": str(number), "price": price, "amount": 2.0, "side": "buy", "timestamp": ts_ms, **fields}


@pytest.mark.req("MD-26")
@given(states=st.lists(st.tuples(side, side), min_size=1, max_size=8))
@settings(max_examples=100)
def test_changes_rebuild_every_state(states) -> None:
    texts = BookTexts("A/B", ONE)
    rebuilt = {"b": {}, "a": {}}

    for bids, asks in states:
        payload = texts.take(book(list(bids.items()), list(asks.items())))
        for name, levels in json.loads(payload or b"{}").items():
            for price, qty in levels if name in rebuilt else ():
                rebuilt[name].pop(Decimal(price), None)
                if Decimal(qty):
                    rebuilt[name][Decimal(price)] = Decimal(qty)
        for name, levels in (("b", bids), ("a", asks)):
            assert rebuilt[name] == {Decimal(repr(p)): Decimal(repr(q)) for p, q in levels.items()}
        whole = json.loads(texts.whole())
        assert dict(whole["b"]).keys() == {format(Decimal(repr(p)).normalize(), "f") for p in bids}


def test_a_state_without_change_is_not_said_but_the_first_one_is() -> None:
    texts = BookTexts("A/B", ONE)

    first = texts.take(book([], []))
    again = texts.take(book([], []))

    assert (json.loads(first)["n"], again) == (1, None)


def test_a_sign_of_life_counts_and_changes_nothing() -> None:
    texts = BookTexts("A/B", ONE)
    texts.take(book([[1.0, 1.0]], [], timestamp=9))

    assert json.loads(texts.alive()) == {"s": "A/B", "n": 2, "t": 0, "b": [], "a": []}
    assert json.loads(texts.whole())["n"] == 2


def test_amounts_are_in_base_units_and_single_orders_at_a_price_are_added() -> None:
    texts = BookTexts("A/B:B", Decimal("0.01"))

    payload = json.loads(texts.take(book([[1e-05, 3.0, "x"], [1e-05, 4.0, "y"]], [[2.0, 1.0]], 7, 9)))

    assert (payload["b"], payload["a"]) == ([["0.00001", "0.07"]], [["2", "0.01"]])
    assert (payload["u"], payload["t"]) == (7, 9)


def test_a_crossed_book_is_seen() -> None:
    texts = BookTexts("A/B", ONE)
    texts.take(book([[2.0, 1.0]], [[2.0, 1.0]]))
    assert texts.is_crossed
    texts.take(book([[1.9, 1.0]], [[2.0, 1.0]]))
    assert not texts.is_crossed


@pytest.mark.parametrize("price", [float("nan"), float("inf"), None, "x"])
def test_a_level_that_is_no_number_is_refused(price) -> None:
    with pytest.raises((ValueError, TypeError)):
        BookTexts("A/B", ONE).take(book([[price, 1.0]], []))


def test_the_first_answer_is_history_and_every_trade_is_said_once() -> None:
    texts = TradeTexts("A/B", ONE, 100)

    assert texts.take([trade(1), trade(2)]) == []
    said = [json.loads(one) for one in texts.take([trade(2), trade(3), trade(3)])]

    assert [(one["n"], one["p"], one["q"], one["m"]) for one in said] == [(101, "1.5", "2", False)]


def test_a_single_first_trade_is_said_and_old_ones_of_a_reconnection_are_not() -> None:
    texts = TradeTexts("A/B", ONE, 0)

    assert len(texts.take([trade(1, ts_ms=500_000)])) == 1
    assert texts.take([trade(0, ts_ms=1)]) == []


def test_a_trade_without_side_or_price_is_counted_and_left_out() -> None:
    texts = TradeTexts("A/B", ONE, 0)
    texts.take([trade(1)])

    assert texts.take([trade(2, side=None), trade(3, price=None), trade(4, price=float("nan"))]) == []
    assert texts.refused_count == 3


def test_memory_of_trades_is_bounded() -> None:
    texts = TradeTexts("A/B", ONE, 0)

    for number in range(5000):
        texts.take([trade(number)])

    assert len(texts._seen) <= 2000


def test_a_frame_is_json_with_its_stream() -> None:
    assert json.loads(frame_of("A/B@book", b'{"n":1}')) == {"stream": "A/B@book", "data": {"n": 1}}
