"""The stream protocol as a client meets it: paths, control messages, aliases, wrappers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.connection import StreamConnection
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.venue import CAPTURE_STREAM, CUT_STREAM, StreamFrame

DIFF = b'{"e":"depthUpdate"}'
TRADE = b'{"e":"trade","E":5,"s":"BTCUSDT","t":7,"p":"100.0","q":"2","T":4,"m":true,"M":true}'


@pytest.fixture(scope="module")
def venue():
    return GeneratedVenue(VenueSimSettings())


def connect(venue, target, at="binance"):
    connection = StreamConnection(venue, at)
    assert connection.open(target) == []
    return connection


def say(connection, **request):
    return [json.loads(answer) for answer in connection.take(json.dumps(request))]


@pytest.mark.req("MD-24")
def test_a_combined_client_gets_the_name_it_asked_for_around_the_recorded_bytes(venue):
    client = connect(venue, "/stream?streams=btcusdt@depth@100ms/btcusdt@trade")

    assert client.deliver(StreamFrame("binance", "btcusdt@depth", DIFF)) == [
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}'
    ]
    assert client.deliver(StreamFrame("binance", "btcusdt@trade", TRADE)) == [
        b'{"stream":"btcusdt@trade","data":' + TRADE + b"}"
    ]
    assert client.deliver(StreamFrame("binance_usdm", "btcusdt@depth", DIFF)) == []
    assert client.deliver(StreamFrame("binance", "btcusdt@bookTicker", b"{}")) == []


@pytest.mark.parametrize("interval", ["", "@100ms", "@500ms", "@0ms", "@1000ms"])
def test_a_raw_client_gets_bare_payloads_under_every_interval(venue, interval):
    client = connect(venue, f"/ws/btcusdt@depth{interval}")

    assert client.deliver(StreamFrame("binance", "btcusdt@depth", DIFF)) == [DIFF]


def test_two_intervals_and_the_aggregates_of_one_source_each_get_their_frame(venue):
    client = connect(venue, "/ws/btcusdt@depth/btcusdt@depth@100ms/btcusdt@aggTrade")

    assert client.deliver(StreamFrame("binance", "btcusdt@depth", DIFF)) == [DIFF, DIFF]
    (made,) = client.deliver(StreamFrame("binance", "btcusdt@trade", TRADE))
    assert made == (
        b'{"e":"aggTrade","E":5,"s":"BTCUSDT","a":7,"p":"100.0","q":"2","f":7,"l":7,"T":4,"m":true,"M":true}'
    )


def test_trades_that_are_no_market_trades_are_left_out_of_the_aggregates(venue):
    client = connect(venue, "/market/ws/btcusdt@aggTrade", "binance_usdm")
    trade = b'{"e":"trade","E":5,"T":4,"s":"BTCUSDT","t":7,"p":"0","q":"0","X":"NA","m":true}'

    assert client.deliver(StreamFrame("binance_usdm", "btcusdt@trade", trade)) == []


@pytest.mark.parametrize(
    ("target", "stream", "gets"),
    [
        ("/public/stream?streams=", "btcusdt@depth", True),
        ("/stream?streams=", "btcusdt@depth", True),
        ("/market/stream?streams=", "btcusdt@depth", False),
        ("/private/stream?streams=", "btcusdt@depth", False),
        ("/market/stream?streams=", "btcusdt@aggTrade", True),
        ("/stream?streams=", "btcusdt@aggTrade", False),
        ("/public/stream?streams=", "btcusdt@trade", True),
        ("/market/stream?streams=", "btcusdt@trade", True),
    ],
)
def test_usdm_paths_carry_their_own_streams_only(venue, target, stream, gets):
    client = connect(venue, target + stream, "binance_usdm")
    data = DIFF if "depth" in stream else TRADE

    source = venue.source("binance_usdm", stream)

    assert bool(client.deliver(StreamFrame("binance_usdm", source, data))) == gets


@pytest.mark.parametrize("target", ["/", "/socket", "/stream/btcusdt@depth", "/wss/btcusdt@depth"])
def test_other_paths_are_refused(venue, target):
    assert StreamConnection(venue, "binance").open(target) is None


@pytest.mark.parametrize("target", ["/ws", "/ws/0", "/stream", "/stream.local/ws/0", "/stream?streams="])
def test_a_client_may_connect_without_streams_and_with_the_numbers_of_ccxt(venue, target):
    client = connect(venue, target)

    assert say(client, method="SUBSCRIBE", params=["btcusdt@depth"], id=1) == [{"result": None, "id": 1}]
    assert len(client.deliver(StreamFrame("binance", "btcusdt@depth", DIFF))) == 1


def test_subscribing_listing_and_unsubscribing_echo_the_id_with_its_type(venue):
    client = connect(venue, "/stream")

    assert say(client, method="SUBSCRIBE", params=["btcusdt@trade", "no@depth"], id="a-b") == [
        {"result": None, "id": "a-b"}
    ]
    assert say(client, method="LIST_SUBSCRIPTIONS", id=7) == [
        {"result": ["btcusdt@trade", "no@depth"], "id": 7}
    ]
    assert client.unknown == {"no@depth": 1}
    assert say(client, method="UNSUBSCRIBE", params=["btcusdt@trade", "never"], id=None) == [
        {"result": None, "id": None}
    ]
    assert client.deliver(StreamFrame("binance", "btcusdt@trade", TRADE)) == []


def test_the_combined_property_can_be_read_and_set(venue):
    client = connect(venue, "/ws/btcusdt@depth")

    assert say(client, method="GET_PROPERTY", params=["combined"], id=1) == [{"result": False, "id": 1}]
    assert say(client, method="SET_PROPERTY", params=["combined", True], id=2) == [{"result": None, "id": 2}]
    assert client.deliver(StreamFrame("binance", "btcusdt@depth", DIFF))[0].startswith(b'{"stream"')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ('"SUBSCRIBE"', 2),
        ('{"id":1}', 2),
        ('{"method":"HELLO","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"btcusdt@depth","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[5],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":true}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":{}}', 2),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0),
        ('{"method":"GET_PROPERTY","params":[],"id":1}', 2),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1),
        ('{"method":"SET_PROPERTY","params":["combined",true,1],"id":1}', 2),
    ],
)
def test_a_wrong_message_gets_an_error_of_the_venue_s_form(venue, text, code):
    (answer,) = connect(venue, "/stream").take(text)

    assert json.loads(answer)["code"] == code
    assert set(json.loads(answer)) == {"code", "msg", "id"}


def test_no_more_than_1024_streams_fit_a_connection(venue):
    client = connect(venue, "/stream")

    (answer,) = say(client, method="SUBSCRIBE", params=[f"x{n}@trade" for n in range(1025)], id=1)

    assert answer["code"] == 2
    assert client.names == {}


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)))
@settings(max_examples=100, deadline=None)
def test_no_message_breaks_a_connection(text):
    connection = StreamConnection(GeneratedVenue(VenueSimSettings()), "binance")
    connection.open("/stream")

    answers = connection.take(text)

    assert all(json.loads(answer) for answer in answers)


@pytest.mark.req("MD-24")
def test_a_client_that_comes_after_the_end_of_a_capture_is_told_at_once(make, write_capture):
    venue = CaptureVenue((write_capture(make.small_capture()),))
    early = StreamConnection(venue, "binance")
    assert early.open(f"/stream?streams={CAPTURE_STREAM}") == []
    frames = venue.advance(venue.origin_ns + 10**10)

    late = StreamConnection(venue, "binance")

    finished = b'{"stream":"!quotemesh@capture","data":{"e":"captureFinished","frames":5}}'
    assert early.deliver(frames[-1]) == [finished]
    assert late.open(f"/stream?streams={CAPTURE_STREAM}") == [finished]


def test_a_cut_takes_the_connections_that_listen(venue):
    client, other = connect(venue, "/ws/btcusdt@depth@100ms"), connect(venue, "/ws/btcusdt@trade")
    cut = StreamFrame("binance", CUT_STREAM, b"btcusdt@depth")

    assert client.deliver(cut) == other.deliver(cut) == []

    assert (client.is_cut, other.is_cut) == (True, False)
    other.deliver(StreamFrame("binance", CUT_STREAM, b""))
    assert other.is_cut
