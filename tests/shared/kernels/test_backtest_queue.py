"""Queue models of cancels, by the formulas of hftbacktest's documentation, worked out by hand."""

import array
import math

import pytest

from shared.kernels.book import Book
from shared.kernels.matching import MODELS, PROBABILITY_MODELS, RestingQueue

BUY, SELL = 0, 1


def a_book(lots):
    book = Book()
    book.snapshot(array.array("q", [100, lots, 110, 5]).tobytes(), 1, 1)
    return book


def ahead_after(model, power, *, front, level, gone):
    """Return the lots ahead of an order with `front` of `level` lots ahead after `gone` were cancelled."""
    queue = RestingQueue()
    queue.set_model(model, power)
    queue.load(([[1, 100, 5, front, level, 0]], []))
    queue.sync(a_book(level - gone), True)
    return queue.ahead_lots(1)


@pytest.mark.parametrize(
    ("model", "power", "share_behind"),
    [
        ("power", 1.0, 60 / 100),
        ("power", 2.0, 3600 / (3600 + 1600)),
        ("power2", 2.0, 3600 / 10_000),
        ("power3", 3.0, 1 - 0.4**3),
        ("log", 3.0, math.log(61) / (math.log(61) + math.log(41))),
        ("log2", 3.0, math.log(61) / math.log(101)),
    ],
)
def test_a_probability_model_shares_cancels_by_its_formula(model, power, share_behind):
    # given: 40 lots ahead, 60 behind, 20 cancelled
    expected = math.ceil(40 - (1 - share_behind) * 20)

    assert ahead_after(model, power, front=40, level=100, gone=20) == expected


def test_what_is_more_than_there_is_behind_comes_from_ahead():
    # given: 90 ahead, 10 behind, 50 cancelled; power 1: a tenth of them, 5, behind and 45 ahead
    assert ahead_after("power", 1.0, front=90, level=100, gone=50) == 45
    # power3 of 1: the same tenth; log: ln 11 / (ln 11 + ln 91) = 0.347, 17.3 behind where only 10 are
    assert ahead_after("log", 1.0, front=90, level=100, gone=50) == 50


@pytest.mark.parametrize("model", MODELS)
def test_no_model_moves_us_when_nothing_was_cancelled(model):
    assert ahead_after(model, 3.0, front=40, level=100, gone=0) == 40
    assert ahead_after(model, 3.0, front=40, level=100, gone=-30) == 40


@pytest.mark.parametrize("model", MODELS)
def test_an_empty_level_leaves_nobody_ahead(model):
    assert ahead_after(model, 3.0, front=40, level=100, gone=100) == 0


@pytest.mark.parametrize("model", PROBABILITY_MODELS)
def test_lots_that_traded_are_not_taken_for_cancelled(model):
    queue = RestingQueue()
    queue.set_model(model)
    queue.load(([[1, 100, 5, 40, 100, 0]], []))
    queue.trade(SELL, 100, 25)

    queue.sync(a_book(75), True)

    assert queue.ahead_lots(1) == 15


def test_a_model_that_is_not_there_is_said():
    with pytest.raises(ValueError, match="one of behind, pro_rata"):
        RestingQueue().set_model("fifo")
    with pytest.raises(ValueError, match="power 0"):
        RestingQueue().set_model("power", 0)
