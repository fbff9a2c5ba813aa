"""Those who speak with a real bus: plain clients, slow subscribers, and senders of garbage."""

import os
import time

import msgpack
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import ProtocolError
from shared.messages import body_of
from shared.messages.control import CancelAllRequested, KillRequested, PauseRequested, TradingState
from shared.messages.market import Trade
from shared.messages.system import Alive, Durable, EpochStarted, Tick
from shared.runtime.client import BusClient
from shared.runtime.journal import JournalReader
from shared.units import Side

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(120)]
PAUSE = PauseRequested("", "me", "why")


def trade(number):
    return Trade("binance:BTCUSDT", number, 100, 1, Side.BUY, 1, 1)


@pytest.mark.req("JR-16")
def test_a_plain_client_with_only_pyzmq_and_msgpack_appends_and_reads(rig):
    rig.bus()
    socket = rig.socket(zmq.REQ)
    socket.connect(rig.data.append)
    reads = rig.socket(zmq.REQ)
    reads.connect(rig.data.read)

    body = msgpack.packb(["cancel_all_requested", "", "me", "why"])
    socket.send_multipart([b"command", msgpack.packb(["operator", body])])
    answer = msgpack.unpackb(socket.recv())
    reads.send_multipart([b"read", msgpack.packb([answer["seq"] - 1, 1, [b".control"]])])
    rows = msgpack.unpackb(reads.recv())["rows"]
    reads.send(b"head")
    head = msgpack.unpackb(reads.recv())

    header, topic, stored = rows[0]
    assert (topic, stored) == (b".control", body)
    assert msgpack.unpackb(header)[4] == "operator"
    assert head["head_seq"] >= answer["seq"]
    assert answer["epoch"] == msgpack.unpackb(header)[3]


@pytest.mark.req("JR-1", "I-14")
def test_a_client_is_answered_only_when_its_word_is_durable(rig, receive):
    rig.bus()
    stream = rig.subscribe(b"~durable", b".control")
    client = rig.client()
    receive(stream)

    seq = client.append("operator", PAUSE)

    durable = 0
    while durable < seq:
        _, message = receive(stream)
        durable = message.durable_seq if isinstance(message, Durable) else durable
    assert client.status()["durable_seq"] >= seq


def test_a_client_reads_by_topic_and_in_pages(rig):
    rig.bus()
    client = rig.client()
    client.append("operator", PAUSE)
    client.append("operator", KillRequested("me", "why"))
    client.append("operator", CancelAllRequested("", "me", "why"))

    first = client.read(0, 2, (b".control",))
    rest = client.read(first[-1].header.seq, 10, (b".control",))

    assert [event.message for event in first + rest] == [
        PAUSE,
        KillRequested("me", "why"),
        CancelAllRequested("", "me", "why"),
    ]


def test_a_client_without_a_bus_is_told_so(rig):
    with pytest.raises(ProtocolError, match="did not answer"):
        BusClient(rig.data, timeout_ms=50).status()


def test_a_client_is_told_why_it_is_refused(rig):
    rig.bus()

    with pytest.raises(ProtocolError, match="owner"):
        rig.client().append("operator", TradingState("active", []))


def test_a_frozen_subscriber_delays_nobody(rig):
    rig.settings("bus", subscriber_frames_max=1000)
    rig.bus()
    frozen = rig.socket(zmq.SUB)
    frozen.rcvhwm = 10
    frozen.subscribe(b"")
    frozen.connect(rig.data.stream)
    feed = rig.producer("market_data")
    for start in range(0, 20_000, 200):
        feed.say(*[trade(start + i) for i in range(200)])

    rig.wait(lambda: rig.head() > 20_000)

    assert rig.client().status()["counters"]["accepted"] == 20_000


def test_another_schema_is_refused_at_hello(rig):
    rig.bus()

    answer = rig.producer("risk", schema=99).welcome

    assert answer.reason == "schema"


def test_an_oversized_frame_is_refused_counted_and_crashes_nothing(rig):
    rig.settings("bus", max_frame_bytes=65_536)
    bus = rig.bus()
    risk = rig.producer("risk")

    risk.send(risk.frame(TradingState("x" * 100_000, []), 1, "risk"))
    refused = risk.answer()
    giant = rig.socket(zmq.DEALER)
    giant.connect(rig.data.append)
    giant.send_multipart([b"append", b"h", b"t", b"x" * 1_000_000])

    assert refused.reason == "oversized"
    assert rig.client().append("operator", PAUSE) > 0
    assert rig.client().status()["counters"]["refused_oversized"] == 1
    assert bus.poll() is None


@pytest.mark.req("JR-18")
def test_garbage_frames_are_refused_and_the_bus_lives_on(rig):
    bus = rig.bus()
    rude = rig.socket(zmq.DEALER)
    rude.connect(rig.data.append)
    asking = rig.socket(zmq.DEALER)
    asking.connect(rig.data.read)
    words = st.sampled_from([b"append", b"hello", b"command", b"read", b"status", b"", b"refused"])

    @given(words | st.binary(max_size=20), st.lists(st.binary(max_size=60), max_size=7))
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def send(word, parts):
        rude.send_multipart([word, *parts])
        asking.send_multipart([b"", word, *parts])

    send()

    assert rig.client().append("operator", PAUSE) > 0
    assert rig.client().status()["counters"]["refused_undecodable"] > 0
    assert bus.poll() is None
    known = (EpochStarted, Tick, PauseRequested)
    assert all(isinstance(event.message, known) for event in rig.events())


def test_status_names_the_services(rig):
    rig.bus()
    risk = rig.producer("risk")
    risk.send(risk.frame(Alive("risk", 1, 77, 1000, os.getpid(), "live"), 0))
    client = rig.client()

    known = rig.wait(lambda: client.status()["services"]["risk"]["applied_seq"] and client.status())

    assert known["services"]["risk"] == {
        "run": 1,
        "applied_seq": 77,
        "state": "live",
        "rss_bytes": 1000,
        "pid": os.getpid(),
        "silent": False,
    }
    assert known["durable_seq"] <= known["head_seq"]


def test_the_body_on_the_log_is_the_body_that_was_sent(rig):
    rig.bus()
    client = rig.client()

    seq = client.append("operator", PAUSE)

    row = next(JournalReader(rig.data.journal).rows(seq - 1, seq))
    assert (row.topic, row.body) == (b".control", body_of(PAUSE))
    assert time.time_ns() > client.read(seq - 1, 1)[0].header.ts_ns
