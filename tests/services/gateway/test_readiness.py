from types import SimpleNamespace

import pytest

from services.gateway.readiness import reasons
from services.gateway.view import GatewayView
from shared.messages import control, market, system

SYMBOL = "binance_usdm:BTCUSDT"


@pytest.fixture
def link():
    return SimpleNamespace(is_live=True, applied_seq=5, durable_seq=5, bus_silent_ms=50)


def why(feed, link, later_ms=0, is_latched=False):
    return reasons(feed.view, link, feed.now_ns + later_ms * 1_000_000, is_latched=is_latched)


@pytest.mark.req("GW-15")
def test_a_mesh_that_is_up_is_ready(feed, link):
    assert why(feed.everything(), link) == []


@pytest.mark.req("GW-15")
def test_a_new_replica_says_what_is_missing(link):
    found = reasons(GatewayView(), link, 0, is_latched=False)

    assert "market_data has not started" in found
    assert "no book yet" in found
    assert "trading is halted: risk has not spoken yet" in found


def test_catching_up_is_the_only_reason_while_it_lasts(feed, link):
    link.is_live = False

    assert why(feed.everything(), link, later_ms=10**6) == [
        "the gateway is catching up with the log (at seq 5)"
    ]


def test_a_silent_bus_is_a_reason(feed, link):
    link.bus_silent_ms = 1500

    assert why(feed.everything(), link) == ["the bus has been silent for 1500 ms"]


@pytest.mark.req("GW-15", "MD-22")
def test_data_that_grow_old_are_a_reason_though_every_process_lives(feed, link):
    (found,) = why(feed.everything(), link, later_ms=6000)

    assert found.startswith(f"{SYMBOL}: book is 60")
    assert found.endswith("ms old, limit 5000 ms")


def test_an_unusable_book_and_a_silent_service_are_named(feed, link):
    feed.everything()
    feed.say(market.BookInvalid(SYMBOL, "disconnected"))
    feed.say(system.SourceSilent("risk", 1200), "bus")

    assert why(feed, link) == ["risk is silent", f"{SYMBOL}: book is not usable (disconnected)"]


@pytest.mark.req("RK-12")
def test_a_kill_is_a_reason_by_log_and_by_latch_file(feed, link):
    feed.everything()
    assert why(feed, link, is_latched=True) == ["killed: the latch file stands"]

    feed.say(control.KillLatched("operator", "test", "log"), "broker.io")
    feed.say(control.TradingState("halted", ["kill"]), "risk")
    assert why(feed, link, is_latched=True) == ["killed by operator: test"]


def test_a_capture_at_its_end_does_not_make_its_books_stale(feed, link):
    feed.everything()
    feed.say(market.CaptureFinished("binance_usdm", 7))

    assert why(feed, link, later_ms=10**6) == []
