"""Market data change the world of the strategies, and touch the instances of their market alone."""

import pytest

from services.strategy.calls import Calls
from services.strategy.configure import Roster
from services.strategy.desk import levels_block, make_rules
from services.strategy.market_observer import MarketObserver
from services.strategy.settings import InstanceSettings
from services.strategy.world import World
from shared.messages import Event, Header, market

PERP, SPOT = "binance_usdm:BTCUSDT", "binance:BTCUSDT"


@pytest.fixture
def hall():
    world = World()
    roster = Roster(world, Calls())
    for name, symbol in (("one", PERP), ("two", SPOT)):
        roster.configure(name, InstanceSettings(kind="avellaneda_stoikov", symbol=symbol, params={}), "b")
    roster.index()
    return MarketObserver(world, roster), world


def event(message):
    return Event(Header(1, 1, 1, 1, "market_data.io", 1, 1, 0), message)


def names(touched):
    return [instance.name for instance in touched]


def snapshot(bids, asks):
    return market.BookSnapshot(PERP, 1, 1, len(bids), levels_block(bids, asks), "start", 0, 0)


def test_a_book_touches_the_instances_of_its_market(hall):
    followed, world = hall
    followed.on_rules(event(make_rules(PERP)))

    touched = followed.on_book_snapshot(event(snapshot([(600_000, 5)], [(600_010, 5)])))

    assert names(touched) == ["one"]
    assert world.book(PERP).is_trusted


@pytest.mark.req("I-31")
def test_a_missing_update_and_a_damaged_block_lose_the_book(hall):
    followed, world = hall
    followed.on_rules(event(make_rules(PERP)))
    followed.on_book_snapshot(event(snapshot([(600_000, 5)], [(600_010, 5)])))

    touched = followed.on_book_update(event(market.BookUpdate(PERP, 7, 1, 1, 0, b"", 0, 0)))
    assert names(touched) == ["one"]
    assert not world.book(PERP).is_trusted

    followed.on_book_snapshot(event(snapshot([(600_000, 5)], [(600_010, 5)])))
    followed.on_book_update(event(market.BookUpdate(PERP, 2, 1, 1, 9, b"123", 0, 0)))
    assert not world.book(PERP).is_trusted


def test_the_end_of_a_capture_is_noted_for_its_venue(hall):
    followed, world = hall

    touched = followed.on_capture_finished(event(market.CaptureFinished("binance", 5)))

    assert world.finished == {"binance"}
    assert len(names(touched)) == 2
