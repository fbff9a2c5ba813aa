"""Both venues as clients reach them: where what is opened, what it costs, and what a restart keeps."""

import pytest

from services.venue_sim.access.limits import Charge
from services.venue_sim.build import make_venue
from services.venue_sim.connection import StreamConnection
from services.venue_sim.faulty_wire import FaultyConnection
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.wire.api_session import ApiSession
from services.venue_sim.wires import Opened, Wires

IP = "127.0.0.1"


@pytest.fixture
def sim():
    return make_venue(VenueSimSettings(regime="quiet"))


@pytest.fixture
def wires(sim):
    return Wires(sim, TradingFaults())


@pytest.mark.parametrize(
    ("venue", "target", "outer", "inner"),
    [
        ("binance", "/ws-api/v3", FaultyConnection, ApiSession),
        ("binance", "/ws-api/v3/?timeUnit=MICROSECOND", FaultyConnection, ApiSession),
        ("binance_usdm", "/ws-fapi/v1?returnRateLimits=false", FaultyConnection, ApiSession),
        ("binance_usdm", "/private/ws?listenKey=x", FaultyConnection, StreamConnection),
        ("binance_usdm", "/public/ws/btcusdt@trade", StreamConnection, StreamConnection),
        ("binance", "/stream?streams=btcusdt@trade", StreamConnection, StreamConnection),
    ],
)
def test_each_path_opens_what_stands_there(wires, sim, venue, target, outer, inner):
    opened = wires.open(venue, target, sim.origin_ns, IP)

    assert isinstance(opened, Opened)
    assert (type(opened.outer), type(opened.inner)) == (outer, inner)
    assert (opened.stream is opened.inner) == (inner is StreamConnection)


@pytest.mark.parametrize(("venue", "target"), [("binance", "/nothing"), ("binance_usdm", "/ws-api/v3")])
def test_other_paths_open_nothing(wires, sim, venue, target):
    assert wires.open(venue, target, sim.origin_ns, IP) is None


@pytest.mark.parametrize(("venue", "weight"), [("binance", "2"), ("binance_usdm", "5")])
def test_connecting_costs_weight_and_is_refused_over_the_limit(wires, sim, venue, weight):
    now_ms = sim.origin_ns // 1_000_000
    target = "/ws/btcusdt@trade" if venue == "binance" else "/market/ws/btcusdt@trade"

    wires.open(venue, target, sim.origin_ns, IP)

    used = dict(wires.limits[venue].headers(IP, "", now_ms))
    assert used["X-MBX-USED-WEIGHT-1M"] == weight
    wires.limits[venue].exhaust(IP, now_ms)
    refused = wires.open(venue, target, sim.origin_ns, IP)
    assert isinstance(refused, Charge)
    assert refused.status == 429
    assert isinstance(wires.open(venue, target, sim.origin_ns, "10.0.0.1"), Opened)


def test_a_restart_keeps_listen_keys_and_counts(wires, sim):
    now_ms = sim.origin_ns // 1_000_000
    key = wires.streams.open_key("sim", now_ms)
    wires.limits["binance"].charge(IP, "sim", 7, 1, now_ms)

    again = Wires(sim, TradingFaults())

    assert again.load(wires.dump())
    assert again.streams.keep_key("sim", now_ms) == key
    kept = dict(again.limits["binance"].headers(IP, "sim", now_ms))
    assert (kept["X-MBX-USED-WEIGHT-1M"], kept["X-MBX-ORDER-COUNT-10S"]) == ("7", "1")


@pytest.mark.parametrize("state", [b"", b"nonsense", b"\x92\xc4\x01x\x80"])
def test_a_damaged_state_is_not_taken(wires, state):
    assert not wires.load(state)
